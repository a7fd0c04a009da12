"""What a page shows of a long text and of many items; the same in notebooks and in reports."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeVar

__all__ = ["cleaned", "cut", "spread"]

Item = TypeVar("Item")

_UNSHOWN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
"""Control characters, marks that turn the direction of the text around them, and no characters."""


def cleaned(text: str) -> str:
    """A text without the characters that a page cannot show, or that turn its direction."""
    return _UNSHOWN.sub("\ufffd", text)


def cut(text: str | None, length: int) -> str:
    """A text on one line, at most `length` characters, cut between words where it can be."""
    line = " ".join((text or "")[: 4 * length].split())
    if len(line) <= length:
        return line
    head = line[: length - 1]
    whole, space, _ = head.rpartition(" ")
    return (whole if space and len(whole) > length // 2 else head) + "…"


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` items at equal distances, in order."""
    if len(items) <= count:
        return list(items)
    return [items[(2 * place + 1) * len(items) // (2 * count)] for place in range(count)]
