"""What interrupted runs leave behind: found, and removed on demand.

A file that any version of the log names is never touched.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from biomedica.catalogue import OPTIONAL_TABLES
from biomedica.errors import StoreError
from biomedica.store import log
from biomedica.store.check_files import DATA_FILE
from biomedica.store.report import LEFTOVER, Report
from biomedica.store.shards import KEYED_TABLES
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
    if _log_is_lost(storage):
        message = "there are data files and no version that names them: the log is lost"
        report.add("log_lost", "articles", "_delta_log", message)
        return
    for search in (_files, _commits):
        try:
            for left in search(storage):
                report.add(LEFTOVER, left.table, left.path, left.message)
        except StoreError as error:
            report.add("log_unreadable", "", "_delta_log", str(error))


def repair(storage: Storage, report: Report) -> None:
    """Take over the dataset, go back to its last version, remove what no log names.

    Raises StoreError, with nothing changed, where a log is lost; and StaleWriterError where a run begins meanwhile: nothing of the log is harmed, but that
    run may have counted on a removed file, so verify again when it has ended.
    """
    if _log_is_lost(storage):
        raise log.lost_table(storage, "articles")
    unpinned = list(_commits(storage))
    strays = {left.table for left in unpinned} - set(log.CORE_TABLES)
    with DatasetWriter.begin(storage.root, storage.config) as writer:
        writer.take_also(sorted(strays))
        report.repaired += [f"{left.table}: {left.path}" for left in unpinned]
        for left in list(_files(storage)):
            writer.check()
            storage.delete(left.path)
            report.repaired.append(left.path)
        writer.check()


def _log_is_lost(storage: Storage) -> bool:
    """Data files are written only after a first version: without one, they are not leftovers."""
    if log.newest_pinned(storage, log.newest_version(storage)) is not None:
        return False
    return any(_is_data_file(path) for path, _ in storage.list())


def _files(storage: Storage) -> Iterator[_Leftover]:
    for path, _ in storage.list_temporary():
        yield _Leftover(_table_of(path), path, "a temporary name of an interrupted write")
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path, _ in storage.list():
        if _is_data_file(path):
            table, _, name = path.rpartition("/")
            found[table].add(name)
    for table in sorted(found):
        for name in sorted(_never_named(storage, table, found[table])):
            yield _Leftover(table, f"{table}/{name}", "a data file that was never committed")


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


def _never_named(storage: Storage, table: str, names: set[str]) -> set[str]:
    """Those of the names that no commit of a table ever added or removed."""
    if log.table_exists(storage, table):
        names = names - log.file_paths(log.open_table(storage, table))
    if not names:
        return names
    commits = [path for path, _ in storage.list(f"{table}/_delta_log") if path.endswith(".json")]

    def named(path: str) -> set[str]:
        lines = storage.get(path).splitlines()
        entries = (json.loads(line) for line in lines if line.startswith((b'{"add"', b'{"remove"')))
        return {action["path"] for entry in entries for action in entry.values()}

    with ThreadPoolExecutor(16) as pool:
        for found in pool.map(named, commits):
            names = names - found
    return names


def _is_data_file(path: str) -> bool:
    table, _, name = path.rpartition("/")
    return _is_table(table) and DATA_FILE.fullmatch(name) is not None


def _is_table(table: str) -> bool:
    parts = table.split("/")
    own = (*log.CORE_TABLES, *OPTIONAL_TABLES, *KEYED_TABLES)
    return table in own or (len(parts) == 2 and parts[0] == "embeddings")


def _table_of(path: str) -> str:
    parts = path.split("/")
    return "/".join(parts[: 2 if parts[0] == "embeddings" else 1])
