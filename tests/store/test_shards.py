from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from biomedica.schema import PAIRS, table_schema
from biomedica.store import DataFile, open_storage, table_of, write_file
from biomedica.store.shards import _encode

from .synthetic import EMBEDDINGS_TABLE, article_row, embedding_table, pair_row, reject_row

SHARD = "0123456789abcdef"


def rows_of_every_table() -> dict[str, pa.Table]:
    return {
        "articles": table_of("articles", [article_row(n, SHARD) for n in range(1, 6)]),
        "pairs": table_of("pairs", [pair_row(n, 1, SHARD) for n in range(1, 6)]),
        "rejects": table_of("rejects", [reject_row(n, SHARD) for n in range(1, 6)]),
        "superseded": table_of("superseded", [{"article_id": "PMC1.1", "shard": SHARD}]),
        EMBEDDINGS_TABLE: embedding_table(["PMC1.1/a.jpg"], SHARD),
    }


@pytest.mark.parametrize("table", ["articles", "pairs", "rejects", "superseded", EMBEDDINGS_TABLE])
def test_what_is_written_is_read(tmp_path: Path, table: str) -> None:
    rows = rows_of_every_table()[table]
    file = write_file(open_storage(tmp_path), table, SHARD, rows)
    assert file is not None
    path = tmp_path / table / file.path
    data = path.read_bytes()
    assert file.path == f"{SHARD}-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    assert (file.table, file.rows, file.bytes) == (table, rows.num_rows, len(data))
    found = pq.read_table(path)
    assert found.schema.equals(table_schema(table), check_metadata=False)
    assert found.to_pylist() == rows.to_pylist()
    stats = json.loads(file.stats)
    key = "pair_id" if table == EMBEDDINGS_TABLE else "article_id"
    assert stats["numRecords"] == rows.num_rows
    assert stats["nullCount"] == {key: 0}
    assert stats["minValues"] == {key: min(rows[key].to_pylist())}
    assert stats["maxValues"] == {key: max(rows[key].to_pylist())}
    assert DataFile.from_dict(json.loads(json.dumps(file.to_dict()))) == file


def test_no_rows_no_file(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "root")
    assert write_file(storage, "pairs", SHARD, PAIRS.empty_table()) is None
    assert write_file(storage, "pairs", SHARD, iter(())) is None
    assert not (tmp_path / "root").exists()


def test_images_stand_plain_and_text_is_compressed(tmp_path: Path) -> None:
    rows = table_of("pairs", [pair_row(n, 1, SHARD) for n in range(1, 251)])
    file = write_file(open_storage(tmp_path), "pairs", SHARD, rows)
    assert file is not None
    path = tmp_path / "pairs" / file.path
    data, parquet = path.read_bytes(), pq.ParquetFile(path)
    groups = [parquet.metadata.row_group(n) for n in range(parquet.metadata.num_row_groups)]
    assert [group.num_rows for group in groups] == [100, 100, 50]
    columns = {
        groups[0].column(n).path_in_schema: groups[0].column(n) for n in range(groups[0].num_columns)
    }
    image = columns["image.bytes"]
    assert image.compression == "UNCOMPRESSED"
    assert image.encodings == ("RLE", "PLAIN")
    assert not image.has_dictionary_page
    assert not image.is_stats_set
    assert image.has_offset_index
    assert columns["caption"].compression == "ZSTD"
    assert columns["caption"].has_column_index
    assert columns["caption"].statistics.max == "Caption 1 of 99"
    assert rows["image"][7].as_py()["bytes"] in data
    # last but for its own path
    assert list(columns)[-2:] == ["image.bytes", "image.path"]
    features = json.loads(parquet.schema_arrow.metadata[b"huggingface"])
    assert features["info"]["features"]["image"] == {"_type": "Image"}
    assert parquet.schema_arrow.field("caption").metadata[b"doc"]


def test_row_groups_are_limited_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("biomedica.store.shards._MAX_GROUP_BYTES", 1000)
    sizes = [400, 400, 400, 5000, 10, 10]
    rows = [
        pair_row(n, 1, SHARD, image={"bytes": b"x" * size, "path": "f1.jpg"})
        for n, size in enumerate(sizes, 1)
    ]
    data, _, _ = _encode("pairs", table_of("pairs", rows).to_batches())
    metadata = pq.ParquetFile(pa.BufferReader(data)).metadata
    groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
    assert groups == [2, 1, 1, 2]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 250), max_size=4), st.sampled_from(["pairs", "articles", "rejects"]))
def test_bytes_do_not_depend_on_the_batches(cuts: list[int], table: str) -> None:
    make = {"pairs": lambda n: pair_row(n, 1, SHARD), "articles": lambda n: article_row(n, SHARD)}
    make["rejects"] = lambda n: reject_row(n, SHARD)
    rows = table_of(table, [make[table](n) for n in range(1, 251)])
    whole, _, _ = _encode(table, rows.to_batches())
    edges = sorted({0, 250, *cuts})
    parts = [rows.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    cut, count, _ = _encode(table, [batch for part in parts for batch in part.to_batches()])
    assert count == 250
    assert cut.equals(whole)


def test_the_same_rows_are_the_same_file(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    rows = rows_of_every_table()["pairs"]
    assert write_file(storage, "pairs", SHARD, rows) == write_file(storage, "pairs", SHARD, rows)
    assert len(list(storage.list("pairs"))) == 1


MENTION = {
    "section": None,
    "paragraph": "p",
    "sentence": "s",
    "panels": ["a"],
    "is_range": False,
    "via_parent": False,
    "is_text_only": False,
}


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"image": {"bytes": b"", "path": "x", "more": 1}},
        {"image": {"bytes": b""}},
        {"mentions": [MENTION | {"more": 1}]},
        {"mentions": [{"paragraph": "p"}]},
    ],
)
def test_unknown_and_missing_names_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="lacks"):
        table_of("pairs", [pair_row(1, 1, SHARD), pair_row(2, 1, SHARD) | change])


def test_a_missing_field_is_refused() -> None:
    row = pair_row(1, 1, SHARD)
    del row["caption"]
    with pytest.raises(ValueError, match="caption"):
        table_of("pairs", [row])


def test_a_wrong_type_is_refused() -> None:
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        table_of("pairs", [pair_row(1, 1, SHARD, width="wide")])


def test_mentions_are_kept() -> None:
    table = table_of(
        "pairs", [pair_row(1, 1, SHARD, mentions=[MENTION, MENTION]), pair_row(2, 1, SHARD)]
    )
    assert table["mentions"].to_pylist() == [[MENTION, MENTION], []]


def test_rows_of_another_schema_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="another schema"):
        write_file(open_storage(tmp_path), "articles", SHARD, rows_of_every_table()["rejects"])


@pytest.mark.parametrize("shard", ["", "a/b", "a-b", "..", "x" * 65])
def test_names_of_shards(tmp_path: Path, shard: str) -> None:
    with pytest.raises(ValueError, match="name of a shard"):
        write_file(open_storage(tmp_path), "pairs", shard, PAIRS.empty_table())


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=64), max_size=20))
def test_image_bytes_survive(data: list[bytes]) -> None:
    rows = [
        pair_row(n, 1, SHARD, image={"bytes": value, "path": "p"}) for n, value in enumerate(data, 1)
    ]
    table = table_of("pairs", rows)
    encoded, count, _ = _encode("pairs", table.to_batches())
    assert count == len(data)
    found = pq.read_table(pa.BufferReader(encoded))
    assert [image["bytes"] for image in found["image"].to_pylist()] == data
