"""Shard files: rows → Parquet bytes → one create-only file named by its own hash.

The same rows give the same bytes, however they are cut into batches (promise 3). Images stand
PLAIN and uncompressed in the last column, so that each is one range request away (`images.py`).
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from biomedica.schema import table_schema
from biomedica.store.storage import Storage

__all__ = [
    "KEYED_TABLES",
    "DataFile",
    "is_sharded",
    "key_column",
    "shard_of_file",
    "table_of",
    "write_file",
]

MIB = 1 << 20
_MAX_GROUP_BYTES = 64 * MIB
_GROUP_ROWS = {"pairs": 100, "articles": 1_000}
_OTHER_GROUP_ROWS = 16_384
_PLAIN = ("image.bytes", "embedding.list.element")
"""Leaf columns that neither a codec nor a dictionary makes smaller."""
_SHARD = re.compile(r"[A-Za-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file that was written and may be committed.

    path: its name inside the table's folder. stats: JSON of Delta's per-file statistics.
    """

    table: str
    path: str
    rows: int
    bytes: int
    stats: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DataFile:
        return cls(**values)


KEYED_TABLES = {"enrichment": "pmid", "pubmed_files": "file"}
"""Tables of one row a key, and the key: newer rows replace older ones by new files (`keyed.py`)."""


def is_sharded(table: str) -> bool:
    """Whether the table's rows belong to a shard, so that `superseded` may hide them."""
    return table not in KEYED_TABLES and table != "superseded"


def key_column(table: str) -> str:
    """The column whose range is kept in the log, so that readers can skip files."""
    if table in KEYED_TABLES:
        return KEYED_TABLES[table]
    return "pair_id" if table.startswith("embeddings/") else "article_id"


def shard_of_file(path: str) -> str:
    """The shard in a data file's name."""
    return path.rpartition("/")[2].partition("-")[0]


def table_of(table: str, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Rows as an Arrow table in the order and types of the schema.

    Raises ValueError where a row or a struct in it lacks a field or has an unknown one.
    """
    schema = table_schema(table)
    names = set(schema.names)
    for row in rows:
        _same_names(set(row), names, table)
    columns = []
    for field in schema:
        values = [row[field.name] for row in rows]
        if field.name == "image" and table == "pairs":
            columns.append(_images(values))
        else:
            _check_structs(values, field.type, f"{table}.{field.name}")
            columns.append(pa.array(values, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def write_file(
    storage: Storage, table: str, shard: str, batches: Iterable[pa.RecordBatch] | pa.Table
) -> DataFile | None:
    """Write rows of one shard as one new file; None where there are no rows.

    Raises ValueError for rows of another schema, StoreError or Deferred from the storage.
    """
    if _SHARD.fullmatch(shard) is None:
        raise ValueError(f"{shard[:80]!r} cannot be the name of a shard")
    if isinstance(batches, pa.Table):
        batches = batches.to_batches()
    data, rows, stats = _encode(table, batches)
    if not rows:
        return None
    name = f"{shard}-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    storage.put_new(f"{table}/{name}", data)
    return DataFile(table, name, rows, data.size, stats)


def _encode(table: str, batches: Iterable[pa.RecordBatch]) -> tuple[pa.Buffer, int, str]:
    """(Parquet bytes, rows, Delta statistics)."""
    import pyarrow.parquet as pq

    schema = table_schema(table)
    key = key_column(table)
    sink = pa.BufferOutputStream()
    rows = nulls = 0
    lows: list[Any] = []
    highs: list[Any] = []
    with pq.ParquetWriter(sink, schema, **_settings(table)) as writer:
        for group in _row_groups(table, schema, batches):
            writer.write_table(group, row_group_size=group.num_rows)
            rows += group.num_rows
            keys = [value for value in group[key].to_pylist() if value is not None]
            nulls += group.num_rows - len(keys)
            if keys:
                lows.append(min(keys))
                highs.append(max(keys))
    stats: dict[str, Any] = {"numRecords": rows, "nullCount": {key: nulls}}
    if lows:
        stats |= {"minValues": {key: min(lows)}, "maxValues": {key: max(highs)}}
    return sink.getvalue(), rows, json.dumps(stats, sort_keys=True, ensure_ascii=True)


def _row_groups(table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Rows as contiguous row groups whose cuts depend on the rows alone."""
    limit = _GROUP_ROWS.get(table, _OTHER_GROUP_ROWS)
    parts: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        if not batch.schema.equals(schema):
            raise ValueError(f"rows for {table} have another schema than its own")
        sizes = _row_sizes(table, batch)
        start = 0
        for row, row_size in enumerate(sizes):
            if rows and (rows == limit or size + row_size > _MAX_GROUP_BYTES):
                parts.append(batch.slice(start, row - start))
                yield _joined(parts, schema)
                parts, rows, size, start = [], 0, 0, row
            rows += 1
            size += row_size
        parts.append(batch.slice(start))
    if rows:
        yield _joined(parts, schema)


def _joined(parts: list[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    # one chunk a column: chunk borders would move page borders
    kept = [part.replace_schema_metadata(schema.metadata) for part in parts if part.num_rows]
    return pa.Table.from_batches(kept, schema).combine_chunks()


def _row_sizes(table: str, batch: pa.RecordBatch) -> list[int]:
    """Bytes of each row that count against a row group: those of its image."""
    if table != "pairs":
        return [0] * batch.num_rows
    import pyarrow.compute as pc

    image = batch.column("image")
    lengths = pc.binary_length(pc.struct_field(image, "bytes"))
    found: list[int] = pc.fill_null(lengths, 0).to_pylist()
    return found


@functools.cache
def _settings(table: str) -> dict[str, Any]:
    """Options of the Parquet writer, by leaf column.

    Pages stay as they are cut by default, one a row group: a page for each image would make a file
    4 % larger, since text gets pages as small, and pyarrow reads whole column chunks all the same.
    """
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table_schema(table).empty_table(), sink)
    parquet = pq.ParquetFile(pa.BufferReader(sink.getvalue())).schema
    leaves = [parquet.column(index).path for index in range(len(parquet))]
    text = [leaf for leaf in leaves if leaf not in _PLAIN]
    return {
        "compression": {leaf: "none" if leaf in _PLAIN else "zstd" for leaf in leaves},
        "use_dictionary": text,
        "write_statistics": text,
        "write_page_index": True,
        "version": "2.6",
    }


def _images(values: Sequence[Mapping[str, Any]]) -> pa.Array:
    """Struct column of images from one joined buffer (`pa.array` of bytes is erratic in time)."""
    names = {"bytes", "path"}
    for value in values:
        _same_names(set(value), names, "pairs.image")
    data = [value["bytes"] for value in values]
    offsets = np.zeros(len(data) + 1, np.int64)
    np.cumsum([len(item) for item in data], out=offsets[1:])
    if offsets[-1] >= 1 << 31:
        raise ValueError("the images of one table are over 2 GiB: cut the shard into slices")
    buffers = [None, pa.py_buffer(offsets.astype(np.int32)), pa.py_buffer(b"".join(data))]
    return pa.StructArray.from_arrays(
        [
            pa.Array.from_buffers(pa.binary(), len(data), buffers),
            pa.array([value["path"] for value in values], pa.string()),
        ],
        fields=list(table_schema("pairs").field("image").type),
    )


def _check_structs(values: Iterable[Any], kind: pa.DataType, where: str) -> None:
    """Arrow drops unknown keys of a struct and fills in missing ones: refuse both."""
    if pa.types.is_list(kind) and _has_struct(kind):
        for value in values:
            _check_structs(value or (), kind.value_type, where)
    elif pa.types.is_struct(kind):
        names = {field.name for field in kind}
        for value in values:
            if value is not None:
                _same_names(set(value), names, where)


def _has_struct(kind: pa.DataType) -> bool:
    return pa.types.is_struct(kind) or (pa.types.is_list(kind) and _has_struct(kind.value_type))


def _same_names(found: set[str], wanted: set[str], where: str) -> None:
    if found != wanted:
        missing, unknown = sorted(wanted - found), sorted(found - wanted)
        raise ValueError(f"a row of {where} lacks {missing} and has unknown {unknown}")
