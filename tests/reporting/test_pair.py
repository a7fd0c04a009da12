"""One pair: its row, its image, its article; little of the dataset is read for it."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileSystem
from pyarrow import fs

from biomedica.archive import Archive
from biomedica.errors import ConfigError
from biomedica.reporting import find_pair, write_image
from biomedica.schema import PAIRS
from biomedica.store import Dataset
from biomedica.store.storage import Storage
from tests.reporting.pages import write_dataset

SHARDS, ARTICLES = 4, 3


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("pair") / "d", shards=SHARDS, articles=ARTICLES)


class Reads:
    """What is read below a folder while tests look: files and bytes by table."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.files: dict[str, set[str]] = {}
        self.bytes: Counter[str] = Counter()
        real, reads = Storage.arrow_filesystem, self

        class Handler(fs.FSSpecHandler):  # type: ignore[misc]
            def open_input_file(self, path: str) -> Any:
                return pa.PythonFile(Counted(Path(path), reads), mode="r")

        def watched(storage: Storage) -> tuple[Any, str]:
            return fs.PyFileSystem(Handler(LocalFileSystem())), real(storage)[1]

        monkeypatch.setattr(Storage, "arrow_filesystem", watched)


class Counted(io.BytesIO):
    """A file whose reads are counted."""

    def __init__(self, path: Path, reads: Reads) -> None:
        super().__init__(path.read_bytes())
        self.table, self.reads = path.parent.name, reads
        reads.files.setdefault(self.table, set()).add(path.name)

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.reads.bytes[self.table] += len(data)
        return data


def test_a_pair_is_found_in_its_file_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names sort as text: those from PMC4 to PMC9 lie in the range of one file."""
    columns = ["pair_id", "byte_size", "sha256"]
    pairs = Archive(root).pairs(columns, "article_id > 'PMC4'").to_arrow().to_pylist()
    sizes = [size for _, size, _ in Dataset.open(root).files("pairs")]
    for wanted in (pairs[0], pairs[-1], pairs[7]):
        with monkeypatch.context() as patch:
            reads = Reads(patch)
            row = find_pair(Archive(root), wanted["pair_id"])
        assert {name: len(files) for name, files in reads.files.items()} == {"pairs": 1, "articles": 1}
        assert reads.bytes["pairs"] < wanted["byte_size"] + 150_000 < min(sizes) / 2
        assert hashlib.sha256(row["image"]["bytes"]).hexdigest() == wanted["sha256"]


def test_the_row_is_whole(root: Path, tmp_path: Path) -> None:
    archive = Archive(root)
    for expected in archive.pairs(where="pmcid IS NULL").to_arrow().to_pylist()[:5]:
        row = find_pair(archive, expected["pair_id"])
        assert set(row) == {*PAIRS.names, "article"}
        assert {name: row[name] for name in PAIRS.names} == expected
        assert row["article"]["input_digest"]
        assert write_image(row, tmp_path).read_bytes() == expected["image"]["bytes"]


@pytest.mark.parametrize(
    ("pair_id", "words"),
    [
        ("PMC1.1/none.jpg", "PMC1.1 has no image 'none.jpg'; it has PMC1.1/"),
        ("PMC1.1/f3.jpg", "is no pair: image/media_missing"),
        ("PMC999.1/f1.jpg", "PMC999.1 is not in"),
        ("PMC1.1/it's.jpg", "has no image"),
        ("PMC1/f1.jpg", "names no version"),
        ("f1.jpg", "is not a pair id"),
    ],
)
def test_what_became_of_it(root: Path, pair_id: str, words: str) -> None:
    if "f3" in pair_id:
        item = Archive(root).rejects(where="article_id = 'PMC1.1'").to_arrow()["item"][0].as_py()
        pair_id = f"PMC1.1/{item}"
    with pytest.raises(ConfigError) as caught:
        find_pair(Archive(root), pair_id)
    assert words in str(caught.value)
