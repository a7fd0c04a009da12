"""The dataset follows its source on a Ray, by the commands that a user types. In buckets, and with
many changes: test_update_s3. What an update takes in detail: tests/pipeline/update/test_update.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from biomedica.archive import Archive
from biomedica.cli import app
from biomedica.store import Dataset
from tests.comparing import assert_same, contents, rows, sound
from tests.evolving import Evolution
from tests.integration.conftest import build

pytestmark = [
    pytest.mark.ray,
    pytest.mark.usefixtures("ray_cluster"),
    pytest.mark.timeout(900),
]

CHANGES = {"changed": 4, "added": 4, "withdrawn": 2, "retracted": 1, "second": 1}
TOLD = {"new": 5, "changed": 5, "gone": 2, "rebuilt": 0, "retracted": 1}


def run(*words: str) -> dict[str, Any]:
    """The object on the last line of a command."""
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    values: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return values


def test_from_a_to_b_by_the_commands(sample: Path, tmp_path: Path) -> None:
    evolution = Evolution.of(sample, seed=2, **CHANGES)
    source, out, fresh = evolution.begin(tmp_path / "source"), str(tmp_path / "out"), tmp_path / "fresh"
    build(source, Path(out))
    first = Dataset.open(out)
    state_a = contents(first)
    evolution.move_on(source)
    few = ["--set", "runtime.gpus=0", "--quiet"]
    done = run("update", "--source", str(source), "--dataset", out, *few)
    assert done["changes"] == TOLD
    build(source, fresh)
    assert_same(out, fresh)
    built = [row for row in rows(out, "articles") if row["article_id"] in evolution.built]
    wanted = sum(row["pair_count"] for row in built)
    assert wanted <= done["media_read"] < Dataset.open(out).count("pairs")
    sound(out)
    versions = run("log", out)["versions"]
    assert (versions[0]["version"], versions[0]["counts"]["gone"]) == (done["version"], 2)
    assert len(run("log", out, "--changes", str(done["version"]))["changes"]) == 12
    time = first.timestamp.isoformat()
    old = run("stats", out, "--as-of", time)
    assert old == run("stats", out, "--version", str(first.version))
    assert old != run("stats", out)
    pair = Archive(out, version=first.version).pairs(["pair_id"], "true").to_arrow()["pair_id"][0]
    shown = ["show", pair.as_py(), "--dataset", out, "--out", str(tmp_path)]
    assert run(*shown, "--as-of", time)["pair_id"] == pair.as_py()
    assert run("compact", out)["superseded_after"] == 0
    assert_same(out, fresh)
    assert contents(Dataset.open(out, as_of=first.timestamp)) == state_a
    assert run("update", "--source", str(source), "--dataset", out, *few)["changes"] == {}
    assert run("vacuum", out, "--dry-run")["files"] == 0
    assert run("vacuum", out, "--keep", "0d")["freed_versions"]
    assert_same(out, fresh)
    for words in (["log", out], ["compact", out], ["vacuum", out], ["log", out, "--changes", "99"]):
        plain = CliRunner().invoke(app, words)
        assert (plain.exit_code == 0) == ("99" not in words), plain.output
    sound(out)
