"""Articles that people still hold from PMC's former package service: PMC1.tar.gz, or unpacked PMC1/.

Packages lie in the folder itself, or where the service had them, in folders of two hex digits,
`08/e0/PMC1.tar.gz`, at most two deep, also below `oa_package/`. An unpacked one holds a `.nxml` (or
`.xml`) and its media. Where an article lies in both forms the package counts, and of several in one form
that in the first folder. The version is that of the name, `PMC1.2.tar.gz`, else 1: to read it in the
XML, each package would be opened at each listing. A document that says otherwise has the warning
`version_mismatch`.

There is no metadata JSON: ids, title and licence are in the XML; NCBI's list of the packages
(`file_list`), where it lies beside them, tells the licence, retraction and PMID. The service
held open access articles alone, so these are taken for such unless the XML denies it.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.errors import ConfigError, Deferred, Rejected, SourceError
from biomedica.ids import ArticleId, article_key, parse_article_id, split_key
from biomedica.sources.article import MetadataBytes, StoredArticle
from biomedica.sources.file_list import FileList, is_file_list
from biomedica.sources.files import lies_inside, local_path
from biomedica.sources.keys import UNREAD_DIGEST, Keys, folder_key, listing_of, select
from biomedica.sources.packed import (
    Holdings,
    folder_state,
    has_article,
    open_folder,
    open_package,
    package_state,
)
from biomedica.sources.protocol import Metadata, SourceArticle
from biomedica.sources.spending import Traffic

__all__ = ["PackageSource", "holds_packages"]

_CHUNK = 512
_HEX = re.compile(r"[0-9a-f]{2}")
_PACKAGE, _VERSIONED, _FOLDER = 0, 1, 2
"""Forms: PMC1.tar.gz, PMC1.2.tar.gz, PMC1/. The lowest counts. A folder PMC1.2/ is one of PMC's bucket,
which holds more than open access: without its metadata JSON it is none of these."""


class PackageSource:
    """A folder of packages, unpacked or not. Nothing outside of it is read, by links either.

    uri: a path or a `file://` URI. Nothing is listed yet. Safe to use from several threads, and to
    pickle. Each instance lists the folder once before it reads: nobody can tell from an id in which
    of the nested folders its package lies.
    """

    traffic = Traffic()  # nothing leaves the machine
    readers = 16

    def __init__(self, uri: str) -> None:
        self._root = os.path.realpath(local_path(uri))
        self.uri = Path(self._root).as_uri()
        self._lock = threading.Lock()
        self._shelf: _Shelf | None = None

    def __repr__(self) -> str:
        return f"PackageSource({self.uri!r})"

    def __reduce__(self) -> tuple[type[PackageSource], tuple[str]]:
        return (PackageSource, (self.uri,))

    def list_articles(self, ids: Iterable[ArticleId] | None = None) -> pa.Table:
        """The article versions that exist, as LISTING, sorted by (pmcid, version).

        ids: only these; version 0 asks for the numerically highest. The digest is that of
        `package_state` or `folder_state` and of what the list of packages says of the article, or
        UNREAD_DIGEST where it cannot be read just now. Raises SourceError when the folder or the
        list cannot be read.
        """
        shelf = _take_stock(self._root)
        with self._lock:
            self._shelf = shelf
        keys = shelf.keys
        if ids is not None:
            wanted = np.unique(np.fromiter((article_key(*i) for i in ids), np.int64))
            keys = select(keys, wanted)
        chunks = [keys[start : start + _CHUNK] for start in range(0, len(keys), _CHUNK)]
        with ThreadPoolExecutor(self.readers) as pool:
            parts = list(pool.map(partial(_digests, shelf), chunks))
        found = np.concatenate([np.array(mask, bool) for mask, _ in parts] or [np.zeros(0, bool)])
        return listing_of(keys[found], b"".join(digests for _, digests in parts))

    def read_article(self, article_id: ArticleId) -> SourceArticle:
        """One article version: what it holds is known, a package has been unpacked once in passing.

        Raises Rejected: unknown_id, xml_missing, xml_ambiguous, metadata_mismatch,
        package_corrupt, package_unsafe; or Deferred.
        """
        shelf = self._stock()
        place = shelf.find(article_id)
        held = None if place is None else place.open(article_id)
        if place is None or held is None:
            raise Rejected("unknown_id", f"{self.uri} has no {article_id}")
        return _article(shelf, place, held, article_id)

    def _stock(self) -> _Shelf:
        with self._lock:
            if self._shelf is None:
                self._shelf = _take_stock(self._root)
            return self._shelf


def holds_packages(uri: str) -> bool:
    """Whether a folder is a source of this kind: not in PMC's layout, and with an article somewhere.

    A folder with `metadata`, or with PMC1.1/PMC1.1.json, is in PMC's layout whatever else it holds.
    """
    root = os.path.realpath(local_path(uri))
    if os.path.lexists(os.path.join(root, "metadata")):
        return False
    try:
        return not _is_in_layout(root) and any(_holds_one(root, folder) for folder in _folders(root))
    except OSError:
        return False


def _is_in_layout(root: str) -> bool:
    with os.scandir(root) as entries:
        return any(
            folder_key(entry.name) and os.path.isfile(os.path.join(entry.path, f"{entry.name}.json"))
            for entry in entries
        )


def _holds_one(root: str, folder: str) -> bool:
    path = os.path.join(root, folder)
    return any(
        form < _FOLDER or has_article(os.path.join(path, name)) for name, _, form in _found(root, path)
    )


# --- the shelf -------------------------------------------------------------------------------


class _Place(NamedTuple):
    """Where an article lies."""

    root: str
    path: str
    """below the root"""
    is_folder: bool

    @property
    def whole(self) -> str:
        return os.path.join(self.root, self.path)

    def state(self) -> bytes | None:
        return (folder_state if self.is_folder else package_state)(self.root, self.whole)

    def open(self, article_id: ArticleId) -> Holdings | None:
        return (open_folder if self.is_folder else open_package)(self.root, self.whole, article_id)


class _Shelf(NamedTuple):
    """Every article of the source, sorted: 13 bytes each, for there may be millions."""

    root: str
    folders: tuple[str, ...]
    keys: Keys
    places: npt.NDArray[np.int32]
    """index of the folder"""
    forms: npt.NDArray[np.int8]
    listed: FileList

    def find(self, article_id: ArticleId) -> _Place | None:
        key = article_key(*article_id)
        at = int(np.searchsorted(self.keys, key))
        if at == len(self.keys) or self.keys[at] != key:
            return None
        form = int(self.forms[at])
        name = str(article_id) if form == _VERSIONED else f"PMC{article_id.pmcid}"
        name += "" if form == _FOLDER else ".tar.gz"
        folder = self.folders[int(self.places[at])]
        return _Place(self.root, os.path.join(folder, name), form == _FOLDER)

    def said(self, article_id: ArticleId) -> str:
        """What the list says of an article."""
        listed = self.listed.get(article_id.pmcid)
        return "" if listed is None else listed.text


def _take_stock(root: str) -> _Shelf:
    """Raises SourceError where a folder or a list cannot be read."""
    try:
        folders = tuple(_folders(root))
        with ThreadPoolExecutor(PackageSource.readers) as pool:
            parts = list(pool.map(lambda folder: _rows(root, folder), folders))
        with os.scandir(root) as entries:
            lists = [entry.name for entry in entries if is_file_list(entry.name)]
    except OSError as error:
        raise SourceError(
            f"cannot list {root} ({error.strerror}): check that the folder is mounted and readable"
        ) from None
    places = np.repeat(np.arange(len(parts), dtype=np.int32), [len(part) for part in parts])
    keys, forms = np.concatenate([np.zeros((0, 2), np.int64), *parts]).T
    order = np.lexsort((places, forms, keys))
    order = order[np.append(True, keys[order][1:] != keys[order][:-1])[: len(order)]]
    keys = keys[order]
    listed = FileList(root, lists, np.unique(split_key(keys)[0]))
    return _Shelf(root, folders, keys, places[order], forms[order].astype(np.int8), listed)


def _folders(root: str) -> Iterator[str]:
    """The folders that may hold packages, as paths below the root: the root first, in order."""
    yield ""
    tops = ["", *(name for name in _subfolders(root, "") if name == "oa_package")]
    for top in tops:
        if top:
            yield top
        for outer in filter(_HEX.fullmatch, _subfolders(root, top)):
            yield os.path.join(top, outer)
            for inner in filter(_HEX.fullmatch, _subfolders(root, os.path.join(top, outer))):
                yield os.path.join(top, outer, inner)


def _subfolders(root: str, folder: str) -> list[str]:
    with os.scandir(os.path.join(root, folder)) as entries:
        return sorted(
            entry.name
            for entry in entries
            if (entry.name == "oa_package" or len(entry.name) == 2)
            and entry.is_dir()
            and (not entry.is_symlink() or lies_inside(root, entry.path))
        )


def _rows(root: str, folder: str) -> npt.NDArray[np.int64]:
    """(key, form) of the articles that lie directly in a folder."""
    found = [(key, form) for _, key, form in _found(root, os.path.join(root, folder))]
    return np.array(found, np.int64).reshape(-1, 2)


def _found(root: str, path: str) -> Iterator[tuple[str, int, int]]:
    """(name, key, form) of the articles that lie directly in a folder. Raises OSError."""
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.name.startswith("PMC"):
                continue
            stem = entry.name.removesuffix(".tar.gz")
            try:
                article_id = parse_article_id(stem)
            except ConfigError:
                continue
            if entry.is_symlink() and not lies_inside(root, entry.path):
                continue
            form = _VERSIONED if article_id.version else _PACKAGE
            if stem == entry.name:
                if form == _VERSIONED:
                    continue
                form = _FOLDER
            if entry.is_dir() if form == _FOLDER else entry.is_file():
                yield entry.name, article_key(article_id.pmcid, article_id.version or 1), form


def _digests(shelf: _Shelf, keys: Keys) -> tuple[list[bool], bytes]:
    """Which of the articles are still there, and the digests of those, joined."""
    found: list[bool] = []
    digests: list[bytes] = []
    for key in keys.tolist():
        article_id = ArticleId(*split_key(key))
        try:
            place = shelf.find(article_id)
            state = None if place is None else place.state()
            digest = None if state is None else _digest(state, shelf.said(article_id))
        except (Deferred, Rejected):  # reading the article says why
            digest = UNREAD_DIGEST
        found.append(digest is not None)
        if digest is not None:
            digests.append(digest)
    return found, b"".join(digests)


def _digest(state: bytes, said: str) -> bytes:
    return hashlib.md5(state + said.encode(), usedforsecurity=False).digest()


# --- an article ------------------------------------------------------------------------------


@dataclass
class _Files:
    """The files of one article (`article.Objects`)."""

    uri: str
    shelf: _Shelf
    place: _Place
    held: Holdings

    def read_metadata(self, article_id: ArticleId) -> MetadataBytes | None:
        state = self.place.state()
        if state is None:
            return None
        return MetadataBytes(b"", _digest(state, self.shelf.said(article_id)).hex())

    def read_object(self, article_id: ArticleId, name: str, limit: int) -> bytes | None:
        return self.held.read(name, limit)

    def object_uri(self, article_id: ArticleId, name: str) -> str:
        """Of a file, or of a package and, as fragment, of the file in it."""
        where = Path(self.place.whole).as_uri()
        return f"{where}{'/' if self.place.is_folder else '#'}{quote(name)}"


def _article(shelf: _Shelf, place: _Place, held: Holdings, article_id: ArticleId) -> StoredArticle:
    listed = shelf.listed.get(article_id.pmcid)
    files = _Files(Path(shelf.root).as_uri(), shelf, place, held)
    metadata = Metadata(
        article_id=article_id,
        pmid=listed.pmid if listed else None,
        doi=None,
        title=None,
        citation=None,
        is_pmc_openaccess=True,
        is_manuscript=False,
        is_historical_ocr=False,
        is_retracted=listed.is_retracted if listed else False,
        license_code=listed.license_code if listed else None,
        xml_name=held.xml_name,
        xml_md5=None,
        media=dict.fromkeys(held.media),
        invalid_media=held.invalid,
        extra={"last_updated": listed.updated} if listed else None,
        is_composed=True,
    )
    return StoredArticle(
        article_id=article_id,
        input_digest=_digest(held.state, listed.text if listed else "").hex(),
        metadata=metadata,
        xml_uri=files.object_uri(article_id, held.xml_name),
        _objects=files,
    )
