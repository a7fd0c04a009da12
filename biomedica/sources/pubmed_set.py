"""Documents of many PubMed records: cut into records, only the wanted ones parsed; rows made of them.

Pure: bytes in, rows out. A PubMed file holds 30,000 records of which a dataset wants a few.
"""

from __future__ import annotations

import contextlib
import datetime
import gc
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.enrichment import ENRICHMENT
from biomedica.errors import Rejected
from biomedica.sources.pubmed_parts import read_tree
from biomedica.sources.pubmed_record import Record, parse_record, pmid_of

__all__ = [
    "Harvest",
    "PmidSet",
    "Pmids",
    "read_set",
    "record_table",
    "status_table",
    "without_collector",
]

MAX_RECORD_BYTES = 64 << 20
"""one record, or what stands between two"""

MAX_PROLOG_BYTES = 1 << 16
"""before the first record"""

_ARTICLE, _ARTICLE_END = b"<PubmedArticle>", b"</PubmedArticle>"
_OTHERS = re.compile(rb"<(PubmedBookArticle|PubmedArticle|DeleteCitation|DeleteDocument)(?=[\s>])")
_OTHER_ENDS = {
    name: re.compile(rb"</" + name + rb"\s*>")
    for name in (b"PubmedBookArticle", b"PubmedArticle", b"DeleteCitation", b"DeleteDocument")
}
_SET = re.compile(rb"<PubmedArticleSet(?=[\s/>])")
_SET_END = re.compile(rb"</PubmedArticleSet\s*>\s*\Z|<PubmedArticleSet\s*/>\s*\Z")
_ENCODING = re.compile(rb"<\?xml[^>]*\bencoding\s*=\s*[\"']([A-Za-z0-9._-]+)")
_SUBSET = re.compile(rb"<!DOCTYPE[^>]*\[")


class Pmids(Protocol):
    """Anything that can say whether a PMID is wanted."""

    def __contains__(self, pmid: object, /) -> bool: ...


class PmidSet:
    """PMIDs as a sorted array: 8 bytes each, shared without a copy."""

    def __init__(self, pmids: npt.NDArray[np.int64]) -> None:
        self.pmids = pmids
        self._view = np.ascontiguousarray(pmids).data

    def __contains__(self, pmid: object, /) -> bool:
        if not isinstance(pmid, int):
            return False
        at = bisect_left(self._view, pmid)
        return at < len(self._view) and self._view[at] == pmid


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Without Python's collector of cycles, which goes through all records again and again while they
    are held, for half of the time, and finds nothing: they have no cycles."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(slots=True)
class Harvest:
    """What a document gave."""

    records: int = 0
    """in the document"""
    kept: dict[int, Record] = field(default_factory=dict)
    """the wanted ones by PMID; of two the higher version, else the later one"""
    unasked: int = 0
    """records that are not wanted"""
    deleted: list[int] = field(default_factory=list)
    """PMIDs of deleted citations, wanted or not"""
    unreadable: list[tuple[int | None, str]] = field(default_factory=list)
    """(PMID where it can be told, why)"""

    def take(self, xml: bytes, wanted: Pmids | None) -> None:
        """Count a record, and parse it where it is wanted."""
        self.records += 1
        pmid = pmid_of(xml)
        if pmid is not None and wanted is not None and pmid not in wanted:
            self.unasked += 1
            return
        try:
            record = parse_record(xml)
        except Rejected as fault:
            self.unreadable.append((pmid, f"record {self.records}: {fault.detail}"))
            return
        if wanted is not None and record.pmid not in wanted:
            self.unasked += 1
            return
        before = self.kept.get(record.pmid)
        if before is None or record.pmid_version >= before.pmid_version:
            self.kept[record.pmid] = record


def read_set(chunks: Iterable[bytes], wanted: Pmids | None = None) -> Harvest:
    """The wanted records (None: all) of a `PubmedArticleSet`, which comes in pieces of any size.

    Raises Rejected: empty, not_xml (no such set), malformed_xml (it is cut off, or has a DTD of its
    own), bad_encoding (not UTF-8), too_large (a record).
    """
    harvest = Harvest()
    rest = b""
    begun = False
    for chunk in chunks:
        rest += chunk
        if not begun:
            if _SET.search(rest) is None and len(rest) < MAX_PROLOG_BYTES:
                continue
            _check_prolog(rest)
            begun = True
        at = 0
        while (end := rest.find(_ARTICLE_END, at)) >= 0:
            end += len(_ARTICLE_END)
            start = rest.find(_ARTICLE, at, end)
            if start < 0:  # with attributes, or no start at all
                _take_others(rest[at:end], harvest, wanted)
            else:
                if start - at > 2 and rest[at:start].strip():
                    _take_others(rest[at:start], harvest, wanted)
                harvest.take(rest[start:end], wanted)
            at = end
        rest = rest[at:]
        if len(rest) > MAX_RECORD_BYTES:
            raise Rejected("too_large", f"a record has more than {MAX_RECORD_BYTES} bytes")
    if not begun:
        _check_prolog(rest)
    _take_others(rest, harvest, wanted)
    if _SET_END.search(rest) is None:
        raise Rejected("malformed_xml", "the document ends before </PubmedArticleSet>")
    for pmid in harvest.deleted:
        harvest.kept.pop(pmid, None)
    return harvest


def _check_prolog(start: bytes) -> None:
    if not start.strip():
        raise Rejected("empty", "no bytes but white space")
    found = _SET.search(start, 0, MAX_PROLOG_BYTES)
    if found is None:
        raise Rejected("not_xml", "there is no PubmedArticleSet")
    prolog = start[: found.start()]
    if _SUBSET.search(prolog) or b"<!ENTITY" in prolog:
        raise Rejected("malformed_xml", "it declares entities of its own")
    encoding = _ENCODING.search(prolog)
    if encoding is not None and encoding[1].lower() not in (b"utf-8", b"utf8", b"us-ascii", b"ascii"):
        raise Rejected("bad_encoding", f"encoding {encoding[1].decode()} instead of UTF-8")


def _take_others(xml: bytes, harvest: Harvest, wanted: Pmids | None) -> None:
    """What may stand between two plain articles, or behind the last one."""
    for name, element in _others(xml):
        if name.startswith(b"Pubmed"):
            harvest.take(element, wanted)
        else:
            harvest.deleted += _deleted(element)


def _others(xml: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, element) in order; in linear time, also where a million of them have no end."""
    at = 0
    endless: set[bytes] = set()
    while (opening := _OTHERS.search(xml, at)) is not None:
        name, at = opening[1], opening.end()
        end = None if name in endless else _OTHER_ENDS[name].search(xml, at)
        if end is None:
            endless.add(name)
            continue
        at = end.end()
        yield name, xml[opening.start() : at]


def _deleted(xml: bytes) -> Iterator[int]:
    """Raises Rejected: a deletion that cannot be read must not be passed over."""
    for element in read_tree(xml).iter("PMID"):
        text = (element.text or "").strip()
        if not (text.isascii() and text.isdecimal() and len(text) < 19):
            raise Rejected("malformed_xml", "a deleted citation has no PMID")
        yield int(text)


def record_table(records: Sequence[Record], source: str, retrieved: datetime.date | None) -> pa.Table:
    """Rows of `enrichment`, sorted by PMID."""
    records = sorted(records, key=lambda record: record.pmid)
    filled = dict(zip(Record._fields, zip(*records, strict=True), strict=True)) if records else {}
    count = len(records)
    same: dict[str, Any] = {"status": "found", "source": source, "retrieved": retrieved}
    columns = [
        pa.array(filled.get(field.name, [same.get(field.name)] * count), field.type)
        for field in ENRICHMENT
    ]
    return pa.Table.from_arrays(columns, schema=ENRICHMENT)


def status_table(
    pmids: Iterable[int], status: str, source: str, retrieved: datetime.date | None
) -> pa.Table:
    """Rows of PMIDs without a record, sorted; status: of ENRICHMENT_STATUSES."""
    keys = sorted(set(pmids))
    same: dict[str, Any] = {"status": status, "source": source, "retrieved": retrieved}
    columns = [
        pa.array(keys if field.name == "pmid" else [same.get(field.name)] * len(keys), field.type)
        for field in ENRICHMENT
    ]
    return pa.Table.from_arrays(columns, schema=ENRICHMENT)
