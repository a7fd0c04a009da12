"""Inventories: the newest whole one, and why others are passed over."""

from __future__ import annotations

import datetime
import gzip
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.catalogue import SNAPSHOT
from biomedica.errors import Deferred, SourceError
from biomedica.ids import ArticleId
from biomedica.sources import DirectorySource, reports
from biomedica.sources.inventory import (
    SourceSnapshot,
    parse_manifest,
    snapshot_name,
    snapshot_time,
    take_snapshot,
)
from biomedica.sources.inventory_files import Unusable
from biomedica.sources.pmc_cloud import etag_digest
from biomedica.sources.reports import INVENTORY
from tests.sources.conftest import Cloud
from tests.sources.inventories import JULY, TIME, csv_bytes, etag, row, write_inventory
from tests.sources.layout import write_article

NOW = datetime.datetime(2026, 7, 3, tzinfo=datetime.UTC)
FIRST, SECOND, THIRD = (f"2026-07-0{day}T01-00Z" for day in (1, 2, 3))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_article(tmp_path, ArticleId(1, 1))
    return tmp_path


def take(root: Path, now: datetime.datetime = NOW) -> SourceSnapshot:
    return take_snapshot(DirectorySource(str(root)), inventory=True, now=now)


def found(snapshot: SourceSnapshot) -> list[tuple[int, int, str]]:
    """(pmcid, version, etag in hex), in the order of the batches of three rows."""
    batches = list(snapshot.rows.batches(3))
    assert all(batch.schema.equals(SNAPSHOT, check_metadata=True) for batch in batches)
    values = pa.Table.from_batches(batches, SNAPSHOT).to_pylist()
    return [(one["pmcid"], one["version"], one["etag"].hex()) for one in values]


def test_an_inventory_is_read_in_order_from_many_files(root: Path) -> None:
    write_inventory(root, FIRST, [[row("PMC1.1")]])
    files = [[row("PMC20.10"), row("PMC3.1")], [row("PMC20.2"), row("PMC100.1")], []]
    write_inventory(root, SECOND, files, creationTimestamp=str(JULY + 86_400_000))
    snapshot = take(root)
    ids = ["PMC3.1", "PMC20.2", "PMC20.10", "PMC100.1"]
    numbers = [(3, 1), (20, 2), (20, 10), (100, 1)]
    assert found(snapshot) == [
        (*number, etag(f"{one}A")) for number, one in zip(numbers, ids, strict=True)
    ]
    assert snapshot.name == "2026-07-02T01-00-00Z"
    assert snapshot.warnings == ()
    manifest = (root / INVENTORY / SECOND / "manifest.json").read_bytes()
    assert snapshot.info["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    assert (snapshot.info["kind"], snapshot.info["duplicates"]) == ("inventory", 0)
    times = {one for batch in snapshot.rows.batches() for one in batch["last_modified"].to_pylist()}
    assert times == {datetime.datetime.fromisoformat(TIME)}


def test_columns_stand_where_the_schema_says(root: Path) -> None:
    bucket, key, time, tag = row("PMC7.2")
    write_inventory(root, FIRST, [[(tag, "x", key, time, bucket)]],
                    fileSchema="ETag,Size, Key ,LastModifiedDate, Bucket")  # fmt: skip
    assert found(take(root)) == [(7, 2, tag)]


def test_columns_that_are_not_what_the_schema_says_are_told(root: Path) -> None:
    write_inventory(root, FIRST, [[row("PMC1.1"), row("PMC2.1")]])
    _, key, time, tag = row("PMC9.1")
    write_inventory(root, SECOND, [[("b", tag, time, key)] * 3])
    snapshot = take(root)
    assert len(snapshot.rows) == 2
    assert "none of its 3 keys is metadata/PMC" in snapshot.warnings[0]


def test_other_keys_are_counted_and_left_out(root: Path) -> None:
    others = ["metadata/PMC1.json", "metadata/PMC1.1.json.bak", "PMC1.1/PMC1.1.json", "metadata/",
              "xmetadata/PMC1.1.json", "metadata/PMC01.1.json", "metadata/PMC1.0.json", "é\n,\"",
              "metadata/PMC1.1.json\n"]  # fmt: skip
    rows = [("b", key, TIME, etag(key)) for key in others] + [row("PMC1.1")]
    write_inventory(root, FIRST, [rows])
    snapshot = take(root)
    assert found(snapshot) == [(1, 1, etag("PMC1.1A"))]
    assert snapshot.info["unknown_keys"] == len(others)


def test_encoded_keys_are_decoded(root: Path) -> None:
    write_inventory(root, FIRST, [[("b", "metadata%2FPMC5.1.json", TIME, etag(1)), row("PMC4.1")]])
    assert [one[:2] for one in found(take(root))] == [(4, 1), (5, 1)]


def test_of_an_id_that_stands_twice_the_later_row_counts(root: Path) -> None:
    early, late = "2026-01-01T00:00:00.000Z", "2026-02-01T00:00:00.000Z"
    rows = [
        row("PMC1.1", "old", early), row("PMC2.1"), row("PMC1.1", "new", late),
        row("PMC1.1", "no time", "yesterday"), row("PMC3.1"), row("PMC3.1"),
    ]  # fmt: skip
    write_inventory(root, FIRST, [rows[3:], rows[:3]])
    snapshot = take(root)
    assert found(snapshot) == [
        (1, 1, etag("PMC1.1new")),
        (2, 1, etag("PMC2.1A")),
        (3, 1, etag("PMC3.1A")),
    ]
    assert snapshot.info["duplicates"] == 3


def test_etags_that_are_no_md5_follow_the_rule_of_the_source(root: Path) -> None:
    tags = ["0123456789ABCDEF0123456789abcdef", "9c8af9a76df052144598c115ef33e511-2", ""]
    rows = [("b", f"metadata/PMC{n}.1.json", TIME, tag) for n, tag in enumerate(tags, 1)]
    write_inventory(root, FIRST, [rows])
    assert [one[2] for one in found(take(root))] == [etag_digest(tag).hex() for tag in tags]


def test_old_versions_of_objects_do_not_count(root: Path) -> None:
    schema = "Bucket, Key, IsLatest, IsDeleteMarker, LastModifiedDate, ETag"

    def versioned(article: str, latest: str, deleted: str) -> tuple[str, ...]:
        bucket, key, time, tag = row(article, latest + deleted)
        return (bucket, key, latest, deleted, time, tag)

    rows = [versioned("PMC1.1", "false", "false"), versioned("PMC1.1", "true", "false"),
            versioned("PMC2.1", "true", "true")]  # fmt: skip
    write_inventory(root, FIRST, [rows], fileSchema=schema)
    assert found(take(root)) == [(1, 1, etag("PMC1.1truefalse"))]


def test_times_may_be_absent(root: Path) -> None:
    write_inventory(root, FIRST, [[("metadata/PMC1.1.json", etag(1))]], fileSchema="Key, ETag")
    (batch,) = take(root).rows.batches()
    assert batch.column("last_modified").to_pylist() == [None]


# -- what is passed over


def cut(folder: Path, root: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:-20])


def without_manifest(folder: Path, root: Path) -> None:
    (folder / "manifest.json").unlink()


def data_file(root: Path) -> Path:
    return root / INVENTORY / "data" / f"{SECOND}-0.csv.gz"


def without_data(folder: Path, root: Path) -> None:
    data_file(root).unlink()


def other_bytes(folder: Path, root: Path) -> None:
    data = bytearray(data_file(root).read_bytes())
    data[len(data) // 2] ^= 1
    data_file(root).write_bytes(data)


def truncated(folder: Path, root: Path) -> None:
    data_file(root).write_bytes(data_file(root).read_bytes()[:-9])


def other_checksum(folder: Path, root: Path) -> None:
    (folder / "manifest.checksum").write_text(etag("another manifest") + "\n")


def leading_out(folder: Path, root: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][0]["key"] = "../../etc/passwd"
    (folder / "manifest.json").write_text(json.dumps(manifest))


SPOILT: list[tuple[Callable[[Path, Path], None], str]] = [
    (cut, "no JSON"),
    (without_manifest, "has no manifest.json"),
    (without_data, "is missing"),
    (other_bytes, "the manifest says"),
    (truncated, "the manifest says"),
    (other_checksum, "manifest.checksum"),
    (leading_out, "no path below the root"),
]


@pytest.mark.parametrize(("spoil", "why"), SPOILT, ids=[one.__name__ for one, _ in SPOILT])
def test_a_spoilt_inventory_is_passed_over_and_told(
    root: Path, spoil: Callable[[Path, Path], None], why: str
) -> None:
    write_inventory(root, FIRST, [[row("PMC1.1", "first")]])
    folder = write_inventory(root, SECOND, [[row(f"PMC{n}.1") for n in range(1, 50)]])
    spoil(folder, root)
    snapshot = take(root)
    assert found(snapshot) == [(1, 1, etag("PMC1.1first"))]
    (warning,) = snapshot.warnings
    assert warning.startswith(f"the inventory {SECOND} was passed over: ")
    assert why in warning


BROKEN = {
    "no gzip": b"metadata/PMC1.1.json",
    "cut gzip": csv_bytes([row("PMC1.1")] * 500)[:-12],
    "bits": csv_bytes([row(f"PMC{n}.1") for n in range(1, 500)])[:300] + bytes(300),
    "too few columns": gzip.compress(b'"b","metadata/PMC1.1.json"\n', mtime=0),
    "no text": gzip.compress(b'"b","metadata/PMC1.1.json","\xff\xfe","x"\n', mtime=0),
    "open quote": gzip.compress(b'"b","metadata/PMC1.1.json\n', mtime=0),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_data_file_of_another_kind_is_passed_over_though_its_md5_is_right(
    root: Path, name: str
) -> None:
    write_inventory(root, FIRST, [[row("PMC1.1", "first")]])
    write_inventory(root, SECOND, [[row("PMC1.1")], BROKEN[name]])
    snapshot = take(root)
    assert found(snapshot) == [(1, 1, etag("PMC1.1first"))]
    assert "is no gzipped CSV" in snapshot.warnings[0]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"fileFormat": "ORC"}, "fileFormat is 'ORC'"),
        ({"fileFormat": ...}, "fileFormat is None"),
        ({"fileSchema": ...}, "without fileSchema"),
        ({"fileSchema": "Bucket, Key, LastModifiedDate"}, "fileSchema"),
        ({"fileSchema": "Key, Key, ETag"}, "fileSchema"),
        ({"files": []}, "without data files"),
        ({"files": [{"key": "a"}]}, "no key or size"),
        ({"files": [{"key": "a", "size": -1, "MD5checksum": "0" * 32}]}, "no key or size"),
        ({"files": [{"key": "a", "size": 1, "MD5checksum": "?"}]}, "no MD5checksum"),
        ({"files": ["a"]}, "no key or size"),
        ({"creationTimestamp": "soon"}, "creationTimestamp"),
        ({"creationTimestamp": 1e300}, "creationTimestamp"),
    ],
)
def test_a_manifest_that_is_not_one_is_passed_over(
    root: Path, changes: dict[str, Any], why: str
) -> None:
    write_inventory(root, FIRST, [[row("PMC1.1", "first")]])
    write_inventory(root, SECOND, [[row("PMC1.1")]], **changes)
    snapshot = take(root)
    assert found(snapshot) == [(1, 1, etag("PMC1.1first"))]
    assert why in snapshot.warnings[0]


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
                        st.sampled_from(["files", "fileFormat", "fileSchema", "key", "size", "MD5checksum"]),
                        inner, max_size=4)))  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_json_is_a_manifest_or_unusable(document: Any) -> None:
    with pytest.raises(Unusable):
        parse_manifest(json.dumps(document).encode())


def test_only_so_many_folders_are_tried_then_the_articles_are_listed(root: Path) -> None:
    write_inventory(root, "2026-06-01T01-00Z", [[row("PMC9.1")]])
    for day in range(10, 18):
        without_manifest(write_inventory(root, f"2026-06-{day}T01-00Z", [[row("PMC8.1")]]), root)
    snapshot = take(root)
    assert [one[:2] for one in found(snapshot)] == [(1, 1)]
    assert (snapshot.info["kind"], len(snapshot.warnings)) == ("listing", 9)
    assert snapshot.name == "2026-07-03T00-00-00Z"
    assert snapshot.warnings[-1] == "none of 8 inventories can be used: the articles were listed"


# -- clocks and names of folders


@pytest.mark.parametrize(
    ("name", "time"),
    [
        ("2026-09-01T01-00Z", (2026, 9, 1, 1)),
        ("2026-09-01T01:00Z", (2026, 9, 1, 1)),
        ("2026-09-01T23-59-58Z", (2026, 9, 1, 23, 59, 58)),
        ("2026-13-01T01-00Z", None),
        ("2026-02-30T01-00Z", None),
        ("2026-09-01T25-00Z", None),
        ("2026-09-01", None),
        ("data", None),
        ("hive", None),
        ("2026-09-01T01-00", None),
        ("2026-09-01T01-00Z ", None),
    ],
)
def test_names_of_folders(name: str, time: tuple[int, ...] | None) -> None:
    wanted = datetime.datetime(*time, tzinfo=datetime.UTC) if time else None  # type: ignore[misc, arg-type]
    assert snapshot_time(name) == wanted


@given(st.datetimes(min_value=datetime.datetime(1000, 1, 1), timezones=st.timezones()))
def test_names_of_snapshots_are_utc_whatever_the_zone(time: datetime.datetime) -> None:
    read = snapshot_time(snapshot_name(time))
    assert read is not None
    assert read == time.astimezone(datetime.UTC).replace(microsecond=0)


def test_a_folder_from_the_future_without_a_time_of_its_own_is_passed_over(root: Path) -> None:
    write_inventory(root, FIRST, [[row("PMC1.1", "first")]])
    write_inventory(root, "2031-07-02T01-00Z", [[row("PMC1.1")]])
    snapshot = take(root)
    assert snapshot.name == "2026-07-01T01-00-00Z"
    assert "in the future of this machine's clock" in snapshot.warnings[0]


def test_a_folder_whose_date_is_not_its_manifests_is_passed_over(root: Path) -> None:
    write_inventory(root, FIRST, [[row("PMC1.1", "first")]], creationTimestamp=JULY)
    write_inventory(root, "2031-07-02T01-00Z", [[row("PMC1.1")]], creationTimestamp=str(JULY))
    snapshot = take(root)
    assert snapshot.name == "2026-07-01T01-00-00Z"
    assert "which is another time" in snapshot.warnings[0]


def test_a_clock_that_is_behind_costs_no_inventory(root: Path) -> None:
    write_inventory(root, FIRST, [[row("PMC1.1", "first")]], creationTimestamp=str(JULY))
    snapshot = take(root, now=datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC))
    assert snapshot.name == "2026-07-01T01-00-00Z"
    assert "the clock of this machine" in snapshot.warnings[0]


# -- listings and buckets


def test_a_folder_is_listed_unless_its_inventory_is_asked_for(root: Path) -> None:
    write_article(root, ArticleId(30, 2))
    write_inventory(root, FIRST, [[row("PMC9.1")]])
    snapshot = take_snapshot(DirectorySource(str(root)), now=NOW)
    metadata = sorted((root / "metadata").iterdir())
    digests = {path.name: hashlib.md5(path.read_bytes()).hexdigest() for path in metadata}  # noqa: S324
    assert found(snapshot) == [
        (1, 1, digests["PMC1.1.json"]),
        (30, 2, digests["PMC30.2.json"]),
    ]
    (batch,) = snapshot.rows.batches()
    changed = [os.stat(path).st_mtime_ns // 1_000_000 for path in metadata]
    assert batch.column("last_modified").cast(pa.int64()).to_pylist() == changed


@pytest.mark.parametrize("prefix", ["", "mirror/pmc/"])
def test_a_bucket_gives_its_newest_inventory(
    cloud: Cloud, root: Path, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "BLOCK", 1000)
    rows = [row(f"PMC{n}.1") for n in range(1, 300)]
    write_inventory(root, FIRST, [rows[:5]])
    write_inventory(root, SECOND, [rows[100:], rows[:100]])
    write_inventory(root, THIRD, [rows[:7]])
    (root / INVENTORY / "data" / f"{THIRD}-0.csv.gz").unlink()
    cloud.upload(root, prefix)
    snapshot = take_snapshot(cloud.source(prefix), now=NOW)
    assert [one[0] for one in found(snapshot)] == list(range(1, 300))
    assert snapshot.info["inventory"] == SECOND
    assert [THIRD in one for one in snapshot.warnings] == [True]


def test_a_bucket_without_inventory_is_listed_with_times(cloud: Cloud) -> None:
    article = ArticleId(7, 3)
    data = cloud.write_article(article)
    snapshot = take_snapshot(cloud.source(), now=NOW)
    assert found(snapshot) == [(7, 3, hashlib.md5(data).hexdigest())]  # noqa: S324
    (batch,) = snapshot.rows.batches()
    (time,) = batch.column("last_modified").to_pylist()
    stored = cloud.client.head_object(Bucket=cloud.name, Key=f"metadata/{article}.json")
    assert time == stored["LastModified"]
    assert snapshot.warnings == ()


def test_an_object_shorter_than_its_manifest_says_is_passed_over(cloud: Cloud, root: Path) -> None:
    write_inventory(root, FIRST, [[row("PMC1.1", "first")]])
    write_inventory(root, SECOND, [[row(f"PMC{n}.1") for n in range(1, 99)]])
    path = root / INVENTORY / "data" / f"{SECOND}-0.csv.gz"
    path.write_bytes(path.read_bytes()[:100])
    cloud.upload(root)
    assert take_snapshot(cloud.source(), now=NOW).info["inventory"] == FIRST


def test_a_bucket_that_is_no_source_is_an_error(cloud: Cloud) -> None:
    with pytest.raises((SourceError, Deferred)):
        take_snapshot(cloud.source(), now=NOW)


EVENTS = st.lists(
    st.tuples(st.integers(1, 12), st.integers(1, 3), st.integers(0, 5), st.sampled_from("AB")),
    max_size=60,
)


@given(EVENTS, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_any_order_and_repetition_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[int, int, int, str]], files: int
) -> None:
    """Against a dict: of each id the row of the latest time, and of those the greatest etag."""
    root = tmp_path_factory.mktemp("inventory")
    write_article(root, ArticleId(1, 1))
    rows = [row("PMC500.1")]
    model = {(500, 1): (TIME, etag("PMC500.1A"))}
    for pmcid, version, hour, state in events:
        time = f"2026-01-01T0{hour}:00:00.000Z"
        rows.append(row(f"PMC{pmcid}.{version}", state, time))
        state_now = (time, rows[-1][3])
        model[pmcid, version] = max(model.get((pmcid, version), ("", "")), state_now)
    write_inventory(root, FIRST, [rows[start::files] for start in range(files)])
    snapshot = take(root)
    assert found(snapshot) == [(*key, model[key][1]) for key in sorted(model)]
    assert snapshot.info["duplicates"] == len(rows) - len(model)
