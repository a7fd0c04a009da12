"""Small images and image files, sound and broken."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from biomedica.sources.sample.canvas import Rng

__all__ = ["encoded", "jpeg", "picture", "png_of", "wide_grey", "with_wrong_checksum"]

SIZE = (240, 180)


def picture(rng: Rng, size: tuple[int, int] = SIZE) -> Image.Image:
    """Cells on a pale ground, RGB."""
    image = Image.new("RGB", size, tuple(int(value) for value in rng.integers(215, 250, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(24):
        x, y = int(rng.integers(size[0])), int(rng.integers(size[1]))
        wide, high = (int(value) for value in rng.integers(6, 26, 2))
        colour = tuple(int(value) for value in rng.integers(40, 190, 3))
        draw.ellipse((x, y, x + wide, y + high), fill=colour, outline=(60, 20, 70))
    return image


def encoded(image: Image.Image, name: str, more: Sequence[Image.Image] = (), **options: Any) -> bytes:
    """The bytes of a file; `more`: further frames or pages."""
    out = io.BytesIO()
    if more:
        options |= {"save_all": True, "append_images": list(more)}
    image.save(out, name, **options)
    return out.getvalue()


def jpeg(image: Image.Image, **options: Any) -> bytes:
    """A JPEG file."""
    return encoded(image, "jpeg", **{"quality": 82, **options})


def wide_grey(rng: Rng) -> Image.Image:
    """A grey image of 16 bits a pixel."""
    grey = np.asarray(picture(rng).convert("L"), np.uint16)
    return Image.fromarray(grey * 256 + rng.integers(0, 256, grey.shape, np.uint16))


def png_of(width: int, height: int, pixels: bytes = b"\0") -> bytes:
    """A PNG whose header promises so much, whatever it holds."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def with_wrong_checksum(png: bytes) -> bytes:
    """The PNG with one bit of its pixels turned over."""
    at = png.index(b"IDAT") + 12
    return png[:at] + bytes([png[at] ^ 1]) + png[at + 1 :]
