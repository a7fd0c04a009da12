"""Pairs to look at in a notebook, with what belongs to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from biomedica.archive import html
from biomedica.archive.lookup import article_rows, pair_rows
from biomedica.schema import PAIRS
from biomedica.store import Dataset

__all__ = ["Cards"]

MAX_CARDS = 60

_ARTICLE = ["source_uri", "source_md5", "license_url", "license_spdx", "is_retracted"]
_ARTICLE += ["copyright_statement", "input_digest", "parser_version"]


@dataclass(frozen=True)
class Cards:
    """Some pairs in a given order. rows: of `pairs`, each with its article's fields in `article`.

    A notebook shows one pair large with its provenance, several as thumbnails with captions.
    """

    rows: tuple[dict[str, Any], ...]

    @classmethod
    def read(cls, dataset: Dataset, pair_ids: Sequence[str]) -> Cards:
        """The first MAX_CARDS of some pairs. Raises ConfigError for one that is not there."""
        ids = list(pair_ids)[:MAX_CARDS]
        articles = article_rows(dataset, ids, _ARTICLE)
        rows = pair_rows(dataset, ids, PAIRS.names)
        return cls(tuple({**row, "article": articles.get(row["article_id"], {})} for row in rows))

    def __repr__(self) -> str:
        return "\n\n".join(
            f"{row['pair_id']}\n{row['caption']}\n{row['citation']}\n"
            f"{row['license_code'] or 'no licence stated'} ({row['license_group']}), "
            f"{row['article'].get('source_uri')}"
            for row in self.rows
        )

    def _repr_html_(self) -> str:
        return html.card(self.rows[0]) if len(self.rows) == 1 else html.gallery(self.rows)
