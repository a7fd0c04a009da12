"""Every promise is broken once, and the verification must say so."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biomedica.errors import StaleWriterError, StoreError
from biomedica.store import DataFile, Dataset, DatasetWriter, open_storage, table_of, verify, write_file
from biomedica.store.shards import key_column

from .synthetic import (
    EMBEDDINGS_TABLE,
    MODEL,
    article_row,
    contents,
    embedding_table,
    pair_row,
    reject_row,
    shard_files,
    whole_reject,
)

S1, S2, S3 = "1" * 16, "2" * 16, "3" * 16


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A sound dataset: articles 1 to 3, the third built again, and one rejected."""
    root = tmp_path / "root"
    storage = open_storage(root)
    with DatasetWriter.begin(root, embeddings={EMBEDDINGS_TABLE: MODEL}) as writer:
        writer.commit(shard_files(storage, S1, [1, 2, 3], embed=True))
        writer.commit(shard_files(storage, S2, [3], state="B", replaces=S1, embed=True))
        add(writer, "rejects", S3, table_of("rejects", [whole_reject(4, S3)]))
    return root


def add(writer: DatasetWriter, table: str, shard: str, rows: pa.Table) -> None:
    file = write_file(writer.storage, table, shard, rows)
    assert file is not None
    writer.commit([file])


def codes(root: Path, **options: Any) -> set[str]:
    report = verify(root, **options)
    assert {finding.code for finding in report.findings} == set(report.problems)
    assert report.ok == (not set(report.problems) - {"leftover"})
    return set(report.problems)


@pytest.mark.parametrize("deep", [True, False])
def test_a_sound_dataset(root: Path, deep: bool) -> None:
    report = verify(root, deep=deep)
    assert report.findings == []
    assert report.ok
    assert report.version == Dataset.open(root).version
    assert {name: report.counts[name] for name in ("articles", "pairs", "rejects", "superseded")} == {
        "articles": 3,
        "pairs": 6,
        "rejects": 4,
        "superseded": 1,
    }
    assert report.counts[EMBEDDINGS_TABLE] == 6
    assert report.counts["files"] == 10
    assert json.loads(json.dumps(report.to_dict()))["ok"] is True


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no dataset at"):
        verify(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="no dataset of biomedica"):
        verify(tmp_path)


def file_of(root: Path, table: str, number: int = 0) -> Path:
    return root / table / Dataset.open(root).files(table)[number][0]


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def test_a_flipped_bit_anywhere_is_found(root: Path) -> None:
    path = file_of(root, "pairs")
    sound = path.read_bytes()
    for at in range(0, len(sound), len(sound) // 12):
        flip(path, at)
        assert "file_hash" in codes(root)
        path.write_bytes(sound)
    assert codes(root) == set()


def test_a_flipped_bit_in_an_image_is_named(root: Path) -> None:
    path = file_of(root, "pairs")
    data = path.read_bytes()
    flip(path, data.index(bytes([1, 2]) * 40))
    report = verify(root)
    assert [(f.code, f.item) for f in report.findings] == [
        ("file_hash", path.name),
        ("image_hash", "PMC1.1/f2.jpg"),
    ]
    assert codes(root, deep=False) == set()


@pytest.mark.parametrize("table", ["articles", "pairs", "rejects", "superseded", EMBEDDINGS_TABLE])
def test_lost_short_and_broken_files(root: Path, table: str) -> None:
    path = file_of(root, table)
    data = path.read_bytes()
    path.unlink()
    assert {"file_missing", "table_unreadable"} & codes(root)
    path.write_bytes(data[:-1])
    assert {"file_size", "table_unreadable"} & codes(root)
    path.write_bytes(b"x" * len(data))
    assert {"file_hash", "table_unreadable"} & codes(root)
    assert {"file_unreadable", "table_unreadable"} & codes(root, deep=False)


def test_several_broken_files_are_all_told(root: Path) -> None:
    for table in ("pairs", EMBEDDINGS_TABLE):
        path = file_of(root, table)
        path.write_bytes(b"x" * path.stat().st_size)
    assert {"file_unreadable", "pair_count", "conservation"} <= codes(root)


def forged(root: Path, table: str, rows: pa.Table, name: str, logged_rows: int | None = None) -> None:
    """Commit a file that our own writer would not make."""
    path = root / table / name
    pq.write_table(rows, path)
    stats = json.dumps({"numRecords": logged_rows or rows.num_rows})
    with DatasetWriter.begin(root) as writer:
        size = path.stat().st_size
        writer.commit([DataFile(table, name, logged_rows or rows.num_rows, size, stats)])


def test_files_of_another_shape(root: Path) -> None:
    rows = table_of("rejects", [reject_row(1, S1)])
    forged(root, "rejects", rows.drop_columns("detail"), f"{S1}-{'0' * 16}.parquet")
    assert {"file_schema", "file_hash"} <= codes(root)
    forged(root, "rejects", rows, "somename.parquet", logged_rows=7)
    assert {"file_rows", "file_name"} <= codes(root)


Rows = Callable[[], dict[str, Sequence[Any] | pa.Table]]
ARTICLE_8 = {"graphic_count": 2, "pair_count": 1, "graphic_reject_count": 1}


def broken(code: str, **rows: Any) -> Any:
    return pytest.param(code, rows, id=f"{code}-{'-'.join(rows)}")


NO_PAIRS = {"graphic_count": 1, "pair_count": 0, "graphic_reject_count": 1}


@pytest.mark.parametrize(
    ("code", "rows"),
    [
        broken("conservation", articles=[article_row(8, S3, **(NO_PAIRS | {"graphic_count": 2}))]),
        broken("pair_count", articles=[article_row(8, S3, **(NO_PAIRS | {"pair_count": 1}))]),
        broken("graphic_reject_count", articles=[article_row(8, S3, **NO_PAIRS)], rejects=[]),
        broken("conservation", articles=[article_row(8, S3, **(NO_PAIRS | {"graphic_count": None}))]),
        broken("article_twice", articles=[article_row(8, S3, **NO_PAIRS), article_row(1, S3)]),
        broken(
            "article_twice", articles=[article_row(8, S3, **NO_PAIRS), article_row(4, S3, **NO_PAIRS)]
        ),
        broken("article_missing", pairs=[pair_row(77, 1, S3)]),
        broken("article_missing", rejects=[reject_row(77, S3)]),
        broken("article_shard", pairs=[pair_row(1, 9, S3)]),
        broken("article_id", articles=[article_row(8, S3, article_id="PMC08.1")]),
        broken("null_key", pairs=[pair_row(8, 1, S3, article_id=None)]),
        broken("shard_differs", pairs=[pair_row(1, 9, S1)]),
        broken("pair_id", pairs=[pair_row(8, 1, S3, pair_id="PMC9.1/f1.jpg")]),
        broken("image_hash", pairs=[pair_row(8, 1, S3, sha256="0" * 64)]),
        broken("image_size", pairs=[pair_row(8, 1, S3, byte_size=1)]),
        broken("image_path", pairs=[pair_row(8, 1, S3, pair_id="PMC8.1/other.jpg")]),
        broken("value_unknown", pairs=[pair_row(8, 1, S3, figure_kind="poster")]),
        broken("value_unknown", pairs=[pair_row(8, 1, S3, license_group=None)]),
        broken("value_unknown", pairs=[pair_row(8, 1, S3, image_format="tiff")]),
        broken("value_unknown", articles=[article_row(8, S3, license_group="free")]),
        broken("value_unknown", rejects=[reject_row(8, S3, reason="dull")]),
        broken("value_unknown", rejects=[reject_row(8, S3, stage="parse", reason="corrupt")]),
        broken("reject_item", rejects=[whole_reject(8, S3, item="f1.jpg")]),
        broken("reject_item", rejects=[whole_reject(8, S3, graphic_index=1)]),
        broken("superseded_unknown", superseded=[{"article_id": "PMC1.1", "shard": S3}]),
        broken("superseded_twice", superseded=[{"article_id": "PMC3.1", "shard": S1}]),
        broken("pair_twice", pairs=[pair_row(8, 1, S3), pair_row(8, 1, S3)]),
        broken(
            "pair_without_embedding",
            pairs=[pair_row(8, 1, S3), pair_row(8, 2, S3)],
            embeddings=embedding_table(["PMC8.1/f1.jpg"], S3),
        ),
        broken("embedding_without_pair", embeddings=embedding_table(["PMC8.1/f1.jpg"], S3)),
        broken("build_digest", embeddings=embedding_table(["PMC8.1/f1.jpg"], S3, build="d" * 16)),
    ],
)
def test_broken_rows(root: Path, code: str, rows: dict[str, Any]) -> None:
    if "articles" in rows and "rejects" not in rows:
        rows = rows | {"rejects": [reject_row(8, S3)]}
    with DatasetWriter.begin(root) as writer:
        for name, values in rows.items():
            table = EMBEDDINGS_TABLE if name == "embeddings" else name
            if len(values):
                given = values if isinstance(values, pa.Table) else table_of(table, values)
                add(writer, table, S3, given)
    report = verify(root)
    assert code in report.problems
    assert not report.ok
    finding = next(finding for finding in report.findings if finding.code == code)
    assert finding.message
    assert finding.item


@pytest.mark.parametrize(
    ("code", "vector"),
    [
        ("embedding_norm", [1.0, 1.0, 0.0, 0.0]),
        ("embedding_norm", [float("nan"), 0.0, 0.0, 1.0]),
        ("embedding_dimension", [1.0, 0.0]),
        ("embedding_dimension", []),
        ("embedding_dimension", None),
        ("embedding_twice", [1.0, 0.0, 0.0, 0.0]),
    ],
)
def test_broken_vectors(root: Path, code: str, vector: list[float] | None) -> None:
    rows = embedding_table(["PMC1.1/f1.jpg"], S1)
    at = rows.schema.get_field_index("embedding")
    rows = rows.set_column(at, rows.schema.field(at), pa.array([vector], pa.list_(pa.float32())))
    with DatasetWriter.begin(root) as writer:
        add(writer, EMBEDDINGS_TABLE, S1, rows)
    report = verify(root)
    assert code in report.problems
    assert {f.item for f in report.findings if f.code == code} == {"PMC1.1/f1.jpg"}


def test_rejects_of_an_id_without_version_may_be_superseded_by_each_version(root: Path) -> None:
    """Several versions that are built at once all name it."""
    bare = whole_reject(9, S3, article_id="PMC9", item="PMC9", stage="source", reason="unknown_id")
    with DatasetWriter.begin(root) as writer:
        add(writer, "rejects", S3, table_of("rejects", [bare]))
        for shard in ("5" * 16, "6" * 16):
            rows = [{"article_id": "PMC9", "shard": S3}]
            add(writer, "superseded", shard, table_of("superseded", rows))
    assert codes(root) == set()


def embed_reject(pair: str, build: str) -> dict[str, Any]:
    more = {"item": pair, "graphic_index": None, "stage": "embed", "reason": "undecodable"}
    return reject_row(8, S3, build, **more)


@pytest.mark.parametrize(
    ("build", "wanted"),
    [("e" * 16, {}), ("d" * 16, {EMBEDDINGS_TABLE: 1})],
)
def test_a_reject_of_the_model_stands_for_an_embedding(
    root: Path, build: str, wanted: dict[str, int]
) -> None:
    """One of another model leaves an article that `embed` has not come to yet."""
    counts = {"graphic_count": 1, "pair_count": 1, "graphic_reject_count": 0}
    rows = {
        "articles": [article_row(8, S3, **counts)],
        "pairs": [pair_row(8, 1, S3)],
        "rejects": [embed_reject("PMC8.1/f1.jpg", build)],
    }
    with DatasetWriter.begin(root) as writer:
        for table, values in rows.items():
            add(writer, table, S3, table_of(table, values))
    assert codes(root) == ({"not_embedded"} if wanted else set())
    assert verify(root).unembedded == wanted
    with DatasetWriter.begin(root) as writer:
        add(writer, "rejects", S3, table_of("rejects", [embed_reject("PMC8.1/f9.jpg", "e" * 16)]))
    assert codes(root) - {"pair_without_embedding"} == {"embed_reject_without_pair"}


def test_many_findings_are_counted_and_not_all_listed(root: Path) -> None:
    with DatasetWriter.begin(root) as writer:
        rows = [pair_row(n, 1, S3) for n in range(1000, 1300)]
        add(writer, "pairs", S3, table_of("pairs", rows))
    report = verify(root)
    assert report.problems["article_missing"] == 300
    assert len([f for f in report.findings if f.code == "article_missing"]) == 100


class Killed(BaseException):
    pass


def leave_leftovers(root: Path) -> list[DataFile]:
    """A run killed after its second table, a file never committed, and temporary names."""
    storage = open_storage(root)
    writer = DatasetWriter.begin(root, embeddings={EMBEDDINGS_TABLE: MODEL})
    told: list[str] = []

    def hook(table: str) -> None:
        told.append(table)
        if len(told) == 2:
            raise Killed

    writer._on_commit = hook
    files = shard_files(storage, S3, [30], embed=True)
    with pytest.raises(Killed):
        writer.commit(files)
    (root / "pairs" / f"{S3}-{'0' * 16}.parquet#1").write_bytes(b"half")
    (root / "pairs" / "_delta_log" / "_commit_0.json.tmp").write_bytes(b"half")
    (root / "notes.txt").write_text("mine")
    (root / "pairs" / "notes.txt").write_text("mine")
    return files


def test_leftovers_are_found_and_removed(root: Path) -> None:
    sound = contents(root)
    files = leave_leftovers(root)
    report = verify(root)
    assert report.ok
    assert set(report.problems) == {"leftover"}
    items = sorted((f.table, f.item.rpartition("/")[2]) for f in report.findings)
    uncommitted = [f for f in files if f.table in ("articles", "rejects")]
    assert [item for item in items if item[1].endswith(".parquet")] == sorted(
        (file.table, file.path) for file in uncommitted
    )
    assert sum("commits after" in item for _, item in items) == 2
    assert sum(item.endswith(("#1", ".tmp")) for _, item in items) == 2

    repaired = verify(root, repair=True)
    assert repaired.findings == []
    assert len(repaired.repaired) == len(items)
    assert contents(root) == sound
    for file in files:  # what a log names is never deleted
        kept = (root / file.table / file.path).exists()
        assert kept == (file.table in (EMBEDDINGS_TABLE, "pairs"))
    assert (root / "notes.txt").exists()
    assert (root / "pairs" / "notes.txt").exists()
    assert verify(root, repair=True).repaired == []


def test_after_a_repair_the_same_run_goes_on(root: Path) -> None:
    leave_leftovers(root)
    verify(root, repair=True)
    with DatasetWriter.begin(root) as writer:
        writer.commit(shard_files(open_storage(root), S3, [30], embed=True))
    assert verify(root).findings == []


def test_repair_stops_an_older_run(root: Path) -> None:
    old = DatasetWriter.begin(root)
    verify(root, repair=True)
    with pytest.raises(StaleWriterError):
        old.commit([])


def test_a_table_that_was_never_pinned(tmp_path: Path) -> None:
    root = tmp_path / "root"
    DatasetWriter.begin(root).commit(shard_files(open_storage(root), S1, [1]))
    told: list[str] = []

    def hook(table: str) -> None:
        told.append(table)
        if told.count(EMBEDDINGS_TABLE) == 3:  # made, fenced, committed
            raise Killed

    writer = DatasetWriter.begin(root, embeddings={EMBEDDINGS_TABLE: MODEL}, on_commit=hook)
    with pytest.raises(Killed):
        writer.commit(shard_files(open_storage(root), S1, [1], embed=True))
    assert codes(root) == {"leftover"}
    assert codes(root, repair=True) == set()
    assert EMBEDDINGS_TABLE not in Dataset.open(root).tables


def test_a_first_run_that_was_killed_before_any_version(tmp_path: Path) -> None:
    def hook(table: str) -> None:
        if table == "rejects":
            raise Killed

    with pytest.raises(Killed):
        DatasetWriter.begin(tmp_path, on_commit=hook)
    assert codes(tmp_path) == {"leftover"}
    assert codes(tmp_path, repair=True) == set()
    assert Dataset.open(tmp_path).count("articles") == 0


@pytest.mark.parametrize("table", ["articles", "pairs", EMBEDDINGS_TABLE])
def test_a_lost_log_is_no_reason_to_delete_data(root: Path, table: str) -> None:
    for path in sorted((root / table / "_delta_log").iterdir()):
        path.unlink()
    before = {path: path.stat().st_size for path in root.rglob("*") if path.is_file()}
    assert {"table_unreadable", "log_lost"} & codes(root)
    for options in ({"repair": True}, {"repair": True, "deep": False}):
        with pytest.raises(StoreError, match="is lost: restore it"):
            verify(root, **options)
    with pytest.raises(StoreError, match="is lost: restore it"):
        DatasetWriter.begin(root)
    assert {path: path.stat().st_size for path in root.rglob("*") if path.is_file()} == before


def test_a_broken_log_is_no_passing_fault(root: Path) -> None:
    for path in sorted((root / "pairs" / "_delta_log").glob("*.json")):
        path.write_bytes(b"not json")
    for path in sorted((root / "pairs" / "_delta_log").glob("*checkpoint*")):
        path.unlink()
    assert {"table_unreadable", "log_unreadable"} <= codes(root)
    with pytest.raises(StoreError, match="broken or lacks a version"):
        verify(root, repair=True)


@pytest.mark.parametrize("table", ["articles", EMBEDDINGS_TABLE])
def test_key_columns(table: str) -> None:
    assert key_column(table) == ("pair_id" if "/" in table else "article_id")
