"""Writes small articles in PMC's layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from biomedica.ids import ArticleId

BUCKET = "s3://pmc-oa-opendata"
XML = b"<article/>"


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def url(article_id: ArticleId, name: str, data: bytes | None = None) -> str:
    checksum = "" if data is None else f"?md5={md5(data)}"
    return f"{BUCKET}/{article_id}/{name}{checksum}"


def document(article_id: ArticleId, **changes: Any) -> dict[str, Any]:
    """A metadata JSON as PMC writes it, with fields changed."""
    return {
        "pmcid": f"PMC{article_id.pmcid}",
        "version": article_id.version,
        "pmid": 17205137,
        "doi": "10.1371/x",
        "mid": None,
        "title": "A title",
        "citation": "J. 2020;1:1",
        "is_pmc_openaccess": True,
        "is_manuscript": False,
        "is_historical_ocr": False,
        "is_retracted": False,
        "license_code": "CC BY",
        "xml_url": url(article_id, f"{article_id}.xml", XML),
        "media_urls": [],
    } | changes


def write_article(
    root: Path, article_id: ArticleId, media: Mapping[str, bytes] | None = None, **changes: Any
) -> bytes:
    """Metadata, XML and media of one article; returns the bytes of the metadata JSON."""
    folder = root / str(article_id)
    folder.mkdir(parents=True)
    (root / "metadata").mkdir(exist_ok=True)
    (folder / f"{article_id}.xml").write_bytes(XML)
    for name, data in (media or {}).items():
        (folder / name).write_bytes(data)
    urls = [url(article_id, name, data) for name, data in (media or {}).items()]
    text = json.dumps(document(article_id, **({"media_urls": urls} | changes))).encode()
    (root / "metadata" / f"{article_id}.json").write_bytes(text)
    return text
