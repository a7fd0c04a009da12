"""Requests in flight: halved by SlowDown, widened by success, never more than allowed."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.sources.window import Gate, Window


@given(st.integers(1, 300), st.lists(st.booleans(), max_size=400))
def test_the_window_stays_within_its_bounds(most: int, answers: list[bool]) -> None:
    window = Window(most)
    assert window.size == most
    for slow in answers:
        before = window.size
        if slow:
            window.slowed(window.cuts)
            assert max(1, before // 2) <= window.size <= max(1, -(-(before + 1) // 2))
        else:
            window.succeeded()
            assert before <= window.size <= min(most, before + 1)
    assert 1 <= window.size <= most


def test_a_window_of_successes_widens_it_by_one() -> None:
    window = Window(64)
    for _ in range(3):
        window.slowed(window.cuts)
    assert window.size == 8
    for _ in range(9):
        window.succeeded()
    assert window.size == 9
    for _ in range(10_000):
        window.succeeded()
    assert window.size == 64


def test_what_was_in_flight_together_halves_it_once() -> None:
    window = Window(64)
    sent = window.cuts
    for _ in range(64):
        window.slowed(sent)
    assert (window.size, window.cuts) == (32, 1)
    window.slowed(window.cuts)
    assert window.size == 16


def test_a_window_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="none"):
        Window(0)


@pytest.mark.parametrize(("most", "threads"), [(1, 6), (3, 8), (8, 8)])
def test_no_more_threads_are_inside_than_allowed(most: int, threads: int) -> None:
    gate, lock = Gate(most), threading.Lock()
    inside = peak = 0
    full = threading.Barrier(most)

    def ask(number: int) -> None:
        nonlocal inside, peak
        with gate.slot() as slot:
            with lock:
                inside += 1
                peak = max(peak, inside)
            if number < most:
                full.wait(10)  # all of the first ones are inside at once
            with lock:
                inside -= 1
            slot.succeeded()

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask, range(10 * most)))
    assert peak == most


def test_a_request_that_raises_leaves_its_place() -> None:
    gate = Gate(1)

    def fail() -> None:
        with gate.slot() as slot:
            slot.slowed()
            raise KeyError

    for _ in range(3):
        with pytest.raises(KeyError):
            fail()
    with gate.slot() as slot:
        assert slot.cuts == 3
