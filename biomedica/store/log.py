"""The Delta logs of a dataset: marker, tables, commits and pins.

A commit of `articles` whose metadata holds pins is a version of the dataset; the pins name the
version of every other table that belongs to it (promise 2). Commits without pins are no versions;
staged ones hold the pins of an update's work that readers shall not see before it is whole.
"""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import pyarrow as pa

from biomedica.errors import Deferred, StoreError
from biomedica.schema import FORMAT_VERSION
from biomedica.store.storage import Storage, fault, is_passing, no_conditional_put

__all__ = [
    "CORE_TABLES",
    "MARKER",
    "NOTE",
    "PINS",
    "STAGED",
    "TIME",
    "VACUUMED",
    "WRITER",
    "Commit",
    "added_files",
    "claim",
    "commit_path",
    "commits_back",
    "file_paths",
    "has_marker",
    "lost_table",
    "marker_bytes",
    "newest_pinned",
    "newest_state",
    "newest_version",
    "oldest_kept",
    "open_table",
    "read_commit",
    "refresh",
    "staged_work",
    "table_exists",
    "with_delta",
]

MARKER = "biomedica.json"
PINS = "biomedica.pins"
STAGED = "biomedica.staged"
NOTE = "biomedica.note"
TIME = "biomedica.time"
"""Milliseconds since 1970 (UTC) by the writer's clock, never before the commit in front: versions
follow each other in time though the clocks of their machines differ."""
VACUUMED = "_vacuumed"
"""Its files are named by a version each: older ones cannot be read any more."""
WRITER = "writer"
"""The Delta application id that carries the epoch of the run which may write."""

CORE_TABLES = ("articles", "pairs", "rejects", "superseded")

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit of `articles`. pins: None where it is no version of the dataset. staged: the pins
    of an update's work up to here, None where it holds none."""

    version: int
    timestamp: datetime.datetime
    pins: dict[str, int] | None
    note: dict[str, Any]
    staged: dict[str, int] | None = None


def marker_bytes() -> bytes:
    """What the marker of a dataset of this format holds."""
    return (json.dumps({"format": FORMAT_VERSION, "kind": "biomedica-dataset"}) + "\n").encode()


def has_marker(storage: Storage) -> bool:
    """True for a dataset, False where nothing is.

    Raises StoreError where something else is, or a dataset of a newer format.
    """
    if storage.is_local and os.path.isfile(storage.root):
        raise StoreError(f"{storage.root} is a file: name a folder for the dataset")
    try:
        text = storage.get(MARKER)
    except FileNotFoundError:
        found = next(storage.list(), None)
        if found is None:
            return False
        raise StoreError(
            f"{storage.root} is not empty and no dataset of biomedica (it has no {MARKER}): "
            "name another place"
        ) from None
    try:
        marker = json.loads(text)
        kind, layout = marker["kind"], int(marker["format"])
    except (ValueError, TypeError, KeyError):
        kind, layout = None, 0
    if kind != "biomedica-dataset":
        raise StoreError(f"{storage.uri(MARKER)} does not mark a dataset: name another place")
    if layout > FORMAT_VERSION:
        raise StoreError(
            f"{storage.root} has format {layout} and this biomedica reads up to {FORMAT_VERSION}: "
            "install a newer one"
        )
    return True


def claim(storage: Storage) -> None:
    """Mark the root as a dataset, and see that the store refuses to replace what is there.

    Two conditional puts of the marker, the second of which must fail (design §4): a store that
    accepts it would let two runs overwrite each other's commits. Asked whenever a run begins to
    write, because a dataset may have been copied to another store since it was made. The marker
    serves as the probe: nothing is left behind, and no right to delete is needed.
    Raises StoreError; a marker that was made here is then removed again.
    """
    made, data = False, marker_bytes()
    if has_marker(storage):
        data = storage.get(MARKER)
    else:
        made = storage.put_new(MARKER, data)
    if storage.is_local or not storage.put_new(MARKER, data):
        return
    if made:
        storage.delete(MARKER)
    raise no_conditional_put(storage.root)


def refresh(storage: Storage, table: str, handle: Any) -> Any:
    """A handle that has seen every commit: the same one, or a new one where its keys may expire."""
    if storage.hands_out_keys:
        return open_table(storage, table)
    with_delta(storage, table, "read", handle.update_incremental)
    return handle


def with_delta(storage: Storage, table: str, doing: str, act: Callable[[], Result]) -> Result:
    """Run a call of `deltalake`; its faults become StoreError or Deferred, CommitFailedError stays."""
    from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

    try:
        return act()
    except CommitFailedError:
        raise
    except TableNotFoundError:
        raise lost_table(storage, table) from None
    except (DeltaError, OSError) as error:
        found = fault(error, doing, storage.uri(table))
        if isinstance(found, Deferred) and isinstance(error, DeltaError) and not is_passing(error):
            found = StoreError(
                f"the log of {storage.uri(table)} is broken or lacks a version: restore the folder"
            )
        raise found from None


def lost_table(storage: Storage, table: str) -> StoreError:
    """The error for a table that was committed and has no log any more."""
    return StoreError(
        f"the log {storage.uri(table)}/_delta_log is lost: restore it, or build into another place"
    )


def open_table(storage: Storage, table: str, version: int | None = None) -> Any:
    """A DeltaTable at a version, or at its newest. Raises StoreError or Deferred."""
    from deltalake import DeltaTable

    uri, options = storage.uri(table), storage.delta_options()
    return with_delta(
        storage, table, "read", lambda: DeltaTable(uri, version=version, storage_options=options)
    )


def table_exists(storage: Storage, table: str) -> bool:
    """Whether a table has a first commit."""
    return storage.size(commit_path(table, 0)) is not None


def newest_version(storage: Storage) -> int:
    """The newest commit of `articles`, pinned or not; -1 where there is none."""
    if not table_exists(storage, "articles"):
        return -1
    return int(open_table(storage, "articles").version())


def read_commit(storage: Storage, version: int) -> Commit:
    """What the log says of one commit of `articles`. Raises FileNotFoundError, StoreError, Deferred.

    It is read from the commit's own file: `history(1)` of a table opened at a version gives the
    newest commit's metadata.
    """
    path = commit_path("articles", version)
    for line in storage.get(path).splitlines():
        if line.startswith(b'{"commitInfo"'):
            info = json.loads(line)["commitInfo"]
            pins, staged = info.get(PINS), info.get(STAGED)
            time = int(info.get(TIME, info["timestamp"])) / 1000
            return Commit(
                version,
                datetime.datetime.fromtimestamp(time, datetime.UTC),
                json.loads(pins) if pins is not None else None,
                json.loads(info.get(NOTE, "{}")),
                json.loads(staged) if staged is not None else None,
            )
    raise StoreError(f"{storage.uri(path)} holds no commit: run `biomedica verify` on this dataset")


def commits_back(storage: Storage, newest: int) -> Iterator[Commit]:
    """Commits of `articles` from the newest to the oldest that the log still has."""
    for version in range(newest, -1, -1):
        try:
            yield read_commit(storage, version)
        except FileNotFoundError:
            return


def newest_pinned(storage: Storage, newest: int) -> Commit | None:
    """The last commit up to `newest` that is a version of the dataset."""
    pinned = (commit for commit in commits_back(storage, newest) if commit.pins is not None)
    return next(pinned, None)


def newest_state(storage: Storage, newest: int) -> Commit | None:
    """The last commit up to `newest` that is a version of the dataset, or staged for one."""
    commits = commits_back(storage, newest)
    return next((c for c in commits if c.pins is not None or c.staged is not None), None)


def staged_work(storage: Storage, newest: int) -> Commit | None:
    """The last commit of an update that has not ended; None where there is none, or a later run has
    taken its work out: it then staged the pins of the last version itself."""
    state = newest_state(storage, newest)
    if state is None or state.staged is None:
        return None
    version = newest_pinned(storage, state.version)
    return None if version is not None and version.pins == state.staged else state


def oldest_kept(storage: Storage) -> int:
    """The oldest version whose files `vacuum` has left alone; 0 where it never ran."""
    marks = (path.rpartition("/")[2] for path, _ in storage.list(VACUUMED))
    return max((int(mark) for mark in marks if mark.isdecimal()), default=0)


def added_files(handle: Any) -> pa.Table:
    """The files of an open table, sorted: path, size_bytes, num_records, and the keys' range."""
    return pa.table(handle.get_add_actions(flatten=True)).sort_by("path")


def file_paths(handle: Any) -> set[str]:
    """The names of the files of an open table."""
    return set(pa.table(handle.get_add_actions(flatten=True))["path"].to_pylist())


def commit_path(table: str, version: int) -> str:
    """The path of a commit in a table's log."""
    return f"{table}/_delta_log/{version:020d}.json"
