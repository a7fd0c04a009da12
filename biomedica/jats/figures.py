"""Which figures and graphics may become pairs, and why the others may not."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import unquote

from biomedica.jats.article import Figure, FigureReject, Graphic, Mention
from biomedica.jats.captions import (
    EMPTY,
    Caption,
    alt_text_of,
    attribution_of,
    caption_of,
    joined,
    label_of,
    of_text,
    third_party_words,
)
from biomedica.jats.owners import FigureIndex, Record
from biomedica.jats.permissions import read_license
from biomedica.jats.text import LEFT_OUT, normalise
from biomedica.jats.tree import Tree, first_child, href_of, own_children
from biomedica.jats.xml import Element

__all__ = ["choose_figures"]

_OWN_REASONS = {"formula": "formula", "supplementary": "supplementary"}
_LESSER_USES = frozenset({"print-only", "print", "thumbnail", "scielo-web", "preview"})
_BETTER_USES = frozenset({"web-only", "web", "color", "colour", "online"})


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A graphic that could be a pair."""

    index: int
    href: str
    caption: str | None
    is_sub_article: bool


def choose_figures(
    tree: Tree,
    figures: FigureIndex,
    mentions: dict[Record, tuple[Mention, ...]],
    *,
    kinds: Collection[str],
    keep_uncaptioned: bool,
    warnings: list[str],
) -> tuple[tuple[Figure, ...], tuple[FigureReject, ...]]:
    """Figures with at least one graphic that may become a pair, and one reject for every other
    graphic and for every `fig` without one."""
    rejects: list[tuple[int, FigureReject]] = []
    chosen: list[tuple[Record, Caption, Caption, list[_Candidate]]] = []
    for record in figures.records:
        refused: list[FigureReject] = []
        own, group = _captions(tree, record, warnings)
        candidates = _candidates(tree, record, own, group, kinds, keep_uncaptioned, refused)
        rejects += ((record.position, one) for one in refused)
        if candidates:
            chosen.append((record, own, group, candidates))
    taken = _first_references([c for _, _, _, found in chosen for c in found])
    out: list[Figure] = []
    for record, own, group, candidates in chosen:
        kept = [c for c in candidates if taken[_reference(c.href)] == c.index]
        for c in candidates:
            first = taken[_reference(c.href)]
            if first != c.index:
                detail = f"graphic {first} names it first"
                reject = FigureReject(c.href, c.index, "duplicate_reference", detail)
                rejects.append((record.position, reject))
        if kept:
            out.append(_figure(tree, record, own, group, kept, mentions.get(record, ()), warnings))
    rejects.sort(key=lambda item: (item[0], item[1].graphic_index or 0))
    return tuple(out), tuple(reject for _, reject in rejects)


def _first_references(candidates: list[_Candidate]) -> dict[str, int]:
    """Which graphic holds each file: the first, and the main article's before a sub-article's."""
    taken: dict[str, int] = {}
    for c in sorted(candidates, key=lambda c: (c.is_sub_article, c.index)):
        taken.setdefault(_reference(c.href), c.index)
    return taken


def _reference(href: str) -> str:
    """What two references to one file have in common: the last segment; a URL is taken whole."""
    if "://" in href:
        return href
    return unquote(href.partition("#")[0].partition("?")[0].rstrip("/").rpartition("/")[2]) or href


def _captions(tree: Tree, record: Record, warnings: list[str]) -> tuple[Caption, Caption]:
    """The figure's own caption and its group's."""
    is_inside = record.label_in_caption
    group = EMPTY
    if record.group is not None:
        group = caption_of(tree, record.group, record.figure_id, warnings)
    own = EMPTY
    for owner in [record.element, *(g for _, g in record.graphics if record.is_bare)]:
        if not own.text:
            own = caption_of(tree, owner, record.figure_id, warnings, without_label=is_inside)
    if not own.text and record.element.tag == "boxed-text":
        title = first_child(record.element, "title")
        if title is None:
            title = record.element.find("sec/title")
        own = of_text(tree.text(title))
    if not own.text and record.kind == "graphical_abstract":
        own = of_text(_words_around(tree, record))
    return own, group


def _words_around(tree: Tree, record: Record) -> str:
    """The words of a graphical abstract, or of the section titled so; "" in any other abstract."""
    node = record.element.getparent()
    while node is not None and node is not tree.article:
        if node.tag in ("abstract", "trans-abstract", "sec"):
            kind = (node.get("abstract-type") or node.get("sec-type") or "").casefold()
            title = tree.text(first_child(node, "title")).casefold()
            if "graphical" in kind or "graphical abstract" in title:
                skip = LEFT_OUT | {"title", "label"}
                holders = [record.element, node] if record.element.tag == "boxed-text" else [node]
                texts = (" ".join(tree.text(c) for c in one if c.tag not in skip) for one in holders)
                return next((words for text in texts if (words := normalise(text))), "")
        node = node.getparent()
    return ""


def _candidates(
    tree: Tree,
    record: Record,
    own: Caption,
    group: Caption,
    kinds: Collection[str],
    keep_uncaptioned: bool,
    refused: list[FigureReject],
) -> list[_Candidate]:
    """The graphics of a figure that could be pairs; the others go to `refused`."""
    if not record.graphics:
        refused.append(_without_graphic(record))
        return []
    named: list[tuple[int, Element, str]] = []
    for index, graphic in record.graphics:
        href = href_of(graphic)
        if href:
            named.append((index, graphic, href))
        else:
            refused.append(FigureReject(record.figure_id, index, "no_href", f"<{record.kind}>"))
    reason, detail = _refusal(record, kinds)
    if reason:
        refused += (FigureReject(href, index, reason, detail) for index, _, href in named)
        return []
    is_sub_article = record.scope is not tree.article
    found: list[_Candidate] = []
    for index, graphic, href in _without_alternates(named, refused):
        caption = None if record.is_bare else _own_caption(tree, graphic, record)
        if own.text or group.text or caption or keep_uncaptioned:
            found.append(_Candidate(index, href, caption, is_sub_article))
        else:
            refused.append(FigureReject(href, index, "no_caption", record.kind))
    return found


def _own_caption(tree: Tree, graphic: Element, record: Record) -> str | None:
    return caption_of(tree, graphic, record.figure_id, []).text or None


def _without_graphic(record: Record) -> FigureReject:
    element = record.element
    if "film" in record.holds:
        return FigureReject(record.figure_id, None, "video", "media")
    inside = [child.tag for child in element if child.tag not in ("label", "caption", "object-id")]
    return FigureReject(record.figure_id, None, "no_graphic", ", ".join(dict.fromkeys(inside))[:200])


def _refusal(record: Record, kinds: Collection[str]) -> tuple[str, str]:
    """Reason and detail why no graphic of this figure is taken, or two empty strings."""
    if record.no_place:
        return "not_a_figure", f"inside <{record.no_place}>"
    if record.element.tag == "table-wrap" and "table" in record.holds:
        return "table_alternative", ""
    if record.kind not in kinds:
        reason = _OWN_REASONS.get(record.kind, "kind_not_taken")
        return reason, record.kind
    return "", ""


def _without_alternates(
    named: list[tuple[int, Element, str]], refused: list[FigureReject]
) -> list[tuple[int, Element, str]]:
    """One graphic of each `alternatives`: one for the web before one for print or a thumbnail."""
    sets: dict[Element, list[tuple[int, Element, str]]] = {}
    for item in named:
        parent = item[1].getparent()
        key = parent if parent.tag == "alternatives" else item[1]
        sets.setdefault(key, []).append(item)
    kept: list[tuple[int, Element, str]] = []
    for renditions in sets.values():
        best = min(renditions, key=lambda item: (_rank(item[1]), item[0]))
        kept.append(best)
        for index, _, href in renditions:
            if index != best[0]:
                refused.append(FigureReject(href, index, "alternate_of", best[2]))
    return kept


def _rank(graphic: Element) -> int:
    uses = {
        word
        for name in ("specific-use", "content-type")
        for word in (graphic.get(name) or "").casefold().split()
    }
    if uses & _LESSER_USES:
        return 2
    return 0 if not graphic.get("specific-use") or uses & _BETTER_USES else 1


def _figure(
    tree: Tree,
    record: Record,
    own: Caption,
    group: Caption,
    kept: list[_Candidate],
    mentions: tuple[Mention, ...],
    warnings: list[str],
) -> Figure:
    element = record.element
    caption = joined(group, own) if record.group is not None else own
    attribution = attribution_of(tree, element)
    permissions = own_children(element, "permissions")
    graphics = tuple(
        Graphic(c.index, c.href, position, c.caption) for position, c in enumerate(kept, start=1)
    )
    words = " ".join([caption.text, *(c.caption for c in kept if c.caption)])
    return Figure(
        figure_id=record.figure_id,
        kind=record.kind,
        label=record.label,
        position=record.position,
        caption=caption.text,
        caption_title=caption.title,
        caption_markup=caption.markup,
        group_label=label_of(tree, record.group) if record.group is not None else None,
        group_caption=group.text or None,
        parent_figure_id=record.parent.figure_id if record.parent is not None else None,
        alt_text=alt_text_of(tree, [element, *(graphic for _, graphic in record.graphics)]),
        attribution=attribution,
        third_party_text=third_party_words(tree, element, words, attribution),
        license=read_license(tree, permissions, warnings) if permissions else None,
        mentions=mentions,
        graphics=graphics,
    )
