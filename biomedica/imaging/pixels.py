"""Any Pillow image → 8 bits on white, made smaller, cut for a model.

torch scales for models, and is imported when pixels for a model are asked for: whoever wants them has
a model. Its antialiased filters of 8 bits are Pillow's, within one level of 255 (0.003 on average), and
take a third of the time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from biomedica.imaging.colour import Colours, colours
from biomedica.schema import PixelSpec

__all__ = ["BASE", "dct_scale", "eight_bit", "model_array", "on_white", "reduction"]

BASE = 224
"""The side that JPEG is read for when hash and measures are taken; models up to it share the image."""

LONG = 3
"""Sides further apart than this times go through Pillow, which scales nothing but what is shown."""

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_PLAIN_MODES = ("1", "L", "RGB", "P")


def dct_scale(short_side: int, size: int) -> int:
    """The greatest of 1, 2, 4, 8 by which a JPEG's short side, divided, keeps 2 x size pixels.

    libjpeg could give three eighths too: as fast, and 2 dB worse on line art.
    """
    return next((scale for scale in (8, 4, 2) if short_side // scale >= 2 * size), 1)


def reduction(short_side: int, size: int) -> int:
    """The greatest box by which a short side, divided, keeps 3 x size pixels; at least 1."""
    return max(1, short_side // (3 * size))


def on_white(image: Image.Image, profile: bytes) -> tuple[Image.Image, Colours]:
    """The image of 8 bits, and how its colours become sRGB, which is left for when it is smaller.

    L or RGB (`eight_bit`); CMYK where a profile applies to it.
    """
    if image.mode == "CMYK":
        found = colours(profile, "CMYK")
        return (image, found) if found.applies else (eight_bit(image), found)
    out = eight_bit(image)
    return out, colours(profile, out.mode)


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
    image: Image.Image, full_size: tuple[int, int], spec: PixelSpec, found: Colours
) -> npt.NDArray[np.uint8]:
    """Pixels for a model, uint8 [size, size, 3].

    image: L, RGB or CMYK, upright, whole or reduced from full_size (width, height); found: how its
    colours become sRGB. The geometry is that of open_clip 3.3 (torchvision Resize + CenterCrop;
    ResizeKeepRatio + CenterCropOrPad) on the full image; filters have antialias.
    """
    if spec.crop == "pad":
        ratio = max(full_size) / spec.size
        width, height = (min(spec.size, max(1, round(side / ratio))) for side in full_size)
        shown = _resized(image, (width, height), spec)
    elif spec.crop == "squash":
        shown = _resized(image, (spec.size, spec.size), spec)
    else:
        shown = _centre(image, full_size, spec)
    if found.applies:
        shown = found.applied(shown)
    shown = shown if shown.mode == "RGB" else shown.convert("RGB")
    if shown.size != (spec.size, spec.size):
        out = Image.new("RGB", (spec.size, spec.size), (spec.fill,) * 3)
        out.paste(shown, ((spec.size - shown.width) // 2, (spec.size - shown.height) // 2))
        shown = out
    return np.array(shown)


def _centre(image: Image.Image, full_size: tuple[int, int], spec: PixelSpec) -> Image.Image:
    short, size = min(full_size), spec.size
    width, height = (size if side == short else int(size * side / short) for side in full_size)
    left, top = round((width - size) / 2), round((height - size) / 2)
    if max(width, height) <= LONG * size:
        return _resized(image, (width, height), spec).crop((left, top, left + size, top + size))
    across, down = image.width / width, image.height / height
    right, bottom = (left + size) * across, (top + size) * down
    box = (left * across, top * down, min(right, image.width), min(bottom, image.height))
    return image.resize((size, size), _FILTERS[spec.interpolation], box)


def _resized(image: Image.Image, size: tuple[int, int], spec: PixelSpec) -> Image.Image:
    if image.size == size:
        return image
    if image.mode == "L":
        return _grey_resized(image, size, spec)
    scaled = _scaled(_tensor(image), size, spec)
    bands = 4 if image.mode == "CMYK" else 3
    pixels = scaled[0, :bands].permute(1, 2, 0).contiguous().numpy()
    return Image.frombytes("CMYK" if bands == 4 else "RGB", size, pixels.tobytes())


def _grey_resized(image: Image.Image, size: tuple[int, int], spec: PixelSpec) -> Image.Image:
    """What scaling as RGB gives, to the bit, in a third of its time.

    torch is fast at four interleaved bands, and scales rows before columns. So four stripes of rows go
    as the bands of one image where rows are scaled, and four columns side by side where columns are.
    """
    import torch

    (width, height), stripe = size, -(-image.height // 4)
    stripes = [image.crop((0, i * stripe, image.width, (i + 1) * stripe)) for i in range(4)]
    scaled_rows = _scaled(_tensor(Image.merge("RGBA", stripes)), (width, stripe), spec)
    four_wide = -(-width // 4)
    rows = torch.zeros((4, stripe, 4 * four_wide), dtype=torch.uint8)
    rows[:, :, :width] = scaled_rows[0]
    columns = rows.reshape(1, -1, four_wide, 4)[:, : image.height].permute(0, 3, 1, 2)
    scaled = _scaled(columns, (four_wide, height), spec)
    return Image.fromarray(scaled.permute(0, 2, 3, 1).reshape(height, -1)[:, :width].numpy())


def _scaled(pixels: Any, size: tuple[int, int], spec: PixelSpec) -> Any:
    """uint8 [1, bands, height, width] scaled to size (width, height)."""
    import torch

    return torch.nn.functional.interpolate(
        pixels, size=size[::-1], mode=spec.interpolation, antialias=True
    )


def _tensor(image: Image.Image) -> Any:
    """An RGB, RGBA or CMYK image as torch's uint8 [1, 3 or 4, height, width].

    Without a copy where Pillow holds it in one piece, four bytes a pixel: up to 16 MiB.
    """
    import pyarrow as pa
    import torch

    try:
        held = torch.from_dlpack(pa.array(image).values)
    except ValueError:
        held = torch.from_numpy(np.array(image))
    return held.reshape(1, image.height, image.width, -1).permute(0, 3, 1, 2)
