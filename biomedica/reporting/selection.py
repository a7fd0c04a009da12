"""Which article ids of a source meet a condition on their metadata."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.errors import BiomedicaError, Deferred, Rejected, RunStopped
from biomedica.ids import ArticleId, split_key
from biomedica.licenses import license_group, normalise_code
from biomedica.query import connect, running, select_statement
from biomedica.sources import Source
from biomedica.store import listing_keys

__all__ = ["METADATA", "IdSelection", "print_ids", "select_ids"]

METADATA = pa.schema(
    [
        ("article_id", pa.string()),
        ("pmcid", pa.string()),
        ("version", pa.int32()),
        ("pmid", pa.int64()),
        ("doi", pa.string()),
        ("title", pa.string()),
        ("citation", pa.string()),
        ("license_code", pa.string()),
        ("license_group", pa.string()),
        ("is_pmc_openaccess", pa.bool_()),
        ("is_manuscript", pa.bool_()),
        ("is_historical_ocr", pa.bool_()),
        ("is_retracted", pa.bool_()),
        ("media_count", pa.int32()),
    ]
)
"""What a condition may speak of: the fields of the metadata JSON."""

BATCH = 1024
"""articles whose metadata is held and put to the condition at once"""
AHEAD = 2
"""batches that are read while one is evaluated"""
KEPT = 100
"""deferred articles that are remembered with their fault, as a run's report does"""
SHOWN = 20

Keys = npt.NDArray[np.int64]
Row = dict[str, Any]
Waiting = tuple[str, str]
"""(article id, fault)"""


def select_ids(source: Source, where: str | None = None, *, latest: bool = False) -> IdSelection:
    """The article ids of a source that meet a condition; their metadata is read by iterating.

    where: a DuckDB condition over METADATA, None: all. latest: one version each, the highest, which
    the condition is then put to. Lists the source. Raises ConfigError, SourceError.
    """
    statement = None
    if where is not None:
        statement = select_statement("metadata", METADATA, ["article_id"], where)
    keys: Keys = listing_keys(source.list_articles())
    if latest:
        pmcids, _ = split_key(keys)
        keys = keys[np.append(pmcids[1:] != pmcids[:-1], True)[: len(keys)]]
    return IdSelection(source, keys, statement)


@dataclass
class IdSelection:
    """Article ids in numeric order, found as they are asked for; memory holds a few batches.

    Iterating gives lists of at most BATCH ids. The counts are whole when it has ended. An article
    whose metadata is wrong meets no condition (`rejected`); one whose metadata cannot be had just
    now is left out and told (`deferred`). Raises ConfigError where the condition fails on a value,
    SourceError where nothing can be read.
    """

    source: Source
    keys: Keys = field(repr=False)
    statement: str | None
    found: int = 0
    rejected: int = 0
    deferred: int = 0
    waiting: list[Waiting] = field(default_factory=list)
    """the first KEPT of the deferred articles"""

    def __iter__(self) -> Iterator[list[str]]:
        self.found = self.rejected = self.deferred = 0
        self.waiting = []
        for ids in self._all() if self.statement is None else self._meeting(self.statement):
            self.found += len(ids)
            if ids:
                yield ids

    def to_dict(self) -> dict[str, Any]:
        """The counts, by the names of a run's report."""
        return {
            "articles_listed": len(self.keys),
            "articles_found": self.found,
            "articles_rejected": self.rejected,
            "articles_deferred": self.deferred,
            "deferred": [list(one) for one in self.waiting],
        }

    def _all(self) -> Iterator[list[str]]:
        for start in range(0, len(self.keys), BATCH):
            yield list(map(str, _articles(self.keys[start : start + BATCH])))

    def _meeting(self, statement: str) -> Iterator[list[str]]:
        connection = connect({}, threads=1)  # with one, rows keep their order
        pool = ThreadPoolExecutor(self.source.readers, thread_name_prefix="metadata")
        try:
            for rows in self._read(pool):
                connection.register("metadata", pa.Table.from_pylist(rows, METADATA))
                with running():
                    met = connection.sql(statement).to_arrow_table()
                yield met["article_id"].to_pylist()
        finally:
            pool.shutdown(cancel_futures=True)
            connection.close()

    def _read(self, pool: Executor) -> Iterator[list[Row]]:
        """The metadata of a batch after the other; the next ones are read meanwhile."""
        ahead: deque[Iterator[Row | Waiting | None]] = deque()
        for start in range(0, len(self.keys), BATCH):
            ahead.append(pool.map(self._row, _articles(self.keys[start : start + BATCH])))
            if len(ahead) > AHEAD:
                yield self._counted(ahead.popleft())
        while ahead:
            yield self._counted(ahead.popleft())

    def _row(self, article: ArticleId) -> Row | Waiting | None:
        """The metadata of one article; None where it is wrong."""
        try:
            return _metadata_row(self.source, article)
        except Rejected:
            return None
        except Deferred as fault:
            return str(article), str(fault)

    def _counted(self, outcomes: Iterator[Row | Waiting | None]) -> list[Row]:
        rows = []
        for outcome in outcomes:
            if outcome is None:
                self.rejected += 1
            elif isinstance(outcome, dict):
                rows.append(outcome)
            else:
                self.deferred += 1
                self.waiting += [outcome][: KEPT - len(self.waiting)]
        return rows


def _articles(keys: Keys) -> list[ArticleId]:
    pmcids, versions = split_key(keys)
    return list(map(ArticleId, pmcids.tolist(), versions.tolist()))


def _metadata_row(source: Source, article: ArticleId) -> Row:
    """Raises Rejected, Deferred or SourceError."""
    known = source.read_article(article).metadata
    return {
        "article_id": str(article),
        "pmcid": f"PMC{article.pmcid}",
        "version": article.version,
        "pmid": known.pmid,
        "doi": known.doi,
        "title": known.title,
        "citation": known.citation,
        "license_code": known.license_code,
        "license_group": license_group(normalise_code(known.license_code)),
        "is_pmc_openaccess": known.is_pmc_openaccess,
        "is_manuscript": known.is_manuscript,
        "is_historical_ocr": known.is_historical_ocr,
        "is_retracted": known.is_retracted,
        "media_count": len(known.media),
    }


def print_ids(selection: IdSelection, as_json: bool) -> None:
    """The ids on stdout as they are found: one a line, or in one JSON object. Notes on stderr.

    Raises RunStopped where the condition or the source fails after ids were printed.
    """
    whole = False
    try:
        _print_found(selection, as_json)
        whole = True
    except BiomedicaError as error:
        if not selection.found:
            raise
        raise RunStopped(
            f"{error}; the {selection.found:,} ids printed are not the whole list"
        ) from error
    finally:
        if as_json and not whole:
            print()  # what is said of the end stands on a line of its own
    _print_notes(selection)


def _print_found(selection: IdSelection, as_json: bool) -> None:
    if not as_json:
        for ids in selection:
            print("\n".join(ids))
        return
    print('{"ids": [', end="")
    comma = ""
    for ids in selection:
        print(comma + json.dumps(ids)[1:-1], end="")
        comma = ", "
    rest = selection.to_dict() | {"exit_status": int(selection.deferred > 0)}
    print("], " + json.dumps(rest, ensure_ascii=False)[1:])


def _print_notes(selection: IdSelection) -> None:
    def note(text: str) -> None:
        print(text, file=sys.stderr)

    if not selection.found:
        note("no article meets the condition")
    if selection.rejected:
        note(f"{selection.rejected:,} articles have metadata that is wrong: they meet no condition")
    if selection.deferred:
        note(
            f"{selection.deferred:,} articles deferred, whose metadata cannot be had now: the list "
            "is whole when the same command ends without them"
        )
        for article, why in selection.waiting[:SHOWN]:
            note(f"  {article}  {why}")
        if selection.deferred > SHOWN:
            note(f"  and {selection.deferred - SHOWN:,} more")
