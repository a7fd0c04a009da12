"""The figures of a sample article, in the house's manner, with the oddities that a twist asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .canvas import pick
from .description import Caption, Cite, Figure, Graphic, Media, Rich, Sentence, Span, rich
from .draft import Draft
from .images import Panel
from .prose import detail, lead, tails

__all__ = [
    "appendix_figure",
    "boxed_picture",
    "floating_picture",
    "formula",
    "graphical_abstract",
    "main_figure",
    "portrait",
    "refer_in_caption",
    "response_figure",
    "table_figure",
    "third_party",
    "translated_figure",
    "video_figure",
]

_MP4 = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08mdat"
_REPRODUCED = "Reproduced with permission from the publisher of the atlas."


def main_figure(draft: Draft, number: int) -> Figure:
    """Figure `number` of the body."""
    kind = pick(draft.rng, tuple(one for one in draft.topic.kinds if one != "table"))
    if draft.voice.language != "en" and kind in ("fluorescence", "electron_micrograph", "gel"):
        kind = "histology"
    if draft.voice.language != "en" and kind in ("heatmap", "chemical_structure"):
        kind = "line_plot"
    scheme = kind == "chemical_structure" and draft.house.name in ("mdpi", "wiley", "old")
    panels = _panels(draft, kind)
    if draft.house.name == "mdpi" and len(panels) > 1 and draft.chance(0.5):
        graphics = _siblings(draft, number, panels)
    else:
        graphics = _graphics(draft, number, panels)
    figure = Figure(
        id=draft.id_of(number),
        element="fig",
        kind="scheme" if scheme else "figure",
        label=f"Scheme {number}" if scheme else draft.house.label.format(n=number),
        caption=_caption(draft, panels),
        graphics=graphics,
        in_alternatives=len(graphics) > 1 and graphics[1].reject is not None,
        alt_text=_alt_text(draft, number),
    )
    figure = replace(figure, expected_label=(figure.label or "").rstrip(".:|"))
    if draft.house.name == "elife" and draft.chance(0.35):
        figure = replace(figure, children=_supplements(draft, number, figure))
    return figure


def _panels(draft: Draft, kind: str) -> tuple[Panel, ...]:
    count = pick(draft.rng, (1, 1, 1, 2, 3, 4, 6))
    mixed = draft.voice.language == "en" and draft.chance(0.4)
    kinds = [kind]
    for _ in range(count - 1):
        other = pick(draft.rng, draft.topic.kinds) if mixed else kind
        kinds.append(kind if other in ("table", "flow_diagram", "map") else other)
    return tuple(draft.panel(one) for one in kinds)


def _alt_text(draft: Draft, number: int) -> str | None:
    return f"Fig. {number}" if draft.house.name == "elsevier" else None


def _caption(draft: Draft, panels: Sequence[Panel]) -> Caption:
    """Lead, a sentence for each panel, closing sentences, in the house's shape."""
    first = lead(draft.rng, draft.voice, panels[0])
    marks = [
        f"{draft.house.panel_mark.format(letter)} " if len(panels) > 1 else ""
        for letter in draft.house.letters
    ]
    rest = [
        mark + detail(draft.rng, draft.voice, panel) for mark, panel in zip(marks, panels, strict=False)
    ]
    rest += tails(draft.rng, draft.voice, int(draft.rng.integers(0, 3)))
    return _dress(draft, first, rest)


def _dress(draft: Draft, first: str, rest: Sequence[str]) -> Caption:
    sentences = tuple(Sentence(rich(text)) for text in rest)
    if draft.house.caption == "title":
        return Caption(rich(" ".join((first, *rest))))
    if draft.house.caption == "title_p":
        return Caption(rich(first), (sentences,) if sentences else ())
    if len(sentences) > 2 and draft.chance(0.3):
        return Caption(None, ((Sentence(rich(first)), *sentences[:-1]), sentences[-1:]))
    return Caption(None, ((Sentence(rich(first)), *sentences),))


def _graphics(draft: Draft, number: int, panels: tuple[Panel, ...]) -> tuple[Graphic, ...]:
    """The file of a figure and the twins that its house leaves beside it."""
    fmt, mode = draft.figure_format(panels)
    stem, picture = draft.stem_of(number), draft.picture(panels, fmt, mode)
    if draft.house.name == "elsevier":
        draft.save(f"{stem}_lrg", picture)
        return (_graphic(draft, draft.twin(stem, picture, 0.55)),)
    name = draft.save(stem, picture)
    if draft.house.name == "old":
        draft.twin(stem, picture, 100 / picture.width, "gif")
    graphic = _graphic(draft, name)
    if draft.house.name == "wiley" and draft.chance(0.4):
        bare = draft.save(f"{stem}-bw", replace(picture, format="jpeg", mode="L"))
        other = Graphic(bare, bare, ("figure", "alternate_of"), "print-only")
        return (replace(graphic, specific_use="web-only"), other)
    return (graphic,)


def _graphic(draft: Draft, name: str) -> Graphic:
    return Graphic(name if draft.house.href_extension else name.rsplit(".", 1)[0], name)


def _siblings(draft: Draft, number: int, panels: tuple[Panel, ...]) -> tuple[Graphic, ...]:
    half = max(1, len(panels) // 2)
    fmt, mode = draft.figure_format(panels)
    names = [
        draft.save(draft.stem_of(number) + letter, draft.picture(part, fmt, mode))
        for letter, part in zip("ab", (panels[:half], panels[half:]), strict=True)
    ]
    return tuple(_graphic(draft, name) for name in names)


def _supplements(draft: Draft, number: int, parent: Figure) -> tuple[Figure, ...]:
    """Figure supplements: figs inside the fig, each with its own picture and caption."""
    found = []
    for at in range(1, int(draft.rng.integers(1, 3)) + 1):
        kind = pick(draft.rng, tuple(k for k in draft.topic.kinds if k != "table"))
        panels = (draft.panel(kind),)
        fmt, mode = draft.figure_format(panels)
        name = draft.save(f"{draft.stem_of(number)}-figsupp{at}", draft.picture(panels, fmt, mode))
        label = f"Figure {number}—figure supplement {at}."
        found.append(
            Figure(
                f"{parent.id}s{at}", "fig", "figure", label, _caption(draft, panels),
                (_graphic(draft, name),), expected_label=label[:-1],
            )
        )  # fmt: skip
    return tuple(found)


def table_figure(draft: Draft, number: int, beside_table: bool) -> Figure:
    """A table drawn as a picture; `beside_table`: the XML holds the table as text too."""
    panels = (draft.panel("table"),)
    name = draft.save(f"{draft.names['stem']}-t{number:03}", draft.picture(panels))
    english = draft.voice.language == "en"
    label = f"Table {number}" if english else f"Tabla {number}"
    reject = ("figure", "table_alternative") if beside_table else None
    return Figure(
        f"{draft.names['short']}-tab{number}", "table-wrap", "table", label,
        _caption(draft, panels), (replace(_graphic(draft, name), reject=reject),),
        has_table=beside_table, expected_label=label,
    )  # fmt: skip


def formula(draft: Draft, number: int) -> Figure:
    """A display formula with its picture."""
    picture = draft.picture((draft.panel("formula"),), "gif", "P")
    name = draft.save(f"{draft.names['stem']}-e{number:03}", picture)
    words = picture.panels[0].words[0]
    graphic = replace(_graphic(draft, name), reject=("figure", "formula"))
    return Figure(
        f"{draft.names['short']}-eq{number}", "disp-formula", "formula", f"({number})", Caption(),
        (graphic,), formula=words, expected_label=f"({number})",
    )  # fmt: skip


def graphical_abstract(draft: Draft) -> Figure:
    """The picture of a graphical abstract: a fig without words of its own."""
    panels = (draft.panel(pick(draft.rng, ("flow_diagram", "bar_plot"))),)
    name = draft.save("fx1", draft.picture(panels))
    return Figure("undfig1", "fig", "graphical_abstract", None, Caption(), (_graphic(draft, name),))


def portrait(draft: Draft) -> Figure:
    """An author's photograph in a biography."""
    picture = draft.picture((draft.panel("portrait"),))
    small = replace(picture, canvas=(240, 300), width=240, height=300)
    name = draft.save(f"{draft.names['stem']}-bio1", small)
    graphic = replace(_graphic(draft, name), reject=("figure", "kind_not_taken"))
    return Figure(None, "bio", "author_photo", None, Caption(), (graphic,))


def video_figure(draft: Draft, number: int) -> Figure:
    """A fig that holds a video instead of a graphic."""
    label = draft.house.label.format(n=number)
    caption = _dress(draft, f"Live imaging of {draft.voice.context['cells']}.", ["One frame a minute."])
    video = f"{draft.names['stem']}-v{number:03}.mp4"
    draft.media.append(Media(video, data=_MP4))
    return Figure(
        draft.id_of(number), "fig", "figure", label, caption, (),
        video=video, reject="video", expected_label=label,
    )  # fmt: skip


def boxed_picture(draft: Draft) -> Figure:
    """A box with a title and a picture, without a fig."""
    panels = (draft.panel("flow_diagram"),)
    name = draft.save(f"{draft.names['stem']}-box1", draft.picture(panels))
    caption = Caption(rich("How the samples were processed"))
    return Figure(
        f"{draft.names['short']}-box1", "boxed-text", "boxed_text", None, caption,
        (_graphic(draft, name),),
    )  # fmt: skip


def floating_picture(draft: Draft) -> Figure:
    """A graphic in a paragraph, outside any figure and without words."""
    kind = pick(draft.rng, ("bar_plot", "flow_diagram"))
    name = draft.save(f"{draft.names['stem']}-u001", draft.picture((draft.panel(kind),)))
    graphic = replace(_graphic(draft, name), reject=("figure", "no_caption"))
    return Figure(None, "bare", "floating", None, Caption(), (graphic,))


def appendix_figure(draft: Draft) -> Figure:
    """Figure A1, in the appendix."""
    panels = (draft.panel("bar_plot"),)
    name = draft.save(f"{draft.names['stem']}-a001", draft.picture(panels))
    label = {"elife": "Appendix 1—figure 1."}.get(draft.house.name, "Figure A1")
    return Figure(
        "figA1", "fig", "figure", label, _caption(draft, panels),
        (_graphic(draft, name),), expected_label=label.rstrip("."),
    )  # fmt: skip


def response_figure(draft: Draft, number: int) -> Figure:
    """A figure shown to the reviewers only."""
    kind = pick(draft.rng, ("bar_plot", "fluorescence", "scatter_plot"))
    panels = (draft.panel(kind),)
    fmt, mode = draft.figure_format(panels)
    name = draft.save(f"{draft.names['stem']}-sa2-fig{number}", draft.picture(panels, fmt, mode))
    label = f"Author response image {number}."
    return Figure(
        f"sa2fig{number}", "fig", "figure", label, _caption(draft, panels),
        (_graphic(draft, name),), expected_label=label[:-1],
    )  # fmt: skip


def translated_figure(draft: Draft, original: Figure, number: int, own_file: bool) -> Figure:
    """A figure of the translation: an own file, or the file of the main article again."""
    shown = next(media for media in draft.media if media.name == original.graphics[0].media)
    if shown.picture is None:
        raise ValueError(f"{shown.name} is no picture")
    panels = tuple(draft.panel(one.kind) for one in shown.picture.panels)
    if own_file:
        name = draft.save(f"{draft.stem_of(number)}-en", draft.picture(panels))
        graphic = _graphic(draft, name)
    else:
        graphic = replace(original.graphics[0], reject=("figure", "duplicate_reference"))
    label = f"Figure {number}"
    return Figure(
        f"f{number}en", "fig", "figure", label, _caption(draft, panels), (graphic,),
        expected_label=label,
    )  # fmt: skip


def third_party(draft: Draft, figure: Figure) -> Figure:
    """The same figure, taken from somebody else, in the way of the house."""
    if draft.house.name == "scielo":
        return replace(figure, attribution="Fonte: Atlas de Saúde, 2019.", third_party=True)
    if draft.house.name == "springer":
        return replace(figure, permissions="© 2015 The Atlas Society", third_party=True)
    said = Sentence(rich(_REPRODUCED))
    caption = figure.caption
    if caption.paragraphs:
        *before, last = caption.paragraphs
        caption = replace(caption, paragraphs=(*before, (*last, said)))
    else:
        caption = replace(caption, paragraphs=((said,),))
    return replace(figure, caption=caption, third_party=True)


def refer_in_caption(figure: Figure, other: Figure, named: str) -> Figure:
    """The same figure, whose caption names another figure."""
    spans: Rich = (
        Span("Colours as in "),
        Span(named, "xref", (other.id or "",), "fig"),
        Span("."),
    )
    said = Sentence(spans, (Cite(other.id or ""),))
    *before, last = figure.caption.paragraphs or ((),)
    return replace(figure, caption=replace(figure.caption, paragraphs=(*before, (*last, said))))
