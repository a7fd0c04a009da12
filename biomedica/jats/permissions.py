"""Licence and copyright as the XML states them."""

from __future__ import annotations

import re

from biomedica.jats.article import License
from biomedica.jats.tree import Tree, first_child, href_of, own_children
from biomedica.jats.xml import Element
from biomedica.licenses import LicenseUrl, normalise_code, read_url, read_words

__all__ = ["read_copyright", "read_license"]

_URL = re.compile(r"(?:https?:)?/{0,2}(?:www\.)?creativecommons\.org/[^\s<>\"')]+", re.IGNORECASE)
_LINKED = ("ext-link", "uri", "inline-supplementary-material", "self-uri")


def read_license(tree: Tree, holders: list[Element], warnings: list[str]) -> License | None:
    """The licence of an article or a figure.

    holders: `permissions` elements, or an `article-meta` of the old kind. The first licence with
    a Creative Commons code is taken; others that differ give a warning. A licence without a code
    keeps its URL. None when nothing is said.
    """
    licenses = [node for holder in holders for node in own_children(holder, "license")]
    if not licenses:
        licenses = [holder for holder in holders if holder.tag == "permissions"]
    if not licenses:  # the old form: the copyright statement says it in words
        licenses = [node for holder in holders for node in own_children(holder, "copyright-statement")]
    read = [_read_one(tree, node, warnings) for node in licenses]
    coded = [one for one in read if one.code is not None]
    if not coded:  # beside the licence, not in it
        beside = (ref for holder in holders for ref in holder.iterchildren("license_ref"))
        coded = [one for ref in beside if (one := _read_one(tree, ref, warnings)).code is not None]
    coded.sort(key=lambda one: one.code == "CC0")  # it never wins: it may be that of the data
    codes = list(dict.fromkeys(one.code or "" for one in coded))
    if len(codes) > 1:
        warnings.append(f"several_licenses: {', '.join(codes)}")
    if coded:
        return coded[0]
    return next((one for one in read if one.url is not None), None)


def _read_one(tree: Tree, node: Element, warnings: list[str]) -> License:
    """The order of places: license_ref, href, links, URLs in the text, words, content-type. One that
    says another code than the one taken gives a warning, CC0 apart."""
    text = _statement(tree, node)
    urls = _urls(node, text)
    readings = [(link, source) for link, source in ((read_url(url), s) for url, s in urls) if link]
    # A second CC0 beside another code is the licence of the data.
    chosen = next(((u, s) for u, s in readings if u.code != "CC0"), None)
    words = read_words(text)
    if chosen is not None:
        said = [*((link.code, source) for link, source in readings), (words, "license_words")]
        other = next((one for one in said if one[0] not in (None, "CC0", chosen[0].code)), None)
        if other is not None:
            warnings.append(
                f"license_contradiction: {chosen[1]} {chosen[0].code}, {other[1]} {other[0]}"
            )
        return _license(*chosen)
    if readings:
        is_firm = readings[0][1] in ("license_ref", "license_href")
        if is_firm or words in (None, "CC0"):
            return _license(*readings[0])
    if words is not None:
        return License(words, None, None, "license_words")
    for value in _content_types(node):
        code = normalise_code(value)
        if code is not None:
            return License(code, None, None, "content_type")
    url, source = next(((u, s) for u, s in urls if "://" in u), (None, None))
    return License(None, None, url, source)


def _license(link: LicenseUrl, source: str) -> License:
    return License(link.code, link.spdx, link.url, source)


def _statement(tree: Tree, node: Element) -> str:
    parts = [tree.text(node)]
    if node.tag == "permissions":
        parts = [tree.text(child) for child in node if child.tag != "license_ref"]
    return " ".join(parts)


def _urls(node: Element, text: str) -> list[tuple[str, str]]:
    found = [((ref.text or "").strip(), "license_ref") for ref in node.iter("license_ref")]
    found.append((href_of(node), "license_href"))
    for name in _LINKED:
        for link in node.iter(name):
            found.append((href_of(link) or (link.text or "").strip(), "license_link"))
    if "ommons" in text.casefold():  # far cheaper than the pattern
        found += [(url.rstrip(".,;"), "license_text") for url in _URL.findall(text)]
    return [(url, source) for url, source in found if url]


def _content_types(node: Element) -> list[str]:
    values = [ref.get("content-type") for ref in node.iter("license_ref")]
    values += [node.get("license-type"), node.get("content-type")]
    return [value for value in values if value]


def read_copyright(tree: Tree, holders: list[Element]) -> str | None:
    """The copyright statement, else "© year holder", else None."""
    for holder in holders:
        text = tree.text(first_child(holder, "copyright-statement"))
        if text:
            return text
    for holder in holders:
        year = tree.text(first_child(holder, "copyright-year"))
        owner = tree.text(first_child(holder, "copyright-holder"))
        if year or owner:
            return " ".join(part for part in ("©", year, owner) if part)
    return None
