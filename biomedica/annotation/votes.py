"""Votes: what an annotator said of a cluster or an image, as events that are only ever added.

A changed answer is a later vote, an undo is a retraction that names the vote it takes back. Which votes
count follows from the set of events alone, in whatever order and however often they arrive.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, Literal, NamedTuple

import pyarrow as pa
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from biomedica.annotation.taxonomy import Level, Taxonomy
from biomedica.errors import ConfigError
from biomedica.ids import split_pair_id
from biomedica.labels import TAXONOMY_VERSION_PATTERN, VOTES

__all__ = [
    "Contradiction",
    "Item",
    "Suggestion",
    "Vote",
    "check_vote",
    "contradictions",
    "current_votes",
    "first_fault",
    "read_votes_table",
    "votes_table",
]


def _no_control(text: str) -> str:
    if any(unicodedata.category(one)[0] == "C" for one in text):
        raise ValueError("a name has no control or unknown characters")
    if text != text.strip():
        raise ValueError("a name has no blanks around it")
    return text


def _in_utc(time: datetime) -> datetime:
    return time.astimezone(UTC)


def _sorted(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(set(ids)))


Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_no_control)]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,79}$")]
Ids = Annotated[tuple[Id, ...], Field(max_length=200), AfterValidator(_sorted)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Item(NamedTuple):
    """What a vote is about: a cluster of a run, or an image, whose run does not matter."""

    run: str
    cluster_id: int
    pair_id: str


class Suggestion(BaseModel):
    """A concept that the page had suggested, and by what: `clip`, `caption`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concept: Id
    source: Id


class Vote(BaseModel):
    """One event. Concepts are ids, kept sorted; the time is UTC.

    Nothing answered is nothing said: an empty list of concepts is an abstention from that question. A
    vote that is not sure abstains from concepts altogether.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    time: Annotated[AwareDatetime, AfterValidator(_in_utc)]
    action: Literal["vote", "retract"] = "vote"
    annotator: Name
    is_adjudication: bool = False
    taxonomy_version: Annotated[str, Field(pattern=f"^{TAXONOMY_VERSION_PATTERN}$")]
    run: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")] | None = None
    cluster_id: Annotated[int, Field(ge=0, lt=1 << 31)] | None = None
    pair_id: Annotated[str, Field(max_length=1000)] | None = None
    panel_type: Id | None = None
    panel_subtype: Id | None = None
    global_concepts: Ids = ()
    local_concepts: Ids = ()
    is_mixed: bool = False
    is_not_sure: bool = False
    comment: Annotated[str, Field(max_length=4000)] = ""
    suggestions: Annotated[tuple[Suggestion, ...], Field(max_length=200)] = ()
    supersedes: Digest | None = None

    @model_validator(mode="after")
    def _complete(self) -> Vote:
        if (self.cluster_id is None) == (self.pair_id is None):
            raise ValueError("a vote is about a cluster or about a pair: give cluster_id or pair_id")
        if self.pair_id is not None:
            try:
                split_pair_id(self.pair_id)
            except ConfigError as error:
                raise ValueError(str(error)) from None
        elif self.run is None:
            raise ValueError("a vote on a cluster names the run of the clustering")
        if self.action == "retract":
            if self._answers or self.supersedes is None:
                raise ValueError("a retraction names the vote that it takes back, and answers nothing")
        elif not self._answers:
            raise ValueError("a vote answers a question, or says that it is mixed or not sure")
        if self.is_not_sure and (self.global_concepts or self.local_concepts):
            raise ValueError("a vote that is not sure names no concept")
        return self

    @property
    def _answers(self) -> bool:
        said = (self.panel_type, self.panel_subtype, self.global_concepts, self.local_concepts)
        return any(said) or self.is_mixed or self.is_not_sure

    @cached_property
    def vote_id(self) -> str:
        """32 hex digits made of all fields: the same event has the same id wherever it is kept."""
        values = self.model_dump(mode="json") | {"time": self.time.isoformat(timespec="microseconds")}
        text = json.dumps(values, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def item(self) -> Item:
        """What the vote is about."""
        if self.pair_id is not None:
            return Item("", -1, self.pair_id)
        assert self.cluster_id is not None  # noqa: S101 - checked above
        return Item(self.run or "", self.cluster_id, "")


def check_vote(vote: Vote, taxonomy: Taxonomy) -> None:
    """Raises ConfigError for an id that the taxonomy lacks or has on the other level."""
    if vote.taxonomy_version != taxonomy.version:
        raise ConfigError(
            f"the vote speaks of taxonomy {vote.taxonomy_version}, not of {taxonomy.version}: translate it"
        )
    if vote.panel_type is not None:
        taxonomy.panel_type(vote.panel_type)
    if vote.panel_subtype is not None:
        taxonomy.panel_subtype(vote.panel_subtype)
    levels: tuple[tuple[Level, tuple[str, ...]], ...] = (
        ("global", vote.global_concepts),
        ("local", vote.local_concepts),
    )
    for level, concepts in levels:
        for one in concepts:
            if taxonomy.level(one) != level:
                raise ConfigError(f"{one} of taxonomy {taxonomy.version} is no {level} concept")


@dataclass(frozen=True, slots=True, order=True)
class Contradiction:
    """Two answers of one vote that the taxonomy does not let stand together.

    kind `local_without_global`: value is the local concept, expected its global one, and the vote names
    other global concepts. kind `panel`: value is the subtype, expected the types that it goes with.
    """

    kind: Literal["local_without_global", "panel"]
    value: str
    expected: str


def contradictions(vote: Vote, taxonomy: Taxonomy) -> list[Contradiction]:
    """What contradicts itself in a vote, sorted. A vote without global concepts only implies them."""
    found = [
        Contradiction("local_without_global", one, taxonomy.global_of(one))
        for one in vote.local_concepts
        if vote.global_concepts and taxonomy.global_of(one) not in vote.global_concepts
    ]
    if vote.panel_subtype is not None and vote.panel_type is not None:
        types = taxonomy.panel_subtype(vote.panel_subtype).panel_types
        if types and vote.panel_type not in types:
            found.append(Contradiction("panel", vote.panel_subtype, " ".join(types)))
    return sorted(found)


def current_votes(events: Iterable[Vote]) -> list[Vote]:
    """The votes that count: of each annotator and item the last one not taken back.

    A retraction counts where it is by the same annotator about the same item, whenever it arrives; the
    vote before the one taken back counts again. Adjudications are kept apart from the same person's
    votes. Of two votes at one time the greater vote_id is the later. Sorted by item, adjudication,
    annotator.
    """
    every = {event.vote_id: event for event in events}
    retracted = {
        (event.supersedes, _ballot(event)) for event in every.values() if event.action == "retract"
    }
    last: dict[tuple[Item, bool, str], Vote] = {}
    for vote in sorted(every.values(), key=lambda one: (one.time, one.vote_id)):
        if vote.action == "vote" and (vote.vote_id, _ballot(vote)) not in retracted:
            last[_ballot(vote)] = vote
    return [last[key] for key in sorted(last)]


def _ballot(vote: Vote) -> tuple[Item, bool, str]:
    return (vote.item, vote.is_adjudication, vote.annotator)


def votes_table(votes: Iterable[Vote]) -> pa.Table:
    """Events as a table of schema VOTES, each once, sorted by time and vote_id."""
    every = {vote.vote_id: vote for vote in votes}
    ordered = sorted(every.values(), key=lambda one: (one.time, one.vote_id))
    rows = [one.model_dump(mode="python") | {"vote_id": one.vote_id} for one in ordered]
    return pa.Table.from_pylist(rows, schema=VOTES)


def read_votes_table(table: pa.Table, where: str) -> list[Vote]:
    """The events of a table in schema VOTES, in its order.

    Raises ConfigError naming `where` and the row: of a wrong value, or where vote_id is not that of
    the row, because it was changed after it was cast.
    """
    votes = []
    for number, row in enumerate(table.to_pylist(), start=1):
        vote_id = row.pop("vote_id", None)
        try:
            vote = Vote.model_validate(_without_nulls(row))
        except ValidationError as error:
            raise ConfigError(f"{where}, vote {number}: {first_fault(error)}") from None
        if vote_id and vote_id != vote.vote_id:
            raise ConfigError(
                f"{where}, vote {number}: it was changed after it was cast: empty its vote_id to take it "
                "as a new vote"
            )
        votes.append(vote)
    return votes


def _without_nulls(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value is not None}


def first_fault(error: ValidationError) -> str:
    """What pydantic says first, as one line."""
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
