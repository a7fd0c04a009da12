"""Budgets: whatever the order, no more is spent than there is, and what is unused comes back."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from biomedica.errors import OverBudget
from biomedica.fetch import BudgetConfig, FetchConfig, parse_bytes
from biomedica.sources.spending import LOANS, Account, Ledger, Loan, Traffic

limits = st.one_of(st.none(), st.integers(1, 5000))
sizes = st.integers(0, 400)


@given(limits, limits, st.integers(1, 8), st.lists(st.tuples(st.integers(0, 7), sizes), max_size=300))
def test_no_more_is_spent_than_there_is(
    requests: int | None, size: int | None, holders: int, asked: list[tuple[int, int]]
) -> None:
    """Each step is a request of one of the holders, answered before the next: bytes are exceeded by
    one object."""
    ledger = Ledger(requests, size, holders)
    accounts = [Account(ledger.lend) for _ in range(holders)]
    refused = set()
    for number, count in asked:
        account = accounts[number % holders]
        try:
            account.send()
        except OverBudget as error:
            refused.add(error.limit)
        else:
            account.receive(count)
    spent = sum((account.traffic for account in accounts), Traffic())
    assert requests is None or spent.requests <= requests
    assert size is None or spent.bytes_received < size + 401 * holders
    assert ("requests" not in refused) or requests is not None
    assert ("bytes" not in refused) or size is not None
    for account in accounts:
        account.give_back()
    assert ledger.requests == (None if requests is None else requests - spent.requests)
    assert ledger.bytes == (None if size is None else size - spent.bytes_received)


@given(st.integers(1, 100_000), st.integers(1, 64))
def test_all_of_it_can_be_spent_in_few_loans(requests: int, holders: int) -> None:
    ledger = Ledger(requests, None, holders)
    loans = []
    while (loan := ledger.lend(None)).lacks is None:
        loans.append(loan.requests or 0)
    assert sum(loans) == requests
    assert loans == sorted(loans, reverse=True)
    assert len(loans) <= 2 * LOANS * holders * (1 + requests.bit_length())
    assert ledger.lend(None) == Loan(requests=0)


def test_what_is_in_flight_when_a_loan_is_given_back_is_charged_all_the_same() -> None:
    ledger = Ledger(100, 1000)
    account = Account(ledger.lend)
    account.send()
    account.give_back()
    account.receive(400)
    account.send()
    account.give_back()
    assert (ledger.requests, ledger.bytes) == (98, 600)


def test_a_debt_of_bytes_ends_the_run_of_all() -> None:
    ledger = Ledger(None, 1000, holders=2)
    one, other = Account(ledger.lend), Account(ledger.lend)
    one.send()
    one.receive(5000)
    with pytest.raises(OverBudget, match=r"the budget of bytes \(budget.max_bytes\) is spent"):
        one.send()
    with pytest.raises(OverBudget):
        other.send()
    assert (one.borrow(), other.borrow()) == ("bytes", "bytes")
    assert ledger.bytes == -4000


def test_threads_of_one_account() -> None:
    ledger = Ledger(500, None, holders=3)
    account = Account(ledger.lend)

    def ask(_: int) -> bool:
        try:
            account.send(retry=True)
        except OverBudget:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        sent = sum(pool.map(ask, range(800)))
    assert (sent, account.traffic) == (500, Traffic(500, 500))


def test_without_a_budget_everything_is_counted() -> None:
    account, threads = Account(), []
    for _ in range(4):
        threads.append(threading.Thread(target=lambda: [account.send() for _ in range(1000)]))
        threads[-1].start()
    for thread in threads:
        thread.join()
    account.receive(7)
    account.slow_down()
    assert account.traffic == Traffic(4000, 0, 1, 7)
    assert account.borrow() is None
    account.give_back()


# -- settings


@pytest.mark.parametrize(
    ("text", "count"),
    [("10GB", 10**10), ("500MiB", 500 << 20), ("1.5 kB", 1500), ("7", 7), ("2T", 2 * 10**12)],
)
def test_sizes_as_people_write_them(text: str, count: int) -> None:
    assert parse_bytes(text) == count
    assert BudgetConfig.model_validate({"max_bytes": text}).max_bytes == count


@pytest.mark.parametrize("text", ["", "GB", "-1", "10 XB", "1e9", "10GBs"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(ValidationError, match="500MiB"):
        BudgetConfig.model_validate({"max_bytes": text})


@given(st.integers(1, 500), st.integers(1, 500), st.integers(1, 80), st.data())
def test_shares_stay_within_both_limits(
    node: int, cluster: int, workers: int, data: st.DataObject
) -> None:
    on_a_node = data.draw(st.integers(1, workers))
    config = FetchConfig(in_flight_per_node=node, in_flight_cluster=cluster)
    share = config.shared(workers, on_a_node)
    if share is None:
        assert node < on_a_node or cluster < workers
    else:
        assert share.in_flight * workers <= cluster
        assert share.in_flight * on_a_node <= node
