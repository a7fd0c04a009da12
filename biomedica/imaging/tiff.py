"""The directory of a TIFF file: size, orientation, pages, and a clean single-page payload.

Source: TIFF 6.0 (Adobe, 1992), section 2; BigTIFF as in libtiff.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from biomedica.errors import Rejected

__all__ = ["TiffHeader", "first_value", "read_tiff"]

_TYPE_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # fmt: skip
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}

WIDTH, HEIGHT, PHOTOMETRIC, ORIENTATION = 256, 257, 262, 274
OFFSETS, BYTE_COUNTS, TILE_WIDTH, TILE_HEIGHT, TILE_OFFSETS, TILE_BYTE_COUNTS = (
    273, 279, 322, 323, 324, 325,
)  # fmt: skip
_SINGLE = frozenset({256, 257, 259, 262, 266, 277, 278, 284, 317, 322, 323})
_LISTS = frozenset({258, 273, 279, 292, 293, 320, 324, 325, 338, 339, 347, 512, 513, 514, 519, 520,
                    521, 529, 530, 531, 532})  # fmt: skip
"""What makes pixels. Orientation and ICC profile are left out: they are for us."""

_NUMBERS = _SINGLE | {ORIENTATION, 258, OFFSETS, BYTE_COUNTS, TILE_OFFSETS, TILE_BYTE_COUNTS}

ICC_PROFILE = 34675

_MAX_PAGES = 65_535
_MAX_TILE_PIXELS = 1 << 27
_MAX_ENTRIES = 4096


@dataclass(frozen=True, slots=True)
class TiffHeader:
    """What the first directory says; width, height: pixels before `orientation` (1-8)."""

    width: int
    height: int
    orientation: int
    page_count: int
    white_is_zero: bool
    payload: bytes
    profile: bytes


@dataclass(frozen=True, slots=True)
class _Entry:
    tag: int
    kind: int
    count: int
    data_at: int
    size: int
    raw: bytes


class _Layout:
    """The two layouts: classic TIFF with 32-bit offsets, BigTIFF with 64-bit ones."""

    def __init__(self, data: bytes) -> None:
        self.order = "<" if data[:2] == b"II" else ">"
        self.is_big = data[2:4] in (b"+\0", b"\0+")
        self.first_at, offset, count = (8, "Q", "Q") if self.is_big else (4, "I", "H")
        self.offset = struct.Struct(self.order + offset)
        self.count = struct.Struct(self.order + count)
        self.entry = struct.Struct(f"{self.order}HH{offset}")
        self.entry_size = self.entry.size + self.offset.size

    def entries(self, data: bytes, at: int) -> list[_Entry]:
        """The entries of one directory. Raises struct.error past the end."""
        count = self.count.unpack_from(data, at)[0]
        at += self.count.size
        if count > _MAX_ENTRIES:
            raise Rejected("corrupt", f"a TIFF directory of {count} entries")
        if at + count * self.entry_size > len(data):
            raise struct.error("the directory ends early")
        return [self._entry(data, at + i * self.entry_size) for i in range(count)]

    def _entry(self, data: bytes, at: int) -> _Entry:
        tag, kind, count = self.entry.unpack_from(data, at)
        size = _TYPE_SIZES.get(kind, 0) * count
        data_at = at + self.entry.size
        if size > self.offset.size:
            data_at = self.offset.unpack_from(data, data_at)[0]
        return _Entry(tag, kind, count, data_at, size, data[at : at + self.entry_size])

    def values(self, data: bytes, entry: _Entry) -> tuple[int, ...]:
        code = _CODES.get(entry.kind)
        if code is None:
            return ()
        return struct.unpack_from(f"{self.order}{entry.count}{code}", data, entry.data_at)

    def next_at(self, data: bytes, at: int) -> int:
        """Where the directory after the one at `at` begins; 0: there is none, or it is cut off."""
        try:
            count = self.count.unpack_from(data, at)[0]
            link = at + self.count.size + count * self.entry_size
            following = int(self.offset.unpack_from(data, link)[0])
        except (struct.error, OverflowError):
            return 0
        return following if following + self.count.size <= len(data) else 0


def first_value(block: bytes, tag: int) -> int | None:
    """The first integer of a tag in the first directory of a TIFF block (EXIF, MPF); else None."""
    if block[:4] not in (b"II*\0", b"MM\0*"):
        return None
    try:
        layout = _Layout(block)
        for entry in layout.entries(block, layout.offset.unpack_from(block, 4)[0]):
            if entry.tag == tag and 0 < entry.size <= len(block):
                return next(iter(layout.values(block, entry)), None)
    except (struct.error, OverflowError, Rejected):
        return None
    return None


def read_tiff(data: bytes) -> TiffHeader:
    """Reads the first directory and counts the pages.

    The payload is the file with a new directory at its end, of the tags that make pixels and
    nothing else. Raises Rejected: truncated, corrupt.
    """
    layout = _Layout(data)
    try:
        first = int(layout.offset.unpack_from(data, layout.first_at)[0])
        entries = layout.entries(data, first)
        numbers = {
            e.tag: layout.values(data, e) for e in entries if e.tag in _NUMBERS and e.size <= len(data)
        }
        pages = _count_pages(data, layout, first)
        payload = _single_page(data, layout, entries)
    except (struct.error, OverflowError) as error:
        raise Rejected("truncated", f"the TIFF ends before its directory: {error}") from None
    width, height, photometric, orientation, tile_width, tile_height = (
        next(iter(numbers.get(tag, ())), missing)
        for tag, missing in (
            (WIDTH, 0), (HEIGHT, 0), (PHOTOMETRIC, 1), (ORIENTATION, 1), (TILE_WIDTH, 0), (TILE_HEIGHT, 0),
        )
    )  # fmt: skip
    if tile_width * tile_height > _MAX_TILE_PIXELS:
        raise Rejected("too_many_pixels", f"TIFF tiles of {tile_width} x {tile_height}")
    if numbers.get(284, (1,))[:1] == (2,) and max(numbers.get(258, (1,)), default=1) > 8:
        raise Rejected("unsupported_format", "a TIFF of more than 8 bits with its planes apart")
    if width and height:
        _check_extent(data, numbers)
    orientation = orientation if 1 <= orientation <= 8 else 1
    profile = next((_bytes(data, e) for e in entries if e.tag == ICC_PROFILE), b"")
    return TiffHeader(width, height, orientation, pages, photometric == 0, payload, profile)


def _bytes(data: bytes, entry: _Entry) -> bytes:
    """What an entry holds; what lies past the end is missing."""
    return data[entry.data_at : entry.data_at + entry.size]


def _check_extent(data: bytes, numbers: dict[int, tuple[int, ...]]) -> None:
    """Strips or tiles that lie past the end of the file mean that it was cut."""
    for offsets, counts in ((OFFSETS, BYTE_COUNTS), (TILE_OFFSETS, TILE_BYTE_COUNTS)):
        at, sizes = numbers.get(offsets, ()), numbers.get(counts, ())
        if len(at) > max(1, numbers[HEIGHT][0]) * 4096:
            raise Rejected("corrupt", f"{len(at)} strips in a TIFF of {numbers[HEIGHT][0]} lines")
        over = [a for a, size in zip(at, sizes, strict=False) if a + size > len(data)]
        if over or any(a >= len(data) for a in at):
            raise Rejected("truncated", "a strip of the TIFF lies past the end of the file")


def _count_pages(data: bytes, layout: _Layout, at: int) -> int:
    seen: set[int] = set()
    while at and at not in seen and len(seen) < _MAX_PAGES:
        seen.add(at)
        at = layout.next_at(data, at)
    return max(1, len(seen))


def _single_page(data: bytes, layout: _Layout, entries: list[_Entry]) -> bytes:
    chosen: dict[int, _Entry] = {}
    for entry in entries:
        if entry.tag in _SINGLE and entry.count != 1:
            raise Rejected("corrupt", f"TIFF tag {entry.tag} has {entry.count} values")
        if entry.tag in _SINGLE | _LISTS and entry.size:
            if entry.data_at + entry.size > len(data) and entry.size > layout.offset.size:
                raise Rejected("truncated", f"the values of TIFF tag {entry.tag} lie past the end")
            chosen.setdefault(entry.tag, entry)
    at = len(data) + (len(data) & 1)
    header = data[: layout.first_at] + layout.offset.pack(at)
    rows = b"".join(chosen[tag].raw for tag in sorted(chosen))
    return b"".join(
        (
            header,
            data[len(header) :],
            b"\0" * (len(data) & 1),
            layout.count.pack(len(chosen)),
            rows,
            layout.offset.pack(0),
        )
    )
