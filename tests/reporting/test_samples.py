"""Rows to look at: spread, the same each time, and only what is needed is read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.reporting.samples import _shares, reject_examples, sample_pairs
from biomedica.store import Dataset
from tests.reporting.pages import write_dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset.open(write_dataset(tmp_path_factory.mktemp("samples") / "d", shards=3))


def test_pairs_come_from_every_shard_and_are_the_same_each_time(dataset: Dataset) -> None:
    first = sample_pairs(dataset, 6, 64)
    assert first == sample_pairs(dataset, 6, 64)
    numbers = [int(pair.pair_id.split(".")[0].removeprefix("PMC")) for pair in first]
    assert {(number - 1) // 6 for number in numbers} == {0, 1, 2}
    assert len({pair.pair_id for pair in first}) == 6
    assert all(pair.picture.startswith("data:image/jpeg") for pair in first)


def test_only_the_shards_that_are_named(dataset: Dataset) -> None:
    found = sample_pairs(dataset, 100, 32, {"shard1", "never"})
    numbers = {int(pair.pair_id.split(".")[0].removeprefix("PMC")) for pair in found}
    assert numbers == set(range(7, 13))
    assert len(found) == 12
    assert sample_pairs(dataset, 5, 32, set()) == []


def test_images_are_read_for_the_chosen_pairs_alone(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    images, batches = Dataset.images, Dataset.batches

    def watched(self: Dataset, pair_ids: Any) -> Any:
        read.extend(pair_ids)
        return images(self, pair_ids)

    def without_images(self: Dataset, *arguments: Any, **named: Any) -> Any:
        for batch in batches(self, *arguments, **named):
            assert "image" not in batch.schema.names
            yield batch

    monkeypatch.setattr(Dataset, "images", watched)
    monkeypatch.setattr(Dataset, "batches", without_images)
    chosen = sample_pairs(dataset, 4, 32, places=2)
    assert sorted(read) == sorted(pair.pair_id for pair in chosen)


def test_rejects_are_taken_from_the_shards_in_turn(dataset: Dataset) -> None:
    named = {"image/media_missing": ["shard0", "shard2"], "image/corrupt": ["shard2"]}
    found = reject_examples(dataset, named, each=4)
    assert set(found) == {"image/media_missing"}
    numbers = [
        int(e.article_id.split(".")[0].removeprefix("PMC")) for e in found["image/media_missing"]
    ]
    assert len(numbers) == 4
    assert sum(number > 12 for number in numbers) == 2
    assert reject_examples(dataset, {}) == {}


@given(st.lists(st.integers(0, 20), max_size=12), st.integers(0, 60))
def test_shares_are_even_and_use_what_there_is(lengths: list[int], count: int) -> None:
    shares = _shares(lengths, count)
    assert sum(shares) == min(count, sum(lengths))
    assert all(share <= length for share, length in zip(shares, lengths, strict=True))
    unfilled = [share for share, length in zip(shares, lengths, strict=True) if share < length]
    assert not unfilled or max(shares) - min(unfilled) <= 1
