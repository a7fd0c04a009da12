"""Snapshots of what a source had, `snapshots/<time>.parquet`, and the difference of two.

A snapshot is one file that is made once and never changed, so that it is there wholly or not at
all. It stands beside the tables, and no version of the dataset speaks of it.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.catalogue import CHANGES, SNAPSHOT
from biomedica.errors import ConfigError, StoreError
from biomedica.ids import article_key, split_key
from biomedica.sources.inventory import snapshot_time
from biomedica.sources.protocol import LISTING
from biomedica.store.storage import Storage, fault

__all__ = [
    "GONE_AT_LEAST",
    "Snapshot",
    "check_complete",
    "difference",
    "find_snapshot",
    "newest_snapshot",
    "open_snapshot",
    "snapshot_names",
    "write_snapshot",
]

FOLDER = "snapshots"
GONE_AT_LEAST = 100
"""So many article versions may be gone at once whatever the share."""
INFO = b"biomedica.snapshot"
ROW_GROUP = 1 << 18

_EPOCH = -(1 << 63)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that lies in a dataset.

    name: its time, 2026-09-01T01-00-00Z. info: where it comes from (`kind` inventory or listing,
    `source`, `manifest_sha256`, `taken`…).
    """

    storage: Storage
    name: str
    rows: int
    info: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Its path below the dataset's root."""
        return _path(self.name)

    @property
    def time(self) -> datetime.datetime:
        """When the source was so."""
        found = snapshot_time(self.name)
        if found is None:
            raise StoreError(f"{self.storage.uri(self.path)} is not named by a time")
        return found

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows, sorted by (pmcid, version); memory holds a few row groups."""
        import pyarrow.parquet as pq

        with _opened(self.storage, self.name) as file:
            try:
                parquet = pq.ParquetFile(file)
                for number in range(parquet.num_row_groups):
                    group = parquet.read_row_group(number, use_threads=False)
                    yield from group.to_batches(max_chunksize=ROW_GROUP)
            except (pa.ArrowInvalid, OSError) as error:
                raise _broken(self.storage, self.name, error) from None

    def listing(self) -> pa.Table:
        """The rows as a LISTING, as a source would list them: 28 bytes each."""
        columns = ["pmcid", "version", "etag"]
        parts = [batch.select(columns).rename_columns(LISTING.names) for batch in self.batches()]
        return pa.Table.from_batches([part.cast(LISTING) for part in parts], LISTING)


def write_snapshot(
    storage: Storage, name: str, rows: Iterable[pa.RecordBatch], info: Mapping[str, Any]
) -> Snapshot:
    """Keep rows (SNAPSHOT, sorted, each id once) as the snapshot of this name.

    info: JSON values without secrets. One that is there already is left as it is and returned.
    Raises StoreError or Deferred from the storage.
    """
    import pyarrow.parquet as pq

    if storage.size(_path(name)) is not None:
        return open_snapshot(storage, name)
    sink = pa.BufferOutputStream()
    count = 0
    with pq.ParquetWriter(
        sink,
        SNAPSHOT,
        version="2.6",
        compression={field: "zstd" if field != "etag" else "none" for field in SNAPSHOT.names},
        use_dictionary=False,
        column_encoding={
            "pmcid": "DELTA_BINARY_PACKED",
            "version": "DELTA_BINARY_PACKED",
            "etag": "PLAIN",
            "last_modified": "DELTA_BINARY_PACKED",
        },
        write_statistics=["pmcid"],
    ) as writer:
        for batch in rows:
            writer.write_batch(batch, row_group_size=ROW_GROUP)
            count += batch.num_rows
        kept = {**info, "rows": count}
        writer.add_key_value_metadata({INFO.decode(): json.dumps(kept, sort_keys=True)})
    storage.put_new(_path(name), sink.getvalue())
    return Snapshot(storage, name, count, kept)


def open_snapshot(storage: Storage, name: str) -> Snapshot:
    """The snapshot of this name. Raises StoreError where it is missing or broken."""
    import pyarrow.parquet as pq

    with _opened(storage, name) as file:
        try:
            metadata = pq.ParquetFile(file).metadata
            info = json.loads((metadata.metadata or {})[INFO])
        except (pa.ArrowInvalid, OSError, KeyError, ValueError) as error:
            raise _broken(storage, name, error) from None
        return Snapshot(storage, name, metadata.num_rows, info)


def snapshot_names(storage: Storage) -> list[str]:
    """The names of all snapshots, the oldest first."""
    names = (path.rpartition("/")[2].removesuffix(".parquet") for path, _ in storage.list(FOLDER))
    return sorted(name for name in names if snapshot_time(name) is not None)


def newest_snapshot(storage: Storage) -> Snapshot | None:
    """The newest snapshot; None where there is none."""
    names = snapshot_names(storage)
    return open_snapshot(storage, names[-1]) if names else None


def find_snapshot(storage: Storage, text: str) -> Snapshot:
    """The snapshot that is meant by its name, or by a beginning of one: 2026-09-01.

    Of several that begin so, it is the last. Raises ConfigError where there is none.
    """
    names = snapshot_names(storage)
    meant = [name for name in names if text and name.startswith(text)]
    if not meant:
        known = ", ".join(names[-5:]) or "none: `biomedica snapshot` takes one"
        raise ConfigError(f"no snapshot {text[:40]!r} in {storage.root}; there are {known}")
    return open_snapshot(storage, meant[-1])


def check_complete(before: Snapshot, rows: int, gone: int, allowed_share: float, what: str) -> None:
    """Refuse to take article versions for withdrawn because of an inventory that lacks a part.

    PMC withdraws in rare cases: where more than `allowed_share` of the rows of the snapshot before
    are gone at once, and more than GONE_AT_LEAST, the source is taken for incomplete.
    rows: of what was read now. Raises StoreError.
    """
    if not rows or gone > max(GONE_AT_LEAST, allowed_share * before.rows):
        raise StoreError(
            f"{what} lacks {gone:,} of the {before.rows:,} article versions of the snapshot "
            f"{before.name}: it is taken for incomplete and nothing was changed; try again later, or "
            f"allow it by --set snapshot.max_gone_share={min(1.0, 1.01 * gone / before.rows):.3f}"
        )


def difference(
    before: Iterable[pa.RecordBatch], after: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """What is new, changed (another etag) and gone, as CHANGES, sorted by (pmcid, version).

    Both sides are SNAPSHOT, sorted, each id once, in batches of any size; a batch of each is held.
    Raises StoreError where a side is not in order.
    """
    old, new = _Cursor(before), _Cursor(after)
    while (bound := _bound(old, new)) is not None:
        batch = _compare(old.up_to(bound), new.up_to(bound))
        if batch.num_rows:
            yield batch


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows: keys, etags as two 64-bit halves, times in ms (`_EPOCH`: none)."""

    keys: npt.NDArray[np.int64]
    etags: npt.NDArray[np.uint64]
    times: npt.NDArray[np.int64]

    def __getitem__(self, rows: Any) -> _Part:
        return _Part(self.keys[rows], self.etags[rows], self.times[rows])

    def __len__(self) -> int:
        return len(self.keys)


class _Cursor:
    """One side of a comparison, taken in pieces."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = iter(batches)
        self._last = -1
        self._part = _Part(np.empty(0, np.int64), np.empty((0, 2), np.uint64), np.empty(0, np.int64))

    @property
    def reach(self) -> int | None:
        """The last key that is at hand; None at the end."""
        while not len(self._part):
            batch = next(self._batches, None)
            if batch is None:
                return None
            self._part = self._taken(batch)
        return int(self._part.keys[-1])

    def up_to(self, bound: int) -> _Part:
        """The rows up to a key that is not beyond the reach."""
        stop = int(np.searchsorted(self._part.keys, bound, side="right"))
        found, self._part = self._part[:stop], self._part[stop:]
        return found

    def _taken(self, batch: pa.RecordBatch) -> _Part:
        keys = article_key(
            batch.column("pmcid").to_numpy(), batch.column("version").to_numpy().astype(np.int64)
        )
        if len(keys) and (keys[0] <= self._last or not np.all(keys[1:] > keys[:-1])):
            raise StoreError("a snapshot is not in order of its ids: take it again")
        self._last = int(keys[-1]) if len(keys) else self._last
        etags = batch.column("etag")
        halves = np.frombuffer(etags.buffers()[1], np.uint64, 2 * len(keys), 16 * etags.offset)
        times = batch.column("last_modified").cast(pa.int64()).fill_null(_EPOCH)
        return _Part(keys, halves.reshape(-1, 2), times.to_numpy())


def _bound(old: _Cursor, new: _Cursor) -> int | None:
    """The key up to which both sides are at hand; None at the end of both."""
    reaches = [reach for reach in (old.reach, new.reach) if reach is not None]
    return min(reaches, default=None)


def _compare(old: _Part, new: _Part) -> pa.RecordBatch:
    at = np.searchsorted(old.keys, new.keys)
    at[at == len(old)] = 0
    known = old.keys[at] == new.keys if len(old) else np.zeros(len(new), bool)
    changed = known.copy()
    changed[known] = (old.etags[at[known]] != new.etags[known]).any(axis=1)
    kept = np.zeros(len(old), bool)
    kept[at[known]] = True
    parts = (("new", new[~known]), ("changed", new[changed]), ("gone", old[~kept]))
    keys = np.concatenate([part.keys for _, part in parts])
    order = np.argsort(keys)
    words = np.repeat(np.arange(3, dtype=np.int8), [len(part) for _, part in parts])[order]
    pmcids, versions = split_key(keys[order])
    etags = np.concatenate([part.etags for _, part in parts])[order]
    times = np.concatenate([part.times for _, part in parts])[order]
    kind = SNAPSHOT.field("last_modified").type
    columns = [
        pa.array(pmcids, pa.int64()),
        pa.array(versions.astype(np.int32), pa.int32()),
        pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(16), len(keys), [None, pa.py_buffer(np.ascontiguousarray(etags))]
        ),
        pa.array(times, pa.int64(), mask=times == _EPOCH).cast(kind),
        pa.array([word for word, _ in parts]).take(pa.array(words)),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=CHANGES)


def _path(name: str) -> str:
    return f"{FOLDER}/{name}.parquet"


def _opened(storage: Storage, name: str) -> Any:
    filesystem, base = storage.arrow_filesystem()
    try:
        return filesystem.open_input_file(f"{base}/{_path(name)}")
    except FileNotFoundError:
        raise StoreError(
            f"there is no snapshot {name} in {storage.root}: `biomedica snapshot` takes one"
        ) from None
    except OSError as error:
        raise fault(error, "read", storage.uri(_path(name))) from None


def _broken(storage: Storage, name: str, error: Exception) -> Exception:
    where = storage.uri(_path(name))
    if isinstance(error, OSError) and not isinstance(error, pa.ArrowInvalid):
        return fault(error, "read", where)
    return StoreError(f"{where} is no snapshot that can be read: remove it, and take another")
