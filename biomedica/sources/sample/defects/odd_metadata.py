"""Metadata that is no metadata, of another article, or of an article that is not taken."""

from __future__ import annotations

import json

from .case import Defect, Plant, Prefix, pair, refuse, rejected, written
from .odd_figures import document, fields

__all__ = ["ODD_METADATA"]

_INVALID = rejected("source", "metadata_invalid")
_NOT_TAKEN = rejected("parse", "license_not_taken")
_SOUND = document()


def _raw(data: bytes) -> Plant:
    """These bytes stand for the metadata."""

    def plant(prefix: Prefix) -> None:
        prefix.raw_metadata = data

    return plant


def _no_xml(prefix: Prefix) -> None:
    prefix.md5_of[prefix.xml_name] = prefix.xml
    prefix.xml = None


def _xml_of_another(prefix: Prefix) -> None:
    other = f"PMC{prefix.pmcid + 1}.1"
    prefix.fields["xml_url"] = f"s3://pmc-oa-opendata/{other}/{other}.xml"


def _xml_above(prefix: Prefix) -> None:
    prefix.fields["xml_url"] = f"s3://pmc-oa-opendata/{prefix.article_id}/../sample.json"


def _xml_elsewhere(prefix: Prefix) -> None:
    prefix.fields["xml_url"] = f"https://example.org/{prefix.article_id}/{prefix.xml_name}"


def _xml_is_metadata(prefix: Prefix) -> None:
    name = f"{prefix.article_id}.json"
    prefix.fields["xml_url"] = f"s3://pmc-oa-opendata/{prefix.article_id}/{name}"


def _byte_order_mark(prefix: Prefix) -> None:
    prefix.raw_metadata = b"\xef\xbb\xbf" + json.dumps(prefix.metadata()).encode()


ODD_METADATA = (
    Defect("metadata_not_json", "The metadata is cut off.", _INVALID, _raw(b'{"pmcid": "PMC')),
    Defect("metadata_empty", "The metadata has no bytes.", _INVALID, _raw(b"")),
    Defect("metadata_list", "The metadata is a list.", _INVALID, _raw(b"[]")),
    Defect("metadata_not_utf8", "The metadata is not UTF-8.", _INVALID, _raw(b'{"title": "caf\xe9"}')),
    Defect(
        "metadata_html",
        "The metadata is an HTML page.",
        _INVALID,
        _raw(b"<!DOCTYPE html><html><body>Forbidden</body></html>"),
    ),
    Defect(
        "metadata_without_end",
        "The metadata opens a hundred thousand lists.",
        _INVALID,
        _raw(b"[" * 100_000),
    ),
    Defect(
        "metadata_with_byte_order_mark",
        "The metadata begins with a byte order mark.",
        written(pair()),
        _byte_order_mark,
    ),
    Defect(
        "metadata_with_more_fields",
        "The metadata has fields that nobody knows yet.",
        written(pair()),
        fields(_SOUND, release_date="2024-03-12", reviewers=[{"name": None}]),
    ),
    Defect(
        "metadata_without_media",
        "The metadata has no list of media: the figure's file is not named.",
        written(refuse("image", "media_missing")),
        fields(_SOUND, media_urls=...),
    ),
    Defect(
        "metadata_as_xml",
        "The metadata names itself as the XML.",
        rejected("parse", "not_xml"),
        _xml_is_metadata,
    ),
    Defect(
        "metadata_without_xml",
        "The metadata names no XML.",
        _INVALID,
        fields(_SOUND, xml_url=None),
    ),
    Defect(
        "xml_of_another_article",
        "The metadata names the XML of another article.",
        _INVALID,
        _xml_of_another,
    ),
    Defect(
        "xml_above_the_prefix",
        "The XML's key climbs out of the article's prefix.",
        _INVALID,
        _xml_above,
    ),
    Defect(
        "xml_elsewhere",
        "The XML is to be had from another host.",
        _INVALID,
        _xml_elsewhere,
    ),
    Defect(
        "metadata_of_another_article",
        "The metadata is that of another article.",
        rejected("source", "metadata_mismatch"),
        fields(_SOUND, pmcid="PMC97999999"),
    ),
    Defect(
        "metadata_of_another_version",
        "The metadata is that of another version.",
        rejected("source", "metadata_mismatch"),
        fields(_SOUND, version=2),
    ),
    Defect(
        "metadata_of_nulls",
        "Every field that may be null is null.",
        written(pair(license_code="CC BY"), license_code="CC BY", pmid=None),
        fields(_SOUND, pmid=None, doi=None, title=None, citation=None, license_code=None, mid=None),
    ),
    Defect(
        "metadata_flags_as_words",
        "The flags are the words yes and no.",
        written(pair(), is_retracted=False),
        fields(_SOUND, is_pmc_openaccess="yes", is_retracted="no"),
    ),
    Defect(
        "text_mining_only",
        "A manuscript is for text mining alone.",
        _NOT_TAKEN,
        fields(_SOUND, license_code="TDM", is_pmc_openaccess=False, is_manuscript=True),
    ),
    Defect(
        "not_open_access",
        "The article is not open access, whatever its licence.",
        _NOT_TAKEN,
        fields(_SOUND, is_pmc_openaccess=False),
    ),
    Defect(
        "open_access_unknown",
        "Nothing says whether the article is open access.",
        _NOT_TAKEN,
        fields(_SOUND, is_pmc_openaccess=...),
    ),
    Defect(
        "unknown_licence",
        "The metadata names a licence that nobody knows: group other.",
        written(pair(license_group="other"), warnings=("unknown_license_code",), license_group="other"),
        fields(_SOUND, license_code="HOUSE LICENCE 7"),
    ),
    Defect(
        "missing_xml",
        "The metadata names an XML that is not there.",
        rejected("source", "xml_missing"),
        _no_xml,
    ),
)
