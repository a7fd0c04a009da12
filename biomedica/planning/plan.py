"""The plan of a run: counts, rates, assumptions and machines put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from biomedica.errors import ConfigError
from biomedica.planning.assumptions import Assumption
from biomedica.planning.counts import Counts
from biomedica.planning.estimate import Bill, Estimate, bill, estimate, storage_per_month
from biomedica.planning.facts import listed_assumptions
from biomedica.planning.fleet import Fleet
from biomedica.planning.rates import EncodeRate, Rates
from biomedica.planning.work import Demand, Work, demand_of, work_of

__all__ = ["Plan", "WhatIf", "chosen_models", "make_plan"]

PUBLIC = "s3://pmc-oa-opendata"
FACTORS = (0.5, 1.0, 2.0, 4.0)
GB = 1e9


@dataclass(frozen=True, slots=True)
class WhatIf:
    """The same run with other machines."""

    what: str
    cores: float
    gpus: float
    seconds: float
    dollars: float
    bottleneck: str


@dataclass(frozen=True)
class Plan:
    """What a run takes, with everything that it was reckoned from."""

    counts: Counts
    demand: Demand
    work: Work
    fleet: Fleet
    models: tuple[EncodeRate, ...]
    estimate: Estimate
    bill: Bill
    storage_per_month: float
    what_if: tuple[WhatIf, ...]
    assumptions: tuple[Assumption, ...]
    all_cores: float
    """`Rates.all_cores`"""
    efficiency: float
    """the assumption of this name"""

    def to_dict(self) -> dict[str, Any]:
        """JSON values; seconds, bytes, dollars."""
        found, work = self.estimate, self.work
        return {
            "articles": self.counts.articles,
            "counted_in": self.counts.what,
            "images": round(work.images),
            "models": [model.name for model in self.models],
            "seconds": found.seconds,
            "hours": found.seconds / 3600,
            "bottleneck": found.bottleneck,
            "start_seconds": found.start_seconds,
            "work_seconds": found.work_seconds,
            "tail_seconds": found.tail_seconds,
            "resource_seconds": dict(found.resources),
            "core_seconds": dict(work.cpu_seconds) | {"encode": work.encode_seconds},
            "objects_read": round(work.reads),
            "requests": round(work.gets),
            "bytes_read": round(work.bytes_read),
            "bytes_written": round(work.bytes_written),
            "objects": round(found.objects),
            "shards": work.shards,
            "commits": round(found.commits),
            "dollars": asdict(self.bill) | {"total": self.bill.total},
            "storage_dollars_per_month": self.storage_per_month,
            "fleet": self.fleet.to_dict(),
            "what_if": [asdict(one) for one in self.what_if],
            "assumptions": [one.to_dict() for one in self.assumptions],
        }


def chosen_models(names: Sequence[str], rates: Rates) -> tuple[EncodeRate, ...]:
    """The rates of models by what they are called. Raises ConfigError for one that was not measured."""
    found = []
    for name in names:
        plain = {name, name.partition("=")[0], name.partition("/")[0]}
        model = next(
            (
                one
                for one in rates.encode
                if plain & {one.model, one.name, one.slug, one.model.partition("=")[0]}
                or one.model.rstrip("/").rpartition("/")[2] == name.rstrip("/").rpartition("/")[2]
            ),
            None,
        )
        if model is None:
            known = ", ".join(one.name for one in rates.encode) or "none"
            raise ConfigError(
                f"the rates know no model {name[:200]!r} ({known}): `biomedica calibrate --model {name[:200]}` "
                "measures it"
            )
        found.append(model)
    return tuple(dict.fromkeys(found))


def make_plan(
    counts: Counts,
    rates: Rates,
    fleet: Fleet,
    known: Mapping[str, Assumption],
    models: Sequence[EncodeRate] = (),
) -> Plan:
    """The plan of building what was counted on these machines.

    Raises ConfigError where a model was not measured for them.
    """
    in_bucket = counts.source.startswith("s3:")
    demand = demand_of(counts, rates, known)
    work = work_of(demand, rates, models, known, in_bucket=in_bucket)

    def run(machines: Fleet) -> tuple[Estimate, Bill]:
        found = estimate(work, machines, rates, models, known, in_bucket=in_bucket)
        pays = in_bucket and not counts.source.startswith(PUBLIC)
        return found, bill(found, work, machines, pays_for_reads=pays, to_bucket=not machines.is_local)

    found, costs = run(fleet)
    what_if = []
    for what, machines in _variants(fleet, with_gpus=bool(models), with_network=in_bucket):
        other, other_costs = run(machines)
        what_if.append(
            WhatIf(
                what, machines.cores, machines.gpus, other.seconds, other_costs.total, other.bottleneck
            )
        )
    return Plan(
        counts=counts,
        demand=demand,
        work=work,
        fleet=fleet,
        models=tuple(models),
        estimate=found,
        bill=costs,
        storage_per_month=0.0 if fleet.is_local else storage_per_month(work.bytes_written / GB),
        what_if=tuple(what_if),
        assumptions=tuple(listed_assumptions(counts, demand, rates, fleet, models, known)),
        all_cores=rates.all_cores,
        efficiency=known["efficiency"].value,
    )


def _variants(fleet: Fleet, *, with_gpus: bool, with_network: bool) -> Iterator[tuple[str, Fleet]]:
    for factor in FACTORS:
        yield f"cores × {factor:g}", fleet.scaled(cores=factor)
    unused = next((g for g in fleet.groups if g.gpus and not g.count), None)
    if with_gpus and fleet.gpus:
        for factor in FACTORS:
            yield f"GPUs × {factor:g}", fleet.scaled(gpus=factor)
    elif with_gpus and unused is not None:
        for count in (1, 2, 4):
            yield f"{count} of {unused.name}", fleet.with_nodes(unused.name, count)
    if with_network and not fleet.is_local:
        for factor in FACTORS:
            yield f"network × {factor:g}", fleet.scaled(network=factor)
