"""The actors called as Ray calls them, without Ray: both topologies write the same rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from biomedica.config import BuildConfig, EmbedConfig, ImageConfig, build_digest, load_config
from biomedica.embedding import model_info, write_untrained_checkpoint
from biomedica.jats import PARSER_VERSION
from biomedica.pipeline import shard
from biomedica.pipeline.actors import (
    BuildActor,
    DecodeActor,
    EmbedActor,
    ParseActor,
    StoredActor,
    WriteActor,
)
from biomedica.pipeline.blocks import unpack_summary
from biomedica.pipeline.embedder import embedding_digest, table_metadata, write_embeddings
from biomedica.pipeline.plan import make_plan, requested_articles
from biomedica.pipeline.shard import ShardBuilder
from biomedica.pipeline.specs import EmbedSpec, ShardSpec, Summary
from biomedica.schema import embeddings_table
from biomedica.sources import open_source
from biomedica.sources.sample import write_sample
from biomedica.store import Dataset, DatasetWriter, open_storage, verify


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A small sample and a checkpoint."""
    root = tmp_path_factory.mktemp("actors")
    write_sample(root / "sample", articles=4)
    return str(root / "sample"), str(write_untrained_checkpoint(root / "model"))


@pytest.fixture
def config(places: tuple[str, str], tmp_path: Path) -> BuildConfig:
    source, model = places
    return load_config(
        BuildConfig, None, {"source": source, "dataset": str(tmp_path / "out"), "embed.models": [model]}
    )


@pytest.fixture
def writer(config: BuildConfig) -> Iterator[DatasetWriter]:
    info = model_info(config.embed.models[0])
    with DatasetWriter.begin(
        config.dataset, config.store, {embeddings_table(info.slug): table_metadata(info)}
    ) as opened:
        yield opened


def the_shard(config: BuildConfig) -> ShardSpec:
    requested = requested_articles(open_source(config.source), None)
    (spec,) = make_plan(requested, None, build_digest(config, PARSER_VERSION), 100).shards
    return spec


def batch(spec: ShardSpec) -> dict[str, list[str]]:
    return {"shard": [spec.shard], "packed": [spec.packed]}


def vectors(dataset: Dataset) -> dict[str, list[float]]:
    (table,) = [name for name in dataset.tables if name.startswith("embeddings/")]
    found: dict[str, list[float]] = {}
    for rows in dataset.batches(table):
        found |= dict(zip(rows["pair_id"].to_pylist(), rows["embedding"].to_pylist(), strict=True))
    return found


@pytest.mark.parametrize("limit", [shard.PIXEL_BYTES, 100_000])
def test_three_operators_write_what_one_writes(
    limit: int,
    config: BuildConfig,
    writer: DatasetWriter,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also when the pixels of a shard are too many to travel and the images are read again."""
    spec, info = the_shard(config), model_info(config.embed.models[0])
    (one,) = BuildActor(config)(batch(spec))["summary"]
    monkeypatch.setattr(shard, "PIXEL_BYTES", limit)
    elsewhere = config.model_copy(update={"dataset": str(tmp_path / "three")})
    tables = {embeddings_table(info.slug): table_metadata(info)}
    with DatasetWriter.begin(elsewhere.dataset, elsewhere.store, tables) as other:
        pixels = ParseActor(elsewhere, [info.pixel_spec])(batch(spec))
        assert (unpack_summary(pixels).reread is None) == (limit > 100_000)
        (three,) = WriteActor(elsewhere, [info])(EmbedActor(elsewhere)(pixels))["summary"]
        first, second = Summary.from_json(one), Summary.from_json(three)
        assert first.fault is second.fault is None
        assert sorted(file.path for file in first.files) == sorted(file.path for file in second.files)
        assert first.embeddings == second.embeddings == {info.slug: first.pairs}
        writer.commit(first.files)
        other.commit(second.files)
    assert vectors(Dataset.open(config.dataset)) == vectors(Dataset.open(elsewhere.dataset))


def test_stored_images_give_the_same_embeddings(config: BuildConfig, writer: DatasetWriter) -> None:
    spec, info = the_shard(config), model_info(config.embed.models[0])
    (text,) = BuildActor(config)(batch(spec))["summary"]
    summary = Summary.from_json(text)
    pairs = tuple(f"pairs/{file.path}" for file in summary.files if file.table == "pairs")
    again = {"spec": [EmbedSpec(spec.shard, pairs).to_json()]}
    (whole,) = StoredActor(config)(again)["summary"]
    pixels = DecodeActor(config, [info.pixel_spec])(again)
    (three,) = WriteActor(config, [info])(EmbedActor(config)(pixels))["summary"]
    name = embeddings_table(info.slug)
    built = [file for file in summary.files if file.table == name]
    small = config.model_copy(
        update={"image": ImageConfig(max_pixels=1)}
    )  # the build has admitted them
    (tight,) = StoredActor(small)(again)["summary"]
    assert Summary.from_json(tight).files == built
    assert built == Summary.from_json(whole).files == Summary.from_json(three).files


def test_a_fault_ends_in_the_summary(config: BuildConfig, writer: DatasetWriter) -> None:
    lost = {"spec": [EmbedSpec("0" * 16, ("pairs/none.parquet",)).to_json()]}
    (text,) = StoredActor(config)(lost)["summary"]
    summary = Summary.from_json(text)
    assert summary.fault
    assert not summary.files
    info = model_info(config.embed.models[0])
    block = DecodeActor(config, [info.pixel_spec])(lost)
    (text,) = WriteActor(config, [info])(EmbedActor(config)(block))["summary"]
    assert Summary.from_json(text).fault == summary.fault


def test_a_vector_that_is_not_finite_is_a_reject(config: BuildConfig, writer: DatasetWriter) -> None:
    info = model_info(config.embed.models[0])
    good = np.zeros(info.dimension, np.float32)
    good[0] = 1
    summary = Summary("5" * 16, undecodable=[("PMC1.1/c.jpg", "truncated: ends early")])
    storage = open_storage(config.dataset)
    pairs = ["PMC1.1/a.jpg", "PMC1.1/b.jpg"]
    write_embeddings(storage, summary, [info], pairs, [np.stack([good, good * np.nan])])
    assert (summary.embeddings, summary.rejects) == ({info.slug: 1}, 2)
    writer.commit(summary.files)
    rejects = [
        row for rows in Dataset.open(config.dataset).batches("rejects") for row in rows.to_pylist()
    ]
    assert {(row["item"], row["reason"], row["build_digest"]) for row in rejects} == {
        ("PMC1.1/b.jpg", "not_finite", embedding_digest(info)),
        ("PMC1.1/c.jpg", "undecodable", embedding_digest(info)),
    }
    assert {row["stage"] for row in rejects} == {"embed"}


def test_a_reject_of_a_model_keeps_the_dataset_whole(
    config: BuildConfig, writer: DatasetWriter
) -> None:
    """What the pipeline writes and what verify expects are the same, from build to commit to verify."""
    spec, info = the_shard(config), model_info(config.embed.models[0])
    actor = BuildActor(config)
    (encoder,) = actor.builder.embedder.encoders  # type: ignore[union-attr]
    encode, spoilt = encoder.encode_pixels, []

    def with_one_undefined(pixels: np.ndarray) -> np.ndarray:
        vectors = encode(pixels)
        if not spoilt:
            spoilt.append(True)
            vectors[0] = np.nan
        return vectors

    encoder.encode_pixels = with_one_undefined  # type: ignore[method-assign]
    summary = Summary.from_json(actor(batch(spec))["summary"][0])
    assert summary.embeddings == {info.slug: summary.pairs - 1}
    writer.commit(summary.files)
    report = verify(config.dataset)
    assert report.ok, report.findings


def test_an_article_that_was_listed_and_is_gone_waits(
    config: BuildConfig, writer: DatasetWriter
) -> None:
    """An unmounted source must not turn what it listed into rejects for good."""
    spec, metadata = the_shard(config), Path(config.source) / "metadata"
    builder = ShardBuilder(config.model_copy(update={"embed": EmbedConfig()}))
    hidden = metadata.rename(metadata.with_name("elsewhere"))
    try:
        summary, _ = builder.build(spec)
    finally:
        hidden.rename(metadata)
    assert (summary.articles, summary.articles_rejected) == (0, 0)
    assert len(summary.deferred) == len(spec)
