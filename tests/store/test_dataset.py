from __future__ import annotations

import datetime
import json
import pickle
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from biomedica.errors import StoreError
from biomedica.store import Dataset, DatasetWriter, open_storage

from .synthetic import EMBEDDINGS_TABLE, MODEL, SLUG, contents, shard_files

S1, S2, S3, S4 = ("1" * 16, "2" * 16, "3" * 16, "4" * 16)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Version 2 is empty, 3 holds S1, 4 holds S2 too; the log ends with a commit without pins."""
    root = tmp_path / "root"
    storage = open_storage(root)
    with DatasetWriter.begin(root, embeddings={EMBEDDINGS_TABLE: MODEL}) as writer:
        writer.commit(shard_files(storage, S1, [1, 2], embed=True), {"run": "first"})
        writer.commit(shard_files(storage, S2, [3], embed=True))
    DatasetWriter.begin(root)
    return root


def test_the_newest_version(root: Path) -> None:
    dataset = Dataset.open(root)
    assert dataset.version == 4
    assert dataset.tables == ("articles", EMBEDDINGS_TABLE, "pairs", "rejects", "superseded")
    assert set(dataset.pins) == set(dataset.tables) - {"articles"}
    assert {table: dataset.count(table) for table in dataset.tables} == {
        "articles": 3,
        "pairs": 6,
        "rejects": 3,
        "superseded": 0,
        EMBEDDINGS_TABLE: 6,
    }
    assert dataset.model(SLUG) == MODEL
    assert [rows for _, _, rows in dataset.files("pairs")] == [4, 2]
    for path, size, _ in dataset.files("pairs"):
        assert (root / "pairs" / path).stat().st_size == size


def test_older_versions_stay(root: Path) -> None:
    assert Dataset.open(root, version=3).count("pairs") == 4
    assert Dataset.open(root, version=2).count("pairs") == 0
    assert list(Dataset.open(root, version=2).batches("pairs")) == []
    assert Dataset.open(root, version=2).arrow("pairs").count_rows() == 0


def test_versions_and_times(root: Path) -> None:
    versions = Dataset.open(root).versions()
    assert [info.version for info in versions] == [4, 3, 2]
    assert [info.note for info in versions] == [{}, {"run": "first"}, {}]
    for info in versions:
        assert Dataset.open(root, as_of=info.timestamp).version >= info.version
    naive = datetime.datetime(2999, 1, 1)
    assert Dataset.open(root, as_of=naive).version == 4
    first = versions[-1].timestamp - datetime.timedelta(seconds=1)
    with pytest.raises(StoreError, match="had no version at"):
        Dataset.open(root, as_of=first)


def test_a_commit_without_pins_is_no_version(root: Path) -> None:
    for version in (0, 1, 5, 99, -1):
        with pytest.raises(StoreError, match=rf"no version {version} \(the newest is 4\)"):
            Dataset.open(root, version=version)


def test_pins_are_of_their_own_commit(root: Path) -> None:
    assert Dataset.open(root, version=3).pins["pairs"] < Dataset.open(root, version=4).pins["pairs"]


def test_columns_filter_and_batches(root: Path) -> None:
    dataset = Dataset.open(root)
    wanted = pc.field("article_id") == "PMC2.1"
    batches = list(dataset.batches("pairs", columns=["caption", "pair_id"], filter=wanted))
    table = pa.Table.from_batches(batches)
    assert table.schema.names == ["caption", "pair_id"]
    assert table["pair_id"].to_pylist() == ["PMC2.1/f1.jpg", "PMC2.1/f2.jpg"]
    assert [batch.num_rows for batch in dataset.batches("pairs", batch_size=3)] == [3, 1, 2]
    with pytest.raises(StoreError, match="has no column colour"):
        list(dataset.batches("pairs", columns=["colour"]))
    with pytest.raises(StoreError, match="has no table embeddings/other"):
        dataset.count("embeddings/other")


def test_filters_skip_files_by_their_keys(root: Path) -> None:
    data = Dataset.open(root).arrow("pairs")
    fragments = list(data.get_fragments(filter=pc.field("article_id") == "PMC3.1"))
    assert len(fragments) == 1
    assert list(data.get_fragments(filter=pc.field("article_id") == "PMC9.1")) == []


def test_a_pickle_opens_the_same_version(root: Path) -> None:
    dataset = Dataset.open(root, version=3)
    again = pickle.loads(pickle.dumps(dataset))  # noqa: S301 - our own bytes
    assert (again.version, again.pins, again.count("pairs")) == (3, dataset.pins, 4)


def test_rebuilt_articles_hide_their_old_rows(root: Path) -> None:
    storage = open_storage(root)
    with DatasetWriter.begin(root) as writer:
        writer.commit(shard_files(storage, S3, [2], state="B", replaces=S1, embed=True))
    dataset = Dataset.open(root)
    titles = [row["title"] for row in contents(root)["articles"]]
    assert sorted(titles) == ["Article 1 in state A", "Article 2 in state B", "Article 3 in state A"]
    assert {
        table: dataset.count(table) for table in ("articles", "pairs", "rejects", EMBEDDINGS_TABLE)
    } == {
        "articles": 3,
        "pairs": 6,
        "rejects": 3,
        EMBEDDINGS_TABLE: 6,
    }
    assert {row["shard"] for row in contents(root)[EMBEDDINGS_TABLE]} == {S1, S2, S3}
    # the columns that hiding needs are not handed out
    assert next(dataset.batches("pairs", columns=["caption"])).schema.names == ["caption"]
    # all files, hidden rows too
    assert dataset.arrow("articles").count_rows() == 4


def test_back_to_an_earlier_state(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    with DatasetWriter.begin(tmp_path) as writer:
        writer.commit(shard_files(storage, S1, [1, 2], state="A"))
        writer.commit(shard_files(storage, S2, [1], state="B", replaces=S1))
        writer.commit(shard_files(storage, S3, [1], state="A", replaces=S2))
    found = contents(tmp_path)
    assert [(row["article_id"], row["shard"]) for row in found["articles"]] == [
        ("PMC1.1", S3),
        ("PMC2.1", S1),
    ]
    assert len(found["pairs"]) == 4
    assert Dataset.open(tmp_path).count("pairs") == 4


def test_a_withdrawn_article(root: Path) -> None:
    files = [
        file
        for file in shard_files(open_storage(root), S4, [3], replaces=S2)
        if file.table == "superseded"
    ]
    with DatasetWriter.begin(root) as writer:
        writer.commit(files)
    assert [row["article_id"] for row in contents(root)["articles"]] == ["PMC1.1", "PMC2.1"]
    assert Dataset.open(root).count(EMBEDDINGS_TABLE) == 4


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no dataset at"):
        Dataset.open(tmp_path / "none")
    assert Dataset.open_if_exists(tmp_path / "none") is None
    assert not (tmp_path / "none").exists()
    (tmp_path / "file.txt").write_text("mine")
    for door in (Dataset.open, Dataset.open_if_exists, DatasetWriter.begin):
        with pytest.raises(StoreError, match="is not empty and no dataset"):
            door(tmp_path)


@pytest.mark.parametrize(
    ("marker", "says"),
    [
        (json.dumps({"format": 2, "kind": "biomedica-dataset"}), "install a newer one"),
        (json.dumps({"format": 1, "kind": "other"}), "does not mark a dataset"),
        ("[]", "does not mark a dataset"),
        ("half a mar", "does not mark a dataset"),
    ],
)
def test_markers(tmp_path: Path, marker: str, says: str) -> None:
    (tmp_path / "biomedica.json").write_text(marker)
    for door in (Dataset.open, DatasetWriter.begin):
        with pytest.raises(StoreError, match=says):
            door(tmp_path)


def test_a_dataset_whose_first_run_was_killed(tmp_path: Path) -> None:
    open_storage(tmp_path).put_new(
        "biomedica.json", json.dumps({"format": 1, "kind": "biomedica-dataset"}).encode()
    )
    assert Dataset.open_if_exists(tmp_path) is None
    with pytest.raises(StoreError, match="no committed version yet"):
        Dataset.open(tmp_path)


def test_a_lost_or_broken_file_is_one_sentence(root: Path) -> None:
    dataset = Dataset.open(root)
    first, second = (root / "pairs" / path for path, _, _ in dataset.files("pairs"))
    first.write_bytes(b"x" * first.stat().st_size)
    with pytest.raises(StoreError, match="has a broken file"):
        list(dataset.batches("pairs"))
    first.unlink()
    with pytest.raises(StoreError, match="lacks a file"):
        list(dataset.batches("pairs"))
    assert second.exists()


def test_shards_narrow_what_is_read(tmp_path: Path) -> None:
    with DatasetWriter.begin(tmp_path / "d", None, {EMBEDDINGS_TABLE: MODEL}) as writer:
        for name, numbers in (("one", [1, 2]), ("two", [3])):
            writer.commit(shard_files(writer.storage, name, numbers))
    dataset = Dataset.open(tmp_path / "d")

    def articles(shards: list[str] | None) -> list[str]:
        batches = dataset.batches("articles", columns=["article_id"], shards=shards)
        return sorted(name for batch in batches for name in batch["article_id"].to_pylist())

    assert articles(["two"]) == ["PMC3.1"]
    assert articles([]) == []
    assert articles(None) == ["PMC1.1", "PMC2.1", "PMC3.1"]
    assert dataset.timestamp == dataset.versions()[0].timestamp
