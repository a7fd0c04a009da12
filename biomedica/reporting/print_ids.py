"""Article ids on stdout as they are found, notes on stderr."""

from __future__ import annotations

import json
import sys

from biomedica.errors import BiomedicaError, RunStopped
from biomedica.reporting.selection import IdSelection
from biomedica.reporting.stored_selection import StoredSelection

__all__ = ["print_ids"]

SHOWN = 20

AnySelection = IdSelection | StoredSelection


def print_ids(selection: AnySelection, as_json: bool) -> None:
    """The ids on stdout as they are found: one a line, or in one JSON object. Notes on stderr.

    Raises RunStopped where the condition or the source fails after ids were printed.
    """
    whole = False
    try:
        _print_found(selection, as_json)
        whole = True
    except BiomedicaError as error:
        if not selection.found:
            raise
        raise RunStopped(
            f"{error}; the {selection.found:,} ids printed are not the whole list"
        ) from error
    finally:
        if as_json and not whole:
            print()  # what is said of the end stands on a line of its own
    _print_notes(selection)


def _print_found(selection: AnySelection, as_json: bool) -> None:
    if not as_json:
        for ids in selection:
            print("\n".join(ids))
        return
    print('{"ids": [', end="")
    comma = ""
    for ids in selection:
        print(comma + json.dumps(ids)[1:-1], end="")
        comma = ", "
    rest = selection.to_dict() | {"exit_status": int(selection.deferred > 0)}
    print("], " + json.dumps(rest, ensure_ascii=False)[1:])


def _print_notes(selection: AnySelection) -> None:
    def note(text: str) -> None:
        print(text, file=sys.stderr)

    if not selection.found:
        note("no article meets the condition")
    if selection.rejected:
        note(f"{selection.rejected:,} articles have metadata that is wrong: they meet no condition")
    if selection.deferred:
        note(
            f"{selection.deferred:,} articles deferred, whose metadata cannot be had now: the list "
            "is whole when the same command ends without them"
        )
        for article, why in selection.waiting[:SHOWN]:
            note(f"  {article}  {why}")
        if selection.deferred > SHOWN:
            note(f"  and {selection.deferred - SHOWN:,} more")
    if isinstance(selection, StoredSelection) and selection.unread:
        note(
            f"{selection.unread:,} articles of the snapshot {selection.snapshot} have no metadata yet "
            "and are left out: `biomedica snapshot` reads it"
        )
