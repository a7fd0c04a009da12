"""The running text of a sample article, and the many ways in which it names figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from .canvas import pick, some
from .description import Cite, Figure, Paragraph, Reference, Rich, Section, Sentence, Span, rich
from .draft import Draft
from .prose import claim, fillers, shows
from .prose_english import SECTION_TITLES
from .prose_latin import PORTUGUESE, SPANISH

__all__ = ["Naming", "body", "named", "plain_paragraphs", "response_paragraph", "shown_kind"]

_LAST_NUMBER = re.compile(r"[0-9]+")

Naming = tuple[Rich, tuple[Cite, ...]]
"""The spans that name figures in a sentence, and the figures that they name."""


def shown_kind(draft: Draft, figure: Figure) -> str:
    """The kind of the figure's first panel."""
    wanted = {graphic.media for graphic in figure.graphics}
    for media in draft.media:
        if media.name in wanted and media.picture is not None:
            return media.picture.panels[0].kind
    return "bar_plot"


def _number(figure: Figure) -> str:
    return (figure.expected_label or "").rsplit(" ", 1)[-1]


def _word(draft: Draft, figure: Figure) -> str:
    if figure.kind == "table":
        return (figure.expected_label or "Table").split(" ")[0] + " "
    return "Scheme " if figure.kind == "scheme" else draft.house.in_text


def _xref(text: str, *figures: Figure) -> Span:
    kind = "table" if figures[0].kind == "table" else "fig"
    return Span(text, "xref", tuple(figure.id or "" for figure in figures), kind)


def _letters(draft: Draft, figure: Figure) -> tuple[str, ...]:
    """The panel letters that the figure's pictures carry."""
    media = {one.name: one.picture for one in draft.media}
    pictures = [media.get(graphic.media or "") for graphic in figure.graphics]
    count = max((len(picture.panels) for picture in pictures if picture is not None), default=1)
    return tuple(draft.house.letters[:count]) if count > 1 else ()


def named(draft: Draft, figure: Figure) -> Naming:
    """One figure, perhaps with panel letters, as the house links it."""
    letters = _letters(draft, figure)
    panels: tuple[str, ...] = ()
    if letters and draft.chance(0.6):
        panels = tuple(sorted(some(draft.rng, letters, pick(draft.rng, (1, 1, 2)))))
    cite = Cite(figure.id or "", panels)
    number, word, tail = _number(figure), _word(draft, figure), ",".join(panels)
    if "supplement" in (figure.expected_label or ""):
        return (_xref(figure.expected_label or "", figure),), (Cite(figure.id or ""),)
    if draft.house.number_only:
        after = (Span(tail),) if tail else ()
        return (Span(word), _xref(number, figure), *after), (cite,)
    link = _xref(f"{word}{number}{tail}", figure)
    if draft.house.name == "old" and draft.chance(0.25):
        return (Span(link.text, "bold", children=(link,)),), (cite,)
    return (link,), (cite,)


def _two(draft: Draft, first: Figure, second: Figure) -> Naming:
    """Two figures behind one rid."""
    text = f"{draft.house.in_text_plural}{_number(first)} and {_number(second)}"
    return (_xref(text, first, second),), (Cite(first.id or ""), Cite(second.id or ""))


def _range_of_ends(draft: Draft, figures: Sequence[Figure]) -> Naming:
    """A range whose two ends are links: Figs. 2-4 means three figures."""
    first, *between, last = figures
    spans = (
        _xref(f"{draft.house.in_text_plural}{_number(first)}", first),
        Span("–"),
        _xref(_number(last), last),
    )
    inside = tuple(Cite(figure.id or "", is_range=True) for figure in between)
    return spans, (Cite(first.id or ""), *inside, Cite(last.id or ""))


def _range_in_one(draft: Draft, figures: Sequence[Figure]) -> Naming:
    """A range written inside a single link to its first figure; the last is named in words alone."""
    first, *between, last = figures
    text = f"{draft.house.in_text_plural}{_number(first)}–{_number(last)}"
    inside = tuple(Cite(figure.id or "", is_range=True) for figure in between)
    named = (Cite(first.id or ""), *inside, Cite(last.id or "", is_text_only=True))
    return (_xref(text, first),), named


def _unlinked(draft: Draft, figure: Figure) -> Naming:
    """A figure named in plain text."""
    text = f"{_word(draft, figure)}{_number(figure)}"
    return (Span(text),), (Cite(figure.id or "", is_text_only=True),)


def _sentence(template: str, naming: Naming) -> Sentence:
    before, after = template.split("§")
    spans, cites = naming
    return Sentence((*rich(before), *spans, *rich(after)), cites)


def _cited(draft: Draft, text: str, references: Sequence[Reference]) -> Sentence:
    """A sentence that cites a reference before its final stop."""
    reference = pick(draft.rng, references)
    number = int(_LAST_NUMBER.findall(reference.id)[-1])
    if draft.house.reference_style == "author":
        link = Span(
            f"{reference.authors[0][0]} et al., {reference.year}", "xref", (reference.id,), "bibr"
        )
        spans: Rich = (Span(" ("), link, Span(")."))
    elif draft.house.reference_style == "number":
        link = Span(str(number), "xref", (reference.id,), "bibr")
        spans = (Span(" ["), link, Span("]."))
    else:
        link = Span(str(number), "xref", (reference.id,), "bibr")
        spans = (Span(link.text, "sup", children=(link,)), Span("."))
    return Sentence((*rich(text.removesuffix(".")), *spans))


def plain_paragraphs(
    draft: Draft, part: str, count: int, references: Sequence[Reference]
) -> tuple[Paragraph, ...]:
    """Paragraphs that name no figure."""
    made = []
    for _ in range(count):
        texts = fillers(draft.rng, draft.voice, part, int(draft.rng.integers(4, 8)))
        made.append(
            Paragraph(
                tuple(
                    _cited(draft, text, references)
                    if references and draft.chance(0.35)
                    else Sentence(rich(text))
                    for text in texts
                )
            )
        )
    return tuple(made)


def _shown(draft: Draft, figure: Figure, naming: Naming, inside: bool) -> Paragraph:
    """A paragraph of results about a figure; `inside`: the figure stands in the `p` itself."""
    said = _sentence(shows(draft.rng, draft.voice, shown_kind(draft, figure)), naming)
    around = [Sentence(rich(text)) for text in fillers(draft.rng, draft.voice, "results", 4)]
    at = int(draft.rng.integers(0, 3))
    return Paragraph((*around[:at], said, *around[at:]), (figure,) if inside else ())


def _about(draft: Draft, figure: Figure, inside: bool) -> Paragraph:
    """A paragraph about a figure; one without an id cannot be linked and is passed over."""
    if figure.id:
        return _shown(draft, figure, named(draft, figure), inside)
    texts = fillers(draft.rng, draft.voice, "results", 4)
    said = tuple(Sentence(rich(text)) for text in texts)
    return Paragraph(said, (figure,) if inside else ())


def _one_sentence(draft: Draft, template: str, naming: Naming) -> Paragraph:
    around = [Sentence(rich(text)) for text in fillers(draft.rng, draft.voice, "discussion", 3)]
    return Paragraph((around[0], _sentence(template, naming), *around[1:]))


def _result_title(draft: Draft, figure: Figure) -> str:
    text = claim(draft.rng, draft.voice, shown_kind(draft, figure))
    flat = "".join(span.text for span in rich(text) if span.kind != "tex")
    return (flat[:1].upper() + flat[1:]).split(" (")[0]


def _result_sections(draft: Draft, figures: Sequence[Figure]) -> tuple[Section, ...]:
    """One section for one or two figures; each figure is named unless the last is left out."""
    sections: list[Section] = []
    at = 0
    inside = draft.house.place == "paragraph"
    while at < len(figures):
        group = figures[at : at + pick(draft.rng, (1, 2))]
        at += len(group)
        paragraphs = [_about(draft, one, inside) for one in group]
        for child in (child for one in group for child in one.children):
            paragraphs.append(_shown(draft, child, named(draft, child), False))
        placed = () if inside or draft.house.place == "floats" else tuple(group)
        title = _result_title(draft, group[0])
        while any(section.title == title for section in sections):
            title += " in a second series"
        sections.append(Section(title, tuple(paragraphs), figures=placed))
    return tuple(sections)


def _remarks(draft: Draft, figures: Sequence[Figure]) -> list[Paragraph]:
    """Paragraphs of the discussion that look back: pairs, ranges, plain text."""
    numbered = [
        one
        for one in figures
        if one.kind == "figure" and one.element == "fig" and one.id and not one.children
    ]
    runs = [numbered[at : at + 3] for at in range(len(numbered) - 2)]
    runs = [run for run in runs if int(_number(run[2])) - int(_number(run[0])) == 2]
    made = []
    if draft.voice.language != "en":
        if numbered:
            look = "Ver § para detalhes." if draft.voice.language == "pt" else "Véase la § con detalle."
            made.append(_one_sentence(draft, look, _unlinked(draft, numbered[0])))
        return made
    ways: tuple[Callable[[Draft, Sequence[Figure]], Naming], ...] = (_range_of_ends, _range_in_one)
    if runs and draft.chance(0.7):
        naming = pick(draft.rng, ways)(draft, pick(draft.rng, runs))
        made.append(_one_sentence(draft, "The same trend is visible throughout (§).", naming))
    if len(numbered) > 1 and draft.chance(0.4):
        naming = _two(draft, *some(draft.rng, numbered, 2)[:2])
        made.append(_one_sentence(draft, "Taken with §, this supports our reading.", naming))
    if numbered and draft.chance(0.6):
        naming = _unlinked(draft, pick(draft.rng, numbered))
        made.append(_one_sentence(draft, "For a closer look, see §.", naming))
    return made


def body(
    draft: Draft,
    figures: Sequence[Figure],
    references: Sequence[Reference],
    extras: tuple[Figure, ...],
) -> tuple[Section, ...]:
    """The sections of the article; `extras` are formulae and the like that stand in the methods."""
    if draft.voice.language != "en":
        return _latin_body(draft, figures, references, extras)
    titles = SECTION_TITLES
    first = titles["introduction"] if draft.house.name != "springer" else titles["background"]
    parts = tuple(
        Section(str(title), plain_paragraphs(draft, "methods", 1 + at % 2, ()))
        for at, title in enumerate(titles["method_parts"])
    )
    methods = Section(str(titles["methods"]), (), parts, extras, "materials|methods")
    results = Section(
        str(titles["results"]),
        plain_paragraphs(draft, "results", 1, ()),
        _result_sections(draft, figures),
        sec_type="results",
    )
    discussion = Section(
        str(titles["discussion"]),
        (*plain_paragraphs(draft, "discussion", 2, references), *_remarks(draft, figures)),
        sec_type="discussion",
    )
    conclusion = Section(str(titles["conclusion"]), plain_paragraphs(draft, "discussion", 1, ()))
    intro = Section(
        str(first), plain_paragraphs(draft, "introduction", 3, references), sec_type="intro"
    )
    if draft.house.name in ("plos", "elife"):
        return (intro, results, discussion, methods)
    return (intro, methods, results, discussion, conclusion)


def _latin_body(
    draft: Draft, figures: Sequence[Figure], references: Sequence[Reference], extras: tuple[Figure, ...]
) -> tuple[Section, ...]:
    names = (PORTUGUESE if draft.voice.language == "pt" else SPANISH)["sections"]
    intro, methods, results, discussion = (str(name) for name in names)
    shown = tuple(_about(draft, one, True) for one in figures)
    return (
        Section(intro, plain_paragraphs(draft, "", 2, references), sec_type="intro"),
        Section(methods, plain_paragraphs(draft, "", 2, ()), figures=extras, sec_type="methods"),
        Section(results, shown, sec_type="results"),
        Section(
            discussion,
            (*plain_paragraphs(draft, "", 2, references), *_remarks(draft, figures)),
            sec_type="discussion",
        ),
    )


def response_paragraph(draft: Draft, figure: Figure) -> Paragraph:
    """A paragraph of an author response or a translation that names one of its own figures."""
    label = (figure.expected_label or "").rstrip(".")
    naming: Naming = ((_xref(label, figure),), (Cite(figure.id or ""),))
    said = _sentence("We add § to answer this point.", naming)
    around = [Sentence(rich(text)) for text in fillers(draft.rng, draft.voice, "discussion", 2)]
    return Paragraph((*around, said))
