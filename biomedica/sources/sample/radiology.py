"""Radiology-like and gel-like pictures: few soft shapes, drawn small and scaled up."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .canvas import INK, Rng, between, pick, text_at, to_image

__all__ = ["ct", "gel", "radiograph"]

_SIDE = 360


@cache
def _grain() -> NDArray[np.float32]:
    return np.random.default_rng(21).normal(0, 1, (1700, 1700)).astype(np.float32)


def _finish(rng: Rng, small: Image.Image, size: tuple[int, int], level: float) -> Image.Image:
    """Scale up and add film grain of the given standard deviation."""
    large = np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.float32)
    top, left = rng.integers(0, 100, 2)
    return to_image(large + level * _grain()[top : top + size[1], left : left + size[0]])


def _add(base: Image.Image, layer: Image.Image, blur: float, amount: float) -> Image.Image:
    soft = layer.filter(ImageFilter.GaussianBlur(blur)).point([int(v * amount) for v in range(256)])
    return ImageChops.add(base, soft)


def _chest(rng: Rng) -> Image.Image:
    body = Image.new("L", (_SIDE, _SIDE), 12)
    draw = ImageDraw.Draw(body)
    draw.rounded_rectangle((22, 60, 338, 420), 90, fill=118)
    draw.polygon([(120, 70), (240, 70), (215, 0), (145, 0)], fill=118)
    tilt = between(rng, -8, 8)
    draw.ellipse((62, 72 + tilt, 166, 300 + tilt), fill=34)
    draw.ellipse((194, 72 - tilt, 298, 300 - tilt), fill=34)
    heart = between(rng, 0.9, 1.25)
    draw.ellipse((150, 180, 150 + 100 * heart, 300), fill=150)
    body = body.filter(ImageFilter.GaussianBlur(7))
    ribs = Image.new("L", (_SIDE, _SIDE))
    pen = ImageDraw.Draw(ribs)
    for step in range(8):
        top = 66 + step * 27 + tilt / 2
        pen.arc((44, top, 186, top + 110), 185, 340, fill=150, width=8)
        pen.arc((174, top, 316, top + 110), 200, 355, fill=150, width=8)
    pen.line((175, 62, 66, 84), fill=180, width=10)
    pen.line((185, 62, 294, 84), fill=180, width=10)
    pen.rectangle((170, 0, 190, 360), fill=110)
    return _add(body, ribs, 2.2, 0.42)


def _limb(rng: Rng) -> Image.Image:
    flesh = Image.new("L", (_SIDE, _SIDE), 8)
    draw = ImageDraw.Draw(flesh)
    lean = between(rng, -25, 25)
    draw.polygon(
        [(100 + lean, 0), (260 + lean, 0), (250, 180), (265, 360), (95, 360), (110, 180)], fill=62
    )
    flesh = flesh.filter(ImageFilter.GaussianBlur(9))
    bones = Image.new("L", (_SIDE, _SIDE))
    pen = ImageDraw.Draw(bones)
    joint = between(rng, 165, 195)
    pen.polygon([(152 + lean, 0), (208 + lean, 0), (206, joint - 60), (154, joint - 60)], fill=150)
    pen.ellipse((128, joint - 80, 184, joint - 4), fill=165)
    pen.ellipse((178, joint - 80, 234, joint - 4), fill=165)
    pen.polygon([(126, joint + 5), (236, joint + 5), (208, joint + 70), (156, joint + 70)], fill=165)
    pen.polygon([(158, joint + 60), (206, joint + 60), (200, 360), (166, 360)], fill=150)
    pen.line((176 + lean, 0, 178, joint - 60), fill=95, width=20)
    pen.line((182, joint + 80, 183, 360), fill=95, width=18)
    pen.line((222, joint + 40, 214, 360), fill=140, width=13)
    return _add(flesh, bones, 1.8, 1.0)


def radiograph(rng: Rng, size: tuple[int, int], variant: str, words: tuple[str, ...]) -> Image.Image:
    """A plain film; variant: chest or knee. words: (side marker,)."""
    small = _chest(rng) if variant == "chest" else _limb(rng)
    film = _finish(rng, small, size, 4)
    mark = (size[0] * 0.08, size[1] * 0.08)
    text_at(ImageDraw.Draw(film), mark, words[0], size[1] // 16, 245)
    return film


def _abdomen(rng: Rng, draw: ImageDraw.ImageDraw) -> None:
    wide = between(rng, 148, 165)
    draw.ellipse((180 - wide, 55, 180 + wide, 315), fill=70)
    draw.ellipse((192 - wide, 68, 168 + wide, 303), fill=112)
    draw.ellipse((40, 85, 190, 235), fill=148)
    draw.ellipse((232, 130, 305, 215), fill=140)
    draw.ellipse((200, 85, 270, 140), fill=40)
    draw.ellipse((95, 215, 140, 270), fill=165)
    draw.ellipse((225, 215, 270, 270), fill=165)


def _thorax(rng: Rng, draw: ImageDraw.ImageDraw) -> None:
    wide = between(rng, 148, 165)
    draw.ellipse((180 - wide, 60, 180 + wide, 310), fill=75)
    draw.ellipse((190 - wide, 70, 170 + wide, 300), fill=120)
    draw.ellipse((48, 85, 162, 285), fill=18)
    draw.ellipse((198, 85, 312, 285), fill=18)
    draw.ellipse((140, 110, 245, 215), fill=150)
    for _ in range(40):
        x, y = int(rng.choice((105, 255))) + rng.normal(0, 22), 185 + rng.normal(0, 42)
        draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill=95)


def ct(rng: Rng, size: tuple[int, int], variant: str, words: tuple[str, ...]) -> Image.Image:
    """An axial slice; variant: abdomen or thorax. An arrow marks the lesion. words: (corner text,)."""
    small = Image.new("L", (_SIDE, _SIDE), 4)
    draw = ImageDraw.Draw(small)
    (_thorax if variant == "thorax" else _abdomen)(rng, draw)
    draw.ellipse((158, 228, 202, 268), fill=235)
    draw.ellipse((170, 262, 190, 280), fill=30)
    draw.polygon([(172, 285), (188, 285), (180, 306)], fill=225)
    for turn in np.linspace(0.3, 2 * np.pi + 0.3, 14, endpoint=False):
        x, y = 180 + 146 * np.cos(turn), 185 + 112 * np.sin(turn)
        draw.ellipse((x - 7, y - 4, x + 7, y + 4), fill=225)
    lesion = (between(rng, 75, 130), between(rng, 120, 200), between(rng, 9, 20))
    x, y, r = lesion
    draw.ellipse((x - r, y - r, x + r, y + r), fill=190 if variant == "thorax" else 85)
    scan = _finish(rng, small.filter(ImageFilter.GaussianBlur(1.6)), size, 6)
    pen, (sx, sy) = ImageDraw.Draw(scan), (size[0] / _SIDE, size[1] / _SIDE)
    tip, tail = ((x + r + 3) * sx, (y - r) * sy), ((x + r + 38) * sx, (y - r - 38) * sy)
    pen.line((tip, tail), fill=255, width=max(2, size[0] // 180))
    pen.polygon(
        [tip, (tip[0] + 12 * sx, tip[1] - 3 * sy), (tip[0] + 3 * sx, tip[1] - 12 * sy)], fill=255
    )
    text_at(pen, (size[0] * 0.03, size[1] * 0.04), words[0], size[1] // 26, 220, "lt")
    return scan


def _bands(rng: Rng, pen: ImageDraw.ImageDraw, rows: int, lanes: int, left: int, top: int) -> None:
    pitch = (_SIDE - left - 12) / lanes
    for row in range(rows):
        y = top + row * (_SIDE - top) / rows + 16
        trend = between(rng, -0.9, 0.9) if row < rows - 1 else 0.0
        for lane in range(lanes):
            strength = (
                0.55 + 0.4 * trend * (2 * lane / max(1, lanes - 1) - 1) + between(rng, -0.08, 0.08)
            )
            tone = int(235 * max(0.06, min(1.0, strength)))
            x, high = left + lane * pitch, between(rng, 8, 13)
            pen.rounded_rectangle((x + 5, y, x + pitch - 5, y + high), 6, fill=tone)


def _agarose(rng: Rng, pen: ImageDraw.ImageDraw, lanes: int, left: int) -> None:
    pitch = (_SIDE - left - 12) / lanes
    for step in range(11):
        y = 45 + step * 27 - step * step * 0.6
        pen.rectangle((left + 4, y, left + pitch - 6, y + 4), fill=190)
    for lane in range(1, lanes):
        x = left + lane * pitch
        for _ in range(int(rng.integers(1, 3))):
            y = between(rng, 70, 300)
            pen.rounded_rectangle((x + 4, y, x + pitch - 6, y + 8), 3, fill=235)


def gel(rng: Rng, size: tuple[int, int], variant: str, words: tuple[str, ...]) -> Image.Image:
    """Bands in lanes; variant: blot (dark on pale) or agarose (bright on dark). words: row names."""
    left, top = 70, 40
    film = Image.new("L", (_SIDE, _SIDE))
    lanes = int(rng.integers(5, 9))
    pen = ImageDraw.Draw(film)
    if variant == "blot":
        _bands(rng, pen, len(words), lanes, left, top)
    else:
        _agarose(rng, pen, lanes, left)
    film = film.filter(ImageFilter.GaussianBlur(2.4))
    if variant == "blot":
        film = film.point([int(224 - level * 0.86) for level in range(256)])
    else:
        film = film.point([min(255, 22 + level) for level in range(256)])
    large = _finish(rng, film, size, 5)
    draw, (sx, sy) = ImageDraw.Draw(large), (size[0] / _SIDE, size[1] / _SIDE)
    draw.rectangle((0, 0, (left - 4) * sx, size[1]), fill=255)
    draw.rectangle((0, 0, size[0], (top - 10) * sy), fill=255)
    big = max(11, int(13 * min(sx, sy)))
    for lane in range(lanes):
        x = (left + (lane + 0.5) * (_SIDE - left - 12) / lanes) * sx
        text_at(
            draw,
            (x, (top - 24) * sy),
            "M" if variant != "blot" and not lane else str(lane + 1),
            big,
            20,
        )
    for row, word in enumerate(words):
        y = (top + row * (_SIDE - top) / len(words) + 22) * sy
        text_at(draw, ((left - 10) * sx, y), word, big, 20, "rm")
        if variant == "blot" and row:
            draw.rectangle((0, y - 26 * sy, size[0], y - 22 * sy), fill=255)
    return large if pick(rng, (True, False)) else _framed(large)


def _framed(picture: Image.Image) -> Image.Image:
    ImageDraw.Draw(picture).rectangle((0, 0, *(side - 1 for side in picture.size)), outline=INK[0])
    return picture
