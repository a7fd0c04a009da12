"""Quality measures and the perceptual hash of a small upright image.

Sums are taken over integers, so that every machine gets the same values.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

__all__ = ["Measures", "measure"]


@dataclass(frozen=True, slots=True)
class Measures:
    """Names, units and ranges are those of `schema.PAIRS`."""

    phash: str
    luminance_mean: float
    luminance_std: float
    white_fraction: float
    colorfulness: float
    edge_density: float


def measure(small: Image.Image) -> Measures:
    """Hashes and measures an image of mode L or RGB.

    Luminance is Pillow's L (ITU-R 601-2) over 255; white is L ≥ 240; the gradient is the central
    difference of luminance (numpy.gradient) and counts as an edge above 0.1; colourfulness is that
    of Hasler and Süsstrunk (2003) over 255.
    """
    grey = small if small.mode == "L" else small.convert("L")
    luminance = np.asarray(grey).astype(np.int32)
    count = luminance.size
    total, squares = int(luminance.sum(dtype=np.int64)), int((luminance**2).sum(dtype=np.int64))
    return Measures(
        phash=str(imagehash.phash(grey)),
        luminance_mean=total / count / 255,
        luminance_std=math.sqrt(squares * count - total * total) / count / 255,
        white_fraction=int((luminance >= 240).sum()) / count,
        colorfulness=0.0 if small.mode == "L" else _colorfulness(np.asarray(small)),
        edge_density=_edge_density(luminance),
    )


def _colorfulness(pixels: npt.NDArray[np.uint8]) -> float:
    red, green, blue = (pixels[..., i].astype(np.int32) for i in range(3))
    count = red.size
    spread = centre = 0.0
    for opponent, unit in ((red - green, 1), (red + green - 2 * blue, 2)):
        total = int(opponent.sum(dtype=np.int64))
        squares = int((opponent**2).sum(dtype=np.int64))
        spread += (squares * count - total * total) / (count * unit) ** 2
        centre += (total / (count * unit)) ** 2
    return (math.sqrt(spread) + 0.3 * math.sqrt(centre)) / 255


def _edge_density(luminance: npt.NDArray[np.int32]) -> float:
    """Twice the gradient is held as integers: inner pixels two apart, border pixels one apart."""
    steep = np.zeros(luminance.shape, np.int32)
    for axis in (0, 1):
        if luminance.shape[axis] < 2:
            continue
        values = np.moveaxis(luminance, axis, 0)
        twice = np.empty_like(values)
        twice[1:-1] = values[2:] - values[:-2]
        twice[0] = 2 * (values[1] - values[0])
        twice[-1] = 2 * (values[-1] - values[-2])
        steep += np.moveaxis(twice * twice, 0, axis)
    return int((steep > (2 * 25.5) ** 2).sum()) / luminance.size
