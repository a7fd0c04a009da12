"""The files of a table against the log: there, whole, readable, and of our schema."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from biomedica.schema import table_schema
from biomedica.store.dataset import Dataset
from biomedica.store.report import Report
from biomedica.store.storage import fault

__all__ = ["DATA_FILE", "checked_batches"]

DATA_FILE = re.compile(r"(?P<shard>[A-Za-z0-9_]{1,64})-(?P<hash>[0-9a-f]{16})\.parquet")

_ROWS_A_STEP = 1024


@dataclass(frozen=True, slots=True)
class _Logged:
    table: str
    name: str
    size: int
    rows: int


def checked_batches(
    dataset: Dataset, table: str, columns: Sequence[str], report: Report, *, deep: bool
) -> Iterator[tuple[str, pa.RecordBatch]]:
    """(file name, rows) of every sound file of a table; what is not sound goes to the report.

    deep: read whole files and compare their SHA-256 with their names; else only `columns`.
    """
    sizes = dict(dataset.storage.list(table))
    for name, size, rows in dataset.files(table):
        logged = _Logged(table, name, size, rows)
        report.counts["files"] += 1
        report.counts["bytes"] += size
        found = sizes.get(f"{table}/{name}")
        if found is None:
            report.add("file_missing", table, name, "the log names this file and it is not there")
        elif found != size:
            report.add("file_size", table, name, f"{found} bytes; the log says {size}")
        else:
            for batch in _rows(dataset, logged, columns, report, deep=deep):
                yield name, batch


def _rows(
    dataset: Dataset, logged: _Logged, columns: Sequence[str], report: Report, *, deep: bool
) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    where = dataset.storage.uri(f"{logged.table}/{logged.name}")
    try:
        source = _opened(dataset, logged, report, deep=deep)
    except OSError as error:
        raise fault(error, "read", where) from None
    try:
        file = pq.ParquetFile(source)
        if not _fits(file, logged, report):
            return
        batches = file.iter_batches(batch_size=_ROWS_A_STEP, columns=list(columns))
        while (batch := next(batches, None)) is not None:
            yield batch.select(list(columns))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if "AWS Error" in str(error):  # of the network or the server, and not of the file
            raise fault(error, "read", where) from None
        report.add("file_unreadable", logged.table, logged.name, f"{type(error).__name__} in Parquet")
    finally:
        source.close()


def _opened(dataset: Dataset, logged: _Logged, report: Report, *, deep: bool) -> Any:
    named = DATA_FILE.fullmatch(logged.name)
    if named is None:
        report.add("file_name", logged.table, logged.name, "not <shard>-<hash>.parquet")
    path = f"{logged.table}/{logged.name}"
    if not deep:
        filesystem, base = dataset.storage.arrow_filesystem()
        return filesystem.open_input_file(f"{base}/{path}")
    data = dataset.storage.get(path)
    digest = hashlib.sha256(data).hexdigest()
    if named is not None and not digest.startswith(named["hash"]):
        report.add("file_hash", logged.table, logged.name, f"its SHA-256 is {digest[:16]}…")
    return pa.BufferReader(data)


def _fits(file: Any, logged: _Logged, report: Report) -> bool:
    """Whether rows and schema are as logged."""
    rows = file.metadata.num_rows
    if rows != logged.rows:
        report.add("file_rows", logged.table, logged.name, f"{rows} rows; the log says {logged.rows}")
    if file.schema_arrow.equals(table_schema(logged.table)):
        return True
    report.add("file_schema", logged.table, logged.name, "its columns are not those of the schema")
    return False
