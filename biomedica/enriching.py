"""The command that adds what PubMed says of a dataset's articles."""

from __future__ import annotations

from typing import Annotated

import typer

from biomedica.options import (
    Address,
    AsJson,
    Config,
    Debug,
    Endpoint,
    Quiet,
    RootArgument,
    RootOption,
    Settings,
    SourceEndpoint,
    read_overrides,
)
from biomedica.outcome import end

__all__ = ["enrich"]


def enrich(
    root: RootArgument = None,
    dataset: RootOption = None,
    pubmed: Annotated[
        list[str] | None,
        typer.Option(
            "--pubmed",
            metavar="DIR|URI",
            help="Read PubMed's baseline and update files there (folder, s3://, https://) instead of "
            "asking E-utilities; repeatable.",
        ),
    ] = None,
    email: Annotated[
        str | None, typer.Option("--email", help="Your address, which NCBI asks for with each request.")
    ] = None,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    source_endpoint_url: SourceEndpoint = None,
    address: Address = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """MeSH, publication types, references and retractions from PubMed. What is there is not asked again.

    A key that allows more requests is taken from the environment, NCBI_API_KEY.

    Example: biomedica enrich --dataset ./dataset --email me@example.org
    """
    from biomedica.config import load_config
    from biomedica.pipeline import run_enrich
    from biomedica.pubmed import EnrichConfig
    from biomedica.reporting import print_enrichment

    overrides = read_overrides(
        settings,
        dataset=dataset or root,
        pubmed__files=pubmed or None,
        pubmed__email=email,
        store__endpoint_url=endpoint_url,
        fetch__endpoint_url=source_endpoint_url,
        runtime__address=address,
    )
    report = run_enrich(load_config(EnrichConfig, config, overrides), quiet=quiet, debug=debug)
    end(as_json, report.to_dict(), print_enrichment, complete=report.complete)
