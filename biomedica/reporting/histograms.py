"""How measures of a dataset are distributed: counts by bin, a few dozen numbers each."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

from biomedica.archive import Archive
from biomedica.reporting.plots import Histogram

__all__ = ["histograms"]

BINS_A_OCTAVE = 4
MOST_MENTIONS = 10
"""The last bin of mentions holds what is more."""

_WORDS = "len(string_split({}, ' '))"
_MEASURES = {
    "shorter_side": "least(width, height)",
    "kilobytes": "ceil(byte_size / 1000.0)",
    "caption_words": _WORDS.format("caption"),
    "mentions": f"least(len(mentions), {MOST_MENTIONS})",
}
_UNITS = {
    "shorter_side": "px",
    "kilobytes": "kB",
    "caption_words": "words",
    "mention_words": "words",
    "mentions": "mentions",
}
_COUNT = """
SELECT m.name AS name, greatest(m.value, 0) AS value, count(*) AS rows
FROM (SELECT unnest([{}]) AS m FROM {}) WHERE m.value IS NOT NULL GROUP BY ALL
"""
"""Grouped by whole values (pixels, kilobytes, words), which are thousands at the most."""

_SENTENCES = "(SELECT unnest(mentions).sentence AS sentence FROM pairs)"


def histograms(archive: Archive) -> dict[str, Histogram]:
    """By name: shorter_side (px), kilobytes, caption_words, mentions (of an image),
    mention_words (of a sentence that cites an image). Bins are quarters of an octave, 2**(n/4); of
    mentions 0, 1, 2… Nothing is held by row. Raises ConfigError, StoreError.
    """
    values = _values(archive, _MEASURES, "pairs")
    values |= _values(archive, {"mention_words": _WORDS.format("sentence")}, _SENTENCES)
    return {name: _histogram(name, values[name]) for name in _UNITS if name in values}


def _values(archive: Archive, measures: Mapping[str, str], rows: str) -> dict[str, Counter[int]]:
    """By measure: whole value → rows."""
    parts = ", ".join(f"{{'name': '{name}', 'value': ({of})::BIGINT}}" for name, of in measures.items())
    found: defaultdict[str, Counter[int]] = defaultdict(Counter)
    table = archive.sql(_COUNT.format(parts, rows))
    for row in table.to_pylist():
        found[row["name"]][row["value"]] += row["rows"]
    return dict(found)


def _histogram(name: str, values: Counter[int]) -> Histogram:
    unit, median = _UNITS[name], _median(values)
    if name == "mentions":
        counts = [values[n] for n in range(MOST_MENTIONS + 1)]
        return Histogram(range(MOST_MENTIONS + 2), counts, median, unit, whole=True)
    bins: Counter[int] = Counter()
    for value, rows in values.items():
        # the small sum keeps powers of two on the right side of their edge
        bins[math.floor(BINS_A_OCTAVE * math.log2(max(value, 1)) + 1e-9)] += rows
    low, high = min(bins), max(bins)
    edges = [2.0 ** (n / BINS_A_OCTAVE) for n in range(low, high + 2)]
    return Histogram(edges, [bins[n] for n in range(low, high + 1)], median, unit)


def _median(values: Counter[int]) -> int:
    """The middle row's value, the lower one of two."""
    half, below = (values.total() + 1) // 2, 0
    for value in sorted(values):
        below += values[value]
        if below >= half:
            return value
    return 0
