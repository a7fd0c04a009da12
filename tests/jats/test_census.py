"""The census on small documents, what it shares with the parser (nothing), and what its comparison sees."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from biomedica.errors import Rejected
from biomedica.jats import Article, parse_article
from biomedica.jats.agreement import caption_texts, disagreements, is_caption
from biomedica.jats.census import HOLE, Census, take_census
from tests.conftest import ROOT
from tests.jats.documents import document, fig, xref


def census(body: str = "", **parts: str) -> Census:
    return take_census(document(body, **parts))


def caption_of(xml: str) -> str:
    figs = census(f'<fig id="f"><caption>{xml}</caption><graphic xlink:href="f.jpg"/></fig>').figs
    (caption,) = figs[0].captions
    return caption


# -- independence


def test_it_shares_nothing_with_the_parser() -> None:
    """Neither reads by the other's code."""
    jats = ROOT / "biomedica" / "jats"
    tree = ast.parse((jats / "census.py").read_text(encoding="utf-8"))
    modules = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    modules |= {name.name for n in ast.walk(tree) if isinstance(n, ast.Import) for name in n.names}
    ours = {module for module in modules if module and module.startswith("biomedica")}
    assert ours == {"biomedica.errors"}
    users = [
        p.name for p in sorted(jats.glob("*.py")) if "jats.census" in p.read_text(encoding="utf-8")
    ]
    assert users == ["agreement.py"]


# -- counts


def test_counts() -> None:
    body = (
        f"<p>See {xref('f1', 'Fig. 1')}, {xref('f1 f2', 'both')}, {xref('none', 'Fig. 9')}.</p>"
        + fig("f1", "Figure 1")
        + '<fig id="f2"><alternatives><graphic xlink:href="a"/><graphic xlink:href="b"/></alternatives></fig>'
        + '<table-wrap><graphic xlink:href="t"/></table-wrap><p><inline-graphic xlink:href="i"/></p>'
        + '<disp-formula><graphic xlink:href="e"/></disp-formula><p><graphic xlink:href="g"/></p>'
    )
    more = '<sub-article><body><fig id="s1"><p>No image.</p></fig></body></sub-article>'
    found = census(body, more=more, back='<ref-list><ref id="r1"/></ref-list>')
    assert found.counts() == {
        "figs": 3, "figures of any element": 6, "graphics": 6, "graphics in figs": 3,
        "inline graphics": 1, "table-wraps with a graphic": 1, "xrefs to figures": 3,
        "rids resolved": 3, "rids unresolved": 1, "references": 1, "sub-articles": 1,
    }  # fmt: skip
    assert found.rids_unresolved == ("none",)
    assert [one.graphics for one in found.figs] == [(1,), (2, 3), ()]
    assert [one.href for one in found.graphics] == ["f1.jpg", "a", "b", "t", "e", "g"]
    assert [one.paragraphs for one in found.figs] == [1, 1, 0]


def test_a_graphic_belongs_to_the_nearest_fig() -> None:
    inner = fig("f2", "Figure 1—figure supplement 1", "Inner.")
    body = f'<fig id="f1"><caption><p>Outer.</p></caption><graphic xlink:href="a"/><p>{inner}</p></fig>'
    found = census(body)
    assert [one.graphics for one in found.figs] == [(1,), (2,)]
    assert [one.captions for one in found.figs] == [("Outer.",), ("Inner.",)]


def test_its_own_caption_is_no_paragraph_that_cites_it() -> None:
    own = fig("f1", "Figure 1", f"See {xref('f1', 'Fig. 1')}.")
    other = fig("f2", "Figure 2", f"As in {xref('f1', 'Fig. 1')} and {xref('f1', 'Fig. 1')}.")
    assert [one.paragraphs for one in census(own + other).figs] == [1, 0]


def test_an_id_is_sought_in_its_own_sub_article_first() -> None:
    reply = f"<sub-article><body><p>{xref('f1', 'Fig. 1')}</p>{fig('f1')}</body></sub-article>"
    found = census(fig("f1"), more=reply)
    assert [one.paragraphs for one in found.figs] == [0, 1]


# -- captions


@pytest.mark.parametrize(
    ("xml", "text"),
    [
        ("<title>One</title><p>Two.</p><p>Three</p>", "One Two. Three"),
        ("<p>H<sub>2</sub>O, 10<sup>−6</sup> <bold>A</bold>b</p>", "H2O, 10−6 Ab"),
        ("<p>a\u00a0b\u2009c\n\td</p>", "a b c d"),
        ("<p>so\u00adft e\u0301</p>", "soft é"),
        ("<p>x<!-- no --><?no no?>y</p>", "xy"),
        ("<p>One <xref rid='r1' ref-type='bibr'>(Doe, 2001)</xref></p>", "One (Doe, 2001)"),
        ("<p>a<inline-formula><tex-math>x</tex-math></inline-formula> b</p>", f"a{HOLE} b"),
        ("<p>a<disp-formula><label>(1)</label><italic>x</italic></disp-formula>b</p>", "a x b"),
        ("<p>a <inline-formula><italic>x</italic></inline-formula></p>", "a x"),
        ("<p>Write to a@b.org now</p>", f"Write to {HOLE} now"),
        ("<p>a<supplementary-material><label>S</label></supplementary-material>b</p>", "ab"),
        ("<p>a<list><list-item><p>b</p></list-item><list-item><p>c</p></list-item></list></p>", "a b c"),
        ("<p>One<fig><caption><p>no</p></caption></fig></p>", "One"),
        ("<p/>", ""),
    ],
)  # fmt: skip
def test_captions(xml: str, text: str) -> None:
    assert caption_of(xml) == text


def test_entities_are_spelt() -> None:
    doctype = b'<!DOCTYPE article SYSTEM "no.dtd" [<!ENTITY own "mine">]>'
    xml = doctype + document(fig("f1", "", "&alpha;, &own;, <italic>x</italic>&mu;m &gone;"))
    assert take_census(xml).figs[0].captions == ("α, mine, xμm \ufffd",)
    assert disagreements(parse_article(xml), take_census(xml)) == []


def test_group_captions_stand_before_their_own() -> None:
    group = f"<fig-group><caption><p>All.</p></caption>{fig('f1', '', 'One.')}{fig('f2', '', '')}</fig-group>"
    assert [caption_texts(one) for one in census(group).figs] == [["All. One."], ["All."]]


# -- what no reader takes


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (b"", "malformed_xml"),
        (b"{}", "malformed_xml"),
        (document("<p>x</p>")[:-9], "malformed_xml"),
        (b"<html><body><article><p>x</p></article></body></html>", "not_jats"),
        (b"<Error><Code>NoSuchKey</Code></Error>", "not_jats"),
        (b"<set>" + document() + document() + b"</set>", "ambiguous_root"),
    ],
)
def test_refusals(xml: bytes, reason: str) -> None:
    with pytest.raises(Rejected) as fault:
        take_census(xml)
    assert fault.value.reason == reason
    with pytest.raises(Rejected):
        parse_article(xml)


def test_one_of_several_articles_by_its_id() -> None:
    other = document(fig("f1")).replace(b"PMC123", b"PMC124")
    wrapped = b"<pmc-articleset>" + document() + other + b"</pmc-articleset>"
    assert len(take_census(wrapped, "PMC124.1").figs) == 1
    assert len(take_census(wrapped, "PMC123").figs) == 0


# -- the comparison


BODY = (
    f"<p>See {xref('f1', 'Fig. 1')} and {xref('f2', 'Fig. 2')}.</p>"
    + fig("f1", "Figure 1", "One <italic>mouse</italic> of H<sub>2</sub>O.")
    + fig("f2", "Figure 2", "Two <inline-formula><tex-math>x^2</tex-math></inline-formula> mice.")
    + f"<p>{xref('gone', 'Fig. 7')}</p><fig id='f3'><caption><p>No image.</p></caption></fig>"
    + '<p><graphic xlink:href="g"/></p>'
)


def changed(article: Article, **values: Any) -> Article:
    """The article with another first figure."""
    return replace(article, figures=(replace(article.figures[0], **values), *article.figures[1:]))


def test_they_agree() -> None:
    xml = document(BODY)
    assert disagreements(parse_article(xml), take_census(xml)) == []


CHANGES = {
    "graphics: the parser has 9, the XML 3": lambda a: replace(a, graphic_count=9),
    "inline graphics: the parser has 1": lambda a: replace(a, inline_graphic_count=1),
    "figures: the parser has 3, the XML 4": lambda a: replace(a, figure_count=3),
    "references: the parser has 5": lambda a: replace(a, reference_count=5),
    "graphic 3: 0 times": lambda a: replace(a, rejects=tuple(r for r in a.rejects if r.item == "f3")),
    "fig f3: neither a figure nor a reject": lambda a: replace(
        a, rejects=tuple(r for r in a.rejects if r.item != "f3")
    ),
    "graphic 1: the parser's href is 'x'": lambda a: changed(
        a, graphics=(replace(a.figures[0].graphics[0], href="x"),)
    ),
    "figure f1: its graphics lie in 2 different places": lambda a: changed(
        a, graphics=(*a.figures[0].graphics, *a.figures[1].graphics)
    ),
    "fig f1: the parser's id is 'g'": lambda a: changed(a, figure_id="g"),
    "fig f1: the parser's label is 'Figure 3'": lambda a: changed(a, label="Figure 3"),
    "fig f1: the caption has": lambda a: changed(a, caption="One mouseof H2O."),
    "fig f1: the parser has 0 paragraphs": lambda a: changed(a, mentions=()),
    "rid gone: leads nowhere": lambda a: replace(a, warnings=()),
    "rid x: the parser finds no target": lambda a: replace(
        a, warnings=(*a.warnings, "unresolved_rid: x")
    ),
}


@pytest.mark.parametrize("line", CHANGES)
def test_every_loss_is_seen(line: str) -> None:
    xml = document(BODY)
    lines = disagreements(CHANGES[line](parse_article(xml)), take_census(xml))
    assert any(one.startswith(line) for one in lines), lines


def test_a_caption_that_is_there_is_not_absent() -> None:
    xml = document(fig("f1", "Figure 1"))
    article = parse_article(document(fig("f1", "Figure 1", "")))
    assert any(
        "rejected as no_caption, and has one" in line
        for line in disagreements(article, take_census(xml))
    )


def test_a_label_at_the_head_of_a_caption_may_move() -> None:
    xml = document(fig("f1", "", "Figure 1. One mouse."))
    article = parse_article(xml)
    assert article.figures[0].caption == "One mouse."
    assert disagreements(article, take_census(xml)) == []
    assert disagreements(changed(article, caption="mouse."), take_census(xml)) != []


@pytest.mark.parametrize(
    "captions",
    [
        "<p>Figure 1.</p>",
        "<p>Fig. 1</p></caption><caption><p/>",
        "<p>Figure 1.</p></caption><caption><p>A mouse.</p>",
    ],
)
def test_a_label_alone_is_no_caption_to_either(captions: str) -> None:
    xml = document(f'<fig id="f"><caption>{captions}</caption><graphic xlink:href="a"/></fig>')
    assert disagreements(parse_article(xml), take_census(xml)) == []


@pytest.mark.parametrize(
    ("expected", "text", "same"),
    [
        ("one two", "one two", True),
        ("one two", "onetwo", False),
        ("one two", "one  two", False),
        ("one two", "one two three", False),
        ("one two", "one", False),
        ("", "", True),
        (f"a {HOLE} b", "a x^2 b", True),
        (f"a {HOLE} b", "a b", True),
        (f"a {HOLE} b", "a b c", False),
        (f"{HOLE}", "anything at all", True),
        (f"{HOLE} b {HOLE} b", "x b y b", True),
        (f"{HOLE} b {HOLE} b", "x b", False),
        (f"a{HOLE}", "b", False),
    ],
)
def test_words(expected: str, text: str, same: bool) -> None:
    """Of a caption: the same in the same order, none missing, split or glued."""
    xml = document(fig("f1", "Figure 1"))
    article, census = changed(parse_article(xml), caption=text), take_census(xml)
    read = replace(census.figs[0], captions=(expected,))
    assert is_caption(expected, read, article.figures[0]) is same
    lines = disagreements(article, replace(census, figs=(read,)))
    assert lines == [] if same else lines[0].startswith("fig f1: the caption ")


def test_every_real_article_is_accounted_for(corpus: Path) -> None:
    """Without a single difference; what one refuses, the other refuses."""
    paths = sorted([*(corpus / "cloud").rglob("*.xml"), *(corpus / "xml").rglob("*.xml")])
    refused, differing = 0, {}
    for path in paths:
        xml = path.read_bytes()
        try:
            found = take_census(xml)
        except Rejected:
            refused += 1
            with pytest.raises(Rejected):
                parse_article(xml)
            continue
        lines = disagreements(parse_article(xml), found)
        if lines:
            differing[str(path)] = lines
    assert differing == {}
    assert len(paths) > 300
    assert refused < 10


@pytest.mark.parametrize("words", ["a@" * 20_000, "(" * 100_000, "a@b." * 20_000])
def test_hostile_words_take_no_more_than_a_look(words: str) -> None:
    """Would not end in a lifetime where a pattern goes back and forth."""
    (found,) = take_census(document(fig("f", "Figure 1", words))).figs
    assert found.captions
