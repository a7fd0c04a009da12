from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.errors import StaleWriterError, StoreError
from biomedica.store import DataFile, Dataset, DatasetWriter, open_storage
from biomedica.store.verify import verify

from .synthetic import EMBEDDINGS_TABLE, MODEL, contents, shard_files

EMBEDDINGS = {EMBEDDINGS_TABLE: MODEL}


class Killed(BaseException):
    """A process that ends between two commits."""


def killer(after: int) -> Callable[[str], None]:
    """A hook that ends the run at its n-th commit of a table; 0: at none."""
    count = itertools.count(1)

    def hook(_: str) -> None:
        if next(count) == after:
            raise Killed

    return hook


def shard(number: int) -> str:
    return f"{number:016x}"


def begin(root: Path, **more: Any) -> DatasetWriter:
    return DatasetWriter.begin(root, embeddings=EMBEDDINGS, **more)


def done_shards(root: Path) -> set[str]:
    dataset = Dataset.open_if_exists(root)
    if dataset is None:
        return set()
    batches = dataset.batches("articles", columns=["shard"])
    return {name for batch in batches for name in batch.column("shard").to_pylist()}


def run(root: Path, shards: list[int], kill_at: int) -> bool:
    """What a run does: take over, then commit shard by shard what is not done. False: killed."""
    storage = open_storage(root)
    try:
        # the files of a shard are the same whoever writes them
        writer = begin(root, on_commit=killer(kill_at))
        done = done_shards(root)
        for number in shards:
            if shard(number) not in done:
                files = shard_files(storage, shard(number), [10 * number, 10 * number + 1], embed=True)
                writer.commit(files)
        writer.close()
    except Killed:
        return False
    return True


SHARDS = [1, 2, 3]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("undisturbed") / "root"
    assert run(root, SHARDS, 0)
    return contents(root)


def test_order_of_commits(tmp_path: Path) -> None:
    told: list[str] = []
    writer = begin(tmp_path, on_commit=told.append)
    tables = ["articles", "pairs", "rejects", "superseded", EMBEDDINGS_TABLE]
    others = [EMBEDDINGS_TABLE, "pairs", "rejects", "superseded"]
    # made; fenced, articles first; the first version
    assert told == [*tables, "articles", *others, "articles"]
    del told[:]
    assert writer.commit(shard_files(open_storage(tmp_path), shard(1), [1], embed=True)) == 3
    assert told == [EMBEDDINGS_TABLE, "pairs", "rejects", "articles"]
    del told[:]
    assert writer.commit([]) == 4
    assert told == ["articles"]


@pytest.mark.parametrize("kill_at", range(1, 24))
def test_killed_between_any_two_commits(
    tmp_path: Path, undisturbed: dict[str, Any], kill_at: int
) -> None:
    finished = run(tmp_path / "root", SHARDS, kill_at)
    assert finished == (kill_at > 23)
    before = Dataset.open_if_exists(tmp_path / "root")
    if before is not None:  # what is seen at any time is whole shards
        assert before.count("pairs") == 2 * before.count("articles") == before.count(EMBEDDINGS_TABLE)
    assert run(tmp_path / "root", SHARDS, 0)
    assert contents(tmp_path / "root") == undisturbed
    report = verify(tmp_path / "root")
    assert report.findings == []


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 16), max_size=5), st.permutations(SHARDS))
def test_any_sequence_of_kills_gives_the_same_rows(
    undisturbed: dict[str, Any], kills: list[int], order: list[int]
) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for kill_at in kills:
            run(root, order, kill_at)
        assert run(root, order, 0)
        assert contents(root) == undisturbed


def test_files_of_a_killed_commit_are_taken_out(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    writer = begin(tmp_path, on_commit=None)
    files = shard_files(storage, shard(1), [1], embed=True)
    writer._on_commit = killer(2)  # after the embeddings and the pairs
    with pytest.raises(Killed):
        writer.commit(files)
    assert Dataset.open(tmp_path).count("pairs") == 0
    again = begin(tmp_path)
    again.commit([])
    assert Dataset.open(tmp_path).arrow("pairs").count_rows() == 0
    again.commit(files)
    assert Dataset.open(tmp_path).count("pairs") == 2
    assert verify(tmp_path).findings == []


def test_an_older_run_cannot_commit(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    old = begin(tmp_path)
    old.commit(shard_files(storage, shard(1), [1], embed=True))
    new = begin(tmp_path)
    assert new.epoch == old.epoch + 1
    with pytest.raises(StaleWriterError, match="another run has begun"):
        old.commit(shard_files(storage, shard(2), [2], embed=True))
    with pytest.raises(StaleWriterError):
        old.check()
    new.commit(shard_files(storage, shard(3), [3], embed=True))
    assert done_shards(tmp_path) == {shard(1), shard(3)}
    assert verify(tmp_path, deep=False).ok


@pytest.mark.parametrize("moment", range(1, 5))
def test_taken_over_in_the_middle_of_a_commit(tmp_path: Path, moment: int) -> None:
    """The new run begins after the old one's n-th table commit; no row is lost or half there."""
    storage = open_storage(tmp_path)
    count = itertools.count(1)
    newer: list[DatasetWriter] = []

    def hook(_: str) -> None:
        if next(count) == moment:
            newer.append(begin(tmp_path))

    old = begin(tmp_path)
    old._on_commit = hook
    files = shard_files(storage, shard(1), [1], embed=True)
    if moment < 4:
        with pytest.raises(StaleWriterError):
            old.commit(files)
    else:
        old.commit(files)  # articles were committed: the version stands
    assert done_shards(tmp_path) == (set() if moment < 4 else {shard(1)})
    newer[0].commit(shard_files(storage, shard(2), [2], embed=True))
    if moment < 4:
        newer[0].commit(files)
    assert done_shards(tmp_path) == {shard(1), shard(2)}
    report = verify(tmp_path)
    assert report.findings == []


@pytest.mark.parametrize("moment", range(1, 7))
def test_an_older_run_commits_while_a_new_one_begins(tmp_path: Path, moment: int) -> None:
    storage = open_storage(tmp_path)
    old = begin(tmp_path)
    files = shard_files(storage, shard(1), [1], embed=True)
    outcome: list[str] = []
    count = itertools.count(1)

    def hook(_: str) -> None:
        if next(count) == moment:
            try:
                old.commit(files)
                outcome.append("committed")
            except StaleWriterError:
                outcome.append("stale")

    new = begin(tmp_path, on_commit=hook)
    # the new run's first commit fences articles
    assert outcome == (["stale"] if moment <= 5 else [])
    new.commit([])
    assert done_shards(tmp_path) == set()
    assert Dataset.open(tmp_path).arrow("pairs").count_rows() == 0
    new.commit(files)
    assert verify(tmp_path).findings == []


def test_an_older_run_commits_between_read_and_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new run computes anew what to take out when an older commit comes in between."""
    storage = open_storage(tmp_path)
    old = begin(tmp_path)
    late = [f for f in shard_files(storage, shard(1), [1]) if f.table == "pairs"]
    real, raced = DatasetWriter._undo, []

    def undo(self: DatasetWriter, table: str, pin: int | None) -> Callable[[], list[Any]]:
        actions = real(self, table, pin)

        def racing() -> list[Any]:
            found = actions()
            if table == "pairs" and not raced:
                raced.append(True)
                with pytest.raises(StaleWriterError):
                    old.commit(late)  # gets as far as pairs
            return found

        return racing

    monkeypatch.setattr(DatasetWriter, "_undo", undo)
    new = begin(tmp_path)
    new.commit([])
    assert raced
    assert Dataset.open(tmp_path).arrow("pairs").count_rows() == 0


def test_two_runs_begin_at_once(tmp_path: Path) -> None:
    """The second reads the epochs before the first raises them: one of the two stops."""
    begin(tmp_path)
    first = DatasetWriter(open_storage(tmp_path), None)
    second = DatasetWriter(open_storage(tmp_path), None)
    for writer in (first, second):
        writer._open_tables(EMBEDDINGS)
    first._take_over()
    with pytest.raises(StaleWriterError):
        second._take_over()
    first.commit(shard_files(open_storage(tmp_path), shard(1), [1], embed=True))
    assert verify(tmp_path).findings == []


def test_a_new_model_joins_with_the_next_commit(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    with DatasetWriter.begin(tmp_path) as writer:
        writer.commit(shard_files(storage, shard(1), [1]))
    writer = begin(tmp_path)
    assert EMBEDDINGS_TABLE not in Dataset.open(tmp_path).tables
    files = [f for f in shard_files(storage, shard(1), [1], embed=True) if f.table == EMBEDDINGS_TABLE]
    writer.commit(files)
    assert Dataset.open(tmp_path).count(EMBEDDINGS_TABLE) == 2
    # a run without the model keeps it pinned
    with DatasetWriter.begin(tmp_path) as plain:
        plain.commit([])
    assert Dataset.open(tmp_path).count(EMBEDDINGS_TABLE) == 2


def test_another_model_of_the_same_name(tmp_path: Path) -> None:
    begin(tmp_path)
    other = {EMBEDDINGS_TABLE: MODEL | {"build_digest": "f" * 16}}
    with pytest.raises(StoreError, match="another model"):
        DatasetWriter.begin(tmp_path, embeddings=other)


def test_tables_that_were_not_opened(tmp_path: Path) -> None:
    writer = DatasetWriter.begin(tmp_path)
    with pytest.raises(ValueError, match="embeddings/x"):
        writer.commit([DataFile("embeddings/x", "a.parquet", 1, 1, "{}")])


def test_a_file_named_twice_is_committed_once(tmp_path: Path) -> None:
    writer = DatasetWriter.begin(tmp_path / "r")
    files = shard_files(open_storage(tmp_path / "r"), shard(1), [1])
    writer.commit([*files, *files])
    writer.commit(files)
    assert Dataset.open(tmp_path / "r").count("pairs") == 2


def test_many_commits_and_a_checkpoint(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    with DatasetWriter.begin(tmp_path) as writer:
        for number in range(1, 14):
            writer.commit(shard_files(storage, shard(number), [number]))
    log = tmp_path / "articles" / "_delta_log"
    assert json.loads((log / "_last_checkpoint").read_text())["version"] == 15
    assert len(list(log.glob("*.json"))) == 16  # none is ever cleaned up
    assert Dataset.open(tmp_path).count("articles") == 13
    assert Dataset.open(tmp_path, version=5).count("articles") == 3
    # roll back across checkpoints
    assert DatasetWriter.begin(tmp_path).commit([]) == 17
    assert Dataset.open(tmp_path).count("pairs") == 26


def test_files_that_were_taken_out_of_a_version_come_back(tmp_path: Path) -> None:
    """A run that rewrites files may be killed after it took the old ones out."""
    writer = begin(tmp_path)
    writer.commit(shard_files(open_storage(tmp_path), shard(1), [1], embed=True))
    writer._commit("pairs", writer._undo("pairs", None))
    assert Dataset.open(tmp_path).count("pairs") == 2
    begin(tmp_path).commit([])
    assert Dataset.open(tmp_path).count("pairs") == 2
    assert verify(tmp_path).findings == []
