"""Commands that look at things and change nothing: a dataset, one pair, one article."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from biomedica.errors import ConfigError
from biomedica.options import (
    AsJson,
    AsOf,
    Config,
    Debug,
    Endpoint,
    Root,
    RootArgument,
    RootOption,
    Settings,
    SourceEndpoint,
    Version,
    open_root,
    read_access,
)
from biomedica.outcome import emit, end

__all__ = ["inspect", "show", "stats"]


def stats(
    root: RootArgument = None,
    dataset: RootOption = None,
    version: Version = None,
    as_of: AsOf = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            dir_okay=False,
            help="Also write a page of plots and images to this local file; its folder is made.",
        ),
    ] = None,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """The table one wants after a run: counts, rejects by reason, licences, formats, sizes, journals.

    Example: biomedica stats ./dataset --html dataset.html
    """
    from biomedica.archive import Archive
    from biomedica.reporting import print_statistics, statistics, statistics_page, write_page
    from biomedica.store import Dataset

    where, store = open_root(root, dataset, config, settings, endpoint_url)
    archive = Archive(where, version, as_of, store)
    found = statistics(archive)
    values = found.to_dict()
    if html is not None:
        opened = Dataset.open(where, store, version=archive.version)
        write_page(statistics_page(found, archive, opened), html)
        values["html"] = str(html)

    def print_all() -> None:
        print_statistics(found)
        _print_page(html)

    emit(as_json, values, print_all)


def show(
    pair_id: Annotated[str, typer.Argument(help="<article id>/<media file name>.")],
    dataset: Root,
    out: Annotated[Path, typer.Option("--out", help="Folder for the image.")] = Path(),
    version: Version = None,
    as_of: AsOf = None,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write one image and print its caption, context and provenance.

    Example: biomedica show PMC98000001.1/opat.100000.g001.jpg --dataset ./dataset
    """
    from biomedica.archive import Archive
    from biomedica.reporting import find_pair, print_pair, write_image

    where, store = open_root(None, dataset, config, settings, endpoint_url)
    archive = Archive(where, version, as_of, store)
    row = find_pair(archive, pair_id)
    path = write_image(row, out)
    values = {key: value for key, value in row.items() if key != "image"} | {"written": str(path)}
    emit(as_json, values, lambda: print_pair(row, path))


def inspect(
    what: Annotated[str, typer.Argument(metavar="FILE|ID", help="A JATS XML, or an id of --source.")],
    source: Annotated[
        str | None, typer.Option("--source", help="Folder or s3://bucket/prefix in PMC's layout.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            dir_okay=False,
            help="Also write a page with the images to this local file; its folder is made.",
        ),
    ] = None,
    config: Config = None,
    settings: Settings = None,
    source_endpoint_url: SourceEndpoint = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """What the parser makes of one article, beside counts taken straight from its XML.

    Status 1 where the two disagree. A FILE's images are looked for beside it.

    Example: biomedica inspect PMC98000001.1 --source ./sample --html article.html
    """
    from biomedica.reporting import inspect_article, inspection_page, print_inspection, write_page

    if not what:
        raise ConfigError(
            "no article is given: write the path of a JATS XML, or an id and --source URI"
        )
    place = source or what
    settings_of = read_access(config, settings, place, place, fetch__endpoint_url=source_endpoint_url)
    found = inspect_article(what, source, settings_of)
    values = found.to_dict()
    if html is not None:
        write_page(inspection_page(found, settings_of.image), html)
        values["html"] = str(html)

    def print_all(_: dict[str, Any]) -> None:
        print_inspection(found)
        _print_page(html)

    end(as_json, values, print_all, complete=not found.disagreements)


def _print_page(html: Path | None) -> None:
    if html is not None:
        print(f"the page: {html}")
