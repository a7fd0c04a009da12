"""What the first crawl of a source's metadata costs: rate of a core, and memory of the driver.

A snapshot of PMC names some nine million article versions, and the first run reads the metadata JSON
of each. Three things are measured, each in processes of its own:

- how many JSONs a core reads, checks and writes as rows, from a folder and from an S3 server on
  loopback, by the CPU time of the process that reads (the server is another one);
- time and peak memory of the driver for several numbers of articles, by stand-ins for its workers:
  they write files of as many rows and read nothing;
- the same of the next run, which finds that nothing has changed.

    python benchmarks/crawl.py [--read 20000] [--articles 100000 400000 1600000] [--json]
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import hashlib
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from biomedica.config import BuildConfig, FetchConfig, RuntimeConfig
from biomedica.ids import article_key
from biomedica.pipeline import snapshot as pipeline_snapshot
from biomedica.pipeline.budget import RunBudget
from biomedica.pipeline.graph import Graph
from biomedica.pipeline.metadata import MetadataReader
from biomedica.pipeline.specs import Holding, ShardSpec, Summary
from biomedica.schema import table_schema
from biomedica.sources.inventory import SourceSnapshot, snapshot_name
from biomedica.sources.keys import NO_TIME, listing_of
from biomedica.sources.snapshot_rows import rows_of_listing
from biomedica.store import open_storage, write_file
from biomedica.store.keep_snapshot import keep_snapshot
from biomedica.store.snapshots import newest_snapshot

BUCKET = "pmc-oa-opendata"
PMC = 10_000_000
FIRST = 176_000
MEDIA = 9
"""of an article: figures, supplementary files"""


def document(number: int) -> bytes:
    """A metadata JSON of the size and shape of PMC's."""
    name = f"PMC{number}.1"
    digests = [
        hashlib.md5(b"%d %d" % (number, n), usedforsecurity=False).hexdigest() for n in range(MEDIA)
    ]
    urls = [
        f"s3://{BUCKET}/{name}/journal.pone.{number}.g{n:03}.jpg?md5={md5}"
        for n, md5 in enumerate(digests)
    ]
    values = {
        "pmcid": f"PMC{number}", "version": 1, "pmid": number + 10**7, "doi": f"10.1371/journal.pone.{number}",
        "mid": None, "title": "Imaging of a tissue in a population of patients with a disease: a study",
        "citation": "PLoS One. 2020 Jan 9; 15(1):e0227163", "is_pmc_openaccess": True, "is_manuscript": False,
        "is_historical_ocr": False, "is_retracted": False, "license_code": "CC BY",
        "xml_url": f"s3://{BUCKET}/{name}/{name}.xml?md5={digests[0]}",
        "text_url": f"s3://{BUCKET}/{name}/{name}.txt?md5={digests[1]}",
        "pdf_url": f"s3://{BUCKET}/{name}/{name}.pdf?md5={digests[2]}", "media_urls": urls,
    }  # fmt: skip
    return json.dumps(values, indent=1).encode()


# -- a bucket on loopback


class Bucket(asyncio.Protocol):
    """GET of metadata/PMC….1.json, made when it is asked for."""

    def connection_made(self, transport: Any) -> None:
        self.transport, self.rest = transport, b""

    def data_received(self, data: bytes) -> None:
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            path = self.rest.split(b" ", 2)[1]
            self.rest = self.rest[end + 4 :]
            body = document(int(path.rpartition(b"PMC")[2].partition(b".")[0]))
            etag = hashlib.md5(body, usedforsecurity=False).hexdigest()
            head = f'HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nETag: "{etag}"\r\n'
            head += "Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n"
            self.transport.write(head.encode() + body)


def serve(port: Any) -> None:
    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(Bucket, "127.0.0.1", 0)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


@contextlib.contextmanager
def bucket() -> Iterator[str]:
    """The URL of a running server."""
    context = multiprocessing.get_context("spawn")
    mine, its = context.Pipe()
    process = context.Process(target=serve, args=(its,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{mine.recv()}"
    finally:
        process.terminate()
        process.join()


# -- one worker


def read(source: str, endpoint: str | None, count: int, root: str) -> dict[str, float]:
    """A worker reads `count` articles in shards of 5,000."""
    config = BuildConfig(
        source=source,
        dataset=root,
        fetch=FetchConfig(endpoint_url=endpoint),
        runtime=RuntimeConfig(),
    )
    reader = MetadataReader(config, "2026-09-01T01-00-00Z")
    size = pipeline_snapshot.ARTICLES_A_SHARD
    holdings = [Holding(f"PMC{FIRST + n}.1", "") for n in range(count)]
    cpu, wall = time.process_time(), time.perf_counter()
    for start in range(0, count, size):
        spec = ShardSpec.of("benchmark", holdings[start : start + size])
        summary = reader.read(spec)
        assert summary.articles == len(spec), summary
    return {
        "articles_per_core_second": round(count / (time.process_time() - cpu)),
        "articles_per_second": round(count / (time.perf_counter() - wall)),
        "peak_mib": peak_mib(),
    }


def write_folder(root: Path, count: int) -> str:
    (root / "metadata").mkdir(parents=True)
    for number in range(FIRST, FIRST + count):
        (root / "metadata" / f"PMC{number}.1.json").write_bytes(document(number))
    return str(root)


# -- the driver


def keep(root: str, articles: int) -> None:
    """A snapshot of so many articles."""
    digests = np.random.default_rng(0).bytes(16 * articles)
    keys = article_key(FIRST + np.arange(articles), np.ones(articles, np.int64))
    rows = rows_of_listing(listing_of(keys, digests), np.full(articles, NO_TIME, np.int64))
    name = snapshot_name(datetime.datetime(2026, 9, 1, 1, tzinfo=datetime.UTC))
    taken = SourceSnapshot(name, rows, {"kind": "inventory", "source": f"s3://{BUCKET}"})
    keep_snapshot(open_storage(root), taken, 0.01)


def drive(root: str) -> dict[str, Any]:
    """The driver of a crawl, its workers replaced."""
    spent = 0.0

    @contextlib.contextmanager
    def no_session(*_: Any, **__: Any) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(workers=2, gpus=0, busiest=2)

    def stand_in(_graph: Graph, specs: Sequence[ShardSpec], snapshot: str) -> Iterator[Summary]:
        nonlocal spent
        for spec in specs:
            started = time.perf_counter()
            text = rows_of(spec, root, snapshot).to_json()
            spent += time.perf_counter() - started
            yield Summary.from_json(text)

    pipeline_snapshot.ray_session = no_session
    Graph.metadata = stand_in  # type: ignore[method-assign,assignment]
    config = BuildConfig(source=f"s3://{BUCKET}", dataset=root)
    snapshot = newest_snapshot(open_storage(root))
    assert snapshot is not None
    before, started = peak_mib(), time.perf_counter()
    report, gone = pipeline_snapshot.update_metadata(config, snapshot, RunBudget(config), quiet=True)
    assert (report.articles + report.articles_skipped, gone) == (snapshot.rows, 0)
    return {
        "articles": snapshot.rows,
        "read": report.articles,
        "seconds": round(time.perf_counter() - started - spent, 1),
        "peak_mib": peak_mib(),
        "imports_mib": before,
    }


def rows_of(spec: ShardSpec, root: str, snapshot: str) -> Summary:
    """What a worker would write, all but the keys and digests null."""
    holdings = list(spec.holdings())
    known: dict[str, Any] = {
        "article_id": [one.article_id for one in holdings],
        "pmcid": [one.article_id.partition(".")[0] for one in holdings],
        "input_digest": [one.input_digest for one in holdings],
        "listed_digest": [one.input_digest for one in holdings],
        "shard": [spec.shard] * len(holdings),
        "snapshot": [snapshot] * len(holdings),
    }
    schema = table_schema("metadata")
    columns = [
        pa.array(known[field.name], field.type)
        if field.name in known
        else pa.nulls(len(holdings), field.type)
        for field in schema
    ]
    summary = Summary(spec.shard, articles=len(holdings))
    file = write_file(
        open_storage(root), "metadata", spec.shard, pa.Table.from_arrays(columns, schema=schema)
    )
    assert file is not None
    summary.files.append(file)
    return summary


def peak_mib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def alone(work: Any, *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def measure(count: int, numbers: Sequence[int]) -> dict[str, Any]:
    values: dict[str, Any] = {"read": count, "bytes": len(document(FIRST))}
    with tempfile.TemporaryDirectory() as folder, bucket() as url:
        place = write_folder(Path(folder, "source"), count)
        values["folder"] = alone(read, place, None, count, f"{folder}/a")
        values["bucket"] = alone(read, f"s3://{BUCKET}", url, count, f"{folder}/b")
    values["driver"], values["again"] = [], []
    for number in numbers:
        with tempfile.TemporaryDirectory() as folder:
            alone(keep, folder, number)
            values["driver"].append(alone(drive, folder))
            values["again"].append(alone(drive, folder))
    rate = values["bucket"]["articles_per_core_second"]
    values["core_hours_of_pmc"] = round(PMC / rate / 3600, 1)
    if len(numbers) > 1:
        for name in ("driver", "again"):
            first, *_, last = values[name]
            slope = (last["peak_mib"] - first["peak_mib"]) / (last["articles"] - first["articles"])
            values[f"{name}_mib_of_pmc"] = round(last["peak_mib"] + slope * (PMC - last["articles"]))
    return values


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--read", type=int, default=20_000, help="metadata JSONs that are read")
    parser.add_argument("--articles", type=int, nargs="+", default=[100_000, 400_000, 1_600_000])
    parser.add_argument("--json", action="store_true", help="one object on the last line")
    options = parser.parse_args()
    values = measure(options.read, options.articles)
    for name in ("folder", "bucket"):
        print(f"{name:8}" + " ".join(f"{key}={value:,}" for key, value in values[name].items()))
    for name in ("driver", "again"):
        for one in values[name]:
            print(f"{name:8}" + " ".join(f"{key}={value:,}" for key, value in one.items()))
    said = {name: values[name] for name in values if name.endswith("_of_pmc")}
    print(f"of {PMC:,} articles: " + " ".join(f"{key}={value:,}" for key, value in said.items()))
    if options.json:
        print(json.dumps(values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
