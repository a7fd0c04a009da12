"""Same rows in fewer files, and nothing left to hide. The job on a Ray: tests/integration."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from biomedica.errors import StaleWriterError, StoreError
from biomedica.pipeline import CompactReport, run_compact
from biomedica.store import Dataset, DatasetWriter, verify
from biomedica.store import compact as store_compact
from biomedica.store.compact import plan_compaction, rewrite
from biomedica.store.writer import DatasetWriter as Writer
from biomedica.upkeep import CompactConfig

from .synthetic import EMBEDDINGS_TABLE, MODEL, contents, shard_files

MIB = 1 << 20


def shard(number: int) -> str:
    return f"{number:016x}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six small shards of three articles. Of the first, two articles were built anew; of the second
    all, and one of these twice."""
    with DatasetWriter.begin(tmp_path, None, {EMBEDDINGS_TABLE: MODEL}) as writer:
        storage = writer.storage

        def commit(number: int, articles: list[int], state: str, replaces: int | None = None) -> None:
            old = shard(replaces) if replaces is not None else None
            files = shard_files(storage, shard(number), articles, state=state, replaces=old, embed=True)
            writer.commit(files, {"selection": "s"})

        for number in range(6):
            commit(number, [3 * number + n for n in (1, 2, 3)], "A")
        commit(10, [1, 2], "B", replaces=0)
        commit(11, [4, 5, 6], "B", replaces=1)
        commit(12, [5], "C", replaces=11)
    assert not verify(tmp_path).findings
    return tmp_path


def compact(root: Path, **options: Any) -> CompactReport:
    return run_compact(CompactConfig.model_validate({"dataset": str(root), **options}), quiet=True)


def without_shard(root: Path, version: int | None = None) -> dict[str, list[dict[str, Any]]]:
    """The live rows of every table but `superseded`, less the column that may change."""
    found = contents(root, version)
    del found["superseded"]
    return {
        table: sorted(({k: v for k, v in row.items() if k != "shard"} for row in rows), key=repr)
        for table, rows in found.items()
    }


def test_rows_stay_and_dead_ones_go(root: Path) -> None:
    before, old = without_shard(root), Dataset.open(root)
    report = compact(root)
    after = Dataset.open(root)
    assert without_shard(root) == before
    assert after.count("superseded") == 0
    assert (report.shards_before, report.shards_after) == (9, 1)
    assert (report.superseded_before, report.superseded_after) == (6, 0)
    assert report.dead_rows == 6 * (1 + 2 + 1 + 2)
    assert report.rows == 18 * (1 + 2 + 1 + 2)
    assert report.version == after.version > old.version
    assert {table: len(after.files(table)) for table in after.tables} == {
        "articles": 1, "pairs": 1, "rejects": 1, "superseded": 0, EMBEDDINGS_TABLE: 1,
    }  # fmt: skip
    assert after.note["command"] == "compact"
    assert after.note["counts"]["dead_rows"] == report.dead_rows
    assert after.note["selection"] == "s"
    assert not verify(root).findings
    # who had the version before open, or names it, reads on
    assert without_shard(root, old.version) == before
    assert sum(batch.num_rows for batch in old.batches("pairs")) == len(before["pairs"])


def test_a_second_time_does_nothing(root: Path) -> None:
    first = compact(root)
    again = compact(root)
    assert (again.version, again.files_before, again.superseded_before) == (first.version, 0, 0)


def test_the_same_rows_give_the_same_files(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import shutil

    other = tmp_path_factory.mktemp("other") / "copy"
    shutil.copytree(root, other)
    compact(root)
    compact(other)
    files = [Dataset.open(one).files("pairs") for one in (root, other)]
    assert files[0] == files[1]


def test_large_shards_are_left_alone_until_half_of_their_rows_are_dead(root: Path) -> None:
    """Nothing is small here: shards 0 (two thirds), 1 (all) and 11 (one third) have dead rows."""
    plan = plan_compaction(Dataset.open(root), 1, dead_share=0.5, small_share=0.25)
    assert sorted(name for merge in plan.merges for name in merge.shards) == [shard(0), shard(1)]
    report = compact(root, runtime={"shard_bytes": 1})
    assert (report.superseded_before, report.superseded_after) == (6, 1)
    assert report.dead_rows == 5 * 6
    left = Dataset.open(root).superseded().to_pylist()
    assert left == [{"article_id": "PMC5.1", "shard": shard(11)}]
    assert not verify(root).findings
    # a stricter share takes this one, too
    report = compact(root, runtime={"shard_bytes": 1}, dead_share=0.3)
    assert report.superseded_after == 0
    assert not verify(root).findings


def test_files_end_where_an_article_ends(root: Path) -> None:
    """With an aim of three hundred bytes, each image of eighty: two articles a file."""
    before, dataset = without_shard(root), Dataset.open(root)
    plan = plan_compaction(dataset, MIB, dead_share=0.5, small_share=0.25)
    (merge,) = plan.merges
    files = rewrite(dataset, merge, 5_000)
    pairs = [file for file in files if file.table == "pairs"]
    assert len(pairs) > 1
    assert sum(file.rows for file in pairs) == len(before["pairs"])
    articles = [articles_of(root, file.path) for file in pairs]
    assert sum(map(len, articles)) == len(set().union(*articles)) == 18


def articles_of(root: Path, name: str) -> set[str]:
    import pyarrow.parquet as pq

    return set(pq.read_table(root / "pairs" / name, columns=["article_id"])["article_id"].to_pylist())


def test_neighbours_are_merged(tmp_path: Path) -> None:
    """In the order of their articles, and no further than the size that is aimed at."""
    order = random.Random(0).sample(range(8), 8)
    with DatasetWriter.begin(tmp_path) as writer:
        for number in order:
            writer.commit(shard_files(writer.storage, shard(100 - number), [number * 10 + 1]))
    dataset = Dataset.open(tmp_path)
    one = sum(size for table in dataset.tables for _, size, _ in dataset.files(table)) / 8
    plan = plan_compaction(dataset, round(4.2 * one), dead_share=0.5, small_share=0.5)
    assert [len(merge.shards) for merge in plan.merges] == [4, 4]
    assert plan.merges[0].shards == tuple(shard(100 - number) for number in range(4))
    for merge in plan.merges:
        names = [row["article_id"] for row in rows_of(dataset, merge.shards)]
        assert names == sorted(names, key=lambda name: int(name[3:-2]))


def rows_of(dataset: Dataset, shards: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for batch in dataset.batches("articles", shards=shards):
        yield from batch.to_pylist()


def test_an_article_that_comes_back_after_it(root: Path) -> None:
    """The shard that held it first may be made again, under the same name."""
    compact(root)
    with DatasetWriter.begin(root, None, {EMBEDDINGS_TABLE: MODEL}) as writer:
        (now,) = {row["shard"] for row in contents(root)["articles"]}
        files = shard_files(writer.storage, shard(0), [1], state="A", replaces=now, embed=True)
        writer.commit(files)
    assert not verify(root).findings
    compact(root)
    assert not verify(root).findings
    assert Dataset.open(root).count("superseded") == 0


class Stop(Exception):
    pass


def test_a_stop_between_each_pair_of_table_commits(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers see the version before, or the whole; the same command then completes it."""
    before, stops = without_shard(root), 0
    begin = Writer.begin.__func__  # type: ignore[attr-defined]
    while True:
        left = stops + 1

        def on_commit(_table: str) -> None:
            nonlocal left
            left -= 1
            if not left:
                raise Stop

        def stopping(cls: type[Writer], *args: Any, **named: Any) -> Writer:
            writer: Writer = begin(cls, *args, **named, on_commit=on_commit)
            return writer

        monkeypatch.setattr(Writer, "begin", classmethod(stopping))
        version = Dataset.open(root).version
        try:
            compact(root)
        except Stop:
            stops += 1
            assert without_shard(root) == before
            if Dataset.open(root).version != version:  # it was the last commit
                break
            continue
        break
    monkeypatch.undo()
    assert stops >= 9  # five tables taken over, then three changed, superseded, articles
    assert without_shard(root) == before
    assert Dataset.open(root).count("superseded") == 0
    assert verify(root, repair=True).ok
    assert not verify(root).findings


def test_another_run_that_begins_meanwhile_wins(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, written = without_shard(root), store_compact.rewrite

    def slow(*args: Any) -> Any:
        DatasetWriter.begin(root).close()
        return written(*args)

    monkeypatch.setattr("biomedica.pipeline.compact.rewrite", slow)
    with pytest.raises(StaleWriterError):
        compact(root)
    monkeypatch.undo()
    assert without_shard(root) == before
    compact(root)
    assert without_shard(root) == before


def test_not_while_an_update_has_not_ended(root: Path) -> None:
    with DatasetWriter.begin(root, resume=True) as writer:
        writer.commit(shard_files(writer.storage, shard(20), [99]), staged=True)
    with pytest.raises(StoreError, match="run `biomedica update` again first"):
        compact(root)


def test_rows_that_are_not_there_stop_it(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = Dataset.batches

    def fewer(self: Dataset, table: str, *args: Any, **named: Any) -> Iterator[pa.RecordBatch]:
        for batch in batches(self, table, *args, **named):
            yield batch.slice(1) if table == "pairs" and named.get("batch_size") == 64 else batch

    monkeypatch.setattr(Dataset, "batches", fewer)
    version = Dataset.open(root).version
    with pytest.raises(Exception, match="nothing was changed"):
        compact(root)
    assert Dataset.open(root).version == version
