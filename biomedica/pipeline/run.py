"""The driver's side of a run: take summaries, commit in batches, show progress."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from typing import Any

from biomedica.errors import Deferred, RunStopped, StaleWriterError, StoreError
from biomedica.pipeline.progress import Progress
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.specs import Summary
from biomedica.store import DataFile, DatasetWriter

__all__ = ["RETRYING", "Committer", "begun"]

RETRYING = "shards that failed or were lost with their worker: {:,}; trying each of their articles"


@contextlib.contextmanager
def begun() -> Iterator[None]:
    """Faults of the store as what they are in the middle of a run: RunStopped."""
    try:
        yield
    except StaleWriterError:
        raise
    except (StoreError, Deferred) as error:
        raise RunStopped(f"{error}; what was committed stays, run the same command again") from error


class Committer:
    """Commits the files of accepted summaries every few seconds, and nothing else."""

    def __init__(
        self,
        writer: DatasetWriter,
        report: RunReport,
        progress: Progress,
        seconds: float,
        note: dict[str, Any],
        workers: int,
    ) -> None:
        self.writer = writer
        self.report = report
        self.progress = progress
        self.seconds = seconds
        self.note = note
        self._files: list[DataFile] = []
        self._silent, self._most_silent = 0, 2 * workers
        self._embedded_before: int | None = None
        self._last = time.monotonic()

    def take(self, summaries: Generator[Summary, None, None]) -> set[str]:
        """Accept summaries as they come; the shards that were heard of, failed ones included.

        Raises RunStopped when the store cannot be written, or is silent for every worker. Whatever
        is raised, the generator is closed: an execution of Ray Data that outlives its session would
        start another Ray.
        """
        heard: set[str] = set()
        try:
            with contextlib.closing(summaries) as coming:
                for summary in coming:
                    heard.add(summary.shard)
                    if summary.fatal:
                        stopped = RunStopped(f"{summary.fault}; what was committed stays")
                        raise stopped from StoreError(summary.fault)
                    self.accept(summary)
                    if time.monotonic() - self._last >= self.seconds:
                        self.commit()
        except RunStopped:
            self.commit()
            raise
        return heard

    def put_off(self, summary: Summary) -> None:
        """A shard failed and its articles are tried one by one: only what it read counts."""
        self._listen(summary)
        self.report.media_read += summary.media_read
        self.report.bytes_read += summary.bytes_read
        self.report.requests += summary.requests
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
            stopped = f"{summary.fault}; what was committed stays, run the same command again"
            raise RunStopped(stopped) from Deferred(summary.fault)

    def commit(self) -> None:
        """Commit what was accepted. Raises RunStopped: the run cannot go on."""
        files, self._files = self._files, []
        if files:
            try:
                self.report.version = self.writer.commit(files, self.note)
                self.report.record.committed()
            except StaleWriterError:
                raise
            except (StoreError, Deferred) as error:
                raise RunStopped(
                    f"the dataset cannot be committed: {error}; run the same command again"
                ) from error
        self._last = time.monotonic()

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
