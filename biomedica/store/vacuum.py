"""Frees the files that no kept version of a dataset needs.

A version is kept when it was the newest one at any time of the last days. The mark below
`_vacuumed/` is made before the first file goes, so that a reader is told which versions are gone.
"""

from __future__ import annotations

import datetime
import json
import os
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from biomedica.config import StoreConfig
from biomedica.errors import ConfigError, StoreError
from biomedica.store import log
from biomedica.store.check_files import DATA_FILE
from biomedica.store.dataset import Dataset
from biomedica.store.storage import Storage
from biomedica.store.writer import DatasetWriter

__all__ = ["VacuumReport", "parse_duration", "vacuum"]

LONGEST_DAYS = 36_500
LATE = datetime.timedelta(minutes=5)
"""A version that is dated later than this from now tells of a clock that is wrong."""
BATCH = 500
"""files that are deleted between two looks at the writer's epoch"""

_DURATION = re.compile(r"([0-9]{1,6})(h|d|w)")
_HOURS = {"h": 1, "d": 24, "w": 168}


@dataclass(slots=True)
class VacuumReport:
    """The result of `vacuum`. files, bytes: what was freed, or would be where `dry_run` is set."""

    dataset: str
    dry_run: bool
    kept_versions: int
    oldest_version: int
    """the oldest that can be read from now on"""
    oldest_time: str
    """when it was committed (UTC)"""
    freed_versions: int
    """versions that cannot be read any more"""
    files: int = 0
    bytes: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def parse_duration(text: str) -> datetime.timedelta:
    """`30d`, `12h`, `4w`. Raises ConfigError for anything else."""
    found = _DURATION.fullmatch(text.strip())
    hours = int(found[1]) * _HOURS[found[2]] if found else 0
    if found is None or hours > 24 * LONGEST_DAYS:
        raise ConfigError(f"--keep {text[:40]!r} is no time to keep versions: write 30d, 12h or 4w")
    return datetime.timedelta(hours=hours)


def vacuum(
    root: str | os.PathLike[str],
    keep: datetime.timedelta,
    config: StoreConfig | None = None,
    *,
    dry_run: bool = False,
    now: datetime.datetime | None = None,
) -> VacuumReport:
    """Delete the data files that are needed by no version that was the newest within `keep`.

    It takes over the dataset, so that a run that writes at the same time stops before it counts on
    a file that goes; dry_run: nothing is taken over or deleted. now: UTC; None: the clock.
    Raises StoreError where there is no dataset, an update has not ended, or the newest version lies
    in the future; StaleWriterError where another run begins meanwhile: what was deleted is needed by
    no version, run it again later.
    """
    dataset = Dataset.open(root, config)
    dataset.check_nothing_staged()
    now = now or datetime.datetime.now(datetime.UTC)
    if dry_run:
        report, left = _plan(dataset, keep, now, dry_run=True)
        _count(report, left)
        return report
    with DatasetWriter.begin(root, config) as writer:
        dataset = Dataset.open(root, config)
        report, left = _plan(dataset, keep, now, dry_run=False)
        if report.freed_versions:
            dataset.storage.put_new(f"{log.VACUUMED}/{report.oldest_version:020d}", b"\n")
        _count(report, left)
        for start in range(0, len(left), BATCH):
            writer.check()
            with ThreadPoolExecutor(16) as pool:
                paths = [path for path, _ in left[start : start + BATCH]]
                list(pool.map(dataset.storage.delete, paths))
        writer.check()
    return report


def _count(report: VacuumReport, left: Sequence[tuple[str, int]]) -> None:
    report.files, report.bytes = len(left), sum(size for _, size in left)


def _plan(
    dataset: Dataset, keep: datetime.timedelta, now: datetime.datetime, *, dry_run: bool
) -> tuple[VacuumReport, list[tuple[str, int]]]:
    """What is kept, and (path, bytes) of the files that are not."""
    storage = dataset.storage
    versions = dataset.versions()  # the newest first
    if versions[0].timestamp > now + LATE:
        raise StoreError(
            f"version {versions[0].version} is dated {versions[0].timestamp:%Y-%m-%d %H:%M} UTC, which is "
            "in the future: set the clock of this machine right, or wait"
        )
    cut = next((n for n, one in enumerate(versions) if one.timestamp <= now - keep), len(versions) - 1)
    oldest = versions[cut]
    report = VacuumReport(
        storage.root,
        dry_run,
        kept_versions=cut + 1,
        oldest_version=oldest.version,
        oldest_time=oldest.timestamp.isoformat(timespec="seconds"),
        freed_versions=len(versions) - cut - 1,
    )
    then = Dataset.open(storage.root, storage.config, version=oldest.version)
    found = [
        (path, size)
        for table in sorted({*log.CORE_TABLES, *dataset.tables})
        for path, size in _unneeded(storage, table, then)
    ]
    return report, found


def _unneeded(storage: Storage, table: str, oldest: Dataset) -> Iterator[tuple[str, int]]:
    """The data files of a table that neither the oldest kept version nor a later one needs."""
    needed: set[str] = set()
    first = 0
    if table in oldest.tables:
        handle = oldest.handle(table)
        needed, first = log.file_paths(handle), int(handle.version()) + 1
    needed |= _added_since(storage, table, first)
    for path, size in storage.list(table):
        folder, _, name = path.rpartition("/")
        if folder == table and DATA_FILE.fullmatch(name) and name not in needed:
            yield path, size


def _added_since(storage: Storage, table: str, first: int) -> set[str]:
    """The files that the commits of a table from `first` on have added."""
    newest = int(log.open_table(storage, table).version())

    def added(version: int) -> set[str]:
        lines = storage.get(log.commit_path(table, version)).splitlines()
        return {json.loads(line)["add"]["path"] for line in lines if line.startswith(b'{"add"')}

    with ThreadPoolExecutor(16) as pool:
        found: set[str] = set()
        return found.union(*pool.map(added, range(first, newest + 1)))
