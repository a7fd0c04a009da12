"""Commands that ask what a source has: snapshots of it, and ids of those articles that one wants."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from biomedica.errors import ConfigError
from biomedica.options import (
    Address,
    AsJson,
    Config,
    Debug,
    Endpoint,
    Inventory,
    MaxBytes,
    MaxRequests,
    Quiet,
    RootOption,
    Settings,
    Source,
    SourceEndpoint,
    read_access,
    read_overrides,
)
from biomedica.outcome import Exit, end

if TYPE_CHECKING:
    from biomedica.config import BuildConfig
    from biomedica.reporting import IdSelection, StoredSelection

__all__ = ["Versions", "ids", "snapshot"]


class Versions(StrEnum):
    """The values of `config.SelectConfig.versions`."""

    ALL = "all"
    LATEST = "latest"
    PUBLISHED_FIRST = "published_first"


def snapshot(
    source: Source = None,
    dataset: RootOption = None,
    metadata: Annotated[
        bool,
        typer.Option(
            "--metadata/--no-metadata", help="Also read the metadata of what is new or changed."
        ),
    ] = True,
    inventory: Inventory = None,
    max_requests: MaxRequests = None,
    max_bytes: MaxBytes = None,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    source_endpoint_url: SourceEndpoint = None,
    address: Address = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """What the source has now: every article version with its ETag, and the metadata of what is new.

    Run it again after a crash,
    or on another day: only what has changed is read.

    Example: biomedica snapshot --source ./sample --dataset ./dataset
    """
    from biomedica.config import BuildConfig, load_config
    from biomedica.pipeline import run_snapshot
    from biomedica.reporting import print_snapshot

    overrides = read_overrides(
        settings,
        source=source,
        dataset=dataset,
        store__endpoint_url=endpoint_url,
        fetch__endpoint_url=source_endpoint_url,
        runtime__address=address,
        budget__max_requests=max_requests,
        budget__max_bytes=max_bytes,
    )
    known = load_config(BuildConfig, config, overrides)
    report = run_snapshot(known, metadata=metadata, inventory=inventory, quiet=quiet, debug=debug)
    end(as_json, report.to_dict(), print_snapshot, complete=report.complete)


def ids(
    source: Source = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            help="Dataset with a table of metadata (`biomedica snapshot`), which is asked instead of "
            "the source.",
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(help="A DuckDB condition on the metadata (columns: docs/dataset.md)."),
    ] = None,
    versions: Annotated[
        Versions | None,
        typer.Option(
            help="Which version of each article is meant: all of them, the highest number, or the "
            "published one before an author manuscript. Default: the setting select.versions."
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="SNAPSHOT",
            help="Only what is new or changed since this snapshot of the dataset, 2026-09-01.",
        ),
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Only so many of them; a larger sample holds a smaller.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed gives the same sample.")] = 0,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    source_endpoint_url: SourceEndpoint = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Print article ids, one a line; `build --ids FILE` reads them.

    From a source the metadata JSONs are read one by one; from a dataset the table that
    `biomedica snapshot` made of them, at once.

    Example: biomedica ids --source ./sample --where "license_group = 'commercial' and n_media > 0"
    """
    from biomedica.reporting import print_ids

    place = source or dataset
    if place is None:
        raise ConfigError("nothing is asked: write --dataset URI, or --source URI")
    endpoints = {"store__endpoint_url": endpoint_url, "fetch__endpoint_url": source_endpoint_url}
    chosen = {"select__versions": versions.value if versions else None}
    reach = read_access(config, settings, source or place, dataset or place, **endpoints, **chosen)
    found = _select(reach, source, dataset, where, since, sample, seed)
    print_ids(found, as_json)
    if found.deferred:
        raise typer.Exit(Exit.INCOMPLETE)


def _select(
    reach: BuildConfig,
    source: str | None,
    dataset: str | None,
    where: str | None,
    since: str | None,
    sample: int | None,
    seed: int,
) -> IdSelection | StoredSelection:
    """From the dataset where one is given."""
    versions = reach.select.versions
    if dataset is None:
        if since is not None:
            raise ConfigError(
                "--since names a snapshot of a dataset: give the dataset by --dataset URI"
            )
        from biomedica.reporting import select_ids
        from biomedica.sources import open_source

        opened = open_source(source or reach.source, reach.fetch)
        return select_ids(opened, where, versions=versions, sample=sample, seed=seed)
    from biomedica.archive import Archive
    from biomedica.reporting import select_stored_ids
    from biomedica.store import Dataset

    archive = Archive(dataset, store=reach.store)
    stored = Dataset.open(dataset, reach.store, version=archive.version)
    return select_stored_ids(
        archive, stored, where, versions=versions, since=since, sample=sample, seed=seed
    )
