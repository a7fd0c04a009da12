"""Kill anything anywhere, run again: the rows of an undisturbed run, none twice.

In a folder and in a bucket alike. Most drivers share a cluster, which outlives them: their actors
must die with them. Some bring their own Ray.
"""

from __future__ import annotations

import functools
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import psutil
import pytest

from biomedica.sources.sample import write_sample
from tests.faults.cluster import Cluster, actors_below
from tests.faults.conftest import Driver, Place, kill, until
from tests.faults.driver import build_until
from tests.integration.conftest import assert_same, data_files

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]

PLACES = ("folder", "s3")
ARTICLES = 40
CHAINS = 4
MOMENTS = ("work", "start", "work", "work", "any")
"""when the drivers of one output are killed, one after the other: while shards are written, before
any is, or at any time; 20 times in each place"""
WORKER_RUNS = 3
OWN_RAY = {"drivers": "folder-3", "workers": "s3-2"}
"""whose drivers bring their own Ray, which costs its start every time"""
EMBEDS = {"drivers": ("folder-0", "s3-0"), "workers": ("folder-0",)}
"""whose drivers embed; workers have to import torch then"""


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough articles that a driver killed again and again still finds work."""
    root = tmp_path_factory.mktemp("sample") / "sample"
    write_sample(root, articles=ARTICLES)
    return root


@pytest.fixture(scope="module")
def articles(sample: Path) -> list[str]:
    return sorted(path.stem for path in (sample / "metadata").glob("*.json"))


@dataclass(frozen=True)
class Undisturbed:
    """What a run gives that nothing disturbs, and how long it takes."""

    out: Path
    start: float
    """seconds until the first file of a shard"""
    seconds: float


Drivers = Callable[[Path, bool], Driver]
"""(folder for their files, own_ray) → a starter of drivers"""
Undisturb = Callable[..., Undisturbed]
"""(own_ray, embeds) → a run of that kind"""


@pytest.fixture(scope="module")
def drivers(processes: ForkServerContext, ray_head: Cluster) -> Drivers:
    return lambda folder, own_ray: Driver(processes, folder, None if own_ray else ray_head)


@pytest.fixture(scope="module")
def undisturbed(
    sample: Path, checkpoint: str, drivers: Drivers, tmp_path_factory: pytest.TempPathFactory
) -> Undisturb:
    @functools.cache
    def of(own_ray: bool = False, embeds: bool = False) -> Undisturbed:
        folder = tmp_path_factory.mktemp("undisturbed")
        driver = drivers(folder, own_ray)
        place, start = Place(str(folder / "out")), time.monotonic()
        process = driver.start(sample, place, **embedding(checkpoint, embeds))
        until(process, 240, lambda: bool(place.shard_files()))
        first = time.monotonic() - start
        driver.ended_well(process)
        return Undisturbed(folder / "out", first, time.monotonic() - start)

    return of


def embedding(checkpoint: str, embeds: bool) -> dict[str, Any]:
    """Options of a driver that embeds, with one worker, or that does not."""
    return {"embed__models": [checkpoint], "runtime__workers": 1} if embeds else {}


@dataclass
class Runs:
    """Runs into one place, of which all but the last are killed."""

    driver: Driver
    sample: Path
    articles: list[str]
    options: dict[str, Any]
    kind: str
    """of the lists they ask for: the same, larger and larger, or shuffled"""
    chance: random.Random
    expected: Undisturbed

    def start(self, out: Place, share: float = 1.0) -> ForkServerProcess:
        ids = self.articles
        if self.kind == "larger":
            ids = ids[: round(len(ids) * share)]
        elif self.kind == "shuffled":
            ids = self.chance.sample(ids, len(ids))
        return self.driver.start(self.sample, out, ids, **self.options)

    def killed(self, out: Place, moment: str, share: float) -> bool:
        """Start a run and kill it at a random moment; False: it ended well before."""
        before = out.shard_files()
        process = self.start(out, share)
        seconds = self.expected.start if moment == "start" else self.expected.seconds
        seconds *= self.chance.uniform(0.1, 0.9)
        if moment == "work":
            until(process, 240, lambda: out.shard_files() != before)
            seconds = self.chance.uniform(0, 0.4)
        if until(process, seconds) and kill(process):
            return True
        self.driver.ended_well(process)
        return False

    def end(self, out: Place) -> None:
        """Whatever was killed, the same command completes it."""
        self.driver.ended_well(self.start(out))
        assert_same(out.open(), self.expected.out)
        if self.kind == "same":  # another cut of the list gives other files with the same rows
            assert data_files(out.open()) == data_files(self.expected.out)
        if self.driver.cluster:
            assert self.driver.cluster.ends_actors()
        out.settled()


@pytest.mark.parametrize(
    ("place", "seed"),
    [(place, seed) for place in PLACES for seed in range(CHAINS)],
    indirect=["place"],
)
def test_a_driver_killed_again_and_again(
    seed: int,
    sample: Path,
    checkpoint: str,
    articles: list[str],
    undisturbed: Undisturb,
    drivers: Drivers,
    place: Place,
    tmp_path: Path,
) -> None:
    """Every run takes up what the killed one left."""
    name = f"{place.kind}-{seed}"
    own_ray, embeds = name == OWN_RAY["drivers"], name in EMBEDS["drivers"]
    runs = Runs(
        drivers(tmp_path, own_ray),
        sample,
        articles,
        embedding(checkpoint, embeds),
        ("same", "larger", "shuffled")[seed % 3],
        random.Random(seed),
        undisturbed(own_ray, embeds),
    )
    out, kills, outs = place / "out-0", 0, 1
    while kills < len(MOMENTS):
        if runs.killed(out, MOMENTS[kills], (kills + 1) / len(MOMENTS)):
            kills += 1
        else:  # nothing is left to kill
            runs.end(out)
            out, outs = place / f"out-{outs}", outs + 1
    runs.end(out)


@pytest.mark.parametrize(
    ("place", "seed"),
    [(place, seed) for place in PLACES for seed in range(WORKER_RUNS)],
    indirect=["place"],
)
def test_killed_workers(
    seed: int,
    sample: Path,
    checkpoint: str,
    undisturbed: Undisturb,
    drivers: Drivers,
    ray_head: Cluster,
    place: Place,
    tmp_path: Path,
) -> None:
    """A run whose actors are killed at random ends well on its own."""
    chance = random.Random(seed)
    out, name = place / "out", f"{place.kind}-{seed}"
    own_ray, embeds = name == OWN_RAY["workers"], name in EMBEDS["workers"]
    expected = undisturbed(embeds=embeds).out
    assert ray_head.ends_actors()
    driver = drivers(tmp_path, own_ray)
    process = driver.start(sample, out, embed__models=[checkpoint] * embeds)
    killed = 0
    while process.is_alive() and killed < 3:
        time.sleep(chance.uniform(0.2, 1.0))
        try:
            workers = actors_below(process if own_ray else ray_head.process)
        except psutil.Error:
            break
        if workers:
            chance.choice(workers).kill()
            killed += 1
    assert killed
    driver.ended_well(process)
    assert_same(out.open(), expected)
    assert ray_head.ends_actors()
    out.settled()


@pytest.mark.parametrize("place", PLACES, indirect=True)
def test_a_stop_between_each_pair_of_table_commits(
    sample: Path,
    articles: list[str],
    driver: Driver,
    place: Place,
    tmp_path: Path,
    processes: ForkServerContext,
) -> None:
    """The run dies after its first commit of a table, its second, its third…, until none is left.

    With embeddings tables among them: tests/store/test_writer.py.
    """
    few, never, expected = articles[:4], 10_000, Place(str(tmp_path / "expected"))

    def build(out: Place, commits: int) -> int | None:
        arguments = (driver.config(sample, out, few), commits, out.environment)
        process = processes.Process(target=build_until, args=arguments)
        process.start()
        process.join(timeout=240)
        return process.exitcode

    assert build(expected, never) == 0
    deaths = 0
    while True:
        out = place / f"out-{deaths}"
        if (code := build(out, deaths + 1)) == 0:
            break
        assert code == -signal.SIGKILL
        deaths += 1
        assert build(out, never) == 0
        assert_same(out.open(), expected.open())
        assert data_files(out.open()) == data_files(expected.open())
        out.settled()
    assert deaths >= 10  # four tables taken over, then two shards of three tables each
