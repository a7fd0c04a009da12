"""What a snapshot found, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["print_snapshot"]

SHOWN = 20


def print_snapshot(values: Mapping[str, Any]) -> None:
    """The result of `snapshot` (`SnapshotReport.to_dict`) as a short table."""
    from rich.console import Console
    from rich.table import Table

    table = Table("snapshot", values["snapshot"], box=None, header_style="bold")
    table.columns[1].justify = "right"

    def row(name: str, key: str, *, always: bool = True) -> None:
        if key in values and (always or values[key]):
            table.add_row(name, f"{values[key]:,}")

    table.add_row("taken from", f"{values['kind']} of {values['source']}")
    row("article versions", "rows")
    row("  listed twice", "duplicates", always=False)
    row("  keys of something else", "unknown_keys", always=False)
    if values["before"] is not None:
        since = "" if values["is_new"] else " (it stands: nothing has changed)"
        table.add_row("since", f"{values['before']}{since}")
        for name in ("new", "changed", "gone"):
            row(f"  {name}", name)
    row("metadata read", "metadata_read")
    row("  done before", "metadata_skipped")
    row("  wrong or withdrawn", "metadata_rejected")
    row("  gone", "metadata_gone")
    row("  deferred", "metadata_deferred")
    row("    over the budget", "metadata_over_budget", always=False)
    console = Console(highlight=False, soft_wrap=True)
    console.print(table)
    deferred = values.get("deferred", [])
    for article, why in deferred[:SHOWN]:
        console.print(f"deferred: {article}  {why}", markup=False)
    if values.get("budget"):
        spent = f"the budget of {values['budget']} (budget.max_{values['budget']}) is spent"
        console.print(f"{spent}: the same command goes on")
    elif deferred:
        console.print("run the same command again for what is deferred")
