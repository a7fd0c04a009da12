"""The Arrow blocks between the operators of a build with GPUs: one block is one shard.

Columns: `summary` (JSON in the first row), `pair_id` (null where there is no image to embed), and
one binary column a pixel spec or a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.pipeline.shard import PixelRows
from biomedica.pipeline.specs import Summary
from biomedica.schema import PixelSpec

__all__ = ["pack_pixels", "pack_vectors", "unpack_pixels", "unpack_summary", "unpack_vectors"]

IMAGES_A_STEP = 256

Vectors = npt.NDArray[np.float32]


def _pack(summary: Summary, pair_ids: Sequence[str], columns: Sequence[Sequence[bytes]]) -> pa.Table:
    rows = max(1, len(pair_ids))
    missing = [None] * (rows - len(pair_ids))
    arrays = [
        pa.array([summary.to_json(), *[None] * (rows - 1)], pa.large_string()),
        pa.array([*pair_ids, *missing], pa.string()),
        *(pa.array([*column, *missing], pa.large_binary()) for column in columns),
    ]
    names = ["summary", "pair_id", *(f"data_{n}" for n in range(len(columns)))]
    return pa.Table.from_arrays(arrays, names=names)


def pack_pixels(summary: Summary, pixels: PixelRows, specs: int) -> pa.Table:
    """Summary and model pixels of one shard."""
    if not pixels.complete or summary.fault is not None:
        return _pack(summary, [], [[] for _ in range(specs)])
    columns = [[arrays[n].tobytes() for arrays in pixels.pixels] for n in range(specs)]
    return _pack(summary, pixels.pair_ids, columns)


def pack_vectors(summary: Summary, pair_ids: Sequence[str], models: Sequence[Vectors]) -> pa.Table:
    """Summary and, by model, float32 vectors [n, dimension] of one shard."""
    columns = [[vector.tobytes() for vector in vectors] for vectors in models]
    return _pack(summary, pair_ids, columns)


def unpack_summary(block: pa.Table) -> Summary:
    """The summary of a block. Raises RuntimeError when the block is not one whole shard."""
    texts = block["summary"].drop_null()
    if len(texts) != 1:
        raise RuntimeError(f"a block holds {len(texts)} shards; one expected")
    return Summary.from_json(texts[0].as_py())


def unpack_pixels(
    block: pa.Table, specs: Sequence[PixelSpec]
) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
    """Pair ids and, per pair, one uint8 array [size, size, 3] per spec; in steps."""
    for batch in block.filter(block["pair_id"].is_valid()).to_batches(max_chunksize=IMAGES_A_STEP):
        columns = [
            [
                np.frombuffer(value.as_buffer(), np.uint8).reshape(spec.size, spec.size, 3)
                for value in batch[f"data_{n}"]
            ]
            for n, spec in enumerate(specs)
        ]
        yield batch["pair_id"].to_pylist(), list(zip(*columns, strict=True))


def unpack_vectors(block: pa.Table, dimensions: Sequence[int]) -> tuple[list[str], list[Vectors]]:
    """Pair ids and, by model, float32 vectors [n, dimension]."""
    rows = block.filter(block["pair_id"].is_valid())
    vectors = [
        np.frombuffer(b"".join(rows[f"data_{n}"].to_pylist()), np.float32).reshape(-1, dimension)
        for n, dimension in enumerate(dimensions)
    ]
    return rows["pair_id"].to_pylist(), vectors
