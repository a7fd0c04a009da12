"""What a page shows of texts and items: cut, cleaned, spread."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from biomedica.excerpts import cleaned, cut, spread


@given(st.text(), st.integers(2, 60))
def test_cut_is_short_and_a_line(text: str, length: int) -> None:
    shown = cut(text, length)
    assert len(shown) <= length
    assert shown == " ".join(shown.split())
    if len(" ".join(text.split())) <= length and len(text) <= 4 * length:
        assert shown == " ".join(text.split())


def test_cut_between_words() -> None:
    assert cut("one two three four", 12) == "one two…"
    assert cut("onetwothreefour", 6) == "onetw…"
    assert cut(None, 5) == ""


@given(st.text())
def test_cleaned_text_keeps_its_length_and_can_be_written(text: str) -> None:
    assert len(cleaned(text)) == len(text)
    cleaned(text).encode("utf-8")


def test_characters_that_a_page_does_not_show() -> None:
    hidden = "\x00\x1b\x7f\x85\u202e\u2066\ud800\ufdd0\uffff"
    assert cleaned(f"a\tb\n{hidden}é") == "a\tb\n" + "\ufffd" * len(hidden) + "é"


def test_spread_is_even_and_in_order() -> None:
    assert spread(range(3), 5) == [0, 1, 2]
    assert spread(range(10), 2) == [2, 7]
    assert spread(range(1000), 7) == sorted(set(spread(range(1000), 7)))
    assert spread([], 4) == []
