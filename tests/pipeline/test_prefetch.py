"""read_ahead: order, bounds, faults."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

from biomedica.pipeline.prefetch import read_ahead


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as executor:
        yield executor


@pytest.mark.parametrize("window", [1, 3, 100])
def test_results_come_in_order(pool: ThreadPoolExecutor, window: int) -> None:
    assert list(read_ahead(lambda n: n * n, range(20), pool, window)) == [(n, n * n) for n in range(20)]


def test_no_more_than_the_window_is_begun_ahead(pool: ThreadPoolExecutor) -> None:
    begun, taken, lock, most = 0, 0, Lock(), 0

    def items() -> Iterator[int]:
        nonlocal begun, most
        for n in range(50):
            with lock:
                begun += 1
                most = max(most, begun - taken)
            yield n

    for _ in read_ahead(lambda n: n, items(), pool, 5):
        taken += 1
    assert (begun, taken) == (50, 50)
    assert most == 6  # five ahead and the one being handed over


def test_a_fault_is_raised_where_its_result_would_come(pool: ThreadPoolExecutor) -> None:
    def work(n: int) -> int:
        if n == 3:
            raise OSError("three")
        return n

    results = read_ahead(work, range(10), pool, 4)
    assert [next(results)[0] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="three"):
        next(results)


def test_nothing_is_advanced_before_it_is_asked_for(pool: ThreadPoolExecutor) -> None:
    def items() -> Iterator[int]:
        raise AssertionError("advanced")
        yield 0

    read_ahead(lambda n: n, items(), pool, 4)
