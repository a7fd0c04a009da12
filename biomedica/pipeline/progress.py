"""One line of progress in our own units: rewritten on a terminal and in a notebook, plain in a log."""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

import psutil

__all__ = ["Progress", "duration", "tell", "without_advice"]

LOG_SECONDS = 30.0
SCREEN_SECONDS = 0.2


class Progress:
    """Shows what a run has done. `quiet` shows nothing. counts_pairs: False for a run without any.

    stream: None is the notebook that we run in, or stderr where there is none.
    """

    def __init__(
        self,
        total: int,
        unit: str,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        counts_pairs: bool = True,
    ) -> None:
        self.total = total
        self.unit = unit
        self.stream = stream
        self.quiet = quiet
        self.counts_pairs = counts_pairs
        self.started = time.monotonic()
        self._shown = float("-inf")
        self._place = _place(stream)

    def note(self, text: str) -> None:
        """One line that stays."""
        if not self.quiet:
            self._place.note(text)

    def show(self, done: int, pairs: int, rejects: int, deferred: int, *, last: bool = False) -> None:
        """The state of the run; drawn a few times a second at most."""
        counts = [
            *([f"{pairs:,} pairs"] if self.counts_pairs else []),
            f"{rejects:,} rejects",
            *([f"{deferred:,} deferred"] if deferred else []),
        ]
        self.show_counts(done, counts, last=last)

    def show_counts(self, done: int, counts: Sequence[str], *, last: bool = False) -> None:
        """The same, with other counts than those of articles: "12 records"."""
        now = time.monotonic()
        if self.quiet or (now - self._shown < self._place.seconds and not last):
            return
        self._shown = now
        self._place.draw(self._line(done, counts, now - self.started), last)

    def _line(self, done: int, counts: Sequence[str], seconds: float) -> str:
        rate = done / seconds if seconds > 0 else 0.0
        left = (self.total - done) / rate if rate else float("inf")
        memory = psutil.virtual_memory()
        parts = [
            f"{done:,}/{self.total:,} {self.unit}",
            *counts,
            f"{rate:.1f} {self.unit}/s",
            f"{duration(left)} left" if done < self.total else f"in {duration(seconds)}",
            f"memory {memory.percent:.0f} %",
        ]
        return " · ".join(parts)


class _Log:
    """Plain lines, now and then."""

    seconds = LOG_SECONDS

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def note(self, text: str) -> None:
        print(text, file=self.stream, flush=True)

    def draw(self, line: str, _last: bool) -> None:
        print(line, file=self.stream, flush=True)


class _Terminal:
    """One line that is written over."""

    seconds = SCREEN_SECONDS

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._width = 0

    def note(self, text: str) -> None:
        self._clear()
        print(text, file=self.stream, flush=True)

    def draw(self, line: str, last: bool) -> None:
        self._clear()
        self.stream.write(line + "\n" if last else line)
        self._width = 0 if last else len(line)
        self.stream.flush()

    def _clear(self) -> None:
        if self._width:
            self.stream.write("\r" + " " * self._width + "\r")
            self._width = 0


class _Notebook:
    """One output of the cell that is drawn anew in its place; notes are outputs of their own."""

    seconds = SCREEN_SECONDS

    def __init__(self) -> None:
        self._handle: Any = None

    def note(self, text: str) -> None:
        display = sys.modules["IPython.display"].display
        display({"text/plain": text}, raw=True)

    def draw(self, line: str, _last: bool) -> None:
        if self._handle is None:
            display = sys.modules["IPython.display"].display
            self._handle = display({"text/plain": line}, raw=True, display_id=True)
        else:
            self._handle.update({"text/plain": line}, raw=True)


def tell(text: str) -> None:
    """One line for the user: an output of the notebook's cell, or a line on stderr."""
    _place(None).note(text)


@contextmanager
def without_advice() -> Iterator[None]:
    """Neither tqdm nor Ray recommends widgets to a notebook: our line needs none."""
    logger = logging.getLogger("ray.widgets.util")
    level = logger.level
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="IProgress not found")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)


def _place(stream: TextIO | None) -> _Log | _Terminal | _Notebook:
    if stream is None and _in_notebook():
        return _Notebook()
    stream = stream or sys.stderr
    return _Terminal(stream) if stream.isatty() else _Log(stream)


def _in_notebook() -> bool:
    """Whether a kernel of Jupyter runs us; IPython is never imported to find out."""
    if "IPython" not in sys.modules or "IPython.display" not in sys.modules:
        return False
    shell = sys.modules["IPython"].get_ipython()
    return getattr(shell, "kernel", None) is not None


def duration(seconds: float) -> str:
    """`75.2` → `1:15`, `infinity` → `?`."""
    if seconds == float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
