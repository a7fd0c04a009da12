"""One data file of an inventory: gzipped CSV, streamed, its MD5 checked, rows in compact arrays."""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any, cast
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.ids import ARTICLE_PATTERN, article_key
from biomedica.sources.keys import NO_TIME, Keys, digests_of_hex
from biomedica.sources.pmc_cloud import etag_digest
from biomedica.sources.reports import Reports
from biomedica.sources.snapshot_rows import RowGatherer

__all__ = ["Unusable", "read_data_file"]

CSV_BLOCK = 4 << 20
"""bytes of text that are taken apart at once"""
GZIP_BUFFER = 1 << 18


class Unusable(Exception):
    """An inventory that is not whole or not what S3 writes; the text says why."""


def read_data_file(
    reports: Reports, key: str, size: int, md5: str, columns: tuple[str, ...], gatherer: RowGatherer
) -> int:
    """Add the rows of a data file; returns how many keys were none of `metadata/PMC1.1.json`.

    columns: the names of the columns. The file is read once: where its MD5 turns out wrong at its
    end, its rows must not be used. Raises Unusable, Rejected or Deferred.
    """
    name = ascii(key.rpartition("/")[2][:100])[1:-1]
    blocks = reports.blocks(key, size)
    if blocks is None:
        raise Unusable(f"its data file {name} is missing")
    stream = _Hashed(blocks)
    unknown = 0
    try:
        with gzip.GzipFile(fileobj=cast(Any, io.BufferedReader(stream, GZIP_BUFFER))) as text:
            for batch in _csv(text, columns):
                unknown += _add(batch, reports.base, gatherer)
    except (EOFError, zlib.error, gzip.BadGzipFile, pa.ArrowInvalid) as error:
        fault = (str(error).splitlines() or [type(error).__name__])[0][:200]
    else:
        fault = ""
    stream.drain()
    if stream.size != size or stream.digest != md5:
        raise Unusable(
            f"its data file {name} has MD5 {stream.digest} in {stream.size:,} bytes, the manifest says "
            f"{md5} in {size:,}"
        )
    if fault:
        raise Unusable(f"its data file {name} is no gzipped CSV: {fault}")
    return unknown


class _Hashed(io.RawIOBase):
    """Blocks as a file; counts and digests what went through."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        super().__init__()
        self._blocks = blocks
        self._rest = memoryview(b"")
        self._digest = hashlib.md5(usedforsecurity=False)
        self.size = 0

    @property
    def digest(self) -> str:
        return self._digest.hexdigest()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest and not self._next():
            return 0
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def drain(self) -> None:
        """Read what nobody asked for."""
        while self._next():
            self._rest = memoryview(b"")

    def _next(self) -> bool:
        for block in self._blocks:
            if block:
                self._digest.update(block)
                self.size += len(block)
                self._rest = memoryview(block)
                return True
        return False


def _csv(text: Any, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    from pyarrow import csv

    wanted = [name for name in columns if name in _TAKEN]
    try:
        reader = csv.open_csv(
            pa.PythonFile(text, mode="r"),
            read_options=csv.ReadOptions(
                column_names=list(columns), block_size=CSV_BLOCK, use_threads=False
            ),
            parse_options=csv.ParseOptions(newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                strings_can_be_null=False,
                check_utf8=True,
            ),
        )
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            return
        raise
    yield from reader


_TAKEN = ("Key", "ETag", "LastModifiedDate", "IsLatest", "IsDeleteMarker")


def _add(batch: pa.RecordBatch, base: str, gatherer: RowGatherer) -> int:
    batch = _living(batch)
    keys, known = _keys(batch.column("Key"), base)
    if not known.all():
        batch = batch.filter(pa.array(known))
        keys = keys[known]
    gatherer.add(keys, _digests(batch.column("ETag")), _times(batch))
    return int(len(known) - known.sum())


def _living(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Of a bucket that keeps versions of objects, the newest ones that are not deleted."""
    import pyarrow.compute as pc

    for name, wanted in (("IsLatest", "true"), ("IsDeleteMarker", "false")):
        if name in batch.schema.names:
            batch = batch.filter(pc.equal(pc.utf8_lower(batch.column(name)), wanted))
    return batch


@cache
def _pattern(base: str) -> str:
    return rf"^(?:{re.escape(base)})?metadata/{ARTICLE_PATTERN}\.json$"


def _keys(names: pa.Array, base: str) -> tuple[Keys, npt.NDArray[np.bool_]]:
    """Object keys → article keys, 0 for others; and which are known."""
    import pyarrow.compute as pc

    if pc.any(pc.match_substring(names, "%")).as_py():  # S3 Inventory encodes keys in CSV
        names = pa.array([unquote(name) for name in names.to_pylist()], pa.string())
    found = pc.extract_regex(names, _pattern(base))
    pmcids, versions = (part.cast(pa.string()) for part in found.flatten())
    known = pc.fill_null(pc.and_(found.is_valid(), pc.not_equal(versions, "")), False)
    zero = pa.scalar("0")
    parts = [pc.if_else(known, part, zero).cast(pa.int64()) for part in (pmcids, versions)]
    numbers: list[Keys] = [part.to_numpy(zero_copy_only=False) for part in parts]
    return article_key(*numbers), known.to_numpy(zero_copy_only=False)


def _digests(etags: pa.Array) -> npt.NDArray[np.uint8]:
    """ETags → the bytes of input digests (n, 16), by the rule of `etag_digest`."""
    digests, good = digests_of_hex(etags)
    for row in np.flatnonzero(~good):
        digests[row] = np.frombuffer(etag_digest(etags[int(row)].as_py()), np.uint8)
    return digests


def _times(batch: pa.RecordBatch) -> Keys:
    """LastModifiedDate in ms since 1970; NO_TIME where it is no time."""
    if "LastModifiedDate" not in batch.schema.names:
        return np.full(batch.num_rows, NO_TIME, np.int64)
    texts = batch.column("LastModifiedDate")
    kind = pa.timestamp("ms", "UTC")
    try:
        times = texts.cast(kind)
    except pa.ArrowInvalid:
        times = pa.array([_time(text) for text in texts], kind)
    found: Keys = times.cast(pa.int64()).fill_null(NO_TIME).to_numpy(zero_copy_only=False)
    return found


def _time(text: pa.Scalar) -> Any:
    try:
        return text.cast(pa.timestamp("ms", "UTC")).as_py()
    except (pa.ArrowInvalid, ValueError):
        return None
