"""What is done already, at the grain of an article, from the tables alone (promise 4).

Done = live rows of `articles` and article-level `rejects` with the wanted build digest and the
same input digest. Ids are integers and digests 16 bytes, so that ten million of each fit into
240 MB; files are read in threads and converted in whole columns.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.errors import StoreError
from biomedica.ids import article_key
from biomedica.sources.keys import digests_of_hex
from biomedica.store.dataset import Dataset, hidden_rows, hide
from biomedica.store.storage import fault

__all__ = [
    "CurrentShards",
    "Done",
    "article_level",
    "current_shards",
    "done_articles",
    "keys_of_ids",
    "listing_keys",
    "live_parts",
    "pending",
]

Keys = npt.NDArray[np.int64]
Digests = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]
Part = TypeVar("Part")

_FILES_A_TASK = 32
_ROWS_A_STEP = 1 << 20
_COLUMNS = {
    "articles": ("article_id", "input_digest", "build_digest", "shard"),
    "rejects": ("article_id", "item", "stage", "input_digest", "build_digest", "shard"),
    "metadata": ("article_id", "input_digest", "listed_digest", "shard"),
}


@dataclass(frozen=True, slots=True)
class Done:
    """Articles that need no work, sorted by key.

    keys: int64 (n,), `ids.article_key`. digests: uint64 (2, n), the 16 bytes of the input
    digest as they stand in memory, halves apart; zeros for an id that the source did not have.
    """

    keys: Keys
    digests: Digests

    def __len__(self) -> int:
        return len(self.keys)


class CurrentShards(Mapping[int, tuple[str, ...]]):
    """key → the shards that hold live rows of this article, sorted. Compact: arrays, no dict."""

    def __init__(self, keys: Keys, shards: npt.NDArray[np.int32], names: Sequence[str]) -> None:
        order = np.lexsort((shards, keys))
        self._keys, self._shards, self._names = keys[order], shards[order], names

    def __getitem__(self, key: int) -> tuple[str, ...]:
        start, stop = np.searchsorted(self._keys, [key, key + 1])
        if start == stop:
            raise KeyError(key)
        return tuple(sorted({self._names[shard] for shard in self._shards[start:stop]}))

    def __iter__(self) -> Iterator[int]:
        return (int(key) for key in np.unique(self._keys))

    def __len__(self) -> int:
        return len(np.unique(self._keys))


def listing_keys(listing: pa.Table) -> Keys:
    """The key of each row of a table with the columns pmcid and version."""
    pmcids: Keys = listing["pmcid"].to_numpy()
    return article_key(pmcids, listing["version"].to_numpy().astype(np.int64))


def done_articles(dataset: Dataset, build_digest: str) -> Done:
    """The articles that were written or rejected as a whole with this build digest.

    Raises StoreError or Deferred where the dataset cannot be read.
    """

    def compact(table: str, rows: pa.Table) -> tuple[Keys, Digests]:
        import pyarrow.compute as pc

        mine = article_level(table, rows.filter(pc.equal(rows["build_digest"], build_digest)))
        digests, good = _digests_of_hex(mine["input_digest"])
        return keys_of_ids(mine["article_id"])[good], digests[good]

    # filled in place: lists of parts and their joins would double the peak
    rejected = list(live_parts(dataset, "rejects", compact))
    room = sum(rows for _, _, rows in dataset.files("articles"))
    room += sum(len(part) for part, _ in rejected)
    keys, digests, count = np.empty(room, np.int64), np.empty((2, room), np.uint64), 0
    for part_keys, part_digests in chain(rejected, live_parts(dataset, "articles", compact)):
        stop = count + len(part_keys)
        keys[count:stop], digests[:, count:stop] = part_keys, part_digests.T
        count = stop
    del rejected
    keys, digests = keys[:count], digests[:, :count]
    if np.any(keys[1:] < keys[:-1]):
        order = np.argsort(keys, kind="stable")
        for column in (keys, *digests):
            column[:] = column[order]
    return Done(keys, digests)


def pending(requested: pa.Table, done: Done) -> Mask:
    """Which rows of a LISTING are not done: bool (rows,), True where there is work.

    Order and repetition of the rows do not matter.
    """
    todo = np.ones(requested.num_rows, np.bool_)
    if not len(done):
        return todo
    for start in range(0, requested.num_rows, _ROWS_A_STEP):
        part = requested.slice(start, _ROWS_A_STEP).combine_chunks()
        keys = listing_keys(part)
        wanted = _digests_of_binary(part["input_digest"])
        at = np.searchsorted(done.keys, keys)
        at[at == len(done.keys)] = 0
        same = (done.keys[at] == keys) & (done.digests[:, at] == wanted.T).all(axis=0)
        todo[start : start + len(keys)] = ~same
    return todo


def current_shards(dataset: Dataset, keys: Keys) -> CurrentShards:
    """The shards that hold live rows of these articles, whatever their build digest.

    Building such an article again makes those rows superseded. Raises StoreError or Deferred.
    """
    wanted = np.unique(keys)
    names: dict[str, int] = {}
    found_keys: list[Keys] = []
    found_shards: list[npt.NDArray[np.int32]] = []

    def select(table: str, rows: pa.Table) -> tuple[Keys, pa.ChunkedArray]:
        mine = article_level(table, rows)
        held = keys_of_ids(mine["article_id"])
        at = np.searchsorted(wanted, held)
        at[at == len(wanted)] = 0
        hit = wanted[at] == held
        return held[hit], mine["shard"].filter(pa.array(hit))

    for table in ("articles", "rejects") if len(wanted) else ():
        for held, shards in live_parts(dataset, table, select):
            if len(held):
                coded = shards.combine_chunks().dictionary_encode()
                code = [names.setdefault(name, len(names)) for name in coded.dictionary.to_pylist()]
                found_keys.append(held)
                found_shards.append(np.array(code, np.int32)[coded.indices.to_numpy()])
    nothing: list[Any] = [np.empty(0, np.int64)]
    return CurrentShards(
        np.concatenate(found_keys or nothing),
        np.concatenate(found_shards or nothing).astype(np.int32),
        list(names),
    )


def live_parts(
    dataset: Dataset, table: str, convert: Callable[[str, pa.Table], Part]
) -> Iterator[Part]:
    """`convert(table, live rows)` of a few files at a time, in the order of the files.

    table: articles, rejects or metadata; of its columns, those that say what is done.
    """
    filesystem, base = dataset.storage.arrow_filesystem()
    hidden = hidden_rows(dataset.superseded())
    paths = [f"{base}/{table}/{path}" for path, _, _ in dataset.files(table)]
    tasks = [paths[start : start + _FILES_A_TASK] for start in range(0, len(paths), _FILES_A_TASK)]

    def work(task: list[str]) -> Part:
        tables = [_read(filesystem, path, _COLUMNS[table]) for path in task]
        rows = pa.concat_tables(tables).combine_chunks()
        live = [hide(batch, table, hidden) for batch in rows.to_batches()]
        return convert(table, pa.Table.from_batches(live, rows.schema))

    # a remote store answers late but many at once
    threads = 2 * (os.cpu_count() or 1) if dataset.storage.is_local else 32
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Part]] = deque()
        try:
            for task in tasks:
                waiting.append(pool.submit(work, task))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _read(filesystem: Any, path: str, columns: Sequence[str]) -> pa.Table:
    import pyarrow.parquet as pq

    try:
        with filesystem.open_input_file(path) as file:
            return pq.ParquetFile(file).read(columns=list(columns), use_threads=False)
    except (FileNotFoundError, pa.ArrowInvalid):
        raise StoreError(
            f"{path} is missing or broken: run `biomedica verify` on this dataset"
        ) from None
    except OSError as error:
        raise fault(error, "read", path) from None


def article_level(table: str, rows: pa.Table) -> pa.Table:
    """Of rejects, those that stand for a whole article."""
    if table != "rejects":
        return rows
    import pyarrow.compute as pc

    whole = pc.is_in(rows["stage"], value_set=pa.array(["source", "parse"]))
    return rows.filter(pc.and_(whole, pc.equal(rows["item"], rows["article_id"])))


def keys_of_ids(ids: pa.Array | pa.ChunkedArray) -> Keys:
    """PMC<pmcid>.<version>, or PMC<pmcid> for version 0 → keys."""
    import pyarrow.compute as pc

    if not len(ids):
        return np.empty(0, np.int64)
    parts = pc.split_pattern(pc.utf8_slice_codeunits(_one_array(ids), 3), ".", max_splits=1)
    values = pc.cast(parts.flatten(), pa.int64()).to_numpy()
    starts = parts.offsets.to_numpy()
    starts = starts - starts[0]
    versioned = np.diff(starts) == 2
    versions = np.zeros(len(ids), np.int64)
    versions[versioned] = values[starts[:-1][versioned] + 1]
    return article_key(values[starts[:-1]], versions)


def _digests_of_hex(texts: pa.Array | pa.ChunkedArray) -> tuple[Digests, Mask]:
    """32 hex digits → uint64 (n, 2), "" → zeros; and which rows were one or the other."""
    import pyarrow.compute as pc

    texts = _one_array(texts)
    digests, good = digests_of_hex(texts)
    empty = pc.fill_null(pc.equal(pc.binary_length(texts), 0), False)
    packed = np.ascontiguousarray(digests).view(np.uint64)
    return packed, good | empty.to_numpy(zero_copy_only=False)


def _digests_of_binary(values: pa.ChunkedArray) -> Digests:
    """binary(16) → uint64 (n, 2); null → zeros."""
    import pyarrow.compute as pc

    array = _one_array(pc.fill_null(values, bytes(16)))
    flat = np.frombuffer(array.buffers()[1], np.uint8, 16 * len(array), 16 * array.offset)
    return flat.reshape(len(array), 16).view(np.uint64)


def _one_array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
