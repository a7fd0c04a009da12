"""An article that kills its worker, and an output that is full."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from biomedica.pipeline.articles import ABORT_VARIABLE
from biomedica.store import Dataset, verify
from tests.faults.cluster import Cluster
from tests.faults.conftest import ROOT, Driver
from tests.integration.conftest import rows

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]

ONE_WORKER = ("--set", "runtime.workers=1")
"""what dies or is stopped is the same with two, at twice the cost"""


def test_an_article_that_kills_its_worker(sample: Path, driver: Driver, tmp_path: Path) -> None:
    """It is rejected, alone; its neighbours are written; without it the run is as any other."""
    articles = sorted(path.stem for path in (sample / "metadata").glob("*.json"))[:9]
    poisonous, out = articles[4], tmp_path / "out"
    command = [sys.executable, "-m", "biomedica", "build", "--source", str(sample), "--out", str(out)]
    command += [
        "--json",
        *ONE_WORKER,
        "--set",
        "runtime.articles_per_shard=3",
        *(f"--ids={name}" for name in articles),
    ]
    variables = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=variables | {ABORT_VARIABLE: poisonous},
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()  # and not a wall of Ray's words
    assert json.loads(line)["articles_requested"] == len(articles)
    assert "trying each" in done.stderr
    assert "raylet" not in done.stderr
    assert len(done.stderr.splitlines()) < 10
    rejected = {
        row["article_id"]: row["reason"]
        for row in rows(out, "rejects")
        if row["item"] == row["article_id"]
    }
    assert rejected.pop(poisonous) == "kills_worker"
    written = {row["article_id"] for row in rows(out, "articles")}
    assert written | set(rejected) == set(articles) - {poisonous}
    assert verify(str(out)).ok
    before = Dataset.open(str(out)).version
    driver.finish(sample, out, articles)  # done: it is not tried again
    assert Dataset.open(str(out)).version == before


def test_workers_that_die_while_they_start(sample: Path, tmp_path: Path) -> None:
    """A few tries, then one sentence: the run does not start them for ever."""
    out = tmp_path / "out"
    command = [sys.executable, "-m", "biomedica", "build", "--source", str(sample), "--out", str(out)]
    variables = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    done = subprocess.run(
        [*command, *ONE_WORKER, "-q"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=variables | {ABORT_VARIABLE: "start"},
        check=False,
        timeout=240,
    )
    assert done.returncode == 1, done.stderr
    *_, line = done.stderr.strip().splitlines()  # after the place of the report
    assert "workers" in line
    assert "died" in line
    assert verify(str(out)).ok


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        yield folder
    finally:
        with contextlib.suppress(subprocess.CalledProcessError):
            subprocess.run(["umount", "-l", str(folder)], check=True)


def test_no_space_on_the_output(sample: Path, small_disk: Path) -> None:
    """One sentence with the remedy; what was committed is whole."""
    out = small_disk / "dataset"
    command = [sys.executable, "-m", "biomedica", "build", "--source", str(sample), "--out", str(out)]
    done = subprocess.run(
        [*command, *ONE_WORKER, "-q"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        check=False,
        timeout=240,
    )
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert "space" in line
    assert "run the same command again" in line
    if (out / "articles" / "_delta_log").exists():
        assert verify(str(out), deep=False).ok


@pytest.mark.parametrize(("sent", "own_ray"), [(signal.SIGINT, True), (signal.SIGTERM, False)])
def test_a_signal_stops_a_run(
    sent: signal.Signals, own_ray: bool, sample: Path, ray_head: Cluster, tmp_path: Path
) -> None:
    """One line, status 1, and a dataset that the same command completes; on a Ray of its own and on
    a cluster."""
    out, articles = tmp_path / "out", sorted(path.stem for path in (sample / "metadata").glob("*"))[:12]
    command = [sys.executable, "-m", "biomedica", "build", "--source", str(sample), "--out", str(out)]
    command += ["--ids", ",".join(articles), "--json", "--set", "runtime.articles_per_shard=2"]
    command += [] if own_ray else ["--address", ray_head.address]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    variables |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": ray_head.token}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=variables
    )
    deadline = time.monotonic() + 240
    while not list((out / "pairs").glob("*.parquet")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(sent)
    output, errors = process.communicate(timeout=240)
    if process.returncode != 0:  # it may have ended just before
        assert process.returncode == 1
        assert json.loads(output.splitlines()[-1])["exit_status"] == 1
        assert errors.strip().splitlines()[-1].startswith("stopped")
        assert "Traceback" not in errors
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=variables, check=False, timeout=240
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    accounted = report["articles_skipped"] + report["articles"] + report["articles_rejected"]
    assert accounted == len(articles)
    assert verify(str(out)).ok
