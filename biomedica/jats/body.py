"""The body text by section."""

from __future__ import annotations

from biomedica.jats.article import Section
from biomedica.jats.text import LEFT_OUT
from biomedica.jats.tree import Tree, first_child
from biomedica.jats.xml import Element

__all__ = ["read_body"]

_SECTIONS = frozenset({"sec", "treatment-sec", "app"})
_HEADS = frozenset({"title", "label", "sec-meta", "subtitle"})


def read_body(tree: Tree) -> tuple[Section, ...]:
    """The main article's body as a tree of sections in document order, paragraphs on lines.

    Boxes, lists and quotes are in it; figures, tables and notes are not. A section's own text
    comes before that of its subsections; a section that holds only others has the text "". The
    body itself is an entry only where it has text of its own.
    """
    body = first_child(tree.article, "body")
    if body is None:
        return ()
    found: list[Section] = []
    stack: list[tuple[Element, str]] = [(body, "")]
    while stack:
        node, path = stack.pop()
        lines: list[str] = []
        inner = _read(tree, node, lines)
        if lines or path:
            kind = (node.get("sec-type") or "").casefold() or None
            found.append(Section(path, tree.place(node).section, kind, "\n".join(lines)))
        deeper = f"{path}." if path else ""
        numbered = [(one, f"{deeper}{number}") for number, one in enumerate(inner, start=1)]
        stack += reversed(numbered)
    return tuple(found)


def _read(tree: Tree, section: Element, lines: list[str]) -> list[Element]:
    """Put the lines of a section's own text into `lines`; the sections inside it."""
    inner: list[Element] = []
    waiting = list(reversed(section))
    while waiting:
        node = waiting.pop()
        if node.tag in _SECTIONS:
            inner.append(node)
        elif node.tag == "boxed-text":
            title = tree.text(node.find("caption/title")) or tree.text(first_child(node, "title"))
            lines += [title] if title else []
            waiting += reversed(node)
        elif node.tag not in LEFT_OUT and node.tag not in _HEADS and node.tag != "caption":
            text = tree.text(node)
            lines += [text] if text else []
            if tree.is_compound(node) and tree.named["boxed-text"]:
                waiting += reversed(_outermost_boxes(node))
    return inner


def _outermost_boxes(node: Element) -> list[Element]:
    found: list[Element] = []
    waiting = list(reversed(node))
    while waiting:
        inner = waiting.pop()
        if inner.tag == "boxed-text":
            found.append(inner)
        else:
            waiting += reversed(inner)
    return found
