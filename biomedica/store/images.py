"""Images of some pairs, each by one range of its file.

Images stand PLAIN and uncompressed in one page of a row group (`shards.py`): one behind the other,
four bytes of length before each, up to the end of the column chunk. So the sizes of those behind an
image tell where it lies, and its SHA-256 whether it was found; where it was not, the row group is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pyarrow as pa

from biomedica.ids import article_id_of_pair

__all__ = ["images_of_file"]

BYTES = "image.bytes"
COLUMNS = ["pair_id", "article_id", "shard", "byte_size", "sha256"]
LENGTH = 4
"""bytes of the length before each PLAIN value"""

Live = Callable[[pa.RecordBatch], pa.RecordBatch]
"""The rows of a batch that still count"""


def images_of_file(handle: Any, pair_ids: Collection[str], live: Live) -> dict[str, bytes]:
    """The encoded images of those of `pair_ids` that are live in a file of `pairs`, by pair id.

    handle: a `pyarrow.NativeFile`. Raises OSError or pa.ArrowInvalid where it cannot be read.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    file = pq.ParquetFile(handle, pre_buffer=True)  # the small columns in a few requests
    groups = _groups(file.metadata, {article_id_of_pair(pair) for pair in pair_ids})
    rows = file.read_row_groups(groups, columns=COLUMNS)
    wanted = pa.array(sorted(pair_ids), pa.string())
    found: dict[str, bytes] = {}
    start = 0
    for group in groups:
        held = rows.slice(start, file.metadata.row_group(group).num_rows)
        start += held.num_rows
        places = held.append_column("place", pa.array(range(held.num_rows)))
        places = places.filter(pc.is_in(held["pair_id"], value_set=wanted))
        if places.num_rows:
            (batch,) = places.combine_chunks().to_batches()
            found |= _images(handle, file, group, held["byte_size"], live(batch).to_pylist())
    return found


def _groups(metadata: Any, articles: Collection[str]) -> list[int]:
    """The row groups that may hold one of the articles."""
    column = _column(metadata, "article_id")

    def may_hold(group: int) -> bool:
        ends = metadata.row_group(group).column(column).statistics
        return not (ends and ends.has_min_max) or any(ends.min <= one <= ends.max for one in articles)

    return list(filter(may_hold, range(metadata.num_row_groups)))


def _column(metadata: Any, path: str) -> int:
    paths = [metadata.schema.column(n).path for n in range(metadata.num_columns)]
    return paths.index(path)


def _images(
    handle: Any, file: Any, group: int, sizes: pa.ChunkedArray, rows: list[dict[str, Any]]
) -> dict[str, bytes]:
    """The images of some rows of a row group."""
    chunk = file.metadata.row_group(group).column(_column(file.metadata, BYTES))
    images: Any = None
    found = {}
    starts = _starts(chunk, sizes)
    for row in rows:
        place, data = row["place"], b""
        if starts is not None:
            data = handle.read_at(row["byte_size"], int(starts[place]))
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            if images is None:
                images = file.read_row_group(group, columns=[BYTES])["image"]
            data = images[place].as_py()["bytes"]
        found[row["pair_id"]] = data
    return found


def _starts(chunk: Any, sizes: pa.ChunkedArray) -> Any:
    """Where each image of a chunk begins in the file; None where they do not stand as we write them."""
    if chunk.compression != "UNCOMPRESSED" or chunk.has_dictionary_page or sizes.null_count:
        return None
    each = sizes.to_numpy()
    ends = np.cumsum(each[::-1] + LENGTH)[::-1]
    if each.min() < 0 or ends[0] > chunk.total_compressed_size:
        return None
    return chunk.data_page_offset + chunk.total_compressed_size - ends + LENGTH
