"""Ids are parsed and printed in one place, and come back the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.errors import ConfigError
from biomedica.ids import (
    ArticleId,
    article_id_of_pair,
    pair_id,
    parse_article_id,
    shard_id,
    split_pair_id,
)

articles = st.builds(ArticleId, st.integers(1, 10**12 - 1), st.integers(0, 99_999))
names = st.text(min_size=1, max_size=30)


@given(articles)
def test_article_ids_round_trip(article: ArticleId) -> None:
    assert parse_article_id(str(article)) == article


@given(st.text(max_size=20))
def test_anything_else_is_refused_and_named(text: str) -> None:
    refused = "is not an article id"
    found = text
    try:
        found = str(parse_article_id(text))
    except ConfigError as error:
        refused = str(error)
    assert found == text
    assert "is not an article id" in refused


@pytest.mark.parametrize(
    "text",
    ["", "PMC", "pmc1.1", "PMC01.1", "PMC1.", "PMC1.0", "PMC1.1\n", " PMC1", "PMC1.1.1", "PMC٣.1"],
)
def test_near_misses(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_article_id(text)


@given(articles.filter(lambda article: article.version > 0), names)
def test_pair_ids_round_trip(article: ArticleId, name: str) -> None:
    text = pair_id(article, name)
    assert split_pair_id(text) == (article, name)
    assert article_id_of_pair(text) == str(article)


@pytest.mark.parametrize("text", ["", "PMC1.1", "PMC1.1/", "PMC1/a.jpg", "x/a.jpg"])
def test_what_is_no_pair_id(text: str) -> None:
    with pytest.raises(ConfigError):
        split_pair_id(text)


def test_versions_sort_as_numbers() -> None:
    ids = sorted(map(parse_article_id, ["PMC9.10", "PMC10.1", "PMC9.2"]))
    assert [str(article) for article in ids] == ["PMC9.2", "PMC9.10", "PMC10.1"]


def test_a_shard_is_named_by_all_it_holds() -> None:
    holdings = [("PMC1.1", "aa", ""), ("PMC2.1", "bb", "")]
    names = {
        shard_id("d", holdings),
        shard_id("e", holdings),
        shard_id("d", holdings[:1]),
        shard_id("d", [("PMC1.1", "aa", "old"), ("PMC2.1", "bb", "")]),
        shard_id("d", [("PMC1.1", "ab", ""), ("PMC2.1", "bb", "")]),
    }
    assert len(names) == 5
    assert all(len(name) == 16 for name in names)
