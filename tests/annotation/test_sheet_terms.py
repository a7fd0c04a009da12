import numpy as np
import pyarrow as pa
import pytest

from biomedica.annotation.sheet_terms import (
    PRIOR,
    caption_words,
    count_terms,
    log_odds,
    merge_terms,
    typical,
)


def test_words_are_folded_and_each_counts_once() -> None:
    text = "CT of the Lung’s lobe; CT 3.2 mm, x, β-actin <script>alert</script>"
    assert caption_words(text) == {
        "ct",
        "of",
        "the",
        "lung",
        "lobe",
        "mm",
        "β-actin",
        "script",
        "alert",
    }


@pytest.mark.parametrize("text", [None, "", "a" * 10**6, "😀 \u202e 12 _", "\ud800"])
def test_what_holds_no_words_gives_none(text: str | None) -> None:
    assert caption_words(text) == frozenset()


def test_the_score_is_that_of_the_paper() -> None:
    """Monroe et al. 2008, worked by hand: α = 10 of 1000, 30 of 500 here, 20 of 2000 in the rest."""
    (score,) = log_odds(np.array([30.0]), 500, np.array([20.0]), 2000, np.array([10.0]))
    delta = np.log(40 / (500 + PRIOR - 40)) - np.log(30 / (2000 + PRIOR - 30))
    assert score == pytest.approx(delta / np.sqrt(1 / 40 + 1 / 30))


def _counts() -> pa.Table:
    rows = [(0, word) for word in ["the", "microscopy", "scale"] * 40]
    rows += [(1, word) for word in ["the", "ct", "axial"] * 60]
    rows += [(1, "once"), (2, "the"), (2, "alone")]
    half = len(rows) // 2
    return merge_terms([count_terms(rows[half:]), count_terms(rows[:half])])


def test_typical_words_are_those_that_the_rest_has_not() -> None:
    assert _counts().equals(merge_terms([_counts()]))
    found = typical(_counts(), {0: 40, 1: 60, 2: 1}, {0: 4000, 1: 6000, 2: 1}, 5)
    assert {c: [one.term for one in terms] for c, terms in found.items()} == {
        0: ["microscopy", "scale"],
        1: ["axial", "ct"],
        2: [],
    }
    assert found[0][0].share == 1.0


def test_nothing_to_compare_with_gives_nothing() -> None:
    assert typical(merge_terms([]), {}, {}, 5) == {}
    assert typical(count_terms([(3, "a")] * 9), {3: 9}, {3: 9}, 5) == {}
