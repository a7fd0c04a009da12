"""An update's work: readers see it whole or not at all; the next update goes on from it."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from biomedica.errors import StaleWriterError, StoreError
from biomedica.store import Dataset, DatasetWriter, log, verify

from .synthetic import contents, shard_files

S1, S2, S3 = ("1" * 16, "2" * 16, "3" * 16)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Version 2 is empty, 3 holds two articles; one is built anew since, and staged."""
    with DatasetWriter.begin(tmp_path) as writer:
        writer.commit(shard_files(writer.storage, S1, [1, 2]), {"selection": "s", "run": "first"})
    with DatasetWriter.begin(tmp_path, resume=True) as writer:
        files = shard_files(writer.storage, S2, [2], state="B", replaces=S1)
        writer.commit(files, staged=True)
    return tmp_path


def titles(dataset: Dataset | None) -> list[str]:
    assert dataset
    rows = [row for batch in dataset.batches("articles") for row in batch.to_pylist()]
    return sorted(row["title"] for row in rows)


BEFORE = ["Article 1 in state A", "Article 2 in state A"]
AFTER = ["Article 1 in state A", "Article 2 in state B"]


def test_readers_see_the_version_before(root: Path) -> None:
    assert Dataset.open(root).version == 3
    assert titles(Dataset.open(root)) == titles(Dataset.open_if_exists(root)) == BEFORE
    assert titles(Dataset.open_staged(root)) == AFTER
    assert [info.version for info in Dataset.open(root).versions()] == [3, 2]


def test_the_next_update_publishes_it(root: Path) -> None:
    with DatasetWriter.begin(root, resume=True) as writer:
        assert titles(Dataset.open_staged(root)) == AFTER
        version = writer.commit([], {"command": "update"})
    assert Dataset.open(root).version == version
    assert titles(Dataset.open(root)) == AFTER
    assert titles(Dataset.open(root, version=3)) == BEFORE
    assert not verify(root).findings
    assert Dataset.open(root).note == {"command": "update", "selection": "s"}


def test_another_run_takes_it_out(root: Path) -> None:
    with DatasetWriter.begin(root) as writer:
        assert titles(Dataset.open_staged(root)) == BEFORE
        writer.commit(shard_files(writer.storage, S3, [3]))
    assert titles(Dataset.open(root)) == [*BEFORE, "Article 3 in state A"]
    assert log.staged_work(Dataset.open(root).storage, 100 + Dataset.open(root).version) is None
    assert {finding.code for finding in verify(root, repair=True).findings} <= {"leftover"}
    assert not verify(root).findings


def test_a_run_that_dies_right_after_taking_it_out(root: Path) -> None:
    DatasetWriter.begin(root)
    assert titles(Dataset.open_staged(root)) == titles(Dataset.open(root)) == BEFORE
    Dataset.open(root).check_nothing_staged()
    with DatasetWriter.begin(root, resume=True) as writer:
        writer.commit([])
    assert titles(Dataset.open(root)) == BEFORE
    assert not verify(root, repair=True).problems.keys() - {"leftover"}
    assert not verify(root).findings


def test_its_end_is_asked_for(root: Path) -> None:
    with pytest.raises(StoreError, match="run `biomedica update` again first"):
        Dataset.open(root).check_nothing_staged()


def test_two_updates_at_once(root: Path) -> None:
    """The later one has the dataset, with what the other had staged."""
    first = DatasetWriter.begin(root, resume=True)
    first.commit(shard_files(first.storage, S3, [3]), staged=True)
    second = DatasetWriter.begin(root, resume=True)
    with pytest.raises(StaleWriterError):
        first.commit([])
    second.commit([])
    assert titles(Dataset.open(root)) == [*AFTER, "Article 3 in state A"]
    assert not verify(root).findings


def test_versions_follow_each_other_whatever_the_clocks_say(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose clock is an hour behind commits next."""
    late = Dataset.open(root).timestamp
    hour = datetime.timedelta(hours=1)
    monkeypatch.setattr("biomedica.store.writer._now", lambda: round((late - hour).timestamp() * 1000))
    with DatasetWriter.begin(root, resume=True) as writer:
        writer.commit([])
    times = [info.timestamp for info in Dataset.open(root).versions()]
    assert times == sorted(set(times), reverse=True)
    assert Dataset.open(root, as_of=late).version == 3
    assert Dataset.open(root, as_of=times[0]).version == Dataset.open(root).version


def test_a_time_is_utc_unless_it_says_otherwise(root: Path) -> None:
    time = Dataset.open(root, version=3).timestamp
    zone = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    for one in (time, time.astimezone(zone), time.replace(tzinfo=None)):
        assert Dataset.open(root, as_of=one).version == 3
    with pytest.raises(StoreError, match="had no version at"):
        Dataset.open(root, as_of=time.replace(tzinfo=zone))
    assert contents(root) == contents(root, version=3)
