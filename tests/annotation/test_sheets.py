from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.annotation import ClusterSheet, SheetMember, Typical, load_sheets
from biomedica.annotation.sheet import article_link, sheet_from_table, sheet_table
from biomedica.annotation.sheet_choice import SheetChoice
from biomedica.annotation.sheet_files import (
    INDEX,
    SheetEntry,
    index_bytes,
    is_sheet_file,
    sheet_bytes,
)
from biomedica.errors import StoreError
from biomedica.store import open_storage


def assignments(clusters: list[int], distances: list[float]) -> pa.Table:
    return pa.table(
        {
            "pair_id": [f"PMC{n}.1/f{n}.jpg" for n in range(len(clusters))],
            "cluster_id": pa.array(clusters, pa.int32()),
            "distance": pa.array(distances, pa.float32()),
        }
    )


def chosen(rows: pa.Table, clusters: int, each: int = 3, **more: int) -> SheetChoice:
    choice = SheetChoice(clusters, each, **more)
    choice.add(rows)
    return choice


def test_the_parts_are_the_nearest_the_farthest_and_some_of_the_rest() -> None:
    distances = np.random.default_rng(0).permutation(100).astype(float).tolist()
    members = chosen(assignments([0] * 100, distances), 1).members()
    zones = {zone: [m.distance for m in members if m.zone == zone] for zone in ("nearest", "edge")}
    assert zones == {"nearest": [0, 1, 2], "edge": [99, 98, 97]}
    assert len(members) == 9
    assert len({m.pair_id for m in members}) == 9


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=60),
    st.lists(st.integers(0, 60), max_size=3),
    st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_neither_order_nor_files_matter(
    rows: list[tuple[int, int]], cuts: list[int], each: int
) -> None:
    table = assignments([c for c, _ in rows], [float(d) for _, d in rows])
    whole = chosen(table, 4, each, sample=7)
    shuffled = table.take(np.random.default_rng(len(rows)).permutation(len(rows)))
    merged = SheetChoice(4, each, sample=7)
    ends = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    for start, stop in pairwise(ends):
        merged.merge(chosen(shuffled.slice(start, stop - start), 4, each, sample=7))
    assert merged.members() == whole.members()
    assert merged.sample().equals(whole.sample())
    assert merged.sizes.tolist() == [Counter(c for c, _ in rows)[n] for n in range(4)]
    shown = Counter(m.cluster_id for m in whole.members())
    assert shown == {c: min(n, 3 * each) for c, n in Counter(c for c, _ in rows).items()}
    assert len({m.pair_id for m in whole.members()}) == shown.total()


def test_another_seed_draws_others_and_leaves_the_ends() -> None:
    rows = assignments([0] * 200, [float(n) for n in range(200)])
    first, second = (chosen(rows, 1, seed=seed).members() for seed in (0, 1))
    assert [m for m in first if m.zone != "random"] == [m for m in second if m.zone != "random"]
    assert first != second
    assert first == chosen(rows, 1, seed=0).members()


def test_a_cluster_of_one_has_one_member() -> None:
    (member,) = chosen(assignments([1], [0.5]), 3).members()
    assert (member.cluster_id, member.zone) == (1, "nearest")


def test_random_members_are_drawn_from_all() -> None:
    rows = assignments([0] * 3000, [float(n) for n in range(3000)])
    drawn = [m.distance for m in chosen(rows, 1, each=200).members() if m.zone == "random"]
    assert 1300 < np.mean(drawn) < 1700


def test_a_cluster_outside_the_run_is_refused() -> None:
    with pytest.raises(ValueError, match="below 2"):
        chosen(assignments([2], [0.0]), 2)


SHEET = ClusterSheet(
    cluster_id=7,
    size=2,
    share=0.25,
    captions=2,
    words=(Typical("électron", 3.5, 0.5),),
    journals=(Typical("J. <b>", 2.0, 1.0),),
    members=(
        SheetMember("PMC1.1/a.jpg", "nearest", 0.5, caption="<script>\u202e😀", thumbnail=b"\xff\xd8"),
        SheetMember("PMC2.1/b.jpg", "edge", 1.5, year=2020, link=article_link("PMC2")),
    ),
)


def test_a_sheet_comes_back_as_it_was() -> None:
    assert sheet_from_table(sheet_table(SHEET)) == SHEET
    assert sheet_from_table(sheet_table(SHEET.without_members)) == SHEET.without_members
    with pytest.raises(ValueError, match="no sheet"):
        sheet_from_table(pa.table({"pair_id": ["x"]}))


def test_digests_follow_what_is_shown() -> None:
    bare = ClusterSheet(7, 2, 0.25)
    assert bare.digest() == ClusterSheet(7, 2, 0.25).digest()
    assert len({bare.digest(), bare.digest(320), ClusterSheet(7, 3, 0.25).digest()}) == 3


def test_prepared_sheets_are_loaded_one_by_one(tmp_path: Path) -> None:
    entry = SheetEntry(SHEET.without_members, SHEET.digest(), (b"\xff",))
    storage = open_storage(tmp_path / "_sheets" / "run")
    storage.put_new(f"{entry.name}.parquet", sheet_bytes(SHEET))
    storage.put_new(INDEX, index_bytes([entry]))
    sheets = load_sheets(str(tmp_path), "run")
    assert sheets.sizes == {7: 2}
    assert sheets.entries[7] == entry
    assert sheets.sheet(7) == SHEET
    assert is_sheet_file(f"{entry.name}.parquet")
    assert not is_sheet_file("notes.html")
    (tmp_path / "_sheets" / "run" / f"{entry.name}.parquet").write_bytes(b"broken")
    with pytest.raises(StoreError, match="biomedica sheets"):
        sheets.sheet(7)


def test_without_sheets_the_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="run `biomedica sheets"):
        load_sheets(tmp_path, "run")
