"""Columns and rows of one table, read when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import TimeoutError as NotInTime
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.archive import html
from biomedica.archive.views import connect_tables
from biomedica.errors import ConfigError
from biomedica.excerpts import cut
from biomedica.query import ask, running
from biomedica.store import Dataset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Selection"]

PAGE_ROWS = 5
PAGE_COLUMNS = 12
PAGE_SECONDS = 10.0
"""how long a page may take in a notebook; what takes longer is not shown"""

MAX_BATCH_ROWS = 1 << 20


@dataclass(frozen=True)
class Selection:
    """Columns and rows of one table; nothing is read before it is asked for.

    Rows come in the order of the table's files, the same at every call. Reading raises StoreError
    or Deferred where the storage fails, and ConfigError where a condition fails on a value.
    """

    dataset: Dataset
    table: str
    columns: tuple[str, ...]
    where: str | None
    statement: str

    def to_arrow(self) -> pa.Table:
        """All rows at once."""
        connection = self._connect()
        with running():
            table: pa.Table = ask(connection, lambda: connection.sql(self.statement).to_arrow_table())
        return table

    def to_pandas(self) -> pd.DataFrame:
        """All rows at once."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def to_batches(self, batch_size: int = 256) -> Iterator[pa.RecordBatch]:
        """The rows, `batch_size` at a time at most; memory holds a few batches and not the table."""
        if not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise ConfigError(
                f"batch_size is {str(batch_size)[:80]!r}: write the rows of a batch, 1 or more"
            )
        size = min(int(batch_size), MAX_BATCH_ROWS)
        connection = self._connect()
        with running():
            reader = ask(connection, lambda: connection.sql(self.statement).to_arrow_reader(size))
            while True:
                batch = ask(connection, lambda: next(reader, None))
                if batch is None:
                    return
                yield batch

    def to_numpy(self) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.float32]]:
        """Pair ids, n strings, and their embeddings, float32 of shape (n, dimension).

        Vectors are L2-normalised, so that a dot product is a cosine. Raises ConfigError where the
        selection has no `pair_id` and `embedding`.
        """
        if not {"pair_id", "embedding"} <= set(self.columns):
            raise ConfigError(
                "to_numpy gives pair ids and embeddings: call it on archive.embeddings(…), "
                "and to_arrow or to_pandas on this"
            )
        table = self.to_arrow()
        dimension = self.dataset.model(self.table.removeprefix("embeddings/"))["dimension"]
        parts = [part.flatten().to_numpy() for part in table["embedding"].chunks]
        vectors = np.concatenate([np.empty(0, np.float32), *parts]).reshape(-1, dimension)
        return table["pair_id"].to_numpy(zero_copy_only=False), vectors

    def count(self) -> int:
        """The number of rows; without a condition the log knows it."""
        if self.where is None:
            return self.dataset.count(self.table)
        connection = self._connect()
        query = f"SELECT count(*) FROM ({self.statement})"
        with running():
            (count,) = ask(connection, lambda: connection.execute(query).fetchone())
        return int(count)

    def __len__(self) -> int:
        return self.count()

    def __repr__(self) -> str:
        rows = f"{self.count():,} rows of" if self.where is None else "rows of"
        condition = "" if self.where is None else f" where {cut(self.where, 200)}"
        return f"Selection({rows} {self.table}{condition}: {', '.join(self.columns)})"

    def _repr_html_(self) -> str:
        """The first rows, images as thumbnails; read within a few seconds or not at all."""
        try:
            rows = self._first_rows()
        except NotInTime:
            rows = None
        total = None
        if self.where is None:
            total = self.count()
        elif rows is not None and len(rows) < PAGE_ROWS:
            total = len(rows)
        shown, rest = self.columns[:PAGE_COLUMNS], self.columns[PAGE_COLUMNS:]
        if "image" in rest:
            shown, rest = (*shown, "image"), tuple(name for name in rest if name != "image")
        return html.table(self.table, shown, rest, rows, total)

    def _first_rows(self) -> list[dict[str, Any]]:
        """At most PAGE_ROWS rows; images are read for these rows alone. Raises TimeoutError."""
        connection = self._connect()
        names = [name for name in self.columns if name != "image"]
        if "image" in self.columns:
            names = list(dict.fromkeys([*names, "pair_id"]))
        condition = "" if self.where is None else f" WHERE (\n{self.where}\n)"
        quoted = ", ".join(f'"{name}"' for name in names)
        query = f'SELECT {quoted} FROM "{self.table}"{condition} LIMIT {PAGE_ROWS}'
        with running():
            found = ask(connection, lambda: connection.sql(query).to_arrow_table(), PAGE_SECONDS)
        rows: list[dict[str, Any]] = found.to_pylist()
        if "image" in self.columns:
            images = self.dataset.images([row["pair_id"] for row in rows])
            for row in rows:
                row["image"] = images.get(row["pair_id"])
        return rows

    def _connect(self) -> Any:
        return connect_tables(self.dataset, [self.table])
