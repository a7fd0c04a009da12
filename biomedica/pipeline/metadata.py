"""The metadata JSONs of a shard of articles, read and written as rows of `metadata`. No Ray."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from biomedica.config import BuildConfig
from biomedica.errors import Deferred, OverBudget, Rejected
from biomedica.ids import parse_article_id
from biomedica.pipeline.purse import Purse
from biomedica.pipeline.shard import fail, superseded_rows
from biomedica.pipeline.specs import Holding, ShardSpec, Summary
from biomedica.reporting.metadata_rows import metadata_row
from biomedica.schema import table_schema
from biomedica.sources import Lend, open_source
from biomedica.store import open_storage, table_of

__all__ = ["MetadataReader", "settle_metadata"]

UNKNOWN = "source/unknown_id"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Read:
    """One article: its row, or why it has none now."""

    holding: Holding
    row: Row | None = None
    rejected: str | None = None
    deferred: str | None = None
    over_budget: str | None = None
    """what of the budget was spent, if that is why"""


class MetadataReader:
    """Reads shards. One in each worker process. Never raises for what a shard holds.

    snapshot: the name of the snapshot that the articles stand in. lend: as for `ShardBuilder`.
    """

    def __init__(self, config: BuildConfig, snapshot: str, lend: Lend | None = None) -> None:
        self.snapshot = snapshot
        self.storage = open_storage(config.dataset, config.store)
        self.purse = Purse(lend)
        self.source = open_source(config.source, config.fetch, self.purse.account)
        self._pool = ThreadPoolExecutor(config.runtime.io_threads, thread_name_prefix="metadata")

    def read(self, spec: ShardSpec) -> Summary:
        """The shard's files are written when this returns without a fault."""
        summary = Summary(spec.shard)
        started = time.perf_counter()
        if self.purse.skips(summary, spec):
            return summary
        try:
            with self.purse.spending(summary):
                self._take(self._pool.map(self._row, spec.holdings()), summary)
        except Exception as error:  # noqa: BLE001 - a fault of one shard must not end the run
            fail(summary, error)
        summary.stage_seconds = {"metadata": time.perf_counter() - started}
        return summary

    def _take(self, articles: Iterable[_Read], summary: Summary) -> None:
        rows: list[Row] = []
        superseded: list[Row] = []
        for read in articles:
            name = read.holding.article_id
            if read.over_budget is not None:
                summary.over_budget += 1
                summary.budget = read.over_budget
                continue
            if read.deferred is not None:
                summary.deferred.append((name, read.deferred))
                continue
            if read.rejected is None:
                summary.articles += 1
            else:
                summary.articles_rejected += 1
                summary.reject([{"stage": "source", "reason": read.rejected}])
            if read.row is not None:
                rows.append(read.row | {"shard": summary.shard})
                superseded += superseded_rows(name, read.holding.replaces)
        for table, found in (("metadata", rows), ("superseded", superseded)):
            if found:
                summary.write(self.storage, table, table_of(table, found))

    def _row(self, holding: Holding) -> _Read:
        try:
            article = self.source.read_article(parse_article_id(holding.article_id))
            row = metadata_row(article)
        except Rejected as fault:
            if fault.reason == "unknown_id":  # withdrawn since, or the inventory is ahead of the bucket
                return _Read(holding, rejected=fault.reason)
            return _Read(holding, self._wrong(holding, fault), rejected=fault.reason)
        except Deferred as fault:
            return _Read(holding, deferred=str(fault))
        except OverBudget as fault:
            return _Read(holding, over_budget=fault.limit)
        faultless = {"reject_reason": None, "reject_detail": None}
        return _Read(holding, row | self._origin(holding, article.input_digest) | faultless)

    def _wrong(self, holding: Holding, fault: Rejected) -> Row:
        """The row of an article whose metadata is wrong: it meets no condition, and is read again
        when it has changed."""
        article = parse_article_id(holding.article_id)
        row: Row = dict.fromkeys(table_schema("metadata").names)
        row |= {
            "article_id": holding.article_id,
            "pmcid": f"PMC{article.pmcid}",
            "version": article.version,
            "reject_reason": fault.reason,
            "reject_detail": fault.detail,
        }
        return row | self._origin(holding, holding.input_digest)

    def _origin(self, holding: Holding, digest: str) -> Row:
        return {
            "source_uri": self.source.uri,
            "input_digest": digest,
            "listed_digest": holding.input_digest,
            "snapshot": self.snapshot,
        }


def settle_metadata(summary: Summary, spec: ShardSpec) -> None:
    """The driver's look before a commit: a shard whose counts do not add up has failed, and a failed
    shard's articles are deferred."""
    if summary.fault is None:
        rows = sum(file.rows for file in summary.files if file.table == "metadata")
        wanted = summary.articles + summary.articles_rejected - summary.reject_reasons.get(UNKNOWN, 0)
        if rows != wanted or not summary.accounts_for(spec):
            fail(summary, RuntimeError(f"{rows} rows of {len(spec)} articles, {wanted} counted"))
    if summary.fault is not None:
        summary.deferred = [(holding.article_id, summary.fault) for holding in spec.holdings()]
