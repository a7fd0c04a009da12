"""Results of PubMed files merged into the tables and committed, a file whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import pyarrow as pa

from biomedica.pipeline.enrich_files import FileResult, always, file_wins, latest
from biomedica.pipeline.enrich_report import EnrichReport
from biomedica.store import KEYED_TABLES, Dataset, DatasetWriter, KeyedTable, table_of

__all__ = ["TakenFiles"]

ROWS_HELD = 100_000
"""rows that wait for a commit; some 150 MB"""
COMMIT_SHARE = 0.2
"""of the time: update files touch every file of the table, and a commit writes those anew"""


class TakenFiles:
    """Files that were read; their rows and their rows in `pubmed_files` are committed together.

    selection: what was looked for in them. changed: names of files with new bytes. seconds: between
    commits, at least. show: draws the progress line.
    """

    def __init__(
        self,
        writer: DatasetWriter,
        dataset: Dataset,
        report: EnrichReport,
        selection: str,
        changed: Collection[str],
        seconds: float,
        show: Callable[[int], None],
    ) -> None:
        self.writer, self.report = writer, report
        self.selection, self.seconds, self._show = selection, seconds, show
        self.wins = partial(file_wins, changed=changed)
        self.tables = {name: KeyedTable.of(dataset, name) for name in KEYED_TABLES}
        self._rows: list[pa.Table] = []
        self._files: list[dict[str, Any]] = []
        self._last = time.monotonic()
        self._spent = 0.0

    def take(self, result: FileResult) -> None:
        """Count a file, and commit now and then."""
        report = self.report
        if result.fault is not None:
            report.fail(result.name, result.fault)
            self._draw()
            return
        assert result.rows is not None  # noqa: S101 - without a fault there are rows
        report.files_read += 1
        report.files_unchecked += not result.was_checked
        report.bytes_read += result.bytes
        report.records += result.records
        report.take_unreadable(result.name, result.unreadable)
        self._rows.append(result.rows)
        self._files.append(
            {
                "file": result.name,
                "md5": result.md5,
                "selection": self.selection,
                "records": result.records,
                "kept": result.kept,
                "deleted": result.deleted,
                "unreadable": len(result.unreadable),
            }
        )
        waited = time.monotonic() - self._last
        pause = max(self.seconds, self._spent / COMMIT_SHARE)
        if waited >= pause or sum(table.num_rows for table in self._rows) >= ROWS_HELD:
            self.commit()
        self._draw()

    def commit(self) -> None:
        """Commit the rows of whole files."""
        started = time.monotonic()
        rows, self._rows = self._rows, []
        files, self._files = self._files, []
        if files:
            records = self.tables["enrichment"].merge(latest(rows), self.wins)
            read = self.tables["pubmed_files"].merge(table_of("pubmed_files", files), always)
            counts = {"enrichment_added": records.added, "enrichment_replaced": records.replaced}
            note = {"command": "enrich", "from": "files", "counts": counts | {"files": len(files)}}
            self.report.merged(records)
            self.report.version = self.writer.commit(
                [*records.files, *read.files],
                note,
                {"enrichment": records.removed, "pubmed_files": read.removed},
            )
        self._last = time.monotonic()
        self._spent = self._last - started
        self._draw()

    def _draw(self) -> None:
        self._show(self.report.files_read + self.report.files_failed)
