"""What happens to a shard that fails: its articles one by one, and nothing that does not add up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, JobConfig, load_config
from biomedica.embedding import write_untrained_checkpoint
from biomedica.errors import RunStopped, StoreError
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline import embed as pipeline_embed
from biomedica.pipeline import run_build, run_embed
from biomedica.pipeline.articles import ArticleBuilder
from biomedica.pipeline.embedder import ShardEmbedder, load_embedder
from biomedica.pipeline.graph import Graph
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.specs import EmbedSpec, Summary
from biomedica.pipeline.stored import StoredShard
from biomedica.sources.sample import write_sample
from biomedica.store import Dataset, verify
from tests.faults.driver import build_in_process, no_session


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    root = tmp_path_factory.mktemp("retries")
    write_sample(root / "sample", articles=6)
    return root / "sample", str(write_untrained_checkpoint(root / "model"))


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards are built in this process, one after the other."""
    monkeypatch.setattr(pipeline_build, "ray_session", no_session)
    monkeypatch.setattr(pipeline_embed, "ray_session", no_session)
    monkeypatch.setattr(Graph, "build", build_in_process)


def run(places: tuple[Path, str], out: Path) -> RunReport:
    source, model = places
    values = {"source": str(source), "dataset": str(out), "embed.models": [model]}
    return run_build(load_config(BuildConfig, None, values), quiet=True)


def articles(source: Path) -> list[str]:
    return sorted(path.stem for path in (source / "metadata").iterdir())


def test_a_fault_of_one_article_leaves_its_neighbours(
    places: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    victim, close = articles(places[0])[2], ArticleBuilder._close

    def broken(self: ArticleBuilder, opened: Any) -> Any:
        if opened.holding.article_id == victim:
            raise ZeroDivisionError("an error of ours")
        return close(self, opened)

    monkeypatch.setattr(ArticleBuilder, "_close", broken)
    report = run(places, tmp_path / "out")
    assert report.deferred == [(victim, "an error of ours")]
    assert (report.articles_deferred, report.shards_failed) == (1, 1)
    assert report.articles + report.articles_rejected == len(articles(places[0])) - 1
    assert verify(str(tmp_path / "out")).ok
    monkeypatch.undo()


def test_embed_tries_the_articles_of_a_failed_shard_one_by_one(
    places: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, model = places
    out = str(tmp_path / "out")
    run_build(load_config(BuildConfig, None, {"source": str(source), "dataset": out}), quiet=True)
    victims: list[str] = []

    def embed(graph: Graph, specs: Sequence[EmbedSpec], *, alone: bool = False) -> Iterator[Summary]:
        """A worker that dies of one article; alone it takes no other with it."""
        shard = StoredShard(graph.config, embedder=load_embedder(graph.config.embed, "cpu"))
        victims[:] = victims or [specs[0].articles[1]]
        for spec in specs:
            if victims[0] not in spec.articles:
                yield Summary.from_json(shard.build(spec)[0].to_json())
            else:
                assert alone == (len(spec.articles) == 1)

    monkeypatch.setattr(Graph, "embed", embed)
    config = load_config(JobConfig, None, {"dataset": out, "embed.models": [model]})
    report = run_embed(config, quiet=True)
    assert report.shards_failed == 1
    lacking = verify(out)
    assert set(lacking.problems) == {"not_embedded"}
    (missing,) = lacking.unembedded.values()
    assert missing + sum(report.embeddings.values()) == Dataset.open(out).count("pairs")
    victims[0] = "PMC0.0"
    assert run_embed(config, quiet=True).complete
    assert verify(out).ok


def test_rows_that_do_not_add_up_are_never_committed(
    places: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = ShardEmbedder.finish

    def forgetful(self: ShardEmbedder) -> Any:
        pair_ids, vectors = finish(self)
        return pair_ids[1:], [values[1:] for values in vectors]

    monkeypatch.setattr(ShardEmbedder, "finish", forgetful)
    out = tmp_path / "out"
    report = run(places, out)
    with_images = report.articles_deferred
    assert with_images
    assert all("embeddings" in why for _, why in report.deferred)
    assert Dataset.open(str(out)).count("pairs") == report.pairs == 0
    assert verify(str(out)).ok
    monkeypatch.setattr(ShardEmbedder, "finish", finish)
    again = run(places, out)
    assert again.complete
    assert again.articles + again.articles_rejected == with_images


def test_what_was_accepted_is_committed_when_a_run_must_stop(
    places: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = articles(places[0])[-1]

    def full(self: ArticleBuilder, opened: Any) -> Any:
        if opened.holding.article_id == last:
            raise StoreError("no space left")
        return close(self, opened)

    close = ArticleBuilder._close
    monkeypatch.setattr(ArticleBuilder, "_close", full)
    source, _ = places
    values = {
        "source": str(source),
        "dataset": str(tmp_path / "out"),
        "runtime.articles_per_shard": 1,
        "runtime.commit_seconds": 1000,
    }
    with pytest.raises(RunStopped, match="no space left"):
        run_build(load_config(BuildConfig, None, values), quiet=True)
    dataset = Dataset.open(str(tmp_path / "out"))
    assert dataset.count("articles") + dataset.count("rejects") > 0
    assert last not in {
        name for batch in dataset.batches("articles") for name in batch["article_id"].to_pylist()
    }
