"""Where the text cites a figure."""

from __future__ import annotations

import pytest

from biomedica.jats import Article, Mention
from tests.jats.documents import META, fig, parse, xref

FIGURES = "".join(fig(f"f{n}", f"Figure {n}", f"Mouse {n}.") for n in range(1, 6)) + fig(
    "s1", "Figure S1", "Another mouse."
)


def cited(article: Article) -> dict[str, tuple[Mention, ...]]:
    return {f.figure_id: f.mentions for f in article.figures if f.mentions}


def mentions(paragraph: str, figures: str = FIGURES) -> dict[str, Mention]:
    """The one mention of each figure in an article with this paragraph."""
    found = cited(parse(f"<sec><title>Results</title><p>{paragraph}</p></sec>{figures}"))
    assert all(len(m) == 1 for m in found.values())
    return {name: m[0] for name, m in found.items()}


def how(mention: Mention) -> str:
    return "R" * mention.is_range + "V" * mention.via_parent + "T" * mention.is_text_only


def summary(paragraph: str, figures: str = FIGURES) -> dict[str, str]:
    """`panels/how` of each figure."""
    return {n: f"{','.join(m.panels)}/{how(m)}" for n, m in mentions(paragraph, figures).items()}


def test_a_mention_is_a_paragraph_with_its_sentence_and_section() -> None:
    body = (
        "<sec><title>Results <xref>1</xref></title><sec><title>Mice</title>"
        f"<p>They grew. It is shown in {xref('f1', 'Fig. 1A')} (see H<sub>2</sub>O). So what?</p></sec></sec>"
    )
    (mention,) = cited(parse(body + FIGURES))["f1"]
    assert mention == Mention(
        section="Results 1 > Mice",
        paragraph="They grew. It is shown in Fig. 1A (see H2O). So what?",
        sentence="It is shown in Fig. 1A (see H2O).",
        panels=("A",),
        is_range=False,
        via_parent=False,
        is_text_only=False,
    )


@pytest.mark.parametrize(
    ("text", "panels"),
    [
        ("<xref ref-type='fig' rid='f1'>Fig. 1a,b</xref>", "a,b"),
        ("Figure <xref rid='f1'>1</xref>a", "a"),
        ("Figure <xref rid='f1'>1</xref>A–C shows", "A,B,C"),
        ("Figure <xref rid='f1'>1</xref>A and B show", "A,B"),
        ("<xref rid='f1'>Fig. 1</xref> (a, c)", "a,c"),
        ("<xref rid='f1'>Fig. 1</xref> A, and", "A"),
        ("<xref rid='f1'>Fig. 1A</xref>, <xref rid='f1'>C</xref>", "A,C"),
        ("<xref rid='f1'>Fig. 1A</xref>–<xref rid='f1'>D</xref>", "A,B,C,D"),
        ("<bold><xref rid='f1'>Fig. 1</xref></bold> a mouse", ""),
        ("<xref rid='f1'>Fig. 1</xref> (a mouse)", ""),
        ("<xref rid='f1'>Fig. 1A</xref>, R tumours", "A"),
        ("<xref rid='f1'>Fig. 1</xref><sup>2</sup>", ""),
        ("<xref rid='f1'/> and", ""),
        ("As <xref rid='f1'>Figure 1A,C</xref> shows", "A,C"),
        ("As <xref rid='f1'>Figure 1A, C and F</xref> mice", "A,C,F"),
        ("As <xref rid='f1'>Fig. 1 A</xref> mouse", "A"),
        ("Figure <xref rid='f1'>1A</xref>,C mice", "A,C"),
        ("<xref rid='f1'>Fig. 1</xref>A and D show", "A,D"),
        ("<xref rid='f1'>Fig. 1</xref>A and T cells", "A"),
        ("in Figure 1A,C mice", "A,C/T"),
        ("<xref rid='f1'>Figuras 1 a-c</xref>, seen", "a,b,c"),
        ("(<xref rid='f1'>Fig. 1</xref> a, c)", "a,c"),
        ("(<xref rid='f1'>Fig. 1</xref> b)", "b"),
        ("<xref rid='f1'>Fig. 1</xref> a-priori", ""),
        ("<xref rid='f1'>Fig. 1</xref> a, which", ""),
        ("(Fig. 1<xref rid='f1'> ▸</xref><italic>a</italic>)", "a"),
        ("(Fig. 1<xref rid='f1'> ▸</xref>)", ""),
        (
            "Figs. 1<xref rid='f1'> ▸</xref>(<italic>a</italic>) and 1<xref rid='f1'> ▸</xref>(<italic>c</italic>)",
            "a,c",
        ),
    ],
)
def test_panels(text: str, panels: str) -> None:
    assert summary(text) == {"f1": panels if "/" in panels else panels + "/"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<xref ref-type='fig' rid='f3 f4'>Figs. 3A and 4B</xref>", {"f3": "A/", "f4": "B/"}),
        ("<xref rid='f2'>Figs. 2</xref>–<xref rid='f4'>4</xref>", {"f2": "/", "f3": "/R", "f4": "/"}),
        (
            "<xref rid='f2'>Fig. 2</xref> to <xref rid='f4'>Fig. 4</xref>",
            {"f2": "/", "f3": "/R", "f4": "/"},
        ),
        ("<xref rid='f2'>Figs. 2</xref>, <xref rid='f4'>4</xref>", {"f2": "/", "f4": "/"}),
        ("<xref rid='f2'>Figs. 2–4</xref>", {"f2": "/", "f3": "/R", "f4": "/T"}),
        ("<xref rid='f4'>Figs. 2–4</xref>", {"f2": "/T", "f3": "/R", "f4": "/"}),
        ("<xref rid='f2 f4'>Figs. 2–4</xref>", {"f2": "/", "f3": "/R", "f4": "/"}),
        ("see <xref rid='f2'>Fig. 2 and 3</xref> mice", {"f2": "/", "f3": "/T"}),
        ("(Figures <xref rid='f1'>1</xref>c and S1d)", {"f1": "c/", "s1": "d/T"}),
        ("(<xref rid='f3'>Figures 3a and S1b</xref>)", {"f3": "a/", "s1": "b/T"}),
        ("(<xref rid='s1'>Figures S1b and 3</xref>)", {"s1": "b/"}),
        ("(<xref rid='f4'>Figures S4b</xref>)", {"f4": "b/"}),
        ("(<xref rid='f2'>Fig. 2</xref> and 3)", {"f2": "/", "f3": "/T"}),
        ("<xref rid='f2'>Fig. 2</xref> and 3 mice", {"f2": "/"}),
        (
            "<xref rid='f2'>Fig. 2</xref>,<sup><xref ref-type='bibr' rid='b3'>3</xref></sup>.",
            {"f2": "/"},
        ),
        ("Figs. 2 and 4A–B were <xref rid='f1'>(1)</xref>", {"f1": "/", "f2": "/T", "f4": "A,B/T"}),
        ("Figures 2–4 show", {"f2": "/T", "f3": "/R", "f4": "/T"}),
        ("see Figure 3B.", {"f3": "B/T"}),
        ("see Fig 3 and <xref rid='f3'>Fig. 3C</xref>", {"f3": "C/"}),
        ("see Supplementary Figure 1 and Fig. S1", {"s1": "/T"}),
        ("in Figure 3 of Smith et al. and refigure 4, Figure 9", {}),
        ("see Figure 3 in the Supplementary Material", {}),
        ("(Smith et al., 2003, Figure 3), their Figure 2", {}),
        ("see <xref rid='b1'>Figure 3</xref>", {"f3": "/T"}),
        ("config 3 and Fig. 3.5 and Fig. 12", {}),
    ],
)
def test_lists_ranges_and_words(text: str, expected: dict[str, str]) -> None:
    assert summary(text) == expected


def test_an_xref_is_decided_by_what_it_points_at() -> None:
    other = "<p><supplementary-material id='d1'/></p>"
    assert summary("see <xref rid='d1'>Figure 3</xref>", FIGURES + other) == {}
    assert summary("see <xref ref-type='fn' rid='f3'>below</xref>") == {"f3": "/"}
    body = f"<p>see {xref('nowhere', 'Fig. 3')}</p>{FIGURES}"
    article = parse(body)
    assert article.warnings == ("unresolved_rid: nowhere",)
    assert cited(article)["f3"][0].is_text_only


def test_paragraphs_do_not_swallow_what_stands_in_them() -> None:
    text = f"Before {fig('f9', 'Figure 9', 'Long caption of nine.')} after {xref('f9', 'Fig. 9')}."
    found = mentions(text, "")
    assert found["f9"].paragraph == "Before after Fig. 9."


def test_an_inner_paragraph_is_its_own_block() -> None:
    text = f"Outer Figure 2 <list><list-item><p>inner {xref('f1', 'Fig. 1')} Figure 3</p></list-item></list>"
    found = mentions(text)
    assert found["f1"].paragraph == "inner Fig. 1 Figure 3"
    assert found["f2"].paragraph == "Outer Figure 2 inner Fig. 1 Figure 3"
    assert found["f3"].paragraph == "inner Fig. 1 Figure 3"


def test_captions() -> None:
    figures = fig("a", "Figure 1", f"Own {xref('a', 'Fig. 1')}, other {xref('b', 'Fig. 2B')}.") + fig(
        "b", "Figure 2"
    )
    (mention,) = cited(parse(figures))["b"]
    assert (mention.section, mention.panels) == ("Caption of Figure 1", ("B",))
    assert set(cited(parse(figures))) == {"b"}


def test_tables_titles_and_other_places() -> None:
    body = (
        f"<sec><title>Of {xref('f1', 'Fig. 1')}</title><table-wrap><table><tr><td>{xref('f2', 'Fig. 2')}</td>"
        f"</tr></table></table-wrap></sec>{FIGURES}"
    )
    back = f"<app-group><app><title>Appendix A</title><p>{xref('f3', '3')}</p></app></app-group>"
    found = cited(parse(body, meta=META + f"<abstract><p>{xref('f4', '4')}</p></abstract>", back=back))
    assert {n: m[0].section for n, m in found.items()} == {
        "f1": "Of Fig. 1",
        "f2": "Of Fig. 1",
        "f3": "Appendix A",
        "f4": "Abstract",
    }
    assert found["f2"][0].paragraph == "Fig. 2"


def test_parents_and_groups() -> None:
    family = fig("p", "Figure 2") + fig("c", "Figure 2—figure supplement 1")
    assert summary(f"see {xref('p', 'Figure 2A')}", family) == {"p": "A/", "c": "/V"}
    both = f"see {xref('p', 'Figure 2')} and {xref('c', 'Figure 2—figure supplement 1B')}"
    assert summary(both, family) == {"p": "/", "c": "B/"}
    assert summary("see Figure 2—figure supplement 1A", family) == {"c": "A/T"}
    group = f"<fig-group id='g'><label>Figure 7</label>{fig('x', 'A')}{fig('y', 'B')}</fig-group>"
    assert summary(f"see {xref('g', 'Figure 7')}", group) == {"x": "/V", "y": "/V"}


def test_a_label_of_many_numbers() -> None:
    assert summary("see Fig. 3", fig("m", "Figures 1–9.")) == {"m": "/T"}


def test_a_sub_article_sees_its_own_figures_first() -> None:
    sub = (
        '<sub-article article-type="reply"><front-stub><title-group><article-title>Author response'
        f"</article-title></title-group></front-stub><body><p>Own {xref('f1', 'Figure 1')}, main "
        f"{xref('f2', 'Figure 2')} and Figure 3.</p>{fig('f1', 'Figure 1', href='r1')}</body></sub-article>"
    )
    article = parse(f"<p>Main {xref('f1', 'Fig. 1')}.</p>{FIGURES}", more=sub)
    by_href = {
        f.graphics[0].href: [m.section for m in f.mentions] for f in article.figures if f.mentions
    }
    assert by_href == {
        "f1.jpg": [""],
        "r1": ["Author response"],
        "f2.jpg": ["Author response"],
        "f3.jpg": ["Author response"],
    }


def test_document_order_and_one_mention_a_paragraph() -> None:
    body = "".join(f"<p>{n} {xref('f1', 'Fig. 1A')} and {xref('f1', 'Fig. 1B')}</p>" for n in range(3))
    found = cited(parse(body + FIGURES))["f1"]
    assert [(m.paragraph[0], m.panels) for m in found] == [(str(n), ("A", "B")) for n in range(3)]


def test_ids_with_white_space() -> None:
    assert summary("see <xref rid='f 1'>Fig. 1</xref>", fig("f 1", "Figure 1")) == {"f 1": "/"}


def test_an_anchor_in_a_caption_is_its_figure() -> None:
    caption = '<styled-content id="here">A mouse.</styled-content> <xref rid="t">Table</xref>'
    body = f"<p>See {xref('here', 'Fig. 1')}.</p>{fig('', 'Figure 1', caption)}".replace(' id=""', "")
    article = parse(body)
    (figure,) = article.figures
    assert [mention.paragraph for mention in figure.mentions] == ["See Fig. 1."]
    assert article.warnings == ()
