"""The one writing door: exactly one run writes, and readers see whole versions only.

Order is what makes this safe at any point of a kill (promise 2):
begin: tables → epoch on `articles` (from here no older run can pin) → epoch on each other table,
       in the same commit its state of the last pin → for a new dataset the first, empty version.
commit: each other table → `articles` last, with the pins.
stage:  the same with pins that no reader takes; the run that goes on from there publishes them.
Every commit carries the Delta application transaction `writer` = our epoch, so a commit on a
table that another run has taken over fails.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

from biomedica.config import StoreConfig
from biomedica.errors import Deferred, StaleWriterError, StoreError
from biomedica.schema import table_schema
from biomedica.store import log
from biomedica.store.shards import DataFile, key_column
from biomedica.store.storage import Storage, open_storage

__all__ = ["DatasetWriter"]

_CARRIED = ("selection", "source", "sources", "listed", "listed_from", "terms")
"""What the note of each version says until another one says otherwise."""

_TRIES = 20
"""Commits in a row that may lose against an older run before we give up."""

Hook = Callable[[str], None]


class DatasetWriter:
    """The right to commit to a dataset, held until another run begins.

    Made by `begin`. Methods raise StaleWriterError once another run has begun, StoreError or
    Deferred where the storage fails. Not for use from several threads at once.
    """

    def __init__(self, storage: Storage, on_commit: Hook | None, *, resume: bool = False) -> None:
        self.storage = storage
        self.epoch = 0
        self._resume = resume
        self._carried: dict[str, Any] = {}
        self._on_commit = on_commit
        self._tables: dict[str, Any] = {}

    @classmethod
    def begin(
        cls,
        root: str | os.PathLike[str],
        config: StoreConfig | None = None,
        embeddings: Mapping[str, Mapping[str, Any]] | None = None,
        on_commit: Hook | None = None,
        *,
        resume: bool = False,
        also: Sequence[str] = (),
    ) -> DatasetWriter:
        """Take over a dataset, or make a new one; whatever was committed after its last version
        is taken out again.

        embeddings: table name (`embeddings/<slug>`) → metadata of its model, JSON values only.
        also: other tables that will be written, made where they are not there yet.
        resume: keep what an update has staged, and go on from there.
        on_commit: called with the table's name after each commit of a table.
        Raises StoreError where something else lies at the root, the store does not keep
        conditional puts, or an embeddings table of that name holds another model.
        """
        writer = cls(open_storage(root, config), on_commit, resume=resume)
        log.claim(writer.storage)
        # as JSON gives them back
        models = {table: json.loads(json.dumps(dict(m))) for table, m in (embeddings or {}).items()}
        writer._open_tables(models, also)
        writer._take_over()
        return writer

    def commit(
        self,
        files: Sequence[DataFile],
        note: Mapping[str, Any] | None = None,
        removed: Mapping[str, Collection[str]] | None = None,
        *,
        staged: bool = False,
    ) -> int:
        """Make files the next version of the dataset; returns its number.

        note: JSON values without secrets, kept in the log; what it does not say of the selection and
        of the source is as in the version before. removed: by table, the names of files
        that belong to the dataset no more. staged: no version; a later commit publishes it.
        """
        gone = {table: frozenset(paths) for table, paths in (removed or {}).items() if paths}
        by_table: defaultdict[str, dict[str, DataFile]] = defaultdict(dict)
        for file in files:
            by_table[file.table][file.path] = file
        touched = {*by_table, *gone}
        unknown = sorted(touched - set(self._tables))
        if unknown:
            raise ValueError(f"files of tables that this writer has not opened: {unknown}")

        def change(table: str) -> Callable[[], list[Any]]:
            return partial(self._change, table, by_table[table], gone.get(table, frozenset()))

        for table in sorted(touched - {"articles"}):
            self._commit(table, change(table))
        pins = {name: int(handle.version()) for name, handle in sorted(self._tables.items())}
        del pins["articles"]
        metadata = {log.STAGED if staged else log.PINS: json.dumps(pins, sort_keys=True)}
        whole = self._carried | dict(note or {})
        if whole:
            metadata[log.NOTE] = json.dumps(whole, sort_keys=True)
        self._carried = {name: whole[name] for name in _CARRIED if name in whole}
        return self._commit("articles", change("articles"), metadata)

    def _change(self, table: str, files: Mapping[str, DataFile], gone: frozenset[str]) -> list[Any]:
        adds = [_add(files[path]) for path in sorted(files)]
        if not gone - files.keys():
            return adds
        rows = log.added_files(self._tables[table]).to_pylist()
        return adds + [_remove(row) for row in rows if row["path"] in gone - files.keys()]

    def check(self) -> None:
        """Raise StaleWriterError where another run has begun."""
        self._refresh("articles")

    def take_also(self, tables: Sequence[str]) -> None:
        """Take over tables that exist and that no version pins, and empty them."""
        for table in tables:
            if table not in self._tables:
                self._open_table(table, None)
                self._commit(table, self._undo(table, None), taking=True)

    def close(self) -> None:
        """Write a checkpoint of each table, so that the next reader opens fast. No error matters:
        without it the log is complete, only longer to read."""
        from deltalake.exceptions import DeltaError

        for handle in self._tables.values():
            try:
                handle.create_checkpoint()
            except (DeltaError, OSError):
                return

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_tables(self, models: Mapping[str, dict[str, Any]], also: Sequence[str] = ()) -> None:
        """Make what was never there, and nothing that was lost."""
        others = (table for table in log.CORE_TABLES if table != "articles")
        if (
            not log.table_exists(self.storage, "articles")
            and any(log.table_exists(self.storage, table) for table in others)
            # articles is made first: unless another run just did, its log is lost
            and not log.table_exists(self.storage, "articles")
        ):
            raise log.lost_table(self.storage, "articles")
        self._open_table("articles", None)
        _, pins = self._base()
        for table in sorted(pins):
            if not log.table_exists(self.storage, table):
                raise log.lost_table(self.storage, table)
        for table in (*log.CORE_TABLES, *sorted(models), *sorted(also), *sorted(pins)):
            self._open_table(table, models.get(table))

    def _open_table(self, table: str, model: dict[str, Any] | None) -> None:
        if table in self._tables:
            return
        if not log.table_exists(self.storage, table):
            _create(self.storage, table, model)
            self._told(table)
        handle = log.open_table(self.storage, table)
        if model is not None:
            _same_model(table, model, json.loads(handle.metadata().description or "{}"))
        self._tables[table] = handle

    def _take_over(self) -> None:
        epochs = [handle.transaction_version(log.WRITER) or 0 for handle in self._tables.values()]
        self.epoch = max(epochs) + 1
        self._commit("articles", list, taking=True)
        self._drop_staged()
        base, pins = self._base()
        note = base.note if base else {}
        self._carried = {name: note[name] for name in _CARRIED if name in note}
        for table in sorted(pins):  # another run may have pinned a new table meanwhile
            self._open_table(table, None)
        for table in sorted(set(self._tables) - {"articles"}):
            # computed anew at each try, because an older run may have committed in between
            undo = self._undo(table, pins.get(table))
            self._commit(table, undo, taking=True)
        if base is None:
            self.commit([])

    def _base(self) -> tuple[log.Commit | None, dict[str, int]]:
        """The state to go on from, and its pins."""
        find = log.newest_state if self._resume else log.newest_pinned
        base = find(self.storage, int(self._tables["articles"].version()))
        return base, (base.pins or base.staged or {}) if base else {}

    def _drop_staged(self) -> None:
        """Take out of `articles` what was staged for a version that nobody will publish."""
        newest = int(self._tables["articles"].version())
        if self._resume or log.staged_work(self.storage, newest) is None:
            return
        base, pins = self._base()
        metadata = {log.STAGED: json.dumps(pins, sort_keys=True)}
        self._commit("articles", self._undo("articles", base.version if base else None), metadata)

    def _undo(self, table: str, pin: int | None) -> Callable[[], list[Any]]:
        """What brings a table back to its pinned state."""

        def actions() -> list[Any]:
            handle = self._tables[table]
            if handle.version() == pin:
                return []
            now = {row["path"]: row for row in log.added_files(handle).to_pylist()}
            then: dict[str, Any] = {}
            if pin is not None:
                wanted = log.open_table(self.storage, table, pin)
                then = {row["path"]: row for row in log.added_files(wanted).to_pylist()}
            gone = [_remove(now[path]) for path in sorted(now.keys() - then.keys())]
            back = [_add(_data_file(table, then[path])) for path in sorted(then.keys() - now.keys())]
            return gone + back

        return actions

    def _commit(
        self,
        table: str,
        actions: Callable[[], list[Any]],
        metadata: dict[str, str] | None = None,
        *,
        taking: bool = False,
    ) -> int:
        """One commit of one table under our epoch; returns the table's version after it.

        taking: the epoch is raised by this commit, so the table may still be an older run's.
        """
        from deltalake import CommitProperties, Transaction
        from deltalake.exceptions import CommitFailedError

        def attempt() -> bool:
            self._refresh(table, taking=taking)
            handle = self._tables[table]
            epoch = Transaction(log.WRITER, self.epoch)
            said = {**(metadata or {}), **self._time(table)}
            properties = CommitProperties(custom_metadata=said or None, app_transactions=[epoch])
            write = partial(
                handle.create_write_transaction,
                actions(),
                "append",
                handle.schema(),
                commit_properties=properties,
            )
            try:
                log.with_delta(self.storage, table, "write", write)
            except (CommitFailedError, Deferred) as error:
                # it may be there all the same, its answer lost: next time it must not look to us
                # like another run's
                self.epoch += taking
                if isinstance(error, Deferred):
                    raise
                return False
            return True

        for _ in range(_TRIES):
            if self.storage.patiently(attempt):
                after = self._refresh(table)
                self._told(table)
                return after
        raise StoreError(
            f"{self.storage.uri(table)} is being written by another program: stop it and run again"
        )

    def _time(self, table: str) -> dict[str, str]:
        """The time of a commit, for `articles` alone: readers go back by it."""
        if table != "articles":
            return {}
        before = log.read_commit(self.storage, int(self._tables[table].version())).timestamp
        return {log.TIME: str(max(_now(), round(before.timestamp() * 1000) + 1))}

    def _refresh(self, table: str, *, taking: bool = False) -> int:
        """Read what was committed since; the table's version. Raises StaleWriterError."""
        handle = self._tables[table] = log.refresh(self.storage, table, self._tables[table])
        epoch = handle.transaction_version(log.WRITER) or 0
        if epoch > self.epoch or (taking and epoch == self.epoch):
            raise StaleWriterError(
                f"another run has begun to write to {self.storage.root}: this one stops; "
                "what it committed stays, and the same command later goes on from there"
            )
        return int(handle.version())

    def _told(self, table: str) -> None:
        if self._on_commit is not None:
            self._on_commit(table)


def _create(storage: Storage, table: str, model: dict[str, Any] | None) -> None:
    """Make an empty table; no error where another run was quicker."""
    from deltalake import DeltaTable, Schema
    from deltalake.exceptions import CommitFailedError

    configuration = {
        # every version stays readable, and pins are read from the log's own files
        "delta.logRetentionDuration": "interval 36500 days",
        "delta.enableExpiredLogCleanup": "false",
        "delta.checkpointInterval": "10",
        "delta.dataSkippingStatsColumns": key_column(table),
    }

    def make() -> None:
        DeltaTable.create(
            storage.uri(table),
            schema=Schema.from_arrow(table_schema(table)),
            mode="ignore",
            name=table,
            description=json.dumps(model, sort_keys=True) if model is not None else None,
            configuration=configuration,
            storage_options=storage.delta_options(),
        )

    try:
        storage.patiently(lambda: log.with_delta(storage, table, "write", make))
    except CommitFailedError:
        if not log.table_exists(storage, table):
            raise


def _same_model(table: str, model: dict[str, Any], found: dict[str, Any]) -> None:
    """Embeddings of two models must not meet in one table."""
    both = "build_digest" in model and "build_digest" in found
    names = ("build_digest",) if both else sorted(set(model) | set(found))
    differ = [name for name in names if model.get(name) != found.get(name)]
    if differ:
        raise StoreError(
            f"{table} holds embeddings of another model ({', '.join(differ)} differ): "
            "use the model that made it, or another dataset"
        )


def _add(file: DataFile) -> Any:
    from deltalake.transaction import AddAction

    return AddAction(file.path, file.bytes, {}, _now(), True, file.stats)


def _remove(row: Mapping[str, Any]) -> Any:
    from deltalake.transaction import RemoveAction

    return RemoveAction(row["path"], True, _now(), row["size_bytes"], {})


def _data_file(table: str, row: Mapping[str, Any]) -> DataFile:
    """A file as the log of an earlier version names it."""
    key = key_column(table)
    stats: dict[str, Any] = {"numRecords": row["num_records"]}
    for name, column in (("nullCount", "null_count"), ("minValues", "min"), ("maxValues", "max")):
        value = row.get(f"{column}.{key}")
        if value is not None:
            stats[name] = {key: value}
    text = json.dumps(stats, sort_keys=True, ensure_ascii=True)
    return DataFile(table, row["path"], row["num_records"], row["size_bytes"], text)


def _now() -> int:
    """Milliseconds since 1970; in the log only, never in a data file."""
    return time.time_ns() // 1_000_000
