"""How values are written, and how a page is kept clean."""

from __future__ import annotations

from pathlib import Path

import pytest

from biomedica.errors import ConfigError
from biomedica.reporting.page import (
    breakable,
    check_place,
    counted,
    duration,
    megabytes,
    number,
    rate,
    share,
    write_page,
)


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


def test_a_page_that_cannot_be_written_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    wrong = {
        tmp_path / "file" / "page.html": "is read-only, another user's, or no folder",
        tmp_path: "is a folder: give a file to --report",
        tmp_path / ("x" * 300): "File name too long",
        tmp_path / "a\0b": "is no local file",
        Path("s3://bucket/page.html"): "is no local file",
    }
    for path, words in wrong.items():
        for act in (check_place, lambda path, option: write_page("x", path, option)):
            with pytest.raises(ConfigError, match=words) as caught:
                act(path, "--report")
            assert "--report" in str(caught.value)
            assert len(str(caught.value)) < 500
    monkeypatch.setattr("os.access", lambda *_: False)
    for path in (tmp_path / "page.html", tmp_path / "file", tmp_path / "new" / "page.html"):
        with pytest.raises(ConfigError, match=r"is read-only.*give another --html"):
            check_place(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


def test_a_page_is_written_over_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    check_place(path)
    assert not path.parent.exists()
    write_page("older", path)
    check_place(path)
    write_page("x", path)
    assert path.read_text() == "x"
