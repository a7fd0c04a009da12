"""Updates whose shards are built in this process, without Ray."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, load_config
from biomedica.pipeline import RunReport, run_build, run_update
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline import snapshot as pipeline_snapshot
from biomedica.pipeline import update as pipeline_update
from biomedica.pipeline.graph import Graph
from biomedica.sources.inventory import take_snapshot
from biomedica.sources.sample import write_sample
from biomedica.store import Dataset
from biomedica.upkeep import UpdateConfig
from tests.comparing import rows
from tests.evolving import Evolution
from tests.faults.driver import build_in_process, metadata_in_process, no_session

ARTICLES = 16


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample") / "sample"
    write_sample(root, articles=ARTICLES)
    return root


@pytest.fixture(scope="module")
def evolution(sample: Path) -> Evolution:
    return Evolution.of(sample, seed=3, changed=3, added=2, withdrawn=2, retracted=1, second=1)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ray."""
    monkeypatch.setattr(pipeline_build, "ray_session", no_session)
    monkeypatch.setattr(pipeline_snapshot, "ray_session", no_session)
    monkeypatch.setattr(Graph, "build", build_in_process)
    monkeypatch.setattr(Graph, "metadata", metadata_in_process)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listings are named by their second: each call of `take_snapshot` finds a later one."""
    now = datetime.datetime.now(datetime.UTC)

    def later(source: Any, **named: Any) -> Any:
        nonlocal now
        now = max(now + datetime.timedelta(seconds=1), datetime.datetime.now(datetime.UTC))
        return take_snapshot(source, now=now, **named)

    monkeypatch.setattr(pipeline_update, "take_snapshot", later)


def settings(kind: Any, source: Path, out: Path, **options: Any) -> Any:
    values = {name.replace("__", "."): value for name, value in options.items()}
    fixed = {"runtime.gpus": 0, "runtime.articles_per_shard": 3, "runtime.commit_seconds": 0}
    return load_config(kind, None, {"source": str(source), "dataset": str(out), **fixed, **values})


def build(source: Path, out: Path, ids: Sequence[str] | None = None, **options: Any) -> RunReport:
    return run_build(settings(BuildConfig, source, out, ids=ids, **options), quiet=True)


def update(source: Path, out: Path, **options: Any) -> RunReport:
    return run_update(settings(UpdateConfig, source, out, **options), quiet=True)


def names(root: Path, version: int | None = None) -> list[str]:
    dataset = Dataset.open(str(root), version=version)
    rejects = [r["article_id"] for r in rows(dataset, "rejects") if r["stage"] in ("source", "parse")]
    return sorted([row["article_id"] for row in rows(dataset, "articles")] + rejects)


def names_of(source: Path) -> list[str]:
    return sorted(path.stem for path in (source / "metadata").glob("*.json"))
