"""Which article ids meet a condition on their metadata, by the table `metadata` of a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from biomedica.archive import Archive
from biomedica.ids import ArticleId, split_key
from biomedica.reporting.choice import VersionPolicy, chosen_versions, sampled
from biomedica.store import Dataset, Storage, listing_keys
from biomedica.store.done import keys_of_ids
from biomedica.store.metadata_work import metadata_work
from biomedica.store.snapshots import find_snapshot, newest_snapshot

__all__ = ["StoredSelection", "select_stored_ids"]

ROWS = 1 << 16
PRINTED = 1024

Keys = npt.NDArray[np.int64]


@dataclass
class StoredSelection:
    """Article ids in numeric order; iterating gives lists of them.

    listed: rows of `metadata` that the condition was put to, wrong ones (`rejected`) aside.
    unread: article versions of the newest snapshot that have no metadata of their state yet.
    """

    keys: Keys = field(repr=False)
    versions: VersionPolicy
    version: int
    """of the dataset"""
    since: str | None
    """the snapshot after which they are new or changed"""
    snapshot: str | None
    """the newest one"""
    listed: int
    rejected: int
    unread: int
    found: int = 0
    deferred: int = 0
    waiting: tuple[tuple[str, str], ...] = ()

    def __iter__(self) -> Iterator[list[str]]:
        self.found = len(self.keys)
        for start in range(0, len(self.keys), PRINTED):
            pmcids, versions = split_key(self.keys[start : start + PRINTED])
            yield list(map(str, map(ArticleId, pmcids.tolist(), versions.tolist())))

    def to_dict(self) -> dict[str, Any]:
        """The counts, by the names of a run's report, and what the ids were chosen from."""
        return {
            "versions": self.versions,
            "dataset_version": self.version,
            "snapshot": self.snapshot,
            "since": self.since,
            "articles_listed": self.listed,
            "articles_found": self.found,
            "articles_rejected": self.rejected,
            "articles_deferred": self.deferred,
            "articles_unread": self.unread,
        }


def select_stored_ids(
    archive: Archive,
    dataset: Dataset,
    where: str | None = None,
    *,
    versions: VersionPolicy = "all",
    since: str | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> StoredSelection:
    """The article ids of a dataset's `metadata` that meet a condition.

    archive and dataset: of one version. where: a DuckDB condition over `catalogue.METADATA`. versions:
    which version of each article the condition is put to. since: the name of a snapshot, or a
    beginning of it; only what is new or changed since. sample: so many of those that are left, by a
    hash of seed and id. Memory holds some 20 bytes an article version, 50 with `since`.
    Raises ConfigError for what is wrong in these, StoreError or Deferred from the storage.
    """
    selection = archive.metadata(["article_id", "reject_reason"], where)
    earlier = find_snapshot(dataset.storage, since) if since is not None else None
    keys = _keys(selection.to_batches(ROWS))
    if versions != "all":
        everything, manuscript = _flags(archive)
        taken = everything[chosen_versions(everything, manuscript, versions)]
        keys = np.intersect1d(keys, taken, assume_unique=True)
    if earlier is not None:
        listing = earlier.listing()
        same = listing_keys(listing)[~metadata_work(dataset, listing).todo]
        keys = np.setdiff1d(keys, same, assume_unique=True)
    rejected = archive.metadata(["article_id"], "reject_reason IS NOT NULL").count()
    newest, unread = _unread(dataset.storage, dataset)
    return StoredSelection(
        sampled(keys, sample, seed),
        versions,
        archive.version,
        earlier.name if earlier else None,
        newest,
        dataset.count("metadata") - rejected,
        rejected,
        unread,
    )


def _keys(batches: Iterator[Any]) -> Keys:
    parts: list[Keys] = [np.empty(0, np.int64)]
    for batch in batches:
        right = batch.filter(pc.is_null(batch.column("reject_reason")))
        parts.append(keys_of_ids(right.column("article_id")))
    return np.concatenate(parts)


def _flags(archive: Archive) -> tuple[Keys, npt.NDArray[np.bool_]]:
    """Every key with sound metadata, sorted, and whether it is an author manuscript."""
    keys: list[Keys] = [np.empty(0, np.int64)]
    flags: list[npt.NDArray[np.bool_]] = [np.empty(0, bool)]
    columns = ["article_id", "is_manuscript"]
    for batch in archive.metadata(columns, "reject_reason IS NULL").to_batches(ROWS):
        keys.append(keys_of_ids(batch.column("article_id")))
        column = pc.fill_null(batch.column("is_manuscript"), False)
        flags.append(column.to_numpy(zero_copy_only=False))
    joined = np.concatenate(keys)
    order = np.argsort(joined)
    return joined[order], np.concatenate(flags)[order]


def _unread(storage: Storage, dataset: Dataset) -> tuple[str | None, int]:
    newest = newest_snapshot(storage)
    if newest is None:
        return None, 0
    return newest.name, int(metadata_work(dataset, newest.listing()).todo.sum())
