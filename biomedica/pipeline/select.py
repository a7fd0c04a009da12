"""Which articles of a source a run takes: all, those named, those whose metadata meets a condition."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from biomedica.catalogue import CONDITION_COLUMNS
from biomedica.config import BuildConfig
from biomedica.errors import RunStopped
from biomedica.query import select_statement
from biomedica.reporting.selection import IdSelection
from biomedica.sources import Source, read_id_table
from biomedica.store import listing_keys
from biomedica.store.done import keys_of_ids
from biomedica.store.scope import Scope

__all__ = ["meeting", "scope_of"]

SECTIONS = ("parse", "license", "image")
"""the settings that change rows (see `build_digest`)"""


def scope_of(config: BuildConfig) -> Scope:
    """What a configuration asks for. Raises ConfigError for malformed ids."""
    return Scope(
        everything=config.ids is None and config.where is None,
        ids=None if config.ids is None else read_id_table(config.ids),
        where=() if config.where is None else (config.where,),
        source=config.source,
        settings={name: getattr(config, name).model_dump(mode="json") for name in SECTIONS},
        models=config.embed.models,
    )


def meeting(source: Source, listing: pa.Table, conditions: tuple[str, ...]) -> pa.Table:
    """The rows of a LISTING whose metadata in the source meets one of the conditions.

    The requests are counted by the source. Raises ConfigError for a wrong condition, SourceError,
    and RunStopped where the metadata of some cannot be had now: what is selected is not known then.
    """
    condition = " OR ".join(f"(\n{one}\n)" for one in conditions)
    statement = select_statement("metadata", CONDITION_COLUMNS, ["article_id"], condition)
    keys = listing_keys(listing)
    selection = IdSelection(source, keys, statement)
    found = [keys_of_ids(pa.array(ids, pa.string())) for ids in selection]
    if selection.deferred:
        article, why = selection.waiting[0]
        raise RunStopped(
            f"the metadata of {selection.deferred:,} articles cannot be had now, so that nobody knows "
            f"whether they are selected ({article}: {why}); run the same command again"
        )
    kept = np.isin(keys, np.concatenate([np.empty(0, np.int64), *found]))
    return listing.filter(pa.array(kept))
