"""Plots: the same bytes for the same data, nothing from outside, nothing drawn of nothing."""

from __future__ import annotations

import re

import pytest
from lxml import html

from biomedica.reporting.plots import Histogram, Series, histogram_plot, rate_plot, years_plot

SIZES = Histogram([100.0, 200.0, 400.0, 800.0], [3, 5, 2], 250.0, "px")
RUN = Series([float(n) for n in range(1, 61)], [10.0 * n for n in range(1, 61)])


def test_the_same_data_gives_the_same_bytes() -> None:
    for _ in range(2):
        assert histogram_plot(SIZES, "Width") == histogram_plot(SIZES, "Width")
        assert rate_plot(RUN, "pairs/s") == rate_plot(RUN, "pairs/s")
        assert years_plot([(2001, 3)]) == years_plot([(2001, 3)])


def test_a_plot_is_alone_in_a_page() -> None:
    plots = [histogram_plot(SIZES, "Width"), histogram_plot(SIZES, "Height"), rate_plot(RUN, "pairs/s")]
    text = "".join(str(plot) for plot in plots)
    assert "http" not in text
    assert "<style" not in text
    assert "metadata" not in text
    ids = re.findall(r'\bid="([^"]*)"', text)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"""(?:url\(|href=")#([\w-]+)""", text)) <= set(ids)


def test_a_rate_is_labelled_with_its_mean() -> None:
    plot = html.fromstring(str(rate_plot(RUN, "pairs/s")))
    assert "mean 10" in plot.text_content()
    assert plot.get("aria-label") == "pairs/s from 1.0 s to 1 min 00 s: mean 10, highest 10"


def test_a_histogram_is_labelled_with_its_median() -> None:
    plot = html.fromstring(str(histogram_plot(SIZES, "Width")))
    assert "median 250" in plot.text_content()
    assert plot.get("aria-label") == "Width: 10 rows, median 250 px"


@pytest.mark.parametrize(
    "series",
    [Series([], []), Series([1.0], [5.0]), Series([1.0] * 9, list(map(float, range(9)))),
     Series([float(n) for n in range(9)], [4.0] * 9)],
)  # fmt: skip
def test_too_little_is_not_drawn(series: Series) -> None:
    assert rate_plot(series, "pairs/s") is None


def test_nothing_is_not_drawn() -> None:
    assert histogram_plot(Histogram([1.0, 2.0], [0], 0.0, "px"), "Width") is None
    assert years_plot([]) is None


def test_extremes_are_drawn() -> None:
    for counts in ([1], [10**9, 0, 1]):
        edges = [2.0 ** (n * 8) for n in range(len(counts) + 1)]
        assert histogram_plot(Histogram(edges, counts, 2.0, "px"), "Width")
    assert histogram_plot(Histogram(range(4), [1, 0, 9], 2, "mentions", whole=True), "Mentions")
    assert years_plot([(1823, 1), (2026, 10**7)])
    assert rate_plot(Series([n * 3600.0 for n in range(600)], [1e9 * n for n in range(600)]), "pairs/s")


def test_a_formula_in_a_label_stays_text() -> None:
    assert "$\\frac" in str(histogram_plot(SIZES, "$\\frac{1}{2}"))
