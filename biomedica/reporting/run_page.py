"""The page of a run: what was asked, what was done, what was not and why, how fast, some pairs."""

from __future__ import annotations

import datetime
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from biomedica.config import StoreConfig, is_uri
from biomedica.excerpts import cut
from biomedica.reporting.page import counted, render
from biomedica.reporting.plots import Series, rate_plot
from biomedica.reporting.samples import RejectExample, SampledPair
from biomedica.schema import REJECT_REASONS

__all__ = ["ModelNote", "RunPage", "SlowShard", "reasons", "run_page", "show_command"]

LINES = 40
"""Deferred articles and failed shards that a page names."""

STAGES = {
    "wait": "waiting for bytes of the source",
    "read": "reading stored images",
    "parse": "parsing XML",
    "image": "decoding, hashing and measuring images",
    "encode": "embedding",
    "write": "writing shard files",
}


@dataclass(frozen=True, slots=True)
class ModelNote:
    """A model of a run."""

    slug: str
    model: str
    dimension: int
    untrained: bool


@dataclass(frozen=True, slots=True)
class SlowShard:
    """A shard and what it cost. seconds: by stage, in its worker. span: its first and last article."""

    shard: str
    articles: int
    pairs: int
    bytes_read: int
    seconds: Mapping[str, float]
    span: str = ""

    @property
    def total(self) -> float:
        return sum(self.seconds.values())

    @property
    def mostly(self) -> str:
        """The stage that took most, with its share."""
        if not self.total:
            return ""
        stage = max(self.seconds, key=lambda name: self.seconds[name])
        return f"{STAGES.get(stage, stage)}, {100 * self.seconds[stage] / self.total:.0f} %"


@dataclass(slots=True)
class RunPage:
    """All that the page of a run shows, bounded by whoever fills it.

    counts: `RunReport.to_dict`, without what a stopped run had not committed. stopped: why it ended
    early; None: it came to its end. lost: articles, pairs… that were made and not committed.
    asked: the articles asked for, in words. settings: dotted name → value, without secrets.
    rejects: `stage/reason` → number in this run. series: name → curve.
    """

    command: str
    started: datetime.datetime
    counts: Mapping[str, Any]
    stopped: str | None = None
    lost: Mapping[str, int] = field(default_factory=dict)
    source: str | None = None
    asked: str = ""
    models: Sequence[ModelNote] = ()
    cluster: str = ""
    settings: Mapping[str, str | None] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    series: Mapping[str, Series] = field(default_factory=dict)
    slowest: Sequence[SlowShard] = ()
    failed: Sequence[tuple[str, str]] = ()
    rejects: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, Sequence[RejectExample]] = field(default_factory=dict)
    sample: Sequence[SampledPair] = ()
    terms: Sequence[tuple[str, str]] = ()
    """what the dataset says of its origin, by heading (`biomedica.terms`)"""
    unread: str | None = None
    """why examples and sample could not be read"""
    store: StoreConfig = field(default_factory=StoreConfig)
    """how the dataset is reached, for the commands that look at it again"""


def run_page(page: RunPage) -> str:
    """The page as HTML: one file, no scripts, nothing fetched."""
    counts = page.counts
    done = counts["articles_skipped"] + counts["articles"]
    done += counts["articles_rejected"] + counts["articles_deferred"]
    plots = [(name, rate_plot(series, name)) for name, series in page.series.items()]
    return render(
        "run.html.jinja",
        page=page,
        counts=counts,
        outcome=_outcome(page),
        lost={name: page.lost.get(name, 0) for name in ("articles", "pairs", "pairs_embedded")},
        left=counts["articles_requested"] - done,
        made=counts["pairs"] or counts["pairs_embedded"],
        first=min(
            (series.seconds[0] for series in page.series.values() if series.seconds), default=0.0
        ),
        nothing=not (counts["shards"] - counts["shards_skipped"] or counts["shards_failed"])
        and not sum(counts["embeddings"].values()),
        plots=[(name, plot) for name, plot in plots if plot is not None],
        stages=_stages(counts["stage_seconds"]),
        rejects=reasons(page.rejects.items()),
        lines=LINES,
        show=lambda pair: show_command(pair, counts["dataset"], page.store),
    )


def show_command(pair_id: str, dataset: str, store: StoreConfig | None = None) -> list[str]:
    """The command that prints a pair with everything that belongs to it, quoted for a shell.

    store: the settings that the dataset was reached with; a profile is named, its keys are not.
    """
    words = ["biomedica", "show", pair_id, "--dataset", dataset]
    if store is not None and is_uri(dataset):
        if store.endpoint_url:
            words += ["--endpoint-url", store.endpoint_url]
        for name in ("region", "profile"):
            value = getattr(store, name)
            words += ["--set", f"store.{name}={_as_yaml(value)}"] if value else []
        words += ["--set", "store.anonymous=true"] if store.anonymous else []
    return [shlex.quote(word) for word in words]


def _as_yaml(text: str) -> str:
    """A text as `--set` reads it back: quoted where YAML would make something else of it."""
    import yaml

    try:
        is_plain = yaml.safe_load(text) == text
    except yaml.YAMLError:
        is_plain = False
    return text if is_plain else json.dumps(text)


def _outcome(page: RunPage) -> str:
    """How the run ended, in a few words."""
    if page.stopped is not None:
        return "stopped before its end"
    if page.counts["budget"] is not None:
        waiting = counted(page.counts["articles_deferred"], "article")
        return f"ended by its budget of {page.counts['budget']}, {waiting} deferred"
    waits = [
        counted(page.counts[name], word) + f" {state}"
        for name, word, state in (
            ("articles_deferred", "article", "deferred"),
            ("shards_failed", "shard", "failed"),
        )
        if page.counts[name]
    ]
    return "finished, " + ", ".join(waits) if waits else "finished"


def _stages(seconds: Mapping[str, float]) -> list[tuple[str, float]]:
    known = sorted(seconds.items(), key=lambda item: -item[1])
    return [(STAGES.get(stage, cut(stage, 40)), spent) for stage, spent in known if spent > 0]


def reasons(rejects: Iterable[tuple[str, int]]) -> list[tuple[str, str, str, int]]:
    """(stage, reason, its meaning, number) of (`stage/reason`, number), the most frequent first."""
    rows = []
    for key, count in sorted(rejects, key=lambda item: (-item[1], item[0])):
        stage, _, reason = key.partition("/")
        rows.append((stage, reason, REJECT_REASONS.get(stage, {}).get(reason, ""), count))
    return rows
