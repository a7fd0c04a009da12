"""One PubMed record: XML → what `enrichment` holds. Pure; nothing is fetched, no entity is read.

A record of 8 kB has a hundred small elements, and the same MeSH headings, substances and dates come
again and again. So it is cut at its tags, and each distinct fragment goes through the XML parser
once. Cutting is sound where an element has one form: a record with CDATA, comments, empty-element
tags or apostrophes around attributes is first written anew in canonical form (W3C C14N).
"""

from __future__ import annotations

import datetime
import re
from functools import lru_cache
from typing import Any, NamedTuple

from lxml import etree

from biomedica.errors import Rejected

__all__ = ["Record", "parse_record", "pmid_of", "read_tree"]

_FRAGMENTS = 1 << 16
"""distinct fragments of a kind that are remembered"""
_MAX_PMID = (1 << 63) - 1
_RETRACTED = "D016441"
"""MeSH: Retracted Publication"""

_OPENING = re.compile(
    rb"\s*<Pubmed(?:Book)?Article\b[^>]*>\s*<(MedlineCitation|BookDocument)\b([^>]*)>"
    rb"\s*<PMID([^>]*)>\s*([0-9]{1,18})\s*</PMID>"
)
_ENDS = (b"</PubmedArticle>", b"</PubmedBookArticle>")
_STATUS = re.compile(rb'\bStatus="([^"]*)"')
_VERSION = re.compile(rb'\bVersion="([0-9]{1,9})"')
_CITED = re.compile(rb'<ArticleId IdType="(\w+)">([^<>&]*)</ArticleId>|</(Reference)>')
_DOI = re.compile(r"^(?:doi:\s*|https?://(?:dx\.)?doi\.org/)")
_PMCID = re.compile(r"PMC[1-9][0-9]*")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_PROSE = ((b"<Abstract>", b"</Abstract>"), (b"<AuthorList", b"</AuthorList>"))


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
    short = xml
    for start, end in _PROSE:
        short = _without(short, start, end)
    if _is_unusual(short):
        return _record(_canonical(xml))
    try:
        return _record(short)
    except Rejected:
        return _record(_canonical(xml))


def read_tree(xml: bytes) -> Any:
    """The root of a fragment. Raises Rejected("malformed_xml")."""
    try:
        return etree.fromstring(xml, _PARSER)
    except etree.XMLSyntaxError as error:
        words = " ".join((error.msg or "").split())
        raise Rejected("malformed_xml", words[:200]) from None


def _is_unusual(xml: bytes) -> bool:
    """Whether an element may be written in another form than its usual one; quickly, where not."""
    return (
        b"/>" in xml
        or b" >" in xml  # </MeshHeading >
        or b"\n>" in xml
        or (b"!" in xml and b"<!" in xml)
        or (b"?" in xml and b"<?" in xml)
        or (b"'" in xml and b"='" in xml)
    )


_PARSER = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    remove_comments=True,
    remove_pis=True,
    encoding="utf-8",
)


def _canonical(xml: bytes) -> bytes:
    """The same elements with start and end tags, attributes in quotes, no comments, no CDATA."""
    return bytes(etree.tostring(read_tree(xml), method="c14n", with_comments=False))


def _record(xml: bytes) -> Record:
    opening = _OPENING.match(xml)
    if opening is None or not xml.rstrip().endswith(_ENDS):
        raise Rejected("malformed_xml", "the record does not begin with its PMID, or has no end")
    kind, attributes, pmid_attributes, pmid = opening.groups()
    cut = xml.find(b"<PubmedData") if kind == b"MedlineCitation" else 0
    head, data = (xml[:cut], xml[cut:]) if cut > 0 else (xml, xml if cut == 0 else b"")
    version, status = _VERSION.search(pmid_attributes), _STATUS.search(attributes)
    types = [_named(part) for part in _each(head, "PublicationType")]
    links = [_correction(part) for part in _each(head, "CommentsCorrections")]
    cited = _within(data, b"ReferenceList")
    references, reference_count = _references(cited)
    start = data.find(b"<ReferenceList") if cited else len(data)
    doi, pmcid = _article_ids(data[:start] + data[start + len(cited) :])
    return Record(
        int(pmid),
        int(version[1]) if version else 1,
        status[1].decode() if status else None,
        [_heading(part) for part in _each(_within(head, b"MeshHeadingList"), "MeshHeading")],
        [_concept(part) for part in _each(_within(head, b"SupplMeshList"), "SupplMeshName")],
        types,
        [row for part in _each(head, "KeywordList") for row in _keywords(part)],
        [_chemical(part) for part in _each(_within(head, b"ChemicalList"), "Chemical")],
        references,
        reference_count,
        links,
        any(ui == _RETRACTED for ui, _ in types) or any(link[0] == "RetractionIn" for link in links),
        *_published(_first(head, "PubDate")),
        _date(_first(head, "ArticleDate")),
        _date(_first(head, "DateCompleted")),
        _date(_first(head, "DateRevised")),
        [event for part in _each(data, "PubMedPubDate") if (event := _event(part))[1] is not None],
        doi or _location_doi(head),
        pmcid,
    )


# -- cutting at tags


def _without(xml: bytes, start: bytes, end: bytes) -> bytes:
    """What nothing is taken from, cut out: the longest parts of a record, each there once at most."""
    first = xml.find(start)
    last = xml.rfind(end, first) if first >= 0 else -1
    return xml if last < 0 else xml[:first] + xml[last + len(end) :]


def _within(xml: bytes, tag: bytes) -> bytes:
    """From the first <tag to the last </tag>, ends included."""
    start, close = xml.find(b"<" + tag), b"</" + tag + b">"
    end = xml.rfind(close)
    return xml[start : end + len(close)] if 0 <= start < end else b""


def _each(xml: bytes, tag: str) -> list[bytes]:
    """Every element of a name; none of these holds another of its name."""
    close = b"</" + tag.encode() + b">"
    if close not in xml:
        return []
    pieces = xml.split(close)
    del pieces[-1]
    plain, opens = b"<" + tag.encode() + b">", _opens(tag)
    found = []
    for piece in pieces:
        start = piece.find(plain)
        if start < 0:
            opening = opens.search(piece)
            if opening is None:
                continue
            start = opening.start()
        found.append(piece[start:] + close)
    return found


def _first(xml: bytes, tag: str) -> bytes:
    """The first element of a name, b"" where there is none."""
    close = b"</" + tag.encode() + b">"
    end = xml.find(close)
    start = _opens(tag).search(xml, 0, end) if end >= 0 else None
    return xml[start.start() : end + len(close)] if start is not None else b""


@lru_cache(64)
def _opens(tag: str) -> re.Pattern[bytes]:
    return re.compile(b"<" + tag.encode() + rb"(?=[\s>])")


# -- fragments, each distinct one parsed once


def _text(element: Any) -> str | None:
    """Its words with single spaces; None where there are none."""
    if element is None:
        return None
    return " ".join("".join(element.itertext()).split()) or None


def _number(element: Any) -> int | None:
    text = _text(element) or ""
    return int(text) if text.isascii() and text.isdecimal() and int(text) <= _MAX_PMID else None


@lru_cache(_FRAGMENTS)
def _heading(xml: bytes) -> tuple[Any, ...]:
    root = read_tree(xml)
    qualifiers = [_descriptor(part) for part in root.iterchildren("QualifierName")]
    descriptor = root.find("DescriptorName")
    named = (None, None, False) if descriptor is None else _descriptor(descriptor)
    return (*named, qualifiers)


def _descriptor(element: Any) -> tuple[str | None, str | None, bool]:
    return element.get("UI"), _text(element), element.get("MajorTopicYN") == "Y"


@lru_cache(_FRAGMENTS)
def _named(xml: bytes) -> tuple[str | None, str | None]:
    root = read_tree(xml)
    return root.get("UI"), _text(root)


@lru_cache(_FRAGMENTS)
def _concept(xml: bytes) -> tuple[str | None, str | None, str | None]:
    root = read_tree(xml)
    return root.get("UI"), _text(root), root.get("Type")


@lru_cache(_FRAGMENTS)
def _chemical(xml: bytes) -> tuple[str | None, str | None, str | None]:
    root = read_tree(xml)
    name = root.find("NameOfSubstance")
    ui = None if name is None else name.get("UI")
    return ui, _text(name), _text(root.find("RegistryNumber"))


def _keywords(xml: bytes) -> list[tuple[str, bool, str | None]]:
    root = read_tree(xml)
    words = ((_text(part), part.get("MajorTopicYN") == "Y") for part in root.iterchildren("Keyword"))
    return [(word, is_major, root.get("Owner")) for word, is_major in words if word is not None]


def _correction(xml: bytes) -> tuple[str | None, int | None, str | None]:
    root = read_tree(xml)
    return root.get("RefType"), _number(root.find("PMID")), _text(root.find("RefSource"))


@lru_cache(_FRAGMENTS)
def _event(xml: bytes) -> tuple[str | None, datetime.date | None]:
    return read_tree(xml).get("PubStatus"), _date(xml)


@lru_cache(_FRAGMENTS)
def _date(xml: bytes) -> datetime.date | None:
    """Year, Month and Day of an element; None where they are not all there, or are no date."""
    if not xml:
        return None
    year, month, day, _ = _published(xml)
    try:
        return datetime.date(year or 0, month or 0, day or 0)
    except ValueError:
        return None


@lru_cache(_FRAGMENTS)
def _published(xml: bytes) -> tuple[int | None, int | None, int | None, str | None]:
    """Year, month, day, and the text that is no date, of a PubDate or another date."""
    if not xml:
        return None, None, None, None
    root = read_tree(xml)
    printed = _text(root.find("MedlineDate"))
    year = _within_range(_number(root.find("Year")), 1, 9999)
    if year is None and printed is not None and (found := re.match("[0-9]{4}", printed)):
        year = _within_range(int(found[0]), 1, 9999)
    month_name = (_text(root.find("Month")) or "").lower()[:3]
    month = _within_range(_number(root.find("Month")), 1, 12)
    if month_name in _MONTHS:
        month = _MONTHS.index(month_name) + 1
    day = _within_range(_number(root.find("Day")), 1, 31)
    return year, month, day if month else None, printed or _text(root.find("Season"))


def _within_range(number: int | None, low: int, high: int) -> int | None:
    return number if number is not None and low <= number <= high else None


# -- ids


Ids = list[tuple[bytes, bytes]]
"""(kind, value) of ArticleId elements"""


def _references(xml: bytes) -> tuple[list[tuple[int | None, str | None, str | None]], int]:
    """The ids of each reference that has any, and how many there are with and without."""
    if not xml:
        return [], 0
    found = _ids_by_reference(xml)
    rows = [_pmid_doi_pmcid(ids) for ids in found if ids]
    return [row for row in rows if any(row)], len(found)


def _ids_by_reference(xml: bytes) -> list[Ids]:
    """By their fixed form, which is the most frequent of a record; by the tree where one has another."""
    tokens = _CITED.findall(xml)
    found: list[Ids] = [[]]
    ids = 0
    for kind, value, end in tokens:
        if end:
            found.append([])
        else:
            found[-1].append((kind, value))
            ids += 1
    del found[-1]  # behind the last reference
    if ids == xml.count(b"<ArticleId ") and len(found) == xml.count(b"<Reference>"):
        return found
    parts = read_tree(xml).iter("Reference")
    return [[_kind_and_value(part) for part in reference.iter("ArticleId")] for reference in parts]


def _kind_and_value(element: Any) -> tuple[bytes, bytes]:
    return (element.get("IdType") or "").encode(), (_text(element) or "").encode()


def _article_ids(xml: bytes) -> tuple[str | None, str | None]:
    """DOI and PMCID of the record itself."""
    part = _within(xml, b"ArticleIdList")
    found: Ids = [(kind, value) for kind, value, _ in _CITED.findall(part)]
    if len(found) != part.count(b"<ArticleId "):
        found = [_kind_and_value(one) for one in read_tree(part).iter("ArticleId")]
    return _pmid_doi_pmcid(found)[1:]


def _pmid_doi_pmcid(ids: Ids) -> tuple[int | None, str | None, str | None]:
    pmid = doi = pmcid = None
    for kind, value in ids:
        if kind == b"pubmed":
            if pmid is None and value.strip().isdigit():
                pmid = _within_range(int(value), 1, _MAX_PMID)
        elif kind == b"doi":
            doi = doi or _bare_doi(value.decode())
        elif kind == b"pmc":
            pmcid = pmcid or _bare_pmcid(value.decode())
    return pmid, doi, pmcid


def _location_doi(xml: bytes) -> str | None:
    for part in _each(xml, "ELocationID"):
        root = read_tree(part)
        if root.get("EIdType") == "doi":
            return _bare_doi(_text(root) or "")
    return None


def _bare_doi(text: str) -> str | None:
    doi = text.strip().lower()
    if not doi.startswith("10."):
        doi = _DOI.sub("", doi)
    return doi if doi.startswith("10.") else None


def _bare_pmcid(text: str) -> str | None:
    found = _PMCID.match(text.strip().upper())
    return found[0] if found else None
