"""A worker's side of a run's budget: what it asks of the source is counted by shard, and paid."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from biomedica.pipeline.specs import ShardSpec, Summary
from biomedica.sources import Account, Lend

__all__ = ["Purse"]


class Purse:
    """One in each worker. lend: what is left of the run's budget; None: there is none."""

    def __init__(self, lend: Lend | None = None) -> None:
        self._lend = lend
        self.account = Account(lend)

    def skips(self, summary: Summary, spec: ShardSpec) -> bool:
        """Whether nothing is left for a shard, which the summary then says of all its articles."""
        if self._lend is None:
            return False
        lacking = self.account.borrow()
        if lacking is not None:
            summary.over_budget, summary.budget = len(spec), lacking
        return lacking is not None

    @contextlib.contextmanager
    def spending(self, summary: Summary) -> Iterator[None]:
        """Says in the summary what the block has asked for; what it has not spent is given back."""
        before = self.account.traffic
        try:
            yield
        finally:
            summary.traffic = self.account.traffic - before
            if self._lend is not None:
                self.account.give_back()
