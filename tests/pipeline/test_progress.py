"""The progress line on a terminal and in a log."""

from __future__ import annotations

import io
import logging
import sys
import types
import warnings
from typing import Any

import pytest

from biomedica.pipeline.progress import Progress, duration, tell, without_advice


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_gets_plain_lines() -> None:
    stream = io.StringIO()
    progress = Progress(10, "articles", stream=stream)
    progress.note("3 of 4 shards done before")
    progress.show(5, 12, 3, 0)
    progress.show(6, 12, 3, 0)  # too early for another line
    progress.show(10, 20, 4, 1, last=True)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "3 of 4 shards done before"
    assert len(lines) == 3
    assert lines[1].startswith("5/10 articles · 12 pairs · 3 rejects · ")
    assert "1 deferred" in lines[2]
    assert "\r" not in stream.getvalue()


def test_a_terminal_gets_one_line_that_is_rewritten() -> None:
    stream = Terminal()
    progress = Progress(10, "articles", stream=stream)
    progress.show(5, 12, 3, 0)
    progress.note("a shard failed")
    progress.show(10, 20, 3, 0, last=True)
    text = stream.getvalue()
    assert text.startswith("5/10 articles")
    assert "\ra shard failed\n" in text
    assert text.endswith("\n")


def test_quiet_is_silent() -> None:
    stream = io.StringIO()
    progress = Progress(1, "articles", quiet=True, stream=stream)
    progress.note("x")
    progress.show(1, 1, 1, 1, last=True)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (75.2, "1:15"), (3600, "1:00:00"), (59.7, "1:00"), (float("inf"), "?")],
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


class Cell:
    """The outputs of a notebook's cell, as IPython's display keeps them."""

    def __init__(self) -> None:
        self.outputs: list[str] = []

    def display(self, data: dict[str, str], *, raw: bool, display_id: bool = False) -> Any:
        assert raw
        self.outputs.append(data["text/plain"])
        place = len(self.outputs) - 1

        def update(new: dict[str, str], *, raw: bool) -> None:
            assert raw
            self.outputs[place] = new["text/plain"]

        return types.SimpleNamespace(update=update) if display_id else None


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    """As if a kernel ran us."""
    cell = Cell()
    shell = types.SimpleNamespace(kernel=object())
    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython = lambda: shell
    shown: Any = types.ModuleType("IPython.display")
    shown.display = cell.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)
    return cell


def test_a_notebook_gets_one_line_in_its_place(cell: Cell, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(10, "articles")
    progress.note("3 of 4 shards done before")
    progress.show(5, 12, 3, 0)
    progress.note("a shard failed")
    progress.show(10, 20, 3, 1, last=True)
    tell("10 articles requested")
    first, line, second, told = cell.outputs
    assert (first, second, told) == (
        "3 of 4 shards done before",
        "a shard failed",
        "10 articles requested",
    )
    assert line.startswith("10/10 articles · 20 pairs · 3 rejects · 1 deferred · ")
    following = Progress(5, "pairs", stream=progress.stream)
    following.show(5, 5, 0, 0, last=True)
    assert cell.outputs[4].startswith("5/5 pairs · ")
    assert capsys.readouterr() == ("", "")


def test_ipython_without_a_kernel_is_no_notebook(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for shell in (None, types.SimpleNamespace()):
        monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda shell=shell: shell)
        tell("a line")
    assert cell.outputs == []
    assert capsys.readouterr().err == "a line\na line\n"


def test_a_stream_that_is_named_is_taken_in_a_notebook_too(cell: Cell) -> None:
    stream = io.StringIO()
    Progress(1, "articles", stream=stream).note("x")
    assert (stream.getvalue(), cell.outputs) == ("x\n", [])


def test_no_advice_and_nothing_changed_for_good() -> None:
    logger = logging.getLogger("ray.widgets.util")
    before = logger.level
    with without_advice():
        assert logger.level == logging.ERROR
        warnings.warn("IProgress not found. Please update jupyter and ipywidgets.", stacklevel=1)
    assert logger.level == before
    with pytest.warns(UserWarning, match="IProgress"):
        warnings.warn("IProgress not found.", stacklevel=1)
