"""The build of `sample --defects`: each defect has the outcome that was written beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from biomedica.pipeline import RunReport
from biomedica.sources.sample import write_sample
from tests.integration.conftest import build, on_this_ray, rows
from tests.integration.test_truth import agree, plain

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

Defect = dict[str, Any]
ORDINARY = 5


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("defects") / "sample"
    write_sample(root, articles=ORDINARY, defects=True)
    return root


@pytest.fixture(scope="module")
def truth(source: Path) -> dict[str, Any]:
    return dict(json.loads((source / "truth.json").read_bytes()))


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunReport]:
    out = tmp_path_factory.mktemp("built") / "out"
    return out, build(source, out)


@pytest.fixture(scope="module")
def found(built: tuple[Path, RunReport]) -> dict[str, dict[str, Any]]:
    """What became of each article: its row, its pairs, its rejects."""
    out, report = built
    every: defaultdict[str, dict[str, Any]] = defaultdict(
        lambda: {"article": None, "pairs": [], "rejects": [], "deferred": None}
    )
    for row in rows(out, "articles"):
        every[row["article_id"]]["article"] = plain(row)
    for table in ("pairs", "rejects"):
        for row in rows(out, table):
            every[row["article_id"]][table].append(plain(row))
    for article, why in report.deferred:
        every[article]["deferred"] = why
    return every


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "biomedica", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=on_this_ray(),
    )


def outcome_of(article: dict[str, Any]) -> str:
    if article["deferred"] is not None:
        return "deferred"
    return "written" if article["article"] is not None else "rejected"


def test_every_defect_has_its_outcome(truth: dict[str, Any], found: dict[str, Any]) -> None:
    expected = {one["name"]: one["outcome"] for one in truth["defects"]}
    assert {one["name"]: outcome_of(found[one["article_id"]]) for one in truth["defects"]} == expected
    rejected = [one for one in truth["defects"] if one["outcome"] == "rejected"]
    expected = {one["name"]: (one["stage"], one["reason"], one["article_id"]) for one in rejected}
    assert {
        one["name"]: (row["stage"], row["reason"], row["item"])
        for one in rejected
        for row in found[one["article_id"]]["rejects"]
    } == expected


def written(truth: dict[str, Any]) -> list[Defect]:
    return [one for one in truth["defects"] if one["outcome"] == "written"]


def test_every_graphic_has_its_outcome(truth: dict[str, Any], found: dict[str, Any]) -> None:
    for one in written(truth):
        mine, name = found[one["article_id"]], one["name"]
        assert mine["article"]["graphic_count"] == len(one["graphics"]), name
        refused = {
            row["graphic_index"]: (row["stage"], row["reason"])
            for row in mine["rejects"]
            if row["graphic_index"] is not None
        }
        assert refused == {
            graphic["graphic_index"]: (graphic["stage"], graphic["reason"])
            for graphic in one["graphics"]
            if graphic["outcome"] == "reject"
        }, name
        pairs = sorted(mine["pairs"], key=lambda row: row["figure_position"])
        expected = [graphic for graphic in one["graphics"] if graphic["outcome"] == "pair"]
        assert len(pairs) == len(expected), name
        for row, graphic in zip(pairs, expected, strict=True):
            assert graphic["pair_id"] in (row["pair_id"], None), name
            agree(row, graphic["columns"], name)
        without = Counter(row["reason"] for row in mine["rejects"] if row["graphic_index"] is None)
        assert without == Counter(one["figures"]), name


def test_every_article_has_its_columns_and_warnings(
    truth: dict[str, Any], found: dict[str, Any]
) -> None:
    for one in written(truth):
        row = found[one["article_id"]]["article"]
        agree(row, one["article"], one["name"])
        assert sorted({text.partition(":")[0] for text in row["warnings"]}) == one["warnings"], one[
            "name"
        ]


def test_nothing_outside_the_rules_was_read(source: Path, built: tuple[Path, RunReport]) -> None:
    """Neither the file that an entity and an XInclude name, nor an image of another article."""
    out, _ = built
    held = json.dumps([rows(out, table) for table in ("articles", "pairs", "rejects")], default=str)
    secrets = list(source.glob("PMC99*/secret.txt"))
    assert len(secrets) == 2
    assert all(secret.read_text() not in held for secret in secrets)


def test_conservation_and_neighbours(
    truth: dict[str, Any], built: tuple[Path, RunReport], found: dict[str, Any]
) -> None:
    _, report = built
    assert report.balanced
    assert report.shards_failed == 0
    outcomes = Counter(one["outcome"] for one in truth["defects"])
    ordinary = Counter(one["outcome"] for one in truth["articles"])
    assert report.articles == outcomes["written"] + ordinary["article"]
    assert report.articles_rejected == outcomes["rejected"] + ordinary["reject"]
    assert report.articles_deferred == outcomes["deferred"]
    for one in truth["articles"]:
        mine = found[one["article_id"]]
        agree(mine["article"], one["article"], one["article_id"])
        assert {row["pair_id"] for row in mine["pairs"]} == {row["pair_id"] for row in one["pairs"]}


def test_verify_with_the_source_finds_nothing(source: Path, built: tuple[Path, RunReport]) -> None:
    done = cli("verify", built[0], "--source", source)
    assert done.returncode == 0, done.stdout
    assert "every promise holds" in done.stdout


def test_the_next_run_takes_the_deferred_alone_and_says_so(
    source: Path, truth: dict[str, Any], built: tuple[Path, RunReport]
) -> None:
    out, first = built
    done = cli("build", "--source", source, "--out", out, "--quiet", "--set", "runtime.gpus=0")
    assert done.returncode == 1, done.stderr
    waiting = [one["article_id"] for one in truth["defects"] if one["outcome"] == "deferred"]
    assert all(article in done.stdout for article in waiting), done.stdout + done.stderr
    assert "MD5" in done.stdout
    again = build(source, out)
    assert (again.articles, again.articles_rejected, again.pairs) == (0, 0, 0)
    assert sorted(article for article, _ in again.deferred) == waiting
    assert again.articles_skipped == first.articles_requested - len(waiting)
    assert sorted(again.deferred) == sorted(first.deferred)


def test_the_command_says_what_it_planted(tmp_path: Path) -> None:
    done = cli("sample", tmp_path / "s", "--articles", 1, "--defects")
    assert done.returncode == 0, done.stderr
    count = len(json.loads((tmp_path / "s" / "truth.json").read_bytes())["defects"])
    assert f"{count} more with a defect each" in done.stdout
