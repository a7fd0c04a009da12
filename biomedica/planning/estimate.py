"""How long work takes on machines, what stops it going faster, and what it costs. Arithmetic alone.

    seconds = start + max(resources) / efficiency + tail (half a shard, while cores stand still)

The resources overlap as the graph of a build has them. Without GPUs one actor reads, parses, decodes,
encodes and writes a shard on its core, and reads ahead in threads, so that waiting costs nothing until
it is longer than the work. With GPUs encoding runs beside all that, on pixels that come over the network.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from biomedica.config import FetchConfig, RuntimeConfig
from biomedica.errors import ConfigError
from biomedica.pipeline.articles import ARTICLES_AHEAD
from biomedica.planning.assumptions import Assumption, read_data
from biomedica.planning.fleet import Fleet, NodeGroup
from biomedica.planning.rates import EncodeRate, Rates
from biomedica.planning.work import Work

__all__ = ["Bill", "Estimate", "bill", "estimate", "gpu_rate", "storage_per_month"]

GBIT = 1.25e8
"""bytes"""
Known = Mapping[str, Assumption]


@dataclass(frozen=True, slots=True)
class Estimate:
    """One run on one fleet. resources: seconds that each would take if it were alone."""

    resources: Mapping[str, float]
    start_seconds: float
    work_seconds: float
    tail_seconds: float
    commits: float
    objects: float

    @property
    def seconds(self) -> float:
        return self.start_seconds + self.work_seconds + self.tail_seconds

    @property
    def bottleneck(self) -> str:
        """The resource that all wait for."""
        return max(self.resources, key=lambda name: self.resources[name])


@dataclass(frozen=True, slots=True)
class Bill:
    """Dollars of a run; storage apart, which is paid by the month."""

    machines: float
    disks: float
    requests: float

    @property
    def total(self) -> float:
        return self.machines + self.disks + self.requests


def estimate(
    work: Work,
    fleet: Fleet,
    rates: Rates,
    models: Sequence[EncodeRate],
    known: Known,
    *,
    in_bucket: bool,
) -> Estimate:
    """One run. in_bucket: the source is one. Raises ConfigError where a model has no rate for it."""
    on_gpu = bool(models) and fleet.gpus > 0
    seconds = work.core_seconds + (0.0 if on_gpu else _encode_on_cores(work, models))
    cores = min(fleet.cores, work.shards)
    resources = {"cores": seconds / cores / rates.all_cores}
    if on_gpu:
        speed = sum(
            group.count * group.gpus * gpu_rate(group, models, rates, known)
            for group in fleet.groups
            if group.gpus and group.count
        )
        resources["GPUs"] = work.images / speed
        resources["network of GPU nodes"] = work.pixel_bytes / (fleet.gpu_gbps * GBIT)
    if in_bucket:
        out = work.bytes_written + (work.pixel_bytes if on_gpu else 0.0)
        resources["network"] = max(work.bytes_read, out) / (fleet.gbps * GBIT)
        resources["requests"] = work.gets / known["requests_per_second"].value
        resources["waiting for reads"] = _waiting(work, fleet, known, rates)
    efficiency = known["efficiency"].value
    every = RuntimeConfig().commit_seconds
    commits = work.commits(max(resources.values()) / efficiency, every)
    resources["driver"] = (
        work.shards * known["driver_seconds_per_shard"].value + commits * known["commit_seconds"].value
    )
    start = known["local_start_seconds"].value + sum(model.load_seconds for model in models)
    if not fleet.is_local:
        start += known["node_start_seconds"].value
    shard = seconds / work.shards / rates.all_cores / efficiency
    return Estimate(
        resources=resources,
        start_seconds=start,
        work_seconds=max(resources.values()) / efficiency,
        tail_seconds=shard / 2,
        commits=commits,
        objects=work.objects(commits),
    )


def _encode_on_cores(work: Work, models: Sequence[EncodeRate]) -> float:
    if not models:
        return 0.0
    if work.encode_seconds is None:
        names = ", ".join(model.name for model in models if model.device != "cpu")
        raise ConfigError(
            f"these machines have no GPU and {names} was measured on one: calibrate where there is none"
        )
    return work.encode_seconds


def _waiting(work: Work, fleet: Fleet, known: Known, rates: Rates) -> float:
    """Actors read some articles and some images ahead, within what a node and a run may have in flight;
    an article needs its metadata before its XML."""
    measured = rates.read is not None and rates.read.place == "bucket"
    assumption = known["get_seconds"]
    wait = assumption.value
    if measured and rates.read is not None and assumption.basis == "assumed":
        wait = rates.read.wall_seconds_per_get
    fetch, actors = FetchConfig(), min(fleet.cores, work.shards)
    most = min(fetch.in_flight_per_node * fleet.nodes, fetch.in_flight_cluster)
    images = min(actors * RuntimeConfig().io_threads, most)
    articles = min(actors * ARTICLES_AHEAD, most)
    return work.articles * 2 * wait / articles + work.images * wait / images


def gpu_rate(group: NodeGroup, models: Sequence[EncodeRate], rates: Rates, known: Known) -> float:
    """Images a second that go through all models on one GPU of the group.

    As measured, on another GPU in proportion to their peaks; where none was measured, by the model's
    operations and a share of the peak.
    """
    peaks = {name.lower(): float(peak) for name, peak in read_data("prices.yaml")["gpus"].items()}
    peak = _peak(group.gpu, peaks)
    seconds = 0.0
    for model in models:
        if model.device == "cuda":
            measured = _peak(rates.machine.gpu, peaks)
            factor = peak / measured if peak and measured else 1.0
            seconds += 1 / (model.images_per_second * factor)
        elif model.flops_per_image and peak:
            share = known["gpu_utilisation"].value
            seconds += model.flops_per_image / (peak * 1e12 * share)
        else:
            raise ConfigError(
                f"nothing tells how fast {model.name} is on the GPUs of {group.name}: run `biomedica "
                "calibrate --model …` on such a machine"
            )
    return 1 / seconds


def _peak(gpu: str | None, peaks: Mapping[str, float]) -> float | None:
    """TFLOP/s of a GPU by its name, such as NVIDIA H100 80GB HBM3."""
    words = (gpu or "").lower().replace("-", " ").split()
    return next((peaks[word] for word in words if word in peaks), None)


def bill(found: Estimate, work: Work, fleet: Fleet, *, pays_for_reads: bool, to_bucket: bool) -> Bill:
    """What a run costs. pays_for_reads: the source is a bucket that is not read anonymously."""
    prices = read_data("prices.yaml")
    hours = found.seconds / 3600
    disk = fleet.disk_gb * prices["disk_gb_month"] / prices["hours_a_month"]
    puts = found.objects if to_bucket else 0.0
    gets = work.gets if pays_for_reads else 0.0
    return Bill(
        machines=hours * fleet.dollars_per_hour,
        disks=hours * disk,
        requests=(puts * prices["s3"]["put_per_1000"] + gets * prices["s3"]["get_per_1000"]) / 1000,
    )


def storage_per_month(gigabytes: float) -> float:
    """Dollars a month for so much in S3 Standard."""
    dollars, before = 0.0, 0.0
    for limit, price in read_data("prices.yaml")["s3"]["storage_gb_month"]:
        upto = math.inf if limit is None else float(limit)
        dollars += max(0.0, min(gigabytes, upto) - before) * price
        before = upto
    return dollars
