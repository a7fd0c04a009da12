"""The article's own metadata, out of `article/front` and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from biomedica.errors import Rejected
from biomedica.jats.article import PublicationDate, RelatedArticle, TranslatedTitle
from biomedica.jats.references import bare_doi
from biomedica.jats.tree import XML_LANG, Tree, first_child, href_of, own_children, same_language
from biomedica.jats.xml import Element

__all__ = [
    "Ids",
    "Properties",
    "compose_citation",
    "is_retracted",
    "read_ids",
    "read_issn",
    "read_journal",
    "read_keywords",
    "read_other_titles",
    "read_properties",
    "read_publisher",
    "read_related",
    "read_subjects",
    "read_title",
]

_PMCID = re.compile(r"(?:PMC)?\s*([1-9]\d{0,11})(?:\.(\d{1,5}))?", re.IGNORECASE)
_NOTICES = ("retraction", "correction", "expression-of-concern", "addendum")
_RETRACTED_TITLE = re.compile(
    r"\W{0,3}retracted(?:\s+(?:article|paper|chapter))?\W{0,2}[:.\]—–-]", re.I
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_YES = frozenset({"yes", "true", "1"})


@dataclass(frozen=True, slots=True)
class Ids:
    """The ids that a document says of itself; the DOI bare and lower-case."""

    pmcid: str | None
    version: int | None
    pmid: int | None
    doi: str | None


@dataclass(frozen=True, slots=True)
class Properties:
    """What PMC says of the article in `custom-meta`."""

    is_open_access: bool | None
    license_ref: str | None
    is_scanned: bool


def read_ids(meta: Element, wanted: str | None, warnings: list[str]) -> Ids:
    """The ids of the document; a warning where they are not those of `wanted` (PMC123, PMC123.1)."""
    found: dict[str, str] = {}
    for node in meta.iterchildren("article-id"):
        kind = (node.get("pub-id-type") or "").casefold()
        text = "".join(node.itertext()).strip()
        if text:
            found.setdefault(kind, text)
    pmcid, version = _pmcid(found)
    for node in meta.iter("article-version"):
        text = (node.text or "").strip()
        if version is None and "pmc" in (node.get("article-version-type") or "").casefold():
            version = int(text) if re.fullmatch(r"[1-9]\d{0,4}", text, re.ASCII) else None
    if wanted is not None:
        bare, _, number = wanted.partition(".")
        if pmcid is not None and pmcid != bare:
            warnings.append(f"pmcid_mismatch: the document says {pmcid}, its key {bare}")
        elif number and version is not None and str(version) != number:
            warnings.append(f"version_mismatch: the document says {version}, its key {number}")
    dois = (bare_doi("".join(node.itertext())) for node in _of_type(meta, "doi"))
    pmid = found.get("pmid", "")
    is_pmid = re.fullmatch(r"[1-9]\d{0,8}", pmid, re.ASCII)
    return Ids(pmcid, version, int(pmid) if is_pmid else None, next(filter(None, dois), None))


def _of_type(meta: Element, kind: str) -> Iterator[Element]:
    nodes = meta.iterchildren("article-id")
    return (node for node in nodes if (node.get("pub-id-type") or "").casefold() == kind)


def _pmcid(found: dict[str, str]) -> tuple[str | None, int | None]:
    pmcid: str | None = None
    version: int | None = None
    for kind in ("pmcid", "pmc", "pmcid-ver"):
        match = _PMCID.fullmatch(found.get(kind, ""))
        if match is not None:
            pmcid = pmcid or f"PMC{match[1]}"
            version = version or (int(match[2]) if match[2] else None)
    return pmcid, version or None


def read_title(tree: Tree, meta: Element) -> str | None:
    """Title and subtitle, joined by ": "; without the marks of notes."""
    group = first_child(meta, "title-group")
    if group is None:
        group = meta
    parts = [_unmarked(tree, node) for name in ("article-title", "subtitle")
             for node in own_children(group, name)]  # fmt: skip
    return _with_subtitles(parts) or None


def _with_subtitles(parts: list[str]) -> str:
    *heads, last = [part for part in parts if part] or [""]
    return ": ".join([*(part.rstrip(": ") for part in heads), last])


def read_other_titles(tree: Tree, meta: Element) -> tuple[TranslatedTitle, ...]:
    """The titles in other languages, each with its subtitle."""
    found: dict[TranslatedTitle, None] = {}
    for node in meta.iterfind("title-group/trans-title-group"):
        names = ("trans-title", "trans-subtitle")
        parts = [_unmarked(tree, one) for name in names for one in own_children(node, name)]
        language = node.get(XML_LANG) or next((one.get(XML_LANG) for one in node), None)
        found[TranslatedTitle(language or None, _with_subtitles(parts))] = None
    for node in meta.iterfind("title-group/trans-title"):  # NLM 2.x: without a group
        found[TranslatedTitle(node.get(XML_LANG) or None, _unmarked(tree, node))] = None
    return tuple(one for one in found if one.title)


def _unmarked(tree: Tree, node: Element) -> str:
    """The text without xref and fn, for which a copy of the title alone is made."""
    if node.find(".//xref") is None:
        return tree.text(node)
    from copy import deepcopy

    from lxml import etree

    from biomedica.jats.text import plain_of, stream_of

    copy = deepcopy(node)
    etree.strip_elements(copy, "xref", "fn", with_tail=False)
    for mark in list(copy.iter("sup")):
        if not "".join(mark.itertext()).strip(" ,;"):
            etree.strip_elements(mark, "*", with_tail=False)
            mark.text = None
    return plain_of(stream_of(copy)[0])


def read_journal(tree: Tree, journal: Element | None) -> str | None:
    """The journal's title, else its abbreviation, else its id."""
    if journal is None:
        return None
    for name in ("journal-title", "abbrev-journal-title", "journal-id"):
        for node in journal.iter(name):
            if text := tree.text(node):
                return text
    return None


def read_issn(tree: Tree, journal: Element | None) -> tuple[str, ...]:
    """The journal's ISSNs in the document's order."""
    nodes = [] if journal is None else journal.iter("issn", "issn-l")
    return tuple(dict.fromkeys(text for node in nodes if (text := tree.text(node))))


def read_publisher(tree: Tree, journal: Element | None) -> str | None:
    """The publisher's name."""
    node = None if journal is None else journal.find("publisher/publisher-name")
    return tree.text(node) or None


def read_subjects(tree: Tree, meta: Element) -> tuple[str, ...]:
    """The leaves of the subject groups with their path, "A > B"; without HighWire's own groups."""
    found: dict[str, None] = {}
    top = meta.iterchildren("article-categories")
    groups = [g for categories in top for g in own_children(categories, "subj-group")]
    stack = [(group, "") for group in reversed(groups)]
    while stack:
        group, path = stack.pop()
        if (group.get("subj-group-type") or "").casefold().startswith("hwp-"):
            continue
        nodes = group.iterchildren("subject", "compound-subject")
        names = [name for node in nodes if (name := _parts_of(tree, node))]
        inner = own_children(group, "subj-group")
        if not inner:
            found.update((f"{path} > {name}" if path else name, None) for name in names)
        deeper = " > ".join(part for part in (path, "; ".join(names)) if part)
        stack += [(one, deeper) for one in reversed(inner)]
    return tuple(found)


def _parts_of(tree: Tree, node: Element) -> str:
    if node.tag in ("compound-subject", "compound-kwd"):
        return ": ".join(text for child in node if (text := tree.text(child)))
    return tree.text(node)


def read_keywords(tree: Tree, meta: Element) -> tuple[str, ...]:
    """Keywords in the article's language; groups of abbreviations are left out."""
    groups = [
        group
        for group in meta.iterchildren("kwd-group")
        if "abbr" not in (group.get("kwd-group-type") or "").casefold()
    ]
    language = tree.language
    if language is None and groups:
        plain = [group for group in groups if not group.get(XML_LANG)]
        language = None if plain else groups[0].get(XML_LANG)
    found: dict[str, None] = {}
    own = [one for one in groups if same_language(one.get(XML_LANG, language), language)]
    for group in own or groups:
        for node in group.iter("kwd", "compound-kwd"):
            if text := _parts_of(tree, node):
                found[text] = None
    return tuple(found)


def read_related(tree: Tree, front: Element) -> tuple[RelatedArticle, ...]:
    """The articles that the front names as related to this one."""
    found: dict[RelatedArticle, None] = {}
    for node in front.iter("related-article"):
        text = href_of(node) or tree.text(node)
        related = RelatedArticle(
            node.get("related-article-type") or None, node.get("ext-link-type") or None, text or None
        )
        found[related] = None
    return tuple(found)


def is_retracted(kind: str | None, title: str | None, related: tuple[RelatedArticle, ...]) -> bool:
    """Whether the article itself is retracted; a notice of retraction is not."""
    if kind is not None and any(notice in kind for notice in _NOTICES):
        return False
    if title is not None and _RETRACTED_TITLE.match(title):
        return True
    return any((one.type or "").casefold() == "retraction-forward" for one in related)


def read_properties(tree: Tree, front: Element) -> Properties:
    """PMC's `custom-meta`. Raises Rejected("legally_suppressed")."""
    values: dict[str, str] = {}
    for node in front.iter("custom-meta"):
        name = tree.text(first_child(node, "meta-name")).casefold()
        if name.startswith("pmc-"):
            values[name] = tree.text(first_child(node, "meta-value"))
    if values.get("pmc-prop-legally-suppressed", "").casefold() in _YES:
        raise Rejected("legally_suppressed", "pmc-prop-legally-suppressed is yes")
    is_open = values.get("pmc-prop-open-access")
    return Properties(
        is_open_access=None if is_open is None else is_open.casefold() in _YES,
        license_ref=values.get("pmc-license-ref") or None,
        is_scanned=values.get("pmc-prop-is-scanned-article", "").casefold() in _YES,
    )


def compose_citation(
    tree: Tree, front: Element, meta: Element, date: PublicationDate | None, doi: str | None
) -> str | None:
    """One line in PMC's form: "Sensors (Basel). 2024 Sep 18;24(18):6017. doi: 10.3390/s24186017"."""
    short = front.find("journal-meta/journal-id[@journal-id-type='nlm-ta']")
    journal = tree.text(short) or read_journal(tree, first_child(front, "journal-meta"))
    when = _written(date)
    volume, issue = tree.text(first_child(meta, "volume")), tree.text(first_child(meta, "issue"))
    first, last = tree.text(first_child(meta, "fpage")), tree.text(first_child(meta, "lpage"))
    pages = f"{first}-{last}" if first and last and first != last else first
    pages = pages or tree.text(first_child(meta, "elocation-id"))
    where = volume + (f"({issue})" if issue else "")
    middle = ":".join(part for part in (";".join(p for p in (when, where) if p), pages) if part)
    parts = [journal, middle, f"doi: {doi}" if doi else ""]
    text = ". ".join(part.rstrip(".") for part in parts if part)
    return (text if doi else f"{text}.") if journal or middle else None


def _written(date: PublicationDate | None) -> str:
    if date is None:
        return ""
    month = _MONTHS[date.month - 1] if date.month else ""
    return " ".join(part for part in (str(date.year), month, str(date.day or "")) if part)
