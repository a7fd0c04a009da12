"""Where rows are kept: shard files, Delta commits, one reading door and one writing door."""

from biomedica.store.changes import read_changes
from biomedica.store.dataset import Dataset, VersionInfo
from biomedica.store.done import (
    CurrentShards,
    Done,
    current_shards,
    done_articles,
    listing_keys,
    pending,
)
from biomedica.store.history import VersionEntry, history
from biomedica.store.keyed import KeyedTable, Merged, keyed_rows
from biomedica.store.shards import KEYED_TABLES, DataFile, is_sharded, table_of, write_file
from biomedica.store.storage import Storage, open_storage
from biomedica.store.terms import dataset_terms
from biomedica.store.vacuum import VacuumReport, parse_duration, vacuum
from biomedica.store.verify import Finding, Report, verify
from biomedica.store.writer import DatasetWriter

__all__ = [
    "KEYED_TABLES",
    "CurrentShards",
    "DataFile",
    "Dataset",
    "DatasetWriter",
    "Done",
    "Finding",
    "KeyedTable",
    "Merged",
    "Report",
    "Storage",
    "VacuumReport",
    "VersionEntry",
    "VersionInfo",
    "current_shards",
    "dataset_terms",
    "done_articles",
    "history",
    "is_sharded",
    "keyed_rows",
    "listing_keys",
    "open_storage",
    "parse_duration",
    "pending",
    "read_changes",
    "table_of",
    "vacuum",
    "verify",
    "write_file",
]
