"""A defect: a small article of which one thing is wrong, and what a build must make of it.

What is expected follows the rules for input, never a parser of ours: it stands beside the defect.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from biomedica.sources.sample.canvas import Rng

__all__ = [
    "FIRST_DEFECT",
    "Defect",
    "GraphicOutcome",
    "Outcome",
    "Plant",
    "Prefix",
    "deferred",
    "pair",
    "refuse",
    "rejected",
    "written",
]

FIRST_DEFECT = 99_000_001
"""PMCID of the first defect; the ordinary articles of the sample lie below."""

_BUCKET = "pmc-oa-opendata"


@dataclass(frozen=True, slots=True)
class GraphicOutcome:
    """What one `graphic` becomes: a pair of `file` with these columns, or a reject."""

    file: str | None = None
    reject: tuple[str, str] | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the article becomes.

    graphics: in document order. figures: reasons of figures that hold no graphic. warnings: the
    codes, all of them. article: columns of the articles row.
    """

    kind: Literal["written", "rejected", "deferred"]
    stage: str | None = None
    reason: str | None = None
    graphics: tuple[GraphicOutcome, ...] = ()
    figures: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    article: Mapping[str, Any] = field(default_factory=dict)


def pair(file: str | None = "fig1.jpg", **columns: Any) -> GraphicOutcome:
    """A graphic that is a pair; file None: its name is not promised."""
    return GraphicOutcome(file, None, columns)


def refuse(stage: str, reason: str) -> GraphicOutcome:
    """A graphic that is a reject."""
    return GraphicOutcome(None, (stage, reason))


def written(
    *graphics: GraphicOutcome,
    figures: tuple[str, ...] = (),
    warnings: tuple[str, ...] = (),
    **article: Any,
) -> Outcome:
    """An article that is written."""
    return Outcome("written", None, None, graphics, figures, warnings, article)


def rejected(stage: str, reason: str) -> Outcome:
    """An article that is a reject as a whole."""
    return Outcome("rejected", stage, reason)


def deferred() -> Outcome:
    """An article that every run leaves out and takes again."""
    return Outcome("deferred")


@dataclass(slots=True)
class Prefix:
    """The files of one article version before they are written; a `Plant` spoils them."""

    pmcid: int
    rng: Rng
    xml: bytes | None = b""
    media: dict[str, bytes | None] = field(default_factory=dict)
    """file name → bytes; None: the metadata names a file that does not exist"""
    fields: dict[str, Any] = field(default_factory=dict)
    """metadata fields beside or instead of the sound ones; an Ellipsis leaves the field out"""
    raw_metadata: bytes | None = None
    """the whole metadata instead of a JSON object"""
    keys: dict[str, str] = field(default_factory=dict)
    """media file name → the key that the metadata gives it, where that is not `<article>/<name>`"""
    unlisted: set[str] = field(default_factory=set)
    """media that the metadata does not name"""
    md5_of: dict[str, bytes | None] = field(default_factory=dict)
    """file name → bytes whose MD5 the metadata states; None: it states none"""

    @property
    def article_id(self) -> str:
        return f"PMC{self.pmcid}.1"

    @property
    def xml_name(self) -> str:
        return f"{self.article_id}.xml"

    @property
    def number(self) -> int:
        return self.pmcid - FIRST_DEFECT + 1

    def url(self, name: str, data: bytes | None) -> str:
        """The URL of a file with its MD5, as the metadata spells it."""
        stated = self.md5_of.get(name, data)
        key = self.keys.get(name, f"{self.article_id}/{name}")
        if name in self.md5_of and stated is None:
            return f"s3://{_BUCKET}/{key}"
        digest = hashlib.md5(stated or b"", usedforsecurity=False).hexdigest()
        return f"s3://{_BUCKET}/{key}?md5={digest}"

    def metadata(self) -> dict[str, Any]:
        """The fields of the metadata JSON."""
        listed = {name: data for name, data in self.media.items() if name not in self.unlisted}
        values = {
            "pmcid": f"PMC{self.pmcid}",
            "version": 1,
            "pmid": None,
            "doi": f"10.97500/defect.{self.number}",
            "mid": None,
            "title": f"A report with a defect, number {self.number}",
            "citation": f"Defects. 2024;1:{self.number}",
            "is_pmc_openaccess": True,
            "is_manuscript": False,
            "is_historical_ocr": False,
            "is_retracted": False,
            "license_code": "CC BY",
            "xml_url": self.url(self.xml_name, self.xml),
            "media_urls": [self.url(name, data) for name, data in listed.items()],
        }
        values |= self.fields
        return {name: value for name, value in values.items() if value is not ...}


Plant = Callable[[Prefix], None]


@dataclass(frozen=True, slots=True)
class Defect:
    """One thing that is wrong. name: snake_case; says: a sentence for people."""

    name: str
    says: str
    outcome: Outcome
    plant: Plant
