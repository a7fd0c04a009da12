"""What travels between the operators of a build with GPUs: one row is one shard.

Columns: `summary` (JSON) and `data` (an Arrow IPC stream: pair_id and one binary column a pixel spec
or a model). One row a shard, because Ray Data wants a batch size from an operator with GPUs and
would bundle or cut blocks of several rows.
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


def pack_pixels(summary: Summary, pixels: PixelRows, specs: int) -> pa.Table:
    """Summary and model pixels of one shard; none where they are to be read again or it failed."""
    if not pixels.complete or summary.fault is not None:
        return _pack(summary, [], [[] for _ in range(specs)])
    columns = [[arrays[n].tobytes() for arrays in pixels.pixels] for n in range(specs)]
    return _pack(summary, pixels.pair_ids, columns)


def pack_vectors(summary: Summary, pair_ids: Sequence[str], models: Sequence[Vectors]) -> pa.Table:
    """Summary and, by model, float32 vectors [n, dimension] of one shard."""
    return _pack(summary, pair_ids, [[vector.tobytes() for vector in vectors] for vectors in models])


def unpack_summary(block: pa.Table) -> Summary:
    """The summary of a block. Raises RuntimeError when the block is not one shard."""
    if block.num_rows != 1:
        raise RuntimeError(f"one shard a block expected, got {block.num_rows}")
    return Summary.from_json(block["summary"][0].as_py())


def unpack_pixels(
    block: pa.Table, specs: Sequence[PixelSpec]
) -> Iterator[tuple[list[str], list[tuple[Any, ...]]]]:
    """Pair ids and, per pair, one uint8 array [size, size, 3] per spec; in steps."""
    for batch in _table(block).to_batches(max_chunksize=IMAGES_A_STEP):
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
    table = _table(block)
    vectors = [
        np.frombuffer(b"".join(table[f"data_{n}"].to_pylist()), np.float32).reshape(-1, dimension)
        for n, dimension in enumerate(dimensions)
    ]
    return table["pair_id"].to_pylist(), vectors


def _pack(summary: Summary, pair_ids: Sequence[str], columns: Sequence[Sequence[bytes]]) -> pa.Table:
    arrays = [pa.array(pair_ids, pa.string()), *(pa.array(c, pa.large_binary()) for c in columns)]
    names = ["pair_id", *(f"data_{n}" for n in range(len(columns)))]
    table = pa.Table.from_arrays(arrays, names=names)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    data = pa.py_buffer(sink.getvalue())
    offsets = pa.py_buffer(np.array([0, data.size], np.int64))
    column = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 1, [None, offsets, data])
    return pa.table({"summary": pa.array([summary.to_json()], pa.large_string()), "data": column})


def _table(block: pa.Table) -> pa.Table:
    return pa.ipc.open_stream(block["data"][0].as_buffer()).read_all()
