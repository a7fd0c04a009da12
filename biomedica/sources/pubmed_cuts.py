"""Cutting a PubMed record at its tags: elements of one form, none of which holds another of its name."""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["each", "first", "within", "without"]


def without(xml: bytes, start: bytes, end: bytes) -> bytes:
    """The first element from `start` to `end` cut out."""
    first = xml.find(start)
    last = xml.find(end, first) if first >= 0 else -1
    return xml if last < 0 else xml[:first] + xml[last + len(end) :]


def within(xml: bytes, tag: bytes) -> bytes:
    """From the first <tag to the last </tag>, ends included."""
    start, close = xml.find(b"<" + tag), b"</" + tag + b">"
    end = xml.rfind(close)
    return xml[start : end + len(close)] if 0 <= start < end else b""


def each(xml: bytes, tag: str) -> list[bytes]:
    """Every element of a name; none of these holds another of its name."""
    close = b"</" + tag.encode() + b">"
    if close not in xml:
        return []
    pieces = xml.split(close)
    del pieces[-1]
    plain, opens = b"<" + tag.encode() + b">", _opens(tag)
    found = []
    for piece in pieces:
        start = piece.find(plain)
        if start < 0:
            opening = opens.search(piece)
            if opening is None:
                continue
            start = opening.start()
        found.append(piece[start:] + close)
    return found


def first(xml: bytes, tag: str) -> bytes:
    """The first element of a name, b"" where there is none."""
    close = b"</" + tag.encode() + b">"
    end = xml.find(close)
    start = _opens(tag).search(xml, 0, end) if end >= 0 else None
    return xml[start.start() : end + len(close)] if start is not None else b""


@lru_cache(64)
def _opens(tag: str) -> re.Pattern[bytes]:
    return re.compile(b"<" + tag.encode() + rb"(?=[\s>])")
