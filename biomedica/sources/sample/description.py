"""A sample article as plain data: the single source of both its XML and its expected rows.

Text is `Rich`: spans that know their plain form and what they are, so that the XML and the
expected plain text are printed from the same thing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .images import Picture

__all__ = [
    "Author",
    "Caption",
    "Cite",
    "Figure",
    "Graphic",
    "LicenseChoice",
    "Media",
    "Paragraph",
    "Reference",
    "Rich",
    "SampleArticle",
    "Section",
    "Sentence",
    "Span",
    "SubArticle",
    "plain",
    "rich",
]


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text. kind: "" (text), italic, bold, sup, sub, tex, or xref with its `targets`.

    `children` stand inside the element; `text` is their plain form.
    """

    text: str
    kind: str = ""
    targets: tuple[str, ...] = ()
    ref_type: str = ""
    children: tuple[Span, ...] = ()


Rich = tuple[Span, ...]

_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_MARKS = {"*": "italic", "^": "sup", "~": "sub", "$": "tex", "#": "bold"}
_MARKED = re.compile(r"([*^~$#])(.+?)\1")


def rich(text: str) -> Rich:
    """`10^6^ *E. coli* in H~2~O` → spans; `$…$` is TeX, `#…#` bold."""
    spans, end = [], 0
    for found in _MARKED.finditer(text):
        if found.start() > end:
            spans.append(Span(text[end : found.start()]))
        spans.append(Span(found[2], _MARKS[found[1]]))
        end = found.end()
    if end < len(text):
        spans.append(Span(text[end:]))
    return tuple(spans)


def plain(text: Iterable[Span]) -> str:
    """The plain form, as jats.md section 4 wants it."""
    return "".join(span.text for span in text)


@dataclass(frozen=True, slots=True)
class Cite:
    """One figure named by a sentence."""

    figure_id: str
    panels: tuple[str, ...] = ()
    is_range: bool = False
    is_text_only: bool = False


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence, and which figures it names."""

    spans: Rich
    cites: tuple[Cite, ...] = ()


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences, joined by spaces."""

    sentences: tuple[Sentence, ...]
    figures: tuple[Figure, ...] = ()
    """figures that stand inside the `p` element, after the text"""

    @property
    def text(self) -> str:
        return " ".join(plain(sentence.spans) for sentence in self.sentences)


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the text; without a title its paragraphs stand bare."""

    title: str
    paragraphs: tuple[Paragraph, ...] = ()
    sections: tuple[Section, ...] = ()
    figures: tuple[Figure, ...] = ()
    """figures that stand after the paragraphs"""
    sec_type: str | None = None


@dataclass(frozen=True, slots=True)
class Media:
    """A file beside the XML: an image, or bytes of a supplementary file."""

    name: str
    picture: Picture | None = None
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Graphic:
    """One `graphic`. `media`: the name of the file it reaches; `reject`: (stage, reason) or None."""

    href: str | None
    media: str | None
    reject: tuple[str, str] | None = None
    specific_use: str | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption in a house's dress: a title, paragraphs, or both."""

    title: Rich | None = None
    paragraphs: tuple[tuple[Sentence, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """An element that shows something. `element` is its XML form, `kind` one of FIGURE_KINDS."""

    id: str | None
    element: str
    kind: str
    label: str | None
    caption: Caption
    graphics: tuple[Graphic, ...]
    children: tuple[Figure, ...] = ()
    in_alternatives: bool = False
    has_table: bool = False
    video: str | None = None
    alt_text: str | None = None
    attribution: str | None = None
    permissions: str | None = None
    third_party: bool = False
    reject: str | None = None
    """why a figure without graphics is no pair: no_graphic or video"""
    expected_label: str | None = None
    """the label that a reader shows: without the final stop, or found in the caption"""
    formula: str | None = None
    """TeX beside the formula's picture"""


@dataclass(frozen=True, slots=True)
class Author:
    """An author; `affiliations` are places in the article's list."""

    given: str
    family: str
    orcid: str | None
    affiliations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """One entry of the reference list."""

    id: str
    authors: tuple[tuple[str, str], ...]
    title: str
    source: str
    year: int
    volume: int
    first_page: int
    doi: str | None
    pmid: str | None


@dataclass(frozen=True, slots=True)
class LicenseChoice:
    """code as PMC spells it (None: no Creative Commons code), version of the deed."""

    code: str | None
    version: str = "4.0"

    @property
    def url(self) -> str | None:
        if self.code is None or self.code == "TDM":
            return None
        if self.code == "CC0":
            return "https://creativecommons.org/publicdomain/zero/1.0/"
        return f"https://creativecommons.org/licenses/{self.code[3:].lower()}/{self.version}/"

    @property
    def spdx(self) -> str | None:
        if self.url is None or self.code is None:
            return None
        return "CC0-1.0" if self.code == "CC0" else f"{self.code.replace(' ', '-')}-{self.version}"

    @property
    def group(self) -> str:
        if self.code is None or self.code == "TDM":
            return "other"
        return "noncommercial" if "NC" in self.code else "commercial"


@dataclass(frozen=True, slots=True)
class SubArticle:
    """A translation or an author response, with sections and figures of its own."""

    id: str
    type: str
    language: str
    title: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class SampleArticle:
    """Everything about one article version that its XML, its metadata and its truth need."""

    index: int
    pmcid: int
    version: int
    house: str
    language: str
    article_type: str
    title: Rich
    subtitle: str | None
    doi: str
    pmid: int | None
    journal: str
    journal_id: str
    abbreviation: str
    publisher: str
    issn: tuple[tuple[str, str], ...]
    volume: int
    issue: int
    pages: str
    date: tuple[int, int | None, int | None]
    received: tuple[int, int, int]
    subjects: tuple[str, ...]
    keywords: tuple[str, ...]
    authors: tuple[Author, ...]
    affiliations: tuple[str, ...]
    email: str
    funding: tuple[tuple[str, str], ...]
    license: LicenseChoice
    holder: str
    abstract: tuple[tuple[str, str], ...]
    """(section title or "", text)"""
    graphical_abstract: tuple[str, Figure] | None
    """a sentence beside the picture, and the figure without a caption of its own"""
    sections: tuple[Section, ...]
    floats: tuple[Figure, ...]
    appendix: tuple[Section, ...]
    portraits: tuple[Figure, ...]
    sub_articles: tuple[SubArticle, ...]
    references: tuple[Reference, ...]
    related: tuple[tuple[str, str], ...]
    """(related-article-type, DOI)"""
    media: tuple[Media, ...]
    supplement: str | None
    """the supplementary file that the XML names"""
    is_retracted: bool = False
    is_manuscript: bool = False
    is_open_access: bool = True
    is_historical_ocr: bool = False
    has_pdf: bool = True

    @property
    def article_id(self) -> str:
        return f"PMC{self.pmcid}.{self.version}"

    @property
    def citation(self) -> str:
        year, month, day = self.date
        name = _MONTHS[3 * month - 3 : 3 * month] if month else ""
        when = " ".join(str(part) for part in (year, name, day or "") if part)
        where = f"{self.volume}({self.issue}):{self.pages}"
        return f"{self.abbreviation}. {when};{where}. doi: {self.doi}"
