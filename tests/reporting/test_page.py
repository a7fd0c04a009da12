"""How values are written, and how a page is kept clean."""

from __future__ import annotations

import pytest

from biomedica.reporting.page import breakable, counted, duration, megabytes, number, rate, share


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (1234567, "1,234,567"), (0.04567, "0.0457"), (6.249, "6.25"), (99.96, "100"),
     (1234.5, "1,234"), (12.0, "12"), (-3, "-3")],
)  # fmt: skip
def test_numbers(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.0, "0.00 s"), (0.417, "0.42 s"), (23.13, "23.1 s"), (75, "1 min 15 s"), (3599.9, "1 h 00 min"),
     (7325, "2 h 02 min"), (360_000, "100 h 00 min")],
)  # fmt: skip
def test_times_have_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_sizes_rates_shares_and_counts() -> None:
    assert [megabytes(n) for n in (12, 4_200, 20_732_720, 3.1e12)] == [
        "12 bytes", "4.2 kB", "20.7 MB", "3,100.0 GB"]  # fmt: skip
    assert (rate(10, 4), rate(10, 0)) == ("2.5", "–")
    assert [share(p, w) for p, w in ((1, 3), (1, 1000), (0, 5), (3, 0))] == [
        "33 %",
        "0.1 %",
        "0 %",
        "0 %",
    ]
    assert [counted(n, "pair") for n in (0, 1, 2000)] == ["0 pairs", "1 pair", "2,000 pairs"]


def test_names_break_behind_their_parts_and_are_escaped() -> None:
    assert breakable("a.b_c") == "a.<wbr>b_<wbr>c"
    assert breakable("<b>.c") == "&lt;b&gt;.<wbr>c"
