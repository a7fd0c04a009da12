"""The page of one inspected article: every figure with its image, caption and mentions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from markupsafe import Markup

from biomedica.config import ImageConfig
from biomedica.errors import Deferred, Rejected
from biomedica.excerpts import cleaned, cut
from biomedica.imaging import data_uri, decode
from biomedica.jats import Figure, Graphic, Mention
from biomedica.reporting.inspection import GraphicFile, Inspection
from biomedica.reporting.inspection_text import (
    HOW,
    article_facts,
    mention_words,
    rejected_words,
    verdict,
)
from biomedica.reporting.page import MAX_PAGE_BYTES, render
from biomedica.schema import REJECT_REASONS

__all__ = ["inspection_page"]

IMAGE_BYTES = MAX_PAGE_BYTES // 2
"""What all pictures of a page may take; those beyond are named and not shown."""

SIDES = ((12, 640), (40, 420))
"""Graphics up to which the longer side of a picture has so many pixels; OTHER_SIDE for more."""
OTHER_SIDE = 280
MENTIONS, FIGURES, ROWS = 60, 200, 300
"""Mentions of one figure, figures, and rejects or warnings that are written out."""

CAPTION, SENTENCE, NOTE = 5000, 500, 300
"""Characters of a caption, of a mention, of any other text."""

TEXT = 500_000
"""Characters of captions and mentions after which captions are short and mentions left out."""

_PLAIN_MARKUP = re.compile(r"(?:[^<>]|</?(?:b|i|sup|sub)>)*")


@dataclass(frozen=True, slots=True)
class _Picture:
    """A graphic as the page shows it. picture: a data URI, "" where there is nothing to show."""

    href: str
    caption: str | None
    note: str
    """size and format, or why there is no picture"""
    picture: str = ""


@dataclass(frozen=True, slots=True)
class _Shown:
    """A figure with its pictures."""

    figure: Figure
    caption: Markup | str
    spoken: str
    """how often it is mentioned, in words"""
    mentions: tuple[tuple[str, str, str], ...]
    """sentence, section, how"""
    pictures: tuple[_Picture, ...]


def inspection_page(found: Inspection, image: ImageConfig) -> str:
    """The page as HTML: one file, no scripts, nothing fetched.

    image: the limits of a build; images that a build would reject are named with the reason.
    """
    article = found.article
    rejects = article.rejects if article is not None else ()
    return render(
        "inspection.html.jinja",
        found=found,
        article=article,
        facts=[
            (name, cut(value, NOTE)) for name, value in article_facts(article, found) if name != "title"
        ]
        if article is not None
        else [],
        shown=_shown(found, image),
        rejects=[(no, REJECT_REASONS["figure"].get(no.reason, "")) for no in rejects[:ROWS]],
        reject_count=len(rejects),
        files=found.files().values() if found.media is not None else None,
        rejected=rejected_words(found) if found.rejected is not None else None,
        counts=found.counts(),
        verdict=verdict(found),
        note=NOTE,
        rows=ROWS,
    )


def _shown(found: Inspection, image: ImageConfig) -> list[_Shown]:
    figures = found.article.figures if found.article is not None else ()
    count = sum(len(figure.graphics) for figure in figures)
    side = next((pixels for most, pixels in SIDES if count <= most), OTHER_SIDE)
    files = found.files()
    shown: list[_Shown] = []
    bytes_left, text_left = IMAGE_BYTES, TEXT
    for figure in figures[:FIGURES]:
        pictures = []
        for graphic in figure.graphics[:FIGURES]:
            picture = _picture(found, graphic, files.get(graphic.index), image, side, bytes_left)
            bytes_left -= len(picture.picture)
            pictures.append(picture)
        is_roomy = text_left > 0
        caption = _caption(figure, CAPTION if is_roomy else NOTE)
        mentions = tuple(
            (cut(one.sentence, SENTENCE), cut(one.section, NOTE), _how(one))
            for one in figure.mentions[: MENTIONS if is_roomy else 0]
        )
        text_left -= len(caption) + sum(len(text) + len(place) for text, place, _ in mentions)
        shown.append(_Shown(figure, caption, mention_words(figure.mentions), mentions, tuple(pictures)))
    return shown


def _caption(figure: Figure, length: int) -> Markup | str:
    """The caption with its light markup, which holds escaped text and four tags; else it is plain."""
    markup = figure.caption_markup
    if len(markup) <= length and _PLAIN_MARKUP.fullmatch(markup):
        return Markup(cleaned(markup))  # noqa: S704
    return cut(figure.caption, length)


def _how(mention: Mention) -> str:
    ways = [word for name, word in HOW.items() if getattr(mention, name)]
    ways += ["panels " + " ".join(mention.panels[:NOTE])] if mention.panels else []
    return ", ".join(ways)


def _picture(
    found: Inspection,
    graphic: Graphic,
    file: GraphicFile | None,
    image: ImageConfig,
    side: int,
    left: int,
) -> _Picture:
    try:
        if file is None or found.read_media is None:
            raise Rejected("media_missing", "there is no source of images")
        if file.file is None:
            raise Rejected(file.reason or "media_missing", file.detail)
        data = found.read_media(file.file)
        decoded = decode(data, image)
    except (Rejected, Deferred, OSError) as fault:
        return _Picture(graphic.href, graphic.caption, cut(str(fault), NOTE))
    note = f"{decoded.width:,} × {decoded.height:,} px, {decoded.original_format}"
    if file.file != graphic.href:
        note = f"the file {file.file}, {note}"
    picture = data_uri(data, side)
    if len(picture) > left:
        return _Picture(graphic.href, graphic.caption, f"{note}; not shown, the page is full")
    return _Picture(graphic.href, graphic.caption, note, picture)
