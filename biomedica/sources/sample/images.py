"""Pictures of several panels and their encoding into files."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from . import drawings, microscopy, plots, radiology
from .canvas import INK, Rng, text_at

__all__ = ["EXTENSIONS", "KINDS", "Panel", "Picture", "picture_class", "render"]

_Draw = Callable[[Rng, tuple[int, int], str, tuple[str, ...]], Image.Image]

KINDS: dict[str, _Draw] = {
    "histology": microscopy.histology,
    "immunohistochemistry": microscopy.immunohistochemistry,
    "fluorescence": microscopy.fluorescence,
    "electron_micrograph": microscopy.electron_micrograph,
    "radiograph": radiology.radiograph,
    "ct": radiology.ct,
    "gel": radiology.gel,
    "line_plot": plots.line_plot,
    "bar_plot": plots.bar_plot,
    "scatter_plot": plots.scatter_plot,
    "heatmap": plots.heatmap,
    "flow_diagram": drawings.flow_diagram,
    "chemical_structure": drawings.chemical_structure,
    "map": drawings.map_drawing,
    "table": drawings.table,
    "formula": drawings.formula,
    "portrait": drawings.portrait,
}
"""What a panel can show; the key is the `class` of the truth."""

EXTENSIONS = {"jpeg": ".jpg", "png": ".png", "webp": ".webp", "tiff": ".tif", "gif": ".gif"}


@dataclass(frozen=True, slots=True)
class Panel:
    """One drawing. `words` appear in it and in its caption; `seed` fixes everything else."""

    kind: str
    variant: str
    words: tuple[str, ...]
    seed: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image file to be: panels drawn on `canvas` (width, height), scaled to width x height.

    `mode` is Pillow's mode of the file as it will be read.
    """

    panels: tuple[Panel, ...]
    canvas: tuple[int, int]
    width: int
    height: int
    format: str
    mode: str
    letters: str = "ABCDEFGH"


def picture_class(picture: Picture) -> str:
    """The kind of its panels, or `compound` where they differ."""
    kinds = {panel.kind for panel in picture.panels}
    return kinds.pop() if len(kinds) == 1 else "compound"


def _grid(count: int) -> tuple[int, int]:
    columns = 1 if count == 1 else 3 if count in (3, 5, 6) else 2
    return columns, -(-count // columns)


@lru_cache(maxsize=4)
def _drawn(panels: tuple[Panel, ...], canvas: tuple[int, int], letters: str) -> Image.Image:
    """The panels on a white sheet, lettered when there are several. Cached for twins."""
    columns, rows = _grid(len(panels))
    if len(panels) == 1:
        return _panel(panels[0], canvas)
    sheet = Image.new("RGB", canvas, (255, 255, 255))
    draw = ImageDraw.Draw(sheet)
    wide, high = canvas[0] // columns, canvas[1] // rows
    gutter = max(22, canvas[0] // 45)
    for at, panel in enumerate(panels):
        x, y = (at % columns) * wide, (at // columns) * high
        drawn = _panel(panel, (wide - gutter - 6, high - gutter - 6))
        sheet.paste(drawn.convert("RGB"), (x + gutter, y + gutter))
        text_at(draw, (x + 5, y + 4), letters[at], gutter, INK, "lt")
    return sheet


def _panel(panel: Panel, size: tuple[int, int]) -> Image.Image:
    rng = np.random.default_rng(panel.seed)
    return KINDS[panel.kind](rng, size, panel.variant, panel.words)


def render(picture: Picture) -> bytes:
    """The bytes of the image file."""
    image = _drawn(picture.panels, picture.canvas, picture.letters)
    if image.size != (picture.width, picture.height):
        image = image.resize(
            (picture.width, picture.height), Image.Resampling.BILINEAR, reducing_gap=2.0
        )
    if picture.mode == "P":
        image = image.convert("RGB").quantize(48, Image.Quantize.FASTOCTREE)
    elif picture.mode == "RGBA":
        image = image.convert("RGB")
        image.putalpha(_rounded_mask(image.size))
    else:
        image = image.convert(picture.mode)
    options: dict[str, dict[str, Any]] = {
        "jpeg": {"quality": 84},
        "png": {"compress_level": 1},
        "webp": {"quality": 78, "method": 0},
        "tiff": {"compression": "tiff_lzw"},
        "gif": {},
    }
    out = io.BytesIO()
    image.save(out, picture.format, **options[picture.format])
    return out.getvalue()


def _rounded_mask(size: tuple[int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), 18, fill=255)
    return mask
