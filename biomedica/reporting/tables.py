"""What a person sees on a terminal: results of runs, statistics, one pair, findings."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from biomedica.reporting.statistics import Statistics
from biomedica.store import Report

__all__ = ["print_pair", "print_run", "print_statistics", "print_verification"]

LONG_LIST = 20


def _grid(title: str, rows: Iterable[tuple[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, escape(_text(value)))
    return table


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)


def print_run(values: dict[str, Any]) -> None:
    """The report of a run, as `RunReport.to_dict` gives it."""
    console = Console()
    seconds = values["seconds"]
    rows: list[tuple[str, Any]] = []
    if values["articles_requested"]:
        rows = [
            ("articles requested", values["articles_requested"]),
            ("  done before", values["articles_skipped"]),
            ("  written", values["articles"]),
            ("  rejected", values["articles_rejected"]),
            ("  deferred", values["articles_deferred"]),
        ]
    if values["articles_over_budget"]:
        rows.append(("    over the budget", values["articles_over_budget"]))
    rows += [("pairs", values["pairs"]), ("rejects", values["rejects"])]
    if values["pairs_embedded"]:
        rows.append(("pairs of earlier runs embedded", values["pairs_embedded"]))
    rows += [(f"embeddings {slug}", count) for slug, count in values["embeddings"].items()]
    if values["shards"]:
        shards = f"{values['shards']:,} ({values['shards_skipped']:,} done before)"
        rows.append(("shards", shards))
    rows += [
        ("shards failed", values["shards_failed"]),
        ("media read", f"{values['media_read']:,} files, {values['bytes_read'] / 1e6:,.1f} MB in all"),
        ("requests to the source", _requests(values)),
        ("time", f"{seconds:.1f} s"),
        ("dataset", values["dataset"]),
        ("version", values["version"]),
    ]
    if values.get("report"):
        rows.append(("report", values["report"]))
    console.print(_grid("run", rows))
    _warn_untrained(console, values["untrained_models"])
    for slug in values["models_not_run"]:
        console.print(f"nothing was embedded by {escape(slug)}: `biomedica embed` adds what is new")
    _say_budget(console, values)
    if values["deferred"]:
        console.print(
            "deferred, and taken again by the same command once what is said here has passed:"
        )
        for article, why in values["deferred"][:LONG_LIST]:
            console.print(f"  {article}  {escape(why)}")
        others = values["articles_deferred"] - values["articles_over_budget"] - LONG_LIST
        if others > 0:
            console.print(f"  and {others:,} more")


def _requests(values: dict[str, Any]) -> str:
    counts = [("retries", values["retries"]), ("met SlowDown", values["slow_downs"])]
    some = ", ".join(f"{count:,} {what}" for what, count in counts if count)
    return f"{values['requests']:,}" + (f" ({some})" if some else "")


def _say_budget(console: Console, values: dict[str, Any]) -> None:
    if values["budget"] is None:
        return
    spent = f"the budget of {values['budget']} (budget.max_{values['budget']}) is spent"
    console.print(
        f"{spent}: {values['articles_over_budget']:,} articles were not started, or not read to their end; "
        "the same command goes on with them"
    )
    if not values["articles"] + values["articles_rejected"]:
        console.print("not one article was read to its end: give the next run a larger one")


def _warn_untrained(console: Console, slugs: Iterable[str]) -> None:
    for slug in slugs:
        console.print(f"[yellow]{escape(slug)} is untrained: its embeddings mean nothing[/yellow]")


def print_statistics(found: Statistics) -> None:
    """Statistics as tables."""
    console = Console()
    totals = [(name.replace("_", " "), value) for name, value in found.totals.items()]
    console.print(_grid(f"{found.uri} at version {found.version}", totals))
    measures = Table(
        "", "least", "10 %", "median", "90 %", "most", box=None, title="images and captions"
    )
    for name, values in found.quantiles.items():
        if values:
            measures.add_row(name.replace("_", " "), *(f"{value:,.4g}" for value in values))
    if measures.row_count:
        console.print(measures)
    for name, counts in found.counts.items():
        if counts:
            console.print(_counts(name.replace("_", " "), counts))
    if found.embeddings:
        console.print(_grid("embeddings", found.embeddings.items()))
    _warn_untrained(console, [slug for slug in found.embeddings if "untrained" in slug])
    console.print(_grid("terms", [(heading.lower(), text) for heading, text in found.terms.sections]))


def _counts(title: str, counts: Sequence[tuple[str, int]]) -> Table:
    total = sum(count for _, count in counts)
    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(min_width=34, overflow="fold")
    table.add_column(justify="right")
    table.add_column(justify="right", style="dim")
    for value, count in counts[:LONG_LIST]:
        table.add_row(escape(value), f"{count:,}", f"{100 * count / total:.1f} %")
    if len(counts) > LONG_LIST:
        table.add_row(f"and {len(counts) - LONG_LIST} more", "", "")
    return table


def print_pair(row: dict[str, Any], path: Path) -> None:
    """One pair: caption, context, provenance."""
    console = Console()
    article = row["article"]
    size = f"{row['width']} x {row['height']} {row['mode']}, {row['image_format']}, {row['byte_size']:,} bytes"
    console.print(
        _grid(
            row["pair_id"],
            [
                ("image", f"{path} ({size})"),
                ("figure", f"{row['figure_label'] or row['figure_id']} ({row['figure_kind']})"),
                ("caption", row["caption"]),
                ("article", row["title"]),
                ("citation", row["citation"]),
                ("licence", f"{row['license_code'] or 'none'} ({row['license_group']})"),
                ("third party", row["third_party_text"] or "no"),
                ("retracted", article["is_retracted"]),
                ("sha256", row["original_sha256"]),
                ("phash", row["phash"]),
                ("source", article["source_uri"]),
                ("source MD5", article["source_md5"]),
                ("metadata digest", article["input_digest"]),
                (
                    "build",
                    f"{row['build_digest']}, shard {row['shard']}, parser {article['parser_version']}",
                ),
            ],
        )
    )
    for mention in row["mentions"]:
        console.print(f"\n[dim]{escape(mention['section'] or 'no section')}[/dim]")
        console.print(escape(mention["sentence"] or mention["paragraph"]))


def print_verification(report: Report) -> None:
    """What verify found."""
    console = Console()
    console.print(_grid("verify", report.counts.items()))
    for finding in report.findings[:LONG_LIST]:
        console.print(
            f"{finding.code}: {finding.table} {escape(finding.item)}: {escape(finding.message)}"
        )
    if len(report.findings) > LONG_LIST:
        console.print(f"and {len(report.findings) - LONG_LIST} more; --json lists them all")
    console.print("every promise holds" if report.ok else "[red]the dataset breaks its promises[/red]")
