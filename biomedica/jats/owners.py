"""Which element owns which graphic: the figures of an article, in document order.

A graphic belongs to the nearest ancestor that can own one. Figures, tables, boxes, formulas and
supplements own all their graphics; anywhere else a graphic is a figure of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from biomedica.jats.captions import label_of, leading_label
from biomedica.jats.labels import Number, family_of_word, label_numbers, parent_number
from biomedica.jats.tree import Tree, first_child
from biomedica.jats.xml import Element

__all__ = ["FigureIndex", "Record", "find_figures"]

_OWNS_ALL = {
    "fig": "figure",
    "table-wrap": "table",
    "disp-formula": "formula",
    "inline-formula": "formula",
    "disp-formula-group": "formula",
    "chem-struct-wrap": "chemical_structure",
    "chem-struct-wrapper": "chemical_structure",
    "boxed-text": "boxed_text",
    "supplementary-material": "supplementary",
    "inline-supplementary-material": "supplementary",
}
_STANDS_IN = {
    "fig-group": "figure",
    "table-wrap-group": "table",
    "abstract": "graphical_abstract",
    "trans-abstract": "graphical_abstract",
    "bio": "author_photo",
}
_NO_PLACE = frozenset(
    {"front", "front-stub", "article-meta", "journal-meta", "contrib", "named-content", "ack", "ref"}
    | {"license", "permissions", "kwd-group", "funding-group", "custom-meta"}
)
_GROUPS = frozenset({"fig-group", "table-wrap-group"})
_ABOVE_GROUPS = frozenset({"sec", "body", "article", "sub-article", "response", "floats-group"})
_LABEL_KINDS = frozenset({"scheme", "chart", "plate", "map", "box", "table"})
_FILM_TYPES = ("", "video", "audio", "moving")
_FILM = frozenset({"video", "movie", "film", "animation"})
_FEATURED = frozenset({"featured", "lead", "cover", "portrait"})
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(eq=False, slots=True)
class Record:
    """One figure of any kind, with its graphics as (index in the document, element)."""

    element: Element
    kind: str
    scope: Element
    graphics: list[tuple[int, Element]] = field(default_factory=list)
    position: int = 0
    figure_id: str = ""
    label: str | None = None
    numbers: tuple[Number, ...] = ()
    group: Element | None = None
    abstract: Element | None = None
    """the abstract it stands in"""
    label_in_caption: bool = False
    """the label is the head of the caption's text"""
    holds: set[str] = field(default_factory=set)
    """`table` and `film` (media that are no other kind of file), where one is in it and in no figure
    inside it"""
    no_place: str = ""
    """the element in which no figure stands, for a graphic found there"""
    parent: Record | None = None
    children: list[Record] = field(default_factory=list)

    @property
    def is_bare(self) -> bool:
        """A graphic, or a set of alternatives, that nothing owns."""
        return self.element.tag in ("graphic", "alternatives")


@dataclass(frozen=True, slots=True)
class FigureIndex:
    """The figures of an article, by position and as citations find them."""

    records: tuple[Record, ...]
    by_element: dict[Element, Record]
    by_number: dict[tuple[Element, Number], Record]


def find_figures(tree: Tree) -> FigureIndex:
    """Every figure of the article: each `fig`, and each owner of a graphic, 1…n."""
    by_element: dict[Element, Record] = {}
    for element in tree.named["fig"]:
        by_element[element] = Record(element, "figure", tree.place(element).scope)
    for index, graphic in enumerate(tree.named["graphic"], start=1):
        element, kind, no_place = _owner(tree, graphic)
        record = by_element.get(element)
        if record is None:
            record = Record(element, kind, tree.place(element).scope, no_place=no_place)
            by_element[element] = record
        record.graphics.append((index, graphic))
    records = tuple(by_element[element] for element in tree.in_order(by_element))
    by_number: dict[tuple[Element, Number], Record] = {}
    for position, record in enumerate(records, start=1):
        record.position = position
        record.figure_id = _id_of(record) or f"fig-{position}"
        _describe(tree, record)
        for number in record.numbers:
            by_number.setdefault((record.scope, number), record)
    for name in ("table", "media"):
        for node in tree.named[name]:
            owner = tree.place(node).figure
            if owner not in by_element:
                continue
            kind = (node.get("mimetype") or "").partition("/")[0].casefold()
            if name == "table" or kind in _FILM_TYPES:
                by_element[owner].holds.add("film" if name == "media" else name)
    index_of_all = FigureIndex(records, by_element, by_number)
    for record in records:
        _find_parent(index_of_all, record)
    return index_of_all


def _owner(tree: Tree, graphic: Element) -> tuple[Element, str, str]:
    """The owning element, the kind of figure it makes, and the name of a place for no figure."""
    parent = graphic.getparent()
    bare = parent if parent.tag == "alternatives" else graphic
    node, film, kind = parent, None, "floating"
    while node is not tree.article:
        name = node.tag
        if name in _OWNS_ALL:
            return node, _OWNS_ALL[name], ""
        if name in _STANDS_IN:
            return bare, _STANDS_IN[name], ""
        if name in _NO_PLACE:
            return bare, "floating", name
        if name == "media" and film is None:
            film = node
        if name == "chem-struct":  # without a wrapper around it, which owns all
            kind = "chemical_structure"
        node = node.getparent()
    return (bare, kind, "") if film is None else (film, "video_still", "")


def _id_of(record: Record) -> str:
    own = record.element.get("id")
    if not own and record.is_bare and record.graphics:
        own = record.graphics[0][1].get("id")
    return " ".join((own or "").split())


def _describe(tree: Tree, record: Record) -> None:
    element = record.element
    record.label = label_of(tree, element)
    node = element.getparent()
    while node is not None and node is not tree.article:
        if node.tag in _GROUPS and record.group is None:
            record.group = node
        if node.tag in ("abstract", "trans-abstract"):
            record.abstract = node
        if node.tag == "bio":
            record.kind = "author_photo"
        if node.tag in _ABOVE_GROUPS:
            break
        node = node.getparent()
    if record.label is None and record.is_bare:
        record.label = label_of(tree, record.graphics[0][1])
        if record.label is None and record.group is not None:
            record.label = label_of(tree, record.group)
    if record.label is None:
        record.label = leading_label(tree, element)
        record.label_in_caption = record.label is not None
    record.kind = _kind(tree, record)
    record.numbers = label_numbers(record.label, "table" if record.kind == "table" else "figure")


def _kind(tree: Tree, record: Record) -> str:
    if record.kind not in ("figure", "floating", "boxed_text", "graphical_abstract"):
        return record.kind
    section = tree.place(record.element).section.casefold()
    if record.abstract is not None or "graphical abstract" in section:
        return "graphical_abstract"
    return _kind_of_fig(record) if record.kind == "figure" else record.kind


def _kind_of_fig(record: Record) -> str:
    """The kind by `fig-type` where it names a place, else by the label's last word for a kind ("Box
    2—figure 1" is a figure), else by the type."""
    kind = (record.element.get("fig-type") or "").casefold().replace("_", "-")
    if kind in _FEATURED:
        return "featured"
    if "graphical" in kind and "abstract" in kind:
        return "graphical_abstract"
    label = (record.label or "").casefold()
    if label.startswith("graphical abstract"):
        return "graphical_abstract"
    words = _WORD.findall(label)
    if not _FILM.isdisjoint(words):
        return "video_still"
    if "structure" in words and "chemical" in words:
        return "chemical_structure"
    families = [family_of_word(word) for word in words]
    known = [f for f in families if f == "figure" or f in _LABEL_KINDS]
    return known[-1] if known else kind if kind in _LABEL_KINDS else "figure"


def _find_parent(index: FigureIndex, record: Record) -> None:
    """The figure around it, the first of its group for a child of a group, or the one that its
    label names ("Figure 2—figure supplement 1")."""
    if record.element.tag != "fig":
        return
    parent = next((index.by_element[fig] for fig in record.element.iterancestors("fig")), None)
    if (
        parent is None
        and record.element.get("specific-use") == "child-fig"
        and record.group is not None
    ):
        first = first_child(record.group, "fig")
        parent = index.by_element[first] if first is not None else None
    if parent is None and record.numbers:
        number = parent_number(record.numbers[0])
        parent = index.by_number.get((record.scope, number)) if number is not None else None
    if parent is not None and parent is not record:
        record.parent = parent
        parent.children.append(record)
