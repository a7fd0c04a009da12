"""The open engine that turns the biomedical literature into vision-language data.

import biomedica
archive = biomedica.build(source="./articles", out="./dataset", ids=["PMC7759461.1"])
archive.pairs(columns=["pair_id", "caption"], where="width >= 224").to_pandas()
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from biomedica._version import __version__

if TYPE_CHECKING:
    from biomedica.archive import Archive, Selection

__all__ = ["Archive", "Selection", "__version__", "build"]

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
    from biomedica.archive import Archive
    from biomedica.config import BuildConfig, as_place, load_config
    from biomedica.errors import ConfigError
    from biomedica.pipeline import run_build
    from biomedica.pipeline.progress import tell, without_advice

    if not isinstance(options or {}, Mapping):
        raise ConfigError("options must be settings by name, such as {'image.max_pixels': 50_000_000}")
    overrides = {
        "source": None if source is None else as_place(source, "source"),
        "dataset": None if out is None else as_place(out, "out"),
        "ids": _texts(ids, "ids"),
        "embed.models": _texts(models, "models") or None,
        **{str(name): value for name, value in (options or {}).items()},
    }
    path = None if config is None else as_place(config, "config")
    settings = load_config(BuildConfig, path, overrides)
    with without_advice():
        report = run_build(settings, quiet=quiet).to_dict()
    if not quiet:
        for line in _summary(report):
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


def _summary(report: Mapping[str, Any]) -> list[str]:
    """What a run did, in one line, and a line for each thing that a user must know."""
    r = report
    lines = [
        f"{r['articles_requested']:,} articles requested: {r['articles_skipped']:,} done before, "
        f"{r['articles']:,} written, {r['articles_rejected']:,} rejected, "
        f"{r['articles_deferred']:,} deferred · {r['pairs']:,} pairs · {r['rejects']:,} rejects · "
        f"version {r['version']}"
    ]
    if r["articles_deferred"]:
        article, why = r["deferred"][0]
        lines.append(f"deferred for a passing fault, build again to take them: {article} ({why})…")
    if r["shards_failed"]:
        lines.append(f"{r['shards_failed']:,} shards failed: build again")
    lines += [f"{slug} is untrained: its embeddings mean nothing" for slug in r["untrained_models"]]
    lines += [f"the run's page: {r['report']}"] if r["report"] else []
    return lines


def __getattr__(name: str) -> Any:
    """Archive and Selection load pyarrow, duckdb and deltalake: only when they are asked for."""
    if name in ("Archive", "Selection"):
        from biomedica import archive

        return getattr(archive, name)
    raise AttributeError(f"module 'biomedica' has no attribute {name!r}")
