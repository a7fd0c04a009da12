"""Agreement against published worked examples and against other packages."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as statsmodels_kappa

from biomedica.annotation import (
    count_ballots,
    fleiss_kappa,
    krippendorff_alpha,
    masi_distance,
    measure_agreement,
)
from biomedica.annotation.agreement import item_agreement, masi_distances
from biomedica.annotation.ballots import MISSING, Codes
from biomedica.labelling import AgreementConfig
from tests.annotation.casting import TAXONOMY, cast

FAST = AgreementConfig(resamples=200)


def coded(text: str) -> Codes:
    """Observers by line, units by column, `.` for none → (units, observers)."""
    rows = [[MISSING if one == "." else "0123456789abcde".index(one) for one in line.split()]
            for line in text.strip().splitlines()]  # fmt: skip
    return np.array(rows, np.int32).T


# Krippendorff (2011), sections A, B and C
BINARY = coded("0 1 0 0 0 0 0 0 1 0\n1 1 1 0 0 1 0 0 0 0")
NOMINAL = coded("a a b b d c c c e d d a\nb a b b b c c c e d d d")
INCOMPLETE = coded(
    "1 2 3 3 2 1 4 1 2 . . .\n1 2 3 3 2 2 4 1 2 5 . 3\n. 3 3 3 2 3 4 2 2 5 1 .\n1 2 3 3 2 4 4 1 2 5 1 ."
)


@pytest.mark.parametrize(("codes", "alpha"), [(BINARY, 0.095), (NOMINAL, 0.692), (INCOMPLETE, 0.743)])
def test_alpha_of_krippendorffs_examples(codes: Codes, alpha: float) -> None:
    assert krippendorff_alpha(codes) == pytest.approx(alpha, abs=5e-4)


def test_alpha_of_krippendorffs_interval_example() -> None:
    """The same data with the interval metric: 0.849. Our distances are metrics squared already."""
    values = np.arange(6)
    squared = (values[:, None] - values[None, :]) ** 2.0
    assert krippendorff_alpha(INCOMPLETE, squared) == pytest.approx(0.849, abs=5e-4)


def test_kappa_of_fleiss_example() -> None:
    """Fleiss (1971), table 1: thirty patients, six psychiatrists, five diagnoses; kappa 0.430."""
    diagnoses = (
        "444444 222555 233335 555555 222444 113333 333355 113334 114444 555555 144444 124444 222333 144444 "
        "224445 333335 111455 111112 224444 133555 555555 244444 224555 114444 144445 222224 111155 224444 "
        "133333 555555"
    )
    codes = np.array([[int(one) - 1 for one in patient] for patient in diagnoses.split()], np.int32)
    assert fleiss_kappa(codes) == pytest.approx(0.430, abs=5e-4)


tables = arrays.arrays(
    np.int32, st.tuples(st.integers(1, 12), st.integers(2, 5)), elements=st.integers(-1, 3)
)


@given(tables)
@settings(deadline=None, max_examples=200)
def test_alpha_is_that_of_the_package_krippendorff(codes: Codes) -> None:
    ours = krippendorff_alpha(codes)
    twice = codes[(codes != MISSING).sum(axis=1) >= 2]
    answers = set(twice[twice != MISSING].tolist())
    if len(answers) < 2:
        assert ours is None
        return
    data = np.where(codes == MISSING, np.nan, codes).T
    theirs = krippendorff.alpha(data, level_of_measurement="nominal")
    assert ours == pytest.approx(theirs, abs=1e-9)


@given(
    arrays.arrays(
        np.int32, st.tuples(st.integers(1, 12), st.integers(2, 5)), elements=st.integers(0, 3)
    )
)
@settings(deadline=None, max_examples=200)
def test_kappa_is_that_of_statsmodels(codes: Codes) -> None:
    ours = fleiss_kappa(codes)
    if len(set(codes.ravel().tolist())) < 2:
        assert ours is None
    else:
        assert ours == pytest.approx(statsmodels_kappa(aggregate_raters(codes)[0]), abs=1e-9)


@given(tables, st.randoms())
@settings(deadline=None, max_examples=60)
def test_the_order_of_items_and_annotators_does_not_matter(codes: Codes, random) -> None:  # type: ignore[no-untyped-def]
    rows, columns = list(range(len(codes))), list(range(codes.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    other = codes[rows][:, columns]
    assert krippendorff_alpha(other) == pytest.approx(krippendorff_alpha(codes), abs=1e-9)
    assert fleiss_kappa(other) == pytest.approx(fleiss_kappa(codes), abs=1e-9)


def test_masi_as_published() -> None:
    """Passonneau (2006): equal, subset, overlap, apart."""
    a, ab, bc, d = (frozenset(one) for one in ("a", "ab", "bc", "d"))
    assert masi_distance(a, a) == 0
    assert masi_distance(a, ab) == pytest.approx(1 - 1 / 2 * 2 / 3)
    assert masi_distance(ab, bc) == pytest.approx(1 - 1 / 3 * 1 / 3)
    assert masi_distance(ab, d) == 1
    assert masi_distances([a, ab]).tolist() == [[0, masi_distance(a, ab)], [masi_distance(ab, a), 0]]


def test_agreement_upon_one_item() -> None:
    codes = np.array([[0, 0, 1], [1, 1, 1], [0, MISSING, MISSING]], np.int32)
    found = item_agreement(codes)
    assert found[:2] == pytest.approx([1 / 3, 1])
    assert np.isnan(found[2])


def figures(
    *votes: object, config: AgreementConfig = FAST
) -> dict[tuple[str, str | None, str], object]:
    found = measure_agreement(count_ballots(votes, TAXONOMY), config)  # type: ignore[arg-type]
    return {(one.question, one.concept, one.measure): one for one in found}


def test_each_question_and_concept_has_figures() -> None:
    votes = [
        cast(name, cluster, concept, panel_type=kind, panel_subtype="images")
        for cluster, answers in enumerate(
            [("map", "map"), ("sem", "map"), ("sem", "sem"), ("tem", "sem"), ("map", "map"), ("tem", "tem")]
        )
        for name, short in zip(("ann", "ben"), answers, strict=True)
        for concept in [{"sem": "scanning_electron_microscopy", "tem": "transmission_electron_microscopy"}.get(short, short)]
        for kind in ["single" if short == "map" else "multiple"]
    ]  # fmt: skip
    found = figures(*votes)
    assert {key[:2] for key in found} >= {
        ("panel_type", None), ("panel_subtype", None), ("mixed", None), ("global", None), ("local", None),
        ("global", "maps"), ("global", "microscopy"), ("local", "map"), ("local", "scanning_electron_microscopy"),
    }  # fmt: skip
    maps = found["global", "maps", "alpha"]
    assert maps.value == pytest.approx(found["panel_type", None, "alpha"].value)  # type: ignore[attr-defined]
    assert maps.low <= maps.value <= maps.high  # type: ignore[attr-defined]
    assert (maps.items, maps.annotators, maps.answers) == (6, 2, 12)  # type: ignore[attr-defined]
    whole = found["local", None, "alpha_masi"]
    assert 0 < whole.value < maps.value  # type: ignore[attr-defined]
    assert found["panel_subtype", None, "alpha"].reason == "no_variation"  # type: ignore[attr-defined]
    assert found["panel_subtype", None, "alpha"].value is None  # type: ignore[attr-defined]
    assert figures(*votes) == found


def test_where_there_is_no_figure_the_reason_is_told() -> None:
    alone = figures(cast("ann", 1, "maps"), cast("ann", 2, "tables"))
    assert {one.reason for one in alone.values()} == {"one_annotator"}  # type: ignore[attr-defined]
    apart = figures(cast("ann", 1, "maps"), cast("ben", 2, "tables"))
    assert apart["global", None, "alpha_masi"].reason == "no_item_twice"  # type: ignore[attr-defined]
    assert figures()["global", None, "kappa"].reason == "one_annotator"  # type: ignore[attr-defined]


def test_an_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """Two annotators right in 80 % of 100 items of two values: alpha is 0.36; 95 % intervals."""
    rng = np.random.default_rng(7)
    hits = 0
    for seed in range(60):
        truth = rng.integers(0, 2, 100)
        answers = [np.where(rng.random(100) < 0.8, truth, 1 - truth) for _ in range(2)]
        votes = [
            cast(name, item, ("maps", "tables")[said[item]])
            for name, said in zip(("ann", "ben"), answers, strict=True)
            for item in range(100)
        ]
        figure = figures(*votes, config=AgreementConfig(resamples=300, seed=seed))[
            "global", "maps", "alpha"
        ]
        hits += figure.low <= 0.36 <= figure.high  # type: ignore[attr-defined]
    assert 50 <= hits <= 60
