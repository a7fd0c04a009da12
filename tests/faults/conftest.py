"""Builds in processes of their own, so that they can be killed."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from biomedica.config import BuildConfig, load_config
from tests.integration.conftest import checkpoint, sample

__all__ = ["Driver", "checkpoint", "driver", "sample"]

ROOT = Path(__file__).parents[2]


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
        out: Path,
        ids: Sequence[str] | None = None,
        *,
        die_after: int | None = None,
        environment: dict[str, str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[bytes]:
        """Begin a build; `die_after` commits of a table it kills itself."""
        self._count += 1
        config = load_config(
            BuildConfig,
            None,
            {
                "source": str(source),
                "dataset": str(out),
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
        variables |= {"RAY_AUTH_TOKEN": self.token, **(environment or {})}
        with self.errors.open("ab") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.faults.driver", *arguments],
                cwd=ROOT,
                env=variables,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def finish(self, source: Path, out: Path, ids: Sequence[str] | None = None, **options: Any) -> None:
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
