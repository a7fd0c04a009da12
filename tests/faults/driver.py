"""A build in a process of its own, or an update or a compaction.

    python -m tests.faults.driver [update | compact] CONFIG.json

`build_until` is for a process that kills itself with SIGKILL after some commits of a table. Shards
are then built in that process, without Ray: what is tested is the log, dozens of times.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from biomedica.config import BuildConfig
from biomedica.embedding import ModelInfo
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline import compact as pipeline_compact
from biomedica.pipeline import run_build, run_compact, run_update
from biomedica.pipeline.embedder import load_embedder
from biomedica.pipeline.graph import Graph
from biomedica.pipeline.metadata import MetadataReader
from biomedica.pipeline.shard import ShardBuilder
from biomedica.pipeline.specs import ShardSpec, Summary
from biomedica.store import DatasetWriter
from biomedica.upkeep import CompactConfig, UpdateConfig


def die_after(commits: int) -> None:
    """Every commit of a table counts; the last one is the process's last act."""
    begin = DatasetWriter.begin.__func__  # type: ignore[attr-defined]
    left = commits

    def on_commit(_table: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying(cls: type[DatasetWriter], *args: Any, **named: Any) -> DatasetWriter:
        writer: DatasetWriter = begin(cls, *args, **named, on_commit=on_commit)
        return writer

    DatasetWriter.begin = classmethod(dying)  # type: ignore[method-assign,assignment]


@contextlib.contextmanager
def no_session(*_: Any, **__: Any) -> Iterator[SimpleNamespace]:
    """Stands for `ray_session` where shards are built in this process."""
    yield SimpleNamespace(workers=1, gpus=0, busiest=1)


def build_in_process(
    graph: Graph, specs: Sequence[ShardSpec], *, alone: bool = False
) -> Iterator[Summary]:
    """Stands for `Graph.build`: one shard after the other, summaries as they travel."""
    embedder = load_embedder(graph.config.embed, "cpu") if graph.infos else None
    builder = ShardBuilder(graph.config, embedder=embedder, lend=graph.lend)
    for spec in specs:
        yield Summary.from_json(builder.build(spec)[0].to_json())


def metadata_in_process(graph: Graph, specs: Sequence[ShardSpec], snapshot: str) -> Iterator[Summary]:
    """Stands for `Graph.metadata`."""
    reader = MetadataReader(graph.config, snapshot)  # type: ignore[arg-type]
    for spec in specs:
        yield Summary.from_json(reader.read(spec).to_json())


@contextlib.contextmanager
def no_page(*_: Any, **__: Any) -> Iterator[list[ModelInfo]]:
    """Stands for `reported`: a run's page comes after its last commit."""
    yield []


def build_here() -> None:
    """The driver's work with the shards built one after the other in its own process."""
    pipeline_build.ray_session = no_session
    pipeline_build.reported = no_page
    Graph.build = build_in_process  # type: ignore[method-assign,assignment]


def build_until(config: BuildConfig, commits: int, environment: Mapping[str, str]) -> None:
    """A build in this process that dies after so many commits of a table; it ends the process."""
    os.environ.update(environment)
    build_here()
    die_after(commits)
    report = run_build(config, quiet=True)
    sys.exit(0 if report.complete else 1)


def keep_here(config: UpdateConfig | CompactConfig, environment: Mapping[str, str]) -> None:
    """An update or a compaction in this process, without Ray; it ends the process."""
    os.environ.update(environment)
    build_here()
    pipeline_compact.FEW = sys.maxsize
    if isinstance(config, CompactConfig):
        run_compact(config, quiet=True)
        sys.exit(0)
    report = run_update(config, quiet=True)
    sys.exit(0 if report.complete else 1)


def build_on_ray(config: BuildConfig, environment: Mapping[str, str], errors: str) -> None:
    """A whole build, on Ray, whose stderr is added to a file; it ends the process."""
    with open(errors, "ab") as file:
        os.dup2(file.fileno(), 2)
    for name in [name for name in os.environ if name.startswith("RAY_") and name != "RAY_AUTH_MODE"]:
        del os.environ[name]
    os.environ.update(environment)
    report = run_build(config, quiet=True)
    sys.exit(0 if report.complete else 1)


def main() -> None:
    """The whole of it, on Ray."""
    *job, path = sys.argv[1:]
    text = Path(path).read_text()
    if job == ["compact"]:
        run_compact(CompactConfig.model_validate_json(text), quiet=True)
        sys.exit(0)
    if job == ["update"]:
        report = run_update(UpdateConfig.model_validate_json(text), quiet=True)
    else:
        report = run_build(BuildConfig.model_validate_json(text), quiet=True)
    sys.exit(0 if report.complete else 1)


if __name__ == "__main__":
    main()
