"""Where the text cites a figure: by xref, inside a range, through the parent, by plain words.

A mention is one (paragraph, figure) couple: several citations of one figure in one paragraph are
one mention with the panels of all. The paragraph is the nearest `p`, table cell or title.

`is_range` is for a figure that is named nowhere and lies strictly between two that are. The ends
are what they would be alone: direct where an xref points at them, `is_text_only` where only the
words name them. So in `<xref rid="f2">Figs. 2–4</xref>` 2 is direct, 3 `is_range`, and 4, to which
no rid leads, `is_text_only`; an xref never makes more direct mentions than it has rids.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from biomedica.jats.article import Mention
from biomedica.jats.labels import (
    Cited,
    Number,
    family_of_word,
    hints_of,
    read_cited,
    read_panels,
    strip_label,
    words_citing,
)
from biomedica.jats.owners import FigureIndex, Record
from biomedica.jats.sentences import sentence_around, sentence_starts
from biomedica.jats.targets import Targets
from biomedica.jats.text import LEFT_OUT, Mark
from biomedica.jats.tree import MAX_BLOCK_DEPTH, Tree, first_child
from biomedica.jats.xml import Element

__all__ = ["find_mentions"]

_BLOCKS = frozenset({"p", "td", "th", "title"})
_DIRECT, _TEXT_ONLY, _RANGE, _VIA_PARENT = range(4)
_RANGE_BETWEEN = re.compile(
    r"\s*\(?[A-Za-z]?\)?\s*(?:[–—‐‑‒−-]|to|through)\s*(?:(?:[Ff]igures?|[Ff]igs?\.?)\s*)?\Z"
)
_NUMBER_IN_XREF = re.compile(r"[A-Z]{0,2}[-.]?\d")
_PANEL_IN_XREF = re.compile(r"\s*\(?(?=[A-Za-z](?![A-Za-z]))")
_ELSEWHERE_BEFORE = re.compile(
    r"(?:\bet al\.?,?\s*\(?(?:19|20)\d\d[a-z]?\)?|[A-Z]\w+,?\s+\(?(?:19|20)\d\d[a-z]?\)?|\[\d+\]?"
    r"|\brefs?\.?\s*\d+|\breference\s+\d+)\s*[,;:(]\s*(?:see\s+)?(?:their\s+)?\Z|\btheir\s+\Z"
    r"|\bappendix\s+\w+\s*[–—-]\s*\Z",
    re.IGNORECASE,
)
_JOINT = re.compile(
    r"\d[a-z]?[)\]]?\s*[,;:(]\s*(?:see\s+)?(?:their\s+)?\Z|\btheir\s+\Z|[–—-]\s*\Z", re.IGNORECASE
)
"""How everything ends that `_ELSEWHERE_BEFORE` finds."""
_PLURAL = re.compile(r"\b(?:figures|figs|schemes|plates|charts)\b", re.IGNORECASE)
_ELSEWHERE_AFTER = re.compile(
    r"(?:\s*(?:,|and)\s*(?:Fig(?:ure|s)?|Table)s?\.?\s*\S{1,6})?"
    r"(?:\s*\)?,?\s*(?:of|in|from)\s+(?:the\s+)?"
    r"(?:\[|\(?\d{4}|refs?\b|reference|[A-Z][\w’'-]+\s+(?:et\s+al|and\s+[A-Z]|&|\(?(?:19|20)\d\d)"
    r"|S\d|Text\s+S|(?:[Oo]nline\s+)?[Ss]uppl|[Aa]dditional|[Ss]upporting|original\s|another\s|electronic|companion)"
    r"|\s*,\s*SI\b|\s*[–—-]\s*(?:source|video|animation|figure|code|movie))"
)


@dataclass(slots=True)
class _Entry:
    """One figure in one block, while it is being put together."""

    rank: int
    start: int
    panels: list[str] = field(default_factory=list)

    def merge(self, rank: int, start: int, panels: tuple[str, ...]) -> None:
        if rank < self.rank:
            self.rank, self.start = rank, start
        self.panels += [letter for letter in panels if letter not in self.panels]


@dataclass(slots=True)
class _Block:
    """A paragraph, cell or title with the figures it cites."""

    element: Element
    text: str
    xrefs: list[Mark]
    inner: list[Mark]
    """the outermost blocks inside, which are blocks of their own"""
    entries: dict[Record, _Entry] = field(default_factory=dict)

    def add(self, record: Record, rank: int, start: int, panels: tuple[str, ...] = ()) -> None:
        entry = self.entries.get(record)
        if entry is None:
            self.entries[record] = _Entry(rank, start, list(dict.fromkeys(panels)))
        else:
            entry.merge(rank, start, panels)


class _Hit(NamedTuple):
    """An xref that points at figures, in a block's text."""

    mark: Mark
    records: list[Record]
    limit: int
    """where reading after the xref must stop: the start of the next one"""


def find_mentions(
    tree: Tree, figures: FigureIndex, warnings: list[str]
) -> dict[Record, tuple[Mention, ...]]:
    """The mentions of every figure, in document order.

    An xref to a figure that does not exist gives the warning `unresolved_rid`.
    """
    if not figures.records:
        Targets(tree, figures).report_unresolved(warnings)
        return {}
    targets = Targets(tree, figures)
    targets.report_unresolved(warnings)
    blocks: dict[Element, _Block] = {}
    for element in _blocks_of_xrefs(tree, targets):
        block = _read_xrefs(tree, targets, element)
        if block.entries:
            blocks[element] = block
    hints = hints_of(number for _, number in figures.by_number)
    for element in tree.named["p"] if hints else ():
        # Where no block is inside, the text is read once, however deep it lies.
        if tree.is_compound(element) and tree.place(element).depth > MAX_BLOCK_DEPTH:
            continue
        if any(map(tree.text(element).__contains__, hints)):
            _read_words(tree, figures, targets, blocks, element)
    return _mentions(tree, blocks)


def _blocks_of_xrefs(tree: Tree, targets: Targets) -> list[Element]:
    found: dict[Element, None] = {}
    for xref in targets.candidates:
        if targets.of(xref):
            found[_block_of(tree, xref)] = None
    return list(found)


def _block_of(tree: Tree, xref: Element) -> Element:
    """The nearest block, but no paragraph deep inside others; the parent where there is none."""
    node = xref.getparent()
    while node.tag not in _BLOCKS or tree.place(node).depth > MAX_BLOCK_DEPTH:
        above = node.getparent()
        if node is tree.article or above is None or node.tag in LEFT_OUT:
            return xref.getparent()
        node = above
    return node


def _read_xrefs(tree: Tree, targets: Targets, element: Element) -> _Block:
    """The citations by xref of one block, those of inner blocks apart."""
    block = _Block(element, *tree.marked_text(element))
    text, xrefs, inner = block.text, block.xrefs, block.inner
    own_figure = tree.place(element).figure
    hits: list[_Hit] = []
    for place, mark in enumerate(xrefs):
        records = [r for r in targets.of(mark.element) if r.element is not own_figure]
        if not records or (inner and _block_of(tree, mark.element) is not element):
            continue
        following = place + 1
        while following < len(xrefs) and xrefs[following].start < mark.end:
            following += 1
        limit = xrefs[following].start if following < len(xrefs) else len(text)
        if targets.is_group(mark.element):
            for record in records:
                block.add(record, _VIA_PARENT, mark.start)
        else:
            hits.append(_Hit(mark, records, limit))
    for place, hit in enumerate(hits):
        if place:
            _read_range(targets, block, hits[place - 1], hit)
        _read_hit(targets, block, hit)
    return block


def _read_hit(targets: Targets, block: _Block, hit: _Hit) -> None:
    """One xref: its figures with the panels named, and the further numbers of its list.

    A number that no rid of the xref leads to is found by its label, see `is_range` above.
    """
    text, (_, start, end) = block.text, hit.mark
    number = _NUMBER_IN_XREF.search(text, start, end)
    if number is None:
        panel = _PANEL_IN_XREF.match(text, start, end)
        at = panel.end() if panel is not None else end
        panels = read_panels(text, at, hit.limit, sure=end)[0] if start < end else ()
        for record in hit.records:
            block.add(record, _DIRECT, start, panels if len(hit.records) == 1 else ())
        return
    cited = _cited_from(block, hit, number.start())
    matched: set[int] = set()
    for record in hit.records:
        fitting = [i for i, c in enumerate(cited) if any(_fits(c, n) for n in record.numbers)]
        if not fitting and len(hit.records) == 1 and cited:
            fitting = [0] if _is_likely(cited[0], record) else []
        matched.update(fitting)
        panels = tuple(letter for i in fitting for letter in cited[i].panels)
        block.add(record, _DIRECT, start, panels)
    first = hit.records[0]
    if not matched or not first.numbers:
        return
    for i, c in enumerate(cited):
        if i not in matched:
            other = targets.by_number(first.scope, _in_family(c, first.numbers[0]))
            if other is not None and other not in hit.records:
                block.add(other, _RANGE if c.is_between else _TEXT_ONLY, c.start, c.panels)


def _fits(cited: Cited, number: Number) -> bool:
    """Whether a citation is that number: S1 is not 1, but 1 may be Supplementary Figure 1."""
    _, _, series = cited.number.family.partition(" ")
    return cited.number.value == number.value and number.family.endswith(series)


def _is_likely(first: Cited, record: Record) -> bool:
    """Whether the first number is the figure's although the two do not fit."""
    return not record.numbers or first.number.value in {n.value for n in record.numbers}


def _in_family(cited: Cited, number: Number) -> Number:
    """The number that is cited in one list with `number`: of its family, or of the series named."""
    word, _, _ = number.family.partition(" ")
    _, _, series = cited.number.family.partition(" ")
    return Number(f"{word} {series}" if series else number.family, cited.number.value)


def _cited_from(block: _Block, hit: _Hit, start: int) -> list[Cited]:
    """The numbers from the xref's first on; one that runs over the xref's end is not read on."""
    _, begin, end = hit.mark
    text = block.text
    is_plural = _PLURAL.search(text[max(0, begin - 10) : end]) is not None
    if text[end : end + 1].isdigit():
        return read_cited(text, start, end, is_plural=True, sure=end)
    cited = read_cited(text, start, hit.limit, is_plural=is_plural, sure=end)
    return [c for c in cited if c.start < end or (is_plural or hit.limit > end)]


def _read_range(targets: Targets, block: _Block, first: _Hit, last: _Hit) -> None:
    """`<xref>2</xref>–<xref>4</xref>`: the figures between; inside one figure, the panels."""
    between = block.text[first.mark.end : last.mark.start]
    if len(between) > 16 or not _RANGE_BETWEEN.match(between):
        return
    a, b = first.records[-1], last.records[0]
    if a is b:
        _fill_panels(block, first, last, a)
        return
    if not a.numbers or not b.numbers or a.scope is not b.scope:
        return
    low, high = a.numbers[-1], b.numbers[0]
    if low.family != high.family or not low.value < high.value <= low.value + 60:
        return
    for value in range(low.value + 1, high.value):
        record = targets.by_number(a.scope, Number(low.family, value))
        if record is not None and record.element is not block.element:
            block.add(record, _RANGE, first.mark.start)


def _fill_panels(block: _Block, first: _Hit, last: _Hit, record: Record) -> None:
    ends: list[str] = []
    for hit in (first, last):
        found = re.search(r"([A-Za-z])\)?\s*\Z", block.text[hit.mark.start : hit.mark.end])
        ends.append(found[1] if found else "")
    low, high = ends
    if low and high and low.isupper() == high.isupper() and low < high:
        letters = tuple(chr(c) for c in range(ord(low), ord(high) + 1))
        block.add(record, _DIRECT, first.mark.start, letters)


def _read_words(
    tree: Tree, figures: FigureIndex, targets: Targets, blocks: dict[Element, _Block], element: Element
) -> None:
    """The second pass: numbers in plain words, resolved by label, in running text.

    Words inside an xref are left to it: what it points at decides.
    """
    place = tree.place(element)
    if not place.is_prose or place.depth > MAX_BLOCK_DEPTH:
        return
    block = blocks.get(element)
    if block is None:
        if next(words_citing(tree.text(element)), None) is None:
            return
        block = _Block(element, *tree.marked_text(element))
    decided = [mark for mark in block.xrefs if targets.is_decided(mark.element)]
    for found, group in words_citing(block.text):
        if _is_inside(block.inner, found.start()):
            continue
        for c in _cited_in_words(block.text, found, group):
            if _is_inside(decided, c.start):
                continue
            record = _by_label(tree, figures, place.scope, c.number)
            if record is not None and record.element is not place.figure:
                block.add(record, _RANGE if c.is_between else _TEXT_ONLY, found.start(), c.panels)
    if block.entries:
        blocks[element] = block


def _is_inside(blocks: list[Mark], position: int) -> bool:
    """Whether the position lies in one of the blocks, which are the outermost ones in order."""
    index = bisect_right(blocks, position, key=lambda block: block.start) - 1
    return index >= 0 and position < blocks[index].end


def _cited_in_words(text: str, found: re.Match[str], group: str) -> list[Cited]:
    if _is_elsewhere(text, found.start()):
        return []
    start = found.end() + (1 if text[found.end()] == "(" else 0)
    word = found[0].rstrip(". ")
    cited = read_cited(
        text,
        start,
        len(text),
        base=family_of_word(word),
        group=group,
        is_plural=word[-1] in "sS",
    )
    if cited and _ELSEWHERE_AFTER.match(text, cited[-1].end):
        return []
    return cited


def _is_elsewhere(text: str, start: int) -> bool:
    """Whether the words before say that a number at `start` is another work's."""
    if not _JOINT.search(text, max(0, start - 20), start):
        return False  # far cheaper than the whole pattern
    return _ELSEWHERE_BEFORE.search(text, max(0, start - 60), start) is not None


def _by_label(tree: Tree, figures: FigureIndex, scope: Element, number: Number) -> Record | None:
    """The figure of that number in the sub-article, else in the main article."""
    record = figures.by_number.get((scope, number))
    return record if record is not None else figures.by_number.get((tree.article, number))


def _mentions(tree: Tree, blocks: dict[Element, _Block]) -> dict[Record, tuple[Mention, ...]]:
    found: dict[Record, list[Mention]] = {}
    for element in tree.in_order(blocks):
        block = blocks[element]
        _add_children(block)
        starts = sentence_starts(block.text, max(entry.start for entry in block.entries.values()))
        section = _section_of(tree, element)
        for record, entry in block.entries.items():
            start = min(entry.start, max(0, len(block.text) - 1))
            mention = Mention(
                section=section,
                paragraph=block.text,
                sentence=sentence_around(block.text, starts, start),
                panels=tuple(entry.panels),
                is_range=entry.rank == _RANGE,
                via_parent=entry.rank == _VIA_PARENT,
                is_text_only=entry.rank == _TEXT_ONLY,
            )
            found.setdefault(record, []).append(mention)
    return {record: tuple(mentions) for record, mentions in found.items()}


def _add_children(block: _Block) -> None:
    """A figure cited by name speaks for its children too."""
    waiting = [(r, e) for r, e in block.entries.items() if e.rank in (_DIRECT, _TEXT_ONLY)]
    while waiting:
        parent, entry = waiting.pop(0)
        for child in parent.children:
            if child not in block.entries:
                block.add(child, _VIA_PARENT, entry.start)
                waiting.append((child, entry))


def _section_of(tree: Tree, element: Element) -> str:
    place = tree.place(element)
    if place.caption is None:
        return place.section
    owner = place.caption.getparent()
    label = strip_label(tree.text(first_child(owner, "label"))) or owner.get("id") or owner.tag
    return f"Caption of {label}"
