"""Where bytes come from: article versions listed with their input digest, and read lazily."""

from __future__ import annotations

from biomedica.config import FetchConfig, is_uri
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
from biomedica.sources.oa_package import PackageSource, holds_packages
from biomedica.sources.pmc_cloud import PmcCloudSource
from biomedica.sources.protocol import LISTING, Metadata, Source, SourceArticle
from biomedica.sources.spending import Account, Ledger, Lend, Loan, Traffic

__all__ = [
    "IMAGE_EXTENSIONS",
    "LISTING",
    "UNREAD_DIGEST",
    "UNSUPPORTED_EXTENSIONS",
    "Account",
    "DirectorySource",
    "Ledger",
    "Lend",
    "Loan",
    "Match",
    "MediaIndex",
    "Metadata",
    "PackageSource",
    "PmcCloudSource",
    "Source",
    "SourceArticle",
    "Traffic",
    "holds_packages",
    "is_image_name",
    "normalise_href",
    "open_source",
    "parse_metadata",
    "read_id_table",
    "read_ids",
    "resolve_media",
    "unreferenced_media",
]


def open_source(uri: str, fetch: FetchConfig | None = None, account: Account | None = None) -> Source:
    """The source at `uri`: a folder in PMC's layout (a path or a file:// URI), or a bucket and prefix
    in the same layout, s3://bucket/prefix; or a folder of packages (`holds_packages`), unpacked or not.

    fetch: how the bucket is reached; a folder needs none of it. account: what pays for its requests. A bucket is not asked anything yet:
    `list_articles` raises SourceError where it cannot be read, and this for another scheme or a
    folder that is not in the layout.
    """
    match uri.partition(":")[0].lower() if is_uri(uri) else "file":
        case "file":
            return PackageSource(uri) if holds_packages(uri) else DirectorySource(uri)
        case "s3":
            return PmcCloudSource(uri, fetch, account)
    raise SourceError(
        "cannot read the source: give a folder in PMC's layout, its file:// URI, or s3://bucket/prefix"
    )
