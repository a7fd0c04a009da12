"""From votes to labels of clusters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.annotation import (
    Vote,
    count_ballots,
    disagreements,
    estimate_reliability,
    labels_to_biomedica,
    resolve_clusters,
    resolved_answers,
    votes_from_biomedica,
)
from biomedica.errors import ConfigError
from biomedica.labelling import ResolveConfig
from biomedica.labels import CLUSTER_LABELS
from tests.annotation.casting import START, TAXONOMY, cast, retract, votes


def resolve(*events: Vote, **config: Any) -> dict[int, dict[str, Any]]:
    ballots = count_ballots(events, TAXONOMY, run="r1")
    table = resolve_clusters(ballots, estimate_reliability(ballots), ResolveConfig(**config))
    assert table.schema.equals(CLUSTER_LABELS)
    return {row["cluster_id"]: row for row in table.to_pylist()}


def test_more_than_half_decide_and_shares_are_kept() -> None:
    row = resolve(
        cast("ann", 1, "map", panel_type="single", panel_subtype="single_panel"),
        cast("ben", 1, "map", "bar_plot", panel_type="single"),
        cast("eva", 1, "bar_plot", panel_type="multiple"),
    )[1]
    assert row["status"] == "resolved"
    assert (row["panel_type"], row["panel_subtype"]) == ("single", "single_panel")
    assert row["panel_type_confidence"] == pytest.approx(2 / 3)
    assert row["panel_subtype_confidence"] == 1
    assert row["local_concepts"] == ["bar_plot", "map"]
    assert row["global_concepts"] == ["maps", "plots_and_charts"]
    assert row["local_confidences"] == pytest.approx([2 / 3, 2 / 3])
    assert (row["is_mixed"], row["decided_by"], row["vote_count"]) == (False, "majority", 3)
    assert row["panel_type_agreement"] == pytest.approx(1 / 3)
    assert row["global_agreement"] == pytest.approx((1 / 3 + 1 / 3 + 0) / 3)
    assert len(row["vote_ids"]) == 3


def test_a_tie_is_a_dispute() -> None:
    row = resolve(cast("ann", 1, "map"), cast("ben", 1, "bar_plot"))[1]
    assert row["status"] == "disputed"
    assert row["disputed"] == ["global", "local"]
    assert (row["global_concepts"], row["local_concepts"], row["is_mixed"]) == ([], [], False)


def test_abstentions_do_not_count_as_answers() -> None:
    rows = resolve(
        cast("ann", 1, "map"), cast("ben", 1, is_not_sure=True), cast("eva", 1, panel_type="single"),
        cast("ann", 2, is_not_sure=True), cast("ben", 3, is_mixed=True),
    )  # fmt: skip
    assert rows[1]["local_concepts"] == ["map"]
    assert rows[1]["local_confidences"] == [1]
    assert (rows[1]["vote_count"], rows[1]["not_sure_count"]) == (3, 1)
    assert (rows[2]["status"], rows[2]["is_mixed"]) == ("open", None)
    assert (rows[3]["status"], rows[3]["is_mixed"]) == ("open", True)


def test_a_local_concept_brings_its_global_one() -> None:
    row = resolve(
        cast("ann", 1, "immunohistochemistry"),
        cast("ben", 1, "immunohistochemistry", "microscopy"),
        cast("eva", 1, "microscopy"), cast("tom", 1, "microscopy"), cast("max", 1, "microscopy"),
    )[1]  # fmt: skip
    assert row["local_concepts"] == ["immunohistochemistry"]
    assert row["global_concepts"] == ["immuno_assays", "microscopy"]
    assert row["global_confidences"] == pytest.approx([2 / 5, 4 / 5])
    assert row["contradictions"] == [
        {
            "kind": "local_without_global",
            "value": "immunohistochemistry",
            "expected": "immuno_assays",
            "votes": 1,
        }
    ]


def test_an_adjudicator_wins_and_is_marked() -> None:
    split = [
        cast("ann", 1, "map"),
        cast("ben", 1, "bar_plot"),
        cast("ann", 2, "map"),
        cast("ben", 2, "table"),
    ]
    decision = cast("eva", 1, "table", is_adjudication=True, at=5)
    rows = resolve(*split, decision)
    assert (rows[1]["status"], rows[1]["decided_by"], rows[1]["adjudicator"]) == (
        "adjudicated",
        "adjudicator",
        "eva",
    )
    assert (rows[1]["local_concepts"], rows[1]["global_concepts"]) == (["table"], ["tables"])
    assert rows[1]["local_confidences"] == [1]
    assert rows[1]["vote_ids"][-1] == decision.vote_id
    assert rows[1]["vote_count"] == 2
    assert rows[1]["majority"]["local_concepts"] == []
    assert rows[2]["status"] == "disputed"
    later = cast("tom", 1, "map", is_adjudication=True, at=6)
    assert resolve(*split, decision, later)[1]["adjudicator"] == "tom"
    assert resolve(*split, decision, later, retract(later))[1]["adjudicator"] == "eva"
    unsure = cast("eva", 1, is_adjudication=True, is_not_sure=True, at=7)
    row = resolve(*split, unsure)[1]
    assert (row["status"], row["global_concepts"], row["disputed"]) == ("adjudicated", [], [])
    alone = resolve(cast("eva", 9, "map", is_adjudication=True))[9]
    assert (alone["status"], alone["vote_count"], alone["local_concepts"]) == (
        "adjudicated",
        0,
        ["map"],
    )


def test_an_adjudicator_of_one_question_leaves_the_others() -> None:
    events = [
        cast("ann", 1, "map", panel_type="single"),
        cast("ben", 1, "bar_plot", panel_type="multiple"),
        cast("eva", 1, panel_type="single", is_adjudication=True),
    ]
    row = resolve(*events)[1]
    assert (row["panel_type"], row["status"], row["disputed"]) == (
        "single",
        "disputed",
        ["global", "local"],
    )


def test_the_model_stands_beside_the_majority() -> None:
    """Two who guess outvote one who is right; the model has learnt whom to believe."""
    good = [cast("ann", item, "map" if item % 2 else "table") for item in range(60)]
    bad = [
        cast(name, item, "map" if (item * 7 + shift) % 3 else "table")
        for shift, name in enumerate(("ben", "eva"))
        for item in range(60)
    ]
    also = [cast("tom", item, "map" if item % 2 else "table") for item in range(50)]
    plain = resolve(*good, *bad, *also)
    model = resolve(*good, *bad, *also, rule="dawid_skene")
    truth = {item: ["map"] if item % 2 else ["table"] for item in range(60)}
    right = [
        sum(rows[item]["local_concepts"] == truth[item] for item in truth) for rows in (plain, model)
    ]
    assert right[1] == 60 > right[0]
    assert {row["decided_by"] for row in model.values()} == {"dawid_skene"}
    assert all(plain[item]["dawid_skene"]["local_concepts"] == truth[item] for item in truth)
    ballots = count_ballots(good, TAXONOMY)
    with pytest.raises(ConfigError, match="needs the models"):
        resolved_answers(ballots, ResolveConfig(rule="dawid_skene"))


def test_without_a_model_its_rule_leaves_questions_open() -> None:
    """One vote a cluster says nothing of the annotators."""
    row = resolve(cast("ann", 1, "map"), cast("ben", 2, "map"), rule="dawid_skene")[1]
    assert (row["status"], row["disputed"], row["majority"]["local_concepts"]) == ("open", [], ["map"])


def test_a_question_stays_open_below_the_least_votes() -> None:
    row = resolve(cast("ann", 1, "map"), least_votes=2)[1]
    assert (row["status"], row["local_concepts"], row["disputed"]) == ("open", [], [])


def test_disagreements_are_ranked() -> None:
    events = [
        cast("ann", 1, "map"), cast("ben", 1, "table"),
        cast("ann", 2, "map"), cast("ben", 2, "table"),
        cast("ann", 3, "map"), cast("ben", 3, "map"),
        cast("ann", 4, "immunohistochemistry", "microscopy"), cast("ben", 4, "immunohistochemistry", "microscopy"),
        cast("ann", 5, "map"), cast("ben", 5, "table"), cast("eva", 5, "map", is_adjudication=True),
    ]  # fmt: skip
    ballots = count_ballots(events, TAXONOMY)
    table = resolve_clusters(ballots, estimate_reliability(ballots))
    found = disagreements(table, {1: 10, 2: 5000, 3: 9, 4: 10**6, 5: 10**6})
    assert [one.cluster_id for one in found] == [2, 1, 4]
    assert found[0].disputed == ("global", "local")
    assert found[2].contradictions == 1
    assert [one.cluster_id for one in disagreements(table)][:2] == [1, 2]


def test_runs_are_kept_apart() -> None:
    events = [cast("ann", 1, "map"), cast("ann", 1, "table", run="r2")]
    assert resolve(*events)[1]["local_concepts"] == ["map"]
    both = count_ballots(events, TAXONOMY)
    table = resolve_clusters(both, estimate_reliability(both))
    assert table["run"].to_pylist() == ["r1", "r2"]
    with pytest.raises(ConfigError, match="several runs"):
        labels_to_biomedica(table, TAXONOMY)


def test_labels_in_biomedicas_shape_are_read_again() -> None:
    events = [
        cast("biomedica", 3, "immuno_assays", "immunoblot", panel_type="single", panel_subtype="single_panel", time=START),
        cast("biomedica", 12, "maps", "map", panel_type="multiple", time=START),
    ]  # fmt: skip
    ballots = count_ballots(events, TAXONOMY)
    data = labels_to_biomedica(resolve_clusters(ballots, estimate_reliability(ballots)), TAXONOMY)
    assert votes_from_biomedica(data, TAXONOMY, "l.json", run="r1", time=START) == events


@given(st.lists(votes(), max_size=14), st.randoms(), st.sampled_from(["majority", "dawid_skene"]))
@settings(deadline=None, max_examples=60)
def test_any_votes_give_labels_that_hold_together(events: list[Vote], random, rule: str) -> None:  # type: ignore[no-untyped-def]
    rows = resolve(*events, rule=rule)
    for row in rows.values():
        implied = TAXONOMY.implied(row["local_concepts"])
        assert implied <= set(row["global_concepts"])
        for level in ("global", "local"):
            assert len(row[f"{level}_concepts"]) == len(row[f"{level}_confidences"])
            assert all(0 <= one <= 1 for one in row[f"{level}_confidences"])
        assert (row["status"] == "disputed") == bool(row["disputed"])
    shuffled = list(events)
    random.shuffle(shuffled)
    assert resolve(*shuffled, rule=rule) == rows
