"""XML bytes → the root of a plain tree, or a reject (table: what lxml does with malformed input).

The tree that comes out holds elements only: no comments, no processing instructions, no entity
nodes, and no namespaces on JATS elements. Nothing is ever fetched: no DTD, no external entity.
"""

from __future__ import annotations

import re
from html.entities import html5
from typing import Any, TypeAlias

from lxml import etree

from biomedica.errors import Rejected

__all__ = ["MATHML", "Element", "choose_article", "local_name", "namespaces_of", "read_xml"]

Element: TypeAlias = Any
"""An lxml element."""

MATHML = "{http://www.w3.org/1998/Math/MathML}"

_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
_UTF16_STARTS = (b"<\x00", b"\x00<")
_MAX_TAGS = 4_000_000
"""Start and end are two. An element takes some 450 bytes of memory, a tree with so many tags 1 GB."""
_MAX_NAME = 10_000_000
"""libxml2's XML_MAX_TEXT_LENGTH, which holds for names with `huge_tree`."""
_BLANK = b" \t\r\n\x00"
_HTML_PAGE = re.compile(rb"<!doctype\s+html|<html[\s>]", re.IGNORECASE)
_UNUSABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f<&]")
_JATS_PARTS = frozenset(
    {"front", "body", "back", "floats-group", "floats-wrap", "sub-article", "response"}
    | {"processing-meta"}
)


def local_name(element: Element) -> str:
    """The element's name without its namespace."""
    tag: str = element.tag
    return tag.rpartition("}")[2] if tag[0] == "{" else tag


def read_xml(xml: bytes) -> tuple[Element, list[str]]:
    """The root element and warnings.

    Raises Rejected: empty, not_xml, not_jats (an HTML page), malformed_xml, bad_encoding,
    too_large (past the parser's own limits, also with `huge_tree`, or more tags than fit memory).
    """
    _refuse_what_is_no_xml(xml)
    try:
        root = etree.fromstring(xml, _parser(huge=False))
    except etree.XMLSyntaxError as error:
        if not _wants_huge(error):
            raise _reject_of(error, xml) from None
        try:
            root = etree.fromstring(xml, _parser(huge=True))
        except etree.XMLSyntaxError as second:
            if _wants_huge(second):
                raise Rejected("too_large", _limit_of(second)) from None
            raise _reject_of(second, xml) from None
    warnings: list[str] = []
    _write_out_entities(root, warnings)
    return root, warnings


def _parser(*, huge: bool) -> Any:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        remove_comments=True,
        remove_pis=True,
        huge_tree=huge,
    )


def _refuse_what_is_no_xml(xml: bytes) -> None:
    start = xml[:4096]
    for mark in _BYTE_ORDER_MARKS:
        start = start.removeprefix(mark)
    if not start.strip(b" \t\r\n") and not xml.strip(b" \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise Rejected("empty", "no bytes but white space")
    tags = xml.count(b"<") if len(xml) > 2 * _MAX_TAGS else 0
    if tags > _MAX_TAGS:
        raise Rejected("too_large", f"{tags} tags, over the limit of {_MAX_TAGS}")
    start = start.lstrip(_BLANK)
    if not start.startswith((b"<", *_UTF16_STARTS)):
        if b"<?xml" in xml or b"<article" in xml:
            raise Rejected("malformed_xml", "text before the first tag")
        raise Rejected("not_xml", f"the bytes begin with {xml[:8]!r}")


def _wants_huge(error: Any) -> bool:
    if error.code == etree.ErrorTypes.ERR_NAME_TOO_LONG:
        return True
    limit = error.code == etree.ErrorTypes.ERR_RESOURCE_LIMIT
    return bool(limit and "XML_PARSE_HUGE" in (error.msg or ""))


def _limit_of(error: Any) -> str:
    """Which of libxml2's own limits with `huge_tree` was passed, and where."""
    line = f"line {error.position[0] if error.position else 0}"
    if error.code == etree.ErrorTypes.ERR_NAME_TOO_LONG:
        return f"{line}: a name of more than {_MAX_NAME} bytes, the limit of the XML reader"
    depth = re.search(r"depth in document: (\d+)", error.msg or "")
    if depth is not None:
        return f"{line}: more than {depth[1]} elements inside one another, the limit of the XML reader"
    return f"past a limit of the XML reader, {_one_line(error)}"


def _one_line(error: Any) -> str:
    line = error.position[0] if error.position else 0
    text = " ".join((error.msg or "").split()).partition(", line ")[0]
    return f"line {line}: {text}"[:300]


def _reject_of(error: Any, xml: bytes) -> Rejected:
    """HTML that is no XML is `not_jats`; bytes outside the encoding are `bad_encoding`."""
    if _HTML_PAGE.search(xml[:1024]):
        return Rejected("not_jats", "an HTML page")
    if error.code == etree.ErrorTypes.ERR_INVALID_ENCODING:
        try:
            xml.decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            return Rejected("bad_encoding", _one_line(error))
    return Rejected("malformed_xml", _one_line(error))


def namespaces_of(xml: bytes, root: Element) -> frozenset[str] | None:
    """The namespaces that the root declares; None where others may be declared further down.

    The bytes say so in a sixth of the time that looking at every element takes.
    """
    start = xml.find(b"<" + root.tag.encode())
    end = xml.find(b">", start)
    if not root.nsmap or start < 0 or xml.rfind(b"xmlns") > end or xml.find(b"<!ATTLIST", 0, end) >= 0:
        return None
    names = frozenset(root.nsmap.values())
    return None if any("}" in name for name in names) else names


def _write_out_entities(root: Element, warnings: list[str]) -> None:
    """Put the characters that entity nodes stand for into the text around them.

    A named entity is read by HTML's list, else by its declaration in the document when that is
    short and plain; an external one is dropped; any other becomes U+FFFD.
    """
    parents = dict.fromkeys(node.getparent() for node in root.iter(etree.Entity))
    if not parents:
        return
    declared = _declared_entities(root)
    seen: dict[str, str] = {}
    for parent in parents:
        before: Element | None = None
        text = [parent.text or ""]
        for child in list(parent):
            if child.tag is not etree.Entity:
                _put(parent, before, "".join(text))
                before, text = child, [child.tail or ""]
                continue
            name = child.text[1:-1]
            if name not in seen:
                seen[name] = _entity_text(name, declared, warnings)
            text += (seen[name], child.tail or "")
            child.tail = None
            parent.remove(child)
        _put(parent, before, "".join(text))


def _put(parent: Element, before: Element | None, text: str) -> None:
    if before is None:
        parent.text = text
    else:
        before.tail = text


def _declared_entities(root: Element) -> dict[str, str | None]:
    dtd = root.getroottree().docinfo.internalDTD
    return {} if dtd is None else {entity.name: entity.content for entity in dtd.entities()}


def _entity_text(name: str, declared: dict[str, str | None], warnings: list[str]) -> str:
    known = html5.get(name + ";")
    if known is not None:
        return known
    if name in declared:
        content = declared[name]
        if content is None:
            warnings.append(f"external_entity: {name[:60]}")
            return ""
        # A short plain text only: no markup, no entity in an entity, no amplification.
        if len(content) <= 64 and not _UNUSABLE.search(content):
            return content
    warnings.append(f"unknown_entity: {name[:60]}")
    return "\ufffd"


def choose_article(root: Element, pmcid: str | None) -> Element:
    """The `article` element of a document: its root, or inside a wrapper the one that is wanted.

    Raises Rejected: not_jats, ambiguous_root.
    """
    articles = _articles_in(root)
    if not articles:
        raise Rejected("not_jats", f"the root is <{local_name(root)[:60]}>")
    if len(articles) == 1:
        return articles[0]
    if pmcid is not None:
        bare, _, version = pmcid.partition(".")
        wanted = [a for a in articles if _stated_ids(a) & {bare, bare.removeprefix("PMC")}]
        if len(wanted) > 1 and version:
            wanted = [a for a in wanted if _stated_ids(a) & {pmcid, pmcid.removeprefix("PMC")}]
        if len(wanted) == 1:
            return wanted[0]
    raise Rejected("ambiguous_root", f"{len(articles)} articles, {pmcid or 'no id'} wanted")


def _articles_in(root: Element) -> list[Element]:
    if local_name(root) == "html":
        return []
    if local_name(root) == "article":
        return [root] if _is_jats(root) else []
    found: list[Element] = []
    for article in root.iter("{*}article"):
        inside = any(local_name(above) == "article" for above in article.iterancestors())
        if not inside and _is_jats(article):
            found.append(article)
    return found


def _is_jats(article: Element) -> bool:
    return any(local_name(child) in _JATS_PARTS for child in article)


def _stated_ids(article: Element) -> set[str]:
    return {
        (node.text or "").strip()
        for front in article.iterchildren("{*}front")
        for meta in front.iterchildren("{*}article-meta")
        for node in meta.iterchildren("{*}article-id")
        if node.get("pub-id-type") in ("pmc", "pmcid", "pmcid-ver")
    }
