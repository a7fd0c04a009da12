"""How many requests one process has in flight: halved when the bucket says SlowDown, grown by success.

Additive increase, multiplicative decrease, as TCP does it (RFC 5681 §3.1): processes that share a
bucket and know nothing of each other come to equal shares of what it gives.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

__all__ = ["Gate", "Slot", "Window"]


class Window:
    """The number of requests that may be in flight: at first, and at most, `most`. No threads."""

    def __init__(self, most: int) -> None:
        if most < 1:
            raise ValueError(f"{most} requests in flight are none")
        self.most = most
        self.cuts = 0
        """how often it was halved"""
        self._size = float(most)

    @property
    def size(self) -> int:
        """From 1 to `most`."""
        return int(self._size)

    def succeeded(self) -> None:
        """One request was answered: a whole window of these makes it wider by one."""
        self._size = min(self.most, self._size + 1 / self._size)

    def slowed(self, cuts: int) -> None:
        """One request met SlowDown. cuts: as they were when it was sent; those that were in flight
        together say the same thing and halve the window once."""
        if cuts == self.cuts:
            self._size = max(1.0, self._size / 2)
            self.cuts += 1


class Slot:
    """One request in flight, and what became of it; without a word from the caller, nothing."""

    __slots__ = ("cuts", "slow")

    def __init__(self, cuts: int) -> None:
        self.cuts = cuts
        self.slow: bool | None = None

    def succeeded(self) -> None:
        """It was answered, though perhaps at a later try."""
        self.slow = bool(self.slow)

    def slowed(self) -> None:
        """It met SlowDown."""
        self.slow = True


class Gate:
    """Lets requests of several threads through as the window allows."""

    def __init__(self, most: int) -> None:
        self._window = Window(most)
        self._changed = threading.Condition()
        self._flying = 0

    @contextlib.contextmanager
    def slot(self) -> Iterator[Slot]:
        """Waits for its turn; one request is sent inside the block, which never waits for another."""
        with self._changed:
            while self._flying >= self._window.size:
                self._changed.wait()
            self._flying += 1
            slot = Slot(self._window.cuts)
        try:
            yield slot
        finally:
            with self._changed:
                self._flying -= 1
                if slot.slow is not None:
                    self._window.slowed(slot.cuts) if slot.slow else self._window.succeeded()
                # after a cut, one that is let through may find too many in flight: it waits again
                self._changed.notify(max(1, self._window.size - self._flying))
