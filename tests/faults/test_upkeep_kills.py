"""Updates and compactions killed at random moments: readers see the version before or the one after,
and the same command completes it. Most work in the killed process itself, without Ray: what they
leave behind is in the log, dozens of times. Some have the workers of a Ray, which must die with them.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, load_config
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline import run_build
from biomedica.pipeline.graph import Graph
from biomedica.store import Dataset
from biomedica.upkeep import CompactConfig, UpdateConfig
from tests.comparing import assert_same, contents
from tests.conftest import ROOT
from tests.evolving import Evolution, multiplied
from tests.faults.cluster import Cluster
from tests.faults.conftest import Place, kill, until
from tests.faults.driver import build_in_process, keep_here, no_page, no_session
from tests.integration.conftest import upload
from tests.seaweed import Endpoint

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]

PLACES = ("folder", "s3")
JOBS = ("update", "compact")
KILLS = {"folder": 20, "s3": 10} | {
    place: int(os.environ["BIOMEDICA_KILLS"]) for place in PLACES if "BIOMEDICA_KILLS" in os.environ
}
"""of each job"""
KILLS_ON_RAY = 2
ARTICLES = 24
CHANGES = {"changed": 6, "added": 6, "withdrawn": 2, "retracted": 2, "second": 2}
TARGET = {"runtime.shard_bytes": 1_200_000, "small_share": 0.5}
"""A few articles a shard."""
UNREAD = ("shard", "image")
"""An image has its hash beside it."""


@dataclass(frozen=True)
class States:
    """source: in state B. a: the dataset of state A; b: a fresh one of state B."""

    source: Path
    a: Path
    b: Path

    def after(self, job: str) -> Path:
        return self.b if job == "update" else self.a


@pytest.fixture(scope="module")
def states(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> States:
    folder = tmp_path_factory.mktemp("states")
    whole = multiplied(sample, folder / "whole", ARTICLES)
    evolution = Evolution.of(whole, seed=1, **CHANGES)
    source = evolution.begin(folder / "source")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline_build, "ray_session", no_session)
        patch.setattr(pipeline_build, "reported", no_page)
        patch.setattr(Graph, "build", build_in_process)
        run_build(settings(BuildConfig, Place(str(folder / "a")), source=str(source)), quiet=True)
        evolution.move_on(source)
        run_build(settings(BuildConfig, Place(str(folder / "b")), source=str(source)), quiet=True)
    found = States(source, folder / "a", folder / "b")
    assert contents(found.a, drop=UNREAD) != contents(found.b, drop=UNREAD)
    return found


def settings(kind: Any, place: Place, **options: Any) -> Any:
    values = {
        "dataset": place.uri,
        "store.endpoint_url": place.store.endpoint_url,
        "runtime.articles_per_shard": 2,
        "runtime.commit_seconds": 0,
        "runtime.gpus": 0,
        **options,
    }
    return load_config(kind, None, values)


def job_settings(job: str, place: Place, states: States, **options: Any) -> Any:
    if job == "update":
        return settings(UpdateConfig, place, source=str(states.source), **options)
    return settings(CompactConfig, place, **TARGET, **options)


Copies = Callable[[], Place]


@pytest.fixture
def copies(states: States, place: Place, request: pytest.FixtureRequest) -> Copies:
    """Gives the dataset of state A once more, each time at another place; in a bucket it is copied by
    the server."""
    numbers = iter(range(1000))
    if place.kind == "folder":

        def copied() -> Place:
            out = place / f"out-{next(numbers)}"
            shutil.copytree(states.a, out.uri)
            return out

        return copied
    server: Endpoint = request.getfixturevalue("s3_server")
    client, bucket = server.client(), place.uri.removeprefix("s3://")
    upload(server, bucket, states.a, "a")
    keys = server.keys(bucket, "a/")

    def copied_by_server() -> Place:
        name = f"out-{next(numbers)}"
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: copy(key, f"{name}/{key.removeprefix('a/')}"), keys))
        return place / name

    def copy(key: str, to: str) -> None:
        client.copy_object(Bucket=bucket, Key=to, CopySource={"Bucket": bucket, "Key": key})

    return copied_by_server


class Seen:
    """What readers may see of a dataset while a job is killed again and again."""

    def __init__(self, job: str, states: States, out: Place) -> None:
        self.out, self.end = out, states.after(job)
        self.before, self.after = (contents(one, drop=UNREAD) for one in (states.a, self.end))
        self.first = out.open().version

    def is_a_or_b(self) -> None:
        seen = self.out.open()
        wanted = self.before if seen.version == self.first else self.after
        assert contents(seen, drop=UNREAD) == wanted

    def is_b(self) -> None:
        """The job has ended well, and the version before is there, too."""
        assert self.out.open().version > self.first
        assert_same(self.out.open(), self.end)
        old = Dataset.open(self.out.uri, self.out.store, version=self.first)
        assert contents(old, drop=UNREAD) == self.before
        self.out.settled()


@pytest.mark.parametrize("place", PLACES, indirect=True)
@pytest.mark.parametrize("job", JOBS)
def test_killed_at_random_moments(
    job: str, states: States, place: Place, copies: Copies, processes: ForkServerContext
) -> None:
    chance = random.Random(job)
    wanted = KILLS[place.kind]

    def run(out: Place, seconds: float) -> int | None:
        arguments = (job_settings(job, out, states), out.environment)
        process = processes.Process(target=keep_here, args=arguments)
        process.start()
        process.join(timeout=seconds)
        process.kill()
        process.join()
        return process.exitcode

    start = time.monotonic()
    assert run(copies(), 240) == 0
    whole = time.monotonic() - start
    kills = 0
    while kills < wanted:
        out = copies()
        seen, ended = Seen(job, states, out), False
        while not ended and kills < wanted:
            code = run(out, chance.uniform(0.05, 1.0) * whole)
            ended = code == 0
            if not ended:
                assert code == -signal.SIGKILL
                kills += 1
            seen.is_a_or_b()
        assert ended or run(out, 240) == 0
        seen.is_b()


@pytest.mark.parametrize(
    ("job", "place"),
    [("update", "folder"), ("update", "s3"), ("compact", "folder")],
    indirect=["place"],
)
def test_killed_while_workers_are_at_it(
    job: str, states: States, copies: Copies, ray_head: Cluster, tmp_path: Path
) -> None:
    """The driver is killed, its actors and tasks on the cluster end, and its next run goes on."""
    chance = random.Random(job)
    out = copies()
    seen = Seen(job, states, out)
    config = job_settings(
        job, out, states, **{"runtime.address": ray_head.address, "runtime.workers": 2}
    )
    path = tmp_path / "config.json"
    path.write_text(config.model_dump_json(exclude_unset=True))

    def start() -> subprocess.Popen[bytes]:
        variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        variables |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": ray_head.token, **out.environment}
        command = [sys.executable, "-m", "tests.faults.driver", job, str(path)]
        return subprocess.Popen(command, cwd=ROOT, env=variables, stdout=subprocess.DEVNULL)

    for _ in range(KILLS_ON_RAY):
        files, process = out.shard_files(), start()
        until(process, 240, lambda before=files: out.shard_files() != before)  # type: ignore[misc]
        assert until(process, chance.uniform(0, 0.1)), "it ended too soon"
        assert kill(process)
        seen.is_a_or_b()
        assert ray_head.ends_actors()
    assert start().wait(timeout=240) == 0
    seen.is_b()
