"""Which articles a dataset takes of its source, and what it does not believe of it."""

from __future__ import annotations

import datetime
import shutil
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import JobConfig
from biomedica.errors import ConfigError, StoreError
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline import update as pipeline_update
from biomedica.sources.inventory import take_snapshot
from biomedica.store import Dataset, snapshots
from biomedica.store.scope import SELECTIONS, read_scope
from biomedica.upkeep import UpdateConfig
from tests.comparing import assert_same, rows, sound
from tests.evolving import Evolution, edit
from tests.pipeline.update.conftest import build, names, names_of, settings, update


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


def test_a_source_that_has_lost_much_is_not_believed(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once by its snapshots, once by what the dataset holds."""
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
    out, now = tmp_path / "out", datetime.datetime.now(datetime.UTC)
    build(sample, out)
    monkeypatch.setattr(
        pipeline_update,
        "take_snapshot",
        lambda source, **named: take_snapshot(source, now=now - datetime.timedelta(hours=9), **named),
    )
    with pytest.raises(StoreError, match=r"wait for the next inventory, list the source by --list"):
        update(sample, out)


def test_settings_that_exclude_each_other(tmp_path: Path) -> None:
    for options in ({"ids": ["PMC1"], "where": "true"}, {"everything": True, "where": "true"}):
        with pytest.raises(ConfigError, match="exclude"):
            settings(UpdateConfig, tmp_path, tmp_path, **options)
    assert issubclass(UpdateConfig, JobConfig)


CHOICES: list[dict[str, Any]] = [{}, {"where": "n_media > 0"}, {"ids": True}]


@pytest.mark.parametrize("versions", ["latest", "published_first"])
@pytest.mark.parametrize("selection", CHOICES, ids=["all", "where", "ids"])
def test_one_version_of_each_article(
    sample: Path, tmp_path: Path, selection: dict[str, Any], versions: str
) -> None:
    """Two articles get a second version, one of them as a manuscript, which is no published one."""
    evolution = Evolution.of(sample, seed=5, changed=2, second=2)
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    first, second = evolution.second
    if "ids" in selection:
        bare = [name.removesuffix(".1") for name in (first, second)]
        selection = {"ids": [*bare, *evolution.changed]}
    options = {**selection, "select__versions": versions}
    build(source, out, **options)
    before = names(out)
    evolution.move_on(source)
    edit(source, evolution.seconds[0], is_manuscript=True)
    replaced = {second} if versions == "published_first" else {first, second}
    report = update(source, out)
    assert (report.changes["new"], report.changes["gone"]) == (len(replaced), len(replaced))
    assert names(out) == sorted({*before} - replaced | {name[:-1] + "2" for name in replaced})
    build(source, tmp_path / "fresh", **options)
    assert_same(out, tmp_path / "fresh")
    sound(out)
    assert update(source, out).changes == {}


def test_the_policy_of_versions_is_kept_until_an_update_changes_it(
    sample: Path, evolution: Evolution, tmp_path: Path
) -> None:
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    evolution.move_on(source)
    build(source, out, select__versions="latest")
    scope = read_scope(Dataset.open(str(out)))
    assert scope
    assert (scope.versions, scope.words) == ("latest", "all, versions: latest")
    version = Dataset.open(str(out)).version
    assert build(source, out).articles_requested == len(names(out))
    with pytest.raises(ConfigError, match=r"the dataset takes latest .* --set select.versions=all"):
        build(source, out, select__versions="all")
    assert Dataset.open(str(out)).version == version
    report = update(source, out, select__versions="all")
    assert (report.changes["new"], report.changes["gone"]) == (1, 0)
    assert evolution.second[0] in names(out)
    assert update(source, out).changes == {}
    report = update(source, out, everything=True, select__versions="latest")
    assert (report.changes["new"], report.changes["gone"]) == (0, 1)
    assert update(source, out, everything=True).changes == {}


def test_a_selection_that_is_lost_is_given_anew(sample: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(sample, out, names_of(sample)[:2], select__versions="latest")
    for path in (out / SELECTIONS).glob("*.json"):
        path.unlink()
    with pytest.raises(StoreError, match="give the dataset's selection anew"):
        update(sample, out)
    report = update(sample, out, ids=names_of(sample)[:3], select__versions="latest")
    assert (report.changes["new"], report.changes["gone"]) == (1, 0)
    assert update(sample, out).changes == {}
