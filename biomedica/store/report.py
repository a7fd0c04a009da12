"""What a verification found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

__all__ = ["LEFTOVER", "MOVED_ON", "Finding", "Report"]

LEFTOVER = "leftover"
"""The code of what an interrupted run left behind: no error, `repair` removes it."""

MOVED_ON = "source_moved_on"
"""The code of an article that the source has changed or withdrawn since it was built: no error."""

_LISTED = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise: a stable code, the table, the file, article or pair, and a sentence."""

    code: str
    table: str
    item: str
    message: str


@dataclass(slots=True)
class Report:
    """Findings of a verification. The first hundred of each code are listed, all are counted.

    counts: what was checked (files, bytes, live rows by table). problems: findings by code.
    unembedded: by embeddings table, pairs of articles that its model has not taken: `embed` does.
    repaired: files and commits that were removed.
    """

    version: int | None = None
    findings: list[Finding] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    unembedded: dict[str, int] = field(default_factory=dict)
    repaired: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether every promise holds; leftovers, and what the source did since, break none."""
        return not set(self.problems) - {LEFTOVER, MOVED_ON}

    def add(self, code: str, table: str, item: str, message: str) -> None:
        """Record a finding."""
        self.problems[code] += 1
        if self.problems[code] <= _LISTED:
            self.findings.append(Finding(code, table, item, message))

    def to_dict(self) -> dict[str, Any]:
        """JSON values: ok, version, counts, problems, unembedded, findings, repaired."""
        findings = [
            {"code": f.code, "table": f.table, "item": f.item, "message": f.message}
            for f in self.findings
        ]
        return {
            "ok": self.ok,
            "version": self.version,
            "counts": dict(sorted(self.counts.items())),
            "problems": dict(sorted(self.problems.items())),
            "unembedded": dict(sorted(self.unembedded.items())),
            "findings": findings,
            "repaired": list(self.repaired),
        }
