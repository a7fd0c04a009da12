"""Malformed articles and broken media, each with the outcome that the rules demand."""

from __future__ import annotations

from .case import Defect, Prefix
from .planting import DEFECTS, planted, truth_of_defect

__all__ = ["DEFECTS", "Defect", "Prefix", "planted", "truth_of_defect"]
