"""Version policies and samples."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.ids import article_key, split_key
from biomedica.reporting.choice import chosen_versions, has_siblings, in_sample_order, sampled

ARTICLES = st.dictionaries(st.tuples(st.integers(1, 9), st.integers(1, 12)), st.booleans())


def keys_of(articles: dict[tuple[int, int], bool]) -> tuple[np.ndarray, np.ndarray]:
    """Sorted keys, and which are manuscripts."""
    ordered = sorted(articles)
    keys = np.array([article_key(*one) for one in ordered], np.int64)
    return keys, np.array([articles[one] for one in ordered], bool)


@settings(deadline=None)
@given(ARTICLES)
def test_one_version_of_each_article(articles: dict[tuple[int, int], bool]) -> None:
    keys, manuscript = keys_of(articles)
    assert chosen_versions(keys, None, "all").all()
    latest = dict(sorted(articles))
    published = {
        pmcid: max((not flag, version) for (one, version), flag in articles.items() if one == pmcid)[1]
        for pmcid, _ in articles
    }
    for policy, wanted in (("latest", latest), ("published_first", published)):
        taken = keys[chosen_versions(keys, manuscript, policy)]  # type: ignore[arg-type]
        assert dict(zip(*map(list, split_key(taken)), strict=True)) == wanted
    several = {pmcid for pmcid, _ in articles if sum(one == pmcid for one, _ in articles) > 1}
    assert has_siblings(keys).tolist() == [pmcid in several for pmcid, _ in sorted(articles)]


KEYS = st.lists(st.integers(1, 1 << 40), unique=True, max_size=60)


@settings(deadline=None)
@given(KEYS, st.integers(0, 70), st.integers(0, 70), st.integers(-5, 1 << 70), st.randoms())
def test_a_larger_sample_holds_the_smaller_whatever_the_order(
    keys: list[int], one: int, two: int, seed: int, chance: random.Random
) -> None:
    shuffled = list(keys)
    chance.shuffle(shuffled)
    small = sampled(np.array(keys, np.int64), min(one, two), seed).tolist()
    large = sampled(np.array(shuffled, np.int64), max(one, two), seed).tolist()
    assert small == sorted(small)
    assert set(small) <= set(large) <= set(keys)
    assert len(small) == min(one, two, len(keys))


@settings(deadline=None)
@given(KEYS, KEYS, st.integers(1, 20))
def test_what_is_not_there_does_not_change_the_order_of_the_rest(
    keys: list[int], others: list[int], seed: int
) -> None:
    ordered = in_sample_order(np.array(sorted({*keys, *others}), np.int64), seed).tolist()
    wanted = in_sample_order(np.array(keys, np.int64), seed).tolist()
    assert [key for key in ordered if key in set(keys)] == wanted


def test_samples_are_fair_and_those_of_two_seeds_differ() -> None:
    keys = np.array([article_key(number, 1) for number in range(1, 20_001)], np.int64)
    one, two = (set(sampled(keys, 2000, seed).tolist()) for seed in (1, 2))
    assert 120 < len(one & two) < 280
    halves = [sum(split_key(key)[0] <= 10_000 for key in sample) for sample in (one, two)]
    assert all(900 < half < 1100 for half in halves)


def test_a_sample_is_the_same_for_ever() -> None:
    keys = np.array([article_key(number, 1) for number in range(1, 1001)], np.int64)
    assert split_key(sampled(keys, 3, 7))[0].tolist() == [271, 452, 817]
