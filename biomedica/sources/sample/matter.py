"""The front matter of JATS, piece by piece."""

from __future__ import annotations

from xml.sax.saxutils import escape

from .description import LicenseChoice, SampleArticle
from .markup import Sheet

__all__ = [
    "abstracts",
    "article_ids",
    "author_notes",
    "contributors",
    "custom_meta",
    "date",
    "funding",
    "history",
    "journal_meta",
    "keywords",
    "license_xml",
    "permissions",
    "related",
    "subjects",
    "supplement",
    "titles",
]

_NOTICE = "This is an open access article distributed under the terms of the"
_CONTENT_TYPES = {
    "CC BY": "ccbylicense",
    "CC BY-NC": "ccbynclicense",
    "CC BY-NC-ND": "ccbyncndlicense",
    "CC0": "cc0license",
}
_WORDS = {
    "CC0": "Creative Commons Public Domain Dedication",
    "CC BY": "Creative Commons Attribution License",
    "CC BY-SA": "Creative Commons Attribution-ShareAlike License",
    "CC BY-ND": "Creative Commons Attribution-NoDerivatives License",
    "CC BY-NC": "Creative Commons Attribution-NonCommercial License",
    "CC BY-NC-SA": "Creative Commons Attribution-NonCommercial-ShareAlike License",
    "CC BY-NC-ND": "Creative Commons Attribution-NonCommercial-NoDerivatives License",
}
_ALI = ' xmlns:ali="http://www.niso.org/schemas/ali/1.0/"'


def journal_meta(article: SampleArticle, old: bool = False) -> str:
    """`journal-meta`; the old form has neither the PMC ids nor a place of printing."""
    ids = f'<journal-id journal-id-type="nlm-ta">{escape(article.abbreviation)}</journal-id>'
    if not old:
        ids += f'<journal-id journal-id-type="pmc-domain-id">{article.pmcid % 9999}</journal-id>'
    issn = "".join(f'<issn pub-type="{kind}">{value}</issn>' for kind, value in article.issn)
    title = f"<journal-title>{escape(article.journal)}</journal-title>"
    group = title if old else f"<journal-title-group>{title}</journal-title-group>"
    name = f"<publisher-name>{escape(article.publisher)}</publisher-name>"
    return f"<journal-meta>{ids}{group}{issn}<publisher>{name}</publisher></journal-meta>"


def article_ids(article: SampleArticle, old: bool = False) -> str:
    """Ids in the current form (pmcid, pmcid-ver, pmcaid) or the old one (pmc, digits alone)."""
    pairs: list[tuple[str, object]] = []
    if old:
        pairs.append(("pmc", article.pmcid))
    else:
        pairs += [("pmcid", f"PMC{article.pmcid}"), ("pmcid-ver", article.article_id)]
        pairs.append(("pmcaid", article.pmcid % 10**7))
    if article.pmid:
        pairs.append(("pmid", article.pmid))
    pairs.append(("doi", article.doi))
    return "".join(f'<article-id pub-id-type="{kind}">{value}</article-id>' for kind, value in pairs)


def subjects(article: SampleArticle, group: str = "heading") -> str:
    """`article-categories` with the subjects."""
    inner = "".join(f"<subject>{escape(name)}</subject>" for name in article.subjects)
    return (
        f'<article-categories><subj-group subj-group-type="{group}">{inner}</subj-group>'
        "</article-categories>"
    )


def titles(sheet: Sheet, article: SampleArticle) -> str:
    """`title-group` with the subtitle where there is one."""
    subtitle = f"<subtitle>{escape(article.subtitle)}</subtitle>" if article.subtitle else ""
    heading = f"<article-title>{sheet.spans(article.title)}</article-title>"
    return f"<title-group>{heading}{subtitle}</title-group>"


def contributors(article: SampleArticle, affiliations: str = "xref") -> str:
    """Authors, their affiliations (by `xref` or `inline`), and an editor, who is no author."""
    parts = []
    for at, author in enumerate(article.authors):
        orcid = ""
        if author.orcid:
            url = f"https://orcid.org/{author.orcid}"
            orcid = f'<contrib-id contrib-id-type="orcid">{url}</contrib-id>'
        name = (
            f"<name><surname>{escape(author.family)}</surname>"
            f"<given-names>{author.given}</given-names></name>"
        )
        if affiliations == "inline":
            where = "".join(
                f"<aff>{escape(article.affiliations[one])}</aff>" for one in author.affiliations
            )
        else:
            where = "".join(
                f'<xref ref-type="aff" rid="aff{one + 1}"><sup>{one + 1}</sup></xref>'
                for one in author.affiliations
            )
        mark = "" if at else '<xref ref-type="corresp" rid="cor1">*</xref>'
        parts.append(f'<contrib contrib-type="author">{orcid}{name}{where}{mark}</contrib>')
    parts.append(
        '<contrib contrib-type="editor"><name><surname>Redaktor</surname>'
        "<given-names>Ed</given-names></name></contrib>"
    )
    group = f"<contrib-group>{''.join(parts)}</contrib-group>"
    if affiliations == "inline":
        return group
    return group + "".join(
        f'<aff id="aff{number}"><label>{number}</label>{escape(text)}</aff>'
        for number, text in enumerate(article.affiliations, start=1)
    )


def author_notes(article: SampleArticle) -> str:
    """The corresponding author's address, which no reader should pass on."""
    mail = f"<email>{article.email}</email>"
    return f'<author-notes><corresp id="cor1">* Correspondence: {mail}</corresp></author-notes>'


def date(article: SampleArticle, attributes: str, parts: int = 3, later: int = 0) -> str:
    """A `pub-date`: day, month and year as far as `parts` goes; `later`: years added."""
    year, month, day = article.date
    found = ""
    if parts > 2 and day:
        found += f"<day>{day}</day>"
    if parts > 1 and month:
        found += f"<month>{month}</month>"
    return f"<pub-date {attributes}>{found}<year>{year + later}</year></pub-date>"


def history(article: SampleArticle) -> str:
    """When the manuscript came in; never a publication date."""
    year, month, day = article.received
    return (
        f'<history><date date-type="received"><day>{day}</day><month>{month}</month>'
        f"<year>{year}</year></date></history>"
    )


def related(sheet: Sheet, article: SampleArticle) -> str:
    """Links between a retracted article and its notice."""
    return "".join(
        f'<related-article related-article-type="{kind}" ext-link-type="doi"{sheet.href(doi)}/>'
        for kind, doi in article.related
    )


def license_xml(sheet: Sheet, choice: LicenseChoice, form: str) -> str:
    """`license`, with its URL where the form has it.

    form: `ali` (license_ref), `ali+link`, `link` (in words), `href` (attribute), or `href+data`
    (attribute, and a second deed that is for the data alone).
    """
    url, code = choice.url, choice.code
    if url is None or code is None:
        return '<license license-type="open-access"><license-p>Made available by PMC.</license-p></license>'
    reference = ""
    if form.startswith("ali"):
        kind = _CONTENT_TYPES.get(code)
        content = f' content-type="{kind}"' if kind else ""
        reference = f'<ali:license_ref{_ALI} specific-use="textmining"{content}>{url}</ali:license_ref>'
    said = f"<license-p>{_NOTICE} {_WORDS[code]}.</license-p>"
    if "link" in form:
        link = f'<ext-link ext-link-type="uri"{sheet.href(url)}>{_WORDS[code]}</ext-link>'
        said = f"<license-p>{_NOTICE} {link}.</license-p>"
    if form == "href+data":
        zero = sheet.href("http://creativecommons.org/publicdomain/zero/1.0/")
        waiver = f'<ext-link ext-link-type="uri"{zero}>waiver</ext-link>'
        said += f"<license-p>The Public Domain Dedication {waiver} applies to the data.</license-p>"
    attribute = sheet.href(url) if form.startswith("href") else ""
    return f'<license license-type="open-access"{attribute}>{reference}{said}</license>'


def permissions(article: SampleArticle, statement: str | None, notice: str) -> str:
    """`permissions`; without a statement, the year and the holder stand alone."""
    year, holder = article.date[0], escape(article.holder)
    said = f"<copyright-statement>{escape(statement)}</copyright-statement>" if statement else ""
    who = f"<copyright-year>{year}</copyright-year><copyright-holder>{holder}</copyright-holder>"
    return f"<permissions>{said}{who}{notice}</permissions>"


def abstracts(article: SampleArticle) -> str:
    """The main abstract, in sections where they have titles."""
    if not article.abstract:
        return ""
    parts = [
        f"<sec><title>{title}</title><p>{escape(text)}</p></sec>" if title else f"<p>{escape(text)}</p>"
        for title, text in article.abstract
    ]
    return f"<abstract>{''.join(parts)}</abstract>"


def keywords(article: SampleArticle, language: str = "") -> str:
    """The authors' keywords."""
    words = "".join(f"<kwd>{escape(word)}</kwd>" for word in article.keywords)
    tongue = f' xml:lang="{language}"' if language else ""
    return f'<kwd-group kwd-group-type="author"{tongue}><title>Keywords</title>{words}</kwd-group>'


def funding(article: SampleArticle) -> str:
    """Funders and awards."""
    return "".join(
        f"<funding-group><award-group><funding-source>{escape(source)}</funding-source>"
        f"<award-id>{award}</award-id></award-group></funding-group>"
        for source, award in article.funding
    )


def supplement(sheet: Sheet, article: SampleArticle) -> str:
    """The supplementary file, where there is one."""
    if article.supplement is None:
        return ""
    title = "<caption><title>Additional methods and data.</title></caption>"
    return (
        f'<supplementary-material id="supp1" content-type="local-data"><label>File S1</label>{title}'
        f"<media{sheet.href(article.supplement)}/></supplementary-material>"
    )


def custom_meta(article: SampleArticle) -> str:
    """The flags that PMC sets into current XML."""
    flags = {
        "pmc-prop-open-access": article.is_open_access,
        "pmc-prop-manuscript": article.is_manuscript,
        "pmc-prop-is-scanned-article": article.is_historical_ocr,
        "pmc-prop-legally-suppressed": False,
    }
    metas = "".join(
        f"<custom-meta><meta-name>{name}</meta-name><meta-value>{'yes' if on else 'no'}</meta-value>"
        "</custom-meta>"
        for name, on in flags.items()
    )
    return f"<custom-meta-group>{metas}</custom-meta-group>"
