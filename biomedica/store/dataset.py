"""The one reading door: a dataset opened at a version, rows that no longer count left out."""

from __future__ import annotations

import datetime
import json
import os
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from biomedica.config import StoreConfig
from biomedica.errors import StoreError
from biomedica.ids import article_id_of_pair
from biomedica.schema import embeddings_table, table_schema
from biomedica.store import log
from biomedica.store.images import images_of_file
from biomedica.store.shards import is_sharded, key_column, shard_of_file
from biomedica.store.storage import Storage, fault, open_storage

__all__ = ["Dataset", "VersionInfo", "hidden_rows", "hide"]

Hidden = dict[str, pa.Array]
"""shard → sorted article ids whose rows in this shard no longer count"""


@dataclass(frozen=True, slots=True)
class VersionInfo:
    """A version of the dataset: its number, the time of its commit (UTC), and the run's note."""

    version: int
    timestamp: datetime.datetime
    note: dict[str, Any]


class Dataset:
    """A dataset at one version. Nothing is read before it is asked for; may be pickled.

    Every method raises StoreError or Deferred where the storage fails.
    """

    def __init__(self, storage: Storage, version: int, pins: dict[str, int]) -> None:
        self.storage = storage
        self.version = version
        self.pins = pins
        self._handles: dict[str, Any] = {}
        self._superseded: pa.Table | None = None

    @classmethod
    def open(
        cls,
        root: str | os.PathLike[str],
        config: StoreConfig | None = None,
        version: int | None = None,
        as_of: datetime.datetime | None = None,
    ) -> Dataset:
        """The dataset at a version, at the newest one up to a time, or at its newest.

        as_of: a time without a zone is taken as UTC. Raises StoreError where there is no dataset,
        something else, a newer format, or no such version.
        """
        storage = open_storage(root, config)
        if not log.has_marker(storage):
            raise StoreError(f"there is no dataset at {storage.root}: build one, or correct the path")
        commit = _find(storage, version, as_of)
        return cls(storage, commit.version, commit.pins or {})

    @classmethod
    def open_if_exists(
        cls, root: str | os.PathLike[str], config: StoreConfig | None = None
    ) -> Dataset | None:
        """The dataset at its newest version; None where nothing was ever committed."""
        storage = open_storage(root, config)
        if not log.has_marker(storage):
            return None
        commit = log.newest_pinned(storage, log.newest_version(storage))
        return None if commit is None else cls(storage, commit.version, commit.pins or {})

    @classmethod
    def open_staged(
        cls, root: str | os.PathLike[str], config: StoreConfig | None = None
    ) -> Dataset | None:
        """The newest version with the work of an update that has not ended: for that update alone."""
        storage = open_storage(root, config)
        if not log.has_marker(storage):
            return None
        commit = log.newest_state(storage, log.newest_version(storage))
        return (
            None if commit is None else cls(storage, commit.version, commit.pins or commit.staged or {})
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (Dataset, (self.storage, self.version, self.pins))

    def __repr__(self) -> str:
        return f"Dataset({self.storage.root!r}, version={self.version})"

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables of this version, sorted; `embeddings/<slug>` among them."""
        return tuple(sorted({"articles", *self.pins}))

    @property
    def timestamp(self) -> datetime.datetime:
        """When this version was committed (UTC)."""
        return log.read_commit(self.storage, self.version).timestamp

    @property
    def note(self) -> dict[str, Any]:
        """What the log says of this version: its command, counts, selection and source."""
        return log.read_commit(self.storage, self.version).note

    def files(self, table: str) -> list[tuple[str, int, int]]:
        """(name in the table's folder, bytes, rows) of each file, sorted; dead rows counted too."""
        added = self._added(table)
        columns = [added[name].to_pylist() for name in ("path", "size_bytes", "num_records")]
        return list(zip(*columns, strict=True))

    def arrow(self, table: str) -> Any:
        """A `pyarrow.dataset.Dataset` over the files of this version.

        It also holds rows that `superseded` hides; `batches` leaves those out.
        """
        return self._arrow(table, self._added(table))

    def superseded(self) -> pa.Table:
        """article_id and shard of the builds whose rows no longer count."""
        if self._superseded is None:
            batches = self.batches("superseded")
            self._superseded = pa.Table.from_batches(batches, table_schema("superseded"))
        return self._superseded

    def batches(
        self,
        table: str,
        columns: Sequence[str] | None = None,
        filter: Any = None,
        batch_size: int = 1024,
        shards: Collection[str] | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """The live rows in the order of the files, `batch_size` at most at a time.

        columns: names in the wanted order; None: all. filter: a pyarrow expression, pushed down.
        shards: only the files of these shards, in their order; None: all.
        """
        names = self._columns(table, columns)
        hidden = hidden_rows(self.superseded()) if is_sharded(table) else {}
        keys = ["shard", key_column(table)] if hidden else []
        read = [*names, *(key for key in keys if key not in names)]
        # images are large: read ahead one row group, not sixteen
        ahead = 1 if "image" in read else 16
        added = self._added(table)
        if shards is not None:
            added = _of_shards(added, shards)
        scanner = self._arrow(table, added).scanner(
            columns=read,
            filter=filter,
            batch_size=batch_size,
            batch_readahead=ahead,
            fragment_readahead=min(ahead, 4),
        )
        for batch in self._guarded(table, scanner.to_batches()):
            live = hide(batch, table, hidden)
            if live.num_rows:
                yield live.select(names)

    def images(self, pair_ids: Collection[str]) -> dict[str, bytes]:
        """The encoded images of some live pairs, by pair id; those that are not there are left out.

        Only files that can hold their articles are opened, and little else of those is read.
        """
        import pyarrow.compute as pc

        hidden = hidden_rows(self.superseded())
        articles = sorted({article_id_of_pair(pair) for pair in pair_ids})
        may_hold = pc.field("article_id").isin(articles)

        def read(fragment: Any) -> dict[str, bytes]:
            with fragment.open() as handle:
                return images_of_file(handle, pair_ids, lambda batch: hide(batch, "pairs", hidden))

        found: dict[str, bytes] = {}
        fragments = self.arrow("pairs").get_fragments(may_hold) if articles else iter(())
        for images in self._guarded("pairs", map(read, fragments)):
            found |= images
        return found

    def count(self, table: str) -> int:
        """The number of live rows; without superseded rows, nothing but the log is read."""
        hidden = hidden_rows(self.superseded()) if is_sharded(table) else {}
        added = self._added(table)
        rows = sum(added["num_records"].to_pylist())
        if not hidden:
            return int(rows)
        touched = [shard_of_file(path) in hidden for path in added["path"].to_pylist()]
        key = key_column(table)
        data = self._arrow(table, added.filter(pa.array(touched, pa.bool_())))
        for batch in self._guarded(table, data.to_batches(columns=["shard", key])):
            rows -= batch.num_rows - hide(batch, table, hidden).num_rows
        return int(rows)

    def model(self, slug: str) -> dict[str, Any]:
        """What an embeddings table says of its model (name, weights, dimension, preprocessing)."""
        description = self.handle(embeddings_table(slug)).metadata().description
        found: dict[str, Any] = json.loads(description or "{}")
        return found

    def versions(self) -> list[VersionInfo]:
        """Every version of the dataset up to now that can be read, the newest first."""
        newest, oldest = log.newest_version(self.storage), log.oldest_kept(self.storage)

        def read(version: int) -> log.Commit | None:
            try:
                return log.read_commit(self.storage, version)
            except FileNotFoundError:
                return None

        with ThreadPoolExecutor(16) as pool:
            commits = pool.map(read, range(newest, oldest - 1, -1))
            return [
                VersionInfo(c.version, c.timestamp, c.note) for c in commits if c and c.pins is not None
            ]

    def check_nothing_staged(self) -> None:
        """Raise StoreError where an update has not ended: its work would be lost."""
        if log.staged_work(self.storage, log.newest_version(self.storage)) is not None:
            raise StoreError(
                f"an update of {self.storage.root} has not ended: run `biomedica update` again first"
            )

    def _columns(self, table: str, columns: Sequence[str] | None) -> list[str]:
        known = table_schema(table).names
        if columns is None:
            return list(known)
        unknown = sorted(set(columns) - set(known))
        if unknown:
            raise StoreError(f"{table} has no column {', '.join(unknown)}: it has {', '.join(known)}")
        return list(columns)

    def handle(self, table: str) -> Any:
        """The `DeltaTable` of a table at this version. Raises StoreError where there is none."""
        if table not in self._handles:
            if table not in self.tables:
                raise StoreError(
                    f"version {self.version} of {self.storage.root} has no table {table}: "
                    f"it has {', '.join(self.tables)}"
                )
            version = self.pins.get(table, self.version)
            self._handles[table] = log.open_table(self.storage, table, version)
        return self._handles[table]

    def _added(self, table: str) -> pa.Table:
        return log.added_files(self.handle(table))

    def _arrow(self, table: str, added: pa.Table) -> Any:
        """A dataset over some of a table's files, with their key ranges so that filters skip files."""
        import pyarrow.dataset as pads

        filesystem, base = self.storage.arrow_filesystem()
        file_format = pads.ParquetFileFormat()
        key = key_column(table)
        names = ("path", "size_bytes", f"min.{key}", f"max.{key}")
        nothing = pa.nulls(added.num_rows, pa.string())
        columns = [(added[n] if n in added.column_names else nothing).to_pylist() for n in names]
        fragments = []
        for path, size, low, high in zip(*columns, strict=True):
            ranged = None
            if low is not None and high is not None:
                ranged = (pads.field(key) >= low) & (pads.field(key) <= high)
            fragments.append(
                file_format.make_fragment(f"{base}/{table}/{path}", filesystem, ranged, file_size=size)
            )
        return pads.FileSystemDataset(fragments, table_schema(table), file_format, filesystem)

    def _guarded(self, table: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same batches; a fault while reading becomes StoreError or Deferred."""
        where = self.storage.uri(table)
        while True:
            try:
                batch = next(batches, None)
            except (FileNotFoundError, pa.ArrowInvalid) as error:
                what = "lacks a file" if isinstance(error, FileNotFoundError) else "has a broken file"
                raise StoreError(f"{where} {what}: run `biomedica verify` on this dataset") from error
            except OSError as error:
                raise fault(error, "read", where) from None
            if batch is None:
                return
            yield batch


def hidden_rows(superseded: pa.Table) -> Hidden:
    """Superseded rows by shard."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    shards, articles = superseded["shard"].to_pylist(), superseded["article_id"].to_pylist()
    for shard, article in zip(shards, articles, strict=True):
        found[shard].add(article)
    return {shard: pa.array(sorted(found[shard]), pa.string()) for shard in sorted(found)}


def hide(batch: pa.RecordBatch, table: str, hidden: Hidden) -> pa.RecordBatch:
    """The rows of a batch that still count. The batch must hold `shard` and the table's key."""
    if not hidden:
        return batch
    import pyarrow.compute as pc

    key = key_column(table)
    shards = batch.column("shard")
    for shard in shards.unique().to_pylist():
        if shard in hidden:
            articles = batch.column(key)
            if key == "pair_id":
                articles = pc.list_element(pc.split_pattern(articles, "/", max_splits=1), 0)
            dead = pc.and_(pc.equal(shards, shard), pc.is_in(articles, value_set=hidden[shard]))
            batch = batch.filter(pc.invert(dead))
            shards = batch.column("shard")
    return batch


def _of_shards(added: pa.Table, shards: Collection[str]) -> pa.Table:
    """The files of some shards, in the order of these where they have one."""
    ordered = shards if isinstance(shards, Sequence) else sorted(shards)
    place = {shard: n for n, shard in enumerate(ordered)}
    names = map(shard_of_file, added["path"].to_pylist())
    rows = sorted((place[name], row) for row, name in enumerate(names) if name in place)
    return added.take(pa.array([row for _, row in rows], pa.int64()))


def _find(storage: Storage, version: int | None, as_of: datetime.datetime | None) -> log.Commit:
    """The wanted version of a dataset that exists."""
    newest = log.newest_version(storage)
    if version is not None and as_of is not None:
        raise StoreError("give a version or a time, not both")
    if version is not None:
        return _at_version(storage, version, newest)
    start = newest if as_of is None else _newest_at(storage, as_of, newest)
    found = log.newest_pinned(storage, start)
    if found is not None:
        return found if as_of is None else _kept(storage, found)
    if as_of is None:
        raise StoreError(f"{storage.root} has no committed version yet: run the build again")
    raise StoreError(
        f"{storage.root} had no version at {as_of.isoformat()}: `biomedica log` lists those it has"
    )


def _at_version(storage: Storage, version: int, newest: int) -> log.Commit:
    found = None
    if 0 <= version <= newest:
        try:
            found = log.read_commit(storage, version)
        except FileNotFoundError:
            found = None
    if found is None or found.pins is None:
        latest = log.newest_pinned(storage, newest)
        hint = f"the newest is {latest.version}" if latest else "it has none yet"
        raise StoreError(
            f"{storage.root} has no version {version} ({hint}): `biomedica log` lists those it has"
        )
    return _kept(storage, found)


def _kept(storage: Storage, found: log.Commit) -> log.Commit:
    """The same, unless its files may be gone."""
    oldest = log.oldest_kept(storage)
    if found.version < oldest:
        raise StoreError(
            f"version {found.version} of {storage.root} was freed by `biomedica vacuum`: "
            f"the oldest that can be read is {oldest}"
        )
    return found


def _newest_at(storage: Storage, as_of: datetime.datetime, newest: int) -> int:
    """The last commit up to a time, by bisection; commits follow each other in time."""
    if as_of.tzinfo is None:
        as_of = as_of.replace(tzinfo=datetime.UTC)
    low, high = -1, newest
    while low < high:
        middle = (low + high + 1) // 2
        if log.read_commit(storage, middle).timestamp <= as_of:
            low = middle
        else:
            high = middle - 1
    return low
