"""Small plots as inline SVG, all in one style: dark on light, one colour, labels at the data.

Text stays text, in the font of the page. Each plot is narrow enough for a telephone; wide pages
show several side by side. The same data gives the same bytes.
"""

from __future__ import annotations

import itertools
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any

import numpy as np
from markupsafe import Markup

from biomedica.reporting.page import duration, number

__all__ = ["Histogram", "Series", "histogram_plot", "rate_plot", "years_plot"]

WIDTH, HEIGHT = 4.2, 1.7
"""inches, of 72 SVG units"""

INK, GREY, LIGHT, ACCENT = "#1f2328", "#59636e", "#d1d9e0", "#0b5fa5"
"""ACCENT on white: contrast 6.5, and as dark in grey as in colour."""

DASHED = (0, (4, 3))

STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9.0,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelsize": 9.0,
    "ytick.labelsize": 9.0,
    "xtick.major.width": 0.6,
    "ytick.major.size": 0.0,
    "axes.labelsize": 9.0,
    "text.color": INK,
}


@dataclass(frozen=True, slots=True)
class Series:
    """A curve over a run: seconds since its start, and what had been done by then."""

    seconds: Sequence[float]
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Histogram:
    """counts of rows by bin. edges: one more than counts, rising; the median is of the rows.

    unit: of the edges. whole: bins are the integers 0, 1, 2… and the last one holds what is more.
    """

    edges: Sequence[float]
    counts: Sequence[int]
    median: float
    unit: str
    whole: bool = False

    @property
    def rows(self) -> int:
        return sum(self.counts)


def rate_plot(series: Series, unit: str, bins: int = 60) -> Markup | None:
    """The rate over a run, with its mean; None where there is too little to draw.

    unit: such as "articles/s". What arrived between two points is spread evenly over the time
    between them. The curve begins at the first point: before it a run starts its workers.
    """
    seconds, values = np.asarray(series.seconds, float), np.asarray(series.values, float)
    if len(seconds) < 6 or seconds[-1] <= seconds[0] or values[-1] <= values[0]:
        return None
    start, end = float(seconds[0]), float(seconds[-1])
    edges = np.linspace(start, end, min(bins, len(seconds) // 2) + 1)
    rates = np.diff(np.interp(edges, seconds, values)) / np.diff(edges)
    mean, highest = float(values[-1] - values[0]) / (end - start), float(rates.max())
    scale, name = next(
        ((s, n) for s, n in ((3600, "hours"), (60, "minutes")) if end > 2 * s), (1, "seconds")
    )
    label = f"{unit} from {duration(start)} to {duration(end)}: mean {number(mean)}, highest {number(highest)}"
    with _plot(label) as plot:
        axes = plot.axes
        axes.stairs(rates, edges / scale, fill=True, color=ACCENT, alpha=0.16, linewidth=0)
        axes.stairs(rates, edges / scale, baseline=None, color=ACCENT, linewidth=1.4)
        axes.axhline(mean, color=INK, linewidth=0.8, linestyle=DASHED)
        axes.set_title(f"- - mean {number(mean)}", loc="right", fontsize=9, pad=4)
        axes.set_xlim(start / scale, end / scale)
        axes.set_ylim(0, highest * 1.08)
        _plain_ticks(axes.yaxis)
        _plain_ticks(axes.xaxis, 6)
        axes.set_xlabel(f"{name} since the start", loc="right")
    return plot.svg


def histogram_plot(found: Histogram, name: str) -> Markup | None:
    """Bars of a histogram with the median marked; None where there are no rows.

    name: what is counted; no two plots of a page have the same.
    """
    if not found.rows:
        return None
    label = f"{name}: {found.rows:,} rows, median {number(found.median)} {found.unit}"
    with _plot(label) as plot:
        axes = plot.axes
        places = np.arange(len(found.counts) + 1) if found.whole else np.asarray(found.edges, float)
        axes.stairs(found.counts, places, fill=True, color=ACCENT, linewidth=0)
        for place in places[1:-1]:
            axes.axvline(place, color="white", linewidth=0.7)
        axes.set_xlim(places[0], places[-1])
        axes.set_ylim(0, max(found.counts) * 1.25)
        if found.whole:
            names = [f"{edge:.0f}" for edge in found.edges[:-2]] + [f"{found.edges[-2]:.0f}+"]
            axes.set_xticks(places[:-1] + 0.5, names)
            axes.tick_params(axis="x", length=0)
        else:
            axes.set_xscale("log")
            _log_ticks(axes, found.edges)
        middle = found.median + 0.5 if found.whole else found.median
        right = axes.transData.transform((middle, 0))[0] > axes.transAxes.transform((0.6, 0))[0]
        axes.axvline(middle, color=INK, linewidth=0.9, linestyle=DASHED)
        axes.annotate(f"median {number(found.median)}", (middle, 1), xycoords=("data", "axes fraction"),
                      xytext=(-4 if right else 4, 0), textcoords="offset points",
                      ha="right" if right else "left", va="top",
                      bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.8})  # fmt: skip
        _plain_ticks(axes.yaxis)
        axes.set_xlabel(found.unit, loc="right")
    return plot.svg


def years_plot(counts: Sequence[tuple[int, int]]) -> Markup | None:
    """Articles by year; counts: (year, articles). None where no year is known."""
    if not counts:
        return None
    years = [year for year, _ in counts]
    label = f"articles by year, {min(years)} to {max(years)}"
    with _plot(label) as plot:
        axes = plot.axes
        axes.bar(years, [count for _, count in counts], width=0.82, color=ACCENT, linewidth=0)
        axes.set_xlim(min(years) - 0.6, max(years) + 0.6)
        axes.set_ylim(0, max(count for _, count in counts) * 1.15)
        step = max(1, math.ceil((max(years) - min(years) + 1) / 6))
        axes.set_xticks(range(max(years), min(years) - 1, -step))
        axes.tick_params(axis="x", length=0)
        _plain_ticks(axes.yaxis)
    return plot.svg


@dataclass(slots=True)
class _Plot:
    axes: Any
    svg: Markup = Markup()  # noqa: RUF009 - immutable


@contextmanager
def _plot(label: str) -> Iterator[_Plot]:
    """Axes in our style to draw on; afterwards their SVG, named for readers who do not see it."""
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE | {"svg.hashsalt": label}), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of glyphs that a font lacks: the page's font is another
        figure = Figure(figsize=(WIDTH, HEIGHT), layout="constrained")
        FigureCanvasSVG(figure)
        plot = _Plot(figure.add_subplot())
        plot.axes.set_axisbelow(True)
        plot.axes.grid(axis="y", color=LIGHT, linewidth=0.6)
        yield plot
        text = StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    plot.svg = _inline(text.getvalue(), label)


def _inline(text: str, label: str) -> Markup:
    """The <svg> of a file, without what only a file needs."""
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"<style.*?</style>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"; font-family: [^;\"]*", "", body)
    body = re.sub(r'<g id="[^"]*"', "<g", body)  # the same in every plot, and nothing refers to them
    opening, _, rest = body.partition(">")
    box = re.findall(r'viewBox="([\d. ]+)"', opening)
    head = Markup('<svg viewBox="{}" role="img" aria-label="{}">').format(" ".join(box), label)
    return head + Markup(rest.strip())  # noqa: S704 - our own drawing, escaped by matplotlib


def _plain_ticks(axis: Any, count: int = 3) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axis.set_major_locator(MaxNLocator(count, steps=[1, 2, 5, 10], min_n_ticks=2))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def _log_ticks(axes: Any, edges: Sequence[float]) -> None:
    """Ticks at 1, 2, 5 of each decade inside the data, thinned to what fits."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    low, high = edges[0], edges[-1]
    decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for mantissas in ((1, 2, 5), (1, 3), (1,)):
        found = (m * 10.0**d for d, m in itertools.product(decades, mantissas))
        ticks = [tick for tick in found if low * 0.999 <= tick <= high * 1.001]
        if len(ticks) <= 7:
            break
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
