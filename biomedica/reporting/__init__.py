"""What people look at: statistics of a dataset, one pair with all that belongs to it, tables."""

from __future__ import annotations

from biomedica.reporting.enrichment_text import print_enrichment
from biomedica.reporting.inspection import Inspection, inspect_article, inspect_xml
from biomedica.reporting.inspection_page import inspection_page
from biomedica.reporting.inspection_text import print_inspection
from biomedica.reporting.metadata_rows import metadata_row
from biomedica.reporting.page import check_place, write_page
from biomedica.reporting.pair import find_pair, write_image
from biomedica.reporting.plots import Series
from biomedica.reporting.print_ids import print_ids
from biomedica.reporting.run_page import ModelNote, RunPage, SlowShard, run_page
from biomedica.reporting.samples import RejectExample, SampledPair, reject_examples, sample_pairs
from biomedica.reporting.selection import IdSelection, select_ids
from biomedica.reporting.snapshot_text import print_snapshot
from biomedica.reporting.statistics import Statistics, statistics
from biomedica.reporting.statistics_page import statistics_page
from biomedica.reporting.stored_selection import StoredSelection, select_stored_ids
from biomedica.reporting.tables import print_pair, print_run, print_statistics, print_verification
from biomedica.reporting.upkeep_text import (
    print_article_changes,
    print_changes,
    print_compaction,
    print_history,
    print_vacuum,
)

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
    "StoredSelection",
    "check_place",
    "find_pair",
    "inspect_article",
    "inspect_xml",
    "inspection_page",
    "metadata_row",
    "print_article_changes",
    "print_changes",
    "print_compaction",
    "print_enrichment",
    "print_history",
    "print_ids",
    "print_inspection",
    "print_pair",
    "print_run",
    "print_snapshot",
    "print_statistics",
    "print_vacuum",
    "print_verification",
    "reject_examples",
    "run_page",
    "sample_pairs",
    "select_ids",
    "select_stored_ids",
    "statistics",
    "statistics_page",
    "write_image",
    "write_page",
]
