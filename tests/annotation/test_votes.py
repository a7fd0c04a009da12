"""Votes: what is a vote, which ones count, whatever the order in which events arrive."""

from __future__ import annotations

import random
from datetime import timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from biomedica import labels, schema
from biomedica.annotation import (
    Contradiction,
    Vote,
    check_vote,
    contradictions,
    current_votes,
    read_votes_table,
    votes_table,
)
from biomedica.errors import ConfigError
from tests.annotation.casting import START, TAXONOMY, cast, retract, votes


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"global_concepts": ()}, "answers a question"),
        ({"cluster_id": None}, "cluster_id or pair_id"),
        ({"pair_id": "PMC1.1/a.jpg"}, "cluster_id or pair_id"),
        ({"cluster_id": None, "pair_id": "PMC1/a.jpg"}, "names no version"),
        ({"run": None}, "names the run"),
        ({"is_not_sure": True}, "names no concept"),
        ({"action": "retract", "supersedes": "0" * 32}, "answers nothing"),
        ({"action": "retract", "global_concepts": ()}, "the vote that it takes back"),
        ({"annotator": " ann"}, "blanks"),
        ({"annotator": "a\nb"}, "control"),
        ({"annotator": "a\u202eb"}, "control"),
        ({"comment": "\ud800"}, "unicode"),
        ({"comment": "x" * 4001}, "4000"),
        ({"time": START.replace(tzinfo=None)}, "timezone"),
        ({"cluster_id": 1 << 31}, "less than"),
        ({"taxonomy_version": "../x"}, "match"),
        ({"nonsense": 1}, "not permitted"),
    ],
)
def test_what_is_no_vote_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        cast("ann", 1, "maps", **values)


def test_an_id_depends_on_the_content_alone() -> None:
    vote = cast("ann", 1, "maps", "tables")
    other_zone = START.astimezone(timezone(timedelta(hours=5)))
    assert cast("ann", 1, "tables", "maps", "maps", time=other_zone).vote_id == vote.vote_id
    assert cast("ann", 1, "tables", "maps", comment="!").vote_id != vote.vote_id
    assert len(vote.vote_id) == 32


def test_ids_are_checked_against_the_taxonomy() -> None:
    check_vote(cast("ann", 1, "maps", "map", panel_type="single", panel_subtype="images"), TAXONOMY)
    wrong = {
        "no concept 'nowhere'": {"global_concepts": ("nowhere",)},
        "map of taxonomy biomedica-1 is no global concept": {"global_concepts": ("map",)},
        "no panel type 'triple'": {"panel_type": "triple"},
        "no panel subtype 'triple'": {"panel_subtype": "triple"},
        "translate it": {"taxonomy_version": "biomedica-0"},
    }
    for said, values in wrong.items():
        with pytest.raises(ConfigError, match=said):
            check_vote(cast("ann", 1, "maps", **values), TAXONOMY)


def test_contradictions_are_told() -> None:
    assert contradictions(cast("ann", 1, "immunohistochemistry"), TAXONOMY) == []
    vote = cast(
        "ann", 1, "immunohistochemistry", "microscopy", panel_type="single", panel_subtype="images"
    )
    assert contradictions(vote, TAXONOMY) == [
        Contradiction("local_without_global", "immunohistochemistry", "immuno_assays"),
        Contradiction("panel", "images", "multiple"),
    ]
    fine = cast("ann", 1, "map", "maps", panel_type="multiple", panel_subtype="single_panel")
    assert contradictions(fine, TAXONOMY) == []


def test_the_last_vote_counts_and_an_undo_brings_the_one_before_back() -> None:
    first, second = cast("ann", 1, "maps", at=1), cast("ann", 1, "tables", at=2)
    other = cast("ben", 1, "maps", at=3)
    assert current_votes([first, second, other]) == [second, other]
    assert current_votes([first, second, other, retract(second)]) == [first, other]
    assert current_votes([first, second, retract(second), retract(first)]) == []
    again = cast("ann", 1, "maps", at=2000)
    assert current_votes([first, retract(first), again]) == [again]


def test_a_retraction_counts_for_its_own_vote_only() -> None:
    mine, yours = cast("ann", 1, "maps"), cast("ben", 1, "maps")
    undo = retract(mine)
    stolen = undo.model_copy(update={"annotator": "ben"})
    elsewhere = undo.model_copy(update={"cluster_id": 2})
    assert current_votes([mine, yours, stolen, elsewhere]) == [mine, yours]


def test_an_adjudication_is_kept_beside_the_persons_vote() -> None:
    vote, decision = cast("ann", 1, "maps"), cast("ann", 1, "tables", is_adjudication=True, at=9)
    assert current_votes([decision, vote]) == [vote, decision]


def test_an_image_is_the_same_item_in_every_run() -> None:
    here, there = (
        cast("ann", 1, "maps", run=run, cluster_id=None, pair_id="PMC1.1/a.jpg", at=at)
        for at, run in enumerate(("r1", "r2"))
    )
    assert current_votes([here, there]) == [there]


@settings(deadline=None, max_examples=60)
@given(st.lists(votes(), max_size=12), st.randoms())
def test_order_and_repetition_of_events_do_not_matter(
    events: list[Vote], shuffled: random.Random
) -> None:
    undone = [retract(one) for one in events[:3] if one.action == "vote"]
    every = [*events, *undone]
    mixed = [*every, *events]
    shuffled.shuffle(mixed)
    counted = current_votes(every)
    assert current_votes(mixed) == counted
    assert votes_table(mixed) == votes_table(every)
    assert len({(one.item, one.annotator, one.is_adjudication) for one in counted}) == len(counted)
    taken_back = {one.supersedes for one in every if one.action == "retract"}
    assert not taken_back & {one.vote_id for one in undone}
    assert not {one.supersedes for one in undone} & {one.vote_id for one in counted}


@settings(deadline=None, max_examples=60)
@given(st.lists(votes(), max_size=8))
def test_a_table_gives_the_same_votes_back(events: list[Vote]) -> None:
    table = votes_table(events)
    assert table.schema.equals(labels.VOTES)
    read = read_votes_table(table, "votes")
    assert {one.vote_id for one in read} == {one.vote_id for one in events}
    assert votes_table(read) == table


def test_a_vote_that_was_changed_afterwards_is_told() -> None:
    rows = votes_table([cast("ann", 1, "maps")]).to_pylist()
    rows[0]["annotator"] = "ben"
    changed = schema.pa.Table.from_pylist(rows, schema=labels.VOTES)
    with pytest.raises(ConfigError, match=r"v\.parquet, vote 1: it was changed after it was cast"):
        read_votes_table(changed, "v.parquet")


def test_every_field_has_a_doc_and_the_tables_their_names() -> None:
    for kind, fields in labels.LABEL_TABLES.items():
        assert schema.table_schema(labels.labels_table("biomedica-1", kind)) is fields
        for field in fields:
            assert schema.field_doc(field), f"{kind}.{field.name}"
    for wrong in ("", "A", "../x", "a/b", "a" * 64):
        with pytest.raises(ConfigError, match="not the version of a taxonomy"):
            labels.labels_table(wrong, "votes")
