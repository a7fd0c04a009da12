"""Commands that keep a dataset: follow its source, look at its versions, tidy its files."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from biomedica.options import (
    Address,
    AsJson,
    Config,
    Debug,
    Endpoint,
    Inventory,
    MaxBytes,
    MaxRequests,
    Models,
    Quiet,
    ReportPath,
    RootArgument,
    RootOption,
    Settings,
    Source,
    SourceEndpoint,
    open_root,
    read_overrides,
)
from biomedica.outcome import emit, end

__all__ = ["compact", "log", "update", "vacuum"]


def update(
    source: Source = None,
    dataset: RootOption = None,
    ids: Annotated[
        list[str] | None,
        typer.Option("--ids", help="From now on take these ids, or a file of them; repeatable."),
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="From now on take what meets this condition on the metadata.")
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="From now on take all of the source.")
    ] = False,
    inventory: Inventory = None,
    model: Models = None,
    max_requests: MaxRequests = None,
    max_bytes: MaxBytes = None,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    source_endpoint_url: SourceEndpoint = None,
    address: Address = None,
    report: ReportPath = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Bring a dataset to what its source has now: new, changed, withdrawn and retracted articles.

    The dataset knows its selection, its settings and its models. Readers see the version before,
    or all of the new one.

    Example: biomedica update --source ./sample --dataset ./dataset
    """
    from biomedica.config import load_config
    from biomedica.pipeline import run_update
    from biomedica.upkeep import UpdateConfig

    overrides = read_overrides(
        settings,
        source=source,
        dataset=dataset,
        ids=ids or None,
        where=where,
        everything=everything or None,
        inventory=inventory,
        embed__models=model or None,
        store__endpoint_url=endpoint_url,
        fetch__endpoint_url=source_endpoint_url,
        runtime__address=address,
        budget__max_requests=max_requests,
        budget__max_bytes=max_bytes,
        report=str(report) if report else None,
    )
    done = run_update(load_config(UpdateConfig, config, overrides), quiet=quiet, debug=debug)
    end(as_json, done.to_dict(), _print_update, complete=done.complete)


def _print_update(values: dict[str, Any]) -> None:
    from biomedica.reporting import print_changes, print_run

    print_run(values)
    print_changes(values["changes"])


def log(
    root: RootArgument = None,
    dataset: RootOption = None,
    last: Annotated[
        int | None, typer.Option("--last", min=1, help="So many versions, the newest; default: all.")
    ] = None,
    changes: Annotated[
        int | None,
        typer.Option(
            "--changes", metavar="VERSION", help="What the update that made it did to each article."
        ),
    ] = None,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """The versions of a dataset that can be read: when, by which command, what changed. Times are UTC.

    Example: biomedica log ./dataset --last 10
    """
    from biomedica.reporting import print_article_changes, print_history
    from biomedica.store import Dataset, history, read_changes

    where, store = open_root(root, dataset, config, settings, endpoint_url)
    opened = Dataset.open(where, store, version=changes)
    if changes is None:
        entries = [entry.to_dict() for entry in history(opened, last)]
        emit(
            as_json,
            {"dataset": opened.storage.root, "versions": entries},
            lambda: print_history(entries),
        )
        return
    name = opened.note.get("changes")
    rows = read_changes(opened.storage, name).to_pylist() if name else []
    emit(as_json, {"version": changes, "changes": rows}, lambda: print_article_changes(rows))


def compact(
    root: RootArgument = None,
    dataset: RootOption = None,
    dead_share: Annotated[
        float | None,
        typer.Option(
            "--dead-share", help="Rewrite shards of whose rows so many no longer count; default 0.5."
        ),
    ] = None,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    address: Address = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Rewrite files that are mostly dead, and merge small ones. Rows stay as they are.

    Older versions stay readable, until `biomedica vacuum` frees their files.

    Example: biomedica compact ./dataset
    """
    from biomedica.config import load_config
    from biomedica.pipeline import run_compact
    from biomedica.reporting import print_compaction
    from biomedica.upkeep import CompactConfig

    overrides = read_overrides(
        settings,
        dataset=dataset or root,
        dead_share=dead_share,
        store__endpoint_url=endpoint_url,
        runtime__address=address,
    )
    done = run_compact(load_config(CompactConfig, config, overrides), quiet=quiet, debug=debug)
    end(as_json, done.to_dict(), print_compaction, complete=True)


def vacuum(
    root: RootArgument = None,
    dataset: RootOption = None,
    keep: Annotated[
        str, typer.Option("--keep", help="Versions of so long stay readable: 30d, 12h, 4w.")
    ] = "30d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be freed.")] = False,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Free the files that no version of the last days needs. Not beside a run, which it would stop.

    Example: biomedica vacuum ./dataset --keep 30d --dry-run
    """
    from biomedica.reporting import print_vacuum
    from biomedica.store import parse_duration
    from biomedica.store import vacuum as vacuum_dataset

    where, store = open_root(root, dataset, config, settings, endpoint_url)
    done = vacuum_dataset(where, parse_duration(keep), store, dry_run=dry_run)
    end(as_json, done.to_dict(), print_vacuum, complete=True)
