"""Changes of real documents that must not change the article. Skips where they are absent."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from biomedica.errors import Rejected
from biomedica.jats import Article, parse_article

JATS = "https://jats.nlm.nih.gov/ns/archiving/1.4/"
IMAGE = re.compile(r"\.(?:jpe?g|png|gif|tiff?)\Z", re.IGNORECASE)
HREF = "{http://www.w3.org/1999/xlink}href"


def tree_of(data: bytes) -> Any:
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))


@pytest.fixture(scope="module")
def documents(corpus: Path) -> list[tuple[Path, bytes, Article]]:
    paths = sorted([*(corpus / "cloud").rglob("*.xml"), *(corpus / "xml").rglob("*.xml")])
    found = []
    for path in paths:
        data = path.read_bytes()
        try:
            found.append((path, data, parse_article(data)))
        except Rejected:
            continue
    assert len(found) >= len(paths) - 5
    return found


def written(root: Any) -> bytes:
    """With the DOCTYPE, which may declare entities."""
    return bytes(etree.tostring(root.getroottree()))


def has_entities(root: Any) -> bool:
    return any(True for _ in root.iter(etree.Entity))


def unnamed(tree: Any) -> bool:
    """Whether no element declares a default namespace of its own."""
    return all(None not in node.nsmap for node in tree.iter(etree.Element))


def test_wrappers_change_nothing(documents: list[tuple[Path, bytes, Article]]) -> None:
    enveloped = 0
    for path, data, article in documents:
        root = tree_of(data)
        if root.tag != "article" or has_entities(root):
            continue
        outer = etree.Element("pmc-articleset")
        outer.append(deepcopy(root))
        assert parse_article(etree.tostring(outer)) == article, path
        if unnamed(root):
            inner = etree.tostring(root, with_tail=False).replace(
                b"<article", b'<article xmlns="%s"' % JATS.encode(), 1
            )
            envelope = b'<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><record><metadata>'
            assert parse_article(envelope + inner + b"</metadata></record></OAI-PMH>") == article, path
            enveloped += 1
    assert enveloped > 250


def test_other_bytes_change_nothing(documents: list[tuple[Path, bytes, Article]]) -> None:
    for path, data, article in documents:
        root = tree_of(data)
        if has_entities(root):
            continue  # they are declared in the DOCTYPE
        assert parse_article(etree.tostring(root, encoding="UTF-16")) == article, path
        assert parse_article(etree.tostring(root)) == article, path


def test_comments_change_nothing(documents: list[tuple[Path, bytes, Article]]) -> None:
    chance = random.Random(0)
    for path, data, article in documents:
        root = tree_of(data)
        nodes = list(root.iter(etree.Element))
        for node in chance.sample(nodes, min(200, len(nodes))):
            if node is root:
                continue
            note = chance.choice((etree.Comment("x"), etree.ProcessingInstruction("x", "y")))
            node.insert(0, note)  # before the first child; cuts the text where there is some
            if node.text and len(node.text) > 1:
                at = chance.randrange(1, len(node.text))
                node.text, note.tail = node.text[:at], node.text[at:]
        assert parse_article(written(root)) == article, path


def top_figures(root: Any) -> Iterator[Any]:
    """Figures that stand in the text and nowhere where their place says something of them."""
    for fig in root.iterfind(".//body//fig"):
        above = [node.tag for node in fig.iterancestors()]
        if set(above) <= {"article", "body", "sec", "p"} and "fig" not in above:
            yield fig


def floating(data: bytes) -> bytes:
    root = tree_of(data)
    group = etree.SubElement(root, "floats-group")
    for fig in list(top_figures(root)):
        tail, fig.tail = fig.tail, None
        before, parent = fig.getprevious(), fig.getparent()
        group.append(fig)
        if before is not None:
            before.tail = (before.tail or "") + (tail or "")
        else:
            parent.text = (parent.text or "") + (tail or "")
    return written(root)


def said(article: Article, *, with_kind: bool) -> dict[str, Any]:
    return {
        figure.figure_id: (
            figure.kind if with_kind else "", figure.label, figure.caption, figure.caption_markup,
            figure.alt_text, figure.third_party_text, Counter(figure.mentions),
            [graphic.href for graphic in figure.graphics],
        )
        for figure in article.figures
    }  # fmt: skip


def test_floating_figures_say_the_same(documents: list[tuple[Path, bytes, Article]]) -> None:
    moved = 0
    for path, data, article in documents:
        root = tree_of(data)
        figures = list(top_figures(root))
        ids = [figure.get("id") for figure in root.iter("fig")]
        if root.tag != "article" or None in ids or len(set(ids)) < len(ids) or not figures:
            continue
        if any("raphical abstract" in text for text in root.itertext()):
            continue  # a section of that title makes its figures graphical abstracts
        after = parse_article(floating(data))
        assert said(after, with_kind=True) == said(article, with_kind=True), path
        moved += len(figures)
    assert moved > 300


def test_other_ids_change_ids_alone(documents: list[tuple[Path, bytes, Article]]) -> None:
    for path, data, article in documents:
        root = tree_of(data)
        for node in root.iter(etree.Element):
            if node.get("id"):
                node.set("id", "x-" + " ".join(node.get("id").split()))
            if node.get("rid"):
                node.set("rid", " ".join(f"x-{rid}" for rid in node.get("rid").split()))
        after = parse_article(written(root))
        assert [(f.caption, f.mentions, f.kind, f.position) for f in after.figures] == [
            (f.caption, f.mentions, f.kind, f.position) for f in article.figures
        ], path
        assert [replace(r, id=None) for r in after.references] == [
            replace(r, id=None) for r in article.references
        ]
        assert (after.authors, after.text) == (article.authors, article.text), path


def test_extensions_change_no_caption(documents: list[tuple[Path, bytes, Article]]) -> None:
    for path, data, article in documents:
        root = tree_of(data)
        for graphic in root.iter("{*}graphic"):
            href = graphic.get(HREF)
            if href:
                graphic.set(HREF, IMAGE.sub("", href) if IMAGE.search(href) else href + ".jpg")
        after = parse_article(written(root))
        captions = {f.position: f.caption for f in article.figures}
        for figure in after.figures:  # two files of one stem become one reference
            assert figure.caption == captions.get(figure.position, figure.caption), path


def test_metadata_come_from_the_front(documents: list[tuple[Path, bytes, Article]]) -> None:
    names = ("pmcid", "pmid", "doi", "title", "other_titles", "abstract", "authors", "license",
             "publication", "keywords", "journal", "citation")  # fmt: skip
    for path, data, article in documents:
        root = tree_of(data)
        etree.strip_elements(
            root, "{*}sub-article", "{*}response", "{*}ref-list", "{*}body", with_tail=False
        )
        after = parse_article(written(root))
        for name in names:
            assert getattr(after, name) == getattr(article, name), (path, name)


def test_what_was_parsed_before_changes_nothing(documents: list[tuple[Path, bytes, Article]]) -> None:
    for path, data, article in reversed(documents):
        assert parse_article(data) == article, path


def test_a_cut_document_is_refused(documents: list[tuple[Path, bytes, Article]]) -> None:
    chance = random.Random(0)
    for path, data, _ in documents:
        whole = data.rstrip()
        for end in (0, 1, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(6))):
            with pytest.raises(Rejected) as caught:
                parse_article(data[:end])
            assert caught.value.reason in ("empty", "not_xml", "malformed_xml", "bad_encoding"), path
