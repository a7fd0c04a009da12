"""The sample as PMC's former package service would have it: PMC1.tar.gz in nested folders, and a list.

A package holds the XML as `.nxml`, the media and the PDF. The service held open access articles alone and
of each the latest version; here a second version is a package PMC1.2.tar.gz of its own, so that all
of the sample's articles are told apart.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

from .description import SampleArticle

__all__ = ["LIST_NAME", "ListRow", "list_of", "list_row", "pack", "package_name", "packaged_truth"]

LIST_NAME = "oa_file_list.csv"
_HEADER = ("File", "Article Citation", "Accession ID", "Last Updated (YYYY-MM-DD HH:MM:SS)", "PMID",
           "License", "Retracted")  # fmt: skip
ListRow = tuple[str, ...]
_UPDATED = "2026-01-08 00:00:00"


def package_name(article: SampleArticle) -> str:
    """`oa_package/08/e0/PMC1.tar.gz`: the two folders are a digest of the name."""
    name = f"PMC{article.pmcid}" if article.version == 1 else article.article_id
    digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"oa_package/{digest[:2]}/{digest[2:4]}/{name}.tar.gz"


def pack(article: SampleArticle, files: Mapping[str, bytes]) -> bytes:
    """The package of an article: the same files, the same bytes. The plain text stays out."""
    folder, name = f"PMC{article.pmcid}", article.article_id
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for file, data in files.items():
            if file == f"{name}.txt":
                continue
            inside = f"PMC{article.pmcid}.nxml" if file == f"{name}.xml" else file
            info = tarfile.TarInfo(f"{folder}/{inside}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(packed.getvalue(), mtime=0)


def list_row(article: SampleArticle) -> ListRow:
    """What `oa_file_list.csv` says of an article."""
    return (
        package_name(article), article.citation, f"PMC{article.pmcid}", _UPDATED,
        "" if article.pmid is None else str(article.pmid), article.license.code or "NO-CC CODE",
        "yes" if article.is_retracted else "no",
    )  # fmt: skip


def list_of(rows: Iterable[ListRow]) -> bytes:
    """`oa_file_list.csv`: of two versions of an article what is said of the later one."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(_HEADER)
    lines.writerows({row[2]: row for row in rows}.values())
    return text.getvalue().encode()


def packaged_truth(truth: dict[str, Any]) -> dict[str, Any]:
    """The truth of an article in a package: nobody says what the metadata JSON alone would say."""
    row = truth["article"]
    if row is None:
        return truth
    known = {name: value for name, value in row.items() if name != "citation"}
    return truth | {"article": known | {"is_manuscript": False, "is_historical_ocr": False}}
