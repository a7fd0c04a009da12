"""The page of a dataset: its numbers as plots, and a sheet of its images."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from biomedica.archive import Archive
from biomedica.reporting.histograms import histograms
from biomedica.reporting.page import counted, render
from biomedica.reporting.plots import histogram_plot, years_plot
from biomedica.reporting.run_page import reasons
from biomedica.reporting.samples import sample_pairs
from biomedica.reporting.statistics import Statistics
from biomedica.store import Dataset

__all__ = ["statistics_page"]

SHEET, SIDE, PLACES = 48, 200, 24
"""Images of the sheet, their longer side in pixels, and the files that they are taken from."""

LONGEST = 15
"""Rows of a table of counts; the others are summed up."""

PLOTS = {  # name → title, what its rows are
    "shorter_side": ("Shorter side", "image"),
    "kilobytes": ("Size of the stored files", "image"),
    "caption_words": ("Length of the captions", "image"),
    "mentions": ("Mentions in the article", "image"),
    "mention_words": ("Length of a mention", "sentence"),
}
TABLES = {
    "formats": ("Formats of the source's files", "format", "pairs"),
    "figure_kinds": ("Kinds of figure", "kind", "pairs"),
    "licenses": ("Licences", "licence", "articles"),
    "license_groups": ("Licence groups", "group", "pairs"),
    "journals": ("Journals", "journal", "pairs"),
    "modes": ("Colour modes", "mode", "pairs"),
}


def statistics_page(found: Statistics, archive: Archive, dataset: Dataset) -> str:
    """The page as HTML: one file, no scripts, nothing fetched; the same for the same version.

    found: the statistics of the archive. dataset: the same dataset at the same version.
    Raises ConfigError, StoreError or Deferred.
    """
    plots: list[tuple[str, str, Markup]] = []
    measured = histograms(archive)
    for name, (title, rows) in PLOTS.items():
        plot = histogram_plot(measured[name], title) if name in measured else None
        if plot is not None:
            plots.append((title, counted(measured[name].rows, rows), plot))
    years = years_plot([(int(year), n) for year, n in found.counts["years"] if year != "none"])
    if years is not None:
        plots.append(("Years of publication", counted(found.totals["articles"], "article"), years))
    return render(
        "statistics.html.jinja",
        found=found,
        timestamp=dataset.timestamp,
        plots=plots,
        tables=[
            (title, name, rows, *_shortened(found.counts[key]))
            for key, (title, name, rows) in TABLES.items()
            if found.counts[key]
        ],
        rejects=reasons(found.counts["rejects"]),
        sheet=sample_pairs(dataset, SHEET, SIDE, places=PLACES),
        untrained=[slug for slug in found.embeddings if "untrained" in slug],
    )


def _shortened(counts: Sequence[tuple[str, int]]) -> tuple[list[tuple[str, int]], int, int]:
    """The most frequent values, how many others there are, and the rows of those."""
    shown = list(counts if len(counts) <= LONGEST + 1 else counts[:LONGEST])
    others = counts[len(shown) :]
    return shown, len(others), sum(count for _, count in others)
