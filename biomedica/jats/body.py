"""The body text by section."""

from __future__ import annotations

from biomedica.jats.article import Section
from biomedica.jats.text import LEFT_OUT
from biomedica.jats.tree import Tree
from biomedica.jats.xml import Element

__all__ = ["read_body"]

_SECTIONS = frozenset({"sec", "treatment-sec", "app"})
_HEADS = frozenset({"title", "label", "sec-meta", "subtitle"})


def read_body(tree: Tree) -> tuple[Section, ...]:
    """The text of the main article's body: one entry per section, paragraphs on lines.

    Boxes, lists and quotes are in it; figures, tables and notes are not. A section's own text
    comes before that of its subsections.
    """
    body = tree.article.find("body")
    if body is None:
        return ()
    found: list[Section] = []
    stack: list[Element] = [body]
    while stack:
        section = stack.pop()
        lines: list[str] = []
        inner = _read(tree, section, lines)
        if lines:
            found.append(Section(tree.place(section).section, "\n".join(lines)))
        stack += reversed(inner)
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
            title = tree.text(node.find("caption/title")) or tree.text(node.find("title"))
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
