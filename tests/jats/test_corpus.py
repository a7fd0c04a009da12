"""The parser against a dumb walk over real articles. Skips where they are absent."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from biomedica.errors import Rejected
from biomedica.jats import Article, parse_article
from biomedica.kinds import FIGURE_KINDS
from biomedica.licenses import LICENSE_CODES, license_group
from biomedica.schema import LICENSE_GROUPS, REJECT_REASONS
from tests.fuzz.oracle import lines

INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
NO_CAPTION_TEXT = frozenset(
    {"supplementary-material", "media", "fig", "table-wrap", "graphic", "inline-graphic", "alt-text"}
    | {"long-desc", "object-id", "permissions", "fn", "annotation", "annotation-xml", "attrib"}
)


def name(node: Any) -> str:
    return etree.QName(node).localname if isinstance(node.tag, str) else ""


def squeezed(text: str) -> str:
    """The text without white space and invisible characters."""
    return re.sub(r"\s", "", unicodedata.normalize("NFC", INVISIBLE.sub("", text)))


@cache
def read(path: Path) -> tuple[Any, Article] | None:
    data = path.read_bytes()
    try:
        article = parse_article(data)
    except Rejected:
        return None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True
    )
    root = etree.fromstring(data, parser)
    found = [root, *root.iter("{*}article")]
    return next(node for node in found if name(node) == "article"), article


@pytest.fixture(scope="module")
def articles(corpus: Path) -> list[tuple[Path, Any, Article]]:
    paths = sorted([*(corpus / "cloud").rglob("*.xml"), *(corpus / "xml").rglob("*.xml")])
    assert len(paths) > 300
    read_ones = [(path, read(path)) for path in paths]
    found = [(path, *one) for path, one in read_ones if one is not None]
    assert len(found) >= len(paths) - 5
    return found


def named(root: Any, *names: str) -> Iterator[Any]:
    return (node for node in root.iter() if name(node) in names)


def test_conservation_of_graphics(articles: list[tuple[Path, Any, Article]]) -> None:
    for path, root, article in articles:
        graphics = list(named(root, "graphic"))
        assert article.graphic_count == len(graphics), path
        assert article.inline_graphic_count == len(list(named(root, "inline-graphic"))), path
        indices = [g.index for f in article.figures for g in f.graphics]
        indices += [r.graphic_index for r in article.rejects if r.graphic_index is not None]
        assert sorted(indices) == list(range(1, len(graphics) + 1)), path
        for figure in article.figures:
            for graphic in figure.graphics:
                hrefs = [
                    v.strip() for k, v in graphics[graphic.index - 1].attrib.items() if "href" in k
                ]
                assert graphic.href in hrefs, path
        for reject in article.rejects:
            assert reject.reason in REJECT_REASONS["figure"], path


def test_every_fig_has_an_outcome(articles: list[tuple[Path, Any, Article]]) -> None:
    for path, root, article in articles:
        positions = [f.position for f in article.figures]
        assert positions == sorted(set(positions)), path
        assert all(1 <= p <= article.figure_count for p in positions), path
        for figure in article.figures:
            assert [g.position for g in figure.graphics] == list(range(1, len(figure.graphics) + 1)), (
                path
            )
            assert figure.kind in FIGURE_KINDS
        graphics = list(named(root, "graphic"))
        owned = {r.graphic_index: r.item for r in article.rejects}
        owned |= {g.index: f.figure_id for f in article.figures for g in f.graphics}
        by_fig: dict[Any, set[int]] = {fig: set() for fig in named(root, "fig")}
        for index, graphic in enumerate(graphics, start=1):
            above = next((a for a in graphic.iterancestors() if name(a) == "fig"), None)
            if above is not None:
                by_fig[above].add(index)
        for fig, indices in by_fig.items():
            assert indices <= set(owned) or fig.get("id") in owned.values(), path
        for figure in article.figures:
            for graphic_ in figure.graphics:  # nearest owner: the graphic lies in its own fig
                nearest = next(
                    (a for a in graphics[graphic_.index - 1].iterancestors() if name(a) == "fig"), None
                )
                if nearest is not None and nearest.get("id"):
                    assert figure.figure_id == " ".join(nearest.get("id").split()), path


def kept_text(node: Any) -> str:
    """The text of a caption's kept nodes, by a walk of its own; formulas apart."""
    text = node.text or ""
    for child in node:
        if name(child) not in NO_CAPTION_TEXT and isinstance(child.tag, str):
            text += kept_text(child)
        text += child.tail or ""
    return text


def test_captions_are_the_text_of_the_document(articles: list[tuple[Path, Any, Article]]) -> None:
    compared = 0
    for path, root, article in articles:
        by_id: dict[str, list[Any]] = {}
        for node in named(root, "fig"):
            by_id.setdefault(node.get("id") or "", []).append(node)
        for figure in article.figures:
            nodes = by_id.get(figure.figure_id, [])
            if len(nodes) != 1 or figure.group_caption:
                continue
            captions = [child for child in nodes[0] if name(child) == "caption"]
            if len(captions) != 1 or list(
                named(captions[0], "math", "tex-math", "email", "alternatives")
            ):
                continue
            expected = squeezed(kept_text(captions[0]))
            if not any(name(child) == "label" for child in nodes[0]) and figure.label:
                expected = expected[expected.index(squeezed(figure.caption)[:20]) :]
            assert squeezed(figure.caption) == expected, (path, figure.figure_id)
            compared += 1
    assert compared > 800


def test_texts_are_clean(articles: list[tuple[Path, Any, Article]]) -> None:
    for path, _, article in articles:
        for text in lines(article):
            assert text == " ".join(text.split()), (path, text)
            assert unicodedata.is_normalized("NFC", text), path
            assert not re.search(r"\\documentclass|\\usepackage|[\x00-\x1f]|\ufffd", text), (path, text)
            assert not re.search(r"[\w.]+@[\w-]+\.[a-z]{2,3}\b", text), (path, text)


GLUED = re.compile(r"[a-z]{2}[.;][A-Z][a-z]{2,}|[a-z]{3}[A-Z][a-z]+ [a-z]+ [a-z]+")


def test_no_glued_words_at_block_boundaries(articles: list[tuple[Path, Any, Article]]) -> None:
    for path, root, article in articles:
        whole: str | None = None
        for figure in article.figures:
            for found in GLUED.finditer(figure.caption):
                whole = whole or " ".join("".join(root.itertext()).split())
                # Glued in the document's own text node, or else at a boundary that we lost.
                nodes = (n for n in root.iter() if isinstance(n.tag, str))
                texts = (t for n in nodes for t in (n.text, n.tail) if t)
                assert any(found[0][:6] in t for t in texts) or found[0] in whole, (path, found[0])


def test_markup_and_titles_agree_with_the_caption(articles: list[tuple[Path, Any, Article]]) -> None:
    for path, _, article in articles:
        for figure in article.figures:
            bare = re.sub(r"</?(?:b|i|sup|sub)>", "", figure.caption_markup)
            bare = bare.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            if "$" not in bare:
                assert bare == figure.caption, path
            if figure.caption_title and not figure.group_caption:
                assert figure.caption.startswith(figure.caption_title), path


def test_every_figure_xref_is_resolved_or_reported(articles: list[tuple[Path, Any, Article]]) -> None:
    unresolved = 0
    for path, root, article in articles:
        ids = {node.get("id") for node in root.iter() if isinstance(node.tag, str)}
        for xref in named(root, "xref"):
            if xref.get("ref-type") == "fig":
                for rid in (xref.get("rid") or "no rid").split():
                    if rid not in ids and (xref.get("rid") or "").strip() not in ids:
                        assert f"unresolved_rid: {rid}" in article.warnings, path
                        unresolved += 1
    assert unresolved < 10


def test_cited_figures_have_mentions(articles: list[tuple[Path, Any, Article]]) -> None:
    for path, root, article in articles:
        by_id = {f.figure_id: f for f in article.figures}
        if len(by_id) != len(article.figures):
            continue  # one id in several sub-articles
        counts: dict[str, set[Any]] = {}
        for xref in named(root, "xref"):
            for rid in (xref.get("rid") or "").split():
                if rid not in by_id:
                    continue
                above = list(xref.iterancestors())
                block = next((a for a in above if name(a) in ("p", "td", "th", "title")), above[0])
                nearest = next((a for a in above if name(a) in ("fig", "table-wrap")), None)
                if nearest is None or nearest.get("id") != rid:
                    counts.setdefault(rid, set()).add(block)
        for rid, blocks in counts.items():
            direct = [
                m for m in by_id[rid].mentions if not (m.is_range or m.via_parent or m.is_text_only)
            ]
            assert len(direct) == len(blocks), (path, rid)


def test_mentions_are_text_of_the_document(articles: list[tuple[Path, Any, Article]]) -> None:
    for path, root, article in articles:
        words = set("".join(root.itertext()).split())
        captions = [f.caption for f in article.figures if len(f.caption) > 40]
        for figure in article.figures:
            for mention in figure.mentions:
                assert mention.sentence, path
                assert mention.sentence in mention.paragraph, path
                assert len(set(mention.panels)) == len(mention.panels), path
                for word in re.findall(r"[a-z]{5,}", mention.paragraph)[:5]:
                    assert any(word in w for w in words), (path, word)
                if not mention.section.startswith("Caption of "):
                    assert not any(c in mention.paragraph for c in captions), (path, figure.figure_id)


def test_a_range_lies_between_two_that_are_named(articles: list[tuple[Path, Any, Article]]) -> None:
    ranges = 0
    for path, _, article in articles:
        named: dict[str, set[int]] = {}
        inside: list[tuple[str, int]] = []
        for figure in article.figures:
            number = re.fullmatch(r"Fig\S*\s*(\d+)", figure.label or "", re.IGNORECASE)
            for mention in figure.mentions if number is not None else ():
                value = int(number[1]) if number is not None else 0
                if mention.is_range:
                    inside.append((mention.paragraph, value))
                elif not mention.via_parent:
                    named.setdefault(mention.paragraph, set()).add(value)
        for paragraph, value in inside:
            assert min(named[paragraph]) < value < max(named[paragraph]), (path, value)
            ranges += 1
    assert ranges >= 10


def test_metadata(articles: list[tuple[Path, Any, Article]]) -> None:
    for path, root, article in articles:
        assert article.pmcid is None or re.fullmatch(r"PMC\d+", article.pmcid), path
        assert article.reference_count == len(list(named(root, "ref"))), path
        for reference in article.references:
            assert reference.pmid is None or reference.pmid.isdigit(), path
            assert reference.doi is None or reference.doi.startswith("10."), path
            assert reference.year is None or 1500 <= reference.year < 2100, path
        if article.license is not None:
            assert article.license.code in (*LICENSE_CODES, None), path
            assert license_group(article.license.code) in LICENSE_GROUPS, path
        if article.publication is not None:
            assert 1700 <= article.publication.year <= 2100, path
