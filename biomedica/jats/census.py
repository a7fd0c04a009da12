"""Counts and captions straight from the XML, by names alone: what a parser must account for.

Nothing here is shared with the parser, which imports none of it either: a reader of its own, plain
XPath over local names, captions flattened by the simplest walk that the rules of captions allow. So
where the two agree, neither has lost anything.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Any

from lxml import etree

from biomedica.errors import Rejected

__all__ = ["HOLE", "Census", "CensusFig", "CensusGraphic", "take_census"]

HOLE = "\ufffc"
"""Stands in a census text for what has no one right reading: a formula, an e-mail address."""

PARTS = "front|body|back|floats-group|floats-wrap|sub-article|response|processing-meta"
"""What an article of JATS has one of."""

LEFT_OUT = frozenset(
    {"supplementary-material", "media", "fig", "fig-group", "table-wrap", "table", "graphic", "fn"}
    | {"inline-graphic", "alt-text", "long-desc", "object-id", "permissions", "attrib", "boxed-text"}
    | {"annotation", "annotation-xml", "kwd-group", "email", "chem-struct-wrap", "index-term", "array"}
)
"""What is no part of the caption around it."""

BLOCKS = frozenset(
    {"p", "title", "subtitle", "list", "list-item", "disp-formula", "td", "th", "tr", "disp-quote"}
    | {"sec", "break", "def-list", "def-item", "def", "term", "verse-line", "speech", "statement"}
    | {"preformat", "code"}
)
"""A word never runs on over their ends."""

FORMULAS = frozenset({"math", "tex-math", "alternatives"})
OWNERS = (
    "fig|table-wrap|disp-formula|inline-formula|disp-formula-group|chem-struct-wrap"
    "|chem-struct-wrapper|boxed-text|supplementary-material|inline-supplementary-material"
)
"""One figure with all its graphics."""
FIGURE_TYPES = ("fig", "figure", "figs")
ALONE = (
    "fig-group|table-wrap-group|abstract|trans-abstract|bio|front|front-stub|article-meta|journal-meta"
    "|contrib|named-content|ack|ref|license|permissions|kwd-group|funding-group|custom-meta"
)
"""A graphic directly in these is a figure of its own, whatever is around."""

_INVISIBLE = re.compile("[\u00ad\u200b\u2060\ufeff]")


@dataclass(frozen=True, slots=True)
class CensusFig:
    """A `fig`. Texts hold single spaces between words and HOLE for formulas."""

    id: str
    label: str
    captions: tuple[str, ...]
    """its own, in document order: one, or one for each language"""
    group_captions: tuple[str, ...]
    graphics: tuple[int, ...]
    """numbers of the graphics that it owns: nothing else that owns graphics lies between"""
    paragraphs: int
    """paragraphs, cells and titles outside of it with an xref that names it"""


@dataclass(frozen=True, slots=True)
class CensusGraphic:
    """A `graphic`."""

    href: str
    fig: int | None
    """place in `figs` of the fig that owns it"""
    captions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Census:
    """What one article's XML holds, sub-articles included."""

    figs: tuple[CensusFig, ...]
    graphics: tuple[CensusGraphic, ...]
    inline_graphics: int
    figures: int
    """figs, other owners of graphics, and graphics that nothing owns"""
    graphics_in_figs: int
    table_graphics: int
    """table-wraps with a graphic"""
    fig_xrefs: int
    """xref elements that say that they cite a figure"""
    rids_resolved: int
    """their rids, several in one rid counted each"""
    rids_unresolved: tuple[str, ...]
    references: int
    sub_articles: int

    def counts(self) -> dict[str, int]:
        """The numbers by name."""
        return {
            "figs": len(self.figs),
            "figures of any element": self.figures,
            "graphics": len(self.graphics),
            "graphics in figs": self.graphics_in_figs,
            "inline graphics": self.inline_graphics,
            "table-wraps with a graphic": self.table_graphics,
            "xrefs to figures": self.fig_xrefs,
            "rids resolved": self.rids_resolved,
            "rids unresolved": len(self.rids_unresolved),
            "references": self.references,
            "sub-articles": self.sub_articles,
        }


def take_census(xml: bytes, pmcid: str | None = None) -> Census:
    """Count one article of the bytes: the one with this PMCID where there are several.

    Raises Rejected (malformed_xml, not_jats, ambiguous_root) for what no reader should take.
    """
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True,
        remove_comments=True, remove_pis=True,
    )  # fmt: skip
    try:
        root = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        raise Rejected("malformed_xml", str(error)[:200]) from None
    _spell_entities(root)
    return _count(_choose(root, pmcid))


def _named(node: Any, names: str, axis: str = "descendant") -> list[Any]:
    """Elements on an axis whose local name is one of `a|b|c`, in document order."""
    tests = " or ".join(f"local-name()='{name}'" for name in names.split("|"))
    found: list[Any] = node.xpath(f"{axis}::*[{tests}]")
    return found


def _name(node: Any) -> str:
    return str(etree.QName(node).localname)


def _spell_entities(root: Any) -> None:
    """Entity nodes as the characters that HTML or the document's own DTD says they are."""
    dtd = root.getroottree().docinfo.internalDTD
    declared = {} if dtd is None else {one.name: one.content for one in dtd.entities()}
    for node in list(root.iter(etree.Entity)):
        known, name = html.unescape(node.text), node.text[1:-1]
        if known == node.text:
            known = declared.get(name, "\ufffd")
            known = "" if known is None else "\ufffd" if re.search("[<&]", known) else known
        text, node.tail = known + (node.tail or ""), None
        before, parent = node.getprevious(), node.getparent()
        if before is not None:
            before.tail = (before.tail or "") + text
        else:
            parent.text = (parent.text or "") + text
        parent.remove(node)


def _choose(root: Any, pmcid: str | None) -> Any:
    articles = [
        node
        for node in _named(root, "article", "descendant-or-self")
        if not _named(node, "article", "ancestor") and _named(node, PARTS, "child")
    ]
    if not articles or _name(root) == "html":
        raise Rejected("not_jats", f"no article in <{_name(root)[:60]}>")
    if len(articles) > 1 and pmcid is not None:
        wanted, bare = {pmcid, pmcid[3:]}, {pmcid.split(".")[0], pmcid.split(".")[0][3:]}
        exact = [one for one in articles if wanted & _pmcids(one)]
        articles = exact if len(exact) == 1 else [one for one in articles if bare & _pmcids(one)]
    if len(articles) != 1:
        raise Rejected("ambiguous_root", f"{len(articles)} articles, {pmcid or 'no id'} wanted")
    return articles[0]


def _pmcids(article: Any) -> set[str]:
    steps = "".join(f"/*[local-name()='{name}']" for name in ("front", "article-meta", "article-id"))
    kinds = " or ".join(f"@pub-id-type='{kind}'" for kind in ("pmc", "pmcid", "pmcid-ver"))
    return {(node.text or "").strip() for node in article.xpath(f".{steps}[{kinds}]")}


def _count(article: Any) -> Census:
    figs, graphics = _named(article, "fig"), _named(article, "graphic")
    xrefs = _named(article, "xref")
    ids = set(map(_squeeze, article.xpath("descendant-or-self::*/@id")))
    citing = [x for x in xrefs if x.get("ref-type", "").lower() in FIGURE_TYPES]
    rids = [rid for xref in citing for rid in _rids(xref, ids)]
    owners = [_owner(graphic) for graphic in graphics]
    places = {fig: place for place, fig in enumerate(figs)}
    paragraphs = _paragraphs(article, xrefs, ids)
    return Census(
        figs=tuple(
            CensusFig(
                id=_squeeze(fig.get("id", "")),
                label=" ".join(_flatten(node) for node in _named(fig, "label", "child")[:1]),
                captions=_captions(fig),
                group_captions=_captions(_nearest(fig, "fig-group")),
                graphics=tuple(i for i, own in enumerate(owners, start=1) if own is fig),
                paragraphs=len(paragraphs.get(fig, ())),
            )
            for fig in figs
        ),
        graphics=tuple(
            CensusGraphic(_href(graphic), places.get(own), _captions(graphic))
            for graphic, own in zip(graphics, owners, strict=True)
        ),
        inline_graphics=len(_named(article, "inline-graphic")),
        figures=len({*figs, *owners}),
        graphics_in_figs=sum(bool(_named(g, "fig", "ancestor")) for g in graphics),
        table_graphics=sum(bool(_named(t, "graphic")) for t in _named(article, "table-wrap")),
        fig_xrefs=len(citing),
        rids_resolved=sum(rid in ids for rid in rids),
        rids_unresolved=tuple(rid for rid in rids if rid not in ids),
        references=len(_named(article, "ref")),
        sub_articles=len(_named(article, "sub-article|response")),
    )


def _nearest(node: Any, names: str) -> Any:
    """The nearest ancestor of that name inside the article, or None."""
    return next(reversed(_named(node, names, "ancestor")), None)


def _owner(graphic: Any) -> Any:
    parent = graphic.getparent()
    alone = parent if _name(parent) == "alternatives" else graphic
    above = _nearest(graphic, f"{OWNERS}|{ALONE}")
    if above is not None and _name(above) in OWNERS.split("|"):
        return above
    media = _nearest(graphic, "media") if above is None else None
    return alone if media is None else media


def _squeeze(text: str) -> str:
    return " ".join(text.split())


def _href(graphic: Any) -> str:
    found = (value for name, value in graphic.attrib.items() if name.split("}")[-1] == "href")
    return next(found, "").strip()


def _rids(xref: Any, ids: set[str]) -> list[str]:
    whole = _squeeze(xref.get("rid", ""))
    return [whole] if whole in ids else whole.split() or ["no rid"]


def _paragraphs(article: Any, xrefs: list[Any], ids: set[str]) -> dict[Any, set[Any]]:
    """For each fig the elements whose text cites it, its own caption apart."""
    named: dict[str, list[Any]] = {}
    for node in _named(article, "fig|graphic|caption|label|alternatives"):
        fig = node if _name(node) == "fig" else node.getparent()
        if node.get("id") and _name(fig) == "fig":
            named.setdefault(_squeeze(node.get("id")), []).append(fig)
    for node in _named(article, "named-content|p|styled-content|target|title"):
        caption = _nearest(node, "caption")
        if node.get("id") and caption is not None and _name(fig := caption.getparent()) == "fig":
            named.setdefault("in caption " + _squeeze(node.get("id")), []).append(fig)
    found: dict[Any, set[Any]] = {}
    for xref in xrefs:
        scope = _nearest(xref, "sub-article|response")
        for rid in _rids(xref, ids):
            figs = named.get(rid, [])
            if not figs and xref.get("ref-type", "fig").lower() in FIGURE_TYPES:
                figs = named.get(f"in caption {rid}", [])
            same = [fig for fig in figs if _nearest(fig, "sub-article|response") is scope]
            main = [fig for fig in figs if _nearest(fig, "sub-article|response") is None]
            for fig in (same or main or figs)[:1]:
                if _nearest(xref, "fig|table-wrap|chem-struct-wrap|boxed-text") is not fig:
                    found.setdefault(fig, set()).add(_block(xref))
    return found


def _block(xref: Any) -> Any:
    """The paragraph, cell or title of whose text it is part, or else its parent."""
    block = _nearest(xref, "|".join({"p", "td", "th", "title"} | LEFT_OUT))
    return xref.getparent() if block is None or _name(block) in LEFT_OUT else block


def _captions(owner: Any) -> tuple[str, ...]:
    return () if owner is None else tuple(_flatten(node) for node in _named(owner, "caption", "child"))


def _flatten(element: Any) -> str:
    """The words of a caption: one space at the border of a block, none at that of an inline tag."""
    out: list[str] = []
    walk = etree.iterwalk(element, events=("start", "end"))
    for event, node in walk:
        name = _name(node)
        edge = " " if name in BLOCKS else ""
        if event == "end":
            out += (edge or _between_names(node), "" if node is element else node.tail or "")
        elif node is not element and name in LEFT_OUT:
            walk.skip_subtree()
        elif name in FORMULAS or (name.endswith("-formula") and _has_formula(node)):
            out.append(f"{edge}{HOLE}")
            walk.skip_subtree()
        elif name == "label" and _name(node.getparent()).endswith("-formula"):
            walk.skip_subtree()
        else:
            out += (edge, node.text or "")
    text = unicodedata.normalize("NFC", _INVISIBLE.sub("", "".join(out)))
    return " ".join(HOLE if _is_e_mail(word) else word for word in text.split())


def _is_e_mail(word: str) -> bool:
    at = word.find("@", 1)
    return at > 0 and 0 < word.find(".", at + 2) < len(word) - 1


def _between_names(node: Any) -> str:
    """`<taxon-name-part>Mus</…><taxon-name-part>musculus</…>` are two words."""
    follows = node.getnext()
    is_pair = follows is not None and _name(node) == _name(follows) == "taxon-name-part"
    return " " if is_pair and not node.tail else ""


def _has_formula(node: Any) -> bool:
    return bool(_named(node, "math|tex-math|alternatives"))
