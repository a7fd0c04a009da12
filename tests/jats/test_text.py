"""Normalisation, captions as text and markup, formulas."""

from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from biomedica.jats.math import linear_mathml, tex_body
from biomedica.jats.text import clean, normalise, plain_and_markup, stream_of
from tests.jats.documents import NAMESPACES, fig, parse

WILD = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs", "Cc"]),
        st.sampled_from(" \t\n\u00a0\u2009\u200b\u00ad\ufeff\u0301e\u2028@."),
    )
)


@given(WILD)
def test_normalised_text_is_one_clean_line(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert "  " not in once
    assert once == once.strip()
    assert not re.search(r"[\n\t\u00a0\u00ad\u200b\u2060\ufeff\u2009\u2028]", once)
    assert clean(clean(text)) == clean(text)


def test_normalisation_keeps_what_has_meaning() -> None:
    assert normalise("a\u00a0\u2009b\n c\u00ad\u200bd") == "a b cd"
    assert normalise("x² µm ½ ﬁ\u200d") == "x² µm ½ ﬁ\u200d"
    assert normalise("e\u0301") == "é"
    assert clean("write to jo.doe+x@uni-a.ac.uk, please") == "write to , please"
    assert clean("5 @ 3 Hz") == "5 @ 3 Hz"


INLINE = ("bold", "italic", "sup", "sub", "xref", "named-content")


@st.composite
def mixed(draw: st.DrawFn, depth: int = 3) -> str:
    words = html.escape(draw(st.text(st.sampled_from("ab <&é\u0301\n\u00a0"), max_size=6)), quote=False)
    if depth == 0:
        return words
    parts = [words]
    for name in draw(st.lists(st.sampled_from(INLINE), max_size=3)):
        parts.append(f"<{name}>{draw(mixed(depth=depth - 1))}</{name}>" + words)
    return "".join(parts)


@given(st.lists(mixed(), min_size=1, max_size=3))
def test_markup_without_its_tags_is_the_text(paragraphs: list[str]) -> None:
    caption = etree.fromstring("<c>" + "".join(f"<p>{p}</p>" for p in paragraphs) + "</c>")
    stream, _, _ = stream_of(caption, tags=True)
    text, markup = plain_and_markup(stream)
    assert html.unescape(re.sub(r"</?(?:b|i|sup|sub)>", "", markup)) == text
    assert not re.search(r"<(b|i|sup|sub)>\s*</\1>", markup)
    whole = "".join(caption.itertext())
    bare = unicodedata.normalize("NFC", re.sub(r"\s", "", unicodedata.normalize("NFC", whole)))
    assert unicodedata.normalize("NFC", re.sub(r"\s", "", text)) == bare
    assert text == normalise(text)


def caption(xml: str) -> tuple[str, str | None, str]:
    figure = parse(f'<fig id="f"><label>Figure 1</label>{xml}<graphic xlink:href="a"/></fig>').figures[
        0
    ]
    return figure.caption, figure.caption_title, figure.caption_markup


def test_blocks_are_apart_and_inline_elements_touch() -> None:
    text, title, markup = caption(
        "<caption><title>One</title><p>H<sub>2</sub>O at 10<sup>−6</sup>.</p><p>Two<break/>three "
        "<list><list-item><label>a</label><p>four</p></list-item></list></p></caption>"
    )
    assert text == "One H2O at 10−6. Two three a four"
    assert title == "One"
    assert markup == "One H<sub>2</sub>O at 10<sup>−6</sup>. Two three a four"


def test_what_is_left_out_of_a_caption() -> None:
    text, _, _ = caption(
        "<caption><p>Seen <fn><p>note</p></fn>(<xref>Smith, 2003</xref>).</p>"
        '<p><supplementary-material id="s"><label>Data 1.</label></supplementary-material></p>'
        '<p><inline-graphic xlink:href="x"/><alt-text>alt</alt-text> line '
        '<ext-link xlink:href="http://x.org/">here</ext-link> <email>a@b.org</email></p></caption>'
    )
    assert text == "Seen (Smith, 2003). line here"


def test_the_parts_of_a_name_are_words() -> None:
    part = "<{0}taxon-name-part>{1}</{0}taxon-name-part>".format
    name = f"<taxon-name>{part('', 'Mus')}{part('', 'musculus')}<object-id>7</object-id></taxon-name>"
    assert caption(f"<caption><p>Of <italic>{name}</italic>.</p></caption>") == (
        "Of Mus musculus.",
        None,
        "Of <i>Mus musculus</i>.",
    )
    named = f"<taxon-name>{part('', 'M.')} ({part('', 'Mus')})</taxon-name>"
    assert caption(f"<caption><p>{named}s</p></caption>")[0] == "M. (Mus)s"


def test_one_branch_of_a_formula() -> None:
    tex = r"\documentclass[12pt]{minimal} \usepackage{amsmath} \begin{document}$$\alpha_{i}$$\end{document}"
    mathml = "<mml:math><mml:msub><mml:mi>α</mml:mi><mml:mi>i</mml:mi></mml:msub></mml:math>"
    both = f"<alternatives>{mathml}<tex-math>{tex}</tex-math><graphic xlink:href='e'/></alternatives>"
    for formula, shown in (
        (f"<inline-formula>{both}</inline-formula>", r"\alpha_{i}"),
        (f"<inline-formula>{mathml}<tex-math>{tex}</tex-math></inline-formula>", r"\alpha_{i}"),
        (f"<inline-formula>{mathml}</inline-formula>", "α_{i}"),
        (mathml, "α_{i}"),
    ):
        text, _, markup = caption(f"<caption><p>with {formula}&lt;1</p></caption>")
        assert text == f"with {shown}<1"
        assert markup == f"with ${shown}$&lt;1"


def test_a_formula_stands_without_its_label_wherever_it_stands() -> None:
    one = "<disp-formula><label>(1)</label><mml:math><mml:mi>y</mml:mi></mml:math></disp-formula>"
    two = "<disp-formula>x = 2<label>Equation 2</label></disp-formula>"
    group = f"<disp-formula-group>{one}{two}</disp-formula-group>"
    body = f"{one}<p>Here {one} and {two}</p>{two}<list><list-item>{two}</list-item></list>{group}"
    (section,) = parse(body).text
    assert section.text == "y\nHere y and x = 2\nx = 2\nx = 2\ny x = 2"


def test_a_formula_only_as_an_image_is_a_warning() -> None:
    article = parse(
        fig(
            "f1", caption="with <inline-formula><inline-graphic xlink:href='e'/></inline-formula> in it"
        )
    )
    assert article.figures[0].caption == "with in it"
    assert article.warnings == ("formula_as_image: f1",)


@pytest.mark.parametrize(
    ("tex", "body"),
    [
        ("$$x$$", "x"),
        (r"\[ x \]", "x"),
        ("$a$ and $b$", "$a$ and $b$"),
        (r"\documentclass{minimal}\usepackage{x}", ""),
        (r"\documentclass{minimal}\begin{document}$y$", "y"),
        ("x^2", "x^2"),
    ],
)
def test_tex(tex: str, body: str) -> None:
    assert tex_body(tex) == body


@pytest.mark.parametrize(
    ("mathml", "line"),
    [
        ("<msubsup><mi>x</mi><mi>i</mi><mn>2</mn></msubsup>", "x_{i}^{2}"),
        ("<mfrac><mi>a</mi><mi>b</mi></mfrac>", "a/b"),
        ("<mfrac><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow><mi>b</mi></mfrac>", "(a+1)/b"),
        ("<mi>p</mi><mo>&lt;</mo><mn>0.05</mn>", "p < 0.05"),
        ("<msqrt><mi>x</mi></msqrt>", "sqrt(x)"),
        ("<mfenced><mi>a</mi><mi>b</mi></mfenced>", "(a,b)"),
        ("<semantics><mi>x</mi><annotation>\\x</annotation></semantics>", "x"),
        ("<msub><mi>x</mi></msub>", "x"),
        ("<mi>t</mi><mo>\u2062</mo><mi>u</mi>", "tu"),
        ("<mi>sin</mi><mo>\u2061</mo><mi>x</mi>", "sin x"),
        ("<mi>exp</mi><mo>\u2061</mo><mo>(</mo><mi>x</mi><mo>)</mo>", "exp(x)"),
        ("<mn>2</mn><mi>log</mi><mi>x</mi><mi>ln</mi><mi>y</mi>", "2 log x ln y"),
        ("<msub><mi>k</mi><mi>cat</mi></msub>", "k_{cat}"),
        ("<mi>Na</mi><msub><mi>Cl</mi><mn>2</mn></msub>", "NaCl_{2}"),
        ("<msup><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></msup>", "(a+b)^{2}"),
        (
            "<msup><mrow><mo>(</mo><mi>a</mi><mo>+</mo><mi>b</mi><mo>)</mo></mrow><mn>2</mn></msup>",
            "(a+b)^{2}",
        ),
        ("<msup><msub><mi>x</mi><mi>i</mi></msub><mo>=</mo></msup>", "x_{i}^{=}"),
        ("<mover><mi>x</mi><mo>¯</mo></mover><mover><mi>AB</mi><mo>→</mo></mover>", "x\u0304AB^{→}"),
        (
            "<mmultiscripts><mi>C</mi><none/><mo>+</mo><mprescripts/><mn>6</mn><mn>14</mn></mmultiscripts>",
            "_{6}^{14}C^{+}",
        ),
        ("<mfenced separators=';,'><mi>a</mi><mi>b</mi><mi>c</mi><mi>d</mi></mfenced>", "(a;b,c,d)"),
        ("<mfenced separators=''><mi>a</mi><mi>b</mi></mfenced>", "(ab)"),
        (
            "<mfrac><msup><mi>a</mi><mn>2</mn></msup><msub><mi>b</mi><mi>i</mi></msub></mfrac>",
            "a^{2}/b_{i}",
        ),
        (
            "<mfrac><mfrac><mi>a</mi><mi>b</mi></mfrac><mrow><mi>c</mi><mo>−</mo><mn>1</mn></mrow></mfrac>",
            "(a/b)/(c−1)",
        ),
        (
            "<mtable><mtr><mtd><mi>a</mi></mtd><mtd><mi>b</mi></mtd></mtr><mtr><mtd><mi>c</mi></mtd></mtr></mtable>",
            "a, b; c",
        ),
    ],
)
def test_mathml(mathml: str, line: str) -> None:
    root = etree.fromstring(f"<a {NAMESPACES}><math>{mathml}</math></a>")
    assert linear_mathml(root[0]) == line
