"""Writes small inventories as Amazon S3 does, sound ones and others."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from biomedica.sources.reports import INVENTORY

COLUMNS = ("Bucket", "Key", "LastModifiedDate", "ETag")
TIME = "2026-01-08T11:47:59.000Z"
JULY = 1_782_867_600_000
"""2026-07-01T01:00Z in ms, as `creationTimestamp` says it"""


def etag(text: object) -> str:
    return hashlib.md5(str(text).encode(), usedforsecurity=False).hexdigest()


def row(article: str, state: object = "A", time: str = TIME) -> tuple[str, str, str, str]:
    return ("pmc-oa-opendata", f"metadata/{article}.json", time, etag(f"{article}{state}"))


def csv_bytes(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return gzip.compress(text.getvalue().encode(), mtime=0)


def write_inventory(
    root: Path,
    name: str,
    contents: Sequence[Sequence[Sequence[str]] | bytes],
    /,
    **changes: Any,
) -> Path:
    """An inventory of data files, each rows or bytes; returns its folder. changes: of the manifest."""
    data = root / INVENTORY / "data"
    data.mkdir(parents=True, exist_ok=True)
    listed = []
    for number, content in enumerate(contents):
        packed = content if isinstance(content, bytes) else csv_bytes(content)
        path = data / f"{name.replace(':', '-')}-{number}.csv.gz"
        path.write_bytes(packed)
        listed.append(
            {
                "key": path.relative_to(root).as_posix(),
                "size": len(packed),
                "MD5checksum": hashlib.md5(packed, usedforsecurity=False).hexdigest(),
            }
        )
    manifest = {
        "sourceBucket": "pmc-oa-opendata",
        "destinationBucket": "arn:aws:s3:::pmc-oa-opendata",
        "version": "2016-11-30",
        "fileFormat": "CSV",
        "fileSchema": ", ".join(COLUMNS),
        "files": listed,
    } | changes
    folder = root / INVENTORY / name
    folder.mkdir(parents=True, exist_ok=True)
    known = {key: value for key, value in manifest.items() if value is not ...}
    (folder / "manifest.json").write_text(json.dumps(known))
    return folder
