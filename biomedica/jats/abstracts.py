"""The abstracts: the main one, and those of other types and languages."""

from __future__ import annotations

from dataclasses import dataclass

from biomedica.jats.article import Abstract, AbstractSection
from biomedica.jats.text import LEFT_OUT
from biomedica.jats.tree import XML_LANG, Tree, first_child
from biomedica.jats.xml import Element

__all__ = ["Abstracts", "read_abstracts"]

_MAIN_TYPES = frozenset({"", "normal", "short", "section", "structured", "summary"})


@dataclass(frozen=True, slots=True)
class Abstracts:
    """The main abstract as text and, where it is structured, by section; and the others."""

    main: str | None
    sections: tuple[AbstractSection, ...]
    others: tuple[Abstract, ...]


def read_abstracts(tree: Tree, meta: Element) -> Abstracts:
    """The main abstract, and all the others that have words.

    Main: the first without a type (or of type normal, short, section, structured, summary), else
    the first that has prose. Sections are "Title: text" lines.
    """
    parts = [(node, _parts(tree, node)) for node in meta.iterchildren("abstract", "trans-abstract")]
    read = [(node, "\n".join(map(_line, found))) for node, found in parts]
    own = [(node, text) for node, text in read if node.tag == "abstract" and text]
    plain = [item for item in own if (item[0].get("abstract-type") or "").casefold() in _MAIN_TYPES]
    main = next(iter(plain or own), None)
    others = tuple(
        Abstract(
            type=node.get("abstract-type") or None,
            language=node.get(XML_LANG) or None,
            title=tree.text(first_child(node, "title")) or None,
            text=text,
        )
        for node, text in read
        if text and (main is None or node is not main[0])
    )
    if main is None:
        return Abstracts(None, (), others)
    sections = next(found for node, found in parts if node is main[0])
    is_structured = any(section.section for section in sections)
    return Abstracts(main[1], tuple(sections) if is_structured else (), others)


def _line(part: AbstractSection) -> str:
    return f"{part.section}: {part.text}" if part.section else part.text


def _parts(tree: Tree, abstract: Element) -> list[AbstractSection]:
    """The text of an abstract in order: one part a paragraph outside of sections, one a section."""
    parts: list[AbstractSection] = []
    waiting: list[tuple[Element, str]] = [(node, "") for node in reversed(abstract)]
    while waiting:
        node, title = waiting.pop()
        if node.tag == "sec":
            name = tree.text(first_child(node, "title")).rstrip(":.")
            path = ": ".join(part for part in (title, name) if part)
            _add_section(tree, node, path, parts, waiting)
        elif node.tag not in LEFT_OUT and node.tag not in ("title", "label"):
            text = tree.text(node)
            parts += [AbstractSection("", text)] if text else []
    return parts


def _add_section(
    tree: Tree,
    node: Element,
    path: str,
    parts: list[AbstractSection],
    waiting: list[tuple[Element, str]],
) -> None:
    own = [c for c in node if c.tag not in LEFT_OUT and c.tag not in ("title", "label", "sec")]
    text = " ".join(words for child in own if (words := tree.text(child)))
    if text:
        parts.append(AbstractSection(path, text))
    waiting += [(child, path) for child in reversed(list(node.iterchildren("sec")))]
