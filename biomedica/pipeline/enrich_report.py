"""What a run of `enrich` did, in numbers that add up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from biomedica.store import Merged

__all__ = ["EnrichReport"]

LISTED = 100


@dataclass(slots=True)
class EnrichReport:
    """The result of `enrich`: pmids = skipped + found + missing + deleted + deferred + not_in_files."""

    dataset: str = ""
    version: int = -1
    articles_without_pmid: int = 0
    pmids: int = 0
    """different PMIDs of the dataset's articles"""
    skipped: int = 0
    """there before: asked lately or from a PubMed file; read from files, also where a newer record
    has replaced the row"""
    found: int = 0
    missing: int = 0
    """PubMed has no such record; in the table as such"""
    deleted: int = 0
    """the citation was deleted; in the table as such"""
    deferred: int = 0
    """not answered: the next run asks again"""
    not_in_files: int = 0
    """in none of the files: no row"""
    rows_added: int = 0
    rows_replaced: int = 0
    unasked: int = 0
    """records in answers that nobody had asked for"""
    requests: int = 0
    bytes_read: int = 0
    files: int = 0
    files_skipped: int = 0
    """read before for the same PMIDs, and not changed since"""
    files_read: int = 0
    files_failed: int = 0
    files_unchecked: int = 0
    """no MD5 lay beside them"""
    records: int = 0
    """in the files that were read"""
    unreadable: int = 0
    """records that could not be read"""
    seconds: float = 0.0
    missing_pmids: list[int] = field(default_factory=list)
    """the first hundred, as of the lists below"""
    not_in_files_pmids: list[int] = field(default_factory=list)
    deferred_pmids: list[tuple[int, str]] = field(default_factory=list)
    failed_files: list[tuple[str, str]] = field(default_factory=list)
    unreadable_records: list[tuple[str, str]] = field(default_factory=list)
    """(where, why)"""

    def defer(self, pmids: Iterable[int], why: str) -> None:
        """Count PMIDs that were not answered."""
        for pmid in pmids:
            self.deferred += 1
            if len(self.deferred_pmids) < LISTED:
                self.deferred_pmids.append((pmid, why))

    def fail(self, file: str, why: str) -> None:
        """Count a file that could not be read."""
        self.files_failed += 1
        if len(self.failed_files) < LISTED:
            self.failed_files.append((file, why))

    def take_unreadable(self, where: str, faults: Iterable[str]) -> None:
        """Count records that could not be read."""
        for why in faults:
            self.unreadable += 1
            if len(self.unreadable_records) < LISTED:
                self.unreadable_records.append((where, why))

    def merged(self, merged: Merged) -> None:
        """Count rows that were committed."""
        self.rows_added += merged.added
        self.rows_replaced += merged.replaced

    @property
    def balanced(self) -> bool:
        """Every PMID is accounted for."""
        asked = self.found + self.missing + self.deleted + self.deferred
        return self.pmids == self.skipped + asked + self.not_in_files

    @property
    def complete(self) -> bool:
        """Nothing waits for another run."""
        return not (self.deferred or self.files_failed)

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        values: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        values["seconds"] = round(self.seconds, 3)
        for name in ("deferred_pmids", "failed_files", "unreadable_records"):
            values[name] = [list(one) for one in values[name]]
        return values
