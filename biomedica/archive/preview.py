"""What a dataset looks like at a glance, read within bounds that do not grow with it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from biomedica.archive.views import CORE
from biomedica.excerpts import spread
from biomedica.schema import embeddings_table
from biomedica.store import Dataset
from biomedica.store.dataset import hidden_rows, hide
from biomedica.store.images import images_of_file
from biomedica.store.shards import shard_of_file

__all__ = ["License", "Model", "Overview", "Picture", "overview"]

MAX_TOUCHED_SHARDS = 64
"""with superseded rows in more shards than this, counts are upper bounds from the log"""
LICENSE_FILES = 32
PICTURES = 6
PICTURE_FILES = 3
"""of each, the small columns of one row group are read, and the pictures"""

_SMALL = ["pair_id", "article_id", "shard", "figure_label", "caption", "license_code"]


@dataclass(frozen=True, slots=True)
class License:
    """Articles under one licence, and their pairs."""

    code: str
    group: str
    articles: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Model:
    """The embeddings of one model. untrained: they mean nothing."""

    slug: str
    name: str
    dimension: int
    rows: int
    untrained: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """A pair to look at. data: the encoded image."""

    pair_id: str
    label: str | None
    caption: str
    license_code: str | None
    data: bytes


@dataclass(frozen=True, slots=True)
class Overview:
    """counts: rows by table; not `exact`: upper bounds, rows of rebuilt articles included.
    licenses: most articles first, of `license_articles` articles; `sampled` where those are not all.
    unreadable: files of pairs that gave no picture because they could not be read."""

    counts: dict[str, int]
    exact: bool
    licenses: list[License]
    license_articles: int
    sampled: bool
    models: list[Model]
    pictures: list[Picture]
    unreadable: int


def overview(dataset: Dataset) -> Overview:
    """Counts from the log; licences and pictures from a bounded number of files.

    Raises StoreError or Deferred where the log or the articles cannot be read.
    """
    exact = len(set(dataset.superseded()["shard"].to_pylist())) <= MAX_TOUCHED_SHARDS

    def count(table: str) -> int:
        return dataset.count(table) if exact else sum(rows for _, _, rows in dataset.files(table))

    prefix = embeddings_table("")
    slugs = [name.removeprefix(prefix) for name in dataset.tables if name.startswith(prefix)]
    licenses, articles, sampled = _licenses(dataset)
    pictures, unreadable = _pictures(dataset)
    return Overview(
        counts={table: count(table) for table in CORE if table in dataset.tables},
        exact=exact,
        licenses=licenses,
        license_articles=articles,
        sampled=sampled,
        models=[_model(dataset, slug, count(embeddings_table(slug))) for slug in slugs],
        pictures=pictures,
        unreadable=unreadable,
    )


def _model(dataset: Dataset, slug: str, rows: int) -> Model:
    said = dataset.model(slug)
    name, dimension = str(said.get("name") or slug), int(said.get("dimension") or 0)
    return Model(slug, name, dimension, rows, bool(said.get("untrained")))


def _licenses(dataset: Dataset) -> tuple[list[License], int, bool]:
    """(licences, articles that were asked, whether those are a sample)."""
    paths = [path for path, _, _ in dataset.files("articles")]
    shards = {shard_of_file(path) for path in spread(paths, LICENSE_FILES)}
    columns = ["license_code", "license_group", "pair_count"]
    found: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    total = 0
    for batch in dataset.batches("articles", columns, shards=shards):
        for row in batch.to_pylist():
            entry = found[row["license_code"] or "none stated", row["license_group"] or "other"]
            entry[0] += 1
            entry[1] += row["pair_count"] or 0
            total += 1
    licenses = [License(*key, *numbers) for key, numbers in found.items()]
    licenses.sort(key=lambda one: (-one.articles, one.code, one.group))
    return licenses, total, len(paths) > LICENSE_FILES


def _pictures(dataset: Dataset) -> tuple[list[Picture], int]:
    """Pairs of different files and articles, and the number of files that could not be read."""
    if "pairs" not in dataset.tables:
        return [], 0
    paths = [path for path, _, rows in dataset.files("pairs") if rows]
    chosen = spread(paths, PICTURE_FILES)
    hidden = hidden_rows(dataset.superseded())
    pictures: list[Picture] = []
    unreadable = 0
    for n, path in enumerate(chosen):
        share = -(-(PICTURES - len(pictures)) // (len(chosen) - n))
        try:
            pictures += _pictures_of_file(dataset, path, hidden, share)
        except (OSError, pa.ArrowException):
            unreadable += 1
    return pictures, unreadable


def _pictures_of_file(dataset: Dataset, path: str, hidden: Any, count: int) -> list[Picture]:
    """Live pairs of the file's first row group."""
    import pyarrow.parquet as pq

    filesystem, base = dataset.storage.arrow_filesystem()
    with filesystem.open_input_file(f"{base}/pairs/{path}") as handle:
        file = pq.ParquetFile(handle)
        rows = file.read_row_group(0, columns=_SMALL).combine_chunks()
        chosen = _rows_to_show(rows, hidden, count)
        ids = [row["pair_id"] for row in chosen]
        images = images_of_file(handle, ids, lambda batch: hide(batch, "pairs", hidden))
    return [
        Picture(
            row["pair_id"],
            row["figure_label"],
            row["caption"],
            row["license_code"],
            images[row["pair_id"]],
        )
        for row in chosen
    ]


def _rows_to_show(rows: pa.Table, hidden: Any, count: int) -> list[dict[str, Any]]:
    """Live rows at equal distances, of different articles where there are enough."""
    live: list[dict[str, Any]] = []
    for batch in rows.to_batches():
        live += hide(batch, "pairs", hidden).to_pylist()
    articles = list({row["article_id"]: row for row in reversed(live)}.values())[::-1]
    return spread(articles if len(articles) >= count else live, count)
