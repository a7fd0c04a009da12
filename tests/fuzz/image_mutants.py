"""Mutations that know the parts of an image file: segments, chunks, blocks, directory entries."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from itertools import pairwise

__all__ = ["mutant", "parts"]

NUMBERS = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF,
           0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)  # fmt: skip
SIDES = (0, 1, 5, 2000, 40_000, 65_500, 65_535, 1 << 20, 0x7FFFFFFF, 0xFFFFFFFF)
HEAD = 48
"""Most of what a decoder believes stands so near to a part's beginning."""

Change = Callable[[bytes, bytes, random.Random], bytes]


def mutant(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """One to four changes; `other` is a second file from which parts are taken."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        data = chance.choices(list(CHANGES), list(CHANGES.values()))[0](data, other, chance)
    return data


def parts(data: bytes) -> list[bytes]:
    """Pieces that give the file when joined; one piece where its structure is unknown or broken."""
    for magic, split in ((b"\xff\xd8", _segments), (b"\x89PNG", _chunks), (b"GIF8", _blocks),
                         (b"RIFF", _riff)):  # fmt: skip
        if data.startswith(magic):
            return [piece for piece in split(data) if piece]
    return [data]


def _cut_at(data: bytes, places: list[int]) -> list[bytes]:
    places = [0, *(p for p in places if 0 < p < len(data)), len(data)]
    return [data[a:b] for a, b in pairwise(places)]


def _segments(data: bytes) -> list[bytes]:
    """JPEG: by markers; what follows a scan's header is of its piece."""
    places, at = [2], 2
    while 0 <= at < len(data) - 4:
        places.append(at)
        marker = data[at + 1]
        if data[at] == 0xFF and 0xC0 <= marker <= 0xFE and not 0xD0 <= marker <= 0xDA:
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
            continue
        at += 2
        while at < len(data) - 1 and not (data[at] == 0xFF and data[at + 1] not in (0, 0xFF)):
            at += 1
    return _cut_at(data, sorted(set(places)))


def _chunks(data: bytes) -> list[bytes]:
    places, at = [8], 8
    while at + 12 <= len(data):
        at += 12 + struct.unpack_from(">I", data, at)[0]
        places.append(at)
    return _cut_at(data, places)


def _blocks(data: bytes) -> list[bytes]:
    at = 13 + (3 << ((data[10] & 7) + 1) if len(data) > 13 and data[10] & 0x80 else 0)
    places = [6, 13, at]
    while at < len(data) - 10 and data[at] in (0x21, 0x2C):
        table = 3 << ((data[at + 9] & 7) + 1) if data[at + 9] & 0x80 else 0
        at += 2 if data[at] == 0x21 else 11 + table
        while at < len(data) and data[at]:
            at += data[at] + 1
        at += 1
        places.append(at)
    return _cut_at(data, places)


def _riff(data: bytes) -> list[bytes]:
    places, at = [12], 12
    while at + 8 <= len(data):
        length = struct.unpack_from("<I", data, at + 4)[0]
        at += 8 + length + (length & 1)
        places.append(at)
    return _cut_at(data, places)


def _joined(pieces: list[bytes], chance: random.Random) -> bytes:
    """PNG and WebP: checksums and the whole's length are mostly put right, so that more is read."""
    data = b"".join(pieces)
    if chance.random() < 0.25:
        return data
    if data.startswith(b"\x89PNG"):
        return b"".join([pieces[0], *(_signed(piece) for piece in pieces[1:])])
    if data.startswith(b"RIFF") and len(data) > 8:
        return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]
    return data


def _signed(chunk: bytes) -> bytes:
    if len(chunk) < 12:
        return chunk
    body = chunk[4:-4]
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


# --- changes of parts ----------------------------------------------------------------------------


def _drop(data: bytes, _: bytes, chance: random.Random) -> bytes:
    pieces = parts(data)
    del pieces[chance.randrange(len(pieces))]
    return _joined(pieces, chance) if pieces else b""


def _repeat(data: bytes, _: bytes, chance: random.Random) -> bytes:
    pieces = parts(data)
    where = chance.randrange(len(pieces))
    pieces[where:where] = [pieces[where]] * chance.choice((1, 1, 3, 40))
    return _joined(pieces, chance)


def _swap(data: bytes, _: bytes, chance: random.Random) -> bytes:
    pieces = parts(data)
    first, second = chance.randrange(len(pieces)), chance.randrange(len(pieces))
    pieces[first], pieces[second] = pieces[second], pieces[first]
    return _joined(pieces, chance)


def _take_over(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """A part of another file, in the place of one of its own or beside it."""
    pieces = parts(data)
    where = chance.randrange(len(pieces))
    pieces[where : where + chance.randrange(2)] = [chance.choice(parts(other))]
    return _joined(pieces, chance)


def _change_part(data: bytes, _: bytes, chance: random.Random) -> bytes:
    pieces = parts(data)
    where = chance.randrange(len(pieces))
    pieces[where] = _number(pieces[where], chance)
    return _joined(pieces, chance)


def _number(piece: bytes, chance: random.Random) -> bytes:
    """A byte, word or long near the beginning, or anywhere, becomes an odd number."""
    if not piece:
        return piece
    reach = min(len(piece), HEAD) if chance.random() < 0.8 else len(piece)
    at, size = chance.randrange(reach), chance.choice("BBHHI")
    value = chance.choice((chance.choice(NUMBERS), chance.getrandbits(32)))
    order = chance.choice("<>")
    packed = struct.pack(order + size, value & ((1 << 8 * struct.calcsize(size)) - 1))
    return piece[:at] + packed + piece[at + len(packed) :]


def _cut_part(data: bytes, _: bytes, chance: random.Random) -> bytes:
    pieces = parts(data)
    where = chance.randrange(len(pieces))
    pieces[where] = pieces[where][: chance.randrange(len(pieces[where]) + 1)]
    return _joined(pieces, chance)


# --- changes of bytes ----------------------------------------------------------------------------


def _flip(data: bytes, _: bytes, chance: random.Random) -> bytes:
    out = bytearray(data)
    for _i in range(chance.choice((1, 2, 8, 64)) if out else 0):
        out[chance.randrange(len(out))] ^= 1 << chance.randrange(8)
    return bytes(out)


def _cut(data: bytes, _: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) + 1)
    return (
        data[:at] if chance.random() < 0.6 else data[:at] + data[at + chance.choice((1, 2, 9, 500)) :]
    )


def _insert(data: bytes, other: bytes, chance: random.Random) -> bytes:
    at, length = chance.randrange(len(data) + 1), chance.choice((1, 4, 300))
    start = chance.randrange(len(other) + 1)
    new = chance.choice((chance.randbytes(length), b"\0" * length, other[start : start + length]))
    return data[:at] + new + data[at:]


def _sides(data: bytes, _: bytes, chance: random.Random) -> bytes:
    """Width and height that lie."""
    pair = chance.choice(SIDES), chance.choice(SIDES)
    out = bytearray(data)
    spots = {b"\x89PNG": (16, ">II"), b"GIF8": (6, "<HH"), b"BM": (18, "<II")}
    at, layout = next((v for k, v in spots.items() if data.startswith(k)), (0, ""))
    if data.startswith(b"\xff\xd8"):
        start = next(
            (data.find(bytes((0xFF, m))) for m in (0xC0, 0xC1, 0xC2) if bytes((0xFF, m)) in data), 0
        )
        at, layout = (start + 5, ">HH") if start else (0, "")
    elif data.startswith(b"RIFF"):
        at, layout = (
            (24, "<II") if data[12:16] == b"VP8X" else (26 if data[12:16] == b"VP8 " else 21, "<HH")
        )
    elif data[:2] in (b"II", b"MM"):
        return _entry(data, chance, tags=(256, 257, 322, 323, 278))
    if not layout or at + struct.calcsize(layout) > len(data):
        return _flip(data, b"", chance)
    top = 0xFFFF if "H" in layout else 0xFFFFFFFF
    struct.pack_into(layout, out, at, *(side & top for side in pair))
    return _joined(parts(bytes(out)), chance)


# --- TIFF directories ----------------------------------------------------------------------------


def _directory(data: bytes) -> tuple[str, int, list[int]] | None:
    """Byte order, place of the first directory, places of its entries; of classic TIFF."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return None
    at = struct.unpack_from(order + "I", data, 4)[0]
    if at + 2 > len(data):
        return None
    count = struct.unpack_from(order + "H", data, at)[0]
    places = [at + 2 + 12 * i for i in range(count) if at + 14 + 12 * i <= len(data)]
    return (order, at, places) if places else None


def _entry(data: bytes, chance: random.Random, tags: tuple[int, ...] = ()) -> bytes:
    """One entry gets another tag, type, count or value."""
    found = _directory(data)
    if found is None:
        return _number(data, chance)
    order, _, places = found
    chosen = [p for p in places if struct.unpack_from(order + "H", data, p)[0] in tags] or places
    at, out = chance.choice(chosen), bytearray(data)
    field = "value" if tags else chance.choice(("tag", "type", "count", "value", "value"))
    number = chance.choice(SIDES if tags else (*NUMBERS, len(data), len(data) - 1, found[1]))
    if field == "tag":
        struct.pack_into(order + "H", out, at, chance.choice((256, 257, 258, 259, 262, 273, 277, 279, 317,
                         320, 322, 324, 325, 338, 339, 347, 530, 34675)))  # fmt: skip
    elif field == "type":
        struct.pack_into(order + "H", out, at + 2, chance.choice((*range(20), 0xFFFF)))
    else:
        struct.pack_into(order + "I", out, at + (4 if field == "count" else 8), number & 0xFFFFFFFF)
    return bytes(out)


def _directories(data: bytes, _: bytes, chance: random.Random) -> bytes:
    """Entries lost, repeated or out of order; a chain of directories that loops or leads nowhere."""
    found = _directory(data)
    if found is None:
        return _swap(data, b"", chance)
    order, start, places = found
    out = bytearray(data)
    if chance.random() < 0.4:
        link = places[-1] + 12
        target = chance.choice((start, start + 12, 0, 8, len(data) - 2, 0xFFFFFFFF))
        if link + 4 <= len(out):
            struct.pack_into(order + "I", out, link, target)
        return bytes(out)
    first, second = chance.choice(places), chance.choice(places)
    out[first : first + 12], out[second : second + 12] = (
        data[second : second + 12],
        (data[first : first + 12] if chance.random() < 0.5 else data[second : second + 12]),
    )
    return bytes(out)


def _some_entry(data: bytes, _: bytes, chance: random.Random) -> bytes:
    return _entry(data, chance) if data[:2] in (b"II", b"MM") else _change_part(data, b"", chance)


# --- metadata ------------------------------------------------------------------------------------


def _metadata(data: bytes, other: bytes, chance: random.Random) -> bytes:
    """EXIF and ICC that are garbage, cut, or another file altogether."""
    loop = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0\x08\0\0\0"
    body = chance.choice((b"", chance.randbytes(200), other[:60_000], loop, b"\0" * 3000, data[:999]))
    pieces = parts(data)
    if data.startswith(b"\xff\xd8"):
        head = chance.choice(
            (b"Exif\0\0", b"ICC_PROFILE\0\1\1", b"ICC_PROFILE\0\2\1", b"MPF\0", b"Adobe\0")
        )
        marker = {b"E": 0xE1, b"I": 0xE2, b"M": 0xE2, b"A": 0xEE}[head[:1]]
        body = (
            bytes((0xFF, marker)) + struct.pack(">H", min(0xFFFF, len(head + body) + 2)) + head + body
        )
    elif data.startswith(b"\x89PNG"):
        packed = chance.choice((body, b"name\0\0" + zlib.compress(body)))
        kind, body = chance.choice(
            ((b"eXIf", body), (b"iCCP", packed), (b"acTL", body[:8]), (b"tRNS", body[:9]))
        )
        body = _signed(b"\0\0\0\0" + kind + body + b"\0\0\0\0")
    elif data.startswith(b"RIFF"):
        kind = chance.choice((b"EXIF", b"ICCP", b"ANMF", b"VP8X"))
        body = kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)
    elif data.startswith(b"GIF8"):
        body = b"\x21\xff\x0b" + body[:250].ljust(11, b"x")
    where = min(len(pieces), chance.choice((1, 1, 2, len(pieces))))
    pieces[where:where] = [body]
    return _joined(pieces, chance)


CHANGES: dict[Change, int] = {
    _drop: 2, _repeat: 2, _swap: 2, _take_over: 3, _change_part: 8, _cut_part: 2, _flip: 3, _cut: 2,
    _insert: 2, _sides: 3, _directories: 3, _some_entry: 6, _metadata: 4,
}  # fmt: skip
