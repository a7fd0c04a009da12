"""Any Pillow image → 8-bit grey or RGB on white, made smaller, cut for a model."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from biomedica.schema import PixelSpec

__all__ = ["BASE", "dct_scale", "eight_bit", "model_array", "reduction"]

BASE = 224
"""The side that hash and measures are made for; pixels of models up to this size come along."""

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_PLAIN_MODES = ("1", "L", "RGB", "P")


def dct_scale(short_side: int, size: int) -> int:
    """The greatest of 1, 2, 4, 8 by which a JPEG's short side, divided, keeps 2 x size pixels."""
    return next((s for s in (8, 4, 2) if short_side // s >= 2 * size), 1)


def reduction(short_side: int, size: int) -> int:
    """The greatest box by which a short side, divided, keeps 1.5 x size pixels; at least 1."""
    return max(1, 2 * short_side // (3 * size))


def eight_bit(image: Image.Image) -> Image.Image:
    """The image as L or RGB of 8 bits.

    Alpha, palette transparency and a transparent colour are composited on white. Single-channel
    16-bit values are shifted so that the highest bit that the image uses (the eighth at least)
    comes out as the highest of 8: full-range images lose their low byte, and 12-bit images in a
    16-bit file are not black. 16-bit colours keep their high byte.
    """
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        spare = max(8, int(values.max()).bit_length()) - 8
        return Image.fromarray((values >> spare).astype(np.uint8))
    if image.mode in _PLAIN_MODES and "transparency" not in image.info:
        if image.mode == "1":
            return image.convert("L")
        if image.mode != "P" or (image.palette and image.palette.mode == "RGB"):
            return image.convert("RGB") if image.mode == "P" else image
    if image.mode in ("1", "L", "LA", "La"):
        return _on_white(image.convert("L" if image.mode == "1" else image.mode).convert("LA"))
    if image.mode in ("P", "PA", "RGB", "RGBA", "RGBa"):
        return _on_white(image if image.mode == "RGBA" else image.convert("RGBA"))
    return image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    mode = "L" if image.mode == "LA" else "RGB"
    if image.getchannel("A").getextrema() == (255, 255):
        return image.convert(mode)
    white = Image.new(mode, image.size, "white")
    white.paste(image.convert(mode), mask=image)
    return white


def model_array(
    image: Image.Image, full_size: tuple[int, int], spec: PixelSpec
) -> npt.NDArray[np.uint8]:
    """Pixels for a model, uint8 [size, size, 3].

    image: L or RGB, upright, whole or reduced from full_size (width, height). The geometry is
    that of open_clip 3.3 (torchvision Resize + CenterCrop; ResizeKeepRatio + CenterCropOrPad) on
    the full image; filters are Pillow's, with antialias.
    """
    if spec.crop == "pad":
        out = _padded(image, full_size, spec)
    else:
        side = (spec.size, spec.size)
        out = image.resize(side, _FILTERS[spec.interpolation], box=_box(image, full_size, spec))
    return np.array(out if out.mode == "RGB" else out.convert("RGB"))


def _box(
    image: Image.Image, full_size: tuple[int, int], spec: PixelSpec
) -> tuple[float, float, float, float]:
    """What of the image the output shows, in pixels of the image."""
    if spec.crop == "squash":
        return (0, 0, image.width, image.height)
    short, size = min(full_size), spec.size
    edges = []
    for full, have in zip(full_size, image.size, strict=True):
        scaled = size if full == short else int(size * full / short)
        first = round((scaled - size) / 2)
        edges.append((first / scaled * have, min(float(have), (first + size) / scaled * have)))
    (left, right), (top, bottom) = edges
    return (left, top, right, bottom)


def _padded(image: Image.Image, full_size: tuple[int, int], spec: PixelSpec) -> Image.Image:
    ratio = max(full_size) / spec.size
    width, height = (min(spec.size, max(1, round(side / ratio))) for side in full_size)
    out = Image.new("RGB", (spec.size, spec.size), (spec.fill,) * 3)
    scaled = image.resize((width, height), _FILTERS[spec.interpolation])
    out.paste(scaled, ((spec.size - width) // 2, (spec.size - height) // 2))
    return out
