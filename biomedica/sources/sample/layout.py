"""Writing the sample in the layout of PMC's bucket: articles, metadata, inventory, truth."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from biomedica.errors import ConfigError

from .articles import FIRST_PMCID, describe
from .defects import DEFECTS, planted, truth_of_defect
from .description import SampleArticle, plain
from .images import render
from .markup import text_of
from .oddities import small_pdf
from .packages import LIST_NAME, ListRow, list_of, list_row, pack, package_name, packaged_truth
from .styles import print_article
from .truth import truth_of

__all__ = ["SampleSummary", "write_sample"]

_FORMAT = 1
_MARKER = "sample.json"
_BUCKET = "pmc-oa-opendata"
_INVENTORY = f"inventory-reports/{_BUCKET}/metadata"
_DATE = "2026-01-08"
_ROWS_A_FILE = 500
_MOST = 98_999_999 - FIRST_PMCID + 1


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """What was written. articles: article versions, those with defects apart; pairs, rejects: as
    `truth.json` expects them of these; media: files beside the XML; bytes: of everything but the
    inventory and the truth; defects: articles of which something is wrong."""

    directory: str
    seed: int
    articles: int
    pairs: int
    rejects: int
    media: int
    bytes: int
    defects: int = 0

    def to_dict(self) -> dict[str, Any]:
        """The summary as plain values, for JSON."""
        return asdict(self)


def write_sample(
    directory: str | Path,
    *,
    articles: int = 40,
    seed: int = 0,
    defects: bool = False,
    packages: bool = False,
) -> SampleSummary:
    """Write a sample corpus of `articles` article versions in PMC's layout, and `truth.json`.

    defects: besides, one article for every known malformed shape of XML, metadata and media, with
    the outcome that a build must give it under `defects` in `truth.json`. packages: instead in the
    layout of PMC's former package service (`sample.packages`), without the articles that are not open
    access.

    The same seed gives the same bytes, and a larger sample holds the smaller one: a folder that
    holds a sample of the same seed may be written again or grown. Files are written under a
    temporary name and renamed, so that an interrupted call can be repeated.

    Raises ConfigError when `articles` or `seed` is out of range, or the folder holds other things.
    """
    root = Path(directory)
    if not 1 <= articles <= _MOST:
        raise ConfigError(
            f"a sample has 1 to {_MOST} articles, not {articles}: give another --articles"
        )
    if seed < 0:
        raise ConfigError(f"a seed is 0 or more, not {seed}: give another --seed")
    if defects and packages:
        raise ConfigError("--defects are in PMC's layout: leave out --packages")
    count = len(DEFECTS) if defects else 0
    _claim(root, articles, seed, {"defects": count, "packages": packages})
    rows: list[tuple[str, str]] = []
    listed: list[ListRow] = []
    pairs = rejects = media = size = 0
    with _replacing(root / "truth.json") as out:
        out.write(f'{{"format": {_FORMAT}, "seed": {seed}, "articles": [\n'.encode())
        for article in (describe(index, seed) for index in range(articles)):
            if packages and not article.is_open_access:
                continue
            written = (_write_package if packages else _write_article)(root, article)
            separator = b",\n" if rows else b""
            rows.append((written.article_id, written.etag))
            listed.append(list_row(article))
            pairs += len(written.truth["pairs"])
            rejects += len(written.truth["rejects"])
            media += written.media
            size += written.bytes
            line = json.dumps(written.truth, ensure_ascii=False)
            out.write(separator + line.encode())
        out.write(b"\n]")
        if defects:
            size += _write_defects(root, seed, rows, out)
        out.write(b"}\n")
    if packages:
        _write(root / LIST_NAME, list_of(listed))
    else:
        _write_inventory(root, rows)
    total = len(rows) - count
    return SampleSummary(str(root), seed, total, pairs, rejects, media, size, count)


def _write_defects(root: Path, seed: int, rows: list[tuple[str, str]], truth: IO[bytes]) -> int:
    """Every defect; adds their rows of the inventory and their truth. Their bytes."""
    size = 0
    truths = []
    for defect, prefix in planted(seed):
        metadata = prefix.raw_metadata
        if metadata is None:
            metadata = json.dumps(prefix.metadata(), ensure_ascii=False).encode()
        files = {**prefix.media, prefix.xml_name: prefix.xml}
        present = {name: data for name, data in files.items() if data is not None}
        size += _write_prefix(root, prefix.article_id, present, metadata)
        rows.append((prefix.article_id, _md5(metadata)))
        truths.append(json.dumps(truth_of_defect(defect, prefix.article_id), ensure_ascii=False))
    listed = ",\n".join(truths)
    truth.write(f', "defects": [\n{listed}\n]'.encode())
    return size


def _write_prefix(root: Path, name: str, files: dict[str, bytes], metadata: bytes) -> int:
    """The prefix of one article version and the twin of its metadata; how many bytes they have."""
    folder = root / name
    folder.mkdir(exist_ok=True)
    (root / "metadata").mkdir(exist_ok=True)
    for file, data in files.items():
        _write(folder / file, data)
    for path in (folder, root / "metadata"):
        _write(path / f"{name}.json", metadata)
    return sum(map(len, files.values())) + 2 * len(metadata)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _claim(root: Path, articles: int, seed: int, kinds: Mapping[str, int]) -> None:
    """Refuse a folder of other things; mark ours. The mark comes first, for interrupted calls."""
    marker = root / _MARKER
    if root.exists() and not root.is_dir():
        raise ConfigError(f"{root} is a file: give a folder for the sample")
    if marker.is_file():
        _check_earlier(root, marker, articles, seed, kinds)
    elif root.is_dir() and any(path.name != f".{_MARKER}.part" for path in root.iterdir()):
        raise ConfigError(f"{root} is not empty and holds no sample: give an empty folder")
    root.mkdir(parents=True, exist_ok=True)
    mark = {"format": _FORMAT, "articles": articles, "seed": seed}
    mark |= {kind: value for kind, value in kinds.items() if value}
    _write(marker, (json.dumps(mark) + "\n").encode())


def _check_earlier(
    root: Path, marker: Path, articles: int, seed: int, kinds: Mapping[str, int]
) -> None:
    try:
        found = json.loads(marker.read_bytes())
        earlier = (int(found["format"]), int(found["seed"]), int(found["articles"]))
        had = {kind: bool(found.get(kind)) for kind in kinds}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        raise ConfigError(f"{marker} is not the mark of a sample: give an empty folder") from None
    if earlier[:2] != (_FORMAT, seed) or articles < earlier[2]:
        raise ConfigError(
            f"{root} holds a sample of {earlier[2]} articles with seed {earlier[1]}: give an empty "
            "folder, or the same seed and no fewer articles"
        )
    if had["packages"] != bool(kinds["packages"]):
        raise ConfigError(f"{root} holds a sample in another layout: give an empty folder")
    if had["defects"] and not kinds["defects"]:
        raise ConfigError(f"{root} holds a sample with defects: give an empty folder, or --defects")


@dataclass(frozen=True, slots=True)
class _Written:
    article_id: str
    etag: str
    truth: dict[str, Any]
    media: int
    bytes: int


def _write_article(root: Path, article: SampleArticle) -> _Written:
    """The prefix of one article version and its twin of the metadata."""
    files, truth = _made(article)
    name = article.article_id
    metadata = _metadata(article, files)
    size = _write_prefix(root, name, files, metadata)
    return _Written(name, _md5(metadata), truth, len(article.media), size)


def _write_package(root: Path, article: SampleArticle) -> _Written:
    files, truth = _made(article)
    data = pack(article, files)
    path = root / package_name(article)
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, data)
    truth = packaged_truth(truth)
    return _Written(article.article_id, _md5(data), truth, len(article.media), len(data))


def _made(article: SampleArticle) -> tuple[dict[str, bytes], dict[str, Any]]:
    """The files of an article version, and its truth."""
    printed = print_article(article)
    name = article.article_id
    files = {f"{name}.xml": printed.xml, f"{name}.txt": text_of(article).encode()}
    if article.has_pdf and article.index % 2 == 0:
        files[f"{name}.pdf"] = small_pdf(article.doi)
    for media in article.media:
        files[media.name] = render(media.picture) if media.picture else media.data
    digests = {media.name: hashlib.sha256(files[media.name]).hexdigest() for media in article.media}
    return files, truth_of(article, printed, digests)


def _metadata(article: SampleArticle, files: dict[str, bytes]) -> bytes:
    """The metadata JSON (pmc_cloud.md section 2), with the MD5 of every file in its URL."""
    name = article.article_id

    def url(file: str) -> str:
        return f"s3://{_BUCKET}/{name}/{file}?md5={_md5(files[file])}"

    values: dict[str, Any] = {
        "pmcid": f"PMC{article.pmcid}",
        "version": article.version,
        "pmid": article.pmid,
        "doi": article.doi,
        "mid": f"NIHMS{1_900_000 + article.index}" if article.is_manuscript else None,
        "title": plain(article.title),
        "citation": article.citation,
        "is_pmc_openaccess": article.is_open_access,
        "is_manuscript": article.is_manuscript,
        "is_historical_ocr": article.is_historical_ocr,
        "is_retracted": article.is_retracted,
        "license_code": article.license.code,
        "text_url": url(f"{name}.txt"),
    }
    if f"{name}.pdf" in files:
        values["pdf_url"] = url(f"{name}.pdf")
    values["xml_url"] = url(f"{name}.xml")
    if article.media:
        values["media_urls"] = [url(media.name) for media in article.media]
    return json.dumps(values, ensure_ascii=False).encode()


def _write_inventory(root: Path, rows: Sequence[tuple[str, str]]) -> None:
    """An S3 inventory: manifest and gzip CSV files, rows unsorted as in the real one."""
    data = root / _INVENTORY / "data"
    data.mkdir(parents=True, exist_ok=True)
    files = []
    for number, start in enumerate(range(0, len(rows), _ROWS_A_FILE)):
        part = sorted(rows[start : start + _ROWS_A_FILE], key=lambda row: row[1])
        lines = [
            f'"{_BUCKET}","metadata/{name}.json","{_DATE}T00:00:00.000Z","{etag}"\n'
            for name, etag in part
        ]
        packed = gzip.compress("".join(lines).encode(), mtime=0)
        digest = _md5(str(number).encode())
        stem = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:]))
        _write(data / f"{stem}.csv.gz", packed)
        files.append(
            {
                "key": f"{_INVENTORY}/data/{stem}.csv.gz",
                "size": len(packed),
                "MD5checksum": _md5(packed),
            }
        )
    manifest = {
        "sourceBucket": _BUCKET,
        "destinationBucket": f"arn:aws:s3:::{_BUCKET}",
        "version": "2016-11-30",
        "creationTimestamp": "1767834000000",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, LastModifiedDate, ETag",
        "files": files,
    }
    dated = root / _INVENTORY / f"{_DATE}T01-00Z"
    dated.mkdir(exist_ok=True)
    _write(dated / "manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is whole."""
    part = path.with_name(f".{path.name}.part")
    with part.open("wb") as out:
        yield out
    os.replace(part, path)


def _write(path: Path, data: bytes) -> None:
    with _replacing(path) as out:
        out.write(data)
