"""From clusters to images: a cluster's labels with a confidence for each image, or the reason for none.

    outlier_score = max(0, 0.6745 (distance - median) / MAD)       of the distances in the cluster
    typicality    = exp(-1/2 (outlier_score / config.outlier_score)^2)
    confidence    = confidence of the cluster's label x typicality

The score is the modified z-score of Iglewicz and Hoaglin (1993), who take over 3.5 for an outlier; an
image at the threshold keeps 61 % of the cluster's confidence, one nearer than the median all of it. An
audit says how often labels of a confidence are right. MAD is taken for at least 2 % of the median, the
width of a bin of `spread`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.labelling import PropagateConfig
from biomedica.labels import PAIR_LABELS, PAIR_STATUSES

__all__ = ["Propagation"]

if TYPE_CHECKING:
    Floats = npt.NDArray[np.float32]
    Places = npt.NDArray[np.int64]
else:
    Floats = Places = np.ndarray

_STATUSES = tuple(PAIR_STATUSES)
_NONE = -1


class Propagation:
    """The labels of one run's clusters, ready to be given to batches of images. It may be pickled.

    labels: rows of one run of schema CLUSTER_LABELS. spreads: of `cluster_spreads` of the same run.
    """

    def __init__(
        self, run: str, labels: pa.Table, spreads: pa.Table, config: PropagateConfig | None = None
    ) -> None:
        self.run = run
        self.config = config or PropagateConfig()
        rows = [row for row in labels.to_pylist() if row["run"] == run]
        known, labelled = spreads["cluster_id"].to_numpy(), [row["cluster_id"] for row in rows]
        self._ids = np.unique(np.array([*known, *labelled], np.int64))
        size = len(self._ids) + 1  # the last place is that of clusters that nobody knows
        self._median, self._scale = np.full(size, np.nan), np.full(size, np.nan)
        places = self._places(known)
        self._median[places] = spreads["median"].to_numpy()
        least = np.maximum(0.02 * spreads["median"].to_numpy(), 1e-12)
        self._scale[places] = np.maximum(spreads["mad"].to_numpy(), least)
        self._row = np.full(size, _NONE, np.int64)
        self._row[self._places(np.array(labelled, np.int64))] = np.arange(len(rows))
        self._status = np.array([self._status_of(row) for row in rows] + [_place("no_vote")], np.int64)
        self._single = {name: _Single(rows, name) for name in ("panel_type", "panel_subtype")}
        self._several = {level: _Several(rows, level) for level in ("global", "local")}

    def _status_of(self, row: dict[str, Any]) -> int:
        """The label_status of a cluster's images, outliers apart."""
        if row["status"] == "disputed":
            return _place("disputed")
        if row["is_mixed"] and not self.config.label_mixed:
            return _place("mixed")
        has_label = row["global_concepts"] or row["panel_type"] or row["panel_subtype"]
        return _place("labelled" if has_label else "no_vote")

    def label(self, batch: pa.RecordBatch | pa.Table) -> pa.Table:
        """Rows of schema PAIR_LABELS for rows of pair_id, cluster_id and distance, in their order.

        An image of a cluster without a spread counts as typical.
        """
        clusters = np.asarray(batch.column("cluster_id")).astype(np.int64)
        distances = np.asarray(batch.column("distance")).astype(np.float32)
        places = self._places(clusters)
        scores = self._scores(places, distances)
        rows = self._row[places]
        status = self._status[rows]
        is_far = (status == _place("labelled")) & (scores > self.config.outlier_score)
        status = np.where(is_far, _place("outlier"), status)
        typicality = np.exp(-0.5 * (scores / self.config.outlier_score) ** 2).astype(np.float32)
        rows = np.where(status == _place("labelled"), rows, _NONE)
        least = self.config.least_confidence
        single = {name: one.of(rows, typicality, least) for name, one in self._single.items()}
        several = {level: one.of(rows, typicality, least) for level, one in self._several.items()}
        has_label = np.logical_or.reduce(
            [*(one[0].is_valid().to_numpy(False) for one in single.values()),
             *(np.diff(one[0].offsets) > 0 for one in several.values())]
        )  # fmt: skip
        status = np.where((rows != _NONE) & ~has_label, _place("low_confidence"), status)
        columns = {
            "pair_id": batch.column("pair_id"),
            "run": pa.array([self.run], pa.string()).take(pa.array(np.zeros(len(rows), np.int64))),
            "cluster_id": pa.array(clusters, pa.int32()),
            "distance": pa.array(distances),
            "outlier_score": pa.array(scores.astype(np.float32)),
            "label_status": pa.array(_STATUSES).take(pa.array(status)),
        }
        for name, (values, confidences) in single.items():
            columns |= {name: values, f"{name}_confidence": confidences}
        for level, (values, confidences) in several.items():
            columns |= {f"{level}_concepts": values, f"{level}_confidences": confidences}
        return pa.table([columns[name] for name in PAIR_LABELS.names], schema=PAIR_LABELS)

    def _places(self, clusters: Places) -> Places:
        """Where each cluster stands; the last place where it is not known."""
        places = np.searchsorted(self._ids, clusters)
        padded = np.append(self._ids, -1)
        return np.where(padded[places] == clusters, places, len(self._ids))

    def _scores(self, places: Places, distances: Floats) -> npt.NDArray[np.float64]:
        known = np.where(np.isnan(distances), np.inf, distances)  # no number is no image of its cluster
        scores = 0.6745 * (known - self._median[places]) / self._scale[places]
        return np.where(np.isnan(scores), 0.0, np.maximum(scores, 0.0))


class _Single:
    """The label of a question with one answer, by cluster row."""

    def __init__(self, rows: list[dict[str, Any]], name: str) -> None:
        self.ids = sorted({row[name] for row in rows} - {None})
        codes = [_NONE if row[name] is None else self.ids.index(row[name]) for row in rows]
        self.codes = np.array([*codes, _NONE], np.int64)
        shares = [row[f"{name}_confidence"] or 0.0 for row in rows]
        self.shares = np.array([*shares, 0.0], np.float32)

    def of(self, rows: Places, typicality: Floats, least: float) -> tuple[pa.Array, pa.Array]:
        confidences = self.shares[rows] * typicality
        is_none = (self.codes[rows] == _NONE) | (confidences < least)
        places = pa.array(self.codes[rows], mask=is_none)
        return pa.array(self.ids, pa.string()).take(places), pa.array(confidences, mask=is_none)


class _Several:
    """The concepts of a level, by cluster row: where each row's begin, and all of them."""

    def __init__(self, rows: list[dict[str, Any]], level: str) -> None:
        lists = [row[f"{level}_concepts"] for row in rows]
        self.ids = sorted({one for concepts in lists for one in concepts})
        places = {one: place for place, one in enumerate(self.ids)}
        self.counts = np.array([*map(len, lists), 0], np.int64)
        self.starts = np.array([0, *np.cumsum(self.counts)[:-1]], np.int64)
        self.codes = np.array([places[one] for concepts in lists for one in concepts], np.int64)
        shares = [one for row in rows for one in row[f"{level}_confidences"]]
        self.shares = np.array(shares, np.float32)

    def of(self, rows: Places, typicality: Floats, least: float) -> tuple[pa.Array, pa.Array]:
        counts = self.counts[rows]
        of_image = np.repeat(np.arange(len(rows)), counts)
        nth = np.arange(len(of_image)) - np.repeat(np.cumsum(counts) - counts, counts)
        places = self.starts[rows][of_image] + nth
        confidences = self.shares[places] * typicality[of_image]
        is_kept = confidences >= least
        kept = np.bincount(of_image[is_kept], minlength=len(rows))
        offsets = pa.array(np.concatenate([[0], np.cumsum(kept)]), pa.int32())
        concepts = pa.array(self.ids, pa.string()).take(pa.array(self.codes[places[is_kept]]))
        return (
            pa.ListArray.from_arrays(offsets, concepts),
            pa.ListArray.from_arrays(offsets, pa.array(confidences[is_kept])),
        )


def _place(status: str) -> int:
    return _STATUSES.index(status)
