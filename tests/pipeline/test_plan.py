"""From a request to shards: resolving versions, cutting, naming, dropping what is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.errors import ConfigError
from biomedica.ids import ArticleId, article_key
from biomedica.pipeline import plan
from biomedica.pipeline.plan import chunk_size, make_plan, requested_articles
from biomedica.pipeline.shard import superseded_rows
from biomedica.sources.protocol import LISTING, SourceArticle
from biomedica.store.done import Done


class Listing:
    """A source that only lists."""

    uri = "list:"

    def __init__(self, articles: Iterable[tuple[int, int]]) -> None:
        rows = sorted(set(articles))
        self.table = pa.table(
            [[p for p, _ in rows], [v for _, v in rows], [bytes([p % 251, v] * 8) for p, v in rows]],
            schema=LISTING,
        )

    def list_articles(self, ids: Iterable[ArticleId] | None = None) -> pa.Table:
        return self.table

    def read_article(self, article_id: ArticleId) -> SourceArticle:
        raise AssertionError("planning reads no article")


class Hiding:
    """A dataset that says which builds it hides, and no more."""

    def __init__(self, *articles: str) -> None:
        shards = [f"{n:016x}" for n in range(len(articles))]
        columns = [pa.array(articles, pa.string()), pa.array(shards, pa.string())]
        self.table = pa.table(columns, names=["article_id", "shard"])

    def superseded(self) -> pa.Table:
        return self.table


def names(table: pa.Table) -> list[str]:
    return [
        str(ArticleId(pmcid, version))
        for pmcid, version in zip(table["pmcid"].to_pylist(), table["version"].to_pylist(), strict=True)
    ]


def test_an_id_without_version_is_its_latest() -> None:
    source = Listing([(5, 1), (5, 2), (5, 10), (6, 2), (70, 1)])
    found = requested_articles(source, ["PMC5", "PMC6", "PMC70.1"])
    assert names(found) == ["PMC5.10", "PMC6.2", "PMC70.1"]


def test_what_the_source_does_not_list_keeps_its_name_with_a_digest_of_zeros() -> None:
    found = requested_articles(Listing([(5, 1)]), ["PMC4", "PMC5.2", "PMC5.1", "PMC9"])
    assert names(found) == ["PMC4", "PMC5.1", "PMC5.2", "PMC9"]
    assert [digest == bytes(16) for digest in found["input_digest"].to_pylist()] == [
        True,
        False,
        True,
        True,
    ]


def test_an_empty_source_knows_nothing() -> None:
    assert names(requested_articles(Listing([]), ["PMC4", "PMC5.2"])) == ["PMC4", "PMC5.2"]


def test_naming_an_article_twice_asks_once() -> None:
    found = requested_articles(Listing([(5, 1), (5, 2)]), ["PMC5", "PMC5.2", "PMC5.2"])
    assert names(found) == ["PMC5.2"]


def test_a_malformed_id_is_an_error() -> None:
    with pytest.raises(ConfigError, match="pmc5"):
        requested_articles(Listing([(5, 1)]), ["pmc5"])


@given(
    st.lists(st.tuples(st.integers(1, 60), st.integers(1, 3)), min_size=1, max_size=120),
    st.integers(1, 50),
    st.randoms(use_true_random=False),
)
def test_shards_hold_every_article_once_in_any_order(
    articles: list[tuple[int, int]], size: int, random: object
) -> None:
    requested = Listing(articles).table
    plan = make_plan(requested, None, "digest", size)
    held = [holding.article_id for spec in plan.shards for holding in spec.holdings()]
    assert held == names(requested)
    assert plan.requested == requested.num_rows
    assert plan.chunks == len(plan.shards) == -(-requested.num_rows // size)
    assert (plan.skipped, plan.chunks_skipped) == (0, 0)
    ids: Sequence[str] = list(held)
    random.shuffle(ids)  # type: ignore[attr-defined]
    again = requested_articles(Listing(articles), ids)
    assert make_plan(again, None, "digest", size).shards == plan.shards


@pytest.mark.parametrize(("count", "size"), [(1, 10), (69, 10), (2000, 63), (10**7, 200)])
def test_the_size_of_chunks_follows_the_request(count: int, size: int) -> None:
    assert chunk_size(count, None) == size
    assert chunk_size(count, 7) == 7


def test_rows_of_an_id_without_version_go_with_any_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of its versions is written: another one may be deferred."""
    nothing = Done(np.empty(0, np.int64), np.empty((2, 0), np.uint64))
    monkeypatch.setattr(plan, "done_articles", lambda *_: nothing)
    monkeypatch.setattr(plan, "_replaced", lambda *_: {article_key(5, 0): ("0" * 16,)})
    requested = requested_articles(Listing([(4, 1), (5, 1), (5, 2), (5, 3), (6, 1)]), None)
    dataset: Any = Hiding()
    shards = make_plan(requested, dataset, "d", 2).shards
    replaces = {h.article_id: h.replaces for shard in shards for h in shard.holdings() if h.replaces}
    assert replaces == {f"PMC5.{version}": f"PMC5/{'0' * 16}" for version in (1, 2, 3)}


def test_an_article_that_was_withdrawn_is_built_under_another_shard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The name of the first one is that of rows that are hidden; it names nothing to be replaced."""
    nothing = Done(np.empty(0, np.int64), np.empty((2, 0), np.uint64))
    monkeypatch.setattr(plan, "done_articles", lambda *_: nothing)
    monkeypatch.setattr(plan, "_replaced", lambda *_: {})
    requested = requested_articles(Listing([(5, 1)]), None)
    datasets: list[Any] = [None, Hiding("PMC5.1"), Hiding("PMC5.1", "PMC5.1"), Hiding("PMC6.1")]
    shards = [make_plan(requested, dataset, "d", 2).shards[0] for dataset in datasets]
    assert len({one.shard for one in shards}) == 3
    assert shards[0] == shards[3]
    for one in shards:
        (holding,) = one.holdings()
        assert superseded_rows(holding.article_id, holding.replaces) == []
