"""The Ray actors: thin shells around ShardBuilder, StoredShard and ShardEmbedder.

Nothing raises out of them: a fault ends in the summary, and Ray's retries are for dead processes.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from biomedica.config import BuildConfig, JobConfig
from biomedica.embedding import ModelInfo
from biomedica.pipeline.articles import ABORT_VARIABLE
from biomedica.pipeline.blocks import (
    pack_pixels,
    pack_vectors,
    unpack_pixels,
    unpack_summary,
    unpack_vectors,
)
from biomedica.pipeline.embedder import load_embedder, write_embeddings
from biomedica.pipeline.metadata import MetadataReader
from biomedica.pipeline.shard import ShardBuilder, fail
from biomedica.pipeline.specs import EmbedSpec, ShardSpec, Summary
from biomedica.pipeline.stored import StoredShard, stored_images
from biomedica.schema import PixelSpec
from biomedica.sources import Lend
from biomedica.store import open_storage

__all__ = [
    "BuildActor",
    "DecodeActor",
    "EmbedActor",
    "MetadataActor",
    "ParseActor",
    "StoredActor",
    "WriteActor",
]

Batch = dict[str, Any]


def _settle() -> None:
    """Models and modules stay as long as the process: the collector need not walk them again."""
    if os.environ.get(ABORT_VARIABLE) == "start":
        os.abort()
    gc.collect()
    gc.freeze()


def _only(column: Any) -> str:
    """The one value of a batch: a shard is one block (ray.md §1)."""
    if len(column) != 1:
        raise RuntimeError(f"one shard a batch expected, got {len(column)}")
    return str(column[0])


def _shard_spec(batch: Batch) -> ShardSpec:
    return ShardSpec(_only(batch["shard"]), _only(batch["packed"]))


class BuildActor:
    """Builds a whole shard in one process: the topology without GPUs."""

    def __init__(self, config: BuildConfig, lend: Lend | None = None) -> None:
        embedder = load_embedder(config.embed, "cpu") if config.embed.models else None
        self.builder = ShardBuilder(config, embedder=embedder, lend=lend)
        _settle()

    def __call__(self, batch: Batch) -> Batch:
        summary, _ = self.builder.build(_shard_spec(batch))
        return {"summary": [summary.to_json()]}


class ParseActor:
    """Parses, decodes and writes a shard; hands model pixels on."""

    def __init__(
        self, config: BuildConfig, specs: Sequence[PixelSpec], lend: Lend | None = None
    ) -> None:
        self.builder = ShardBuilder(config, specs, lend=lend)
        _settle()

    def __call__(self, batch: Batch) -> pa.Table:
        summary, pixels = self.builder.build(_shard_spec(batch))
        return pack_pixels(summary, pixels, len(self.builder.specs))


class MetadataActor:
    """Reads the metadata of a shard of articles."""

    def __init__(self, config: BuildConfig, snapshot: str, lend: Lend | None = None) -> None:
        self.reader = MetadataReader(config, snapshot, lend)
        _settle()

    def __call__(self, batch: Batch) -> Batch:
        return {"summary": [self.reader.read(_shard_spec(batch)).to_json()]}


class StoredActor:
    """Embeds a built shard in one process: the topology without GPUs."""

    def __init__(self, config: JobConfig) -> None:
        self.shard = StoredShard(config, embedder=load_embedder(config.embed, "cpu"))
        _settle()

    def __call__(self, batch: Batch) -> Batch:
        summary, _ = self.shard.build(EmbedSpec.from_json(_only(batch["spec"])))
        return {"summary": [summary.to_json()]}


class DecodeActor:
    """Decodes the stored images of a built shard; hands model pixels on."""

    def __init__(self, config: JobConfig, specs: Sequence[PixelSpec]) -> None:
        self.shard = StoredShard(config, specs)
        _settle()

    def __call__(self, batch: Batch) -> pa.Table:
        summary, pixels = self.shard.build(EmbedSpec.from_json(_only(batch["spec"])))
        return pack_pixels(summary, pixels, len(self.shard.specs))


class EmbedActor:
    """Encodes the pixels of one shard on a GPU; hands on vectors, which are small."""

    def __init__(self, config: JobConfig) -> None:
        self.config = config
        self.embedder = load_embedder(self.config.embed)
        self.storage = open_storage(self.config.dataset, self.config.store)

    def __call__(self, block: pa.Table) -> pa.Table:
        summary = unpack_summary(block)
        pair_ids: list[str] = []
        vectors: list[Any] = [[] for _ in self.embedder.infos]
        if summary.fault is None:
            try:
                self._add(block, summary)
                pair_ids, vectors = self.embedder.finish()
            except Exception as error:  # noqa: BLE001 - a fault of one shard must not end the run
                fail(summary, error)
        return pack_vectors(summary, pair_ids, vectors)

    def _add(self, block: pa.Table, summary: Summary) -> None:
        specs = self.embedder.specs
        self.embedder.begin()
        if summary.reread is None:
            for pair_ids, pixels in unpack_pixels(block, specs):
                self.embedder.add(pair_ids, pixels)
            return
        # the decoding actor has counted pairs and undecodable images already
        for pair_ids, pixels, _ in stored_images(
            summary.reread, self.storage, self.config.image, specs
        ):
            self.embedder.add(pair_ids, pixels)
        summary.reread = None


class WriteActor:
    """Writes a shard's embeddings and closes its summary."""

    def __init__(self, config: JobConfig, infos: Sequence[ModelInfo]) -> None:
        self.storage = open_storage(config.dataset, config.store)
        self.infos = tuple(infos)

    def __call__(self, block: pa.Table) -> Batch:
        summary = unpack_summary(block)
        if summary.fault is None:
            try:
                pair_ids, vectors = unpack_vectors(block, [info.dimension for info in self.infos])
                write_embeddings(self.storage, summary, self.infos, pair_ids, vectors)
            except Exception as error:  # noqa: BLE001 - a fault of one shard must not end the run
                fail(summary, error)
        return {"summary": [summary.to_json()]}
