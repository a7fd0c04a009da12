"""The Arrow schemas of what the source had: snapshots of its article versions, and their metadata.

Beside `biomedica.schema`, in the same way: each field carries its doc and source.
"""

from __future__ import annotations

import pyarrow as pa

__all__ = ["CHANGES", "CONDITION_COLUMNS", "METADATA", "OPTIONAL_TABLES", "SNAPSHOT"]

OPTIONAL_TABLES = ("metadata",)
"""Tables that a dataset has once a command has made them."""


def _field(name: str, kind: pa.DataType, doc: str, source: str = "") -> pa.Field:
    metadata = {"doc": doc} | ({"source": source} if source else {})
    return pa.field(name, kind, metadata=metadata)


_S, _B, _I32, _I64 = pa.string(), pa.bool_(), pa.int32(), pa.int64()
_JSON = "metadata JSON"
_MEDIA = pa.list_(pa.struct([pa.field("name", _S), pa.field("md5", _S)]))

SNAPSHOT = pa.schema(
    [
        _field("pmcid", _I64, "number of the PMCID", "key"),
        _field("version", _I32, "PMC version of the article, from 1", "key"),
        _field(
            "etag",
            pa.binary(16),
            "the bytes of `input_digest`: the ETag of the metadata JSON where it is an MD5, else the "
            "MD5 of its text; in a folder the MD5 of the file",
            "inventory or listing",
        ),
        _field(
            "last_modified",
            pa.timestamp("ms", tz="UTC"),
            "when the metadata JSON was written; null where nothing says so",
            "inventory or listing",
        ),
    ]
)
"""A snapshot: one row an article version, sorted by (pmcid, version), each once."""

CHANGES = pa.schema(
    [
        *SNAPSHOT,
        _field("change", _S, "new, changed or gone"),
    ]
)
"""The difference of two snapshots; etag and last_modified are the later one's, of what is gone the
earlier one's."""

METADATA = pa.schema(
    [
        _field("article_id", _S, "PMCID and version, PMC7759461.1", "key"),
        _field("pmcid", _S, "PMC accession number", "key"),
        _field("version", _I32, "PMC version of the article, from 1", "key"),
        _field("pmid", _I64, "PubMed id", _JSON),
        _field("doi", _S, "DOI as PMC writes it", _JSON),
        _field("title", _S, "title, plain text", _JSON),
        _field("citation", _S, "citation in one line", _JSON),
        _field("license_code", _S, "licence as PMC spells it; null where it gives none", _JSON),
        _field("license_group", _S, "commercial, noncommercial or other, by the code", _JSON),
        _field("is_pmc_openaccess", _B, "in the Open Access subset", _JSON),
        _field("is_manuscript", _B, "this version is an author manuscript", _JSON),
        _field("is_historical_ocr", _B, "back-scanned, the text from OCR", _JSON),
        _field("is_retracted", _B, "retracted", _JSON),
        _field("n_media", _I32, "media files, figures and supplementary files alike", _JSON),
        _field("media", _MEDIA, "their names, and MD5 where the JSON gives one", _JSON),
        _field("invalid_media", pa.list_(_S), "media URLs outside the article's prefix", _JSON),
        _field("xml_uri", _S, "where the JATS XML lies", _JSON),
        _field("xml_md5", _S, "its MD5, 32 hex digits", _JSON),
        _field("extra", _S, "keys of the JSON that have no column, as a JSON object; else null", _JSON),
        _field("source_uri", _S, "the source it was read from"),
        _field(
            "input_digest",
            _S,
            "32 hex digits that change with the metadata JSON: as it was read; `articles` has the same",
        ),
        _field("listed_digest", _S, "the same as the snapshot has it, before it was read"),
        _field("reject_reason", _S, "why the JSON is of no use (`reason` of a reject); else null"),
        _field("reject_detail", _S, "one line for people; else null"),
        _field("snapshot", _S, "the snapshot that it was read for"),
        _field("shard", _S, "the shard that made this row; no meaning of its own"),
    ]
)

CONDITION_COLUMNS = pa.schema(list(METADATA)[: METADATA.get_field_index("source_uri")])
"""What a condition may speak of wherever the metadata comes from, table or source."""
