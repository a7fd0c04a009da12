"""Compactions of many shards: tasks on a Ray write the new files. What a compaction does to the rows:
tests/store/test_compact.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from biomedica.errors import RunStopped
from biomedica.pipeline import CompactReport, run_compact
from biomedica.pipeline import compact as pipeline_compact
from biomedica.store import Dataset, DatasetWriter, verify
from biomedica.upkeep import CompactConfig
from tests.comparing import assert_same, contents
from tests.store.synthetic import EMBEDDINGS_TABLE, MODEL, shard_files

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

SHARDS = 40
PER_MERGE = 3


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Forty shards of an article with embeddings; of every fifth the article is built anew."""
    with DatasetWriter.begin(tmp_path, None, {EMBEDDINGS_TABLE: MODEL}) as writer:
        files = [
            file
            for number in range(SHARDS)
            for file in shard_files(writer.storage, f"{number:016x}", [number + 1], embed=True)
        ]
        for number in range(0, SHARDS, 5):
            files += shard_files(
                writer.storage,
                f"{SHARDS + number:016x}",
                [number + 1],
                state="B",
                replaces=f"{number:016x}",
                embed=True,
            )
        writer.commit(files)
    return tmp_path


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """How often a Ray was asked for."""
    asked: list[object] = []
    session = pipeline_compact.ray_session

    def counted(runtime: Any, **named: Any) -> Any:
        asked.append(runtime)
        return session(runtime, **named)

    monkeypatch.setattr(pipeline_compact, "ray_session", counted)
    return asked


def compact(root: Path) -> CompactReport:
    dataset = Dataset.open(root)
    size = sum(size for table in dataset.tables for _, size, _ in dataset.files(table)) // SHARDS
    config = {"dataset": str(root), "runtime": {"shard_bytes": PER_MERGE * size}, "small_share": 0.5}
    return run_compact(CompactConfig.model_validate(config), quiet=True)


def test_many_shards_are_written_by_a_ray(root: Path, sessions: list[object]) -> None:
    before = Dataset.open(root)
    report = compact(root)
    assert len(sessions) == 1
    assert pipeline_compact.FEW < report.shards_after < report.shards_before
    assert (report.superseded_before, report.superseded_after) == (SHARDS // 5, 0)
    after = Dataset.open(root)
    assert after.version == report.version > before.version
    assert_same(before, after)
    assert contents(Dataset.open(root, version=before.version)) == contents(before)
    assert after.count(EMBEDDINGS_TABLE) == before.count(EMBEDDINGS_TABLE) == 2 * SHARDS
    assert not verify(root).findings


def test_a_task_that_fails_changes_nothing(root: Path, sessions: list[object]) -> None:
    dataset = Dataset.open(root)
    lost = next(path for path, _, _ in dataset.files("pairs") if path.startswith(f"{7:016x}"))
    data = (root / "pairs" / lost).read_bytes()
    (root / "pairs" / lost).unlink()
    with pytest.raises(RunStopped, match=r"a worker failed: .*nothing was changed, run the same"):
        compact(root)
    assert sessions
    assert Dataset.open(root).version == dataset.version
    (root / "pairs" / lost).write_bytes(data)
    assert compact(root).superseded_after == 0
    assert verify(root, repair=True).ok
    assert not verify(root).findings
