"""The votes that count, as arrays: items by annotators, one array a question.

A vote on concepts is a set. Its global set holds what the annotator named and what the local concepts
imply, so that a vote for a local concept is a vote for its global one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from biomedica.annotation.taxonomy import Level, Replacement, Taxonomy
from biomedica.annotation.translation import Translated, current_under
from biomedica.annotation.votes import Item, Vote, check_vote, current_votes
from biomedica.errors import ConfigError

__all__ = ["MISSING", "Ballots", "Codes", "count_ballots"]

if TYPE_CHECKING:
    Codes = npt.NDArray[np.int32]
else:
    Codes = np.ndarray

MISSING = -1
"""The code of a question that an annotator has not answered for an item."""

Concepts = frozenset[str]


@dataclass(frozen=True)
class Ballots:
    """Votes that count, of annotators; adjudications apart.

    items and annotators are sorted. panel_type, panel_subtype: codes are places in the taxonomy's lists.
    mixed: 0 or 1. global_sets, local_sets: places in global_values, local_values, the distinct sets.
    All are int32 of shape (items, annotators), MISSING where nothing was said.
    votes: of each item, in the order of annotators, translated; vote_ids: those as they were cast.
    """

    taxonomy: Taxonomy
    items: tuple[Item, ...]
    annotators: tuple[str, ...]
    panel_type: Codes
    panel_subtype: Codes
    mixed: Codes
    global_sets: Codes
    local_sets: Codes
    global_values: tuple[Concepts, ...]
    local_values: tuple[Concepts, ...]
    votes: tuple[tuple[Vote, ...], ...]
    vote_ids: tuple[tuple[str, ...], ...]
    adjudications: dict[Item, Vote]
    adjudication_ids: dict[Item, str]
    to_review: tuple[Translated, ...]
    """votes whose ids the taxonomy has no longer, so that a person must look at them again"""

    def sets(self, level: Level) -> tuple[Codes, tuple[Concepts, ...]]:
        """(codes, the sets that they stand for) of a level."""
        if level == "global":
            return self.global_sets, self.global_values
        return self.local_sets, self.local_values

    def named(self, level: Level) -> tuple[str, ...]:
        """The concepts of a level that at least one vote names, in the taxonomy's order."""
        some = frozenset[str]().union(*self.sets(level)[1])
        return tuple(one for one in self.taxonomy.ids(level) if one in some)

    def concept(self, level: Level, concept_id: str) -> Codes:
        """1 where a vote names the concept, 0 where it names others, MISSING where it names none."""
        codes, values = self.sets(level)
        holds = np.array([concept_id in one for one in values] + [False], np.int32)
        return np.where(codes == MISSING, MISSING, holds[codes]).astype(np.int32)


def count_ballots(
    events: Iterable[Vote],
    taxonomy: Taxonomy,
    *,
    run: str | None = None,
    about: Literal["clusters", "pairs"] = "clusters",
    mappings: Sequence[tuple[str, Replacement]] = (),
) -> Ballots:
    """The votes that count among all events, under a taxonomy.

    about: votes on clusters (of one run, or of all) or on images. mappings: of `load_mapping`, for votes
    under older taxonomies. Raises ConfigError where a vote cannot be translated, or
    names what the taxonomy of its own version lacks.
    """
    chosen = (
        vote
        for vote in current_votes(events)
        if (vote.pair_id is not None) == (about == "pairs")
        and (about == "pairs" or run is None or vote.run == run)
    )
    translated = current_under(chosen, taxonomy, mappings)
    kept = [(one.of, one.vote) for one in translated if one.vote is not None]
    for _, vote in kept:
        _check(vote, taxonomy)
    cast = [(of, vote) for of, vote in kept if not vote.is_adjudication]
    decided = _adjudications([(of, vote) for of, vote in kept if vote.is_adjudication])
    items = tuple(sorted({vote.item for _, vote in kept}))
    annotators = tuple(sorted({vote.annotator for _, vote in cast}))
    rows: dict[Item, list[tuple[Vote, Vote]]] = {item: [] for item in items}
    for of, vote in cast:
        rows[vote.item].append((of, vote))
    grid = _Grid(items, annotators, [vote for _, vote in cast])
    types = {one.id: place for place, one in enumerate(taxonomy.panel_types)}
    subtypes = {one.id: place for place, one in enumerate(taxonomy.panel_subtypes)}
    global_sets, global_values = grid.sets(
        lambda vote: taxonomy.implied([*vote.global_concepts, *vote.local_concepts])
    )
    local_sets, local_values = grid.sets(lambda vote: frozenset(vote.local_concepts))
    return Ballots(
        taxonomy=taxonomy,
        items=items,
        annotators=annotators,
        panel_type=grid.codes(lambda vote: types.get(vote.panel_type or "", MISSING)),
        panel_subtype=grid.codes(lambda vote: subtypes.get(vote.panel_subtype or "", MISSING)),
        mixed=grid.codes(_mixed),
        global_sets=global_sets,
        local_sets=local_sets,
        global_values=global_values,
        local_values=local_values,
        votes=tuple(tuple(vote for _, vote in rows[item]) for item in items),
        vote_ids=tuple(tuple(of.vote_id for of, _ in rows[item]) for item in items),
        adjudications={item: vote for item, (_, vote) in decided.items()},
        adjudication_ids={item: of.vote_id for item, (of, _) in decided.items()},
        to_review=tuple(one for one in translated if one.needs_review),
    )


def _check(vote: Vote, taxonomy: Taxonomy) -> None:
    try:
        check_vote(vote, taxonomy)
    except ConfigError as error:
        raise ConfigError(
            f"a vote of {vote.annotator} is not of this taxonomy: {error}; a taxonomy whose ids change "
            "needs a new version, with `replaces`"
        ) from None


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where each vote stands among items and annotators."""

    items: tuple[Item, ...]
    annotators: tuple[str, ...]
    votes: list[Vote]

    def codes(self, code: Callable[[Vote], int]) -> Codes:
        rows = {item: place for place, item in enumerate(self.items)}
        columns = {name: place for place, name in enumerate(self.annotators)}
        found = np.full((len(self.items), len(self.annotators)), MISSING, np.int32)
        for vote in self.votes:
            found[rows[vote.item], columns[vote.annotator]] = code(vote)
        return found

    def sets(self, concepts: Callable[[Vote], Concepts]) -> tuple[Codes, tuple[Concepts, ...]]:
        values = sorted({concepts(vote) for vote in self.votes} - {frozenset()}, key=sorted)
        places = {one: place for place, one in enumerate(values)}
        return self.codes(lambda vote: places.get(concepts(vote), MISSING)), tuple(values)


def _mixed(vote: Vote) -> int:
    if vote.is_mixed:
        return 1
    return MISSING if vote.is_not_sure else 0


def _adjudications(decided: list[tuple[Vote, Vote]]) -> dict[Item, tuple[Vote, Vote]]:
    """Of each item the last adjudication, whoever's."""
    ordered = sorted(decided, key=lambda pair: (pair[0].time, pair[0].vote_id))
    return {vote.item: (of, vote) for of, vote in ordered}
