"""Tables of one row a key, checked: each key once, files that do not overlap, values of closed lists."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pyarrow as pa

from biomedica.enrichment import EFETCH, ENRICHMENT_STATUSES
from biomedica.store.check_files import checked_batches
from biomedica.store.dataset import Dataset
from biomedica.store.report import Report
from biomedica.store.shards import key_column

__all__ = ["check_keyed"]

_COLUMNS = {"enrichment": ("status", "source", "pmid_version", "retrieved")}


def check_keyed(dataset: Dataset, table: str, report: Report, *, deep: bool) -> None:
    """Every file and row of one keyed table. Files are read one at a time."""
    key = key_column(table)
    columns = (key, *_COLUMNS.get(table, ()))
    ranges: dict[str, tuple[Any, Any]] = {}
    for name, batch in checked_batches(dataset, table, columns, report, deep=deep):
        report.counts[table] += batch.num_rows
        keys = [value for value in batch.column(key).to_pylist() if value is not None]
        if len(keys) < batch.num_rows:
            report.add("null_key", table, name, f"{batch.num_rows - len(keys)} rows without {key}")
        _check_order(table, name, keys, ranges, report)
        if table == "enrichment":
            _check_statuses(batch, report)
    _check_ranges(table, ranges, report)


def _check_order(
    table: str, name: str, keys: list[Any], ranges: dict[str, tuple[Any, Any]], report: Report
) -> None:
    """Keys rise within a file, over its batches too."""
    before = ranges[name][1] if name in ranges else None
    for value in keys:
        if before is not None and value <= before:
            code = "key_twice" if value == before else "key_order"
            report.add(code, table, str(value), f"stands in {name} behind {before}")
        before = value
    if keys:
        ranges[name] = (ranges[name][0] if name in ranges else keys[0], before)


def _check_ranges(table: str, ranges: dict[str, tuple[Any, Any]], report: Report) -> None:
    ordered = sorted((low, high, name) for name, (low, high) in ranges.items())
    for (_, high, name), (low, _, other) in pairwise(ordered):
        if low <= high:
            report.add("key_overlap", table, other, f"its keys from {low} on are among those of {name}")


def _check_statuses(batch: pa.RecordBatch, report: Report) -> None:
    names = ("pmid", "status", "source", "pmid_version", "retrieved")
    columns = (batch.column(name).to_pylist() for name in names)
    for pmid, status, source, version, retrieved in zip(*columns, strict=True):
        why = None
        if status not in ENRICHMENT_STATUSES:
            why = f"status {status!r} is not in the closed list"
        elif (version is not None) != (status == "found"):
            why = f"a row that is {status} {'has' if version is not None else 'lacks'} a record"
        elif source is None or (retrieved is not None) != (source == EFETCH):
            why = f"source {source!r} and retrieved {retrieved} do not agree"
        if why is not None:
            report.add("closed_list", "enrichment", str(pmid), why)
