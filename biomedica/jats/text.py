"""Text out of elements: normalisation, one walk for plain text, markup and marked positions.

The walk writes one stream of characters. What is not text (a tag that is kept, the ends of an
xref) stands in the stream as a control character, which XML cannot hold and white space rules
look through; so plain text and markup can never disagree.
"""

from __future__ import annotations

import re
import unicodedata
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
    "markup_of",
    "normalise",
    "plain_of",
    "stream_of",
]

_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,6}[A-Za-z]{2,24}(?![\w-])")

_TAGS = {"bold": "b", "italic": "i", "sup": "sup", "sub": "sub"}
_OPEN = {"bold": "\x01", "italic": "\x03", "sup": "\x05", "sub": "\x07"}
_CLOSE = {"bold": "\x02", "italic": "\x04", "sup": "\x06", "sub": "\x08"}
_MATH_OPEN, _MATH_CLOSE = "\x0e", "\x0f"
_XREF_OPEN, _XREF_CLOSE = "\x10", "\x11"
_BLOCK_OPEN, _BLOCK_CLOSE = "\x12", "\x13"
_SIGNS = re.compile("[\x01-\x08\x0e-\x13]")
_SPLIT = re.compile("([\x01-\x08\x0e-\x13])")
_WRITTEN = (
    {_OPEN[name]: f"<{tag}>" for name, tag in _TAGS.items()}
    | {_CLOSE[name]: f"</{tag}>" for name, tag in _TAGS.items()}
    | {_MATH_OPEN: "$", _MATH_CLOSE: "$"}
)
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


class Mark(NamedTuple):
    """An xref or a block inside a text: the half-open range of characters that it covers."""

    element: Element
    start: int
    end: int


def normalise(text: str) -> str:
    """One line of NFC text: Unicode spaces → one space, none at the ends, invisibles removed.

    Removed: U+00AD, U+200B, U+2060, U+FEFF. Not NFKC, which would change ², µ and ligatures.
    """
    if not text.isascii():
        text = _INVISIBLE.sub("", text)
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
        self.tags = tags
        self.marks = marks
        self.out: list[str] = []
        self.has_formula = False
        self.has_image_formula = False

    def run(self, element: Element) -> None:
        stack: list[Element | str] = []
        if element.tag in ONE_FORM:
            self._visit(stack, element)
        else:
            self._push_content(stack, element)
        while stack:
            item = stack.pop()
            if isinstance(item, str):
                self.out.append(item)
            else:
                self._visit(stack, item)

    @staticmethod
    def _push_content(stack: list[Element | str], element: Element) -> None:
        for child in reversed(element):
            if child.tail:
                stack.append(child.tail)
            stack.append(child)
        if element.text:
            stack.append(element.text)

    def _visit(self, stack: list[Element | str], element: Element) -> None:
        name = element.tag
        if name in LEFT_OUT:
            return
        if name in _ONE_OF:
            branch = self._branch(element)
            if branch is not None:
                stack.append(branch)
        elif name == "tex-math":
            self._formula(tex_body("".join(element.itertext())))
        elif name in _MATH:
            self._formula(linear_mathml(element))
        elif name in _FORMULAS:
            self._visit_formula(stack, element)
        elif name in _BLOCKS:
            self._visit_block(stack, element)
        else:
            if name == _TAXON_PART and _follows_directly(element):
                self.out.append(" ")
            opening, closing = self._signs(element)
            if closing:
                stack.append(closing)
            self._push_content(stack, element)
            if opening:
                self.out.append(opening)

    def _signs(self, element: Element) -> tuple[str, str]:
        name = element.tag
        if self.tags and name in _TAGS:
            return _OPEN[name], _CLOSE[name]
        if self.marks is not None and name == "xref":
            self.marks.append(element)
            return _XREF_OPEN, _XREF_CLOSE
        return "", ""

    def _visit_block(self, stack: list[Element | str], element: Element) -> None:
        inner = self.marks is not None and element.tag in ("p", "td", "th", "title")
        stack.append(" ")
        if inner and self.marks is not None:
            self.marks.append(element)
            stack.append(_BLOCK_CLOSE)
        self._push_content(stack, element)
        self.out.append(" " + _BLOCK_OPEN if inner else " ")

    def _visit_formula(self, stack: list[Element | str], element: Element) -> None:
        """TeX and MathML side by side are two forms of one formula, also without `alternatives`."""
        apart = " " if element.tag == "disp-formula" else ""
        branch = self._branch(element, look_for_text=False)
        stack.append(apart)
        if branch is not None:
            stack.append(branch)
        else:
            for child in reversed(element):
                if child.tail:
                    stack.append(child.tail)
                if child.tag != "label":
                    stack.append(child)
                if child.tag in ("graphic", "inline-graphic"):
                    self.has_image_formula = True
            if element.text:
                stack.append(element.text)
        self.out.append(apart)

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

    def _formula(self, text: str) -> None:
        if text:
            self.has_formula = True
            self.out += (_MATH_OPEN, text, _MATH_CLOSE)


def _follows_directly(element: Element) -> bool:
    """Whether it stands right behind its like: `<genus/><species/>` are two words."""
    before = element.getprevious()
    return before is not None and before.tag == element.tag and not before.tail


def _collapse(stream: str) -> list[str]:
    """White space as in `normalise`, looking through signs; the pieces, signs apart."""
    stream = _INVISIBLE.sub("", stream)
    if not unicodedata.is_normalized("NFC", stream):
        stream = unicodedata.normalize("NFC", stream)
    if "@" in stream:
        stream = _EMAIL.sub(" ", stream)
    out: list[str] = []
    spaced = True
    for token in _SPLIT.split(stream):
        if not token or _SIGNS.match(token):
            out.append(token)
            continue
        words = " ".join(token.split())
        if token[0].isspace() and not spaced:
            out.append(" ")
            spaced = True
        if words:
            out.append(words)
            spaced = token[-1].isspace()
            if spaced:
                out.append(" ")
    for index in range(len(out) - 1, -1, -1):
        if out[index] and not _SIGNS.match(out[index]):
            if out[index] == " ":
                del out[index]
            break
    return out


def plain_of(stream: str) -> str:
    """The plain text of a stream."""
    return clean(_SIGNS.sub("", stream))


def markup_of(stream: str) -> str:
    """The stream as text with `<b> <i> <sup> <sub>` and `$…$`, escaped; no empty tags.

    Without formulas, removing the tags and unescaping gives `plain_of(stream)` back.
    """
    pieces = _collapse(stream)
    if "".join(p for p in pieces if not _SIGNS.match(p)) != plain_of(stream):
        return escape(plain_of(stream), quote=False)  # a character composed across a tag
    text = "".join(_WRITTEN[p] if p in _WRITTEN else escape(p, quote=False) for p in pieces)
    text = _SIGNS.sub("", text)
    while True:
        shorter = _EMPTY_TAGS.sub(r"\2", text)
        if shorter == text:
            return text
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
    for piece in _collapse(stream):
        if piece in (_XREF_OPEN, _BLOCK_OPEN):
            is_open.append((next(waiting), length, piece == _XREF_OPEN))
        elif piece in (_XREF_CLOSE, _BLOCK_CLOSE):
            node, start, is_xref = is_open.pop()
            if is_xref:
                xrefs.append(Mark(node, start, length))
            elif not any(not xref for _, _, xref in is_open):
                blocks.append(Mark(node, start, length))
        elif piece and not _SIGNS.match(piece):
            text.append(piece)
            length += len(piece)
    xrefs.sort(key=lambda mark: (mark.start, mark.end))
    return clean("".join(text)), xrefs, blocks
