"""One pair with everything that belongs to it: to look at, and to trace back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from biomedica.archive import Archive
from biomedica.errors import ConfigError
from biomedica.ids import split_pair_id
from biomedica.schema import PAIRS

__all__ = ["find_pair", "write_image"]


def find_pair(archive: Archive, pair_id: str) -> dict[str, Any]:
    """The row of `pairs` with its article's provenance under `article`.

    Raises ConfigError when there is no such pair; the text says what became of the graphic.
    """
    article, name = split_pair_id(pair_id)
    # the log knows the range of articles in each file
    where = f"article_id = {_literal(str(article))} AND pair_id = {_literal(pair_id)}"
    pairs = archive.pairs([column for column in PAIRS.names if column != "image"], where)
    rows = pairs.to_arrow().to_pylist()
    if not rows:
        raise ConfigError(_why_missing(archive, pair_id, str(article), name))
    columns = ["source_uri", "source_md5", "license_spdx", "license_url", "license_source"]
    columns += ["is_retracted", "input_digest", "parser_version", "copyright_statement"]
    found = archive.articles(columns=columns, where=f"article_id = {_literal(str(article))}")
    (provenance,) = found.to_arrow().to_pylist()
    image = {"bytes": pairs.dataset.images([pair_id])[pair_id], "path": name}
    return {**rows[0], "image": image, "article": provenance}


def write_image(row: dict[str, Any], directory: Path) -> Path:
    """Write the stored bytes below `directory`, named by article and file; the path.

    Raises ConfigError where that is not possible.
    """
    suffix = {"jpeg": ".jpg"}.get(row["image_format"], f".{row['image_format']}")
    name = Path(row["image"]["path"]).name
    if Path(name).suffix.lower() not in (suffix, ".jpeg" if suffix == ".jpg" else suffix):
        name += suffix  # a converted image: fig1.tif is stored as PNG
    path = directory / f"{row['article_id']}_{name}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row["image"]["bytes"])
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {error.strerror}; give another --out") from None
    return path


def _why_missing(archive: Archive, pair_id: str, article: str, name: str) -> str:
    rejects = archive.rejects(where=f"article_id = {_literal(article)}").to_arrow().to_pylist()
    for row in rejects:
        if row["item"] in (name, article, pair_id):
            return f"{pair_id} is no pair: {row['stage']}/{row['reason']} ({row['detail']})"
    if rejects or archive.articles(where=f"article_id = {_literal(article)}").count():
        pairs = archive.pairs(columns=["pair_id"], where=f"article_id = {_literal(article)}")
        names = pairs.to_arrow()["pair_id"].to_pylist()[:5]
        return f"{article} has no image {name!r}; it has {', '.join(names) or 'none'}"
    return f"{article} is not in {archive.uri} at version {archive.version}"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
