"""The terms that go with a dataset: a file beside its tables, and what its versions record of them.

The file is for people who find the dataset without this program. It is create-only like all others,
named by the time of the listing and by its own content; the note of each version names the one that
holds for it. Days are in this file and in the notes, and in no data file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from biomedica.store.dataset import Dataset
from biomedica.store.storage import Storage
from biomedica.terms import Terms, day_of

__all__ = ["TERMS", "dataset_terms", "origin_note", "write_terms"]

TERMS = "_terms"


def origin_note(before: Mapping[str, Any], source: str, listed: str) -> dict[str, Any]:
    """What a run that adds rows says in its note of their origin.

    before: the note of the version that it goes on from. listed: the name of the listing or inventory.
    """
    first = before.get("listed_from") or before.get("listed") or listed
    held = before.get("sources") or [before["source"]] if before.get("source") else []
    return {
        "source": source,
        "sources": sorted({*held, source}),
        "listed": listed,
        "listed_from": min(first, listed),
    }


def write_terms(storage: Storage, note: Mapping[str, Any], updated: str) -> str:
    """Put the terms of what a note says beside the dataset; the file's name, for that note.

    updated: the day. Raises StoreError or Deferred.
    """
    data = _terms(note, updated).to_markdown().encode()
    name = f"{note['listed']}-{hashlib.sha256(data).hexdigest()[:8]}.md"
    storage.put_new(f"{TERMS}/{name}", data)
    return name


def dataset_terms(dataset: Dataset) -> Terms:
    """The terms of one version. Raises StoreError or Deferred."""
    return _terms(dataset.note, day_of(dataset.timestamp))


def _terms(note: Mapping[str, Any], updated: str | None) -> Terms:
    sources = note.get("sources") or ([note["source"]] if note.get("source") else [])
    listed = note.get("listed")
    first = note.get("listed_from") or listed
    return Terms(tuple(sources), day_of(first), day_of(listed), updated)
