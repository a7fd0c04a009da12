"""Microscope-like pictures: stained tissue, fluorescence, electron micrographs.

A few large fields are drawn once a process; a picture is a window of one, mirrored and with its
own brightness. So each picture is new and costs a crop.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from .canvas import Rng, between, noise, pick, text_at, to_image

__all__ = ["electron_micrograph", "fluorescence", "histology", "immunohistochemistry"]

_SIDE = 1100
_FIELDS = 4


def _nuclei(rng: Rng, draw: ImageDraw.ImageDraw, count: int, colours: NDArray[np.int64]) -> None:
    places = rng.random((count, 2)) * _SIDE
    sizes = rng.uniform(4, 9, (count, 2))
    for at, ((x, y), (a, b)) in enumerate(zip(places, sizes, strict=True)):
        fill = tuple(int(value) for value in colours[at % len(colours)])
        draw.ellipse((x - a, y - b, x + a, y + b), fill=fill)


def _glands(rng: Rng, draw: ImageDraw.ImageDraw, nucleus: tuple[int, int, int]) -> None:
    """Rings of nuclei around a pale lumen: what makes tissue look like tissue."""
    for _ in range(16):
        cx, cy = rng.random(2) * _SIDE
        rx, ry = rng.uniform(35, 85, 2)
        steps = int(rx * 0.5)
        turn = np.linspace(0, 2 * np.pi, steps, endpoint=False)
        wobble = 1 + 0.12 * np.sin(turn * int(rng.integers(3, 6)) + rng.random() * 6)
        xs, ys = cx + rx * wobble * np.cos(turn), cy + ry * wobble * np.sin(turn)
        outer = [(cx + 1.25 * (x - cx), cy + 1.25 * (y - cy)) for x, y in zip(xs, ys, strict=True)]
        inner = [(cx + 0.55 * (x - cx), cy + 0.55 * (y - cy)) for x, y in zip(xs, ys, strict=True)]
        draw.polygon(outer, fill=(214, 140, 182))
        draw.polygon(inner, fill=(247, 240, 246))
        for x, y in zip(xs, ys, strict=True):
            size = rng.uniform(5, 8)
            draw.ellipse((x - size, y - size * 1.2, x + size, y + size * 1.2), fill=nucleus)


@cache
def _stained(kind: str, field: int) -> Image.Image:
    rng = np.random.default_rng([11 if kind == "histology" else 12, field])
    fibres = noise(rng, _SIDE, (7, 18, 60, 200))[..., None]
    if kind == "histology":
        pale, deep, nucleus = (244, 205, 224), (205, 110, 165), (88, 48, 130)
    else:
        pale, deep, nucleus = (238, 233, 228), (196, 186, 196), (92, 104, 168)
    ground = np.array(pale) * (1 - fibres) + np.array(deep) * fibres
    tissue = to_image(ground)
    draw = ImageDraw.Draw(tissue)
    if kind == "histology":
        _glands(rng, draw, nucleus)
    colours = np.array(nucleus) + rng.integers(-18, 19, (40, 3))
    _nuclei(rng, draw, 1500 if field % 2 else 2600, np.clip(colours, 0, 255))
    if kind != "histology":
        brown = np.array((126, 74, 34)) + rng.integers(-22, 23, (40, 3))
        _nuclei(rng, draw, 900 + 500 * field, np.clip(brown, 0, 255))
    grain = rng.normal(0, 5, (_SIDE, _SIDE, 1))
    return to_image(np.asarray(tissue.filter(ImageFilter.GaussianBlur(1.1)), np.float32) + grain)


@cache
def _cells(field: int) -> NDArray[np.uint8]:
    """Fluorescent cells: channels blue (nuclei), green (cytoplasm), red (spots), 0…255."""
    rng = np.random.default_rng([13, field])
    planes = [Image.new("L", (_SIDE, _SIDE)) for _ in range(3)]
    blue, green, red = (ImageDraw.Draw(plane) for plane in planes)
    for _ in range(60 + 35 * field):
        x, y = rng.random(2) * _SIDE
        size = rng.uniform(26, 44)
        turn = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        reach = size * rng.uniform(1.1, 2.3, 14)
        body = list(zip(x + reach * np.cos(turn), y + reach * np.sin(turn), strict=True))
        green.polygon(body, fill=int(rng.integers(60, 170)))
        blue.ellipse((x - size * 0.7, y - size * 0.6, x + size * 0.7, y + size * 0.6), fill=210)
        for dx, dy in rng.normal(0, size * 0.8, (18, 2)):
            red.ellipse((x + dx - 3, y + dy - 3, x + dx + 3, y + dy + 3), fill=230)
    blur = (3.0, 5.0, 1.5)
    soft = [
        np.asarray(plane.filter(ImageFilter.GaussianBlur(radius)), np.float32)
        for plane, radius in zip(planes, blur, strict=True)
    ]
    soft[1] *= 0.5 + noise(rng, _SIDE, (40, 150))
    grain = rng.exponential(5, (_SIDE, _SIDE)).astype(np.float32)
    stacked = np.stack([plane + grain for plane in soft], axis=-1)
    return np.clip(stacked, 0, 255).astype(np.uint8)


def _organelle(rng: Rng, draw: ImageDraw.ImageDraw) -> None:
    x, y = rng.random(2) * _SIDE
    a, b = rng.uniform(30, 110), rng.uniform(25, 60)
    tone = int(rng.integers(95, 165))
    draw.ellipse((x - a, y - b, x + a, y + b), fill=tone, outline=28, width=5)
    draw.ellipse((x - a + 9, y - b + 9, x + a - 9, y + b - 9), outline=45, width=3)
    for step in np.arange(-a * 0.7, a * 0.7, 13):
        height = b * 0.75 * float(np.sqrt(max(0.0, 1 - (step / a) ** 2)))
        draw.line((x + step, y - height, x + step + 6, y + height * 0.5), fill=50, width=3)


@cache
def _ultrastructure(field: int) -> Image.Image:
    rng = np.random.default_rng([14, field])
    cytoplasm = to_image(120 + 90 * noise(rng, _SIDE, (6, 25, 120, 300)))
    draw = ImageDraw.Draw(cytoplasm)
    for _ in range(24 + 8 * field):
        _organelle(rng, draw)
    for x, y, size in zip(*(rng.random((2, 130)) * _SIDE), rng.uniform(6, 14, 130), strict=True):
        draw.ellipse((x - size, y - size, x + size, y + size), fill=190, outline=60, width=2)
    grain = rng.normal(0, 13, (_SIDE, _SIDE))
    return to_image(np.asarray(cytoplasm.filter(ImageFilter.GaussianBlur(1.2)), np.float32) + grain)


def _window(rng: Rng, field: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A mirrored window at 0.6-1 of the picture's scale, stretched to size."""
    zoom = between(rng, 0.6, 1.0)
    width, height = (min(_SIDE, int(side * zoom)) for side in size)
    left, top = int(rng.integers(_SIDE - width + 1)), int(rng.integers(_SIDE - height + 1))
    resized = field.resize(size, Image.Resampling.BILINEAR, (left, top, left + width, top + height))
    turn = int(rng.integers(4))
    if turn & 1:
        resized = resized.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if turn & 2:
        resized = resized.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    gain, offset = between(rng, 0.88, 1.08), between(rng, -8, 8)
    table = [max(0, min(255, int(level * gain + offset))) for level in range(256)]
    return resized.point(table * len(resized.getbands()))


def _scale_bar(picture: Image.Image, colour: object, text: str) -> Image.Image:
    width, height = picture.size
    draw = ImageDraw.Draw(picture)
    long, low = width // 6, height - max(10, height // 20)
    draw.rectangle((width - long - 14, low, width - 14, low + max(3, height // 90)), fill=colour)
    text_at(draw, (width - 14 - long / 2, low - 10), text, max(10, height // 30), colour)
    return picture


def histology(rng: Rng, size: tuple[int, int], _variant: str, words: tuple[str, ...]) -> Image.Image:
    """Haematoxylin-eosin-like tissue. words: (scale bar text,)."""
    window = _window(rng, _stained("histology", int(rng.integers(_FIELDS))), size)
    return _scale_bar(window, (20, 20, 20), words[0])


def immunohistochemistry(
    rng: Rng, size: tuple[int, int], _variant: str, words: tuple[str, ...]
) -> Image.Image:
    """Brown chromogen on a pale blue counterstain. words: (scale bar text,)."""
    window = _window(rng, _stained("brown", int(rng.integers(_FIELDS))), size)
    return _scale_bar(window, (20, 20, 20), words[0])


_CHANNELS = {
    "merge": ((0, 0, 1), (0, 1, 0), (1, 0.1, 0.1)),
    "nuclei": ((0.15, 0.3, 1), (0, 0, 0), (0, 0, 0)),
    "cytoplasm": ((0, 0, 0), (0.05, 1, 0.2), (0, 0, 0)),
    "spots": ((0, 0, 0.7), (0, 0, 0), (1, 0.2, 0.1)),
}


@cache
def _tinted(field: int, variant: str) -> Image.Image:
    mix = np.array(_CHANNELS[variant], np.float32)
    return to_image(_cells(field).astype(np.float32) @ mix)


def fluorescence(rng: Rng, size: tuple[int, int], variant: str, words: tuple[str, ...]) -> Image.Image:
    """Bright cells on black; variant: merge, nuclei, cytoplasm, spots. words: (scale bar text,)."""
    window = _window(rng, _tinted(int(rng.integers(_FIELDS)), variant or "merge"), size)
    return _scale_bar(window, (255, 255, 255), words[0])


def electron_micrograph(
    rng: Rng, size: tuple[int, int], _variant: str, words: tuple[str, ...]
) -> Image.Image:
    """Grey ultrastructure with membranes. words: (scale bar text,)."""
    window = _window(rng, _ultrastructure(int(rng.integers(_FIELDS))), size)
    return _scale_bar(window, pick(rng, (10, 250)), words[0])
