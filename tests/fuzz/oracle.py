"""What holds of any bytes that the parser is given. Knows the XML by a walk of its own."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from typing import Any

from lxml import etree

from biomedica.errors import Rejected
from biomedica.jats import Article, parse_article
from biomedica.kinds import FIGURE_KINDS
from biomedica.schema import REJECT_REASONS

__all__ = ["judge", "lines"]


def judge(data: bytes) -> str:
    """The word article, or the reason of a reject; AssertionError when a promise of the parser is broken."""
    article, refusal = _parse(data)
    if article is None:
        assert refusal is not None
        assert refusal.reason in REJECT_REASONS["parse"], refusal.reason
        assert refusal.reason != "parser_error", refusal.detail
        return refusal.reason
    _counts(article)
    _texts(article)
    graphics = _graphics_of_the_only_article(data)
    if graphics is not None:
        assert article.graphic_count == graphics, "graphics of a walk"
    assert parse_article(data) == article, "the same bytes gave another article"
    return "article"


def _parse(data: bytes) -> tuple[Article | None, Rejected | None]:
    try:
        return parse_article(data), None
    except Rejected as refusal:
        return None, refusal


def _counts(article: Article) -> None:
    indices = [graphic.index for figure in article.figures for graphic in figure.graphics]
    indices += [r.graphic_index for r in article.rejects if r.graphic_index is not None]
    assert sorted(indices) == list(range(1, article.graphic_count + 1)), "graphics add up"
    positions = [figure.position for figure in article.figures]
    assert positions == sorted(set(positions)), "positions rise"
    assert all(1 <= position <= article.figure_count for position in positions)
    for figure in article.figures:
        assert figure.kind in FIGURE_KINDS
        assert figure.figure_id
        assert [graphic.position for graphic in figure.graphics] == list(
            range(1, len(figure.graphics) + 1)
        )
    assert all(reject.reason in REJECT_REASONS["figure"] for reject in article.rejects)
    paths = [section.path for section in article.text]
    assert len(set(paths)) == len(paths), "paths of sections"


def _texts(article: Article) -> None:
    for text in lines(article):
        assert text == " ".join(text.split()), "spaces"
        assert unicodedata.is_normalized("NFC", text), "NFC"
    for figure in article.figures:
        assert figure.caption.startswith(figure.caption_title or "") or figure.group_caption
        for mention in figure.mentions:
            assert mention.sentence in mention.paragraph, "sentence"


def lines(article: Article) -> Iterator[str]:
    """Every text of the article that is one line."""
    for figure in article.figures:
        yield figure.caption
        yield from (text for text in (figure.caption_title, figure.label, figure.group_caption) if text)
        yield from (mention.paragraph for mention in figure.mentions)
    yield from (line for section in article.text for line in section.text.split("\n"))
    yield from (title for title in (article.title, article.journal) if title)
    yield from (reference.title for reference in article.references if reference.title)


def _graphics_of_the_only_article(data: bytes) -> int | None:
    """The count by local names; None where which article counts is the parser's to say."""
    try:
        root: Any = etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True))
    except (etree.XMLSyntaxError, ValueError):
        return None
    names = [etree.QName(node).localname for node in root.iter(etree.Element)]
    return names.count("graphic") if names.count("article") == 1 and names[0] == "article" else None
