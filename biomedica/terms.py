"""What PubMed Central's terms ask of whoever passes its articles on, as a dataset or a release says it.

NLM is named as the source, with the address; how fresh the data are is stated; nothing suggests an
endorsement; what licence covers what is told, so that only what may be passed on is; PMC's own way
to be cited, with the day of access (pmc_cloud.md §4; README of the PMC Article Datasets on AWS).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

__all__ = ["PMC_ADDRESS", "PMC_BUCKET", "Terms", "day_of"]

PMC_BUCKET = "s3://pmc-oa-opendata"
PMC_ADDRESS = "https://registry.opendata.aws/ncbi-pmc"
HOME = "https://pmc.ncbi.nlm.nih.gov"
UNKNOWN = "a day that is not recorded"

_LICENCES = (
    "Each article, with its text, captions and images, is under the licence of its publisher, which stands "
    "in its row: `license_code`, `license_url`, `license_group` and `copyright_statement`; a pair repeats "
    "`license_code` and `license_group`. `license_group` is `commercial` (CC0, CC BY, CC BY-SA, CC BY-ND), "
    "`noncommercial` (CC BY-NC and its kin), or `other`, where reuse is not granted beyond the law and the "
    "publisher's own words. Figures of other owners are marked by `is_third_party` and may be under other "
    "terms. ND licences allow no changed copies. Pass on only what its licence allows, with its attribution, which `citation`, `doi` and "
    "`attribution` hold. Retracted articles are marked by `is_retracted`."
)
_STATEMENT = (
    "Courtesy of the U.S. National Library of Medicine (NLM). NLM has not reviewed and does not endorse this "
    "dataset, who made it, or what is made with it. It may not hold the most current or most accurate data "
    "that NLM has. NLM's and PMC's wordmarks and logos are not used, and must not be."
)
_PUBMED = (
    "MeSH headings, publication types and references in the table `enrichment`, where there is one, come "
    "from PubMed, "
    "https://pubmed.ncbi.nlm.nih.gov, courtesy of the U.S. National Library of Medicine, on NLM's terms: "
    "https://www.nlm.nih.gov/databases/download/terms_and_conditions.html"
)


@dataclass(frozen=True, slots=True)
class Terms:
    """What is known of a dataset's origin. Days are ISO 8601 dates, or None where nothing recorded them.

    sources: the URIs of the sources that its rows came from, at least one where it has rows.
    listed_from, listed: between these days the source listed the articles as the rows have them.
    updated: when the dataset was last changed.
    """

    sources: tuple[str, ...]
    listed_from: str | None
    listed: str | None
    updated: str | None

    @property
    def sections(self) -> tuple[tuple[str, str], ...]:
        """(heading, text), in the order in which they are shown. Text in backquotes names columns."""
        return (
            ("Source", self._source),
            ("How current it is", self._freshness),
            ("Licences", _LICENCES),
            ("Statement", _STATEMENT),
            ("To be cited as", self.citation),
            ("PubMed", _PUBMED),
        )

    @property
    def citation(self) -> str:
        """PMC's own wording, with the day of access."""
        day = self.listed or UNKNOWN
        cited = f"PubMed Central (PMC) Article Datasets on AWS was accessed on {day} from {PMC_ADDRESS}"
        return cited if self._is_first_hand else f"{cited}, by way of {self._places}"

    def to_markdown(self) -> str:
        """A file of its own, for who finds the dataset without this program."""
        lines = ["# Terms of this dataset", ""]
        for heading, text in self.sections:
            lines += [f"## {heading}", "", text, ""]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "sources": list(self.sources),
            "address": PMC_ADDRESS,
            "listed_from": self.listed_from,
            "listed": self.listed,
            "updated": self.updated,
            "citation": self.citation,
            "sections": dict(self.sections),
        }

    @property
    def _is_first_hand(self) -> bool:
        return bool(self.sources) and all(_is_pmc(source) for source in self.sources)

    @property
    def _places(self) -> str:
        return ", ".join(self.sources) or "a place that is not recorded"

    @property
    def _source(self) -> str:
        named = (
            f"Articles of PubMed Central (PMC), U.S. National Library of Medicine, {HOME}: the PMC Article "
            f"Datasets on AWS, {PMC_ADDRESS} ({PMC_BUCKET})"
        )
        if self._is_first_hand:
            return f"{named}."
        return (
            f"{named}, as they lie in {self._places}, which is no place of NLM's: whether they are PMC's, and "
            "unchanged, is for its owner to say."
        )

    @property
    def _freshness(self) -> str:
        days = [day for day in dict.fromkeys((self.listed_from, self.listed)) if day is not None]
        when = f"between {days[0]} and {days[1]}" if len(days) == 2 else f"on {(days or [UNKNOWN])[0]}"
        return (
            f"The articles are as their source listed them {when}; the dataset was last changed on "
            f"{self.updated or UNKNOWN}. PMC adds, corrects, withdraws and retracts articles every day, so "
            "that this is not the most current state of PMC: `biomedica update` brings it to that."
        )


def day_of(time: str | datetime.datetime | None) -> str | None:
    """The day of a time, or of the name of a snapshot (2026-09-01T01-00-00Z); None for None."""
    if isinstance(time, datetime.datetime):
        time = time.astimezone(datetime.UTC).isoformat()
    return None if time is None else time[:10]


def _is_pmc(source: str) -> bool:
    return source.lower().rstrip("/") == PMC_BUCKET
