"""A dataset at one version, as a notebook sees it."""

from __future__ import annotations

import datetime
import io
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from biomedica.archive import html
from biomedica.archive.cards import Cards
from biomedica.archive.lookup import pair_rows
from biomedica.archive.preview import overview
from biomedica.archive.selection import Selection
from biomedica.archive.views import CORE, connect_tables
from biomedica.config import StoreConfig
from biomedica.errors import ConfigError, StoreError
from biomedica.query import ask, check_query, nearest, running, select_statement
from biomedica.schema import embeddings_table, table_schema
from biomedica.store import Dataset

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Archive"]


class Archive:
    """A dataset opened at a version; everything is read when it is asked for.

        archive = Archive("s3://mine/slice")
        archive.pairs(columns=["pair_id", "caption"], where="width >= 224").to_pandas()

    uri: the dataset's root. version: a pinned version, None: the newest. as_of: the newest version
    committed at or before this time. `report`: what the run did that `biomedica.build` made, by
    name (`articles_requested`, `articles_deferred`, `pairs`…), else None. Raises StoreError.
    """

    report: Mapping[str, Any] | None = None

    def __init__(
        self,
        uri: str | os.PathLike[str],
        version: int | None = None,
        as_of: datetime.datetime | None = None,
        store: StoreConfig | None = None,
    ) -> None:
        self.uri = os.fspath(uri)
        self._dataset = Dataset.open(self.uri, store or StoreConfig(), version=version, as_of=as_of)

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
        """Rows of `articles` (see `schema.ARTICLES`). where: a DuckDB condition on a row.

        Raises ConfigError for a column or a condition that is wrong, before anything is read.
        """
        return self._select("articles", columns, where)

    def pairs(self, columns: Sequence[str] | None = None, where: str | None = None) -> Selection:
        """Rows of `pairs`, one image each (see `schema.PAIRS`); leave out `image` where you can."""
        return self._select("pairs", columns, where)

    def rejects(self, columns: Sequence[str] | None = None, where: str | None = None) -> Selection:
        """Rows of `rejects`: what could not become a row, and why (see `schema.REJECTS`)."""
        return self._select("rejects", columns, where)

    def embeddings(
        self,
        model: str | None = None,
        columns: Sequence[str] | None = ("pair_id", "embedding"),
        where: str | None = None,
    ) -> Selection:
        """Rows of one model's embeddings; `to_numpy()` gives the ids and a float32 matrix.

        model: one of `models`; None where there is only one. Raises ConfigError where it is not
        clear which one is meant.
        """
        known = ", ".join(self.models)
        if not known:
            raise ConfigError(f"{self.uri} has no embeddings: `biomedica embed` adds a model's")
        if model is None:
            if len(self.models) > 1:
                raise ConfigError(f"there are embeddings of several models: name one of {known}")
            (model,) = self.models
        if model not in self.models:
            raise ConfigError(
                f"no embeddings of {model}{nearest(model, self.models)}: there are {known}"
            )
        return self._select(embeddings_table(model), columns, where)

    def sql(self, query: str) -> pa.Table:
        """The result of one SELECT over the views articles, pairs and rejects, in DuckDB's SQL.

        It reads nothing but those. Raises ConfigError for a query that is wrong.
        """
        connection = connect_tables(self._dataset, self._core())
        with running():
            statement = check_query(query)
            table: pa.Table = ask(connection, lambda: connection.sql(statement).to_arrow_table())
        return table

    def image(self, pair_id: str) -> Image.Image:
        """The image of a pair, decoded and upright. Raises ConfigError where there is no such pair."""
        from PIL import Image, ImageOps

        (row,) = pair_rows(self._dataset, [pair_id], ["image"])
        try:
            image = Image.open(io.BytesIO(row["image"]["bytes"]), formats=("JPEG", "PNG", "WEBP"))
            image.load()
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise StoreError(
                f"the stored image of {pair_id} cannot be decoded ({error}): "
                "run `biomedica verify` on this dataset"
            ) from None
        return ImageOps.exif_transpose(image)

    def show(self, pair_ids: str | Sequence[str]) -> Cards:
        """Pictures for a notebook: one pair with caption and provenance, several side by side.

        Raises ConfigError for a pair that is not there.
        """
        ids = [pair_ids] if isinstance(pair_ids, str) else [str(pair) for pair in pair_ids]
        return Cards.read(self._dataset, ids)

    def _core(self) -> list[str]:
        return [table for table in CORE if table in self._dataset.tables]

    def _select(self, table: str, columns: Sequence[str] | None, where: str | None) -> Selection:
        schema = table_schema(table)
        names = (
            [columns]
            if isinstance(columns, str)
            else list(schema.names if columns is None else columns)
        )
        statement = select_statement(table, schema, names, where)
        return Selection(self._dataset, table, tuple(names), where, statement)

    def __repr__(self) -> str:
        counts = ", ".join(f"{self._dataset.count(table):,} {table}" for table in self._core())
        return f"Archive({self.uri!r}, version={self.version}: {counts})"

    def _repr_html_(self) -> str:
        """Counts, licences and a few pictures; bounded in what it reads (see `preview`)."""
        return html.overview(self.uri, self.version, overview(self._dataset), self.report)
