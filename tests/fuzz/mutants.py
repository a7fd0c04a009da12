"""Mutants of JATS documents: the same bytes for the same original and the same random numbers."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from lxml import etree

__all__ = ["mutant"]

MAX_BYTES = 4 << 20
"""A mutant over this is not made: size has tests of its own."""

NAMES = (
    "abstract", "ack", "alternatives", "app", "article", "article-id", "article-meta", "back", "bio",
    "body", "boxed-text", "break", "caption", "chem-struct-wrap", "citation-alternatives", "contrib",
    "contrib-group", "copyright-statement", "custom-meta", "disp-formula", "disp-quote", "email",
    "ext-link", "fig", "fig-group", "floats-group", "fn", "front", "front-stub", "graphic",
    "inline-formula", "inline-graphic", "italic", "journal-meta", "kwd-group", "label", "license",
    "license_ref", "list", "list-item", "media", "mixed-citation", "p", "permissions", "pub-date",
    "ref", "ref-list", "related-article", "response", "sec", "sub-article", "subj-group", "sup",
    "supplementary-material", "table", "table-wrap", "td", "tex-math", "title", "title-group",
    "trans-abstract", "trans-title-group", "xref", "year",
    "{http://www.w3.org/1998/Math/MathML}math", "{http://www.w3.org/1998/Math/MathML}mi",
    "{http://www.w3.org/1998/Math/MathML}mfrac", "{urn:other}fig", "{urn:other}graphic",
)  # fmt: skip
TEXTS = (
    "", " ", "\n", "\u00a0", "\u00ad\u200b\u2060\ufeff", "e\u0301", "\u202e", "\ue000", "\ud7ff\U0010ffff",
    "Fig. 1", "Figs. 2–4, S1A-C and 7", "Figure 1—figure supplement 2", "Figs. 99999999999–1", "A" * 5000,
    "et al. e.g. Fig. 2A. 0.5", "(A) (B) (C)", "\\documentclass{x}\\begin{document}$$x$$\\end{document}",
    "&lt;b&gt;", "a@b.org", "http://creativecommons.org/licenses/by/4.0/", "0", "-1", "99999999999999999999",
    "2020-13-45", "PMC", "PMC0.0", "10.", "reproduced with permission", "Table 1", "IIIIIIIIII", "½²µﬁ",
)  # fmt: skip
ATTRIBUTES = ("id", "rid", "ref-type", "specific-use", "fig-type", "content-type", "article-type", "abstract-type",
    "pub-type", "date-type", "position", "license-type", "{http://www.w3.org/1999/xlink}href",
    "{http://www.w3.org/XML/1998/namespace}lang", "sec-type", "related-article-type", "pub-id-type")  # fmt: skip
VALUES = (
    "", " ", "f1", "f1 f2", "F 1", "fig", "child-fig", "thumbnail", "graphical", "translation", "pmcid", "pmc",
    "epub", "../../etc/passwd", "http://127.0.0.1:9/x.jpg", "a.jpg", "a", "a%2Fb.tif", "#", "?", "x" * 3000,
    "pt", "retraction-forward", "\u00e9.jpg", ".jpg", "CON", "a\nb",
)  # fmt: skip


def mutant(original: bytes, chance: random.Random) -> bytes:
    """One to five changes of the tree, then none or one of the bytes."""
    data = original
    root = _tree(original)
    if root is not None and chance.random() < 0.9:
        for _ in range(chance.randint(1, 5)):
            chance.choice(TREE_CHANGES)(root, chance)
        data = _written(root, chance)
        if len(data) > MAX_BYTES:
            data = original
    if data is original or chance.random() < 0.25:
        data = chance.choice(BYTE_CHANGES)(data, chance)
    return data


def _tree(data: bytes) -> Any | None:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        return etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        return None


def _written(root: Any, chance: random.Random) -> bytes:
    encoding = chance.choice(("UTF-8",) * 8 + ("UTF-16", "ASCII"))
    written: bytes = etree.tostring(root, encoding=encoding, xml_declaration=chance.random() < 0.5)
    return written


def _any(root: Any, chance: random.Random) -> Any:
    """An element, of a random name first: rare shapes come as often as paragraphs."""
    by_name: dict[str, list[Any]] = {}
    for node in root.iter(etree.Element):
        by_name.setdefault(node.tag, []).append(node)
    return chance.choice(by_name[chance.choice(sorted(by_name))])


def _below(root: Any, chance: random.Random) -> Any | None:
    node = _any(root, chance)
    return None if node is root or node.getparent() is None else node


def _drop(root: Any, chance: random.Random) -> None:
    if (node := _below(root, chance)) is not None:
        node.getparent().remove(node)  # with its tail


def _unwrap(root: Any, chance: random.Random) -> None:
    if (node := _below(root, chance)) is not None:
        etree.strip_tags(node.getparent(), node.tag)


def _duplicate(root: Any, chance: random.Random) -> None:
    if (node := _below(root, chance)) is not None:
        for _ in range(chance.choice((1, 1, 2, 30))):
            if len(node) < 300:
                node.addnext(copy.deepcopy(node))


def _move(root: Any, chance: random.Random) -> None:
    node, target = _below(root, chance), _any(root, chance)
    if node is not None and node not in (target, *target.iterancestors()):
        target.insert(chance.randint(0, len(target)), node)


def _reorder(root: Any, chance: random.Random) -> None:
    node = _any(root, chance)
    children = list(node)
    chance.shuffle(children)
    node[:] = children


def _rename(root: Any, chance: random.Random) -> None:
    _any(root, chance).tag = chance.choice(NAMES)


def _rename_all(root: Any, chance: random.Random) -> None:
    old, new = _any(root, chance).tag, chance.choice(NAMES)
    for node in list(root.iter(old)):
        node.tag = new


def _wrap(root: Any, chance: random.Random) -> None:
    node = _below(root, chance)
    if node is None:
        return
    outer = top = etree.Element(chance.choice(NAMES))
    for _ in range(chance.choice((0, 1, 1, 3, 200, 400))):
        outer = etree.SubElement(outer, top.tag if chance.random() < 0.5 else chance.choice(NAMES))
    node.addprevious(top)
    outer.append(node)


def _say(root: Any, chance: random.Random) -> None:
    node, text = _any(root, chance), chance.choice(TEXTS)
    if chance.random() < 0.5:
        node.text = text if chance.random() < 0.5 else (node.text or "") + text
    elif node is not root:
        node.tail = text


def _attribute(root: Any, chance: random.Random) -> None:
    node = _any(root, chance)
    named = sorted(node.attrib)
    name = chance.choice(named) if named and chance.random() < 0.5 else chance.choice(ATTRIBUTES)
    if chance.random() < 0.3:
        node.attrib.pop(name, None)
    else:
        node.set(name, chance.choice(VALUES))


def _same_ids(root: Any, chance: random.Random) -> None:
    known = [node.get("id") for node in root.iter(etree.Element) if node.get("id")]
    if known:
        _any(root, chance).set("id", chance.choice(known))


def _note(root: Any, chance: random.Random) -> None:
    node = _any(root, chance)
    made = (etree.Comment("c"), etree.ProcessingInstruction("x", "y"), etree.Entity("nbsp"))
    if node is not root:
        node.insert(0, chance.choice(made))


TREE_CHANGES: tuple[Callable[[Any, random.Random], None], ...] = (
    _drop, _unwrap, _duplicate, _move, _move, _reorder, _rename, _rename, _rename_all, _wrap, _say,
    _say, _attribute, _attribute, _same_ids, _note,
)  # fmt: skip


def _cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randint(0, len(data))]


def _flip(data: bytes, chance: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _splice(data: bytes, chance: random.Random) -> bytes:
    first, last = sorted(chance.randint(0, len(data)) for _ in range(2))
    piece = data[first : min(last, first + 2000)]
    at = chance.randint(0, len(data))
    return data[:at] + piece * chance.choice((1, 2, 20)) + data[at:]


def _without_piece(data: bytes, chance: random.Random) -> bytes:
    first = chance.randint(0, len(data))
    return data[:first] + data[first + chance.randint(1, 200) :]


def _other_encoding(data: bytes, chance: random.Random) -> bytes:
    declared = chance.choice((b"latin-1", b"utf-16", b"ascii", b"klingon", b"utf-8", b"windows-1252"))
    body = data.partition(b"?>")[2] if data.startswith(b"<?xml") else data
    return b'<?xml version="1.0" encoding="' + declared + b'"?>' + body


def _envelope(data: bytes, chance: random.Random) -> bytes:
    before, after = chance.choice(
        ((b"\xef\xbb\xbf", b""), (b"\x00", b""), (b"\n ", b""), (b"", b"trailing"), (b"\x1f\x8b", b""),
         (b"<pmc-articleset>", b"</pmc-articleset>"), (b"<html><body>", b"</body></html>"))
    )  # fmt: skip
    return before + data + after


def _declare(data: bytes, chance: random.Random) -> bytes:
    subset = chance.choice((
        b'<!DOCTYPE article [<!ENTITY a "b"><!ENTITY c "&a;&a;&a;">]>',
        b'<!DOCTYPE article SYSTEM "file:///etc/passwd">',
        b'<!DOCTYPE article [<!ENTITY x SYSTEM "file:///etc/hostname">]>',
        b'<!DOCTYPE article [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]>',
    ))  # fmt: skip
    return subset + data.replace(b"</p>", b"&a;&c;&x;</p>", chance.randint(0, 3))


BYTE_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _cut, _flip, _flip, _splice, _without_piece, _other_encoding, _envelope, _declare,
)  # fmt: skip
