"""Builds in processes of their own, so that they can be killed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from biomedica.config import BuildConfig, StoreConfig, load_config
from biomedica.store import Dataset, verify
from tests.integration.conftest import checkpoint, sample
from tests.seaweed import Endpoint

__all__ = ["Driver", "Place", "checkpoint", "driver", "place", "sample"]

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

    def settled(self) -> None:
        """Every promise holds and, once repaired, nothing is left behind by the dead."""
        report = verify(self.uri, self.store, repair=True)
        assert report.ok, report.findings
        assert not verify(self.uri, self.store).findings


class Driver:
    """Starts builds as child processes, each with a local Ray of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.errors = folder / "stderr.txt"
        self.token = secrets.token_hex(32)
        self._count = 0

    def start(
        self,
        source: Path,
        out: Path | Place,
        ids: Sequence[str] | None = None,
        *,
        die_after: int | None = None,
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """Begin a build; `die_after` commits of a table it kills itself."""
        self._count += 1
        place = out if isinstance(out, Place) else Place(str(out))
        config = load_config(
            BuildConfig,
            None,
            {
                "source": str(source),
                "dataset": place.uri,
                "store.endpoint_url": place.store.endpoint_url,
                "ids": list(ids) if ids is not None else None,
                "runtime.gpus": 0,
                "runtime.workers": 2,
                "runtime.articles_per_shard": 3,
                "runtime.commit_seconds": 0,
                **{name.replace("__", "."): value for name, value in options.items()},
            },
        )
        path = self.folder / f"config-{self._count}.json"
        path.write_text(config.model_dump_json())
        arguments = [str(path)] + ([str(die_after)] if die_after is not None else [])
        variables = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
        variables |= {"RAY_AUTH_TOKEN": self.token, **place.environment, **(environment or {})}
        with self.errors.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.faults.driver", *arguments],
                cwd=ROOT,
                env=variables,
                stdout=subprocess.DEVNULL,
                stderr=errors,
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


def kill(process: subprocess.Popen[bytes], after: float) -> bool:
    """SIGKILL to the driver; whether it was still running. Its Ray ends on its own."""
    deadline = time.monotonic() + after
    while time.monotonic() < deadline:
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return True


def workers_of(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    """The Ray actors that work for a driver."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "MapWorker" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.Error:
            continue
    return found


@pytest.fixture
def driver(tmp_path: Path) -> Driver:
    return Driver(tmp_path)


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
