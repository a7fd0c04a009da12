"""The notebook's view of a dataset: lazy selections over its tables at one version, and pictures."""

from __future__ import annotations

from biomedica.archive.cards import Cards
from biomedica.archive.dataset import Archive
from biomedica.archive.selection import Selection

__all__ = ["Archive", "Cards", "Selection"]
