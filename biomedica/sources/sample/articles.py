"""Article `index` of the sample: everything about it follows from the index and the seed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from . import figures as make
from .canvas import Rng, pick, some
from .description import (
    Author,
    LicenseChoice,
    Media,
    Reference,
    SampleArticle,
    Section,
    SubArticle,
    plain,
    rich,
)
from .draft import Draft
from .houses import HOUSES, House, Journal
from .images import Panel
from .oddities import odd_figures, small_pdf
from .passages import body, plain_paragraphs, response_paragraph
from .prose import Voice, fillers, title, voice
from .vocabulary import FAMILIES, GIVEN, PLACES, TOPICS, Topic

__all__ = ["FIRST_PMCID", "PERIOD", "describe"]

FIRST_PMCID = 98_000_001
PERIOD = 40
"""After so many articles the oddities come round again."""

_TWISTS = {
    0: "formula caption_xref supplement",
    1: "appendix",
    2: "graphical unreferenced",
    3: "formula third_party",
    4: "video",
    5: "portrait supplement",
    6: "twice",
    7: "third_party",
    8: "no_figures",
    9: "missing",
    10: "tdm",
    11: "table_beside formula",
    12: "no_caption",
    13: "appendix no_href",
    14: "no_id",
    15: "few",
    16: "retracted table_image",
    17: "table_image",
    18: "graphical_bare",
    19: "no_caption",
    20: "second_only floating",
    21: "boxed",
    22: "no_figures",
    23: "ocr",
    24: "notice",
    25: "revision",
    26: "manuscript table_beside",
    27: "external",
    28: "third_party",
    29: "supplement formula",
    30: "label_in_caption missing",
    31: "table_image",
    32: "table_beside missing unreferenced",
    33: "third_party supplement",
    34: "twice unreferenced graphical",
    35: "formula",
    36: "chemical few",
    37: "portrait twice",
    38: "table_image no_caption",
    39: "external",
}
_LICENSES = {
    2: LicenseChoice("CC BY-NC-ND"),
    4: LicenseChoice("CC BY-NC"),
    6: LicenseChoice("CC BY-NC-SA", "3.0"),
    7: LicenseChoice("CC BY-NC"),
    8: LicenseChoice("CC0"),
    9: LicenseChoice("CC BY-SA"),
    10: LicenseChoice("TDM"),
    14: LicenseChoice(None),
    18: LicenseChoice("CC BY-NC-ND"),
    22: LicenseChoice("CC BY-ND"),
    28: LicenseChoice(None),
    30: LicenseChoice("CC BY-ND"),
    35: LicenseChoice("CC0"),
    36: LicenseChoice("CC BY-NC-ND"),
    38: LicenseChoice("CC BY", "2.0"),
}
_REVISED = 8
"""The second version of an article stands this many articles after the first."""


def describe(index: int, seed: int) -> SampleArticle:
    """Article version `index` (from 0) of the sample with this seed."""
    twists = frozenset(_TWISTS[index % PERIOD].split())
    revised = "revision" in twists
    origin = index - _REVISED if revised else index
    draft = _draft(origin, seed, twists)
    article = _front(draft, origin, seed)
    article = _figures_and_text(draft, article)
    article = _ends(draft, article)
    if revised:
        subtitle = "a revised report"
        article = replace(article, index=index, version=2, subtitle=subtitle)
    if "second_only" in twists:
        article = replace(article, version=2)
    return article


def _doi(index: int, seed: int) -> str:
    """The DOI, which a retraction notice must know without making the other article."""
    house, journal, number, year = _place(index, seed)
    del house
    return journal.doi.format(number=number, year=year, short=journal.short)


def _place(index: int, seed: int) -> tuple[House, Journal, int, int]:
    house = HOUSES[index % len(HOUSES)]
    rng = np.random.default_rng([seed, index, 1])
    return house, pick(rng, house.journals), 100_000 + index, int(rng.integers(2012, 2026))


def _topic(rng: Rng, house: House, twists: frozenset[str]) -> Topic:
    if "chemical" in twists:
        return TOPICS[3]
    if house.name == "scielo":
        return pick(rng, (TOPICS[2], TOPICS[4]))
    return pick(rng, TOPICS)


def _draft(index: int, seed: int, twists: frozenset[str]) -> Draft:
    house, journal, number, year = _place(index, seed)
    rng = np.random.default_rng([seed, index, 2])
    topic = _topic(rng, house, twists)
    names: dict[str, object] = {
        "short": journal.short,
        "number": number,
        "year": year,
        "volume": year - 2008,
    }
    names["stem"] = house.stem.format(**names)
    language = "en"
    if house.name == "scielo":
        language = "pt" if journal is house.journals[0] else "es"
    words = voice(rng, topic, language)
    return Draft(rng, house, journal, topic, words, (seed, index), twists, names)


def _authors(rng: Rng) -> tuple[tuple[Author, ...], tuple[str, ...]]:
    count = int(rng.integers(2, 8))
    places = some(rng, PLACES, 3)
    units = ("Department of Pathology", "Institute of Biochemistry", "Division of Radiology")
    affiliations = tuple(
        f"{unit}, {', '.join(place)}" for unit, place in zip(units, places, strict=True)
    )
    given, family = some(rng, GIVEN, count), some(rng, FAMILIES, count)
    authors = tuple(
        Author(
            first,
            last,
            _orcid(rng) if rng.random() < 0.5 else None,
            tuple(sorted(some(rng, (0, 1, 2), pick(rng, (1, 1, 2))))),
        )
        for first, last in zip(given, family, strict=True)
    )
    return authors, affiliations


def _orcid(rng: Rng) -> str:
    """A well-formed ORCID iD with its check digit (ISO 7064 mod 11-2)."""
    digits = f"00000009{rng.integers(10_000_000):07}"
    total = 0
    for digit in digits:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    whole = digits + ("X" if check == 10 else str(check))
    return "-".join(whole[at : at + 4] for at in range(0, 16, 4))


def _references(draft: Draft) -> tuple[Reference, ...]:
    rng = draft.rng
    prefix = {"plos": "pone.ref{:03}", "mdpi": "B{}-x", "elsevier": "bib{}", "springer": "CR{}"}
    pattern = prefix.get(draft.house.name, "ref{}")
    made = []
    for at in range(1, int(rng.integers(14, 48)) + 1):
        heading = plain(rich(title(rng, draft.voice)))
        year = int(rng.integers(1994, 2012))
        source = pick(rng, ("J Invented Med", "Ann Fict Biol", "Acta Exempl", "Int J Samples"))
        people = tuple(
            (family, pick(rng, GIVEN)[0]) for family in some(rng, FAMILIES, int(rng.integers(1, 5)))
        )
        made.append(
            Reference(
                pattern.format(at).replace("-x", ""), people, heading, source, year,
                int(rng.integers(3, 90)), int(rng.integers(1, 2000)),
                f"10.9{rng.integers(1000, 9999)}/{rng.integers(10**6, 10**7)}" if rng.random() < 0.6 else None,
                str(90_000_000 + int(rng.integers(10**6))) if rng.random() < 0.5 else None,
            )
        )  # fmt: skip
    return tuple(made)


def _abstract(draft: Draft) -> tuple[tuple[str, str], ...]:
    def said(part: str, count: int) -> str:
        return " ".join(plain(rich(text)) for text in fillers(draft.rng, draft.voice, part, count))

    if draft.house.name in ("springer", "wiley"):
        return (
            ("Background", said("introduction", 2)),
            ("Methods", said("methods", 2)),
            ("Results", said("results", 3)),
            ("Conclusions", said("discussion", 2)),
        )
    return (("", said("introduction", 3) + " " + said("discussion", 3)),)


def _front(draft: Draft, index: int, seed: int) -> SampleArticle:
    """The article without its body: ids, journal, people, abstract, references."""
    rng, house, journal = draft.rng, draft.house, draft.journal
    slot, number, year = index % PERIOD, draft.names["number"], int(str(draft.names["year"]))
    twists = draft.twists
    authors, affiliations = _authors(rng)
    month, day = int(rng.integers(1, 13)), int(rng.integers(1, 29))
    heading = title(rng, draft.voice)
    if "notice" in twists:
        heading = f"Retraction: {heading}"
    related = (("retracted-article", _doi(index - _REVISED, seed)),) if "notice" in twists else ()
    if "retracted" in twists:
        related = (("retraction-forward", _doi(index + _REVISED, seed)),)
    license_ = _LICENSES.get(slot, LicenseChoice("CC BY", "3.0" if year < 2014 else "4.0"))
    holder = f"{authors[0].given} {authors[0].family}"
    return SampleArticle(
        index=index, pmcid=FIRST_PMCID + index, version=1, house=house.name,
        language=draft.voice.language, article_type=_type(twists, slot), title=rich(heading),
        subtitle=None, doi=_doi(index, seed), pmid=None if slot in (23, 30) else 97_000_000 + index,
        journal=journal.title, journal_id=journal.short, abbreviation=journal.abbreviation,
        publisher=house.publisher, issn=journal.issn, volume=int(str(draft.names["volume"])),
        issue=month, pages=f"e{number}",
        date=(year, month if house.date_parts > 1 else None, day if house.date_parts > 2 else None),
        received=(year - 1, month, day), subjects=(draft.topic.subject,),
        keywords=(*draft.topic.keywords, draft.voice.context["disease"]), authors=authors,
        affiliations=affiliations, email=f"{authors[0].family.lower().replace(chr(39), '')}@example.org",
        funding=(("Foundation for Invented Science", f"FIS-{rng.integers(1000, 9999)}"),),
        license=license_, holder=holder, abstract=() if "notice" in twists else _abstract(draft),
        graphical_abstract=None, sections=(), floats=(), appendix=(), portraits=(), sub_articles=(),
        references=() if "notice" in twists else _references(draft), related=related, media=(),
        supplement=None, is_retracted="retracted" in twists,
        is_manuscript=bool(twists & {"tdm", "manuscript"}), is_open_access="tdm" not in twists,
        is_historical_ocr="ocr" in twists, has_pdf="tdm" not in twists,
    )  # fmt: skip


def _type(twists: frozenset[str], slot: int) -> str:
    if "notice" in twists:
        return "retraction"
    return {15: "case-report", 22: "review-article", 36: "brief-report"}.get(slot, "research-article")


def _figures_and_text(draft: Draft, article: SampleArticle) -> SampleArticle:
    """The body with its figures; articles without figures, notices and scans end early."""
    twists = draft.twists
    if "ocr" in twists:
        return article
    if "notice" in twists:
        text = plain_paragraphs(draft, "discussion", 1, ())
        return replace(article, sections=(Section("", text),))
    if twists & {"no_figures", "tdm"}:
        return replace(article, sections=body(draft, (), article.references, ()))
    low, high = (2, 4) if "few" in twists else (3, 8)
    count = int(draft.rng.integers(low, high)) + ("revision" in twists)
    drawn = [make.main_figure(draft, number) for number in range(1, count + 1)]
    drawn = odd_figures(draft, drawn)
    extras = []
    if "formula" in twists:
        extras += [make.formula(draft, number) for number in range(1, 3)]
    if "boxed" in twists:
        extras.append(make.boxed_picture(draft))
    if "floating" in twists:
        extras.append(make.floating_picture(draft))
    sections = body(draft, drawn, article.references, tuple(extras))
    floats = tuple(drawn) if draft.house.place == "floats" else ()
    return replace(article, sections=sections, floats=floats)


def _ends(draft: Draft, article: SampleArticle) -> SampleArticle:
    """Back matter, sub-articles, files that nothing names."""
    twists, stem = draft.twists, draft.names["stem"]
    supplement = None
    if "supplement" in twists:
        supplement = f"{stem}-s001.pdf"
        draft.media.append(Media(supplement, data=small_pdf(f"Supplement of {article.doi}")))
    if twists & {"graphical", "graphical_bare"}:
        figure = make.graphical_abstract(draft)
        text = fillers(draft.rng, draft.voice, "discussion", 1)[0] if "graphical" in twists else ""
        if not text:
            refused = replace(figure.graphics[0], reject=("figure", "no_caption"))
            figure = replace(figure, graphics=(refused,))
        article = replace(article, graphical_abstract=(plain(rich(text)), figure))
    if "appendix" in twists:
        figure = make.appendix_figure(draft)
        said = response_paragraph(draft, figure)
        article = replace(
            article, appendix=(Section("Additional observations", (said,), figures=(figure,)),)
        )
    if "portrait" in twists:
        article = replace(article, portraits=(make.portrait(draft),))
    if article.house == "elife" and article.sections and "boxed" not in twists:
        article = replace(article, sub_articles=_review(draft))
    if article.house == "scielo" and article.sections and "no_figures" not in twists:
        article = replace(article, sub_articles=(_translation(draft, article),))
    if "unreferenced" in twists:
        spare = Panel("scatter_plot", "clusters", ("PC1", "PC2", "A", "B"), (*draft.seed, 900))
        draft.save(f"{stem}-unused", draft.picture((spare,)))
    media = () if "tdm" in twists else tuple(draft.media)
    return replace(article, supplement=supplement, media=media)


def _review(draft: Draft) -> tuple[SubArticle, ...]:
    letter = SubArticle(
        "sa1", "decision-letter", "en", "Decision letter",
        (Section("", plain_paragraphs(draft, "discussion", 2, ())),),
    )  # fmt: skip
    shown = [make.response_figure(draft, number) for number in (1, 2)]
    paragraphs = tuple(response_paragraph(draft, figure) for figure in shown)
    reply = SubArticle(
        "sa2", "reply", "en", "Author response", (Section("", paragraphs, figures=tuple(shown)),)
    )
    return (letter, reply)


def _translation(draft: Draft, article: SampleArticle) -> SubArticle:
    """The English translation, which shows each figure again: own files first, then the same."""
    english = voice(draft.rng, draft.topic, "en")
    speaker = Voice("en", english.context)
    other = replace(draft, voice=speaker, drawn=draft.drawn + 100)
    originals = [
        figure
        for section in article.sections
        for paragraph in section.paragraphs
        for figure in paragraph.figures
        if figure.element == "fig" and figure.graphics and figure.graphics[0].reject is None
    ]
    shown = [
        make.translated_figure(other, figure, number, own_file=number % 2 == 1)
        for number, figure in enumerate(originals, start=1)
    ]
    heading = plain(rich(title(draft.rng, speaker)))
    sections = (
        Section("Introduction", plain_paragraphs(other, "introduction", 1, ())),
        Section(
            "Results",
            tuple(response_paragraph(other, figure) for figure in shown),
            figures=tuple(shown),
        ),
    )
    return SubArticle("s1", "translation", "en", heading, sections)
