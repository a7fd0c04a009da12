"""A bucket moves on and a dataset in another follows it: what changed, what was asked for, what
readers of the old and of the new version see. Real articles are among them where there are any.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from biomedica.config import StoreConfig
from biomedica.store import Dataset
from tests.comparing import assert_same, contents, rows, sound
from tests.conftest import ROOT
from tests.evolving import Evolution, multiplied
from tests.faulty import FaultyProxy
from tests.integration.conftest import upload
from tests.seaweed import Endpoint

pytestmark = [pytest.mark.ray, pytest.mark.timeout(900)]

GENERATED = 110
CHANGES = {"changed": 30, "added": 50, "withdrawn": 10, "retracted": 5, "second": 5}
TOLD = {"new": 55, "changed": 35, "gone": 10, "rebuilt": 0, "retracted": 5}
SETTINGS = ["--set", "image.max_pixels=1000000"]
"""Some of the real images are of thirty times as many. An update knows it from the dataset."""
NO_FAULTS = dict.fromkeys(("unavailable", "resets", "truncated", "corrupted"), 0.0)
BUCKET = "following"


@dataclass
class Bucket:
    """A source, what is built of it, and commands in processes of their own, which start a Ray whose
    workers know the keys."""

    server: Endpoint
    evolution: Evolution
    store: StoreConfig
    update: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    """the path of each request of the update to the source"""

    def place(self, name: str) -> str:
        return f"s3://{BUCKET}/{name}"

    def open(self, name: str, version: int | None = None) -> Dataset:
        return Dataset.open(self.place(name), self.store, version=version)

    def run(self, *words: str, status: int = 0) -> dict[str, Any]:
        """The object on the last line of a command."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        done = subprocess.run(
            [sys.executable, "-m", "biomedica", *words, "--endpoint-url", self.server.url, "--json"],
            cwd=ROOT,
            env=kept | self.server.environment(),
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert done.returncode == status, done.stdout[-2000:] + done.stderr[-2000:]
        values: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return values

    def build(self, name: str) -> None:
        places = ["--source", self.place("source"), "--source-endpoint-url", self.server.url]
        assert (
            self.run("build", *places, "--out", self.place(name), *SETTINGS)["articles_deferred"] == 0
        )

    def move_on(self, local: Path) -> None:
        self.evolution.move_on(local)
        client = self.server.client()
        for name in self.evolution.withdrawn:
            keys = self.server.keys(BUCKET, f"source/{name}/")
            for key in [f"source/metadata/{name}.json", *keys]:
                client.delete_object(Bucket=BUCKET, Key=key)
        for name in self.evolution.built:
            upload(self.server, BUCKET, local / name, f"source/{name}")
            metadata = (local / "metadata" / f"{name}.json").read_bytes()
            client.put_object(Bucket=BUCKET, Key=f"source/metadata/{name}.json", Body=metadata)


@pytest.fixture(scope="module")
def real(request: pytest.FixtureRequest) -> Path | None:
    """Real articles, where there are any."""
    try:
        corpus: Path = request.getfixturevalue("corpus")
    except pytest.skip.Exception:
        return None
    return corpus / "cloud"


@pytest.fixture(scope="module")
def state_a(
    sample: Path, real: Path | None, s3_server: Endpoint, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Bucket, Path]]:
    """The dataset `out` of state A, and the folder that the source was uploaded from."""
    folder = tmp_path_factory.mktemp("following")
    whole = multiplied(sample, folder / "whole", GENERATED)
    if real is not None:
        shutil.copytree(real, whole, dirs_exist_ok=True)
    evolution = Evolution.of(whole, seed=0, **CHANGES)
    local = evolution.begin(folder / "source")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment().items():
            patch.setenv(name, value)
        s3_server.client().create_bucket(Bucket=BUCKET)
        upload(s3_server, BUCKET, local, "source")
        bucket = Bucket(s3_server, evolution, StoreConfig(endpoint_url=s3_server.url))
        bucket.build("out")
        yield bucket, local


@pytest.fixture(scope="module")
def before(state_a: tuple[Bucket, Path]) -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """The version of state A, and what it holds."""
    dataset = state_a[0].open("out")
    return dataset.version, contents(dataset)


@pytest.fixture(scope="module")
def bucket(state_a: tuple[Bucket, Path], before: object) -> Bucket:
    """The source in state B, the updated dataset `out`, and `fresh`, built of state B alone."""
    bucket, local = state_a
    bucket.move_on(local)
    with FaultyProxy(bucket.server.url, seed=0, **NO_FAULTS) as proxy:
        words = ["update", "--source", bucket.place("source"), "--dataset", bucket.place("out")]
        words += ["--source-endpoint-url", proxy.endpoint, "--list"]
        bucket.update = bucket.run(*words)
        bucket.asked = [unquote(urlsplit(path).path) for _, path in proxy.log]
    bucket.build("fresh")
    return bucket


def test_what_changed_is_told(bucket: Bucket) -> None:
    assert bucket.update["changes"] == TOLD
    written = bucket.update["articles"] + bucket.update["articles_rejected"]
    assert written == len(bucket.evolution.built) == 90


def test_only_what_changed_is_asked_for(bucket: Bucket) -> None:
    """Counted in front of the server: listings, then metadata, XML and media of what is built."""
    objects = [path for path in bucket.asked if "/source/PMC" in path]
    assert {path.split("/")[3] for path in objects} == bucket.evolution.built
    assert len(set(objects)) == len(objects)
    metadata = [Path(path).stem for path in bucket.asked if "/source/metadata/PMC" in path]
    assert sorted(metadata) == sorted(bucket.evolution.built)
    assert len(bucket.asked) == bucket.update["requests"]
    xml = sum(path.endswith(".xml") for path in objects)
    assert (xml, len(objects) - xml) == (90, bucket.update["media_read"])


def test_the_visible_dataset_is_that_of_a_fresh_build(bucket: Bucket) -> None:
    assert_same(bucket.open("out"), bucket.open("fresh"))
    sound(bucket.place("out"), bucket.store)


def test_version_a_is_as_it_was(
    bucket: Bucket, before: tuple[int, dict[str, list[dict[str, Any]]]]
) -> None:
    version, content = before
    assert bucket.update["version"] > version
    assert contents(bucket.open("out", version)) == content


def test_real_articles_are_among_them(bucket: Bucket, corpus: Path) -> None:
    real = {path.stem for path in (corpus / "cloud" / "metadata").glob("*.json")}
    found = {row["article_id"] for row in rows(bucket.open("out"), "articles", drop=("shard", "body"))}
    assert real - {*bucket.evolution.withdrawn} <= found
    assert real & bucket.evolution.built


def test_compacted_and_freed_it_is_the_same(
    bucket: Bucket, before: tuple[int, dict[str, list[dict[str, Any]]]]
) -> None:
    version, content = before
    assert bucket.run("compact", bucket.place("out"))["superseded_after"] == 0
    assert_same(bucket.open("out"), bucket.open("fresh"))
    assert contents(bucket.open("out", version)) == content
    assert bucket.run("vacuum", bucket.place("out"), "--keep", "0d")["files"]
    assert_same(bucket.open("out"), bucket.open("fresh"))
    sound(bucket.place("out"), bucket.store)
