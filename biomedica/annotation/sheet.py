"""What a person sees of a cluster before naming it: some of its images, its words, where it comes from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal
from urllib.parse import quote

import pyarrow as pa

__all__ = [
    "ZONES",
    "ClusterSheet",
    "SheetMember",
    "Typical",
    "Zone",
    "article_link",
    "sheet_from_table",
    "sheet_table",
]

Zone = Literal["nearest", "random", "edge"]
ZONES: dict[Zone, str] = {
    "nearest": "nearest to the centroid",
    "random": "at random",
    "edge": "at the far edge",
}
"""The parts of a sheet, in their order."""

SHEET_FORMAT = 1
"""Goes into every digest: sheets are made anew when it rises."""


@dataclass(frozen=True, slots=True)
class Typical:
    """A word, journal or MeSH descriptor that the cluster has more often than the rest of the corpus.

    score: the log-odds ratio in standard deviations (`sheet_terms`). share: of the captions, or
    images, of the cluster that were looked at, 0 to 1.
    """

    term: str
    score: float
    share: float


@dataclass(frozen=True, slots=True)
class SheetMember:
    """An image of a sheet. Texts are as the article has them: hostile input, to be escaped.

    distance: to the centroid, in the space of the clustering. link: the article's page.
    thumbnail: a JPEG; empty where there is no image, or before it was made.
    """

    pair_id: str
    zone: Zone
    distance: float
    label: str = ""
    caption: str = ""
    title: str = ""
    journal: str = ""
    year: int | None = None
    license_code: str = ""
    link: str = ""
    thumbnail: bytes = b""


@dataclass(frozen=True, slots=True)
class ClusterSheet:
    """A cluster's contact sheet. size: its images; share: of those of the run, 0 to 1.

    captions: how many captions the words were counted in; all, or a random sample of large clusters.
    """

    cluster_id: int
    size: int
    share: float
    captions: int = 0
    words: tuple[Typical, ...] = ()
    journals: tuple[Typical, ...] = ()
    mesh: tuple[Typical, ...] = ()
    members: tuple[SheetMember, ...] = ()

    def zone(self, zone: Zone) -> tuple[SheetMember, ...]:
        """The members of one part, in their order."""
        return tuple(one for one in self.members if one.zone == zone)

    @property
    def without_members(self) -> ClusterSheet:
        """The same but its images."""
        return replace(self, members=())

    def digest(self, *made_with: object) -> str:
        """16 hex digits of all but the thumbnails, and of what the thumbnails are made with."""
        bare = [replace(one, thumbnail=b"") for one in self.members]
        values = asdict(replace(self, members=()))
        values["members"] = [{**asdict(one), "thumbnail": ""} for one in bare]
        text = json.dumps([SHEET_FORMAT, *made_with, values], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def article_link(pmcid: str | None) -> str:
    """The page of an article; "" without a PMCID."""
    return f"https://pmc.ncbi.nlm.nih.gov/articles/{quote(pmcid, safe='')}/" if pmcid else ""


_MEMBER = pa.schema(
    [
        ("pair_id", pa.string()),
        ("zone", pa.string()),
        ("distance", pa.float32()),
        ("label", pa.string()),
        ("caption", pa.string()),
        ("title", pa.string()),
        ("journal", pa.string()),
        ("year", pa.int32()),
        ("license_code", pa.string()),
        ("link", pa.string()),
        ("thumbnail", pa.binary()),
    ]
)
_KEY = b"biomedica_sheet"


def sheet_table(sheet: ClusterSheet) -> pa.Table:
    """A sheet as a table, one row a member; the cluster's own facts are JSON in its metadata."""
    facts = asdict(sheet.without_members)
    rows = pa.Table.from_pylist([asdict(one) for one in sheet.members], _MEMBER)
    return rows.replace_schema_metadata({_KEY: json.dumps(facts, sort_keys=True).encode()})


def sheet_from_table(table: pa.Table) -> ClusterSheet:
    """The inverse of `sheet_table`. Raises ValueError for a table that is no sheet."""
    metadata = table.schema.metadata or {}
    if _KEY not in metadata or table.schema.names != _MEMBER.names:
        raise ValueError("this table is no sheet of a cluster")
    facts: dict[str, Any] = json.loads(metadata[_KEY])
    for name in ("words", "journals", "mesh"):
        facts[name] = tuple(Typical(**one) for one in facts[name])
    members = tuple(SheetMember(**row) for row in table.to_pylist())
    return ClusterSheet(**{**facts, "members": members})
