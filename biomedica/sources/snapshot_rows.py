"""The rows of a snapshot in compact arrays: 32 bytes an article version, and 4 for their order.

Ten million take 360 MB, which is why they are neither an Arrow table nor sorted in one piece.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.catalogue import SNAPSHOT
from biomedica.ids import article_key, split_key
from biomedica.sources.keys import NO_TIME, Keys

__all__ = ["RowGatherer", "SnapshotRows", "rows_of_listing", "snapshot_batch"]

BATCH = 1 << 18

Digests = npt.NDArray[np.uint8]
"""(n, 16): the bytes of input digests"""


@dataclass(frozen=True, slots=True)
class SnapshotRows:
    """Article versions, each once; `batches` gives them sorted by (pmcid, version).

    duplicates: rows that were left out because a later one of the same id was there.
    """

    keys: Keys
    digests: Digests
    times: Keys
    order: npt.NDArray[np.int32]
    duplicates: int

    def __len__(self) -> int:
        return len(self.order)

    def batches(self, size: int = BATCH) -> Iterator[pa.RecordBatch]:
        """The rows in order, as SNAPSHOT."""
        for start in range(0, len(self.order), size):
            rows = self.order[start : start + size]
            yield snapshot_batch(self.keys[rows], self.digests[rows], self.times[rows])


def snapshot_batch(keys: Keys, digests: Digests, times: Keys) -> pa.RecordBatch:
    """Rows in this order as SNAPSHOT."""
    pmcids, versions = split_key(keys)
    buffer = pa.py_buffer(np.ascontiguousarray(digests))
    columns = [
        pa.array(pmcids, pa.int64()),
        pa.array(versions.astype(np.int32), pa.int32()),
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(keys), [None, buffer]),
        pa.array(times, pa.int64(), mask=times == NO_TIME).cast(SNAPSHOT.field("last_modified").type),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SNAPSHOT)


class RowGatherer:
    """Takes rows in any order, ids twice or more often, and gives them as SnapshotRows."""

    def __init__(self) -> None:
        self._parts: list[tuple[Keys, Digests, Keys]] = []

    def add(self, keys: Keys, digests: Digests, times: Keys) -> None:
        """Rows: `ids.article_key`, digests (n, 16), ms since 1970 or NO_TIME."""
        if len(keys):
            self._parts.append((keys, digests, times))

    def take(self) -> SnapshotRows:
        """All rows; this one is empty afterwards."""
        count = sum(len(keys) for keys, _, _ in self._parts)
        keys, times = np.empty(count, np.int64), np.empty(count, np.int64)
        digests = np.empty((count, 16), np.uint8)
        start = 0
        self._parts.reverse()
        while self._parts:  # a part is let go as soon as it is copied: pages are taken as written
            part = self._parts.pop()
            stop = start + len(part[0])
            keys[start:stop], digests[start:stop], times[start:stop] = part
            start = stop
        return _in_order(keys, digests, times)


def rows_of_listing(listing: pa.Table, times: Keys) -> SnapshotRows:
    """A LISTING, sorted and each id once, with the times of its rows."""
    gatherer = RowGatherer()
    flat = listing["input_digest"].combine_chunks()
    if listing.num_rows:
        digests = np.frombuffer(flat.buffers()[1], np.uint8, 16 * len(flat), 16 * flat.offset)
        versions = listing["version"].to_numpy().astype(np.int64)
        keys = article_key(listing["pmcid"].to_numpy(), versions)
        gatherer.add(keys, digests.reshape(-1, 16), times)
    return gatherer.take()


def _in_order(keys: Keys, digests: Digests, times: Keys) -> SnapshotRows:
    if np.all(keys[1:] > keys[:-1]):
        order = np.arange(len(keys), dtype=np.int32)
        return SnapshotRows(keys, digests, times, order, 0)
    order = np.argsort(keys, kind="stable").astype(np.int32)
    following = keys[order]
    last = np.ones(len(order), bool)
    np.not_equal(following[1:], following[:-1], out=last[:-1])
    del following
    if not last.all():
        _put_latest_last(keys, digests, times, order, last)
        order = order[last]
    return SnapshotRows(keys, digests, times, order, len(keys) - len(order))


def _put_latest_last(
    keys: Keys,
    digests: Digests,
    times: Keys,
    order: npt.NDArray[np.int32],
    last: npt.NDArray[np.bool_],
) -> None:
    """Among rows of one id the latest comes last; of equally late ones the greatest digest.

    `last` says of each row of the order whether it is the last of its id.
    """
    several = ~last
    several[1:] |= ~last[:-1]
    at = np.flatnonzero(several)
    rows = order[at]
    halves = np.ascontiguousarray(digests[rows]).view(">u8")
    order[at] = rows[np.lexsort((halves[:, 1], halves[:, 0], times[rows], keys[rows]))]
