"""How reliable each annotator is, and what is true: the model of Dawid and Skene.

Dawid, A. P., Skene, A. M. (1979). Maximum likelihood estimation of observer error-rates using the EM
    algorithm. Applied Statistics 28, 20-28.

An annotator answers k where j is true with a probability of his own; answers that are not there say
nothing. EM in the log domain, from vote shares on, to the maximum a posteriori: each row of an
annotator's table has `prior_votes` votes in advance, of which `PRIOR_ACCURACY` are right, so that who
has voted little is taken for an ordinary annotator; each class has one item in advance. It draws no
random numbers.

For sets of concepts every pair (item, concept) is a yes-or-no question. An annotator has one table of
two classes for all concepts of a level; each concept has a prevalence of its own. That the concepts
of one item hang together is not in the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from biomedica.annotation.ballots import MISSING, Ballots, Codes
from biomedica.annotation.taxonomy import Level

__all__ = ["DawidSkene", "Reliability", "dawid_skene", "estimate_reliability"]

if TYPE_CHECKING:
    Floats = npt.NDArray[np.float64]
else:
    Floats = np.ndarray

PRIOR_ACCURACY = 0.8
_MAX_ROUNDS = 1000
_TOLERANCE = 1e-9


@dataclass(frozen=True)
class DawidSkene:
    """The model of one table of answers.

    confusion: (annotators, true class, answer), rows sum to 1. prevalence: (groups, classes).
    posterior: (units, classes). log_posterior: of each round, never falling.
    """

    confusion: Floats
    prevalence: Floats
    posterior: Floats
    log_posterior: tuple[float, ...]
    has_converged: bool


@dataclass(frozen=True)
class Reliability:
    """A question's annotators, and what the model holds to be true.

    classes: what the axes of `confusion` mean: ids of panel types, or ("no", "yes"). answers: how many
    each annotator gave. probability: (items, classes), or for sets of concepts (items, concepts): that
    the concept holds; nan where nobody answered.
    """

    question: str
    annotators: tuple[str, ...]
    answers: tuple[int, ...]
    classes: tuple[str, ...]
    concepts: tuple[str, ...]
    model: DawidSkene
    probability: Floats

    def accuracy(self) -> dict[str, float | None]:
        """Of each annotator the probability to be right on an item of this question.

        For sets of concepts: the mean of the probabilities to name a concept that holds and to leave
        out one that does not, because almost every concept does not. None for who never answered.
        """
        right = np.diagonal(self.model.confusion, axis1=1, axis2=2)
        shares = self.model.prevalence.mean(axis=0)
        weights = np.full(len(self.classes), 1 / len(self.classes)) if self.concepts else shares
        return {
            name: float(right[place] @ weights) if self.answers[place] else None
            for place, name in enumerate(self.annotators)
        }


def dawid_skene(
    codes: Codes,
    classes: int,
    *,
    groups: npt.NDArray[np.int64] | None = None,
    prior_votes: float = 2.0,
) -> DawidSkene:
    """Fit the model to answers (units, annotators), MISSING where there is none.

    groups: of each unit the group whose prevalence it has, 0…; None: all one. Units with the same
    answers in the same group are counted, not repeated. Time: rounds x patterns x annotators x classes².
    """
    units, annotators = codes.shape
    groups = np.zeros(units, np.int64) if groups is None else groups
    keys = np.column_stack([groups, codes])
    patterns, of_unit, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    group_of, said = patterns[:, 0], patterns[:, 1:]
    votes = (
        np.stack([said == one for one in range(classes)], axis=2).reshape(len(said), -1).astype(float)
    )
    in_group = np.zeros((int(groups.max(initial=0)) + 1, len(said)))
    in_group[group_of, np.arange(len(said))] = counts
    prior = np.full((classes, classes), (1 - PRIOR_ACCURACY) / max(classes - 1, 1))
    np.fill_diagonal(prior, PRIOR_ACCURACY if classes > 1 else 1.0)
    prior *= prior_votes

    truth = _shares(votes.reshape(len(said), annotators, classes).sum(axis=1))
    history: list[float] = []
    has_converged = False
    while not has_converged and len(history) < _MAX_ROUNDS:
        tables = (votes.T @ (truth * counts[:, None])).reshape(annotators, classes, classes)
        confusion = _normal(tables.transpose(0, 2, 1) + prior)
        prevalence = _normal(in_group @ truth + 1.0)
        log_tables = np.log(confusion).transpose(0, 2, 1).reshape(annotators * classes, classes)
        joint = np.log(prevalence)[group_of] + votes @ log_tables
        evidence = np.logaddexp.reduce(joint, axis=1)
        truth = np.exp(joint - evidence[:, None])
        goal = counts @ evidence + (prior * np.log(confusion)).sum() + np.log(prevalence).sum()
        has_converged = bool(history and goal - history[-1] <= _TOLERANCE * (1 + abs(goal)))
        history.append(float(goal))
    return DawidSkene(confusion, prevalence, truth[of_unit.reshape(-1)], tuple(history), has_converged)


def _shares(votes: Floats) -> Floats:
    """Vote shares with a little for every class, so that none is ruled out at the start."""
    return _normal(votes + 0.1)


def _normal(values: Floats) -> Floats:
    normal: Floats = values / values.sum(axis=-1, keepdims=True)
    return normal


def estimate_reliability(ballots: Ballots, *, prior_votes: float = 2.0) -> dict[str, Reliability]:
    """The model of each question that anybody answered, by its name in QUESTIONS."""
    taxonomy = ballots.taxonomy
    types = tuple(one.id for one in taxonomy.panel_types)
    subtypes = tuple(one.id for one in taxonomy.panel_subtypes)
    single = {
        "panel_type": (ballots.panel_type, types),
        "panel_subtype": (ballots.panel_subtype, subtypes),
        "mixed": (ballots.mixed, ("no", "yes")),
    }
    found = {
        question: _of_classes(question, ballots, codes, classes, prior_votes)
        for question, (codes, classes) in single.items()
        if (codes != MISSING).any()
    }
    levels: tuple[Level, ...] = ("global", "local")
    return found | {
        level: _of_concepts(level, ballots, prior_votes) for level in levels if ballots.sets(level)[1]
    }


def _of_classes(
    question: str, ballots: Ballots, codes: Codes, classes: Sequence[str], prior_votes: float
) -> Reliability:
    is_said = codes != MISSING
    is_answered = is_said.any(axis=1)
    model = dawid_skene(codes[is_answered], len(classes), prior_votes=prior_votes)
    probability = np.full((len(codes), len(classes)), np.nan)
    probability[is_answered] = model.posterior
    answers = tuple(is_said.sum(axis=0).tolist())
    return Reliability(question, ballots.annotators, answers, tuple(classes), (), model, probability)


def _of_concepts(level: Level, ballots: Ballots, prior_votes: float) -> Reliability:
    codes, _ = ballots.sets(level)
    is_said = codes != MISSING
    is_answered = is_said.any(axis=1)
    concepts = ballots.named(level)
    units = [ballots.concept(level, one)[is_answered] for one in concepts]
    groups = np.repeat(np.arange(len(concepts), dtype=np.int64), int(is_answered.sum()))
    model = dawid_skene(np.concatenate(units), 2, groups=groups, prior_votes=prior_votes)
    probability = np.full((len(codes), len(concepts)), np.nan)
    probability[is_answered] = model.posterior[:, 1].reshape(len(concepts), -1).T
    answers = tuple(is_said.sum(axis=0).tolist())
    return Reliability(level, ballots.annotators, answers, ("no", "yes"), concepts, model, probability)
