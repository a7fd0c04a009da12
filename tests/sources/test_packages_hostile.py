"""Packages that nobody should have made: each a named reject, in bounded memory, nothing on disk."""

from __future__ import annotations

import gzip
import io
import os
import random
import struct
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.errors import Deferred, Rejected
from biomedica.ids import ArticleId
from biomedica.schema import REJECT_REASONS
from biomedica.sources import PackageSource, SourceArticle, inflate, tar
from biomedica.sources.inflate import GzipReader
from tests.sources.packages import XML, Entry, entry, files, package
from tests.sources.packages import tar as tar_of

ID = ArticleId(7, 1)
LIMIT = 64 << 20
Refused = Callable[[bytes], tuple[str, str]]


def opened(root: Path, data: bytes) -> SourceArticle:
    (root / "PMC7.tar.gz").write_bytes(data)
    before = sorted(os.walk(root))
    try:
        return PackageSource(str(root)).read_article(ID)
    finally:
        assert sorted(os.walk(root)) == before


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """(reason, detail) with which a package is refused."""

    def refuse(data: bytes) -> tuple[str, str]:
        with pytest.raises(Rejected) as caught:
            opened(tmp_path, data)
        assert caught.value.reason in REJECT_REASONS["source"]
        assert caught.value.detail.isascii()
        assert "\n" not in caught.value.detail
        return caught.value.reason, caught.value.detail

    return refuse


# --- members ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "words"),
    [
        (entry("PMC7/f1.jpg", kind=tarfile.SYMTYPE, target="/etc/passwd"), "a symbolic link"),
        (entry("PMC7/f1.jpg", kind=tarfile.SYMTYPE, target="paper.nxml"), "a symbolic link"),
        (entry("PMC7/f1.jpg", kind=tarfile.LNKTYPE, target="PMC7/paper.nxml"), "a hard link"),
        (entry("PMC7/f1.jpg", kind=tarfile.CHRTYPE), "a device"),
        (entry("PMC7/f1.jpg", kind=tarfile.BLKTYPE), "a device"),
        (entry("PMC7/f1.jpg", kind=tarfile.FIFOTYPE), "a named pipe"),
        (entry("PMC7/f1.jpg", b"x" * 600, kind=tarfile.GNUTYPE_SPARSE), "a sparse file"),
        (entry("PMC7/f1.jpg", b"x", kind=b"V"), "of type b'V'"),
        (entry("/etc/cron.d/f1.jpg", b"x"), "leads out"),
        (entry("../f1.jpg", b"x"), "leads out"),
        (entry("PMC7/../../f1.jpg", b"x"), "leads out"),
        (entry("PMC7/..", kind=tarfile.DIRTYPE), "leads out"),
        (entry("PMC7/paper.nxml", b"<other/>"), "two files"),
        (entry("./PMC7//paper.nxml", b"<other/>"), "two files"),
        (entry("PMC7/" + "d/" * 600 + "f1.jpg", b"x"), "too long"),
    ],
)
@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_members_that_no_package_has(refused: Refused, member: Entry, words: str, form: int) -> None:
    for entries in ([*files(), member], [member, *files()]):
        reason, detail = refused(package(entries, form))
        assert reason == "package_unsafe"
        assert words in detail


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_names_that_are_odd_are_never_read_and_told(tmp_path: Path, form: int) -> None:
    odd = ["caf\udce9.jpg", "a\\b.jpg", "C:f.jpg", "line\nend.jpg", "sub/f1.jpg", "\x1b[31m.jpg"]
    fine = ["é.jpg", "f 1.jpg", "Fig.jpg", "fIG.jpg", "x" * 200 + ".jpg"]
    members = [entry(f"PMC7/{name}", name.encode("utf-8", "replace")) for name in odd + fine]
    article = opened(tmp_path, package([*files(), *members, entry("PMC8/f1.jpg", b"x")], form))
    assert sorted(article.metadata.media) == sorted(fine)
    for name in fine:
        assert article.read_media(name, LIMIT) == name.encode()
    assert set(article.metadata.invalid_media) == {
        "caf\\udce9.jpg", "a\\b.jpg", "C:f.jpg", "line\\nend.jpg", "sub/f1.jpg", "\\x1b[31m.jpg", "PMC8/f1.jpg",
    }  # fmt: skip
    with pytest.raises(Rejected, match="media_missing"):
        article.read_media("sub/f1.jpg", LIMIT)


def test_what_systems_leave_behind_is_passed_over(tmp_path: Path) -> None:
    left = [
        entry(name, b"x") for name in ("PMC7/._paper.nxml", "PMC7/.DS_Store", "__MACOSX/PMC7/a.nxml")
    ]
    article = opened(tmp_path, package([*files(7, {"f.jpg": b"x"}), *left]))
    assert (list(article.metadata.media), article.metadata.invalid_media) == (["f.jpg"], ())


def test_the_folder_of_another_article(refused: Refused, tmp_path: Path) -> None:
    assert refused(package(files(70)))[0] == "metadata_mismatch"
    assert refused(package(files(7) + files(8)))[0] == "xml_ambiguous"
    assert opened(tmp_path, package([entry("./paper.nxml", XML)])).read_xml(LIMIT) == XML
    assert opened(tmp_path, package([entry("any/paper.nxml", XML)])).read_xml(LIMIT) == XML


def test_too_many_members(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tar, "MOST_MEMBERS", 20)
    reason, detail = refused(package(files(7, {f"f{n}.jpg": b"" for n in range(20)})))
    assert (reason, "more than 20 members" in detail) == ("package_unsafe", True)


def headers(*blocks: bytes) -> bytes:
    return gzip.compress(b"".join(blocks) + bytes(1024), mtime=0)


def header(path: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    info = tarfile.TarInfo(path)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


def pax(*records: bytes) -> bytes:
    data = b"".join(records)
    return header("x", len(data), tarfile.XHDTYPE) + data + bytes(-len(data) % 512)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (headers(header("PMC7/a.nxml", 1 << 62)), "package_corrupt"),
        (headers(header("PMC7/a.nxml", -5)), "package_corrupt"),
        (headers(header("x", 1 << 40, tarfile.XHDTYPE)), "package_unsafe"),
        (headers(header("x", 1 << 40, tarfile.GNUTYPE_LONGNAME)), "package_unsafe"),
        (headers(header("x", 5000, tarfile.XHDTYPE)), "package_corrupt"),
        (headers(pax(b"9 path=x"), header("a", 0)), "package_corrupt"),
        (headers(pax(b"9999 path=x\n"), header("a", 0)), "package_corrupt"),
        (headers(pax(b"4 path=x\n"), header("a", 0)), "package_corrupt"),
        (headers(pax(b"nonsense"), header("a", 0)), "package_corrupt"),
        (headers(pax(b"13 size=many\n"), header("a", 0)), "package_corrupt"),
        (headers(pax(b"11 size=-1\n"), header("a", 0)), "package_corrupt"),
        (headers(pax(b"22 GNU.sparse.major=1\n"), header("a", 0)), "package_unsafe"),
        (headers(pax(b"18 path=/etc/motd\n"), header("a", 0)), "package_unsafe"),
        (headers(pax(b"12 path=a\0b\n"), header("a", 0)), "package_unsafe"),
        (headers(pax(b"8 path=\n"), header("a", 0)), "package_unsafe"),
        (headers(pax(b"12 path=a/b\n"), header("a.nxml", 0)), "xml_missing"),
        (
            headers(header("x", 512, tarfile.XGLTYPE), b"12 path=a/b\n".ljust(512, b"\0")),
            "package_unsafe",
        ),
        (headers(b"x" * 512), "package_corrupt"),
        (headers(bytes(1024), b"more".ljust(512)), "package_corrupt"),
    ],
)
def test_headers_that_lie(refused: Refused, data: bytes, reason: str) -> None:
    assert refused(data)[0] == reason


def test_long_names_and_large_sizes_are_read_from_extended_headers(tmp_path: Path) -> None:
    name = "é" * 150 + ".jpg"
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        article = opened(tmp_path, package([*files(), entry(f"PMC7/{name}", b"abc")], form))
        assert article.read_media(name, LIMIT) == b"abc"
    sized = pax(b"10 size=3\n") + header("PMC7/f.jpg", 0) + b"abc".ljust(512, b"\0")
    article = opened(tmp_path, headers(header("PMC7/a.nxml", 0), sized))
    assert article.read_media("f.jpg", LIMIT) == b"abc"


# --- the stream ------------------------------------------------------------------------------


GOOD = package(files(7, {"f1.jpg": bytes(range(256)) * 40, "f2.jpg": random.Random(7).randbytes(9000)}))


def with_trailer(crc: int = 0, length: int = 0) -> bytes:
    return GOOD[:-8] + struct.pack("<II", crc, length)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:5],
        GOOD[:-1],
        GOOD[:-8],
        GOOD[: len(GOOD) // 2],
        with_trailer(),
        GOOD[:-4] + b"\1\1\1\1",
        GOOD + b"\0",
        GOOD + GOOD,
        gzip.decompress(GOOD),
        zlib.compress(b"x"),
        b"<html>Not Found</html>",
        gzip.compress(b"not a tar archive" * 100, mtime=0),
        gzip.compress(gzip.decompress(GOOD)[:700], mtime=0),
        GOOD[:2000] + bytes([GOOD[2000] ^ 255]) + GOOD[2001:],
    ],
)
def test_streams_that_are_broken(refused: Refused, data: bytes) -> None:
    assert refused(data)[0] == "package_corrupt"


def test_an_archive_without_its_end_mark_and_one_of_nothing(refused: Refused, tmp_path: Path) -> None:
    whole = tar_of(files(7, {"f1.jpg": b"x"}))
    article = opened(tmp_path, gzip.compress(whole.rstrip(b"\0").ljust(512 * 6, b"\0")))
    assert article.read_media("f1.jpg", LIMIT) == b"x"
    assert refused(gzip.compress(b""))[0] == "xml_missing"
    assert refused(gzip.compress(bytes(10240)))[0] == "xml_missing"


def bomb(entries: Iterable[Entry], zeros: int) -> bytes:
    """The entries, then a file of so many zeros; packed piece by piece."""
    plain = tar_of(entries)
    plain = plain[: -(-len(plain.rstrip(b"\0")) // 512) * 512]
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(plain + header("PMC7/zeros.tif", zeros))]
    piece = bytes(1 << 20)
    parts += [packer.compress(piece) for _ in range(zeros >> 20)]
    return b"".join([*parts, packer.compress(bytes(1024)), packer.flush()])


def test_bombs_end_early_and_hold_no_memory(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "RATIO_FROM", 8 << 20)
    data = bomb(files(), 64 << 20)
    assert len(data) < 100_000
    tracemalloc.start()
    reason, detail = refused(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (reason, "200 times" in detail) == ("package_unsafe", True)
    assert peak < 8 << 20
    monkeypatch.setattr(inflate, "MOST_BYTES", 4 << 20)
    assert "more than 4194304 bytes" in refused(data)[1]


def test_a_blank_drawing_is_no_bomb_and_one_huge_member_costs_no_memory(tmp_path: Path) -> None:
    data = bomb(files(), 64 << 20)
    tracemalloc.start()
    article = opened(tmp_path, data)
    with pytest.raises(Rejected, match="too_large"):
        article.read_media("zeros.tif", 1 << 20)
    assert article.read_xml(LIMIT) == XML
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20
    assert article.read_media("zeros.tif", LIMIT) == bytes(64 << 20)


def test_the_xml_is_limited_too(tmp_path: Path) -> None:
    article = opened(tmp_path, package(files(xml=b"<article>" + b" " * (1 << 20))))
    with pytest.raises(Rejected, match="too_large"):
        article.read_xml(1 << 20)


# --- reading from marks ----------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [1, 5000, 1 << 20])
def test_reading_from_a_mark_gives_what_reading_on_gives(
    tmp_path: Path, spacing: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inflate, "SPACING", spacing)
    media = {f"f{n}.jpg": os.urandom(n * 7919 % 60_000) for n in range(40)}
    media |= {f"g{n}.tif": bytes(n * 4001) for n in range(40)}
    article = opened(tmp_path, package(files(7, media)))
    for name, data in sorted(media.items(), reverse=True):
        assert article.read_media(name, LIMIT) == data


@given(st.lists(st.binary(max_size=3000) | st.integers(0, 90_000).map(bytes), max_size=20), st.data())
@settings(max_examples=30, deadline=None)
def test_a_reader_gives_the_bytes_that_were_packed(parts: list[bytes], data: Any) -> None:
    plain = b"".join(parts)
    packed = gzip.compress(plain)
    reader = GzipReader(io.BytesIO(packed))
    at = data.draw(st.integers(0, len(plain)))
    assert reader.skip(at) == (at, zlib.crc32(plain[:at]))
    mark = reader.mark
    assert mark.position <= reader.position == at
    assert reader.read(len(plain)) == plain[at:]
    assert reader.read(1) == b""
    again = GzipReader(io.BytesIO(packed), mark)
    again.skip(at - mark.position)
    assert again.read(len(plain)) == plain[at:]


# --- anything at all -------------------------------------------------------------------------


def outcome(root: Path, data: bytes) -> str:
    """`read`, the reason of a reject, or `deferred`; nothing else may come."""
    try:
        article = opened(root, data)
        article.read_xml(LIMIT)
        for name in article.metadata.media:
            article.read_media(name, LIMIT)
            assert name.encode()
        assert all(path.encode() for path in article.metadata.invalid_media)
        return "read"
    except Rejected as fault:
        return fault.reason
    except Deferred:
        return "deferred"


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_any_bytes_in_the_place_of_an_archive(
    tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    plain = bytearray(gzip.decompress(GOOD))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(plain) - 1) | st.integers(0, 2048))
        plain[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=6))
    found = outcome(tmp_path_factory.mktemp("any"), gzip.compress(bytes(plain)))
    assert found in {
        "read", "package_corrupt", "package_unsafe", "xml_missing", "xml_ambiguous", "metadata_mismatch"
    }  # fmt: skip


@given(st.integers(10, len(GOOD) - 1), st.binary(min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_any_damage_of_the_stream(
    tmp_path_factory: pytest.TempPathFactory, at: int, damage: bytes
) -> None:
    data = GOOD[:at] + damage + GOOD[at + len(damage) :]
    found = outcome(tmp_path_factory.mktemp("any"), data)
    assert found in ({"read"} if data == GOOD else {"package_corrupt", "package_unsafe"})
