"""Images by ranges: the right bytes, little else read, and right too where a file is laid out otherwise."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.errors import StoreError
from biomedica.schema import table_schema
from biomedica.store import Dataset, DatasetWriter, open_storage, table_of
from biomedica.store.images import images_of_file
from biomedica.store.shards import _encode

from .synthetic import pair_row, shard_files

SHARD, LATER = "0123456789abcdef", "f" * 16


class Counted(io.BytesIO):
    """A file that counts the bytes read of it."""

    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def image_row(number: int, data: bytes) -> Any:
    return pair_row(
        number,
        1,
        SHARD,
        byte_size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        image={"bytes": data, "path": "f1.jpg"},
    )


def pair(number: int) -> str:
    return f"PMC{number}.1/f1.jpg"


def read(data: Any, pair_ids: list[str]) -> tuple[dict[str, bytes], int]:
    """The images, and how many bytes were read for them."""
    file = Counted(data)
    return images_of_file(pa.PythonFile(file, mode="r"), pair_ids, lambda batch: batch), file.count


@pytest.fixture
def no_row_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images must be found without the rest of their row group."""
    monkeypatch.delattr(pq.ParquetFile, "read_row_group")


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=300), min_size=1, max_size=230), st.data())
def test_any_image_of_a_file_is_found(images: list[bytes], data: st.DataObject) -> None:
    rows = table_of("pairs", [image_row(n, image) for n, image in enumerate(images, 1)])
    encoded, _, _ = _encode("pairs", rows.to_batches())
    numbers = data.draw(st.sets(st.integers(1, len(images) + 3), max_size=5))
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr(pq.ParquetFile, "read_row_group")
        found, _ = read(encoded, [pair(n) for n in numbers])
    assert found == {pair(n): images[n - 1] for n in numbers if n <= len(images)}


@pytest.mark.usefixtures("no_row_groups")
def test_one_picture_costs_its_bytes_and_the_small_columns() -> None:
    images = [bytes([n]) * 40_000 for n in range(1, 231)]  # 9.2 MB, pages over 1 MiB
    rows = table_of("pairs", [image_row(n, image) for n, image in enumerate(images, 1)])
    encoded, _, _ = _encode("pairs", rows.to_batches())
    for number in (1, 57, 100, 101, 230):
        found, count = read(encoded, [pair(number)])
        assert found == {pair(number): images[number - 1]}
        assert count < 40_000 + 120_000


@pytest.mark.parametrize(
    "layout",
    [
        {"data_page_size": 1000, "write_batch_size": 1},
        {"compression": "zstd"},
        {"use_dictionary": True, "compression": "none"},
        {"data_page_version": "2.0", "compression": "none", "use_dictionary": False},
        {"write_statistics": False},
    ],
)
def test_a_file_of_another_layout_is_read_too(layout: dict[str, Any]) -> None:
    rows = table_of("pairs", [image_row(n, bytes([n]) * 900) for n in range(1, 31)])
    sink = pa.BufferOutputStream()
    pq.write_table(rows, sink, **layout)
    found, _ = read(sink.getvalue(), [pair(n) for n in (1, 2, 30)])
    assert found == {pair(n): bytes([n]) * 900 for n in (1, 2, 30)}


@pytest.mark.parametrize("wrong", [{"byte_size": 3}, {"byte_size": None}, {"byte_size": 10**9}, {"byte_size": -9},
                                   {"sha256": "0" * 64}])  # fmt: skip
def test_what_a_row_says_of_its_image_is_not_trusted(wrong: dict[str, Any]) -> None:
    rows = [image_row(n, bytes([n]) * 900) for n in range(1, 4)]
    rows[1] |= wrong
    encoded, _, _ = _encode("pairs", table_of("pairs", rows).to_batches())
    found, _ = read(encoded, [pair(n) for n in (1, 2, 3)])
    assert found == {pair(n): bytes([n]) * 900 for n in (1, 2, 3)}


def test_no_rows() -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(table_schema("pairs").empty_table(), sink)
    assert read(sink.getvalue(), [pair(1)])[0] == {}


def test_of_a_dataset_only_live_pairs_and_the_files_that_can_hold_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "dataset"
    storage = open_storage(root)
    with DatasetWriter.begin(root) as writer:
        for shard, numbers in ((SHARD, [1, 2, 3]), ("1" * 16, [4, 5])):
            writer.commit(shard_files(storage, shard, numbers))
        writer.commit(shard_files(storage, LATER, [2], state="B", replaces=SHARD))
    dataset = Dataset.open(root)
    wanted = ["PMC1.1/f1.jpg", "PMC2.1/f2.jpg", "PMC9.1/f1.jpg", "PMC1.1/none.jpg"]
    opened: list[int] = []
    real = images_of_file

    def watched(handle: Any, pair_ids: Any, live: Any) -> dict[str, bytes]:
        found = real(handle, pair_ids, live)
        opened.append(len(found))
        return found

    monkeypatch.setattr("biomedica.store.dataset.images_of_file", watched)
    found = dataset.images(wanted)
    assert found == {"PMC1.1/f1.jpg": bytes([1, 1]) * 40, "PMC2.1/f2.jpg": bytes([2, 2]) * 40}
    assert sorted(opened) == [1, 1]  # of three files; the dead twin of PMC2.1 is none
    assert dataset.images([]) == {}


def test_a_broken_file_is_told(tmp_path: Path) -> None:
    with DatasetWriter.begin(tmp_path) as writer:
        writer.commit(shard_files(writer.storage, SHARD, [1]))
    dataset = Dataset.open(tmp_path)
    (name, size, _) = dataset.files("pairs")[0]
    (tmp_path / "pairs" / name).write_bytes(bytes(size))
    with pytest.raises(StoreError, match="verify"):
        dataset.images([pair(1)])
    (tmp_path / "pairs" / name).unlink()
    with pytest.raises(StoreError, match="lacks a file"):
        dataset.images([pair(1)])
