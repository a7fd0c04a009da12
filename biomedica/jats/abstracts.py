"""The abstracts: the main one, and those of other types and languages."""

from __future__ import annotations

from biomedica.jats.article import Abstract
from biomedica.jats.text import LEFT_OUT
from biomedica.jats.tree import XML_LANG, Tree
from biomedica.jats.xml import Element

__all__ = ["read_abstracts"]

_MAIN_TYPES = frozenset({"", "normal", "short", "section", "structured", "summary"})


def read_abstracts(tree: Tree, meta: Element) -> tuple[str | None, tuple[Abstract, ...]]:
    """The text of the main abstract, and all the others that have words.

    Main: the first without a type (or of type normal, short, section, structured, summary), else
    the first that has prose. Sections are "Title: text" lines.
    """
    read = [(node, _text(tree, node)) for node in meta.iterchildren("abstract", "trans-abstract")]
    own = [(node, text) for node, text in read if node.tag == "abstract" and text]
    plain = [item for item in own if (item[0].get("abstract-type") or "").casefold() in _MAIN_TYPES]
    main = next(iter(plain or own), None)
    others = tuple(
        Abstract(
            type=node.get("abstract-type") or None,
            language=node.get(XML_LANG) or None,
            title=tree.text(node.find("title")) or None,
            text=text,
        )
        for node, text in read
        if text and (main is None or node is not main[0])
    )
    return (main[1] if main is not None else None), others


def _text(tree: Tree, abstract: Element) -> str:
    lines: list[str] = []
    waiting: list[tuple[Element, str]] = [(node, "") for node in reversed(abstract)]
    while waiting:
        node, title = waiting.pop()
        if node.tag == "sec":
            name = tree.text(node.find("title")).rstrip(":.")
            path = ": ".join(part for part in (title, name) if part)
            _add_section(tree, node, path, lines, waiting)
        elif node.tag not in LEFT_OUT and node.tag not in ("title", "label"):
            text = tree.text(node)
            lines += [text] if text else []
    return "\n".join(lines)


def _add_section(
    tree: Tree, node: Element, path: str, lines: list[str], waiting: list[tuple[Element, str]]
) -> None:
    own = [c for c in node if c.tag not in LEFT_OUT and c.tag not in ("title", "label", "sec")]
    text = " ".join(words for child in own if (words := tree.text(child)))
    if text:
        lines.append(f"{path}: {text}" if path else text)
    waiting += [(child, path) for child in reversed(list(node.iterchildren("sec")))]
