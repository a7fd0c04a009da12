"""The order in which clusters are asked."""

from __future__ import annotations

import itertools
import math

from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.annotation import Standing, Vote, cluster_standings, count_ballots, next_clusters
from biomedica.labelling import QueueConfig
from tests.annotation.casting import TAXONOMY, cast

sizes_of = st.dictionaries(st.integers(0, 60), st.integers(1, 10**6), max_size=40)
standings_of = st.dictionaries(
    st.integers(0, 60),
    st.builds(Standing, st.integers(0, 6), st.none() | st.floats(0, 1), st.booleans()),
)


@given(sizes_of, standings_of, st.sets(st.integers(0, 60)), st.randoms())
@settings(deadline=None)
def test_never_what_was_answered_and_always_the_same(sizes, standings, answered, random) -> None:  # type: ignore[no-untyped-def]
    queue = next_clusters(sizes, standings, "ann", answered=answered)
    assert not set(queue) & answered
    assert len(set(queue)) == len(queue)
    shuffled = list(sizes.items())
    random.shuffle(shuffled)
    assert next_clusters(dict(shuffled), standings, "ann", answered=answered) == queue
    assert set(next_clusters(sizes, standings, "ben", answered=answered)) == set(queue)
    new = {cluster for cluster in sizes if cluster not in standings} - answered
    assert new <= set(queue)


@given(sizes_of, st.text(min_size=1, max_size=5))
@settings(deadline=None)
def test_large_clusters_come_first(sizes: dict[int, int], annotator: str) -> None:
    queue = next_clusters(sizes, {}, annotator)
    assert len(queue) == len(sizes)
    for earlier, later in itertools.pairwise(queue):
        assert sizes[later] <= sizes[earlier] * math.sqrt(2) * 1.0001


def test_low_agreement_comes_first_and_what_is_done_is_not_asked() -> None:
    sizes = dict.fromkeys(range(7), 1000)
    standings = {
        0: Standing(2, 1.0), 1: Standing(2, 0.0), 2: Standing(3, 0.9), 3: Standing(3, 0.2), 4: Standing(5, 0.0),
        5: Standing(3, 0.0, is_adjudicated=True), 6: Standing(3, None),
    }  # fmt: skip
    assert next_clusters(sizes, standings, "ann") == [1, 3, 0]
    assert next_clusters(sizes, standings, "ann", config=QueueConfig(votes_wanted=1, votes_most=3)) == [
        1
    ]


def test_what_was_skipped_comes_last_and_who_is_at_it_counts() -> None:
    sizes = {1: 100, 2: 90, 3: 10**6}
    assert next_clusters(sizes, {}, "ann", skipped=[3, 1]) == [2, 3, 1]
    assert next_clusters(sizes, {}, "ann", in_progress={3: 3}) == next_clusters(
        {1: 100, 2: 90}, {}, "ann"
    )


def test_annotators_do_not_walk_in_step() -> None:
    sizes = dict.fromkeys(range(200), 50)
    firsts = {next_clusters(sizes, {}, f"annotator {number}")[0] for number in range(20)}
    assert len(firsts) > 15


def test_every_cluster_gets_its_votes_and_no_more() -> None:
    """Five annotators who agree, one vote each in turn."""
    sizes = {cluster: 10 + cluster**2 for cluster in range(12)}
    votes: list[Vote] = []
    done = dict.fromkeys("abcde", 0)
    while True:
        before = len(votes)
        for name in done:
            answered = {one.cluster_id for one in votes if one.annotator == name}
            standings = cluster_standings(count_ballots(votes, TAXONOMY))
            queue = next_clusters(sizes, standings, name, answered=answered)  # type: ignore[arg-type]
            if queue:
                votes.append(cast(name, queue[0], "map", at=len(votes)))
        if len(votes) == before:
            break
    counts = [sum(one.cluster_id == cluster for one in votes) for cluster in sizes]
    assert counts == [3] * 12


def test_the_standing_is_that_of_the_votes() -> None:
    votes = [cast("ann", 1, "map"), cast("ben", 1, "table"), cast("ann", 2, is_not_sure=True),
             cast("eva", 3, "map", is_adjudication=True)]  # fmt: skip
    assert cluster_standings(count_ballots(votes, TAXONOMY)) == {
        1: Standing(2, 0.0), 2: Standing(1, None), 3: Standing(0, None, is_adjudicated=True),
    }  # fmt: skip
    assert cluster_standings(count_ballots([], TAXONOMY)) == {}
