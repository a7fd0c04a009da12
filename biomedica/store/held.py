"""What a dataset holds against what a source lists: new, changed, gone. Pure but for the reading.

Articles are held as live rows of `articles` or as article-level rejects. Ids are integers and
digests 16 bytes, as in `done`: ten million of each fit into 280 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.ids import split_key
from biomedica.sources.keys import digests_of_hex
from biomedica.sources.protocol import LISTING
from biomedica.store.dataset import Dataset
from biomedica.store.done import article_level, keys_of_ids, listing_keys, live_parts

__all__ = ["Difference", "Held", "difference", "held_articles"]

Keys = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_ROWS_A_STEP = 1 << 20


@dataclass(frozen=True, slots=True)
class Held:
    """The articles of a dataset, sorted by key, each once.

    keys: int64 (n,), `ids.article_key`; version 0 for an id that the source did not know. digests:
    uint64 (2, n), halves of the input digest, zeros where there was none. builds: int32 (n,),
    places of the build digests in `names`.
    """

    keys: Keys
    digests: npt.NDArray[np.uint64]
    builds: npt.NDArray[np.int32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.keys)

    def listing(self, without: Keys) -> pa.Table:
        """What is held as LISTING, some articles left out."""
        kept = ~np.isin(self.keys, without, assume_unique=True)
        pmcids, versions = split_key(self.keys[kept])
        digests = pa.py_buffer(np.ascontiguousarray(self.digests[:, kept].T))
        columns = [
            pa.array(pmcids, pa.int64()),
            pa.array(versions.astype(np.int32), pa.int32()),
            pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(pmcids), [None, digests]),
        ]
        return pa.Table.from_arrays(columns, schema=LISTING)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done. The masks are over the rows of the listing, and no two hold one row.

    new: not held. changed: held with another input digest. unlisted: held, and asked for by name,
    and the source has it no more. rebuilt: held as listed, built with other settings or by another
    parser. gone: keys that are held and not wanted any more.
    """

    new: Mask
    changed: Mask
    unlisted: Mask
    rebuilt: Mask
    gone: Keys

    @property
    def to_build(self) -> Mask:
        return self.new | self.changed | self.unlisted | self.rebuilt

    @property
    def counts(self) -> dict[str, int]:
        """Articles by kind."""
        new, changed, rebuilt = (int(mask.sum()) for mask in (self.new, self.changed, self.rebuilt))
        return {"new": new, "changed": changed, "gone": self.lost, "rebuilt": rebuilt}

    @property
    def lost(self) -> int:
        """Articles that the source has no more, or that are not selected any more."""
        return int(self.unlisted.sum()) + len(self.gone)


def held_articles(dataset: Dataset) -> Held:
    """Everything that a dataset holds. Raises StoreError or Deferred where it cannot be read."""
    rejected = list(live_parts(dataset, "rejects", _part))
    room = sum(rows for _, _, rows in dataset.files("articles"))
    room += sum(len(part.keys) for part in rejected)
    # filled in place: lists of parts and their joins would double the peak
    keys, builds = np.empty(room, np.int64), np.empty(room, np.int32)
    digests = np.empty((2, room), np.uint64)
    names: dict[str, int] = {}
    count = 0
    for part in chain(live_parts(dataset, "articles", _part), rejected):
        stop = count + len(part.keys)
        code = [names.setdefault(name, len(names)) for name in part.names]
        keys[count:stop], digests[:, count:stop] = part.keys, part.digests.T
        builds[count:stop] = np.array(code, np.int32)[part.builds]
        count = stop
    del rejected
    keys, digests, builds = keys[:count], digests[:, :count], builds[:count]
    if np.any(keys[1:] < keys[:-1]):
        order = np.argsort(keys, kind="stable")
        for column in (keys, *digests, builds):
            column[:] = column[order]
    twice = np.flatnonzero(keys[1:] == keys[:-1]) + 1
    if len(twice):
        keys, builds = np.delete(keys, twice), np.delete(builds, twice)
        digests = np.delete(digests, twice, axis=1)
    return Held(keys, digests, builds, tuple(names))


class _Part(NamedTuple):
    """Some files' articles. digests: uint64 (n, 2); builds: places in `names`."""

    keys: Keys
    digests: npt.NDArray[np.uint64]
    builds: npt.NDArray[np.int32]
    names: list[str]


def _part(table: str, rows: pa.Table) -> _Part:
    whole = article_level(table, rows)
    read, _ = digests_of_hex(whole["input_digest"].combine_chunks())
    coded = whole["build_digest"].combine_chunks().dictionary_encode()
    return _Part(
        keys_of_ids(whole["article_id"]),
        np.ascontiguousarray(read).view(np.uint64),
        coded.indices.to_numpy(),
        coded.dictionary.to_pylist(),
    )


def difference(held: Held, wanted: pa.Table, build_digest: str) -> Difference:
    """What turns a dataset that holds `held` into one of the wanted articles.

    wanted: LISTING, sorted and each once; a digest of zeros is an id that the source does not list.
    """
    rows = wanted.num_rows
    new, other, same, current, listed = (np.zeros(rows, np.bool_) for _ in range(5))
    found = np.zeros(len(held), np.bool_)
    build = held.names.index(build_digest) if build_digest in held.names else -1
    for start in range(0, rows, _ROWS_A_STEP):
        part = wanted.slice(start, _ROWS_A_STEP)
        step = slice(start, start + part.num_rows)
        keys, digests = listing_keys(part), _halves(part["input_digest"])
        at = np.searchsorted(held.keys, keys)
        at[at == len(held)] = 0
        is_held = held.keys[at] == keys if len(held) else np.zeros(len(keys), np.bool_)
        place = at[is_held]
        found[place] = True
        equal = (held.digests[:, place] == digests[:, is_held]).all(axis=0)
        new[step] = ~is_held
        same[step][is_held] = equal
        other[step][is_held] = ~equal
        current[step][is_held] = held.builds[place] == build
        listed[step] = digests.any(axis=0)
    return Difference(
        new=new,
        changed=other & listed,
        unlisted=other & ~listed,
        rebuilt=same & ~current,
        gone=_gone(held.keys[~found], wanted),
    )


def _halves(digests: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    """binary(16), none null → uint64 (2, n)."""
    array = pa.concat_arrays(digests.chunks) if digests.num_chunks else pa.array([], digests.type)
    flat = np.frombuffer(array.buffers()[1] or b"", np.uint64, 2 * len(array), 16 * array.offset)
    return np.ascontiguousarray(flat.reshape(-1, 2).T)


def _gone(gone: Keys, wanted: pa.Table) -> Keys:
    """Of the keys that are held and not wanted, an id without version that has one by now is replaced
    by that one's build, and is not gone."""
    pmcids, versions = split_key(gone)
    bare = np.flatnonzero(versions == 0)
    if not len(bare):
        return gone
    replaced = np.isin(pmcids[bare], wanted["pmcid"].to_numpy())
    return np.delete(gone, bare[replaced])
