"""What is asked of a source's bucket, counted, and kept within a budget.

The budget of a run lies in one `Ledger`. A process spends from a loan of it: it comes back for the
next one when that is used up, with what is left of it. The loans shrink with what is left, so that
the ledger is asked seldom, the limit holds whatever dies, and the last requests are not held back by
somebody who does not need them. Requests are paid before they are sent, bytes when they have come.
"""

from __future__ import annotations

import threading
from dataclasses import astuple, dataclass
from typing import Protocol

from biomedica.errors import OverBudget

__all__ = ["Account", "Ledger", "Lend", "Loan", "Traffic"]

LOANS = 4
"""A holder gets this part of its even share, so that a slow one does not sit on it."""
LEAST_BYTES = 1 << 20
"""of a loan, where there is as much: fewer would be asked for at each object"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests that were sent, retries among them; of these the retries, and those that met SlowDown;
    bytes of objects and listings that came."""

    requests: int = 0
    retries: int = 0
    slow_downs: int = 0
    bytes_received: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(*(a - b for a, b in zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True, slots=True)
class Loan:
    """Requests and bytes that may be spent; None: any number. bytes below zero are a debt: what was in
    flight brought more than was left."""

    requests: int | None = None
    bytes: int | None = None

    @property
    def lacks(self) -> str | None:
        """What it has nothing of: `requests`, `bytes`, or nothing of this (None)."""
        for name, left in (("requests", self.requests), ("bytes", self.bytes)):
            if left is not None and left <= 0:
                return name
        return None


class Lend(Protocol):
    """Where a process gets what it may spend."""

    def __call__(self, unused: Loan | None, *, more: bool = True) -> Loan:
        """Give back what is left of a loan, and take the next one; more: False takes nothing."""


class Ledger:
    """What is left of a run's budget. holders: how many processes spend it. No threads."""

    def __init__(self, requests: int | None, bytes: int | None, holders: int = 1) -> None:
        self.requests = requests
        self.bytes = bytes
        self.holders = holders

    @property
    def left(self) -> Loan:
        """All that was not lent."""
        return Loan(self.requests, self.bytes)

    def lend(self, unused: Loan | None, *, more: bool = True) -> Loan:
        """Take back what is left of a loan, and give the next one: of nothing where nothing is left, or
        no more is asked for."""
        if unused is not None:
            self._add(unused, 1)
        lacking = self.left.lacks if more else "requests"
        if lacking is not None:
            return Loan(requests=0) if lacking == "requests" else Loan(bytes=0)
        loan = Loan(self._part(self.requests, 1), self._part(self.bytes, LEAST_BYTES))
        self._add(loan, -1)
        return loan

    def _part(self, left: int | None, least: int) -> int | None:
        return None if left is None else min(left, max(least, left // (LOANS * self.holders)))

    def _add(self, loan: Loan, sign: int) -> None:
        if self.requests is not None:
            self.requests += sign * (loan.requests or 0)
        if self.bytes is not None:
            self.bytes += sign * (loan.bytes or 0)


class Account:
    """One process's requests and bytes, counted. Safe to use from several threads.

    lend: where it gets what it may spend; None: there is no budget.
    """

    def __init__(self, lend: Lend | None = None) -> None:
        self._requests = self._retries = self._slow_downs = self._bytes = 0
        self._lend = lend
        self._loan: Loan | None = None
        self._lock = threading.Lock()

    @property
    def traffic(self) -> Traffic:
        """What was asked so far."""
        with self._lock:
            return Traffic(self._requests, self._retries, self._slow_downs, self._bytes)

    def send(self, *, retry: bool = False) -> None:
        """One request is about to be sent. Raises OverBudget: it must not be."""
        with self._lock:
            if self._lend is not None:
                loan = self._loan
                if loan is None or loan.lacks:
                    loan = self._loan = self._lend(loan)
                if loan.lacks:
                    raise OverBudget(loan.lacks)
                if loan.requests is not None:
                    self._loan = Loan(loan.requests - 1, loan.bytes)
            self._requests += 1
            self._retries += retry

    def receive(self, count: int) -> None:
        """So many bytes have come."""
        with self._lock:
            if self._lend is not None:
                loan = self._loan or Loan(0, 0)  # given up while this was in flight
                if loan.bytes is not None:
                    self._loan = Loan(loan.requests, loan.bytes - count)
            self._bytes += count

    def slow_down(self) -> None:
        """One request met SlowDown."""
        with self._lock:
            self._slow_downs += 1

    def borrow(self) -> str | None:
        """Take a loan where there is none; what it lacks, None where it can be spent."""
        with self._lock:
            if self._lend is None:
                return None
            if self._loan is None or self._loan.lacks:
                self._loan = self._lend(self._loan)
            return self._loan.lacks

    def give_back(self) -> None:
        """Give up what is left of the loan."""
        with self._lock:
            if self._lend is not None and self._loan is not None:
                self._lend(self._loan, more=False)
            self._loan = None
