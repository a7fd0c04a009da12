"""What a source is: it lists article versions with their input digest, and reads one lazily."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from biomedica.ids import ArticleId
from biomedica.sources.spending import Traffic

__all__ = ["LISTING", "Metadata", "Source", "SourceArticle"]

LISTING = pa.schema(
    [
        pa.field("pmcid", pa.int64()),
        pa.field("version", pa.int32()),
        pa.field("input_digest", pa.binary(16)),
    ]
)
"""A listing of article versions: integers and the 16 bytes of `SourceArticle.input_digest`."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The metadata JSON of one article version, checked (pmc_cloud: fields of the JSON)."""

    article_id: ArticleId
    pmid: int | None
    doi: str | None
    title: str | None
    citation: str | None
    is_pmc_openaccess: bool
    is_manuscript: bool
    is_historical_ocr: bool
    is_retracted: bool
    license_code: str | None
    """as the JSON spells it"""
    xml_name: str
    xml_md5: str | None
    media: Mapping[str, str | None]
    """media file name → MD5 in hex or None; images and supplementary files alike"""
    invalid_media: tuple[str, ...] = ()
    """media URLs whose key is outside the article's prefix, or unsafe: never read"""
    extra: Mapping[str, Any] | None = None
    is_composed: bool = False
    """there is no metadata JSON: what is missing here the XML says (`jats.complete_metadata`)"""


class SourceArticle(Protocol):
    """One article version, read lazily.

    Every method raises Rejected (the input is wrong) or Deferred (a passing fault).
    """

    article_id: ArticleId
    input_digest: str
    """32 hex digits that change with the metadata JSON: its MD5 in a folder; in a bucket its ETag
    where that has the form of an MD5 (an encrypting bucket's is none), else the MD5 of the ETag's
    text (of a multipart upload, for one). The digest that the article is listed with."""
    metadata: Metadata
    xml_uri: str
    media_read: int
    """media objects read so far through this object"""

    def read_xml(self, limit: int) -> bytes:
        """The JATS XML; Rejected("xml_missing"), Rejected("too_large") over `limit` bytes."""

    def read_media(self, name: str, limit: int) -> bytes:
        """One media file; Rejected("media_missing"), Rejected("too_large") over `limit` bytes."""

    def media_uri(self, name: str) -> str:
        """The URI of one media file."""


class Source(Protocol):
    """Where bytes come from. Safe to use from several threads, and to pickle."""

    uri: str

    @property
    def traffic(self) -> Traffic:
        """What was asked of a server so far through this object. Nothing for a folder."""

    @property
    def readers(self) -> int:
        """Threads that may well read at once."""

    def list_articles(self, ids: Iterable[ArticleId] | None = None) -> pa.Table:
        """The article versions that exist, as LISTING, sorted by (pmcid, version).

        ids: only these; version 0 asks for the latest one. Ids that do not exist are left out.
        Raises SourceError when the source as a whole cannot be read.
        """

    def read_article(self, article_id: ArticleId) -> SourceArticle:
        """One article version, its metadata read and checked.

        Raises Rejected (stage `source`) or Deferred.
        """
