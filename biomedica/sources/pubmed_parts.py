"""Parts of a PubMed record: MeSH headings, keywords, dates… Each distinct one goes through the XML
parser once; those that rarely come twice are read by their usual form.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

from lxml import etree

from biomedica.errors import Rejected

__all__ = [
    "MAX_PMID",
    "number_of",
    "read_chemical",
    "read_concept",
    "read_correction",
    "read_date",
    "read_event",
    "read_heading",
    "read_keywords",
    "read_named",
    "read_published",
    "read_tree",
    "text_of",
    "within_range",
]

_FRAGMENTS = 1 << 16
"""distinct fragments of a kind that are remembered"""
_LONGEST = 1 << 11
"""bytes of one: nobody fills the memory by large ones"""
MAX_PMID = (1 << 63) - 1
_ONE_KEYWORD = rb'<Keyword MajorTopicYN="([YN])">([^<&\x00-\x08\x0b\x0c\x0e-\x1f]*)</Keyword>'
_KEYWORD = re.compile(_ONE_KEYWORD)
_KEYWORDS = re.compile(rb'<KeywordList Owner="(\w+)">(?:\s*' + _ONE_KEYWORD + rb")*\s*</KeywordList>")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

Part = TypeVar("Part")

_PARSER = etree.XMLParser(
    resolve_entities=False,
    no_network=True,
    load_dtd=False,
    remove_comments=True,
    remove_pis=True,
    encoding="utf-8",
)


def read_tree(xml: bytes) -> Any:
    """The root of a fragment. Raises Rejected("malformed_xml")."""
    try:
        return etree.fromstring(xml, _PARSER)
    except etree.XMLSyntaxError as error:
        words = " ".join((error.msg or "").split())
        raise Rejected("malformed_xml", words[:200]) from None


def _remembered(read: Callable[[bytes], Part]) -> Callable[[bytes], Part]:
    recall = lru_cache(_FRAGMENTS)(read)

    @wraps(read)
    def either(xml: bytes) -> Part:
        return recall(xml) if len(xml) <= _LONGEST else read(xml)

    return either


def text_of(element: Any) -> str | None:
    """Its words with single spaces; None where there are none."""
    if element is None:
        return None
    return " ".join("".join(element.itertext()).split()) or None


def number_of(element: Any) -> int | None:
    """A whole number up to MAX_PMID; None for anything else."""
    text = text_of(element) or ""
    is_one = text.isascii() and text.isdecimal() and len(text) < 20
    return int(text) if is_one and int(text) <= MAX_PMID else None


@_remembered
def read_heading(xml: bytes) -> tuple[Any, ...]:
    """(UI, name, is_major, qualifiers) of a MeshHeading."""
    root = read_tree(xml)
    qualifiers = [_descriptor(part) for part in root.iterchildren("QualifierName")]
    descriptor = root.find("DescriptorName")
    named = (None, None, False) if descriptor is None else _descriptor(descriptor)
    return (*named, qualifiers)


def _descriptor(element: Any) -> tuple[str | None, str | None, bool]:
    return element.get("UI"), text_of(element), element.get("MajorTopicYN") == "Y"


@_remembered
def read_named(xml: bytes) -> tuple[str | None, str | None]:
    """(UI, name)."""
    root = read_tree(xml)
    return root.get("UI"), text_of(root)


@_remembered
def read_concept(xml: bytes) -> tuple[str | None, str | None, str | None]:
    """(UI, name, type) of a SupplMeshName."""
    root = read_tree(xml)
    return root.get("UI"), text_of(root), root.get("Type")


@_remembered
def read_chemical(xml: bytes) -> tuple[str | None, str | None, str | None]:
    """(UI, name, registry number)."""
    root = read_tree(xml)
    name = root.find("NameOfSubstance")
    ui = None if name is None else name.get("UI")
    return ui, text_of(name), text_of(root.find("RegistryNumber"))


def read_keywords(xml: bytes) -> list[tuple[str, bool, str | None]]:
    """By their usual form; those of authors rarely come twice."""
    usual = _KEYWORDS.fullmatch(xml)
    if usual is not None:
        owner = usual[1].decode()
        spelled = [
            (" ".join(word.decode().split()), flag == b"Y") for flag, word in _KEYWORD.findall(xml)
        ]
        return [(word, is_major, owner) for word, is_major in spelled if word]
    root = read_tree(xml)
    words = ((text_of(part), part.get("MajorTopicYN") == "Y") for part in root.iterchildren("Keyword"))
    return [(word, is_major, root.get("Owner")) for word, is_major in words if word is not None]


def read_correction(xml: bytes) -> tuple[str | None, int | None, str | None]:
    """(type, PMID, citation) of CommentsCorrections."""
    root = read_tree(xml)
    return root.get("RefType"), number_of(root.find("PMID")), text_of(root.find("RefSource"))


@_remembered
def read_event(xml: bytes) -> tuple[str | None, datetime.date | None]:
    """(status, date) of a PubMedPubDate."""
    return read_tree(xml).get("PubStatus"), read_date(xml)


@_remembered
def read_date(xml: bytes) -> datetime.date | None:
    """Year, Month and Day of an element; None where they are not all there, or are no date."""
    if not xml:
        return None
    year, month, day, _ = read_published(xml)
    try:
        return datetime.date(year or 0, month or 0, day or 0)
    except ValueError:
        return None


@_remembered
def read_published(xml: bytes) -> tuple[int | None, int | None, int | None, str | None]:
    """Year, month, day, and the text that is no date, of a PubDate or another date."""
    if not xml:
        return None, None, None, None
    root = read_tree(xml)
    printed = text_of(root.find("MedlineDate"))
    year = within_range(number_of(root.find("Year")), 1, 9999)
    if year is None and printed is not None and (found := re.match("[0-9]{4}", printed)):
        year = within_range(int(found[0]), 1, 9999)
    month_name = (text_of(root.find("Month")) or "").lower()[:3]
    month = within_range(number_of(root.find("Month")), 1, 12)
    if month_name in _MONTHS:
        month = _MONTHS.index(month_name) + 1
    day = within_range(number_of(root.find("Day")), 1, 31)
    return year, month, day if month else None, printed or text_of(root.find("Season"))


def within_range(number: int | None, low: int, high: int) -> int | None:
    """The number where it is in the range, else None."""
    return number if number is not None and low <= number <= high else None
