"""Every promise of the dataset checked against the data itself."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.config import StoreConfig
from biomedica.errors import StoreError
from biomedica.store import log
from biomedica.store.check_files import checked_batches
from biomedica.store.check_keyed import check_keyed
from biomedica.store.check_rows import check_rows, check_vectors, columns_to_check
from biomedica.store.dataset import Dataset, hidden_rows, hide
from biomedica.store.ledger import Ledger, row_hashes
from biomedica.store.repair import find_leftovers
from biomedica.store.repair import repair as remove_leftovers
from biomedica.store.report import Finding, Report
from biomedica.store.shards import KEYED_TABLES
from biomedica.store.storage import open_storage

__all__ = ["Finding", "Report", "verify"]

_MESSAGES = {
    "pair_twice": "there is more than one live pair of this id",
    "embedding_twice": "there is more than one embedding of this pair",
    "embedding_without_pair": "there is an embedding and no such live pair",
    "embedding_and_reject": "there is an embedding, and a reject of the same model",
    "embed_reject_twice": "there is more than one reject of this pair by this model",
    "embed_reject_without_pair": "there is a reject of this model and no such live pair",
    "pair_without_embedding": "there is neither embedding nor reject, and its article has some",
}


def verify(
    root: str | os.PathLike[str],
    config: StoreConfig | None = None,
    repair: bool = False,
    deep: bool = True,
) -> Report:
    """Check the newest version of a dataset.

    deep: read every byte and compare the hashes of files and images; else sizes, rows and counts.
    repair: first take over the dataset and remove what interrupted runs left behind; not for use
    beside a running build, which it would stop. Files are read one at a time.
    Raises StoreError where there is no dataset, Deferred where the storage fails for the moment.
    """
    storage = open_storage(root, config)
    if not log.has_marker(storage):
        raise StoreError(f"there is no dataset at {storage.root}: build one, or correct the path")
    report = Report()
    if repair:
        remove_leftovers(storage, report)
    find_leftovers(storage, report)
    dataset = Dataset.open_if_exists(root, config)
    if dataset is not None:
        report.version = dataset.version
        _check(dataset, report, deep=deep)
    return report


def _check(dataset: Dataset, report: Report, *, deep: bool) -> None:
    tables = []
    for table in dataset.tables:
        try:
            dataset.files(table)
        except StoreError as error:
            report.add("table_unreadable", table, table, str(error))
        else:
            tables.append(table)
    if set(log.CORE_TABLES) - set(tables):
        return  # nothing can add up
    ledger = Ledger(report)
    try:
        superseded = _Superseded(dataset.superseded(), report)
    except StoreError as error:
        report.add("table_unreadable", "superseded", "superseded", str(error))
        return
    hidden = hidden_rows(dataset.superseded())
    for table in tables:
        if table in KEYED_TABLES:
            check_keyed(dataset, table, report, deep=deep)
            continue
        model = _model(dataset, table)
        columns = columns_to_check(table, deep=deep)
        for name, batch in checked_batches(dataset, table, columns, report, deep=deep):
            sound = check_rows(table, name, batch, report)
            superseded.take(table, sound)
            if table.startswith("embeddings/"):
                check_vectors(table, sound, model.get("dimension"), report)
                _check_build(table, name, sound, model.get("build_digest"), report)
            ledger.take(table, sound if table == "superseded" else hide(sound, table, hidden))
    superseded.check()
    ledger.check_articles()
    ledger.check_metadata()
    _tell(dataset, "pairs", {"pair_twice": ledger.check_pairs()}, report)
    for table in tables:
        if table.startswith("embeddings/"):
            found = ledger.check_embeddings(table, _model(dataset, table).get("build_digest"))
            _tell(dataset, table, found, report)
            _tell_unembedded(table, report)


def _tell_unembedded(table: str, report: Report) -> None:
    if table in report.unembedded:
        pairs = f"{report.unembedded[table]:,} pairs"
        message = f"{pairs} of articles that this model has not taken: run `biomedica embed`"
        report.add("not_embedded", table, pairs, message)


def _model(dataset: Dataset, table: str) -> dict[str, Any]:
    return dataset.model(table.removeprefix("embeddings/")) if "/" in table else {}


def _check_build(
    table: str, name: str, batch: pa.RecordBatch, wanted: str | None, report: Report
) -> None:
    others = set(batch.column("build_digest").unique().to_pylist()) - {wanted}
    if wanted is not None and others:
        message = f"holds rows of another build than the table's {wanted}"
        report.add("build_digest", table, name, message)


class _Superseded:
    """Each superseded build is named once, and its rows are there to be hidden.

    Rejects of an id without version may be named by each version that the source lists by now.
    """

    def __init__(self, superseded: pa.Table, report: Report) -> None:
        self._report = report
        named = Counter(_builds(superseded))
        self._unseen = set(named)
        if any(times > 1 and "." in article for (article, _), times in named.items()):
            report.add("superseded_twice", "superseded", "superseded", "names a build more than once")

    def take(self, table: str, rows: pa.RecordBatch) -> None:
        """Rows of articles, rejects and metadata, dead ones too."""
        if self._unseen and table in ("articles", "rejects", "metadata"):
            self._unseen.difference_update(_builds(rows))

    def check(self) -> None:
        for article, shard in sorted(self._unseen):
            message = f"names shard {shard}, which has no row of {article}"
            self._report.add("superseded_unknown", "superseded", article, message)


def _builds(rows: pa.Table | pa.RecordBatch) -> Iterator[tuple[str, str]]:
    columns = (rows.column(name).to_pylist() for name in ("article_id", "shard"))
    return zip(*columns, strict=True)


def _tell(
    dataset: Dataset, table: str, found: dict[str, npt.NDArray[np.int64]], report: Report
) -> None:
    """Findings by their hashes: the rows are read once more for their names."""
    for code, hashes in found.items():
        if not len(hashes):
            continue
        where = "pairs" if code.startswith("pair_") else table
        column = "pair_id"
        if code.startswith("embed_reject"):
            where, column = "rejects", "item"
        seen: set[str] = set()
        try:
            for batch in dataset.batches(where, columns=[column, "shard"]):
                mine = np.isin(row_hashes(batch.column(column), batch.column("shard")), hashes)
                seen |= {batch.column(column)[int(row)].as_py() for row in np.flatnonzero(mine)}
        except StoreError:  # a broken file, which is a finding already, keeps some names
            seen.add(f"{len(hashes)} rows")
        for item in sorted(seen):
            report.add(code, table, item, _MESSAGES[code])
