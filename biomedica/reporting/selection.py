"""Which article ids of a source meet a condition on their metadata."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from biomedica.errors import Rejected
from biomedica.ids import ArticleId
from biomedica.licenses import license_group, normalise_code
from biomedica.query import connect, running, select_statement
from biomedica.sources import Source

__all__ = ["METADATA", "select_ids"]

METADATA = pa.schema(
    [
        ("article_id", pa.string()),
        ("pmcid", pa.string()),
        ("version", pa.int32()),
        ("pmid", pa.int64()),
        ("doi", pa.string()),
        ("title", pa.string()),
        ("citation", pa.string()),
        ("license_code", pa.string()),
        ("license_group", pa.string()),
        ("is_pmc_openaccess", pa.bool_()),
        ("is_manuscript", pa.bool_()),
        ("is_historical_ocr", pa.bool_()),
        ("is_retracted", pa.bool_()),
        ("media_count", pa.int32()),
    ]
)
"""What a condition may speak of: the fields of the metadata JSON."""

READERS = 16


def select_ids(source: Source, where: str | None = None, *, latest: bool = False) -> list[str]:
    """Article ids in numeric order. where: a DuckDB condition over METADATA. latest: one version each.

    Articles whose metadata cannot be read meet no condition. Raises ConfigError, SourceError.
    """
    statement = select_statement("metadata", METADATA, ["article_id"], where)
    listing = source.list_articles()
    ids = [
        ArticleId(pmcid, version)
        for pmcid, version in zip(
            listing["pmcid"].to_pylist(), listing["version"].to_pylist(), strict=True
        )
    ]
    if latest:
        ids = list({article.pmcid: article for article in ids}.values())
    if where is None:
        return [str(article) for article in ids]
    table = pa.Table.from_pylist(list(_metadata(source, ids)), schema=METADATA)
    with running():
        found = connect({"metadata": table}).sql(statement).to_arrow_table()
    return list(found["article_id"].to_pylist())


def _metadata(source: Source, ids: list[ArticleId]) -> Iterator[dict[str, object]]:
    def read(article: ArticleId) -> dict[str, object] | None:
        try:
            known = source.read_article(article).metadata
        except Rejected:
            return None
        code = normalise_code(known.license_code)
        return {
            "article_id": str(article),
            "pmcid": f"PMC{article.pmcid}",
            "version": article.version,
            "pmid": known.pmid,
            "doi": known.doi,
            "title": known.title,
            "citation": known.citation,
            "license_code": known.license_code,
            "license_group": license_group(code),
            "is_pmc_openaccess": known.is_pmc_openaccess,
            "is_manuscript": known.is_manuscript,
            "is_historical_ocr": known.is_historical_ocr,
            "is_retracted": known.is_retracted,
            "media_count": len(known.media),
        }

    with ThreadPoolExecutor(READERS) as pool:
        yield from filter(None, pool.map(read, ids))
