"""The reference list: one row per citation, also where one `ref` holds several."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import unquote

from biomedica.jats.article import Reference
from biomedica.jats.text import clean
from biomedica.jats.tree import Tree, href_of, letters_of
from biomedica.jats.xml import Element

__all__ = ["bare_doi", "read_references"]

_CITATIONS = frozenset({"mixed-citation", "element-citation", "citation", "nlm-citation"})
_HOLDERS = frozenset({"citation-alternatives", "note"})
_DOI = re.compile(r"10\.\d{4,9}/\S{1,250}", re.IGNORECASE)
_DOI_LINK = re.compile(r"\bdoi\b", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?!\d)")
_PMID = re.compile(r"(?<!\d)([1-9]\d{0,8})(?!\d)")
_PMCID = re.compile(r"(?:PMC)?([1-9]\d{0,11})(?!\d)", re.IGNORECASE)
_TITLES = {"article-title": 0, "chapter-title": 1, "part-title": 2, "data-title": 3}
_INLINE = frozenset({"italic", "bold", "sup", "sub", "sc", "underline", "styled-content"})
_FIELDS = frozenset({*_TITLES, "pub-id", "source", "year", "ext-link", "uri", "object-id"})
_SPACE_BEFORE_SIGN = re.compile(" (?=[,;.:)])")


def bare_doi(text: str | None) -> str | None:
    """The DOI in a text, lower case, without a resolver; None when there is none."""
    if not text:
        return None
    found = _DOI.search(text.replace("%2f", "/").replace("%2F", "/") if "%2" in text else text)
    if found is None:
        return None
    doi = unquote(found[0]) if "%" in found[0] else found[0]
    doi = doi.split()[0].rstrip(".,;'\"]}>")
    while doi.endswith(")") and doi.count(")") > doi.count("("):
        doi = doi[:-1].rstrip(".,;")
    return doi.lower()


def read_references(tree: Tree) -> tuple[tuple[Reference, ...], int]:
    """One entry per citation in document order, and the number of `ref` elements."""
    refs = tree.named["ref"]
    return tuple(reference for ref in refs for reference in _of_ref(tree, ref)), len(refs)


def _of_ref(tree: Tree, ref: Element) -> list[Reference]:
    name = ref.get("id")
    forms: list[list[Element]] = []
    for child in ref:
        if child.tag in _CITATIONS:
            forms.append([child])
        elif child.tag in _HOLDERS:
            forms += _held_in(child)
    if not forms:
        text = tree.text(ref)
        return [_empty(name, text)] if text else []
    if len(forms) == 2 and {form[0].tag for form in forms} == {"element-citation", "mixed-citation"}:
        forms = [[form[0] for form in forms]]  # two forms of one citation, as SciELO writes it
    return [_read(tree, form, name) for form in forms]


def _held_in(child: Element) -> list[list[Element]]:
    """The citations of alternatives or of a note, each in all its forms."""
    if child.tag == "note":
        inner = [c for c in child.iter(*_CITATIONS) if not _is_inside(c)]
        return [[c] for c in inner] or [[child]]
    forms = [node for node in child if node.tag in _CITATIONS]
    return [forms] if forms else []


def _is_inside(citation: Element) -> bool:
    return any(above.tag in _CITATIONS for above in citation.iterancestors())


def _empty(name: str | None, text: str) -> Reference:
    return Reference(name, None, None, None, None, None, None, text)


def _read(tree: Tree, forms: list[Element], name: str | None) -> Reference:
    """One citation: the fields of its tagged form, the words of its printed one."""
    citation = printed = forms[0]
    if len(forms) > 1:
        citation = next((form for form in forms if form.tag == "element-citation"), citation)
        printed = next((form for form in forms if _has_own_words(form)), None)
    elif not _has_own_words(citation):
        printed = None
    text: str | None = None
    fields: Iterable[Element] | None = None
    if printed is not None:
        text, inside = _printed(printed)
        fields = inside if printed is citation else None
    if fields is None:
        fields = citation.iter(*_FIELDS)
    ids: dict[str, str] = {}
    titles: dict[int, Element] = {}
    source: Element | None = None
    year: int | None = None
    linked: str | None = None
    for node in fields:
        tag = node.tag
        if tag == "pub-id":
            ids.setdefault((node.get("pub-id-type") or "").casefold(), letters_of(node))
        elif tag in _TITLES:
            titles.setdefault(_TITLES[tag], node)
        elif tag == "source":
            source = node if source is None else source
        elif tag == "year":
            found = None if year is not None else _YEAR.search(node.text or "")
            year = int(found[1]) if found else year
        elif linked is None:
            linked = _linked_doi(node)
    if not (titles or source is not None or text):
        text = _printed(citation)[0]  # a program, a map, a law: what it is stands in its words alone
    pmid = _PMID.search(ids["pmid"]) if "pmid" in ids else None
    stated = ids.get("pmcid") or ids.get("pmc")
    pmcid = _PMCID.search(stated) if stated else None
    return Reference(  # by position: there are thousands, and names cost as much as the rest
        name,
        pmid[1] if pmid else None,
        bare_doi(ids.get("doi")) or linked or bare_doi(ids.get("")),
        f"PMC{pmcid[1]}" if pmcid else None,
        _text(tree, titles[min(titles)]) if titles else None,
        _text(tree, source) if source is not None else None,
        year,
        text or None,
    )


def _text(tree: Tree, node: Element) -> str | None:
    """The text of a field, which nobody asks for again."""
    return (tree.text(node) if len(node) else clean(node.text or "")) or None


def _has_own_words(citation: Element) -> bool:
    """Whether there is text between the elements: a citation as it was printed."""
    if citation.tag in ("mixed-citation", "note"):
        return True
    if (citation.text or "").strip():
        return True
    for child in citation:
        tail = child.tail
        if tail and not tail.isspace():
            return True
    return False


def _printed(citation: Element) -> tuple[str, list[Element]]:
    """The citation as printed, with a space between elements that touch, save inside words; and
    the elements in it that are fields."""
    parts: list[str] = [citation.text or ""]
    fields: list[Element] = []
    is_open: list[tuple[Iterator[Element], str]] = [(iter(citation), "")]
    while is_open:
        children, after = is_open[-1]
        for node in children:
            tag, text = node.tag, node.text or ""
            if tag in _FIELDS:
                fields.append(node)
                if tag == "pub-id" and parts[-1].endswith("."):
                    text = " " + text
            elif tag == "email":
                parts.append(node.tail or " ")
                continue
            parts.append(text)
            tail = node.tail or ("" if tag in _INLINE else " ")
            if len(node):
                is_open.append((iter(node), tail))
                break
            parts.append(tail)
        else:
            is_open.pop()
            parts.append(after)
    return _SPACE_BEFORE_SIGN.sub("", clean("".join(parts))), fields


def _linked_doi(node: Element) -> str | None:
    href = href_of(node)
    text = letters_of(node)
    is_doi = _DOI_LINK.search(f"{href} {text} {node.get('ext-link-type')} {node.get('pub-id-type')}")
    return (bare_doi(text) or bare_doi(href)) if is_doi or text.strip().startswith("10.") else None
