"""Kill anything anywhere, run again: the rows of an undisturbed run, none twice."""

from __future__ import annotations

import random
import time
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import Driver, Place, kill, workers_of
from tests.integration.conftest import assert_same, data_files

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]

RUNS, RUNS_ON_S3 = 20, 3
WORKER_RUNS, WORKER_RUNS_ON_S3 = 3, 1


@pytest.fixture(scope="module")
def articles(sample: Path) -> list[str]:
    return sorted(path.stem for path in (sample / "metadata").glob("*.json"))


Undisturbed = dict[bool, tuple[Path, float]]
"""with a model or without → the dataset of a run that nothing disturbs, and its seconds"""


@pytest.fixture(scope="module")
def undisturbed(sample: Path, checkpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    found = {}
    for embeds in (False, True):
        folder = tmp_path_factory.mktemp("undisturbed")
        start = time.monotonic()
        Driver(folder).finish(sample, folder / "out", embed__models=[checkpoint] * embeds)
        found[embeds] = (folder / "out", time.monotonic() - start)
    return found


@pytest.mark.parametrize(
    ("place", "seed"),
    [("folder", seed) for seed in range(RUNS)] + [("s3", seed) for seed in range(RUNS_ON_S3)],
    indirect=["place"],
)
def test_a_killed_driver(
    seed: int,
    sample: Path,
    checkpoint: str,
    articles: list[str],
    undisturbed: Undisturbed,
    driver: Driver,
    place: Place,
) -> None:
    """Killed at a random moment; the rerun asks for the same, a larger or a shuffled list."""
    chance = random.Random(seed)
    models = [checkpoint] if seed % 4 == 0 else []
    expected, seconds = undisturbed[bool(models)]
    out = place / "out"
    kind = ("same", "larger", "shuffled")[seed % 3]
    first = articles[: len(articles) // 2] if kind == "larger" else articles
    process = driver.start(sample, out, first, embed__models=models)
    kill(process, chance.uniform(0.3, 1.0) * seconds)
    ids = chance.sample(articles, len(articles)) if kind == "shuffled" else articles
    driver.finish(sample, out, ids, embed__models=models)
    assert_same(out.open(), expected)
    if kind != "larger":  # another cut of the list gives other files with the same rows
        assert data_files(out.open()) == data_files(expected)
    out.settled()


@pytest.mark.parametrize(
    ("place", "seed"),
    [("folder", seed) for seed in range(WORKER_RUNS)]
    + [("s3", seed) for seed in range(WORKER_RUNS_ON_S3)],
    indirect=["place"],
)
def test_killed_workers(
    seed: int,
    sample: Path,
    checkpoint: str,
    undisturbed: Undisturbed,
    driver: Driver,
    place: Place,
) -> None:
    """A run whose actors are killed at random ends well on its own."""
    chance = random.Random(seed)
    out = place / "out"
    process = driver.start(sample, out, embed__models=[checkpoint])
    killed = 0
    while process.poll() is None and killed < 3:
        time.sleep(chance.uniform(0.5, 1.5))
        try:
            workers = workers_of(process)
        except psutil.Error:
            break
        if workers:
            chance.choice(workers).kill()
            killed += 1
    assert killed
    driver.ended_well(process)
    assert_same(out.open(), undisturbed[True][0])
    out.settled()


@pytest.mark.parametrize(
    ("place", "step"), [("folder", 1), ("s3", 3)], indirect=["place"], ids=["folder", "s3"]
)
def test_a_stop_between_each_pair_of_table_commits(
    step: int, sample: Path, articles: list[str], driver: Driver, place: Place, tmp_path: Path
) -> None:
    """The run dies after its first commit of a table, its second, its third…, until none is left;
    on S3 after every third.

    With embeddings tables among them: tests/store/test_writer.py.
    """
    few, never, expected = articles[:6], 10_000, tmp_path / "expected"
    driver.finish(sample, expected, few)
    deaths = 0
    for commits in range(1, 40, step):
        out = place / f"out-{commits}"
        if driver.start(sample, out, few, die_after=commits).wait(timeout=240) == 0:
            break
        deaths += 1
        driver.finish(sample, out, few, die_after=never)
        assert_same(out.open(), expected)
        assert data_files(out.open()) == data_files(expected)
        out.settled()
    else:
        pytest.fail("the run never ended")
    assert deaths >= 10 // step  # four tables taken over, then two shards of three tables each
