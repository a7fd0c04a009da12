"""The metadata of one article version as a row: what conditions speak of."""

from __future__ import annotations

import json
from typing import Any

from biomedica.config import ParseConfig
from biomedica.licenses import license_group, normalise_code
from biomedica.sources import Metadata, SourceArticle

__all__ = ["metadata_row"]


def metadata_row(article: SourceArticle) -> dict[str, Any]:
    """The fields of `catalogue.CONDITION_COLUMNS`. Raises Rejected or Deferred where the metadata is
    to be read in the XML."""
    known = _known(article)
    name = article.article_id
    return {
        "article_id": str(name),
        "pmcid": f"PMC{name.pmcid}",
        "version": name.version,
        "pmid": known.pmid,
        "doi": known.doi,
        "title": known.title,
        "citation": known.citation,
        "license_code": known.license_code,
        "license_group": license_group(normalise_code(known.license_code)),
        "is_pmc_openaccess": known.is_pmc_openaccess,
        "is_manuscript": known.is_manuscript,
        "is_historical_ocr": known.is_historical_ocr,
        "is_retracted": known.is_retracted,
        "n_media": len(known.media),
        "media": [{"name": file, "md5": md5} for file, md5 in known.media.items()],
        "invalid_media": list(known.invalid_media),
        "xml_uri": article.xml_uri,
        "xml_md5": known.xml_md5,
        "extra": json.dumps(dict(known.extra), sort_keys=True, ensure_ascii=False)
        if known.extra
        else None,
    }


def _known(article: SourceArticle) -> Metadata:
    """The metadata; what there is no metadata JSON for is read in the XML."""
    if not article.metadata.is_composed:
        return article.metadata
    from biomedica.jats import complete_metadata, parse_article

    xml = article.read_xml(ParseConfig().max_xml_bytes)
    parsed = parse_article(xml, pmcid=str(article.article_id))
    return complete_metadata(article.metadata, parsed)
