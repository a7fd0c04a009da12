"""Where sentences begin: each shape, wild text, and the error rate on the labelled sample."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.sentences import read_sample, score
from biomedica.jats.sentences import sentence_around, sentence_starts

MAX_ERROR_RATE = 0.02
"""Of the marked sentences of any part; when it was set 1.2 % of the part `last`, 0.5 % of `held_out`."""
MAX_CITED_ERROR_RATE = 0.01
"""Of those that cite a figure; 0 of 238 when it was set."""


def split(text: str) -> list[str]:
    starts = sentence_starts(text)
    return [text[a:b].strip() for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


@pytest.mark.parametrize(
    "text",
    [
        "As shown in Fig. 2 and Figs. 3A the mice grew.",
        "AS SHOWN IN FIG. 2 THE MICE GREW.",
        "Smith et al. (2003) and Jones et al. Nature saw it.",
        "Some cells, e.g. T cells, i.e. CD4 cells, grew by 0.5 mg.",
        "We thank J. R. Smith and A. B. Jones for help.",
        "It is due to J. A. Smith, J.-P. Brown and M.A. Green.",
        "The strain of E. Coli vs. Control was kept at approx. 37 °C.",
        "Sample No. 5 was lost (Suppl. Table 2).",
        "It was seen in Jan. 2003 and on p. 12 of the report.",
        "The relative abundance of f. Clostridiaceae and g. Clostridium fell.",
        "The species Ae. (Stg.) aegypti and Anabaena sp. PCC 7120 grew.",
        "Vitis vinifera (L.) P. Beauv. was kept on Mt. Finkol.",
        "The ratio was 1.79 (95% CI: 1.2–2.3) and version 3.3.2 (R Core Team) was used.",
        "It was below a threshold of. 05 in all.",
        "Nodules were seen in the left lung. (Figure 1A).",
        "Nodules were seen in the left lung. [see also Table 2]",
        "No cae en el “error.” (GLUCKSMANN, 1982, p. 140).",
        "Oliveira et al . (1999) saw rats ( Fig . 2 ).",
        "It rose in severe cases of COVID-19. 1,2",
        "Figure 2. Example of a field.",
        "Fig. 1 shows a field.",
        "3. Preparation of the field.",
        "They came from Sigma Chemical Co. Ltd. Munich.",
        "One sentence without an end",
        "",
    ],
)
def test_no_split(text: str) -> None:
    assert split(text) == [text]


@pytest.mark.parametrize(
    "text",
    [
        "Mice grew (Fig. 2).|Rats did not [3].|Why?|We asked.",
        "It is shown in Fig. 2.|The rest is in Figure 3A.|In mice it is not.",
        "They lack vitamin D.|The rats do not.",
        "It was p < 0.05.|“Really” so.[12]|The end.",
        "It leads to cascades.34|The mutation was found (Fig. 1).12,13–15|Next it was lost.",
        "It was oxidised ([M + H]+).25|To show this we weighed it.”3|Rats came next.",
        "It was so in p < .001 of all.|Mice were not.",
        "They were kept for 5 h.|Cells came from a flask of 5 L.|Different ones were lost.",
        "The speed was 4 cm/s.|Neurons were exposed to TNF-α.|Cells are shown in Fig. 4A–L.|Mice grew.",
        "It is in Fig. 3A and B.|Average numbers were lost in group B.|Patients came back.",
        "It was seen by Smith et al.|The rats had no Lactobacillus spp.|These came later.",
        "It was a case of CF.|Patients were measured by MS.|Peaks came later.",
        "Nodules were seen. (Figure 1A)|They grew.",
        "Nodules were seen.|(They grew.)",
        "Nodules were seen. [12]|They grew. (Smith et al., 2003)|Rats did not.223233|However, cats did.",
        "We set the reward parameter .|However, it was low in panels A-C .|Rats were lost.",
        "We saw it in liver.|mTOR was not.|p53 was.|miR-21 was lost.",
        "They can be given.|(i) Mice grew.|(ii) Rats did not.|– Cats came.|• Dogs came.",
        "They were as follows.|1. Mice grew.|2. Rats were in dimension 2.|Twelve did not.",
        "It fell.|~50% were lost.|[C14H11O4]+ grew.|12 mice came.|β-Actin did not.",
        "Hubo ratas.|¿Cuántas?|Ninguna, según Pérez et al.|Los ratones crecieron en el núm. 5.",
        "As ratas cresceram (Figura 2).|É assim em S. Paulo.",
        "It was shown in the U.S.|The rats did not show it at 5 p.m.|Then they did.",
    ],
)
def test_splits(text: str) -> None:
    assert split(text.replace("|", " ")) == text.split("|")


def test_a_space_was_forgotten() -> None:
    assert split("It was low under these conditions.Our study of Foo.Bar shows it .The end.") == [
        "It was low under these conditions.",
        "Our study of Foo.Bar shows it .",
        "The end.",
    ]


def test_the_sentence_around_a_position() -> None:
    text = "Mice grew (Fig. 2). Rats did not."
    starts = sentence_starts(text)
    assert sentence_around(text, starts, text.index("Fig")) == "Mice grew (Fig. 2)."
    assert sentence_around(text, starts, len(text) - 1) == "Rats did not."


@given(
    st.lists(st.sampled_from(["a", "A", ".", "? ", " (", ")", "Fig. 1", " 12", "The ", "(Table 2) "])),
    st.integers(0, 99),
)
def test_every_sentence_is_a_part_of_the_text(pieces: list[str], position: int) -> None:
    text = " ".join("".join(pieces).split())
    starts = sentence_starts(text)
    assert starts == sorted(set(starts))
    assert starts[0] == 0
    assert all(not text[start].isspace() for start in starts if text)
    if text:
        assert sentence_around(text, starts, min(position, len(text) - 1)) in text


@given(st.text())
def test_any_text(text: str) -> None:
    text = " ".join(text.split())
    assert sentence_starts(text)[-1] <= max(0, len(text) - 1)


@pytest.mark.parametrize("part", ["develop", "held_out", "fresh", "last"])
def test_error_rate_on_the_labelled_sample(corpus: Path, part: str) -> None:
    found = score(sentence_starts, [p for p in read_sample(corpus) if p.part == part])
    assert found["sentence_error_rate"] <= MAX_ERROR_RATE
    assert found["cited_error_rate"] <= MAX_CITED_ERROR_RATE
    assert found["f1"] >= 1 - MAX_ERROR_RATE
