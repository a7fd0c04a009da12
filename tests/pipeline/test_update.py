"""What an update takes, and what it leaves. Shards are built in this process, without Ray.

At scale, on a Ray and over S3: tests/integration/test_update.py.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, JobConfig, load_config
from biomedica.embedding import write_untrained_checkpoint
from biomedica.errors import BiomedicaError, ConfigError, StaleWriterError, StoreError
from biomedica.pipeline import RunReport, run_build, run_compact, run_embed, run_update
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline.graph import Graph
from biomedica.pipeline.run import Committer
from biomedica.sources.sample import write_sample
from biomedica.store import Dataset, DatasetWriter, read_changes, verify
from biomedica.store.scope import read_scope
from biomedica.upkeep import CompactConfig, UpdateConfig
from tests.comparing import ROUTE, assert_same, contents, rows, sound
from tests.evolving import Evolution, edit
from tests.faults.driver import build_in_process, no_session

ARTICLES = 16


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sample") / "sample"
    write_sample(root, articles=ARTICLES)
    return root


@pytest.fixture(scope="module")
def evolution(sample: Path) -> Evolution:
    return Evolution.of(sample, seed=3, changed=3, added=2, withdrawn=2, retracted=1, second=1)


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """No Ray."""
    monkeypatch.setattr(pipeline_build, "ray_session", no_session)
    monkeypatch.setattr(Graph, "build", build_in_process)


@pytest.fixture(autouse=True)
def no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Listings are named by their second: each call of `take_snapshot` finds a later one."""
    import datetime

    from biomedica.pipeline import update
    from biomedica.sources.inventory import take_snapshot

    now = datetime.datetime.now(datetime.UTC)

    def later(source: Any, **named: Any) -> Any:
        nonlocal now
        now += datetime.timedelta(seconds=1)
        return take_snapshot(source, now=now, **named)

    monkeypatch.setattr(update, "take_snapshot", later)


def settings(kind: Any, source: Path, out: Path, **options: Any) -> Any:
    values = {name.replace("__", "."): value for name, value in options.items()}
    fixed = {"runtime.gpus": 0, "runtime.articles_per_shard": 3, "runtime.commit_seconds": 0}
    return load_config(kind, None, {"source": str(source), "dataset": str(out), **fixed, **values})


def build(source: Path, out: Path, ids: Sequence[str] | None = None, **options: Any) -> RunReport:
    return run_build(settings(BuildConfig, source, out, ids=ids, **options), quiet=True)


def update(source: Path, out: Path, **options: Any) -> RunReport:
    return run_update(settings(UpdateConfig, source, out, **options), quiet=True)


def names(root: Path, version: int | None = None) -> list[str]:
    dataset = Dataset.open(str(root), version=version)
    rejects = [r["article_id"] for r in rows(dataset, "rejects") if r["stage"] in ("source", "parse")]
    return sorted([row["article_id"] for row in rows(dataset, "articles")] + rejects)


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


def test_new_means_new_within_the_selection(sample: Path, evolution: Evolution, tmp_path: Path) -> None:
    """Ids without version follow the latest one; an id that the source has lost becomes a reject, as
    in a fresh build of the same list."""
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    ids = [
        evolution.changed[0],
        evolution.withdrawn[0],
        evolution.second[0].removesuffix(".1"),
        evolution.added[0].removesuffix(".1"),
    ]
    build(source, out, ids)
    evolution.move_on(source)
    report = update(source, out)
    assert report.changes == {"new": 2, "changed": 1, "gone": 2, "rebuilt": 0, "retracted": 0}
    build(source, tmp_path / "fresh", ids)
    assert_same(out, tmp_path / "fresh")
    sound(out)
    reasons = {r["article_id"]: r["reason"] for r in rows(out, "rejects") if r["stage"] == "source"}
    assert reasons == {evolution.withdrawn[0]: "unknown_id"}
    assert update(source, out).changes == {}


def test_builds_widen_the_selection_and_update_may_set_it(
    sample: Path, evolution: Evolution, tmp_path: Path
) -> None:
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    build(source, out, evolution.changed[:1])
    build(source, out, evolution.changed[1:2])
    evolution.move_on(source)
    assert update(source, out).changes["changed"] == 2
    wide = update(source, out, everything=True)
    assert (wide.changes["new"], wide.changes["gone"]) == (len(names(out)) - 2, 0)
    narrow = update(source, out, ids=list(evolution.changed))
    assert narrow.changes["gone"] == len(names(out, wide.version)) - 3
    assert names(out) == sorted(evolution.changed)
    scope = read_scope(Dataset.open(str(out)))
    assert scope
    assert (scope.everything, scope.ids and scope.ids.num_rows) == (False, 3)
    sound(out)


@pytest.mark.ray
def test_a_condition_is_followed(sample: Path, evolution: Evolution, tmp_path: Path) -> None:
    """What no longer meets it goes, and what does by now comes."""
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    where = "not is_retracted"
    build(source, out, where=where)
    before = names(out)
    assert set(evolution.retracted) < set(before)
    evolution.move_on(source)
    report = update(source, out)
    assert report.changes == {"new": 3, "changed": 3, "gone": 3, "rebuilt": 0, "retracted": 0}
    build(source, tmp_path / "fresh", where=where)
    assert_same(out, tmp_path / "fresh")
    sound(out)
    assert update(source, out).changes == {}


def test_an_older_dataset_is_asked_for_its_selection(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr(pipeline_build, "read_scope", lambda _: None)
        patch.setattr(pipeline_build.Build, "_scope", lambda *_: None)
        build(sample, out)
    assert "selection" not in Dataset.open(str(out)).note
    with pytest.raises(ConfigError, match="say it once by --ids, --where, or --all"):
        update(sample, out)
    edit_one = names(out)[0]
    source = tmp_path / "source"
    shutil.copytree(sample, source)
    edit(source, edit_one, citation="Another.")
    assert update(source, out, everything=True).changes["changed"] == 1
    assert update(source, out).changes == {}


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


def names_of(source: Path) -> list[str]:
    return sorted(path.stem for path in (source / "metadata").glob("*.json"))


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


def test_a_source_that_has_lost_much_is_not_believed(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once by its snapshots, once by what the dataset holds."""
    from biomedica.pipeline import update as pipeline_update
    from biomedica.store import snapshots

    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(sample, source)
    build(source, out)
    monkeypatch.setattr(pipeline_update, "GONE_AT_LEAST", 2)
    for name in names_of(source)[:5]:
        (source / "metadata" / f"{name}.json").unlink()
    before = names(out)
    with pytest.raises(StoreError, match=r"is it the right source .* snapshot.max_gone_share=0\."):
        update(source, out)
    monkeypatch.setattr(snapshots, "GONE_AT_LEAST", 2)
    for name in names_of(source)[:5]:
        (source / "metadata" / f"{name}.json").unlink()
    with pytest.raises(StoreError, match="max_gone_share"):
        update(source, out)
    assert names(out) == before
    report = update(source, out, snapshot__max_gone_share=1.0)
    assert report.changes["gone"] == len(before) - len(names(out)) == 10
    sound(out)


def test_a_state_before_that_of_the_dataset_is_refused(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an inventory of last night is, where the dataset was built from a listing this morning."""
    import datetime

    from biomedica.pipeline import update as pipeline_update
    from biomedica.sources.inventory import take_snapshot

    out, now = tmp_path / "out", datetime.datetime.now(datetime.UTC)
    build(sample, out)
    monkeypatch.setattr(
        pipeline_update,
        "take_snapshot",
        lambda source, **named: take_snapshot(source, now=now - datetime.timedelta(hours=9), **named),
    )
    with pytest.raises(StoreError, match=r"wait for the next inventory, list the source by --list"):
        update(sample, out)


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


def test_settings_that_exclude_each_other(tmp_path: Path) -> None:
    for options in ({"ids": ["PMC1"], "where": "true"}, {"everything": True, "where": "true"}):
        with pytest.raises(ConfigError, match="exclude"):
            settings(UpdateConfig, tmp_path, tmp_path, **options)
    assert issubclass(UpdateConfig, JobConfig)
