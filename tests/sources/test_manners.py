"""Requests in flight and SlowDown, budgets and 403, counted at a server."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from biomedica.errors import Deferred, OverBudget
from biomedica.ids import ArticleId
from biomedica.sources import Account, Ledger, PmcCloudSource
from biomedica.sources import bucket as bucket_module
from biomedica.sources.inventory import take_snapshot
from biomedica.sources.window import Window
from tests import faulty
from tests.faulty import FaultyProxy
from tests.sources.conftest import Cloud
from tests.sources.layout import XML, write_article

LIMIT = 1 << 20
QUIET = {"seed": 1, "unavailable": 0.0, "resets": 0.0, "truncated": 0.0, "corrupted": 0.0}
IDS = [ArticleId(number, 1) for number in range(1, 25)]
THREADS = 16
LATENCY = 0.02


@pytest.fixture
def articles(cloud: Cloud) -> Cloud:
    for article_id in IDS:
        write_article(cloud.folder, article_id)
    cloud.upload(cloud.folder)
    return cloud


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A retry waits as long as an answer takes."""
    monkeypatch.setattr("biomedica.sources.access.FIRST_WAIT", LATENCY)
    monkeypatch.setattr("biomedica.sources.access.GROWTH", 1)
    return


def source(cloud: Cloud, proxy: FaultyProxy, account: Account | None = None, **fetch: Any) -> Any:
    config = cloud.source(endpoint_url=proxy.endpoint, **fetch).bucket.config
    return PmcCloudSource(cloud.uri, config, account)


def read_all(opened: PmcCloudSource, rounds: int = 4) -> None:
    def read(article_id: ArticleId) -> None:
        while True:
            try:
                assert opened.read_article(article_id).read_xml(LIMIT) == XML
            except Deferred:  # a machine under load: the same thread was late each time
                continue
            return

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, IDS * rounds))


# -- in flight


@pytest.mark.parametrize("limits", [{"in_flight_per_node": 3}, {"in_flight_cluster": 3}])
def test_no_more_requests_are_in_flight_than_allowed(articles: Cloud, limits: dict[str, int]) -> None:
    with FaultyProxy(articles.endpoint, **QUIET, latency=LATENCY) as proxy:
        bounded = source(articles, proxy, **limits)
        bounded.list_articles(IDS)
        read_all(bounded)
        assert proxy.most_in_flight == 3
        read_all(source(articles, proxy), rounds=1)
        assert proxy.most_in_flight > 6


def slow_downs(articles: Cloud, capacity: int) -> int:
    """SlowDowns while everything is read from a server that bears so many requests in flight."""
    with FaultyProxy(articles.endpoint, **QUIET, latency=LATENCY, capacity=capacity) as proxy:
        opened = source(articles, proxy, retries=50)
        read_all(opened)
        traffic = opened.traffic
        assert traffic.requests == proxy.requests
        assert traffic.slow_downs == proxy.injected["unavailable"]
        assert traffic.slow_downs - traffic.retries <= traffic.slow_downs / 50
        assert traffic.requests - traffic.slow_downs >= 2 * 4 * len(IDS)
        return int(traffic.slow_downs)


def test_a_server_that_says_slow_down_is_asked_for_less(
    articles: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is read, with a fraction of the SlowDowns that the same requests without it meet."""
    adaptive = slow_downs(articles, 4)
    monkeypatch.setattr(Window, "slowed", lambda *_: None)
    stubborn = slow_downs(articles, 4)
    assert 0 < adaptive < stubborn / 3


@pytest.mark.parametrize("status", [429, 503])
def test_both_statuses_are_slow_downs(
    articles: Cloud, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = (status, "SlowDown", "Please reduce your request rate.")
    monkeypatch.setitem(faulty._ERRORS, "unavailable", error)
    with FaultyProxy(articles.endpoint, **QUIET, always={".xml": "unavailable"}) as proxy:
        opened = source(articles, proxy, retries=3)
        with pytest.raises(Deferred, match=f"status {status}"):
            opened.read_article(IDS[0]).read_xml(LIMIT)
        assert (opened.traffic.requests, opened.traffic.retries, opened.traffic.slow_downs) == (5, 3, 4)
        assert opened.bucket._gate._window.size == 256 // 2**4


def test_a_listing_that_meets_slow_down_is_counted_too(
    articles: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    retries = "botocore.retries"
    monkeypatch.setattr(f"{retries}.standard.ExponentialBackoff.delay_amount", lambda *_: 0.0)
    monkeypatch.setattr(
        f"{retries}.adaptive.ClientRateLimiter.on_sending_request", lambda *_, **__: None
    )
    listings = {"where": lambda _, path: "list-type" in path, "unavailable": 0.1}
    with FaultyProxy(articles.endpoint, **(QUIET | listings)) as proxy:
        opened = source(articles, proxy, retries=20)
        while not proxy.injected["unavailable"]:
            assert opened.list_articles().num_rows == len(IDS)
        traffic = opened.traffic
        assert traffic.requests == proxy.requests
        assert traffic.slow_downs == traffic.retries == proxy.injected["unavailable"]
        assert traffic.bytes_received > 100 * len(IDS)


# -- budgets


@pytest.mark.parametrize("requests", [1, 2, 7, 30])
def test_a_budget_of_requests_is_never_exceeded(articles: Cloud, requests: int) -> None:
    """Whatever is asked, by all threads at once, with a server that fails."""
    with FaultyProxy(articles.endpoint, **(QUIET | {"unavailable": 0.3})) as proxy:
        ledger = Ledger(requests, None)
        opened = source(articles, proxy, Account(ledger.lend), retries=5)
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(lambda one: outcome(opened, one), IDS))
        assert found.count("OverBudget")
        assert proxy.requests == requests
        assert opened.traffic.requests == requests


def outcome(opened: PmcCloudSource, article_id: ArticleId) -> str:
    try:
        opened.read_article(article_id).read_xml(LIMIT)
    except (OverBudget, Deferred) as fault:
        return type(fault).__name__
    return "read"


def test_a_budget_of_bytes_is_exceeded_by_what_is_in_flight_alone(articles: Cloud) -> None:
    budget, at_once = 5000, 4
    with FaultyProxy(articles.endpoint, **QUIET) as proxy:
        ledger = Ledger(None, budget)
        opened = source(articles, proxy, Account(ledger.lend), in_flight_per_node=at_once)
        with ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(lambda one: outcome(opened, one), IDS))
    assert found.count("OverBudget")
    received = opened.traffic.bytes_received
    largest = max(len(path.read_bytes()) for path in articles.folder.rglob("*") if path.is_file())
    assert budget <= received < budget + at_once * largest


@pytest.mark.parametrize("requests", range(1, 5))
def test_listings_and_look_ups_are_paid_from_the_budget(articles: Cloud, requests: int) -> None:
    """And what cannot be paid is no answer: neither a listing, nor a digest that is not known."""
    for ask in (
        lambda opened: opened.list_articles(IDS[:6]),
        lambda opened: opened.list_articles([ArticleId(one.pmcid, 0) for one in IDS[:6]]),
        lambda opened: [opened.list_articles() for _ in range(5)],
        lambda opened: [take_snapshot(opened) for _ in range(5)],
    ):
        with FaultyProxy(articles.endpoint, **QUIET) as proxy:
            opened = source(articles, proxy, Account(Ledger(requests, None).lend), retries=5)
            with pytest.raises(OverBudget, match="budget of requests"):
                ask(opened)
            assert proxy.requests == requests


def test_a_refusal_that_is_tried_again_is_paid_twice(articles: Cloud) -> None:
    with FaultyProxy(articles.endpoint, **QUIET, always={".xml": "forbidden"}) as proxy:
        opened = source(articles, proxy)
        with pytest.raises(Deferred, match="refused"):
            opened.read_article(IDS[0]).read_xml(LIMIT)
        assert (opened.traffic.requests, opened.traffic.retries, proxy.requests) == (3, 1, 3)


def test_waits_between_tries_grow_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = [bucket_module._wait(0.1 * 2**number) for number in range(12)]
    for number, wait in enumerate(waits):
        assert min(10.0, 0.1 * 2**number) / 2 <= wait <= min(10.0, 0.1 * 2**number)
    assert len({bucket_module._wait(1.0) for _ in range(20)}) > 10
