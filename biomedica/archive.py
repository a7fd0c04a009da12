"""The notebook's view of a dataset: lazy selections over its tables at one version."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from biomedica.config import StoreConfig
from biomedica.query import connect, running, select_statement
from biomedica.schema import embeddings_table, table_schema
from biomedica.store import Dataset

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Archive", "Selection"]

CORE = ("articles", "pairs", "rejects")


class Archive:
    """A dataset opened at a version; everything is read when it is asked for.

        archive = Archive("s3://mine/slice")
        archive.pairs(columns=["pair_id", "caption"], where="width >= 224").to_pandas()

    uri: the dataset's root. version: a pinned version, None: the newest. as_of: the newest version
    committed at or before this time. Raises StoreError.
    """

    def __init__(
        self,
        uri: str,
        version: int | None = None,
        as_of: datetime.datetime | None = None,
        store: StoreConfig | None = None,
    ) -> None:
        self.uri = uri
        self._dataset = Dataset.open(uri, store or StoreConfig(), version=version, as_of=as_of)

    @property
    def version(self) -> int:
        """The version that is open."""
        return self._dataset.version

    @property
    def models(self) -> tuple[str, ...]:
        """The slugs of the models that have embeddings here."""
        prefix = embeddings_table("")
        return tuple(t.removeprefix(prefix) for t in self._dataset.tables if t.startswith(prefix))

    def articles(self, columns: Sequence[str] | None = None, where: str | None = None) -> Selection:
        """Rows of `articles` (see `schema.ARTICLES`)."""
        return self._select("articles", columns, where)

    def pairs(self, columns: Sequence[str] | None = None, where: str | None = None) -> Selection:
        """Rows of `pairs`, one image each (see `schema.PAIRS`); leave out `image` where you can."""
        return self._select("pairs", columns, where)

    def rejects(self, columns: Sequence[str] | None = None, where: str | None = None) -> Selection:
        """Rows of `rejects`: what could not become a row, and why (see `schema.REJECTS`)."""
        return self._select("rejects", columns, where)

    def embeddings(
        self, model: str, columns: Sequence[str] | None = None, where: str | None = None
    ) -> Selection:
        """Rows of one model's embeddings; `model` is one of `models`."""
        return self._select(embeddings_table(model), columns, where)

    def sql(self, query: str) -> pa.Table:
        """A DuckDB query over the views articles, pairs and rejects."""
        with running():
            table: pa.Table = self._connect(CORE).sql(query).to_arrow_table()
        return table

    def _select(self, table: str, columns: Sequence[str] | None, where: str | None) -> Selection:
        names = [columns] if isinstance(columns, str) else columns
        statement = select_statement(table, table_schema(table), names, where)
        return Selection(self, table, statement)

    def _connect(self, tables: Sequence[str]) -> Any:
        """A connection whose views hide the rows of builds that no longer count."""
        files = {f"files_{n}": self._dataset.arrow(table) for n, table in enumerate(tables)}
        hidden = self._dataset.superseded()
        connection = connect({**files, "superseded": hidden})
        for n, table in enumerate(tables):
            article = "split_part(pair_id, '/', 1)" if table not in CORE else "article_id"
            condition = (
                f" WHERE ({article}, shard) NOT IN (SELECT (article_id, shard) FROM superseded)"
                if hidden.num_rows
                else ""
            )
            connection.execute(f'CREATE VIEW "{table}" AS SELECT * FROM files_{n}{condition}')
        return connection

    def __repr__(self) -> str:
        counts = ", ".join(f"{getattr(self, name)().count():,} {name}" for name in CORE)
        return f"Archive({self.uri!r}, version={self.version}: {counts})"


@dataclass(frozen=True)
class Selection:
    """Columns and rows of one table, read when asked for."""

    archive: Archive
    table: str
    statement: str

    def _connect(self) -> Any:
        return self.archive._connect([self.table])

    def to_arrow(self) -> pa.Table:
        """All rows at once."""
        with running():
            table: pa.Table = self._connect().sql(self.statement).to_arrow_table()
        return table

    def to_pandas(self) -> pd.DataFrame:
        """All rows at once."""
        frame: pd.DataFrame = self.to_arrow().to_pandas()
        return frame

    def to_batches(self, batch_size: int = 256) -> Iterator[pa.RecordBatch]:
        """The rows, `batch_size` at a time at most."""
        with running():
            yield from self._connect().sql(self.statement).to_arrow_reader(batch_size)

    def count(self) -> int:
        """The number of rows."""
        with running():
            (count,) = self._connect().execute(f"SELECT count(*) FROM ({self.statement})").fetchone()
        return int(count)

    def __len__(self) -> int:
        return self.count()

    def __repr__(self) -> str:
        return f"Selection({self.table}: {self.count():,} rows; {self.statement})"
