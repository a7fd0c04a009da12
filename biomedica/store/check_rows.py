"""Rows against themselves: closed lists, ids, image bytes, vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from biomedica.kinds import FIGURE_KINDS
from biomedica.schema import LICENSE_GROUPS, REJECT_REASONS
from biomedica.store.check_files import DATA_FILE
from biomedica.store.report import Report
from biomedica.store.shards import key_column

__all__ = ["check_rows", "check_vectors", "columns_to_check"]

IMAGE_FORMATS = ("jpeg", "png", "webp")
_CLOSED: dict[str, dict[str, Collection[str]]] = {
    "articles": {"license_group": LICENSE_GROUPS},
    "pairs": {
        "license_group": LICENSE_GROUPS,
        "figure_kind": FIGURE_KINDS,
        "image_format": IMAGE_FORMATS,
    },
}
_COLUMNS: dict[str, tuple[str, ...]] = {
    "articles": (
        "article_id",
        "shard",
        "license_group",
        "graphic_count",
        "pair_count",
        "graphic_reject_count",
    ),
    "pairs": ("pair_id", "article_id", "shard", "license_group", "figure_kind", "image_format"),
    "rejects": ("article_id", "item", "graphic_index", "stage", "reason", "build_digest", "shard"),
    "superseded": ("article_id", "shard"),
    "metadata": ("article_id", "shard"),
}
_NORM_TOLERANCE = 1e-3


def columns_to_check(table: str, *, deep: bool) -> Sequence[str]:
    """The columns that a verification reads; images only when it is deep."""
    if table.startswith("embeddings/"):
        return ("pair_id", "embedding", "build_digest", "shard")
    images = ("sha256", "byte_size", "image") if table == "pairs" and deep else ()
    return (*_COLUMNS[table], *images)


def check_rows(table: str, name: str, batch: pa.RecordBatch, report: Report) -> pa.RecordBatch:
    """Check rows of one file one by one; returns those with a key and a shard."""
    import pyarrow.compute as pc

    for column, known in _CLOSED.get(table, {}).items():
        _closed(table, batch, column, known, report)
    key = key_column(table)
    whole = pc.and_(pc.is_valid(batch.column(key)), pc.is_valid(batch.column("shard")))
    lost = batch.num_rows - (pc.sum(whole).as_py() or 0)
    if lost:
        report.add("null_key", table, name, f"{lost} rows without {key} or shard")
        batch = batch.filter(whole)
    named = DATA_FILE.fullmatch(name)
    # superseded rows name the shard of older rows
    if named is not None and table != "superseded":
        others = set(batch.column("shard").unique().to_pylist()) - {named["shard"]}
        for shard in sorted(others):
            report.add("shard_differs", table, name, f"holds rows of shard {shard}")
    if table == "rejects":
        _check_rejects(batch, report)
    elif table == "pairs":
        _check_pairs(batch, report)
    return batch


def check_vectors(table: str, batch: pa.RecordBatch, dimension: int | None, report: Report) -> None:
    """Embeddings have the model's dimension and an L2 norm of 1."""
    import pyarrow.compute as pc

    vectors = batch.column("embedding")
    lengths = pc.fill_null(pc.list_value_length(vectors), 0).to_numpy(zero_copy_only=False)
    wanted = int(lengths[0]) if dimension is None and len(lengths) else dimension
    ids = batch.column("pair_id")
    for row in np.flatnonzero(lengths != wanted):
        message = f"{lengths[row]} numbers instead of {wanted}"
        report.add("embedding_dimension", table, ids[int(row)].as_py(), message)
    right = np.flatnonzero(lengths == wanted)
    if not len(right) or not wanted:
        return
    values = vectors.take(pa.array(right)).flatten().to_numpy(zero_copy_only=False)
    norms = np.linalg.norm(values.reshape(len(right), wanted).astype(np.float64), axis=1)
    # not <=: a NaN norm is wrong too
    for row in np.flatnonzero(~(np.abs(norms - 1) <= _NORM_TOLERANCE)):
        message = f"its norm is {norms[row]:.4g} instead of 1"
        report.add("embedding_norm", table, ids[int(right[row])].as_py(), message)


def _closed(
    table: str, batch: pa.RecordBatch, column: str, known: Collection[str], report: Report
) -> None:
    values = batch.column(column)
    for value in values.unique().to_pylist():
        if value not in known:
            first = values.to_pylist().index(value)
            item = batch.column(key_column(table))[first].as_py()
            report.add("value_unknown", table, str(item), f"{column} is {value!r}")


def _check_rejects(batch: pa.RecordBatch, report: Report) -> None:
    names = ("article_id", "item", "stage", "reason", "graphic_index")
    columns = [batch.column(name).to_pylist() for name in names]
    for article, item, stage, reason, graphic in zip(*columns, strict=True):
        if reason not in REJECT_REASONS.get(stage, {}):
            report.add("value_unknown", "rejects", article, f"reason {reason!r} at stage {stage!r}")
        if stage in ("source", "parse") and (item != article or graphic is not None):
            message = f"stage {stage} is of whole articles, and item is {item!r}"
            report.add("reject_item", "rejects", article, message)


def _check_pairs(batch: pa.RecordBatch, report: Report) -> None:
    pairs, articles = batch.column("pair_id").to_pylist(), batch.column("article_id").to_pylist()
    for pair, article in zip(pairs, articles, strict=True):
        if not pair.startswith(f"{article}/"):
            report.add("pair_id", "pairs", pair, f"does not begin with its article id {article}")
    if "image" not in batch.schema.names:
        return
    data, paths = batch.column("image").field("bytes"), batch.column("image").field("path")
    sizes, hashes = batch.column("byte_size").to_pylist(), batch.column("sha256").to_pylist()
    for row, pair in enumerate(pairs):
        image = data[row].as_buffer()
        if image is None or hashlib.sha256(image).hexdigest() != hashes[row]:
            report.add("image_hash", "pairs", pair, "the image's SHA-256 is not that of the column")
        if image is not None and image.size != sizes[row]:
            report.add("image_size", "pairs", pair, f"{image.size} bytes; byte_size is {sizes[row]}")
        if paths[row].as_py() != pair.partition("/")[2]:
            report.add("image_path", "pairs", pair, f"image.path is {paths[row].as_py()!r}")
