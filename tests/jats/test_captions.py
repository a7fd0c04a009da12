"""Which of several captions is taken, and the words that point to another owner."""

from __future__ import annotations

import pytest

from tests.jats.documents import fig, parse
from tests.jats.test_figures import CAPTION, graphic


def test_captions_in_two_languages() -> None:
    captions = "".join(f'<caption xml:lang="{lang}"><p>{lang}</p></caption>' for lang in ("en", "pt"))
    xml = f"<fig>{captions}{graphic()}</fig>"
    assert parse(xml, attributes='xml:lang="pt"').figures[0].caption == "pt"
    assert parse(xml).figures[0].caption == "en"
    assert parse(xml, attributes='xml:lang="pt-BR"').figures[0].caption == "pt"
    empty = xml.replace("<p>pt</p>", "<p/>")
    assert parse(empty, attributes='xml:lang="pt"').figures[0].caption == "en"


LABEL_ALONE = "<caption><p>Figure 1.</p></caption>"


def test_a_caption_that_is_a_label_alone_gives_way_to_one_with_words() -> None:
    for own, label in (("", "Figure 1"), ("<label>Fig. 1</label>", "Fig. 1")):
        figure = parse(f"<fig>{own}{LABEL_ALONE}{CAPTION}{graphic()}</fig>").figures[0]
        assert (figure.label, figure.caption) == (label, "Seen.")
    german = '<caption xml:lang="de"><p>Figure 2. Eine Maus.</p></caption>'
    xml = f"<fig>{german}{LABEL_ALONE}{CAPTION}{graphic()}</fig>"
    figure = parse(xml, attributes='xml:lang="en"').figures[0]
    assert (figure.label, figure.caption) == ("Figure 1", "Seen.")


def test_a_label_in_a_caption_of_another_language_counts() -> None:
    german = '<caption xml:lang="de"><p>Figure 2. Eine Maus.</p></caption>'
    english = '<caption xml:lang="en"><p>Seen.</p></caption>'
    xml = f"<fig>{german}{english}{graphic()}</fig>"
    figure = parse(xml, attributes='xml:lang="en"').figures[0]
    assert (figure.label, figure.caption) == ("Figure 2", "Seen.")
    figure = parse(xml, attributes='xml:lang="de"').figures[0]
    assert (figure.label, figure.caption) == ("Figure 2", "Eine Maus.")


def test_a_label_alone_is_no_caption() -> None:
    article = parse(f"<fig>{LABEL_ALONE}{graphic()}</fig>")
    assert [no.reason for no in article.rejects] == ["no_caption"]
    assert not article.figures


def test_credits_and_third_parties() -> None:
    def words(caption: str, more: str = "") -> str | None:
        xml = f"<fig><caption><p>{caption}</p></caption>{more}{graphic()}</fig>"
        return parse(xml).figures[0].third_party_text

    assert words("A mouse, modified from Smith. Used with care.") is None
    assert words("Shown with permission from the patient.") is None
    assert words("Shown with permission from Jo Doe.") == "with permission from"
    assert words("Reprinted with kind permission from Elsevier.") == "Reprinted with kind permission"
    assert words("Photo courtesy of NASA © 2020") == "Photo courtesy; ©"
    assert words("A mouse.", "<attrib>Jo Doe</attrib>") == "Jo Doe"
    assert words("A mouse.", "<attrib>* Hungry</attrib>") is None
    own = (
        "<permissions><copyright-statement>© 2012, X</copyright-statement>"
        '<license xlink:href="https://creativecommons.org/licenses/by-nc/4.0/"/></permissions>'
    )
    figure = parse(f"<fig>{CAPTION}{own}{graphic()}<attrib>Credit</attrib></fig>").figures[0]
    assert (figure.third_party_text, figure.attribution) == ("Credit; © 2012, X", "Credit")
    assert figure.license is not None
    assert figure.license.code == "CC BY-NC"


@pytest.mark.parametrize(
    ("credit", "is_credit"),
    [
        ("Photo: A. Smith/CC BY", True),
        ("Source: World Health Organization", True),
        ("Fonte: IBGE (2010)", True),
        ("Abbreviations: CG, control group.", False),
        ("Figure 1. The same words in another language.", False),
        ("Fonte: dados da pesquisa.", False),
        ("Fuente: elaboración propia.", False),
        ("Fonte: Elaborado pelos autores (2020).", False),
        ("Source: authors' own work", False),
        ("Source: Own calculations with data from NBS (2024).", False),
    ],
)
def test_what_a_credit_line_says(credit: str, is_credit: bool) -> None:
    attrib = f"<attrib>{credit}</attrib>"
    (figure,) = parse(fig("f", "Figure 1").replace("<graphic", f"{attrib}<graphic")).figures
    assert figure.attribution == credit
    assert (figure.third_party_text is not None) == is_credit


@pytest.mark.parametrize(
    ("caption", "words"),
    [
        ("Mice. Source: Doe et al.25 of 2010. CI, interval.", "Source: Doe et al.25 of 2010"),
        ("Mice. Original source: J Mice 2014;134:818-23.", "Original source: J Mice 2014"),
        ("Ratos. Fonte: Silva e Souza (2019, p.288).", "Fonte: Silva e Souza (2019, p.288)"),
        ("Mapa (Fuente: Pérez, 2015)", "Fuente: Pérez, 2015"),
        ("Mice by source. Source: Authors’ calculations based on a survey of 2019.", None),
        ("Ratos. (Fonte: Autores, 2022)", None),
        ("Mice. Source: own elaboration, 2020.", None),
        ("Mice. Source: the authors, after a survey of 2019.", None),
        ("Mapa. Fuente: elaboración propia, 2020.", None),
        ("Mapa. Fonte: elaborado pelos autores (2020).", None),
        ("Light source: LED. Source: mouse liver.", None),
        ("Mapa adaptado de Silva (2010).", "adaptado de"),
        ("Mapa. Reproduzida com permissão de Silva.", "Reproduzida com permissão"),
        ("Mapa. Reproducido con el permiso de Pérez.", "Reproducido con el permiso"),
        ("Ratos. Foto: cortesia de J. Silva.", "cortesia de"),
        ("Figures are reprinted in part from [64].", "reprinted in part from"),
        ("Redrawn from Doe et al.", "Redrawn from"),
        ("Mice were adapted to cold.", None),
    ],
)
def test_the_source_of_a_figure(caption: str, words: str | None) -> None:
    (figure,) = parse(fig("f", "Figure 1", caption)).figures
    assert figure.third_party_text == words
