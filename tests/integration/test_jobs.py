"""The commands of README.md for a cluster: a head that asks for a token, and jobs submitted to it."""

from __future__ import annotations

import json
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import pytest

from biomedica.store import Dataset, verify
from tests.integration.conftest import rows
from tests.seaweed import free_ports

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
MARK = "<!-- commands: job -->"
ARTICLES = 6
TOO_LARGE = 106_000_000
"""bytes that do not shrink: over what the dashboard takes in one request"""


def commands() -> dict[str, list[str]]:
    """The commands after the mark in README.md, by their first words."""
    block = (ROOT / "README.md").read_text().partition(MARK)[2].split("```")[1]
    lines = [shlex.split(line.removesuffix("&")) for line in block.splitlines() if line.strip()]
    return {" ".join(words[:2]): words for words in lines}


@dataclass
class Head:
    """A running head, and the clone from which a user works."""

    clone: Path
    environment: dict[str, str]
    ports: dict[str, str]
    """the README's ports → ours"""

    def words(self, command: str) -> list[str]:
        return [self._own(word) for word in commands()[command]]

    def _own(self, word: str) -> str:
        for port, own in self.ports.items():
            word = word.replace(port, own)
        return word

    def run(
        self, command: str, *more: str, without: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in self.environment.items() if name != without}
        return subprocess.run(
            [*self.words(command), *more],
            cwd=self.clone,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )


@pytest.fixture(scope="module")
def clone(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user has after `git clone`, with a configuration and a large file that git ignores."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("biomedica", "jobs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".gitignore", folder)
    ids = sorted(path.stem for path in (sample / "metadata").glob("*.json"))[:ARTICLES]
    config = {"source": str(sample), "dataset": str(folder / "demo" / "dataset"), "ids": ids}
    (folder / "my.yaml").write_text(json.dumps(config))  # JSON is YAML
    (folder / "demo").mkdir()
    (folder / "demo" / "large").write_bytes(secrets.token_bytes(TOO_LARGE))
    return folder


@pytest.fixture(scope="module")
def head(clone: Path) -> Iterator[Head]:
    """`ray start` on free ports, with a token of its own; ended by SIGTERM, never by `ray stop`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment |= {
        # `ray`, `biomedica`, and the `python` of a job, lie beside the interpreter of the tests
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "HOME": str(clone / "demo"),  # no token of the person who runs the tests
        "NO_PROXY": "127.0.0.1",
    }
    gcs, dashboard, client, agent = map(str, free_ports(4))
    one = Head(clone, environment, {"6379": gcs, "8265": dashboard})
    more = [f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}"]
    more += ["--num-cpus=2", "--object-store-memory=500000000", "--disable-usage-stats"]
    # paths of its sockets must be short
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp") as temporary:
        log = clone / "demo" / "head.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*one.words("ray start"), *more, f"--temp-dir={temporary}"],
                env=environment,
                cwd=clone,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            _wait(process, dashboard, environment["RAY_AUTH_TOKEN"], log)
            yield one
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)  # its status is 1: that is how Ray ends


def _wait(process: subprocess.Popen[bytes], port: str, token: str, log: Path) -> None:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/version", headers={"Authorization": f"Bearer {token}"}
    )
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310
                return
        except (URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"no head:\n{log.read_text()[-2000:]}")
        time.sleep(0.1)


def objects(output: str) -> list[dict[str, object]]:
    """The JSON objects among the lines of output."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


def test_a_build_on_the_cluster_and_then_as_a_job(head: Head, clone: Path) -> None:
    """The driver here, for one article; then the whole of it as a job, which finds that one done."""
    done = head.run("biomedica build", "--set", "ids=[PMC98000001.1]", "--json")
    assert done.returncode == 0, done.stderr[-3000:]
    assert objects(done.stdout)[-1]["articles_requested"] == 1

    job = head.run("ray job")
    assert job.returncode == 0, job.stdout[-3000:] + job.stderr[-3000:]
    report = objects(job.stdout)[-1]
    assert report["exit_status"] == 0
    assert (report["articles_requested"], report["articles_skipped"]) == (ARTICLES, 1)
    assert "articles/s" in job.stdout  # our own line of progress, and no wall of Ray's words
    assert "MapWorker" not in job.stdout
    out = str(clone / "demo" / "dataset")
    assert verify(out).ok
    rejected = {
        row["article_id"] for row in rows(Dataset.open(out), "rejects") if row["stage"] == "parse"
    }
    assert len(rows(Dataset.open(out), "articles")) + len(rejected) == ARTICLES


def test_a_job_that_cannot_start_says_so_in_its_last_object(head: Head) -> None:
    """`ray job submit` ends with 1 whatever the status."""
    job = head.run("ray job", "--set", "dataset=./dataset")
    assert job.returncode == 1
    last = objects(job.stdout)[-1]
    assert last["exit_status"] == 2
    assert "write an absolute path or an s3:// URI" in str(last["error"])


def test_without_the_token(head: Head, clone: Path) -> None:
    job = head.run("ray job", without="RAY_AUTH_TOKEN")
    assert job.returncode != 0
    assert "RAY_AUTH_TOKEN" in job.stderr
    other = f"dataset={clone / 'demo' / 'other'}"  # where nothing is done yet
    driver = head.run("biomedica build", "--set", other, without="RAY_AUTH_TOKEN")
    assert driver.returncode == 2
    (line,) = driver.stderr.splitlines()
    assert "RAY_AUTH_TOKEN" in line


def test_a_working_directory_over_the_limit(head: Head, clone: Path) -> None:
    """Ray's own answer; README.md says what it means."""
    large = clone / "large"
    shutil.move(clone / "demo" / "large", large)  # no longer where git ignores it
    try:
        job = head.run("ray job")
    finally:
        large.unlink()
    assert job.returncode != 0
    assert "Maximum request body size" in job.stdout + job.stderr
