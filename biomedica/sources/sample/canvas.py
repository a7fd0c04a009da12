"""What the drawings share: random choice, fonts, smooth noise and the colours of plots."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = [
    "INK",
    "PALETTES",
    "Rng",
    "between",
    "drawable",
    "font",
    "noise",
    "pick",
    "some",
    "text_at",
    "to_image",
]

Rng = np.random.Generator
_T = TypeVar("_T")

INK = (32, 32, 36)
PALETTES = (
    ((31, 119, 180), (214, 39, 40), (44, 160, 44), (255, 127, 14), (148, 103, 189)),
    ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233)),
    ((60, 60, 60), (150, 150, 150), (200, 60, 50), (90, 120, 170), (210, 170, 90)),
    ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (240, 200, 40)),
)


def pick(rng: Rng, items: Sequence[_T]) -> _T:
    """One item, each as likely as the others."""
    return items[int(rng.integers(len(items)))]


def some(rng: Rng, items: Sequence[_T], count: int) -> list[_T]:
    """`count` different items (all when there are fewer), in random order."""
    return [items[int(at)] for at in rng.permutation(len(items))[:count]]


def between(rng: Rng, low: float, high: float) -> float:
    """A uniform number."""
    return float(rng.uniform(low, high))


@cache
def font(size: int) -> Any:
    """Pillow's built-in font, so that a drawing is the same on every machine."""
    return ImageFont.load_default(max(8, size))


@cache
def drawable(text: str) -> str:
    """The text in the letters that the built-in font has."""
    plain = unicodedata.normalize("NFKD", text.replace("µ", "u").replace("–", "-"))
    return plain.encode("ascii", "ignore").decode()


def text_at(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    size: int,
    fill: Any = INK,
    anchor: str = "mm",
) -> None:
    """Text by its anchor, size in pixels."""
    draw.text(place, drawable(text), fill=fill, font=font(size), anchor=anchor)


def noise(rng: Rng, side: int, octaves: Sequence[int]) -> NDArray[np.float32]:
    """Smooth noise of side x side in 0…1; each octave is the number of cells along a side."""
    total = np.zeros((side, side), np.float32)
    for step, cells in enumerate(octaves):
        grid = rng.random((cells, cells), dtype=np.float32)
        layer = Image.fromarray(grid).resize((side, side), Image.Resampling.BICUBIC)
        total += np.asarray(layer) * (0.6**step)
    total -= total.min()
    return total / max(float(total.max()), 1e-6)


def to_image(values: NDArray[Any]) -> Image.Image:
    """Floats in 0…255, height x width or height x width x 3, as an image."""
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
