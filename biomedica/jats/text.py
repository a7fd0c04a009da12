"""Text out of elements: normalisation, one walk for plain text, markup and marked positions.

The walk writes one stream of characters. What is not text (a tag that is kept, the ends of an
xref) stands in the stream as a control character, which XML cannot hold and white space rules
look through; so plain text and markup can never disagree.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from html import escape
from typing import NamedTuple

from biomedica.jats.math import linear_mathml, tex_body
from biomedica.jats.xml import MATHML, Element

__all__ = [
    "COMPOUND_NAMES",
    "LEFT_OUT",
    "ONE_FORM",
    "Mark",
    "clean",
    "marked_text",
    "normalise",
    "plain_and_markup",
    "plain_of",
    "stream_of",
]

_INVISIBLE = "\u00ad\u200b\u2060\ufeff"
_WITHOUT_INVISIBLE = str.maketrans("", "", _INVISIBLE)
_EMAIL = re.compile(
    r"(?:(?<![\w.+%-])[\w.+%-]{1,64}|\{[^{}@]{1,200}\})@(?:[\w-]{1,63}\.){1,6}[A-Za-z]{2,24}(?![\w-])"
)
"""An address, or several with one domain: `{a, b}@x.org`."""

_TAGS = {"bold": "b", "italic": "i", "sup": "sup", "sub": "sub"}
_TAG_SIGNS = {
    "bold": ("\x01", "\x02"),
    "italic": ("\x03", "\x04"),
    "sup": ("\x05", "\x06"),
    "sub": ("\x07", "\x08"),
}
_MATH_OPEN, _MATH_CLOSE = "\x0e", "\x0f"
_XREF_OPEN, _XREF_CLOSE = "\x10", "\x11"
_BLOCK_OPEN, _BLOCK_CLOSE = "\x12", "\x13"
_ALL_SIGNS = "\x01\x02\x03\x04\x05\x06\x07\x08\x0e\x0f\x10\x11\x12\x13"
_SIGNS = re.compile("[\x01-\x08\x0e-\x13]")
_SPLIT = re.compile("([\x01-\x08\x0e-\x13])")
_SPACED_TWICE = re.compile(" [\x01-\x08\x0e-\x13]+ [\x01-\x08\x0e-\x13 ]*")
_WRITTEN = {_MATH_OPEN: "$", _MATH_CLOSE: "$"} | {
    sign: written
    for name, tag in _TAGS.items()
    for sign, written in zip(_TAG_SIGNS[name], (f"<{tag}>", f"</{tag}>"), strict=True)
}
_EMPTY_TAGS = re.compile(r"<(b|i|sup|sub)>(\s*)</\1>")

LEFT_OUT = frozenset(
    {"supplementary-material", "media", "fig", "fig-group", "floats-group", "table-wrap", "table"}
    | {"table-wrap-group", "graphic", "inline-graphic", "alt-text", "long-desc", "object-id"}
    | {"permissions", "fn", "fn-group", "annotation", "annotation-xml", "email", "attrib", "array"}
    | {"boxed-text", "ref-list", "index-term", "chem-struct-wrap", "chem-struct-wrapper", "rt", "rp"}
    | {"institution-id", "processing-meta", "kwd-group"}
)
"""What is no part of the text around it."""
_BLOCKS = frozenset(
    {"p", "title", "subtitle", "list", "list-item", "disp-formula", "disp-formula-group", "td", "th"}
    | {"tr", "disp-quote", "sec", "caption", "break", "hr", "def-list", "def-item", "def", "term"}
    | {"verse-group", "verse-line", "speech", "speaker", "statement", "preformat", "code", "ack"}
    | {"question", "answer", "label-group", "abstract", "body"}
)
_ONE_OF = frozenset({"alternatives", "citation-alternatives", "name-alternatives"})
_FORMULAS = frozenset({"inline-formula", "disp-formula"})
_MATH = frozenset({"math", MATHML + "math"})
ONE_FORM = _ONE_OF | _FORMULAS | _MATH | {"tex-math"}
"""Read as one whole, wherever they stand: one branch of several, without a formula's label."""
_TAXON_PART = "taxon-name-part"
COMPOUND_NAMES = LEFT_OUT | _BLOCKS | ONE_FORM | {_TAXON_PART}
"""An element that holds none of these inside is the plain concatenation of its text nodes."""
_ROLES = (
    dict.fromkeys(_BLOCKS, "block")
    | dict.fromkeys(_ONE_OF, "one_of")
    | dict.fromkeys(_FORMULAS, "formula")
    | dict.fromkeys(_MATH, "math")
    | dict.fromkeys(LEFT_OUT, "left_out")
    | {"tex-math": "tex", _TAXON_PART: "taxon", "label": "label"}
)
"""What the walk makes of an element; of all others it keeps the text."""


class Mark(NamedTuple):
    """An xref or a block inside a text: the half-open range of characters that it covers."""

    element: Element
    start: int
    end: int


def normalise(text: str) -> str:
    """One line of NFC text: Unicode spaces → one space, none at the ends, invisibles removed.

    Removed: U+00AD, U+200B, U+2060, U+FEFF. Not NFKC, which would change ², µ and ligatures.
    """
    if text.isprintable():  # then U+0020 is its only white space, and nothing in it is invisible
        if not text.isascii() and not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
        return " ".join(text.split()) if "  " in text else text.strip()
    if not text.isascii():
        if any(map(text.__contains__, _INVISIBLE)):
            text = text.translate(_WITHOUT_INVISIBLE)
        if not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def clean(text: str) -> str:
    """`normalise`, and e-mail addresses left out."""
    if "@" in text:
        text = _EMAIL.sub(" ", normalise(text))
    return normalise(text)


def stream_of(
    element: Element, *, tags: bool = False, marks: list[Element] | None = None
) -> tuple[str, bool, bool]:
    """The element's text with signs in it; whether it holds a formula; one only as an image.

    tags: signs for bold, italic, sup and sub. marks: signs around every xref and inner block;
    their elements are appended to the list in document order.
    """
    walk = _Walk(tags, marks)
    walk.run(element)
    return "".join(walk.out), walk.has_formula, walk.has_image_formula


class _Walk:
    """The walk over one element, with a stack of its own: depth is the document's to choose."""

    def __init__(self, tags: bool, marks: list[Element] | None) -> None:
        self.marks = marks
        self.out: list[str] = []
        self.has_formula = False
        self.has_image_formula = False
        self._signs = dict(_TAG_SIGNS) if tags else {}
        if marks is not None:
            self._signs["xref"] = (_XREF_OPEN, _XREF_CLOSE)
        self._stack: list[tuple[Iterator[Element], str]] = []
        """the elements that are open: the children still to come, and what follows the last"""

    def run(self, element: Element) -> None:
        if element.tag in ONE_FORM:
            self._visit(element, "")
        else:
            self._open(element, "", "")
        stack, signs, out = self._stack, self._signs, self.out
        while stack:
            top = stack[-1]
            for child in top[0]:
                name = child.tag
                if name in _ROLES or name in signs or len(child):
                    self._visit(child, child.tail or "")
                    if stack[-1] is not top:
                        break
                else:
                    out += (child.text or "", child.tail or "")
            else:
                stack.pop()
                out.append(top[1])

    def _open(self, element: Element, before: str, after: str) -> None:
        text = element.text
        self.out.append(before + text if text else before)
        if len(element):
            self._stack.append((iter(element), after))
        else:
            self.out.append(after)

    def _visit(self, element: Element, tail: str) -> None:
        """Write the element and what follows it, or open it."""
        name = element.tag
        role = _ROLES.get(name)
        if role is None:
            if name in self._signs:
                opening, closing = self._signs[name]
                if opening == _XREF_OPEN and self.marks is not None:
                    self.marks.append(element)
                self._open(element, opening, closing + tail)
            else:
                self._open(element, "", tail)
        elif role == "left_out":
            self.out.append(tail)
        elif role == "block":
            self._visit_block(element, tail)
        else:
            self._visit_special(element, role, tail)

    def _visit_block(self, element: Element, tail: str) -> None:
        if self.marks is not None and element.tag in ("p", "td", "th", "title"):
            self.marks.append(element)
            self._open(element, " " + _BLOCK_OPEN, _BLOCK_CLOSE + " " + tail)
        else:
            self._open(element, " ", " " + tail)

    def _visit_special(self, element: Element, role: str, tail: str) -> None:
        if role == "label":
            if element.getparent().tag in _FORMULAS:
                self.out.append(tail)
            else:
                self._open(element, "", tail)
        elif role == "taxon":
            self._open(element, " " if _follows_directly(element) else "", tail)
        elif role == "formula":
            self._visit_formula(element, tail)
        elif role == "one_of":
            branch: Element | None = element
            while branch is not None and branch.tag in _ONE_OF:
                branch = self._branch(branch)
            if branch is None:
                self.out.append(tail)
            else:
                self._visit(branch, tail)
        else:
            is_tex = role == "tex"
            text = tex_body("".join(element.itertext())) if is_tex else linear_mathml(element)
            self._formula(text, tail)

    def _visit_formula(self, element: Element, tail: str) -> None:
        """TeX and MathML side by side are two forms of one formula, also without `alternatives`."""
        apart = " " if element.tag == "disp-formula" else ""
        branch = self._branch(element, look_for_text=False)
        if branch is not None:
            self.out.append(apart)
            self._visit(branch, apart + tail)
            return
        if any(child.tag in ("graphic", "inline-graphic") for child in element):
            self.has_image_formula = True
        self._open(element, apart, apart + tail)

    def _branch(self, element: Element, *, look_for_text: bool = True) -> Element | None:
        first: Element | None = None
        math: Element | None = None
        for child in element:
            name = child.tag
            if name == "tex-math":
                return child
            if name in _MATH and math is None:
                math = child
            elif name not in LEFT_OUT and first is None:
                first = child
        if math is not None or not look_for_text:
            return math
        if first is None and len(element):
            self.has_image_formula = True
        return first

    def _formula(self, text: str, tail: str) -> None:
        if text:
            self.has_formula = True
            self.out += (_MATH_OPEN, text, _MATH_CLOSE)
        self.out.append(tail)


def _follows_directly(element: Element) -> bool:
    """Whether it stands right behind its like: `<genus/><species/>` are two words."""
    before = element.getprevious()
    return before is not None and before.tag == element.tag and not before.tail


def _collapse(stream: str) -> str:
    """White space as in `clean`, looking through signs: of a run that holds some, the first stays."""
    text = clean(stream)
    inner = text.lstrip(_ALL_SIGNS + " ")
    head = text[: len(text) - len(inner)]
    inner = inner.rstrip(_ALL_SIGNS + " ")
    tail = text[len(head) + len(inner) :]
    inner = _SPACED_TWICE.sub(lambda found: " " + found[0].replace(" ", ""), inner)
    return head.replace(" ", "") + inner + tail.replace(" ", "")


def plain_of(stream: str) -> str:
    """The plain text of a stream."""
    return clean(_SIGNS.sub("", stream))


def plain_and_markup(stream: str) -> tuple[str, str]:
    """The plain text of a stream, and the stream as text with `<b> <i> <sup> <sub>` and `$…$`, escaped; no empty tags.

    Without formulas, removing the tags and unescaping the second gives the first back.
    """
    text = _collapse(stream)
    plain = plain_of(stream if "@" in stream else text)
    if _SIGNS.sub("", text) != plain:
        return plain, escape(plain, quote=False)  # a character composed across a tag
    text = _SIGNS.sub(lambda found: _WRITTEN.get(found[0], ""), escape(text, quote=False))
    while True:
        shorter = _EMPTY_TAGS.sub(r"\2", text)
        if shorter == text:
            return plain, text
        text = shorter


def marked_text(element: Element) -> tuple[str, list[Mark], list[Mark]]:
    """The element's plain text, and where its xrefs and its outermost inner blocks lie in it."""
    elements: list[Element] = []
    stream, _, _ = stream_of(element, marks=elements)
    waiting = iter(elements)
    text: list[str] = []
    length = 0
    is_open: list[tuple[Element, int, bool]] = []
    xrefs: list[Mark] = []
    blocks: list[Mark] = []
    pieces = _SPLIT.split(_collapse(stream))  # words and signs by turns
    for words, sign in zip(pieces[::2], [*pieces[1::2], ""], strict=True):
        text.append(words)
        length += len(words)
        if sign in (_XREF_OPEN, _BLOCK_OPEN):
            is_open.append((next(waiting), length, sign == _XREF_OPEN))
        elif sign in (_XREF_CLOSE, _BLOCK_CLOSE):
            node, start, is_xref = is_open.pop()
            if is_xref:
                xrefs.append(Mark(node, start, length))
            elif all(xref for _, _, xref in is_open):
                blocks.append(Mark(node, start, length))
    xrefs.sort(key=lambda mark: (mark.start, mark.end))
    return clean("".join(text)), xrefs, blocks
