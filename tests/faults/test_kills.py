"""Kill anything anywhere, run again: the rows of an undisturbed run, none twice.

In a folder and in a bucket alike. Most drivers share a cluster, which outlives them: their actors
must die with them. Some bring their own Ray.
"""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path

import psutil
import pytest

from tests.faults.cluster import Cluster, actors_below
from tests.faults.conftest import Driver, Place, kill, until
from tests.faults.driver import build_until
from tests.integration.conftest import assert_same, data_files

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]

PLACES = ("folder", "s3")
CHAINS, KILLS = 4, 5
"""outputs, and how often each one's driver is killed before it may end: 20 times in each place"""
WORKER_RUNS = 3
OWN_RAY = {"drivers": 3, "workers": 2}
"""the seed whose drivers bring their own Ray"""
EMBEDS = 0
"""the seed whose drivers embed, which costs the start of torch"""


@pytest.fixture(scope="module")
def articles(sample: Path) -> list[str]:
    return sorted(path.stem for path in (sample / "metadata").glob("*.json"))


Undisturbed = Callable[..., tuple[Path, float]]
"""(own_ray, embeds) → the dataset of a run that nothing disturbs, and its seconds"""


@pytest.fixture(scope="module")
def undisturbed(
    sample: Path,
    checkpoint: str,
    ray_head: Cluster,
    tmp_path_factory: pytest.TempPathFactory,
) -> Undisturbed:
    found: dict[tuple[bool, bool], tuple[Path, float]] = {}

    def of(*, own_ray: bool = False, embeds: bool = False) -> tuple[Path, float]:
        if (own_ray, embeds) not in found:
            folder = tmp_path_factory.mktemp("undisturbed")
            driver = Driver(folder, None if own_ray else ray_head)
            start = time.monotonic()
            driver.finish(sample, folder / "out", embed__models=[checkpoint] * embeds)
            found[own_ray, embeds] = (folder / "out", time.monotonic() - start)
        return found[own_ray, embeds]

    return of


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
    undisturbed: Undisturbed,
    ray_head: Cluster,
    place: Place,
    tmp_path: Path,
) -> None:
    """Killed at random moments, by the clock and while shards are written; every run takes up what
    the last one left, and asks for the same, a larger or a shuffled list."""
    chance = random.Random(seed)
    models = [checkpoint] * (seed == EMBEDS)
    own_ray = seed == OWN_RAY["drivers"]
    driver = Driver(tmp_path, None if own_ray else ray_head)
    expected, seconds = undisturbed(own_ray=own_ray, embeds=seed == EMBEDS)
    kind = ("same", "larger", "shuffled")[seed % 3]

    def asked(share: float) -> list[str]:
        if kind == "shuffled":
            return chance.sample(articles, len(articles))
        return articles if kind == "same" else articles[: round(len(articles) * share)]

    def ends(out: Place) -> None:
        """Whatever was killed, the same command completes it."""
        driver.finish(sample, out, asked(1), embed__models=models)
        assert_same(out.open(), expected)
        if kind == "same":  # another cut of the list gives other files with the same rows
            assert data_files(out.open()) == data_files(expected)
        if not own_ray:
            assert ray_head.ends_actors()
        out.settled()

    out, kills, outs = place / "out-0", 0, 1
    while kills < KILLS:
        before = out.shard_files()
        process = driver.start(sample, out, asked((kills + 1) / KILLS), embed__models=models)
        if kills % 2:
            until(process, 240, lambda: out.shard_files() != before)  # noqa: B023
            alive = until(process, chance.uniform(0, 0.4), lambda: False)
        else:
            alive = until(process, chance.uniform(0.3, 0.9) * seconds, lambda: False)
        if alive and kill(process):
            kills += 1
        else:  # it ended before: nothing is left to kill
            driver.ended_well(process)
            ends(out)
            out, outs = place / f"out-{outs}", outs + 1
    ends(out)


@pytest.mark.parametrize(
    ("place", "seed"),
    [(place, seed) for place in PLACES for seed in range(WORKER_RUNS)],
    indirect=["place"],
)
def test_killed_workers(
    seed: int,
    sample: Path,
    checkpoint: str,
    undisturbed: Undisturbed,
    ray_head: Cluster,
    place: Place,
    tmp_path: Path,
) -> None:
    """A run whose actors are killed at random ends well on its own."""
    chance = random.Random(seed)
    out, own_ray = place / "out", seed == OWN_RAY["workers"]
    expected, _ = undisturbed(embeds=seed == EMBEDS)
    assert ray_head.ends_actors()
    driver = Driver(tmp_path, None if own_ray else ray_head)
    process = driver.start(sample, out, embed__models=[checkpoint] * (seed == EMBEDS))
    killed = 0
    while process.poll() is None and killed < 3:
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


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that begin with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["pytest", "deltalake", "pandas", "scipy.fftpack", "tests.faults.driver"]
    )
    return context


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
    few, never, expected = articles[:6], 10_000, Place(str(tmp_path / "expected"))

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
