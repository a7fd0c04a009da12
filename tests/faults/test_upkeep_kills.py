"""Updates and compactions killed at random moments: readers see the version before or the one after,
and the same command completes it. Shards are built in the killed process itself, without Ray: what
its workers leave behind is the business of test_kills.
"""

from __future__ import annotations

import multiprocessing
import random
import shutil
import signal
import time
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, StoreConfig, load_config
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline import run_build
from biomedica.pipeline.graph import Graph
from biomedica.schema import table_schema
from biomedica.store import Dataset
from biomedica.upkeep import CompactConfig, UpdateConfig
from tests.evolving import Evolution
from tests.faults.conftest import Place
from tests.faults.driver import build_in_process, keep_here, no_page, no_session
from tests.integration.conftest import assert_same, upload
from tests.seaweed import Endpoint

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1500)]

KILLS = {"folder": 20, "s3": 8}
TABLES = ("articles", "pairs", "rejects")
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    """Processes that begin with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "deltalake", "pandas", "tests.faults.driver"])
    return context


@pytest.fixture(scope="module")
def states(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The source in state B, the dataset of state A, and a fresh dataset of state B."""
    folder = tmp_path_factory.mktemp("states")
    evolution = Evolution.of(sample, seed=1, changed=6, added=6, withdrawn=2, retracted=2, second=2)
    source = evolution.begin(folder / "source")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline_build, "ray_session", no_session)
        patch.setattr(pipeline_build, "reported", no_page)
        patch.setattr(Graph, "build", build_in_process)
        run_build(settings(BuildConfig, Place(str(folder / "a")), source=str(source)), quiet=True)
        evolution.move_on(source)
        run_build(settings(BuildConfig, Place(str(folder / "b")), source=str(source)), quiet=True)
    return source, folder / "a", folder / "b"


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


def copied(folder: Path, out: Place, request: pytest.FixtureRequest) -> Place:
    """The dataset of a folder, at another place."""
    if out.uri.startswith("s3://"):
        bucket, _, prefix = out.uri.removeprefix("s3://").partition("/")
        server: Endpoint = request.getfixturevalue("s3_server")
        upload(server, bucket, folder, prefix)
    else:
        shutil.copytree(folder, out.uri)
    return out


def content(dataset: Dataset) -> Rows:
    """Every live row without its shard and its image, which has its hash beside it."""
    found = {}
    for table in TABLES:
        columns = [name for name in table_schema(table).names if name not in ("shard", "image")]
        batches = dataset.batches(table, columns=columns)
        found[table] = sorted((row for batch in batches for row in batch.to_pylist()), key=repr)
    return found


@pytest.mark.parametrize("place", ["folder", "s3"], indirect=True)
@pytest.mark.parametrize("job", ["update", "compact"])
def test_killed_at_random_moments(
    job: str,
    states: tuple[Path, Path, Path],
    place: Place,
    processes: ForkServerContext,
    request: pytest.FixtureRequest,
) -> None:
    source, state_a, state_b = states
    chance = random.Random(job)
    wanted = KILLS["s3" if place.uri.startswith("s3://") else "folder"]
    before = content(Dataset.open(str(state_a)))
    after = content(Dataset.open(str(state_b))) if job == "update" else before
    kills = outs = 0
    seconds = 0.0
    while kills < wanted:
        out = copied(state_a, place / f"out-{outs}", request)
        outs += 1
        first = out.open().version
        if job == "update":
            config = settings(UpdateConfig, out, source=str(source))
        else:
            config = settings(CompactConfig, out, **{"runtime.shard_bytes": 6_000_000})
        ended = False
        while not ended and kills < wanted:
            start = time.monotonic()
            process = processes.Process(target=keep_here, args=(config, out.environment))
            process.start()
            # the first one shows how long it takes
            process.join(timeout=chance.uniform(0.05, 1.0) * seconds if seconds else 120)
            process.kill()
            process.join()
            ended = process.exitcode == 0
            if ended:
                seconds = seconds or time.monotonic() - start
            else:
                assert process.exitcode == -signal.SIGKILL
                kills += 1
            seen = out.open()
            assert content(seen) == (before if seen.version == first else after)
        if not ended:
            process = processes.Process(target=keep_here, args=(config, out.environment))
            process.start()
            process.join(timeout=240)
            assert process.exitcode == 0
        assert out.open().version > first
        assert content(out.open()) == after
        assert_same(out.open(), state_b if job == "update" else state_a)
        assert content(Dataset.open(out.uri, out.store, version=first)) == before
        out.settled()


def test_an_undisturbed_update_is_no_other(states: tuple[Path, Path, Path]) -> None:
    """The two states differ, or nothing was tested."""
    _, state_a, state_b = states
    assert content(Dataset.open(str(state_a), StoreConfig())) != content(Dataset.open(str(state_b)))
