"""The dataset follows its source on a Ray: built at state A, brought to state B, in a folder and over
S3, against a fresh build of B. What an update takes in detail: tests/pipeline/test_update.py.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from typer.testing import CliRunner

from biomedica.archive import Archive
from biomedica.cli import app
from biomedica.config import StoreConfig, load_config
from biomedica.pipeline import RunReport, run_compact, run_update
from biomedica.store import Dataset, verify
from biomedica.upkeep import CompactConfig, UpdateConfig
from tests.evolving import Evolution
from tests.faulty import FaultyProxy
from tests.integration.conftest import KEYS, assert_same, build, rows, upload
from tests.seaweed import Endpoint

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("ray_cluster"),
    pytest.mark.timeout(900),
]

ROOT = Path(__file__).parents[2]
ARTICLES = 150
CHANGES = {"changed": 30, "added": 50, "withdrawn": 10, "retracted": 5, "second": 5}
FEW = {"changed": 4, "added": 4, "withdrawn": 2, "retracted": 1, "second": 1}
TOLD = {"new": 55, "changed": 35, "gone": 10, "rebuilt": 0, "retracted": 5}
NO_FAULTS = dict.fromkeys(("unavailable", "resets", "truncated", "corrupted"), 0.0)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated source of 150 article versions."""
    from biomedica.sources.sample import write_sample

    root = tmp_path_factory.mktemp("large") / "sample"
    write_sample(root, articles=ARTICLES)
    return root


@pytest.fixture(scope="module")
def states(large: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Evolution, Path]:
    """What happens, and a fresh dataset of state B."""
    folder = tmp_path_factory.mktemp("states")
    evolution = Evolution.of(large, seed=0, **CHANGES)
    source = evolution.begin(folder / "source")
    evolution.move_on(source)
    build(source, folder / "fresh")
    return evolution, folder / "fresh"


def update(source: str, out: str, **options: object) -> RunReport:
    values = {name.replace("__", "."): value for name, value in options.items()}
    fixed = {"source": source, "dataset": out, "runtime.gpus": 0}
    return run_update(load_config(UpdateConfig, None, fixed | values), quiet=True)


def content(dataset: Dataset) -> dict[str, list[dict[str, object]]]:
    return {table: rows(dataset, table, drop=()) for table in KEYS}


def test_from_a_to_b(states: tuple[Evolution, Path], tmp_path: Path) -> None:
    evolution, fresh = states
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    build(source, out)
    first = Dataset.open(str(out))
    state_a = content(first)
    evolution.move_on(source)
    report = update(str(source), str(out))
    assert report.complete
    assert report.changes == TOLD
    assert report.articles + report.articles_rejected == len(evolution.built) == 90
    # `source_uri` names the folder: the two lie in different ones
    assert_same(out, fresh, same_source=False)
    wanted = sum(
        row["pair_count"] for row in rows(out, "articles") if row["article_id"] in evolution.built
    )
    assert wanted <= report.media_read < Dataset.open(str(out)).count("pairs")
    assert content(Dataset.open(str(out), version=first.version)) == state_a
    assert content(Dataset.open(str(out), as_of=first.timestamp)) == state_a
    verified(str(out))

    config = {"dataset": str(out), "runtime": {"shard_bytes": 20_000_000}}
    tidy = run_compact(CompactConfig.model_validate(config), quiet=True)
    assert tidy.superseded_after == 0
    assert_same(out, fresh, same_source=False)
    assert content(Dataset.open(str(out), version=first.version)) == state_a
    verified(str(out))
    assert update(str(source), str(out)).changes == {}


def verified(root: str, store: StoreConfig | None = None) -> None:
    report = verify(root, store)
    assert report.ok, report.findings
    assert not report.findings


def command(server: Endpoint, *words: str, status: int = 0) -> dict[str, Any]:
    """A command in a process of its own, with a Ray whose workers know the keys; its last line."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(
        [sys.executable, "-m", "biomedica", *words, "--json"],
        cwd=ROOT,
        env=kept | server.environment(),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == status, done.stdout[-2000:] + done.stderr[-2000:]
    values: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return values


def test_over_s3_only_what_changed_is_fetched(
    sample: Path, s3_server: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From bucket to bucket; requests are counted in front of the server."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    bucket, client = "update", s3_server.client()
    client.create_bucket(Bucket=bucket)
    evolution = Evolution.of(sample, seed=2, **FEW)
    local = evolution.begin(tmp_path / "source")
    upload(s3_server, bucket, local, "source")
    source, out, fresh = (f"s3://{bucket}/{name}" for name in ("source", "out", "fresh"))
    places = ["--source", source, "--endpoint-url", s3_server.url, "--source-endpoint-url"]
    command(s3_server, "build", *places, s3_server.url, "--out", out)
    store = StoreConfig(endpoint_url=s3_server.url)
    first = Dataset.open(out, store)
    state_a = content(first)
    evolution.move_on(local)
    for name in evolution.withdrawn:
        for key in [f"source/metadata/{name}.json", *s3_server.keys(bucket, f"source/{name}/")]:
            client.delete_object(Bucket=bucket, Key=key)
    upload(s3_server, bucket, local, "source")
    with FaultyProxy(s3_server.url, seed=0, **NO_FAULTS) as proxy:
        # the sample's inventory is older than what was built from the bucket's own listing
        words = ["update", *places, proxy.endpoint, "--dataset", out]
        assert "list the source by --list" in command(s3_server, *words, status=2)["error"]
        proxy.log.clear()
        report = command(s3_server, *words, "--list")
        asked = [unquote(urlsplit(path).path) for _, path in proxy.log]
    assert report["changes"] == {"new": 5, "changed": 5, "gone": 2, "rebuilt": 0, "retracted": 1}
    assert {path.split("/")[3] for path in asked if "/source/PMC" in path} == evolution.built
    metadata = {Path(path).stem for path in asked if "/source/metadata/PMC" in path}
    assert metadata == evolution.built
    assert report["requests"] == len(asked)
    command(s3_server, "build", *places, s3_server.url, "--out", fresh)
    assert_same(Dataset.open(out, store), Dataset.open(fresh, store))
    assert content(Dataset.open(out, store, version=first.version)) == state_a
    verified(out, store)
    command(s3_server, "compact", out, "--endpoint-url", s3_server.url)
    assert_same(Dataset.open(out, store), Dataset.open(fresh, store))
    freed = command(s3_server, "vacuum", out, "--keep", "0d", "--endpoint-url", s3_server.url)
    assert freed["files"]
    assert_same(Dataset.open(out, store), Dataset.open(fresh, store))
    verified(out, store)


def test_the_commands(sample: Path, tmp_path: Path) -> None:
    """As a user types them, with one object on the last line of each."""
    evolution = Evolution.of(sample, seed=2, **FEW)
    source, out = evolution.begin(tmp_path / "source"), str(tmp_path / "out")
    build(source, Path(out))
    first = Dataset.open(out)
    evolution.move_on(source)

    def run(*words: str, status: int = 0) -> dict[str, object]:
        done = CliRunner().invoke(app, [*words, "--json"])
        assert done.exit_code == status, done.output
        values: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
        return values

    few = ["--set", "runtime.gpus=0", "--quiet"]
    done = run("update", "--source", str(source), "--dataset", out, *few)
    assert done["changes"] == {"new": 5, "changed": 5, "gone": 2, "rebuilt": 0, "retracted": 1}
    versions = run("log", out)["versions"]
    assert isinstance(versions, list)
    assert versions[0]["version"] == done["version"]
    assert versions[0]["counts"]["gone"] == 2
    told = run("log", out, "--changes", str(done["version"]))["changes"]
    assert isinstance(told, list)
    assert len(told) == 12
    old = run("stats", out, "--as-of", first.timestamp.isoformat())
    assert old == run("stats", out, "--version", str(first.version))
    assert old != run("stats", out)
    pair = Archive(out, version=first.version).pairs(["pair_id"], "true").to_arrow()["pair_id"][0]
    shown = ["show", pair.as_py(), "--dataset", out, "--out", str(tmp_path)]
    assert run(*shown, "--as-of", first.timestamp.isoformat())["pair_id"] == pair.as_py()
    assert run("compact", out)["superseded_after"] == 0
    assert run("vacuum", out, "--dry-run")["files"] == 0
    assert run("vacuum", out, "--keep", "0d")["freed_versions"]
    for words in (["log", out], ["compact", out], ["vacuum", out], ["log", out, "--changes", "99"]):
        plain = CliRunner().invoke(app, words)
        assert (plain.exit_code == 0) == ("99" not in words), plain.output
    assert verify(out).ok
