"""What a plan rests on, number by number, in the order of its arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from biomedica.planning.assumptions import Assumption, Basis, read_data
from biomedica.planning.counts import Counts
from biomedica.planning.estimate import gpu_rate
from biomedica.planning.fleet import Fleet
from biomedica.planning.rates import EncodeRate, Rates
from biomedica.planning.work import Demand, image_seconds

__all__ = ["listed_assumptions"]

Known = Mapping[str, Assumption]


def listed_assumptions(
    counts: Counts,
    demand: Demand,
    rates: Rates,
    fleet: Fleet,
    models: Sequence[EncodeRate],
    known: Known,
) -> Iterator[Assumption]:
    """Counts, contents, rates, overheads, prices: each with its unit, its basis and its source."""
    yield Assumption("articles", counts.articles, "article versions", counts.basis, counts.what)
    if counts.images_listed is not None:
        files = counts.images_listed
        yield Assumption("image_files", files, "image files named", counts.basis, counts.what)
    yield from demand.basis
    yield from _kernels(demand, rates)
    yield from _encoding(rates, fleet, models, known)
    yield from _overheads(rates, fleet, models, known, in_bucket=counts.source.startswith("s3:"))
    if not fleet.is_local:
        yield from _prices(fleet)


def _here(rates: Rates) -> str:
    return f"{rates.machine.cpu}, {rates.measured}"


def _kernels(demand: Demand, rates: Rates) -> Iterator[Assumption]:
    where = f"{_here(rates)}, on {rates.source or 'the built-in sample'}"
    parse = 1e3 * rates.parse.seconds_per_100kb
    yield Assumption("parse", parse, "ms of a core per 100 kB of XML", "measured", where)
    image = 1e3 * sum(kind.share * image_seconds(rates.images, kind) for kind in demand.kinds)
    unit = "ms of a core an image, by format and size"
    yield Assumption("image", image, unit, "measured", where)
    write = 1e3 * rates.write.seconds_per_image_mb
    yield Assumption("write", write, "ms of a core per MB of images", "measured", where)
    yield Assumption(
        "all_cores",
        rates.all_cores,
        "of its speed alone has a core while all are busy",
        "measured",
        _here(rates),
    )


def _encoding(
    rates: Rates, fleet: Fleet, models: Sequence[EncodeRate], known: Known
) -> Iterator[Assumption]:
    for model in models:
        where = rates.machine.gpu if model.device == "cuda" else "a core"
        unit = f"images/s by {model.name} on {where}"
        yield Assumption("encode", model.images_per_second, unit, "measured", _here(rates))
        for group in fleet.groups:
            if not (group.gpus and group.count):
                continue
            speed = gpu_rate(group, [model], rates, known)
            how = "its rate there"
            if model.device == "cpu":
                how = f"{model.flops_per_image / 1e9:.1f} GFLOP an image"
            source = f"{how}, and the peaks of GPUs in prices.yaml"
            unit = f"images/s by {model.name} on one {group.gpu}"
            yield Assumption("encode_gpu", speed, unit, "assumed", source)


def _overheads(
    rates: Rates, fleet: Fleet, models: Sequence[EncodeRate], known: Known, *, in_bucket: bool
) -> Iterator[Assumption]:
    names = ["core_speed", "efficiency", "driver_seconds_per_shard", "commit_seconds"]
    if in_bucket:
        if rates.read is None or rates.read.place == "folder":
            names += ["get_seconds", "get_cpu_seconds"]
        names.append("requests_per_second")
    names.append("local_start_seconds")
    if not fleet.is_local:
        names.append("node_start_seconds")
    if fleet.gpus and any(model.device == "cpu" for model in models):
        names.append("gpu_utilisation")
    yield from (known[name] for name in names)


def _prices(fleet: Fleet) -> Iterator[Assumption]:
    prices = read_data("prices.yaml")
    s3 = prices["s3"]
    listed = f"us-east-1, {prices['date']}, prices.yaml"
    markets = {"given": "as given", "spot": f"spot, {prices['spot_share']:g} of on demand"}
    for group in fleet.groups:
        if group.count:
            basis: Basis = "given" if group.market == "given" else "price"
            unit = f"dollars an hour, {group.instance}, {markets.get(group.market, 'on demand')}"
            source = "the command line" if basis == "given" else listed
            yield Assumption(f"price_{group.name}", group.dollars_per_hour, unit, basis, source)
    copied = f"{listed}: {prices['source']}"
    yield Assumption("price_puts", s3["put_per_1000"], "dollars per 1,000 PUTs", "price", copied)
    storage = s3["storage_gb_month"][0][1]
    yield Assumption(
        "price_storage", storage, "dollars a GB and month, the first 50 TB", "price", listed
    )
    yield Assumption(
        "price_disks", prices["disk_gb_month"], "dollars a GB and month, gp3", "price", listed
    )
    zone = "AWS bills no traffic between S3 and machines of a region, nor within a zone"
    yield Assumption(
        "price_traffic", 0.0, "dollars: all in one zone of the bucket's region", "assumed", zone
    )
