"""Figure numbers: what a label says it is, and which numbers and panels a citation names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = [
    "Cited",
    "Number",
    "family_of_word",
    "hints_of",
    "label_numbers",
    "parent_number",
    "read_cited",
    "read_panels",
    "strip_label",
    "words_citing",
]

_MAX_RANGE = 60
_DASH = r"–—‐‑‒−\-"

_WORDS = {
    "figure": "figure figures fig figs figura figuras abbildung abb fig. рис рисунок 図 图 image images",
    "scheme": "scheme schemes esquema schema schéma",
    "chart": "chart charts graph graphs gráfico grafico",
    "plate": "plate plates",
    "map": "map maps mapa",
    "box": "box boxes",
    "table": "table tables tab tabela tabla tableau quadro",
}
_KIND_OF_WORD = {word: kind for kind, words in _WORDS.items() for word in words.split()}

_SUPPLEMENTARY = r"suppl(?:ementa(?:ry|l)|ement|\.)?|supporting|additional|online|extended\s+data"
_CITED_WORD = re.compile(
    r"(?:Fig(?:ure|ura)?s?|fig(?:ure|ura)?s?|FIG(?:URE)?S?|Schemes?|schemes?|Charts?|charts?|Plates?"
    r"|plates?|Maps?|Box(?:es)?|Tab(?:le)?s?|TABLES?)\b\.?\s*(?=\(?[A-Z]{0,2}[-.]?\d)"
)
"""A word that announces figure numbers in running text; it may still be the end of another.

No set of letters at its head: with plain ones the search runs five times as fast."""
_SET_BEFORE = re.compile(rf"(?<!\w)({_SUPPLEMENTARY}|appendix)\s+\Z", re.IGNORECASE)
_HINTS = {
    "figure": ("Fig", "fig", "FIG"),
    "scheme": ("cheme",),
    "chart": ("hart",),
    "plate": ("late",),
    "map": ("Map",),
    "box": ("Box",),
    "table": ("Tab", "TAB"),
}

_ITEM = re.compile(r"(?P<prefix>[A-Z]{1,2}[-.]?)?(?P<number>\d{1,3})(?!\d|\.\d)")
_CHILD = re.compile(rf"\s?[{_DASH},:]\s?(?:figure|fig\.?)\s+supplements?\s+(\d{{1,3}})(?!\d)", re.I)
_SEPARATOR = re.compile(
    rf"\s*(?:(?P<dash>[{_DASH}]|to\b|through\b)\s*(?:(?:[Ff]igures?|[Ff]igs?\.?)\s*)?"
    r"|,\s*(?:and\b\s*|&\s*)?|;\s*|(?:and|e|y|et|or)\b\s*|&\s*|/\s*)"
)
_CLOSED = re.compile(rf"\s*(?:[).,;:\]{_DASH}]|\Z|and\b|&)")
_FIRST_PANEL = re.compile(
    r"(?:\s?[▸►]\s?)?"  # the arrow of crystallography journals: "Fig. 1 ▸ a"
    r"(?:(?P<bracket>\s?\()(?P<a>[A-Za-z])(?=\s*[),–-]|\s+and\b)|"
    r"(?P<b>[A-Za-z])(?:i{1,3}|iv)?(?![A-Za-z\d])|"
    rf"\s(?P<c>[A-Z])(?=\s*[,;)\]{_DASH}](?!\w{{2}})|\s+and\s+[A-Z]\b|\.?\Z)|"
    rf"\s(?P<e>[a-z])(?=\s?[{_DASH}]\s?[a-z](?![^\W_])|\s?,\s?[a-z]\s?[),;]|\)))"  # "Fig. 2 a–h"
)
_NEXT_PANEL = re.compile(
    rf"\s?(?P<dash>[{_DASH}])\s?(?P<d>[A-Za-z])(?![A-Za-z\d])|"
    r"(?:\s?,\s?(?:and\s+|&\s*)?|\s+and\s+|\s?&\s?|/)(?P<s>[A-Za-z])(?![A-Za-z\d])"
)
_TIGHT = re.compile(r"[,/&][A-Za-z]")
_FOLLOWED = re.compile(
    r"\s+(?!(?:and|or|to|respectively)\b|(?:show|depict|illustrate|demonstrate|indicate|represent)s?\b)\w"
)
_LABEL = re.compile(
    r"(?P<word>.*?)(?P<prefix>[A-Z]{1,2}[-.]?(?=\d))?"
    r"(?P<number>\d{1,4}(?:\.\d{1,3})*|[IVX]{1,6}\b)(?P<suffix>[A-Za-z](?![A-Za-z]))?(?P<rest>.*)",
    re.DOTALL,
)
_LABEL_RANGE = re.compile(rf"\s*[{_DASH}]\s*(\d{{1,3}})\b")
_ROMAN = {"I": 1, "V": 5, "X": 10}


class Number(NamedTuple):
    """A figure's number inside its family: ("figure", 3), ("figure S", 1), ("figure 2 child", 1)."""

    family: str
    value: int


class Cited(NamedTuple):
    """A number named in running text."""

    number: Number
    panels: tuple[str, ...]
    is_between: bool
    """filled in between the two ends of a range"""
    start: int
    end: int


def strip_label(text: str) -> str | None:
    """A label as written, without a final `.`, `:` or `|`; None when nothing is left."""
    return text.strip().rstrip(".:| ").strip() or None


def family_of_word(word: str, kind: str = "figure") -> str:
    """`Figs.` → figure, `Scheme` → scheme; an unknown word is a family of its own."""
    bare = word.strip().rstrip(".").casefold()
    return _KIND_OF_WORD.get(bare, bare or kind)


def hints_of(numbers: Iterable[Number]) -> tuple[str, ...]:
    """Letters, one of which a text must hold to cite a number of these families in words."""
    bases = {word for number in numbers for word in number.family.split()}
    return tuple(hint for base, hints in _HINTS.items() if base in bases for hint in hints)


def words_citing(text: str) -> Iterator[tuple[re.Match[str], str]]:
    """The places of `_CITED_WORD`, with the set that stands before ("Supplementary Figure 1")."""
    for found in _CITED_WORD.finditer(text):
        start = found.start()
        if start and (text[start - 1].isalnum() or text[start - 1] == "_"):
            continue
        group = _SET_BEFORE.search(text, max(0, start - 20), start)
        yield found, group[1] if group is not None else ""


def _family(base: str, group: str, prefix: str) -> str:
    """`Supplementary Figure 1`, `Figure S1` and `Supplementary Figure S1` are one number."""
    letters = prefix.rstrip("-.")
    if not letters and group:
        folded = " ".join(group.casefold().split())
        letters = {"extended data": "ED", "appendix": "A"}.get(folded, "S")
    if letters == "SI":
        letters = "S"
    return f"{base} {letters}" if letters else base


def label_numbers(label: str | None, kind: str = "figure") -> tuple[Number, ...]:
    """The numbers of a label: one, all of "Figures 1–9", none of a bare "Figure".

    kind: the family of a label that has no word.
    """
    label = (label or "")[:200]
    found = _LABEL.match(label)
    if found is None:
        return ()
    word = found["word"]
    child = _CHILD.match(label, found.end("suffix" if found["suffix"] else "number"))
    parts = re.split(r"\s+", word.strip())
    last = parts[-1] if parts else ""
    base = family_of_word(last, kind)
    lead = " ".join(parts[:-1])
    if lead and not re.fullmatch(_SUPPLEMENTARY + "|appendix", lead, re.IGNORECASE):
        base, lead = f"{lead.casefold()} {base}", ""
    family = _family(base, lead, found["prefix"] or "")
    text = found["number"]
    value = _value(text)
    if "." in text:
        family += " " + text.rpartition(".")[0]
    if value is None:
        return ()
    rest = found["rest"]
    if child is None and rest and re.match(rf"\s*[{_DASH}]\s*[a-z]", rest, re.IGNORECASE):
        return _label_of_part(family, value, rest, kind)
    if child is not None:
        return (Number(f"{family} {value} child", int(child[1])),)
    end = _LABEL_RANGE.match(rest)
    if end is not None and value < int(end[1]) <= value + _MAX_RANGE:
        return tuple(Number(family, n) for n in range(value, int(end[1]) + 1))
    return (Number(family, value),)


def _label_of_part(family: str, value: int, rest: str, kind: str) -> tuple[Number, ...]:
    """`Appendix 1—figure 2`: the numbers of the part, inside the family of the whole."""
    inner = label_numbers(re.sub(rf"\A\s*[{_DASH}]\s*", "", rest), kind)
    return tuple(Number(f"{family} {value} {n.family}", n.value) for n in inner)


def _value(text: str) -> int | None:
    last = text.rpartition(".")[2]
    if last.isdigit():
        return int(last)
    values = [_ROMAN[c] for c in text]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values)) or None


def parent_number(number: Number) -> Number | None:
    """The number of the figure that a "figure supplement" belongs to."""
    if not number.family.endswith(" child"):
        return None
    family, _, value = number.family.removesuffix(" child").rpartition(" ")
    return Number(family, int(value))


def read_panels(text: str, start: int, end: int, *, sure: int = 0) -> tuple[tuple[str, ...], int]:
    """The panel letters that stand at `start`, as written, ranges filled; and where they end.

    sure: up to here all is known to belong to the citation (the end of its xref); further on a
    letter before a word may be the word's: "Fig. 3A, R tumours".
    """
    first = _FIRST_PANEL.match(text, start, end)
    if first is None and start < sure:
        first = _FIRST_PANEL.match(text, start, sure)
    if first is None:
        return (), start
    letters = [first["a"] or first["b"] or first["c"] or first["e"]]
    position = first.end()
    while found := _NEXT_PANEL.match(text, position, end):
        letter = found["d"] or found["s"]
        last = letters[-1]
        if letter.isupper() != last.isupper() or letter <= last:
            break
        if (
            found.end() > sure
            and not found["dash"]
            and not _TIGHT.fullmatch(found[0])
            and ord(letter) - ord(last) > 1
            and _FOLLOWED.match(text, found.end(), end)
        ):
            break
        if found["dash"]:
            letters += [chr(c) for c in range(ord(last) + 1, ord(letter))]
        letters.append(letter)
        position = found.end()
    if first["bracket"]:
        closing = re.compile(r"\s?\)").match(text, position, end)
        if closing is None:
            return (), start
        position = closing.end()
    return tuple(letters), position


def read_cited(
    text: str,
    start: int,
    end: int,
    *,
    base: str = "figure",
    group: str = "",
    is_plural: bool = False,
    sure: int = 0,
) -> list[Cited]:
    """The numbers of a list that begins at `start`: "2A,B, 3 and 5–7".

    After the first, a number counts only where the words are plural, where nothing but
    punctuation follows, or up to `sure` (see `read_panels`): "Fig. 2 and 3 patients" names one
    figure.
    """
    found: list[Cited] = []
    position, after_dash = start, False
    while item := _ITEM.match(text, position, end):
        prefix = item["prefix"] or ""
        family = _family(base, group, prefix)
        if found and not prefix:
            family = found[-1].number.family
        number, stop = Number(family, int(item["number"])), item.end()
        child = _CHILD.match(text, stop, end)
        if child is not None:
            number, stop = Number(f"{family} {number.value} child", int(child[1])), child.end()
        panels, stop = read_panels(text, stop, end, sure=sure)
        if text[stop : stop + 1].isalnum() and not panels:
            break
        if found and not is_plural and stop > sure and not _CLOSED.match(text, stop, end):
            break
        if after_dash and found:
            found += _between(found[-1], number, position)
        found.append(Cited(number, panels, False, item.start(), stop))
        separator = _SEPARATOR.match(text, stop, end)
        if separator is None:
            break
        position, after_dash = separator.end(), separator["dash"] is not None
    return found


def _between(first: Cited, last: Number, at: int) -> list[Cited]:
    low, high = first.number.value, last.value
    if first.number.family != last.family or not low < high <= low + _MAX_RANGE:
        return []
    family = last.family
    return [Cited(Number(family, n), (), True, at, at) for n in range(low + 1, high)]
