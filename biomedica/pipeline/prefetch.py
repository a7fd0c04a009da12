"""Reads ahead in threads and hands results over in order, a bounded number at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

__all__ = ["read_ahead"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    function: Callable[[Item], Result], items: Iterable[Item], pool: Executor, window: int
) -> Iterator[tuple[Item, Result]]:
    """(item, function(item)) in the order of `items`, with at most `window` calls begun ahead.

    An exception of `function` is raised where its result would have come. `items` is advanced in
    the calling thread, so it may itself be a generator that computes.
    """
    ahead: deque[tuple[Item, Future[Result]]] = deque()
    try:
        for item in items:
            ahead.append((item, pool.submit(function, item)))
            if len(ahead) > window:
                first, future = ahead.popleft()
                yield first, future.result()
        while ahead:
            first, future = ahead.popleft()
            yield first, future.result()
    finally:
        for _, future in ahead:
            future.cancel()
