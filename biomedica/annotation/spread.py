"""How far the images of each cluster lie from its centroid: median and MAD, by mergeable counts.

Distances are counted in bins whose borders grow by 2 %, so that a quantile is right within 1 %
(Masson, Rim, Lee 2019. DDSketch. PVLDB 12, 2195-2205). Counts are integers: whichever way the images
are cut into batches, the sum is the same, and so are median and MAD.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

__all__ = ["BIN_COUNTS", "SPREADS", "cluster_spreads", "count_distances", "merge_counts"]

if TYPE_CHECKING:
    Floats = npt.NDArray[np.float64]
else:
    Floats = np.ndarray

BIN_COUNTS = pa.schema(
    [pa.field("cluster_id", pa.int32()), pa.field("bin", pa.int32()), pa.field("count", pa.int64())]
)
"""Counts of distances, sorted by cluster and bin; some hundred rows a cluster at most."""

SPREADS = pa.schema(
    [
        pa.field("cluster_id", pa.int32()),
        pa.field("size", pa.int64()),
        pa.field("median", pa.float64()),
        pa.field("mad", pa.float64()),
    ]
)
"""Images, median distance and median absolute deviation from it, one row a cluster, sorted."""

_GROWTH = 1.02
_SMALLEST, _LARGEST = 1e-9, 1e12
_LOG = float(np.log(_GROWTH))
_BIN_BITS, _BIN_ZERO = 12, 2048  # bins run from -1048 to 1396


def count_distances(batch: pa.RecordBatch | pa.Table) -> pa.Table:
    """Counts of a batch with columns cluster_id and distance, as BIN_COUNTS."""
    distances = np.nan_to_num(np.asarray(batch.column("distance"), np.float64), nan=_LARGEST)
    inside = np.clip(distances, _SMALLEST, _LARGEST)
    bins = np.where(distances <= _SMALLEST, _bin(_SMALLEST) - 1, np.ceil(np.log(inside) / _LOG))
    return _summed([np.asarray(batch.column("cluster_id")), bins, np.ones(len(bins))])


def merge_counts(parts: Iterable[pa.Table]) -> pa.Table:
    """The sum of several BIN_COUNTS. Holds two of them at a time."""
    total = BIN_COUNTS.empty_table()
    for part in parts:
        both = pa.concat_tables([total, part])
        total = _summed([both[name].to_numpy() for name in BIN_COUNTS.names])
    return total


def _summed(columns: list[npt.NDArray[Any]]) -> pa.Table:
    """Counts by cluster and bin, sorted; the two are one key, whose lower bits are the bin."""
    clusters, bins, counts = (np.asarray(one).astype(np.int64) for one in columns)
    keys, of_key = np.unique((clusters << _BIN_BITS) + (bins + _BIN_ZERO), return_inverse=True)
    sums = np.zeros(len(keys), np.int64)
    np.add.at(sums, of_key, counts)
    arrays = [
        pa.array(keys >> _BIN_BITS, pa.int32()),
        pa.array((keys & ((1 << _BIN_BITS) - 1)) - _BIN_ZERO, pa.int32()),
        pa.array(sums),
    ]
    return pa.Table.from_arrays(arrays, schema=BIN_COUNTS)


def cluster_spreads(counts: pa.Table) -> pa.Table:
    """Size, median and MAD of each cluster, as SPREADS, of BIN_COUNTS."""
    clusters, bins, sums = (counts[name].to_numpy() for name in BIN_COUNTS.names)
    values = _value(bins)
    ids, starts = np.unique(clusters, return_index=True)
    stops = np.append(starts, len(bins))[1:]
    rows = []
    for cluster, start, stop in zip(ids, starts, stops, strict=True):
        own, weights = values[start:stop], sums[start:stop]
        median = _median(own, weights)
        rows.append((int(cluster), int(weights.sum()), median, _median(np.abs(own - median), weights)))
    return pa.Table.from_pylist(
        [dict(zip(SPREADS.names, row, strict=True)) for row in rows], schema=SPREADS
    )


def _bin(distance: float) -> int:
    return int(np.ceil(np.log(distance) / _LOG))


def _value(bins: npt.NDArray[np.int32]) -> Floats:
    """The middle of a bin, in the sense that both its borders are off by the same share."""
    middle = 2 * np.exp(bins * _LOG) / (1 + _GROWTH)
    found: Floats = np.where(bins < _bin(_SMALLEST), 0.0, middle)
    return found


def _median(values: Floats, weights: npt.NDArray[np.int64]) -> float:
    """The lower median of values that stand `weights` times each."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, (reached[-1] + 1) // 2)])
