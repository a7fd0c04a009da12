"""One shard, whole: articles in, the shard's files out. Runs in a worker; knows nothing of Ray."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from biomedica.config import BuildConfig, build_digest
from biomedica.errors import Deferred, SourceError, StoreError
from biomedica.jats import PARSER_VERSION
from biomedica.pipeline.articles import ArticleBuilder, ArticleOutcome
from biomedica.pipeline.embedder import ShardEmbedder, write_embeddings
from biomedica.pipeline.purse import Purse
from biomedica.pipeline.rows import Row
from biomedica.pipeline.specs import EmbedSpec, ShardSpec, Summary
from biomedica.schema import PixelSpec
from biomedica.sources import Lend, open_source
from biomedica.store import open_storage, table_of

__all__ = ["PixelRows", "ShardBuilder", "fail", "settle", "superseded_rows"]

PIXEL_BYTES = 96 << 20
"""Model pixels of one shard that travel to a GPU actor, a tenth of the smallest object store; what
is beyond is read from the store."""


@dataclass(slots=True)
class PixelRows:
    """Model pixels of a shard for an embedding actor: one list per pixel spec, beside pair ids."""

    pair_ids: list[str] = field(default_factory=list)
    pixels: list[list[Any]] = field(default_factory=list)
    bytes: int = 0
    complete: bool = True
    """False: over PIXEL_BYTES; the images are read from the pairs files instead"""

    def add(self, pair_ids: Sequence[str], pixels: Sequence[tuple[Any, ...]]) -> None:
        self.pair_ids.extend(pair_ids)
        self.bytes += sum(array.nbytes for arrays in pixels for array in arrays)
        if self.bytes > PIXEL_BYTES:
            self.complete = False
            self.pixels.clear()
        if self.complete:
            self.pixels.extend(list(arrays) for arrays in pixels)


@dataclass(slots=True)
class _Slice:
    """Rows until the byte limit of one output file."""

    tables: dict[str, list[Row]] = field(
        default_factory=lambda: {"pairs": [], "rejects": [], "superseded": [], "articles": []}
    )
    image_bytes: int = 0


class ShardBuilder:
    """Builds shards. One in each worker process; holds the open source, the store and threads.

    embedder: embeds inside this process; without one and with `specs`, model pixels are handed
    out instead. lend: where requests of the source are paid from. Never raises for what a shard holds: faults end in the summary.
    """

    def __init__(
        self,
        config: BuildConfig,
        specs: Sequence[PixelSpec] = (),
        embedder: ShardEmbedder | None = None,
        lend: Lend | None = None,
    ) -> None:
        self.config = config
        self.embedder = embedder
        self.specs = tuple(embedder.specs if embedder else specs)
        self.storage = open_storage(config.dataset, config.store)
        self.digest = build_digest(config, PARSER_VERSION)
        self.purse = Purse(lend)
        self.source = open_source(config.source, config.fetch, self.purse.account)
        pool = ThreadPoolExecutor(config.runtime.io_threads, thread_name_prefix="read")
        self.articles = ArticleBuilder(config, self.source, pool, self.digest, self.specs)

    def build(self, spec: ShardSpec) -> tuple[Summary, PixelRows]:
        """The shard's files are written when this returns without a fault."""
        summary, pixels = Summary(spec.shard), PixelRows()
        self.articles.seconds = defaultdict(float)
        if self.purse.skips(summary, spec):
            return summary, pixels
        try:
            with self.purse.spending(summary):
                self._build(spec, summary, pixels)
        except Exception as error:  # noqa: BLE001 - a fault of one shard must not end the run
            return fail(summary, error), PixelRows()
        summary.stage_seconds = dict(self.articles.seconds)
        return summary, pixels

    def _build(self, spec: ShardSpec, summary: Summary, pixels: PixelRows) -> None:
        current = _Slice()
        if self.embedder:
            self.embedder.begin()
        for outcome in self.articles.build(spec.shard, spec.holdings()):
            summary.media_read += outcome.media_read
            summary.bytes_read += outcome.bytes_read
            self._add(outcome, current, summary, pixels)
            if current.image_bytes >= self.config.runtime.shard_bytes:
                self._write(current.tables, summary)
                current = _Slice()
        self._write(current.tables, summary)
        if self.embedder:
            self._write_embeddings(self.embedder, summary)
        elif not pixels.complete:
            paths = tuple(f"pairs/{file.path}" for file in summary.files if file.table == "pairs")
            summary.reread = EmbedSpec(spec.shard, paths)
        if not summary.accounts_for(spec):
            raise RuntimeError(f"shard {spec.shard} lost an article")

    def _add(
        self, outcome: ArticleOutcome, current: _Slice, summary: Summary, pixels: PixelRows
    ) -> None:
        holding, rows = outcome.holding, outcome.rows
        if outcome.over_budget is not None:
            summary.over_budget += 1
            summary.budget = outcome.over_budget
            return
        if rows is None:
            summary.deferred.append((holding.article_id, outcome.deferred or "unknown"))
            return
        if rows.article is None:
            summary.articles_rejected += 1
        else:
            summary.articles += 1
            current.tables["articles"].append(rows.article)
        summary.pairs += len(rows.pairs)
        summary.reject(rows.rejects)
        current.tables["pairs"].extend(rows.pairs)
        current.tables["rejects"].extend(rows.rejects)
        current.tables["superseded"].extend(superseded_rows(holding.article_id, holding.replaces))
        current.image_bytes += rows.image_bytes
        pair_ids = [row["pair_id"] for row in rows.pairs]
        if self.embedder:
            start = time.perf_counter()
            self.embedder.add(pair_ids, rows.pixels)
            self.articles.seconds["encode"] += time.perf_counter() - start
        elif self.specs:
            pixels.add(pair_ids, rows.pixels)

    def _write(self, tables: Mapping[str, list[Row]], summary: Summary) -> None:
        start = time.perf_counter()
        for name, rows in tables.items():
            if rows:
                summary.write(self.storage, name, table_of(name, rows))
                rows.clear()
        self.articles.seconds["write"] += time.perf_counter() - start

    def _write_embeddings(self, embedder: ShardEmbedder, summary: Summary) -> None:
        start = time.perf_counter()
        pair_ids, vectors = embedder.finish()
        write_embeddings(self.storage, summary, embedder.infos, pair_ids, vectors)
        self.articles.seconds["encode"] += time.perf_counter() - start


def superseded_rows(article_id: str, replaces: str) -> list[Row]:
    """Rows of `superseded` for the shards that a new build of an article replaces."""
    rows = []
    for entry in filter(None, replaces.split(",")):
        other, _, shard = entry.rpartition("/")
        rows.append({"article_id": other or article_id, "shard": shard})
    return rows


def settle(summary: Summary, slugs: Iterable[str], spec: ShardSpec | None = None) -> None:
    """The driver's last look before a commit (promise 1): counts that do not add up fail a shard.

    slugs: the models that were to embed it. spec: what it was to build; where it failed, all its
    articles are deferred.
    """
    if summary.fault is None:
        wrong = summary.imbalance(slugs)
        if wrong is None and spec is not None and not summary.accounts_for(spec):
            wrong = f"its {len(spec)} articles are not all written, rejected or deferred"
        if wrong is not None:
            fail(summary, RuntimeError(wrong))
    if summary.fault is not None and spec is not None:
        summary.deferred = [(holding.article_id, summary.fault) for holding in spec.holdings()]


def fail(summary: Summary, error: Exception) -> Summary:
    """Mark a shard as failed: nothing of it counts but what it read."""
    fresh = Summary(
        summary.shard,
        fault=str(error) or type(error).__name__,
        fatal=isinstance(error, (SourceError, StoreError)),
        # a passing fault of the source has deferred its article: this is one of the store
        silent=isinstance(error, Deferred),
        media_read=summary.media_read,
        bytes_read=summary.bytes_read,
        traffic=summary.traffic,
    )
    for name in Summary.__slots__:
        setattr(summary, name, getattr(fresh, name))
    return summary
