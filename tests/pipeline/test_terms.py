"""The terms lie beside the tables of each dataset, and every version knows them. Without Ray."""

from __future__ import annotations

import datetime
import json
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from biomedica.archive import Archive
from biomedica.cli import app
from biomedica.config import BuildConfig, load_config
from biomedica.pipeline import RunReport, run_build, run_update
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline import update as pipeline_update
from biomedica.pipeline.graph import Graph
from biomedica.sources.inventory import take_snapshot
from biomedica.sources.sample import write_sample
from biomedica.store import Dataset, verify
from biomedica.upkeep import UpdateConfig
from tests.faults.driver import build_in_process, no_session
from tests.integration.conftest import data_files


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline_build, "ray_session", no_session)
    monkeypatch.setattr(Graph, "build", build_in_process)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("terms") / "sample"
    write_sample(root, articles=6)
    return root


def build(source: Path, out: Path, ids: list[str] | None = None) -> RunReport:
    values = {"source": str(source), "dataset": str(out), "ids": ids, "runtime.commit_seconds": 0}
    return run_build(load_config(BuildConfig, None, values), quiet=True)


def on(monkeypatch: pytest.MonkeyPatch, day: int) -> None:
    """Runs begin on this day of October 2099, later than all clocks of this machine."""

    now = datetime.datetime(2099, 10, day, 12, tzinfo=datetime.UTC)
    clock = SimpleNamespace(datetime=SimpleNamespace(now=lambda _: now), UTC=datetime.UTC)
    monkeypatch.setattr(pipeline_build, "datetime", clock)
    monkeypatch.setattr(pipeline_update, "take_snapshot", partial(take_snapshot, now=now))


def test_every_version_knows_where_it_comes_from(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that adds articles leaves the others as old as they were; an update looks at all."""
    out, uri = tmp_path / "out", sample.as_uri()
    ids = sorted(path.stem for path in (sample / "metadata").glob("*.json"))
    on(monkeypatch, 1)
    build(sample, out, ids[:2])
    first = Archive(str(out)).terms
    assert (first.sources, first.listed_from, first.listed) == ((uri,), "2099-10-01", "2099-10-01")
    on(monkeypatch, 3)
    build(sample, out, ids[2:4])
    second = Archive(str(out)).terms
    assert (second.listed_from, second.listed) == ("2099-10-01", "2099-10-03")
    assert "between 2099-10-01 and 2099-10-03" in dict(second.sections)["How current it is"]
    on(monkeypatch, 5)
    values = {"source": str(sample), "dataset": str(out), "everything": True}
    run_update(load_config(UpdateConfig, None, values), quiet=True)
    third = Archive(str(out)).terms
    assert third.listed_from == third.listed == "2099-10-05"
    dataset = Dataset.open(str(out))
    versions = [one for one in dataset.versions() if one.note.get("terms")]
    files = {path.name for path in (out / "_terms").iterdir()}
    assert {one.note["terms"] for one in versions} <= files
    text = (out / "_terms" / dataset.note["terms"]).read_text()
    assert "listed them on 2099-10-05; the dataset was last changed on 2099-10-05" in text
    assert uri in text
    assert not verify(str(out)).findings


def test_the_data_files_hold_no_day(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, 1)
    build(sample, tmp_path / "one")
    on(monkeypatch, 2)
    build(sample, tmp_path / "two")
    assert data_files(tmp_path / "one") == data_files(tmp_path / "two")
    before = sorted((tmp_path / "two" / "_terms").iterdir())
    build(sample, tmp_path / "two")
    assert sorted((tmp_path / "two" / "_terms").iterdir()) == before


def test_stats_show_them(sample: Path, tmp_path: Path) -> None:
    out, page = tmp_path / "out", tmp_path / "page.html"
    report = build(sample, out)
    assert "U.S. National Library of Medicine" in Path(str(report.report)).read_text()
    done = CliRunner().invoke(app, ["stats", str(out), "--html", str(page)])
    assert done.exit_code == 0
    assert "Courtesy of the U.S. National Library" in " ".join(done.stdout.split())
    assert "To be cited as" in page.read_text()
    values = json.loads(CliRunner().invoke(app, ["stats", str(out), "--json"]).stdout)
    assert values["terms"] == json.loads(json.dumps(Archive(str(out)).terms.to_dict()))
    assert values["terms"]["sources"] == [sample.as_uri()]
