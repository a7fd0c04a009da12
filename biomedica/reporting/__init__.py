"""What people look at: statistics of a dataset, one pair with all that belongs to it, tables."""

from __future__ import annotations

from biomedica.reporting.enrichment_text import print_enrichment
from biomedica.reporting.inspection import Inspection, inspect_article, inspect_xml
from biomedica.reporting.inspection_page import inspection_page
from biomedica.reporting.inspection_text import print_inspection
from biomedica.reporting.page import check_place, write_page
from biomedica.reporting.pair import find_pair, write_image
from biomedica.reporting.plots import Series
from biomedica.reporting.run_page import ModelNote, RunPage, SlowShard, run_page
from biomedica.reporting.samples import RejectExample, SampledPair, reject_examples, sample_pairs
from biomedica.reporting.selection import IdSelection, print_ids, select_ids
from biomedica.reporting.statistics import Statistics, statistics
from biomedica.reporting.statistics_page import statistics_page
from biomedica.reporting.tables import print_pair, print_run, print_statistics, print_verification

__all__ = [
    "IdSelection",
    "Inspection",
    "ModelNote",
    "RejectExample",
    "RunPage",
    "SampledPair",
    "Series",
    "SlowShard",
    "Statistics",
    "check_place",
    "find_pair",
    "inspect_article",
    "inspect_xml",
    "inspection_page",
    "print_enrichment",
    "print_ids",
    "print_inspection",
    "print_pair",
    "print_run",
    "print_statistics",
    "print_verification",
    "reject_examples",
    "run_page",
    "sample_pairs",
    "select_ids",
    "statistics",
    "statistics_page",
    "write_image",
    "write_page",
]
