"""Writes the page of a run when it ends, well or not."""

from __future__ import annotations

import contextlib
import platform
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from biomedica._version import __version__
from biomedica.config import BuildConfig, JobConfig
from biomedica.embedding import ModelInfo
from biomedica.errors import BiomedicaError, ConfigError, Deferred, StaleWriterError, StoreError
from biomedica.jats import PARSER_VERSION
from biomedica.pipeline.progress import tell
from biomedica.pipeline.report import RunReport
from biomedica.reporting import (
    ModelNote,
    RunPage,
    Series,
    check_place,
    reject_examples,
    run_page,
    sample_pairs,
    write_page,
)
from biomedica.store import Dataset, dataset_terms, open_storage
from biomedica.upkeep import UpdateConfig

__all__ = ["REPORTS", "reported"]

REPORTS = "_reports"
"""The folder of a dataset where its runs' pages lie; nothing in it is data."""

AWAY = "the dataset cannot be reached"
PAIRS_SHOWN, SIDE = 12, 320
NAMES_SHOWN = 12
PACKAGES = ("ray", "pyarrow", "deltalake", "obstore", "lxml", "pillow", "numpy")
MODEL_PACKAGES = ("torch", "open_clip_torch", "timm")


@contextlib.contextmanager
def reported(
    command: str, config: JobConfig, report: RunReport, *, quiet: bool = False
) -> Iterator[list[ModelInfo]]:
    """Writes the run's page when the block ends; `report.report` then says where it lies.

    The models of the run are put into the list that is given. No page is left by a block that raises
    before `report.record.begin`, or because of the store where the page would lie, and by a run for
    which nothing was new: it names the page of the last run instead, so that repeated runs do not
    pile up pages. A page in a local file is written after every run that has begun.
    Raises ConfigError before the block where that file cannot be written. If it fails at the end
    nevertheless, the page goes into the dataset; one that cannot be written at all is a warning.
    """
    if config.report is not None:
        check_place(Path(config.report), "--report")
    asked = _asked(config) if isinstance(config, BuildConfig) else ""
    settings = config.model_copy(update={"ids": None}) if asked else config
    models: list[ModelInfo] = []
    try:
        yield models
    except BaseException as error:
        if report.record.begun:
            report.seconds = report.record.seconds
            page = _page(command, settings, report, models, asked)
            page.stopped = _why(error)
            _take_out_lost(page, report.record.pending)
            if not _store_is_away(error):
                _write(page, settings, report)
            elif config.report is not None:
                page.unread = AWAY
                _write(page, settings, report)
            if report.report:
                print(f"report: {report.report}", file=sys.stderr, flush=True)
        raise
    if report.is_new or config.report is not None:
        _write(_page(command, settings, report, models, asked), settings, report)
    elif not quiet:
        tell(_nothing_new(config))


def _nothing_new(config: JobConfig) -> str:
    pages: list[str] = []
    storage = open_storage(config.dataset, config.store)
    with contextlib.suppress(StoreError, Deferred):
        pages = sorted(path for path, _ in storage.list(REPORTS))  # their names begin with a time
    return (
        f"nothing was new; the last run's page: {storage.uri(pages[-1])}"
        if pages
        else "nothing was new"
    )


def _store_is_away(error: BaseException) -> bool:
    """Whether a run stopped because of its store: to try it once more would take minutes."""
    causes = (error, error.__cause__)
    found = any(isinstance(cause, (StoreError, Deferred)) for cause in causes)
    return found and not isinstance(error, StaleWriterError)


def _why(error: BaseException) -> str:
    if isinstance(error, (BiomedicaError, Deferred)):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "It was interrupted, by Ctrl-C or by whoever stopped the job."
    return f"It failed by a defect: {type(error).__name__}."


def _page(
    command: str,
    config: JobConfig,
    report: RunReport,
    models: Sequence[ModelInfo],
    asked: str,
) -> RunPage:
    """What the driver knows; examples and pictures are read later."""
    record = report.record
    curve = record.curve
    seconds = [point.seconds for point in curve]
    series = {
        "articles/s": Series(seconds, [point.articles for point in curve]),
        "pairs/s": Series(seconds, [point.pairs for point in curve]),
        "MB/s read": Series(seconds, [point.bytes_read / 1e6 for point in curve]),
    }
    source = getattr(config, "source", None)
    return RunPage(
        command=command,
        started=record.started,
        counts=report.to_dict(),
        source=_public(source) if source else None,
        asked=asked,
        models=[ModelNote(m.slug, _public(m.model), m.dimension, m.untrained) for m in models],
        cluster=record.cluster,
        settings=_settings(config),
        versions=_versions(bool(models)),
        series=series,
        slowest=record.slowest,
        failed=record.failed,
        rejects=dict(record.rejects),
        store=config.store,
    )


def _take_out_lost(page: RunPage, lost: Mapping[str, int]) -> None:
    """Counts of a stopped run speak of what was committed."""
    counts = dict(page.counts)
    embeddings, rejects = dict(counts["embeddings"]), dict(page.rejects)
    for name, count in lost.items():
        kind, colon, key = name.partition(":")
        if not colon:
            counts[name] -= count
        elif kind == "embeddings":
            embeddings[key] -= count
        else:
            rejects[key] -= count
    page.counts = counts | {"embeddings": embeddings}
    page.rejects = {reason: count for reason, count in rejects.items() if count}
    names = ("articles", "pairs", "pairs_embedded")
    page.lost = {name: lost.get(name, 0) for name in names}


def _write(page: RunPage, config: JobConfig, report: RunReport) -> None:
    try:
        _read_examples(page, config, report)
        text = run_page(page)
        if config.report is None:
            report.report = _put(page, config, text)
            return
        try:
            write_page(text, Path(config.report), "--report")
            report.report = config.report
        except ConfigError as error:
            if page.unread == AWAY:
                raise
            report.report = _put(page, config, text)
            _tell_warning(f"{error}; the run's report lies at {report.report}")
    except (BiomedicaError, Deferred) as error:
        _warn(str(error))
    except OSError as error:
        _warn(f"{config.dataset}: {error.strerror or type(error).__name__}")
    except Exception as error:  # noqa: BLE001 - the run is done; its page must not make it fail
        _warn(f"a defect of the report, {type(error).__name__}")


def _put(page: RunPage, config: JobConfig, text: str) -> str:
    """Put the page into the dataset; its URI. Raises StoreError or Deferred."""
    storage = open_storage(config.dataset, config.store)
    time = f"{page.started:%Y%m%dT%H%M%S}.{page.started.microsecond // 1000:03}Z"
    name = f"{REPORTS}/{time}-{page.command}.html"
    storage.put_new(name, text.encode())
    return storage.uri(name)


def _warn(why: str) -> None:
    _tell_warning(f"the run's report could not be written: {why}")


def _tell_warning(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr, flush=True)


def _read_examples(page: RunPage, config: JobConfig, report: RunReport) -> None:
    """Rejects and pairs to look at, from what this run committed."""
    record = report.record
    if page.unread or not (record.shards.items or record.rejecting):
        return
    try:
        dataset = Dataset.open_if_exists(config.dataset, config.store)
        if dataset is not None:
            page.terms = dataset_terms(dataset).sections
            page.examples = reject_examples(dataset, record.rejecting)
            page.sample = sample_pairs(dataset, PAIRS_SHOWN, SIDE, set(record.shards.items))
    except (StoreError, Deferred) as error:
        page.unread = str(error)


def _asked(config: BuildConfig) -> str:
    if isinstance(config, UpdateConfig) and config.ids is None and config.where is None:
        return "what has changed in the source"
    if config.where is not None:
        return f"where {config.where}"
    ids = config.ids
    if ids is None:
        return "all of the source"
    named = ", ".join(ids[:NAMES_SHOWN]) + (", …" if len(ids) > NAMES_SHOWN else "")
    return named if len(ids) == 1 else f"{len(ids):,} named: {named}"


def _settings(config: JobConfig) -> dict[str, str | None]:
    """Every setting by its dotted name, but for those that the page shows apart."""
    apart = {"dataset", "source", "ids", "embed.models"}
    found: dict[str, str | None] = {}

    def walk(prefix: str, values: Mapping[str, Any]) -> None:
        for key, value in values.items():
            name = f"{prefix}{key}"
            if isinstance(value, dict):
                walk(f"{name}.", value)
            elif name not in apart:
                found[name] = None if value is None else _words(value)

    walk("", config.model_dump(mode="json"))
    return found


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(map(_words, value)) or "none"
    return _public(str(value))


def _public(text: str) -> str:
    """A setting without what may be a secret in a URI: user, password, query."""
    text = re.sub(r"(?<=://)[^/@\s]*@", "…@", text)
    return re.sub(r"\?\S*", "?…", text) if "://" in text else text


def _versions(with_models: bool) -> dict[str, str]:
    found = {"biomedica": __version__, "parser": PARSER_VERSION, "Python": platform.python_version()}
    for name in PACKAGES + (MODEL_PACKAGES if with_models else ()):
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found | {"system": f"{platform.system()} {platform.machine()}"}
