"""Where bytes come from: article versions listed with their input digest, and read lazily."""

from __future__ import annotations

from biomedica.config import StoreConfig, is_uri
from biomedica.errors import SourceError
from biomedica.sources.directory import DirectorySource
from biomedica.sources.ids_file import read_id_table, read_ids
from biomedica.sources.keys import UNREAD_DIGEST
from biomedica.sources.media import (
    IMAGE_EXTENSIONS,
    UNSUPPORTED_EXTENSIONS,
    Match,
    MediaIndex,
    is_image_name,
    normalise_href,
    unreferenced_media,
)
from biomedica.sources.media import resolve as resolve_media
from biomedica.sources.metadata import parse_metadata
from biomedica.sources.protocol import LISTING, Metadata, Source, SourceArticle

__all__ = [
    "IMAGE_EXTENSIONS",
    "LISTING",
    "UNREAD_DIGEST",
    "UNSUPPORTED_EXTENSIONS",
    "DirectorySource",
    "Match",
    "MediaIndex",
    "Metadata",
    "Source",
    "SourceArticle",
    "is_image_name",
    "normalise_href",
    "open_source",
    "parse_metadata",
    "read_id_table",
    "read_ids",
    "resolve_media",
    "unreferenced_media",
]


def open_source(uri: str, store: StoreConfig | None = None) -> Source:
    """The source at `uri`: a folder in PMC's layout, as a path or a file:// URI.

    store: how object storage is reached; a folder needs none of it.
    Raises SourceError for any other scheme, and for a folder that is not in the layout.
    """
    match uri.partition(":")[0].lower() if is_uri(uri) else "file":
        case "file":
            return DirectorySource(uri)
        case "s3":
            raise SourceError(
                f"cannot read {uri}: this version reads folders, so copy the articles with "
                "`aws s3 sync --no-sign-request` and give the folder"
            )
    raise SourceError(f"cannot read {uri}: give a folder in PMC's layout, or its file:// URI")
