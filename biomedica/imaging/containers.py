"""What a file is, how large and which way up, read from its structure before any decoder runs.

Pillow is then given a clean payload: the first image alone, without metadata. So its own limits,
warnings and EXIF reader never speak, and no format that we did not choose can be reached.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from biomedica.errors import Rejected
from biomedica.imaging.colour import BROKEN, inflated_profile
from biomedica.imaging.tiff import first_value, read_tiff

__all__ = ["KEPT_FORMATS", "Container", "read_container"]

KEPT_FORMATS = ("jpeg", "png", "webp")
"""Stored byte for byte; every other format is converted to PNG."""

_U16, _U32 = Struct(">H"), Struct(">I")
_U16L, _U32L, _I32L = Struct("<H"), Struct("<I"), Struct("<i")


@dataclass(frozen=True, slots=True)
class Container:
    """A file's structure. width, height: pixels as stored, before `orientation` (EXIF, 1-8).

    payload: what the decoder is given. profile: the embedded ICC profile, empty when there is none.
    """

    image_format: str
    width: int
    height: int
    orientation: int
    page_count: int
    payload: bytes
    white_is_zero: bool = False
    profile: bytes = b""


def read_container(data: bytes) -> Container:
    """The structure of an image file.

    Raises Rejected: not_an_image, unsupported_format, truncated, corrupt.
    """
    if data.startswith(b"\xff\xd8\xff") or data == b"\xff\xd8":
        found = _read_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        found = _read_png(data)
    elif data.startswith((b"GIF87a", b"GIF89a")):
        found = _read_gif(data)
    elif data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        found = _read_webp(data)
    elif data.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        tiff = read_tiff(data)
        found = Container(
            "tiff",
            tiff.width,
            tiff.height,
            tiff.orientation,
            tiff.page_count,
            tiff.payload,
            tiff.white_is_zero,
            tiff.profile,
        )
    elif data[:2] == b"BM" and data[14:18] in _BMP_HEADERS:
        found = _read_bmp(data)
    else:
        raise _not_ours(data)
    if found.width < 1 or found.height < 1:
        raise Rejected("corrupt", f"the header says {found.width} x {found.height} pixels")
    return found


_BMP_HEADERS = {_U32L.pack(size) for size in (12, 16, 40, 52, 56, 64, 108, 124)}

_OTHER_FORMATS = (
    (0, b"%PDF", "PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "EPS"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"ftyp", "an ISO media file (HEIF, AVIF, MP4)"),
    (0, b"8BPS", "Photoshop"),
    (0, b"\0\0\x01\0", "an icon"),
    (0, b"\xd7\xcd\xc6\x9a", "WMF"),
    (40, b" EMF", "EMF"),
    (128, b"DICM", "DICOM"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip file"),
    (0, b"\xd0\xcf\x11\xe0", "an Office file"),
    (0, b"RIFF", "a RIFF file"),
)


def _not_ours(data: bytes) -> Rejected:
    if not data:
        return Rejected("not_an_image", "the file is empty")
    for offset, magic, name in _OTHER_FORMATS:
        if data[offset : offset + len(magic)] == magic:
            return Rejected("unsupported_format", f"the file is {name}")
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n")
    if b"%PDF-" in head:
        return Rejected("unsupported_format", "the file is PDF")
    if head[:1] == b"<" and b"<svg" in head:
        return Rejected("unsupported_format", "the file is SVG")
    if head[:1] == b"<":
        return Rejected("not_an_image", "the file is HTML or XML")
    return Rejected("not_an_image", f"no known image signature; begins with {data[:8].hex()}")


def _truncated(what: str) -> Rejected:
    return Rejected("truncated", f"the file ends inside {what}")


def _exif_orientation(block: bytes) -> int:
    """The orientation (1-8) in an EXIF block, with or without its `Exif` prefix; 1 when unclear."""
    value = first_value(block.removeprefix(b"Exif\0\0"), 0x0112)
    return value if value is not None and 1 <= value <= 8 else 1


_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(marker, where it begins, its body) up to the first scan (ITU-T T.81, Annex B)."""
    at, end = 2, len(data)
    while True:
        start = at
        while data[at : at + 1] == b"\xff":
            at += 1
        if at >= end:
            raise _truncated("the JPEG header")
        marker = data[at]
        if at == start or marker == 0xD9:
            raise Rejected("corrupt", f"no JPEG segment at byte {start}")
        at += 1
        if marker == 0xDA:
            yield marker, start, b""
            return
        if marker <= 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        if at + 2 > end:
            raise _truncated("the JPEG header")
        length = _U16.unpack_from(data, at)[0]
        if length < 2:
            raise Rejected("corrupt", f"a JPEG segment of {length} bytes")
        if at + length > end:
            raise _truncated("the JPEG header")
        yield marker, start, data[at + 2 : at + length]
        at += length


def _read_jpeg(data: bytes) -> Container:
    """Of the application's own segments the payload keeps Adobe's alone, which tells the colours."""
    size, orientation, pages = None, 1, 1
    kept, profile = [data[:2]], []
    for marker, start, body in _jpeg_segments(data):
        if marker == 0xDA:
            kept.append(data[start:])
        elif marker in _JPEG_FRAMES and size is None and len(body) >= 6:
            size = (_U16.unpack_from(body, 3)[0], _U16.unpack_from(body, 1)[0])
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = _exif_orientation(body)
        elif marker == 0xE2 and body.startswith(b"MPF\0"):
            pages = max(1, first_value(body[4:], 0xB001) or 1)
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
            profile.append(body[12:])
        if marker == 0xEE or marker < 0xDA or 0xDA < marker < 0xE0:
            kept.append(bytes((0xFF, marker)) + _U16.pack(len(body) + 2) + body)
    if size is None:
        raise Rejected("corrupt", "the JPEG has no frame header")
    return Container(
        "jpeg", *size, orientation, pages, b"".join(kept), profile=_joined_profile(profile)
    )


def _joined_profile(parts: list[bytes]) -> bytes:
    """Parts begin with their number and how many there are (ICC.1:2022, Annex B.4)."""
    found = {part[0]: part[2:] for part in parts if len(part) > 2 and part[1] == len(parts)}
    if sorted(found) != list(range(1, len(parts) + 1)):
        return BROKEN
    return b"".join(found[number] for number in sorted(found))


_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(type, where it begins, where the next one does), the first IHDR, the last IEND.

    CRCs are checked of the chunks that make pixels (PNG, third edition, 5.3).
    """
    kind, at = b"", 8
    while kind != b"IEND":
        if at + 12 > len(data):
            raise _truncated("the PNG")
        length, kind = _U32.unpack_from(data, at)[0], data[at + 4 : at + 8]
        if (at == 8) != (kind == b"IHDR") or (at == 8 and length != 13):
            raise Rejected("corrupt", "the PNG does not begin with one header")
        stop = at + 12 + length
        if stop > len(data):
            raise _truncated(f"the PNG's chunk {kind.decode('latin-1')!r}")
        if kind in _PNG_KEPT:
            crc = zlib.crc32(memoryview(data)[at + 4 : stop - 4])
            if crc != _U32.unpack_from(data, stop - 4)[0]:
                raise Rejected("corrupt", f"wrong checksum of the PNG's chunk {kind.decode()}")
        yield kind, at, stop
        at = stop


def _read_png(data: bytes) -> Container:
    """The payload keeps the chunks that make pixels."""
    if data[4:8] != b"\r\n\x1a\n"[: len(data[4:8])]:
        raise Rejected("corrupt", "the PNG signature is damaged, as by a text transfer")
    orientation, pages, profile = 1, 1, b""
    kept, has_pixels = [data[:8]], False
    for kind, at, stop in _png_chunks(data):
        if kind in _PNG_KEPT:
            kept.append(data[at:stop])
            has_pixels |= kind == b"IDAT"
        elif kind == b"eXIf":
            orientation = _exif_orientation(data[at + 8 : stop - 4])
        elif kind == b"iCCP" and not has_pixels:
            profile = inflated_profile(data[at + 8 : stop - 4])
        elif kind == b"acTL" and stop - at >= 16:
            pages = max(1, _U32.unpack_from(data, at + 8)[0])
    if not has_pixels:
        raise Rejected("corrupt", "the PNG holds no pixels")
    size = (_U32.unpack_from(data, 16)[0], _U32.unpack_from(data, 20)[0])
    return Container("png", *size, orientation, min(pages, 0x7FFFFFFF), b"".join(kept), profile=profile)


def _read_gif(data: bytes) -> Container:
    """Walks the blocks (GIF89a). The screen grows to hold the first frame, as viewers do."""
    if len(data) < 13:
        raise _truncated("the GIF header")
    width, height = _U16L.unpack_from(data, 6)[0], _U16L.unpack_from(data, 8)[0]
    at = 13 + _colour_table(data[10])
    frames, end_of_first = 0, len(data)
    while at < len(data):
        block = data[at]
        if block == 0x2C and at + 11 <= len(data):
            frames += 1
            left, top, wide, high = (_U16L.unpack_from(data, at + i)[0] for i in (1, 3, 5, 7))
            if frames == 1:
                width, height = max(width, left + wide), max(height, top + high)
            at = _skip_blocks(data, at + 11 + _colour_table(data[at + 9]))
            if frames == 1:
                end_of_first = at
        elif block == 0x21:
            at = _skip_blocks(data, at + 2)
        else:
            break
    if not frames:
        raise _truncated("the GIF before its first frame")
    if max(width, height) > 0xFFFF:
        raise Rejected("corrupt", f"a GIF frame reaches to {width} x {height}")
    payload = data[:6] + _U16L.pack(width) + _U16L.pack(height) + data[10:end_of_first] + b";"
    return Container("gif", width, height, 1, frames, payload)


def _colour_table(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _skip_blocks(data: bytes, at: int) -> int:
    end = len(data)
    while at < end and data[at]:
        at += data[at] + 1
    return min(at + 1, end)


def _read_webp(data: bytes) -> Container:
    """Walks the RIFF chunks (WebP container specification, VP8 and VP8L headers)."""
    if len(data) < 30 or 8 + _U32L.unpack_from(data, 4)[0] > len(data):
        raise _truncated("the WebP")
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (int.from_bytes(data[i : i + 3], "little") + 1 for i in (24, 27))
    elif kind == b"VP8L":
        bits = _U32L.unpack_from(data, 21)[0]
        width, height = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 ":
        width, height = (_U16L.unpack_from(data, i)[0] & 0x3FFF for i in (26, 28))
    else:
        raise Rejected("corrupt", "the WebP does not begin with an image")
    orientation, frames, profile, at = 1, 0, b"", 12
    while at + 8 <= len(data):
        kind, length = data[at : at + 4], _U32L.unpack_from(data, at + 4)[0]
        if kind == b"ANMF":
            frames += 1
        elif kind == b"EXIF":
            orientation = _exif_orientation(data[at + 8 : at + 8 + length])
        elif kind == b"ICCP":
            profile = data[at + 8 : at + 8 + length]
        at += 8 + length + (length & 1)
    return Container("webp", width, height, orientation, max(1, frames), data, profile=profile)


def _read_bmp(data: bytes) -> Container:
    if len(data) < 26:
        raise _truncated("the BMP header")
    if data[14] == 12:
        width, height = _U16L.unpack_from(data, 18)[0], _U16L.unpack_from(data, 20)[0]
    else:
        width, height = _I32L.unpack_from(data, 18)[0], abs(_I32L.unpack_from(data, 22)[0])
    return Container("bmp", width, height, 1, 1, data)
