"""Formulas as text: the body of a TeX document, and MathML in one readable line."""

from __future__ import annotations

import re
from collections.abc import Callable

from biomedica.jats.xml import Element

__all__ = ["linear_mathml", "tex_body"]

_DOCUMENT = re.compile(r"\\begin\s*\{document\}(.*?)(?:\\end\s*\{document\}|\Z)", re.DOTALL)
_PREAMBLE = re.compile(r"\\(?:documentclass|usepackage|setlength|oddsidemargin)\b")
_DELIMITERS = (("$$", "$$"), ("$", "$"), (r"\[", r"\]"), (r"\(", r"\)"))
_FIXED = {"annotation": "", "annotation-xml": "", "mphantom": "", "mspace": " "}
_LETTERS = frozenset({"mi", "mn", "mtext"})
_SEPARATORS = {"mtable": "; ", "mtr": ", ", "mlabeledtr": ", "}
_RELATIONS = frozenset("=<>≤≥≠≈≡∼≃≅∝→←↔⇒⇐⇔∈∉⊂⊆±∓×")
_INVISIBLE = re.compile("[\u2061-\u2064]")  # function application, invisible times
_MAX_DEPTH = 120
_ATOM = re.compile(r"[\w.]*|\([^()]*\)")


def tex_body(text: str) -> str:
    """What stands between `\\begin{document}` and `\\end{document}`, without outer `$$`.

    A preamble without a document gives "".
    """
    found = _DOCUMENT.search(text)
    if found is not None:
        text = found[1]
    elif _PREAMBLE.search(text):
        return ""
    text = text.strip()
    for start, end in _DELIMITERS:
        if len(text) > len(start + end) and text.startswith(start) and text.endswith(end):
            inner = text[len(start) : -len(end)]
            return text if start in inner else inner.strip()
    return text


def linear_mathml(element: Element) -> str:
    """A MathML element in one line: `x_{i}^{2}`, `a/b`, `sqrt(x)`. Annotations are left out."""
    return " ".join(_INVISIBLE.sub("", _line(element, 0)).split())


def _line(element: Element, depth: int) -> str:
    name = element.tag.rpartition("}")[2]
    if depth > _MAX_DEPTH:
        return str("".join(element.itertext()))
    if name in _FIXED:
        return _FIXED[name]
    if name == "mo" or (name in _LETTERS and not len(element)):
        return _token(name, element.text or "")
    parts = [_line(child, depth + 1) for child in element]
    rule = _RULES.get(name)
    if rule is not None and len(parts) >= _ARITY[name]:
        return rule(parts)
    if name == "mfenced":
        return _fenced(element, parts)
    return _joined(element, parts, _SEPARATORS.get(name))


def _token(name: str, text: str) -> str:
    if name != "mo":
        return text
    sign = text.strip()
    return f" {sign} " if sign in _RELATIONS else sign


def _joined(element: Element, parts: list[str], separator: str | None) -> str:
    if separator is not None:
        return separator.join(parts)
    # Tails hold white space only, save in documents that misuse MathML.
    tails = zip(parts, element, strict=True)
    return (element.text or "") + "".join(part + (child.tail or "") for part, child in tails)


def _fenced(element: Element, parts: list[str]) -> str:
    separators = element.get("separators", ",").split() or [""]
    return f"{element.get('open', '(')}{separators[0].join(parts)}{element.get('close', ')')}"


def _grouped(part: str) -> str:
    part = part.strip()
    return part if _ATOM.fullmatch(part) else f"({part})"


def _root(parts: list[str]) -> str:
    return f"root({parts[0].strip()}, {parts[1].strip()})"


_RULES: dict[str, Callable[[list[str]], str]] = {
    "msub": lambda p: f"{p[0]}_{{{p[1]}}}",
    "munder": lambda p: f"{p[0]}_{{{p[1]}}}",
    "msup": lambda p: f"{p[0]}^{{{p[1]}}}",
    "mover": lambda p: f"{p[0]}^{{{p[1]}}}",
    "msubsup": lambda p: f"{p[0]}_{{{p[1]}}}^{{{p[2]}}}",
    "munderover": lambda p: f"{p[0]}_{{{p[1]}}}^{{{p[2]}}}",
    "mfrac": lambda p: f"{_grouped(p[0])}/{_grouped(p[1])}",
    "msqrt": lambda p: f"sqrt({''.join(p).strip()})",
    "mroot": _root,
}
_ARITY = {
    "msub": 2, "munder": 2, "msup": 2, "mover": 2, "msubsup": 3, "munderover": 3, "mfrac": 2,
    "msqrt": 1, "mroot": 2,
}  # fmt: skip
