"""One dataset against another: live rows by key, whatever route they came."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from biomedica.config import StoreConfig
from biomedica.schema import table_schema
from biomedica.store import Dataset, verify

__all__ = ["KEYS", "ROUTE", "assert_same", "contents", "data_files", "opened", "rows", "sound"]

KEYS = {
    "articles": ["article_id"],
    "pairs": ["pair_id"],
    "rejects": ["article_id", "stage", "graphic_index", "item", "build_digest"],
}
ROUTE = ("shard",)
"""columns that may differ between two routes to the same dataset"""


def opened(root: str | Path | Dataset) -> Dataset:
    """A dataset by its folder; one that lies elsewhere is given open."""
    return root if isinstance(root, Dataset) else Dataset.open(str(root))


def rows(
    root: str | Path | Dataset, table: str, *, drop: Sequence[str] = ROUTE
) -> list[dict[str, Any]]:
    """The live rows of a table sorted by key, without some columns: those of the route."""
    columns = [name for name in table_schema(table).names if name not in drop]
    found: list[dict[str, Any]] = []
    for batch in opened(root).batches(table, columns=columns):
        found += batch.to_pylist()
    key = KEYS.get(table, ["pair_id"])
    return sorted(found, key=lambda row: [(row[name] is None, row[name] or 0) for name in key])


def contents(
    root: str | Path | Dataset, *, drop: Sequence[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """Every live row of the core tables, in every column: what a version is."""
    return {table: rows(root, table, drop=drop) for table in KEYS}


def assert_same(
    one: str | Path | Dataset, other: str | Path | Dataset, *, same_source: bool = True
) -> None:
    """The same rows in every core table, none twice."""
    drop = ROUTE if same_source else (*ROUTE, "source_uri")
    for table, key in KEYS.items():
        first, second = rows(one, table, drop=drop), rows(other, table, drop=drop)
        keys = [tuple(row[name] for name in key) for row in first]
        assert len(keys) == len(set(keys))
        assert keys == [tuple(row[name] for name in key) for row in second]
        assert first == second


def data_files(root: str | Path | Dataset) -> dict[str, bytes]:
    """The Parquet files of a dataset's newest version."""
    dataset = opened(root)
    return {
        f"{table}/{path}": dataset.storage.get(f"{table}/{path}")
        for table in dataset.tables
        for path, _, _ in dataset.files(table)
    }


def sound(root: str | Path, store: StoreConfig | None = None) -> None:
    """Every promise holds, and nothing lies about."""
    report = verify(str(root), store)
    assert report.ok, report.findings
    assert not report.findings
