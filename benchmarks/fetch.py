"""Our client of a bucket next to bare obstore, pyarrow.fs and boto3, against one S3 server here.

    python benchmarks/fetch.py [--json]

Ours does what a worker does with an article: metadata read and checked, XML and media read in the same
threads, the MD5 of every object compared. The others fetch the same objects on the same schedule and
do nothing with them. All take turns in every round, and a ratio is of neighbours in one round: what
else runs on the machine weighs on both. `ratio_to_obstore` is the worst, over the settings, of the
medians of objects/s of ours over bare obstore. CPU time is of this process; the server, which is not
counted, shares the cores with it.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.seaweed import Endpoint, seaweed

ARTICLES, MEDIA = 300, 4
"""with the XML, 1,500 objects of OBJECT_BYTES, and the metadata of each article"""
OBJECT_BYTES = 100_000
IN_FLIGHT = (16, 64)
ROUNDS = 9
SLOW_ROUNDS = 3
"""of the clients that are only there to be compared with"""
BUCKET = "articles"
LIMIT = 64 << 20
TARGET = 0.85

Task = tuple[str, ...]
"""keys that one thread reads one after the other"""


@dataclass(frozen=True)
class Turn:
    """One client, everything fetched once."""

    seconds: float
    cpu: float
    bytes: int


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="one JSON object on the last line")
    arguments.add_argument("--rounds", type=int, default=ROUNDS)
    options = arguments.parse_args()
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    with (
        tempfile.TemporaryDirectory(prefix="biomedica-fetch-") as folder,
        seaweed(Path(folder)) as endpoint,
    ):
        fill(endpoint)
        values = measure(endpoint, options.rounds)
    show(values)
    if options.json:
        print(json.dumps(values))


def fill(endpoint: Endpoint) -> None:
    """Articles in PMC's layout, of noise."""
    client = endpoint.client()
    client.create_bucket(Bucket=BUCKET)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: put_article(client, number), range(1, ARTICLES + 1)))


def put_article(client: Any, number: int) -> None:
    name = f"PMC{number}.1"
    noise = random.Random(number)  # noqa: S311 - not for secrets
    urls = []
    for file in names(number):
        data = noise.randbytes(OBJECT_BYTES)
        client.put_object(Bucket=BUCKET, Key=f"{name}/{file}", Body=data)
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        urls.append(f"s3://{BUCKET}/{name}/{file}?md5={md5}")
    metadata = {
        "pmcid": f"PMC{number}", "version": 1, "pmid": number, "doi": f"10.1000/{number}",
        "title": "A title of usual length for an article of this kind", "is_pmc_openaccess": True,
        "license_code": "CC BY", "xml_url": urls[0], "media_urls": urls[1:],
    }  # fmt: skip
    body = json.dumps(metadata).encode()
    client.put_object(Bucket=BUCKET, Key=f"metadata/{name}.json", Body=body)


def names(number: int) -> list[str]:
    return [f"PMC{number}.1.xml", *(f"gr{graphic}.jpg" for graphic in range(1, MEDIA + 1))]


def tasks() -> list[Task]:
    """As a worker reads: metadata and XML in one thread, each image in one."""
    articles: list[Task] = []
    media: list[Task] = []
    for number in range(1, ARTICLES + 1):
        xml, *images = (f"PMC{number}.1/{name}" for name in names(number))
        articles.append((f"metadata/PMC{number}.1.json", xml))
        media += [(image,) for image in images]
    return articles + media


# --- the clients -------------------------------------------------------------------------------


def ours(endpoint: Endpoint) -> Callable[[Task], int]:
    from biomedica.config import FetchConfig
    from biomedica.ids import parse_article_id
    from biomedica.sources import SourceArticle, open_source

    source = open_source(f"s3://{BUCKET}", FetchConfig(endpoint_url=endpoint.url))
    opened: dict[str, SourceArticle] = {}

    def read(task: Task) -> int:
        prefix, _, name = task[-1].partition("/")
        if len(task) == 1:
            return len(opened[prefix].read_media(name, LIMIT))
        article = opened[prefix] = source.read_article(parse_article_id(prefix))
        return len(article.read_xml(LIMIT))

    return read


def obstore_bare(endpoint: Endpoint) -> Callable[[Task], int]:
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        BUCKET,
        endpoint=endpoint.url,
        region="us-east-1",
        virtual_hosted_style_request=False,
        skip_signature=True,
        client_options={"allow_http": True},
    )
    return lambda task: [len(obstore.get(store, key).bytes()) for key in task][-1]


def pyarrow_fs(endpoint: Endpoint) -> Callable[[Task], int]:
    from pyarrow import fs

    host = endpoint.url.removeprefix("http://")
    system = fs.S3FileSystem(anonymous=True, endpoint_override=host, scheme="http", region="us-east-1")

    def read(key: str) -> int:
        with system.open_input_stream(f"{BUCKET}/{key}", buffer_size=0) as file:
            return len(file.read())

    return lambda task: [read(key) for key in task][-1]


def boto3_client(endpoint: Endpoint) -> Callable[[Task], int]:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        signature_version=UNSIGNED, max_pool_connections=64, s3={"addressing_style": "path"}
    )
    client = boto3.client("s3", endpoint_url=endpoint.url, region_name="us-east-1", config=config)

    def read(key: str) -> int:
        return len(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    return lambda task: [read(key) for key in task][-1]


# --- measuring ---------------------------------------------------------------------------------


def measure(endpoint: Endpoint, rounds: int) -> dict[str, Any]:
    clients = {
        "ours": ours(endpoint),
        "obstore": obstore_bare(endpoint),
        "pyarrow": pyarrow_fs(endpoint),
        "boto3": boto3_client(endpoint),
    }
    todo = tasks()
    values: dict[str, Any] = {"objects": ARTICLES * (2 + MEDIA), "object_bytes": OBJECT_BYTES}
    settings: dict[str, Any] = {}
    for in_flight in IN_FLIGHT:
        turns = take_turns(clients, todo, in_flight, rounds)
        settings[str(in_flight)] = summary(turns, values["objects"])
    values["in_flight"] = settings
    values["ratio_to_obstore"] = min(setting["ratio_to_obstore"] for setting in settings.values())
    values["cpu_ratio_to_obstore"] = max(s["cpu_ratio_to_obstore"] for s in settings.values())
    values["cpu_ratio_to_boto3"] = max(s["cpu_ratio_to_boto3"] for s in settings.values())
    values["target"] = TARGET
    return values


def take_turns(
    clients: dict[str, Callable[[Task], int]], todo: list[Task], in_flight: int, rounds: int
) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = {name: [] for name in clients}
    with ThreadPoolExecutor(in_flight) as pool:
        for name in ("ours", "obstore"):  # connections and the server's caches
            turn(clients[name], todo, pool, in_flight)
        for number in range(rounds):
            pair = ["ours", "obstore"] if number % 2 else ["obstore", "ours"]
            others = ["pyarrow", "boto3"] if number < SLOW_ROUNDS else []
            for name in pair + others:
                turns[name].append(turn(clients[name], todo, pool, in_flight))
    sizes = {one.bytes for found in turns.values() for one in found}
    if len(sizes) != 1:
        raise SystemExit(f"the clients read different numbers of bytes: {sizes}")
    return turns


def turn(
    read: Callable[[Task], int], todo: list[Task], pool: ThreadPoolExecutor, in_flight: int
) -> Turn:
    from biomedica.pipeline.prefetch import read_ahead

    gc.collect()
    cpu, start = cpu_seconds(), time.perf_counter()
    size = sum(length for _, length in read_ahead(read, todo, pool, in_flight))
    return Turn(time.perf_counter() - start, cpu_seconds() - cpu, size)


def cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def summary(turns: dict[str, list[Turn]], objects: int) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, found in turns.items():
        values[name] = {
            "objects_per_s": objects / statistics.median(turn.seconds for turn in found),
            "cpu_ms_per_object": 1000 * statistics.median(turn.cpu for turn in found) / objects,
        }
    pairs = list(zip(turns["ours"], turns["obstore"], strict=True))
    values["ratio_to_obstore"] = statistics.median(bare.seconds / our.seconds for our, bare in pairs)
    values["ratios"] = [round(bare.seconds / our.seconds, 3) for our, bare in pairs]
    cpu = {name: values[name]["cpu_ms_per_object"] for name in turns}
    values["cpu_ratio_to_obstore"] = cpu["ours"] / cpu["obstore"]
    values["cpu_ratio_to_boto3"] = cpu["ours"] / cpu["boto3"]
    return values


def show(values: dict[str, Any]) -> None:
    print(f"{values['objects']:,} objects, five of six {values['object_bytes']:,} bytes, one server")
    print(f"{'in flight':>9}  {'client':<8} {'objects/s':>10} {'CPU ms/object':>14}")
    for line in lines(values):
        print(line)
    verdict = "met" if values["ratio_to_obstore"] >= values["target"] else "MISSED"
    print(
        f"ours over bare obstore, worst setting: {values['ratio_to_obstore']:.2f} "
        f"(target {values['target']:.2f}: {verdict})"
    )


def lines(values: dict[str, Any]) -> Iterator[str]:
    for in_flight, setting in values["in_flight"].items():
        for name in ("ours", "obstore", "pyarrow", "boto3"):
            rate, cpu = setting[name]["objects_per_s"], setting[name]["cpu_ms_per_object"]
            yield f"{in_flight:>9}  {name:<8} {rate:>10,.0f} {cpu:>14.3f}"
        spread = ", ".join(f"{ratio:.2f}" for ratio in sorted(setting["ratios"]))
        yield f"{'':>9}  ours : obstore = {setting['ratio_to_obstore']:.2f} (rounds: {spread})"


if __name__ == "__main__":
    main()
