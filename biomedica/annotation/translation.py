"""Old votes under a new taxonomy: what became of each id, and which votes a person must look at again.

Votes are never rewritten. They are translated when they are read, by what a newer taxonomy says in
`replaces`, or by a mapping file of the same shape.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict

from biomedica.annotation.taxonomy import (
    Replacement,
    Taxonomy,
    parse_yaml,
    read_yaml_place,
    successors,
)
from biomedica.annotation.votes import Vote
from biomedica.errors import ConfigError

__all__ = ["Change", "Translated", "current_under", "load_mapping", "mapping_from_yaml", "translate"]

ChangeKind = Literal["renamed", "merged", "split", "removed", "unknown"]


class _Mapping(Replacement):
    """A mapping file: a Replacement with the version that it leads to."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: str


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an id that a vote names. new: what it may be now; of `split`, the choice.

    `unknown`: neither the mapping nor the new taxonomy has the id.
    """

    field: Literal["panel_type", "panel_subtype", "concept"]
    old: str
    kind: ChangeKind
    new: tuple[str, ...]

    @property
    def needs_review(self) -> bool:
        """Whether a person must answer again: an answer is lost otherwise."""
        return self.kind in ("split", "removed", "unknown")


@dataclass(frozen=True, slots=True)
class Translated:
    """A vote in the ids of a taxonomy; `vote` is None where nothing of its answers is left.

    of: the vote as it was cast. The translated vote has another vote_id: keep that of `of`.
    """

    of: Vote
    vote: Vote | None
    changes: tuple[Change, ...] = ()

    @property
    def needs_review(self) -> bool:
        """Whether one of the changes needs a person."""
        return any(change.needs_review for change in self.changes)


def load_mapping(place: str) -> tuple[str, Replacement]:
    """(version that it leads to, Replacement) of a mapping file at a path or URI. Raises ConfigError."""
    return mapping_from_yaml(read_yaml_place(place), place)


def mapping_from_yaml(data: bytes, where: str) -> tuple[str, Replacement]:
    """As load_mapping, of the file's bytes."""
    found = parse_yaml(_Mapping, data, where, "mapping")
    return found.to, Replacement.model_validate(found.model_dump(exclude={"to"}))


def translate(
    vote: Vote, taxonomy: Taxonomy, mappings: Sequence[tuple[str, Replacement]] = ()
) -> Translated:
    """A vote in the ids of a taxonomy, over as many versions as the mappings lead.

    mappings: of `load_mapping`, and of taxonomies between (`[(t.version, r) for r in t.replaces]`).
    Raises ConfigError where no mapping leads from the vote's version to the taxonomy's.
    """
    if vote.taxonomy_version == taxonomy.version:
        return Translated(vote, vote)
    path = _path(vote.taxonomy_version, taxonomy, mappings)
    changes: list[Change] = []
    types = _follow("panel_type", [vote.panel_type], path, taxonomy, changes)
    subtypes = _follow("panel_subtype", [vote.panel_subtype], path, taxonomy, changes)
    named = [*vote.global_concepts, *vote.local_concepts]
    concepts = _follow("concept", named, path, taxonomy, changes)
    concepts |= _common_globals(changes, taxonomy)
    answers = {
        "panel_type": next(iter(types), None),
        "panel_subtype": next(iter(subtypes), None),
        "global_concepts": tuple(one for one in concepts if taxonomy.level(one) == "global"),
        "local_concepts": tuple(one for one in concepts if taxonomy.level(one) == "local"),
    }
    is_left = any(answers.values()) or vote.is_mixed or vote.is_not_sure
    if vote.action == "vote" and not is_left:
        return Translated(vote, None, tuple(changes))
    values = vote.model_dump() | answers | {"taxonomy_version": taxonomy.version, "suggestions": ()}
    return Translated(vote, Vote.model_validate(values), tuple(changes))


def current_under(
    votes: Iterable[Vote], taxonomy: Taxonomy, mappings: Sequence[tuple[str, Replacement]] = ()
) -> list[Translated]:
    """Each vote under the taxonomy, in order. Give it those of `current_votes`."""
    return [translate(vote, taxonomy, mappings) for vote in votes]


def _path(
    start: str, taxonomy: Taxonomy, mappings: Sequence[tuple[str, Replacement]]
) -> list[Replacement]:
    """The shortest way from a version to the taxonomy's; of equals, what the taxonomy says itself."""
    steps = [*((taxonomy.version, one) for one in taxonomy.replaces), *mappings]
    ways: dict[str, list[Replacement]] = {taxonomy.version: []}
    reached = [taxonomy.version]
    for target in reached:
        for to, step in steps:
            if to == target and step.version not in ways:
                ways[step.version] = [step, *ways[target]]
                reached.append(step.version)
    if start not in ways:
        raise ConfigError(
            f"votes were cast under taxonomy {start}, and taxonomy {taxonomy.version} does not say what "
            "became of its ids: add it to `replaces`, or give a mapping file"
        )
    return ways[start]


def _follow(
    field: Literal["panel_type", "panel_subtype", "concept"],
    ids: Iterable[str | None],
    path: Sequence[Replacement],
    taxonomy: Taxonomy,
    changes: list[Change],
) -> set[str]:
    """The ids that the answers have now. Each that is another now is added to `changes`."""
    known = {
        "panel_type": {one.id for one in taxonomy.panel_types},
        "panel_subtype": {one.id for one in taxonomy.panel_subtypes},
        "concept": {one.id for one in taxonomy.concepts},
    }[field]
    kept = set()
    for old in ids:
        if old is None:
            continue
        news, was_removed = _successors(field, old, path)
        new = tuple(sorted(news & known))
        if not new:
            changes.append(Change(field, old, "removed" if was_removed else "unknown", ()))
        elif len(news) > 1 or was_removed:  # one part of a split may be gone since
            changes.append(Change(field, old, "split", new))
        else:
            kept.add(new[0])
            if new[0] != old:
                kind: ChangeKind = "merged" if _is_merged(field, new[0], path) else "renamed"
                changes.append(Change(field, old, kind, new))
    return kept


def _successors(field: str, old: str, path: Sequence[Replacement]) -> tuple[set[str], bool]:
    """(what an id has become, whether a step says that it was removed)."""
    now, was_removed = {old}, False
    for step in path:
        table: Mapping[str, str | tuple[str, ...] | None] = getattr(step, f"{field}s")
        following: set[str] = set()
        for one in now:
            new = successors(table[one]) if one in table else (one,)
            was_removed |= not new
            following.update(new)
        now = following
    return now, was_removed


def _is_merged(field: str, new: str, path: Sequence[Replacement]) -> bool:
    """Whether several ids of older versions have become this one."""
    origins: set[str] = set()
    made: set[str] = set()  # ids that an earlier step made are no origins of their own
    for place, step in enumerate(path):
        table: Mapping[str, str | tuple[str, ...] | None] = getattr(step, f"{field}s")
        for old in table.keys() - made:
            if _successors(field, old, path[place:]) == ({new}, False):
                origins.add(old)
        made |= {one for value in table.values() for one in successors(value)} - table.keys()
    return len(origins) > 1


def _common_globals(changes: Iterable[Change], taxonomy: Taxonomy) -> set[str]:
    """Of concepts that were split, the global one that all parts have in common."""
    found: set[str] = set()
    for change in changes:
        if change.field == "concept" and change.kind == "split":
            above = taxonomy.implied(change.new)
            if len(above) == 1:
                found |= above
    return found
