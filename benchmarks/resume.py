"""What it costs to find that nothing is left to do.

Makes a dataset whose articles are all done, in files of the size that a build writes, and measures
`done_articles` and `pending` in a process of its own. Goal: ten million articles requested and
done in under 60 seconds and 1 GiB.

    python benchmarks/resume.py [--articles 10000000] [--articles-per-shard 200] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa

from biomedica.schema import table_schema
from biomedica.sources.protocol import LISTING
from biomedica.store import (
    DataFile,
    Dataset,
    DatasetWriter,
    current_shards,
    done_articles,
    open_storage,
    pending,
    write_file,
)

BUILD = "b" * 16
REJECTED = 20
"""One article in so many is rejected as a whole; each other one has one reject of a graphic."""


def digests(start: int, count: int) -> np.ndarray:
    """The input digest of each article: 16 bytes that follow from its number."""
    number = np.arange(start, start + count, dtype=np.uint64)
    mixed = (number + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    return np.column_stack([mixed, mixed ^ np.uint64(0xD1B54A32D192ED03)])


def strings(values: list[str]) -> pa.Array:
    return pa.array(values, pa.string())


def table_with(table: str, rows: int, columns: dict[str, pa.Array]) -> pa.Table:
    schema = table_schema(table)
    arrays = [columns.get(field.name, pa.nulls(rows, field.type)) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def write_shard(root: str, per_shard: int, number: int) -> list[DataFile]:
    """The articles and rejects of one shard."""
    start, shard = number * per_shard, f"{number:016x}"
    ids = [f"PMC{start + row + 1}" for row in range(per_shard)]
    texts = [value.tobytes().hex() for value in digests(start, per_shard)]
    whole = [row % REJECTED == 0 for row in range(per_shard)]
    built = [row for row in range(per_shard) if not whole[row]]
    articles = {
        "article_id": strings([f"{ids[row]}.1" for row in built]),
        "pmcid": strings([ids[row] for row in built]),
        "version": pa.array([1] * len(built), pa.int32()),
        "input_digest": strings([texts[row] for row in built]),
        "build_digest": strings([BUILD] * len(built)),
        "shard": strings([shard] * len(built)),
    }
    rejects = {
        "article_id": strings([f"{name}.1" for name in ids]),
        "item": strings([f"{name}.1" if whole[row] else "f1.gif" for row, name in enumerate(ids)]),
        "stage": strings(["parse" if one else "figure" for one in whole]),
        "reason": strings(["not_jats" if one else "formula" for one in whole]),
        "input_digest": strings(texts),
        "build_digest": strings([BUILD] * per_shard),
        "shard": strings([shard] * per_shard),
    }
    storage = open_storage(root)
    files = [
        write_file(storage, "articles", shard, table_with("articles", len(built), articles)),
        write_file(storage, "rejects", shard, table_with("rejects", per_shard, rejects)),
    ]
    return [file for file in files if file is not None]


def generate(root: str, articles: int, per_shard: int) -> float:
    """Make the dataset; seconds."""
    start = time.perf_counter()
    with DatasetWriter.begin(root) as writer:
        # spawn: the open tables have threads, which a fork would not survive
        with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
            shards = range(articles // per_shard)
            made = pool.map(partial(write_shard, root, per_shard), shards, chunksize=50)
            files = [file for group in made for file in group]
        step = 2_000
        for at in range(0, len(files), step):
            writer.commit(files[at : at + step])
    return time.perf_counter() - start


def listing(articles: int) -> pa.Table:
    """Every article of the dataset, as a source lists it."""
    buffer = pa.py_buffer(np.ascontiguousarray(digests(0, articles)))
    binary = pa.Array.from_buffers(pa.binary(16), articles, [None, buffer])
    pmcids = np.arange(1, articles + 1, dtype=np.int64)
    return pa.table([pmcids, np.ones(articles, np.int32), binary], schema=LISTING)


def peak_gib() -> float:
    """The most memory that this process has held; unlike ru_maxrss not its parent's."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / (1 << 20)
    raise RuntimeError("no VmHWM in /proc/self/status")


def measure(root: str, articles: int) -> dict[str, float]:
    """Runs in a process of its own."""
    requested = listing(articles)
    start = time.perf_counter()
    done = done_articles(Dataset.open(root), BUILD)
    middle = time.perf_counter()
    todo = pending(requested, done)
    end = time.perf_counter()
    if todo.any() or len(done) != articles:
        raise RuntimeError(f"{todo.sum()} of {articles} articles are not found done")
    result = {
        "seconds": end - start,
        "done_seconds": middle - start,
        "pending_seconds": end - middle,
        "peak_gib": peak_gib(),
    }
    few = done.keys[:: max(1, articles // 1000)]
    start = time.perf_counter()
    if len(current_shards(Dataset.open(root), few)) != len(few):
        raise RuntimeError("current_shards missed articles")
    result["current_shards_seconds"] = time.perf_counter() - start
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--articles", type=int, default=10_000_000)
    parser.add_argument("--articles-per-shard", type=int, default=200)
    parser.add_argument("--root", help="where to keep the dataset (default: a temporary folder)")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    articles = options.articles - options.articles % options.articles_per_shard
    if options.measure:
        print(json.dumps(measure(options.measure, articles)))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = options.root or f"{folder}/dataset"
        made = 0.0
        if not Path(root).exists():
            made = generate(root, articles, options.articles_per_shard)
        command = [sys.executable, __file__, "--measure", root, "--articles", str(articles)]
        command += ["--articles-per-shard", str(options.articles_per_shard)]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result = {"articles": articles, "files": 2 * articles // options.articles_per_shard}
    result |= {"generate_seconds": made} | json.loads(output.splitlines()[-1])
    for name, value in result.items():
        print(f"{name:24} {value:>14,.2f}" if isinstance(value, float) else f"{name:24} {value:>14,}")
    if options.json:
        print(json.dumps({name: round(value, 3) for name, value in result.items()}))


if __name__ == "__main__":
    main()
