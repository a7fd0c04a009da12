"""ICC profiles made from nothing: RGB with a matrix, grey with a curve, CMYK with a table."""

from __future__ import annotations

import itertools
import struct

import numpy as np

ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
"""The primaries of Adobe RGB (1998) as XYZ under D50; its gamma is 563/256."""
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))

INKS = ((55.0, -37.0, -50.0), (48.0, 74.0, -3.0), (89.0, -5.0, 93.0), (16.0, 0.0, 0.0))
"""CIE Lab of cyan, magenta, yellow and black on white paper, about as ISO 12647-2 prints them."""


def _number(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def _xyz(values: tuple[float, ...]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_number, values))


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256)) + b"\0\0"


def _text(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" * 79


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _text(b"drawn"), b"cprt": b"text\0\0\0\0none\0\0\0\0", **tags}
    at = 128 + 4 + 12 * len(tags)
    table, bodies = [struct.pack(">I", len(tags))], []
    for name, tag in tags.items():
        padded = tag + b"\0" * (-len(tag) % 4)
        table.append(struct.pack(">4sII", name, at, len(tag)))
        bodies.append(padded)
        at += len(padded)
    header = struct.pack(">I4sI4s4s4s", at, b"\0" * 4, 0x02400000, kind, space, connection)
    header += struct.pack(">6H4s4s", 2026, 1, 1, 0, 0, 0, b"acsp", b"\0" * 4)
    header = header.ljust(68, b"\0") + b"".join(map(_number, (0.9642, 1.0, 0.82491)))
    return header.ljust(128, b"\0") + b"".join(table + bodies)


def rgb_profile(
    primaries: tuple[tuple[float, ...], ...] = ADOBE_RGB, gamma: float = 563 / 256
) -> bytes:
    tags = {b"wtpt": _xyz((0.9642, 1.0, 0.82491))}
    for name, column in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags |= {name + b"XYZ": _xyz(column), name + b"TRC": _gamma(gamma)}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    return _profile(
        b"mntr", b"GRAY", b"XYZ ", {b"wtpt": _xyz((0.9642, 1.0, 0.82491)), b"kTRC": _gamma(gamma)}
    )


def cmyk_profile() -> bytes:
    """A table of the 16 corners; inks on each other darken and add their tints."""
    identity = bytes(range(256))
    body = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0))
    body += b"".join(map(_number, (1, 0, 0, 0, 1, 0, 0, 0, 1))) + identity * 4
    for corner in itertools.product((0, 1), repeat=4):
        inks = [ink for ink, share in zip(INKS, corner, strict=True) if share]
        light = 100 * np.prod([ink[0] / 100 for ink in inks]) if inks else 100.0
        tints = [128 + sum(ink[i] for ink in inks) for i in (1, 2)]
        body += bytes(int(np.clip(v, 0, 255)) for v in (light * 2.55, *tints))
    body += identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz((0.9642, 1.0, 0.82491)), b"A2B0": body})
