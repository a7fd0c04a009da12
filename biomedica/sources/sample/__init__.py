"""The built-in sample corpus: invented articles in the layout of PMC's bucket, with their truth."""

from __future__ import annotations

from .layout import SampleSummary, write_sample

__all__ = ["SampleSummary", "write_sample"]
