"""Pieces of JATS from a description. What is printed is noted in document order: `Sheet`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import escape, quoteattr

from .description import (
    Figure,
    Graphic,
    Paragraph,
    Reference,
    SampleArticle,
    Section,
    Sentence,
    Span,
    plain,
)

__all__ = ["Block", "Dialect", "Sheet", "reference_list", "section_list", "text_of"]

_TAGS = {"italic": "italic", "bold": "bold", "sup": "sup", "sub": "sub"}
_PREAMBLE = (
    "\\documentclass[12pt]{minimal}\n\\usepackage{amsmath}\n\\usepackage{wasysym}\n"
    "\\usepackage{amsfonts}\n\\usepackage{amssymb}\n\\setlength{\\oddsidemargin}{-69pt}\n"
)
_XLINK = ' xmlns:xlink="http://www.w3.org/1999/xlink"'


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a house spells what every house writes."""

    local_xlink: bool = False
    """xlink is declared on each element that uses it"""
    tex: str = "mathml"
    """formulae in text: mathml, tex (bare) or document (a whole LaTeX document and MathML)"""
    spaces: str = " "
    """the space around `=`"""
    object_ids: str = ""
    """the DOI on which figure DOIs are built, or none"""
    source_data: bool = False
    """figure captions hold a supplementary data file"""
    marks: str = ""
    """a comment or processing instruction set into captions"""
    placed: str = "position"
    """the attribute of placement: position or none"""
    single_citation: bool = True
    """references as element-citation, else as mixed-citation"""


@dataclass(frozen=True, slots=True)
class Block:
    """A printed stretch of text: the titles above it, its sentences, its place in the body's tree."""

    section: str
    sentences: tuple[Sentence, ...]
    is_body: bool
    path: str = ""

    @property
    def text(self) -> str:
        return " ".join(plain(sentence.spans) for sentence in self.sentences)


@dataclass(slots=True)
class Sheet:
    """What has been printed so far, in document order."""

    dialect: Dialect
    figures: list[tuple[Figure, Figure | None, str]] = field(default_factory=list)
    """(figure, the figure around it, the id that a reader gives it)"""
    graphics: list[tuple[int, Graphic]] = field(default_factory=list)
    """(place in `figures`, graphic)"""
    blocks: list[Block] = field(default_factory=list)
    sections: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """place in the body's tree ("2.1") → (titles, sec-type)"""
    inline_graphics: int = 0

    # -- text

    def spans(self, spans: Iterable[Span]) -> str:
        return "".join(map(self.span, spans))

    def span(self, span: Span) -> str:
        if span.kind == "tex":
            return self._formula(span.text)
        inner = self.spans(span.children) if span.children else self.text(span.text)
        if span.kind == "xref":
            return f'<xref ref-type="{span.ref_type}" rid="{" ".join(span.targets)}">{inner}</xref>'
        tag = _TAGS.get(span.kind)
        return f"<{tag}>{inner}</{tag}>" if tag else inner

    def text(self, text: str) -> str:
        return escape(text).replace(" = ", f"{self.dialect.spaces}={self.dialect.spaces}")

    def _formula(self, tex: str) -> str:
        base, _, power = tex.partition("^")
        power = power.strip("{}")
        math = (
            f'<mml:math xmlns:mml="http://www.w3.org/1998/Math/MathML"><mml:msup><mml:mi>{base}'
            f"</mml:mi><mml:mn>{power}</mml:mn></mml:msup></mml:math>"
        )
        if self.dialect.tex == "mathml":
            return f"<inline-formula>{math}</inline-formula>"
        if self.dialect.tex == "tex":
            return f"<inline-formula><tex-math>${tex}$</tex-math></inline-formula>"
        whole = f"{_PREAMBLE}\\begin{{document}}$${tex}$$\\end{{document}}"
        self.inline_graphics += 1
        return (
            "<inline-formula><alternatives><tex-math>"
            f"{escape(whole)}</tex-math>{math}<inline-graphic{self.href(f'IEq{self.inline_graphics}.gif')}/>"
            "</alternatives></inline-formula>"
        )

    def sentences(self, sentences: Sequence[Sentence]) -> str:
        return " ".join(self.spans(sentence.spans) for sentence in sentences)

    def href(self, href: str) -> str:
        return f"{_XLINK if self.dialect.local_xlink else ''} xlink:href={quoteattr(href)}"

    def paragraph(self, paragraph: Paragraph, section: str, is_body: bool, path: str = "") -> str:
        self.blocks.append(Block(section, paragraph.sentences, is_body, path))
        inner = self.sentences(paragraph.sentences)
        return f"<p>{inner}{''.join(map(self.figure, paragraph.figures))}</p>"

    # -- figures

    def figure(self, figure: Figure, parent: Figure | None = None) -> str:
        """A figure in its XML form; notes it, its graphics and its children."""
        place = len(self.figures)
        self.figures.append((figure, parent, figure.id or f"fig-{place + 1}"))
        forms = {
            "fig": self._fig,
            "table-wrap": self._table_wrap,
            "disp-formula": self._disp_formula,
            "boxed-text": self._boxed_text,
        }
        form = forms.get(figure.element)
        if form is not None:
            return form(figure, place)
        graphics = self._graphics(figure, place)
        return f"<bio><p>{graphics}</p></bio>" if figure.element == "bio" else f"<p>{graphics}</p>"

    def _graphics(self, figure: Figure, place: int) -> str:
        parts = []
        for graphic in figure.graphics:
            self.graphics.append((place, graphic))
            use = f' specific-use="{graphic.specific_use}"' if graphic.specific_use else ""
            href = self.href(graphic.href) if graphic.href is not None else ""
            parts.append(f"<graphic{use}{href}/>")
        inner = "".join(parts)
        return f"<alternatives>{inner}</alternatives>" if figure.in_alternatives else inner

    def _head(self, figure: Figure) -> str:
        label = f"<label>{escape(figure.label)}</label>" if figure.label else ""
        return self._object_id(figure) + label + self._caption(figure)

    def _object_id(self, figure: Figure) -> str:
        if not self.dialect.object_ids or not figure.id:
            return ""
        number = len(self.figures)
        return f'<object-id pub-id-type="doi">{self.dialect.object_ids}.g{number:03}</object-id>'

    def _caption(self, figure: Figure) -> str:
        caption, parts = figure.caption, []
        if caption.title is not None:
            parts.append(f"<title>{self.dialect.marks}{self.spans(caption.title)}</title>")
        for sentences in caption.paragraphs:
            self._note_caption(figure, sentences)
            parts.append(f"<p>{self.sentences(sentences)}</p>")
        if self.dialect.source_data and parts and figure.kind == "figure":
            label = f"{figure.expected_label}—source data 1."
            parts.append(
                f"<p><supplementary-material><label>{escape(label)}</label><caption><title>Numbers "
                f"behind the plot.</title></caption><media{self.href('data1.xlsx')}/>"
                "</supplementary-material></p>"
            )
        return f"<caption>{''.join(parts)}</caption>" if parts else ""

    def _note_caption(self, figure: Figure, sentences: tuple[Sentence, ...]) -> None:
        if any(sentence.cites for sentence in sentences):
            section = f"Caption of {figure.expected_label}"
            self.blocks.append(Block(section, sentences, False))

    def _fig(self, figure: Figure, place: int) -> str:
        name = f" id={quoteattr(figure.id)}" if figure.id else ""
        floating = ' position="float"' if self.dialect.placed == "position" else ""
        child = ' specific-use="child-fig"' if self.figures[place][1] else ""
        alt = f"<alt-text>{escape(figure.alt_text)}</alt-text>" if figure.alt_text else ""
        parts = [
            f"<fig{name}{floating}{child}>",
            self._head(figure),
            alt,
            self._graphics(figure, place),
        ]
        if figure.video:
            parts.append(f'<media mimetype="video" mime-subtype="mp4"{self.href(figure.video)}/>')
        for one in figure.children:
            parts.append(f'<p content-type="supplemental-figure">{self.figure(one, figure)}</p>')
        if figure.attribution:
            parts.append(f"<attrib>{escape(figure.attribution)}</attrib>")
        if figure.permissions:
            said = escape(figure.permissions)
            parts.append(
                f"<permissions><copyright-statement>{said}</copyright-statement></permissions>"
            )
        return "".join([*parts, "</fig>"])

    def _table_wrap(self, figure: Figure, place: int) -> str:
        drawn = self._graphics(figure, place)
        if figure.has_table:
            rows = "".join(f"<tr><td>Row {n}</td><td>{n * 7 % 13}.{n}</td></tr>" for n in (1, 2, 3))
            table = f"<table><thead><tr><th>Item</th><th>Value</th></tr></thead><tbody>{rows}</tbody></table>"
            drawn = f"<alternatives>{drawn}{table}</alternatives>"
        return f"<table-wrap id={quoteattr(figure.id or '')}>{self._head(figure)}{drawn}</table-wrap>"

    def _disp_formula(self, figure: Figure, place: int) -> str:
        tex = f"<tex-math>{escape(figure.formula or '')}</tex-math>"
        inner = f"<alternatives>{tex}{self._graphics(figure, place)}</alternatives>"
        label = f"<label>{escape(figure.label or '')}</label>"
        return f"<disp-formula id={quoteattr(figure.id or '')}>{label}{inner}</disp-formula>"

    def _boxed_text(self, figure: Figure, place: int) -> str:
        head, drawn = self._caption(figure), self._graphics(figure, place)
        return f"<boxed-text id={quoteattr(figure.id or '')}>{head}{drawn}</boxed-text>"


def section_list(
    sheet: Sheet,
    sections: Sequence[Section],
    above: tuple[str, ...] = (),
    is_body: bool = True,
    path: str = "",
) -> str:
    """`sec` elements; a section without a title prints its paragraphs bare.

    above: titles, and path: place in the body's tree, of what holds the sections.
    """
    parts = []
    for section in sections:
        titles = (*above, section.title) if section.title else above
        where = " > ".join(titles)
        place = path
        if section.title and is_body:
            beside = sum(known.rpartition(".")[0] == path for known in sheet.sections)
            place = f"{path}.{beside + 1}".lstrip(".")
            sheet.sections[place] = (where, section.sec_type)
        inner = [sheet.paragraph(one, where, is_body, place) for one in section.paragraphs]
        inner += [sheet.figure(one) for one in section.figures]
        inner.append(section_list(sheet, section.sections, titles, is_body, place))
        if not section.title:
            parts += inner
            continue
        kind = f' sec-type="{section.sec_type}"' if section.sec_type else ""
        title = f"<title>{escape(section.title)}</title>"
        parts.append(f"<sec{kind}>{title}{''.join(inner)}</sec>")
    return "\n".join(parts)


def _person_group(reference: Reference) -> str:
    names = "".join(
        f"<name><surname>{escape(family)}</surname><given-names>{given}</given-names></name>"
        for family, given in reference.authors
    )
    return f'<person-group person-group-type="author">{names}</person-group>'


def reference_list(sheet: Sheet, references: Sequence[Reference], title: str = "References") -> str:
    """The `ref-list`, as element-citation or mixed-citation."""
    items = []
    for reference in references:
        ids = "".join(
            f'<pub-id pub-id-type="{kind}">{value}</pub-id>'
            for kind, value in (("doi", reference.doi), ("pmid", reference.pmid))
            if value
        )
        tag = "element-citation" if sheet.dialect.single_citation else "mixed-citation"
        gap = "" if sheet.dialect.single_citation else " "
        fields = gap.join(
            (
                _person_group(reference),
                f"<article-title>{escape(reference.title)}</article-title>",
                f"<source>{escape(reference.source)}</source>",
                f"<year>{reference.year}</year>",
                f"<volume>{reference.volume}</volume>",
                f"<fpage>{reference.first_page}</fpage>",
            )
        )
        items.append(
            f'<ref id="{reference.id}"><{tag} publication-type="journal">{fields}{gap}{ids}</{tag}></ref>'
        )
    return f"<ref-list><title>{title}</title>{chr(10).join(items)}</ref-list>" if items else ""


def text_of(article: SampleArticle) -> str:
    """The plain text that PMC serves beside the XML: title, abstract, body."""
    lines = ["".join(span.text for span in article.title), ""]
    lines += [f"{title}: {text}" if title else text for title, text in article.abstract]

    def add(sections: Sequence[Section]) -> None:
        for section in sections:
            lines.extend(("", section.title) if section.title else ("",))
            lines.extend(paragraph.text for paragraph in section.paragraphs)
            add(section.sections)

    add(article.sections)
    return "\n".join(lines) + "\n"
