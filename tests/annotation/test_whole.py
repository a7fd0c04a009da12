"""From simulated annotators to audited labels of images."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from biomedica.annotation import (
    Propagation,
    cluster_spreads,
    count_ballots,
    count_distances,
    draw_sample,
    estimate_reliability,
    label_precision,
    resolve_clusters,
    resolved_answers,
)
from biomedica.labelling import AuditConfig, ResolveConfig
from tests.annotation.casting import TAXONOMY, cast

CONCEPTS = ("map", "bar_plot", "immunoblot", "light_microscopy", "table")
ANNOTATORS = {"ann": 0.95, "ben": 0.9, "eva": 0.6}


def test_an_audit_finds_the_precision_of_the_labels() -> None:
    """60 clusters; near the centroid images show the cluster's concept, far from it half do not."""
    rng = np.random.default_rng(11)
    concept_of = [CONCEPTS[one] for one in rng.integers(0, 5, 60)]
    size = 6000
    clusters = rng.integers(0, 60, size)
    is_far = rng.random(size) < 0.15
    distances = np.where(is_far, rng.normal(3.0, 0.2, size), rng.normal(1.0, 0.3, size)).clip(0.01)
    truth = [
        CONCEPTS[rng.integers(5)] if far and rng.random() < 0.5 else concept_of[cluster]
        for cluster, far in zip(clusters, is_far, strict=True)
    ]
    images = pa.table(
        {
            "pair_id": [f"PMC{number + 1}.1/a.jpg" for number in range(size)],
            "cluster_id": pa.array(clusters, pa.int32()),
            "distance": pa.array(distances, pa.float32()),
        }
    )
    votes = [
        cast(name, cluster, right if rng.random() < accuracy else CONCEPTS[rng.integers(5)])
        for cluster, right in enumerate(concept_of)
        for name, accuracy in ANNOTATORS.items()
    ]
    ballots = count_ballots(votes, TAXONOMY, run="r1")
    labels = resolve_clusters(ballots, estimate_reliability(ballots), ResolveConfig(rule="dawid_skene"))
    resolved = {row["cluster_id"]: row["local_concepts"] for row in labels.to_pylist()}
    assert sum(resolved[one] == [right] for one, right in enumerate(concept_of)) >= 54

    pairs = Propagation("r1", labels, cluster_spreads(count_distances(images))).label(images)
    rows = pairs.to_pylist()
    said = [
        (row["local_concepts"], right)
        for row, right in zip(rows, truth, strict=True)
        if row["local_concepts"]
    ]
    precision = sum(own == [right] for own, right in said) / len(said)
    without = np.mean(
        [resolved[cluster] == [right] for cluster, right in zip(clusters, truth, strict=True)]
    )
    assert precision > without + 0.02  # outliers are left out

    draw = draw_sample(pairs.to_batches(max_chunksize=500), AuditConfig(per_label=60))
    shown = dict(zip(images["pair_id"].to_pylist(), truth, strict=True))
    answers = [cast("eva", 0, shown[pair], cluster_id=None, pair_id=pair) for pair in draw.pairs()]
    audited = resolved_answers(count_ballots(answers, TAXONOMY, about="pairs"))
    found = label_precision(draw, {item.pair_id: one for item, one in audited.items()}, TAXONOMY)
    whole = next(one for one in found if one.question == "local" and one.label is None)
    assert whole.low is not None
    assert whole.high is not None
    assert whole.low <= precision <= whole.high
    assert whole.high - whole.low < 0.12
    assert whole.images == sum(len(row["local_concepts"]) for row in rows)
    assert {one.asked for one in found if one.question == "local" and one.label} == {60}
    assert [one.precision for one in found if one.label] == pytest.approx([1.0] * 10, abs=0.25)
