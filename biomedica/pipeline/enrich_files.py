"""PubMed files → rows of `enrichment`: one Ray task a file; and which row of a PMID wins."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.config import FetchConfig
from biomedica.enrichment import EFETCH
from biomedica.errors import Deferred, Rejected, SourceError
from biomedica.sources.pubmed_files import PubmedFile, read_pubmed_file, unpack
from biomedica.sources.pubmed_set import (
    PmidSet,
    read_set,
    record_table,
    status_table,
    without_collector,
)

__all__ = ["FileResult", "always", "file_wins", "harvest_file", "harvest_files", "latest"]

Keys = npt.NDArray[np.int64]

RETRIES = 2
"""of Ray, where a worker dies"""
UNREADABLE_LISTED = 20


@dataclass(slots=True)
class FileResult:
    """What a task made of one file: its rows and counts, or why it gave none."""

    name: str
    fault: str | None = None
    rows: pa.Table | None = None
    md5: str = ""
    was_checked: bool = True
    bytes: int = 0
    records: int = 0
    kept: int = 0
    deleted: int = 0
    unreadable: list[str] = field(default_factory=list)


def harvest_file(file: PubmedFile, fetch: FetchConfig, wanted: Keys | None) -> FileResult:
    """Read one file; a file counts whole or not at all. Never raises for what it holds.

    wanted: sorted PMIDs, None: all.
    """
    try:
        data, md5, was_checked = read_pubmed_file(file, fetch)
        selected = PmidSet(wanted) if wanted is not None else None
        with without_collector():
            harvest = read_set(unpack(data), selected)
            records = record_table(list(harvest.kept.values()), file.name, None)
    except (Deferred, Rejected, SourceError) as fault:
        return FileResult(file.name, fault=str(fault))
    deleted = {pmid for pmid in harvest.deleted if selected is None or pmid in selected}
    rows = [records, status_table(deleted, "deleted", file.name, None)]
    return FileResult(
        file.name,
        rows=pa.concat_tables(rows),
        md5=md5,
        was_checked=was_checked,
        bytes=len(data),
        records=harvest.records,
        kept=len(harvest.kept),
        deleted=len(set(harvest.deleted)),
        unreadable=[why for _, why in harvest.unreadable],
    )


def harvest_files(
    files: Sequence[PubmedFile], fetch: FetchConfig, wanted: Keys | None, workers: int
) -> Iterator[FileResult]:
    """Read files with Ray, as many at once as there are workers; results as they come."""
    import ray
    from ray.exceptions import RayError

    task = ray.remote(num_cpus=1, max_retries=RETRIES)(harvest_file)
    shared = ray.put(wanted)
    waiting = deque(files)
    flying: dict[Any, PubmedFile] = {}
    while waiting or flying:
        # two a worker: results that wait to be committed hold the next files back
        while waiting and len(flying) < 2 * workers:
            file = waiting.popleft()
            flying[task.remote(file, fetch, shared)] = file
        (ready,), _ = ray.wait(list(flying), num_returns=1)
        file = flying.pop(ready)
        try:
            yield ray.get(ready)
        except RayError as error:
            yield FileResult(file.name, fault=f"its worker failed ({type(error).__name__})")


def latest(tables: Sequence[pa.Table]) -> pa.Table:
    """Rows of several files as one table: of a PMID, that of the last file."""
    rows = pa.concat_tables(tables).sort_by([("pmid", "ascending"), ("source", "ascending")])
    pmids = rows["pmid"].to_numpy()
    is_last = np.ones(len(pmids), np.bool_)
    is_last[:-1] = pmids[1:] != pmids[:-1]
    return rows.filter(pa.array(is_last))


def file_wins(old: pa.Table, new: pa.Table, changed: Collection[str]) -> npt.NDArray[np.bool_]:
    """Which rows from files replace those of the same PMIDs that are there.

    Of two files the later name wins (NLM: apply them in order); a file that was read before only
    where its bytes have changed since. An answer of E-utilities gives way to a deletion and to a record
    that was not revised before it.
    """
    names = ("source", "status", "date_revised")
    olds = zip(*(old[name].to_pylist() for name in names), strict=True)
    news = zip(*(new[name].to_pylist() for name in names), strict=True)
    pairs = zip(olds, news, strict=True)
    return np.array([_wins(before, after, changed) for before, after in pairs], np.bool_)


def always(_old: pa.Table, new: pa.Table) -> npt.NDArray[np.bool_]:
    """New rows replace old ones."""
    return np.ones(new.num_rows, np.bool_)


def _wins(old: tuple[Any, ...], new: tuple[Any, ...], changed: Collection[str]) -> bool:
    old_source, old_status, old_revised = old
    source, status, revised = new
    if old_source != EFETCH:
        return bool(source > old_source or (source == old_source and source in changed))
    if old_status != "found" or status == "deleted":
        return True
    return old_revised is None or revised is None or bool(revised >= old_revised)
