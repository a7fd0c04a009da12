"""An article in the making: its words and house, and the media files collected so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .canvas import Rng, between, pick
from .description import Media
from .houses import House, Journal
from .images import EXTENSIONS, Panel, Picture
from .prose import Voice, panel
from .vocabulary import Topic

__all__ = ["Draft"]

_PHOTOGRAPHS = frozenset(
    {
        "histology",
        "immunohistochemistry",
        "fluorescence",
        "electron_micrograph",
        "radiograph",
        "ct",
        "gel",
    }
)


@dataclass(slots=True)
class Draft:
    """State shared by the functions that make one article."""

    rng: Rng
    house: House
    journal: Journal
    topic: Topic
    voice: Voice
    seed: tuple[int, ...]
    twists: frozenset[str]
    names: dict[str, object]
    """slots of the house's id and file templates: short, number, year, volume, stem"""
    media: list[Media] = field(default_factory=list)
    drawn: int = 0
    """panels so far: part of each panel's seed"""

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def id_of(self, number: int) -> str:
        """The id of figure `number` in the house's manner."""
        return self.house.figure_id.format(n=number, **self.names)

    def stem_of(self, number: int) -> str:
        """The file stem of figure `number` in the house's manner."""
        return self.house.file.format(n=number, **self.names)

    def panel(self, kind: str) -> Panel:
        self.drawn += 1
        return panel(self.rng, self.voice, kind, (*self.seed, self.drawn))

    def picture(self, panels: tuple[Panel, ...], fmt: str = "jpeg", mode: str = "RGB") -> Picture:
        """A picture of 0.2-2 megapixels whose shape suits its panels."""
        wide = between(self.rng, 560, 1050) if len(panels) == 1 else between(self.rng, 900, 1600)
        columns = 1 if len(panels) == 1 else 3 if len(panels) in (3, 5, 6) else 2
        rows = -(-len(panels) // columns)
        high = wide * between(self.rng, 0.66, 0.86) * rows / columns
        if panels[0].kind == "radiograph" and len(panels) == 1:
            wide, high = high, high * between(self.rng, 1.0, 1.2)
        if panels[0].kind == "formula":
            wide, high = between(self.rng, 400, 640), between(self.rng, 90, 140)
        canvas = (int(wide), int(high))
        return Picture(panels, canvas, canvas[0], canvas[1], fmt, mode, self.house.letters)

    def save(self, stem: str, picture: Picture) -> str:
        """Take the picture among the article's media; its file name."""
        name = stem + EXTENSIONS[picture.format]
        self.media.append(Media(name, picture))
        return name

    def twin(self, stem: str, picture: Picture, scale: float, fmt: str | None = None) -> str:
        """The same picture in another size or format."""
        size = max(60, int(picture.width * scale)), max(45, int(picture.height * scale))
        form = fmt or picture.format
        mode = "P" if form == "gif" else picture.mode
        return self.save(stem, replace(picture, width=size[0], height=size[1], format=form, mode=mode))

    def figure_format(self, panels: tuple[Panel, ...]) -> tuple[str, str]:
        """(format, mode) of a figure's image; photographs in colour are not stored as PNG."""
        fmt, mode = pick(self.rng, self.house.formats)
        is_photograph = any(panel.kind in _PHOTOGRAPHS for panel in panels)
        if fmt == "png" and mode != "L" and is_photograph:
            return "jpeg", "RGB"
        return fmt, mode
