"""Datasets in a bucket: the same commands and the same rows, and not a trace of the keys."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import biomedica
from biomedica.config import StoreConfig
from biomedica.pipeline import RunReport
from biomedica.store import Dataset, verify
from tests.faults.cluster import Cluster, cluster
from tests.faulty import FaultyProxy
from tests.integration.conftest import assert_same, build, data_files, rows, upload
from tests.seaweed import Endpoint

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

ROOT = Path(__file__).parents[2]
NO_FAULTS = dict.fromkeys(("unavailable", "resets", "truncated", "corrupted"), 0.0)
FEW = 6
"""articles of the sample; what is tested is the way to the bucket"""


@dataclass
class Bucket:
    """A bucket of its own on the server, and commands that reach it."""

    endpoint: Endpoint
    name: str
    head: Cluster | None = None
    """where its commands run; None: each starts a Ray of its own"""

    def uri(self, path: str) -> str:
        return f"s3://{self.name}/{path}"

    def config(self, url: str | None = None) -> StoreConfig:
        return StoreConfig(endpoint_url=url or self.endpoint.url)

    def open(self, path: str) -> Dataset:
        return Dataset.open(self.uri(path), self.config())

    def has_pairs(self, path: str) -> bool:
        """Whether a file with pairs is there, committed or not."""
        keys = self.endpoint.keys(self.name, f"{path}/pairs/")
        return any(key.endswith(".parquet") and "_delta_log" not in key for key in keys)

    def upload(self, folder: Path, prefix: str) -> str:
        """The files of a folder as objects; the URI of the prefix."""
        upload(self.endpoint, self.name, folder, prefix)
        return self.uri(prefix)

    def start(self, *arguments: object, **variables: str | None) -> subprocess.Popen[str]:
        """A command with the keys in its environment; a variable that is None is taken out."""
        ray = self.head.environment() if self.head else {"RAY_ADDRESS": None}
        environment = dict(os.environ) | ray | self.endpoint.environment() | variables
        return subprocess.Popen(
            [sys.executable, "-m", "biomedica", *map(str, arguments)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={name: value for name, value in environment.items() if value is not None},
        )

    def run(self, *arguments: object, code: int = 0, **variables: str | None) -> tuple[str, str]:
        """What a command writes to stdout and stderr."""
        process = self.start(*arguments, **variables)
        out, errors = process.communicate(timeout=240)
        assert process.returncode == code, errors[-3000:]
        return out, errors


@pytest.fixture(scope="module")
def bucket(s3_server: Endpoint) -> Iterator[Bucket]:
    s3_server.client().create_bucket(Bucket="integration")
    with pytest.MonkeyPatch.context() as patch, cluster(s3_server.environment()) as head:
        for name, value in s3_server.environment().items():
            patch.setenv(name, value)
        yield Bucket(s3_server, "integration", head)


@pytest.fixture(scope="module")
def articles(sample: Path) -> list[str]:
    return sorted(path.stem for path in (sample / "metadata").glob("*.json"))[:FEW]


@dataclass
class Falling:
    """A build whose endpoint goes down once it has written a file."""

    bucket: Bucket
    command: list[str]
    process: subprocess.Popen[str]
    ended: Future[tuple[str, str]]
    """what it wrote to stdout and stderr"""


@pytest.fixture(scope="module")
def falling(bucket: Bucket, sample: Path) -> Iterator[Falling]:
    """In the background, on a Ray of its own: a run is patient with its store for a minute, and other
    tests need not be."""
    own = Bucket(bucket.endpoint, "falls")
    own.endpoint.client().create_bucket(Bucket=own.name)
    command = ["build", "--source", str(sample), "--out", own.uri("out"), "--json"]
    command += ["--set", "runtime.articles_per_shard=3", "--set", "runtime.commit_seconds=0"]
    with FaultyProxy(bucket.endpoint.url, seed=0, **NO_FAULTS) as proxy, ThreadPoolExecutor(1) as pool:
        process = own.start(*command, "--endpoint-url", proxy.endpoint)

        def fall() -> tuple[str, str]:
            while process.poll() is None and not own.has_pairs("out"):
                time.sleep(0.05)
            proxy.down = True
            return process.communicate()

        yield Falling(own, command, process, pool.submit(fall))
        process.kill()


def last_object(out: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(out.splitlines()[-1])
    return values


KEYS = re.compile(
    r"biomedica\.json|_selections/[0-9a-f]{16}\.(json|parquet)|_reports/[^/]+\.html"
    r"|_terms/[0-9]{4}-[0-9-]{5}T[0-9-]{8}Z-[0-9a-f]{8}\.md"
    r"|(articles|pairs|rejects|superseded|embeddings/[^/]+)/"
    r"(_delta_log/(\d{20}(\.checkpoint)?\.(json|parquet)|_last_checkpoint)|[0-9a-f]{16}-[0-9a-f]{16}\.parquet)"
)
"""All that may lie under a dataset's root."""


@pytest.mark.usefixtures("falling")
def test_every_command_on_a_bucket_and_no_trace_of_the_keys(
    bucket: Bucket, sample: Path, articles: list[str], checkpoint: str, tmp_path: Path
) -> None:
    """build, embed, verify, stats, show and Archive, as chatty as they can be."""
    root, said = bucket.uri("deep/root"), []

    def run(*arguments: object) -> str:
        out, errors = bucket.run(*arguments, "--endpoint-url", bucket.endpoint.url, "--debug")
        said.extend([out, errors])
        return out

    ids = ",".join(articles)
    report = last_object(run("build", "--source", sample, "--out", root, "--ids", ids, "--json"))
    assert report["articles"] + report["articles_rejected"] == FEW
    embedded = last_object(run("embed", "--dataset", root, "--model", checkpoint, "--json"))
    assert embedded["pairs_embedded"] == report["pairs"]
    assert last_object(run("verify", root, "--source", sample, "--repair", "--json"))["ok"]
    assert last_object(run("stats", root, "--json"))["pairs"] == report["pairs"]

    archive = biomedica.Archive(root, store=bucket.config())
    pairs = archive.pairs(columns=["pair_id", "image"], where="width > 0").to_arrow().to_pylist()
    assert len(pairs) == report["pairs"]
    shown = last_object(
        run("show", pairs[0]["pair_id"], "--dataset", root, "--out", tmp_path, "--json")
    )
    assert Path(shown["written"]).read_bytes() == pairs[0]["image"]["bytes"]
    (model,) = archive.models
    assert archive.embeddings(model).count() == report["pairs"]

    out = tmp_path / "folder"
    build(sample, out, articles, embed__models=[checkpoint], runtime__articles_per_shard=10)
    assert_same(bucket.open("deep/root"), out)
    core = {name: data for name, data in data_files(out).items() if not name.startswith("embeddings")}
    assert core.items() <= data_files(bucket.open("deep/root")).items()

    client = bucket.endpoint.client()
    keys = bucket.endpoint.keys(bucket.name)
    strange = [key for key in keys if not KEYS.fullmatch(key.removeprefix("deep/root/"))]
    assert strange == []
    assert not client.list_multipart_uploads(Bucket=bucket.name).get("Uploads")
    said += keys
    for key in keys:
        said.append(client.get_object(Bucket=bucket.name, Key=key)["Body"].read().decode("latin-1"))
    for secret in (bucket.endpoint.secret_key, bucket.endpoint.access_key):
        assert [text[:200] for text in said if secret in text] == []


@pytest.mark.parametrize(
    ("place", "variables", "words"),
    [
        ("s3://nobucket/x", {}, "there is no bucket for s3://nobucket/x"),
        (
            "s3://integration/x",
            {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None},
            "no AWS credentials for s3://integration/x: set AWS_PROFILE",
        ),
        ("s3://integration/x", {"AWS_SECRET_ACCESS_KEY": "not-it"}, "not allowed to read s3://integ"),
        ("s3://integration/x", {"AWS_PROFILE": "nobody"}, "nobody"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(
    place: str, variables: dict[str, str | None], words: str, bucket: Bucket, sample: Path
) -> None:
    options = ("--endpoint-url", bucket.endpoint.url)
    out, errors = bucket.run("build", "--source", sample, "--out", place, *options, code=2, **variables)
    (line,) = errors.splitlines()
    assert words in line
    assert out == ""
    assert bucket.endpoint.keys(bucket.name, "x/") == []


def test_keys_of_a_bad_session_are_not_repeated(bucket: Bucket, sample: Path) -> None:
    """Even a traceback holds neither key, secret nor token."""
    secrets = {
        "AWS_SECRET_ACCESS_KEY": "secret-of-a-session",
        "AWS_SESSION_TOKEN": "token-of-a-session",
    }
    options = ("--endpoint-url", bucket.endpoint.url, "--debug")
    out, errors = bucket.run("verify", bucket.uri("x"), *options, code=2, **secrets)
    assert "Traceback" in errors
    for secret in (*secrets.values(), bucket.endpoint.access_key, bucket.endpoint.secret_key):
        assert secret not in out + errors


def test_an_endpoint_that_is_down_at_the_start(bucket: Bucket, sample: Path) -> None:
    with FaultyProxy(bucket.endpoint.url, seed=0) as proxy:
        url = proxy.endpoint
    options = ("--source", sample, "--out", bucket.uri("down"), "--endpoint-url", url, "--json")
    out, errors = bucket.run("build", *options, code=2)
    (line,) = errors.splitlines()
    assert f"does not answer at {url}" in line
    assert "run the same command again" in line
    assert last_object(out) == {"error": line.removeprefix("error: "), "exit_status": 2}


def test_a_source_that_spoils_its_answers(
    bucket: Bucket, sample: Path, built: Path, articles: list[str]
) -> None:
    """503, resets, truncated and corrupted bodies: the same tables; what cannot be had now waits."""
    source, root = bucket.upload(sample, "spoilt-source"), bucket.uri("spoilt")
    pairs = [row["pair_id"] for row in rows(built, "pairs")]
    broken, silent = pairs[0], sorted({pair.partition("/")[0] for pair in pairs})[-1]
    waiting = {broken.partition("/")[0], silent}
    always = {f"/{broken}": "corrupted", f"/{silent}/{silent}.xml": "unavailable"}
    options = ("build", "--source", source, "--out", root, "--endpoint-url", bucket.endpoint.url)
    options += ("--set", "fetch.retries=3", "--json")
    with FaultyProxy(bucket.endpoint.url, seed=3, always=always) as proxy:
        out, _ = bucket.run(*options, "--source-endpoint-url", proxy.endpoint, code=1)
        assert all(
            proxy.injected[fault] for fault in ("unavailable", "resets", "truncated", "corrupted")
        )
    report = last_object(out)
    assert {article for article, _ in report["deferred"]} == waiting
    written = [row for row in rows(built, "articles") if row["article_id"] not in waiting]
    assert [row["article_id"] for row in rows(bucket.open("spoilt"), "articles")] == [
        row["article_id"] for row in written
    ]
    again, _ = bucket.run(*options, "--source-endpoint-url", bucket.endpoint.url)
    assert last_object(again)["articles"] == len(waiting)
    assert_same(bucket.open("spoilt"), built, same_source=False)
    assert verify(root, bucket.config()).ok


def test_real_articles_from_bucket_to_bucket(
    bucket: Bucket, corpus: Path, built_corpus: tuple[Path, RunReport]
) -> None:
    """Row for row the tables of a build from folder to folder."""
    source, root = bucket.upload(corpus / "cloud", "cloud"), bucket.uri("cloud-built")
    url = bucket.endpoint.url
    ends = ("--endpoint-url", url, "--source-endpoint-url", url)
    report = last_object(bucket.run("build", "--source", source, "--out", root, *ends, "--json")[0])
    assert report["articles_requested"] == report["articles"] + report["articles_rejected"]
    assert_same(bucket.open("cloud-built"), built_corpus[0], same_source=False)
    found = last_object(bucket.run("verify", root, "--source", source, *ends, "--json")[0])
    assert found["ok"]


def test_an_endpoint_that_goes_down_in_mid_run(built: Path, falling: Falling) -> None:
    """The run stops with one sentence and status 1, and the second one completes it."""
    out, errors = falling.ended.result()
    assert falling.process.returncode == 1, errors[-3000:]
    (line,) = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert "now" in line
    assert "run the same command again" in line
    assert "Traceback" not in errors
    assert last_object(out)["exit_status"] == 1
    bucket = falling.bucket
    bucket.run(*falling.command, "--endpoint-url", bucket.endpoint.url)
    assert_same(bucket.open("out"), built)
    assert verify(bucket.uri("out"), bucket.config(), repair=True).ok
    assert not verify(bucket.uri("out"), bucket.config()).findings
