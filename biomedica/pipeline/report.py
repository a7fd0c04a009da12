"""What a run did, in numbers that add up."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from biomedica.pipeline.record import RunRecord
from biomedica.pipeline.specs import Summary
from biomedica.sources import Traffic

__all__ = ["RunReport"]


@dataclass(slots=True)
class RunReport:
    """The result of `build` and `embed`. All but the requested and skipped ones count this run."""

    articles_requested: int = 0
    articles_skipped: int = 0
    articles: int = 0
    articles_rejected: int = 0
    articles_deferred: int = 0
    articles_over_budget: int = 0
    """of the deferred ones: not read, or not to their end, because the run's budget was spent"""
    budget: str | None = None
    """what of the budget ended the run, `requests` or `bytes`; None: it came to its end"""
    pairs: int = 0
    """pairs written; `embed` writes none"""
    pairs_embedded: int = 0
    """pairs of an earlier run that were embedded now"""
    rejects: int = 0
    embeddings: dict[str, int] = field(default_factory=dict)
    """by model slug"""
    shards: int = 0
    """chunks requested"""
    shards_skipped: int = 0
    """chunks with nothing left to do"""
    shards_failed: int = 0
    media_read: int = 0
    bytes_read: int = 0
    requests: int = 0
    """sent to the source's bucket, listings and retries included"""
    retries: int = 0
    """requests that repeat one"""
    slow_downs: int = 0
    """requests that were answered by SlowDown (503) or 429"""
    bytes_received: int = 0
    """of objects and listings"""
    seconds: float = 0.0
    version: int = -1
    """the newest pinned version that a reader can open after this run"""
    dataset: str = ""
    untrained_models: list[str] = field(default_factory=list)
    """slugs whose embeddings mean nothing"""
    models_not_run: list[str] = field(default_factory=list)
    """slugs of the dataset's other models, which have not seen what `build` wrote"""
    changes: dict[str, int] = field(default_factory=dict)
    """of an `update`: articles by kind, new, changed, gone, retracted, rebuilt; articles_requested are
    those that the dataset takes now"""
    stage_seconds: dict[str, float] = field(default_factory=dict)
    deferred: list[tuple[str, str]] = field(default_factory=list)
    """(article id, why), the first hundred"""
    report: str | None = None
    """where the run's page lies: a URI or a path; None: nowhere, because nothing was new, or because
    it could not be written"""
    record: RunRecord = field(default_factory=RunRecord, repr=False, compare=False)
    """what the page is made from; not a part of `to_dict`"""

    def take(self, summary: Summary) -> None:
        """Add one shard that was accepted."""
        self.articles += summary.articles
        self.articles_rejected += summary.articles_rejected
        self.pairs += summary.pairs
        self.pairs_embedded += summary.pairs_embedded
        self.rejects += summary.rejects
        self.media_read += summary.media_read
        self.bytes_read += summary.bytes_read
        self.count(summary.traffic)
        for slug, count in summary.embeddings.items():
            self.embeddings[slug] = self.embeddings.get(slug, 0) + count
        for stage, spent in summary.stage_seconds.items():
            self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + spent
        self.defer(summary.deferred)
        self.pass_over(summary.over_budget, summary.budget)
        done = self.articles + self.articles_rejected + self.articles_deferred
        self.record.take(summary, done, self.pairs + self.pairs_embedded, self.bytes_read)

    def defer(self, articles: list[tuple[str, str]]) -> None:
        """Count articles that wait for the next run."""
        self.articles_deferred += len(articles)
        self.deferred += articles[: 100 - len(self.deferred)]

    def pass_over(self, articles: int, budget: str | None) -> None:
        """Count articles that wait for the next run because the budget is spent."""
        self.articles_deferred += articles
        self.articles_over_budget += articles
        if articles:
            self.budget = budget or self.budget or "requests"

    def count(self, traffic: Traffic) -> None:
        """Add what was asked of the source."""
        for name, number in asdict(traffic).items():
            setattr(self, name, getattr(self, name) + number)

    @property
    def traffic(self) -> Traffic:
        """What was asked of the source."""
        return Traffic(self.requests, self.retries, self.slow_downs, self.bytes_received)

    @property
    def balanced(self) -> bool:
        """Promise 1: requested = skipped + written + rejected + deferred."""
        done = self.articles_skipped + self.articles + self.articles_rejected + self.articles_deferred
        return self.articles_requested == done

    @property
    def complete(self) -> bool:
        """Nothing waits for another run."""
        return not (self.articles_deferred or self.shards_failed)

    @property
    def is_new(self) -> bool:
        """Whether anything was written, rejected or embedded, or waits for another run."""
        done = self.articles + self.articles_rejected + self.pairs_embedded + self.rejects
        embedded, changed = any(self.embeddings.values()), any(self.changes.values())
        return bool(done or embedded or changed) or not self.complete

    def to_dict(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in self.__slots__ if name != "record"}
        values["seconds"] = round(self.seconds, 3)
        values["stage_seconds"] = {k: round(v, 3) for k, v in sorted(self.stage_seconds.items())}
        values["embeddings"] = dict(sorted(self.embeddings.items()))
        return values
