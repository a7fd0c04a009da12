"""The open engine that turns the biomedical literature into vision-language data.

import biomedica
archive = biomedica.build(source="./articles", out="./dataset", ids=["PMC7759461.1"])
archive.pairs(columns=["pair_id", "caption"], where="width >= 224").to_pandas()
archive = biomedica.update(source="./articles", dataset="./dataset")
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from biomedica._version import __version__

if TYPE_CHECKING:
    from biomedica.archive import Archive, Selection

__all__ = ["Archive", "Selection", "__version__", "build", "update"]

Place = str | os.PathLike[str]


def build(
    source: Place | None = None,
    out: Place | None = None,
    ids: Iterable[Any] | str | None = None,
    *,
    models: Iterable[Any] | str = (),
    config: Place | None = None,
    options: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Archive:
    """Build articles into the dataset at `out`, and open it.

    source: where articles are: a folder in PMC's layout, or s3://pmc-oa-opendata.
    out: root URI of the dataset, a folder or s3://bucket/prefix.
    ids: article ids (`PMC123` is its latest version) or files of them, in any iterable; None: all.
    models: what to embed the images with, as `biomedica build --model` takes it.
    config: a YAML file; it may also name `source` and `dataset`.
    options: settings by dotted name over those of the file: {"image.max_pixels": 50_000_000}.
    quiet: no progress and no summary.

    What is done already is not done again. Progress and a summary of the run are drawn in the
    notebook's cell, elsewhere on stderr; `archive.report` holds the same counts and more. Raises
    BiomedicaError with the remedy. Deferred articles raise nothing: they are counted in the
    summary, and the same call takes them again.
    """
    places = {"source": (source, "source"), "dataset": (out, "out"), "config": (config, "config")}
    asked = {"ids": _texts(ids, "ids"), "embed.models": _texts(models, "models") or None}
    return _run("build", places, asked, options, quiet)


def update(
    source: Place | None = None,
    dataset: Place | None = None,
    *,
    ids: Iterable[Any] | str | None = None,
    where: str | None = None,
    models: Iterable[Any] | str = (),
    config: Place | None = None,
    options: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Archive:
    """Bring a dataset to what its source has now, and open the version that this makes.

    The dataset knows what it takes, its settings and its models: source and dataset are enough. New
    and changed articles are built, the rows of withdrawn ones are hidden, and readers see all of it
    at once; what they saw before stays readable as `Archive(dataset, version=…)`.

    source, models, config, options, quiet: as for `build`. dataset: its root.
    ids, where: from now on take these ids, or what meets this DuckDB condition on the metadata; all of
    the source by options={"everything": True}.

    `archive.report["changes"]` counts what was new, changed, gone, rebuilt and newly retracted; it is
    empty where nothing has changed. Raises as `build`; also where much of the dataset is gone from
    the source at once, which is then taken for incomplete.
    """
    places = {
        "source": (source, "source"),
        "dataset": (dataset, "dataset"),
        "config": (config, "config"),
    }
    asked = {
        "ids": _texts(ids, "ids"),
        "where": where,
        "embed.models": _texts(models, "models") or None,
    }
    return _run("update", places, asked, options, quiet)


def _run(
    command: Literal["build", "update"],
    places: Mapping[str, tuple[Place | None, str]],
    asked: Mapping[str, Any],
    options: Mapping[str, Any] | None,
    quiet: bool,
) -> Archive:
    """A job as a notebook calls it: settings from what is given, the run, its summary, its dataset."""
    from biomedica.archive import Archive
    from biomedica.config import BuildConfig, as_place, load_config
    from biomedica.errors import ConfigError
    from biomedica.pipeline import run_build, run_update
    from biomedica.pipeline.progress import tell, without_advice
    from biomedica.upkeep import UpdateConfig

    if not isinstance(options or {}, Mapping):
        raise ConfigError("options must be settings by name, such as {'image.max_pixels': 50_000_000}")
    found = {
        name: None if place is None else as_place(place, what) for name, (place, what) in places.items()
    }
    path = found.pop("config")
    values = {**found, **asked, **{str(name): value for name, value in (options or {}).items()}}
    settings: BuildConfig
    with without_advice():
        if command == "build":
            settings = load_config(BuildConfig, path, values)
            report = run_build(settings, quiet=quiet).to_dict()
        else:
            settings = updating = load_config(UpdateConfig, path, values)
            report = run_update(updating, quiet=quiet).to_dict()
    if not quiet:
        for line in _summary(report, command):
            tell(line)
    archive = Archive(settings.dataset, version=report["version"], store=settings.store)
    archive.report = report
    return archive


def _texts(values: Any, name: str) -> list[str] | None:
    """One text, or the texts of a list, a pandas or Arrow column, an array. Raises ConfigError."""
    from biomedica.errors import ConfigError

    if values is None:
        return None
    if isinstance(values, str | os.PathLike):
        return [os.fspath(values)]
    try:
        return [str(value) for value in values]
    except TypeError:
        raise ConfigError(
            f"{name} must be text or a list of texts, not {type(values).__name__}"
        ) from None


def _summary(report: Mapping[str, Any], command: str) -> list[str]:
    """What a run did, in one line, and a line for each thing that a user must know."""
    r = report
    lines = [
        f"{r['articles_requested']:,} articles requested: {r['articles_skipped']:,} done before, "
        f"{r['articles']:,} written, {r['articles_rejected']:,} rejected, "
        f"{r['articles_deferred']:,} deferred · {r['pairs']:,} pairs · {r['rejects']:,} rejects · "
        f"version {r['version']}"
    ]
    if command == "update":
        changes = [f"{count:,} {kind}" for kind, count in r["changes"].items() if count]
        lines.insert(0, f"articles: {', '.join(changes)}" if changes else "no change was published")
    if r["budget"]:
        lines.append(
            f"the budget of {r['budget']} is spent, {r['articles_over_budget']:,} articles wait: {command} "
            "again to go on"
        )
    if r["deferred"]:
        article, why = r["deferred"][0]
        lines.append(f"deferred for a passing fault, {command} again to take them: {article} ({why})…")
    if r["shards_failed"]:
        lines.append(f"{r['shards_failed']:,} shards failed: {command} again")
    lines += [f"{slug} is untrained: its embeddings mean nothing" for slug in r["untrained_models"]]
    lines += [f"the run's page: {r['report']}"] if r["report"] else []
    return lines


def __getattr__(name: str) -> Any:
    """Archive and Selection load pyarrow, duckdb and deltalake: only when they are asked for."""
    if name in ("Archive", "Selection"):
        from biomedica import archive

        return getattr(archive, name)
    raise AttributeError(f"module 'biomedica' has no attribute {name!r}")
