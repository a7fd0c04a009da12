"""Settings of `enrich`. See `biomedica.config`."""

from __future__ import annotations

from pydantic import Field, field_validator

from biomedica.config import FetchConfig, JobConfig, Section, absolute_place

__all__ = ["EnrichConfig", "PubmedConfig"]


class PubmedConfig(Section):
    """Where PubMed records come from: NCBI's E-utilities, or its files. A key that allows more requests
    is read from the environment (NCBI_API_KEY), never from here."""

    files: tuple[str, ...] = Field(
        (), description="folders, s3:// or https:// URIs of PubMed files; none: E-utilities"
    )
    keep_all: bool = Field(False, description="of the files, keep also PMIDs that no article has")
    email: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9.-]{1,190}$",
        description="your address: NCBI asks for it with every request",
    )
    tool: str = Field("biomedica", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="the name we give")
    url: str = Field(
        "https://eutils.ncbi.nlm.nih.gov/entrez/eutils",
        pattern=r"^https?://[A-Za-z0-9.\[\]:_-]+(/[A-Za-z0-9._/-]*)?$",
        description="base URL of E-utilities",
    )
    batch: int = Field(200, gt=0, le=200, description="PMIDs a request")
    requests_per_second: float | None = Field(
        None, gt=0, le=1000, description="absent, and at most at NCBI: 3, with a key 10"
    )
    max_age_days: int = Field(
        30, ge=0, description="days after which E-utilities are asked again for a PMID"
    )
    timeout_seconds: float = Field(60.0, gt=0, le=3600, description="silence that ends a request")
    retries: int = Field(8, ge=0, le=50, description="tries after the first of one request")

    @field_validator("files")
    @classmethod
    def _absolute_files(cls, files: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(absolute_place, files)))


class EnrichConfig(JobConfig):
    """Everything `biomedica enrich` knows."""

    pubmed: PubmedConfig = PubmedConfig()
    fetch: FetchConfig = FetchConfig()

    @field_validator("report")
    @classmethod
    def _without_page(cls, report: str | None) -> str | None:
        if report is not None:
            raise ValueError("enrich makes no page of pairs and rejects: leave it out, --json says all")
        return report
