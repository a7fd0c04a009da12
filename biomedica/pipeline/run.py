"""The driver's side of a run: take summaries, commit in batches, show progress."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

from biomedica.errors import Deferred, RunStopped, StaleWriterError, StoreError
from biomedica.pipeline.progress import Progress
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.specs import Summary
from biomedica.store import DataFile, DatasetWriter

__all__ = ["RETRYING", "Committer", "begun"]

RETRYING = "shards that failed or were lost with their worker: {:,}; trying each of their articles"
AGAIN = "run the same command again"


@contextlib.contextmanager
def begun() -> Iterator[None]:
    """Faults of the store as what they are in the middle of a run: RunStopped."""
    try:
        yield
    except StaleWriterError:
        raise
    except (StoreError, Deferred) as error:
        raise _stopped(error) from error


def _stopped(fault: StoreError | Deferred) -> RunStopped:
    again = "" if AGAIN in str(fault) else f", {AGAIN}"
    stopped = RunStopped(f"{fault}; what was committed stays{again}")
    stopped.__cause__ = fault
    return stopped


class Committer:
    """Commits the files of accepted summaries every few seconds, and nothing else.

    staged: readers do not see them before `publish`.
    """

    def __init__(
        self,
        writer: DatasetWriter,
        report: RunReport,
        progress: Progress,
        seconds: float,
        note: dict[str, Any],
        workers: int,
        *,
        staged: bool = False,
    ) -> None:
        self.writer = writer
        self.report = report
        self.progress = progress
        self.seconds = seconds
        self.note = note
        self.staged = staged
        self._files: list[DataFile] = []
        self._silent, self._most_silent = 0, 2 * workers
        self._embedded_before: int | None = None
        self._last = time.monotonic()

    def take(
        self,
        summaries: Generator[Summary, None, None],
        is_final: Callable[[Summary], bool] = lambda _: True,
    ) -> set[str]:
        """Accept summaries as they come; the names of the shards that were accepted.

        is_final: False puts a shard off, whose articles the caller will try one by one. It is called
        once for each summary and may settle it.
        Raises RunStopped when a worker cannot write the store, or it is silent for every worker, and
        like `commit`. Whatever is raised, the generator is closed: an execution of Ray Data that
        outlives its session would start another Ray.
        """
        accepted: set[str] = set()
        try:
            with contextlib.closing(summaries) as coming:
                for summary in coming:
                    if not is_final(summary):
                        self.put_off(summary)
                        continue
                    accepted.add(summary.shard)
                    if summary.fatal:
                        raise _stopped(StoreError(summary.fault))
                    self.accept(summary)
                    if time.monotonic() - self._last >= self.seconds:
                        self.commit()
        except RunStopped:
            self.commit()
            raise
        return accepted

    def put_off(self, summary: Summary) -> None:
        """A shard failed and its articles are tried one by one: only what it read counts."""
        self._listen(summary)
        self.report.media_read += summary.media_read
        self.report.bytes_read += summary.bytes_read
        self.report.count(summary.traffic)
        self.progress.note(f"shard {summary.shard} failed: {summary.fault}")

    def accept(self, summary: Summary) -> None:
        """One shard's files will be in the next commit."""
        self._listen(summary)
        if summary.fault is not None:
            self.report.shards_failed += 1
            self.progress.note(f"shard {summary.shard} failed: {summary.fault}")
        self._files += summary.files
        self.report.take(summary)
        self.show()

    def _listen(self, summary: Summary) -> None:
        """One silence may be bad luck; two for every worker in a row are a store that is away."""
        self._silent = self._silent + 1 if summary.silent else 0
        if self._silent >= self._most_silent:
            raise _stopped(Deferred(summary.fault))

    def commit(self) -> None:
        """Commit what was accepted. Raises StoreError or Deferred, which `begun` makes RunStopped."""
        files, self._files = self._files, []
        if files:
            note = self.note | {"counts": self.report.record.counts}
            version = self.writer.commit(files, note, staged=self.staged)
            if not self.staged:
                self.report.version = version
            self.report.record.committed()
        self._last = time.monotonic()

    def publish(self, files: Sequence[DataFile], counts: Mapping[str, int], **note: Any) -> None:
        """Make what was staged the next version of the dataset, with these files.

        counts, note: said in the log. Raises like `commit`.
        """
        self.commit()
        said = self.note | {"counts": dict(counts)} | note
        self.report.version = self.writer.commit(files, said)

    def count_embedded(self, total: int) -> None:
        """From now on the progress line counts embedded pairs, of which `total` are to come."""
        self.progress = Progress(total, "pairs", quiet=self.progress.quiet, stream=self.progress.stream)
        self._embedded_before = self.report.pairs_embedded

    def show(self, *, last: bool = False) -> None:
        """Draw the progress line."""
        r = self.report
        done, pairs = r.articles + r.articles_rejected + r.articles_deferred, r.pairs
        if self._embedded_before is not None:
            done = r.pairs_embedded - self._embedded_before
            pairs = done
        self.progress.show(done, pairs, r.rejects, r.articles_deferred, last=last)
