"""Ids in a PubMed record: of the works that it cites, and its own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from biomedica.sources.pubmed_cuts import each, within
from biomedica.sources.pubmed_parts import MAX_PMID, read_tree, text_of, within_range

__all__ = ["Ids", "read_article_ids", "read_location_doi", "read_references"]

_IDS = re.compile(
    rb'<ArticleId IdType="(\w+)">([^<>&\x00-\x1f]*)</ArticleId>|</(Reference)>'
    rb"|<(ArticleId[\s/>]|/ArticleId\s|/?Reference[\s/])"
)
"""(kind, value, end of a reference, a tag that is written otherwise)"""
_DOI = re.compile(r"^(?:doi:\s*|https?://(?:dx\.)?doi\.org/)")
_PMCID = re.compile(r"PMC[1-9][0-9]*")

Ids = tuple[int | None, str | None, str | None]
"""PMID, DOI, PMCID"""


def read_references(xml: bytes) -> tuple[list[Ids], int]:
    """The ids of each reference that has any, and how many there are with and without."""
    found = _ids_by_reference(xml) if xml else []
    if found is None:
        found = [_ids_in_tree(reference) for reference in read_tree(xml).iter("Reference")]
    return [ids for ids in found if any(ids)], len(found)


def _ids_by_reference(xml: bytes) -> list[Ids] | None:
    """By their fixed form, which is the most frequent of a record; None where one has another."""
    found: list[Ids] = []
    pmid: int | None = None
    doi: str | None = None
    pmcid: str | None = None
    for kind, value, end, odd in _IDS.findall(xml):
        if end:
            found.append((pmid, doi, pmcid))
            pmid = doi = pmcid = None
        elif odd:
            return None
        elif kind == b"pubmed":
            pmid = pmid or _pmid(value)
        elif kind == b"doi":
            doi = doi or _bare_doi(value.decode())
        elif kind == b"pmc":
            pmcid = pmcid or _bare_pmcid(value.decode())
    return found if len(found) == xml.count(b"<Reference>") else None


def _ids_in_tree(element: Any) -> Ids:
    parts = element.iter("ArticleId")
    return _pmid_doi_pmcid(
        [((part.get("IdType") or "").encode(), (text_of(part) or "").encode()) for part in parts]
    )


def read_article_ids(xml: bytes) -> tuple[str | None, str | None]:
    """DOI and PMCID of the record itself."""
    part = within(xml, b"ArticleIdList")
    tokens = _IDS.findall(part)
    if any(odd for *_, odd in tokens):
        return _ids_in_tree(read_tree(part))[1:]
    return _pmid_doi_pmcid([(kind, value) for kind, value, *_ in tokens])[1:]


def _pmid_doi_pmcid(ids: Iterable[tuple[bytes, bytes]]) -> Ids:
    pmid = doi = pmcid = None
    for kind, value in ids:
        if kind == b"pubmed":
            pmid = pmid or _pmid(value)
        elif kind == b"doi":
            doi = doi or _bare_doi(value.decode())
        elif kind == b"pmc":
            pmcid = pmcid or _bare_pmcid(value.decode())
    return pmid, doi, pmcid


def _pmid(text: bytes) -> int | None:
    is_one = text.strip().isdigit() and len(text) < 20
    return within_range(int(text), 1, MAX_PMID) if is_one else None


def read_location_doi(xml: bytes) -> str | None:
    """The DOI among the ELocationIDs."""
    for part in each(xml, "ELocationID"):
        root = read_tree(part)
        if root.get("EIdType") == "doi":
            return _bare_doi(text_of(root) or "")
    return None


def _bare_doi(text: str) -> str | None:
    doi = text.strip().lower()
    if not doi.startswith("10."):
        doi = _DOI.sub("", doi)
    return doi if doi.startswith("10.") else None


def _bare_pmcid(text: str) -> str | None:
    found = _PMCID.match(text.strip().upper())
    return found[0] if found else None
