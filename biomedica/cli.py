"""`biomedica …`: every command is a few lines over a public function.

Results go to stdout, progress and errors to stderr; with `--json` an error is an object on stdout
too, because `ray job submit` makes 1 of every status that is not 0. Exit codes: 0 done (rejects alone are 0),
1 finished with deferred articles, failed shards or findings, 2 could not start.
Only typer, rich and pydantic are imported at the top: `--help` must be instant.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from biomedica._version import __version__
from biomedica.choosing import ids, snapshot
from biomedica.enriching import enrich
from biomedica.errors import BiomedicaError, ConfigError, Deferred, RunStopped, StaleWriterError
from biomedica.following import compact, log, update, vacuum
from biomedica.looking import inspect, show, stats
from biomedica.options import (
    Address,
    AsJson,
    Config,
    Debug,
    Endpoint,
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
    chosen_root,
    read_access,
    read_overrides,
)
from biomedica.outcome import Exit, emit, end
from biomedica.planned import calibrate, plan

if TYPE_CHECKING:
    from biomedica.pipeline import RunReport

__all__ = ["app", "main"]

app = typer.Typer(
    name="biomedica",
    help="Turn the biomedical literature into vision-language data.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


CTRL_C, USAGE = 130, 2
"""the statuses that typer makes of KeyboardInterrupt and of a wrong command line"""

STOPPED = "stopped; what was committed stays, run the same command again"


def main() -> None:
    """The console entry point: user errors become one line and an exit code."""
    debug = "--debug" in sys.argv
    # `kill` and a stopped job end like Ctrl-C
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except BiomedicaError as error:
        mid_run = isinstance(error, (RunStopped, StaleWriterError))
        _fail(error, debug, Exit.INCOMPLETE if mid_run else Exit.NOT_STARTED)
    except Deferred as error:
        _fail(Deferred(f"{error}; run the same command again"), debug, Exit.NOT_STARTED)
    except SystemExit as ended:
        if ended.code == USAGE:
            _print_error("the command line is wrong: see the lines above", Exit.NOT_STARTED)
        if ended.code != CTRL_C:
            raise
        print(STOPPED, file=sys.stderr)
        _print_error(STOPPED, Exit.INCOMPLETE)
        sys.exit(Exit.INCOMPLETE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(Exit.INCOMPLETE)
    except Exception as error:
        _print_error(f"a defect of biomedica: {type(error).__name__}", Exit.INCOMPLETE)
        raise


def _fail(error: Exception, debug: bool, code: Exit) -> NoReturn:
    if debug:
        traceback.print_exc()
    print(f"error: {error}", file=sys.stderr)
    _print_error(str(error), code)
    sys.exit(code)


def _print_error(text: str, code: Exit) -> None:
    """With --json the last line is an object, whatever happened."""
    if "--json" in sys.argv:
        print(json.dumps({"error": text, "exit_status": code}, ensure_ascii=False))


def _print_version(wanted: bool) -> None:
    if wanted:
        print(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and exit.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    """Options before the command."""


def _end_run(report: RunReport, as_json: bool) -> None:
    """Show what a run did; status 1 where something waits for another run."""
    from biomedica.reporting import print_run

    end(as_json, report.to_dict(), print_run, complete=report.complete)


@app.command()
def sample(
    directory: Annotated[Path, typer.Argument(help="Where the sample goes.")],
    articles: Annotated[int, typer.Option(min=1, help="How many articles.")] = 40,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    defects: Annotated[
        bool,
        typer.Option(
            "--defects", help="Also malformed articles and broken media, listed in truth.json."
        ),
    ] = False,
    packages: Annotated[
        bool,
        typer.Option("--packages", help="As packages PMC1.tar.gz, the layout of PMC's former service."),
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the built-in sample corpus in PMC's layout, and a small untrained CLIP checkpoint.

    Example: biomedica sample ./sample --articles 40
    """
    from biomedica.embedding import write_untrained_checkpoint
    from biomedica.sources.sample import write_sample

    try:
        summary = write_sample(
            directory, articles=articles, seed=seed, defects=defects, packages=packages
        )
        checkpoint = write_untrained_checkpoint(directory / "models" / "untrained-vit-tiny", seed=seed)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"cannot write into {directory}: {reason}; take another folder") from error
    values = {**summary.to_dict(), "directory": str(directory), "checkpoint": str(checkpoint)}

    def show() -> None:
        print(f"{summary.articles} article versions, {summary.pairs} pairs expected, in {directory}")
        if summary.defects:
            print(f"{summary.defects} more with a defect each: `defects` in {directory / 'truth.json'}")
        print(f"what a build must find: {directory / 'truth.json'}")
        print(f"a checkpoint to try embedding with, its embeddings mean nothing: {checkpoint}")

    emit(as_json, values, show)


@app.command()
def build(
    source: Source = None,
    dataset: Annotated[
        str | None, typer.Option("--out", "--dataset", help="Root URI of the dataset.")
    ] = None,
    ids: Annotated[
        list[str] | None,
        typer.Option(
            "--ids", help="Ids, or a file of them; repeatable. PMC123 means its latest version."
        ),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(help="Those that meet a DuckDB condition on the metadata; in place of --ids."),
    ] = None,
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
    """Articles to a dataset: parse, gate, decode, embed, write, commit. What is done is not done again.

    Example: biomedica build --source ./sample --out ./dataset --model ./sample/models/untrained-vit-tiny
    """
    from biomedica.config import BuildConfig, load_config
    from biomedica.pipeline import run_build

    overrides = read_overrides(
        settings,
        source=source,
        dataset=dataset,
        ids=ids or None,
        where=where,
        embed__models=model or None,
        store__endpoint_url=endpoint_url,
        fetch__endpoint_url=source_endpoint_url,
        runtime__address=address,
        budget__max_requests=max_requests,
        budget__max_bytes=max_bytes,
        report=str(report) if report else None,
    )
    _end_run(run_build(load_config(BuildConfig, config, overrides), quiet=quiet, debug=debug), as_json)


@app.command()
def embed(
    dataset: RootOption = None,
    model: Models = None,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    address: Address = None,
    report: ReportPath = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Add embeddings of another model to a dataset that exists. Nothing is parsed again.

    Example: biomedica embed --dataset ./dataset --model ViT-B-32=weights.safetensors
    """
    from biomedica.config import JobConfig, load_config
    from biomedica.pipeline import run_embed

    overrides = read_overrides(
        settings,
        dataset=dataset,
        embed__models=model or None,
        store__endpoint_url=endpoint_url,
        runtime__address=address,
        report=str(report) if report else None,
    )
    _end_run(run_embed(load_config(JobConfig, config, overrides), quiet=quiet, debug=debug), as_json)


@app.command()
def verify(
    root: RootArgument = None,
    dataset: RootOption = None,
    source: Annotated[
        str | None,
        typer.Option("--source", help="Also recount the graphics of the XML in this source."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Remove what dead runs left behind.")
    ] = False,
    shallow: Annotated[bool, typer.Option("--shallow", help="Do not read images and digests.")] = False,
    config: Config = None,
    settings: Settings = None,
    endpoint_url: Endpoint = None,
    source_endpoint_url: SourceEndpoint = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check every promise of the dataset against the data itself.

    Example: biomedica verify ./dataset --source ./sample
    """
    from biomedica.pipeline import recount
    from biomedica.reporting import print_verification
    from biomedica.store import verify as verify_dataset

    where = chosen_root(root, dataset)
    endpoints = {"store__endpoint_url": endpoint_url, "fetch__endpoint_url": source_endpoint_url}
    reach = read_access(config, settings, source or where, where, **endpoints)
    report = verify_dataset(where, reach.store, repair=repair, deep=not shallow)
    if source is not None:
        recount(where, source, report, reach.store, reach.fetch)
    emit(as_json, report.to_dict(), lambda: print_verification(report))
    if not report.ok:
        raise typer.Exit(Exit.INCOMPLETE)


for command in (
    snapshot,
    ids,
    update,
    enrich,
    log,
    compact,
    vacuum,
    stats,
    show,
    inspect,
    calibrate,
    plan,
):
    app.command()(command)
