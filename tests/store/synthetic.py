"""Small consistent shards: articles with pairs, rejects and embeddings that add up."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from biomedica.schema import EMBEDDINGS, table_schema
from biomedica.store import DataFile, Dataset, Storage, table_of, write_file

SLUG = "tiny-vit-0123abcd"
MODEL = {"name": "tiny-vit", "dimension": 4, "build_digest": "e" * 16}
EMBEDDINGS_TABLE = f"embeddings/{SLUG}"
BUILD = "b" * 16


def blank(table: str, **values: Any) -> dict[str, Any]:
    """A row with every field, None where nothing is given."""
    return dict.fromkeys(table_schema(table).names) | values


def input_digest(number: int, state: str = "A") -> str:
    return hashlib.md5(f"{number}{state}".encode(), usedforsecurity=False).hexdigest()


def article_row(number: int, shard: str, build: str = BUILD, state: str = "A", **more: Any) -> Any:
    values = {
        "article_id": f"PMC{number}.1",
        "pmcid": f"PMC{number}",
        "version": 1,
        "title": f"Article {number} in state {state}",
        "license_group": "commercial",
        "graphic_count": 3,
        "pair_count": 2,
        "graphic_reject_count": 1,
        "figure_count": 3,
        "input_digest": input_digest(number, state),
        "build_digest": build,
        "shard": shard,
    }
    return blank("articles", **(values | more))


def pair_row(number: int, position: int, shard: str, build: str = BUILD, **more: Any) -> Any:
    data = bytes([number % 256, position]) * 40
    values = {
        "pair_id": f"PMC{number}.1/f{position}.jpg",
        "article_id": f"PMC{number}.1",
        "figure_id": f"f{position}",
        "figure_kind": "figure",
        "image_format": "jpeg",
        "byte_size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "license_group": "commercial",
        "mentions": [],
        "caption": f"Caption {position} of {number}",
        "build_digest": build,
        "shard": shard,
        "image": {"bytes": data, "path": f"f{position}.jpg"},
    }
    return blank("pairs", **(values | more))


def reject_row(number: int, shard: str, build: str = BUILD, state: str = "A", **more: Any) -> Any:
    values = {
        "article_id": f"PMC{number}.1",
        "item": "f3.jpg",
        "graphic_index": 3,
        "stage": "image",
        "reason": "media_missing",
        "input_digest": input_digest(number, state),
        "build_digest": build,
        "shard": shard,
    }
    return blank("rejects", **(values | more))


def whole_reject(number: int, shard: str, build: str = BUILD, state: str = "A", **more: Any) -> Any:
    values = {"item": f"PMC{number}.1", "graphic_index": None, "stage": "parse", "reason": "not_xml"}
    return reject_row(number, shard, build, state, **(values | more))


def embedding_table(pair_ids: Sequence[str], shard: str, build: str = "e" * 16) -> pa.Table:
    vectors = np.ones((len(pair_ids), 4), np.float32) / 2
    columns = [
        pa.array(pair_ids, pa.string()),
        pa.array(vectors.tolist(), pa.list_(pa.float32())),
        pa.array([build] * len(pair_ids)),
        pa.array([shard] * len(pair_ids)),
    ]
    return pa.Table.from_arrays(columns, schema=EMBEDDINGS)


def shard_files(
    storage: Storage,
    shard: str,
    numbers: Sequence[int],
    *,
    build: str = BUILD,
    state: str = "A",
    replaces: str | None = None,
    embed: bool = False,
) -> list[DataFile]:
    """Write the files of one shard: two pairs and one reject an article."""
    rows = {
        "articles": [article_row(n, shard, build, state) for n in numbers],
        "pairs": [pair_row(n, position, shard, build) for n in numbers for position in (1, 2)],
        "rejects": [reject_row(n, shard, build, state) for n in numbers],
        "superseded": [
            {"article_id": f"PMC{n}.1", "shard": replaces} for n in (numbers if replaces else ())
        ],
    }
    files = [write_file(storage, table, shard, table_of(table, r)) for table, r in rows.items()]
    if embed:
        ids = [row["pair_id"] for row in rows["pairs"]]
        files.append(write_file(storage, EMBEDDINGS_TABLE, shard, embedding_table(ids, shard)))
    return [file for file in files if file is not None]


def contents(root: str | Path, version: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """Every live row of every table, sorted."""
    dataset = Dataset.open(root, version=version)
    found = {}
    for table in dataset.tables:
        rows = [row for batch in dataset.batches(table) for row in batch.to_pylist()]
        found[table] = sorted(rows, key=repr)
    return found
