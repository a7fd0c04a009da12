"""One article version of any source in PMC's layout: metadata, XML and media, checked by their MD5."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from biomedica.errors import Deferred, Rejected
from biomedica.ids import ArticleId
from biomedica.sources.metadata import is_safe_name, parse_metadata
from biomedica.sources.protocol import Metadata

__all__ = [
    "MetadataBytes",
    "Objects",
    "StoredArticle",
    "check_answer",
    "md5_hex",
    "open_article",
    "read_spelt",
]

_STORE_ERROR = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}\?>)?\s*<Error>\s*<Code>(?!NoSuchKey<)([A-Za-z0-9]{1,60})</Code>"
)


class MetadataBytes(NamedTuple):
    """The metadata JSON as it lies in the source, and the input digest that it is listed with."""

    data: bytes
    digest: str


class Objects(Protocol):
    """How the files of articles are had from one kind of place. Safe to use from several threads."""

    uri: str

    def read_metadata(self, article_id: ArticleId) -> MetadataBytes | None:
        """The metadata; None where there is none. Raises Rejected or Deferred."""

    def read_object(self, article_id: ArticleId, name: str, limit: int) -> bytes | None:
        """One file; None where there is none. Raises Rejected("too_large") or Deferred."""

    def object_uri(self, article_id: ArticleId, name: str) -> str:
        """The URI of one file."""


def open_article(objects: Objects, article_id: ArticleId) -> StoredArticle:
    """One article version, its metadata read and checked; XML and media are read later.

    Raises Rejected: unknown_id, metadata_invalid, metadata_mismatch; or Deferred.
    """
    found = objects.read_metadata(article_id)
    if found is None:
        raise Rejected("unknown_id", f"{objects.uri} has no {article_id}")
    metadata = parse_metadata(found.data, article_id)
    return StoredArticle(
        article_id=article_id,
        input_digest=found.digest,
        metadata=metadata,
        xml_uri=objects.object_uri(article_id, metadata.xml_name),
        _objects=objects,
    )


def read_spelt(name: str, read: Callable[[str], bytes | None]) -> bytes | None:
    """A file by its name; one that the JSON percent-encodes is found under its plain spelling too."""
    for spelling in dict.fromkeys((name, unquote(name))):
        if is_safe_name(spelling) and (data := read(spelling)) is not None:
            return data
    return None


@dataclass
class StoredArticle:
    """One article version. Safe to read from several threads."""

    article_id: ArticleId
    input_digest: str
    metadata: Metadata
    xml_uri: str
    _objects: Objects = field(repr=False)
    media_read: int = 0
    bytes_read: int = 0
    """bytes of XML and media returned so far"""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def read_xml(self, limit: int) -> bytes:
        """The JATS XML, its MD5 checked.

        Raises Rejected: xml_missing, or too_large over `limit` bytes; or Deferred.
        """
        data = self._read(self.metadata.xml_name, self.metadata.xml_md5, limit, "xml_missing")
        self._count(0, len(data))
        return data

    def read_media(self, name: str, limit: int) -> bytes:
        """One media file that the metadata names, its MD5 checked.

        Raises Rejected: media_missing, or too_large over `limit` bytes; or Deferred.
        """
        if name not in self.metadata.media:
            raise Rejected("media_missing", f"the metadata names no {name[:200]!a}")
        data = self._read(name, self.metadata.media[name], limit, "media_missing")
        self._count(1, len(data))
        return data

    def media_uri(self, name: str) -> str:
        """The URI of one media file."""
        return self._objects.object_uri(self.article_id, name)

    def _read(self, name: str, md5: str | None, limit: int, missing: str) -> bytes:
        read = partial(self._objects.read_object, self.article_id, name, limit)
        data = read()
        if data is not None and md5 in (None, md5_hex(data)):
            if md5 is None:
                check_answer(data, self.media_uri(name))
            return data
        # The file may have been replaced between the metadata and now: once more, then it stands.
        again = self._objects.read_metadata(self.article_id)
        if again is None or again.digest != self.input_digest:
            raise Deferred(f"the metadata of {self.article_id} changed while it was read")
        data = read()
        if data is None:
            raise Rejected(missing, f"{self._objects.uri} has no file {self.article_id}/{name[:200]!a}")
        if md5 not in (None, md5_hex(data)):
            raise Deferred(f"{self.media_uri(name)} disagrees with the MD5 of its metadata")
        if md5 is None:
            check_answer(data, self.media_uri(name))
        return data

    def _count(self, media: int, size: int) -> None:
        with self._lock:
            self.media_read += media
            self.bytes_read += size


def check_answer(data: bytes, uri: str) -> None:
    """Refuse bytes that are an object store's answer in place of the object, as a copy may hold.

    Only for objects without an MD5, which would tell. Raises Deferred: all but NoSuchKey may pass.
    """
    found = _STORE_ERROR.match(data)
    if found is not None:
        raise Deferred(f"{uri} holds the answer {found[1].decode()} of an object store")


def md5_hex(data: bytes) -> str:
    """The MD5 as PMC writes it, in lower-case hex."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
