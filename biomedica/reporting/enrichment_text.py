"""What a run of `enrich` did, on a terminal."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

__all__ = ["print_enrichment"]

SHOWN = 20


def print_enrichment(values: dict[str, Any]) -> None:
    """The report of a run, as `EnrichReport.to_dict` gives it."""
    console = Console()
    table = Table(title="enrichment", title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _rows(values):
        table.add_row(name, escape(f"{value:,}" if isinstance(value, int) else str(value)))
    console.print(table)
    for title, items in _lists(values):
        if items:
            console.print(title)
            for item in items[:SHOWN]:
                console.print(f"  {escape(item)}")
            if len(items) > SHOWN:
                console.print("  …")


def _rows(r: dict[str, Any]) -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = [
        ("PMIDs of its articles", r["pmids"]),
        ("  there before", r["skipped"]),
        ("  found", r["found"]),
        ("  missing in PubMed", r["missing"]),
        ("  deleted in PubMed", r["deleted"]),
        ("  deferred", r["deferred"]),
    ]
    if r["files"]:
        files = f"{r['files']:,} ({r['files_skipped']:,} done before, {r['files_failed']:,} failed)"
        rows += [
            ("  in none of the files", r["not_in_files"]),
            ("PubMed files", files),
            ("records in those read", r["records"]),
        ]
        if r["files_unchecked"]:
            rows.append(("files without an MD5 beside them", r["files_unchecked"]))
    else:
        rows.append(("requests", r["requests"]))
    rows += [
        ("rows added", r["rows_added"]),
        ("rows replaced by newer ones", r["rows_replaced"]),
        ("articles without a PMID", r["articles_without_pmid"]),
        ("read", f"{r['bytes_read'] / 1e6:,.1f} MB"),
        ("time", f"{r['seconds']:.1f} s"),
        ("dataset", r["dataset"]),
        ("version", r["version"]),
    ]
    return rows


def _lists(r: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [
        ("missing in PubMed:", [str(pmid) for pmid in r["missing_pmids"]]),
        ("in none of the files:", [str(pmid) for pmid in r["not_in_files_pmids"]]),
        (
            "deferred, and asked for again by the same command:",
            [f"{pmid}  {why}" for pmid, why in r["deferred_pmids"]],
        ),
        (
            "files that failed, and are read again by the same command:",
            [f"{name}  {why}" for name, why in r["failed_files"]],
        ),
        ("records that could not be read:", [f"{at}  {why}" for at, why in r["unreadable_records"]]),
    ]
