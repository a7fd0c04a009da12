"""Where sentences begin."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.jats.sentences import sentence_around, sentence_starts


def split(text: str) -> list[str]:
    starts = sentence_starts(text)
    return [text[a:b].strip() for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    "text",
    [
        "As shown in Fig. 2 and Figs. 3A the mice grew.",
        "Smith et al. (2003) and Jones et al. Nature saw it.",
        "Some cells, e.g. T cells, i.e. CD4 cells, grew by 0.5 mg.",
        "We thank J. R. Smith and A. B. Jones for help.",
        "The strain of E. Coli vs. Control was kept at approx. 37 °C.",
        "Sample No. 5 was lost (Suppl. Table 2).",
        "One sentence without an end",
        "",
    ],
)
def test_no_split(text: str) -> None:
    assert split(text) == [text]


def test_splits() -> None:
    assert split("Mice grew (Fig. 2). Rats did not [3]. Why? We asked.") == [
        "Mice grew (Fig. 2).",
        "Rats did not [3].",
        "Why?",
        "We asked.",
    ]
    assert split("It is shown in Fig. 2. The rest is in Figure 3A. In mice it is not.") == [
        "It is shown in Fig. 2.",
        "The rest is in Figure 3A.",
        "In mice it is not.",
    ]
    assert split("They lack vitamin D. The rats do not.") == [
        "They lack vitamin D.",
        "The rats do not.",
    ]
    assert split("It was p < 0.05. “Really” so.[12] The end.") == [
        "It was p < 0.05.",
        "“Really” so.[12]",
        "The end.",
    ]


@given(st.text(st.sampled_from("aA. ?(")), st.integers(0, 50))
def test_every_sentence_is_a_part_of_the_text(text: str, position: int) -> None:
    text = " ".join(text.split())
    starts = sentence_starts(text)
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    if text:
        assert sentence_around(text, starts, min(position, len(text) - 1)) in text
