"""Authors with their affiliations, and who paid."""

from __future__ import annotations

import re

from biomedica.jats.article import Author, Award
from biomedica.jats.text import clean, stream_of
from biomedica.jats.tree import Tree, first_child
from biomedica.jats.xml import Element

__all__ = ["read_authors", "read_funding"]

_ORCID = re.compile(r"(\d{4}-?\d{4}-?\d{4}-?\d{3}[\dX])\b", re.IGNORECASE)
_NOT_AUTHORS = re.compile(r"editor|reviewer|translator|illustrator|referee|assistant|guest", re.I)
_CONTACT = re.compile(
    r"(?:e-?mails?|correo(?:\s+electrónico)?|orcid)\b(?:[:;,.]|\([A-Z. -]{1,12}\)|\[?https?://\S*|\s)*\Z",
    re.IGNORECASE,
)
"""What is left of an e-mail address at the end, with the initials of its owner, or an ORCID."""
_CONTACT_WORDS = ("mail", "correo", "orcid")
_COMMAS = re.compile(r",[ ,]*")
_ODD_SIGNS = re.compile(r"\s*[,;]\s*([.;])|(;),|\s+(\.)|\A[\s,;.:]+|[\s,;]+\Z")
_ODD_ENDS = " ,;.:"
_NOT_IN_AFFILIATION = frozenset(
    {"label", "email", "institution-id", "fax", "phone", "xref", "fn", "target"}
)


def read_authors(tree: Tree, meta: Element) -> tuple[Author, ...]:
    """The authors in order, a group's members not beside the group; no e-mail addresses."""
    texts = {node: _affiliation(node) for node in meta.iter("aff")}
    by_id: dict[str, list[str]] = {}
    for node, text in texts.items():
        if text and (name := node.get("id")):
            by_id.setdefault(name, []).append(text)
    authors: list[Author] = []
    linked = {rid for xref in meta.iter("xref") for rid in (xref.get("rid") or "").split()}
    unlinked = {node: text for node, text in texts.items() if node.get("id") not in linked}
    common = _affiliations_in(meta, unlinked)
    for group in meta.iterchildren("contrib-group"):
        if _NOT_AUTHORS.search(group.get("content-type") or ""):
            continue
        shared = _affiliations_in(group, unlinked)
        for contrib in group.iterchildren("contrib"):
            kind = contrib.get("contrib-type") or "author"
            name = "" if _NOT_AUTHORS.search(kind) else _name(tree, contrib)
            if name:
                own = _affiliations_in(contrib, texts) + _linked_affiliations(contrib, by_id)
                places = tuple(dict.fromkeys(own or shared or common))
                authors.append(Author(name, _orcid(contrib), places))
    return tuple(authors)


def _name(tree: Tree, contrib: Element) -> str:
    for child in contrib:
        is_choice = child.tag in ("name-alternatives", "collab-alternatives") and len(child)
        node = child[0] if is_choice else child
        name = node.tag
        if name == "name":
            order = ["given-names", "surname", "suffix"]
            if node.get("name-style") == "eastern":
                order[:2] = "surname", "given-names"
            parts = {part.tag: part for part in reversed(node)}  # of each the first
            return " ".join(text for part in order if (text := tree.text(parts.get(part))))
        if name == "string-name":
            return tree.text(node)
        if name in ("collab", "on-behalf-of"):
            return _without(node, frozenset({"contrib-group", "xref", "email", "fn", "institution-id"}))
        if name == "anonymous":
            return "Anonymous"
    return ""


def _orcid(contrib: Element) -> str | None:
    for node in contrib.iterchildren("contrib-id", "uri", "ext-link"):
        if node.tag != "contrib-id" or (node.get("contrib-id-type") or "orcid").casefold() == "orcid":
            found = _ORCID.search("".join(node.itertext()))
            if found is not None and (node.tag == "contrib-id" or "orcid" in "".join(node.itertext())):
                digits = found[1].replace("-", "").upper()
                return "-".join(digits[i : i + 4] for i in range(0, 16, 4))
    return None


def _affiliations_in(parent: Element, texts: dict[Element, str]) -> list[str]:
    """Those that are children; of alternatives the first."""
    nodes = parent.iterchildren("aff", "aff-alternatives")
    firsts = (first_child(node, "aff") if node.tag == "aff-alternatives" else node for node in nodes)
    return [text for node in firsts if (text := texts.get(node))]


def _linked_affiliations(contrib: Element, by_id: dict[str, list[str]]) -> list[str]:
    """Those that xrefs outside a group's name point at."""
    found: list[str] = []
    for child in contrib:
        if child.tag in ("collab", "collab-alternatives") or (child.tag != "xref" and not len(child)):
            continue
        for xref in child.iter("xref"):
            if xref.get("ref-type", "aff") == "aff":
                for rid in (xref.get("rid") or "").split():
                    found += by_id.get(rid, ())
    return found


def _affiliation(node: Element) -> str:
    """The text of an affiliation; ", " between elements that have no text between them."""
    parts: list[str] = []
    originals = (
        one for one in node.iterchildren("institution") if one.get("content-type") == "original"
    )
    _collect(next(originals, node), parts)  # SciELO: the parts follow tagged
    text = clean("".join(parts))
    if any(map(_plain_letters(text).__contains__, _CONTACT_WORDS)):  # far cheaper than the pattern
        while (found := _CONTACT.search(text)) is not None:
            text = text[: found.start()].rstrip(" ;,.(")
    text = _COMMAS.sub(", ", text.replace(" ,", ","))
    if ";" in text or " ." in text or text[:1] in _ODD_ENDS or text[-1:] in _ODD_ENDS:
        text = _ODD_SIGNS.sub(lambda found: found[1] or found[2] or found[3] or "", text)
    return text.strip()


def _plain_letters(text: str) -> str:
    """Small letters, also where a pattern that ignores case takes a Turkish i for an i."""
    return text.casefold().replace("i\u0307", "i").replace("ı", "i")


def _collect(node: Element, parts: list[str]) -> None:
    is_structured = not (node.text or "").strip() and not any((c.tail or "").strip() for c in node)
    parts.append(node.text or "")
    for place, child in enumerate(node):
        is_left_out = child.tag in _NOT_IN_AFFILIATION or (place == 0 and child.tag == "sup")
        if not is_left_out and child.tag in ("institution-wrap", "addr-line") and len(child):
            _collect_flat(child, parts)
        elif not is_left_out:
            parts.append(_letters(child))
        parts.append(", " if is_structured else child.tail or "")


def _collect_flat(node: Element, parts: list[str]) -> None:
    for index, child in enumerate(node):
        if index == 0:
            parts.append(node.text or "")
        if child.tag not in _NOT_IN_AFFILIATION:
            parts += (_letters(child), ", " if not (child.tail or "").strip() else "")
        parts.append(child.tail or "")


def _letters(node: Element) -> str:
    """The text nodes as they stand; without e-mail addresses deeper inside."""
    if len(node) and next(node.iter("email"), None) is not None:
        return stream_of(node)[0]
    return "".join(node.itertext())


def _without(node: Element, names: frozenset[str]) -> str:
    parts = [node.text or ""]
    for child in node:
        if child.tag not in names:
            parts.append(_letters(child))
        parts.append(child.tail or "")
    return clean("".join(parts))


def read_funding(tree: Tree, meta: Element) -> tuple[Award, ...]:
    """Every funder with every award of one award-group; a funder alone has a null award."""
    found: dict[Award, None] = {}
    for funding in meta.iterchildren("funding-group"):
        for group in funding.iterchildren("award-group"):
            sources = [_funder(node) for node in group.iter("funding-source")]
            awards = [tree.text(node) for node in group.iter("award-id")]
            for source in [s for s in sources if s] or [""]:
                for award in [a for a in awards if a] or [""]:
                    if source or award:
                        found[Award(source or None, award or None)] = None
        for node in funding.iterchildren("funding-source"):
            if name := _funder(node):
                found[Award(name, None)] = None
    number = [tree.text(node) for node in meta.iterchildren("contract-num")]
    sponsor = [tree.text(node) for node in meta.iterchildren("contract-sponsor")]
    for index in range(max(len(number), len(sponsor))):
        one = sponsor[index] if index < len(sponsor) else ""
        award = number[index] if index < len(number) else ""
        if one or award:
            found[Award(one or None, award or None)] = None
    return tuple(found)


def _is_id(node: Element) -> bool:
    """`<named-content content-type="fundref-id">`: no part of the funder's name."""
    return node.tag == "named-content" and (node.get("content-type") or "").endswith("-id")


def _funder(node: Element) -> str:
    parts = [node.text or ""]
    for child in node:
        if child.tag == "institution-wrap":
            parts += (_letters(inner) for inner in child if inner.tag not in _NOT_IN_AFFILIATION)
        elif child.tag not in _NOT_IN_AFFILIATION and not _is_id(child):
            parts.append(_letters(child))
        parts.append(child.tail or "")
    return clean(" ".join(parts))
