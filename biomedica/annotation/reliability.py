"""How reliable each annotator is, and what is true: the model of Dawid and Skene.

Dawid, A. P., Skene, A. M. (1979). Maximum likelihood estimation of observer error-rates using the EM
    algorithm. Applied Statistics 28, 20-28.

An annotator answers k where j is true with a probability of his own; answers that are not there say
nothing. EM in the log domain, from vote shares on, to the maximum a posteriori: each row of an
annotator's table has `prior_votes` votes in advance, of which `PRIOR_ACCURACY` are right, so that who
has voted little is taken for an ordinary annotator; the prevalence of classes has one item in advance,
shared out as the votes are. It draws no random numbers.

For sets of concepts every pair (item, concept) is a yes-or-no question. Each concept has a prevalence
of its own. An annotator names a concept that holds with one probability for all concepts of a level,
because most concepts are too rare to tell, and one that does not hold with a probability for each
concept, because mistakes fall on frequent ones. That the concepts of one item hang together is not in
the model.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
_TINY = 1e-6
"""of a vote, so that no class is ruled out"""


@dataclass(frozen=True)
class DawidSkene:
    """The model of one table of answers.

    confusion: (annotators, true class, answer), rows sum to 1: over all groups. group_confusion: (groups,
    annotators, true class, answer), what the model uses. prevalence: (groups, classes). posterior:
    (units, classes). log_posterior: of each round, never falling.
    """

    confusion: Floats
    group_confusion: Floats
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
    shared: Collection[int] = (),
    prior_votes: float = 2.0,
) -> DawidSkene:
    """Fit the model to answers (units, annotators), MISSING where there is none.

    groups: of each unit its group, 0…; None: all one. A group has a prevalence and tables of its own,
    but for the rows of the true classes in `shared`, which are the same in all groups. Units with the
    same answers in the same group are counted, not repeated.
    """
    groups = np.zeros(len(codes), np.int64) if groups is None else groups
    keys = np.column_stack([groups, codes])
    patterns, of_unit, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    group_of, said = patterns[:, 0], patterns[:, 1:]
    votes = np.stack([said == one for one in range(classes)], axis=2).astype(float)
    in_group = np.zeros((int(groups.max(initial=0)) + 1, len(said)))
    in_group[group_of, np.arange(len(said))] = counts
    prior = np.full((classes, classes), (1 - PRIOR_ACCURACY) / max(classes - 1, 1))
    np.fill_diagonal(prior, PRIOR_ACCURACY if classes > 1 else 1.0)
    prior *= prior_votes
    by_class = votes.sum(axis=1)
    expected = _normal(in_group @ by_class + _TINY)

    truth = _normal(by_class + _TINY)
    history: list[float] = []
    has_converged = False
    while not has_converged and len(history) < _MAX_ROUNDS:
        tables = _tables(votes, truth, in_group)
        confusion = _group_confusion(tables, prior, shared)
        prevalence = _normal(in_group @ truth + expected)
        log_tables = np.log(confusion)
        joint = np.log(prevalence)[group_of] + np.einsum("uak,uajk->uj", votes, log_tables[group_of])
        evidence = np.logaddexp.reduce(joint, axis=1)
        truth = np.exp(joint - evidence[:, None])
        goal = counts @ evidence + (expected * np.log(prevalence)).sum()
        goal += _log_prior(log_tables, prior, shared)
        has_converged = bool(history and goal - history[-1] <= _TOLERANCE * (1 + abs(goal)))
        history.append(float(goal))
    overall = _normal(_tables(votes, truth, in_group).sum(axis=0) + prior)
    posterior = truth[of_unit.reshape(-1)]
    return DawidSkene(overall, confusion, prevalence, posterior, tuple(history), has_converged)


def _tables(votes: Floats, truth: Floats, in_group: Floats) -> Floats:
    """(groups, annotators, true class, answer): how often each was said of each."""
    patterns, annotators, classes = votes.shape
    flat = votes.reshape(patterns, annotators * classes)
    by_class = [in_group @ (flat * truth[:, [one]]) for one in range(classes)]
    return np.stack([one.reshape(-1, annotators, classes) for one in by_class], axis=2)


def _group_confusion(tables: Floats, prior: Floats, shared: Collection[int]) -> Floats:
    for one in shared:
        tables[:, :, one] = tables[:, :, one].sum(axis=0)
    return _normal(tables + prior)


def _log_prior(log_tables: Floats, prior: Floats, shared: Collection[int]) -> float:
    """Of the tables; a row that groups share counts once."""
    own = [one for one in range(len(prior)) if one not in shared]
    every = (prior[own] * log_tables[:, :, own]).sum()
    return float(every + sum((prior[one] * log_tables[0, :, one]).sum() for one in shared))


def _normal(values: Floats) -> Floats:
    normal: Floats = values / values.sum(axis=-1, keepdims=True)
    return normal


def estimate_reliability(ballots: Ballots, *, prior_votes: float = 2.0) -> dict[str, Reliability]:
    """The model of each question by its name in QUESTIONS.

    A question is left out where no item has two answers: nothing tells annotators apart then.
    """
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
        if _is_answered_twice(codes)
    }
    levels: tuple[Level, ...] = ("global", "local")
    return found | {
        level: _of_concepts(level, ballots, prior_votes)
        for level in levels
        if _is_answered_twice(ballots.sets(level)[0])
    }


def _is_answered_twice(codes: Codes) -> bool:
    return bool(((codes != MISSING).sum(axis=1) >= 2).any())


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
    model = dawid_skene(np.concatenate(units), 2, groups=groups, shared=(1,), prior_votes=prior_votes)
    probability = np.full((len(codes), len(concepts)), np.nan)
    probability[is_answered] = model.posterior[:, 1].reshape(len(concepts), -1).T
    answers = tuple(is_said.sum(axis=0).tolist())
    return Reliability(level, ballots.annotators, answers, ("no", "yes"), concepts, model, probability)
