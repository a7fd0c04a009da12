"""The progress line on a terminal and in a log."""

from __future__ import annotations

import io

import pytest

from biomedica.pipeline.progress import Progress, duration


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
