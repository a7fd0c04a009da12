"""Pixels and vectors cross between operators unchanged."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from biomedica.pipeline import shard
from biomedica.pipeline.blocks import (
    pack_pixels,
    pack_vectors,
    unpack_pixels,
    unpack_summary,
    unpack_vectors,
)
from biomedica.pipeline.shard import PixelRows
from biomedica.pipeline.specs import Summary
from biomedica.schema import PixelSpec

SPECS = (PixelSpec(4), PixelSpec(6))
RANDOM = np.random.default_rng(0)


def some_pixels(count: int) -> PixelRows:
    rows = PixelRows()
    arrays = [
        tuple(RANDOM.integers(0, 255, (spec.size, spec.size, 3), np.uint8) for spec in SPECS)
        for _ in range(count)
    ]
    rows.add([f"PMC1.1/{n}.jpg" for n in range(count)], arrays)
    return rows


@pytest.mark.parametrize("count", [0, 1, 300])
def test_pixels(count: int) -> None:
    rows, summary = some_pixels(count), Summary("s", pairs=count)
    block = pack_pixels(summary, rows, len(SPECS))
    assert block.num_rows == 1
    assert unpack_summary(block) == summary
    steps = list(unpack_pixels(block, SPECS))
    assert [pair for pairs, _ in steps for pair in pairs] == rows.pair_ids
    found = [arrays for _, pixels in steps for arrays in pixels]
    for mine, theirs in zip(rows.pixels, found, strict=True):
        assert all(np.array_equal(one, other) for one, other in zip(mine, theirs, strict=True))


@pytest.mark.parametrize("count", [0, 3])
def test_vectors(count: int) -> None:
    vectors = [RANDOM.random((count, size), np.float32) for size in (5, 7)]
    pairs = [f"PMC1.1/{n}.jpg" for n in range(count)]
    block = pack_vectors(Summary("s"), pairs, vectors)
    names, found = unpack_vectors(block, [5, 7])
    assert names == pairs
    assert all(np.array_equal(one, other) for one, other in zip(vectors, found, strict=True))


def test_pixels_over_the_limit_are_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shard, "PIXEL_BYTES", 1000)
    rows = some_pixels(20)
    assert not rows.complete
    assert not rows.pixels
    assert list(unpack_pixels(pack_pixels(Summary("s"), rows, 2), SPECS)) == []


def test_two_shards_in_a_block_are_refused() -> None:
    block = pack_vectors(Summary("s"), [], [])
    with pytest.raises(RuntimeError, match="one shard"):
        unpack_summary(pa.concat_tables([block, block]))
