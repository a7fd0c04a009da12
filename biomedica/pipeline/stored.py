"""Images of built shards, read from the store to be embedded. Knows nothing of Ray."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from biomedica.config import ImageConfig, JobConfig
from biomedica.errors import Rejected
from biomedica.imaging import model_pixels
from biomedica.pipeline.embedder import ShardEmbedder, write_embeddings
from biomedica.pipeline.shard import PixelRows, fail
from biomedica.pipeline.specs import EmbedSpec, Summary
from biomedica.schema import PixelSpec
from biomedica.store import Storage, open_storage

__all__ = ["StoredShard", "stored_images"]

ROWS_A_STEP = 64
ANY_SIZE = 1 << 40

Step = tuple[list[str], list[tuple[Any, ...]], list[tuple[str, str]]]


def stored_images(
    spec: EmbedSpec, storage: Storage, limits: ImageConfig, specs: Sequence[PixelSpec]
) -> Iterator[Step]:
    """In steps: pair ids, per pair one uint8 array per pixel spec, and (pair id, why) of the rest.

    The build has admitted these images: its limits are not asked again.
    """
    limits = limits.model_copy(update={"max_pixels": ANY_SIZE})
    for path in spec.files:
        file = pq.ParquetFile(pa.BufferReader(storage.get(path)))
        for batch in file.iter_batches(
            batch_size=ROWS_A_STEP, columns=["pair_id", "article_id", "image"]
        ):
            yield _decoded(batch, limits, specs, spec.articles)


def _decoded(
    batch: pa.RecordBatch, limits: ImageConfig, specs: Sequence[PixelSpec], articles: Sequence[str]
) -> Step:
    good: list[str] = []
    pixels: list[tuple[Any, ...]] = []
    bad: list[tuple[str, str]] = []
    images = batch["image"].field("bytes")
    pair_ids, article_ids = batch["pair_id"].to_pylist(), batch["article_id"].to_pylist()
    for row, (pair, article) in enumerate(zip(pair_ids, article_ids, strict=True)):
        if articles and article not in articles:
            continue
        try:
            pixels.append(model_pixels(images[row].as_py(), limits, specs))
            good.append(pair)
        except Rejected as fault:
            bad.append((pair, str(fault)))
    return good, pixels, bad


class StoredShard:
    """Embeds a built shard in this process, or hands out its model pixels (see ShardBuilder)."""

    def __init__(
        self, config: JobConfig, specs: Sequence[PixelSpec] = (), embedder: ShardEmbedder | None = None
    ) -> None:
        self.limits = config.image
        self.storage = open_storage(config.dataset, config.store)
        self.embedder = embedder
        self.specs = tuple(embedder.specs if embedder else specs)

    def build(self, spec: EmbedSpec) -> tuple[Summary, PixelRows]:
        """The shard's embeddings are written when this returns without a fault."""
        summary, out = Summary(spec.shard), PixelRows()
        start = time.perf_counter()
        try:
            if self.embedder:
                self.embedder.begin()
            for pair_ids, pixels, faults in stored_images(spec, self.storage, self.limits, self.specs):
                summary.pairs_embedded += len(pair_ids) + len(faults)
                summary.undecodable += faults
                if self.embedder:
                    self.embedder.add(pair_ids, pixels)
                else:
                    out.add(pair_ids, pixels)
            if self.embedder:
                pairs, vectors = self.embedder.finish()
                write_embeddings(self.storage, summary, self.embedder.infos, pairs, vectors)
            elif not out.complete:
                summary.reread = spec
        except Exception as error:  # noqa: BLE001 - a fault of one shard must not end the run
            return fail(summary, error), PixelRows()
        summary.stage_seconds = {"encode": time.perf_counter() - start}
        return summary, out
