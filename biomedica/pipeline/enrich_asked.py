"""Asking E-utilities: batches in flight, the rows of their answers, and the commits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import pyarrow as pa

from biomedica.enrichment import EFETCH
from biomedica.errors import Deferred
from biomedica.pipeline.enrich_files import always
from biomedica.pipeline.enrich_report import LISTED, EnrichReport
from biomedica.sources.entrez import Answer, Entrez
from biomedica.sources.pubmed_set import record_table, status_table
from biomedica.store import DatasetWriter, KeyedTable

__all__ = ["Asked"]

IN_FLIGHT = 8
"""requests at once: an answer takes seconds, and their rate is limited, not their number"""
HOPELESS = 3
"""batches in a row without an answer, each tried for minutes, after which the rest waits for another
run"""
AWAY = "E-utilities did not answer several times in a row"


class Asked:
    """What was asked of E-utilities. seconds: between commits. show: draws the progress line."""

    def __init__(
        self,
        entrez: Entrez,
        writer: DatasetWriter,
        table: KeyedTable,
        report: EnrichReport,
        seconds: float,
        show: Callable[[int], None],
    ) -> None:
        self.entrez, self.writer, self.table = entrez, writer, table
        self.report, self.seconds, self._show = report, seconds, show
        self._is_away = False
        self.silent: set[int] = set()
        """asked once, and not in the answer"""
        self._rows: list[pa.Table] = []
        self._last = time.monotonic()

    def ask(self, batches: Sequence[Sequence[int]], *, is_last: bool = False) -> None:
        """Ask for batches; a PMID without an answer is missing where this is the last time."""
        failures = 0
        left = dict(enumerate(batches))
        with contextlib.closing(self._outcomes([] if self._is_away else batches)) as outcomes:
            for number, outcome in outcomes:
                batch = left.pop(number)
                if isinstance(outcome, Deferred):
                    failures += 1
                    self._defer(batch, str(outcome))
                    if failures == HOPELESS:
                        self._is_away = True
                        break
                    continue
                failures = 0
                self.take(batch, outcome, is_last=is_last)
                if time.monotonic() - self._last >= self.seconds:
                    self.commit()
        for batch in left.values():
            self._defer(batch, AWAY)

    def take(self, batch: Sequence[int], answer: Answer, *, is_last: bool = False) -> None:
        """The rows of one answer."""
        report, harvest = self.report, answer.harvest
        found = list(harvest.kept.values())
        report.found += len(found)
        report.bytes_read += answer.bytes
        report.unasked += harvest.unasked
        self._rows.append(record_table(found, EFETCH, answer.day))
        silent = set(batch) - harvest.kept.keys()
        self.silent -= harvest.kept.keys()
        if harvest.unreadable and silent:
            report.take_unreadable(EFETCH, (why for _, why in harvest.unreadable))
            named = {pmid for pmid, _ in harvest.unreadable}
            # one that cannot be told may be any of those that were not answered
            unread = silent if None in named else silent & named
            self._defer(unread, "its record could not be read")
            silent -= unread
        if not is_last:
            self.silent |= silent
        elif silent:
            self.silent -= silent
            report.missing += len(silent)
            report.missing_pmids += sorted(silent)[: LISTED - len(report.missing_pmids)]
            self._rows.append(status_table(silent, "missing", EFETCH, answer.day))
        self._draw()

    def commit(self) -> None:
        """Commit the rows that came. Raises StoreError or Deferred, which `begun` makes RunStopped."""
        rows, self._rows = [table for table in self._rows if table.num_rows], []
        if rows:
            merged = self.table.merge(pa.concat_tables(rows), always)
            counts = {"enrichment_added": merged.added, "enrichment_replaced": merged.replaced}
            note = {"command": "enrich", "from": EFETCH, "counts": counts}
            self.report.merged(merged)
            self.report.version = self.writer.commit(merged.files, note, {"enrichment": merged.removed})
        self._last = time.monotonic()
        self._draw()

    def _defer(self, pmids: Iterable[int], why: str) -> None:
        gone = set(pmids)
        self.silent -= gone
        self.report.defer(sorted(gone), why)

    def _draw(self) -> None:
        self._show(self.report.found + self.report.missing + self.report.deferred)

    def _outcomes(
        self, batches: Sequence[Sequence[int]]
    ) -> Generator[tuple[int, Answer | Deferred], None, None]:
        """(number of the batch, its answer or why there is none), as they come."""
        pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="efetch")
        flying: dict[Future[Answer], int] = {}
        coming = iter(enumerate(batches))
        try:
            while True:
                while len(flying) < IN_FLIGHT and (one := next(coming, None)) is not None:
                    flying[pool.submit(self.entrez.fetch, one[1])] = one[0]
                if not flying:
                    pool.shutdown()
                    return
                ready, _ = wait(flying, return_when=FIRST_COMPLETED)
                for future in sorted(ready, key=flying.__getitem__):
                    number = flying.pop(future)
                    try:
                        yield number, future.result()
                    except Deferred as fault:
                        yield number, fault
        finally:
            if flying:  # left in the middle: nobody waits for what is under way
                self.entrez.pace.stop()
                pool.shutdown(wait=False, cancel_futures=True)
