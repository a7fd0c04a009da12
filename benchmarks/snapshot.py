"""What it costs to take a snapshot of ten million article versions, and to compare two of them.

Makes two inventories as PMC's bucket holds them (a manifest and gzipped CSV files, rows in no
order), takes a snapshot of each into a dataset, and goes through their difference, each step in a
process of its own. Goals: a snapshot in a few minutes and 1 GiB, the difference in 60 seconds, on
two cores.

    python benchmarks/snapshot.py [--rows 10000000] [--files 5] [--folder DIR] [--json]
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
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from biomedica.sources import open_source
from biomedica.sources.inventory import take_snapshot
from biomedica.sources.reports import INVENTORY
from biomedica.store import open_storage
from biomedica.store.keep_snapshot import keep_snapshot
from biomedica.store.snapshots import difference, open_snapshot

DAYS = ("2026-09-01T01-00Z", "2026-09-02T01-00Z")
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


def text_of(pmcids: np.ndarray, versions: np.ndarray, etags: np.ndarray) -> pa.Table:
    """Rows as the CSV of S3 Inventory has them."""
    mixed = (etags + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    halves = np.column_stack([mixed, mixed ^ np.uint64(0xD1B54A32D192ED03)])
    hexed = np.frombuffer(halves.tobytes().hex().encode(), "S32").astype(object)
    keys = pc.binary_join_element_wise(
        "metadata/PMC", pa.array(pmcids).cast("string"), ".", pa.array(versions).cast("string"),
        ".json", "",
    )  # fmt: skip
    times = pa.array(1_767_000_000_000 + (etags % np.uint64(1 << 34)).astype(np.int64))
    stamps = pc.strftime(times.cast(pa.timestamp("ms")), "%Y-%m-%dT%H:%M:%SZ")
    bucket = pa.array(["pmc-oa-opendata"] * len(keys))
    return pa.table(
        {"b": bucket, "k": keys, "t": stamps, "e": pa.array(hexed, pa.binary()).cast("string")}
    )


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


def in_process(step: str, root: Path, rows: int, files: int) -> dict[str, object]:
    command = [sys.executable, __file__, "--step", step, "--folder", str(root)]
    command += ["--rows", str(rows), "--files", str(files)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    values: dict[str, object] = json.loads(done.stdout)
    return values


def run_step(step: str, root: Path, rows: int, files: int) -> dict[str, object]:
    kind, _, number = step.partition("-")
    if kind == "write":
        write_inventory(root / "source", rows, files, int(number))
        return {}
    return take(root) if kind == "take" else compare(root)


def measure(root: Path, rows: int, files: int) -> dict[str, object]:
    (root / "source" / "metadata").mkdir(parents=True, exist_ok=True)
    (root / "source" / "metadata" / "PMC1.1.json").write_text("{}")  # the mark of the layout
    values: dict[str, object] = {"rows": rows, "files": files}
    for day in (0, 1):
        in_process(f"write-{day}", root, rows, files)
        values[f"snapshot_{day + 1}"] = in_process(f"take-{day}", root, rows, files)
    values["difference"] = found = in_process("compare", root, rows, files)
    assert {name: found.get(name, 0) for name in expected(rows)} == expected(rows), found
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--files", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="keep the data here; default: a temporary folder")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--step", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(json.dumps(run_step(given.step, given.folder, given.rows, given.files)))
        return
    with tempfile.TemporaryDirectory() as folder:
        values = measure(given.folder or Path(folder), given.rows, given.files)
    for name in ("snapshot_1", "snapshot_2", "difference"):
        print(name, " ".join(f"{key}={value}" for key, value in values[name].items()))  # type: ignore[union-attr]
    if given.json:
        print(json.dumps(values))


if __name__ == "__main__":
    main()
