"""What an update takes, and what it leaves. At scale, on a Ray and over S3:
tests/integration/test_update_s3.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from biomedica.config import JobConfig, load_config
from biomedica.embedding import write_untrained_checkpoint
from biomedica.errors import BiomedicaError, ConfigError, StaleWriterError
from biomedica.pipeline import RunReport, run_compact, run_embed
from biomedica.pipeline.run import Committer
from biomedica.store import Dataset, DatasetWriter, read_changes, verify
from biomedica.upkeep import CompactConfig
from tests.comparing import ROUTE, assert_same, contents, rows, sound
from tests.conftest import ROOT
from tests.evolving import Evolution, edit
from tests.pipeline.update.conftest import build, names, names_of, update


def test_the_dataset_is_that_of_a_fresh_build(
    sample: Path, evolution: Evolution, tmp_path: Path
) -> None:
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    build(source, out)
    first = Dataset.open(str(out)).version
    state_a = contents(out)
    evolution.move_on(source)
    report = update(source, out)
    assert report.changes == {"new": 3, "changed": 4, "gone": 2, "rebuilt": 0, "retracted": 1}
    assert report.articles + report.articles_rejected == len(evolution.built)
    build(source, tmp_path / "fresh")
    assert_same(out, tmp_path / "fresh")
    sound(out)
    dataset = Dataset.open(str(out))
    assert (dataset.version, [v.version for v in dataset.versions()][1]) == (report.version, first)
    note = dataset.note
    assert (note["command"], note["source"]) == ("update", source.as_uri())
    assert {k: note["counts"][k] for k in report.changes} == report.changes
    told = {
        row["article_id"]: row for row in read_changes(dataset.storage, note["changes"]).to_pylist()
    }
    assert {name for name, row in told.items() if row["change"] == "gone"} == {*evolution.withdrawn}
    assert told.keys() == evolution.built | {*evolution.withdrawn}
    assert [name for name, row in told.items() if row["is_newly_retracted"]] == [*evolution.retracted]
    assert contents(Dataset.open(str(out), version=first)) == state_a
    # and after a compaction
    run_compact(CompactConfig.model_validate({"dataset": str(out)}), quiet=True)
    assert_same(out, tmp_path / "fresh")
    sound(out)
    assert update(source, out).changes == {}


def test_where_nothing_has_changed_nothing_is_read_or_committed(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(sample, out)
    before = sorted((out / "articles").rglob("*"))
    report = update(sample, out)
    assert (report.changes, report.media_read) == ({}, 0)
    assert report.articles_skipped == report.articles_requested == len(names(out))
    assert report.version == Dataset.open(str(out)).version
    assert sorted((out / "articles").rglob("*")) == before


def test_settings_are_those_of_the_dataset(sample: Path, tmp_path: Path) -> None:
    """Unless others are given: then everything is built anew."""
    out = tmp_path / "out"
    build(sample, out, image__max_pixels=150_000)
    assert update(sample, out).changes == {}
    report = update(sample, out, image__max_pixels=120_000)
    assert report.changes["rebuilt"] == len(names(out))
    assert update(sample, out).changes == {}
    sound(out)


def test_the_models_of_the_dataset_embed_what_is_new(
    sample: Path, evolution: Evolution, tmp_path: Path
) -> None:
    model = str(write_untrained_checkpoint(tmp_path / "models"))
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    build(source, out, embed__models=[model])
    evolution.move_on(source)
    report = update(source, out)
    assert sum(report.embeddings.values()) == report.pairs > 0
    sound(out)
    (table,) = [name for name in Dataset.open(str(out)).tables if "/" in name]
    build(source, tmp_path / "fresh", embed__models=[model])
    ids = [[row["pair_id"] for row in rows(root, table)] for root in (out, tmp_path / "fresh")]
    assert ids[0] == ids[1]
    run_compact(CompactConfig.model_validate({"dataset": str(out)}), quiet=True)
    sound(out)


@pytest.mark.ray
def test_a_model_that_came_later_is_remembered(
    sample: Path, evolution: Evolution, tmp_path: Path
) -> None:
    model = str(write_untrained_checkpoint(tmp_path / "models"))
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    build(source, out, names_of(source)[:4])
    run_embed(load_config(JobConfig, None, {"dataset": str(out), "embed.models": [model]}), quiet=True)
    edit(source, names_of(source)[0], citation="Another.")
    report = update(source, out)
    assert report.changes["changed"] == 1
    assert list(report.embeddings.values()) == [report.pairs]
    sound(out)


def test_a_model_that_nobody_can_name_is_asked_for(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(sample, out, names_of(sample)[:3])
    files = {"embeddings/other-0123abcd": {"name": "other", "dimension": 4}}
    with DatasetWriter.begin(out, None, files) as writer:
        writer.commit([])
    with pytest.raises(ConfigError, match="other-0123abcd: name each model by --model"):
        update(sample, out)


def test_an_article_that_comes_back(sample: Path, tmp_path: Path) -> None:
    """Its rows have the name of the shard that was hidden, unless that name is made another."""
    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(sample, source)
    name = names_of(source)[4]
    build(source, out, runtime__articles_per_shard=1)
    fresh = contents(out, drop=ROUTE)
    for times in range(2):
        shutil.move(source / "metadata" / f"{name}.json", tmp_path / "kept.json")
        assert update(source, out, runtime__articles_per_shard=1).changes["gone"] == 1
        assert name not in names(out)
        sound(out)
        shutil.move(tmp_path / "kept.json", source / "metadata" / f"{name}.json")
        assert update(source, out, runtime__articles_per_shard=1).changes["new"] == 1
        assert contents(out, drop=ROUTE) == fresh
        sound(out)
        if times:
            run_compact(CompactConfig.model_validate({"dataset": str(out)}), quiet=True)
            sound(out)


def test_a_killed_update_is_gone_on_with(
    sample: Path, evolution: Evolution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that was staged is built again; readers see the version before until the end."""
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    build(source, out)
    before, version = names(out), Dataset.open(str(out)).version
    evolution.move_on(source)
    commit, commits = Committer.commit, 0

    def dying(self: Committer) -> None:
        nonlocal commits
        commit(self)
        commits += 1
        if commits == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Committer, "commit", dying)
    with pytest.raises(KeyboardInterrupt):
        update(source, out)
    monkeypatch.setattr(Committer, "commit", commit)
    assert (Dataset.open(str(out)).version, names(out)) == (version, before)
    # the source moves on once more: what was staged may be gone, or another by now
    later = [evolution.added[0], evolution.changed[0]]
    (source / "metadata" / f"{later[0]}.json").unlink()
    edit(source, later[1], citation="Corrected again.")
    report = update(source, out)
    assert report.articles_skipped > len(before) - 2 - 3
    assert report.articles + report.articles_rejected <= len(evolution.built)
    build(source, tmp_path / "fresh")
    assert_same(out, tmp_path / "fresh")
    assert verify(str(out), repair=True).ok
    sound(out)
    assert report.changes == {"new": 2, "changed": 4, "gone": 2, "rebuilt": 0, "retracted": 1}


def test_two_updates_at_once(
    sample: Path, evolution: Evolution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that begins later wins, the other says so; what that one had staged counts."""
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    build(source, out)
    evolution.move_on(source)
    commit = Committer.commit
    inner: list[RunReport] = []

    def overtaken(self: Committer) -> None:
        commit(self)
        monkeypatch.setattr(Committer, "commit", commit)
        inner.append(update(source, out))

    monkeypatch.setattr(Committer, "commit", overtaken)
    with pytest.raises(StaleWriterError, match="another run has begun"):
        update(source, out)
    assert inner[0].articles + inner[0].articles_rejected < len(evolution.built)
    build(source, tmp_path / "fresh")
    assert_same(out, tmp_path / "fresh")
    assert update(source, out).changes == {}
    sound(out)


def test_an_article_whose_metadata_cannot_be_read_keeps_its_rows(sample: Path, tmp_path: Path) -> None:
    """Its XML disagrees with the MD5 that is listed: deferred."""
    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(sample, source)
    build(source, out)
    before = contents(out)
    version = Dataset.open(str(out)).version
    name = rows(out, "articles")[0]["article_id"]
    path = source / "metadata" / f"{name}.json"
    metadata = json.loads(path.read_text())
    uri = metadata["xml_url"].partition("?")[0]
    edit(source, name, xml_url=f"{uri}?md5={'0' * 32}")
    report = update(source, out)
    assert (report.articles_deferred, report.complete, report.changes) == (1, False, {})
    assert Dataset.open(str(out)).version == version
    assert contents(out) == before
    other = rows(out, "articles")[1]["article_id"]
    edit(source, other, citation="Another.")
    report = update(source, out)
    assert (report.articles_deferred, report.changes["changed"]) == (1, 1)
    edit(source, name, xml_url=metadata["xml_url"])
    update(source, out)
    sound(out)


def test_a_dataset_that_is_not_there(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(BiomedicaError, match="there is no dataset"):
        update(sample, tmp_path / "none")


def test_an_update_that_only_hides_starts_no_ray(sample: Path, tmp_path: Path) -> None:
    """In a process of its own: what it has imported tells."""
    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(sample, source)
    build(source, out)
    gone = names_of(source)[2]
    (source / "metadata" / f"{gone}.json").unlink()
    before = names(out)
    code = (
        "import sys, biomedica; "
        "report = biomedica.update(*sys.argv[1:], quiet=True).report; "
        "print(report['changes']['gone'], 'ray' in sys.modules)"
    )
    command = [sys.executable, "-c", code, str(source), str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.split() == ["1", "False"], done.stderr
    assert names(out) == [name for name in before if name != gone]
    assert Dataset.open(str(out)).note["command"] == "update"
    sound(out)
