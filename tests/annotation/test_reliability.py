"""Dawid and Skene: planted reliabilities are found again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from biomedica.annotation import (
    count_ballots,
    dawid_skene,
    estimate_reliability,
    majority_answers,
    model_answers,
)
from biomedica.annotation.ballots import MISSING, Codes
from tests.annotation.casting import TAXONOMY, cast


def simulate(
    confusions: np.ndarray, items: int, seed: int, share: float = 1.0
) -> tuple[Codes, np.ndarray]:
    """Answers of annotators with known tables (annotators, true, answer), a share of them given."""
    rng = np.random.default_rng(seed)
    classes = confusions.shape[1]
    truth = rng.choice(classes, items, p=np.arange(classes, 0, -1) / np.arange(1, classes + 1).sum())
    drawn = rng.random((items, len(confusions), 1))
    codes = (
        (drawn > confusions[:, truth].transpose(1, 0, 2).cumsum(axis=2))
        .sum(axis=2)
        .clip(0, classes - 1)
    )
    codes[rng.random(codes.shape) >= share] = MISSING
    return codes.astype(np.int32), truth


def table(accuracy: float, classes: int = 4) -> np.ndarray:
    return np.full((classes, classes), (1 - accuracy) / (classes - 1)) + np.eye(classes) * (
        accuracy - (1 - accuracy) / (classes - 1)
    )


def majority(codes: Codes, classes: int) -> np.ndarray:
    return np.stack([(codes == one).sum(axis=1) for one in range(classes)], axis=1).argmax(axis=1)


def test_planted_reliabilities_are_found_again() -> None:
    biased = table(0.75)
    biased[1] = [0.5, 0.4, 0.05, 0.05]  # takes the second class for the first
    planted = np.stack([table(0.95), table(0.8), table(0.6), biased, table(0.25)])  # the last guesses
    codes, truth = simulate(planted, 3000, seed=1, share=0.8)
    model = dawid_skene(codes, 4)
    assert model.has_converged
    assert np.abs(model.confusion - planted).max() < 0.08
    assert np.abs(model.confusion - planted).mean() < 0.02
    assert model.prevalence[0] == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.03)
    right = (model.posterior.argmax(axis=1) == truth).mean()
    assert right > (majority(codes, 4) == truth).mean() + 0.02
    for line in model.posterior[:5], model.confusion[0]:
        assert line.sum(axis=-1) == pytest.approx(1)


def test_who_is_always_wrong_is_used_all_the_same() -> None:
    planted = np.stack([table(0.9, 2), table(0.85, 2), table(0.8, 2), table(0.1, 2)])
    codes, truth = simulate(planted, 2000, seed=2)
    model = dawid_skene(codes, 2)
    assert model.confusion[3, 0, 1] > 0.8
    assert (model.posterior.argmax(axis=1) == truth).mean() > (majority(codes, 2) == truth).mean()


def test_who_voted_little_is_taken_for_an_ordinary_annotator() -> None:
    codes, _ = simulate(np.stack([table(0.9, 2)] * 3), 500, seed=3)
    few = np.full((500, 1), MISSING, np.int32)
    alike = np.flatnonzero((codes == codes[:, :1]).all(axis=1))[0]
    few[alike] = 1 - codes[alike, 0]  # one answer, a wrong one
    accuracy = np.diagonal(dawid_skene(np.hstack([codes, few]), 2).confusion[3])
    assert 0.4 < accuracy.min() < accuracy.max() < 0.85
    none = dawid_skene(np.hstack([codes, np.full_like(few, MISSING)]), 2).confusion[3]
    assert none == pytest.approx(table(0.8, 2))


tables = arrays.arrays(
    np.int32, st.tuples(st.integers(1, 20), st.integers(1, 4)), elements=st.integers(-1, 2)
)


@given(tables, st.randoms())
@settings(deadline=None, max_examples=100)
def test_the_posterior_never_falls_and_order_does_not_matter(codes: Codes, random) -> None:  # type: ignore[no-untyped-def]
    tied = dawid_skene(codes, 3, groups=np.arange(len(codes)) % 3, shared=(1, 2))
    assert (np.diff(tied.log_posterior) > -1e-9 * (1 + np.abs(tied.log_posterior[1:]))).all()
    model = dawid_skene(codes, 3)
    steps = np.diff(model.log_posterior)
    assert (steps > -1e-9 * (1 + np.abs(model.log_posterior[1:]))).all()
    assert np.isfinite(model.confusion).all()
    assert np.isfinite(model.posterior).all()
    rows = list(range(len(codes)))
    random.shuffle(rows)
    assert np.array_equal(dawid_skene(codes[rows], 3).posterior, model.posterior[rows])


def test_each_question_has_its_annotators() -> None:
    """Concepts of a level share a table: sensitivity and specificity as they were planted."""
    rng = np.random.default_rng(4)
    concepts = ("map", "bar_plot", "immunoblot", "face")
    planted = {"ann": 0.97, "ben": 0.9, "eva": 0.7}
    votes = []
    for item in range(400):
        truth = concepts[rng.integers(4)]
        for name, accuracy in planted.items():
            said = truth if rng.random() < accuracy else concepts[rng.integers(4)]
            kind = "single" if (truth == "map") == (rng.random() < accuracy) else "multiple"
            votes.append(cast(name, item, said, panel_type=kind))
    ballots = count_ballots(votes, TAXONOMY)
    found = estimate_reliability(ballots)
    assert set(found) == {"panel_type", "mixed", "global", "local"}
    accuracy = found["panel_type"].accuracy()
    assert [accuracy[name] for name in planted] == pytest.approx(list(planted.values()), abs=0.06)
    local = found["local"]
    sensitivity = local.model.confusion[:, 1, 1]
    expected = [one + (1 - one) / 4 for one in planted.values()]
    assert sensitivity == pytest.approx(expected, abs=0.05)
    assert local.concepts == tuple(one for one in TAXONOMY.ids("local") if one in concepts)
    assert local.probability.shape == (400, 4)
    assert local.answers == (400, 400, 400)


def test_the_model_beats_the_majority_on_many_rare_concepts() -> None:
    """600 clusters, 119 concepts as unequal as real ones, four votes each of five annotators."""
    rng = np.random.default_rng(1)
    concepts = TAXONOMY.ids("local")
    shares = 1 / np.arange(1, len(concepts) + 1)
    shares /= shares.sum()
    planted = {"ann": 0.95, "ben": 0.9, "eva": 0.85, "max": 0.7, "tom": 0.5}
    truth = [concepts[one] for one in rng.choice(len(concepts), 600, p=shares)]
    votes = [
        cast(
            str(name),
            item,
            right if rng.random() < planted[name] else concepts[rng.choice(len(concepts), p=shares)],
        )
        for item, right in enumerate(truth)
        for name in rng.choice(list(planted), 4, replace=False)
    ]
    ballots = count_ballots(votes, TAXONOMY)
    models = estimate_reliability(ballots)
    sensitivity = models["local"].model.confusion[:, 1, 1]
    by_chance = float((shares**2).sum())
    expected = [one + (1 - one) * by_chance for one in planted.values()]
    assert sensitivity == pytest.approx(expected, abs=0.06)
    answers = {"majority": majority_answers(ballots), "model": model_answers(ballots, models)}
    right = {
        name: sum(one.local_concepts == (truth[place],) for place, one in enumerate(found))
        for name, found in answers.items()
    }
    assert right["model"] > right["majority"] + 40


def test_items_that_nobody_answered_have_no_probability() -> None:
    votes = [cast("ann", 1, "maps"), cast("ann", 2, is_not_sure=True)]
    assert estimate_reliability(count_ballots(votes, TAXONOMY)) == {}  # one answer tells nothing
    votes.append(cast("ben", 1, "maps"))
    found = estimate_reliability(count_ballots(votes, TAXONOMY))
    assert set(found) == {"global", "mixed"}
    assert np.isnan(found["global"].probability).tolist() == [[False], [True]]
    assert estimate_reliability(count_ballots([], TAXONOMY)) == {}
