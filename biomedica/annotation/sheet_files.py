"""The files of a run's sheets, and reading them again: what `biomedica sheets` has prepared.

Below the place of a run: for each cluster a page, a picture and a table of one name, which holds the
digest of what they show, and beside them `index.parquet`, which says which of them count.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from biomedica.annotation.sheet import ClusterSheet, Typical, sheet_from_table, sheet_table
from biomedica.config import StoreConfig
from biomedica.errors import StoreError
from biomedica.store import Storage, open_storage

__all__ = [
    "INDEX",
    "SHEETS",
    "SheetEntry",
    "Sheets",
    "index_bytes",
    "is_sheet_file",
    "load_sheets",
    "read_index",
    "sheet_bytes",
    "sheet_name",
    "sheets_place",
]

SHEETS = "_sheets"
"""The folder of a dataset where sheets lie where no other place is given; nothing in it is data."""

INDEX = "index.parquet"
SUFFIXES = (".html", ".jpg", ".parquet")

_TYPICAL = pa.list_(
    pa.struct([("term", pa.string()), ("score", pa.float64()), ("share", pa.float64())])
)
_INDEX = pa.schema(
    [
        ("cluster_id", pa.int32()),
        ("size", pa.int64()),
        ("share", pa.float64()),
        ("captions", pa.int64()),
        ("words", _TYPICAL),
        ("journals", _TYPICAL),
        ("mesh", _TYPICAL),
        ("digest", pa.string()),
        ("covers", pa.list_(pa.binary())),
    ]
)
_NAME = re.compile(r"cluster-\d+-[0-9a-f]{16}\.(?:html|jpg|parquet)")


@dataclass(frozen=True, slots=True)
class SheetEntry:
    """A sheet as the index knows it. sheet: without its members. covers: small JPEGs of the nearest."""

    sheet: ClusterSheet
    digest: str
    covers: tuple[bytes, ...] = ()

    @property
    def name(self) -> str:
        """Of its files, without a suffix."""
        return sheet_name(self.sheet.cluster_id, self.digest)


class Sheets:
    """The sheets of a run at a place. The index is in memory, a sheet is read when it is asked for.

    entries: by cluster_id. May be used from several threads.
    """

    def __init__(self, storage: Storage, run: str, entries: Iterable[SheetEntry]) -> None:
        self.storage, self.run = storage, run
        found = {entry.sheet.cluster_id: entry for entry in entries}
        self.entries: Mapping[int, SheetEntry] = MappingProxyType(found)

    @property
    def sizes(self) -> dict[int, int]:
        """Images by cluster_id, as `next_clusters` wants them."""
        return {cluster: entry.sheet.size for cluster, entry in self.entries.items()}

    def sheet(self, cluster_id: int) -> ClusterSheet:
        """The sheet of a cluster with members and thumbnails, by one read of one file.

        Raises KeyError for a cluster that has none, StoreError or Deferred.
        """
        path = self.entries[cluster_id].name + ".parquet"
        try:
            return sheet_from_table(_read(self.storage.get(path)))
        except (FileNotFoundError, ValueError, pa.ArrowException) as error:
            raise _lost(self.storage, path, error) from None


def sheets_place(root: str, run: str, out: str | None = None) -> str:
    """Where the sheets of a run lie: below `out`, else below the dataset's own `_sheets`."""
    place = out or f"{root.rstrip('/')}/{SHEETS}"
    return f"{place.rstrip('/')}/{run}"


def load_sheets(
    root: str | os.PathLike[str],
    run: str,
    config: StoreConfig | None = None,
    *,
    out: str | None = None,
) -> Sheets:
    """The sheets that were prepared of a clustering run of the dataset at `root`.

    out: the place that was given to `biomedica sheets --out`. Raises StoreError where there are none.
    """
    storage = open_storage(sheets_place(os.fspath(root), run, out), config)
    entries = read_index(storage)
    if entries is None:
        raise StoreError(
            f"there are no sheets of the run {run} at {storage.root}: "
            f"run `biomedica sheets --dataset {os.fspath(root)} --run {run}` first"
        )
    return Sheets(storage, run, entries)


def sheet_name(cluster_id: int, digest: str) -> str:
    """The name of a cluster's files, without a suffix: `cluster-00012-<digest>`."""
    return f"cluster-{cluster_id:05}-{digest}"


def is_sheet_file(path: str) -> bool:
    """Whether a file is one of a cluster's, by its name."""
    return _NAME.fullmatch(path) is not None


def sheet_bytes(sheet: ClusterSheet) -> bytes:
    """The table of a sheet as a Parquet file."""
    return _written(sheet_table(sheet))


def index_bytes(entries: Iterable[SheetEntry]) -> bytes:
    """The index as a Parquet file, sorted by cluster_id."""
    rows = []
    for entry in sorted(entries, key=lambda one: one.sheet.cluster_id):
        facts = asdict(entry.sheet)
        del facts["members"]
        rows.append({**facts, "digest": entry.digest, "covers": list(entry.covers)})
    return _written(pa.Table.from_pylist(rows, _INDEX))


def read_index(storage: Storage) -> list[SheetEntry] | None:
    """The entries of a place, by cluster_id; None where there is no index.

    Raises StoreError for one that cannot be read.
    """
    try:
        table = _read(storage.get(INDEX))
    except FileNotFoundError:
        return None
    except pa.ArrowException as error:
        raise _lost(storage, INDEX, error) from None
    if not table.schema.equals(_INDEX):
        raise _lost(storage, INDEX, ValueError("other columns"))
    return [_entry(row) for row in table.to_pylist()]


def _entry(row: dict[str, Any]) -> SheetEntry:
    digest, covers = row.pop("digest"), tuple(row.pop("covers"))
    for name in ("words", "journals", "mesh"):
        row[name] = tuple(Typical(**one) for one in row[name])
    return SheetEntry(ClusterSheet(**row), digest, covers)


def _read(data: bytes) -> pa.Table:
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(data))


def _written(table: pa.Table) -> bytes:
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue())


def _lost(storage: Storage, path: str, error: Exception) -> StoreError:
    return StoreError(
        f"{storage.uri(path)} is lost or broken ({type(error).__name__}): run `biomedica sheets` again"
    )
