"""Snapshots in a dataset, their difference, and which are refused."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.catalogue import CHANGES, SNAPSHOT
from biomedica.errors import ConfigError, StoreError
from biomedica.ids import article_key
from biomedica.sources.inventory import SourceSnapshot, snapshot_name
from biomedica.sources.protocol import LISTING
from biomedica.sources.snapshot_rows import RowGatherer, SnapshotRows
from biomedica.store import Dataset, Storage, open_storage, verify
from biomedica.store.keep_snapshot import KeptSnapshot, keep_snapshot
from biomedica.store.snapshots import (
    difference,
    find_snapshot,
    newest_snapshot,
    open_snapshot,
    snapshot_names,
    write_snapshot,
)

State = dict[tuple[int, int], int]
"""(pmcid, version) → a number that stands for its ETag"""

STATES = st.dictionaries(st.tuples(st.integers(1, 30), st.integers(1, 3)), st.integers(0, 2))


def etag(number: int) -> bytes:
    return hashlib.md5(str(number).encode(), usedforsecurity=False).digest()


def rows_of(state: State) -> SnapshotRows:
    gatherer = RowGatherer()
    keys = np.array([article_key(*one) for one in state], np.int64)
    digests = np.frombuffer(b"".join(map(etag, state.values())), np.uint8).reshape(-1, 16)
    gatherer.add(keys, digests, np.array(list(state.values()), np.int64) * 1000)
    return gatherer.take()


def batches(state: State, sizes: Iterable[int] = ()) -> list[pa.RecordBatch]:
    """The state in order, cut into batches of any sizes, empty ones too."""
    whole = pa.Table.from_batches(rows_of(state).batches(), SNAPSHOT).combine_chunks()
    parts, start = [], 0
    for size in sizes:
        parts.append(whole.slice(start, size))
        start += size
    parts.append(whole.slice(start))
    nothing = pa.RecordBatch.from_pylist([], SNAPSHOT)
    return [batch for part in parts for batch in (part.to_batches() or [nothing])]


def model(before: State, after: State) -> list[tuple[int, int, str, bytes]]:
    found = []
    for key in sorted({*before, *after}):
        if key not in before:
            found.append((*key, "new", etag(after[key])))
        elif key not in after:
            found.append((*key, "gone", etag(before[key])))
        elif before[key] != after[key]:
            found.append((*key, "changed", etag(after[key])))
    return found


@settings(deadline=None)
@given(STATES, STATES, st.lists(st.integers(0, 9), max_size=8), st.lists(st.integers(0, 9), max_size=8))
def test_a_difference_is_that_of_two_dicts(
    before: State, after: State, cuts: Sequence[int], others: Sequence[int]
) -> None:
    parts = list(difference(batches(before, cuts), batches(after, others)))
    assert all(part.schema.equals(CHANGES, check_metadata=True) and part.num_rows for part in parts)
    rows = pa.Table.from_batches(parts, CHANGES).to_pylist()
    found = [(one["pmcid"], one["version"], one["change"], one["etag"]) for one in rows]
    assert found == model(before, after)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    for one in rows:
        state = before if one["change"] == "gone" else after
        seconds = state[one["pmcid"], one["version"]]
        assert one["last_modified"] == epoch + datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize("order", [[1, 0], [0, 0]])
def test_a_side_out_of_order_is_refused(order: list[int]) -> None:
    (batch,) = batches({(1, 1): 0, (2, 1): 0})
    wrong = batch.take(pa.array(order))
    with pytest.raises(StoreError, match="not in order"):
        list(difference([batch], [wrong]))
    with pytest.raises(StoreError, match="not in order"):
        list(difference([batch, batch], []))


def test_a_snapshot_is_read_as_it_was_written(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    state = {(n, 1 + n % 3): n for n in range(1, 2000)}
    written = write_snapshot(
        storage, "2026-07-01T01-00-00Z", rows_of(state).batches(100), {"kind": "x"}
    )
    opened = open_snapshot(storage, "2026-07-01T01-00-00Z")
    assert opened == written
    assert (opened.rows, opened.info) == (1999, {"kind": "x", "rows": 1999})
    assert list(difference(opened.batches(), rows_of(state).batches())) == []
    listing = opened.listing()
    assert listing.schema == LISTING
    assert listing["input_digest"].to_pylist() == [etag(n) for n in range(1, 2000)]
    path = tmp_path / "snapshots" / "2026-07-01T01-00-00Z.parquet"
    before = path.read_bytes()
    again = write_snapshot(storage, "2026-07-01T01-00-00Z", rows_of({}).batches(), {})
    assert (again, path.read_bytes()) == (written, before)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    state = {(n, 1): n for n in range(1, 500)}
    files = []
    for name, size in (("a", 7), ("b", 1000)):
        write_snapshot(open_storage(tmp_path / name), "2026-07-01T01-00-00Z",
                       rows_of(state).batches(1000), {"size": 1})  # fmt: skip
        files.append((tmp_path / name / "snapshots" / "2026-07-01T01-00-00Z.parquet").read_bytes())
        assert size
    assert files[0] == files[1]


def test_a_broken_snapshot_is_told(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    (tmp_path / "snapshots").mkdir()
    (tmp_path / "snapshots" / "2026-07-01T01-00-00Z.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(StoreError, match="no snapshot that can be read"):
        newest_snapshot(storage)
    with pytest.raises(StoreError, match="there is no snapshot"):
        open_snapshot(storage, "2026-07-02T01-00-00Z")


# -- keeping


def taken(state: State, day: int, kind: str = "inventory") -> SourceSnapshot:
    name = snapshot_name(datetime.datetime(2026, 7, day, 1, tzinfo=datetime.UTC))
    return SourceSnapshot(name, rows_of(state), {"kind": kind, "source": "s3://pmc"})


def keep(storage: Storage, state: State, day: int, share: float = 0.01, **more: str) -> KeptSnapshot:
    return keep_snapshot(storage, taken(state, day, **more), share)


def many(count: int, start: int = 1) -> State:
    return {(number, 1): number for number in range(start, start + count)}


def test_snapshots_follow_each_other(tmp_path: Path) -> None:
    storage = open_storage(tmp_path / "dataset")
    first = keep(storage, many(20), 1)
    assert (first.is_new, first.new, first.before) == (True, 20, None)
    second = keep(storage, many(20, 3) | {(5, 1): 99}, 2)
    assert (second.new, second.changed, second.gone) == (2, 1, 2)
    assert second.before == first.snapshot
    assert snapshot_names(storage) == ["2026-07-01T01-00-00Z", "2026-07-02T01-00-00Z"]
    assert Dataset.open_if_exists(tmp_path / "dataset") is None
    assert verify(tmp_path / "dataset").ok


def test_what_has_not_changed_is_not_written_again(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    first = keep(storage, many(20), 1)
    for day in (1, 2):
        again = keep(storage, many(20), day)
        assert (again.is_new, again.snapshot) == (False, first.snapshot)
    assert len(snapshot_names(storage)) == 1


def test_an_incomplete_source_is_refused_and_nothing_written(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    keep(storage, many(20_000), 1)
    keep(storage, many(20_000 - 200), 2)  # one in a hundred
    with pytest.raises(StoreError, match=r"lacks 19,799 .*max_gone_share=1\.000"):
        keep(storage, many(1), 3)
    with pytest.raises(StoreError, match=r"lacks 199 .* 2026-07-02T01-00-00Z"):
        keep(storage, many(25_000, 200), 3)  # more rows than before, and too many gone
    with pytest.raises(StoreError, match="lists no article version"):
        keep(storage, {}, 3, share=1.0)
    assert len(snapshot_names(storage)) == 2
    assert keep(storage, many(10_000), 3, share=0.5).gone == 9_800


def test_few_may_go_whatever_the_share(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    keep(storage, many(150), 1)
    assert keep(storage, many(50), 2).gone == 100
    keep(storage, many(200), 3)
    with pytest.raises(StoreError, match="lacks 101 "):
        keep(storage, many(99), 4)


def test_listings_of_one_second_follow_each_other(tmp_path: Path) -> None:
    """Or of machines whose clocks differ a little."""
    storage = open_storage(tmp_path)
    for count in (5, 6, 7):
        assert keep(storage, many(count), 9, kind="listing").is_new
    seconds = [name[-3:] for name in snapshot_names(storage)]
    assert seconds == ["00Z", "01Z", "02Z"]
    again = keep(storage, many(7), 9, kind="listing")
    assert (again.is_new, again.snapshot.name) == (False, "2026-07-09T01-00-02Z")


@pytest.mark.parametrize(("kind", "remedy"), [("inventory", "--list"), ("listing", "set the clock")])
def test_a_source_does_not_go_back_in_time(tmp_path: Path, kind: str, remedy: str) -> None:
    storage = open_storage(tmp_path)
    keep(storage, many(5), 9)
    with pytest.raises(StoreError, match=remedy):
        keep(storage, many(6), 8, kind=kind)


def test_a_place_that_is_something_else_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(StoreError, match="no dataset of biomedica"):
        keep(open_storage(tmp_path), many(5), 1)
    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


def test_a_snapshot_is_found_by_its_beginning(tmp_path: Path) -> None:
    storage = open_storage(tmp_path)
    with pytest.raises(ConfigError, match="takes one"):
        find_snapshot(storage, "2026")
    for day in (1, 2, 3):
        keep(storage, many(day), day)
    assert find_snapshot(storage, "2026-07-02").rows == 2
    assert find_snapshot(storage, "2026-07-01T01-00-00Z").rows == 1
    assert find_snapshot(storage, "2026").rows == 3
    for text in ("", "2027", "2026-07-01T01-00-00Z0"):
        with pytest.raises(ConfigError, match="2026-07-03T01-00-00Z"):
            find_snapshot(storage, text)
