"""Bytes → a loaded Pillow image, and a format that PNG can hold → PNG bytes."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import numpy as np
from PIL import Image, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from biomedica.errors import Deferred, Rejected
from biomedica.imaging.colour import Colours, colours, lab_to_srgb
from biomedica.imaging.containers import Container

__all__ = ["load", "storable", "turned"]

_PLUGINS = {
    "jpeg": JpegImageFile,
    "png": PngImageFile,
    "webp": WebPImageFile,
    "gif": GifImageFile,
    "tiff": TiffImageFile,
    "bmp": BmpImageFile,
}
"""Called directly and not through Image.open: no other plugin and no limit of Pillow's own."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

PNG_LEVEL = 3
"""zlib level of converted images: 30 % faster than level 6, for 7 % more bytes (15 real TIFF files)."""


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """The image the right way up (EXIF orientation 1-8)."""
    turn = _TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)


def load(container: Container, scale: int = 1, *, low_bytes: bool = False) -> Image.Image:
    """Decodes the first image whole.

    scale: 1, 2, 4 or 8, JPEG only: decodes at 1/scale of the size (DCT scaling), sides rounded up.
    low_bytes: of a TIFF with 16 bits a colour, the low bytes instead of the high ones.
    Raises Rejected (truncated, corrupt, unsupported_format, too_many_pixels), and Deferred when
    memory runs out.
    """
    try:
        image = _PLUGINS[container.image_format](io.BytesIO(container.payload))
        if (image.width, image.height) != (container.width, container.height):
            raise Rejected("corrupt", "the image is of another size than its header says")
        if scale > 1:
            image.draft(None, (image.width // scale, image.height // scale))
        if container.image_format == "tiff":
            # memory is made here because Pillow would hold the size against its own limit
            image.im = Image.new(image.mode, image.size).im
            if low_bytes:
                image.tile = [_low_bytes(tile) for tile in image.tile]
        image.load()
    except MemoryError:
        raise Deferred(f"no memory for {container.width} x {container.height} pixels") from None
    except Rejected:
        raise
    except Image.DecompressionBombError as error:
        raise Rejected("too_many_pixels", str(error)) from None
    # Pillow raises what its parsers stumble over, of any type: each means that the bytes are wrong
    except Exception as error:  # noqa: BLE001
        raise Rejected(_reason(str(error)), f"{type(error).__name__}: {error}"[:200]) from None
    return image


def _reason(text: str) -> str:
    text = text.lower()
    if "truncated" in text or "premature" in text:
        return "truncated"
    if "unsupported" in text or "not supported" in text or "unknown pixel mode" in text:
        return "unsupported_format"
    return "corrupt"


_SWAPPED = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}


def _low_bytes(tile: ImageFile._Tile) -> ImageFile._Tile:
    """Pillow keeps the high byte of 16-bit colours; read in the other byte order, the low one."""
    rawmode, *rest = tile.args
    return tile._replace(args=(rawmode[:-1] + _SWAPPED[rawmode[-1]], *rest))


_COLOURS_OF = {"1": "L", "LA": "L", "I;16": "L", "I;16B": "L", "P": "RGB", "PA": "RGB", "RGBA": "RGB", "YCbCr": "RGB"}  # fmt: skip
"""Modes → the mode under which their profile is read."""


def storable(image: Image.Image, container: Container) -> tuple[Image.Image, bytes, Colours]:
    """The image upright in a mode that PNG holds, its PNG bytes, and what its profile still asks for.

    Lossless for 1 bit, grey, palette, RGB, RGBA and 16-bit grey and colour; a usable ICC profile is
    kept, other metadata is not. Where PNG has no such pixels: CMYK becomes 8-bit sRGB by its profile,
    and without a usable one by (255-C)(255-K)/255; Lab and YCbCr become 8-bit RGB; 32-bit and signed
    integers are kept as 16-bit grey, shifted so that the least value is 0 if it was negative, when
    they fit, and else scaled from least…greatest to 0…65535, as float images always are (NaN → 0).
    16-bit grey with white as zero is inverted to black as zero.
    """
    found = colours(container.profile, _COLOURS_OF.get(image.mode, image.mode))
    profile = container.profile if found.verdict in ("srgb", "applied") else None
    if container.image_format == "tiff" and _is_wide_colour(container):
        low = load(container, low_bytes=True)
        image, data = _store_wide(image, low, container.orientation, profile)
        return image, data, found
    if image.mode.startswith("I") or image.mode == "F":
        image = _sixteen_bit(image, container.white_is_zero)
    elif image.mode == "PA":
        image = image.convert("RGBA")
    elif image.mode == "CMYK":
        image = found.applied(image) if found.applies else image.convert("RGB")
        found, profile = Colours(found.verdict), None
    elif image.mode == "LAB":
        image = lab_to_srgb(image)
    elif image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA"):
        image = image.convert("RGB")
    image = turned(image, container.orientation)
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=PNG_LEVEL, icc_profile=profile)
    return image, out.getvalue(), found


def _sixteen_bit(image: Image.Image, white_is_zero: bool) -> Image.Image:
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.uint16)
        return Image.fromarray(0xFFFF - values if white_is_zero else values)
    with np.errstate(invalid="ignore"):  # signalling NaN
        numbers = np.asarray(image).astype(np.float64)
    finite = numbers[np.isfinite(numbers)]
    least, greatest = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if image.mode != "F" and greatest - min(least, 0.0) <= 0xFFFF:
        return Image.fromarray((numbers - min(least, 0.0)).astype(np.uint16))
    span = max(greatest - least, np.finfo(np.float64).tiny)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.nan_to_num((numbers - least) / span, nan=0.0, posinf=1.0, neginf=0.0)
    return Image.fromarray(np.rint(np.clip(scaled, 0.0, 1.0) * 0xFFFF).astype(np.uint16))


def _is_wide_colour(container: Container) -> bool:
    """Whether the TIFF holds RGB or RGBA of 16 bits a colour, which Pillow reads as 8."""
    opened = TiffImageFile(io.BytesIO(container.payload))
    rawmode = str(opened.tile[0].args[0]) if opened.tile else ""
    if rawmode.startswith("RGBa;16"):
        raise Rejected("unsupported_format", "a TIFF of 16-bit colours with premultiplied alpha")
    return rawmode.startswith(("RGB;16", "RGBX;16", "RGBA;16"))


def _store_wide(
    high: Image.Image, low: Image.Image, orientation: int, profile: bytes | None
) -> tuple[Image.Image, bytes]:
    """A PNG of 16 bits a colour, which Pillow cannot write (PNG, third edition, 9 and 11.2)."""
    high, low = turned(high, orientation), turned(low, orientation)
    channels = len(high.getbands())
    samples = np.stack([np.asarray(high), np.asarray(low)], axis=-1)  # big-endian pairs of bytes
    rows = samples.reshape(high.height, high.width * channels * 2)
    left = np.zeros_like(rows)
    left[:, channels * 2 :] = rows[:, : -channels * 2]
    lines = np.empty((high.height, rows.shape[1] + 1), np.uint8)
    lines[:, 0] = 1  # PNG filter type 1: difference from the pixel on the left
    lines[:, 1:] = rows - left
    header = struct.pack(">IIBBBBB", high.width, high.height, 16, 2 if channels == 3 else 6, 0, 0, 0)
    chunks = [(b"IHDR", header)]
    if profile:
        chunks.append((b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile, PNG_LEVEL)))
    chunks += [(b"IDAT", zlib.compress(lines.tobytes(), PNG_LEVEL)), (b"IEND", b"")]
    return high, b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
