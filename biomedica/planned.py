"""Commands that look ahead: the rates of this machine, and the plan of a run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from biomedica.options import (
    AsJson,
    Config,
    Debug,
    Quiet,
    Settings,
    Source,
    SourceEndpoint,
    read_access,
)
from biomedica.outcome import emit

__all__ = ["calibrate"]

RATES = Path("rates.json")
"""In the folder one works in, where it can be seen: a hidden file of the user's would be taken on
every machine that shares the home folder, and rates are of one machine."""


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
