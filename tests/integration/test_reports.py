"""Every run leaves a page in its dataset, whose numbers are those of its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from biomedica.config import JobConfig, load_config
from biomedica.errors import ConfigError, Deferred, RunStopped, StoreError
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline import page as page_of_run
from biomedica.pipeline import run_embed
from biomedica.pipeline.graph import Graph
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.specs import ShardSpec, Summary
from biomedica.reporting import run_page
from biomedica.store import Dataset, verify
from tests.integration.conftest import build, part_of, rows
from tests.reporting.pages import checked, words

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def opened(report: RunReport) -> Any:
    assert report.report is not None
    return checked(Path(report.report).read_text(encoding="utf-8"))


def table(tree: Any, caption: str) -> dict[str, str]:
    """Row header → the text of the next cell, of the table with this caption."""
    found = tree.xpath(f"//table[caption[normalize-space()='{caption}']]/tbody/tr")
    return {_text(row[0]): _text(row[1]) for row in found}


def _text(element: Any) -> str:
    return " ".join(element.text_content().split())


def ids_of(sample: Path) -> list[str]:
    return sorted(path.stem for path in (sample / "metadata").glob("*.json"))


def pages(root: Path) -> list[Path]:
    return sorted((root / "_reports").iterdir())


@pytest.fixture(scope="module")
def built(
    sample: Path, checkpoint: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RunReport]:
    out = tmp_path_factory.mktemp("reports") / "dataset"
    return out, build(sample, out, embed__models=[checkpoint], runtime__articles_per_shard=3)


def test_the_numbers_of_a_build(built: tuple[Path, RunReport]) -> None:
    out, report = built
    assert [str(path) for path in pages(out)] == [report.report]
    assert pages(out)[0].name.endswith("-build.html")
    tree, values = opened(report), report.to_dict()
    done = table(tree, "Done")
    assert done["articles requested"] == f"{values['articles_requested']:,}"
    assert done["done before, skipped"] == "0"
    assert done["written"] == f"{values['articles']:,}"
    assert done["rejected as a whole"] == f"{values['articles_rejected']:,}"
    assert done["deferred to the next run"] == f"{values['articles_deferred']:,}"
    assert done["pairs written"] == f"{values['pairs']:,}"
    assert done["rejects of any kind"] == f"{values['rejects']:,}"
    ((slug, count),) = values["embeddings"].items()
    assert done[f"embeddings {slug}"] == f"{count:,}"
    assert f"{slug} is untrained: its embeddings mean nothing" in words(tree)
    assert table(tree, "Settings, without credentials")["runtime.articles_per_shard"] == "3"


def test_rejects_by_reason_are_those_of_the_rows(built: tuple[Path, RunReport]) -> None:
    out, report = built
    tree, rejects = opened(report), rows(out, "rejects")
    expected: dict[str, int] = {}
    for row in rejects:
        expected[f"{row['stage']}/{row['reason']}"] = (
            expected.get(f"{row['stage']}/{row['reason']}", 0) + 1
        )
    lines = tree.xpath("//table[thead//th[text()='which means']]/tbody/tr")
    assert {f"{_text(line[0])}/{_text(line[1])}": int(_text(line[3])) for line in lines} == expected
    known = {(row["article_id"], row["item"], row["source_uri"]) for row in rejects}
    examples = tree.xpath("//table[contains(@class, 'examples')]")
    assert len(examples) == len(expected)
    for example in examples:
        reason = "/".join(_text(example.getprevious()).replace(":", "").split()[:2])
        shown = example.xpath("./tbody/tr")
        assert len(shown) == min(5, expected[reason])
        for line in shown:
            article, item, _, where = (_text(cell) for cell in line)
            assert (article, article if item == "the article" else item, where) in known
            assert Path(unquote(urlsplit(where).path)).exists()


def test_the_sample_shows_pairs_of_this_run(
    built: tuple[Path, RunReport], sample: Path, tmp_path: Path
) -> None:
    first, report = built
    pairs = {row["pair_id"]: row for row in rows(first, "pairs")}
    figures = opened(report).xpath("//ul[@class='pairs']//figure")
    assert len(figures) == 12
    for figure in figures:
        command = figure.xpath(".//code")[0].text_content().split()
        assert command[:2] == ["biomedica", "show"]
        row = pairs[command[2].strip("'")]
        text = _text(figure)
        assert " ".join(row["caption"].split())[:100] in text
        assert row["license_code"] is None or row["license_code"] in text
    # a second run shows its own pairs alone
    out = tmp_path / "out"
    ids = ids_of(sample)
    build(sample, out, ids[:4])
    before = {row["pair_id"] for row in rows(out, "pairs")}
    later = build(sample, out, ids[:8])
    shown = {
        code.text_content().split()[2] for code in opened(later).xpath("//ul[@class='pairs']//code")
    }
    assert shown
    assert not shown & before


def test_nothing_to_do_leaves_no_page_unless_one_is_asked_for(
    built: tuple[Path, RunReport],
    sample: Path,
    checkpoint: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    out, _ = built
    version, before = Dataset.open(str(out)).version, pages(out)
    options: dict[str, Any] = {"embed__models": [checkpoint], "runtime__articles_per_shard": 3}
    again = build(sample, out, quiet=False, **options)
    assert again.report is None
    assert pages(out) == before
    assert f"nothing was new; the last run's page: {before[-1]}" in capfd.readouterr().err
    assert build(sample, out, **options).report is None
    assert capfd.readouterr().err == ""
    tree = opened(build(sample, out, report=str(tmp_path / "run.html"), **options))
    assert "Nothing was left to do: all 30 requested articles were done before" in words(tree)
    assert not tree.xpath("//img")
    assert Dataset.open(str(out)).version == version
    assert pages(out) == before


def test_embed_has_its_page_and_verify_leaves_pages_alone(
    built: tuple[Path, RunReport], tmp_path: Path
) -> None:
    from biomedica.embedding import write_untrained_checkpoint

    out, _ = built
    model = write_untrained_checkpoint(tmp_path / "other", seed=5)
    values = {"dataset": str(out), "embed.models": [str(model)], "runtime.gpus": 0}
    report = run_embed(load_config(JobConfig, None, values), quiet=True)
    tree = opened(report)
    assert Path(report.report or "").name.endswith("-embed.html")
    assert table(tree, "Done")["pairs of earlier runs embedded"] == f"{report.pairs_embedded:,}"
    assert len(tree.xpath("//ul[@class='pairs']//figure")) == 12
    assert "is untrained" in words(tree)
    before = pages(out)
    assert len(before) >= 2
    assert verify(str(out)).ok
    repaired = verify(str(out), repair=True)
    assert repaired.ok
    assert repaired.repaired == []
    assert pages(out) == before


def test_a_place_of_the_users_choice(sample: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "pages" / "run.html", tmp_path / "out"
    ids = ids_of(sample)[:2]
    for _ in range(2):  # the second one writes over the first
        report = build(sample, out, ids, report=str(path))
        assert report.report == str(path)
    assert "Nothing was left to do" in words(opened(report))
    assert not (out / "_reports").exists()


def test_a_place_where_no_page_can_be_is_told_before_the_run(sample: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place, why in ((tmp_path, "is a folder"), (tmp_path / "file" / "run.html", "no folder")):
        with pytest.raises(ConfigError, match=f"{why}.*--report"):
            build(sample, tmp_path / "out", report=str(place))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


@pytest.mark.parametrize("why", [Deferred("503"), OSError(28, "No space left on device")])
def test_a_page_that_cannot_be_written_is_a_warning(
    why: Exception, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def fail(*_: object) -> str:
        raise why

    ids = ids_of(sample)[:1]
    monkeypatch.setattr(page_of_run, "_put", fail)
    report = build(sample, tmp_path / "out", ids)
    assert report.complete
    assert report.report is None
    assert "warning: the run's report could not be written: " in capfd.readouterr().err


def test_a_page_that_fails_at_the_end_lies_in_the_dataset(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "pages" / "run.html", tmp_path / "out"

    def vanish(page: Any) -> str:
        (tmp_path / "pages").write_text("no folder any more")
        return run_page(page)

    ids = ids_of(sample)[:1]
    monkeypatch.setattr(page_of_run, "run_page", vanish)
    report = build(sample, out, ids, report=str(path))
    (page,) = pages(out)
    assert report.report == str(page)
    said = capfd.readouterr().err
    assert f"warning: cannot write {path}" in said
    assert f"the run's report lies at {page}" in said


def stopping(error: BaseException, after: int) -> Any:
    """A graph whose run ends with an error after some shards."""
    whole = Graph.build

    def run(self: Graph, specs: Sequence[ShardSpec], *, alone: bool = False) -> Iterator[Summary]:
        for number, summary in enumerate(whole(self, specs, alone=alone)):
            if number == after:
                raise error
            yield summary

    return run


@pytest.mark.parametrize(
    ("error", "why", "committed"),
    [
        (KeyboardInterrupt(), "Ctrl-C", False),
        (RunStopped("the workers cannot go on"), "workers cannot", True),
    ],
)
def test_a_run_that_stops_says_so(
    error: BaseException, why: str, committed: bool, sample: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out, ids = tmp_path / "out", ids_of(sample)[:12]
    monkeypatch.setattr(pipeline_build.Graph, "build", stopping(error, 3))
    with pytest.raises(type(error)):
        build(sample, out, ids, runtime__articles_per_shard=3, runtime__commit_seconds=3600)
    (page,) = pages(out)
    assert f"report: {page}" in capfd.readouterr().err
    tree = checked(page.read_text(encoding="utf-8"))
    shown, done = words(tree), table(tree, "Done")
    assert "stopped in the middle" in shown
    assert why in shown
    written = len(rows(out, "articles"))
    assert done["written"] == str(written)
    assert (written > 0) == committed
    assert ("do not count" in shown) == (not committed)
    done_at_all = written + int(done["rejected as a whole"])
    assert int(done["not reached"]) == len(ids) - done_at_all
    monkeypatch.undo()
    assert build(sample, out, ids, runtime__articles_per_shard=3).articles_skipped == done_at_all
    assert len(pages(out)) == 2


@pytest.mark.parametrize("cause", [StoreError("no space left for /d"), Deferred("cannot write now")])
def test_a_store_that_is_away_is_not_asked_again(
    cause: Exception, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = RunStopped(str(cause))
    stopped.__cause__ = cause
    monkeypatch.setattr(pipeline_build.Graph, "build", stopping(stopped, 1))
    ids = ids_of(sample)[:6]
    with pytest.raises(RunStopped):
        build(sample, tmp_path / "out", ids, runtime__articles_per_shard=2)
    assert not (tmp_path / "out" / "_reports").exists()
    page = tmp_path / "run.html"
    with pytest.raises(RunStopped):
        build(sample, tmp_path / "out", ids, runtime__articles_per_shard=2, report=str(page))
    shown = words(checked(page.read_text(encoding="utf-8")))
    assert str(cause) in shown
    assert "the dataset cannot be reached" in shown


def test_deferred_articles_stand_in_the_page(sample: Path, tmp_path: Path) -> None:
    source, ids = part_of(sample, tmp_path / "source", 3), ids_of(sample)
    xml = source / ids[1] / f"{ids[1]}.xml"
    xml.write_bytes(xml.read_bytes() + b"\n")
    report = build(source, tmp_path / "out")
    tree = opened(report)
    ((article, why),) = report.deferred
    cells = tree.xpath(f"//table/tbody/tr[th[text()='{article}']]/td")
    assert _text(cells[0]) == " ".join(why.split())
    assert "Finished, 1 article deferred" in words(tree)
