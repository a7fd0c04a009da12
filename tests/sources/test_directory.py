from __future__ import annotations

import errno
import json
import os
import pickle
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from biomedica.errors import BiomedicaError, Deferred, Rejected, SourceError
from biomedica.ids import ArticleId
from biomedica.sources import (
    LISTING,
    UNREAD_DIGEST,
    DirectorySource,
    SourceArticle,
    directory,
    open_source,
)
from tests.sources.layout import XML, document, md5, url, write_article

ID = ArticleId(7, 1)
LIMIT = 1 << 20
PNG, JPG = b"png bytes", b"jpg bytes"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    write_article(folder, ID, {"f1.jpg": JPG, "f 2.png": PNG})
    return folder


def listed(source: DirectorySource, ids: list[ArticleId] | None = None) -> list[ArticleId]:
    table = source.list_articles(ids)
    assert table.schema == LISTING
    columns = table.to_pydict()
    return [ArticleId(*pair) for pair in zip(columns["pmcid"], columns["version"], strict=True)]


def rewrite_metadata(root: Path, **changes: Any) -> None:
    (root / "metadata" / f"{ID}.json").write_text(json.dumps(document(ID, **changes)))


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(Rejected) as caught:
        action()
    return caught.value.reason


def fail_to_open(monkeypatch: pytest.MonkeyPatch, ending: str, code: int) -> None:
    """os.open of a path with this ending fails."""
    real = os.open

    def failing(path: Any, *args: Any, **kwargs: Any) -> int:
        if str(path).endswith(ending):
            raise OSError(code, os.strerror(code), path)
        return real(path, *args, **kwargs)

    monkeypatch.setattr(os, "open", failing)


# --- listing ---------------------------------------------------------------------------------


def test_listing_is_sorted_with_the_md5_of_the_metadata(root: Path) -> None:
    texts = {ID: (root / "metadata" / f"{ID}.json").read_bytes()}
    for article_id in (
        ArticleId(10, 1),
        ArticleId(7, 10),
        ArticleId(7, 2),
        ArticleId(123456789012, 99999),
    ):
        texts[article_id] = write_article(root, article_id)
    table = DirectorySource(str(root)).list_articles()
    assert listed(DirectorySource(str(root))) == sorted(texts)
    digests = table["input_digest"].to_pylist()
    assert [digest.hex() for digest in digests] == [md5(texts[i]) for i in sorted(texts)]
    assert table.equals(DirectorySource(str(root)).list_articles())


def test_listing_of_ids(root: Path) -> None:
    for article_id in (ArticleId(7, 2), ArticleId(7, 10), ArticleId(8, 1), ArticleId(70, 3)):
        write_article(root, article_id)
    source = DirectorySource(str(root))
    assert listed(source, [ArticleId(7, 2), ArticleId(9, 1), ID, ID]) == [ID, ArticleId(7, 2)]
    assert listed(source, [ArticleId(7, 0)]) == [ArticleId(7, 10)]
    wanted = [
        ArticleId(70, 0),
        ArticleId(7, 0),
        ArticleId(7, 10),
        ID,
        ArticleId(9, 0),
        ArticleId(71, 0),
    ]
    assert listed(source, wanted) == [ID, ArticleId(7, 10), ArticleId(70, 3)]
    assert listed(source, []) == []
    assert listed(source, [ArticleId(1, 0)]) == []


def test_many_ids_are_found_as_few_are(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_article(root, ArticleId(9, 4))
    source = DirectorySource(str(root))
    wanted = [ArticleId(9, 4), ArticleId(8, 1), ID]
    few = source.list_articles(wanted)
    monkeypatch.setattr(directory, "_FEW", 0)
    assert source.list_articles(wanted).equals(few)


def test_more_articles_than_a_chunk(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for pmcid in range(20, 30):
        write_article(root, ArticleId(pmcid, 1))
    whole = DirectorySource(str(root)).list_articles()
    monkeypatch.setattr(directory, "_CHUNK", 3)
    assert DirectorySource(str(root)).list_articles().equals(whole)
    assert whole.num_rows == 11


def test_other_names_are_not_listed(root: Path, tmp_path: Path) -> None:
    metadata = root / "metadata"
    for name in (
        "PMC8.json",
        "PMC8.0.json",
        "PMC08.1.json",
        "pmc8.1.json",
        "PMC8.1.JSON",
        "PMC8.1.json.part",
        "x",
        "PMC8.1",
    ):
        (metadata / name).write_text("{}")
    (tmp_path / "outside.json").write_text("{}")
    (metadata / "PMC9.3.json").symlink_to(tmp_path / "outside.json")
    (metadata / "PMC9.6.json").symlink_to(tmp_path / "nowhere")
    source = DirectorySource(str(root))
    assert listed(source) == [ID]
    assert listed(source, [ArticleId(9, 3), ArticleId(9, 6), ArticleId(9, 7)]) == []


@pytest.mark.parametrize("has_metadata", [True, False])
def test_a_name_that_holds_no_file_is_listed_and_deferred(root: Path, has_metadata: bool) -> None:
    """A folder, a pipe, a link to nothing: somebody meant an article there, so it is told."""
    folder = root / "metadata"
    if not has_metadata:
        shutil.move(folder / f"{ID}.json", root / str(ID))
        folder.rmdir()
    places = [folder if has_metadata else root / f"PMC9.{version}" for version in range(1, 5)]
    for place in places:
        place.mkdir(exist_ok=True)
    (places[0] / "PMC9.1.json").mkdir()
    os.mkfifo(places[1] / "PMC9.2.json")
    (places[2] / "PMC9.3.json").symlink_to("nowhere")
    (places[3] / "PMC9.4.json").symlink_to("PMC9.4.json")
    source = DirectorySource(str(root))
    broken = [ArticleId(9, version) for version in range(1, 5)]
    assert listed(source) == [ID, *broken]
    assert listed(source, [*broken, ArticleId(9, 5)]) == broken
    assert source.list_articles(broken)["input_digest"].to_pylist() == [UNREAD_DIGEST] * 4
    for one in broken:
        with pytest.raises(Deferred, match=rf"{one}\.json is a folder, or a link that leads nowhere"):
            source.read_article(one)
    assert refusal(lambda: source.read_article(ArticleId(9, 5))) == "unknown_id"


def test_the_latest_version_is_one_inside_the_source(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_text("{}")
    (root / "metadata" / "PMC7.2.json").symlink_to(tmp_path / "outside.json")
    assert listed(DirectorySource(str(root)), [ArticleId(7, 0)]) == [ID]


def test_metadata_that_cannot_be_read_now_is_listed_and_deferred(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = DirectorySource(str(root))
    fail_to_open(monkeypatch, f"{ID}.json", errno.EACCES)
    table = source.list_articles()
    assert table["input_digest"].to_pylist() == [UNREAD_DIGEST]
    with pytest.raises(Deferred):
        source.read_article(ID)


def test_a_folder_without_metadata_is_read_by_its_prefixes(root: Path) -> None:
    write_article(root, ArticleId(7, 2))
    expected = DirectorySource(str(root)).list_articles()
    for path in (root / "metadata").iterdir():
        shutil.move(path, root / path.stem / path.name)
    (root / "metadata").rmdir()
    (root / "PMC9.1").mkdir()
    source = DirectorySource(str(root))
    assert source.list_articles().equals(expected)
    assert listed(source, [ArticleId(7, 0), ArticleId(9, 0)]) == [ArticleId(7, 2)]
    assert source.read_article(ID).read_xml(LIMIT) == XML
    assert refusal(lambda: source.read_article(ArticleId(9, 1))) == "unknown_id"


# --- reading ---------------------------------------------------------------------------------


def test_an_article_is_read_lazily(root: Path) -> None:
    source = DirectorySource(str(root))
    article = source.read_article(ID)
    text = (root / "metadata" / f"{ID}.json").read_bytes()
    assert article.article_id == article.metadata.article_id == ID
    assert article.input_digest == md5(text)
    assert article.input_digest == source.list_articles()["input_digest"][0].as_py().hex()
    assert article.xml_uri == f"{root.as_uri()}/PMC7.1/PMC7.1.xml"
    assert article.media_uri("f 2.png") == f"{root.as_uri()}/PMC7.1/f%202.png"
    assert article.media_read == 0
    assert article.read_xml(LIMIT) == XML
    assert article.media_read == 0
    assert article.read_media("f 2.png", LIMIT) == PNG
    assert article.read_media("f1.jpg", LIMIT) == JPG
    assert article.media_read == 2
    assert article.bytes_read == len(XML) + len(PNG) + len(JPG)  # type: ignore[attr-defined]


@pytest.mark.parametrize("article_id", [ArticleId(8, 1), ArticleId(7, 2), ArticleId(7, 0)])
def test_an_unknown_id(root: Path, article_id: ArticleId) -> None:
    assert refusal(lambda: DirectorySource(str(root)).read_article(article_id)) == "unknown_id"


def test_wrong_metadata(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = DirectorySource(str(root))
    rewrite_metadata(root, pmcid="PMC8")
    assert refusal(lambda: source.read_article(ID)) == "metadata_mismatch"
    rewrite_metadata(root, version="1")
    assert refusal(lambda: source.read_article(ID)) == "metadata_invalid"
    monkeypatch.setattr(directory, "MAX_METADATA_BYTES", 10)
    assert refusal(lambda: source.read_article(ID)) == "metadata_invalid"


def test_missing_files(root: Path) -> None:
    article = DirectorySource(str(root)).read_article(ID)
    shutil.rmtree(root / str(ID))
    assert refusal(lambda: article.read_xml(LIMIT)) == "xml_missing"
    assert refusal(lambda: article.read_media("f1.jpg", LIMIT)) == "media_missing"
    (root / str(ID)).write_text("a file where the folder was")
    assert refusal(lambda: article.read_xml(LIMIT)) == "xml_missing"
    assert article.media_read == 0


def test_only_media_that_the_metadata_names_are_read(root: Path) -> None:
    article = DirectorySource(str(root)).read_article(ID)
    (root / "secret").write_text("x")
    (root / str(ID) / "other.jpg").write_text("x")
    for name in ("other.jpg", "../secret", "/etc/hostname", "", ".", "f1.jpg\0"):
        assert refusal(lambda name=name: article.read_media(name, LIMIT)) == "media_missing"  # type: ignore[misc]


def test_what_is_no_regular_file_is_missing(root: Path) -> None:
    names = ["dir.jpg", "pipe.jpg", "loop.jpg", "x" * 300 + ".jpg"]
    rewrite_metadata(root, media_urls=[url(ID, name) for name in names])
    folder = root / str(ID)
    (folder / "dir.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    (folder / "loop.jpg").symlink_to("loop.jpg")
    article = DirectorySource(str(root)).read_article(ID)
    for name in names:
        assert refusal(lambda name=name: article.read_media(name, LIMIT)) == "media_missing"  # type: ignore[misc]


def test_links_out_of_the_source_are_missing_and_links_within_are_followed(
    root: Path, tmp_path: Path
) -> None:
    folder = root / str(ID)
    (tmp_path / "outside.jpg").write_bytes(JPG)
    (folder / "f1.jpg").unlink()
    (folder / "f1.jpg").symlink_to(tmp_path / "outside.jpg")
    source = DirectorySource(str(root))
    assert refusal(lambda: source.read_article(ID).read_media("f1.jpg", LIMIT)) == "media_missing"
    (root / "pool").mkdir()
    (root / "pool" / "a.jpg").write_bytes(JPG)
    (folder / "f1.jpg").unlink()
    (folder / "f1.jpg").symlink_to(root / "pool" / "a.jpg")
    assert source.read_article(ID).read_media("f1.jpg", LIMIT) == JPG
    shutil.move(folder, tmp_path / "moved")
    folder.symlink_to(tmp_path / "moved", target_is_directory=True)
    assert refusal(lambda: source.read_article(ID).read_xml(LIMIT)) == "xml_missing"
    shutil.move(tmp_path / "moved", root / "moved")
    folder.unlink()
    folder.symlink_to("moved", target_is_directory=True)
    assert source.read_article(ID).read_xml(LIMIT) == XML


def test_a_link_to_the_source_itself_is_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root, target_is_directory=True)
    source = DirectorySource(str(tmp_path / "link"))
    assert source.uri == root.as_uri()
    assert source.read_article(ID).read_xml(LIMIT) == XML


def test_a_neighbour_with_the_same_beginning_is_outside(root: Path, tmp_path: Path) -> None:
    (tmp_path / "source2").mkdir()
    (tmp_path / "source2" / "x.jpg").write_bytes(JPG)
    (root / str(ID) / "f1.jpg").unlink()
    (root / str(ID) / "f1.jpg").symlink_to(tmp_path / "source2" / "x.jpg")
    article = DirectorySource(str(root)).read_article(ID)
    assert refusal(lambda: article.read_media("f1.jpg", LIMIT)) == "media_missing"


def test_limits_are_checked_before_reading(root: Path) -> None:
    with (root / str(ID) / "f1.jpg").open("wb") as file:
        file.truncate(1 << 40)
    article = DirectorySource(str(root)).read_article(ID)
    assert refusal(lambda: article.read_media("f1.jpg", LIMIT)) == "too_large"
    assert refusal(lambda: article.read_xml(len(XML) - 1)) == "too_large"
    assert article.read_xml(len(XML)) == XML
    assert article.read_media("f 2.png", len(PNG)) == PNG


def test_files_without_a_checksum_are_read_as_they_are(root: Path) -> None:
    rewrite_metadata(
        root, xml_url=url(ID, f"{ID}.xml"), media_urls=[url(ID, "f1.jpg"), url(ID, "empty.jpg")]
    )
    (root / str(ID) / f"{ID}.xml").write_bytes(b"<other/>")
    (root / str(ID) / "empty.jpg").touch()
    article = DirectorySource(str(root)).read_article(ID)
    assert article.read_xml(LIMIT) == b"<other/>"
    assert article.read_media("f1.jpg", LIMIT) == JPG
    assert article.read_media("empty.jpg", LIMIT) == b""


def test_a_percent_encoded_name_is_found_under_both_spellings(root: Path) -> None:
    names = {"f%202.png": PNG, "f%201.jpg": JPG}
    rewrite_metadata(
        root, media_urls=[url(ID, name, data) for name, data in names.items()] + [url(ID, "%2e%2e%2fx")]
    )
    (root / str(ID) / "f%201.jpg").write_bytes(JPG)
    (root / "x").write_text("secret")
    article = DirectorySource(str(root)).read_article(ID)
    assert {name: article.read_media(name, LIMIT) for name in names} == names
    assert refusal(lambda: article.read_media("%2e%2e%2fx", LIMIT)) == "media_missing"


def test_bytes_that_disagree_with_their_md5_are_deferred(root: Path) -> None:
    (root / str(ID) / f"{ID}.xml").write_bytes(b"<other/>")
    (root / str(ID) / "f1.jpg").write_bytes(b"")
    article = DirectorySource(str(root)).read_article(ID)
    with pytest.raises(Deferred, match=r"PMC7\.1\.xml"):
        article.read_xml(LIMIT)
    with pytest.raises(Deferred, match=r"f1\.jpg"):
        article.read_media("f1.jpg", LIMIT)
    assert article.media_read == 0


class Replaced(DirectorySource):
    """Something happens after the first read of a file."""

    def __init__(self, uri: str, event: Callable[[], object]) -> None:
        super().__init__(uri)
        self.reads = 0
        self.event = event

    def read_object(self, article_id: ArticleId, name: str, limit: int) -> bytes | None:
        data = super().read_object(article_id, name, limit)
        self.reads += 1
        if self.reads == 1:
            self.event()
        return data


def test_a_file_is_read_once_more(root: Path) -> None:
    path = root / str(ID) / "f1.jpg"
    path.write_bytes(b"half")
    source = Replaced(str(root), lambda: path.write_bytes(JPG))
    assert source.read_article(ID).read_media("f1.jpg", LIMIT) == JPG
    assert source.reads == 2


def test_a_file_that_comes_late_is_found(root: Path) -> None:
    path = root / str(ID) / f"{ID}.xml"
    path.unlink()
    assert Replaced(str(root), lambda: path.write_bytes(XML)).read_article(ID).read_xml(LIMIT) == XML


@pytest.mark.parametrize("damage", ["changed", "missing"])
@pytest.mark.parametrize("event", ["replaced", "withdrawn"])
def test_metadata_that_changes_meanwhile_defers(root: Path, damage: str, event: str) -> None:
    path = root / str(ID) / f"{ID}.xml"
    path.unlink()
    if damage == "changed":
        path.write_bytes(b"<new/>")

    def happen() -> None:
        rewrite_metadata(root, xml_url=url(ID, f"{ID}.xml", b"<new/>"))
        if event == "withdrawn":
            (root / "metadata" / f"{ID}.json").unlink()

    article = Replaced(str(root), happen).read_article(ID)
    with pytest.raises(Deferred, match="changed while it was read"):
        article.read_xml(LIMIT)


@pytest.mark.parametrize("code", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE, errno.ETIMEDOUT])
def test_passing_faults_are_deferred(root: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    article = DirectorySource(str(root)).read_article(ID)
    fail_to_open(monkeypatch, ".xml", code)
    fail_to_open(monkeypatch, ".jpg", code)
    with pytest.raises(Deferred, match="cannot open"):
        article.read_xml(LIMIT)
    with pytest.raises(Deferred, match="cannot open"):
        article.read_media("f1.jpg", LIMIT)
    assert article.read_media("f 2.png", LIMIT) == PNG


def test_a_fault_while_reading_is_deferred(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    article = DirectorySource(str(root)).read_article(ID)

    def failing(_fd: int) -> os.stat_result:
        raise OSError(errno.EIO, "I/O error")

    with monkeypatch.context() as patch:  # pytest itself needs fstat
        patch.setattr(os, "fstat", failing)
        with pytest.raises(Deferred, match="cannot read"):
            article.read_xml(LIMIT)


def test_a_file_that_changes_its_size_while_it_is_read_is_deferred(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite_metadata(root, xml_url=url(ID, f"{ID}.xml"))
    article = DirectorySource(str(root)).read_article(ID)
    real = os.fstat

    def earlier(fd: int) -> os.stat_result:
        values = list(real(fd))
        values[6] += 1  # st_size
        return os.stat_result(values)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", earlier)
        with pytest.raises(Deferred):
            article.read_xml(LIMIT)


def test_no_file_stays_open(root: Path, tmp_path: Path) -> None:
    (root / str(ID) / "f1.jpg").unlink()
    (root / str(ID) / "f1.jpg").mkdir()
    article = DirectorySource(str(root)).read_article(ID)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None
    for _ in range(5):
        assert refusal(lambda: article.read_media("f1.jpg", LIMIT)) == "media_missing"
        assert refusal(lambda: article.read_xml(1)) == "too_large"
    if before is not None:
        assert len(os.listdir("/proc/self/fd")) == before


def test_a_source_is_picklable_and_an_article_is_read_by_many_threads(root: Path) -> None:
    source: DirectorySource = pickle.loads(pickle.dumps(DirectorySource(str(root))))  # noqa: S301
    article: SourceArticle = source.read_article(ID)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: article.read_media("f1.jpg", LIMIT), range(200)))
    assert read == [JPG] * 200
    assert article.media_read == 200
    assert article.bytes_read == 200 * len(JPG)  # type: ignore[attr-defined]


# --- what is no source -----------------------------------------------------------------------


def test_uris_of_one_folder(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spaced = tmp_path / "a folder #1"
    shutil.copytree(root, spaced)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for uri in ("a folder #1", f"{spaced}/", spaced.as_uri(), "./x/../a folder #1", "~/a folder #1"):
        assert open_source(uri).uri == spaced.as_uri()
    assert open_source(f"file://localhost{root}").uri == root.as_uri()


def refused_source(uri: str) -> str:
    with pytest.raises(SourceError) as caught:
        open_source(uri)
    assert isinstance(caught.value, BiomedicaError)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders_that_are_no_source(root: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "it is empty" in refused_source(str(empty))
    assert "there is no folder" in refused_source(str(tmp_path / "nowhere"))
    assert "not a folder" in refused_source(str(root / "metadata" / f"{ID}.json"))
    assert "give the folder above it" in refused_source(str(root / "metadata"))
    (empty / "PMC1.1").mkdir()
    (empty / "notes.txt").touch()
    assert "not in PMC's layout" in refused_source(str(empty))
    (empty / "article.nxml").touch()
    assert "give the folder above it" in refused_source(str(empty))
    (empty / "metadata").mkdir()
    assert "holds no PMC" in refused_source(str(empty))


def test_a_metadata_folder_outside_the_source_is_not_followed(root: Path, tmp_path: Path) -> None:
    shutil.move(root / "metadata", tmp_path / "elsewhere")
    (root / "metadata").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert "not in PMC's layout" in refused_source(str(root))


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("https://example.org/x", "give a folder"),
        ("", "empty"),
        ("a\0b", "NUL"),
        ("file://host/folder", "write file:///folder"),
        ("file:relative", "write file:///folder"),
        ("file:///a%00b", "write file:///folder"),
    ],
)
def test_uris_that_are_no_source(uri: str, words: str) -> None:
    assert words in refused_source(uri)


def test_a_folder_that_cannot_be_listed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = DirectorySource(str(root))

    def failing(path: str) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", failing)
    assert "mounted and readable" in refused_source(str(root))
    with pytest.raises(SourceError, match="mounted and readable"):
        source.list_articles()
