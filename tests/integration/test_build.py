"""The whole job on a real local Ray: counts, resume, routes, topologies, embeddings."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from biomedica.config import JobConfig, load_config
from biomedica.embedding import model_info
from biomedica.errors import RunStopped, StaleWriterError
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline import recount, run_embed
from biomedica.pipeline.run import Committer
from biomedica.store import Dataset, DatasetWriter, verify
from tests.integration.conftest import assert_same, build, data_files, part_of, rows

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def articles_of(sample: Path) -> list[str]:
    return sorted(path.stem for path in (sample / "metadata").glob("*.json"))


def verified(root: Path) -> None:
    report = verify(str(root))
    assert report.ok, report.findings
    assert not report.findings


def test_every_article_is_accounted_for(sample: Path, built: Path) -> None:
    dataset = Dataset.open(str(built))
    rejected = [row for row in rows(built, "rejects") if row["stage"] in ("source", "parse")]
    assert dataset.count("articles") + len(rejected) == len(articles_of(sample))
    for article in rows(built, "articles"):
        assert article["graphic_count"] == article["pair_count"] + article["graphic_reject_count"]
    report = verify(str(built))
    recount(str(built), str(sample), report)
    assert report.ok, report.findings
    assert report.counts["articles recounted in the source"] == dataset.count("articles")


def test_building_again_reads_and_commits_nothing(sample: Path, built: Path, checkpoint: str) -> None:
    before = Dataset.open(str(built)).version
    logs = sorted((built / "articles" / "_delta_log").iterdir())
    report = build(sample, built, embed__models=[checkpoint])
    assert report.articles_skipped == report.articles_requested == len(articles_of(sample))
    assert (report.media_read, report.pairs, report.rejects, report.articles) == (0, 0, 0, 0)
    assert report.shards == report.shards_skipped
    assert report.version == before
    assert sorted((built / "articles" / "_delta_log").iterdir()) == logs


def test_same_in_same_out(sample: Path, built: Path, checkpoint: str, tmp_path: Path) -> None:
    build(sample, tmp_path / "again", embed__models=[checkpoint], runtime__workers=2)
    assert data_files(tmp_path / "again") == data_files(built)


def test_a_larger_list_does_only_what_is_new(
    sample: Path, built: Path, checkpoint: str, tmp_path: Path
) -> None:
    """The files of what is done are removed from the source: nothing of them can be read."""
    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(sample, source)
    ids = articles_of(sample)
    first, later = ids[::2], ids[1::2]
    small = build(source, out, first, embed__models=[checkpoint])
    for article in first:
        shutil.rmtree(source / article)
    whole = build(source, out, ids, embed__models=[checkpoint])
    assert (whole.articles_requested, whole.articles_skipped) == (len(ids), len(first))
    assert whole.articles + whole.articles_rejected == len(later)
    assert small.pairs + whole.pairs == Dataset.open(str(built)).count("pairs")
    assert_same(out, built, same_source=False)
    shuffled = random.Random(1).sample(ids, len(ids))
    again = build(source, out, shuffled, runtime__articles_per_shard=3)
    assert (again.articles_skipped, again.media_read) == (len(ids), 0)
    verified(out)


def test_a_changed_article_and_a_changed_setting_redo_just_that(sample: Path, tmp_path: Path) -> None:
    source, out = part_of(sample, tmp_path / "source", 8), tmp_path / "out"
    build(source, out)
    changed = rows(out, "articles")[3]["article_id"]
    path = source / "metadata" / f"{changed}.json"
    metadata = json.loads(path.read_text())
    path.write_text(json.dumps({**metadata, "citation": "A corrected citation."}))
    report = build(source, out)
    assert (report.articles, report.articles_skipped) == (1, report.articles_requested - 1)
    (row,) = [row for row in rows(out, "articles") if row["article_id"] == changed]
    assert row["citation"] == "A corrected citation."
    verified(out)
    # a setting of a stage: everything again; back to the first: again, and the same rows
    build(source, out, image__max_pixels=150_000)
    assert {row["reason"] for row in rows(out, "rejects")} >= {"too_many_pixels"}
    verified(out)
    build(source, out)
    verified(out)
    build(source, tmp_path / "fresh")
    assert_same(out, tmp_path / "fresh")


def test_both_topologies_give_the_same_rows(
    sample: Path, built: Path, checkpoint: str, tmp_path: Path
) -> None:
    report = build(sample, tmp_path / "gpu", embed__models=[checkpoint], runtime__gpus=1)
    assert report.complete
    assert_same(tmp_path / "gpu", built)
    assert_embeddings_agree(tmp_path / "gpu", built)
    verified(tmp_path / "gpu")


@pytest.fixture(scope="module")
def plain(sample: Path, ray_cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample built without embeddings. Tests take copies."""
    out = tmp_path_factory.mktemp("plain") / "dataset"
    assert build(sample, out).complete
    return out


@pytest.mark.parametrize("gpus", [0, 1])
def test_embed_adds_a_model_to_what_exists(
    plain: Path, built: Path, checkpoint: str, tmp_path: Path, gpus: int
) -> None:
    out = tmp_path / "out"
    shutil.copytree(plain, out)
    assert not [table for table in Dataset.open(str(out)).tables if table.startswith("embeddings/")]
    values = {"dataset": str(out), "embed.models": [checkpoint], "runtime.gpus": gpus}
    config = load_config(JobConfig, None, values | {"runtime.workers": 1})
    report = run_embed(config, quiet=True)
    assert report.complete
    assert sum(report.embeddings.values()) == Dataset.open(str(out)).count("pairs")
    assert_embeddings_agree(out, built)
    verified(out)
    again = run_embed(config, quiet=True)
    assert (report.pairs, report.pairs_embedded) == (0, Dataset.open(str(out)).count("pairs"))
    assert (again.pairs_embedded, again.version) == (0, report.version)


def test_build_with_a_model_embeds_what_was_built_without(
    sample: Path, built: Path, checkpoint: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ids = articles_of(sample)
    build(sample, out, ids[:10])
    report = build(sample, out, ids, embed__models=[checkpoint])
    assert report.complete
    assert report.pairs + report.pairs_embedded == Dataset.open(str(out)).count("pairs")
    assert_embeddings_agree(out, built)
    verified(out)


def test_build_without_the_datasets_model_says_what_is_missing(
    sample: Path, checkpoint: str, tmp_path: Path
) -> None:
    """So does `verify`, until `embed` has added it."""
    out, ids = tmp_path / "out", articles_of(sample)
    first = build(sample, out, ids[:6], embed__models=[checkpoint])
    assert not first.models_not_run
    second = build(sample, out, ids[:12])
    assert second.models_not_run == list(first.embeddings)
    report = verify(str(out))
    assert set(report.problems) == {"not_embedded"}
    assert sum(report.unembedded.values()) == second.pairs
    run_embed(
        load_config(JobConfig, None, {"dataset": str(out), "embed.models": [checkpoint]}), quiet=True
    )
    verified(out)


def test_a_model_that_the_workers_lack_is_one_sentence(
    sample: Path, checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a folder is on the driver's machine alone."""
    info, gone = model_info(checkpoint), str(tmp_path / "gone")
    monkeypatch.setattr(pipeline_build, "model_info", lambda _: info)
    with pytest.raises(RunStopped, match="gone") as caught:
        build(sample, tmp_path / "out", articles_of(sample)[:4], embed__models=[f"local-dir:{gone}"])
    assert "\n" not in str(caught.value)
    assert "Traceback" not in str(caught.value)
    monkeypatch.undo()
    assert build(sample, tmp_path / "out", articles_of(sample)[:4], embed__models=[checkpoint]).complete
    verified(tmp_path / "out")


def test_what_the_source_does_later_breaks_no_promise(sample: Path, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    shutil.copytree(sample, source)
    build(source, out, articles_of(sample)[:8])
    written = [row["article_id"] for row in rows(out, "articles")]
    (source / "metadata" / f"{written[0]}.json").unlink()
    shutil.rmtree(source / written[0])
    metadata = source / "metadata" / f"{written[1]}.json"
    metadata.write_text(metadata.read_text() + "\n")
    report = verify(str(out))
    recount(str(out), str(source), report)
    assert report.ok
    assert report.problems == {"source_moved_on": 2}
    assert {finding.item for finding in report.findings} == set(written[:2])
    foreign = tmp_path / "foreign"
    (foreign / "metadata").mkdir(parents=True)
    shutil.copy(sample / "metadata" / f"{articles_of(sample)[-1]}.json", foreign / "metadata")
    report = verify(str(out))
    recount(str(out), str(foreign), report)
    assert not report.ok  # nothing was compared: that proves nothing
    assert report.problems["source_unreadable"] == 1


def test_two_models_at_once(sample: Path, checkpoint: str, tmp_path: Path) -> None:
    from biomedica.embedding import write_untrained_checkpoint

    other = write_untrained_checkpoint(tmp_path / "other", seed=5)
    out = tmp_path / "out"
    report = build(sample, out, articles_of(sample)[:8], embed__models=[checkpoint, str(other)])
    assert len(report.embeddings) == len(report.untrained_models) == 2
    assert set(report.embeddings.values()) == {report.pairs}
    verified(out)


def test_slices_of_a_shard_are_files_of_their_own(sample: Path, built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    build(sample, out, runtime__shard_bytes=200_000)
    assert_same(out, built)
    dataset = Dataset.open(str(out))
    assert len(dataset.files("pairs")) > len(Dataset.open(str(built)).files("pairs"))
    verified(out)


def assert_embeddings_agree(one: Path, other: Path) -> None:
    (table,) = [table for table in Dataset.open(str(one)).tables if table.startswith("embeddings/")]
    first, second = rows(one, table), rows(other, table)
    assert [row["pair_id"] for row in first] == [row["pair_id"] for row in second]
    left = np.array([row["embedding"] for row in first])
    right = np.array([row["embedding"] for row in second])
    assert (left * right).sum(axis=1).min() >= 0.9999


def test_an_older_run_stops_when_another_begins(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newer run has the dataset; what the older one had committed stays."""
    out, commit, commits = tmp_path / "out", Committer.commit, 0

    def overtaken(self: Committer) -> None:
        nonlocal commits
        commits += 1
        if commits == 2:
            DatasetWriter.begin(str(out)).close()
        commit(self)

    monkeypatch.setattr(Committer, "commit", overtaken)
    with pytest.raises(StaleWriterError):
        build(sample, out, runtime__commit_seconds=0, runtime__articles_per_shard=2)
    monkeypatch.undo()
    assert verify(str(out)).ok
    assert build(sample, out, runtime__articles_per_shard=2).complete
    verified(out)


def test_two_first_builds_at_once_write_each_article_once(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one begins and ends between this one's planning and its first commit."""
    out, ids, session = tmp_path / "out", articles_of(sample), pipeline_build.ray_session

    @contextlib.contextmanager
    def meanwhile(*arguments: Any, **named: Any) -> Iterator[Any]:
        monkeypatch.setattr(pipeline_build, "ray_session", session)
        build(sample, out, ids[:6], runtime__articles_per_shard=2)
        with session(*arguments, **named) as cluster:
            yield cluster

    monkeypatch.setattr(pipeline_build, "ray_session", meanwhile)
    report = build(sample, out, ids[:10], runtime__articles_per_shard=5)
    assert (report.articles_requested, report.articles_skipped) == (10, 6)
    verified(out)
