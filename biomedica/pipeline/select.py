"""Which articles of a source a run takes: all, those named, those whose metadata meets a condition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from biomedica.catalogue import CONDITION_COLUMNS
from biomedica.config import BuildConfig
from biomedica.errors import RunStopped
from biomedica.ids import ArticleId, split_key
from biomedica.pipeline.plan import LIST_ALL_FROM, resolve_ids
from biomedica.query import select_statement
from biomedica.reporting.choice import VersionPolicy, chosen_versions, has_siblings
from biomedica.reporting.selection import IdSelection
from biomedica.sources import Source, read_id_table
from biomedica.store import listing_keys
from biomedica.store.done import keys_of_ids
from biomedica.store.scope import Scope

__all__ = ["named", "narrowed", "scope_of", "selected", "union"]

Keys = npt.NDArray[np.int64]
Published = Callable[[Keys], Keys]
"""Of sorted keys, of whose articles each has several, those that `published_first` takes; none of an
article whose metadata is all wrong"""

SECTIONS = ("parse", "license", "image")
"""the settings that change rows (see `build_digest`)"""


def scope_of(config: BuildConfig, recorded: Scope | None = None) -> Scope:
    """What a configuration asks for, by the policy of versions that a dataset has recorded where it
    names none. Raises ConfigError for malformed ids."""
    given = recorded is None or "versions" in config.select.model_fields_set
    return Scope(
        everything=config.ids is None and config.where is None,
        ids=None if config.ids is None else read_id_table(config.ids),
        where=() if config.where is None else (config.where,),
        source=config.source,
        settings={name: getattr(config, name).model_dump(mode="json") for name in SECTIONS},
        models=config.embed.models,
        versions=config.select.versions if recorded is None or given else recorded.versions,
    )


def selected(source: Source, config: BuildConfig, versions: VersionPolicy) -> pa.Table:
    """The article versions that a build is asked for, as LISTING, sorted and each once.

    An id without version becomes the one that the policy takes, its latest or the latest published
    one; a version that is named is taken as it is. A condition is put to the versions that the
    policy takes. The requests are counted by the source. Raises ConfigError, SourceError, and
    RunStopped where metadata that decides cannot be had now.
    """

    def published(keys: Keys) -> Keys:
        return _found(IdSelection(source, keys, None, "published_first"))

    if config.ids is not None:
        return named(source, read_id_table(config.ids), None, versions, published)
    listing = narrowed(source.list_articles(), versions, published)
    return listing if config.where is None else _meeting(source, listing, config.where)


def narrowed(listing: pa.Table, versions: VersionPolicy, published: Published) -> pa.Table:
    """The rows of a sorted LISTING that a policy takes (`config.SelectConfig`).

    Of an article with several versions, the metadata of none of which is sound, it is the latest.
    """
    if versions == "all":
        return listing
    keys = listing_keys(listing)
    taken = latest = chosen_versions(keys, None, "latest")
    if versions == "published_first":
        several = has_siblings(keys)
        taken = ~several | np.isin(keys, published(keys[several]))
        pmcids, _ = split_key(keys)
        taken |= latest & ~np.isin(pmcids, pmcids[taken])
    return listing.filter(pa.array(taken))


def named(
    source: Source,
    wanted: pa.Table,
    listing: pa.Table | None,
    versions: VersionPolicy,
    published: Published,
) -> pa.Table:
    """Ids (ID_TABLE) as LISTING, like `plan.resolve_ids`; those without version by the policy."""
    if versions != "published_first":
        return resolve_ids(source, wanted, listing)
    is_bare = pc.equal(wanted["version"], 0)
    exact = resolve_ids(source, wanted.filter(pc.invert(is_bare)), listing)
    bare = wanted.filter(is_bare)
    every = _every_version(source, bare) if listing is None else listing
    return union([exact, resolve_ids(source, bare, narrowed(every, versions, published))])


def union(parts: list[pa.Table]) -> pa.Table:
    """Listings as one, sorted, each id once."""
    joined = pa.concat_tables(parts)
    _, first = np.unique(listing_keys(joined), return_index=True)
    return joined.take(pa.array(first))


def _every_version(source: Source, bare: pa.Table) -> pa.Table:
    """All versions that a source has of articles, by their latest."""
    if bare.num_rows >= LIST_ALL_FROM:
        return source.list_articles()
    latest = source.list_articles([ArticleId(pmcid, 0) for pmcid in bare["pmcid"].to_pylist()])
    pmcids, numbers = latest["pmcid"].to_pylist(), latest["version"].to_pylist()
    earlier = [
        ArticleId(pmcid, version)
        for pmcid, last in zip(pmcids, numbers, strict=True)
        for version in range(1, last)
    ]
    return union([latest, source.list_articles(earlier)]) if earlier else latest


def _meeting(source: Source, listing: pa.Table, condition: str) -> pa.Table:
    """The rows of a LISTING whose metadata in the source meets a condition."""
    statement = select_statement("metadata", CONDITION_COLUMNS, ["article_id"], condition)
    keys = listing_keys(listing)
    met = _found(IdSelection(source, keys, statement))
    return listing.filter(pa.array(np.isin(keys, met)))


def _found(selection: IdSelection) -> Keys:
    found = [keys_of_ids(pa.array(ids, pa.string())) for ids in selection]
    if selection.deferred:
        article, why = selection.waiting[0]
        raise RunStopped(
            f"the metadata of {selection.deferred:,} articles cannot be had now, so that nobody knows "
            f"whether they are selected ({article}: {why}); run the same command again"
        )
    return np.concatenate([np.empty(0, np.int64), *found])
