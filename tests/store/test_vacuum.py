from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest

from biomedica.errors import ConfigError, StaleWriterError, StoreError
from biomedica.pipeline import run_compact
from biomedica.store import Dataset, DatasetWriter, history, parse_duration, vacuum, verify
from biomedica.store.storage import Storage
from biomedica.upkeep import CompactConfig

from .synthetic import contents, shard_files

S1, S2, S3 = ("1" * 16, "2" * 16, "3" * 16)
DAY = datetime.timedelta(days=1)
NOW = datetime.datetime(2100, 9, 30, 12, tzinfo=datetime.UTC)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Versions 40, 20 and 10 days ago, and one of a compaction 5 days ago: 3, 4, 5, 7."""

    def at(days: int) -> None:
        time = round((NOW - days * DAY).timestamp() * 1000)
        monkeypatch.setattr("biomedica.store.writer._now", lambda: time)

    at(60)
    with DatasetWriter.begin(tmp_path) as writer:
        at(40)
        writer.commit(shard_files(writer.storage, S1, [1, 2]), {"command": "build"})
        at(20)
        note = {"command": "update", "counts": {"changed": 1}, "listed": "2100-09-10T12-00-00Z"}
        writer.commit(shard_files(writer.storage, S2, [2], state="B", replaces=S1), note)
        at(10)
        writer.commit(shard_files(writer.storage, S3, [3]), {"command": "update"})
    at(5)
    run_compact(CompactConfig.model_validate({"dataset": str(tmp_path)}), quiet=True)
    assert [one.version for one in Dataset.open(tmp_path).versions()] == [7, 5, 4, 3, 2]
    return tmp_path


def data_files(root: Path) -> set[Path]:
    return set(root.rglob("*-*.parquet"))


def test_what_no_kept_version_needs_goes(root: Path) -> None:
    before, all_files = {v: contents(root, v) for v in (4, 5, 7)}, data_files(root)
    report = vacuum(root, 15 * DAY, now=NOW)  # version 4 was the newest one 15 days ago
    assert (report.oldest_version, report.kept_versions, report.freed_versions) == (4, 3, 2)
    assert report.oldest_time == "2100-09-10T12:00:00+00:00"
    assert (report.files, report.bytes) == (0, 0)  # the files of version 3 are those of version 4, too
    assert data_files(root) == all_files
    report = vacuum(root, 2 * DAY, now=NOW)
    gone = all_files - data_files(root)
    assert report.oldest_version == 7
    assert (report.files, len(gone)) == (len(gone), len(all_files) - 3)
    assert contents(root) == contents(root, 7) == before[7]
    assert not verify(root).findings


def test_freed_versions_say_so(root: Path) -> None:
    vacuum(root, 2 * DAY, now=NOW)
    for when in ({"version": 5}, {"as_of": NOW - 8 * DAY}):
        with pytest.raises(StoreError, match=r"version 5 .* was freed .* the oldest .* is 7"):
            Dataset.open(root, **when)  # type: ignore[arg-type]
    assert Dataset.open(root, as_of=NOW).version == 7
    assert [entry.version for entry in history(Dataset.open(root))] == [7]


def test_a_dry_run_changes_nothing(root: Path) -> None:
    files = sorted(root.rglob("*"))
    report = vacuum(root, 2 * DAY, now=NOW, dry_run=True)
    assert sorted(root.rglob("*")) == files
    assert report.dry_run
    wet = vacuum(root, 2 * DAY, now=NOW)
    assert (wet.files, wet.bytes) == (report.files, report.bytes)
    assert vacuum(root, 2 * DAY, now=NOW).files == 0


def test_what_dead_runs_left_goes_too(root: Path) -> None:
    files = shard_files(Dataset.open(root).storage, "9" * 16, [9])
    report = vacuum(root, 365 * DAY, now=NOW)
    assert (report.files, report.freed_versions) == (len(files), 0)
    assert not verify(root).findings


def test_a_version_of_the_future_tells_of_a_wrong_clock(root: Path) -> None:
    files = data_files(root)
    with pytest.raises(StoreError, match="in the future: set the clock"):
        vacuum(root, DAY, now=NOW - 30 * DAY)
    assert data_files(root) == files


def test_not_while_an_update_has_not_ended(root: Path) -> None:
    with DatasetWriter.begin(root, resume=True) as writer:
        writer.commit(shard_files(writer.storage, "9" * 16, [9]), staged=True)
    for dry_run in (True, False):
        with pytest.raises(StoreError, match="run `biomedica update` again first"):
            vacuum(root, DAY, now=NOW, dry_run=dry_run)


def test_a_run_at_the_same_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older run stops before it commits; a run that begins while files go stops the vacuum."""
    older = DatasetWriter.begin(root)
    files = shard_files(older.storage, "9" * 16, [9])
    vacuum(root, 15 * DAY, now=NOW)
    with pytest.raises(StaleWriterError):
        older.commit(files)
    delete = Storage.delete

    def meanwhile(self: Storage, path: str) -> None:
        monkeypatch.setattr(Storage, "delete", delete)
        DatasetWriter.begin(root).close()
        delete(self, path)

    monkeypatch.setattr(Storage, "delete", meanwhile)
    with pytest.raises(StaleWriterError):
        vacuum(root, 2 * DAY, now=NOW)
    assert not verify(root).problems.keys() - {"leftover"}


def test_a_stop_in_the_middle(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deleted = 0
    delete = Storage.delete

    def dying(self: Storage, path: str) -> None:
        nonlocal deleted
        deleted += 1
        if deleted == 3:
            raise KeyboardInterrupt
        delete(self, path)

    monkeypatch.setattr(Storage, "delete", dying)
    with pytest.raises(KeyboardInterrupt):
        vacuum(root, 2 * DAY, now=NOW)
    monkeypatch.setattr(Storage, "delete", delete)
    assert not verify(root).problems.keys() - {"leftover"}
    assert Dataset.open(root).version == 7
    assert vacuum(root, 2 * DAY, now=NOW).freed_versions == 0
    assert len(data_files(root)) == 3


@pytest.mark.parametrize(
    ("text", "hours"), [("30d", 720), ("12h", 12), ("4w", 672), ("0d", 0), (" 1d ", 24)]
)
def test_durations(text: str, hours: int) -> None:
    assert parse_duration(text) == datetime.timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "30", "-1d", "d", "1.5d", "1y", "999999w", "1d2h", "٣d"])
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="write 30d, 12h or 4w"):
        parse_duration(text)


def test_the_versions_as_people_ask_for_them(root: Path) -> None:
    entries = [entry.to_dict() for entry in history(Dataset.open(root))]
    assert [entry["command"] for entry in entries] == ["compact", "update", "update", "build", None]
    first: dict[str, Any] = entries[2]
    assert first["time"] == "2100-09-10T12:00:00+00:00"
    assert (first["counts"], first["listed"]) == ({"changed": 1}, "2100-09-10T12-00-00Z")
    assert entries[1]["listed"] == first["listed"]  # said until another listing is
    assert len(history(Dataset.open(root), last=2)) == 2
