"""`enrich`: what PubMed says of the dataset's articles, by E-utilities or from PubMed's files.

The table `enrichment` itself says what is done: a row for each PMID that PubMed has, has not, or has
deleted. A run asks for what has no row, or has an answer that is too old; a killed run goes on where
it stopped. What is missing is in the table too, and asked again once its answer is too old.
"""

from __future__ import annotations

import datetime
import hashlib
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from biomedica.enrichment import EFETCH
from biomedica.errors import Deferred, RunStopped, SourceError
from biomedica.pipeline.enrich_asked import Asked
from biomedica.pipeline.enrich_files import harvest_files
from biomedica.pipeline.enrich_report import LISTED, EnrichReport
from biomedica.pipeline.enrich_taken import TakenFiles
from biomedica.pipeline.progress import Progress
from biomedica.pipeline.run import begun
from biomedica.pipeline.session import ray_session
from biomedica.pubmed import EnrichConfig
from biomedica.sources.entrez import Entrez
from biomedica.sources.pubmed_files import PubmedFile, list_pubmed_files, md5_beside
from biomedica.store import KEYED_TABLES, Dataset, DatasetWriter, KeyedTable, keyed_rows

__all__ = ["run_enrich"]

Keys = npt.NDArray[np.int64]

CHECKED_AT_ONCE = 16
"""MD5s beside files"""


def run_enrich(config: EnrichConfig, *, quiet: bool = False, debug: bool = False) -> EnrichReport:
    """Add PubMed records to a dataset.

    Raises ConfigError, SourceError or StoreError before anything is written, and RunStopped or
    StaleWriterError when a run that had begun cannot go on.
    """
    started = time.monotonic()
    report = EnrichReport(dataset=config.dataset)
    dataset = Dataset.open(config.dataset, config.store)
    report.version = dataset.version
    wanted = _pmids(dataset, report)
    run = _Enrichment(config, report, quiet)
    if config.pubmed.files:
        run.from_files(dataset, wanted, debug=debug)
    else:
        run.from_entrez(dataset, wanted)
    report.seconds = time.monotonic() - started
    if not report.balanced:
        raise RuntimeError(f"the run's counts do not add up: {report.to_dict()}")
    return report


def _pmids(dataset: Dataset, report: EnrichReport) -> Keys:
    """The PMIDs of the live articles, sorted, each once."""
    parts: list[Keys] = [np.empty(0, np.int64)]
    for batch in dataset.batches("articles", columns=["pmid"], batch_size=1 << 16):
        column = batch.column("pmid")
        report.articles_without_pmid += column.null_count
        parts.append(column.drop_null().to_numpy())
    found: Keys = np.unique(np.concatenate(parts))
    found = found[found > 0]
    report.pmids = len(found)
    return found


class _Enrichment:
    """One run. The driver alone merges and commits."""

    def __init__(self, config: EnrichConfig, report: EnrichReport, quiet: bool) -> None:
        self.config = config
        self.report = report
        self.quiet = quiet
        self.progress = Progress(0, "PMIDs", quiet=quiet)

    # -- E-utilities

    def from_entrez(self, dataset: Dataset, wanted: Keys) -> None:
        entrez = Entrez(self.config.pubmed)
        todo = wanted[~np.isin(wanted, _fresh(dataset, self.config.pubmed.max_age_days))]
        self.report.skipped = len(wanted) - len(todo)
        if not len(todo):
            return
        dataset.storage.check_writable()
        dataset.check_nothing_staged()
        batches = self._batches(todo.tolist())
        # before the dataset is touched: an address or a key that is wrong is told first
        first = entrez.fetch(batches[0])
        self.progress.total = len(todo)
        with self._writer() as writer, begun():
            table = KeyedTable.of(self._opened(), "enrichment")
            seconds = self.config.runtime.commit_seconds
            asked = Asked(entrez, writer, table, self.report, seconds, self._show)
            try:
                asked.take(batches[0], first)
                asked.ask(batches[1:])
                asked.ask(self._batches(sorted(asked.silent)), is_last=True)
            except SourceError as error:
                asked.commit()
                raise RunStopped(
                    f"{error}; what was committed stays, the same command goes on from there"
                ) from error
            asked.commit()
            self._show(len(todo), last=True)
        self.report.requests = entrez.requests

    def _batches(self, pmids: Sequence[int]) -> list[list[int]]:
        size = self.config.pubmed.batch
        return [list(pmids[start : start + size]) for start in range(0, len(pmids), size)]

    # -- PubMed files

    def from_files(self, dataset: Dataset, wanted: Keys, *, debug: bool) -> None:
        pubmed, report = self.config.pubmed, self.report
        files = list_pubmed_files(pubmed.files, self.config.fetch)
        selection = "all" if pubmed.keep_all else hashlib.sha256(wanted.tobytes()).hexdigest()[:16]
        held = _held(dataset)
        lacking = pubmed.keep_all or not np.isin(wanted, held).all()
        todo, changed = self._to_read(dataset, files, selection if lacking else None)
        report.files, report.files_skipped = len(files), len(files) - len(todo)
        if todo and (len(wanted) or pubmed.keep_all):
            dataset.storage.check_writable()
            dataset.check_nothing_staged()
            with ray_session(self.config.runtime, debug=debug) as cluster, self._writer() as writer:
                self.progress = Progress(len(todo), "PubMed files", quiet=self.quiet)
                with begun():
                    opened = self._opened()
                    held = _held(opened)
                    seconds = self.config.runtime.commit_seconds
                    taken = TakenFiles(writer, opened, report, selection, changed, seconds, self._show)
                    only = None if pubmed.keep_all else wanted
                    for result in harvest_files(todo, self.config.fetch, only, cluster.workers):
                        taken.take(result)
                        if result.fault is not None:
                            self.progress.note(f"{result.name} failed: {result.fault}")
                    taken.commit()
                    self._show(len(todo), last=True)
        self._count(wanted, held)

    def _to_read(
        self, dataset: Dataset, files: Sequence[PubmedFile], selection: str | None
    ) -> tuple[list[PubmedFile], set[str]]:
        """Files to read, and the names of those whose bytes are new.

        selection: what they must have been read for; None: nothing new is looked for.
        """
        rows = keyed_rows(dataset, "pubmed_files", ["file", "md5", "selection"]).to_pylist()
        read = {row["file"]: row for row in rows}
        known = [file for file in files if file.name in read]
        with ThreadPoolExecutor(CHECKED_AT_ONCE) as pool:
            stated = dict(zip(known, pool.map(self._md5, known), strict=True))
        changed = {file.name for file in files if file.name not in read}
        changed |= {
            file.name for file, md5 in stated.items() if md5 not in (None, read[file.name]["md5"])
        }
        enough = (selection, "all")
        todo = [
            file
            for file in files
            if file.name in changed
            or (selection is not None and read[file.name]["selection"] not in enough)
        ]
        return todo, changed

    def _md5(self, file: PubmedFile) -> str | None:
        """None: it says nothing now, and the file counts as unchanged."""
        try:
            return md5_beside(file, self.config.fetch)
        except (Deferred, SourceError):
            return None

    def _count(self, wanted: Keys, before: Keys) -> None:
        """What became of each PMID, by the table as it is now."""
        report = self.report
        dataset = self._opened()
        report.version = dataset.version
        rows = keyed_rows(dataset, "enrichment", ["pmid", "status"])
        report.skipped = int(np.isin(wanted, before).sum())
        new = np.setdiff1d(wanted, before, assume_unique=True)
        for status in ("found", "missing", "deleted"):
            having = rows.filter(pc.equal(rows["status"], status))["pmid"].to_numpy()
            setattr(report, status, int(np.isin(new, having).sum()))
        absent = np.setdiff1d(new, rows["pmid"].to_numpy(), assume_unique=True)
        report.not_in_files = len(absent)
        report.not_in_files_pmids = absent[:LISTED].tolist()

    @contextmanager
    def _writer(self) -> Iterator[DatasetWriter]:
        with DatasetWriter.begin(
            self.config.dataset, self.config.store, also=tuple(KEYED_TABLES)
        ) as writer:
            yield writer

    def _opened(self) -> Dataset:
        return Dataset.open(self.config.dataset, self.config.store)

    def _show(self, done: int, *, last: bool = False) -> None:
        """Draw the progress line."""
        r = self.report
        counts = [f"{r.rows_added + r.rows_replaced:,} records"]
        counts += [f"{r.missing:,} missing"] if r.missing else []
        counts += [f"{r.deferred:,} deferred"] if r.deferred else []
        counts += [f"{r.files_failed:,} failed"] if r.files_failed else []
        self.progress.show_counts(done, counts, last=last)


def _held(dataset: Dataset) -> Keys:
    found: Keys = keyed_rows(dataset, "enrichment", ["pmid"])["pmid"].to_numpy()
    return found


def _fresh(dataset: Dataset, max_age_days: int) -> Keys:
    """PMIDs that E-utilities need not be asked for: answered lately, or known from a PubMed file,
    which a later file renews."""
    rows = keyed_rows(dataset, "enrichment", ["pmid", "source", "retrieved"])
    oldest = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=max_age_days)
    young = pc.fill_null(pc.greater(rows["retrieved"], pa.scalar(oldest, pa.date32())), False)
    is_fresh = pc.or_(pc.not_equal(rows["source"], EFETCH), young)
    found: Keys = rows.filter(is_fresh)["pmid"].to_numpy()
    return found
