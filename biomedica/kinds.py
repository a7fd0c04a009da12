"""The closed list of figure kinds: what each is, which a run takes by default, and why."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DEFAULT_FIGURE_KINDS", "FIGURE_KINDS", "FIGURE_KIND_TABLE", "FigureKind"]


@dataclass(frozen=True, slots=True)
class FigureKind:
    """A kind of figure: what it shows itself as, by element, label and place, and whether a run
    takes it unless told otherwise, with the reason. BIOMEDICA took every graphic that its file list
    and an exact href connected to words; the default is the same for images with words of their own.
    """

    name: str
    doc: str
    is_default: bool
    reason: str


FIGURE_KIND_TABLE = (
    FigureKind("figure", "a fig", True, "what the dataset is for"),
    FigureKind("scheme", "a fig labelled Scheme", True, "a figure under another word"),
    FigureKind("chart", "a fig labelled Chart", True, "a figure under another word"),
    FigureKind("plate", "a fig labelled Plate", True, "a figure under another word"),
    FigureKind("map", "a fig labelled Map", True, "a figure under another word"),
    FigureKind(
        "table",
        "a table that is only an image, or a fig labelled Table",
        True,
        "no text holds what it shows; beside a text table the image is table_alternative",
    ),
    FigureKind("box", "a fig labelled Box", True, "a figure under another word"),
    FigureKind("boxed_text", "an image in a titled box, in no fig", True, "it has words of its own"),
    FigureKind(
        "chemical_structure",
        "an image in chem-struct-wrap or chem-struct, or a fig labelled Chemical structure",
        True,
        "taken where it has a caption",
    ),
    FigureKind(
        "graphical_abstract",
        "an image in an abstract, in a section titled so, or a fig labelled so",
        True,
        "the article's own summary in one picture, with the abstract's words",
    ),
    FigureKind("featured", "a fig of type featured, lead or cover", True, "it has a caption as others"),
    FigureKind(
        "video_still",
        "an image of a media element, or a fig labelled Video or Movie",
        True,
        "an image with a caption; that the caption speaks of the film, the kind says",
    ),
    FigureKind("author_photo", "an image in a bio", False, "a person's portrait: privacy"),
    FigureKind(
        "formula", "an image of a formula", False, "text as an image; it needs keep_uncaptioned"
    ),
    FigureKind(
        "supplementary", "an image in supplementary material", False, "its caption names a file"
    ),
    FigureKind("floating", "a graphic without owner", True, "taken where it has a caption"),
)
FIGURE_KINDS = tuple(kind.name for kind in FIGURE_KIND_TABLE)
DEFAULT_FIGURE_KINDS = tuple(kind.name for kind in FIGURE_KIND_TABLE if kind.is_default)
