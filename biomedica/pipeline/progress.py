"""One line of progress in our own units: rewritten on a terminal, plain lines in a log."""

from __future__ import annotations

import sys
import time
from typing import TextIO

import psutil

__all__ = ["Progress", "duration"]

LOG_SECONDS = 30.0
TERMINAL_SECONDS = 0.2


class Progress:
    """Shows what a run has done. `quiet` shows nothing."""

    def __init__(
        self, total: int, unit: str, *, quiet: bool = False, stream: TextIO | None = None
    ) -> None:
        self.total = total
        self.unit = unit
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.terminal = self.stream.isatty()
        self.started = time.monotonic()
        self._shown = float("-inf")
        self._width = 0

    def note(self, text: str) -> None:
        """One line that stays."""
        if not self.quiet:
            self._clear()
            print(text, file=self.stream, flush=True)

    def show(self, done: int, pairs: int, rejects: int, deferred: int, *, last: bool = False) -> None:
        """The state of the run; drawn a few times a second at most."""
        now = time.monotonic()
        wait = TERMINAL_SECONDS if self.terminal else LOG_SECONDS
        if self.quiet or (now - self._shown < wait and not last):
            return
        self._shown = now
        line = self._line(done, pairs, rejects, deferred, now - self.started)
        if self.terminal:
            self._clear()
            self.stream.write(line)
            self._width = len(line)
            if last:
                self.stream.write("\n")
                self._width = 0
            self.stream.flush()
        else:
            print(line, file=self.stream, flush=True)

    def _line(self, done: int, pairs: int, rejects: int, deferred: int, seconds: float) -> str:
        rate = done / seconds if seconds > 0 else 0.0
        left = (self.total - done) / rate if rate else float("inf")
        memory = psutil.virtual_memory()
        parts = [
            f"{done:,}/{self.total:,} {self.unit}",
            f"{pairs:,} pairs",
            f"{rejects:,} rejects",
            *([f"{deferred:,} deferred"] if deferred else []),
            f"{rate:.1f} {self.unit}/s",
            f"{duration(left)} left" if done < self.total else f"in {duration(seconds)}",
            f"memory {memory.percent:.0f} %",
        ]
        return " · ".join(parts)

    def _clear(self) -> None:
        if self._width:
            self.stream.write("\r" + " " * self._width + "\r")
            self._width = 0


def duration(seconds: float) -> str:
    """`75.2` → `1:15`, `infinity` → `?`."""
    if seconds == float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
