"""Versions, changes, compactions and vacuums on a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = [
    "print_article_changes",
    "print_changes",
    "print_compaction",
    "print_history",
    "print_vacuum",
]

SHOWN = 1000
KINDS = ("new", "changed", "gone", "retracted", "rebuilt")


def print_changes(changes: Mapping[str, int]) -> None:
    """What an update found (`RunReport.changes`), in one line."""
    text = _counts({kind: changes.get(kind, 0) for kind in KINDS}) if any(changes.values()) else ""
    _console().print(f"articles: {text}" if text else "nothing has changed in the source")


def print_history(entries: Sequence[Mapping[str, Any]]) -> None:
    """Versions, the newest first (`VersionEntry.to_dict`)."""
    table = Table("version", "time (UTC)", "command", "what", "source as of", box=None, pad_edge=False)
    table.columns[0].justify = "right"
    for entry in entries:
        time = str(entry["time"]).replace("T", " ").removesuffix("+00:00")
        listed = entry["listed"] or ""
        what = _counts(entry["counts"])
        table.add_row(str(entry["version"]), time, entry["command"] or "", what, listed)
    _console().print(table)


def print_article_changes(rows: Sequence[Mapping[str, Any]]) -> None:
    """Of each article what an update did to it, one a line."""
    console = _console()
    for row in rows[:SHOWN]:
        retracted = "  retracted" if row["is_newly_retracted"] else ""
        console.print(f"{row['change']:8} {row['article_id']}{retracted}")
    if not rows:
        console.print("no update made this version")
    elif len(rows) > SHOWN:
        console.print(f"and {len(rows) - SHOWN:,} more: --json gives all")


def print_compaction(values: Mapping[str, Any]) -> None:
    """The result of `compact` (`CompactReport.to_dict`)."""
    console, v = _console(), values
    if not v["files_before"] and not v["superseded_before"]:
        console.print(f"nothing to compact; version {v['version']}")
        return
    console.print(
        f"{v['files_before']:,} files of {v['bytes_before'] / 1e6:,.1f} MB became {v['files_after']:,} of "
        f"{v['bytes_after'] / 1e6:,.1f} MB; {v['rows']:,} rows stayed, {v['dead_rows']:,} dead ones went; "
        f"superseded builds {v['superseded_before']:,} → {v['superseded_after']:,}; version {v['version']}"
    )
    console.print("older versions still read the files before: `biomedica vacuum` frees them")


def print_vacuum(values: Mapping[str, Any]) -> None:
    """The result of `vacuum` (`VacuumReport.to_dict`)."""
    v = values
    would = "would be freed" if v["dry_run"] else "freed"
    _console().print(
        f"{v['files']:,} files of {v['bytes'] / 1e6:,.1f} MB {would}; {v['kept_versions']:,} versions kept, "
        f"the oldest is {v['oldest_version']} of {v['oldest_time']}; {v['freed_versions']:,} gone"
    )


def _counts(counts: Mapping[str, int]) -> str:
    """The counts that are not zero: "3 changed, 17 pairs"."""
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def _console() -> Console:
    return Console(highlight=False, soft_wrap=True, markup=False)
