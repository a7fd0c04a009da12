"""Tables of one row a key: newer rows replace older ones by new files, and no two files overlap.

A file holds a range of keys, sorted. New rows go into the file whose range they fall into, which is
written anew; one that grows too long is cut in two, as the leaves of a B-tree are. So readers need no
rule about what hides what, a filter on the key skips files, and a version keeps the files that it had.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.errors import StoreError
from biomedica.schema import table_schema
from biomedica.store import log
from biomedica.store.dataset import Dataset
from biomedica.store.shards import DataFile, key_column, write_file
from biomedica.store.storage import Storage

__all__ = ["KeyedTable", "Merged", "keyed_rows"]

MAX_ROWS = 20_000
"""of one file; some 10 MB of PubMed records"""

Wins = Callable[[pa.Table, pa.Table], npt.NDArray[np.bool_]]
"""Old rows and new rows of the same keys, in the same order → which of the new ones replace the old."""


@dataclass(slots=True)
class Merged:
    """Files to commit together; rows by what became of them."""

    files: list[DataFile] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    added: int = 0
    replaced: int = 0
    kept: int = 0
    """new rows that did not win against what was there"""


@dataclass(slots=True)
class _Held:
    """A file of the table as it stands."""

    low: Any
    path: str


class KeyedTable:
    """The files of one keyed table, and how new rows go into them. For the one writer of a dataset."""

    def __init__(self, storage: Storage, table: str, held: Sequence[tuple[Any, str]] = ()) -> None:
        self.storage = storage
        self.table = table
        self.key = key_column(table)
        self._held = [_Held(low, path) for low, path in sorted(held)]

    @classmethod
    def of(cls, dataset: Dataset, table: str) -> KeyedTable:
        """The table as it is in a version; empty where the version has none."""
        if table not in dataset.tables:
            return cls(dataset.storage, table)
        handle = log.open_table(dataset.storage, table, dataset.pins[table])
        added = log.added_files(handle)
        low = f"min.{key_column(table)}"
        lows = added[low].to_pylist() if low in added.column_names else []
        if None in lows or len(lows) != added.num_rows:
            raise StoreError(
                f"the log of {dataset.storage.uri(table)} lacks the range of a file: run "
                "`biomedica verify` on this dataset"
            )
        return cls(dataset.storage, table, list(zip(lows, added["path"].to_pylist(), strict=True)))

    def merge(self, rows: pa.Table, wins: Wins) -> Merged:
        """Write the files that the table has with these rows. One file is held in memory at a time.

        rows: of the table's schema, each key once, in any order. wins: decides where a key is there.
        Raises StoreError or Deferred.
        """
        merged = Merged()
        rows = rows.sort_by(self.key)
        keys = rows[self.key].to_pylist()
        at = 0
        held: list[_Held] = []
        for number, file in enumerate(self._held or [None]):
            following = self._held[number + 1].low if number + 1 < len(self._held) else None
            end = len(keys) if following is None else bisect.bisect_left(keys, following, at)
            held += self._merge_file(file, rows.slice(at, end - at), wins, merged)
            at = end
        self._held = held
        return merged

    def _merge_file(
        self, file: _Held | None, rows: pa.Table, wins: Wins, merged: Merged
    ) -> list[_Held]:
        if not rows.num_rows:
            return [file] if file is not None else []
        if file is not None:
            whole, changed = self._joined(self._read(file.path), rows, wins, merged)
            if not changed:
                return [file]
            rows = whole
        else:
            merged.added += rows.num_rows
        written = self._write(rows)
        merged.files += [new for _, new in written]
        if file is not None and file.path not in {new.path for _, new in written}:
            merged.removed.append(file.path)
        return [_Held(low, new.path) for low, new in written]

    def _joined(
        self, old: pa.Table, new: pa.Table, wins: Wins, merged: Merged
    ) -> tuple[pa.Table, bool]:
        """Old and new rows as one, sorted, and whether any new one is among them."""
        import pyarrow.compute as pc

        at = pc.index_in(new[self.key], value_set=old[self.key].combine_chunks())
        is_known = pc.is_valid(at).to_numpy()
        known = new.filter(pa.array(is_known))
        places = at.filter(pa.array(is_known))
        won = wins(old.take(places), known) if known.num_rows else np.zeros(0, np.bool_)
        takes = ~is_known
        takes[np.flatnonzero(is_known)[won]] = True
        merged.added += int((~is_known).sum())
        merged.replaced += int(won.sum())
        merged.kept += int((~won).sum())
        if not takes.any():
            return old, False
        stays = np.ones(old.num_rows, np.bool_)
        stays[places.to_numpy()[won]] = False
        both = [old.filter(pa.array(stays)), new.filter(pa.array(takes))]
        return pa.concat_tables(both).sort_by(self.key), True

    def _read(self, path: str) -> pa.Table:
        import pyarrow.parquet as pq

        where = self.storage.uri(f"{self.table}/{path}")
        try:
            table = pq.read_table(pa.BufferReader(self.storage.get(f"{self.table}/{path}")))
        except (FileNotFoundError, pa.ArrowException) as error:
            raise StoreError(
                f"{where} is lost or broken ({type(error).__name__}): run `biomedica verify`"
            ) from None
        if not table.schema.equals(table_schema(self.table)):
            raise StoreError(f"{where} has columns of another version of biomedica: use that one")
        return table

    def _write(self, rows: pa.Table) -> list[tuple[Any, DataFile]]:
        """(lowest key, file) of each file that the rows become."""
        parts = -(-rows.num_rows // MAX_ROWS)
        cuts = [rows.num_rows * part // parts for part in range(parts + 1)]
        found = []
        for start, stop in pairwise(cuts):
            part = rows.slice(start, stop - start).replace_schema_metadata(None)
            file = write_file(self.storage, self.table, self.table, part.cast(table_schema(self.table)))
            assert file is not None  # noqa: S101 - no part is empty
            found.append((part[self.key][0].as_py(), file))
        return found


def keyed_rows(dataset: Dataset, table: str, columns: Sequence[str]) -> pa.Table:
    """Some columns of a keyed table of this version; no rows where it has none."""
    schema = pa.schema([table_schema(table).field(name) for name in columns])
    batches = dataset.batches(table, columns, batch_size=1 << 16) if table in dataset.tables else ()
    return pa.Table.from_batches(batches, schema)
