"""Line drawings: flow diagrams, chemical structures, maps, tables, formulae."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from .canvas import INK, Rng, between, pick, text_at

__all__ = ["chemical_structure", "flow_diagram", "formula", "map_drawing", "portrait", "table"]

_WHITE = (255, 255, 255)


def _arrow(draw: ImageDraw.ImageDraw, x0: float, y0: float, x1: float, y1: float) -> None:
    draw.line((x0, y0, x1, y1), fill=INK, width=3)
    if x0 == x1:
        draw.polygon([(x1, y1), (x1 - 7, y1 - 12), (x1 + 7, y1 - 12)], fill=INK)
    else:
        draw.polygon([(x1, y1), (x1 - 12, y1 - 7), (x1 - 12, y1 + 7)], fill=INK)


def flow_diagram(rng: Rng, size: tuple[int, int], _variant: str, words: tuple[str, ...]) -> Image.Image:
    """Boxes joined by arrows, from top to bottom. words: the text of each box."""
    width, height = size
    picture = Image.new("RGB", size, _WHITE)
    draw = ImageDraw.Draw(picture)
    fill: Any = pick(rng, ((255, 255, 255), (222, 235, 247), (229, 245, 224), (254, 237, 222)))
    step = height / len(words)
    text = max(11, min(height // 28, width // 32))
    left, right = width * 0.12, width * 0.62
    for row, word in enumerate(words):
        top, bottom = row * step + step * 0.14, row * step + step * 0.72
        if row == len(words) - 1:
            boxes = [(width * 0.04, width * 0.46), (width * 0.54, width * 0.96)]
        else:
            boxes = [(left, right)]
        for x0, x1 in boxes:
            draw.rounded_rectangle((x0, top, x1, bottom), 8, fill=fill, outline=INK, width=2)
            middle = (top + bottom) / 2
            text_at(draw, ((x0 + x1) / 2, middle - text * 0.7), word, text)
            text_at(draw, ((x0 + x1) / 2, middle + text * 0.8), f"(n = {rng.integers(12, 900)})", text)
        if row < len(words) - 2:
            _arrow(draw, width * 0.37, bottom, width * 0.37, (row + 1) * step + step * 0.14)
            if row:
                _arrow(draw, right, (top + bottom) / 2, width * 0.7, (top + bottom) / 2)
                draw.rectangle((width * 0.7, top, width * 0.96, bottom), outline=INK, width=2)
                text_at(draw, (width * 0.83, (top + bottom) / 2), "Excluded", text)
        elif row == len(words) - 2:
            for x in (width * 0.25, width * 0.75):
                _arrow(draw, x, bottom + step * 0.2, x, (row + 1) * step + step * 0.14)
            draw.line(
                (width * 0.25, bottom + step * 0.2, width * 0.75, bottom + step * 0.2),
                fill=INK,
                width=3,
            )
            draw.line((width * 0.37, bottom, width * 0.37, bottom + step * 0.2), fill=INK, width=3)
    return picture


def _ring(draw: ImageDraw.ImageDraw, x: float, y: float, r: float, aromatic: bool) -> list[Any]:
    turn = np.deg2rad(np.arange(30, 390, 60))
    corners = [(x + r * float(np.cos(a)), y + r * float(np.sin(a))) for a in turn]
    draw.polygon(corners, outline=INK, width=max(3, int(r / 16)))
    if aromatic:
        inner = [(x + 0.8 * (cx - x), y + 0.8 * (cy - y)) for cx, cy in corners]
        for at in (0, 2, 4):
            draw.line((inner[at], inner[at + 1]), fill=INK, width=max(3, int(r / 16)))
    return corners


def chemical_structure(
    rng: Rng, size: tuple[int, int], _variant: str, words: tuple[str, ...]
) -> Image.Image:
    """A skeletal formula of fused rings and substituents. words: (compound number,)."""
    width, height = size
    picture = Image.new("RGB", size, _WHITE)
    draw = ImageDraw.Draw(picture)
    rings = int(rng.integers(2, 4))
    r = min(width / (rings * 1.75 + 2.6), height / 4.1)
    x, y = width / 2 - (rings - 1) * r * 0.866, height * 0.44
    text = max(14, int(r * 0.42))
    for at in range(rings):
        corners = _ring(draw, x + at * r * 1.732, y, r, pick(rng, (True, True, False)))
        for corner in (1, 4) if at else (1, 3):
            if not pick(rng, (True, True, False)):
                continue
            cx, cy = corners[corner]
            dx, dy = cx - (x + at * r * 1.732), cy - y
            end = (cx + dx * 0.6, cy + dy * 0.6)
            draw.line(((cx, cy), end), fill=INK, width=max(3, int(r / 16)))
            group = pick(rng, ("OH", "NH2", "F", "Cl", "OMe", "O", "CF3", "N"))
            colour: Any = {"O": (200, 30, 30), "N": (30, 60, 190)}.get(group[0], INK)
            text_at(draw, (cx + dx * 0.85, cy + dy * 0.85), group, text, colour)
        if pick(rng, (True, False)):
            hx, hy = corners[5]
            draw.ellipse(
                (hx - text * 0.5, hy - text * 0.5, hx + text * 0.5, hy + text * 0.5), fill=_WHITE
            )
            text_at(draw, (hx, hy), "N", text, (30, 60, 190))
    text_at(draw, (width / 2, height * 0.93), words[0], max(14, height // 16))
    return picture


_SHADES = (
    ((255, 247, 236), (253, 187, 132), (239, 101, 72), (153, 0, 0)),
    ((247, 252, 245), (161, 217, 155), (65, 171, 93), (0, 90, 50)),
    ((247, 251, 255), (158, 202, 225), (66, 146, 198), (8, 48, 107)),
)


def map_drawing(rng: Rng, size: tuple[int, int], _variant: str, words: tuple[str, ...]) -> Image.Image:
    """A choropleth of an invented country in a blue sea. words: (legend title,)."""
    width, height = size
    picture = Image.new("RGB", size, (200, 222, 236))
    draw = ImageDraw.Draw(picture)
    columns, rows = 9, 7
    knots = np.stack(np.meshgrid(np.arange(columns + 1.0), np.arange(rows + 1.0)), -1)
    knots += rng.uniform(-0.36, 0.36, knots.shape)
    knots *= (width * 0.86 / columns, height / rows)
    shades = pick(rng, _SHADES)
    reach = rng.uniform(0.75, 1.05, 64)
    for row in range(rows):
        for column in range(columns):
            dx, dy = (column - (columns - 1) / 2) / (columns / 2), (row - (rows - 1) / 2) / (rows / 2)
            if np.hypot(dx, dy) > reach[row * columns + column]:
                continue
            corners = ((row, column), (row, column + 1), (row + 1, column + 1), (row + 1, column))
            shape = [tuple(float(v) for v in knots[at]) for at in corners]
            draw.polygon(shape, fill=pick(rng, shades), outline=(90, 90, 90))
    text = max(11, height // 28)
    for at, shade in enumerate(shades):
        y = height * 0.62 + at * text * 1.7
        draw.rectangle((width * 0.87, y, width * 0.9, y + text), fill=shade, outline=INK)
        text_at(draw, (width * 0.91, y + text / 2), f"{at * 25}-{at * 25 + 24}", text, INK, "lm")
    text_at(draw, (width * 0.985, height * 0.57), words[0], text, INK, "rm")
    x, y = width * 0.93, height * 0.1
    draw.polygon([(x, y - 22), (x - 8, y + 10), (x + 8, y + 10)], fill=INK)
    text_at(draw, (x, y + 22), "N", text)
    return picture


def table(rng: Rng, size: tuple[int, int], _variant: str, words: tuple[str, ...]) -> Image.Image:
    """A ruled table of numbers. words: row names."""
    width, height = size
    picture = Image.new("RGB", size, _WHITE)
    draw = ImageDraw.Draw(picture)
    columns = int(rng.integers(3, 6))
    step = height / (len(words) + 1.6)
    text = max(11, min(int(step * 0.5), width // 38))
    for y in (step * 0.2, step * 1.2, height - step * 0.25):
        draw.line((width * 0.02, y, width * 0.98, y), fill=INK, width=2)
    heads = ("Control", "Treated", "P value", "95% CI", "Total")
    for row in range(len(words) + 1):
        y = step * (0.7 + row)
        name = "Characteristic" if not row else words[row - 1]
        text_at(draw, (width * 0.03, y), name, text, INK, "lm")
        for column in range(columns):
            x = width * (0.4 + 0.56 * (column + 0.5) / columns)
            cell = heads[column] if not row else f"{rng.uniform(0.1, 90):.1f}"
            text_at(draw, (x, y), cell, text)
    return picture


def formula(_rng: Rng, size: tuple[int, int], _variant: str, words: tuple[str, ...]) -> Image.Image:
    """A formula set as a picture. words: (the formula,)."""
    picture = Image.new("RGB", size, _WHITE)
    text_at(
        ImageDraw.Draw(picture),
        (size[0] / 2, size[1] / 2),
        words[0],
        int(size[0] * 1.6 / max(8, len(words[0]))),
    )
    return picture


def portrait(rng: Rng, size: tuple[int, int], _variant: str, _words: tuple[str, ...]) -> Image.Image:
    """A faceless head and shoulders."""
    width, height = size
    picture = Image.new("RGB", size, (206, 214, 220))
    draw = ImageDraw.Draw(picture)
    skin: Any = pick(rng, ((224, 188, 160), (168, 120, 86), (110, 76, 56)))
    coat: Any = pick(rng, ((240, 240, 244), (60, 70, 96), (96, 60, 70)))
    draw.ellipse((width * 0.1, height * 0.66, width * 0.9, height * 1.5), fill=coat)
    draw.ellipse((width * 0.32, height * 0.2, width * 0.68, height * 0.7), fill=skin)
    hair = between(rng, 0.3, 0.42)
    draw.pieslice(
        (width * 0.3, height * 0.15, width * 0.7, height * (0.2 + hair)), 180, 360, fill=(50, 40, 36)
    )
    return picture
