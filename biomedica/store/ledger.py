"""Rows against each other: what each article must add up to (promises 1 and 2).

Holds ids as integers: about 40 bytes an article and 16 a pair and an embedding.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.ids import ArticleId, split_key
from biomedica.store.done import keys_of_ids
from biomedica.store.report import Report

__all__ = ["Ledger", "row_hashes"]

Ints = npt.NDArray[np.int64]
_ARTICLE_ID = r"^PMC[1-9][0-9]{0,11}(\.[1-9][0-9]{0,3})?$"


def row_hashes(ids: pa.Array, shards: pa.Array) -> Ints:
    """A 64-bit number for each (id, shard), the same all through this process."""
    both = zip(ids.to_pylist(), shards.to_pylist(), strict=True)
    return np.fromiter((hash(row) for row in both), np.int64, len(ids))


class _Columns:
    """Rows of integers, gathered in parts and joined once."""

    def __init__(self, width: int) -> None:
        self._parts: list[Ints] = [np.empty((0, width), np.int64)]

    def add(self, *columns: npt.NDArray[Any]) -> None:
        self._parts.append(np.column_stack([column.astype(np.int64) for column in columns]))

    def joined(self) -> Ints:
        self._parts = [np.concatenate(self._parts)]
        return self._parts[0]


class Ledger:
    """Takes the live rows of every table, then says what does not add up."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self._shards: dict[str, int] = {}
        self._articles = _Columns(5)  # key, shard, graphic_count, pair_count, graphic_reject_count
        self._rejected = _Columns(2)  # key, shard of rejects that stand for a whole article
        self._pairs = _Columns(3)  # key, shard, pairs
        self._metadata = _Columns(1)  # key
        self._rejects = _Columns(3)  # key, shard, rejects of a graphic
        # hashes of the pair and of its article, each with the shard
        self._pair_hashes = _Columns(2)
        self._embedded: defaultdict[str, _Columns] = defaultdict(lambda: _Columns(2))
        self._embed_rejects: defaultdict[str, _Columns] = defaultdict(lambda: _Columns(2))

    def take(self, table: str, batch: pa.RecordBatch) -> None:
        """Live rows of one table, with the columns that a verification reads."""
        self.report.counts[table] += batch.num_rows
        if table.startswith("embeddings/"):
            self._embedded[table].add(*_pair_hashes(batch, "pair_id"))
            return
        batch = self._with_sound_ids(table, batch)
        if not batch.num_rows or table == "superseded":
            return
        keys = keys_of_ids(batch.column("article_id"))
        shards = self._codes(batch.column("shard"))
        if table == "articles":
            counts = [
                batch.column(name).fill_null(-1).to_numpy(zero_copy_only=False)
                for name in ("graphic_count", "pair_count", "graphic_reject_count")
            ]
            self._articles.add(keys, shards, *counts)
        elif table == "metadata":
            self._metadata.add(keys)
        elif table == "pairs":
            self._pairs.add(*_counted(keys, shards, np.ones(len(keys), np.int64)))
            self._pair_hashes.add(*_pair_hashes(batch, "pair_id"))
        else:
            self._take_rejects(batch, keys, shards)

    def _take_rejects(self, batch: pa.RecordBatch, keys: Ints, shards: Ints) -> None:
        import pyarrow.compute as pc

        stages = batch.column("stage")
        whole = pc.is_in(stages, value_set=pa.array(["source", "parse"])).to_numpy(zero_copy_only=False)
        self._rejected.add(keys[whole], shards[whole])
        graphics = pc.is_valid(batch.column("graphic_index")).to_numpy(zero_copy_only=False)
        self._rejects.add(*_counted(keys[~whole], shards[~whole], graphics[~whole]))
        embed = batch.filter(pc.equal(stages, "embed"))
        for digest in embed.column("build_digest").unique().to_pylist():
            mine = embed.filter(pc.equal(embed.column("build_digest"), digest))
            self._embed_rejects[digest].add(*_pair_hashes(mine, "item"))

    def check_articles(self) -> None:
        """Each article once; its pairs and rejects are there, are its own, and add up."""
        articles = self._articles.joined()
        articles = articles[np.argsort(articles[:, 0], kind="stable")]
        rejected = self._rejected.joined()
        keys, times = np.unique(np.concatenate([articles[:, 0], rejected[:, 0]]), return_counts=True)
        for key in keys[times > 1]:
            self._tell("article_twice", "articles", key, "is live more than once, or also rejected")
        articles = articles[np.unique(articles[:, 0], return_index=True)[1]]
        pairs = self._sums("pairs", self._pairs.joined(), articles)
        rejects = self._sums("rejects", self._rejects.joined(), articles)
        graphic_count, pair_count, reject_count = articles[:, 2:].T
        for code, stated, counted, what in (
            ("pair_count", pair_count, pairs, "pairs"),
            ("graphic_reject_count", reject_count, rejects, "rejects of a graphic"),
            ("conservation", graphic_count, pairs + rejects, "pairs and rejects of a graphic"),
        ):
            for row in np.flatnonzero(stated != counted):
                message = f"says {stated[row]}, and there are {counted[row]} {what}"
                self._tell(code, "articles", articles[row, 0], message)

    def check_metadata(self) -> None:
        """The metadata of each article version once."""
        for key in _repeated(self._metadata.joined()[:, 0]):
            self._tell("metadata_twice", "metadata", key, "has more than one live row")

    def check_pairs(self) -> Ints:
        """Hashes of pairs that are there twice."""
        return _repeated(self._pair_hashes.joined()[:, 0])

    def check_embeddings(self, table: str, build_digest: str | None) -> dict[str, Ints]:
        """Hashes of rows that break a rule, by the code of the finding.

        A model takes an article whole or not at all: pairs of articles that it has not taken are
        counted in `report.unembedded`, and those of which it has taken others are named.
        """
        all_pairs = self._pair_hashes.joined()
        pairs = np.unique(all_pairs[:, 0])
        both = (self._embedded[table].joined(), self._embed_rejects[build_digest or ""].joined())
        embedded, rejected = (rows[:, 0] for rows in both)
        taken = np.concatenate([np.unique(embedded), np.unique(rejected)])
        begun = np.isin(all_pairs[:, 1], np.concatenate([rows[:, 1] for rows in both]))
        without = np.setdiff1d(pairs, taken)
        lacking = np.intersect1d(without, all_pairs[begun, 0])
        if len(without) > len(lacking):
            self.report.unembedded[table] = len(without) - len(lacking)
        return {
            "embedding_twice": _repeated(embedded),
            "embedding_without_pair": np.setdiff1d(embedded, pairs),
            "embedding_and_reject": _repeated(taken),
            "embed_reject_twice": _repeated(rejected),
            "embed_reject_without_pair": np.setdiff1d(rejected, pairs),
            "pair_without_embedding": lacking,
        }

    def _sums(self, table: str, counted: Ints, articles: Ints) -> Ints:
        """Rows of a table for each article; rows that belong to none are findings."""
        sums = np.zeros(len(articles), np.int64)
        if not len(counted):
            return sums
        at = np.searchsorted(articles[:, 0], counted[:, 0])
        at[at == len(articles)] = 0
        known = articles[at, 0] == counted[:, 0] if len(articles) else np.zeros(len(counted), bool)
        for key in np.unique(counted[~known, 0]):
            self._tell("article_missing", table, key, "has rows here and is no live article")
        same = known.copy()
        same[known] = articles[at[known], 1] == counted[known, 1]
        for key in np.unique(counted[known & ~same, 0]):
            self._tell("article_shard", table, key, "has live rows of another shard than its own")
        np.add.at(sums, at[same], counted[same, 2])
        return sums

    def _with_sound_ids(self, table: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow.compute as pc

        sound = pc.match_substring_regex(batch.column("article_id"), _ARTICLE_ID)
        for article in batch.filter(pc.invert(sound)).column("article_id").to_pylist():
            self.report.add("article_id", table, article, "is no article id")
        return batch.filter(sound)

    def _codes(self, shards: pa.Array) -> Ints:
        coded = shards.dictionary_encode()
        names = coded.dictionary.to_pylist()
        codes = np.array([self._shards.setdefault(name, len(self._shards)) for name in names], np.int64)
        found: Ints = codes[coded.indices.to_numpy()]
        return found

    def _tell(self, code: str, table: str, key: int, message: str) -> None:
        article = ArticleId(*split_key(int(key)))
        self.report.add(code, table, str(article), f"{article} {message}")


def _counted(keys: Ints, shards: Ints, ones: npt.NDArray[Any]) -> Iterator[Ints]:
    """(keys, shards, sums of `ones`), a row for each pair of key and shard."""
    rows, inverse = np.unique(np.column_stack([keys, shards]), axis=0, return_inverse=True)
    sums = np.bincount(inverse.reshape(-1), weights=ones, minlength=len(rows)).astype(np.int64)
    yield from (rows[:, 0], rows[:, 1], sums)


def _pair_hashes(batch: pa.RecordBatch, column: str) -> tuple[Ints, Ints]:
    """Hashes of pair ids and of their article ids, both with the shard."""
    import pyarrow.compute as pc

    pairs, shards = batch.column(column), batch.column("shard")
    articles = pc.list_element(pc.split_pattern(pairs, "/", max_splits=1), 0)
    coded = pc.binary_join_element_wise(articles, shards, " ").dictionary_encode()
    names = coded.dictionary.to_pylist()
    hashes = np.fromiter((hash(name) for name in names), np.int64, len(names))
    return row_hashes(pairs, shards), hashes[coded.indices.to_numpy()]


def _repeated(values: Ints) -> Ints:
    found, times = np.unique(values, return_counts=True)
    repeated: Ints = found[times > 1]
    return repeated
