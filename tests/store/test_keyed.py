"""Tables of one row a key: merges against a plain dict, versions that keep what they had, verify."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica import Archive
from biomedica.errors import ConfigError, StoreError
from biomedica.sources.pubmed_set import status_table
from biomedica.store import (
    KEYED_TABLES,
    Dataset,
    DatasetWriter,
    KeyedTable,
    Merged,
    keyed,
    keyed_rows,
    open_storage,
    table_of,
    verify,
    write_file,
)

from .synthetic import shard_files

DAY = datetime.date(2026, 1, 2)


def rows(pmids: Sequence[int], source: str = "pubmed26n0001") -> pa.Table:
    return status_table(pmids, "deleted", source, None)


def always(_old: pa.Table, new: pa.Table) -> npt.NDArray[np.bool_]:
    return np.ones(new.num_rows, np.bool_)


def later(old: pa.Table, new: pa.Table) -> npt.NDArray[np.bool_]:
    sources = zip(old["source"].to_pylist(), new["source"].to_pylist(), strict=True)
    return np.array([after > before for before, after in sources], np.bool_)


def begin(root: Path) -> DatasetWriter:
    return DatasetWriter.begin(root, also=tuple(KEYED_TABLES))


def commit(writer: DatasetWriter, merged: Merged, table: str = "enrichment") -> int:
    return writer.commit(merged.files, None, {table: merged.removed})


def held(root: Path, version: int | None = None) -> dict[int, str]:
    found = keyed_rows(Dataset.open(root, version=version), "enrichment", ["pmid", "source"])
    return {row["pmid"]: row["source"] for row in found.to_pylist()}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.dictionaries(st.integers(1, 40), st.integers(1, 9), min_size=1), max_size=5))
def test_merges_are_those_of_a_dict(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[int, int]]
) -> None:
    root = tmp_path_factory.mktemp("keyed") / "d"
    expected: dict[int, str] = {}
    with pytest.MonkeyPatch.context() as patch, begin(root) as writer:
        patch.setattr(keyed, "MAX_ROWS", 5)
        for step in steps:
            named = {pmid: f"pubmed26n{number:04}" for pmid, number in step.items()}
            parts = [rows([pmid], source) for pmid, source in named.items()]
            merged = KeyedTable.of(Dataset.open(root), "enrichment").merge(
                pa.concat_tables(parts), later
            )
            assert merged.added == len(named.keys() - expected.keys())
            won = {pmid for pmid in named.keys() & expected.keys() if named[pmid] > expected[pmid]}
            assert (merged.replaced, merged.kept) == (
                len(won),
                len(named.keys() & expected.keys()) - len(won),
            )
            expected |= {
                pmid: source for pmid, source in named.items() if source > expected.get(pmid, "")
            }
            commit(writer, merged)
            assert held(root) == expected
    assert all(count <= 5 for _, _, count in Dataset.open(root).files("enrichment")) if steps else True
    assert verify(root).ok


def test_only_the_files_that_rows_fall_into_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyed, "MAX_ROWS", 10)
    with begin(tmp_path) as writer:
        table = KeyedTable.of(Dataset.open(tmp_path), "enrichment")
        commit(writer, table.merge(rows(range(100)), always))
        before = Dataset.open(tmp_path)
        assert [count for _, _, count in before.files("enrichment")] == [10] * 10
        merged = table.merge(rows([55], "pubmed26n0002"), always)
        commit(writer, merged)
        assert (len(merged.files), len(merged.removed)) == (1, 1)
        after = {path for path, _, _ in Dataset.open(tmp_path).files("enrichment")}
        assert len(after & {path for path, _, _ in before.files("enrichment")}) == 9


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    with begin(tmp_path) as writer:
        table = KeyedTable.of(Dataset.open(tmp_path), "enrichment")
        commit(writer, table.merge(rows([1, 2]), always))
        merged = table.merge(rows([1, 2]), later)
        assert (merged.files, merged.removed, merged.kept) == ([], [], 2)
        again = table.merge(rows([1, 2]), always)  # the same rows make the same file
        assert again.removed == []
        commit(writer, again)
    assert held(tmp_path) == dict.fromkeys([1, 2], "pubmed26n0001")


def test_the_same_rows_by_another_route_are_the_same_rows(tmp_path: Path) -> None:
    for name, parts in (("a", [[1, 2, 3], [9, 4]]), ("b", [[9], [4, 3], [2], [1]])):
        with begin(tmp_path / name) as writer:
            table = KeyedTable.of(Dataset.open(tmp_path / name), "enrichment")
            for part in parts:
                commit(writer, table.merge(rows(part), always))
    files = [Dataset.open(tmp_path / name).files("enrichment") for name in "ab"]
    assert files[0] == files[1]  # one file of the same bytes


def test_a_version_keeps_its_rows(tmp_path: Path) -> None:
    with begin(tmp_path) as writer:
        table = KeyedTable.of(Dataset.open(tmp_path), "enrichment")
        first = commit(writer, table.merge(rows([1, 2]), always))
        commit(writer, table.merge(rows([2, 3], "pubmed26n0002"), always))
    assert held(tmp_path, first) == dict.fromkeys([1, 2], "pubmed26n0001")
    assert held(tmp_path) == {1: "pubmed26n0001", 2: "pubmed26n0002", 3: "pubmed26n0002"}


def test_what_was_committed_after_the_last_version_is_taken_back(tmp_path: Path) -> None:
    """A run that died between the table's commit and the version's: the file that it replaced is
    there again."""

    class Died(Exception):
        pass

    def die(table: str) -> None:
        if table == "enrichment" and dying:
            raise Died

    dying: list[bool] = []
    writer = DatasetWriter.begin(tmp_path, also=tuple(KEYED_TABLES), on_commit=die)
    table = KeyedTable.of(Dataset.open(tmp_path), "enrichment")
    commit(writer, table.merge(rows([1, 2]), always))
    dying.append(True)
    with pytest.raises(Died):
        commit(writer, table.merge(rows([2, 3], "pubmed26n0002"), always))
    assert held(tmp_path) == dict.fromkeys([1, 2], "pubmed26n0001")
    assert set(verify(tmp_path).problems) == {"leftover"}
    with begin(tmp_path) as writer:
        table = KeyedTable.of(Dataset.open(tmp_path), "enrichment")
        commit(writer, table.merge(rows([7]), always))
    assert held(tmp_path) == dict.fromkeys([1, 2, 7], "pubmed26n0001")
    assert verify(tmp_path, repair=True).ok


def test_a_table_that_no_version_has_is_repaired(tmp_path: Path) -> None:
    """It was made, and the run died before its first version."""
    with DatasetWriter.begin(tmp_path) as writer:
        writer.commit(shard_files(open_storage(tmp_path), "1" * 16, [1]))

    class Died(Exception):
        pass

    def die(table: str) -> None:
        if table == "enrichment":
            raise Died

    with pytest.raises(Died):
        DatasetWriter.begin(tmp_path, also=tuple(KEYED_TABLES), on_commit=die)
    report = verify(tmp_path, repair=True)
    assert report.ok
    assert verify(tmp_path).ok


def test_other_runs_keep_the_table(tmp_path: Path) -> None:
    with begin(tmp_path) as writer:
        table = KeyedTable.of(Dataset.open(tmp_path), "enrichment")
        commit(writer, table.merge(rows([1, 2]), always))
    with DatasetWriter.begin(tmp_path) as writer:
        writer.commit(shard_files(open_storage(tmp_path), "1" * 16, [1]))
        writer.commit(shard_files(open_storage(tmp_path), "2" * 16, [1], state="B", replaces="1" * 16))
    assert held(tmp_path) == dict.fromkeys([1, 2], "pubmed26n0001")
    assert Dataset.open(tmp_path).count("enrichment") == 2
    assert verify(tmp_path).ok


def test_in_a_notebook(tmp_path: Path) -> None:
    with DatasetWriter.begin(tmp_path) as writer:
        writer.commit(shard_files(open_storage(tmp_path), "1" * 16, [1]))
    with pytest.raises(ConfigError, match="biomedica enrich"):
        Archive(tmp_path).enrichment()
    with begin(tmp_path) as writer:
        writer.commit(shard_files(open_storage(tmp_path), "2" * 16, [1], state="B", replaces="1" * 16))
        table = KeyedTable.of(Dataset.open(tmp_path), "enrichment")
        commit(writer, table.merge(rows([1, 2]), always))
    archive = Archive(tmp_path)
    found = archive.enrichment(["pmid", "status"], where="pmid > 1")
    assert found.to_arrow().to_pylist() == [{"pmid": 2, "status": "deleted"}]
    assert len(archive.enrichment()) == 2
    assert archive.sql("SELECT count(*) AS n FROM enrichment")["n"].to_pylist() == [2]
    assert "enrichment" in archive.enrichment()._repr_html_()


# -- verify


def break_table(root: Path, parts: Sequence[pa.Table]) -> set[str]:
    """The problems of a table with one file of each of these rows."""
    storage = open_storage(root)
    with begin(root) as writer:
        files = [write_file(storage, "enrichment", "enrichment", part) for part in parts]
        writer.commit([file for file in files if file is not None])
    return set(verify(root).problems)


def test_files_that_overlap_are_found(tmp_path: Path) -> None:
    assert break_table(tmp_path, [rows([1, 5]), rows([3, 4])]) == {"key_overlap"}


def test_a_key_twice_is_found(tmp_path: Path) -> None:
    twice = pa.concat_tables([rows([1, 2]), rows([2])])
    assert break_table(tmp_path, [twice]) == {"key_twice"}


def test_keys_out_of_order_are_found(tmp_path: Path) -> None:
    assert break_table(tmp_path, [pa.concat_tables([rows([3]), rows([2])])]) == {"key_order"}


@pytest.mark.parametrize(
    "part",
    [
        status_table([1], "gone", "pubmed26n0001", None),
        status_table([1], "found", "pubmed26n0001", None),
        status_table([1], "missing", "efetch", None),
        status_table([1], "deleted", "pubmed26n0001", DAY),
    ],
)
def test_rows_that_contradict_themselves_are_found(tmp_path: Path, part: pa.Table) -> None:
    assert break_table(tmp_path, [part]) == {"closed_list"}


def test_a_row_without_key_is_found(tmp_path: Path) -> None:
    one: dict[str, Any] = rows([1]).to_pylist()[0]
    part = pa.concat_tables([rows([1]), table_of("enrichment", [one | {"pmid": None}])])
    assert break_table(tmp_path, [part]) == {"null_key"}


def test_a_file_that_is_lost_ends_a_merge_and_is_found(tmp_path: Path) -> None:
    with begin(tmp_path) as writer:
        table = KeyedTable.of(Dataset.open(tmp_path), "enrichment")
        merged = table.merge(rows([1, 2]), always)
        commit(writer, merged)
        (tmp_path / "enrichment" / merged.files[0].path).unlink()
        with pytest.raises(StoreError, match="biomedica verify"):
            table.merge(rows([2]), always)
    assert set(verify(tmp_path).problems) == {"file_missing"}


def test_a_file_that_was_changed_is_found(tmp_path: Path) -> None:
    with begin(tmp_path) as writer:
        table = KeyedTable.of(Dataset.open(tmp_path), "enrichment")
        merged = table.merge(rows([1, 2]), always)
        commit(writer, merged)
    path = tmp_path / "enrichment" / merged.files[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert "file_hash" in verify(tmp_path).problems
