"""Packages and unpacked ones as a source: what lies where, digests, reading, the list beside them."""

from __future__ import annotations

import errno
import os
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from biomedica.errors import Deferred, Rejected, SourceError
from biomedica.ids import ArticleId
from biomedica.sources import (
    UNREAD_DIGEST,
    DirectorySource,
    MediaIndex,
    PackageSource,
    SourceArticle,
    oa_package,
    open_source,
    packed,
    resolve_media,
)
from tests.sources.conftest import listed
from tests.sources.layout import write_article
from tests.sources.packages import HEADER, XML, entry, files, package, write_folder, write_package

ID = ArticleId(7, 1)
LIMIT = 1 << 20
MEDIA = {"f1.jpg": b"jpg bytes", "f1.gif": b"gif bytes", "s1.xlsx": b"table"}
Write = Callable[..., Path]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


@pytest.fixture(params=[write_package, write_folder], ids=["package", "folder"])
def write(request: pytest.FixtureRequest) -> Any:
    return request.param


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(Rejected) as caught:
        action()
    return caught.value.reason


def digest(source: PackageSource, article_id: ArticleId = ID) -> bytes:
    (found,) = source.list_articles([article_id])["input_digest"].to_pylist()
    assert isinstance(found, bytes)
    return found


def read(root: Path, article_id: ArticleId = ID) -> SourceArticle:
    return PackageSource(str(root)).read_article(article_id)


# --- what is a source of this kind -----------------------------------------------------------


@pytest.mark.parametrize("place", ["", "08/e0", "oa_package/08/e0", "oa_package", "08"])
def test_packages_are_found_where_the_service_had_them(root: Path, place: str) -> None:
    write_package(root, media=MEDIA, place=place)
    source = open_source(str(root))
    assert isinstance(source, PackageSource)
    assert listed(source) == [ID]
    assert source.read_article(ID).read_media("f1.jpg", LIMIT) == b"jpg bytes"


@pytest.mark.parametrize("place", ["8/e0", "zz/e0", "08/e0/aa", "papers", "08/oa_package"])
def test_packages_elsewhere_are_not_looked_for(root: Path, place: str) -> None:
    write_package(root, place=place)
    with pytest.raises(SourceError, match=r"PMC1\.tar\.gz"):
        open_source(str(root))


def test_a_folder_in_pmcs_layout_is_that_whatever_else_it_holds(root: Path) -> None:
    write_package(root, 9)
    write_article(root, ID)
    assert isinstance(open_source(str(root)), DirectorySource)
    shutil.rmtree(root / "metadata")
    (root / str(ID) / f"{ID}.json").write_text("{}")
    assert isinstance(open_source(str(root)), DirectorySource)
    shutil.rmtree(root / str(ID))
    assert isinstance(open_source(str(root)), PackageSource)


def test_folders_without_an_xml_are_no_source(root: Path) -> None:
    folder = write_folder(root, media=MEDIA)
    assert isinstance(open_source(str(root)), PackageSource)
    (folder / "paper.nxml").unlink()
    with pytest.raises(SourceError, match="not in PMC's layout"):
        open_source(str(root))
    with pytest.raises(SourceError, match="not a folder"):
        open_source(str(write_package(root)))


def test_a_bucket_of_packages_is_refused_with_the_way_out(cloud: Any) -> None:
    cloud.put("PMC7.tar.gz", b"x")
    with pytest.raises(SourceError, match="copy them to a folder"):
        cloud.source().list_articles()
    cloud.delete("PMC7.tar.gz")
    cloud.put("mine/oa_package/08/e0/PMC7.tar.gz", b"x")
    with pytest.raises(SourceError, match="copy them to a folder"):
        cloud.source("mine").list_articles()


# --- listing ---------------------------------------------------------------------------------


def test_listing_is_sorted_and_versions_are_those_of_the_names(root: Path) -> None:
    for name in ("PMC70", "PMC8.2", "PMC8.10", "PMC8"):
        (root / f"{name}.tar.gz").write_bytes(package(files()))
    write_folder(root, 9)
    for name in (
        "PMC0012.tar.gz",
        "PMCx.tar.gz",
        "PMC5.zip",
        "PMC6.tar",
        "notes.txt",
        "PMC3.tar.gz.part",
    ):
        (root / name).touch()
    shutil.copytree(root / "PMC9", root / "PMC9.2")  # of the bucket, without its metadata
    (root / "PMC4.tar.gz").mkdir()
    source = PackageSource(str(root))
    every = [ArticleId(8, 1), ArticleId(8, 2), ArticleId(8, 10), ArticleId(9, 1), ArticleId(70, 1)]
    assert listed(source) == every
    assert listed(source, [ArticleId(8, 0), ArticleId(70, 1), ArticleId(3, 0)]) == [every[2], every[4]]
    assert listed(source, []) == []
    assert listed(source, [ArticleId(70, 2)]) == []


def test_more_articles_than_a_chunk_in_many_folders(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 30):
        write_package(root, number, place=f"{number % 3:02x}/{number % 5:02x}")
    whole = PackageSource(str(root)).list_articles()
    monkeypatch.setattr(oa_package, "_CHUNK", 4)
    assert PackageSource(str(root)).list_articles().equals(whole)
    assert whole["pmcid"].to_pylist() == list(range(1, 30))


def test_of_one_article_in_several_places_the_package_in_the_first_folder_counts(root: Path) -> None:
    write_folder(root, media={"a.jpg": b"folder"})
    assert list(read(root).metadata.media) == ["a.jpg"]
    write_package(root, media={"c.jpg": b"deep"}, place="08/e0")
    assert list(read(root).metadata.media) == ["c.jpg"]
    write_package(root, media={"b.jpg": b"flat"})
    assert list(read(root).metadata.media) == ["b.jpg"]
    assert listed(PackageSource(str(root))) == [ID]


def test_a_listing_is_that_of_now_and_what_came_later_is_read(root: Path, write: Write) -> None:
    write(root)
    source = PackageSource(str(root))
    assert listed(source) == [ID]
    write(root, 8)
    assert refusal(lambda: source.read_article(ArticleId(8, 1))) == "unknown_id"
    assert listed(source) == [ID, ArticleId(8, 1)]
    assert source.read_article(ArticleId(8, 1)).metadata.xml_name == "paper.nxml"


def test_the_digest_of_a_listing_is_that_of_reading(root: Path, write: Write) -> None:
    write(root, media=MEDIA)
    source = PackageSource(str(root))
    assert source.read_article(ID).input_digest == digest(source).hex()
    (root / "oa_file_list.csv").write_text(HEADER + "a,b,PMC7,2020-01-01 00:00:00,1,CC BY\n")
    assert source.read_article(ID).input_digest != digest(source).hex()  # read with the stock of before
    assert source.read_article(ID).input_digest == digest(source).hex()


def test_a_package_is_known_by_its_content_wherever_and_whenever(root: Path, tmp_path: Path) -> None:
    path = write_package(root, media=MEDIA)
    before = digest(PackageSource(str(root)))
    os.utime(path, (1, 1))
    assert digest(PackageSource(str(root))) == before
    copy = tmp_path / "copy" / "08" / "e0"
    copy.mkdir(parents=True)
    shutil.copyfile(path, copy / path.name)
    assert digest(PackageSource(str(tmp_path / "copy"))) == before


def test_any_changed_byte_changes_the_digest_of_a_package(root: Path) -> None:
    """Also one far from the tail, of the same length, not packed: the CRC-32 in the tail tells."""
    large = bytearray(os.urandom(1 << 20))
    write_package(root, media={"f.tif": bytes(large), "z.tif": os.urandom(1 << 16)})
    source = PackageSource(str(root))
    before = digest(source)
    tail = source.read_article(ID).read_media("z.tif", LIMIT)
    large[1000] ^= 1
    write_package(root, media={"f.tif": bytes(large), "z.tif": tail})
    assert digest(source) != before


def test_a_folder_is_known_by_names_sizes_and_times(root: Path, tmp_path: Path) -> None:
    folder = write_folder(root, media=MEDIA)
    source = PackageSource(str(root))
    seen = {digest(source)}
    shutil.copytree(root, tmp_path / "copy")  # keeps times, as cp -a and rsync -a do
    assert digest(PackageSource(str(tmp_path / "copy"))) in seen
    (folder / "f1.jpg").write_bytes(b"jpg bytez")
    os.utime(folder / "f1.jpg", ns=(5, 5))
    (folder / "f2.jpg").write_bytes(b"")
    seen.add(digest(source))
    os.rename(folder / "f2.jpg", folder / "f3.jpg")
    seen.add(digest(source))
    (folder / "f3.jpg").unlink()
    seen.add(digest(source))
    assert len(seen) == 4


def test_a_package_that_cannot_be_read_now_is_listed_and_deferred(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package(root)
    real = os.open

    def failing(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith("PMC7.tar.gz"):
            raise OSError(errno.EIO, "Input/output error", path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", failing)
    source = PackageSource(str(root))
    assert digest(source) == UNREAD_DIGEST
    with pytest.raises(Deferred):
        source.read_article(ID)


def test_a_folder_that_cannot_be_listed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = PackageSource(str(root))

    def failing(path: str) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", failing)
    with pytest.raises(SourceError, match="mounted and readable"):
        source.list_articles()


# --- reading ---------------------------------------------------------------------------------


def test_an_article(root: Path, write: Write) -> None:
    write(root, media=MEDIA)
    article = read(root)
    known = article.metadata
    assert (known.xml_name, dict(known.media)) == ("paper.nxml", dict.fromkeys(MEDIA))
    assert known.is_composed
    assert known.is_pmc_openaccess
    assert (known.is_retracted, known.is_manuscript, known.is_historical_ocr) == (False,) * 3
    assert (known.pmid, known.doi, known.title, known.license_code, known.extra) == (None,) * 5
    assert article.read_xml(LIMIT) == XML
    for name, data in MEDIA.items():
        assert article.read_media(name, LIMIT) == data
    assert article.media_read == 3
    assert refusal(lambda: article.read_media("paper.nxml", LIMIT)) == "media_missing"
    assert refusal(lambda: article.read_media("../PMC7.tar.gz", LIMIT)) == "media_missing"
    assert refusal(lambda: article.read_xml(len(XML) - 1)) == "too_large"
    assert refusal(lambda: article.read_media("f1.jpg", 8)) == "too_large"


def test_hrefs_without_extension_mean_the_jpeg_before_its_thumbnail(root: Path, write: Write) -> None:
    write(root, media=MEDIA | {"a.b.g001.gif": b"", "a.b.g001.jpg": b""})
    index = MediaIndex(read(root).metadata.media)
    assert [resolve_media(href, index) for href in ("f1", "a.b.g001")] == ["f1.jpg", "a.b.g001.jpg"]


def test_uris(root: Path) -> None:
    path = write_package(root, media={"a b#1.jpg": b""}, place="08/e0")
    assert read(root).xml_uri == f"{path.as_uri()}#paper.nxml"
    assert read(root).media_uri("a b#1.jpg") == f"{path.as_uri()}#a%20b%231.jpg"
    folder = write_folder(root, 8)
    assert read(root, ArticleId(8, 1)).xml_uri == f"{folder.as_uri()}/paper.nxml"


def test_ids_that_are_not_there(root: Path, write: Write) -> None:
    path = write(root)
    source = PackageSource(str(root))
    for article_id in (ArticleId(7, 2), ArticleId(7, 0), ArticleId(70, 1), ArticleId(1, 1)):
        assert refusal(lambda article_id=article_id: source.read_article(article_id)) == "unknown_id"
    source.list_articles()
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert refusal(lambda: source.read_article(ID)) == "unknown_id"


def test_a_source_travels_and_is_read_by_threads(root: Path, write: Write) -> None:
    media = {f"f{number}.jpg": os.urandom(200_000) for number in range(20)}
    write(root, media=media)
    source = pickle.loads(pickle.dumps(PackageSource(str(root))))  # noqa: S301
    assert (source.uri, source.traffic.requests) == (root.as_uri(), 0)
    article = source.read_article(ID)
    with ThreadPoolExecutor(8) as pool:
        read_bytes = pool.map(lambda name: article.read_media(name, LIMIT), list(media) * 3)
        assert list(read_bytes) == list(media.values()) * 3
    assert article.media_read == 60


def test_what_changed_since_it_was_opened_is_deferred(root: Path, write: Write) -> None:
    write(root, media=MEDIA)
    article = read(root)
    path = root / "PMC7" / "f1.jpg" if (root / "PMC7").is_dir() else root / "PMC7.tar.gz"
    path.write_bytes(b"other bytes")
    with pytest.raises(Deferred, match="changed while it was read"):
        article.read_media("f1.jpg", LIMIT)
    path.unlink()
    with pytest.raises(Deferred, match="changed while it was read"):
        article.read_media("f1.jpg", LIMIT)


def test_what_is_written_while_it_is_read_is_deferred_not_corrupt(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_package(root, media=MEDIA)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    real = packed.read_members

    def growing(reader: Any) -> Any:
        try:
            return real(reader)
        finally:
            path.write_bytes(whole)

    monkeypatch.setattr(packed, "read_members", growing)
    with pytest.raises(Deferred):
        read(root)


# --- which XML is the article's --------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["a.nxml"], "a.nxml"),
        (["a.nxml", "s1.xml", "s2.xml"], "a.nxml"),
        (["A.NXML", "PMC7.xml"], "A.NXML"),
        (["a.xml"], "a.xml"),
        (["s1.xml", "PMC7.xml"], "PMC7.xml"),
        (["s1.xml", "PMC7.1.xml"], "PMC7.1.xml"),
        (["a.nxml", ".b.nxml", "._a.nxml"], "a.nxml"),
        (["a.nxml", "b.nxml"], "xml_ambiguous"),
        (["a.xml", "b.xml"], "xml_ambiguous"),
        (["PMC7.xml", "PMC7.1.xml"], "xml_ambiguous"),
        (["a.jpg"], "xml_missing"),
        ([], "xml_missing"),
    ],
)
@pytest.mark.parametrize("is_packed", [True, False])
def test_the_xml_of_an_article(root: Path, names: list[str], chosen: str, is_packed: bool) -> None:
    if is_packed:
        data = package(entry(f"PMC7/{name}", XML) for name in names)
        (root / "PMC7.tar.gz").write_bytes(data)
    else:
        (root / "PMC7").mkdir()
        for name in names:
            (root / "PMC7" / name).write_bytes(XML)
    if chosen.startswith("xml_"):
        assert refusal(lambda: read(root)) == chosen
    else:
        article = read(root)
        assert article.metadata.xml_name == chosen
        assert set(article.metadata.media) == {name for name in names if name[0] != "."} - {chosen}


# --- folders that others may change ----------------------------------------------------------


def test_links_of_a_folder_count_where_they_stay_inside(root: Path, tmp_path: Path) -> None:
    folder = write_folder(root, media=MEDIA)
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / "in.jpg").symlink_to(folder / "f1.jpg")
    (folder / "out.jpg").symlink_to(tmp_path / "secret.jpg")
    os.mkfifo(folder / "pipe.jpg")
    (folder / "sub").mkdir()
    assert set(read(root).metadata.media) == {*MEDIA, "in.jpg"}
    assert read(root).read_media("in.jpg", LIMIT) == b"jpg bytes"
    article = read(root)
    (folder / "f1.gif").unlink()
    (folder / "f1.gif").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(Deferred):
        article.read_media("f1.gif", LIMIT)


def test_links_that_lead_out_are_no_articles(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    path = write_package(other)
    write_folder(other, 8)
    (root / "PMC7.tar.gz").symlink_to(path)
    (root / "PMC8").symlink_to(other / "PMC8")
    (root / "08").symlink_to(other)
    assert listed(PackageSource(str(root))) == []


def test_names_of_a_folder_that_no_table_can_hold(root: Path) -> None:
    folder = write_folder(root, media=MEDIA)
    with open(os.fsencode(folder) + b"/caf\xe9.jpg", "wb"):
        pass
    (folder / "a\\b.jpg").touch()
    twins = {"Fig.jpg", "fIG.jpg"}
    for name in twins:
        (folder / name).touch()
    article = read(root)
    assert set(article.metadata.media) == {*MEDIA, *twins}
    assert article.metadata.invalid_media == ("a\\b.jpg", "caf\\udce9.jpg")
    index = MediaIndex(article.metadata.media, article.metadata.invalid_media)
    assert refusal(lambda: resolve_media("fig.jpg", index)) == "media_missing"  # two by case: none
    assert resolve_media("Fig.jpg", index) == "Fig.jpg"
    assert "".join(article.metadata.invalid_media).encode()


def test_a_folder_of_too_many_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(root, media=MEDIA)
    monkeypatch.setattr(packed, "MOST_MEMBERS", 3)
    source = PackageSource(str(root))
    assert digest(source) != UNREAD_DIGEST
    assert refusal(lambda: source.read_article(ID)) == "package_unsafe"
