"""From clusters to images."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.annotation import (
    Propagation,
    Vote,
    cluster_spreads,
    count_ballots,
    count_distances,
    estimate_reliability,
    merge_counts,
    resolve_clusters,
)
from biomedica.labelling import PropagateConfig
from biomedica.labels import PAIR_LABELS
from tests.annotation.casting import TAXONOMY, cast


def images(clusters: list[int], distances: list[float]) -> pa.Table:
    return pa.table(
        {
            "pair_id": [f"PMC{number + 1}.1/a.jpg" for number in range(len(clusters))],
            "cluster_id": pa.array(clusters, pa.int32()),
            "distance": pa.array(distances, pa.float32()),
        }
    )


def propagate(table: pa.Table, *votes: Vote, **config: Any) -> list[dict[str, Any]]:
    ballots = count_ballots(votes, TAXONOMY)
    labels = resolve_clusters(ballots, estimate_reliability(ballots))
    spreads = cluster_spreads(count_distances(table))
    found = Propagation("r1", labels, spreads, PropagateConfig(**config)).label(table)
    assert found.schema.equals(PAIR_LABELS)
    found.validate(full=True)
    return found.to_pylist()


NORMAL = [1 + 0.01 * step for step in range(-10, 11)]


def test_confidence_is_vote_share_times_typicality() -> None:
    rows = propagate(
        images([1] * 22, [*NORMAL, 1.15]),
        cast("ann", 1, "map", panel_type="single"), cast("ben", 1, "map"), cast("eva", 1, "table"),
    )  # fmt: skip
    assert {row["label_status"] for row in rows} == {"labelled"}
    near, far = rows[0], rows[-1]
    assert near["outlier_score"] == 0
    assert near["local_concepts"] == ["map"]
    assert near["local_confidences"] == pytest.approx([2 / 3])
    assert (near["panel_type"], near["panel_type_confidence"]) == ("single", 1)
    assert near["panel_subtype"] is None
    score = far["outlier_score"]
    assert score == pytest.approx(0.6745 * 0.15 / 0.05, rel=0.2)
    typicality = np.exp(-0.5 * (score / 3.5) ** 2)
    assert far["local_confidences"] == pytest.approx([2 / 3 * typicality])
    assert far["panel_type_confidence"] == pytest.approx(typicality)
    confidences = [row["panel_type_confidence"] for row in rows]
    assert confidences == sorted(confidences, reverse=True)


def test_why_an_image_has_no_label() -> None:
    votes = [
        cast("ann", 1, "map"),
        cast("ann", 2, "map"), cast("ben", 2, "table"),
        cast("ann", 3, "map", is_mixed=True),
        cast("ann", 4, is_not_sure=True),
    ]  # fmt: skip
    table = images([1] * 21 + [1, 2, 3, 4, 77, 10**9], [*NORMAL, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    rows = propagate(table, *votes)
    statuses = [row["label_status"] for row in rows[20:]]
    assert statuses == ["labelled", "outlier", "disputed", "mixed", "no_vote", "no_vote", "no_vote"]
    for row in rows[21:]:
        assert (row["global_concepts"], row["local_concepts"], row["panel_type"]) == ([], [], None)
    mixed = propagate(table, *votes, label_mixed=True)[23]
    assert (mixed["label_status"], mixed["local_concepts"]) == ("labelled", ["map"])
    assert propagate(table, *votes, outlier_score=1000)[21]["label_status"] == "labelled"


def test_labels_with_too_little_confidence_are_left_out() -> None:
    votes = [
        cast("ann", 1, "map", "bar_plot"), cast("ben", 1, "map", "bar_plot"), cast("eva", 1, "map"),
    ]  # fmt: skip
    row = propagate(images([1], [1.0]), *votes, least_confidence=0.7)[0]
    assert (row["local_concepts"], row["label_status"]) == (["map"], "labelled")
    row = propagate(images([1] * 22, [*NORMAL, 1.2]), *votes, least_confidence=0.99)[-1]
    assert (row["local_concepts"], row["global_concepts"], row["label_status"]) == (
        [],
        [],
        "low_confidence",
    )


def test_batches_and_processes_make_no_difference() -> None:
    rng = np.random.default_rng(3)
    table = images(rng.integers(0, 5, 500).tolist(), rng.lognormal(0, 1, 500).tolist())
    votes = [cast("ann", item, one) for item, one in enumerate(["map", "table", "face", "plot"])]
    ballots = count_ballots(votes, TAXONOMY)
    labels = resolve_clusters(ballots, estimate_reliability(ballots))
    parts = [count_distances(batch) for batch in table.to_batches(max_chunksize=7)]
    spreads = cluster_spreads(merge_counts(reversed(parts)))
    assert spreads == cluster_spreads(count_distances(table))
    whole = Propagation("r1", labels, spreads)
    again = pickle.loads(pickle.dumps(whole))  # noqa: S301
    pieces = pa.concat_tables(again.label(batch) for batch in table.to_batches(max_chunksize=13))
    assert pieces.combine_chunks() == whole.label(table).combine_chunks()
    assert Propagation("other", labels, spreads).label(table)["label_status"].unique().to_pylist() == [
        "no_vote"
    ]
    assert whole.label(table.slice(0, 0)).num_rows == 0


@given(st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=50))
@settings(deadline=None)
def test_median_and_mad_are_right_within_a_bin(distances: list[float]) -> None:
    row = cluster_spreads(count_distances(images([3] * len(distances), distances))).to_pylist()[0]
    exact = sorted(np.array(distances, np.float32).tolist())[(len(distances) - 1) // 2]
    assert row["size"] == len(distances)
    assert row["median"] == pytest.approx(exact, rel=0.0101, abs=2e-9)
    apart = sorted(abs(one - exact) for one in distances)[(len(distances) - 1) // 2]
    assert row["mad"] == pytest.approx(apart, abs=0.0202 * max(distances) + 4e-9)


def test_a_distance_that_is_no_number_is_an_outlier() -> None:
    row = propagate(images([1] * 22, [*NORMAL, float("nan")]), cast("ann", 1, "map"))[-1]
    assert row["label_status"] == "outlier"


def test_without_a_spread_an_image_is_typical() -> None:
    ballots = count_ballots([cast("ann", 1, "map")], TAXONOMY)
    labels = resolve_clusters(ballots, estimate_reliability(ballots))
    nothing = cluster_spreads(merge_counts([]))
    row = Propagation("r1", labels, nothing).label(images([1], [5.0])).to_pylist()[0]
    assert (row["outlier_score"], row["label_status"], row["local_confidences"]) == (0, "labelled", [1])
