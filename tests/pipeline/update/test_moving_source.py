"""The source moves on while an update reads it: after the listing, before an article is read."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from biomedica.pipeline.graph import Graph
from biomedica.pipeline.specs import ShardSpec, Summary
from tests.comparing import assert_same, rows, sound
from tests.evolving import Evolution, edit
from tests.faults.driver import build_in_process
from tests.pipeline.update.conftest import build, names, update

Meanwhile = Callable[[Callable[[], object]], None]


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Does something once, when a run has listed its source and begins to read it."""

    def prepare(act: Callable[[], object]) -> None:
        def moving(
            graph: Graph, specs: Sequence[ShardSpec], *, alone: bool = False
        ) -> Iterator[Summary]:
            monkeypatch.setattr(Graph, "build", build_in_process)
            act()
            yield from build_in_process(graph, specs, alone=alone)

        monkeypatch.setattr(Graph, "build", moving)

    return prepare


def gone(source: Path, name: str) -> None:
    (source / "metadata" / f"{name}.json").unlink()
    shutil.rmtree(source / name)


@pytest.fixture
def moved(sample: Path, evolution: Evolution, tmp_path: Path) -> tuple[Path, Path]:
    """(the source in state B, the dataset in state A)"""
    source, out = evolution.begin(tmp_path / "source"), tmp_path / "out"
    build(source, out)
    evolution.move_on(source)
    return source, out


def is_as_fresh(source: Path, out: Path, tmp_path: Path) -> None:
    build(source, tmp_path / "fresh")
    assert_same(out, tmp_path / "fresh")
    sound(out)
    assert update(source, out).changes == {}


def test_metadata_that_changes_between_listing_and_reading(
    moved: tuple[Path, Path], evolution: Evolution, meanwhile: Meanwhile, tmp_path: Path
) -> None:
    """What was read is what the row says it was: the next update has nothing to do."""
    source, out = moved
    late = [evolution.changed[0], evolution.added[0]]

    def move() -> None:
        for name in late:
            edit(source, name, citation="Changed while it was read.")

    meanwhile(move)
    report = update(source, out)
    assert report.complete
    told = {row["article_id"]: row["citation"] for row in rows(out, "articles")}
    assert {told[name] for name in late if name in told} == {"Changed while it was read."}
    is_as_fresh(source, out, tmp_path)


@pytest.mark.parametrize("kind", ["changed", "added"])
def test_an_article_withdrawn_during_the_run(
    moved: tuple[Path, Path], evolution: Evolution, meanwhile: Meanwhile, tmp_path: Path, kind: str
) -> None:
    """It is deferred and its neighbours are published; the next update takes its old rows away."""
    source, out = moved
    name = getattr(evolution, kind)[0]
    meanwhile(lambda: gone(source, name))
    report = update(source, out)
    assert report.deferred == [(name, f"the source listed {name} and has it no more")]
    assert (name in names(out)) == (kind == "changed")
    assert {*evolution.seconds} <= {*names(out)}
    sound(out)
    update(source, out)
    assert name not in names(out)
    is_as_fresh(source, out, tmp_path)


def test_an_article_that_is_gone_for_a_moment_keeps_its_rows(
    moved: tuple[Path, Path], evolution: Evolution, meanwhile: Meanwhile, tmp_path: Path
) -> None:
    """Nothing of it is lost: the next update builds it as it is then."""
    source, out = moved
    name = evolution.changed[0]
    kept: list[Any] = []

    def hide() -> None:
        for path in (source / "metadata" / f"{name}.json", source / name):
            kept.append(shutil.move(path, tmp_path / f"kept-{path.name}"))

    meanwhile(hide)
    update(source, out)
    shutil.move(kept[0], source / "metadata" / f"{name}.json")
    shutil.move(kept[1], source / name)
    update(source, out)
    is_as_fresh(source, out, tmp_path)
