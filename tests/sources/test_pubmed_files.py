"""PubMed files in a folder, a bucket and on a web server; MD5s that agree, disagree, or are not there."""

from __future__ import annotations

import functools
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from biomedica.config import FetchConfig
from biomedica.errors import Deferred, Rejected, SourceError
from biomedica.sources import pubmed_files
from biomedica.sources.pubmed_files import (
    PubmedFile,
    list_pubmed_files,
    md5_beside,
    read_pubmed_file,
    unpack,
)
from biomedica.sources.pubmed_set import read_set
from tests.pubmed import document, record, write_pubmed_file
from tests.sources.conftest import Cloud

FETCH = FetchConfig(retries=0, timeout_seconds=10)
NAMES = ["pubmed26n0002", "pubmed26n0001", "pubmed26n1500"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate(NAMES):
        write_pubmed_file(tmp_path / "files", name, document([record(number + 1)]))
    for other in ("README.txt", "pubmed26n0003.xml", "x.xml.gz", "pubmed26n0004.xml.gz.part"):
        (tmp_path / "files" / other).write_bytes(b"other")
    return tmp_path / "files"


@pytest.fixture
def web(folder: Path) -> Iterator[str]:
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


def names(place: str, fetch: FetchConfig = FETCH) -> list[str]:
    return [file.name for file in list_pubmed_files([place], fetch)]


def test_a_folder_a_uri_and_a_web_server_list_the_same(folder: Path, web: str) -> None:
    assert names(str(folder)) == names(folder.as_uri()) == names(web) == sorted(NAMES)


def test_a_bucket_too(folder: Path, cloud: Cloud) -> None:
    cloud.upload(folder, "pubmed/baseline/")
    fetch = FetchConfig(endpoint_url=cloud.endpoint, retries=0)
    place = f"s3://{cloud.name}/pubmed/baseline"
    assert names(place, fetch) == sorted(NAMES)
    data, _, was_checked = read_pubmed_file(PubmedFile(NAMES[1], place), fetch)
    assert was_checked
    assert sorted(read_set(unpack(data)).kept) == [2]


def test_of_two_places_the_later_one(folder: Path, tmp_path: Path) -> None:
    write_pubmed_file(tmp_path / "more", NAMES[0], document([record(9)]))
    found = list_pubmed_files([str(folder), str(tmp_path / "more")], FETCH)
    assert [file.name for file in found] == sorted(NAMES)
    assert found[1].place == str(tmp_path / "more")


@pytest.mark.parametrize("place", ["folder", "web"])
def test_a_file_is_read_and_checked(
    place: str, folder: Path, web: str, request: pytest.FixtureRequest
) -> None:
    file = PubmedFile(NAMES[0], str(request.getfixturevalue(place)))
    data, md5, was_checked = read_pubmed_file(file, FETCH)
    assert was_checked
    assert md5_beside(file, FETCH) == md5
    assert sorted(read_set(unpack(data)).kept) == [1]


def test_an_md5_that_disagrees_defers(folder: Path) -> None:
    write_pubmed_file(folder, NAMES[0], document([record(1)]), md5="0" * 32)
    with pytest.raises(Deferred, match=r"pubmed26n0002\.xml\.gz has the MD5"):
        read_pubmed_file(PubmedFile(NAMES[0], str(folder)), FETCH)


def test_a_file_that_is_replaced_while_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its MD5 was read before, its bytes after: the second look at both agrees."""
    file = PubmedFile(NAMES[0], str(folder))
    old = (folder / f"{file.file_name}.md5").read_bytes()
    write_pubmed_file(folder, NAMES[0], document([record(77)]))
    read: Callable[[Path, int], bytes | None] = pubmed_files._read_local
    stale = [old]
    monkeypatch.setattr(
        pubmed_files,
        "_read_local",
        lambda path, limit: stale.pop() if path.suffix == ".md5" and stale else read(path, limit),
    )
    data, _, was_checked = read_pubmed_file(file, FETCH)
    assert was_checked
    assert sorted(read_set(unpack(data)).kept) == [77]


def test_without_an_md5_a_file_is_read_and_said_to_be_unchecked(folder: Path) -> None:
    write_pubmed_file(folder, NAMES[0], document([record(1)]), md5=False)
    file = PubmedFile(NAMES[0], str(folder))
    assert read_pubmed_file(file, FETCH)[2] is False
    assert md5_beside(file, FETCH) is None


@pytest.mark.parametrize("place", ["folder", "web"])
def test_a_file_that_is_gone(
    place: str, folder: Path, web: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(Rejected, match="not there any more"):
        read_pubmed_file(PubmedFile("pubmed26n0099", str(request.getfixturevalue(place))), FETCH)


def test_a_file_that_is_too_large(folder: Path, web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubmed_files, "MAX_BYTES", 100)
    for place in (str(folder), web):
        with pytest.raises(Rejected, match="too_large"):
            read_pubmed_file(PubmedFile(NAMES[0], place), FETCH)


def test_broken_gzip(folder: Path) -> None:
    packed = (folder / f"{NAMES[0]}.xml.gz").read_bytes()
    for broken in (
        packed[:-20],
        b"not gzip",
        packed[:40] + b"\0\0\0\0" + packed[44:],
        packed + b"rest",
    ):
        with pytest.raises(Rejected, match="broken gzip"):
            list(unpack(broken))
    assert b"".join(unpack(packed + packed)) == 2 * document([record(1)])


def test_a_file_that_unpacks_without_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubmed_files, "MAX_UNPACKED", 1000)
    with pytest.raises(Rejected, match="too_large"):
        list(unpack((folder / f"{NAMES[0]}.xml.gz").read_bytes()))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("ftp://ftp.ncbi.nlm.nih.gov/pubmed", "give a folder"),
        ("https://user:secret@example.org/x", "write it without"),
        ("{folder}/absent", "cannot list"),
        ("{folder}/..", "there is no PubMed file"),
        ("http://127.0.0.1:9/", "check the network"),
    ],
)
def test_a_place_that_is_none(place: str, words: str, folder: Path) -> None:
    with pytest.raises(SourceError) as fault:
        list_pubmed_files([place.format(folder=folder)], FETCH)
    assert words in str(fault.value)
    assert "secret" not in str(fault.value)
