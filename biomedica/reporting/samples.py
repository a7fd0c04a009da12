"""A few rows to look at, spread over a dataset, read without reading the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from biomedica.excerpts import cut, spread
from biomedica.store import Dataset

__all__ = ["RejectExample", "SampledPair", "reject_examples", "sample_pairs"]

_COLUMNS = ["pair_id", "article_id", "caption", "license_code", "width", "height", "journal",
            "publication_year", "figure_label"]  # fmt: skip
NEAR = 100
"""Rows are taken from the first so many of a file: mostly one row group, the unit of reading."""

CAPTION, NAME, DETAIL = 300, 160, 240
"""Characters that a page shows of a text."""


@dataclass(frozen=True, slots=True)
class SampledPair:
    """A pair to look at. picture: a data URI."""

    pair_id: str
    label: str
    caption: str
    license_code: str
    journal: str
    year: int | None
    width: int
    height: int
    picture: str


@dataclass(frozen=True, slots=True)
class RejectExample:
    """A row of `rejects`, with what is needed to find its article again."""

    article_id: str
    item: str
    detail: str
    source_uri: str


def sample_pairs(
    dataset: Dataset, count: int, side: int, shards: Collection[str] | None = None, places: int = 12
) -> list[SampledPair]:
    """At most `count` live pairs, spread evenly over at most `places` files of `shards` (None: all).

    side: of the pictures, in pixels. The same version gives the same pairs. Reads the small columns
    of those files, and the images of the pairs.
    Raises StoreError or Deferred.
    """
    files = [path for path, _, _ in dataset.files("pairs")]
    names = sorted({path.partition("-")[0] for path in files})
    names = spread([name for name in names if shards is None or name in shards], places)
    near = {name: _near(dataset, name) for name in names}
    shares = dict(zip(names, _shares([len(near[name]) for name in names], count), strict=True))
    found: list[SampledPair] = []
    for name in names:
        rows = spread(near[name], shares[name])
        if rows:
            pictures = _pictures(dataset, [row["pair_id"] for row in rows], side)
            found += [_sampled(row, pictures[row["pair_id"]]) for row in rows]
    return found


def _near(dataset: Dataset, shard: str) -> list[dict[str, Any]]:
    """The first NEAR live pairs of a shard or a few more, without their images."""
    rows: list[dict[str, Any]] = []
    for batch in dataset.batches("pairs", columns=_COLUMNS, shards=[shard], batch_size=NEAR):
        rows += batch.to_pylist()
        if len(rows) >= NEAR:
            break
    return rows


def _shares(lengths: Sequence[int], count: int) -> list[int]:
    """How many of each list to take: `count` in all where there are so many, as evenly as can be."""
    shares = [0] * len(lengths)
    while sum(shares) < min(count, sum(lengths)):
        least = min(share for share, length in zip(shares, lengths, strict=True) if share < length)
        for place, length in enumerate(lengths):
            if shares[place] == least < length and sum(shares) < count:
                shares[place] += 1
    return shares


def _pictures(dataset: Dataset, pair_ids: list[str], side: int) -> dict[str, str]:
    from biomedica.imaging import data_uri

    return {pair: data_uri(image, side) for pair, image in dataset.images(pair_ids).items()}


def _sampled(row: Mapping[str, Any], picture: str) -> SampledPair:
    return SampledPair(
        pair_id=row["pair_id"],
        label=cut(row["figure_label"], 40),
        caption=cut(row["caption"], CAPTION),
        license_code=cut(row["license_code"], 40) or "no licence stated",
        journal=cut(row["journal"], 80),
        year=row["publication_year"],
        width=row["width"],
        height=row["height"],
        picture=picture,
    )


def reject_examples(
    dataset: Dataset, shards: Mapping[str, Sequence[str]], each: int = 5
) -> dict[str, list[RejectExample]]:
    """Up to `each` rejects by `stage/reason`, taken in turn from the shards that are named.

    Raises StoreError or Deferred.
    """
    columns = ["article_id", "item", "stage", "reason", "detail", "source_uri", "shard"]
    wanted = {shard for names in shards.values() for shard in names}
    rows: defaultdict[str, defaultdict[str, list[RejectExample]]]
    rows = defaultdict(lambda: defaultdict(list))
    for batch in dataset.batches("rejects", columns=columns, shards=wanted):
        for row in batch.to_pylist():
            held = rows[f"{row['stage']}/{row['reason']}"][row["shard"]]
            if len(held) < each:
                held.append(_example(row))
    return {reason: _in_turn(list(rows[reason].values()), each) for reason in shards if reason in rows}


def _example(row: Mapping[str, Any]) -> RejectExample:
    return RejectExample(
        article_id=row["article_id"],
        item=row["item"] if len(row["item"]) <= NAME else cut(row["item"], NAME),
        detail=cut(row["detail"], DETAIL),
        source_uri=row["source_uri"] or "",
    )


def _in_turn(lists: Sequence[Sequence[RejectExample]], count: int) -> list[RejectExample]:
    """The first of each list, the second of each, and so on."""
    longest = max(map(len, lists), default=0)
    return [found[turn] for turn in range(longest) for found in lists if turn < len(found)][:count]
