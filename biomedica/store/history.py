"""The versions of a dataset as people ask for them: when, by which command, what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from biomedica.store.dataset import Dataset

__all__ = ["VersionEntry", "history"]


@dataclass(frozen=True, slots=True)
class VersionEntry:
    """One version. Fields are None, and counts empty, where its run did not say.

    time: of the commit, ISO 8601, UTC. listed: when the source was as this version has it. source: the
    URI. changes: the file below `_changes/` that says what an update did to each article.
    """

    version: int
    time: str
    command: str | None
    counts: dict[str, int]
    source: str | None
    listed: str | None
    changes: str | None
    note: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """JSON values; of the rest of the note only what is not said before."""
        said = {"command", "counts", "source", "listed", "changes"}
        values = {name: getattr(self, name) for name in self.__slots__ if name != "note"}
        return values | {"note": {k: v for k, v in self.note.items() if k not in said}}


def history(dataset: Dataset, last: int | None = None) -> list[VersionEntry]:
    """The versions that can be read, the newest first; last: so many at most."""
    return [
        VersionEntry(
            one.version,
            one.timestamp.isoformat(timespec="seconds"),
            one.note.get("command"),
            dict(one.note.get("counts", {})),
            one.note.get("source"),
            one.note.get("listed"),
            one.note.get("changes"),
            one.note,
        )
        for one in dataset.versions()[:last]
    ]
