"""What the driver remembers of a run for its page. Bounded, whatever the run's length."""

from __future__ import annotations

import datetime
import heapq
import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from biomedica.pipeline.specs import Summary
from biomedica.reporting import SlowShard

__all__ = ["Point", "RunRecord", "Thinned"]

POINTS = 600
SAMPLED_SHARDS = 48
SLOWEST = 10
FAILED = 40
SHARDS_A_REASON = 5

Item = TypeVar("Item")


class Thinned(Generic[Item]):
    """Some of the items that were added, at equal distances: at most `limit`, at least half of it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.items: list[Item] = []
        self._every = 1
        self._seen = 0

    def add(self, item: Item) -> None:
        if self._seen % self._every == 0:
            if len(self.items) == self.limit:
                self.items = self.items[::2]
                self._every *= 2
            if self._seen % self._every == 0:
                self.items.append(item)
        self._seen += 1


@dataclass(frozen=True, slots=True)
class Point:
    """How far a run was `seconds` after its start."""

    seconds: float
    articles: int
    """written, rejected or deferred"""
    pairs: int
    """written or embedded"""
    bytes_read: int


class _Held(NamedTuple):
    """A shard in the heap of the slowest; the order of arrival decides between equals."""

    seconds: float
    arrival: int
    shard: SlowShard


class RunRecord:
    """Times of a run, its slowest shards, and where its pairs and rejects may be looked at."""

    def __init__(self) -> None:
        self.started = datetime.datetime.now(datetime.UTC)
        self._start = time.monotonic()
        self.begun = False
        self.cluster = ""
        self.points: Thinned[Point] = Thinned(POINTS)
        self.last: Point | None = None
        self.shards: Thinned[str] = Thinned(SAMPLED_SHARDS)
        """shards with pairs"""
        self.failed: list[tuple[str, str]] = []
        """(shard, why), the first ones"""
        self.rejects: Counter[str] = Counter()
        """by `stage/reason`"""
        self.rejecting: dict[str, list[str]] = {}
        """`stage/reason` → the first shards with such a reject"""
        self.pending: Counter[str] = Counter()
        """what was accepted since the last commit, by the names of RunReport; and `reason:…`,
        `embeddings:…`"""
        self._slow: list[_Held] = []
        self._taken = 0

    def begin(self, workers: int, gpus: int, address: str | None) -> None:
        """The dataset is about to be changed."""
        self.begun = True
        counts = [(workers, "worker"), *([(gpus, "GPU")] if gpus else [])]
        words = ", ".join(f"{n:,} {name}{'s' if n != 1 else ''}" for n, name in counts)
        self.cluster = f"{words}, {f'cluster {address}' if address else 'this machine'}"

    @property
    def seconds(self) -> float:
        """Since the start of the run."""
        return time.monotonic() - self._start

    @property
    def curve(self) -> list[Point]:
        """The points that were kept, and the last one."""
        kept = self.points.items
        return kept if self.last is None or kept[-1] is self.last else [*kept, self.last]

    @property
    def slowest(self) -> list[SlowShard]:
        """The slowest shards, the slowest first."""
        return [held.shard for held in sorted(self._slow, key=lambda h: (-h.seconds, h.arrival))]

    def take(self, summary: Summary, articles: int, pairs: int, bytes_read: int) -> None:
        """Remember an accepted shard. The numbers are those of the run after it."""
        self._taken += 1
        self.last = Point(self.seconds, articles, pairs, bytes_read)
        self.points.add(self.last)
        if summary.fault is not None:
            if len(self.failed) < FAILED:
                self.failed.append((summary.shard, summary.fault))
            return
        if summary.pairs or summary.pairs_embedded:
            self.shards.add(summary.shard)
        for reason, count in summary.reject_reasons.items():
            self.rejects[reason] += count
            shards = self.rejecting.setdefault(reason, [])
            if len(shards) < SHARDS_A_REASON:
                shards.append(summary.shard)
        self._take_time(summary)
        self._take_pending(summary)

    def _take_time(self, summary: Summary) -> None:
        seconds = sum(summary.stage_seconds.values())
        full = len(self._slow) == SLOWEST
        if seconds <= 0 or (full and seconds <= self._slow[0].seconds):
            return
        slow = SlowShard(
            summary.shard,
            summary.articles + summary.articles_rejected + len(summary.deferred),
            summary.pairs + summary.pairs_embedded,
            summary.bytes_read,
            dict(summary.stage_seconds),
            _span(summary),
        )
        push = heapq.heapreplace if full else heapq.heappush
        push(self._slow, _Held(seconds, self._taken, slow))

    def _take_pending(self, summary: Summary) -> None:
        for name in ("articles", "articles_rejected", "pairs", "pairs_embedded", "rejects"):
            self.pending[name] += getattr(summary, name)
        for slug, count in summary.embeddings.items():
            self.pending[f"embeddings:{slug}"] += count
        for reason, count in summary.reject_reasons.items():
            self.pending[f"reason:{reason}"] += count

    @property
    def counts(self) -> dict[str, int]:
        """What was accepted since the last commit, by the names of RunReport; no zeros."""
        found = {name: count for name, count in sorted(self.pending.items()) if ":" not in name}
        return {name: count for name, count in found.items() if count}

    def committed(self) -> None:
        """All that was accepted is in the dataset."""
        self.pending.clear()


def _span(summary: Summary) -> str:
    """The first and the last article of a shard's files, by name."""
    names: list[str] = []
    for file in summary.files:
        stats = json.loads(file.stats)
        ends = [*stats.get("minValues", {}).values(), *stats.get("maxValues", {}).values()]
        names += [end.partition("/")[0] for end in ends if isinstance(end, str)]
    return " … ".join(sorted({min(names), max(names)})) if names else ""
