"""A snapshot of the source comes into the dataset: compared with the one before, and believed or not."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass, field

import pyarrow.compute as pc

from biomedica.errors import StoreError
from biomedica.sources.inventory import SourceSnapshot, snapshot_name, snapshot_time
from biomedica.store import log
from biomedica.store.snapshots import (
    Snapshot,
    check_complete,
    difference,
    newest_snapshot,
    write_snapshot,
)
from biomedica.store.storage import Storage

__all__ = ["KeptSnapshot", "keep_snapshot"]

CLOCKS_DIFFER = datetime.timedelta(minutes=10)
"""What two machines may differ by without anybody's fault"""


@dataclass(frozen=True, slots=True)
class KeptSnapshot:
    """The snapshot that a dataset now has, and how it differs from the one before.

    is_new: False where the source is as the snapshot before says, which then stands.
    """

    snapshot: Snapshot
    before: Snapshot | None
    is_new: bool
    new: int = 0
    changed: int = 0
    gone: int = 0
    warnings: tuple[str, ...] = field(default=())


def keep_snapshot(storage: Storage, taken: SourceSnapshot, max_gone_share: float) -> KeptSnapshot:
    """Write a snapshot under `snapshots/`, unless it says what the newest one says.

    The root is marked as a dataset where nothing is there yet. Raises StoreError where something
    else is there, where the snapshot is older than the newest one, or for `check_complete`'s reason:
    nothing is written then. Or Deferred.
    """
    log.claim(storage)
    before = newest_snapshot(storage)
    if not len(taken.rows):
        raise StoreError(f"{taken.info['source']} lists no article version: nothing was changed")
    if before is None:
        written = write_snapshot(storage, taken.name, taken.rows.batches(), taken.info)
        return KeptSnapshot(written, None, True, new=written.rows, warnings=taken.warnings)
    if taken.name == before.name and taken.info["kind"] == "inventory":
        return KeptSnapshot(before, before, False, warnings=taken.warnings)
    name = _name_after(taken, before)
    counts: Counter[str] = Counter()
    for batch in difference(before.batches(), taken.rows.batches()):
        for found in pc.value_counts(batch.column("change")).to_pylist():
            counts[found["values"]] += found["counts"]
    what = f"{taken.info['source']} ({taken.info['kind']} {taken.name})"
    check_complete(before, len(taken.rows), counts["gone"], max_gone_share, what)
    warnings = taken.warnings
    if before.info.get("source") != taken.info["source"]:
        warnings += (f"the snapshot {before.name} was taken from {before.info.get('source')}",)
    if not counts:
        return KeptSnapshot(before, before, False, warnings=warnings)
    written = write_snapshot(storage, name, taken.rows.batches(), taken.info)
    numbers = {name: counts[name] for name in ("new", "changed", "gone")}
    return KeptSnapshot(written, before, True, **numbers, warnings=warnings)


def _name_after(taken: SourceSnapshot, before: Snapshot) -> str:
    """The name of the new snapshot: its time, but behind the one before.

    Raises StoreError where the source would seem to go back in time. A listing is of now: where the
    clocks of two machines differ a little, or it follows within a second, it is a second later.
    """
    time = snapshot_time(taken.name) or datetime.datetime.min.replace(tzinfo=datetime.UTC)
    if time > before.time:
        return taken.name
    if taken.info["kind"] == "listing":
        if before.time - time < CLOCKS_DIFFER:
            return snapshot_name(before.time + datetime.timedelta(seconds=1))
        raise StoreError(
            f"the clock of this machine says {taken.name}, and the snapshot {before.name} is newer: "
            "set the clock right"
        )
    raise StoreError(
        f"the newest inventory that can be used is of {taken.name}, and the snapshot {before.name} is "
        "newer: wait for the next inventory, or list the source by --list"
    )
