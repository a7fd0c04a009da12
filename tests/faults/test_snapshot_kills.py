"""A snapshot that dies after any commit of a table: readers see one state, the next run completes it."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from biomedica.archive import Archive
from biomedica.config import BuildConfig
from biomedica.ids import ArticleId
from biomedica.pipeline import run_snapshot
from biomedica.pipeline import snapshot as pipeline_snapshot
from biomedica.pipeline.graph import Graph
from biomedica.store import Dataset, verify
from tests.faults.driver import die_after, metadata_in_process, no_session
from tests.sources.layout import write_article

pytestmark = pytest.mark.faults

NEVER = 10_000


def snapshot_until(config: BuildConfig, commits: int) -> None:
    """A snapshot in this process that dies after so many commits of a table; it ends the process."""
    pipeline_snapshot.ray_session = no_session  # type: ignore[assignment]
    Graph.metadata = metadata_in_process  # type: ignore[method-assign,assignment]
    die_after(commits)
    report = run_snapshot(config, quiet=True)
    sys.exit(0 if report.complete else 1)


def write(root: Path, numbers: range, **changes: Any) -> None:
    for number in numbers:
        (root / "metadata" / f"PMC{number}.1.json").unlink(missing_ok=True)
        for path in (root / f"PMC{number}.1").glob("*"):
            path.unlink()
        if (root / f"PMC{number}.1").is_dir():
            (root / f"PMC{number}.1").rmdir()
        write_article(root, ArticleId(number, 1), **changes)


def titles(dataset: Path) -> dict[str, str]:
    """Title by article, each once; nothing where there is no table yet."""
    opened = Dataset.open_if_exists(dataset)
    if opened is None or "metadata" not in opened.tables:
        return {}
    rows = Archive(dataset, opened.version).metadata(["article_id", "title"]).to_arrow().to_pylist()
    found = {row["article_id"]: row["title"] for row in rows}
    assert len(found) == len(rows)
    return found


def test_a_snapshot_killed_between_each_pair_of_table_commits(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["pytest", "deltalake", "tests.faults.test_snapshot_kills"])
    root = tmp_path / "source"
    source = {"source": str(root), "runtime": {"articles_per_shard": 4, "commit_seconds": 0}}

    def run(dataset: Path, commits: int) -> int | None:
        config = BuildConfig.model_validate(source | {"dataset": str(dataset)})
        process = processes.Process(target=snapshot_until, args=(config, commits))
        process.start()
        process.join(timeout=120)
        return process.exitcode

    before = {f"PMC{number}.1": "A title" for number in range(1, 17)}
    deaths = 0
    while True:
        dataset = tmp_path / f"dataset-{deaths}"
        write(root, range(1, 17))
        for number in range(17, 20):
            (root / "metadata" / f"PMC{number}.1.json").unlink(missing_ok=True)
        assert run(dataset, NEVER) == 0
        assert titles(dataset) == before
        write(root, range(5, 11), title="Changed")
        write(root, range(17, 20), title="New")
        os.unlink(root / "metadata" / "PMC1.1.json")
        after = (
            {name: title for name, title in before.items() if name != "PMC1.1"}
            | {f"PMC{number}.1": "Changed" for number in range(5, 11)}
            | {f"PMC{number}.1": "New" for number in range(17, 20)}
        )
        if (code := run(dataset, deaths + 1)) == 0:
            break
        assert code == -signal.SIGKILL
        deaths += 1
        seen = titles(dataset)
        assert all(seen[name] in (before[name], after.get(name)) for name in before if name in seen)
        assert {*before} - {*seen} <= {"PMC1.1"}
        assert run(dataset, NEVER) == 0
        assert titles(dataset) == after
        assert verify(dataset).problems.keys() <= {"leftover"}
        assert verify(dataset, repair=True).ok
        assert titles(dataset) == after
    assert titles(dataset) == after
    assert deaths >= 10  # five tables taken over, then shards of three tables each
