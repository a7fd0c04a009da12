"""Embeds the images of one shard with one or several models. Knows nothing of Ray."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.config import EmbedConfig, digest_of
from biomedica.embedding import Encoder, ModelInfo, load_encoder
from biomedica.errors import Rejected
from biomedica.ids import article_id_of_pair
from biomedica.pipeline.rows import Row
from biomedica.pipeline.specs import Summary
from biomedica.schema import EMBEDDINGS, PixelSpec, embeddings_table
from biomedica.store import Storage, table_of

__all__ = ["ShardEmbedder", "embedding_digest", "load_embedder", "table_metadata", "write_embeddings"]

Vectors = npt.NDArray[np.float32]

IMAGES_AT_ONCE = 256
"""Images to gather before encoding. A CPU that runs several batches in a row finds the weights in
its caches; decoding in between drives them out. 256 images of 224 pixels are 38 MB."""


def embedding_digest(info: ModelInfo) -> str:
    """The digest of what makes an embedding: the weights and the preprocessing."""
    return digest_of(_identity(info))


def table_metadata(info: ModelInfo) -> dict[str, Any]:
    """What an embeddings table says of its model; `build_digest` is that of its rows."""
    return {**_identity(info), "untrained": info.untrained, "build_digest": embedding_digest(info)}


def _identity(info: ModelInfo) -> dict[str, Any]:
    """The model without the place it was loaded from."""
    return {
        "name": info.name,
        "slug": info.slug,
        "weights_digest": info.weights_digest,
        "dimension": info.dimension,
        "preprocessing": asdict(info.preprocessing),
    }


def load_embedder(config: EmbedConfig, device: str | None = None) -> ShardEmbedder:
    """The configured models, loaded. Raises ModelError."""
    return ShardEmbedder(
        [
            load_encoder(
                model,
                device=device or config.device,
                threads=config.threads,
                batch_size=config.batch_size,
            )
            for model in config.models
        ]
    )


class ShardEmbedder:
    """Collects pixels and encodes them in full batches.

    Batches are cut by position in the shard alone, so that the same shard gives the same bytes.
    """

    def __init__(self, encoders: Sequence[Encoder]) -> None:
        self.encoders = tuple(encoders)
        self.infos = tuple(encoder.info for encoder in encoders)
        self.specs: tuple[PixelSpec, ...] = tuple(dict.fromkeys(i.pixel_spec for i in self.infos))
        self.begin()

    def begin(self) -> None:
        """Forget what an earlier shard left."""
        self._pair_ids: list[str] = []
        self._waiting: list[list[Any]] = [[] for _ in self.encoders]
        self._vectors: list[list[Vectors]] = [[] for _ in self.encoders]

    def add(self, pair_ids: Sequence[str], pixels: Sequence[Sequence[Any]]) -> None:
        """Images with one uint8 array [size, size, 3] per pixel spec, in the order of `specs`."""
        self._pair_ids.extend(pair_ids)
        for number, encoder in enumerate(self.encoders):
            column = self.specs.index(encoder.info.pixel_spec)
            waiting = self._waiting[number]
            waiting.extend(arrays[column] for arrays in pixels)
            if len(waiting) >= max(IMAGES_AT_ONCE, encoder.batch_size):
                while len(waiting) >= encoder.batch_size:
                    self._encode(number)

    def _encode(self, number: int) -> None:
        """One batch of what waits for a model."""
        waiting, encoder = self._waiting[number], self.encoders[number]
        batch = np.stack(waiting[: encoder.batch_size])
        del waiting[: encoder.batch_size]
        self._vectors[number].append(encoder.encode_pixels(batch))

    def finish(self) -> tuple[list[str], list[Vectors]]:
        """Pair ids and, by model, float32 vectors [n, dimension]; begins anew."""
        stacked: list[Vectors] = []
        for number, info in enumerate(self.infos):
            while self._waiting[number]:
                self._encode(number)
            parts = self._vectors[number]
            stacked.append(
                np.concatenate(parts) if parts else np.zeros((0, info.dimension), np.float32)
            )
        pair_ids = self._pair_ids
        self.begin()
        return pair_ids, stacked


def write_embeddings(
    storage: Storage,
    summary: Summary,
    infos: Sequence[ModelInfo],
    pair_ids: Sequence[str],
    models: Sequence[Vectors],
) -> None:
    """Write a shard's embeddings and its rejects of stage `embed`, and count them in `summary`."""
    rejects: list[Row] = []
    undecodable = [(pair, Rejected("undecodable", why)) for pair, why in summary.undecodable]
    for info, vectors in zip(infos, models, strict=True):
        digest = embedding_digest(info)
        finite: list[bool] = [bool(np.isfinite(vector).all()) for vector in vectors]
        kept = [pair for pair, good in zip(pair_ids, finite, strict=True) if good]
        undefined = Rejected("not_finite", "the embedding has infinite or undefined values")
        bad = [(pair, undefined) for pair, good in zip(pair_ids, finite, strict=True) if not good]
        bad += undecodable
        rejects += [_reject(pair, fault, info, digest, summary.shard) for pair, fault in bad]
        summary.embeddings[info.slug] = len(kept)
        summary.embed_rejects[info.slug] = len(bad)
        if kept:
            table = _table(kept, vectors[finite], digest, summary.shard)
            summary.write(storage, embeddings_table(info.slug), table)
    if rejects:
        summary.reject(rejects)
        summary.write(storage, "rejects", table_of("rejects", rejects))


def _table(pair_ids: list[str], vectors: Vectors, digest: str, shard: str) -> pa.Table:
    count, dimension = vectors.shape
    offsets = pa.array(np.arange(count + 1, dtype=np.int32) * np.int32(dimension))
    values = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    columns = [
        pa.array(pair_ids, pa.string()),
        pa.ListArray.from_arrays(offsets, values),
        pa.array([digest] * count, pa.string()),
        pa.array([shard] * count, pa.string()),
    ]
    arrays = [column.cast(field.type) for column, field in zip(columns, EMBEDDINGS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=EMBEDDINGS)


def _reject(pair: str, fault: Rejected, info: ModelInfo, digest: str, shard: str) -> Row:
    return {
        "article_id": article_id_of_pair(pair),
        "item": pair,
        "graphic_index": None,
        "stage": "embed",
        "reason": fault.reason,
        "detail": f"{info.slug}: {fault.detail}",
        "source_uri": None,
        "input_digest": None,
        "build_digest": digest,
        "shard": shard,
    }
