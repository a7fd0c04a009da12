"""What a source has, all at once: the newest complete inventory, or a listing where there is none.

An inventory is Amazon S3's: a dated folder with a manifest that names gzipped CSV files and their
MD5 (pmc_cloud.md §1). It is taken whole or not at all: a manifest that cannot be read, a data file
that is missing or has another MD5, or a folder whose date is not that of its manifest sends us to
the folder before it, TRIED of them at most, and every step back is told.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

from biomedica.errors import Deferred, Rejected
from biomedica.sources.inventory_files import Unusable, read_data_file
from biomedica.sources.keys import NO_TIME
from biomedica.sources.protocol import Source
from biomedica.sources.reports import INVENTORY, BucketReports, Reports, reports_of
from biomedica.sources.snapshot_rows import RowGatherer, SnapshotRows, rows_of_listing

__all__ = [
    "Manifest",
    "SourceSnapshot",
    "parse_manifest",
    "snapshot_name",
    "snapshot_time",
    "take_snapshot",
]

TRIED = 8
"""dated folders that are tried, the newest first"""
MAX_MANIFEST_BYTES = 16 << 20
LATE = datetime.timedelta(days=2)
"""A folder is named by the day of its inventory; more between it and the manifest's own time, or
between it and our clock, is trouble with a clock."""

_FOLDER = re.compile(r"(\d{4})-(\d{2})-(\d{2})T(\d{2})[-:](\d{2})(?:[-:](\d{2}))?Z")
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_NEEDED = ("Key", "ETag")


@dataclass(frozen=True, slots=True)
class SourceSnapshot:
    """What a source had at one time.

    name: the time, as `snapshot_name` writes it. info: where it comes from, JSON values.
    warnings: what went wrong on the way, a sentence each.
    """

    name: str
    rows: SnapshotRows = field(repr=False)
    info: dict[str, Any]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a manifest says, checked. files: (key, bytes, MD5 in lower-case hex)."""

    columns: tuple[str, ...]
    files: tuple[tuple[str, int, str], ...]
    created: datetime.datetime | None
    bucket: str


def snapshot_name(time: datetime.datetime) -> str:
    """2026-09-01T01-00-00Z: sorts like the time, and is a file name everywhere."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H-%M-%SZ")


def snapshot_time(name: str) -> datetime.datetime | None:
    """The time of a snapshot, or of an inventory's folder (`2026-09-01T01-00Z`); None for others."""
    found = _FOLDER.fullmatch(name)
    if found is None:
        return None
    try:
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
        return datetime.datetime(year, month, day, hour, minute, second, tzinfo=datetime.UTC)
    except ValueError:
        return None


def take_snapshot(
    source: Source, *, inventory: bool | None = None, now: datetime.datetime | None = None
) -> SourceSnapshot:
    """The newest complete inventory of a source, else a listing of it.

    inventory: whether to look for one; None: in a bucket. A folder's own listing is complete, costs
    no request and is never late; an inventory in it speaks of the bucket that it was copied from.
    now: the time, for tests.
    Raises SourceError or Deferred where neither can be had.
    """
    now = now or datetime.datetime.now(datetime.UTC)
    warnings: list[str] = []
    reports = reports_of(source)
    wanted = isinstance(reports, BucketReports) if inventory is None else inventory
    if reports is not None and wanted:
        found = _newest(reports, source.uri, now, warnings)
        if found is not None:
            return found
    return _list(source, now, warnings)


def _list(source: Source, now: datetime.datetime, warnings: list[str]) -> SourceSnapshot:
    import numpy as np

    with_times: Callable[[], Any] | None = getattr(source, "list_with_times", None)
    if with_times is not None:
        listing, times = with_times()
    else:
        listing = source.list_articles()
        times = np.full(listing.num_rows, NO_TIME, np.int64)
    rows = rows_of_listing(listing, times)
    info = {"kind": "listing", "source": source.uri, "unknown_keys": 0, "duplicates": rows.duplicates}
    return SourceSnapshot(snapshot_name(now), rows, info, tuple(warnings))


def _newest(
    reports: Reports, uri: str, now: datetime.datetime, warnings: list[str]
) -> SourceSnapshot | None:
    """The newest inventory that is whole; None where none of those that are tried is."""
    dated = sorted(
        ((time, name) for name in reports.folders() if (time := snapshot_time(name)) is not None),
        reverse=True,
    )
    for time, name in dated[:TRIED]:
        try:
            rows, info = _read(reports, name, time, now, warnings)
        except (Unusable, Rejected, Deferred) as why:
            warnings.append(f"the inventory {name} was passed over: {why}")
        else:
            info = {"kind": "inventory", "source": uri, **info}
            return SourceSnapshot(snapshot_name(time), rows, info, tuple(warnings))
    if dated:
        warnings.append(
            f"none of {min(len(dated), TRIED)} inventories can be used: the articles were listed"
        )
    return None


def _read(
    reports: Reports,
    name: str,
    time: datetime.datetime,
    now: datetime.datetime,
    warnings: list[str],
) -> tuple[SnapshotRows, dict[str, Any]]:
    key = f"{INVENTORY}/{name}/manifest.json"
    data = reports.read(key, MAX_MANIFEST_BYTES)
    if data is None:
        raise Unusable("it has no manifest.json (yet)")
    _check_sum(reports, key, data)
    manifest = parse_manifest(data)
    clock = _check_time(time, manifest.created, now)
    gatherer, unknown = RowGatherer(), 0
    for file, size, md5 in manifest.files:
        unknown += read_data_file(reports, file, size, md5, manifest.columns, gatherer)
    rows = gatherer.take()
    if not len(rows):
        raise Unusable(f"none of its {unknown:,} keys is metadata/PMC….json")
    if clock:
        warnings.append(clock)
    return rows, {
        "inventory": name,
        "manifest": key,
        "manifest_sha256": hashlib.sha256(data).hexdigest(),
        "created": manifest.created.isoformat() if manifest.created else None,
        "bucket": manifest.bucket,
        "unknown_keys": unknown,
        "duplicates": rows.duplicates,
    }


def _check_sum(reports: Reports, key: str, data: bytes) -> None:
    """The manifest against `manifest.checksum`, which S3 writes last, where there is one."""
    stated = reports.read(key.removesuffix("json") + "checksum", 1024)
    text = (stated or b"").decode("ascii", "replace").strip()
    if _MD5.fullmatch(text) and text.lower() != hashlib.md5(data, usedforsecurity=False).hexdigest():
        raise Unusable("its manifest.json is not the one of its manifest.checksum")


def _check_time(
    time: datetime.datetime, created: datetime.datetime | None, now: datetime.datetime
) -> str | None:
    """A warning where our clock is behind. Raises Unusable where a date cannot be believed.

    The clock of this machine decides only where the manifest does not say when it was made.
    """
    if created is not None and abs(created - time) > LATE:
        raise Unusable(f"its manifest was made at {created.isoformat()}, which is another time")
    if time - now <= LATE:
        return None
    if created is None:
        raise Unusable(f"its date lies in the future of this machine's clock ({now.isoformat()})")
    return (
        f"the inventory was made at {created.isoformat()}, and the clock of this machine says "
        f"{now.isoformat()}: set it right"
    )


def parse_manifest(data: bytes) -> Manifest:
    """A manifest of Amazon S3 Inventory, its format CSV. Raises Unusable, which says what is wrong."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise Unusable("its manifest.json is no JSON: half written, or damaged") from None
    if not isinstance(document, dict):
        _wrong("no object")
    if document.get("fileFormat") != "CSV":
        raise Unusable(f"its fileFormat is {ascii(document.get('fileFormat'))[:40]}, and not CSV")
    schema = document.get("fileSchema")
    if not isinstance(schema, str):
        _wrong("without fileSchema")
    columns = tuple(name.strip() for name in schema.split(","))
    lacking = [name for name in _NEEDED if columns.count(name) != 1]
    if lacking or len(set(columns)) != len(columns):
        raise Unusable(
            f"its fileSchema {ascii(schema)[:200]} has not one column {' and '.join(_NEEDED)}"
        )
    bucket = document.get("sourceBucket")
    files = _files(document.get("files"))
    return Manifest(columns, files, _created(document), bucket if isinstance(bucket, str) else "")


def _files(listed: Any) -> tuple[tuple[str, int, str], ...]:
    if not isinstance(listed, list) or not listed:
        _wrong("without data files")
    files = {}
    for one in listed:
        key, size, md5 = (
            (one.get(name) for name in ("key", "size", "MD5checksum"))
            if isinstance(one, dict)
            else (None, None, None)
        )
        if not isinstance(key, str) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
            _wrong("with a data file that has no key or size")
        if not isinstance(md5, str) or not _MD5.fullmatch(md5):
            raise Unusable(f"its data file {ascii(key)[:200]} has no MD5checksum")
        files[key] = (key, size, md5.lower())
    return tuple(files.values())


def _created(document: dict[str, Any]) -> datetime.datetime | None:
    """`creationTimestamp`: ms since 1970 as text or number."""
    value = document.get("creationTimestamp")
    if value is None:
        return None
    try:
        return datetime.datetime.fromtimestamp(int(value) / 1000, datetime.UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        _wrong("with a creationTimestamp that is no time")


def _wrong(what: str) -> NoReturn:
    raise Unusable(f"its manifest.json is {what}: half written, or damaged")
