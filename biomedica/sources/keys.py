"""Names of PMC's layout, a folder's and a bucket's alike, and listings made of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.errors import ConfigError
from biomedica.ids import article_key, parse_article_id, split_key
from biomedica.sources.protocol import LISTING

__all__ = [
    "MAX_METADATA_BYTES",
    "NO_TIME",
    "UNREAD_DIGEST",
    "Keys",
    "copy_key",
    "digests_of_hex",
    "folder_key",
    "listing_of",
    "metadata_key",
    "select",
]

Keys = npt.NDArray[np.int64]
"""Article versions as integers (`ids.article_key`)"""

UNREAD_DIGEST = b"\xff" * 16
"""The digest of a listed article whose metadata could not be read just now: like no done one."""

NO_TIME = -(1 << 63)
"""The time, in ms since 1970, of what nobody says when it was written."""

MAX_METADATA_BYTES = 16 << 20


_NIBBLE = np.full(256, 255, np.uint8)
_NIBBLE[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16)


def digests_of_hex(texts: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Strings of 32 lower-case hex digits → uint8 (n, 16), zeros for others; and which of them are such."""
    import pyarrow.compute as pc

    if not len(texts):
        return np.empty((0, 16), np.uint8), np.empty(0, np.bool_)
    right = pc.fill_null(pc.equal(pc.binary_length(texts), 32), False)
    whole = right.to_numpy(zero_copy_only=False)
    if not whole.all():
        texts = pc.if_else(right, texts, pa.scalar("0" * 32))
    offsets = np.frombuffer(texts.buffers()[1], np.int32, len(texts) + 1, texts.offset * 4)
    data = np.frombuffer(texts.buffers()[2], np.uint8, 32 * len(texts), int(offsets[0]))
    nibbles = _NIBBLE[data].reshape(len(texts), 16, 2)
    good = whole & (nibbles < 16).all(axis=(1, 2))
    packed = ((nibbles[:, :, 0] << 4) | nibbles[:, :, 1]).astype(np.uint8, copy=False)
    return packed, good


def folder_key(name: str) -> int | None:
    """The key of `PMC1.1`, the folder or prefix of an article version; None for other names."""
    if not name.startswith("PMC"):
        return None
    try:
        article_id = parse_article_id(name)
    except ConfigError:
        return None
    return article_key(*article_id) if article_id.version else None


def metadata_key(name: str) -> int | None:
    """The key of `PMC1.1.json`, a name in `metadata/`; None for other names."""
    stem, dot, extension = name.rpartition(".")
    return folder_key(stem) if dot and extension == "json" else None


def copy_key(name: str) -> int | None:
    """The key of `PMC1.1/PMC1.1.json`, the copy of the metadata beside the XML; None for other names."""
    folder, slash, file = name.partition("/")
    return folder_key(folder) if slash and file == f"{folder}.json" else None


def select(keys: Keys, wanted: Keys) -> Keys:
    """Those of `keys` (sorted) that `wanted` names; version 0 takes the highest of its article."""
    pmcids, versions = split_key(wanted)
    latest = pmcids[versions == 0]
    last = np.searchsorted(keys, article_key(latest + 1, np.zeros_like(latest))) - 1
    last = last[last >= 0]
    highest = keys[last]
    highest = highest[np.isin(split_key(highest)[0], latest)]
    return np.union1d(np.intersect1d(keys, wanted, assume_unique=True), highest)


def listing_of(keys: Keys, digests: bytes) -> pa.Table:
    """Sorted keys and their digests, 16 bytes each, joined in the same order, as LISTING."""
    pmcids, versions = split_key(keys)
    columns = [
        pa.array(pmcids, pa.int64()),
        pa.array(versions.astype(np.int32), pa.int32()),
        pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(keys), [None, pa.py_buffer(digests)]),
    ]
    return pa.Table.from_arrays(columns, schema=LISTING)
