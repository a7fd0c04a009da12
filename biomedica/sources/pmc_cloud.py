"""PMC's bucket, or any bucket and prefix in its layout: `metadata/PMC1.1.json`, `PMC1.1/PMC1.1.xml`.

The bucket holds millions of prefixes at its root, which is never listed; `metadata/` is (pmc_cloud.md
§1). The input digest of an article is the ETag of its metadata, so that a listing alone says what
is done (design §5.4).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, ThreadPoolExecutor, wait
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.config import FetchConfig
from biomedica.errors import Deferred, Rejected, SourceError
from biomedica.ids import ArticleId, article_key, split_key
from biomedica.sources.article import MetadataBytes, md5_hex, open_article, read_spelt
from biomedica.sources.bucket import LISTERS, Bucket
from biomedica.sources.keys import (
    MAX_METADATA_BYTES,
    NO_TIME,
    UNREAD_DIGEST,
    Keys,
    copy_key,
    folder_key,
    listing_of,
    metadata_key,
    select,
)
from biomedica.sources.protocol import SourceArticle
from biomedica.sources.spending import Account, Traffic

__all__ = ["PmcCloudSource", "etag_digest"]

_FEW = 10_000
"""Up to so many ids are looked up one by one: at 32 at once that takes as long as a tenth of the
9,300 pages of PMC's listing."""
_SHARED_DIGITS = 4
"""A listing that fills its page is shared out by the next digit of the PMCID, up to so many: four
leave some ten pages to each share of PMC's."""

_URI = re.compile(r"(?i:s3)://([a-z0-9][a-z0-9.-]{1,62})(?:/+([^\x00-\x1f\x7f?#]*))?")
_MD5 = re.compile(r"[0-9a-fA-F]{32}")

Rows = list[tuple[int, bytes]]
"""(key, digest and time as 24 bytes) of article versions"""
Listed = tuple[Keys, npt.NDArray[np.void]]
"""the same as two arrays"""
Branch = tuple[str, str, int]
"""(prefix, the key that it goes on behind or "", how many digits of the PMCID the prefix holds)"""
ENTRY = np.dtype([("digest", "V16"), ("time", "<i8")])
KeyOf = Callable[[str], int | None]
"""a name below a folder → the key of the article whose metadata it is"""


class PmcCloudSource:
    """A bucket in PMC's layout, read anonymously unless told otherwise.

    uri: `s3://bucket` or `s3://bucket/prefix`. Raises SourceError for another URI; nothing is asked
    of the server before a method is called. Safe to use from several threads, and to pickle: a pickle
    has an account of its own. account: as for `Bucket`.
    """

    readers = 64  # pmc_cloud.md §4 advises 32 to 128

    def __init__(
        self, uri: str, fetch: FetchConfig | None = None, account: Account | None = None
    ) -> None:
        bucket, self._prefix = _split(uri)
        self.bucket = Bucket(bucket, fetch or FetchConfig(), account)
        self.uri = f"s3://{bucket}/{self._prefix}".rstrip("/")

    def __repr__(self) -> str:
        return f"PmcCloudSource({self.uri!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (PmcCloudSource, (self.uri, self.bucket.config))

    @property
    def traffic(self) -> Traffic:
        """What was asked so far: GET, HEAD and LIST."""
        return self.bucket.account.traffic

    def list_articles(self, ids: Iterable[ArticleId] | None = None) -> pa.Table:
        """The article versions that exist, as LISTING, sorted by (pmcid, version).

        ids: only these; version 0 asks for the numerically highest. The digest is that of the
        metadata's ETag, or UNREAD_DIGEST where it cannot be had just now: reading the article then
        defers it. Raises SourceError when the bucket cannot be listed to the end.
        """
        self._probe()
        wanted = (
            None if ids is None else np.unique(np.fromiter((article_key(*i) for i in ids), np.int64))
        )
        with ThreadPoolExecutor(LISTERS) as pool:
            if wanted is not None and len(wanted) <= _FEW:
                found = self._look_up(wanted, pool)
            else:
                found = self._scan(pool)
        keys, entries = found
        if wanted is not None:
            taken = np.isin(keys, select(keys, wanted))
            keys, entries = keys[taken], entries[taken]
        return listing_of(keys, entries["digest"].tobytes())

    def list_with_times(self) -> tuple[pa.Table, Keys]:
        """All of `list_articles`, and when each metadata JSON was written: ms since 1970, or NO_TIME.

        Raises SourceError.
        """
        self._probe()
        with ThreadPoolExecutor(LISTERS) as pool:
            keys, entries = self._scan(pool)
        times: Keys = np.ascontiguousarray(entries["time"])
        return listing_of(keys, entries["digest"].tobytes()), times

    def read_article(self, article_id: ArticleId) -> SourceArticle:
        """One article version, its metadata read and checked; XML and media are read later.

        Raises Rejected: unknown_id, metadata_invalid, metadata_mismatch; or Deferred; or
        SourceError: nothing of the bucket may be read.
        """
        return open_article(self, article_id)

    def read_metadata(self, article_id: ArticleId) -> MetadataBytes | None:
        """The metadata JSON and its digest; None where there is none. Raises as `read_article`."""
        for key in self._metadata_keys(article_id):
            found = self._metadata(key)
            if found is not None:
                data, etag = found
                return MetadataBytes(data, etag_digest(etag).hex())
        return None

    def read_object(self, article_id: ArticleId, name: str, limit: int) -> bytes | None:
        """The bytes of one object of an article; None where there is none.

        Raises Rejected("too_large"), Deferred or SourceError.
        """

        def read(spelling: str) -> bytes | None:
            found = self.bucket.get(f"{self.base}{article_id}/{spelling}", limit)
            return found[0] if found else None

        return read_spelt(name, read)

    def object_uri(self, article_id: ArticleId, name: str) -> str:
        """The `s3://` URI of one object of an article: its key as it is."""
        return f"{self.uri}/{article_id}/{name}"

    @property
    def base(self) -> str:
        """What every key of this source begins with: the prefix and a slash, or nothing."""
        return f"{self._prefix}/" if self._prefix else ""

    def _metadata_keys(self, article_id: ArticleId) -> tuple[str, str]:
        """The key that is listed, and that of the copy beside the XML."""
        name = f"{article_id}.json"
        return f"{self.base}metadata/{name}", f"{self.base}{article_id}/{name}"

    def _metadata(self, key: str) -> tuple[bytes, str] | None:
        """The bytes and the ETag of a metadata JSON, told from a spoilt answer.

        An ETag that has the form of an MD5 is compared with the bytes. Where it is not theirs (an
        encrypted bucket's are of that form) two answers that agree are believed.
        """
        before: tuple[bytes, str] | None = None
        for _ in range(2):
            try:
                found = self.bucket.get(key, MAX_METADATA_BYTES)
            except Rejected as error:  # too_large is no reason of this stage
                raise Rejected("metadata_invalid", error.detail) from None
            if found is None:
                return None
            data, etag = found
            plain = _plain(etag)
            if plain and (
                not _MD5.fullmatch(plain) or plain.lower() == md5_hex(data) or found == before
            ):
                return found
            before = found
        raise Deferred(f"what s3://{self.bucket.name}/{key} answers is not the object")

    # --- listing -------------------------------------------------------------------------------

    def _probe(self) -> None:
        """Raise SourceError where the bucket cannot be listed or is not in the layout."""
        first = self.bucket.probe(f"{self.base}metadata/PMC")
        if first.objects or first.truncated:
            return
        pages = [self.bucket.probe(f"{self.base}PMC{digit}") for digit in range(1, 10)]
        if not any(page.prefixes for page in pages):
            keys = [key for page in pages for key, *_ in page.objects]
            if any(key.endswith(".tar.gz") for key in keys) or self._holds_oa_package():
                raise SourceError(
                    f"{self.uri} holds packages PMC1.tar.gz, which are read from a folder: copy them "
                    "to a folder and give its path"
                )
            raise SourceError(
                f"{self.uri} is not in PMC's layout: give the bucket or prefix that holds "
                "metadata/PMC1.1.json and PMC1.1/PMC1.1.xml"
            )

    def _holds_oa_package(self) -> bool:
        page = self.bucket.probe(f"{self.base}oa_package/")
        return bool(page.objects or page.prefixes)

    def _look_up(self, wanted: Keys, pool: Executor) -> Listed:
        numbers, versions = split_key(wanted)
        ids = map(ArticleId, numbers.tolist(), versions.tolist())
        return _merged([_joined(rows) for rows in pool.map(self._find, ids)])

    def _find(self, article_id: ArticleId) -> Rows:
        """One article version, or all of an article for version 0."""
        if article_id.version:
            return self._digest(article_id)
        prefix = f"{self.base}metadata/{article_id}."
        folder = f"{self.base}metadata/"
        pages = self.bucket.pages(prefix)
        rows = [row for page in pages for row in _rows(page.objects, folder, metadata_key)]
        if not rows:
            copies = self._prefixes(f"{self.base}{article_id}.")
            rows = [row for copy in copies for row in self._digest(copy)]
        return rows

    def _prefixes(self, prefix: str) -> list[ArticleId]:
        """Article versions by their own prefixes, where `metadata/` has none."""
        return [
            ArticleId(*split_key(key))
            for page in self.bucket.pages(prefix, delimiter="/")
            for name in page.prefixes
            if (key := folder_key(name[len(self.base) :].removesuffix("/")))
        ]

    def _digest(self, article_id: ArticleId) -> Rows:
        """One article version by HEAD; no row where it does not exist."""
        number = article_key(*article_id)
        try:
            for key in self._metadata_keys(article_id):
                etag = self.bucket.etag(key)
                if etag is not None:
                    return [(number, _entry(etag_digest(etag), NO_TIME))]
        except Deferred:
            return [(number, _entry(UNREAD_DIGEST, NO_TIME))]
        return []

    def _scan(self, pool: Executor) -> Listed:
        """The whole of `metadata/`, or of the copies beside the XML where it holds nothing.

        The copies are listed with all that lies beside them: a page of those tells as much as a
        hundred requests for one copy each.
        """
        found = self._shared_out(pool, f"{self.base}metadata/", metadata_key)
        if not len(found[0]):
            found = self._shared_out(pool, self.base, copy_key)
        return found

    def _shared_out(self, pool: Executor, folder: str, key_of: KeyOf) -> Listed:
        """What is listed below a folder, by threads that share it by the first digits of the PMCID."""
        parts: list[Listed] = []
        running = {pool.submit(self._branch, folder, key_of, (f"{folder}PMC", "", 0))}
        try:
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for branch in done:
                    part, children = branch.result()
                    parts.append(part)
                    running |= {pool.submit(self._branch, folder, key_of, child) for child in children}
        finally:
            for branch in running:
                branch.cancel()
        return _merged(parts)

    def _branch(self, folder: str, key_of: KeyOf, branch: Branch) -> tuple[Listed, list[Branch]]:
        """What is listed of a prefix, and the narrower prefixes that hold the rest."""
        prefix, after, digits = branch
        parts = []
        for page in self.bucket.pages(prefix, after=after):
            parts.append(_joined(_rows(page.objects, folder, key_of)))
            if page.truncated and page.objects and digits < _SHARED_DIGITS:
                return _merged(parts), list(_shares(prefix, page.objects[-1][0], digits + 1))
        return _merged(parts), []


def etag_digest(etag: str) -> bytes:
    """The input digest that an ETag stands for, 16 bytes.

    32 hex digits are the MD5 of the metadata, what a folder's digest is (design §5.4). Another form,
    of a multipart upload for one, stands for the digest of its text; none at all for UNREAD_DIGEST.
    """
    plain = _plain(etag)
    if _MD5.fullmatch(plain):
        return bytes.fromhex(plain)
    return bytes.fromhex(md5_hex(plain.encode())) if plain else UNREAD_DIGEST


def _plain(etag: str) -> str:
    """Without quotes, which a listing may leave out, and without the mark of a weak ETag."""
    return etag.strip().removeprefix("W/").strip('"')


def _entry(digest: bytes, time: int) -> bytes:
    return digest + struct.pack("<q", time)


def _rows(objects: Iterable[tuple[str, str, int]], folder: str, key_of: KeyOf) -> Rows:
    return [
        (key, _entry(etag_digest(etag), time))
        for name, etag, time in objects
        if (key := key_of(name[len(folder) :])) is not None
    ]


def _shares(prefix: str, last: str, digits: int) -> Iterator[Branch]:
    """The prefixes one character longer, as far as they may hold keys behind `last`."""
    for character in ".0123456789":
        longer = prefix + character
        held = _SHARED_DIGITS if character == "." else digits  # one article is not shared out
        if last.startswith(longer):
            yield longer, last, held
        elif longer > last:
            yield longer, "", held


def _joined(rows: Rows) -> Listed:
    keys = np.fromiter((key for key, _ in rows), np.int64, len(rows))
    return keys, np.frombuffer(b"".join(entry for _, entry in rows), ENTRY)


def _merged(parts: Sequence[Listed]) -> Listed:
    """Sorted by key, each once."""
    parts = [_joined([]), *parts]
    keys, order = np.unique(np.concatenate([keys for keys, _ in parts]), return_index=True)
    return keys, np.concatenate([entries for _, entries in parts])[order]


def _split(uri: str) -> tuple[str, str]:
    """(bucket, prefix without slashes at its ends). The URI is not repeated: it may hold a key."""
    found = _URI.fullmatch(uri)
    prefix = (found[2] or "").strip("/") if found else ""
    if found is None or {"", ".", ".."} & set(prefix.split("/") if prefix else ()):
        raise SourceError(
            "the source is no bucket: write s3://bucket or s3://bucket/prefix, and give credentials "
            "through fetch.profile or the AWS environment"
        )
    return found[1], prefix
