"""Our client of a bucket next to bare obstore, pyarrow.fs and boto3, against one S3 server here.

    python benchmarks/fetch.py [--json]

Ours does what a worker does with an article, in a worker's environment: metadata read and checked, XML
and media read in the same threads, the MD5 of every object compared. The others fetch the same objects
on the same schedule and do nothing with them. Each client is a process, and all take turns in every
round. The server has the first half of the cores and the clients the other: what a client computes does
not slow a real server. (On two cores shared by both, everything that anybody computes takes from the
rate: bare obstore and server spend 0.5 ms an object there, and an MD5 of 100 kB is another 0.12.)

Objects/s are of the best round, since what else runs on the machine can only slow one down; the medians
stand beside. `ratio_to_obstore` is the worst, over the settings, of ours over bare obstore.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import hashlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.seaweed import Endpoint, seaweed

ARTICLES, MEDIA = 300, 4
"""with the XML, 1,500 objects of OBJECT_BYTES, and the metadata of each article"""
OBJECT_BYTES = 100_000
IN_FLIGHT = (16, 64)
ROUNDS = 12
SETTING_SECONDS = 150
"""after which no other round begins"""
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
    arguments.add_argument("--client", choices=CLIENTS, help=argparse.SUPPRESS)
    arguments.add_argument("--endpoint", help=argparse.SUPPRESS)
    arguments.add_argument("--in-flight", type=int, help=argparse.SUPPRESS)
    options = arguments.parse_args()
    if options.client:
        serve(CLIENTS[options.client](options.endpoint), options.in_flight)
        return
    with (
        tempfile.TemporaryDirectory(prefix="biomedica-fetch-") as folder,
        seaweed(Path(folder)) as endpoint,
    ):
        fill(endpoint)
        values = measure(endpoint.url, options.rounds, part_cores())
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


def ours(url: str) -> Callable[[Task], int]:
    from biomedica.config import FetchConfig
    from biomedica.ids import parse_article_id
    from biomedica.sources import SourceArticle, open_source

    source = open_source(f"s3://{BUCKET}", FetchConfig(endpoint_url=url))
    opened: dict[str, SourceArticle] = {}

    def read(task: Task) -> int:
        prefix, _, name = task[-1].partition("/")
        if len(task) == 1:
            return len(opened[prefix].read_media(name, LIMIT))
        article = opened[prefix] = source.read_article(parse_article_id(prefix))
        return len(article.read_xml(LIMIT))

    return read


def obstore_bare(url: str) -> Callable[[Task], int]:
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        BUCKET,
        endpoint=url,
        region="us-east-1",
        virtual_hosted_style_request=False,
        skip_signature=True,
        client_options={"allow_http": True},
    )
    return lambda task: [len(obstore.get(store, key).bytes()) for key in task][-1]


def pyarrow_fs(url: str) -> Callable[[Task], int]:
    from pyarrow import fs

    host = url.removeprefix("http://")
    system = fs.S3FileSystem(anonymous=True, endpoint_override=host, scheme="http", region="us-east-1")

    def read(key: str) -> int:
        with system.open_input_stream(f"{BUCKET}/{key}", buffer_size=0) as file:
            return len(file.read())

    return lambda task: [read(key) for key in task][-1]


def boto3_client(url: str) -> Callable[[Task], int]:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    config = Config(
        signature_version=UNSIGNED, max_pool_connections=64, s3={"addressing_style": "path"}
    )
    client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", config=config)

    def read(key: str) -> int:
        return len(client.get_object(Bucket=BUCKET, Key=key)["Body"].read())

    return lambda task: [read(key) for key in task][-1]


CLIENTS = {"ours": ours, "obstore": obstore_bare, "pyarrow": pyarrow_fs, "boto3": boto3_client}


def serve(read: Callable[[Task], int], in_flight: int) -> None:
    """In a client's process: everything once for every line of stdin."""
    todo = tasks()
    with ThreadPoolExecutor(in_flight) as pool:
        turn(read, todo, pool, in_flight)  # connections, and the server's caches
        print("ready", flush=True)
        for _ in sys.stdin:
            print(json.dumps(astuple(turn(read, todo, pool, in_flight))), flush=True)


# --- measuring ---------------------------------------------------------------------------------


def part_cores() -> bool:
    """The server on the first half of the cores, this process and its children on the other."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return False
    half = len(cores) // 2
    for child in psutil.Process().children(recursive=True):
        for thread in child.threads():
            os.sched_setaffinity(thread.id, cores[:half])
    os.sched_setaffinity(0, cores[half:])
    return True


def measure(url: str, rounds: int, apart: bool) -> dict[str, Any]:
    objects = ARTICLES * (2 + MEDIA)
    settings = {
        str(in_flight): summary(take_turns(url, in_flight, rounds), objects) for in_flight in IN_FLIGHT
    }
    return {
        "objects": objects,
        "object_bytes": OBJECT_BYTES,
        "server_on_cores_of_its_own": apart,
        "in_flight": settings,
        "ratio_to_obstore": min(s["ratio_to_obstore"] for s in settings.values()),
        "cpu_ratio_to_obstore": max(s["cpu_ratio_to_obstore"] for s in settings.values()),
        "cpu_ratio_to_boto3": max(s["cpu_ratio_to_boto3"] for s in settings.values()),
        "target": TARGET,
    }


def take_turns(url: str, in_flight: int, rounds: int) -> dict[str, list[Turn]]:
    turns: dict[str, list[Turn]] = {name: [] for name in CLIENTS}
    with contextlib.ExitStack() as stack:
        running = {name: stack.enter_context(client(name, url, in_flight)) for name in CLIENTS}
        deadline = time.monotonic() + SETTING_SECONDS
        for number in range(rounds):
            pair = ["ours", "obstore"] if number % 2 else ["obstore", "ours"]
            for name in pair + (["pyarrow", "boto3"] if number < SLOW_ROUNDS else []):
                turns[name].append(running[name]())
            if time.monotonic() > deadline and number + 1 >= SLOW_ROUNDS:
                break
    sizes = {one.bytes for found in turns.values() for one in found}
    if len(sizes) != 1:
        raise SystemExit(f"the clients read different numbers of bytes: {sizes}")
    return turns


@contextlib.contextmanager
def client(name: str, url: str, in_flight: int) -> Iterator[Callable[[], Turn]]:
    """A client's process; a call lets it fetch everything once."""
    from biomedica.pipeline.graph import WORKER_ENVIRONMENT

    environment = os.environ | {"AWS_EC2_METADATA_DISABLED": "true", "NO_PROXY": "127.0.0.1"}
    environment |= WORKER_ENVIRONMENT  # the same for all: what differs is the client
    command = [sys.executable, __file__, "--client", name, "--endpoint", url]
    with subprocess.Popen(
        [*command, "--in-flight", str(in_flight)],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        questions, answers = process.stdin, process.stdout

        def go() -> Turn:
            questions.write("\n")
            questions.flush()
            return Turn(*json.loads(answers.readline()))

        if answers.readline().strip() != "ready":
            raise SystemExit(f"the client {name} does not start")
        yield go
        questions.close()


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
        seconds = [turn.seconds for turn in found]
        values[name] = {
            "objects_per_s": objects / min(seconds),
            "objects_per_s_median": objects / statistics.median(seconds),
            "cpu_ms_per_object": 1000 * statistics.median(turn.cpu for turn in found) / objects,
        }
    ours, bare = values["ours"], values["obstore"]
    values["ratio_to_obstore"] = ours["objects_per_s"] / bare["objects_per_s"]
    values["ratio_of_medians"] = ours["objects_per_s_median"] / bare["objects_per_s_median"]
    cpu = {name: values[name]["cpu_ms_per_object"] for name in turns}
    values["cpu_ratio_to_obstore"] = cpu["ours"] / cpu["obstore"]
    values["cpu_ratio_to_boto3"] = cpu["ours"] / cpu["boto3"]
    return values


def show(values: dict[str, Any]) -> None:
    cores = "on cores of its own" if values["server_on_cores_of_its_own"] else "on the same core"
    print(
        f"{values['objects']:,} objects, five of six of {values['object_bytes']:,} bytes; server {cores}"
    )
    print(f"{'in flight':>9}  {'client':<8} {'objects/s':>10} {'median':>8} {'CPU ms/object':>14}")
    for in_flight, setting in values["in_flight"].items():
        for name in CLIENTS:
            one = setting[name]
            print(
                f"{in_flight:>9}  {name:<8} {one['objects_per_s']:>10,.0f} "
                f"{one['objects_per_s_median']:>8,.0f} {one['cpu_ms_per_object']:>14.3f}"
            )
        ratios = setting["ratio_to_obstore"], setting["ratio_of_medians"]
        print(f"{'':>9}  ours : obstore = {ratios[0]:.2f} (of medians {ratios[1]:.2f})")
    verdict = "met" if values["ratio_to_obstore"] >= values["target"] else "MISSED"
    print(
        f"ours over bare obstore, worst setting: {values['ratio_to_obstore']:.2f} "
        f"(target {values['target']:.2f}: {verdict})"
    )


if __name__ == "__main__":
    main()
