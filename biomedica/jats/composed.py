"""What the metadata of an article would say, where it has no metadata JSON: out of the document."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from biomedica.jats.article import Article
from biomedica.licenses import resolve

if TYPE_CHECKING:
    from biomedica.sources import Metadata

__all__ = ["complete_metadata"]


def complete_metadata(metadata: Metadata, article: Article) -> Metadata:
    """Metadata without a JSON (`is_composed`), what it lacks filled in from the document.

    Such an article is open access unless its document denies it. Other metadata stays as it is.
    """
    if not metadata.is_composed:
        return metadata
    return replace(
        metadata,
        pmid=metadata.pmid if metadata.pmid is not None else article.pmid,
        doi=metadata.doi or article.doi,
        title=metadata.title or article.title,
        citation=metadata.citation or article.citation,
        is_pmc_openaccess=metadata.is_pmc_openaccess and article.is_open_access is not False,
        is_retracted=metadata.is_retracted or article.is_retracted,
        license_code=resolve(metadata.license_code, article.license).code or metadata.license_code,
    )
