"""`snapshot`: what the source has now, and the metadata of what is new or changed."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from biomedica.config import BuildConfig, digest_of
from biomedica.ids import ArticleId, article_key
from biomedica.pipeline.budget import RunBudget, worker_config
from biomedica.pipeline.graph import Graph
from biomedica.pipeline.metadata import settle_metadata
from biomedica.pipeline.progress import Progress, tell
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.run import Committer, begun
from biomedica.pipeline.session import ray_session
from biomedica.pipeline.specs import Holding, ShardSpec, Summary
from biomedica.schema import FORMAT_VERSION
from biomedica.sources import Traffic, open_source
from biomedica.sources.inventory import take_snapshot
from biomedica.store import Dataset, DatasetWriter, open_storage, write_file
from biomedica.store.keep_snapshot import KeptSnapshot, keep_snapshot
from biomedica.store.metadata_work import MetadataWork, metadata_work
from biomedica.store.snapshots import Snapshot

__all__ = ["SnapshotReport", "run_snapshot", "update_metadata"]

ARTICLES_A_SHARD = 5000
"""A row takes some 500 bytes in its file; files of some MB are few enough in ten million articles."""
ARTICLES_A_ROUND = 1_000_000
"""The driver holds the work of so many as text, some 50 bytes each."""

LOST = "its worker died"


@dataclass(slots=True)
class SnapshotReport:
    """The result of `snapshot`. new, changed and gone: against the snapshot before."""

    kept: KeptSnapshot
    metadata: RunReport | None = None
    """None: the metadata was not asked for. `articles_requested` is the rows of the snapshot."""
    metadata_gone: int = 0
    """rows of `metadata` that were hidden, because the source has their articles no more"""
    traffic: Traffic = field(default_factory=Traffic)
    """what was asked of the source"""
    seconds: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        """Nothing waits for another run."""
        return self.metadata is None or self.metadata.complete

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        kept = self.kept
        values: dict[str, Any] = {
            "snapshot": kept.snapshot.name,
            "is_new": kept.is_new,
            "kind": kept.snapshot.info.get("kind"),
            "source": kept.snapshot.info.get("source"),
            "rows": kept.snapshot.rows,
            "duplicates": kept.snapshot.info.get("duplicates", 0),
            "unknown_keys": kept.snapshot.info.get("unknown_keys", 0),
            "before": kept.before.name if kept.before else None,
            "new": kept.new,
            "changed": kept.changed,
            "gone": kept.gone,
            "warnings": list(self.warnings),
            **asdict(self.traffic),
            "seconds": round(self.seconds, 3),
        }
        if self.metadata is not None:
            found = self.metadata
            values |= {
                "metadata_skipped": found.articles_skipped,
                "metadata_read": found.articles,
                "metadata_rejected": found.articles_rejected,
                "metadata_deferred": found.articles_deferred,
                "metadata_over_budget": found.articles_over_budget,
                "budget": found.budget,
                "metadata_gone": self.metadata_gone,
                "deferred": [list(one) for one in found.deferred],
                "version": found.version,
            }
        return values


def run_snapshot(
    config: BuildConfig,
    *,
    metadata: bool = True,
    inventory: bool | None = None,
    quiet: bool = False,
    debug: bool = False,
) -> SnapshotReport:
    """Take a snapshot of the source into the dataset, and read the metadata that is new or changed.

    metadata: False leaves the table `metadata` as it is. inventory: as for `take_snapshot`. Raises SourceError, StoreError or Deferred before anything is written, RunStopped or
    StaleWriterError when a run that had begun cannot go on.
    """
    started = time.monotonic()
    storage = open_storage(config.dataset, config.store)
    storage.check_writable()
    budget = RunBudget(config)
    source = open_source(config.source, config.fetch, budget.account)
    with budget.planning():
        taken = take_snapshot(source, inventory=inventory)
    kept = keep_snapshot(storage, taken, config.snapshot.max_gone_share)
    del taken  # some hundred MB
    report = SnapshotReport(kept, traffic=source.traffic, warnings=list(kept.warnings))
    if not quiet:
        for warning in report.warnings:
            tell(f"warning: {warning}")
    if metadata:
        found, report.metadata_gone = update_metadata(
            config, kept.snapshot, budget, quiet=quiet, debug=debug
        )
        report.metadata = found
        report.traffic += found.traffic
    report.seconds = time.monotonic() - started
    return report


def update_metadata(
    config: BuildConfig,
    snapshot: Snapshot,
    budget: RunBudget,
    *,
    quiet: bool = False,
    debug: bool = False,
) -> tuple[RunReport, int]:
    """Bring the table `metadata` to a snapshot: (what was read, how many rows were hidden as gone).

    Only articles whose digest is not that of their row are asked for. budget: pays for it. Raises as `run_snapshot`.
    """
    report = RunReport(dataset=config.dataset)
    listing = snapshot.listing()
    dataset = Dataset.open_if_exists(config.dataset, config.store)
    work = metadata_work(dataset, listing)
    report.articles_requested = listing.num_rows
    report.articles_skipped = int(listing.num_rows - work.todo.sum())
    if dataset is not None and work.is_empty:
        report.version = dataset.version
        return report, 0
    with DatasetWriter.begin(config.dataset, config.store, {"metadata": {}}) as writer:
        opened = Dataset.open(config.dataset, config.store)
        report.version = opened.version
        if dataset is None or opened.version != dataset.version:
            work = metadata_work(opened, listing)  # another run may have ended since
            report.articles_skipped = int(listing.num_rows - work.todo.sum())
        with begun():
            gone = _Update(config, snapshot, writer, report, budget, quiet).run(
                listing, work, debug=debug
            )
    if not report.balanced:
        raise RuntimeError(f"the run's counts do not add up: {report.to_dict()}")
    return report, gone


class _Update:
    """One run over what a snapshot says is to be read."""

    def __init__(
        self,
        config: BuildConfig,
        snapshot: Snapshot,
        writer: DatasetWriter,
        report: RunReport,
        budget: RunBudget,
        quiet: bool,
    ) -> None:
        self.config = config
        self.snapshot = snapshot
        self.writer = writer
        self.report = report
        self.budget = budget
        self.quiet = quiet
        # the snapshot makes the name of a shard its own: an article that came back as it was, after it
        # was gone, must not stand in the shard whose rows are hidden
        self.digest = digest_of(["metadata", FORMAT_VERSION, snapshot.name])

    def run(self, listing: pa.Table, work: MetadataWork, *, debug: bool) -> int:
        """Returns how many rows were hidden as gone."""
        rows = np.flatnonzero(work.todo)
        if len(rows):
            # workers have no use for what may be a million ids
            config = self.config.model_copy(update={"ids": None})
            with (
                ray_session(config.runtime, debug=debug) as cluster,
                self.budget.lent(cluster.workers) as lend,
            ):
                config = worker_config(config, cluster)
                committer = self._committer(len(rows), cluster.workers)
                for start in range(0, len(rows), ARTICLES_A_ROUND):
                    if self.report.budget is not None:
                        self.report.pass_over(len(rows) - start, None)
                        break
                    specs = self._specs(listing, rows[start : start + ARTICLES_A_ROUND], work)
                    self._read(Graph(config, cluster, lend=lend), specs, committer)
                committer.commit()
                committer.show(last=True)
        return self._hide(work.gone)

    def _read(self, graph: Graph, specs: list[ShardSpec], committer: Committer) -> None:
        sent = {spec.shard: spec for spec in specs}

        def is_final(summary: Summary) -> bool:
            settle_metadata(summary, sent[summary.shard])
            return True

        accepted = committer.take(graph.metadata(specs, self.snapshot.name), is_final)
        for shard in sorted(sent.keys() - accepted):
            lost = Summary(shard, fault=LOST)
            settle_metadata(lost, sent[shard])
            committer.accept(lost)

    def _specs(self, listing: pa.Table, rows: Any, work: MetadataWork) -> list[ShardSpec]:
        part = listing.take(pa.array(rows)).combine_chunks()
        size = self.config.runtime.articles_per_shard
        step = size or min(ARTICLES_A_SHARD, max(10, -(-len(rows) // 32)))
        return [
            ShardSpec.of(self.digest, _holdings(part.slice(start, step), work))
            for start in range(0, len(rows), step)
        ]

    def _committer(self, total: int, workers: int) -> Committer:
        progress = Progress(total, "articles", quiet=self.quiet, counts_pairs=False)
        seconds = self.config.runtime.commit_seconds
        return Committer(self.writer, self.report, progress, seconds, self._note, workers)

    @property
    def _note(self) -> dict[str, Any]:
        return {"command": "snapshot", "snapshot": self.snapshot.name}

    def _hide(self, gone: pa.Table) -> int:
        """Hide the rows of what the source has no more."""
        if not gone.num_rows:
            return 0
        columns = (gone[name].to_pylist() for name in ("article_id", "shard"))
        rows = [(article, "", shard) for article, shard in zip(*columns, strict=True)]
        name = ShardSpec.of(self.digest, [Holding(*row) for row in rows]).shard
        file = write_file(self.writer.storage, "superseded", name, gone)
        if file is not None:
            self.report.version = self.writer.commit([file], self._note)
        return len(rows)


def _holdings(listing: pa.Table, work: MetadataWork) -> list[Holding]:
    """Some rows of a listing as work. A holding takes some 300 bytes, its text in a spec 50."""
    columns = (listing[name].to_pylist() for name in ("pmcid", "version", "input_digest"))
    return [
        Holding(
            str(ArticleId(pmcid, version)),
            digest.hex(),
            ",".join(work.replaces.get(article_key(pmcid, version), ())),
        )
        for pmcid, version, digest in zip(*columns, strict=True)
    ]
