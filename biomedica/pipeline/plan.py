"""What a run has to do: the requested articles, less what is done, cut into shards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.ids import ArticleId, article_key, split_key
from biomedica.pipeline.specs import Holding, ShardSpec
from biomedica.sources import Source, read_id_table
from biomedica.sources.protocol import LISTING
from biomedica.store import Dataset, current_shards, done_articles, listing_keys, pending

__all__ = [
    "LIST_ALL_FROM",
    "UNKNOWN",
    "Plan",
    "chunk_size",
    "make_plan",
    "requested_articles",
    "resolve_ids",
]

UNKNOWN = bytes(16)
"""The input digest that stands for an id that the source does not list"""

LIST_ALL_FROM = 100_000
"""Requests of this size are resolved against the source's whole listing."""


@dataclass(slots=True)
class Plan:
    """What is asked, what is done, and the shards that remain, in order."""

    requested: int
    skipped: int
    chunks: int
    chunks_skipped: int
    shards: list[ShardSpec]


def chunk_size(requested: int, configured: int | None) -> int:
    """Ids a chunk: as configured, else a thirty-second of the request between 10 and 200.

    It depends on the request alone: the same list is always cut into the same chunks.
    """
    if configured is not None:
        return configured
    return min(200, max(10, -(-requested // 32)))


def requested_articles(source: Source, ids: Sequence[str] | None) -> pa.Table:
    """The requested article versions as LISTING, sorted and unique.

    An id without version becomes its latest; an id that the source does not list keeps its
    version (0 when none was given) with a digest of zeros. Raises ConfigError for malformed ids.
    """
    if ids is None:
        return source.list_articles()
    return resolve_ids(source, read_id_table(ids))


def resolve_ids(source: Source, wanted: pa.Table, listed: pa.Table | None = None) -> pa.Table:
    """Ids (ID_TABLE) as LISTING, like `requested_articles`. listed: all of the source, where it is
    known already."""
    if listed is not None:
        return _resolve(wanted, listed)
    few = wanted.num_rows < LIST_ALL_FROM
    listed = source.list_articles(_article_ids(wanted) if few else None)
    return _resolve(wanted, listed)


def _article_ids(table: pa.Table) -> list[ArticleId]:
    pmcids, versions = table["pmcid"].to_pylist(), table["version"].to_pylist()
    return [ArticleId(pmcid, version) for pmcid, version in zip(pmcids, versions, strict=True)]


def _resolve(wanted: pa.Table, listed: pa.Table) -> pa.Table:
    listed = listed.sort_by([("pmcid", "ascending"), ("version", "ascending")])
    keys = listing_keys(listed)
    pmcids = wanted["pmcid"].to_numpy()
    # the last listed key below the next PMCID is the latest version of this one
    position = np.searchsorted(keys, article_key(pmcids + 1, np.zeros_like(pmcids))) - 1
    latest = keys[position] if len(keys) else np.zeros_like(pmcids)
    found = (wanted["version"].to_numpy() == 0) & (position >= 0) & (split_key(latest)[0] == pmcids)
    wants = np.unique(np.where(found, latest, listing_keys(wanted)))
    position = np.searchsorted(keys, wants)
    position[position == len(keys)] = 0
    known = (keys[position] == wants) if len(keys) else np.zeros(len(wants), bool)
    digests = listed["input_digest"].combine_chunks().take(pa.array(position, mask=~known))
    numbers, versions = split_key(wants)
    return pa.table([numbers, versions.astype(np.int32), digests.fill_null(UNKNOWN)], schema=LISTING)


def make_plan(requested: pa.Table, dataset: Dataset | None, digest: str, size: int | None) -> Plan:
    """Cut the request into chunks of fixed size and drop what is done from each (design §5.4).

    dataset: what exists, None where nothing does. What remains of a chunk is a shard, named by
    what it holds, so the same command after a crash makes the same shards.
    """
    count = requested.num_rows
    step = chunk_size(count, size)
    chunks = -(-count // step)
    todo = np.ones(count, bool)
    replaced: Mapping[int, Sequence[str]] = {}
    hidden: Counter[str] = Counter()
    if dataset is not None:
        todo = pending(requested, done_articles(dataset, digest))
        replaced = _replaced(dataset, requested, todo)
        hidden.update(dataset.superseded()["article_id"].to_pylist())
    shards = [
        ShardSpec.of(digest, holdings)
        for holdings in _remains(requested, todo, step, replaced, hidden)
        if holdings
    ]
    return Plan(count, int(count - todo.sum()), chunks, chunks - len(shards), shards)


def _replaced(
    dataset: Dataset, requested: pa.Table, todo: npt.NDArray[np.bool_]
) -> Mapping[int, Sequence[str]]:
    """key → shards with live rows of that article, for the articles to build."""
    if not todo.any():
        return {}
    keys = listing_keys(requested.filter(pa.array(todo)))
    pmcids, _ = split_key(keys)
    bare = article_key(pmcids, np.zeros_like(pmcids))  # rejects of an id that had no version then
    return current_shards(dataset, np.unique(np.concatenate([keys, bare])))


def _remains(
    requested: pa.Table,
    todo: npt.NDArray[np.bool_],
    step: int,
    replaced: Mapping[int, Sequence[str]],
    hidden: Mapping[str, int],
) -> Iterator[list[Holding]]:
    """The articles to build of each chunk.

    hidden: by article, how many of its builds `superseded` names. One that was withdrawn and is back
    replaces nothing, and its shard must not bear the name of the one whose rows are hidden: so many
    commas, which name no shard, make it another.
    """
    pmcids, versions = requested["pmcid"].to_numpy(), requested["version"].to_numpy()
    digests = requested["input_digest"].combine_chunks()
    for start in range(0, len(pmcids), step):
        holdings = []
        for row in np.flatnonzero(todo[start : start + step]) + start:
            article = ArticleId(int(pmcids[row]), int(versions[row]))
            replaces = [*replaced.get(article_key(*article), ()), *_bare(article, replaced)]
            digest = digests[int(row)].as_py()
            text = "" if digest == UNKNOWN else digest.hex()
            names = ",".join(sorted(replaces)) or "," * hidden.get(str(article), 0)
            holdings.append(Holding(str(article), text, names))
        yield holdings


def _bare(article: ArticleId, replaced: Mapping[int, Sequence[str]]) -> list[str]:
    """Where the id stands as a reject without version: the source did not know it then.

    Each of several versions names them, because any of them may be deferred.
    """
    if not article.version:
        return []
    bare = ArticleId(article.pmcid, 0)
    return [f"{bare}/{shard}" for shard in replaced.get(article_key(*bare), ())]
