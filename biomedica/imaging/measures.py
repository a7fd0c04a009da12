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


EDGE = (2 * 25.5) ** 2
"""Of twice the gradient, squared: a step of 0.1 of luminance from one pixel to the next."""
WHITE = 240
FLAT = 0.01
CHROMA = 16
GREY_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class Measures:
    """Names, units and ranges are those of `schema.PAIRS`."""

    phash: str
    luminance_mean: float
    luminance_std: float
    white_fraction: float
    colorfulness: float
    is_greyscale: bool
    edge_density: float
    is_blank: bool


def measure(small: Image.Image) -> Measures:
    """Hashes and measures an image of mode L or RGB.

    luminance: Pillow's L (ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B) over 255; luminance_mean 0-1,
    luminance_std (of all pixels) 0-0.5. white_fraction, 0-1: share of pixels with L >= 240.
    colorfulness, 0-1.4: Hasler and Süsstrunk (2003), equation 15, over 255; 0 for mode L.
    is_greyscale: in no more than 0.1 % of pixels do R, G and B lie more than 16 of 255 apart, so that
    the chroma noise of a JPEG does not make a grey picture coloured, and a small coloured arrow does.
    edge_density, 0-1: share of pixels where the gradient of luminance (numpy.gradient: central
    differences) is longer than 0.1. is_blank: the standard deviations of luminance and of both
    opponent colours (red - green, yellow - blue, over 255) are below 0.01, 2.55 levels.
    """
    grey = small if small.mode == "L" else small.convert("L")
    counts, levels = np.array(grey.histogram(), np.int64), np.arange(256)
    count, total = grey.width * grey.height, int(counts @ levels)
    luminance_std = math.sqrt(int(counts @ levels**2) * count - total * total) / count / 255
    spread, centre, is_greyscale = 0.0, 0.0, True
    if small.mode == "RGB":
        bands = np.ascontiguousarray(np.asarray(small).reshape(-1, 3).T)
        spread, centre = _opponents(bands)
        is_greyscale = _is_grey(bands)
    return Measures(
        phash=np.packbits(imagehash.phash(grey).hash).tobytes().hex(),
        luminance_mean=total / count / 255,
        luminance_std=luminance_std,
        white_fraction=int(counts[WHITE:].sum()) / count,
        colorfulness=spread + 0.3 * centre,
        is_greyscale=is_greyscale,
        edge_density=_edge_density(np.asarray(grey)),
        is_blank=luminance_std < FLAT and spread < FLAT,
    )


def _opponents(bands: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """How far the opponent colours spread and where their centre lies, over 255."""
    red, green, blue = bands.astype(np.int16)
    count, spread, centre = len(red), 0.0, 0.0
    for values, unit in ((red - green, 1), (red + green - 2 * blue, 2)):
        total = int(values.sum(dtype=np.int64))
        squares = int(np.square(values, dtype=np.int32).sum(dtype=np.int64))
        spread += (squares * count - total * total) / (count * unit) ** 2
        centre += (total / (count * unit)) ** 2
    return math.sqrt(spread) / 255, math.sqrt(centre) / 255


def _is_grey(bands: npt.NDArray[np.uint8]) -> bool:
    red, green, blue = bands
    highest = np.maximum(np.maximum(red, green), blue)
    lowest = np.minimum(np.minimum(red, green), blue)
    return bool((highest - lowest > CHROMA).sum() <= GREY_SHARE * len(red))


def _edge_density(grey: npt.NDArray[np.uint8]) -> float:
    """Twice the gradient is held as whole numbers: inner pixels two apart, border pixels one apart."""
    luminance = grey.astype(np.float32)
    steep, twice = np.zeros_like(luminance), np.empty_like(luminance)
    if len(luminance) > 1:
        np.subtract(luminance[2:], luminance[:-2], out=steep[1:-1])
        steep[0] = 2 * (luminance[1] - luminance[0])
        steep[-1] = 2 * (luminance[-1] - luminance[-2])
        np.square(steep, out=steep)
    if luminance.shape[1] > 1:
        np.subtract(luminance[:, 2:], luminance[:, :-2], out=twice[:, 1:-1])
        twice[:, 0] = 2 * (luminance[:, 1] - luminance[:, 0])
        twice[:, -1] = 2 * (luminance[:, -1] - luminance[:, -2])
        steep += np.square(twice, out=twice)
    return int(np.count_nonzero(steep > EDGE)) / grey.size
