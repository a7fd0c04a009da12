"""The inventory reports beside the articles: dated folders, small files, large ones as streams.

`inventory-reports/pmc-oa-opendata/metadata/<date>/manifest.json`, and the data files that it names
by keys from the root on (pmc_cloud.md §1).
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from biomedica.errors import Deferred, Rejected, SourceError
from biomedica.sources.bucket import Bucket
from biomedica.sources.directory import DirectorySource
from biomedica.sources.files import lies_inside, read_blocks, read_file
from biomedica.sources.pmc_cloud import PmcCloudSource
from biomedica.sources.protocol import Source

__all__ = ["INVENTORY", "BucketReports", "FolderReports", "Reports", "reports_of"]

INVENTORY = "inventory-reports/pmc-oa-opendata/metadata"
BLOCK = 8 << 20
"""bytes a read of a data file"""

_UNSAFE = re.compile(r"\\|[\x00-\x1f]|(?:^|/)\.{0,2}(?:/|$)")


class Reports(Protocol):
    """How the files of reports are had from one kind of place."""

    @property
    def base(self) -> str:
        """What the keys of articles may begin with: the prefix of the source, or nothing."""

    def folders(self) -> list[str]:
        """The names of what lies below INVENTORY. Raises SourceError."""

    def read(self, key: str, limit: int) -> bytes | None:
        """A small file; None where there is none. Raises Rejected("too_large") or Deferred."""

    def blocks(self, key: str, size: int) -> Iterator[bytes] | None:
        """A file of `size` bytes by blocks, fewer where it is shorter; None where there is none.

        Raises Deferred, also while blocks are taken.
        """


def reports_of(source: Source) -> Reports | None:
    """The reports of a source; None for a kind of source that has none."""
    if isinstance(source, PmcCloudSource):
        return BucketReports(source.bucket, source.base)
    if isinstance(source, DirectorySource):
        return FolderReports(source.root)
    return None


@dataclass(frozen=True, slots=True)
class BucketReports:
    """Reports in a bucket; a mirror under a prefix keeps them below the prefix."""

    bucket: Bucket
    base: str

    def folders(self) -> list[str]:
        """See `Reports`."""
        prefix = f"{self.base}{INVENTORY}/"
        pages = self.bucket.pages(prefix, delimiter="/")
        return [name[len(prefix) :].rstrip("/") for page in pages for name in page.prefixes]

    def read(self, key: str, limit: int) -> bytes | None:
        """See `Reports`."""
        found = self.bucket.get(self._full(key), limit)
        return found[0] if found else None

    def blocks(self, key: str, size: int) -> Iterator[bytes] | None:
        """See `Reports`. The next block is read while one is worked on."""
        full = self._full(key)
        if self.bucket.etag(full) is None:
            return None
        return self._ahead(full, size)

    def _ahead(self, key: str, size: int) -> Iterator[bytes]:
        with ThreadPoolExecutor(1) as pool:
            coming = pool.submit(self.bucket.get_range, key, 0, min(BLOCK, size)) if size else None
            start = BLOCK
            while coming is not None:
                block = coming.result()
                coming = None
                if block is None:
                    raise Deferred(f"s3://{self.bucket.name}/{key} was removed while it was read")
                if start < size:
                    length = min(BLOCK, size - start)
                    coming = pool.submit(self.bucket.get_range, key, start, length)
                    start += BLOCK
                yield block

    def _full(self, key: str) -> str:
        return key if key.startswith(self.base) else self.base + key


@dataclass(frozen=True, slots=True)
class FolderReports:
    """Reports in a folder. Nothing outside of it is read."""

    root: str
    base: str = ""

    def folders(self) -> list[str]:
        """See `Reports`."""
        place = os.path.join(self.root, INVENTORY)
        if not lies_inside(self.root, place):
            return []
        try:
            with os.scandir(place) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise SourceError(
                f"cannot list {place} ({error.strerror}): check that the folder is mounted and readable"
            ) from None

    def read(self, key: str, limit: int) -> bytes | None:
        """See `Reports`."""
        path = self._path(key)
        return None if path is None else read_file(self.root, path, limit)

    def blocks(self, key: str, size: int) -> Iterator[bytes] | None:
        """See `Reports`."""
        path = self._path(key)
        return None if path is None else read_blocks(self.root, path, BLOCK)

    def _path(self, key: str) -> str | None:
        """Raises Rejected for a key that leads out of the folder."""
        if _UNSAFE.search(key):
            raise Rejected("invalid_key", f"{key[:200]!a} is no path below the root")
        path = os.path.join(self.root, *key.split("/"))
        return path if lies_inside(self.root, path) else None
