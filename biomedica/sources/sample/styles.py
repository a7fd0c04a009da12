"""One function a publisher: a described article as that publisher's JATS, and what was printed.

The eight differ in structure, not only in names: ids, dates, licences, where figures and notes
stand, how formulae and links are written (jats.md sections 1 to 6).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from . import matter
from .description import SampleArticle
from .markup import Dialect, Sheet, reference_list, section_list

__all__ = ["Printed", "print_article"]

_XLINK = ' xmlns:xlink="http://www.w3.org/1999/xlink"'
_MML = ' xmlns:mml="http://www.w3.org/1998/Math/MathML"'
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
_DOCTYPE = (
    '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS (Z39.96) Journal Archiving and Interchange DTD '
    'with MathML3 v1.4 20241031//EN" "JATS-archivearticle1-4-mathml3.dtd">\n'
)
_OLD_DOCTYPE = (
    '<!DOCTYPE article PUBLIC "-//NLM//DTD Journal Archiving and Interchange DTD v2.3 20070202//EN" '
    '"archivearticle.dtd">\n'
)


@dataclass(frozen=True, slots=True)
class Printed:
    """The XML, the notes of what stands where, and what a reader must recover from the front."""

    xml: bytes
    sheet: Sheet
    date_type: str
    copyright: str


def _where(article: SampleArticle) -> str:
    return (
        f"<volume>{article.volume}</volume><issue>{article.issue}</issue>"
        f"<elocation-id>{article.pages}</elocation-id>"
    )


def _front(article: SampleArticle, *parts: str, old: bool = False) -> str:
    meta = "\n".join(part for part in parts if part)
    return f"<front>{matter.journal_meta(article, old)}<article-meta>{meta}</article-meta></front>"


def _root(article: SampleArticle, names: str, version: str) -> str:
    return f'<article{names} dtd-version="{version}" article-type="{article.article_type}"'


def _body(sheet: Sheet, article: SampleArticle, *more: str) -> str:
    inner = section_list(sheet, article.sections) + "".join(more)
    return f"<body>{inner}</body>\n" if inner else ""


def _back(sheet: Sheet, article: SampleArticle, *parts: str, title: str = "References") -> str:
    """Thanks, appendix, notes, references, biographies, in this order."""
    thanks = "<ack><title>Acknowledgements</title><p>We thank the animal house.</p></ack>"
    inner = [thanks] if article.references and article.sections else []
    if article.appendix:
        inner.append("<app-group>")
        for number, section in enumerate(article.appendix, start=1):
            heading = f'<app id="app{number}"><title>{escape(section.title)}</title>'
            said = [sheet.paragraph(one, section.title, False) for one in section.paragraphs]
            inner += [heading, *said, *map(sheet.figure, section.figures), "</app>"]
        inner.append("</app-group>")
    inner += parts
    inner.append(reference_list(sheet, article.references, title))
    inner += map(sheet.figure, article.portraits)
    return f"<back>{''.join(inner)}</back>\n" if "".join(inner) else ""


def _floats(sheet: Sheet, article: SampleArticle) -> str:
    drawn = "".join(map(sheet.figure, article.floats))
    return f"<floats-group>{drawn}</floats-group>" if drawn else ""


def _sub_articles(sheet: Sheet, article: SampleArticle) -> str:
    parts = []
    for sub in article.sub_articles:
        stub = (
            f"<front-stub><article-id pub-id-type=\"doi\">{article.doi}.{sub.id}</article-id>"
            f"<title-group><article-title>{escape(sub.title)}</article-title></title-group></front-stub>"
        )  # fmt: skip
        body = section_list(sheet, sub.sections, (sub.title,), is_body=False)
        parts.append(
            f'<sub-article id="{sub.id}" article-type="{sub.type}" xml:lang="{sub.language}">'
            f"{stub}<body>{body}</body></sub-article>"
        )
    return "\n".join(parts)


def _plos(article: SampleArticle, sheet: Sheet) -> tuple[str, str, str]:
    """Current PMC form with DOCTYPE; supporting information is a section."""
    statement = f"© {article.date[0]} {article.holder} et al"
    front = _front(
        article,
        matter.article_ids(article), matter.subjects(article), matter.titles(sheet, article),
        matter.contributors(article), matter.author_notes(article),
        matter.date(article, 'pub-type="collection"', parts=1),
        matter.date(article, 'pub-type="epub"'),
        _where(article), matter.history(article), matter.related(sheet, article),
        matter.permissions(article, statement, matter.license_xml(sheet, article.license, "ali+link")),
        matter.abstracts(article), matter.keywords(article), matter.funding(article),
        matter.custom_meta(article),
    )  # fmt: skip
    supporting = matter.supplement(sheet, article)
    if supporting:
        supporting = f'<sec sec-type="supplementary-material"><title>Supporting information</title>{supporting}</sec>'
    root = _root(article, _XLINK + _MML, "1.4") + ' xml:lang="en">'
    processing = (
        '<processing-meta base-tagset="archiving"><restricted-by>pmc</restricted-by></processing-meta>'
    )
    body, back = _body(sheet, article, supporting), _back(sheet, article)
    return f"{_DECLARATION}{_DOCTYPE}{root}{processing}{front}{body}{back}</article>", "epub", statement


def _mdpi(article: SampleArticle, sheet: Sheet) -> tuple[str, str, str]:
    """All figures in a floats-group after the back matter; the licence is named in words too."""
    statement = f"© {article.date[0]} by the authors."
    front = _front(
        article,
        matter.article_ids(article), matter.subjects(article), matter.titles(sheet, article),
        matter.contributors(article), matter.author_notes(article),
        matter.date(article, 'pub-type="epub"'), matter.date(article, 'pub-type="collection"', parts=2),
        _where(article), matter.history(article), matter.related(sheet, article),
        matter.permissions(article, statement, matter.license_xml(sheet, article.license, "link")),
        matter.abstracts(article), matter.keywords(article), matter.funding(article),
    )  # fmt: skip
    body = _body(sheet, article)
    back = _back(sheet, article, matter.supplement(sheet, article))
    root = _root(article, _XLINK + _MML, "1.4") + ' xml:lang="en">'
    end = _floats(sheet, article)
    return f"{_DECLARATION}{root}{front}{body}{back}{end}</article>", "epub", statement


def _elsevier(article: SampleArticle, sheet: Sheet) -> tuple[str, str, str]:
    """license_ref alone, highlights, graphical abstract; the PMC release is not the publication."""
    statement = f"© {article.date[0]} The Authors"
    highlights = graphical = ""
    if article.abstract:
        point = f"<list-item><p>We studied {escape(article.keywords[-1])}.</p></list-item>"
        highlights = (
            '<abstract abstract-type="author-highlights"><title>Highlights</title>'
            f"<p><list>{point}</list></p></abstract>"
        )
    if article.graphical_abstract:
        said, figure = article.graphical_abstract
        words = f"<p>{escape(said)}</p>" if said else ""
        graphical = (
            '<abstract abstract-type="graphical"><title>Graphical abstract</title>'
            f"{words}<p>{sheet.figure(figure)}</p></abstract>"
        )
    front = _front(
        article,
        matter.article_ids(article), matter.subjects(article), matter.titles(sheet, article),
        matter.contributors(article), matter.author_notes(article),
        matter.date(article, 'pub-type="pmc-release"', later=1),
        matter.date(article, 'pub-type="collection"', parts=2),
        _where(article), matter.history(article), matter.related(sheet, article),
        matter.permissions(article, statement, matter.license_xml(sheet, article.license, "ali")),
        matter.abstracts(article), highlights, graphical,
        matter.keywords(article), matter.funding(article),
    )  # fmt: skip
    body = _body(sheet, article, matter.supplement(sheet, article))
    back = _back(sheet, article)
    root = _root(article, _MML, "1.4") + ' xml:lang="en">'
    return f"{root}{front}{body}{back}</article>", "collection", statement


def _springer(article: SampleArticle, sheet: Sheet) -> tuple[str, str, str]:
    """LaTeX documents beside MathML; the licence speaks of a waiver for the data as well."""
    statement = f"© The Author(s) {article.date[0]}"
    front = _front(
        article,
        matter.article_ids(article), matter.subjects(article), matter.titles(sheet, article),
        matter.contributors(article, "inline"), matter.author_notes(article),
        matter.date(article, 'pub-type="epub"'), matter.date(article, 'pub-type="pmc-release"'),
        matter.date(article, 'pub-type="collection"', parts=1),
        _where(article), matter.history(article), matter.related(sheet, article),
        matter.permissions(article, statement, matter.license_xml(sheet, article.license, "href+data")),
        matter.abstracts(article), matter.keywords(article), matter.funding(article),
    )  # fmt: skip
    body = _body(sheet, article)
    back = _back(sheet, article, matter.supplement(sheet, article))
    root = _root(article, _XLINK + _MML, "1.3") + ' xml:lang="en">'
    return f"{_DECLARATION}{root}{front}{body}{back}</article>", "epub", statement


def _wiley(article: SampleArticle, sheet: Sheet) -> tuple[str, str, str]:
    """Renditions for web and print in alternatives; the printed issue is dated before the web."""
    statement = f"© {article.date[0]} The Author(s). Published by {article.publisher}."
    front = _front(
        article,
        matter.article_ids(article), matter.subjects(article, "overline"), matter.titles(sheet, article),
        matter.contributors(article), matter.author_notes(article),
        matter.date(article, 'pub-type="ppub"', parts=2), matter.date(article, 'pub-type="epub"'),
        _where(article), matter.history(article), matter.related(sheet, article),
        matter.permissions(article, statement, matter.license_xml(sheet, article.license, "ali+link")),
        matter.abstracts(article), matter.keywords(article, "en"), matter.funding(article),
        matter.custom_meta(article),
    )  # fmt: skip
    body = _body(sheet, article)
    back = _back(sheet, article, matter.supplement(sheet, article))
    root = _root(article, _XLINK + _MML, "1.4") + ' xml:lang="en">'
    return f"{_DECLARATION}{_DOCTYPE}{root}{front}{body}{back}</article>", "epub", statement


def _elife(article: SampleArticle, sheet: Sheet) -> tuple[str, str, str]:
    """Child figs inside figs, object ids, decision letter and author response with figures."""
    statement = f"© {article.date[0]}, {article.holder} et al"
    front = _front(
        article,
        matter.article_ids(article), matter.subjects(article), matter.titles(sheet, article),
        matter.contributors(article), matter.author_notes(article),
        matter.date(article, 'publication-format="electronic" date-type="pub"'),
        matter.date(article, 'pub-type="collection"', parts=1),
        _where(article), matter.history(article), matter.related(sheet, article),
        matter.permissions(article, statement, matter.license_xml(sheet, article.license, "href")),
        matter.abstracts(article), matter.keywords(article), matter.funding(article),
    )  # fmt: skip
    body = _body(sheet, article)
    back = _back(sheet, article, matter.supplement(sheet, article))
    subs = _sub_articles(sheet, article)
    root = _root(article, _XLINK + _MML, "1.2") + ' xml:lang="en">'
    return f"{_DECLARATION}{_DOCTYPE}{root}{front}{body}{back}{subs}</article>", "pub", statement


def _old(article: SampleArticle, sheet: Sheet) -> tuple[str, str, str]:
    """The form of old packages: pmc ids in digits, hrefs without extension, no language."""
    front = _front(
        article,
        matter.article_ids(article, old=True), matter.subjects(article), matter.titles(sheet, article),
        matter.contributors(article), matter.author_notes(article),
        matter.date(article, 'pub-type="ppub"', parts=2),
        matter.date(article, 'pub-type="pmc-release"', later=1),
        _where(article), matter.history(article), matter.related(sheet, article),
        matter.permissions(article, None, matter.license_xml(sheet, article.license, "href")),
        matter.abstracts(article), matter.keywords(article), matter.funding(article), old=True,
    )  # fmt: skip
    body = _body(sheet, article)
    back = _back(sheet, article, matter.supplement(sheet, article))
    root = _root(article, _MML, "2.3") + ">"
    statement = f"© {article.date[0]} {article.holder}"
    return (
        f"{_OLD_DOCTYPE}{root}<?properties open_access?>{front}{body}{back}</article>",
        "ppub",
        statement,
    )


def _scielo(article: SampleArticle, sheet: Sheet) -> tuple[str, str, str]:
    """Portuguese or Spanish with an English translation that shows the figures again."""
    statement = f"© {article.date[0]} {article.holder}"
    front = _front(
        article,
        matter.article_ids(article), matter.subjects(article), matter.titles(sheet, article),
        matter.contributors(article), matter.author_notes(article),
        matter.date(article, 'date-type="collection"', parts=1),
        _where(article), matter.history(article), matter.related(sheet, article),
        matter.permissions(article, None, matter.license_xml(sheet, article.license, "href")),
        matter.abstracts(article), matter.keywords(article, article.language), matter.funding(article),
    )  # fmt: skip
    body = _body(sheet, article)
    back = _back(sheet, article, matter.supplement(sheet, article), title="Referências")
    subs = _sub_articles(sheet, article)
    root = _root(article, _XLINK + _MML, "1.1") + f' xml:lang="{article.language}">'
    return f"{_DECLARATION}{root}{front}{body}{back}{subs}</article>", "collection", statement


_Style = Callable[[SampleArticle, Sheet], tuple[str, str, str]]
_STYLES: dict[str, tuple[_Style, Dialect]] = {
    "plos": (_plos, Dialect(tex="mathml", marks="<!-- checked -->")),
    "mdpi": (_mdpi, Dialect(tex="tex")),
    "elsevier": (_elsevier, Dialect(local_xlink=True, spaces="\u2009")),
    "springer": (_springer, Dialect(tex="document", placed="none")),
    "wiley": (_wiley, Dialect(spaces="\u00a0", single_citation=False)),
    "elife": (_elife, Dialect(source_data=True, object_ids="10.97554/life.fig")),
    "old": (_old, Dialect(local_xlink=True, marks="<?A3B2 twocol?>", single_citation=False)),
    "scielo": (_scielo, Dialect(single_citation=False)),
}


def print_article(article: SampleArticle) -> Printed:
    """The article as its publisher writes it."""
    style, dialect = _STYLES[article.house]
    sheet = Sheet(dialect)
    text, date_type, statement = style(article, sheet)
    return Printed(text.encode(), sheet, date_type, statement)
