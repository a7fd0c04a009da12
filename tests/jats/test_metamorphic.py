"""Changes of the document that must not change the article, and time that grows in line."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

import pytest
from lxml import etree

from biomedica.jats import Article, parse_article
from tests.jats.documents import META, document, fig, xref

PARTS = fig("f1", "Figure 1", "One <italic>mouse</italic>, H<sub>2</sub>O.") + fig(
    "f2", "Figure 2", f"See {xref('f1', 'Fig. 1B')}. Two."
)
GROUP = f"<fig-group id='g'><caption><p>All.</p></caption>{fig('f3', 'Figure 3')}{fig('f4', 'Figure 4', '')}</fig-group>"
TEXT = (
    f"<sec><title>Results</title><p>It is {xref('f1', 'Fig. 1A')} and 2. Then {xref('f1', 'Figs. 1')}–"
    f"{xref('f4', '4')}.</p><p>Also {xref('g', 'the group')} and Figure S1, naïve.</p></sec>"
)
REFERENCES = '<ref-list><ref id="r1"><mixed-citation>Doe. <source>J</source> 2001.</mixed-citation></ref></ref-list>'
ABSTRACT = "<abstract><p>We saw a mouse.</p></abstract>"
SUB = (
    '<sub-article article-type="reply"><front-stub><title-group><article-title>Reply</article-title>'
    f"</title-group></front-stub><body><p>{xref('f2', 'Fig. 2')}, {xref('u1', 'Fig. 1')}</p>"
    f"{fig('u1', 'Figure 1', href='u1')}</body></sub-article>"
)
DOCUMENTS = {
    "figures in the text": document(TEXT + PARTS + GROUP, meta=META + ABSTRACT, back=REFERENCES),
    "figures in a paragraph": document(TEXT.replace("Also ", f"Also {PARTS}{GROUP} "), meta=META),
    "a sub-article": document(TEXT + PARTS + GROUP, more=SUB),
    "nothing": document(),
}
every = pytest.mark.parametrize("xml", DOCUMENTS.values(), ids=DOCUMENTS.keys())


@every
def test_wrappers_change_nothing(xml: bytes) -> None:
    article = parse_article(xml)
    assert parse_article(b"<pmc-articleset>" + xml + b"</pmc-articleset>") == article
    inside = xml.replace(b"<article ", b'<article xmlns="https://jats.nlm.nih.gov/ns/archiving/1.4/" ')
    envelope = b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><GetRecord><record><metadata>'
    envelope += inside + b"</metadata></record></GetRecord></OAI-PMH>"
    assert parse_article(inside) == article
    assert parse_article(envelope) == article


@every
def test_comments_and_instructions_change_nothing(xml: bytes) -> None:
    article = parse_article(xml)
    for noise in (b"<!--comment-->", b"<?instruction x?>"):
        assert parse_article(re.sub(rb"(?<=>)", noise, xml.removesuffix(b">")) + b">") == article
        middle = re.sub(rb"(?<=[a-z])(?=[a-z]{2}[^<>]*<)(?![^<]*>)", noise, xml)
        assert middle != xml
        assert parse_article(middle) == article


@every
def test_other_bytes_of_one_document_change_nothing(xml: bytes) -> None:
    article = parse_article(xml)
    root = etree.fromstring(xml)
    assert parse_article(etree.tostring(root)) == article
    assert parse_article(etree.tostring(root, encoding="UTF-16")) == article
    assert parse_article(b"\xef\xbb\xbf" + xml) == article
    assert parse_article(b'<!DOCTYPE article SYSTEM "http://127.0.0.1:9/a.dtd">' + xml) == article


def without_positions(article: Article) -> list[object]:
    return [
        replace(f, position=0, mentions=(), graphics=tuple(replace(g, index=0) for g in f.graphics))
        for f in sorted(article.figures, key=lambda f: f.figure_id)
    ]


def test_floating_figures_keep_captions_and_mentions() -> None:
    inline = parse_article(document(TEXT + PARTS + GROUP))
    floating = parse_article(document(TEXT, more=f"<floats-group>{PARTS}{GROUP}</floats-group>"))
    within = parse_article(DOCUMENTS["figures in a paragraph"])
    assert without_positions(inline) == without_positions(floating) == without_positions(within)
    mentions = {f.figure_id: set(f.mentions) for f in inline.figures}
    assert {f.figure_id: set(f.mentions) for f in floating.figures} == mentions
    assert {f.figure_id: set(f.mentions) for f in within.figures} == mentions
    assert all(mentions.values())


def test_other_ids_change_ids_alone() -> None:
    xml = DOCUMENTS["a sub-article"]
    renamed = re.sub(rb'((?:rid|id)=["\'])([a-z]\d?)(?=["\'])', rb"\1other-\2", xml)
    assert renamed != xml
    article = parse_article(renamed)
    back = tuple(replace(f, figure_id=f.figure_id.removeprefix("other-")) for f in article.figures)
    original = parse_article(xml)
    assert replace(article, figures=back) == original


def test_extensions_change_no_caption() -> None:
    xml = DOCUMENTS["figures in the text"]
    before, after = parse_article(xml), parse_article(xml.replace(b".jpg", b""))
    assert [f.caption for f in before.figures] == [f.caption for f in after.figures]
    assert [f.mentions for f in before.figures] == [f.mentions for f in after.figures]


def test_what_was_parsed_before_changes_nothing() -> None:
    first = [parse_article(xml) for xml in DOCUMENTS.values()]
    assert [parse_article(xml) for xml in reversed(DOCUMENTS.values())] == first[::-1]


class _Steps:
    """Counts the Python calls of a piece of work: a measure of time that no other load changes."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _frame: object, event: str, _argument: object) -> None:
        self.count += event in ("call", "c_call")


@pytest.mark.parametrize(
    "unit",
    [
        "<boxed-text><title>A box</title><p>",
        "<sec><title>A section</title>",
        f"<p>Seen in {xref('f1', 'Fig. 1')} and {xref('f2', 'Fig. 2A')}; Figure 3.</p>",
        xref("f1", "1") + ", ",
        "<p>Figs. 1–4 ",
        fig("x", "Figure 9"),
        "<graphic/><bold>a</bold>",
        "<fig><caption><p>a</p></caption>",
        "<ref><mixed-citation><name><surname>A</surname></name> <source>B</source> 2001.</mixed-citation></ref>",
        "<ref><element-citation><name><surname>A</surname></name><year>2001</year></element-citation></ref>",
        "<table-wrap><table><tr><td>a</td><td><p>b</p></td></tr></table></table-wrap>",
    ],
)
def test_work_grows_in_line_with_the_document(unit: str) -> None:
    opened = [tag for tag in re.findall(r"<(\w[\w-]*)[^<>]*(?<!/)>", unit) if f"</{tag}>" not in unit]
    closing = "".join(f"</{tag}>" for tag in reversed(opened))
    bodies = (f"<p>{unit * n}{closing * n}</p>{PARTS}{GROUP}" for n in (120, 240))
    once, twice = map(_steps_of, bodies)
    assert twice < 2.6 * once


def test_work_grows_in_line_with_the_graphics_of_one_figure() -> None:
    def many(count: int) -> str:
        graphics = "".join(f'<graphic xlink:href="g{n}.jpg"/>' for n in range(count))
        return fig("f", "Figure 1").replace("<graphic", graphics + "<graphic", 1)

    once, twice = _steps_of(many(400)), _steps_of(many(800))
    assert twice < 2.6 * once


def _steps_of(body: str) -> int:
    steps = _Steps()
    sys.setprofile(steps)
    try:
        parse_article(document(body))
    finally:
        sys.setprofile(None)
    return steps.count
