"""Which images of each cluster a sheet shows: one pass over the assignments, memory by the clusters.

Nothing depends on the order in which assignments come, nor on how they are cut into files: parts
are chosen apart and merged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from biomedica.annotation.sheet import Zone

__all__ = ["ChosenMember", "SheetChoice"]

_ROWS = pa.schema(
    [
        ("cluster_id", pa.int32()),
        ("key", pa.float64()),
        ("pair_id", pa.string()),
        ("distance", pa.float32()),
    ]
)


@dataclass(frozen=True, slots=True)
class ChosenMember:
    """An image of a cluster and the part of the sheet it is in."""

    cluster_id: int
    pair_id: str
    zone: Zone
    distance: float


class SheetChoice:
    """The images nearest each centroid, at its far edge and at random. May be pickled and merged.

    each: images a part. sample: captions a cluster whose words are counted, the same random ones that
    the random members are the first of. seed: of what is random, with the cluster and the pair id.
    """

    def __init__(self, clusters: int, each: int = 12, sample: int = 400, seed: int = 0) -> None:
        self.each, self.seed = each, seed
        self.sample_size = max(sample, 1)
        self.sizes: npt.NDArray[np.int64] = np.zeros(clusters, np.int64)
        # some of the edge may be the nearest, and some of those at random may be either
        self._near = _Least(clusters, each)
        self._edge = _Least(clusters, 2 * each)
        self._drawn = _Least(clusters, max(3 * each, self.sample_size))

    def add(self, batch: pa.RecordBatch | pa.Table) -> None:
        """Take in assignments: cluster_id, pair_id, distance. Each image comes once in all."""
        clusters = _numbers(batch.column("cluster_id"))
        distances = _numbers(batch.column("distance"))
        if len(clusters) and not 0 <= clusters.min() <= clusters.max() < len(self.sizes):
            raise ValueError(f"cluster ids must be below {len(self.sizes)}")
        self.sizes += np.bincount(clusters, minlength=len(self.sizes))
        pairs = batch.column("pair_id")
        keys = distances.astype(np.float64)
        drawn = _draws(clusters, pairs.to_pylist(), self.seed)
        for least, key in ((self._near, keys), (self._edge, -keys), (self._drawn, drawn)):
            least.add(clusters, key, pairs, distances)

    def merge(self, other: SheetChoice) -> None:
        """Take in what another part has chosen of other images, with the same settings."""
        self.sizes += other.sizes
        self._near.merge(other._near)
        self._edge.merge(other._edge)
        self._drawn.merge(other._drawn)

    def members(self) -> list[ChosenMember]:
        """The members of all sheets, by cluster; of each the nearest first, then those at random, then
        those at the edge, the farthest first. No image is there twice: the nearest take theirs first,
        then the edge."""
        near, edge, drawn = (kept.by_cluster() for kept in (self._near, self._edge, self._drawn))
        found: list[ChosenMember] = []
        for cluster in sorted(near):
            taken: set[str] = set()
            parts: dict[Zone, list[ChosenMember]] = {}
            order: tuple[tuple[Zone, list[tuple[str, float]]], ...] = (
                ("nearest", near[cluster]),
                ("edge", edge[cluster]),
                ("random", drawn[cluster]),
            )
            for zone, rows in order:
                left = [(pair, far) for pair, far in rows if pair not in taken][: self.each]
                taken |= {pair for pair, _ in left}
                parts[zone] = [ChosenMember(cluster, pair, zone, far) for pair, far in left]
            found += [*parts["nearest"], *parts["random"], *parts["edge"]]
        return found

    def sample(self) -> pa.Table:
        """pair_id and cluster_id of the images whose captions are counted, sorted by pair_id."""
        kept = self._drawn.rows
        kept = kept.filter(pa.array(_ranks(_numbers(kept["cluster_id"])) < self.sample_size))
        return kept.select(["pair_id", "cluster_id"]).sort_by("pair_id").combine_chunks()


@dataclass(slots=True)
class _Least:
    """The rows with the least keys of each cluster; ties by pair id."""

    clusters: int
    count: int
    rows: pa.Table = field(default_factory=_ROWS.empty_table)
    bounds: npt.NDArray[np.float64] = field(init=False)
    """by cluster, the greatest key that may still come in"""

    def __post_init__(self) -> None:
        self.bounds = np.full(self.clusters, np.inf)

    def add(
        self,
        clusters: npt.NDArray[np.int32],
        key: npt.NDArray[np.float64],
        pairs: pa.Array,
        distances: npt.NDArray[np.float32],
    ) -> None:
        may = key <= self.bounds[clusters]
        if not may.any():
            return
        columns = [clusters[may], key[may], pairs.filter(pa.array(may)), distances[may]]
        arrays = [column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
                  for column in columns]  # fmt: skip
        self._take(pa.Table.from_arrays(arrays, schema=_ROWS))

    def merge(self, other: _Least) -> None:
        self._take(other.rows)

    def _take(self, rows: pa.Table) -> None:
        both = pa.concat_tables([self.rows, rows])
        by = [(name, "ascending") for name in ("cluster_id", "key", "pair_id")]
        both = both.take(pc.sort_indices(both, sort_keys=by))
        ranks = _ranks(_numbers(both["cluster_id"]))
        self.rows = both.filter(pa.array(ranks < self.count)).combine_chunks()
        is_last = ranks == self.count - 1
        clusters, keys = _numbers(both["cluster_id"]), _numbers(both["key"])
        self.bounds[clusters[is_last]] = keys[is_last]

    def by_cluster(self) -> dict[int, list[tuple[str, float]]]:
        """cluster_id → (pair_id, distance) in the order of the keys."""
        found: dict[int, list[tuple[str, float]]] = {}
        columns = (self.rows[name].to_pylist() for name in ("cluster_id", "pair_id", "distance"))
        for cluster, pair, distance in zip(*columns, strict=True):
            found.setdefault(cluster, []).append((pair, distance))
        return found


def _ranks(clusters: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Of sorted clusters, the place of each row in its own."""
    if not len(clusters):
        return np.empty(0, np.int64)
    starts = np.flatnonzero(np.r_[True, clusters[1:] != clusters[:-1]])
    lengths = np.diff(np.r_[starts, len(clusters)])
    ranks: npt.NDArray[np.int64] = np.arange(len(clusters)) - np.repeat(starts, lengths)
    return ranks


def _draws(clusters: npt.NDArray[np.int32], pairs: Sequence[str], seed: int) -> npt.NDArray[np.float64]:
    """A random number of [0, 1) for each image, by seed, cluster and pair id alone."""
    key = seed.to_bytes(8, "little", signed=True)
    joined = b"".join(
        hashlib.blake2b(f"{cluster} {pair}".encode(), digest_size=8, key=key).digest()
        for cluster, pair in zip(clusters.tolist(), pairs, strict=True)
    )
    draws: npt.NDArray[np.float64] = np.ldexp(
        (np.frombuffer(joined, "<u8") >> np.uint64(11)).astype(np.float64), -53
    )
    return draws


def _numbers(column: pa.Array | pa.ChunkedArray) -> Any:
    return column.to_numpy(zero_copy_only=False)
