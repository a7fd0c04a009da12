"""JATS XML bytes → Article: pure, the same article whatever was parsed before."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import cache
from typing import Final

from biomedica.config import ParseConfig
from biomedica.jats.abstracts import read_abstracts
from biomedica.jats.article import Article, License
from biomedica.jats.body import read_body
from biomedica.jats.dates import publication_date
from biomedica.jats.figures import choose_figures
from biomedica.jats.front import (
    Properties,
    compose_citation,
    is_retracted,
    read_ids,
    read_issn,
    read_journal,
    read_keywords,
    read_other_titles,
    read_properties,
    read_publisher,
    read_related,
    read_subjects,
    read_title,
)
from biomedica.jats.mentions import find_mentions
from biomedica.jats.owners import find_figures
from biomedica.jats.people import read_authors, read_funding
from biomedica.jats.permissions import read_copyright, read_license
from biomedica.jats.references import read_references
from biomedica.jats.tree import Tree, first_child
from biomedica.jats.xml import Element, choose_article, namespaces_of, read_xml
from biomedica.licenses import normalise_code

__all__ = ["PARSER_VERSION", "parse_article"]

PARSER_VERSION: Final = "2"
"""Changes whenever the same bytes may give another Article; part of the build digest."""


def parse_article(
    xml: bytes,
    *,
    pmcid: str | None = None,
    kinds: Collection[str] | None = None,
    keep_uncaptioned: bool = False,
) -> Article:
    """One article out of the bytes of a JATS document (or of a document that wraps articles).

    pmcid: the key, PMC123 or PMC123.1; it picks the article in a file with several, and where
    the document says otherwise there is a warning. kinds: figure kinds that may become pairs
    (default: those of ParseConfig). keep_uncaptioned: keep graphics without words.

    `graphic_count` = graphics of `figures` + rejects with a `graphic_index`, always.
    Raises Rejected with a reason of stage `parse`, and nothing else, whatever the bytes are.
    """
    root, warnings = read_xml(xml)
    article = choose_article(root, pmcid)
    # Counted by a walk of its own, before and apart from everything that decides about figures.
    graphics = [node.tag[-14:] for node in article.iter("{*}graphic", "{*}inline-graphic")]
    tree = Tree(article, namespaces_of(xml, root))
    described = _front_matter(tree, pmcid, warnings)
    index = find_figures(tree)
    mentions = find_mentions(tree, index, warnings)
    figures, rejects = choose_figures(
        tree,
        index,
        mentions,
        kinds=_default_kinds() if kinds is None else frozenset(kinds),
        keep_uncaptioned=keep_uncaptioned,
        warnings=warnings,
    )
    references, reference_count = read_references(tree)
    text = read_body(tree)
    _warn_of_text(article, [section.text for section in text], warnings)
    return replace(
        described,
        references=references,
        reference_count=reference_count,
        text=text,
        figures=figures,
        rejects=rejects,
        figure_count=len(index.records),
        graphic_count=len(graphics) - graphics.count("inline-graphic"),
        inline_graphic_count=graphics.count("inline-graphic"),
        warnings=tuple(dict.fromkeys(warnings)),
    )


@cache
def _default_kinds() -> frozenset[str]:
    return frozenset(ParseConfig().figure_kinds)


def _front_matter(tree: Tree, pmcid: str | None, warnings: list[str]) -> Article:
    """The article as its `front` describes it; text, figures and counts are still to come."""
    article = tree.article
    front = _child_or_empty(article, "front")
    meta = _child_or_empty(front, "article-meta")
    journal = first_child(front, "journal-meta")
    properties = read_properties(tree, front)
    ids = read_ids(meta, pmcid, warnings)
    kind = _folded(article.get("article-type"))
    title = read_title(tree, meta)
    related = read_related(tree, front)
    date = publication_date(tree, meta, warnings)
    abstracts = read_abstracts(tree, meta)
    holders = [*meta.iterchildren("permissions"), meta]
    license_ = read_license(tree, holders, warnings)
    _cross_check(properties, license_, warnings)
    return Article(
        pmcid=ids.pmcid, version=ids.version, pmid=ids.pmid, doi=ids.doi,
        title=title, other_titles=read_other_titles(tree, meta), abstract=abstracts.main,
        abstract_sections=abstracts.sections, other_abstracts=abstracts.others,
        journal=read_journal(tree, journal), issn=read_issn(tree, journal),
        publisher=read_publisher(tree, journal), publication=date, article_type=kind,
        subjects=read_subjects(tree, meta), keywords=read_keywords(tree, meta),
        language=tree.language, authors=read_authors(tree, meta), funding=read_funding(tree, meta),
        related_articles=related, citation=compose_citation(tree, front, meta, date, ids.doi),
        copyright_statement=read_copyright(tree, holders), license=license_,
        is_retracted=is_retracted(kind, title, related), is_open_access=properties.is_open_access,
        references=(), reference_count=0, text=(), figures=(), rejects=(), figure_count=0,
        graphic_count=0, inline_graphic_count=0, warnings=(),
    )  # fmt: skip


def _child_or_empty(parent: Element, name: str) -> Element:
    child = first_child(parent, name)
    return parent.makeelement(name) if child is None else child


def _folded(value: str | None) -> str | None:
    return " ".join((value or "").casefold().split()) or None


def _cross_check(properties: Properties, license_: License | None, warnings: list[str]) -> None:
    named = normalise_code(properties.license_ref)
    stated = license_.code if license_ is not None else None
    if named is not None and stated is not None and named != stated:
        warnings.append(f"license_contradiction: pmc-license-ref {named}, licence {stated}")
    if properties.is_scanned:
        warnings.append("scanned_article: the text comes from page images")


def _warn_of_text(article: Element, texts: list[str], warnings: list[str]) -> None:
    """No body, and UTF-8 that was read as Latin-1 ("cafÃ©")."""
    if first_child(article, "body") is None:
        warnings.append("no_body: the document holds front matter only")
    odd = [text for text in texts if not text.isascii() and ("Ã" in text or "â€" in text)]
    signs = sum(text.count("Ã") + text.count("â€") for text in odd)
    if signs >= 5 and signs * 2000 > sum(map(len, texts)):
        warnings.append(f"mojibake: {signs} places look like UTF-8 read as Latin-1")
