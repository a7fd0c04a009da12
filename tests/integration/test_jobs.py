"""The commands of README.md for a cluster, in one shell as they stand there: a head that asks for a
token, a build on it, the same as a job, the end of the head. The articles and the dataset lie in a bucket.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import psutil
import pytest
import yaml

from biomedica.config import StoreConfig
from biomedica.store import Dataset, verify
from tests.faulty import FaultyProxy
from tests.integration.conftest import assert_same, rows, upload
from tests.seaweed import Endpoint, free_ports

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
MARK = "<!-- commands: job -->"
BUCKET = "jobs"
FEW = 6
TOO_LARGE = 106_000_000
"""bytes that do not shrink: over what the dashboard takes in one request"""
NO_FAULTS = dict.fromkeys(("unavailable", "resets", "truncated", "corrupted"), 0.0)

COMMANDS, CONFIG = re.findall(
    r"```\w*\n(.*?)```", (ROOT / "README.md").read_text().partition(MARK)[2], re.S
)[:2]
"""the blocks after the mark: commands, one a line, and the configuration that they name"""
EXPORT, START, BUILD, JOB, STOP = COMMANDS.splitlines()


@dataclass
class Done:
    """A command that ended."""

    status: int
    out: str
    errors: str

    @property
    def objects(self) -> list[dict[str, object]]:
        """The JSON objects among the lines of output."""
        return [json.loads(line) for line in self.out.splitlines() if line.startswith("{")]


class Shell:
    """One bash, in the clone from which a user works. Ports of the README become free ones."""

    def __init__(self, clone: Path, environment: dict[str, str]) -> None:
        self.clone = clone
        self.port, self.dashboard = map(str, free_ports(2))
        self.said = clone / "demo" / "said"
        self.said.mkdir()
        self.process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=clone,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        self._count = 0

    def run(self, line: str) -> Done:
        """A line of the README, or one that is made of it."""
        self._count += 1
        out, errors = (self.said / f"{self._count}.{name}" for name in ("out", "errors"))
        line = line.replace("6379", self.port).replace("8265", self.dashboard)
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{{ {line}\n}} >{out} 2>{errors} </dev/null\necho ended $?\n")
        ended, status = self.process.stdout.readline().split()
        assert ended == "ended"
        return Done(int(status), out.read_text(), errors.read_text())

    def texts(self, folder: Path) -> Iterator[tuple[Path, bytes]]:
        """Everything that was written below a folder, logs first of all."""
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()


@dataclass
class Head:
    """A running head."""

    shell: Shell
    folder: Path
    endpoint: Endpoint

    def opened(self, path: str) -> Dataset:
        return Dataset.open(f"s3://{BUCKET}/{path}", StoreConfig(endpoint_url=self.endpoint.url))

    def written(self, path: str) -> int:
        """How many articles a dataset has, if it is one yet."""
        store = StoreConfig(endpoint_url=self.endpoint.url)
        dataset = Dataset.open_if_exists(f"s3://{BUCKET}/{path}", store)
        return dataset.count("articles") if dataset else 0

    def job(self, command: str, name: str) -> Done:
        """`ray job logs`, `status`, `stop`."""
        return self.shell.run(f"ray job {command} --address http://127.0.0.1:8265 {name}")


@pytest.fixture(scope="module")
def articles(sample: Path) -> list[str]:
    return sorted(path.stem for path in (sample / "metadata").glob("*.json"))


@pytest.fixture(scope="module")
def endpoint(s3_server: Endpoint, sample: Path) -> Iterator[Endpoint]:
    """The server, with the sample in a bucket; its keys are in this process's environment, too."""
    s3_server.client().create_bucket(Bucket=BUCKET)
    upload(s3_server, BUCKET, sample, "source")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment().items():
            patch.setenv(name, value)
        yield s3_server


@pytest.fixture(scope="module")
def clone(endpoint: Endpoint, articles: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user has after `git clone`, with the README's configuration for another bucket, and a
    large file that git ignores."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("biomedica", "jobs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".gitignore", folder)
    config = yaml.safe_load(CONFIG)
    assert set(config) == {"source", "ids", "dataset"}
    config |= {"source": f"s3://{BUCKET}/source", "dataset": f"s3://{BUCKET}/dataset"}
    config |= {name: {"endpoint_url": endpoint.url} for name in ("fetch", "store")}
    (folder / "my.yaml").write_text(yaml.safe_dump(config))
    (folder / "list.txt").write_text(articles[0])
    (folder / "demo").mkdir()
    (folder / "demo" / "large").write_bytes(secrets.token_bytes(TOO_LARGE))
    return folder


@pytest.fixture(scope="module")
def shell(clone: Path, endpoint: Endpoint) -> Iterator[tuple[Shell, Path]]:
    """A shell whose `ray start` takes more free ports and little memory; and the head's folder."""
    programs, demo = Path(sys.executable).parent, clone / "demo"
    client, agent = map(str, free_ports(2))
    # paths of its sockets must be short
    with tempfile.TemporaryDirectory(prefix="ray", dir="/tmp", ignore_cleanup_errors=True) as folder:
        more = [f"--ray-client-server-port={client}", f"--dashboard-agent-listen-port={agent}"]
        more += ["--num-cpus=2", "--object-store-memory=500000000", f"--temp-dir={folder}"]
        own = f'#!/bin/sh\n[ "$1" = start ] && set -- "$@" {" ".join(more)}\nexec {programs}/ray "$@"\n'
        (demo / "bin").mkdir()
        (demo / "bin" / "ray").write_text(own)
        (demo / "bin" / "ray").chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        kept |= endpoint.environment()  # as on a node: keys are in its environment and nowhere else
        kept |= {
            # `ray`, `biomedica`, and the `python` of a job, lie beside the interpreter of the tests
            "PATH": os.pathsep.join([str(demo / "bin"), str(programs), os.environ["PATH"]]),
            "HOME": str(demo),  # no token of the person who runs the tests
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_JOB_STOP_WAIT_TIME_S": "60",  # three seconds where there are two cores for all
            "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "5",
        }
        one = Shell(clone, kept)
        try:
            yield one, Path(folder)
        finally:
            children = psutil.Process(one.process.pid).children(recursive=True)
            one.process.communicate(timeout=60)
            for child in children:  # a head that a failed test left behind
                if child.is_running():
                    child.kill()


@pytest.fixture(scope="module")
def head(shell: tuple[Shell, Path], endpoint: Endpoint) -> Head:
    """The README's first lines; its last one is a test."""
    one, folder = shell
    assert one.run(EXPORT).status == 0
    token = one.run('printf %s "$RAY_AUTH_TOKEN"').out
    assert re.fullmatch(r"[0-9a-f]{64}", token)
    assert START.endswith("&")
    assert one.run(START).status == 0
    request = urllib.request.Request(
        f"http://127.0.0.1:{one.dashboard}/api/version", headers={"Authorization": f"Bearer {token}"}
    )
    deadline = time.monotonic() + 90
    while True:
        try:
            with urllib.request.urlopen(request, timeout=5):  # noqa: S310
                return Head(one, folder, endpoint)
        except (URLError, OSError):
            if time.monotonic() > deadline:
                pytest.fail(f"no head: {list(one.texts(one.said))}")
        time.sleep(0.1)


def test_a_build_on_the_cluster_and_then_as_a_job(
    head: Head, clone: Path, articles: list[str], built: Path
) -> None:
    """The driver here, for one article; then as a job for all, which finds that one done.

    The rows are those of a build from folder to folder; the keys are nowhere in what was said.
    """
    done = head.shell.run(BUILD)
    assert done.status == 0, done.errors[-3000:]
    assert re.search(r"articles requested +1\s", done.out)

    (clone / "list.txt").write_text("\n".join(articles))
    job = head.shell.run(JOB)
    assert job.status == 0, job.out[-3000:] + job.errors[-3000:]
    report = job.objects[-1]
    assert report["exit_status"] == 0
    assert (report["articles_requested"], report["articles_skipped"]) == (len(articles), 1)
    assert "articles/s" in job.out  # our own line of progress, and no wall of Ray's words
    assert "MapWorker" not in job.out
    assert_same(head.opened("dataset"), built, same_source=False)
    assert verify(f"s3://{BUCKET}/dataset", StoreConfig(endpoint_url=head.endpoint.url)).ok

    (name,) = set(re.findall(r"raysubmit_\w+", job.out))
    logs = head.job("logs", name)
    assert json.loads(logs.out.strip().splitlines()[-1]) == report
    secret = head.endpoint.secret_key.encode()
    said = [*head.shell.texts(head.shell.said), *head.shell.texts(head.folder)]
    assert any(b"articles/s" in text for _, text in said)
    assert [str(path) for path, text in said if secret in text] == []


def test_a_job_that_cannot_start_says_so_in_its_last_object(head: Head) -> None:
    """`ray job submit` ends with 1 whatever the status."""
    job = head.shell.run(f"{JOB} --set dataset=./dataset")
    assert job.status == 1
    assert job.objects[-1]["exit_status"] == 2
    assert "write an absolute path or an s3:// URI" in str(job.objects[-1]["error"])


def test_a_job_that_is_stopped_says_so_in_its_last_line(
    head: Head, clone: Path, articles: list[str]
) -> None:
    """`ray job stop` ends a run like Ctrl-C; the same command completes it."""
    (clone / "list.txt").write_text("\n".join(articles[:FEW]))
    options = f"--set dataset=s3://{BUCKET}/stopped --set runtime.articles_per_shard=1"
    options += " --set runtime.commit_seconds=0 --set fetch.retries=50"
    last = f"/{articles[FEW - 1]}.xml"
    with FaultyProxy(
        head.endpoint.url, seed=0, **NO_FAULTS, always={last: "unavailable"}
    ) as proxy:  # without its last article the run does not end
        endless = f"{options} --set fetch.endpoint_url={proxy.endpoint}"
        job = head.shell.run(f"{JOB.replace('submit', 'submit --no-wait')} {endless}")
        (name,) = set(re.findall(r"raysubmit_\w+", job.out))
        deadline = time.monotonic() + 120
        while not head.written("stopped"):
            assert time.monotonic() < deadline, head.job("logs", name)
            time.sleep(0.1)
        stopped = head.job("stop", name)
    assert stopped.status == 0, stopped
    assert "was stopped" in stopped.out
    last_line = json.loads(head.job("logs", name).out.strip().splitlines()[-1])
    assert last_line["exit_status"] == 1
    assert "run the same command again" in last_line["error"]
    again = head.shell.run(f"{JOB} {options}")
    assert again.status == 0, again.out[-3000:]
    assert again.objects[-1]["articles_skipped"]
    assert rows(head.opened("stopped"), "articles")
    assert verify(f"s3://{BUCKET}/stopped", StoreConfig(endpoint_url=head.endpoint.url)).ok


def test_without_the_token(head: Head) -> None:
    job = head.shell.run(f"(unset RAY_AUTH_TOKEN; {JOB})")
    assert job.status != 0
    assert "RAY_AUTH_TOKEN" in job.errors
    # where nothing is done yet
    driver = head.shell.run(f"(unset RAY_AUTH_TOKEN; {BUILD} --set dataset=s3://{BUCKET}/other)")
    assert driver.status == 2
    (line,) = driver.errors.splitlines()
    assert "RAY_AUTH_TOKEN" in line


def test_a_working_directory_over_the_limit(head: Head, clone: Path) -> None:
    """Ray's own answer; README.md says what it means."""
    large = clone / "large"
    shutil.move(clone / "demo" / "large", large)  # no longer where git ignores it
    try:
        job = head.shell.run(JOB)
    finally:
        large.unlink()
    assert job.status != 0
    assert "Maximum request body size" in job.out + job.errors


def test_the_last_line_ends_the_head(head: Head) -> None:
    """All of it: nothing that the shell started lives on."""
    running = psutil.Process(head.shell.process.pid).children(recursive=True)
    assert any("raylet" in child.name() for child in running)
    assert head.shell.run(STOP).status == 0
    _, left = psutil.wait_procs(running, timeout=60)
    assert left == []
