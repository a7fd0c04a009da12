"""Which articles of its source a dataset takes, and how they are built: what an update follows.

A scope is two create-only files below `_selections/`, named by their own content, and the note of
each version names the one that held then. `build` widens it, `update` follows it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import pyarrow as pa

from biomedica.errors import ConfigError, StoreError
from biomedica.store.dataset import Dataset
from biomedica.store.storage import Storage

__all__ = ["SELECTIONS", "Scope", "read_scope", "write_scope"]

SELECTIONS = "_selections"
_ORDER = [("pmcid", "ascending"), ("version", "ascending")]


@dataclass(frozen=True)
class Scope:
    """The articles of a source that a dataset takes: all, those named, those that meet a condition.

    everything: all that the source lists. ids: pmcid and version, sorted and each once; version 0
    is the latest. where: conditions on the metadata, any of which is enough. settings: the sections
    `parse`, `license` and `image` of the configuration. models: as they were named. versions: the
    policy that says which version of an article is meant (`config.SelectConfig`).
    """

    everything: bool = False
    ids: pa.Table | None = None
    where: tuple[str, ...] = ()
    source: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    models: tuple[str, ...] = ()
    versions: Literal["all", "latest", "published_first"] = "all"

    def widened(self, other: Scope) -> Scope:
        """Everything that either takes, with the later one's source and settings.

        Raises ConfigError where they do not mean the same versions of articles.
        """
        if self.versions != other.versions:
            raise ConfigError(
                f"select.versions is {other.versions}, and the dataset takes {self.versions} of its "
                "articles: leave it out, or change what the dataset takes by `biomedica update --set "
                f"select.versions={other.versions}`"
            )
        models = tuple(dict.fromkeys([*self.models, *other.models]))
        if self.everything or other.everything:
            return replace(other, everything=True, ids=None, where=(), models=models)
        ids = [table for table in (self.ids, other.ids) if table is not None]
        joined = None
        if ids:
            joined = pa.concat_tables(ids).group_by(["pmcid", "version"]).aggregate([]).sort_by(_ORDER)
        where = tuple(sorted({*self.where, *other.where}))
        return replace(other, ids=joined, where=where, models=models)

    @property
    def words(self) -> str:
        """For people: "all", "1,000 named", "those where …"."""
        named = [f"{self.ids.num_rows:,} named"] if self.ids is not None else []
        parts = ["all"] if self.everything else [*named, *map("those where {}".format, self.where)]
        policy = "" if self.versions == "all" else f", versions: {self.versions}"
        return " and ".join(parts) + policy


def write_scope(storage: Storage, scope: Scope) -> str:
    """Put a scope beside the dataset; its name, for a version's note. Raises StoreError, Deferred."""
    import pyarrow.parquet as pq

    ids = None
    if scope.ids is not None:
        sink = pa.BufferOutputStream()
        pq.write_table(scope.ids.combine_chunks(), sink, compression="zstd")
        ids = _put(storage, sink.getvalue(), "parquet")
    values = {
        "everything": scope.everything,
        "ids": ids,
        "where": list(scope.where),
        "source": scope.source,
        "settings": dict(scope.settings),
        "models": list(scope.models),
        "versions": scope.versions,
    }
    return _put(storage, json.dumps(values, sort_keys=True).encode(), "json")


def read_scope(dataset: Dataset) -> Scope | None:
    """The scope of a version; None where it recorded none. Raises StoreError or Deferred."""
    import pyarrow.parquet as pq

    storage = dataset.storage
    name = dataset.note.get("selection")
    if name is None:
        return None
    path = f"{SELECTIONS}/{name}"
    try:
        values = json.loads(storage.get(path))
        ids = values["ids"]
        if ids is not None:
            path = f"{SELECTIONS}/{ids}"
            ids = pq.read_table(pa.BufferReader(storage.get(path)))
        where, models = tuple(values["where"]), tuple(values["models"])
        versions = values.get("versions", "all")
        if versions not in ("all", "latest", "published_first"):
            raise ValueError(versions)
        return Scope(
            values["everything"], ids, where, values["source"], values["settings"], models, versions
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError, pa.ArrowInvalid):
        raise StoreError(
            f"{storage.uri(path)} is lost or broken: give the dataset's selection anew, "
            "`biomedica update --ids …`, `--where …` or `--all`"
        ) from None


def _put(storage: Storage, data: Any, ending: str) -> str:
    name = f"{hashlib.sha256(data).hexdigest()[:16]}.{ending}"
    storage.put_new(f"{SELECTIONS}/{name}", data)
    return name
