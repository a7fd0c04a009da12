"""What an update changed, article by article: a create-only file below `_changes/` that the note of
its version names. It stays when the hidden rows of withdrawn articles are compacted away."""

from __future__ import annotations

import hashlib
from collections.abc import Collection

import numpy as np
import pyarrow as pa

from biomedica.errors import StoreError
from biomedica.ids import ArticleId, split_key
from biomedica.store.done import keys_of_ids, listing_keys
from biomedica.store.held import Difference, Keys
from biomedica.store.storage import Storage

__all__ = ["CHANGE_KINDS", "read_changes", "write_changes"]

CHANGES = "_changes"
CHANGE_KINDS = ("new", "changed", "gone", "rebuilt")
_SCHEMA = pa.schema(
    [("article_id", pa.string()), ("change", pa.string()), ("is_newly_retracted", pa.bool_())]
)


def write_changes(
    storage: Storage, wanted: pa.Table, found: Difference, retracted: Collection[str]
) -> str:
    """Keep a difference; the name of its file. retracted: ids that are flagged since.

    Raises StoreError or Deferred.
    """
    import pyarrow.parquet as pq

    keys = listing_keys(wanted)
    parts = [
        ("new", keys[found.new]),
        ("changed", keys[found.changed]),
        ("gone", np.concatenate([keys[found.unlisted], found.gone])),
        ("rebuilt", keys[found.rebuilt]),
    ]
    joined = np.concatenate([part for _, part in parts])
    order = np.argsort(joined, kind="stable")
    words = np.repeat(np.arange(len(parts), dtype=np.int8), [len(part) for _, part in parts])[order]
    flagged = np.isin(joined[order], keys_of_ids(pa.array(sorted(retracted), pa.string())))
    columns = [
        pa.array(_ids(joined[order]), pa.string()),
        pa.array([word for word, _ in parts]).take(pa.array(words)),
        pa.array(flagged),
    ]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_arrays(columns, schema=_SCHEMA), sink, compression="zstd")
    data = sink.getvalue()
    name = f"{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    storage.put_new(f"{CHANGES}/{name}", data)
    return name


def read_changes(storage: Storage, name: str) -> pa.Table:
    """article_id, change (one of CHANGE_KINDS) and is_newly_retracted of what an update changed,
    sorted by id. Raises StoreError where the file is lost or broken."""
    import pyarrow.parquet as pq

    path = f"{CHANGES}/{name}"
    try:
        return pq.read_table(pa.BufferReader(storage.get(path)))
    except (FileNotFoundError, pa.ArrowInvalid):
        raise StoreError(
            f"{storage.uri(path)} is lost or broken: what this update changed is not known any more"
        ) from None


def _ids(keys: Keys) -> list[str]:
    pmcids, versions = split_key(keys)
    return list(map(str, map(ArticleId, pmcids.tolist(), versions.tolist())))
