"""The parser's article beside the census of its XML: every difference as a line for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from biomedica.jats.article import Article, Figure
from biomedica.jats.census import HOLE, Census, CensusFig

__all__ = ["caption_texts", "disagreements", "is_caption"]

SHOWN = 80
"""Characters that a line shows of a text."""


def disagreements(article: Article, census: Census) -> list[str]:
    """Where the two differ, one line each; nothing where the parser accounts for everything.

    Compared: graphics (each once, with its href and at its nearest fig), figs, figures, labels,
    captions word by word, paragraphs that cite a figure, rids without a target, references.
    """
    return [
        *_counts(article, census),
        *_every_graphic_once(article, census),
        *_every_fig(article, census),
        *_rids(article, census),
    ]


def _counts(article: Article, census: Census) -> Iterator[str]:
    for name, parsed, counted in (
        ("graphics", article.graphic_count, len(census.graphics)),
        ("inline graphics", article.inline_graphic_count, census.inline_graphics),
        ("figures", article.figure_count, census.figures),
        ("references", article.reference_count, census.references),
    ):
        if parsed != counted:
            yield f"{name}: the parser has {parsed}, the XML {counted}"


def _every_graphic_once(article: Article, census: Census) -> Iterator[str]:
    held = [graphic.index for figure in article.figures for graphic in figure.graphics]
    held += [no.graphic_index for no in article.rejects if no.graphic_index is not None]
    seen = Counter(held)
    for index in range(1, len(census.graphics) + 1):
        if seen[index] != 1:
            yield f"graphic {index}: {seen[index]} times in figures and rejects"
    for index in sorted(seen.keys() - set(range(1, len(census.graphics) + 1))):
        yield f"graphic {index}: the XML has {len(census.graphics)}"


def _every_fig(article: Article, census: Census) -> Iterator[str]:
    reasons = {no.graphic_index: no.reason for no in article.rejects}
    items = Counter(no.item for no in article.rejects if no.graphic_index is None)
    holder = {graphic.index: figure for figure in article.figures for graphic in figure.graphics}
    for figure in article.figures:
        yield from _one_owner(figure, census)
    for place, fig in enumerate(census.figs, start=1):
        name = f"fig {fig.id or place}"
        figures = {holder[index].position: holder[index] for index in fig.graphics if index in holder}
        if len(figures) > 1:
            yield f"{name}: the parser makes {len(figures)} figures of it"
        for figure in figures.values():
            yield from _fig(name, fig, figure)
        if not fig.graphics and fig.id and not items[fig.id]:
            yield f"{name}: neither a figure nor a reject"
        is_refused = "no_caption" in {reasons.get(index) for index in fig.graphics}
        if is_refused and not all(map(_is_label, fig.captions)):
            yield f"{name}: rejected as no_caption, and has one: {_cut(' '.join(fig.captions))}"
    bare = sum(not fig.graphics for fig in census.figs)
    if bare != items.total():
        yield f"figs without a graphic: the parser rejects {items.total()}, the XML has {bare}"


def _one_owner(figure: Figure, census: Census) -> Iterator[str]:
    """Its graphics exist, have its hrefs, and lie in one fig or in none."""
    known = [graphic for graphic in figure.graphics if 0 < graphic.index <= len(census.graphics)]
    owners = {census.graphics[graphic.index - 1].fig for graphic in known}
    if len(owners) > 1:
        yield f"figure {figure.figure_id}: its graphics lie in {len(owners)} different places"
    for graphic in known:
        href = census.graphics[graphic.index - 1].href
        if graphic.href != href:
            yield f"graphic {graphic.index}: the parser's href is {graphic.href!r}, the XML's {href!r}"


def _fig(name: str, fig: CensusFig, figure: Figure) -> Iterator[str]:
    if fig.id and figure.figure_id != fig.id:
        yield f"{name}: the parser's id is {figure.figure_id!r}"
    bare = fig.label.rstrip(".:| ")
    if bare and not _same_words(bare, (figure.label or "").rstrip(".:| ")):
        yield f"{name}: the parser's label is {figure.label!r}, the XML's {fig.label!r}"
    texts = caption_texts(fig)
    # A graphical abstract without a caption takes the words of the abstract around it.
    is_lent = figure.kind == "graphical_abstract" and not any(texts)
    if not is_lent and not any(is_caption(text, fig, figure) for text in texts):
        yield f"{name}: {_lost_words(texts[0], figure.caption)}"
    cited = sum(not (m.is_range or m.via_parent or m.is_text_only) for m in figure.mentions)
    if cited != fig.paragraphs:
        yield f"{name}: the parser has {cited} paragraphs that cite it, the XML {fig.paragraphs}"


def caption_texts(fig: CensusFig) -> list[str]:
    """What its caption may read: its group's before its own, in any of their languages."""
    return [
        " ".join(filter(None, (group, own)))
        for own in fig.captions or ("",)
        for group in fig.group_captions or ("",)
    ]


def is_caption(text: str, fig: CensusFig, figure: Figure) -> bool:
    """Whether the figure's caption is this text, or this text without the label at its head that
    the figure took for want of a `label`."""
    if _same_words(text, figure.caption):
        return True
    label = figure.label or ""
    rest = text.removeprefix(label).lstrip(".:| ")
    return bool(label and not fig.label and rest != text and _same_words(rest, figure.caption))


def _is_label(text: str) -> bool:
    """Whether a caption has no word beside "Figure 1."."""
    word, _, number = text.strip(".:| ").partition(" ")
    return not word or (word.casefold().rstrip(".") in ("fig", "figure") and len(number.split()) < 2)


def _rids(article: Article, census: Census) -> Iterator[str]:
    prefix = "unresolved_rid: "
    said = {text.removeprefix(prefix) for text in article.warnings if text.startswith(prefix)}
    missing = {rid[:80] for rid in census.rids_unresolved}
    for rid in sorted(missing - said):
        yield f"rid {rid}: leads nowhere, and the parser does not say so"
    for rid in sorted(said - missing):
        yield f"rid {rid}: the parser finds no target, the XML has one or no such rid"


def _same_words(expected: str, text: str) -> bool:
    """Whether a text is the census text: the same words in the same order, none missing, split or
    glued. A HOLE takes anything, and what touches it may touch what it holds."""
    return _first_difference(expected, text) is None


def _first_difference(expected: str, text: str) -> int | None:
    """Where the census text is not found in `text` any more, as a position in `text`; None: it is.

    Leftmost matching of what stands between holes, which finds a match whenever there is one.
    """
    first, *others = expected.split(HOLE)
    if not others:
        return None if first == text else _prefix(first, text)
    first = first.rstrip()
    if not text.startswith(first):
        return _prefix(first, text)
    at = len(first)
    for part in (one.strip() for one in others[:-1]):
        found = text.find(part, at)
        if found < 0:
            return at
        at = found + len(part)
    last = others[-1].lstrip()
    return None if len(text) - len(last) >= at and text.endswith(last) else at


def _prefix(a: str, b: str) -> int:
    size = min(len(a), len(b))
    return next((i for i in range(size) if a[i] != b[i]), size)


def _lost_words(expected: str, text: str) -> str:
    """Where a caption leaves its census text, for people."""
    at = max(0, (_first_difference(expected, text) or 0) - SHOWN // 2)
    near = _cut(text[at:]) or "(nothing)"
    if HOLE in expected[: at + SHOWN]:
        return f"the caption is {near}, the XML {_cut(expected)}"
    return f"the caption has {near} where the XML has {_cut(expected[at:]) or '(nothing)'}"


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
