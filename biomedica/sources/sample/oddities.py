"""The oddities of real articles, worked into figures: lost files, repeats, missing words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from . import figures as make
from .description import Caption, Figure, Graphic, rich
from .draft import Draft

__all__ = ["odd_figures", "small_pdf"]


def odd_figures(draft: Draft, drawn: list[Figure]) -> list[Figure]:
    """The oddities of this article, worked into its figures."""
    twists, last = draft.twists, len(drawn) - 1
    if "third_party" in twists:
        drawn[0] = make.third_party(draft, drawn[0])
    if "caption_xref" in twists:
        named_as = drawn[0].expected_label or ""
        drawn[last] = make.refer_in_caption(drawn[last], drawn[0], named_as)
    if "missing" in twists:
        drawn[last] = _lose_file(draft, drawn[last])
    if "external" in twists:
        drawn[last] = _refer_outside(draft, drawn[last])
    if "twice" in twists:
        drawn[last] = _repeat(draft, drawn[0], drawn[last])
    if "no_caption" in twists:
        drawn[last] = _silence(drawn[last])
    if "no_href" in twists:
        drawn[last] = _without_href(draft, drawn[last])
    if "no_id" in twists:
        drawn[last] = replace(drawn[last], id=None)
    if "label_in_caption" in twists:
        drawn[0] = _label_in_caption(drawn[0])
    if "video" in twists:
        drawn.append(make.video_figure(draft, len(drawn) + 1))
    if twists & {"table_image", "table_beside"}:
        drawn.insert(1, make.table_figure(draft, 1, "table_beside" in twists))
    return drawn


def _drop(draft: Draft, figure: Figure) -> None:
    """Take the files of a figure out of the article, its twins included."""
    for graphic in figure.graphics:
        if graphic.media is None:
            continue
        stem = graphic.media.rsplit(".", 1)[0]
        lost = {stem, f"{stem}_lrg"}
        draft.media[:] = [one for one in draft.media if one.name.rsplit(".", 1)[0] not in lost]


def _single(figure: Figure, graphic: Graphic) -> Figure:
    return replace(figure, graphics=(graphic,), in_alternatives=False, children=())


def _lose_file(draft: Draft, figure: Figure) -> Figure:
    _drop(draft, figure)
    href = figure.graphics[0].href
    return _single(figure, Graphic(href, None, ("image", "media_missing")))


def _refer_outside(draft: Draft, figure: Figure) -> Figure:
    _drop(draft, figure)
    href = f"https://figures.example.org/{draft.names['number']}/large.jpg"
    return _single(figure, Graphic(href, None, ("image", "external")))


def _repeat(draft: Draft, first: Figure, figure: Figure) -> Figure:
    _drop(draft, figure)
    graphic = replace(first.graphics[0], reject=("figure", "duplicate_reference"), specific_use=None)
    return _single(figure, graphic)


def _silence(figure: Figure) -> Figure:
    """No words at all; every graphic that could be a pair is refused for it."""
    graphics = tuple(
        replace(one, reject=one.reject or ("figure", "no_caption")) for one in figure.graphics
    )
    return replace(figure, caption=Caption(), graphics=graphics, third_party=False, children=())


def _without_href(draft: Draft, figure: Figure) -> Figure:
    _drop(draft, figure)
    return _single(figure, Graphic(None, None, ("figure", "no_href")))


def _label_in_caption(figure: Figure) -> Figure:
    """The label stands at the head of the caption, not in an element of its own."""
    caption = figure.caption
    if caption.title is None:
        raise ValueError("this house has no caption titles")
    head = rich(f"{figure.expected_label}. ")
    if figure.kind != "figure":
        return figure  # a reader looks for "Figure 1" at the head, not for a scheme
    return replace(figure, label=None, caption=replace(caption, title=(*head, *caption.title)))


def small_pdf(text: str) -> bytes:
    """The smallest valid PDF: one empty page."""
    objects: Sequence[bytes] = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 200]>>",
    )
    out, places = b"%PDF-1.4\n%" + text.encode("ascii", "replace") + b"\n", []
    for number, item in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj%s endobj\n" % (number, item)
    start = len(out)
    out += b"xref\n0 4\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % at for at in places)
    return out + b"trailer<</Size 4/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % start
