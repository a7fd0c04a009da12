"""Promise 1 against the source: graphics counted in the XML by a walk that knows no parser of ours."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from lxml import etree

from biomedica.config import FetchConfig, StoreConfig
from biomedica.errors import Deferred, Rejected
from biomedica.ids import parse_article_id
from biomedica.pipeline.prefetch import read_ahead
from biomedica.sources import Source, open_source
from biomedica.store import Dataset, Report
from biomedica.store.report import MOVED_ON

__all__ = ["count_graphics", "recount"]

READERS = 16
COLUMNS = ["article_id", "pmcid", "graphic_count", "input_digest", "source_md5"]


def recount(
    root: str,
    source_uri: str,
    report: Report,
    store: StoreConfig | None = None,
    fetch: FetchConfig | None = None,
) -> None:
    """Read the XML of every live article again and compare its graphics with `graphic_count`.

    Adds findings to `report`: `source_moved_on` (the article is another one by now, or withdrawn,
    which breaks no promise), `source_unreadable`, `graphics_recounted`. Raises StoreError,
    SourceError.
    """
    dataset, source = Dataset.open(root, store), open_source(source_uri, fetch)
    source.list_articles([])  # raises where nothing of it can be read
    asked = compared = 0
    with ThreadPoolExecutor(READERS) as pool:
        rows = (
            row for batch in dataset.batches("articles", columns=COLUMNS) for row in batch.to_pylist()
        )
        for row, found in read_ahead(lambda row: _read(source, row), rows, pool, READERS):
            asked += 1
            compared += not any(code == MOVED_ON for code, _ in found)
            for code, text in found:
                report.add(code, "articles", row["article_id"], text)
    report.counts["articles recounted in the source"] = compared
    if asked and not compared:
        message = f"none of {asked:,} articles is there as it was built: is this their source?"
        report.add("source_unreadable", "articles", source_uri, message)


def _read(source: Source, row: dict[str, Any]) -> list[tuple[str, str]]:
    try:
        article = source.read_article(parse_article_id(row["article_id"]))
        if article.input_digest != row["input_digest"]:
            return [(MOVED_ON, "the source's metadata is another one than was built; build again")]
        xml = article.read_xml(sys.maxsize)  # the build has admitted it
    except Rejected as fault:
        return [(MOVED_ON, f"the source has withdrawn it or spoilt it since: {fault}")]
    except Deferred as fault:
        return [("source_unreadable", str(fault))]
    if hashlib.md5(xml, usedforsecurity=False).hexdigest() != row["source_md5"]:
        return [(MOVED_ON, "the source's XML is another one than was built; build again")]
    count = count_graphics(xml, row["pmcid"])
    if count == row["graphic_count"]:
        return []
    return [
        ("graphics_recounted", f"the XML has {count} graphics, the row says {row['graphic_count']}")
    ]


def count_graphics(xml: bytes, pmcid: str) -> int:
    """`graphic` elements by local name, in the article with this PMCID where there are several."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True)
    root = etree.fromstring(xml, parser)
    articles = [root] if _is(root, "article") else [e for e in root.iter() if _is(e, "article")]
    if len(articles) > 1:
        articles = [article for article in articles if pmcid.removeprefix("PMC") in _pmcids(article)]
    return sum(_is(element, "graphic") for article in articles[:1] for element in article.iter())


def _pmcids(article: Any) -> Iterator[str]:
    for element in article.iter():
        if _is(element, "article-id") and element.get("pub-id-type") in ("pmc", "pmcid"):
            yield (element.text or "").strip().removeprefix("PMC")


def _is(element: Any, name: str) -> bool:
    return isinstance(element.tag, str) and element.tag.rpartition("}")[2] == name
