from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.errors import StoreError
from biomedica.ids import ArticleId, article_key, split_key
from biomedica.sources.protocol import LISTING
from biomedica.store import Dataset, DatasetWriter, read_changes, table_of, write_file
from biomedica.store.changes import write_changes
from biomedica.store.held import Difference, Held, difference, held_articles

from .synthetic import BUILD, input_digest, shard_files, whole_reject

DIGESTS = [bytes([n]) * 16 for n in range(3)]
"""the first is that of an id that the source does not list"""
BUILDS = ("b" * 16, "c" * 16)
Key = tuple[int, int]

versions = st.tuples(st.integers(1, 12), st.integers(1, 3))
held_rows = st.dictionaries(versions, st.tuples(st.sampled_from(DIGESTS[1:]), st.sampled_from(BUILDS)))
bare = st.sets(st.integers(1, 14))
wanted_rows = st.dictionaries(versions, st.sampled_from(DIGESTS))


def held_of(rows: dict[Key, tuple[bytes, str]]) -> Held:
    keys = sorted(rows)
    digests = np.frombuffer(b"".join(rows[key][0] for key in keys), np.uint64).reshape(-1, 2)
    return Held(
        np.array([article_key(*key) for key in keys], np.int64),
        np.ascontiguousarray(digests.T),
        np.array([BUILDS.index(rows[key][1]) for key in keys], np.int32),
        BUILDS,
    )


def listing_of(rows: dict[Key, bytes]) -> pa.Table:
    keys = sorted(rows)
    columns = [[key[0] for key in keys], [key[1] for key in keys], [rows[key] for key in keys]]
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, LISTING, strict=True)], schema=LISTING
    )


def told(found: Difference, wanted: pa.Table) -> dict[str, set[Key]]:
    pmcids, numbers = wanted["pmcid"].to_pylist(), wanted["version"].to_pylist()
    keys = list(zip(pmcids, numbers, strict=True))
    names = ("new", "changed", "unlisted", "rebuilt")
    marked = {name: {keys[n] for n in np.flatnonzero(getattr(found, name))} for name in names}
    gone = zip(*(part.tolist() for part in split_key(found.gone)), strict=True)
    return marked | {"gone": set(gone)}


@settings(deadline=None)
@given(held_rows, bare, wanted_rows)
def test_the_difference_is_that_of_two_dicts(
    held: dict[Key, tuple[bytes, str]], unknown: set[int], wanted: dict[Key, bytes]
) -> None:
    """unknown: PMCIDs that stand as rejects of an id without version."""
    rows = held | {(pmcid, 0): (DIGESTS[0], BUILDS[0]) for pmcid in unknown}
    found = told(difference(held_of(rows), listing_of(wanted), BUILDS[0]), listing_of(wanted))
    expected: dict[str, set[Key]] = {
        name: set() for name in ("new", "changed", "unlisted", "rebuilt", "gone")
    }
    for key, digest in wanted.items():
        if key not in rows:
            expected["new"].add(key)
        elif rows[key][0] != digest:
            expected["unlisted" if digest == DIGESTS[0] else "changed"].add(key)
        elif rows[key][1] != BUILDS[0]:
            expected["rebuilt"].add(key)
    replaced = {(pmcid, 0) for pmcid, version in wanted if version}
    expected["gone"] = rows.keys() - wanted.keys() - replaced
    assert found == expected


@settings(deadline=None)
@given(held_rows, st.sets(versions))
def test_what_is_held_as_a_listing(held: dict[Key, tuple[bytes, str]], left_out: set[Key]) -> None:
    without = np.array(sorted(article_key(*key) for key in left_out & held.keys()), np.int64)
    kept = {key: digest for key, (digest, _) in held.items() if key not in left_out}
    assert held_of(held).listing(without) == listing_of(kept)


def test_what_a_dataset_holds(tmp_path: Path) -> None:
    """Live articles and whole rejects; not the rejects of figures, nor what is superseded."""
    with DatasetWriter.begin(tmp_path) as writer:
        storage = writer.storage
        writer.commit(shard_files(storage, "1" * 16, [1, 20]))
        rejected = table_of("rejects", [whole_reject(3, "2" * 16)])
        files = [write_file(storage, "rejects", "2" * 16, rejected)]
        files += shard_files(storage, "2" * 16, [20], state="B", replaces="1" * 16)
        writer.commit([file for file in files if file])
    held = held_articles(Dataset.open(tmp_path))
    assert [str(ArticleId(*split_key(int(key)))) for key in held.keys] == [
        "PMC1.1",
        "PMC3.1",
        "PMC20.1",
    ]
    states = [input_digest(1), input_digest(3), input_digest(20, "B")]
    assert [digest.tobytes().hex() for digest in held.digests.T] == states
    assert [held.names[n] for n in held.builds] == [BUILD] * 3
    assert len(held_articles(Dataset.open(tmp_path, version=2))) == 0


def test_changes_are_kept_beside_the_dataset(tmp_path: Path) -> None:
    with DatasetWriter.begin(tmp_path) as writer:
        storage = writer.storage
    held = held_of({(1, 1): (DIGESTS[1], BUILDS[0]), (9, 1): (DIGESTS[1], BUILDS[0])})
    wanted = listing_of({(1, 1): DIGESTS[2], (30, 2): DIGESTS[1]})
    name = write_changes(storage, wanted, difference(held, wanted, BUILDS[0]), {"PMC1.1"})
    assert read_changes(storage, name).to_pylist() == [
        {"article_id": "PMC1.1", "change": "changed", "is_newly_retracted": True},
        {"article_id": "PMC9.1", "change": "gone", "is_newly_retracted": False},
        {"article_id": "PMC30.2", "change": "new", "is_newly_retracted": False},
    ]
    (tmp_path / "_changes" / name).unlink()
    with pytest.raises(StoreError, match="is lost or broken"):
        read_changes(storage, name)
