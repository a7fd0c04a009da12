"""What it costs to take a snapshot of ten million article versions, and to compare two of them.

Makes two inventories as PMC's bucket holds them (a manifest and gzipped CSV files, rows in no
order), takes a snapshot of each into a dataset, and goes through their difference, each step in a
process of its own. Goals: a snapshot in a few minutes and 1 GiB, the difference in 60 seconds, on
two cores. With --articles the first day is also a dataset of that many articles, all columns but the
ids and digests empty, and what an update does first is measured: what the dataset holds against the
snapshot of the second day.

    python benchmarks/snapshot.py [--rows 10000000] [--files 5] [--articles] [--a-shard 2000]
        [--folder DIR] [--json]
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from biomedica.schema import table_schema
from biomedica.sources import open_source
from biomedica.sources.inventory import take_snapshot
from biomedica.sources.reports import INVENTORY
from biomedica.store import DataFile, Dataset, DatasetWriter, open_storage, write_file
from biomedica.store.held import difference as held_difference
from biomedica.store.held import held_articles
from biomedica.store.keep_snapshot import keep_snapshot
from biomedica.store.snapshots import difference, open_snapshot

DAYS = ("2026-09-01T01-00Z", "2026-09-02T01-00Z")
BUILD = "b" * 16
CHANGED, GONE, NEW = 1_000, 10_000, 500
"""one row in so many"""


def state(rows: int, day: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(pmcid, version, a number for the ETag) of every article version of a day, in mixed order."""
    numbers = np.arange(rows, dtype=np.int64)
    versions = 1 + (numbers % 61 == 0)
    etags = numbers.astype(np.uint64)
    if day:
        numbers = np.concatenate([numbers[numbers % GONE != 3], rows + np.arange(rows // NEW)])
        versions = 1 + (numbers % 61 == 0)
        etags = numbers.astype(np.uint64) + np.uint64(1 << 40) * (numbers % CHANGED == 7)
    order = np.random.default_rng(day).permutation(len(numbers))
    return (176_000 + numbers)[order], versions[order], etags[order]


def hex_of(etags: np.ndarray) -> pa.Array:
    """The ETag of a number: 32 hex digits."""
    mixed = (etags + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    halves = np.column_stack([mixed, mixed ^ np.uint64(0xD1B54A32D192ED03)])
    hexed = np.frombuffer(halves.tobytes().hex().encode(), "S32").astype(object)
    return pa.array(hexed, pa.binary()).cast("string")


def text_of(pmcids: np.ndarray, versions: np.ndarray, etags: np.ndarray) -> pa.Table:
    """Rows as the CSV of S3 Inventory has them."""
    keys = pc.binary_join_element_wise(
        "metadata/PMC", pa.array(pmcids).cast("string"), ".", pa.array(versions).cast("string"),
        ".json", "",
    )  # fmt: skip
    times = pa.array(1_767_000_000_000 + (etags % np.uint64(1 << 34)).astype(np.int64))
    stamps = pc.strftime(times.cast(pa.timestamp("ms")), "%Y-%m-%dT%H:%M:%SZ")
    bucket = pa.array(["pmc-oa-opendata"] * len(keys))
    return pa.table({"b": bucket, "k": keys, "t": stamps, "e": hex_of(etags)})


def write_inventory(root: Path, rows: int, files: int, day: int) -> None:
    folder = root / INVENTORY / DAYS[day]
    (root / INVENTORY / "data").mkdir(parents=True, exist_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    columns = state(rows, day)
    count, listed = len(columns[0]), []
    for number in range(files):
        part = slice(count * number // files, count * (number + 1) // files)
        path = root / INVENTORY / "data" / f"{day}-{number}.csv.gz"
        with gzip.open(path, "wb", compresslevel=1) as file:
            options = csv.WriteOptions(include_header=False, quoting_style="all_valid")
            for start in range(part.start, part.stop, 1 << 20):
                some = slice(start, min(part.stop, start + (1 << 20)))
                csv.write_csv(text_of(*(column[some] for column in columns)), file, options)
        data = path.read_bytes()
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        key = path.relative_to(root).as_posix()
        listed.append({"key": key, "size": len(data), "MD5checksum": md5})
    manifest = {
        "sourceBucket": "pmc-oa-opendata",
        "version": "2016-11-30",
        "fileFormat": "CSV",
        "fileSchema": "Bucket, Key, LastModifiedDate, ETag",
        "files": listed,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))


def write_articles(root: Path, rows: int, a_shard: int) -> None:
    """The first day as a dataset, by the writer of shards."""
    pmcids, versions, etags = state(rows, 0)
    order = np.argsort(pmcids, kind="stable")
    schema = table_schema("articles")

    def write(number: int) -> DataFile | None:
        part = order[number * a_shard : (number + 1) * a_shard]
        names = pa.array(pmcids[part]).cast("string")
        digits = pa.array(versions[part]).cast("string")
        shard = f"{number:016x}"
        known = {
            "article_id": pc.binary_join_element_wise("PMC", names, ".", digits, ""),
            "input_digest": hex_of(etags[part]),
            "build_digest": pa.array([BUILD] * len(part)),
            "shard": pa.array([shard] * len(part)),
        }
        columns = [known.get(one.name, pa.nulls(len(part), one.type)) for one in schema]
        table = pa.Table.from_arrays(columns, names=schema.names).cast(schema)
        return write_file(writer.storage, "articles", shard, table)

    with DatasetWriter.begin(root / "dataset") as writer, ThreadPoolExecutor(2) as pool:
        files = [one for one in pool.map(write, range(-(-rows // a_shard))) if one is not None]
        writer.commit(files, {"command": "build"})


def compare_articles(root: Path) -> dict[str, object]:
    """As an update does it before it knows what there is to do."""
    clock = [time.perf_counter()]
    dataset = Dataset.open(root / "dataset")
    listing = open_snapshot(dataset.storage, f"{DAYS[1][:-1]}-00Z").listing()
    clock.append(time.perf_counter())
    held = held_articles(dataset)
    clock.append(time.perf_counter())
    found = held_difference(held, listing, BUILD)
    clock.append(time.perf_counter())
    names = ("listing_seconds", "held_seconds", "difference_seconds")
    seconds = {name: round(b - a, 1) for name, a, b in zip(names, clock, clock[1:], strict=False)}
    counts = {name: found.counts[name] for name in ("new", "changed", "gone")}
    whole = round(clock[-1] - clock[0], 1)
    return {"seconds": whole, **seconds, "peak_mib": peak_mib(), "held": len(held), **counts}


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def take(root: Path) -> dict[str, object]:
    """Snapshot of the newest inventory, as the command takes it: read, compared with the one before,
    written."""
    started = time.perf_counter()
    taken = take_snapshot(open_source(str(root / "source")), inventory=True)
    read = time.perf_counter()
    storage = open_storage(root / "dataset")
    kept = keep_snapshot(storage, taken, max_gone_share=0.01)
    written = kept.snapshot
    done = time.perf_counter()
    assert not taken.warnings, taken.warnings
    assert kept.is_new
    return {
        "rows": written.rows,
        "read_seconds": round(read - started, 1),
        "new": kept.new,
        "changed": kept.changed,
        "gone": kept.gone,
        "keep_seconds": round(done - read, 1),
        "mib": storage.size(written.path) // 2**20,
        "peak_mib": peak_mib(),
    }


def compare(root: Path) -> dict[str, object]:
    started = time.perf_counter()
    storage = open_storage(root / "dataset")
    names = [f"{day[:-1]}-00Z" for day in DAYS]
    before, after = (open_snapshot(storage, name).batches() for name in names)
    counts: Counter[str] = Counter()
    for batch in difference(before, after):
        found = pc.value_counts(batch.column("change"))
        counts.update({row["values"]: row["counts"] for row in found.to_pylist()})
    return {
        "seconds": round(time.perf_counter() - started, 1),
        "peak_mib": peak_mib(),
        **dict(sorted(counts.items())),
    }


def expected(rows: int) -> dict[str, int]:
    numbers = np.arange(rows)
    kept = numbers % GONE != 3
    changed = int((kept & (numbers % CHANGED == 7)).sum())
    return {"changed": changed, "gone": int((~kept).sum()), "new": rows // NEW}


def in_process(step: str, root: Path, given: argparse.Namespace) -> dict[str, object]:
    command = [sys.executable, __file__, "--step", step, "--folder", str(root)]
    command += [f"--rows={given.rows}", f"--files={given.files}", f"--a-shard={given.a_shard}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    values: dict[str, object] = json.loads(done.stdout)
    return values


def run_step(given: argparse.Namespace) -> dict[str, object]:
    root: Path = given.folder
    kind, _, number = given.step.partition("-")
    if kind == "write":
        write_inventory(root / "source", given.rows, given.files, int(number))
        return {}
    if kind == "articles":
        write_articles(root, given.rows, given.a_shard)
        return {}
    return {"take": take, "compare": compare, "held": compare_articles}[kind](root)


def measure(root: Path, given: argparse.Namespace) -> dict[str, object]:
    (root / "source" / "metadata").mkdir(parents=True, exist_ok=True)
    (root / "source" / "metadata" / "PMC1.1.json").write_text("{}")  # the mark of the layout
    values: dict[str, object] = {"rows": given.rows, "files": given.files}
    for day in (0, 1):
        in_process(f"write-{day}", root, given)
        values[f"snapshot_{day + 1}"] = in_process(f"take-{day}", root, given)
    steps = {"difference": "compare"}
    if given.articles:
        in_process("articles", root, given)
        steps["against_dataset"] = "held"
    for name, step in steps.items():
        values[name] = found = in_process(step, root, given)
        assert {kind: found.get(kind, 0) for kind in expected(given.rows)} == expected(given.rows), (
            found
        )
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--files", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keep the data here; default: a temporary folder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--articles", action="store_true", help="also against a dataset")
    parser.add_argument("--a-shard", type=int, default=2000, help="articles a shard of that dataset")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(run_step(given)))
        return
    with tempfile.TemporaryDirectory() as folder:
        values = measure(given.folder or Path(folder), given)
    for name, found in values.items():
        if isinstance(found, dict):
            print(name, " ".join(f"{key}={value}" for key, value in found.items()))
    if given.json:
        print(json.dumps(values))


if __name__ == "__main__":
    main()
