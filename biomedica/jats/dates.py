"""The publication date: which `pub-date` counts, and how much of it is known."""

from __future__ import annotations

import datetime
import re

from biomedica.jats.article import PublicationDate
from biomedica.jats.tree import Tree, first_child
from biomedica.jats.xml import Element

__all__ = ["publication_date"]

_ORDER = ("epub", "pub", "epub-ppub", "ppub", "publication", "collection", "unspecified")
_MONTHS = {
    "jan": 1, "ene": 1, "feb": 2, "fev": 2, "mar": 3, "apr": 4, "abr": 4, "avr": 4, "may": 5, "mai": 5,
    "mag": 5, "jun": 6, "jul": 7, "aug": 8, "ago": 8, "sep": 9, "set": 9, "oct": 10, "out": 10,
    "okt": 10, "nov": 11, "dec": 12, "dez": 12, "dic": 12,
}  # fmt: skip
_ISO = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?(?!\d)")
_YEAR = re.compile(r"(?<!\d)(1[6-9]\d\d|20\d\d)(?!\d)")
_WORD = re.compile(r"[A-Za-zç]{3,}")
_SEASON = re.compile(
    r"\b(?:spring|summer|autumn|fall|winter|primavera|verano|verão|otoño|outono|invierno|inverno)\b"
    r"|\b[A-Za-zç]{3,9}\.?\s?[-–/]\s?[A-Za-zç]{3,9}\b",
    re.IGNORECASE,
)
_DAY = re.compile(r"(?<![\d-])(\d{1,2})(?:st|nd|rd|th)?(?![\d-])")


def publication_date(tree: Tree, meta: Element, warnings: list[str]) -> PublicationDate | None:
    """The first that is possible of: epub, pub, epub-ppub, ppub, publication, collection.

    Never the dates of release to PMC, of submission, of corrections or of preprints. None with a
    warning when only such dates exist.
    """
    dates = list(meta.iterchildren("pub-date"))
    ranked: list[tuple[int, int, str, Element]] = []
    for index, node in enumerate(dates):
        kind = _type_of(node)
        rank = _rank(kind, node.get("publication-format"))
        if rank is not None:
            ranked.append((rank, index, kind, node))
    for _, _, kind, node in sorted(ranked, key=lambda item: item[:2]):
        year, month, day = _parts(tree, node)
        if year is None:
            continue
        if _is_possible(year, month, day):
            season = _season(tree, node) if month is None else ""
            return PublicationDate(year, month, day, kind, season or None)
        warnings.append(f"impossible_date: {kind} {year}-{month}-{day}")
    if dates:
        warnings.append("no_publication_date: no usable pub-date")
    return None


def _type_of(node: Element) -> str:
    kind = node.get("pub-type") or node.get("date-type") or "unspecified"
    return "-".join(kind.casefold().split())


def _rank(kind: str, medium: str | None) -> int | None:
    if kind not in _ORDER:
        return None
    if kind == "pub" and (medium or "").casefold() == "print":
        return _ORDER.index("ppub") * 2 + 1
    rank = _ORDER.index(kind) * 2
    return rank + 1 if kind == "pub" and not medium else rank


def _parts(tree: Tree, node: Element) -> tuple[int | None, int | None, int | None]:
    """Year, month and day; null where they are not given. A day without a month is not known."""
    year = _number(tree.text(first_child(node, "year")))
    if year is not None:
        month = _month(tree.text(first_child(node, "month")))
        day = _number(tree.text(first_child(node, "day")))
        coded = _coded(node)
        if coded[0] == year and (not month or coded[1] == month):  # the finer of the two
            month, day = month or coded[1], day or coded[2]
    else:
        year, month, day = _coded(node)
        if year is None:
            year, month, day = _of_words(tree.text(first_child(node, "string-date")) or tree.text(node))
    month = month or None
    return year, month, (day or None) if month else None


def _coded(node: Element) -> tuple[int | None, int | None, int | None]:
    """What `iso-8601-date` says."""
    found = _ISO.match((node.get("iso-8601-date") or "").strip())
    if found is None:
        return None, None, None
    year, month, day = (int(part) if part else None for part in found.groups())
    return year, month, day


def _season(tree: Tree, node: Element) -> str:
    """The season as printed, also where it stands as a month or in words: "Jan-Feb", "Spring 2020"."""
    named = tree.text(first_child(node, "season")) or tree.text(first_child(node, "month"))
    if named and not named.isdigit():
        return named
    found = _SEASON.search(tree.text(first_child(node, "string-date")))
    return found[0] if found is not None else ""


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 4 else None


def _month(text: str) -> int | None:
    number = _number(text)
    return number if number is not None else _one_month(text)


def _one_month(text: str) -> int | None:
    """The month that the words name, when they name just one."""
    months = {_MONTHS.get(word[:3].casefold()) for word in _WORD.findall(text)} - {None}
    return months.pop() if len(months) == 1 else None


def _of_words(text: str) -> tuple[int | None, int | None, int | None]:
    found = _ISO.match(text)
    if found is not None and found[2]:
        return int(found[1]), int(found[2]), int(found[3]) if found[3] else None
    year = _YEAR.search(text)
    if year is None:
        return None, None, None
    day = _DAY.search(text)
    return int(year[1]), _one_month(text), int(day[1]) if day else None


def _is_possible(year: int, month: int | None, day: int | None) -> bool:
    if not 1700 <= year <= 2100:
        return False
    try:
        datetime.date(year, month or 1, day or 1)
    except ValueError:
        return False
    return True
