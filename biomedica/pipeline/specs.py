"""What travels between driver and workers: work to do, and the summary of what was done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

import pyarrow as pa

from biomedica.ids import shard_id
from biomedica.schema import embeddings_table
from biomedica.sources import Traffic
from biomedica.store import DataFile, Storage, write_file

__all__ = ["EmbedSpec", "Holding", "ShardSpec", "Summary"]


@dataclass(frozen=True, slots=True)
class Holding:
    """One article version of a shard."""

    article_id: str
    input_digest: str
    """hex MD5 of the listed metadata; "" where the source lists no such article"""
    replaces: str = ""
    """what a new build supersedes, joined by commas: `<shard>`, or `<article id>/<shard>` where the
    rows stand under another id (an id without version that the source did not know)"""


@dataclass(frozen=True, slots=True)
class ShardSpec:
    """A shard to build. Packed as text: a run may hold tens of thousands of them."""

    shard: str
    packed: str

    @classmethod
    def of(cls, build_digest: str, holdings: list[Holding]) -> ShardSpec:
        rows = [(h.article_id, h.input_digest, h.replaces) for h in holdings]
        return cls(shard_id(build_digest, rows), "\n".join("\t".join(row) for row in rows))

    def holdings(self) -> Iterator[Holding]:
        for line in self.packed.split("\n"):
            article, digest, replaces = line.split("\t")
            yield Holding(article, digest, replaces)

    def alone(self, build_digest: str) -> list[ShardSpec]:
        """The same articles as shards of one, for a shard that failed or was lost with its worker."""
        return [ShardSpec.of(build_digest, [holding]) for holding in self.holdings()]

    def __len__(self) -> int:
        return self.packed.count("\n") + 1


@dataclass(frozen=True, slots=True)
class EmbedSpec:
    """Pairs of one built shard whose images are to be read from the store and embedded."""

    shard: str
    files: tuple[str, ...]
    """pairs files, by their path below the dataset root"""
    articles: tuple[str, ...] = ()
    """only the pairs of these articles; empty: of all"""
    pairs: int = 0
    """how many they are, for the progress line; 0 where nobody asks"""

    def to_json(self) -> str:
        return json.dumps([self.shard, self.files, self.articles, self.pairs])

    @classmethod
    def from_json(cls, text: str) -> EmbedSpec:
        shard, files, articles, pairs = json.loads(text)
        return cls(shard, tuple(files), tuple(articles), pairs)


@dataclass(slots=True)
class Summary:
    """What a worker reports of one shard. Small: it travels through Ray as JSON."""

    shard: str
    fault: str | None = None
    """why the shard as a whole failed; its articles count as deferred"""
    fatal: bool = False
    """the store cannot be written, or nothing of the source may be read: no other shard will fare
    better"""
    silent: bool = False
    """the store did not answer, though it was asked for long"""
    articles: int = 0
    articles_rejected: int = 0
    deferred: list[tuple[str, str]] = field(default_factory=list)
    """(article id, why), but for those over budget"""
    pairs: int = 0
    """pairs written"""
    pairs_embedded: int = 0
    """pairs of an earlier run whose images were read from the store and embedded"""
    rejects: int = 0
    reject_reasons: dict[str, int] = field(default_factory=dict)
    """rejects by `stage/reason`"""
    embeddings: dict[str, int] = field(default_factory=dict)
    """rows by model slug"""
    embed_rejects: dict[str, int] = field(default_factory=dict)
    """rejects at stage `embed`, by model slug"""
    undecodable: list[tuple[str, str]] = field(default_factory=list)
    """(pair id, why) of stored images that could not be decoded for a model"""
    reread: EmbedSpec | None = None
    """the images did not travel with this summary: the embedding actor reads them from the store"""
    media_read: int = 0
    bytes_read: int = 0
    over_budget: int = 0
    """articles that were not read, or not to their end, because the run's budget was spent"""
    budget: str | None = None
    """what of the budget was spent: `requests` or `bytes`"""
    traffic: Traffic = field(default_factory=Traffic)
    """what was asked of the source"""
    stage_seconds: dict[str, float] = field(default_factory=dict)
    files: list[DataFile] = field(default_factory=list)

    def write(self, storage: Storage, table: str, rows: pa.Table) -> None:
        """Write rows of this shard as a file of `table`, and name it among `files`."""
        written = write_file(storage, table, self.shard, rows)
        if written is not None:
            self.files.append(written)

    def reject(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Count rows of `rejects`."""
        for row in rows:
            reason = f"{row['stage']}/{row['reason']}"
            self.rejects += 1
            self.reject_reasons[reason] = self.reject_reasons.get(reason, 0) + 1

    def accounts_for(self, spec: ShardSpec) -> bool:
        """Promise 1 for one shard: every article is written, rejected or deferred."""
        waiting = len(self.deferred) + self.over_budget
        return self.articles + self.articles_rejected + waiting == len(spec)

    def imbalance(self, slugs: Iterable[str]) -> str | None:
        """Promise 1 for the rows that were written: a sentence where counts do not add up.

        slugs: the models that were to embed this shard.
        """
        rows: Counter[str] = Counter()
        for file in self.files:
            rows[file.table] += file.rows
        counted = {"articles": self.articles, "pairs": self.pairs, "rejects": self.rejects}
        counted |= {embeddings_table(slug): count for slug, count in self.embeddings.items()}
        for table in sorted({*rows, *counted}):
            if table != "superseded" and rows[table] != counted.get(table, 0):
                return f"{rows[table]} rows of {table} were written, {counted.get(table, 0)} counted"
        images = self.pairs + self.pairs_embedded
        for slug in slugs:
            done, rejected = self.embeddings.get(slug, 0), self.embed_rejects.get(slug, 0)
            if images != done + rejected:
                return f"{images} images are not {done} embeddings and {rejected} rejects of {slug}"
        return None

    def to_json(self) -> str:
        values = {name: getattr(self, name) for name in self.__slots__}
        values["files"] = [file.to_dict() for file in self.files]
        values["reread"] = self.reread.to_json() if self.reread else None
        values["traffic"] = astuple(self.traffic)
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Summary:
        values: dict[str, Any] = json.loads(text)
        values["files"] = [DataFile.from_dict(file) for file in values["files"]]
        values["reread"] = EmbedSpec.from_json(values["reread"]) if values["reread"] else None
        values["traffic"] = Traffic(*values["traffic"])
        for name in ("deferred", "undecodable"):
            values[name] = [(item, why) for item, why in values[name]]
        return cls(**values)
