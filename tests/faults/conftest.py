"""Builds in processes of their own, so that they can be killed."""

from __future__ import annotations

import multiprocessing
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, StoreConfig, load_config
from biomedica.store import Dataset, open_storage, verify
from tests.faults.cluster import Cluster, cluster
from tests.faults.driver import build_on_ray
from tests.integration.conftest import checkpoint, sample
from tests.seaweed import Endpoint, binary

__all__ = ["Driver", "Place", "checkpoint", "driver", "place", "processes", "ray_head", "sample"]

ROOT = Path(__file__).parents[2]


IMPORTED = [
    "boto3",
    "deltalake",
    "duckdb",
    "obstore",
    "pandas",
    "pytest",
    "ray.data",
    "scipy.fftpack",
    "tests.faults.driver",
]


@dataclass(frozen=True)
class Place:
    """Where a dataset lies, and how it is reached: a folder, or a prefix of a bucket."""

    uri: str
    store: StoreConfig = field(default_factory=StoreConfig)
    environment: dict[str, str] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return self.uri

    def __truediv__(self, name: str) -> Place:
        return replace(self, uri=f"{self.uri}/{name}")

    @property
    def kind(self) -> str:
        return "s3" if self.uri.startswith("s3://") else "folder"

    def open(self) -> Dataset:
        return Dataset.open(self.uri, self.store)

    def shard_files(self) -> set[str]:
        """The names of the files with pairs, committed or not."""
        return {name for name, _ in open_storage(self.uri, self.store).list("pairs/")}

    def settled(self) -> None:
        """Every promise holds and, once repaired, nothing is left behind by the dead."""
        report = verify(self.uri, self.store, repair=True)
        assert report.ok, report.findings
        assert not verify(self.uri, self.store).findings


class Driver:
    """Starts builds as child processes, each with a local Ray of its own or on the cluster given."""

    def __init__(
        self, processes: ForkServerContext, folder: Path, cluster: Cluster | None = None
    ) -> None:
        self.processes = processes
        self.errors = folder / "stderr.txt"
        self.cluster = cluster
        self.token = cluster.token if cluster else secrets.token_hex(32)

    def start(
        self,
        source: Path,
        out: Path | Place,
        ids: Sequence[str] | None = None,
        **options: Any,
    ) -> ForkServerProcess:
        """Begin a build."""
        place = out if isinstance(out, Place) else Place(str(out))
        config = self.config(source, place, ids, **options)
        variables = {"RAY_AUTH_TOKEN": self.token, **place.environment}
        process = self.processes.Process(
            target=build_on_ray, args=(config, variables, str(self.errors))
        )
        process.start()
        return process

    def config(
        self, source: Path, place: Place, ids: Sequence[str] | None = None, **options: Any
    ) -> BuildConfig:
        """Many small shards, each committed at once."""
        return load_config(
            BuildConfig,
            None,
            {
                "source": str(source),
                "dataset": place.uri,
                "store.endpoint_url": place.store.endpoint_url,
                "ids": list(ids) if ids is not None else None,
                "runtime.address": self.cluster.address if self.cluster else None,
                "runtime.gpus": 0,
                "runtime.workers": 2,
                "runtime.articles_per_shard": 2,
                "runtime.commit_seconds": 0,
                **{name.replace("__", "."): value for name, value in options.items()},
            },
        )

    def finish(
        self, source: Path, out: Path | Place, ids: Sequence[str] | None = None, **options: Any
    ) -> None:
        """A build that must end well."""
        process = self.start(source, out, ids, **options)
        self.ended_well(process)

    def ended_well(self, process: ForkServerProcess) -> None:
        """Wait for a build that must end well."""
        process.join(timeout=240)
        assert process.exitcode == 0, self.errors.read_text()[-2000:]


Process = ForkServerProcess | subprocess.Popen[bytes]


def status(process: Process) -> int | None:
    """What it ended with, if it has."""
    return process.poll() if isinstance(process, subprocess.Popen) else process.exitcode


def until(process: Process, seconds: float, happens: Callable[[], bool] | None = None) -> bool:
    """Wait for something, for so long and no longer than a process lives; whether it still does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (happens and happens()):
        if status(process) is not None:
            return False
        time.sleep(0.02)
    return status(process) is None


def kill(process: Process) -> bool:
    """SIGKILL; whether it is what ended the process."""
    process.kill()
    if isinstance(process, subprocess.Popen):
        process.wait()
    else:
        process.join()
    return status(process) == -signal.SIGKILL


@pytest.fixture(scope="session")
def processes() -> ForkServerContext:
    """Processes that begin with everything imported: a driver takes seconds for that, and dozens are
    started to be killed."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    with pytest.MonkeyPatch.context() as patch:  # Ray reads this one when it is imported
        patch.setenv("RAY_AUTH_MODE", "token")
        forkserver.ensure_running()
    return context


@pytest.fixture
def driver(processes: ForkServerContext, tmp_path: Path) -> Driver:
    return Driver(processes, tmp_path)


@pytest.fixture(scope="module")
def ray_head(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """One Ray for the drivers of a module; its nodes hold the keys of the S3 server, if there is one."""
    server: Endpoint | None = request.getfixturevalue("s3_server") if binary() else None
    with cluster(server.environment() if server else {}) as running:
        yield running


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A fresh place of the kind that the test's parameter names: "folder" or "s3"."""
    if request.param == "folder":
        return Place(str(tmp_path))
    server: Endpoint = request.getfixturevalue("s3_server")
    environment = server.environment()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    bucket = f"faults-{secrets.token_hex(4)}"
    server.client().create_bucket(Bucket=bucket)
    return Place(f"s3://{bucket}", StoreConfig(endpoint_url=server.url), environment)
