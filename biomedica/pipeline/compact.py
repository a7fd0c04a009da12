"""`compact`: shards that are mostly dead or small become whole ones, in one version of the dataset."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from biomedica.errors import RunStopped
from biomedica.pipeline.graph import WORKER_ENVIRONMENT
from biomedica.pipeline.progress import Progress
from biomedica.pipeline.run import begun
from biomedica.pipeline.session import ray_session
from biomedica.store import DataFile, Dataset, DatasetWriter
from biomedica.store.compact import (
    Compaction,
    Merge,
    plan_compaction,
    remaining_superseded,
    rewrite,
)
from biomedica.upkeep import CompactConfig

__all__ = ["CompactReport", "run_compact"]

FEW = 8
"""So many shards are written by the driver itself: a Ray takes longer to start."""
IN_FLIGHT = 2
"""tasks that wait for each worker"""


@dataclass(slots=True)
class CompactReport:
    """The result of `compact`. All counts are of what it rewrote."""

    dataset: str
    version: int
    shards_before: int = 0
    shards_after: int = 0
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int = 0
    rows: int = 0
    """live rows that were written again"""
    dead_rows: int = 0
    """rows that no longer count and are gone"""
    superseded_before: int = 0
    """of the whole dataset"""
    superseded_after: int = 0
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self) | {"seconds": round(self.seconds, 3)}


def run_compact(config: CompactConfig, *, quiet: bool = False, debug: bool = False) -> CompactReport:
    """Rewrite what is mostly dead and merge what is small; nothing is committed where nothing is.

    Rows stay as they are but for `shard`. Raises StoreError where there is no dataset or an update
    has not ended, StaleWriterError where another run begins meanwhile, RunStopped where the store
    fails in the middle: nothing has changed then.
    """
    start = time.monotonic()
    dataset = Dataset.open(config.dataset, config.store)
    report = CompactReport(dataset.storage.root, dataset.version)
    if _plan(dataset, config).removed:
        dataset.check_nothing_staged()
        dataset.storage.check_writable()
        with DatasetWriter.begin(config.dataset, config.store) as writer:
            dataset = Dataset.open(config.dataset, config.store)
            with begun():
                _compact(config, dataset, writer, report, quiet=quiet, debug=debug)
    report.seconds = time.monotonic() - start
    return report


def _plan(dataset: Dataset, config: CompactConfig) -> Compaction:
    target = config.runtime.shard_bytes
    return plan_compaction(dataset, target, config.dead_share, config.small_share)


def _compact(
    config: CompactConfig,
    dataset: Dataset,
    writer: DatasetWriter,
    report: CompactReport,
    *,
    quiet: bool,
    debug: bool,
) -> None:
    plan = _plan(dataset, config)
    merges = [merge for merge in plan.merges if merge.rows]
    progress = Progress(len(merges), "shards", quiet=quiet)
    files: list[DataFile] = []
    for done, written in enumerate(_written(config, dataset, merges, debug=debug), start=1):
        files += written
        progress.show(done, sum(f.rows for f in files if f.table == "pairs"), 0, 0)
    gone = [shard for merge in plan.merges for shard in merge.shards]
    _fill(report, dataset, plan, files)
    if "superseded" in plan.removed:
        kept = remaining_superseded(dataset, gone)
        files += kept
        report.superseded_after = sum(file.rows for file in kept)
    counts = {name: value for name, value in report.to_dict().items() if isinstance(value, int)}
    del counts["version"]
    note = {"command": "compact", "counts": counts}
    report.version = writer.commit(files, note, plan.removed)


def _fill(report: CompactReport, dataset: Dataset, plan: Compaction, files: Sequence[DataFile]) -> None:
    report.shards_before = sum(len(merge.shards) for merge in plan.merges)
    report.shards_after = len({file.path.partition("-")[0] for file in files})
    report.files_before, report.files_after = plan.files, len(files)
    report.bytes_before, report.bytes_after = plan.bytes, sum(file.bytes for file in files)
    report.rows, report.dead_rows = sum(file.rows for file in files), plan.dead_rows
    report.superseded_before = report.superseded_after = dataset.count("superseded")


def _written(
    config: CompactConfig, dataset: Dataset, merges: Sequence[Merge], *, debug: bool
) -> Iterator[list[DataFile]]:
    """The files of each new shard, as they are there: by this process, or by Ray where they are many."""
    target = config.runtime.shard_bytes
    if len(merges) <= FEW and config.runtime.address is None:
        for merge in merges:
            yield rewrite(dataset, merge, target)
        return
    with ray_session(config.runtime, debug=debug) as cluster:
        import ray
        from ray.exceptions import RayError

        task = ray.remote(num_cpus=1, max_retries=3, runtime_env={"env_vars": WORKER_ENVIRONMENT})(
            rewrite
        )
        waiting: list[Any] = []
        left = iter(merges)
        try:
            while True:
                for merge in left:
                    waiting.append(task.remote(dataset, merge, target))
                    if len(waiting) >= IN_FLIGHT * cluster.workers:
                        break
                if not waiting:
                    return
                (done, *_), waiting = ray.wait(waiting, num_returns=1)
                yield ray.get(done)
        except RayError as error:
            cause = str(error).strip().splitlines()[-1]
            raise RunStopped(
                f"a worker failed: {cause}; nothing was changed, run the same command again"
            ) from error
