"""One PubMed record: XML → what `enrichment` holds. Pure; nothing is fetched, no entity is read.

A record of 8 kB has a hundred small elements, and the same MeSH headings, substances and dates come
again and again. So it is cut at its tags, and each distinct fragment goes through the XML parser
once. Cutting is sound where an element has one form: a record with CDATA, comments, empty-element
tags or apostrophes around attributes is first written anew in canonical form (W3C C14N).
"""

from __future__ import annotations

import contextlib
import datetime
import re
from typing import Any, NamedTuple

from lxml import etree

from biomedica.errors import Rejected
from biomedica.sources.pubmed_cuts import each, first, within, without
from biomedica.sources.pubmed_ids import read_article_ids, read_location_doi, read_references
from biomedica.sources.pubmed_parts import (
    read_chemical,
    read_concept,
    read_correction,
    read_date,
    read_event,
    read_heading,
    read_keywords,
    read_named,
    read_published,
    read_tree,
)

__all__ = ["Record", "parse_record", "pmid_of"]

_RETRACTED = "D016441"
"""MeSH: Retracted Publication"""

_OPENING = re.compile(
    rb"\s*<Pubmed(?:Book)?Article\b[^>]*>\s*<(MedlineCitation|BookDocument)\b([^>]*)>"
    rb"\s*<PMID([^>]*)>\s*([0-9]{1,18})\s*</PMID>"
)
_ENDS = (b"</PubmedArticle>", b"</PubmedBookArticle>")
_STATUS = re.compile(rb'\bStatus="([^"]*)"')
_VERSION = re.compile(rb'\bVersion="([0-9]{1,9})"')
_PROSE = ((b"<Abstract>", b"</Abstract>"), (b"<AuthorList", b"</AuthorList>"))
"""the longest parts of a record, of which nothing is taken"""


class Record(NamedTuple):
    """The fields of `enrichment` that a record fills, by the same names; lists hold tuples in the
    order of their struct's fields."""

    pmid: int
    pmid_version: int
    indexing_status: str | None
    mesh: list[tuple[Any, ...]]
    supplementary_concepts: list[tuple[Any, ...]]
    publication_types: list[tuple[Any, ...]]
    keywords: list[tuple[Any, ...]]
    chemicals: list[tuple[Any, ...]]
    references: list[tuple[int | None, str | None, str | None]]
    reference_count: int
    corrections: list[tuple[Any, ...]]
    is_retracted: bool
    publication_year: int | None
    publication_month: int | None
    publication_day: int | None
    publication_date_text: str | None
    electronic_date: datetime.date | None
    date_completed: datetime.date | None
    date_revised: datetime.date | None
    history: list[tuple[Any, ...]]
    doi: str | None
    pmcid: str | None


def pmid_of(xml: bytes) -> int | None:
    """MedlineCitation/PMID of a `PubmedArticle` that begins as PubMed writes it; None: parse it."""
    found = _OPENING.match(xml)
    return int(found[4]) if found is not None else None


def parse_record(xml: bytes) -> Record:
    """A `PubmedArticle` or `PubmedBookArticle`, UTF-8, without a declaration.

    Raises Rejected("malformed_xml") for what has no PMID or no end, or is not well-formed where
    something is read.
    """
    try:
        with contextlib.suppress(Rejected):
            parts = None if _is_declaring(xml) else _parts(_without_prose(xml))
            if parts and not (_is_unusual(parts.head) or _is_unusual(parts.data)):
                return _record(parts)
        return _record(_parts(_canonical(xml)))
    except UnicodeDecodeError:
        raise Rejected("malformed_xml", "bytes that are no UTF-8") from None


def _without_prose(xml: bytes) -> bytes:
    for start, end in _PROSE:
        xml = without(xml, start, end)
    return xml


def _is_declaring(xml: bytes) -> bool:
    """Whether it may hold comments, CDATA or instructions; a single character is found fast."""
    return (b"!" in xml and b"<!" in xml) or (b"?" in xml and b"<?" in xml)


def _is_unusual(xml: bytes) -> bool:
    """Whether an element may be written in another form than its usual one."""
    return (
        b"/>" in xml
        or b" >" in xml  # </MeshHeading >
        or b"\n>" in xml
        or (b"'" in xml and b"='" in xml)
    )


def _canonical(xml: bytes) -> bytes:
    """The same elements with start and end tags, attributes in quotes, no comments, no CDATA."""
    return bytes(etree.tostring(read_tree(xml), method="c14n", with_comments=False))


class _Parts(NamedTuple):
    """A record that is cut in pieces. head, data: of a chapter of a book both are the whole."""

    opening: re.Match[bytes]
    head: bytes
    """MedlineCitation"""
    data: bytes
    """PubmedData without `cited`"""
    cited: bytes
    """ReferenceList"""


def _parts(xml: bytes) -> _Parts:
    opening = _OPENING.match(xml)
    if opening is None or not (xml.endswith(_ENDS) or xml.rstrip().endswith(_ENDS)):
        raise Rejected("malformed_xml", "the record does not begin with its PMID, or has no end")
    cut = xml.find(b"<PubmedData") if opening[1] == b"MedlineCitation" else 0
    head, data = (xml[:cut], xml[cut:]) if cut > 0 else (xml, xml if cut == 0 else b"")
    cited = within(data, b"ReferenceList")
    if cited:
        start = data.find(b"<ReferenceList")
        data = data[:start] + data[start + len(cited) :]
        if cut == 0:
            head = data
    return _Parts(opening, head, data, cited)


def _record(parts: _Parts) -> Record:
    opening, head, data, cited = parts
    _, attributes, pmid_attributes, pmid = opening.groups()
    version, status = _VERSION.search(pmid_attributes), _STATUS.search(attributes)
    types = [read_named(part) for part in each(head, "PublicationType")]
    links = [read_correction(part) for part in each(head, "CommentsCorrections")]
    references, reference_count = read_references(cited)
    doi, pmcid = read_article_ids(data)
    return Record(
        int(pmid),
        int(version[1]) if version else 1,
        status[1].decode() if status else None,
        [read_heading(part) for part in each(within(head, b"MeshHeadingList"), "MeshHeading")],
        [read_concept(part) for part in each(within(head, b"SupplMeshList"), "SupplMeshName")],
        types,
        [row for part in each(head, "KeywordList") for row in read_keywords(part)],
        [read_chemical(part) for part in each(within(head, b"ChemicalList"), "Chemical")],
        references,
        reference_count,
        links,
        any(ui == _RETRACTED for ui, _ in types) or any(link[0] == "RetractionIn" for link in links),
        *read_published(first(head, "PubDate")),
        read_date(first(head, "ArticleDate")),
        read_date(first(head, "DateCompleted")),
        read_date(first(head, "DateRevised")),
        [event for part in each(data, "PubMedPubDate") if (event := read_event(part))[1] is not None],
        doi or read_location_doi(head),
        pmcid,
    )
