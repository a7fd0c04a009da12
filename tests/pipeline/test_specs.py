"""Shards and summaries travel as text and come back the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.errors import Deferred, SourceError, StoreError
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.shard import fail
from biomedica.pipeline.specs import EmbedSpec, Holding, ShardSpec, Summary
from biomedica.sources import Traffic
from biomedica.store import DataFile

ids = st.builds(lambda a, b: f"PMC{a}.{b}", st.integers(1, 10**8), st.integers(1, 30))
digests = st.one_of(st.just(""), st.binary(min_size=16, max_size=16).map(bytes.hex))
shards = st.binary(min_size=8, max_size=8).map(bytes.hex)
replaces = st.lists(shards, max_size=2).map(",".join)
holdings = st.lists(st.builds(Holding, ids, digests, replaces), min_size=1, max_size=5)


@given(holdings)
def test_a_shard_holds_what_it_was_made_of(held: list[Holding]) -> None:
    spec = ShardSpec.of("digest", held)
    assert list(spec.holdings()) == held
    assert len(spec) == len(held)
    assert [list(one.holdings()) for one in spec.alone("digest")] == [[holding] for holding in held]


@given(holdings)
def test_its_name_follows_from_what_it_holds(held: list[Holding]) -> None:
    assert ShardSpec.of("a", held) == ShardSpec.of("a", list(held))
    assert ShardSpec.of("a", held).shard != ShardSpec.of("b", held).shard
    changed = [*held[:-1], Holding(held[-1].article_id, held[-1].input_digest, "0123456789abcdef")]
    if changed != held:
        assert ShardSpec.of("a", changed).shard != ShardSpec.of("a", held).shard


def test_a_summary_survives_the_way_through_ray() -> None:
    summary = Summary(
        "s",
        articles=2,
        deferred=[("PMC1.1", "no answer")],
        undecodable=[("PMC1.1/a.jpg", "why")],
        reread=EmbedSpec("s", ("pairs/a.parquet",), ("PMC1.1",)),
        embeddings={"m": 3},
        files=[DataFile("pairs", "s-0.parquet", 3, 10, "{}")],
    )
    assert Summary.from_json(summary.to_json()) == summary


def test_a_summary_accounts_for_every_article() -> None:
    spec = ShardSpec.of("d", [Holding(f"PMC{n}.1", "") for n in range(1, 5)])
    assert Summary("s", articles=2, articles_rejected=1, deferred=[("PMC4.1", "")]).accounts_for(spec)
    assert not Summary("s", articles=2, articles_rejected=1).accounts_for(spec)


def test_a_summary_whose_rows_are_not_what_it_counts() -> None:
    def summary(**more: Any) -> Summary:
        files = [
            DataFile("articles", "a", 2, 1, "{}"),
            DataFile("pairs", "p", 3, 1, "{}"),
            DataFile("rejects", "r", 1, 1, "{}"),
            DataFile("superseded", "s", 9, 1, "{}"),
            DataFile("embeddings/m", "e", 2, 1, "{}"),
        ]
        values = {"articles": 2, "pairs": 3, "rejects": 1, "embeddings": {"m": 2}, "files": files}
        return Summary("s", **{**values, "embed_rejects": {"m": 1}, **more})

    assert summary().imbalance(["m"]) is None
    for name, value in {
        "articles": 1,
        "pairs": 4,
        "rejects": 0,
        "embeddings": {"m": 3},
        "embed_rejects": {},
        "files": [],
    }.items():
        assert summary(**{name: value}).imbalance(["m"]), name
    assert summary().imbalance(["m", "another"])


@pytest.mark.parametrize(
    ("error", "fatal"), [(StoreError("x"), True), (SourceError("x"), True), (Deferred("x"), False)]
)
def test_what_ends_a_run(error: Exception, fatal: bool) -> None:
    """A store that cannot be written, a bucket of which nothing may be read."""
    summary = fail(Summary("s", traffic=Traffic(5, 2, 1, 900), articles=3), error)
    assert (summary.fatal, summary.fault) == (fatal, "x")
    assert (summary.traffic, summary.articles) == (Traffic(5, 2, 1, 900), 0)


def test_requests_are_summed() -> None:
    report = RunReport(requests=2)
    report.take(Summary("a", traffic=Traffic(5, 1, 1, 10)))
    report.take(Summary("b", traffic=Traffic(7, bytes_received=5)))
    assert report.traffic == Traffic(14, 1, 1, 15)
    names = ("requests", "retries", "slow_downs", "bytes_received")
    assert [report.to_dict()[name] for name in names] == [14, 1, 1, 15]
