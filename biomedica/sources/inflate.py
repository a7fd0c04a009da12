"""What a gzip file unpacks to, read forward in bounded memory, and again from marks on the way."""

from __future__ import annotations

import zlib
from typing import Any, BinaryIO, NamedTuple

from biomedica.errors import Rejected

__all__ = ["GzipReader", "Mark"]

BLOCK = 1 << 14
"""bytes of the file that are taken at once"""
CHUNK = 1 << 20
"""bytes that are unpacked at once, however well they are packed"""
SPACING = 1 << 18
"""bytes between two marks at the least, and a 64th of the way: a mark is some 40 kB"""

MOST_BYTES = 8 << 30
MOST_RATIO, RATIO_FROM = 200, 256 << 20
"""A package may unpack to MOST_BYTES, and past RATIO_FROM to MOST_RATIO times its size: text packs to
a tenth, a blank drawing to a hundredth, zeros to a thousandth. Memory does not depend on it, time does."""


class Mark(NamedTuple):
    """A place from which reading may begin again."""

    position: int
    """of the unpacked bytes"""
    packed: int
    """of the file"""
    state: Any


class GzipReader:
    """Reads a gzip file forward.

    file: at its start; with `mark`, of another reader of the same bytes, it is read from there.
    Raises Rejected: package_corrupt (truncated, damaged, no gzip, or bytes behind its end),
    package_unsafe (a bomb); what the file itself raises passes.
    """

    def __init__(self, file: BinaryIO, mark: Mark | None = None) -> None:
        self._file = file
        self._inflate: Any = mark.state.copy() if mark else zlib.decompressobj(wbits=31)
        self._packed = mark.packed if mark else 0
        self._produced = mark.position if mark else 0
        self._chunk = memoryview(b"")
        self._latest = mark or Mark(0, 0, self._inflate.copy())
        if mark:
            file.seek(mark.packed)

    @property
    def position(self) -> int:
        """Unpacked bytes before the next one."""
        return self._produced - len(self._chunk)

    @property
    def mark(self) -> Mark:
        """The last mark at or before `position`."""
        return self._latest

    def read(self, size: int) -> bytes:
        """The next `size` bytes; fewer at the end, whose checksum is then found right."""
        parts = []
        while size and self._fill():
            parts.append(self._chunk[:size])
            self._chunk = self._chunk[size:]
            size -= len(parts[-1])
        return b"".join(parts)

    def skip(self, size: int) -> tuple[int, int]:
        """Pass over `size` bytes: how many there were, and their CRC-32."""
        passed = crc = 0
        while passed < size and self._fill():
            part = self._chunk[: size - passed]
            self._chunk = self._chunk[len(part) :]
            passed += len(part)
            crc = zlib.crc32(part, crc)
        return passed, crc

    def _fill(self) -> bool:
        """Have a chunk at hand; False at the end of the stream."""
        while not self._chunk:
            if self._inflate.eof:
                if self._inflate.unused_data or self._file.read(1):
                    raise Rejected(
                        "package_corrupt", "there are bytes behind the end of the gzip stream"
                    )
                return False
            block = self._inflate.unconsumed_tail or self._next_block()
            try:
                chunk = self._inflate.decompress(block, CHUNK)
            except zlib.error as error:
                raise Rejected("package_corrupt", f"not gzip, or damaged: {error}") from None
            if not (block or chunk or self._inflate.eof):
                raise Rejected("package_corrupt", "the gzip stream ends too early")
            self._produced += len(chunk)
            self._check_size()
            self._chunk = memoryview(chunk)
        return True

    def _next_block(self) -> bytes:
        """More of the file. Nothing waits to be unpacked now: the place for a mark."""
        if self._produced - self._latest.position >= max(SPACING, self._produced >> 6):
            self._latest = Mark(self._produced, self._packed, self._inflate.copy())
        block = self._file.read(BLOCK)
        self._packed += len(block)
        return block

    def _check_size(self) -> None:
        if self._produced > MOST_BYTES:
            raise Rejected("package_unsafe", f"it unpacks to more than {MOST_BYTES} bytes")
        if self._produced > RATIO_FROM and self._produced > MOST_RATIO * self._packed:
            raise Rejected("package_unsafe", f"it unpacks to more than {MOST_RATIO} times its size")
