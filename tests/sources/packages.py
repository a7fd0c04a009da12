"""Writes packages of articles as PMC's former package service did, and as nobody should."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path

XML = b"<article><front/></article>"
HEADER = "File,Article Citation,Accession ID,Last Updated (YYYY-MM-DD HH:MM:SS),PMID,License\n"

Entry = tuple[tarfile.TarInfo, bytes]


def entry(path: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE, target: str = "") -> Entry:
    info = tarfile.TarInfo(path)
    info.type, info.size, info.linkname = kind, len(data), target
    return info, data


def files(pmcid: int = 7, media: Mapping[str, bytes] | None = None, xml: bytes = XML) -> list[Entry]:
    """The members of an ordinary package, the folder first."""
    folder = f"PMC{pmcid}"
    named = {"paper.nxml": xml, **(media or {})}
    return [
        entry(folder, kind=tarfile.DIRTYPE),
        *(entry(f"{folder}/{name}", data) for name, data in named.items()),
    ]


def tar(entries: Iterable[Entry], form: int = tarfile.GNU_FORMAT) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(
        fileobj=packed, mode="w", format=form, encoding="utf-8", errors="surrogateescape"
    ) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def package(entries: Iterable[Entry], form: int = tarfile.GNU_FORMAT) -> bytes:
    return gzip.compress(tar(entries, form), mtime=0)


def write_package(
    root: Path,
    pmcid: int = 7,
    media: Mapping[str, bytes] | None = None,
    *,
    place: str = "",
    xml: bytes = XML,
) -> Path:
    """An ordinary package; place: the folder below the root, such as `08/e0`."""
    path = root / place / f"PMC{pmcid}.tar.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(package(files(pmcid, media, xml)))
    return path


def write_folder(
    root: Path, pmcid: int = 7, media: Mapping[str, bytes] | None = None, *, xml: bytes = XML
) -> Path:
    """The same unpacked."""
    folder = root / f"PMC{pmcid}"
    folder.mkdir(parents=True)
    for name, data in {"paper.nxml": xml, **(media or {})}.items():
        (folder / name).write_bytes(data)
    return folder
