"""PMC's bucket layout in a folder: `metadata/PMC1.1.json`, `PMC1.1/PMC1.1.xml`, media beside.

A folder without `metadata/` is read by the copies that the bucket keeps beside each XML,
`PMC1.1/PMC1.1.json`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa

from biomedica.errors import Deferred, Rejected, SourceError
from biomedica.ids import ArticleId, article_key, split_key
from biomedica.sources.article import MetadataBytes, md5_hex, open_article, read_spelt
from biomedica.sources.files import digest_file, lies_inside, local_path, read_file
from biomedica.sources.keys import (
    MAX_METADATA_BYTES,
    NO_TIME,
    UNREAD_DIGEST,
    Keys,
    folder_key,
    listing_of,
    metadata_key,
    select,
)
from biomedica.sources.protocol import SourceArticle
from biomedica.sources.spending import Traffic

__all__ = ["DirectorySource"]

_CHUNK = 512
_FEW = 1000  # up to so many ids are looked up one by one, without listing the folder


class DirectorySource:
    """A folder in PMC's layout. Nothing outside the folder is read, by links either.

    uri: a path or a `file://` URI. Raises SourceError when it is no such folder.
    """

    traffic = Traffic()  # nothing leaves the machine
    readers = 16

    def __init__(self, uri: str) -> None:
        self._root = os.path.realpath(local_path(uri))
        self.uri = Path(self._root).as_uri()
        self._has_metadata = _find_layout(self._root)

    @property
    def root(self) -> str:
        """The folder, its links followed."""
        return self._root

    def list_articles(self, ids: Iterable[ArticleId] | None = None) -> pa.Table:
        """The article versions that exist, as LISTING, sorted by (pmcid, version).

        ids: only these; version 0 asks for the numerically highest. The digest is the MD5 of the
        metadata JSON's bytes, or UNREAD_DIGEST where that file cannot be read just now, or what
        bears its name is a folder or a link to nothing: reading the article then defers it. Raises
        SourceError when the folder cannot be listed.
        """
        if ids is None:
            keys = self._scan()
        else:
            wanted = np.unique(np.fromiter((article_key(*i) for i in ids), np.int64))
            if len(wanted) <= _FEW and np.all(split_key(wanted)[1]):
                keys = wanted
            else:
                keys = select(self._scan(), wanted)
        return self._listing(keys)

    def list_with_times(self) -> tuple[pa.Table, Keys]:
        """All of `list_articles`, and when each metadata JSON was written: ms since 1970, or NO_TIME.

        Raises SourceError.
        """
        listing = self.list_articles()
        pmcids, versions = listing["pmcid"].to_numpy(), listing["version"].to_numpy()
        keys = article_key(pmcids, versions.astype(np.int64)).tolist()
        with ThreadPoolExecutor(self.readers) as pool:
            times = pool.map(self._modified, keys, chunksize=_CHUNK)
            return listing, np.fromiter(times, np.int64, len(keys))

    def _modified(self, key: int) -> int:
        try:
            return os.stat(self._metadata_path(ArticleId(*split_key(key)))).st_mtime_ns // 1_000_000
        except OSError:
            return NO_TIME

    def read_article(self, article_id: ArticleId) -> SourceArticle:
        """One article version, its metadata read and checked; XML and media are read later.

        Raises Rejected: unknown_id, metadata_invalid, metadata_mismatch; or Deferred.
        """
        return open_article(self, article_id)

    def read_metadata(self, article_id: ArticleId) -> MetadataBytes | None:
        """The metadata JSON and its MD5; None where there is none. Raises Rejected or Deferred."""
        path = self._metadata_path(article_id)
        try:
            data = read_file(self._root, path, MAX_METADATA_BYTES)
        except Rejected as error:  # too_large is no reason of this stage
            raise Rejected("metadata_invalid", error.detail) from None
        if data is None and self._is_no_file(path):
            raise Deferred(f"{path} is a folder, or a link that leads nowhere: put the file there")
        return None if data is None else MetadataBytes(data, md5_hex(data))

    def _is_no_file(self, path: str) -> bool:
        """Whether something bears this name that is no file: somebody meant an article there."""
        return os.path.lexists(path) and lies_inside(self._root, path)

    def read_object(self, article_id: ArticleId, name: str, limit: int) -> bytes | None:
        """The bytes of one file of an article; None where there is none.

        Raises Rejected("too_large") or Deferred.
        """
        folder = os.path.join(self._root, str(article_id))
        return read_spelt(
            name, lambda spelling: read_file(self._root, os.path.join(folder, spelling), limit)
        )

    def object_uri(self, article_id: ArticleId, name: str) -> str:
        """The `file://` URI of one file of an article, quoted."""
        return f"{self.uri}/{article_id}/{quote(name)}"

    def _metadata_path(self, article_id: ArticleId) -> str:
        folder = "metadata" if self._has_metadata else str(article_id)
        return os.path.join(self._root, folder, f"{article_id}.json")

    def _scan(self) -> Keys:
        """The sorted keys of everything that bears the name of an article version."""
        folder = os.path.join(self._root, "metadata") if self._has_metadata else self._root
        key_of = metadata_key if self._has_metadata else folder_key
        try:
            with os.scandir(folder) as entries:
                keys = np.fromiter(
                    (
                        key
                        for entry in entries
                        if (key := key_of(entry.name))
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
        with ThreadPoolExecutor(self.readers) as pool:
            parts = list(pool.map(self._digests, chunks))
        found = np.concatenate([np.array(mask, bool) for mask, _ in parts] or [np.zeros(0, bool)])
        return listing_of(keys[found], b"".join(digests for _, digests in parts))

    def _digests(self, keys: Keys) -> tuple[list[bool], bytes]:
        """Which of the articles have metadata, and the digests of those, joined."""
        found: list[bool] = []
        digests: list[bytes] = []
        for key in keys.tolist():
            path = self._metadata_path(ArticleId(*split_key(key)))
            try:
                digest = digest_file(self._root, path)
                if digest is None and self._is_no_file(path):
                    digest = UNREAD_DIGEST
            except Deferred:
                digest = UNREAD_DIGEST
            found.append(digest is not None)
            if digest is not None:
                digests.append(digest)
        return found, b"".join(digests)


def _find_layout(root: str) -> bool:
    """Whether the folder has `metadata/`; raises SourceError when it is not in PMC's layout."""
    metadata = os.path.join(root, "metadata")
    try:
        if lies_inside(root, metadata) and os.path.isdir(metadata):
            if any(metadata_key(name) for name in _names(metadata)):
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
    return folder_key(name) is not None and os.path.isfile(os.path.join(root, name, f"{name}.json"))


def _remedy(names: frozenset[str]) -> str:
    if not names:
        return "it is empty; copy metadata/PMC1.1.json and PMC1.1/ of some articles into it"
    if any(metadata_key(name) for name in names):
        return "it holds the metadata of articles itself; give the folder above it"
    if any(name.lower().endswith(".nxml") for name in names):
        return "it holds the files of an article itself; give the folder above it"
    return (
        "give a folder with metadata/PMC1.1.json and PMC1.1/PMC1.1.xml, or one with packages "
        "PMC1.tar.gz or unpacked ones, PMC1/"
    )
