"""Commands that look ahead: the rates of this machine, and the plan of a run."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from biomedica.choosing import Versions
from biomedica.errors import ConfigError
from biomedica.options import (
    AsJson,
    Config,
    Debug,
    Endpoint,
    Quiet,
    Settings,
    Source,
    SourceEndpoint,
    read_access,
)
from biomedica.outcome import emit

if TYPE_CHECKING:
    from biomedica.config import BuildConfig
    from biomedica.planning import Counts, Fleet, Rates

__all__ = ["calibrate", "plan"]

RATES = Path("rates.json")
"""In the folder one works in, where it can be seen: a hidden file of the user's would be taken on
every machine that shares the home folder, and rates are of one machine."""


Articles = Annotated[
    int | None,
    typer.Option("--articles", min=1, help="So many articles; then nothing is asked of the source."),
]
Embedded = Annotated[
    list[str] | None,
    typer.Option("--model", metavar="NAME|PATH", help="Embed with this model; repeatable."),
]
Cluster = Annotated[
    Path | None,
    typer.Option(
        "--cluster", help="File of Ray's cluster launcher; default: the machine of the rates."
    ),
]
Nodes = Annotated[
    list[str] | None,
    typer.Option("--nodes", metavar="GROUP=COUNT", help="So many nodes of a group; repeatable."),
]
Price = Annotated[
    list[str] | None,
    typer.Option(
        "--price",
        metavar="TYPE=DOLLARS[,VCPUS[,GPUS]]",
        help="What an hour of an instance type costs, and what it is where we do not know; repeatable.",
    ),
]
Assume = Annotated[
    list[str] | None,
    typer.Option("--assume", metavar="NAME=VALUE", help="Another value of an assumption; repeatable."),
]


def calibrate(
    source: Source = None,
    ids: Annotated[
        list[str] | None,
        typer.Option("--ids", help="Articles of the source to measure on, or a file; repeatable."),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME|PATH",
            help="Measure this open_clip model, as `build` takes it; or the bare name of an "
            "architecture, ViT-B-32, with weights by chance. Repeatable.",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(min=0.01, max=600, help="For each kernel.")] = 5.0,
    seed: Annotated[int, typer.Option(help="Of the sample of articles.")] = 0,
    out: Annotated[Path, typer.Option(help="File for the rates.")] = RATES,
    config: Config = None,
    settings: Settings = None,
    source_endpoint_url: SourceEndpoint = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure this machine: read, parse, images, encode, write, hash, for some seconds each.

    Without a source it measures on the built-in sample, and a plan assumes the network. Of a large
    bucket name some articles by --ids: else the whole of it is listed.

    Example: biomedica calibrate --source ./sample --model ViT-B-32 --seconds 5 --out rates.json
    """
    from biomedica.planning import calibrate as measure
    from biomedica.planning import print_rates, write_rates

    def tell(what: str) -> None:
        if not quiet:
            print(f"measuring: {what}", file=sys.stderr)

    place = source or "."
    reach = read_access(config, settings, place, place, fetch__endpoint_url=source_endpoint_url)
    rates = measure(
        source, model or (), ids=ids, seconds=seconds, seed=seed, fetch=reach.fetch, tell=tell
    )
    path = write_rates(rates, out)
    values = rates.model_dump(mode="json") | {"path": str(path)}
    emit(as_json, values, lambda: print_rates(rates, str(path)))


def plan(
    source: Source = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", help="Count in the metadata table, or snapshot, of this dataset."),
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Only articles whose metadata meets this DuckDB condition.")
    ] = None,
    versions: Annotated[Versions, typer.Option(help="Which versions of an article.")] = Versions.ALL,
    articles: Articles = None,
    model: Embedded = None,
    cluster: Cluster = None,
    nodes: Nodes = None,
    price: Price = None,
    assume: Assume = None,
    rates: Annotated[Path, typer.Option(help="Rates of `biomedica calibrate`.")] = RATES,
    markdown: Annotated[bool, typer.Option("--markdown", help="Tables in Markdown.")] = False,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    source_endpoint_url: SourceEndpoint = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """What a build will take: hours, requests, bytes, objects, dollars, and what they rest on.

    Articles and images are counted in a dataset's metadata, or in what the source lists; the rest is
    measured (`calibrate`) or assumed, and listed.

    Example: biomedica plan --source s3://pmc-oa-opendata --articles 8200000 --cluster cluster.yaml
    """
    from biomedica import planning as room

    measured = room.read_rates(rates)
    known = room.load_assumptions(assume or ())
    machines = _machines(measured, cluster, nodes or (), price or ())
    models = room.chosen_models(model or (), measured)
    endpoints = {"store__endpoint_url": endpoint_url, "fetch__endpoint_url": source_endpoint_url}
    place = source or dataset or "."
    reach = read_access(config, settings, place, dataset or place, **endpoints)
    counts = _count(reach, source, dataset, where, versions, articles)
    found = room.make_plan(counts, measured, machines, known, models)
    if markdown:
        emit(as_json, found.to_dict(), lambda: print(room.plan_markdown(found), end=""))
    else:
        emit(as_json, found.to_dict(), lambda: room.print_plan(found))


def _machines(
    measured: Rates, cluster: Path | None, nodes: Sequence[str], prices: Sequence[str]
) -> Fleet:
    from biomedica.planning import local_fleet, read_cluster

    if cluster is not None:
        return read_cluster(cluster, nodes, prices)
    if nodes or prices:
        raise ConfigError("--nodes and --price speak of a cluster: give its file by --cluster")
    return local_fleet(measured.machine)


def _count(
    reach: BuildConfig,
    source: str | None,
    dataset: str | None,
    where: str | None,
    versions: Versions,
    articles: int | None,
) -> Counts:
    """As said, from a dataset, or from the source."""
    from biomedica.planning import count_in_dataset, count_in_source, stated_counts

    if articles is not None:
        if where is not None:
            raise ConfigError("--articles says how many there are: leave out --where")
        return stated_counts(articles, source)
    if dataset is not None:
        return count_in_dataset(dataset, where, versions.value, source, reach.store)
    if source is None:
        raise ConfigError("nothing is asked: write --dataset URI, --source URI or --articles N")
    return count_in_source(source, where, versions.value, reach.fetch)
