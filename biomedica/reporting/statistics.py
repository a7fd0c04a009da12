"""The numbers a user wants after a run, out of the tables themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from biomedica.archive import Archive
from biomedica.terms import Terms

__all__ = ["Statistics", "statistics"]

Counts = list[tuple[str, int]]

_COUNTS = {
    "rejects": "SELECT stage || '/' || reason, count(*) FROM rejects GROUP BY 1 ORDER BY 2 DESC, 1",
    "licenses": "SELECT coalesce(license_code, 'none'), count(*) FROM articles GROUP BY 1 ORDER BY 2 DESC, 1",
    "license_groups": "SELECT license_group, count(*) FROM pairs GROUP BY 1 ORDER BY 2 DESC, 1",
    "figure_kinds": "SELECT figure_kind, count(*) FROM pairs GROUP BY 1 ORDER BY 2 DESC, 1",
    "formats": "SELECT original_format, count(*) FROM pairs GROUP BY 1 ORDER BY 2 DESC, 1",
    "modes": "SELECT mode, count(*) FROM pairs GROUP BY 1 ORDER BY 2 DESC, 1",
    "journals": "SELECT coalesce(journal, 'none'), count(*) FROM pairs GROUP BY 1 ORDER BY 2 DESC, 1",
    "years": "SELECT coalesce(publication_year::VARCHAR, 'none'), count(*) FROM articles GROUP BY 1 ORDER BY 1",
    "warnings": "SELECT split_part(w, ':', 1), count(*) FROM (SELECT unnest(warnings) AS w FROM articles) "
    "GROUP BY 1 ORDER BY 2 DESC, 1",
}

_TOTALS = """
SELECT (SELECT count(*) FROM articles) AS articles,
       (SELECT count(*) FROM rejects WHERE stage IN ('source', 'parse')) AS articles_rejected,
       (SELECT count(*) FROM articles WHERE is_retracted) AS articles_retracted,
       (SELECT count(*) FROM articles WHERE pair_count > 0) AS articles_with_pairs,
       (SELECT coalesce(sum(figure_count), 0)::BIGINT FROM articles) AS figures,
       (SELECT coalesce(sum(graphic_count), 0)::BIGINT FROM articles) AS graphics,
       (SELECT count(*) FROM pairs) AS pairs,
       (SELECT count(*) FROM pairs WHERE len(mentions) > 0) AS pairs_with_mentions,
       (SELECT coalesce(sum(len(mentions)), 0)::BIGINT FROM pairs) AS mentions,
       (SELECT count(*) FROM pairs WHERE is_third_party) AS pairs_third_party,
       (SELECT count(*) FROM rejects) AS rejects,
       (SELECT coalesce(sum(byte_size), 0)::BIGINT FROM pairs) AS image_bytes
"""

_MEASURES = {
    "width": "width",
    "height": "height",
    "megapixels": "width::DOUBLE * height / 1e6",
    "kilobytes": "byte_size / 1000.0",
    "caption_characters": "len(caption)",
    "caption_words": "len(string_split(caption, ' '))",
    "mentions": "len(mentions)",
}


@dataclass(frozen=True, slots=True)
class Statistics:
    """totals: name → number. counts: name → (value, count), most frequent first.
    quantiles: measure → minimum, 10 %, median, 90 %, maximum over pairs; None without pairs."""

    uri: str
    version: int
    totals: dict[str, int]
    counts: dict[str, Counts]
    quantiles: dict[str, list[float] | None]
    embeddings: dict[str, int]
    terms: Terms

    def to_dict(self) -> dict[str, Any]:
        return {
            "dataset": self.uri,
            "version": self.version,
            **self.totals,
            "quantiles": self.quantiles,
            "embeddings": self.embeddings,
            **{name: dict(counts) for name, counts in self.counts.items() if name != "rejects"},
            "rejects_by_reason": dict(self.counts["rejects"]),
            "terms": self.terms.to_dict(),
        }


def statistics(archive: Archive) -> Statistics:
    """Read the small columns of the tables once each; images are not read."""
    (totals,) = archive.sql(_TOTALS).to_pylist()
    counts = {}
    for name, query in _COUNTS.items():
        table = archive.sql(query)
        counts[name] = list(zip(table[0].to_pylist(), table[1].to_pylist(), strict=True))
    measures = ", ".join(
        f"quantile_cont({expression}, [0, 0.1, 0.5, 0.9, 1]) AS {name}"
        for name, expression in _MEASURES.items()
    )
    (quantiles,) = archive.sql(f"SELECT {measures} FROM pairs").to_pylist()
    embeddings = {
        model: archive.embeddings(model, columns=["pair_id"]).count() for model in archive.models
    }
    return Statistics(
        archive.uri, archive.version, totals, counts, quantiles, embeddings, archive.terms
    )
