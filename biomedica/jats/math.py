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
_WORDS_TOUCH = re.compile("(?<=\\w)\u2061+(?=\\w)")
_MAX_DEPTH = 120
_ATOM = re.compile(r"(?:[\w.\u2061]*|\([^()]*\))(?:_\{[^{}]*\})?(?:\^\{[^{}]*\})?")
_BRACKETED = re.compile(r"\([^()]*\)|\[[^][]*\]|\{[^{}]*\}|\|[^|]*\|")
_OPERATOR = re.compile(r"[+/·*=<>±∓×÷−-]")
_ACCENTS = {
    **dict.fromkeys("¯‾ˉ", "\u0304"), **dict.fromkeys("^ˆ", "\u0302"), **dict.fromkeys("~˜", "\u0303"),
    **dict.fromkeys("→⃗", "\u20d7"), "˙": "\u0307", "¨": "\u0308",
}  # fmt: skip
_SHORT_WORDS = frozenset({"ln", "lg"})


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
    text = _WORDS_TOUCH.sub(" ", _line(element, 0))
    return " ".join(_INVISIBLE.sub("", text).split())


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
        if name in _SCRIPTS and len(element[0]):
            parts[0] = _based(parts[0])
        return rule(parts)
    whole = _OF_ELEMENT.get(name)
    if whole is not None and parts:
        return whole(element, parts)
    return _joined(element, parts, _SEPARATORS.get(name))


def _token(name: str, text: str) -> str:
    """Words have U+2061 on both sides: where they touch others it becomes a space."""
    sign = text.strip()
    if name != "mn" and sign.isalpha() and (len(sign) > 2 or sign in _SHORT_WORDS):
        return f"\u2061{text}\u2061"
    if name != "mo":
        return text
    return f" {sign} " if sign in _RELATIONS else sign


def _joined(element: Element, parts: list[str], separator: str | None) -> str:
    if separator is not None:
        return separator.join(parts)
    # Tails hold white space only, save in documents that misuse MathML.
    tails = zip(parts, element, strict=True)
    return (element.text or "") + "".join(part + (child.tail or "") for part, child in tails)


def _fenced(element: Element, parts: list[str]) -> str:
    """One separator behind each part but the last; the last separator serves all that follow."""
    signs = "".join(element.get("separators", ",").split())
    signs = signs[: len(parts)] + signs[-1:] * (len(parts) - len(signs))
    inner = "".join(map("".join, zip(parts[:-1], signs or [""] * len(parts), strict=False)))
    return f"{element.get('open', '(')}{inner}{''.join(parts[-1:])}{element.get('close', ')')}"


def _multiscripts(element: Element, parts: list[str]) -> str:
    """`_{6}^{14}C`: pairs of scripts, those before the base behind `mprescripts`."""
    names = [child.tag.rpartition("}")[2] for child in element]
    at = names.index("mprescripts") if "mprescripts" in names else len(parts)
    after, before = _pairs(parts[1:at]), _pairs(parts[at + 1 :])
    return f"{before}{parts[0]}{after}"


def _pairs(scripts: list[str]) -> str:
    signs = ("_", "^")
    marked = ((signs[i % 2], text.strip()) for i, text in enumerate(scripts))
    return "".join(f"{sign}{{{text}}}" for sign, text in marked if text)


_OF_ELEMENT: dict[str, Callable[[Element, list[str]], str]] = {
    "mfenced": _fenced,
    "mmultiscripts": _multiscripts,
}


def _based(part: str) -> str:
    """What carries a script, in brackets where a sign of its own stands outside of any."""
    part = rest = part.strip()
    while _OPERATOR.search(rest):
        shorter = _BRACKETED.sub("", rest)
        if shorter == rest:
            return f"({part})" if len(part) > 1 else part
        rest = shorter
    return part


def _grouped(part: str) -> str:
    part = part.strip()
    return part if _ATOM.fullmatch(part) else f"({part})"


def _root(parts: list[str]) -> str:
    return f"root({parts[0].strip()}, {parts[1].strip()})"


def _sub(parts: list[str]) -> str:
    return f"{parts[0]}_{{{parts[1].strip()}}}"


def _sup(parts: list[str]) -> str:
    return f"{parts[0]}^{{{parts[1].strip()}}}"


def _sub_sup(parts: list[str]) -> str:
    return f"{_sub(parts)}^{{{parts[2].strip()}}}"


def _over(parts: list[str]) -> str:
    """An accent over one letter is put on it."""
    base, accent = parts[0].strip(), _ACCENTS.get(parts[1].strip())
    return base + accent if accent is not None and len(base) == 1 else _sup(parts)


_SCRIPTS = frozenset({"msub", "msup", "msubsup"})
_RULES: dict[str, Callable[[list[str]], str]] = {
    "msub": _sub,
    "munder": _sub,
    "msup": _sup,
    "mover": _over,
    "msubsup": _sub_sup,
    "munderover": _sub_sup,
    "mfrac": lambda p: f"{_grouped(p[0])}/{_grouped(p[1])}",
    "msqrt": lambda p: f"sqrt({''.join(p).strip()})",
    "mroot": _root,
}
_ARITY = {
    "msub": 2, "munder": 2, "msup": 2, "mover": 2, "msubsup": 3, "munderover": 3, "mfrac": 2,
    "msqrt": 1, "mroot": 2,
}  # fmt: skip
