"""What the table `metadata` lacks of a snapshot, what in it is stale, and what is gone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from biomedica.schema import SUPERSEDED
from biomedica.sources.keys import UNREAD_DIGEST, digests_of_hex
from biomedica.store.dataset import Dataset
from biomedica.store.done import CurrentShards, Keys, keys_of_ids, listing_keys, live_parts

__all__ = ["MetadataWork", "metadata_work"]


@dataclass(frozen=True, slots=True)
class MetadataWork:
    """todo: which rows of the snapshot are to be read. replaces: the shard of the row that stands now,
    of each that is stale. gone: rows of `superseded` for what the snapshot has no more."""

    todo: npt.NDArray[np.bool_]
    replaces: CurrentShards
    gone: pa.Table

    @property
    def is_empty(self) -> bool:
        return not (self.todo.any() or self.gone.num_rows)


def metadata_work(dataset: Dataset | None, listing: pa.Table) -> MetadataWork:
    """Compare the live rows of `metadata` with a snapshot (LISTING, sorted, each id once).

    A row is done where its digest, or the one that it was listed with, is the snapshot's: the source
    may have changed between its listing and the reading. Raises StoreError or Deferred.
    """
    keys = listing_keys(listing)
    digests = _halves(listing["input_digest"].combine_chunks())
    todo = np.ones(len(keys), bool)
    stale = _Named()
    gone: list[pa.Table] = []

    def compare(_table: str, rows: pa.Table) -> tuple[Keys, Keys, pa.Array, pa.Table]:
        """Positions that are done; keys that are stale and their shards; rows that are gone."""
        held = keys_of_ids(rows["article_id"])
        at = np.searchsorted(keys, held)
        at[at == len(keys)] = 0
        known = keys[at] == held if len(keys) else np.zeros(len(held), bool)
        same = np.zeros(len(held), bool)
        for column in ("input_digest", "listed_digest"):
            mine, _ = digests_of_hex(rows[column].combine_chunks())
            halves = np.ascontiguousarray(mine).view(np.uint64)
            same[known] |= (halves[known] == digests[at[known]]).all(axis=1)
        old = known & ~same
        left = rows.filter(pa.array(~known)).select(["article_id", "shard"])
        return at[same], held[old], rows["shard"].filter(pa.array(old)).combine_chunks(), left

    if dataset is not None and "metadata" in dataset.tables:
        for done, old, shards, left in live_parts(dataset, "metadata", compare):
            todo[done] = False
            stale.add(old, shards)
            gone.append(left)
    unread = (digests == np.frombuffer(UNREAD_DIGEST, np.uint64)).all(axis=1)
    todo |= unread  # nobody knows what they are now
    return MetadataWork(todo, stale.shards(), _superseded(gone))


class _Named:
    """Keys and shards, gathered."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}
        self._keys: list[Keys] = [np.empty(0, np.int64)]
        self._codes: list[npt.NDArray[np.int32]] = [np.empty(0, np.int32)]

    def add(self, keys: Keys, shards: pa.Array) -> None:
        if len(keys):
            coded = shards.dictionary_encode()
            names = [
                self._names.setdefault(name, len(self._names)) for name in coded.dictionary.to_pylist()
            ]
            self._keys.append(keys)
            self._codes.append(np.array(names, np.int32)[coded.indices.to_numpy()])

    def shards(self) -> CurrentShards:
        return CurrentShards(np.concatenate(self._keys), np.concatenate(self._codes), list(self._names))


def _halves(digests: pa.Array) -> npt.NDArray[np.uint64]:
    """binary(16) → uint64 (n, 2)."""
    if not len(digests):
        return np.empty((0, 2), np.uint64)
    return np.frombuffer(
        digests.buffers()[1], np.uint64, 2 * len(digests), 16 * digests.offset
    ).reshape(-1, 2)


def _superseded(parts: list[pa.Table]) -> pa.Table:
    if not any(part.num_rows for part in parts):
        return SUPERSEDED.empty_table()
    rows = pa.concat_tables(parts).combine_chunks()
    return rows.take(pc.sort_indices(rows, [("article_id", "ascending")])).cast(SUPERSEDED)
