"""Shards that are mostly dead or small become new ones: same rows, under another shard's name.

A shard is rewritten over all its tables at once, so that an article's rows stay in one shard. What
`superseded` says of a rewritten shard is then said by nothing any more, and goes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from biomedica.errors import StoreError
from biomedica.ids import article_id_of_pair, article_key, parse_article_id, shard_id
from biomedica.schema import table_schema
from biomedica.store import log
from biomedica.store.dataset import Dataset
from biomedica.store.shards import (
    DataFile,
    is_sharded,
    key_column,
    shard_of_file,
    table_of,
    write_file,
)

__all__ = ["Compaction", "Merge", "plan_compaction", "remaining_superseded", "rewrite"]

ARTICLES_A_SHARD = 2000
"""Articles without images are small: a shard ends at so many."""
MANY_FILES = 16
"""Files of `superseded` from which on they are made one."""
ROWS_A_STEP = 64


@dataclass(frozen=True, slots=True)
class Merge:
    """Shards that become one. shard: its name, made of what goes into it; rows: live ones."""

    shard: str
    shards: tuple[str, ...]
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Compaction:
    """What is to be done. removed: by table, the names of the files that go. dead_rows: rows of those
    that no longer count. bytes: of the files that go."""

    merges: tuple[Merge, ...]
    removed: Mapping[str, frozenset[str]]
    dead_rows: int
    bytes: int

    @property
    def files(self) -> int:
        """Data files that go, those of `superseded` left out."""
        return sum(len(paths) for table, paths in self.removed.items() if table != "superseded")


@dataclass(slots=True)
class _Shard:
    """One shard over all tables."""

    name: str
    files: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    bytes: int = 0
    rows: int = 0
    dead: int = 0
    articles: int = 0
    first: int = 1 << 62
    """the lowest of the keys with which its files begin, as the log says"""

    @property
    def live_bytes(self) -> int:
        return round(self.bytes * (self.rows - self.dead) / self.rows) if self.rows else 0

    @property
    def kind(self) -> str:
        """Metadata has shards of its own."""
        return "metadata" if set(self.files) == {"metadata"} else ""


def plan_compaction(
    dataset: Dataset, target_bytes: int, dead_share: float, small_share: float
) -> Compaction:
    """Which shards are rewritten: those of whose rows `dead_share` or more no longer count, and those
    of less than `small_share` of `target_bytes` where they find another to be merged with.

    Neighbours by article id are merged up to `target_bytes`. Reads the log, and the keys of the
    shards that `superseded` names. Raises StoreError or Deferred.
    """
    shards = _shards(dataset)
    _count_dead(dataset, shards)
    candidates = [
        one
        for one in shards.values()
        if one.dead >= dead_share * one.rows or one.live_bytes < small_share * target_bytes
    ]
    candidates.sort(key=lambda one: (one.kind, one.first, one.name))
    groups = [
        group
        for group in _grouped(candidates, target_bytes)
        if len(group) > 1 or group[0].dead >= dead_share * group[0].rows
    ]
    hidden = _hidden(dataset)
    merges = tuple(_merge(group, hidden) for group in groups)
    removed: defaultdict[str, set[str]] = defaultdict(set)
    for one in (one for group in groups for one in group):
        for table, paths in one.files.items():
            removed[table].update(paths)
    gone = {one.name for group in groups for one in group}
    if _superseded_changes(dataset, gone):
        removed["superseded"] = {path for path, _, _ in dataset.files("superseded")}
    dead = sum(one.dead for group in groups for one in group)
    size = sum(one.bytes for group in groups for one in group)
    return Compaction(merges, {name: frozenset(removed[name]) for name in sorted(removed)}, dead, size)


def rewrite(dataset: Dataset, merge: Merge, target_bytes: int) -> list[DataFile]:
    """Write the live rows of shards as one shard's new files; memory holds a few files' worth.

    Raises StoreError or Deferred.
    """
    written = []
    rows = 0
    for table in _tables(dataset):
        step = ROWS_A_STEP if table == "pairs" else 1024
        batches = dataset.batches(table, batch_size=step, shards=merge.shards)
        for part in _slices(table, _renamed(table, batches, merge.shard), target_bytes):
            file = write_file(dataset.storage, table, merge.shard, part)
            if file is not None:
                written.append(file)
                rows += file.rows
    if rows != merge.rows:
        raise StoreError(
            f"shard {merge.shard} would have {rows:,} rows instead of {merge.rows:,}: nothing was "
            "changed; run `biomedica verify` on this dataset"
        )
    return written


def remaining_superseded(dataset: Dataset, gone: Iterable[str]) -> list[DataFile]:
    """What `superseded` still has to say once some shards are gone, in one file."""
    shards = frozenset(gone)
    table = dataset.superseded()
    pairs = zip(table["shard"].to_pylist(), table["article_id"].to_pylist(), strict=True)
    left = sorted({(shard, article) for shard, article in pairs if shard not in shards})
    if not left:
        return []
    name = shard_id("superseded", [(article, "", shard) for shard, article in left])
    rows = [{"article_id": article, "shard": shard} for shard, article in left]
    file = write_file(dataset.storage, "superseded", name, table_of("superseded", rows))
    return [file] if file else []


def _tables(dataset: Dataset) -> list[str]:
    return [table for table in dataset.tables if is_sharded(table)]


def _shards(dataset: Dataset) -> dict[str, _Shard]:
    """Every shard of a version, by the log alone."""
    found: dict[str, _Shard] = {}
    for table in _tables(dataset):
        added = log.added_files(dataset.handle(table))
        lowest = f"min.{key_column(table)}"
        names = ["path", "size_bytes", "num_records"]
        columns = [added[name].to_pylist() for name in names]
        lows = added[lowest].to_pylist() if lowest in added.column_names else [None] * added.num_rows
        for path, size, rows, low in zip(*columns, lows, strict=True):
            name = shard_of_file(path)
            one = found.setdefault(name, _Shard(name))
            one.files[table].append(path)
            one.bytes += size
            one.rows += rows
            one.articles += rows if table == "articles" else 0
            if low is not None:
                key = article_key(*parse_article_id(article_id_of_pair(low)))
                one.first = min(one.first, key)
    return found


def _count_dead(dataset: Dataset, shards: Mapping[str, _Shard]) -> None:
    """Rows that are hidden, of the shards that have any."""
    touched = sorted({*dataset.superseded()["shard"].to_pylist()} & shards.keys())
    live: Counter[str] = Counter()
    for table in _tables(dataset) if touched else ():
        for batch in dataset.batches(table, columns=["shard"], shards=touched, batch_size=1 << 14):
            for count in batch.column("shard").value_counts().to_pylist():
                live[count["values"]] += count["counts"]
    for name in touched:
        shards[name].dead = shards[name].rows - live[name]


def _grouped(candidates: Iterable[_Shard], target_bytes: int) -> Iterator[list[_Shard]]:
    group: list[_Shard] = []
    size = articles = 0
    for one in candidates:
        full = size + one.live_bytes > target_bytes or articles + one.articles > ARTICLES_A_SHARD
        if group and (full or one.kind != group[0].kind):
            yield group
            group, size, articles = [], 0, 0
        group.append(one)
        size += one.live_bytes
        articles += one.articles
    if group:
        yield group


def _hidden(dataset: Dataset) -> dict[str, list[str]]:
    """By shard, the articles whose rows in it are hidden."""
    hidden: defaultdict[str, list[str]] = defaultdict(list)
    table = dataset.superseded()
    for shard, article in zip(table["shard"].to_pylist(), table["article_id"].to_pylist(), strict=True):
        hidden[shard].append(article)
    return hidden


def _merge(group: Sequence[_Shard], hidden: Mapping[str, Sequence[str]]) -> Merge:
    """The name says what goes in: the files, and what of them is hidden."""
    holdings = [
        (
            one.name,
            ",".join(
                f"{name}/{path}" for name in sorted(one.files) for path in sorted(one.files[name])
            ),
            ",".join(sorted(hidden.get(one.name, ()))),
        )
        for one in group
    ]
    rows = sum(one.rows - one.dead for one in group)
    size = sum(one.live_bytes for one in group)
    return Merge(shard_id("compact", holdings), tuple(one.name for one in group), rows, size)


def _superseded_changes(dataset: Dataset, gone: set[str]) -> bool:
    """Whether `superseded` can be made smaller, or lies in many files."""
    if gone & {*dataset.superseded()["shard"].to_pylist()}:
        return True
    return len(dataset.files("superseded")) >= MANY_FILES


def _renamed(table: str, batches: Iterable[pa.RecordBatch], shard: str) -> Iterator[pa.RecordBatch]:
    schema = table_schema(table)
    place = schema.get_field_index("shard")
    for batch in batches:
        columns = list(batch.columns)
        columns[place] = pa.array([shard] * batch.num_rows, pa.string())
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _slices(
    table: str, batches: Iterable[pa.RecordBatch], limit: int
) -> Iterator[list[pa.RecordBatch]]:
    """Rows for one file each: cut where a new article begins, once `limit` bytes are there."""
    parts: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        rest = batch
        if size >= limit and parts:
            begins = _first_of_another(parts[-1], batch, key_column(table))
            if begins is not None:
                yield [*parts, batch.slice(0, begins)] if begins else parts
                rest, parts, size = batch.slice(begins), [], 0
        parts.append(rest)
        size += rest.nbytes
    if parts:
        yield parts


def _first_of_another(before: pa.RecordBatch, batch: pa.RecordBatch, key: str) -> int | None:
    """The first row of `batch` that is not of the last article of `before`."""
    last = article_id_of_pair(before.column(key)[-1].as_py())
    same = [article_id_of_pair(value) == last for value in batch.column(key).to_pylist()]
    others = np.flatnonzero(~np.array(same))
    return int(others[0]) if len(others) else None
