"""The open engine that turns the biomedical literature into vision-language data.

import biomedica
archive = biomedica.build(source="./articles", out="./dataset", ids=["PMC7759461.1"])
archive.pairs(columns=["pair_id", "caption"]).to_pandas()
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from biomedica._version import __version__

if TYPE_CHECKING:
    from biomedica.archive import Archive, Selection

__all__ = ["Archive", "Selection", "__version__", "build"]


def build(
    source: str,
    out: str,
    ids: Sequence[str] | None = None,
    *,
    models: Sequence[str] = (),
    config: str | None = None,
    options: Mapping[str, Any] | None = None,
    quiet: bool = False,
) -> Archive:
    """Build articles into the dataset at `out`, and open it.

    source: a folder in PMC's layout. ids: article ids or files of them; None: all. models: what to
    embed the images with. config: a YAML file. options: settings by dotted name, such as
    {"image.max_pixels": 50_000_000}. What is done already is not done again. Progress goes to
    stderr. Raises BiomedicaError with the remedy; deferred articles raise nothing: call it again.
    """
    from biomedica.archive import Archive
    from biomedica.config import BuildConfig, load_config
    from biomedica.pipeline import run_build

    overrides = {
        "source": source,
        "dataset": out,
        "ids": [ids] if isinstance(ids, str) else list(ids) if ids is not None else None,
        "embed.models": [models] if isinstance(models, str) else list(models) or None,
        **(options or {}),
    }
    settings = load_config(BuildConfig, config, overrides)
    report = run_build(settings, quiet=quiet)
    return Archive(out, version=report.version, store=settings.store)


def __getattr__(name: str) -> Any:
    """Archive and Selection load pyarrow, duckdb and deltalake: only when they are asked for."""
    if name in ("Archive", "Selection"):
        from biomedica import archive

        return getattr(archive, name)
    raise AttributeError(f"module 'biomedica' has no attribute {name!r}")
