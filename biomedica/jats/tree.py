"""An article looked through once: elements by name, their order, which are plain text, places.

Everything that looks upwards is remembered per element, so that no search repeats a climb.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from lxml import etree

from biomedica.jats.text import COMPOUND_NAMES, ONE_FORM, Mark, clean, marked_text, plain_of, stream_of
from biomedica.jats.xml import MATHML, Element

__all__ = [
    "MAX_BLOCK_DEPTH",
    "SUB_ARTICLES",
    "XML_LANG",
    "Place",
    "Tree",
    "first_child",
    "href_of",
    "letters_of",
    "own_children",
    "same_language",
]

MAX_BLOCK_DEPTH = 4
"""Paragraphs inside more paragraphs than this are read as part of those around them: the text of
every level is written out, and without a limit nesting would cost its square."""

XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_XLINK_HREF = "{http://www.w3.org/1999/xlink}href"

SUB_ARTICLES = frozenset({"sub-article", "response"})
_INDEXED = frozenset({"p", "xref", "fig", "graphic", "ref", "boxed-text", "table", "media"})
_SECTIONS = frozenset(
    {"sec", "app", "abstract", "trans-abstract", "ack", "bio", "notes", "fn-group", "glossary"}
    | {"boxed-text", "app-group", "treatment-sec"}
)
_DEFAULT_TITLES = {"abstract": "Abstract", "trans-abstract": "Abstract"}
_FIGURE_LIKE = frozenset(
    {"fig", "table-wrap", "chem-struct-wrap", "chem-struct-wrapper", "graphic", "boxed-text"}
)
_NO_PROSE = frozenset(
    {"caption", "fig", "table-wrap", "ref-list", "permissions", "supplementary-material", "media"}
    | {"fn", "article-meta", "front-stub", "journal-meta", "author-notes", "disp-formula", "graphic"}
)
_OWNERS = frozenset({"table-wrap", "disp-formula", "inline-formula", "supplementary-material"})
_PLACED = _INDEXED | _OWNERS | {"alternatives"}
"""Of which the order in the document is kept."""
_PLACES = SUB_ARTICLES | _SECTIONS | _FIGURE_LIKE | _NO_PROSE | {"p"}
"""What makes a place of its own out of the one above."""


@dataclass(slots=True, eq=False)
class Place:
    """Where an element stands; the element itself is part of its own place."""

    scope: Element
    """the article, or the nearest sub-article"""
    section: str
    """titles of the enclosing sections, joined by ' > '"""
    figure: Element | None
    """the nearest element that may own graphics"""
    caption: Element | None
    """the nearest caption"""
    is_prose: bool
    """running text: no caption, reference, note or metadata"""
    depth: int
    """how many paragraphs enclose it"""


class Tree:
    """The article as it is walked. Namespaces other than MathML's are taken off its elements.

    namespaces: those that its elements may be in, where they are known.
    """

    def __init__(self, article: Element, namespaces: Collection[str] | None = None) -> None:
        self.article = article
        self.named: dict[str, list[Element]] = {name: [] for name in _INDEXED}
        self.language: str | None = article.get(XML_LANG) or None
        _take_namespaces_off(article, namespaces)
        placed = list(article.iter(*_PLACED))
        """Kept, as what is looked up again is, so that each stays one object while the tree lives."""
        self._order = dict(zip(placed, range(len(placed)), strict=True))
        for node in placed:
            if node.tag in _INDEXED:
                self.named[node.tag].append(node)
        self._compound = _around(article, COMPOUND_NAMES)
        self._texts: dict[Element, str] = {}
        self._places: dict[Element, Place] = {}

    def in_order(self, elements: Collection[Element]) -> list[Element]:
        """The elements in the document's order."""
        order = self._order
        if all(element in order for element in elements):
            return sorted(elements, key=order.__getitem__)
        names = {element.tag for element in elements}
        return [node for node in self.article.iter(*names) if node in elements]

    def is_compound(self, element: Element) -> bool:
        """Whether plain concatenation of the text nodes would be wrong."""
        return element in self._compound

    def text(self, element: Element | None) -> str:
        """The element's text, normalised; "" for None."""
        if element is None:
            return ""
        known = self._texts.get(element)
        if known is None:
            if element in self._compound or element.tag in ONE_FORM:
                known = plain_of(stream_of(element)[0])
            else:
                known = clean(letters_of(element))
            self._texts[element] = known
        return known

    def marked_text(self, element: Element) -> tuple[str, list[Mark], list[Mark]]:
        """`marked_text` of the element, whose text is then known."""
        text, xrefs, blocks = marked_text(element)
        if element not in self._texts and "@" not in letters_of(element):
            # Where an e-mail address touches an xref, the text alone may be read otherwise.
            self._texts[element] = text
        return text, xrefs, blocks

    def place(self, element: Element) -> Place:
        """Where the element stands, itself included."""
        known = self._places.get(element)
        if known is not None:
            return known
        path: list[Element] = []
        node: Element | None = element
        while node is not None:
            known = self._places.get(node)
            if known is not None:
                break
            path.append(node)
            node = None if node is self.article else node.getparent()
        for node in reversed(path):
            known = self._place_below(known, node)
            self._places[node] = known
        if known is None:
            raise LookupError("an element outside the article has no place")
        return known

    def _place_below(self, above: Place | None, node: Element) -> Place:
        name = node.tag
        if above is None:
            return Place(node, "", None, None, True, 0)
        if name not in _PLACES:
            return above
        scope, section, figure = above.scope, above.section, above.figure
        caption, is_prose = above.caption, above.is_prose
        if name in SUB_ARTICLES:
            title = self._sub_article_title(node)
            return Place(node, _joined(section, title), None, None, True, 0)
        if name in _SECTIONS:
            section = _joined(section, self._title_of(node))
        if name in ("abstract", "trans-abstract"):
            is_prose = True
        elif name in _NO_PROSE:
            is_prose = False
        if name in _FIGURE_LIKE:
            figure = node
        if name == "caption":
            caption = node
        depth = above.depth + (name == "p")
        return Place(scope, section, figure, caption, is_prose, depth)

    def _title_of(self, node: Element) -> str:
        title = first_child(node, "title")
        if title is None and node.tag == "boxed-text":
            title = node.find("caption/title")
        return self.text(title) or _DEFAULT_TITLES.get(node.tag, "")

    def _sub_article_title(self, node: Element) -> str:
        for path in ("front-stub//article-title", "front//article-title"):
            title = node.find(path)
            if title is not None:
                return self.text(title)
        return ""


def _take_namespaces_off(article: Element, namespaces: Collection[str] | None) -> None:
    if namespaces is None:
        nodes = article.iter()
    else:
        others = [f"{{{name}}}*" for name in namespaces if f"{{{name}}}" != MATHML]
        nodes = article.iter(*others) if others else ()
    for node in nodes:
        name = node.tag
        if name[0] == "{" and not name.startswith(MATHML):
            node.tag = name.rpartition("}")[2]


def _around(article: Element, names: Collection[str]) -> set[Element]:
    """All elements that hold one of those names, at any depth."""
    found: set[Element] = set()
    for node in article.iter(*names):
        above = node.getparent()
        while above is not None and above not in found:
            found.add(above)
            above = above.getparent()
    return found


def letters_of(element: Element) -> str:
    """The concatenation of its text nodes, as they stand."""
    if not len(element):
        return str(element.text or "")
    text: str = etree.tostring(element, encoding="unicode", method="text", with_tail=False)
    return text


def _joined(section: str, title: str) -> str:
    if len(section) > 2000:
        return section  # a path that grows without end would cost its square
    title = title[:1000]
    return f"{section} > {title}" if section and title else section or title


def href_of(element: Element) -> str:
    """The element's link, stripped; "" when it has none."""
    href: str = element.get(_XLINK_HREF) or element.get("href") or ""
    if not href:
        for name, value in element.attrib.items():
            if name.endswith(("}href", ":href")):
                href = value
                break
    return href.strip()


def own_children(element: Element, name: str) -> list[Element]:
    """Direct children of that name."""
    return list(element.iterchildren(name))


def first_child(element: Element, name: str) -> Element | None:
    """The first direct child of that name."""
    return next(element.iterchildren(name), None)


def same_language(one: str | None, other: str | None) -> bool:
    """Whether two values of xml:lang name one language: `en` and `en-US` do."""
    if one is None or other is None:
        return one is other
    return one.partition("-")[0].casefold() == other.partition("-")[0].casefold()
