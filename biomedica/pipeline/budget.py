"""What a run may ask of its source: shared out before it begins, and paid from one ledger.

Requests in flight are bounded without anybody in the middle: each worker has its share of the two
limits (`FetchConfig.shared`). Requests and bytes that a run may spend are lent in parts that shrink
with what is left (`sources.spending`), twice a shard and a few hundred times near the end, by a small
actor beside the driver. What a dying worker had borrowed counts as spent, so that the limit holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from biomedica.config import BuildConfig
from biomedica.errors import ConfigError, OverBudget
from biomedica.pipeline.session import Cluster
from biomedica.pipeline.specs import ShardSpec
from biomedica.sources import Account, Ledger, Lend, Loan

__all__ = ["RunBudget", "worker_config"]


class RunBudget:
    """The budget of one run, and what its driver has asked. Raises ConfigError for a folder."""

    def __init__(self, config: BuildConfig) -> None:
        budget = config.budget
        self._ledger: Ledger | None = None
        if not budget.is_open:
            if not config.source.lower().startswith("s3://"):
                raise ConfigError(
                    "a budget counts what is asked of a bucket: leave budget.max_requests and "
                    "budget.max_bytes out where the source is a folder"
                )
            self._ledger = Ledger(budget.max_requests, budget.max_bytes)
        self.account = Account(None if self._ledger is None else self._lend)

    @contextlib.contextmanager
    def planning(self) -> Iterator[None]:
        """The driver looks what there is to do. Raises ConfigError where the budget ends that."""
        try:
            yield
        except OverBudget as error:
            raise ConfigError(
                f"{error} before it was known what is to be read: give it more; a listing takes one "
                "request for 1,000 articles, an article named by --ids one or two, a condition one for "
                "each article"
            ) from None

    def affordable(self, shards: Sequence[ShardSpec]) -> Sequence[ShardSpec]:
        """The first shards, as many as can be read at all: each article takes a request or more."""
        left = self._ledger.requests if self._ledger is not None else None
        if left is None:
            return shards
        for number, spec in enumerate(shards):
            if left <= 0:
                return shards[:number]
            left -= len(spec)
        return shards

    @contextlib.contextmanager
    def lent(self, workers: int) -> Iterator[Lend | None]:
        """Where so many workers get what they may spend, while the block lasts; None: no budget."""
        if self._ledger is None:
            yield None
            return
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.account.give_back()
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        lender = ray.remote(_Lender).options(num_cpus=0, scheduling_strategy=here)
        actor = lender.remote(self._ledger.requests, self._ledger.bytes, workers)
        try:
            yield _Remote(actor)
            left = ray.get(actor.left.remote())
            self._ledger = Ledger(left.requests, left.bytes)
        finally:
            ray.kill(actor)

    def _lend(self, unused: Loan | None, *, more: bool = True) -> Loan:
        if self._ledger is None:
            raise RuntimeError("there is no budget to lend from")
        return self._ledger.lend(unused, more=more)


class _Lender:
    """The ledger as a Ray actor."""

    def __init__(self, requests: int | None, size: int | None, holders: int) -> None:
        self.ledger = Ledger(requests, size, holders)

    def lend(self, unused: Loan | None, more: bool) -> Loan:
        return self.ledger.lend(unused, more=more)

    def left(self) -> Loan:
        return self.ledger.left


class _Remote:
    """The ledger as a worker sees it."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def __call__(self, unused: Loan | None, *, more: bool = True) -> Loan:
        import ray

        loan: Loan = ray.get(self._actor.lend.remote(unused, more))
        return loan


def worker_config(config: BuildConfig, cluster: Cluster) -> BuildConfig:
    """The configuration of one worker: its share of the requests in flight. Raises ConfigError."""
    fetch = config.fetch.shared(cluster.workers, cluster.busiest)
    if fetch is None:
        raise ConfigError(
            f"fetch.in_flight_cluster is {config.fetch.in_flight_cluster} and fetch.in_flight_per_node "
            f"{config.fetch.in_flight_per_node}, which is not one request for each of "
            f"{cluster.workers} workers, {cluster.busiest} of them on one machine: raise them, or lower "
            "runtime.workers"
        )
    return config.model_copy(update={"fetch": fetch})
