"""The reference list: one row per citation, also where one `ref` holds several."""

from __future__ import annotations

import re
from urllib.parse import unquote

from lxml import etree

from biomedica.jats.article import Reference
from biomedica.jats.text import clean
from biomedica.jats.tree import Tree, href_of
from biomedica.jats.xml import Element

__all__ = ["bare_doi", "read_references"]

_CITATIONS = frozenset({"mixed-citation", "element-citation", "citation", "nlm-citation"})
_DOI = re.compile(r"10\.\d{4,9}/\S{1,250}", re.IGNORECASE)
_DOI_LINK = re.compile(r"\bdoi\b", re.IGNORECASE)
_YEAR = re.compile(r"(?<!\d)(1[5-9]\d\d|20\d\d)(?!\d)")
_PMID = re.compile(r"(?<!\d)([1-9]\d{0,8})(?!\d)")
_PMCID = re.compile(r"(?:PMC)?([1-9]\d{0,11})(?!\d)", re.IGNORECASE)
_TITLES = {"article-title": 0, "chapter-title": 1, "part-title": 2, "data-title": 3}
_INLINE = frozenset({"italic", "bold", "sup", "sub", "sc", "underline", "styled-content"})
_FIELDS = (*_TITLES, "pub-id", "source", "year", "ext-link", "uri", "object-id")


def bare_doi(text: str | None) -> str | None:
    """The DOI in a text, lower case, without a resolver; None when there is none."""
    found = _DOI.search(text or "")
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
        elif child.tag == "citation-alternatives":
            forms.append([node for node in child if node.tag in _CITATIONS])
        elif child.tag == "note":
            inner = [c for c in child.iter(*_CITATIONS) if not _is_inside(c)]
            forms += [[c] for c in inner] or [[child]]
    if sorted(form[0].tag for form in forms if form) == ["element-citation", "mixed-citation"]:
        forms = [[form[0] for form in forms if form]]  # two forms of one citation, as SciELO writes it
    citations = [form for form in forms if form]
    if not citations:
        text = tree.text(ref)
        return [_empty(name, text)] if text else []
    return [_read(tree, form, name) for form in citations]


def _is_inside(citation: Element) -> bool:
    return any(above.tag in _CITATIONS for above in citation.iterancestors())


def _empty(name: str | None, text: str) -> Reference:
    return Reference(name, None, None, None, None, None, None, text)


def _read(tree: Tree, forms: list[Element], name: str | None) -> Reference:
    """One citation: the fields of its tagged form, the words of its printed one."""
    citation = next((form for form in forms if form.tag == "element-citation"), forms[0])
    printed = next((form for form in forms if _has_own_words(form)), None)
    ids: dict[str, str] = {}
    titles: dict[int, Element] = {}
    source: Element | None = None
    year: int | None = None
    linked: str | None = None
    for node in citation.iter(*_FIELDS):
        tag = node.tag
        if tag == "pub-id":
            ids.setdefault((node.get("pub-id-type") or "").casefold(), "".join(node.itertext()))
        elif tag in _TITLES:
            titles.setdefault(_TITLES[tag], node)
        elif tag == "source":
            source = node if source is None else source
        elif tag == "year":
            found = None if year is not None else _YEAR.search(node.text or "")
            year = int(found[1]) if found else year
        elif linked is None:
            linked = _linked_doi(node)
    pmid = _PMID.search(ids.get("pmid", ""))
    pmcid = _PMCID.search(ids.get("pmcid") or ids.get("pmc") or "")
    return Reference(
        id=name,
        pmid=pmid[1] if pmid else None,
        doi=bare_doi(ids.get("doi")) or linked,
        pmcid=f"PMC{pmcid[1]}" if pmcid else None,
        title=tree.text(titles[min(titles)]) or None if titles else None,
        source=tree.text(source) or None,
        year=year,
        text=_raw(printed) or None if printed is not None else None,
    )


def _has_own_words(citation: Element) -> bool:
    """Whether there is text between the elements: a citation as it was printed."""
    if citation.tag in ("mixed-citation", "note"):
        return True
    return bool((citation.text or "").strip() or any((c.tail or "").strip() for c in citation))


def _raw(citation: Element) -> str:
    """The citation as printed; a space between elements that touch, save inside words."""
    parts: list[str] = []
    for event, node in etree.iterwalk(citation, events=("start", "end")):
        if event == "start":
            is_glued = node.tag == "pub-id" and parts and parts[-1].endswith(".")
            parts.append((" " if is_glued else "") + (node.text or ""))
        elif node is not citation:
            parts.append(node.tail or ("" if node.tag in _INLINE else " "))
    return re.sub(r"\s+([,;.:)])", r"\1", clean("".join(parts)))


def _linked_doi(node: Element) -> str | None:
    href = href_of(node)
    text = "".join(node.itertext())
    is_doi = _DOI_LINK.search(f"{href} {text} {node.get('ext-link-type')} {node.get('pub-id-type')}")
    return (bare_doi(text) or bare_doi(href)) if is_doi or text.strip().startswith("10.") else None
