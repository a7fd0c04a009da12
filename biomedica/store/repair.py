"""What interrupted runs leave behind: found, and removed on demand.

A file that any version of the log names is never touched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from biomedica.store import log
from biomedica.store.check_files import DATA_FILE
from biomedica.store.report import LEFTOVER, Report
from biomedica.store.storage import Storage
from biomedica.store.writer import DatasetWriter

__all__ = ["find_leftovers", "repair"]


@dataclass(frozen=True, slots=True)
class _Leftover:
    table: str
    path: str
    message: str


def find_leftovers(storage: Storage, report: Report) -> None:
    """Files without a commit, temporary names and commits without pins go to the report."""
    for left in _files(storage):
        report.add(LEFTOVER, left.table, left.path, left.message)
    for left in _commits(storage):
        report.add(LEFTOVER, left.table, left.path, left.message)


def repair(storage: Storage, report: Report) -> None:
    """Take over the dataset, go back to its last version, remove what no log names.

    Raises StaleWriterError where a run begins meanwhile: nothing of the log is harmed, but that
    run may have counted on a removed file, so verify again when it has ended.
    """
    unpinned = list(_commits(storage))
    strays = {left.table for left in unpinned if left.table.startswith("embeddings/")}
    with DatasetWriter.begin(storage.root, storage.config) as writer:
        writer.take_also(sorted(strays))
        report.repaired += [f"{left.table}: {left.path}" for left in unpinned]
        for left in list(_files(storage)):
            writer.check()
            storage.delete(left.path)
            report.repaired.append(left.path)
        writer.check()


def _files(storage: Storage) -> Iterator[_Leftover]:
    for path, _ in storage.list_temporary():
        yield _Leftover(_table_of(path), path, "a temporary name of an interrupted write")
    named: dict[str, set[str]] = {}
    for path, _ in sorted(storage.list()):
        table, _, name = path.rpartition("/")
        if DATA_FILE.fullmatch(name) is None or not _is_table(table):
            continue
        if table not in named:
            named[table] = _ever_named(storage, table)
        if name not in named[table]:
            yield _Leftover(table, path, "a data file that was never committed")


def _commits(storage: Storage) -> Iterator[_Leftover]:
    """Tables whose newest state is not the one that the last version pins."""
    pinned = log.newest_pinned(storage, log.newest_version(storage))
    pins = (pinned.pins or {}) if pinned else {}
    if pinned is None:
        yield _Leftover("articles", "no version", "the dataset has no version yet")
    tables = {_table_of(path) for path, _ in storage.list() if "/_delta_log/" in path}
    for table in sorted(tables - {"articles"}):
        if not _is_table(table) or not log.table_exists(storage, table):
            continue
        now = log.open_table(storage, table)
        if now.version() == pins.get(table):
            continue
        pin = pins.get(table)
        then = log.file_paths(log.open_table(storage, table, pin)) if pin is not None else set()
        differ = len(log.file_paths(now) ^ then)
        if differ:
            message = f"{differ} files were committed after the last version"
            yield _Leftover(table, f"commits after {pin if pin is not None else 'none'}", message)


def _ever_named(storage: Storage, table: str) -> set[str]:
    """Names of files that any commit of a table added or removed, and of its newest state."""
    found: set[str] = set()
    for path, _ in storage.list(f"{table}/_delta_log"):
        if path.endswith(".json"):
            for line in storage.get(path).splitlines():
                entry = json.loads(line) if line.startswith((b'{"add"', b'{"remove"')) else {}
                found |= {action["path"] for action in entry.values()}
    if log.table_exists(storage, table):
        found |= log.file_paths(log.open_table(storage, table))
    return found


def _is_table(table: str) -> bool:
    parts = table.split("/")
    return table in log.CORE_TABLES or (len(parts) == 2 and parts[0] == "embeddings")


def _table_of(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[: 2 if parts[0] == "embeddings" else 1])
