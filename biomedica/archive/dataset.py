"""A dataset at one version, as a notebook sees it."""

from __future__ import annotations

import datetime
import io
import operator
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from biomedica.archive import html
from biomedica.archive.cards import Cards
from biomedica.archive.lookup import pair_rows
from biomedica.archive.preview import overview
from biomedica.archive.selection import Selection
from biomedica.archive.views import CORE, connect_tables
from biomedica.catalogue import OPTIONAL_TABLES
from biomedica.config import StoreConfig, as_place
from biomedica.errors import ConfigError, StoreError
from biomedica.query import ask, check_query, column_names, nearest, running, select_statement
from biomedica.schema import embeddings_table, table_schema
from biomedica.store import KEYED_TABLES, Dataset, dataset_terms
from biomedica.terms import Terms

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Archive"]


class Archive:
    """A dataset opened at a version; everything is read when it is asked for.

        archive = Archive("s3://mine/slice")
        archive.pairs(columns=["pair_id", "caption"], where="width >= 224").to_pandas()

    uri: the dataset's root. version: a pinned version, None: the newest. as_of: the newest version
    committed at or before this time, a datetime or its ISO 8601 text, UTC where it names no zone.
    `report`: what the run did that `biomedica.build` made, by name (`articles_requested`,
    `articles_deferred`, `pairs`…), else None. Raises StoreError, or ConfigError for a value of the
    wrong kind.
    """

    report: Mapping[str, Any] | None = None

    def __init__(
        self,
        uri: str | os.PathLike[str],
        version: int | None = None,
        as_of: datetime.datetime | str | None = None,
        store: StoreConfig | None = None,
    ) -> None:
        if store is not None and not isinstance(store, StoreConfig):
            raise ConfigError(
                f"store must be a biomedica.config.StoreConfig, not {type(store).__name__}: "
                "write StoreConfig(region=…)"
            )
        self.uri = as_place(uri, "the dataset")
        self._dataset = Dataset.open(
            self.uri, store or StoreConfig(), version=_as_version(version), as_of=_as_time(as_of)
        )

    @property
    def version(self) -> int:
        """The version that is open."""
        return self._dataset.version

    @property
    def models(self) -> tuple[str, ...]:
        """The slugs of the models that have embeddings here."""
        prefix = embeddings_table("")
        return tuple(t.removeprefix(prefix) for t in self._dataset.tables if t.startswith(prefix))

    @property
    def terms(self) -> Terms:
        """Where the articles come from, how current they are, and what NLM's terms ask to be said."""
        return dataset_terms(self._dataset)

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

    def metadata(self, columns: Sequence[str] | None = None, where: str | None = None) -> Selection:
        """Rows of `metadata`: what the source says of its article versions (`catalogue.METADATA`).

        Raises ConfigError also where `biomedica snapshot` has made no such table.
        """
        if "metadata" not in self._dataset.tables:
            raise ConfigError(
                f"{self.uri} has no table of metadata: `biomedica snapshot --source … --dataset …` "
                "makes it"
            )
        return self._select("metadata", columns, where)

    def enrichment(self, columns: Sequence[str] | None = None, where: str | None = None) -> Selection:
        """Rows of `enrichment`: what PubMed says of each PMID (`biomedica.enrichment.ENRICHMENT`).

        Raises ConfigError also where `biomedica enrich` has made no such table.
        """
        if "enrichment" not in self._dataset.tables:
            raise ConfigError(
                f"{self.uri} has no PubMed records: `biomedica enrich --dataset …` adds them"
            )
        return self._select("enrichment", columns, where)

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
            wanted = " ".join(str(model)[:200].split())
            near = nearest(wanted, self.models)
            raise ConfigError(f"no embeddings of {wanted}{near}: there are {known}")
        return self._select(embeddings_table(model), columns, where)

    def sql(self, query: str) -> pa.Table:
        """The result of one SELECT over the views articles, pairs, rejects and, where they are there,
        metadata, enrichment and pubmed_files, in DuckDB's SQL.

        It reads nothing but those. Raises ConfigError for a query that is wrong.
        """
        others = (*OPTIONAL_TABLES, *KEYED_TABLES)
        views = [*self._core(), *(table for table in others if table in self._dataset.tables)]
        connection = connect_tables(self._dataset, views)
        with running():
            statement = check_query(query)
            table: pa.Table = ask(connection, lambda: connection.sql(statement).to_arrow_table())
        return table

    def image(self, pair_id: str) -> Image.Image:
        """The image of a pair, decoded and upright. Raises ConfigError where there is no such pair."""
        from PIL import Image, ImageOps

        (row,) = pair_rows(self._dataset, [str(pair_id)], ["image"])
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
        try:
            ids = [pair_ids] if isinstance(pair_ids, str) else [str(pair) for pair in pair_ids]
        except TypeError:
            raise ConfigError(
                f"pairs are named by their ids, not by {type(pair_ids).__name__}: write "
                "PMC123.1/file-name.jpg, or a list of such"
            ) from None
        return Cards.read(self._dataset, ids)

    def _core(self) -> list[str]:
        return [table for table in CORE if table in self._dataset.tables]

    def _select(self, table: str, columns: Sequence[str] | None, where: str | None) -> Selection:
        schema = table_schema(table)
        names = column_names(schema, columns)
        statement = select_statement(table, schema, names, where)
        return Selection(self._dataset, table, tuple(names), where, statement)

    def __repr__(self) -> str:
        counts = ", ".join(f"{self._dataset.count(table):,} {table}" for table in self._core())
        return f"Archive({self.uri!r}, version={self.version}: {counts})"

    def _repr_html_(self) -> str:
        """Counts, licences and a few pictures; bounded in what it reads (see `preview`)."""
        return html.overview(self.uri, self.version, overview(self._dataset), self.report)


def _as_version(version: Any) -> int | None:
    if version is None:
        return None
    if not isinstance(version, bool):  # a number to Python, and a slip here
        with suppress(TypeError):
            return operator.index(version)
    raise ConfigError(
        f"a version is a whole number, not {str(version)[:80]!r}: write version=3, or leave it out for "
        "the newest"
    )


def _as_time(time: Any) -> datetime.datetime | None:
    if time is None or isinstance(time, datetime.datetime):
        return time
    try:
        return datetime.datetime.fromisoformat(time)
    except (TypeError, ValueError):
        raise ConfigError(
            f"as_of is no time: {str(time)[:80]!r}; write a datetime, or text such as "
            "2026-01-31T12:00+00:00"
        ) from None
