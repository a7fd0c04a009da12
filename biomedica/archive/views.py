"""DuckDB views over the tables of a dataset, without the rows that no longer count."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from biomedica.query import connect
from biomedica.store import Dataset, is_sharded
from biomedica.store.shards import key_column

__all__ = ["CORE", "connect_tables", "literal"]

CORE = ("articles", "pairs", "rejects")
"""What every dataset has"""


def connect_tables(dataset: Dataset, tables: Sequence[str]) -> Any:
    """A connection with a view for each table, its rows in the order of the files."""
    files = {f"files_{n}": dataset.arrow(table) for n, table in enumerate(tables)}
    hidden = dataset.superseded()
    # with several threads a join would mix the rows differently at every call
    threads = 1 if hidden.num_rows else None
    connection = connect({**files, "superseded": hidden}, threads=threads)
    for n, table in enumerate(tables):
        key = key_column(table)
        article = f"f.{key}" if key == "article_id" else "split_part(f.pair_id, '/', 1)"
        condition = (
            " WHERE NOT EXISTS (SELECT 1 FROM superseded AS old "
            f"WHERE old.article_id = {article} AND old.shard = f.shard)"
            if hidden.num_rows and is_sharded(table)
            else ""
        )
        connection.execute(f'CREATE VIEW "{table}" AS SELECT * FROM files_{n} AS f{condition}')
    return connection


def literal(text: str) -> str:
    """A text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"
