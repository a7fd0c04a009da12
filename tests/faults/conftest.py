"""Builds in processes of their own, so that they can be killed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, StoreConfig, load_config
from biomedica.store import Dataset, open_storage, verify
from tests.faults.cluster import Cluster, cluster
from tests.integration.conftest import checkpoint, sample
from tests.seaweed import Endpoint, binary

__all__ = ["Driver", "Place", "checkpoint", "driver", "place", "ray_head", "sample"]

ROOT = Path(__file__).parents[2]


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

    def __init__(self, folder: Path, cluster: Cluster | None = None) -> None:
        self.folder = folder
        self.errors = folder / "stderr.txt"
        self.cluster = cluster
        self.token = cluster.token if cluster else secrets.token_hex(32)
        self._count = 0

    def start(
        self,
        source: Path,
        out: Path | Place,
        ids: Sequence[str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """Begin a build."""
        place = out if isinstance(out, Place) else Place(str(out))
        self._count += 1
        path = self.folder / f"config-{self._count}.json"
        path.write_text(self.config(source, place, ids, **options).model_dump_json())
        variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        variables |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, **place.environment}
        with self.errors.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.faults.driver", str(path)],
                cwd=ROOT,
                env=variables,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

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
                "runtime.articles_per_shard": 3,
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

    def ended_well(self, process: subprocess.Popen[bytes]) -> None:
        """Wait for a build that must end well."""
        code = process.wait(timeout=240)
        assert code == 0, self.errors.read_text()[-2000:]


def until(
    process: subprocess.Popen[bytes], seconds: float, happens: Callable[[], bool] | None = None
) -> bool:
    """Wait for something, for so long and no longer than a process lives; whether it still does."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not (happens and happens()):
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return process.poll() is None


def kill(process: subprocess.Popen[bytes]) -> bool:
    """SIGKILL; whether it is what ended the process."""
    process.kill()
    return process.wait() == -signal.SIGKILL


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return Driver(tmp_path)


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
