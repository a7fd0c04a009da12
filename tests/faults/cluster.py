"""A Ray that outlives its drivers, as on a cluster: one head for many of them."""

from __future__ import annotations

import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil

from tests.seaweed import free_ports

__all__ = ["Cluster", "actors_below", "cluster"]

START_SECONDS = 90
END_SECONDS = 60


@dataclass(frozen=True)
class Cluster:
    """A running head."""

    address: str
    token: str = field(repr=False)
    process: subprocess.Popen[bytes]

    def environment(self) -> dict[str, str]:
        """What a command needs to run here."""
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token}
        return {"RAY_ADDRESS": self.address, **token}

    def ends_actors(self) -> bool:
        """Whether the actors of drivers that are no more end, too."""
        deadline = time.monotonic() + END_SECONDS
        while actors_below(self.process):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True


def actors_below(process: subprocess.Popen[bytes] | ForkServerProcess) -> list[psutil.Process]:
    """The actors of Ray Data among the children of a driver, or of a head."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "MapWorker" in " ".join(child.cmdline()):
                found.append(child)
    return found


@contextlib.contextmanager
def cluster(variables: Mapping[str, str]) -> Iterator[Cluster]:
    """`ray start --head` on free ports with two CPUs and a token of its own, and an environment
    that its workers inherit.

    Raises RuntimeError where it does not start.
    """
    token = secrets.token_hex(32)
    port, client, agent = map(str, free_ports(3))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, **variables}
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block"]
    command += [f"--port={port}", f"--ray-client-server-port={client}", "--include-dashboard=false"]
    command += [f"--dashboard-agent-listen-port={agent}", "--num-cpus=2", "--disable-usage-stats"]
    # paths of its sockets must be short
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        log = Path(folder) / "head.log"
        command += ["--object-store-memory=500000000", f"--temp-dir={folder}"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
        try:
            _wait(process, log)
            yield Cluster(f"127.0.0.1:{port}", token, process)
        finally:
            _end(process)


def _wait(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while b"Ray runtime started" not in log.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"no head:\n{log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes]) -> None:
    """All of it at once: what it holds is thrown away. `ray stop` would end every Ray there is."""
    with contextlib.suppress(psutil.NoSuchProcess):
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(children, timeout=END_SECONDS)
    process.wait()
