"""What the parser yields: an Article with its figures. Plain data, no bytes of images."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

__all__ = [
    "Abstract",
    "AbstractSection",
    "Article",
    "Author",
    "Award",
    "Figure",
    "FigureReject",
    "Graphic",
    "License",
    "Mention",
    "PublicationDate",
    "Reference",
    "RelatedArticle",
    "Section",
    "TranslatedTitle",
]


@dataclass(frozen=True, slots=True)
class License:
    """A licence as JATS states it. `code` is PMC's spelling or None (schema: license_code)."""

    code: str | None
    spdx: str | None
    url: str | None
    source: str | None
    """license_ref | license_href | license_link | license_text | license_words | content_type"""


@dataclass(frozen=True, slots=True)
class PublicationDate:
    """When the article appeared, as far as is known; `type` says which `pub-date` was taken."""

    year: int
    month: int | None
    day: int | None
    type: str
    season: str | None = None
    """as printed ("Spring", "Jul-Sep"), where there is no month"""

    @property
    def precision(self) -> str:
        """day | month | season | year: the finest part that is known."""
        if self.month is not None:
            return "month" if self.day is None else "day"
        return "year" if self.season is None else "season"

    @property
    def date(self) -> datetime.date | None:
        if self.month is None or self.day is None:
            return None
        return datetime.date(self.year, self.month, self.day)


@dataclass(frozen=True, slots=True)
class Author:
    """An author, with the affiliations written out."""

    name: str
    orcid: str | None
    affiliations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Award:
    """A funder and the number of its award."""

    source: str | None
    award_id: str | None


@dataclass(frozen=True, slots=True)
class RelatedArticle:
    """Another article that this one names, as in a retraction."""

    type: str | None
    id_type: str | None
    id: str | None


@dataclass(frozen=True, slots=True)
class Abstract:
    """An abstract of another type or language than the main one."""

    type: str | None
    language: str | None
    title: str | None
    text: str


@dataclass(frozen=True, slots=True)
class AbstractSection:
    """A part of a structured abstract. `section` is the path of titles joined by ": "."""

    section: str
    text: str


@dataclass(frozen=True, slots=True)
class TranslatedTitle:
    """The title in another language, with its subtitle."""

    language: str | None
    title: str


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the body with its own text, without that of the sections inside it.

    path: its place in the tree, "2.1" for the first section of the second; "" for the body itself.
    section: the titles on the way to it joined by " > ", "" for none. type: @sec-type, lower case.
    """

    path: str
    section: str
    type: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Reference:
    """One citation of a ref. Field names are those of `articles.references`."""

    id: str | None
    pmid: str | None
    doi: str | None
    pmcid: str | None
    title: str | None
    source: str | None
    year: int | None
    text: str | None


@dataclass(frozen=True, slots=True)
class Mention:
    """One place that cites a figure. Field names are those of `pairs.mentions`."""

    section: str
    paragraph: str
    sentence: str
    panels: tuple[str, ...]
    is_range: bool
    via_parent: bool
    is_text_only: bool


@dataclass(frozen=True, slots=True)
class Graphic:
    """A graphic that may become a pair. `index`: 1…n over every graphic of the document."""

    index: int
    href: str
    position: int
    """1…m inside its figure"""
    caption: str | None = None
    """the graphic's own caption, appended after the figure's"""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with the graphics that may become pairs. Names are those of `pairs`."""

    figure_id: str
    kind: str
    label: str | None
    position: int
    caption: str
    caption_title: str | None
    caption_markup: str
    group_label: str | None
    group_caption: str | None
    parent_figure_id: str | None
    alt_text: str | None
    attribution: str | None
    third_party_text: str | None
    license: License | None
    mentions: tuple[Mention, ...]
    graphics: tuple[Graphic, ...]


@dataclass(frozen=True, slots=True)
class FigureReject:
    """A graphic, or a figure without one, that is no pair. Stage `figure`."""

    item: str
    graphic_index: int | None
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Article:
    """One parsed article. Names are those of `articles`; ids and flags are the document's own."""

    pmcid: str | None
    version: int | None
    pmid: int | None
    doi: str | None
    title: str | None
    other_titles: tuple[TranslatedTitle, ...]
    abstract: str | None
    abstract_sections: tuple[AbstractSection, ...]
    other_abstracts: tuple[Abstract, ...]
    journal: str | None
    issn: tuple[str, ...]
    publisher: str | None
    publication: PublicationDate | None
    article_type: str | None
    subjects: tuple[str, ...]
    keywords: tuple[str, ...]
    language: str | None
    authors: tuple[Author, ...]
    funding: tuple[Award, ...]
    related_articles: tuple[RelatedArticle, ...]
    citation: str | None
    copyright_statement: str | None
    license: License | None
    is_retracted: bool
    is_open_access: bool | None
    """`pmc-prop-open-access`, where the document has it: a cross-check of the metadata JSON"""
    references: tuple[Reference, ...]
    reference_count: int
    text: tuple[Section, ...]
    figures: tuple[Figure, ...]
    rejects: tuple[FigureReject, ...]
    figure_count: int
    graphic_count: int
    inline_graphic_count: int
    warnings: tuple[str, ...]
