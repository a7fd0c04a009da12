"""PMC's bucket layout in a folder: `metadata/PMC1.1.json`, `PMC1.1/PMC1.1.xml`, media beside.

A folder without `metadata/` is read by the copies that the bucket keeps beside each XML,
`PMC1.1/PMC1.1.json`.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.errors import ConfigError, Deferred, Rejected, SourceError
from biomedica.ids import ArticleId, article_key, parse_article_id, split_key
from biomedica.sources.files import check_answer, digest_file, lies_inside, read_file
from biomedica.sources.metadata import is_safe_name, parse_metadata
from biomedica.sources.protocol import LISTING, Metadata, SourceArticle

__all__ = ["UNREAD_DIGEST", "DirectorySource"]

Keys = npt.NDArray[np.int64]

UNREAD_DIGEST = b"\xff" * 16
"""The digest of a listed article whose metadata could not be read just now: like no done one."""

MAX_METADATA_BYTES = 16 << 20
_READERS = 16
_CHUNK = 512
_FEW = 1000  # up to so many ids are looked up one by one, without listing the folder


class DirectorySource:
    """A folder in PMC's layout. Nothing outside the folder is read, by links either.

    uri: a path or a `file://` URI. Raises SourceError when it is no such folder.
    """

    def __init__(self, uri: str) -> None:
        self._root = os.path.realpath(_local_path(uri))
        self.uri = Path(self._root).as_uri()
        self._has_metadata = _find_layout(self._root)

    def list_articles(self, ids: Iterable[ArticleId] | None = None) -> pa.Table:
        """The article versions that exist, as LISTING, sorted by (pmcid, version).

        ids: only these; version 0 asks for the numerically highest. The digest is the MD5 of the
        metadata JSON's bytes, or UNREAD_DIGEST where that file cannot be read just now: reading
        the article then defers it. Raises SourceError when the folder cannot be listed.
        """
        if ids is None:
            keys = self._scan()
        else:
            wanted = np.unique(np.fromiter((article_key(*i) for i in ids), np.int64))
            if len(wanted) <= _FEW and np.all(split_key(wanted)[1]):
                keys = wanted
            else:
                keys = _select(self._scan(), wanted)
        return self._listing(keys)

    def read_article(self, article_id: ArticleId) -> SourceArticle:
        """One article version, its metadata read and checked; XML and media are read later.

        Raises Rejected: unknown_id, metadata_invalid, metadata_mismatch; or Deferred.
        """
        data = self.read_metadata(article_id)
        if data is None:
            raise Rejected("unknown_id", f"{self.uri} has no {article_id}")
        metadata = parse_metadata(data, article_id)
        uri = f"{self.uri}/{article_id}"
        return _DirectoryArticle(
            article_id=article_id,
            input_digest=_md5(data),
            metadata=metadata,
            xml_uri=f"{uri}/{quote(metadata.xml_name)}",
            _uri=uri,
            _source=self,
        )

    def read_metadata(self, article_id: ArticleId) -> bytes | None:
        """The bytes of the metadata JSON; None where there is none. Raises Rejected or Deferred."""
        try:
            return read_file(self._root, self._metadata_path(article_id), MAX_METADATA_BYTES)
        except Rejected as error:  # too_large is no reason of this stage
            raise Rejected("metadata_invalid", error.detail) from None

    def read_object(self, article_id: ArticleId, name: str, limit: int) -> bytes | None:
        """The bytes of one file of an article; None where there is none.

        A name that the JSON percent-encodes is found under its plain spelling too.
        Raises Rejected("too_large") or Deferred.
        """
        for spelling in dict.fromkeys((name, unquote(name))):
            if is_safe_name(spelling):
                path = os.path.join(self._root, str(article_id), spelling)
                data = read_file(self._root, path, limit)
                if data is not None:
                    return data
        return None

    def _metadata_path(self, article_id: ArticleId) -> str:
        folder = "metadata" if self._has_metadata else str(article_id)
        return os.path.join(self._root, folder, f"{article_id}.json")

    def _scan(self) -> Keys:
        """The sorted keys of everything that bears the name of an article version."""
        folder = os.path.join(self._root, "metadata") if self._has_metadata else self._root
        try:
            with os.scandir(folder) as entries:
                keys = np.fromiter(
                    (
                        key
                        for entry in entries
                        if (key := _entry_key(entry.name, self._has_metadata))
                        and (not entry.is_symlink() or lies_inside(self._root, entry.path))
                    ),
                    np.int64,
                )
        except OSError as error:
            raise SourceError(
                f"cannot list {folder} ({error.strerror}): check that the folder is mounted and readable"
            ) from None
        keys.sort()
        return keys

    def _listing(self, keys: Keys) -> pa.Table:
        chunks = [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
        with ThreadPoolExecutor(_READERS) as pool:
            parts = list(pool.map(self._digests, chunks))
        found = np.concatenate([np.array(mask, bool) for mask, _ in parts] or [np.zeros(0, bool)])
        pmcids, versions = split_key(keys[found])
        digests = pa.py_buffer(b"".join(digests for _, digests in parts))
        columns = [
            pa.array(pmcids, pa.int64()),
            pa.array(versions.astype(np.int32), pa.int32()),
            pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(pmcids), [None, digests]),
        ]
        return pa.Table.from_arrays(columns, schema=LISTING)

    def _digests(self, keys: Keys) -> tuple[list[bool], bytes]:
        """Which of the articles have metadata, and the digests of those, joined."""
        found: list[bool] = []
        digests: list[bytes] = []
        for key in keys.tolist():
            path = self._metadata_path(ArticleId(*split_key(key)))
            try:
                digest = digest_file(self._root, path)
            except Deferred:
                digest = UNREAD_DIGEST
            found.append(digest is not None)
            if digest is not None:
                digests.append(digest)
        return found, b"".join(digests)


@dataclass
class _DirectoryArticle:
    """One article version of a folder. Safe to read from several threads."""

    article_id: ArticleId
    input_digest: str
    metadata: Metadata
    xml_uri: str
    _uri: str
    _source: DirectorySource
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
        """The URI of one media file, quoted."""
        return f"{self._uri}/{quote(name)}"

    def _read(self, name: str, md5: str | None, limit: int, missing: str) -> bytes:
        read = partial(self._source.read_object, self.article_id, name, limit)
        data = read()
        if data is not None and md5 in (None, _md5(data)):
            if md5 is None:
                check_answer(data, self.media_uri(name))
            return data
        # The file may have been replaced between the metadata and now: once more, then it stands.
        again = self._source.read_metadata(self.article_id)
        if again is None or _md5(again) != self.input_digest:
            raise Deferred(f"the metadata of {self.article_id} changed while it was read")
        data = read()
        if data is None:
            raise Rejected(missing, f"{self._uri} has no file {name[:200]!a}")
        if md5 not in (None, _md5(data)):
            raise Deferred(
                f"{self.media_uri(name)} disagrees with the MD5 of its metadata: copy it again"
            )
        return data

    def _count(self, media: int, size: int) -> None:
        with self._lock:
            self.media_read += media
            self.bytes_read += size


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _select(keys: Keys, wanted: Keys) -> Keys:
    """Those of `keys` that `wanted` names; a wanted version 0 takes the highest of its article."""
    pmcids, versions = split_key(wanted)
    latest = pmcids[versions == 0]
    last = np.searchsorted(keys, article_key(latest + 1, np.zeros_like(latest))) - 1
    last = last[last >= 0]
    highest = keys[last]
    highest = highest[np.isin(split_key(highest)[0], latest)]
    return np.union1d(np.intersect1d(keys, wanted, assume_unique=True), highest)


def _entry_key(name: str, is_metadata: bool) -> int | None:
    """The key of `PMC1.1.json` (in metadata/) or of the folder `PMC1.1`; None for other names."""
    if is_metadata:
        name, dot, extension = name.rpartition(".")
        if not dot or extension != "json":
            return None
    if not name.startswith("PMC"):
        return None
    try:
        article_id = parse_article_id(name)
    except ConfigError:
        return None
    return article_key(*article_id) if article_id.version else None


def _local_path(uri: str) -> str:
    if "\x00" in uri:
        raise SourceError(f"the source {uri[:80]!a} is not a path: it holds a NUL character")
    if not uri.lower().startswith("file:"):
        if not uri:
            raise SourceError("the source is empty: give a folder in PMC's layout")
        return os.path.expanduser(uri)
    parts = urlsplit(uri)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\x00" in path:
        raise SourceError(f"the source {uri[:200]!a} is not a local file: write file:///folder")
    return path


def _find_layout(root: str) -> bool:
    """Whether the folder has `metadata/`; raises SourceError when it is not in PMC's layout."""
    metadata = os.path.join(root, "metadata")
    try:
        if lies_inside(root, metadata) and os.path.isdir(metadata):
            if any(_entry_key(name, True) for name in _names(metadata)):
                return True
            raise SourceError(
                f"{metadata} holds no PMC….json: copy the bucket's metadata/ of the articles there"
            )
        if any(_has_own_metadata(root, name) for name in _names(root)):
            return False
        remedy = _remedy(frozenset(_names(root)))
    except FileNotFoundError:
        raise SourceError(f"there is no folder {root}: check the source's path") from None
    except NotADirectoryError:
        raise SourceError(f"{root} is not a folder: give the folder that holds the articles") from None
    except OSError as error:
        raise SourceError(
            f"cannot list {root} ({error.strerror}): check that the folder is mounted and readable"
        ) from None
    raise SourceError(f"{root} is not in PMC's layout: {remedy}")


def _names(folder: str) -> Iterator[str]:
    """The names in a folder, read as they are asked for: it may hold millions."""
    with os.scandir(folder) as entries:
        for entry in entries:
            yield entry.name


def _has_own_metadata(root: str, name: str) -> bool:
    return _entry_key(name, False) is not None and os.path.isfile(
        os.path.join(root, name, f"{name}.json")
    )


def _remedy(names: frozenset[str]) -> str:
    if not names:
        return "it is empty; copy metadata/PMC1.1.json and PMC1.1/ of some articles into it"
    if any(_entry_key(name, True) for name in names):
        return "it holds the metadata of articles itself; give the folder above it"
    if any(name.startswith("PMC") and name.endswith(".tar.gz") for name in names):
        return "it holds legacy packages; give a folder with metadata/PMC1.1.json and PMC1.1/"
    return "give a folder with metadata/PMC1.1.json and PMC1.1/PMC1.1.xml"
