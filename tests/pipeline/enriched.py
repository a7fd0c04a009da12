"""Datasets whose articles have PMIDs, for tests of `enrich`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from biomedica.config import StoreConfig
from biomedica.store import Dataset, DatasetWriter, open_storage, table_of, write_file
from tests.store.synthetic import article_row

__all__ = ["add_articles", "table"]


def add_articles(
    root: Path | str,
    pmids: Iterable[int | None],
    shard: str = "1" * 16,
    config: StoreConfig | None = None,
) -> None:
    """Articles without images, one a PMID."""
    empty = {"graphic_count": 0, "pair_count": 0, "graphic_reject_count": 0}
    first = int(shard[:1], 16) * 1000
    rows = [article_row(first + n, shard, pmid=pmid, **empty) for n, pmid in enumerate(pmids, start=1)]
    with DatasetWriter.begin(root, config) as writer:
        file = write_file(open_storage(root, config), "articles", shard, table_of("articles", rows))
        assert file is not None
        writer.commit([file])


def table(
    root: Path | str,
    name: str = "enrichment",
    version: int | None = None,
    config: StoreConfig | None = None,
) -> dict[Any, Any]:
    """Rows by their key."""
    dataset = Dataset.open(root, config, version=version)
    found = [row for batch in dataset.batches(name) for row in batch.to_pylist()]
    key = "pmid" if name == "enrichment" else "file"
    assert len({row[key] for row in found}) == len(found)
    return {row[key]: row for row in found}
