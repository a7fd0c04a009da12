"""How far annotators agree beyond chance: Krippendorff's alpha and Fleiss' kappa, with intervals.

Krippendorff, K. (2011). Computing Krippendorff's Alpha-Reliability.
Fleiss, J. L. (1971). Measuring nominal scale agreement among many raters. Psychol. Bull. 76, 378-382;
    with unequal numbers of answers as in Gwet, K. L. (2014). Handbook of Inter-Rater Reliability.
Passonneau, R. (2006). Measuring Agreement on Set-valued Items (MASI). LREC.

Both are sums over items, so that a bootstrap of all concepts is a few products of matrices; tests hold
them against the packages krippendorff and statsmodels, whose functions take one table at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from biomedica.annotation.ballots import MISSING, Ballots, Codes
from biomedica.labelling import AgreementConfig

__all__ = [
    "Agreement",
    "fleiss_kappa",
    "item_agreement",
    "krippendorff_alpha",
    "masi_distance",
    "masi_distances",
    "measure_agreement",
]

Measure = Literal["alpha", "alpha_masi", "kappa"]
Reason = Literal["one_annotator", "no_item_twice", "no_variation"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Agreement:
    """One figure of agreement.

    concept: the concept whose presence is judged, or None for the question as a whole. measure: `alpha`
    and `kappa` are nominal (of sets: whether they are equal), `alpha_masi` weighs how far sets overlap.
    value: 1 is agreement, 0 what chance gives; None for `reason`. low, high: bootstrap interval over
    items, None where it cannot be had. items: answered at least twice; answers: upon them.
    """

    question: str
    concept: str | None
    measure: Measure
    value: float | None
    low: float | None
    high: float | None
    reason: Reason | None
    items: int
    annotators: int
    answers: int


@dataclass(frozen=True, slots=True)
class _Units:
    """What the measures need of each item that was answered at least twice.

    counts: answers by item and value. answers: by item. distance: between values.
    apart: sum over ordered pairs of answers of an item of their distance, over answers - 1.
    """

    counts: Floats
    answers: Floats
    apart: Floats
    distance: Floats

    @classmethod
    def of(cls, codes: Codes, distance: Floats) -> _Units:
        twice = codes[(codes != MISSING).sum(axis=1) >= 2]
        counts = np.zeros((len(twice), len(distance)))
        rows, columns = np.nonzero(twice != MISSING)
        np.add.at(counts, (rows, twice[rows, columns]), 1.0)
        answers = counts.sum(axis=1)
        apart = ((counts @ distance) * counts).sum(axis=1) / np.maximum(answers - 1, 1)
        return cls(counts, answers, apart, distance)

    def measured(self, weights: Floats) -> tuple[Floats, Floats]:
        """(alpha, kappa) of each row of weights over items; nan where they are not defined."""
        values = len(self.distance)
        pairs = (self.counts * (self.counts - 1)).sum(axis=1) / (self.answers * (self.answers - 1))
        columns = [self.counts, self.counts / self.answers[:, None]]
        single = [self.apart, self.answers, pairs, np.ones(len(pairs))]
        sums = weights @ np.column_stack([*columns, *single])
        totals, shares = sums[:, :values], sums[:, values : 2 * values]
        apart, answers, alike, items = sums[:, 2 * values :].T
        by_chance = ((totals @ self.distance) * totals).sum(axis=1)
        alpha = _ratio(by_chance - apart * (answers - 1), by_chance)
        expected = (_ratio(shares, items[:, None]) ** 2).sum(axis=1)
        return alpha, _ratio(_ratio(alike, items) - expected, 1 - expected)


def _ratio(above: Floats, below: Floats) -> Floats:
    """nan where `below` is nothing but rounding."""
    is_some = np.abs(below) > 1e-12
    return np.where(is_some, above / np.where(is_some, below, 1.0), np.nan)


def krippendorff_alpha(codes: Codes, distance: Floats | None = None) -> float | None:
    """Alpha of answers (items, annotators), MISSING where there is none.

    distance: (values, values) between codes; None: nominal. None where no item was answered twice or
    all answers are the same, for which alpha is not defined.
    """
    units = _Units.of(codes, _nominal(codes) if distance is None else distance)
    return _number(units.measured(np.ones((1, len(units.answers))))[0][0])


def fleiss_kappa(codes: Codes) -> float | None:
    """Kappa over the items with two answers or more; None where it is not defined, as for alpha.

    With as many answers to every item it is Fleiss' of 1971.
    """
    units = _Units.of(codes, _nominal(codes))
    return _number(units.measured(np.ones((1, len(units.answers))))[1][0])


def item_agreement(codes: Codes, distance: Floats | None = None) -> Floats:
    """Of each item the mean over pairs of annotators of 1 - distance; nan below two answers."""
    units = _Units.of(codes, _nominal(codes) if distance is None else distance)
    found = np.full(len(codes), np.nan)
    found[(codes != MISSING).sum(axis=1) >= 2] = 1 - units.apart / units.answers
    return found


def masi_distance(one: frozenset[str], other: frozenset[str]) -> float:
    """1 - Jaccard x monotonicity: 1 for equal sets, 2/3 for a subset, 1/3 for an overlap, else 0."""
    common = len(one & other)
    if one == other:
        return 0.0
    if not common:
        return 1.0
    monotonicity = 2 / 3 if one <= other or other <= one else 1 / 3
    return 1 - common / len(one | other) * monotonicity


def masi_distances(values: Sequence[frozenset[str]]) -> Floats:
    """(values, values) of MASI distances."""
    return np.array([[masi_distance(one, other) for other in values] for one in values]).reshape(
        len(values), len(values)
    )


def measure_agreement(ballots: Ballots, config: AgreementConfig | None = None) -> list[Agreement]:
    """Every figure: per question, then per concept that a vote names, in the taxonomy's order.

    Concepts are judged one by one, present or not, by those who answered the question; of sets as a
    whole alpha weighs by MASI and kappa asks whether they are equal. Memory: 8 bytes x items x resamples.
    """
    config = config or AgreementConfig()
    rng = np.random.default_rng(config.seed)
    size = len(ballots.items)
    drawn = rng.integers(0, max(size, 1), (config.resamples if size else 0, size))
    weights = np.zeros((len(drawn), size))
    np.add.at(weights, (np.arange(len(drawn))[:, None], drawn), 1.0)
    found: list[Agreement] = []
    draws, drawn_for = weights, np.ones(size, np.bool_)
    for question, concept, codes, distance in _questions(ballots):
        is_twice = (codes != MISSING).sum(axis=1) >= 2
        if not np.array_equal(is_twice, drawn_for):  # the same for all concepts of a level
            draws, drawn_for = weights[:, is_twice], is_twice
        found += _figures(question, concept, codes, distance, draws, config.confidence)
    return found


def _questions(ballots: Ballots) -> Iterator[tuple[str, str | None, Codes, Floats | None]]:
    yield "panel_type", None, ballots.panel_type, None
    yield "panel_subtype", None, ballots.panel_subtype, None
    yield "mixed", None, ballots.mixed, None
    for level in ("global", "local"):
        codes, values = ballots.sets(level)
        yield level, None, codes, masi_distances(values)
        for concept in ballots.named(level):
            yield level, concept, ballots.concept(level, concept), None


def _figures(
    question: str,
    concept: str | None,
    codes: Codes,
    distance: Floats | None,
    draws: Floats,
    confidence: float,
) -> list[Agreement]:
    """Both measures; draws: weights of the items that were answered at least twice."""
    units = _Units.of(codes, _nominal(codes) if distance is None else distance)
    reason = _reason(codes, units)
    found = []
    measures: tuple[Measure, ...] = ("alpha" if distance is None else "alpha_masi", "kappa")
    wholes = units.measured(np.ones((1, len(units.answers))))
    for measure, whole, drawn in zip(measures, wholes, units.measured(draws), strict=True):
        value = None if reason else _number(whole[0])
        low, high = (None, None) if value is None else _interval(drawn, confidence)
        figure = Agreement(
            question, concept, measure, value, low, high, reason,
            items=len(units.answers),
            annotators=int((codes[(codes != MISSING).sum(axis=1) >= 2] != MISSING).any(axis=0).sum()),
            answers=int(units.answers.sum()),
        )  # fmt: skip
        found.append(figure)
    return found


def _reason(codes: Codes, units: _Units) -> Reason | None:
    """Why there is no figure."""
    if (codes != MISSING).any(axis=0).sum() < 2:
        return "one_annotator"
    if not len(units.answers):
        return "no_item_twice"
    return "no_variation" if (units.counts.sum(axis=0) > 0).sum() < 2 else None


def _interval(values: Floats, confidence: float) -> tuple[float | None, float | None]:
    """Percentiles of the resamples that have a value; None where fewer than half of them do."""
    known = values[~np.isnan(values)]
    if not len(values) or 2 * len(known) < len(values):
        return None, None
    tail = (1 - confidence) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return float(low), float(high)


def _nominal(codes: Codes) -> Floats:
    size = int(codes.max(initial=0)) + 1
    return 1 - np.eye(size)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
