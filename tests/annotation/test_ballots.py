"""The votes that count, as arrays."""

from __future__ import annotations

import pytest

from biomedica.annotation import MISSING, count_ballots, taxonomy_from_yaml
from biomedica.annotation.taxonomy import BUILT_IN
from biomedica.errors import ConfigError
from tests.annotation.casting import TAXONOMY, cast, retract


def test_items_and_annotators_are_sorted_and_what_is_not_said_is_missing() -> None:
    first = cast("eva", 2, "map", panel_type="multiple")
    events = [
        cast("ben", 7, "microscopy", panel_type="single"), first, retract(first),
        cast("eva", 2, "tables", is_mixed=True, at=5), cast("ann", 2, is_not_sure=True),
        cast("max", 2, "face", is_adjudication=True), cast("max", 3, "face", run="r2"),
        cast("max", 0, "face", cluster_id=None, pair_id="PMC1.1/a.jpg"),
    ]  # fmt: skip
    ballots = count_ballots(events, TAXONOMY, run="r1")
    assert [item.cluster_id for item in ballots.items] == [2, 7]
    assert ballots.annotators == ("ann", "ben", "eva")
    assert ballots.panel_type.tolist() == [[MISSING] * 3, [MISSING, 0, MISSING]]
    assert ballots.mixed.tolist() == [[MISSING, MISSING, 1], [MISSING, 0, MISSING]]
    assert ballots.named("global") == ("microscopy", "tables")
    assert ballots.named("local") == ()
    assert ballots.concept("global", "tables").tolist() == [
        [MISSING, MISSING, 1],
        [MISSING, 0, MISSING],
    ]
    assert [one.annotator for one in ballots.adjudications.values()] == ["max"]
    pairs = count_ballots(events, TAXONOMY, about="pairs")
    assert [item.pair_id for item in pairs.items] == ["PMC1.1/a.jpg"]
    assert len(count_ballots(events, TAXONOMY).items) == 3


def test_a_local_vote_is_a_vote_for_its_global_concept() -> None:
    ballots = count_ballots([cast("ann", 1, "immunohistochemistry", "microscopy")], TAXONOMY)
    assert ballots.global_values == (frozenset({"immuno_assays", "microscopy"}),)
    assert ballots.local_values == (frozenset({"immunohistochemistry"}),)


def test_votes_under_an_older_taxonomy_are_counted_and_lost_answers_told() -> None:
    text = BUILT_IN.read_text(encoding="utf-8").replace("version: biomedica-1", "version: biomedica-2")
    text = text.replace("id: immunoblot", "id: western_blot").replace("  - id: word_cloud\n    parent: plots_and_charts\n"
        "    name: word cloud\n    definition: Words sized by how often they stand\n    synonyms: [tag cloud]\n", "")  # fmt: skip
    unmapped = taxonomy_from_yaml(text.encode(), "two")
    newer = taxonomy_from_yaml(
        (
            text
            + "replaces:\n  - {version: biomedica-1, concepts: {immunoblot: western_blot, word_cloud: null}}\n"
        ).encode(),
        "two",
    )
    events = [
        cast("ann", 1, "immunoblot"),
        cast("ben", 1, "word_cloud"),
        cast("ann", 2, "word_cloud", is_mixed=True),
    ]
    ballots = count_ballots(events, newer)
    assert ballots.local_values == (frozenset({"western_blot"}),)
    assert ballots.vote_ids[0] == (events[0].vote_id,)
    assert [one.of for one in ballots.to_review] == [events[1], events[2]]
    assert len(ballots.items) == 2
    with pytest.raises(ConfigError, match="does not say what became of its ids"):
        count_ballots(events, unmapped)


def test_a_taxonomy_that_changed_without_a_new_version_is_told() -> None:
    text = BUILT_IN.read_text(encoding="utf-8").replace("id: immunoblot", "id: western_blot")
    with pytest.raises(
        ConfigError, match=r"a vote of ann is not of this taxonomy.*needs a new version"
    ):
        count_ballots([cast("ann", 1, "immunoblot")], taxonomy_from_yaml(text.encode(), "one"))


def test_nothing_is_nothing() -> None:
    ballots = count_ballots([], TAXONOMY)
    assert (ballots.items, ballots.annotators, ballots.panel_type.shape) == ((), (), (0, 0))
