"""The random sample of images, and what it says of the labels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from biomedica.annotation import (
    Answer,
    AuditDraw,
    count_ballots,
    draw_sample,
    label_precision,
    merge_draws,
    resolved_answers,
    stratified_wilson_interval,
    wilson_interval,
)
from biomedica.labelling import AuditConfig
from biomedica.labels import PAIR_LABELS
from tests.annotation.casting import TAXONOMY, cast

LOCALS = ("map", "bar_plot", "immunoblot")


def labelled(concepts: list[list[str]], first: int = 1) -> pa.Table:
    """Images with these local concepts; none: an outlier."""
    rows = [
        {
            "pair_id": f"PMC{first + number}.1/a.jpg",
            "run": "r1",
            "cluster_id": number % 7,
            "distance": 1.0,
            "outlier_score": 0.0,
            "label_status": "labelled" if own else "outlier",
            "panel_type": "single" if own and number % 2 else None,
            "panel_type_confidence": 0.75 if own and number % 2 else None,
            "global_concepts": sorted(TAXONOMY.implied(own)),
            "global_confidences": [0.5] * len(TAXONOMY.implied(own)),
            "local_concepts": sorted(own),
            "local_confidences": [0.5] * len(own),
        }
        for number, own in enumerate(concepts)
    ]
    return pa.Table.from_pylist(rows, schema=PAIR_LABELS)


@given(
    st.lists(st.lists(st.sampled_from(LOCALS), max_size=3, unique=True), max_size=60),
    st.integers(1, 9), st.integers(1, 20), st.randoms(),
)  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_the_draw_does_not_depend_on_parts_or_order(concepts, size, per_label, random) -> None:  # type: ignore[no-untyped-def]
    config = AuditConfig(per_label=per_label, seed=3)
    table = labelled(concepts)
    whole = draw_sample([table], config)
    batches = table.to_batches(max_chunksize=size)
    random.shuffle(batches)
    assert draw_sample(batches, config) == whole
    parts = [draw_sample([one], config) for one in batches]
    assert merge_draws(reversed(parts), config) == whole
    for label in LOCALS:
        images = sum(label in own for own in concepts)
        assert whole.sizes.get(("local", label), 0) == images
        drawn = sum(row["label"] == label for row in whole.sample.to_pylist())
        assert drawn == min(images, per_label)
    pairs = whole.pairs()
    assert set(pairs) == set(whole.sample["pair_id"].to_pylist())
    assert len(set(pairs)) == len(pairs)


def test_another_seed_draws_others_and_all_are_drawn_alike() -> None:
    table = labelled([["map"]] * 100)
    draws = [
        set(draw_sample([table], AuditConfig(per_label=10, seed=seed)).pairs()) for seed in range(300)
    ]
    assert draws[0] != draws[1]
    counts = np.array(
        [sum(f"PMC{1 + number}.1/a.jpg" in one for one in draws) for number in range(0, 100, 2)]
    )
    assert abs(counts.mean() - 30) < 2  # images without a panel type: 300 draws of 10 in 100
    assert counts.std() < 8


@given(st.integers(1, 400), st.data())
@settings(deadline=None)
def test_wilson_is_that_of_statsmodels(asked: int, data: st.DataObject) -> None:
    right = data.draw(st.integers(0, asked))
    confidence = data.draw(st.sampled_from([0.8, 0.95, 0.99]))
    theirs = proportion_confint(right, asked, alpha=1 - confidence, method="wilson")
    assert wilson_interval(right, asked, confidence) == pytest.approx(theirs, abs=1e-12)
    one = stratified_wilson_interval([(right, asked, 10**9)], confidence)
    assert one == pytest.approx(theirs, abs=1e-6)


def test_wilson_against_published_figures() -> None:
    """Newcombe (1998), Statistics in Medicine 17, table I, method 3."""
    published = {
        (81, 263): (0.2553, 0.3662),
        (15, 148): (0.0624, 0.1605),
        (0, 20): (0.0, 0.1611),
        (1, 29): (0.0061, 0.1718),
    }
    for (right, asked), bounds in published.items():
        assert wilson_interval(right, asked) == pytest.approx(bounds, abs=5e-5)


def test_a_whole_population_is_known() -> None:
    assert wilson_interval(8, 10, population=10) == (0.8, 0.8)
    low, high = wilson_interval(8, 10, population=12)
    wide = wilson_interval(8, 10)
    assert wide[0] < low < 0.8 < high < wide[1]
    assert stratified_wilson_interval([(8, 10, 10), (2, 2, 2)]) == pytest.approx((10 / 12, 10 / 12))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Four labels of very different size and precision, 30 images each."""
    rng = np.random.default_rng(5)
    sizes, shares = [90_000, 9_000, 900, 100], [0.95, 0.7, 0.99, 0.4]
    truth = float(np.dot(sizes, shares) / sum(sizes))
    hits = 0
    for _ in range(600):
        strata = [
            (int(rng.binomial(30, share)), 30, size) for share, size in zip(shares, sizes, strict=True)
        ]
        low, high = stratified_wilson_interval(strata)
        hits += low <= truth <= high
    assert 0.92 < hits / 600 < 0.99


def test_precision_by_label_and_over_all() -> None:
    concepts = [["map"]] * 40 + [["bar_plot"]] * 10 + [["map", "immunoblot"]] * 5
    draw = draw_sample([labelled(concepts)], AuditConfig(per_label=1000))
    votes = []
    for number, own in enumerate(concepts):
        pair = {"cluster_id": None, "run": None, "pair_id": f"PMC{number + 1}.1/a.jpg"}
        wrong = own == ["bar_plot"] and number % 2
        votes.append(cast("ann", 0, *(["box_plot"] if wrong else own), panel_type="single", **pair))
    truth = {
        item.pair_id: one
        for item, one in resolved_answers(count_ballots(votes, TAXONOMY, about="pairs")).items()
    }
    found = {(one.question, one.label): one for one in label_precision(draw, truth, TAXONOMY)}
    assert next(iter(found)) == ("panel_type", None)
    bars = found["local", "bar_plot"]
    assert (bars.images, bars.drawn, bars.asked, bars.right, bars.precision) == (10, 10, 10, 5, 0.5)
    assert (bars.low, bars.high) == (0.5, 0.5)  # all of them were asked
    assert found["global", "plots_and_charts"].precision == 1
    assert found["local", None].precision == pytest.approx(55 / 60)
    assert found["local", None].images == 60
    assert found["panel_type", "single"].precision == 1


def test_what_an_answer_does_not_say_is_left_out() -> None:
    draw = draw_sample([labelled([["map"], ["map"], ["map"], ["bar_plot"]])], AuditConfig(per_label=10))
    truth = {
        "PMC1.1/a.jpg": Answer(global_concepts=("maps",)),  # no word on the local concept
        "PMC2.1/a.jpg": Answer(global_concepts=("tables",)),  # cannot be a map
        "PMC4.1/a.jpg": Answer(is_mixed=False),
    }
    found = {(one.question, one.label): one for one in label_precision(draw, truth, TAXONOMY)}
    maps = found["local", "map"]
    assert (maps.drawn, maps.asked, maps.right) == (3, 1, 0)
    assert found["global", "maps"].precision == 0.5
    bars = found["local", "bar_plot"]
    assert (bars.asked, bars.precision, bars.low, bars.covered) == (0, None, None, 0.0)
    assert found["local", None].covered == 0.75
    assert found["local", None].low is not None
    nothing = label_precision(AuditDraw(draw.sample, draw.sizes), {}, TAXONOMY)
    assert {one.precision for one in nothing} == {None}
    assert label_precision(draw_sample([]), {}, TAXONOMY) == []
