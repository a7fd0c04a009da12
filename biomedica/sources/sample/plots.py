"""Plots: lines, survival curves, bars, scatter, heat maps."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from .canvas import INK, PALETTES, Rng, between, drawable, font, noise, pick, text_at

__all__ = ["bar_plot", "heatmap", "line_plot", "scatter_plot"]


class _Axes:
    """A white picture with two axes; `at` maps data in 0…1 to pixels."""

    def __init__(
        self, rng: Rng, size: tuple[int, int], labels: tuple[str, ...], y_unit: int = 0
    ) -> None:
        self.picture = Image.new("RGB", size, (255, 255, 255))
        self.draw = ImageDraw.Draw(self.picture)
        width, height = size
        self.text = max(11, min(width, height) // 24)
        self.left, self.bottom = int(width * 0.15), int(height * 0.84)
        self.right, self.top = int(width * 0.95), int(height * 0.07)
        self.line = max(2, min(size) // 200)
        self.colours = pick(rng, PALETTES)
        if pick(rng, (True, False, False)):
            for step in range(1, 6):
                _, y = self.at(0, step / 5)
                self.draw.line((self.left, y, self.right, y), fill=(226, 226, 226))
        self.draw.line((self.left, self.top, self.left, self.bottom), fill=INK, width=self.line)
        self.draw.line((self.left, self.bottom, self.right, self.bottom), fill=INK, width=self.line)
        self._y_ticks(y_unit or pick(rng, (1, 2, 5, 10, 20)))
        text_at(self.draw, ((self.left + self.right) / 2, height * 0.96), labels[0], self.text)
        self._y_label(labels[1])

    def at(self, x: float, y: float) -> tuple[float, float]:
        return (
            self.left + x * (self.right - self.left),
            self.bottom - y * (self.bottom - self.top),
        )

    def _y_ticks(self, unit: int) -> None:
        for step in range(6):
            _, y = self.at(0, step / 5)
            self.draw.line((self.left - 5, y, self.left, y), fill=INK, width=2)
            text_at(self.draw, (self.left - 8, y), str(step * unit), self.text - 1, INK, "rm")

    def _y_label(self, label: str) -> None:
        face, label = font(self.text), drawable(label)
        long = int(face.getlength(label)) + 4
        tag = Image.new("RGB", (long, self.text + 8), (255, 255, 255))
        ImageDraw.Draw(tag).text((2, 2), label, fill=INK, font=face)
        turned = tag.transpose(Image.Transpose.ROTATE_90)
        middle = (self.top + self.bottom) // 2
        self.picture.paste(turned, (2, max(0, middle - long // 2)))

    def x_ticks(self, unit: int, steps: int = 5) -> None:
        for step in range(steps + 1):
            x, y = self.at(step / steps, 0)
            self.draw.line((x, y, x, y + 5), fill=INK, width=2)
            text_at(self.draw, (x, y + self.text), str(step * unit), self.text - 1)

    def legend(self, names: tuple[str, ...]) -> None:
        x = self.right - max((font(self.text).getlength(name) for name in names), default=0) - 24
        for row, name in enumerate(names):
            y = self.top + (row + 0.5) * self.text * 1.5
            fill: Any = self.colours[row % 5]
            self.draw.rectangle((x, y - 4, x + 14, y + 4), fill=fill)
            text_at(self.draw, (x + 20, y), name, self.text, INK, "lm")


def _curve(rng: Rng, variant: str, points: int) -> Any:
    """y in 0…1 at `points` even places: growth, decay or a peak."""
    x = np.linspace(0, 1, points)
    if variant == "survival":
        drops = np.sort(rng.random(points - 1)) < between(rng, 0.25, 0.75)
        return np.concatenate([[1.0], 1.0 - np.cumsum(rng.random(points - 1) * drops * 0.11)])
    shape = int(rng.integers(3))
    if shape == 0:
        y = between(rng, 0.5, 0.95) / (1 + np.exp(-between(rng, 5, 11) * (x - between(rng, 0.3, 0.6))))
    elif shape == 1:
        y = 0.08 + between(rng, 0.5, 0.85) * np.exp(-between(rng, 1.5, 4) * x)
    else:
        y = 0.1 + between(rng, 0.4, 0.8) * np.exp(-(((x - between(rng, 0.3, 0.7)) / 0.2) ** 2))
    return y + rng.normal(0, 0.012, points)


def line_plot(rng: Rng, size: tuple[int, int], variant: str, words: tuple[str, ...]) -> Image.Image:
    """Curves; variant: survival (steps) or "". words: (x label, y label, series names…)."""
    axes = _Axes(rng, size, words, 20 if "%" in words[1] else 0)
    axes.x_ticks(pick(rng, (2, 4, 6, 12, 24)))
    points = 16 if variant == "survival" else int(rng.integers(6, 12))
    for row, _ in enumerate(words[2:]):
        colour: Any = axes.colours[row % 5]
        ys = np.clip(_curve(rng, variant, points), 0.02, 0.98)
        path = [axes.at(step / (points - 1), float(y)) for step, y in enumerate(ys)]
        if variant == "survival":
            steps = itertools.pairwise(path)
            path = [corner for (x, y), (nx, _) in steps for corner in ((x, y), (nx, y))]
        axes.draw.line(path, fill=colour, width=axes.line + 1, joint="curve")
        for x, y in path if variant != "survival" else ():
            reach = between(rng, 5, 14)
            axes.draw.line((x, y - reach, x, y + reach), fill=colour, width=2)
            axes.draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=colour)
    axes.legend(words[2:])
    return axes.picture


def bar_plot(rng: Rng, size: tuple[int, int], _variant: str, words: tuple[str, ...]) -> Image.Image:
    """Bars with error bars and stars. words: (x label, y label, group names…)."""
    axes = _Axes(rng, size, words)
    groups = words[2:]
    slot = 1 / len(groups)
    series = pick(rng, (1, 1, 2, 3))
    for at, group in enumerate(groups):
        for one in range(series):
            high = between(rng, 0.15, 0.8)
            wide = slot * 0.7 / series
            x0, y0 = axes.at(at * slot + slot * 0.15 + one * wide, high)
            x1, base = axes.at(at * slot + slot * 0.15 + (one + 0.92) * wide, 0)
            colour: Any = axes.colours[(one if series > 1 else at) % 5]
            axes.draw.rectangle((x0, y0, x1, base), fill=colour, outline=INK, width=2)
            middle, reach = (x0 + x1) / 2, between(rng, 6, 22)
            axes.draw.line((middle, y0 - reach, middle, y0 + reach), fill=INK, width=2)
            axes.draw.line((middle - 6, y0 - reach, middle + 6, y0 - reach), fill=INK, width=2)
            if pick(rng, (True, False, False)):
                stars = pick(rng, ("*", "**", "***"))
                text_at(axes.draw, (middle, y0 - reach - 8), stars, axes.text)
        x, y = axes.at(at * slot + slot / 2, 0)
        text_at(axes.draw, (x, y + axes.text), group, axes.text - 1)
    return axes.picture


def scatter_plot(rng: Rng, size: tuple[int, int], variant: str, words: tuple[str, ...]) -> Image.Image:
    """Points; variant: correlation (with a fitted line) or clusters. words: (x label, y label, …)."""
    axes = _Axes(rng, size, words)
    axes.x_ticks(pick(rng, (1, 5, 10, 20)))
    groups = max(1, len(words) - 2)
    for group in range(groups):
        colour: Any = axes.colours[group % 5]
        count = int(rng.integers(60, 130)) // groups
        if variant == "correlation":
            slope = between(rng, 0.5, 0.8)
            xs = rng.uniform(0.05, 0.95, count)
            ys = 0.1 + slope * xs + rng.normal(0, 0.07, count)
            axes.draw.line((axes.at(0.05, 0.1), axes.at(0.95, 0.1 + slope * 0.95)), fill=INK, width=3)
        else:
            xs = rng.normal(between(rng, 0.2, 0.8), 0.07, count)
            ys = rng.normal(between(rng, 0.2, 0.75), 0.08, count)
        for x, y in zip(np.clip(xs, 0.02, 0.98), np.clip(ys, 0.02, 0.98), strict=True):
            px, py = axes.at(float(x), float(y))
            axes.draw.ellipse((px - 4, py - 4, px + 4, py + 4), fill=colour)
    axes.legend(words[2:])
    return axes.picture


_RAMPS = (
    ((30, 60, 160), (245, 245, 245), (190, 25, 40)),
    ((20, 110, 60), (15, 15, 15), (200, 30, 30)),
    ((68, 1, 84), (33, 145, 140), (253, 231, 37)),
)


def heatmap(rng: Rng, size: tuple[int, int], _variant: str, words: tuple[str, ...]) -> Image.Image:
    """A coloured matrix with row names and a colour bar. words: row names."""
    width, height = size
    rows, columns = len(words) * 2, int(rng.integers(10, 24))
    ramp = np.array(pick(rng, _RAMPS), np.float32)
    values = noise(rng, max(rows, columns), (4, 9))[:rows, :columns]
    values = np.clip(values + rng.normal(0, 0.12, values.shape), 0, 1)
    shades = [np.interp(values, (0, 0.5, 1), ramp[:, band]) for band in range(3)]
    cells = Image.fromarray(np.stack(shades, -1).astype(np.uint8))
    picture = Image.new("RGB", size, (255, 255, 255))
    left, top, right, bottom = (
        int(width * 0.1),
        int(height * 0.13),
        int(width * 0.76),
        int(height * 0.95),
    )
    picture.paste(cells.resize((right - left, bottom - top), Image.Resampling.NEAREST), (left, top))
    draw = ImageDraw.Draw(picture)
    step = (right - left) / columns
    for at in range(0, columns - 1, 2):
        x, y = left + (at + 0.5) * step, top - between(rng, 0.2, 0.8) * top * 0.8
        draw.line(((x, top - 2), (x, y), (x + step, y), (x + step, top - 2)), fill=INK, width=2)
    text = max(11, height // 30)
    for row, word in enumerate(words):
        text_at(
            draw, (right + 6, top + (row + 0.5) * (bottom - top) / len(words)), word, text, INK, "lm"
        )
    for at in range(60):
        shade = [float(np.interp(1 - at / 59, (0, 0.5, 1), ramp[:, band])) for band in range(3)]
        y = top + at * (bottom - top) / 180
        draw.rectangle((width * 0.93, y, width * 0.96, y + 4), fill=tuple(int(s) for s in shade))
    return picture
