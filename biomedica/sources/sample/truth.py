"""What a build must find in a sample article, from its description and never from a parser.

Names of fields are those of `schema`; `class` is the kind of picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from html import escape
from typing import Any

from .description import Figure, Graphic, SampleArticle, Sentence, Span, plain
from .images import EXTENSIONS, picture_class
from .markup import Block
from .styles import Printed

__all__ = ["truth_of"]

Row = dict[str, Any]
_MARKUP = {"italic": "i", "bold": "b", "sup": "sup", "sub": "sub"}
_KEPT = ("jpeg", "png", "webp")
_IN_TEXT = ("disp-formula", "boxed-text")
_IMAGES = tuple(EXTENSIONS.values())


def truth_of(article: SampleArticle, printed: Printed, digests: Mapping[str, str]) -> Row:
    """The expected outcome of one article. digests: media file name → SHA-256 in hex."""
    head: Row = {"article_id": article.article_id}
    if article.license.code == "TDM":
        reject = {
            "item": article.article_id,
            "graphic_index": None,
            "stage": "parse",
            "reason": "license_not_taken",
        }
        return head | {"outcome": "reject", "article": None, "pairs": [], "rejects": [reject]}
    mentions = _mentions(printed)
    pairs = [
        _pair(article, printed, at, graphic, digests, mentions)
        for at, graphic in enumerate(printed.sheet.graphics)
        if graphic[1].reject is None
    ]
    rejects = list(_rejects(printed))
    row = _article(article, printed)
    if all(figure.element not in _IN_TEXT for figure, _, _ in printed.sheet.figures):
        row["text"] = _text(printed)
    row |= {
        "pair_count": len(pairs),
        "graphic_reject_count": sum(one["graphic_index"] is not None for one in rejects),
    }
    return head | {"outcome": "article", "article": row, "pairs": pairs, "rejects": rejects}


def _article(article: SampleArticle, printed: Printed) -> Row:
    year, month, day = article.date
    choice, sheet = article.license, printed.sheet
    return {
        "article_id": article.article_id,
        "pmcid": f"PMC{article.pmcid}",
        "version": article.version,
        "pmid": article.pmid,
        "doi": article.doi.lower(),
        "title": _title(article),
        "abstract": _abstract(article),
        "abstract_sections": [
            {"section": title, "text": text} for title, text in article.abstract
        ] if any(title for title, _ in article.abstract) else [],
        "journal": article.journal,
        "issn": [value for _, value in article.issn],
        "publisher": article.publisher,
        "publication_date": date(year, month, day).isoformat() if month and day else None,
        "publication_year": year,
        "publication_month": month,
        "publication_day": day,
        "publication_date_type": printed.date_type,
        "publication_date_precision": "day" if month and day else "month" if month else "year",
        "article_type": article.article_type,
        "subjects": list(article.subjects),
        "keywords": list(article.keywords),
        "language": None if article.house == "old" else article.language,
        "authors": [
            {
                "name": f"{author.given} {author.family}",
                "orcid": author.orcid,
                "affiliations": [article.affiliations[at] for at in author.affiliations],
            }
            for author in article.authors
        ],
        "funding": [{"source": source, "award_id": award} for source, award in article.funding],
        "related_articles": [
            {"type": kind, "id_type": "doi", "id": doi} for kind, doi in article.related
        ],
        "citation": article.citation,
        "copyright_statement": printed.copyright,
        "license_code": choice.code,
        "license_spdx": choice.spdx,
        "license_url": choice.url,
        "license_group": choice.group,
        "is_retracted": article.is_retracted,
        "is_manuscript": article.is_manuscript,
        "is_historical_ocr": article.is_historical_ocr,
        "references": [
            {"id": one.id, "pmid": one.pmid, "doi": one.doi, "title": one.title,
             "source": one.source, "year": one.year}
            for one in article.references
        ],
        "reference_count": len(article.references),
        "figure_count": len(sheet.figures),
        "graphic_count": len(sheet.graphics),
        "inline_graphic_count": sheet.inline_graphics,
        "unreferenced_media": _unreferenced(article, printed),
    }  # fmt: skip


def _title(article: SampleArticle) -> str:
    heading = plain(article.title)
    return f"{heading}: {article.subtitle}" if article.subtitle else heading


def _abstract(article: SampleArticle) -> str | None:
    lines = [f"{title}: {text}" if title else text for title, text in article.abstract]
    return "\n".join(lines) or None


def _text(printed: Printed) -> list[Row]:
    """The body by section. Left open where a display formula or a box stands in it."""
    lines: dict[str, list[str]] = {}
    for block in printed.sheet.blocks:
        if block.is_body:
            lines.setdefault(block.path, []).append(block.text)
    sections = ({"": ("", None)} if "" in lines else {}) | printed.sheet.sections
    return [
        {"path": path, "section": titles, "type": kind, "text": "\n".join(lines.get(path, ()))}
        for path, (titles, kind) in sections.items()
    ]


def _unreferenced(article: SampleArticle, printed: Printed) -> list[str]:
    """Images that no graphic names. An href without extension names every file of its stem."""
    hrefs = {graphic.href for _, graphic in printed.sheet.graphics}
    return sorted(
        media.name
        for media in article.media
        if media.name.endswith(_IMAGES)
        and media.name not in hrefs
        and media.name.rsplit(".", 1)[0] not in hrefs
    )


# -- figures


def _candidates(printed: Printed, place: int) -> list[int]:
    """The graphics of a figure that could be pairs, as places among the document's graphics."""
    return [
        at
        for at, (owner, graphic) in enumerate(printed.sheet.graphics)
        if owner == place and (graphic.reject is None or graphic.reject[0] == "image")
    ]


def _pair(
    article: SampleArticle,
    printed: Printed,
    at: int,
    found: tuple[int, Graphic],
    digests: Mapping[str, str],
    mentions: Mapping[str, list[Row]],
) -> Row:
    place, graphic = found
    figure, parent, figure_id = printed.sheet.figures[place]
    name = graphic.media or ""
    picture = next(media.picture for media in article.media if media.name == name)
    if picture is None:
        raise ValueError(f"{name} is no picture")
    siblings = _candidates(printed, place)
    caption = _caption(article, figure)
    return {
        "pair_id": f"{article.article_id}/{name}",
        "article_id": article.article_id,
        "figure_id": figure_id,
        "figure_kind": figure.kind,
        "figure_label": figure.expected_label,
        "figure_position": place + 1,
        "graphic_position": siblings.index(at) + 1,
        "graphics_in_figure": len(siblings),
        "graphic_index": at + 1,
        "group_label": None,
        "group_caption": None,
        "parent_figure_id": parent.id if parent else None,
        "image_format": picture.format if picture.format in _KEPT else "png",
        "width": picture.width,
        "height": picture.height,
        "mode": picture.mode,
        "original_format": picture.format,
        "original_sha256": digests[name],
        **caption,
        "alt_text": figure.alt_text,
        "attribution": figure.attribution,
        "mentions": mentions.get(figure_id, []),
        "is_third_party": figure.third_party,
        "license_code": article.license.code,
        "license_group": article.license.group,
        "image": name,
        "class": picture_class(picture),
    }


def _caption(article: SampleArticle, figure: Figure) -> Row:
    caption, label = figure.caption, figure.expected_label
    if figure.kind == "graphical_abstract" and article.graphical_abstract:
        text = article.graphical_abstract[0]
        return {"caption": text, "caption_title": None, "caption_markup": escape(text, quote=False)}
    title = caption.title
    if figure.label is None and label and title and title[0].text.startswith(label):
        title = title[1:]  # the label stood at the head of the caption's text
    blocks: list[tuple[Span, ...]] = [title] if title else []
    blocks += [_joined(sentences) for sentences in caption.paragraphs]
    return {
        "caption": " ".join(plain(block) for block in blocks),
        "caption_title": plain(title) if title else None,
        "caption_markup": " ".join(_markup(block) for block in blocks),
    }


def _joined(sentences: Sequence[Sentence]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for at, sentence in enumerate(sentences):
        spans += [Span(" "), *sentence.spans] if at else sentence.spans
    return tuple(spans)


def _markup(spans: Sequence[Span]) -> str:
    parts = []
    for span in spans:
        inner = _markup(span.children) if span.children else escape(span.text, quote=False)
        tag = _MARKUP.get(span.kind)
        if span.kind == "tex":
            inner = f"${inner}$"
        parts.append(f"<{tag}>{inner}</{tag}>" if tag else inner)
    return "".join(parts)


def _rejects(printed: Printed) -> Iterator[Row]:
    for place, (figure, _, figure_id) in enumerate(printed.sheet.figures):
        if figure.reject:
            yield {
                "item": figure_id, "graphic_index": None, "stage": "figure", "reason": figure.reject,
            }  # fmt: skip
        for at, (owner, graphic) in enumerate(printed.sheet.graphics, start=1):
            if owner == place and graphic.reject:
                stage, reason = graphic.reject
                item = graphic.href or figure_id
                yield {"item": item, "graphic_index": at, "stage": stage, "reason": reason}


# -- mentions


def _mentions(printed: Printed) -> dict[str, list[Row]]:
    """The mentions of every figure, by its id, in document order; one a paragraph and figure."""
    children: dict[str, list[str]] = {}
    for figure, parent, _ in printed.sheet.figures:
        if parent is not None and parent.id and figure.id:
            children.setdefault(parent.id, []).append(figure.id)
    found: dict[str, list[Row]] = {}
    for block in printed.sheet.blocks:
        direct = {cite.figure_id for sentence in block.sentences for cite in sentence.cites}
        for figure_id, row in _cites(block):
            found.setdefault(figure_id, []).append(row)
            for child in children.get(figure_id, ()):
                if child not in direct:
                    found.setdefault(child, []).append(row | {"via_parent": True, "panels": []})
    return found


def _cites(block: Block) -> Iterator[tuple[str, Row]]:
    for sentence in block.sentences:
        for cite in sentence.cites:
            yield (
                cite.figure_id,
                {
                    "section": block.section,
                    "paragraph": block.text,
                    "sentence": plain(sentence.spans),
                    "panels": list(cite.panels),
                    "is_range": cite.is_range,
                    "via_parent": False,
                    "is_text_only": cite.is_text_only,
                },
            )
