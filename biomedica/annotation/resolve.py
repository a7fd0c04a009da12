"""From votes to labels of clusters: by majority, by the model of reliability, and by adjudicators.

A majority is more than half of those who answered the question, as each concept is counted on its own;
BIOMEDICA counted majorities too and says nothing of ties. A local concept that holds brings its global
one. Ties and questions on which no concept holds are disputed, and an adjudicator's answer wins.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.annotation.agreement import item_agreement, masi_distances
from biomedica.annotation.ballots import MISSING, Ballots, Codes
from biomedica.annotation.reliability import Reliability
from biomedica.annotation.taxonomy import Level, Taxonomy
from biomedica.annotation.votes import Item, Vote, contradictions
from biomedica.errors import ConfigError
from biomedica.labelling import ResolveConfig
from biomedica.labels import CLUSTER_LABELS, QUESTIONS

__all__ = [
    "Answer",
    "Disagreement",
    "disagreements",
    "majority_answers",
    "model_answers",
    "resolve_clusters",
    "resolved_answers",
]

Floats = npt.NDArray[np.float64]
_LEVELS: tuple[Level, ...] = ("global", "local")


@dataclass(frozen=True, slots=True)
class Answer:
    """What holds for one item, each with its confidence from 0 to 1; None and () where nothing does."""

    panel_type: str | None = None
    panel_type_confidence: float | None = None
    panel_subtype: str | None = None
    panel_subtype_confidence: float | None = None
    global_concepts: tuple[str, ...] = ()
    global_confidences: tuple[float, ...] = ()
    local_concepts: tuple[str, ...] = ()
    local_confidences: tuple[float, ...] = ()
    is_mixed: bool | None = None
    mixed_confidence: float | None = None

    def answers(self, question: str) -> bool:
        """Whether a question of QUESTIONS has an answer."""
        said = (self.panel_type, self.panel_subtype, self.global_concepts, self.local_concepts)
        return (
            (self.is_mixed is not None)
            if question == "mixed"
            else bool(said[QUESTIONS.index(question)])
        )


def majority_answers(ballots: Ballots, least_votes: int = 1) -> list[Answer]:
    """Of each item the answers of more than half; confidences are shares of those who answered.

    least_votes: answers below which a question has none.
    """
    taxonomy = ballots.taxonomy
    types = _shares(ballots.panel_type, len(taxonomy.panel_types), least_votes)
    subtypes = _shares(ballots.panel_subtype, len(taxonomy.panel_subtypes), least_votes)
    mixed = _shares(ballots.mixed, 2, least_votes)
    named = {level: ballots.named(level) for level in _LEVELS}
    held = {
        level: [_shares(ballots.concept(level, one), 2, least_votes)[:, 1] for one in named[level]]
        for level in _LEVELS
    }
    concepts = {
        level: np.stack(held[level], axis=1) if named[level] else np.zeros((len(ballots.items), 0))
        for level in _LEVELS
    }
    return _answers(taxonomy, types, subtypes, mixed, named, concepts, 0.5)


def model_answers(
    ballots: Ballots, models: Mapping[str, Reliability], least_probability: float = 0.5
) -> list[Answer]:
    """Of each item the answers over a probability, by the models of `estimate_reliability`."""
    size = len(ballots.items)

    def probability(question: str, width: int) -> Floats:
        model = models.get(question)
        return np.full((size, width), np.nan) if model is None else model.probability

    taxonomy = ballots.taxonomy
    named = {level: models[level].concepts if level in models else () for level in _LEVELS}
    return _answers(
        taxonomy,
        probability("panel_type", len(taxonomy.panel_types)),
        probability("panel_subtype", len(taxonomy.panel_subtypes)),
        probability("mixed", 2),
        named,
        {level: probability(level, 0) for level in _LEVELS},
        least_probability,
    )


def _shares(codes: Codes, width: int, least_votes: int) -> Floats:
    """(items, width): the share of each value among the answers; nan below `least_votes`."""
    counts = np.stack([(codes == one).sum(axis=1) for one in range(width)], axis=1) if width else None
    if counts is None:
        return np.zeros((len(codes), 0))
    answers = (codes != MISSING).sum(axis=1)
    shares: Floats = counts / np.maximum(answers, 1)[:, None]
    shares[answers < max(least_votes, 1)] = np.nan
    return shares


def _answers(
    taxonomy: Taxonomy,
    types: Floats,
    subtypes: Floats,
    mixed: Floats,
    named: Mapping[Level, Sequence[str]],
    concepts: Mapping[Level, Floats],
    over: float,
) -> list[Answer]:
    """Answers of what is over a share or probability."""
    type_ids = [one.id for one in taxonomy.panel_types]
    subtype_ids = [one.id for one in taxonomy.panel_subtypes]
    found = []
    for row in range(len(types)):
        chosen = {level: _over(named[level], concepts[level][row], over) for level in _LEVELS}
        shares = dict(zip(named["global"], concepts["global"][row], strict=True))
        for one in chosen["local"]:
            above = taxonomy.global_of(one)
            chosen["global"].setdefault(above, float(shares.get(above, 0.0)))
        sorted_ids = {level: sorted(chosen[level]) for level in _LEVELS}
        panel_type, subtype = _best(type_ids, types[row], over), _best(subtype_ids, subtypes[row], over)
        is_mixed = _best([False, True], mixed[row], over)
        answer = Answer(
            *panel_type,
            *subtype,
            tuple(sorted_ids["global"]),
            tuple(chosen["global"][one] for one in sorted_ids["global"]),
            tuple(sorted_ids["local"]),
            tuple(chosen["local"][one] for one in sorted_ids["local"]),
            *is_mixed,
        )
        found.append(answer)
    return found


def _over(names: Sequence[str], shares: Floats, over: float) -> dict[str, float]:
    places = np.flatnonzero(shares > over).tolist()
    return {names[place]: float(shares[place]) for place in places}


def _best(names: Sequence[Any], shares: Floats, over: float) -> tuple[Any, float | None]:
    if not len(shares) or np.isnan(shares[0]) or shares.max() <= over:
        return None, None
    return names[int(shares.argmax())], float(shares.max())


@dataclass(frozen=True, slots=True)
class _Resolved:
    answer: Answer
    disputed: tuple[str, ...]
    is_adjudicated: bool


def resolved_answers(
    ballots: Ballots,
    config: ResolveConfig | None = None,
    models: Mapping[str, Reliability] | None = None,
) -> dict[Item, Answer]:
    """Of each item what holds in the end; for images, the truth that an audit compares with.

    models: of `estimate_reliability`; needed where the rule is dawid_skene.
    """
    return {item: one.answer for item, one in _resolve(ballots, config or ResolveConfig(), models)}


def _resolve(
    ballots: Ballots, config: ResolveConfig, models: Mapping[str, Reliability] | None
) -> Iterator[tuple[Item, _Resolved]]:
    if config.rule == "dawid_skene":
        if models is None:
            raise ConfigError("the rule dawid_skene needs the models of estimate_reliability")
        ruled = model_answers(ballots, models, config.least_probability)
    else:
        ruled = majority_answers(ballots, config.least_votes)
    answered = _answered(ballots, config.least_votes)
    judged = [one for one in QUESTIONS if config.rule == "majority" or one in (models or ())]
    for place, item in enumerate(ballots.items):
        answer = ruled[place]
        open_ = [one for one in judged if answered[one][place] and not answer.answers(one)]
        decision = ballots.adjudications.get(item)
        if decision is not None:
            answer = _adjudicated(answer, decision, ballots.taxonomy)
            open_ = [one for one in open_ if one not in _decides(decision)]
        yield item, _Resolved(answer, tuple(open_), decision is not None)


def _answered(ballots: Ballots, least_votes: int) -> dict[str, npt.NDArray[np.bool_]]:
    """Of each question the items with enough answers."""
    codes = {
        "panel_type": ballots.panel_type,
        "panel_subtype": ballots.panel_subtype,
        "global": ballots.global_sets,
        "local": ballots.local_sets,
        "mixed": ballots.mixed,
    }
    return {one: (codes[one] != MISSING).sum(axis=1) >= max(least_votes, 1) for one in QUESTIONS}


def _decides(decision: Vote) -> set[str]:
    """The questions that an adjudication closes; one that is not sure of concepts closes them, too."""
    decided = {"mixed"}
    if decision.panel_type is not None:
        decided.add("panel_type")
    if decision.panel_subtype is not None:
        decided.add("panel_subtype")
    if decision.is_not_sure or decision.global_concepts or decision.local_concepts:
        decided |= {"global", "local"}
    return decided


def _adjudicated(answer: Answer, decision: Vote, taxonomy: Taxonomy) -> Answer:
    """The adjudicator's answers, for certain, in place of those that he gives."""
    decided = _decides(decision)
    values: dict[str, Any] = {"is_mixed": decision.is_mixed, "mixed_confidence": 1.0}
    if "panel_type" in decided:
        values |= {"panel_type": decision.panel_type, "panel_type_confidence": 1.0}
    if "panel_subtype" in decided:
        values |= {"panel_subtype": decision.panel_subtype, "panel_subtype_confidence": 1.0}
    if "global" in decided:
        implied = taxonomy.implied([*decision.global_concepts, *decision.local_concepts])
        for level, concepts in (
            ("global", sorted(implied)),
            ("local", sorted(decision.local_concepts)),
        ):
            values[f"{level}_concepts"] = tuple(concepts)
            values[f"{level}_confidences"] = (1.0,) * len(concepts)
    return replace(answer, **values)


def resolve_clusters(
    ballots: Ballots, models: Mapping[str, Reliability], config: ResolveConfig | None = None
) -> pa.Table:
    """The labels of all clusters with votes, as a table of schema CLUSTER_LABELS.

    ballots: of `count_ballots` about clusters. models: of `estimate_reliability` of the same ballots.
    """
    config = config or ResolveConfig()
    majority = majority_answers(ballots, config.least_votes)
    model = model_answers(ballots, models, config.least_probability)
    upon = _agreements(ballots)
    rows = []
    for place, (item, resolved) in enumerate(_resolve(ballots, config, models)):
        decision = ballots.adjudications.get(item)
        decided_by = "adjudicator" if decision is not None else config.rule
        votes = ballots.votes[place]
        ids = list(ballots.vote_ids[place])
        if decision is not None:
            ids.append(ballots.adjudication_ids[item])
        row = asdict(resolved.answer) | {
            "run": item.run,
            "cluster_id": item.cluster_id,
            "status": _status(resolved),
            "decided_by": decided_by,
            "adjudicator": decision.annotator if decision is not None else None,
            "disputed": list(resolved.disputed),
            "vote_count": len(votes),
            "not_sure_count": sum(vote.is_not_sure for vote in votes),
            **{name: _number(values[place]) for name, values in upon.items()},
            "contradictions": _contradictions(
                [*votes, *([decision] if decision else [])], ballots.taxonomy
            ),
            "majority": asdict(majority[place]),
            "dawid_skene": asdict(model[place]),
            "vote_ids": ids,
            "taxonomy_digest": ballots.taxonomy.digest,
        }
        rows.append(row)
    return pa.Table.from_pylist(rows, schema=CLUSTER_LABELS)


def _status(resolved: _Resolved) -> Literal["resolved", "adjudicated", "disputed", "open"]:
    if resolved.disputed:
        return "disputed"
    if resolved.is_adjudicated:
        return "adjudicated"
    return "resolved" if resolved.answer.global_concepts else "open"


def _agreements(ballots: Ballots) -> dict[str, Floats]:
    """Of each item the agreement upon each question, and their mean; nan where there is none."""
    found = {
        "panel_type_agreement": item_agreement(ballots.panel_type),
        "panel_subtype_agreement": item_agreement(ballots.panel_subtype),
        "global_agreement": item_agreement(ballots.global_sets, masi_distances(ballots.global_values)),
        "local_agreement": item_agreement(ballots.local_sets, masi_distances(ballots.local_values)),
    }
    every = np.stack(list(found.values()))
    known = ~np.isnan(every)
    count = known.sum(axis=0)
    total = np.where(known, every, 0.0).sum(axis=0)
    return {"agreement": np.where(count > 0, total / np.maximum(count, 1), np.nan)} | found


def _contradictions(votes: Sequence[Vote], taxonomy: Taxonomy) -> list[dict[str, Any]]:
    counted = Counter(one for vote in votes for one in contradictions(vote, taxonomy))
    return [asdict(one) | {"votes": counted[one]} for one in sorted(counted)]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A cluster that an adjudicator should look at, and why."""

    run: str
    cluster_id: int
    disputed: tuple[str, ...]
    agreement: float | None
    contradictions: int
    models_differ: bool
    size: int


def disagreements(labels: pa.Table, sizes: Mapping[int, int] | None = None) -> list[Disagreement]:
    """Clusters of a table of schema CLUSTER_LABELS that wait for an adjudicator, the most urgent first.

    A cluster is here if a question is disputed, if votes contradict the taxonomy, or if majority and
    model both name concepts, and others; not where an adjudicator has decided all. Disputed ones come first, then
    by images in doubt: size x (1 - agreement). sizes: images by cluster_id; without them all are alike.
    """
    found = []
    for row in labels.to_pylist():
        majority, model = row["majority"], row["dawid_skene"]
        named = ((majority[f"{one}_concepts"], model[f"{one}_concepts"]) for one in _LEVELS)
        differ = any(one and other and one != other for one, other in named)
        doubt = bool(row["contradictions"]) or differ
        if row["status"] == "adjudicated" or not (row["disputed"] or doubt):
            continue
        one = Disagreement(
            row["run"], row["cluster_id"], tuple(row["disputed"]), row["agreement"],
            len(row["contradictions"]), differ, (sizes or {}).get(row["cluster_id"], 1),
        )  # fmt: skip
        found.append(one)
    return sorted(found, key=_urgency)


def _urgency(one: Disagreement) -> tuple[bool, float, str, int]:
    in_doubt = one.size * (1 - (one.agreement or 0.0))
    return (not one.disputed, -in_doubt, one.run, one.cluster_id)
