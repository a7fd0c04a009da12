from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.ids import article_key, split_key
from biomedica.schema import table_schema
from biomedica.sources.protocol import LISTING
from biomedica.store import (
    Dataset,
    DatasetWriter,
    Done,
    current_shards,
    done_articles,
    listing_keys,
    open_storage,
    pending,
    table_of,
    write_file,
)
from biomedica.store.done import _digests_of_hex, keys_of_ids

from .synthetic import BUILD, input_digest, reject_row, shard_files, whole_reject

S1, S2, S3 = "1" * 16, "2" * 16, "3" * 16


def listing(*rows: tuple[int, int, str]) -> pa.Table:
    """(pmcid, version, digest in hex or "")"""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    digests = [bytes.fromhex(text or "0" * 32) for text in columns[2]]
    return pa.table([list(columns[0]), list(columns[1]), digests], schema=LISTING)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """1 and 2 built in state A, 2 built again in state B, 4 rejected, 5 unknown, 9 built otherwise."""
    storage = open_storage(tmp_path)
    unknown = {"article_id": "PMC5", "item": "PMC5", "input_digest": "", "stage": "source"}
    rejects = [
        whole_reject(4, S3),
        whole_reject(5, S3, reason="unknown_id", **unknown),
        reject_row(6, S3),
        reject_row(7, S3, item="PMC7.1", stage="image"),
    ]
    with DatasetWriter.begin(tmp_path) as writer:
        writer.commit(shard_files(storage, S1, [1, 2]))
        writer.commit(shard_files(storage, S2, [2], state="B", replaces=S1))
        file = write_file(storage, "rejects", S3, table_of("rejects", rejects))
        assert file is not None
        writer.commit([file, *shard_files(storage, "4" * 16, [9], build="c" * 16)])
    return tmp_path


def test_done_and_pending(root: Path) -> None:
    done = done_articles(Dataset.open(root), BUILD)
    assert [split_key(int(key)) for key in done.keys] == [
        (1, 1),
        (2, 1),
        (4, 1),
        (5, 0),
    ]
    requested = {
        (1, 1, input_digest(1)): False,
        (1, 1, input_digest(1, "B")): True,  # changed
        (1, 2, input_digest(1)): True,  # another version
        (2, 1, input_digest(2)): True,  # back to the state that was superseded
        (2, 1, input_digest(2, "B")): False,
        (4, 1, input_digest(4)): False,
        (4, 1, input_digest(4, "B")): True,
        (5, 0, ""): False,
        (5, 1, input_digest(5)): True,  # the source has it now
        (6, 1, input_digest(6)): True,  # a reject of one image
        (7, 1, input_digest(7)): True,
        (9, 1, input_digest(9)): True,  # another build
        (999999999999, 1, input_digest(1)): True,
    }
    assert pending(listing(*requested), done).tolist() == list(requested.values())
    assert pending(listing(), done).tolist() == []
    other = done_articles(Dataset.open(root), "c" * 16)
    assert [split_key(int(key))[0] for key in other.keys] == [9]


def test_nothing_done(tmp_path: Path) -> None:
    DatasetWriter.begin(tmp_path)
    done = done_articles(Dataset.open(tmp_path), BUILD)
    assert len(done) == 0
    assert pending(listing((1, 1, input_digest(1))), done).tolist() == [True]
    assert dict(current_shards(Dataset.open(tmp_path), np.array([article_key(5, 0)], np.int64))) == {}


def test_current_shards(root: Path) -> None:
    dataset = Dataset.open(root)
    numbers = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 0), (5, 1), (6, 1), (7, 1), (9, 1)]
    keys = np.array([article_key(pmcid, version) for pmcid, version in numbers], np.int64)
    found = current_shards(dataset, keys)
    assert {split_key(key): shards for key, shards in found.items()} == {
        (1, 1): (S1,),
        (2, 1): (S2,),
        (4, 1): (S3,),
        (5, 0): (S3,),
        (9, 1): ("4" * 16,),
    }
    assert len(found) == 5
    assert found.get(article_key(3, 0)) is None
    assert dict(current_shards(dataset, np.empty(0, np.int64))) == {}
    assert list(current_shards(dataset, keys[:1])) == [article_key(1, 1)]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 10**12 - 1), st.integers(0, 99_999), st.binary(min_size=16, max_size=16)
        )
    ),
    st.randoms(use_true_random=False),
)
def test_pending_is_what_a_set_says(rows: list[tuple[int, int, bytes]], random: object) -> None:
    unique = {(pmcid, version): digest for pmcid, version, digest in rows}
    held = sorted(unique.items())[::2]
    keys = np.array([article_key(p, v) for (p, v), _ in held], np.int64)
    digests = np.frombuffer(b"".join(digest for _, digest in held), np.uint64).reshape(-1, 2).T
    requested = pa.table([list(c) for c in zip(*rows, strict=True)] or [[], [], []], schema=LISTING)
    done = {(p, v, digest) for (p, v), digest in held}
    assert pending(requested, Done(keys, digests)).tolist() == [row not in done for row in rows]


def test_pending_in_chunks_and_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("biomedica.store.done._ROWS_A_STEP", 3)
    rows = [(n, 1, input_digest(n)) for n in range(1, 20)]
    table = pa.concat_tables([listing(*rows[:5]), listing(*rows[5:])])
    held = listing(*rows[::3])
    digests = b"".join(held["input_digest"].to_pylist())
    keys = listing_keys(held)
    done = Done(keys, np.frombuffer(digests, np.uint64).reshape(-1, 2).T)
    wanted = [n % 3 != 0 for n in range(19)]
    assert pending(table, done).tolist() == wanted
    assert pending(table.slice(4, 9), done).tolist() == wanted[4:13]


@given(
    st.lists(st.one_of(st.just(""), st.binary(min_size=16, max_size=16).map(bytes.hex)), max_size=40)
)
def test_digests_of_hex(texts: list[str]) -> None:
    array = pa.array(["x", *texts], pa.string())[1:]  # with an offset
    digests, good = _digests_of_hex(array)
    assert good.all()
    assert digests.tobytes() == b"".join(bytes.fromhex(text or "0" * 32) for text in texts)


def test_what_is_no_digest_is_never_done() -> None:
    texts = ["0" * 32, "0" * 31 + "g", "0" * 31, "A" * 32, None, ""]
    _, good = _digests_of_hex(pa.array(texts, pa.string()))
    assert good.tolist() == [True, False, False, False, False, True]


def test_keys() -> None:
    ids = pa.chunked_array([["PMC1.1", "PMC12"], ["PMC999999999999.99999"]])
    expected = [article_key(1, 1), article_key(12, 0), article_key(999999999999, 99999)]
    assert keys_of_ids(ids).tolist() == expected


def test_the_columns_that_are_read_exist() -> None:
    from biomedica.store.done import _COLUMNS

    for table, columns in _COLUMNS.items():
        assert set(columns) <= set(table_schema(table).names)
