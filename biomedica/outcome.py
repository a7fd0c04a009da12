"""How a command ends: its result on stdout, its status."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import typer

__all__ = ["Exit", "emit", "end"]


class Exit(IntEnum):
    """What a command ends with."""

    DONE = 0
    INCOMPLETE = 1
    NOT_STARTED = 2


def emit(as_json: bool, values: dict[str, Any], show: Callable[[], None]) -> None:
    """The result as one JSON object, or as `show` prints it."""
    if as_json:
        print(json.dumps(values, ensure_ascii=False, default=str))
    else:
        show()


def end(
    as_json: bool, values: dict[str, Any], show: Callable[[dict[str, Any]], None], *, complete: bool
) -> None:
    """The result with its `exit_status`; status 1 where something waits for another run or differs."""
    status = Exit.DONE if complete else Exit.INCOMPLETE
    said = values | {"exit_status": int(status)}
    emit(as_json, said, lambda: show(said))
    if status:
        raise typer.Exit(status)
