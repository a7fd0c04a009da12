"""Figure numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.jats.labels import Number, label_numbers, parent_number, read_cited, strip_label


@pytest.mark.parametrize(
    ("label", "numbers"),
    [
        ("Figure 1", [("figure", 1)]),
        ("FIG. 12", [("figure", 12)]),
        ("Figura 3", [("figure", 3)]),
        ("3", [("figure", 3)]),
        ("Figure 2A", [("figure", 2)]),
        ("Figure S1", [("figure S", 1)]),
        ("Supplementary Fig. 1", [("figure S", 1)]),
        ("Supplementary Figure S1", [("figure S", 1)]),
        ("Extended Data Fig. 4", [("figure ED", 4)]),
        ("Scheme 2", [("scheme", 2)]),
        ("Plate IV", [("plate", 4)]),
        ("Figures 1–3", [("figure", 1), ("figure", 2), ("figure", 3)]),
        ("Figure 2—figure supplement 1", [("figure 2 child", 1)]),
        ("Appendix 1—figure 2", [("appendix 1 figure", 2)]),
        ("Figure 1.2", [("figure 1", 2)]),
        ("Author response image 1", [("author response figure", 1)]),
        ("Figure", []),
        ("", []),
        (None, []),
    ],
)
def test_labels(label: str | None, numbers: list[tuple[str, int]]) -> None:
    assert list(label_numbers(label)) == [Number(*n) for n in numbers]


def test_parents() -> None:
    assert parent_number(Number("figure S 2 child", 1)) == Number("figure S", 2)
    assert parent_number(Number("figure", 1)) is None


def test_label_ends() -> None:
    assert [strip_label(t) for t in ("Figure 1.", "Fig. 2 :", "Fig 3|", " . ")] == [
        "Figure 1",
        "Fig. 2",
        "Fig 3",
        None,
    ]


@given(st.text(st.sampled_from("Figure sS13.–—,aVIX() "), max_size=30))
def test_any_text_is_read(text: str) -> None:
    assert all(n.value >= 0 for n in label_numbers(text))
    for cited in read_cited(text, 0, len(text)):
        assert 0 <= cited.start <= cited.end <= len(text)
