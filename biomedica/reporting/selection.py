"""Which article ids of a source meet a condition on their metadata."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.catalogue import CONDITION_COLUMNS
from biomedica.errors import Deferred, Rejected
from biomedica.ids import ArticleId, article_key, parse_article_id, split_key
from biomedica.query import connect, running, select_statement
from biomedica.reporting.choice import (
    VersionPolicy,
    chosen_versions,
    has_siblings,
    in_sample_order,
    sampled,
)
from biomedica.reporting.metadata_rows import metadata_row
from biomedica.sources import Source
from biomedica.store import listing_keys

__all__ = ["IdSelection", "select_ids"]

BATCH = 1024
"""articles whose metadata is held and put to the condition at once"""
AHEAD = 2
"""batches that are read while one is evaluated"""
KEPT = 100
"""deferred articles that are remembered with their fault, as a run's report does"""

Keys = npt.NDArray[np.int64]
Row = dict[str, Any]
Waiting = tuple[str, str]
"""(article id, fault)"""


def select_ids(
    source: Source,
    where: str | None = None,
    *,
    versions: VersionPolicy = "all",
    sample: int | None = None,
    seed: int = 0,
) -> IdSelection:
    """The article ids of a source that meet a condition; their metadata is read by iterating.

    where: a DuckDB condition over `catalogue.CONDITION_COLUMNS`, None: all. versions: which version of
    each article the condition is put to (`config.SelectConfig`). sample: only so many of those that
    meet it, by a hash of seed and id. Lists the source. Raises ConfigError, SourceError.
    """
    statement = None
    if where is not None:
        statement = select_statement("metadata", CONDITION_COLUMNS, ["article_id"], where)
    keys: Keys = listing_keys(source.list_articles())
    return IdSelection(source, keys, statement, versions, sample, seed)


@dataclass
class IdSelection:
    """Article ids in numeric order, found as they are asked for; memory holds a few batches, and a
    sample.

    Iterating gives lists of at most BATCH ids. The counts are whole when it has ended. An article
    whose metadata is wrong meets no condition (`rejected`); one whose metadata cannot be had just
    now is left out and told (`deferred`). Raises ConfigError where the condition fails on a value,
    SourceError where nothing can be read.
    """

    source: Source
    keys: Keys = field(repr=False)
    statement: str | None
    versions: VersionPolicy = "all"
    sample: int | None = None
    seed: int = 0
    found: int = 0
    rejected: int = 0
    deferred: int = 0
    waiting: list[Waiting] = field(default_factory=list)
    """the first KEPT of the deferred articles"""

    def __iter__(self) -> Iterator[list[str]]:
        self.found = self.rejected = self.deferred = 0
        self.waiting = []
        for ids in self._found():
            self.found += len(ids)
            if ids:
                yield ids

    def to_dict(self) -> dict[str, Any]:
        """The counts, by the names of a run's report, and how versions were chosen."""
        return {
            "versions": self.versions,
            "articles_listed": len(self.keys),
            "articles_found": self.found,
            "articles_rejected": self.rejected,
            "articles_deferred": self.deferred,
            "deferred": [list(one) for one in self.waiting],
        }

    def _found(self) -> Iterator[list[str]]:
        keys = self._candidates()
        if self.statement is None:
            yield from _named(sampled(keys, self.sample, self.seed))
        elif self.sample is None:
            yield from self._meeting(self.statement, keys, BATCH)
        else:
            yield from _named(self._sample_meeting(self.statement, keys, self.sample))

    def _sample_meeting(self, statement: str, keys: Keys, size: int) -> Keys:
        """The first of those in the order of the sample that meet the condition: the others are not
        read."""
        met: list[int] = []
        ordered = in_sample_order(keys, self.seed)
        for ids in self._meeting(statement, ordered, min(BATCH, max(64, size))):
            met += [article_key(*parse_article_id(one)) for one in ids]
            if len(met) >= size:
                break
        return np.sort(np.array(met[:size], np.int64))

    def _candidates(self) -> Keys:
        """The versions that the policy takes. For `published_first` the metadata of articles with
        several versions is read; an article of which one cannot be read now is left out and told."""
        if self.versions != "published_first":
            return self.keys[chosen_versions(self.keys, None, self.versions)]
        several = has_siblings(self.keys)
        known: dict[int, bool] = {}
        deferred: set[int] = set()
        pool = ThreadPoolExecutor(self.source.readers, thread_name_prefix="metadata")
        try:
            siblings = self.keys[several]
            for start in range(0, len(siblings), BATCH):
                part = siblings[start : start + BATCH]
                outcomes = list(pool.map(self._row, _articles(part)))
                for row in self._counted(iter(outcomes)):
                    known[article_key(int(row["pmcid"][3:]), row["version"])] = row["is_manuscript"]
                keys = part.tolist()
                deferred |= {
                    split_key(key)[0]
                    for key, outcome in zip(keys, outcomes, strict=True)
                    if isinstance(outcome, tuple)
                }
        finally:
            pool.shutdown(cancel_futures=True)
        right = [key for key in sorted(known) if split_key(key)[0] not in deferred]
        of_several = np.array(right, np.int64)
        manuscript = np.array([known[key] for key in right], bool)
        taken = of_several[chosen_versions(of_several, manuscript, "published_first")]
        return np.sort(np.concatenate([self.keys[~several], taken]))

    def _meeting(self, statement: str, keys: Keys, size: int) -> Iterator[list[str]]:
        connection = connect({}, threads=1)  # with one, rows keep their order
        pool = ThreadPoolExecutor(self.source.readers, thread_name_prefix="metadata")
        try:
            for rows in self._read(pool, keys, size):
                connection.register("metadata", pa.Table.from_pylist(rows, CONDITION_COLUMNS))
                with running():
                    met = connection.sql(statement).to_arrow_table()
                yield met["article_id"].to_pylist()
        finally:
            pool.shutdown(cancel_futures=True)
            connection.close()

    def _read(self, pool: Executor, keys: Keys, size: int) -> Iterator[list[Row]]:
        """The metadata of a batch after the other; the next ones are read meanwhile."""
        ahead: deque[Iterator[Row | Waiting | None]] = deque()
        for start in range(0, len(keys), size):
            ahead.append(pool.map(self._row, _articles(keys[start : start + size])))
            if len(ahead) > AHEAD:
                yield self._counted(ahead.popleft())
        while ahead:
            yield self._counted(ahead.popleft())

    def _row(self, article: ArticleId) -> Row | Waiting | None:
        """The metadata of one article; None where it is wrong."""
        try:
            return metadata_row(self.source.read_article(article))
        except Rejected:
            return None
        except Deferred as fault:
            return str(article), str(fault)

    def _counted(self, outcomes: Iterator[Row | Waiting | None]) -> list[Row]:
        rows = []
        for outcome in outcomes:
            if outcome is None:
                self.rejected += 1
            elif isinstance(outcome, dict):
                rows.append(outcome)
            else:
                self.deferred += 1
                self.waiting += [outcome][: KEPT - len(self.waiting)]
        return rows


def _articles(keys: Keys) -> list[ArticleId]:
    pmcids, versions = split_key(keys)
    return list(map(ArticleId, pmcids.tolist(), versions.tolist()))


def _named(keys: Keys) -> Iterator[list[str]]:
    for start in range(0, len(keys), BATCH):
        yield list(map(str, _articles(keys[start : start + BATCH])))
