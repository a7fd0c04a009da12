"""The whole build next to its kernels alone, and its memory as the corpus grows.

    python benchmarks/build.py [--json] [--full]

Kernels: read, parse, decode, encode and write of the same articles, in plain processes without Ray,
planning, checks or commits, one process a core, in the same run. `ratio_to_kernels` is the articles/s
of the job over those of the kernels. Memory is the private memory (USS) of driver and workers.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import multiprocessing
import os
import shutil
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

ARTICLES = 6_500
UNIQUE = 500
A_SHARD = 100
"""articles a shard, the same for every size of the corpus: memory follows the shard"""

LIMIT = 64 << 20


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--json", action="store_true", help="one JSON object on the last line")
    arguments.add_argument("--full", action="store_true", help="four times the articles")
    arguments.add_argument("--articles", type=int, default=ARTICLES)
    options = arguments.parse_args()
    count = options.articles * (4 if options.full else 1)
    with tempfile.TemporaryDirectory(prefix="biomedica-bench-") as folder:
        values = measure(Path(folder), count)
    show(values)
    if options.json:
        print(json.dumps(values))


def measure(folder: Path, count: int) -> dict[str, Any]:
    from biomedica.embedding import write_untrained_checkpoint

    model = write_untrained_checkpoint(folder / "models")
    source = repeated_sample(folder, count)
    small = sorted(path.stem for path in (source / "metadata").iterdir())[: count // 4]
    quarter = job(source, folder / "quarter", model, small)
    whole = job(source, folder / "whole", model, None)
    bare = kernels(source, folder / "kernels", model)
    return {
        "articles": whole["articles"],
        "images": whole["images"],
        "job_seconds": whole["seconds"],
        "job_articles_per_s": whole["articles"] / whole["seconds"],
        "job_images_per_s": whole["images"] / whole["seconds"],
        "job_stage_seconds": whole["stages"],
        "kernel_seconds": bare["seconds"],
        "kernel_articles_per_s": bare["articles"] / bare["seconds"],
        "kernel_images_per_s": bare["images"] / bare["seconds"],
        "kernel_stage_seconds": bare["stages"],
        "ratio_to_kernels": (whole["articles"] / whole["seconds"])
        / (bare["articles"] / bare["seconds"]),
        "peak_gib": whole["peak_gib"],
        "peak_gib_driver": whole["driver_gib"],
        "peak_gib_quarter": quarter["peak_gib"],
        "memory_growth": whole["peak_gib"] / quarter["peak_gib"],
    }


def repeated_sample(folder: Path, count: int) -> Path:
    """The sample, its articles repeated under new PMCIDs until there are `count`; media are links."""
    from biomedica.sources.sample import write_sample

    once, source = folder / "once", folder / "source"
    write_sample(once, articles=min(UNIQUE, count))
    (source / "metadata").mkdir(parents=True)
    names = sorted(path.stem for path in (once / "metadata").glob("*.json"))
    for number in range(count):
        old = names[number % len(names)]
        version = old.rpartition(".")[2]
        new = f"PMC{97_000_000 + number}.{version}"
        (source / new).mkdir()
        metadata = json.loads((once / "metadata" / f"{old}.json").read_text())
        metadata["pmcid"] = new.partition(".")[0]
        for name in ("xml_url", "text_url", "pdf_url"):
            metadata[name] = (metadata.get(name) or "").replace(old, new) or None
        metadata["media_urls"] = [url.replace(old, new) for url in metadata.get("media_urls") or []]
        (source / "metadata" / f"{new}.json").write_text(json.dumps(metadata))
        for file in (once / old).iterdir():
            os.link(file, source / new / file.name.replace(old, new))
    return source


def job(source: Path, out: Path, model: Path, ids: list[str] | None) -> dict[str, Any]:
    """One run of the whole job, as `biomedica build` runs it, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        found = pool.submit(_job, str(source), str(out), str(model), ids).result()
    shutil.rmtree(out)
    return found


def _job(source: str, out: str, model: str, ids: list[str] | None) -> dict[str, Any]:
    from biomedica.config import BuildConfig, load_config
    from biomedica.pipeline import run_build

    config = load_config(
        BuildConfig,
        None,
        {
            "source": source,
            "dataset": out,
            "ids": ids,
            "embed.models": [model],
            "runtime.articles_per_shard": A_SHARD,
        },
    )
    with watched_memory() as memory:
        report = run_build(config, quiet=True)
    if not report.complete:
        raise RuntimeError(f"the job did not finish: {report.to_dict()}")
    return {
        "articles": report.articles + report.articles_rejected,
        "images": report.pairs,
        "seconds": report.seconds,
        "stages": report.stage_seconds,
        "peak_gib": memory["peak"] / 2**30,
        "driver_gib": memory["driver"] / 2**30,
    }


@contextmanager
def watched_memory() -> Iterator[dict[str, float]]:
    """The highest private memory of this process and of the Ray workers below it, in bytes."""
    peaks = {"peak": 0.0, "driver": 0.0}
    ended = threading.Event()

    def watch() -> None:
        # looking costs time of the cores that are measured: once a second is often enough
        driver = psutil.Process()
        while not ended.wait(1.0):
            own = driver.memory_full_info().uss
            workers = 0
            for child in driver.children(recursive=True):
                try:
                    if child.name().startswith("ray::MapWorker"):
                        workers += child.memory_full_info().uss
                except psutil.Error:
                    continue
            peaks["driver"] = max(peaks["driver"], own)
            peaks["peak"] = max(peaks["peak"], own + workers)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def kernels(source: Path, out: Path, model: Path) -> dict[str, Any]:
    """The same articles through the bare functions, one plain process a core."""
    names = sorted(path.stem for path in (source / "metadata").iterdir())
    cores = len(os.sched_getaffinity(0))
    # as the job's: neighbouring articles together, spread evenly
    parts = [names[start : start + A_SHARD] for start in range(0, len(names), A_SHARD)]
    context = multiprocessing.get_context("spawn")
    start_barrier = context.Manager().Barrier(cores + 1)
    shares = [parts[core::cores] for core in range(cores)]
    with ProcessPoolExecutor(cores, mp_context=context) as pool:
        running = [
            pool.submit(_kernels, str(source), str(out), str(model), share, start_barrier)
            for share in shares
        ]
        start_barrier.wait()  # imports and the model's loading are not kernels
        start = time.monotonic()
        found = [process.result() for process in running]
        seconds = time.monotonic() - start
    stages: dict[str, float] = {}
    for values in found:
        for name, spent in values["stages"].items():
            stages[name] = stages.get(name, 0.0) + spent
    return {
        "articles": sum(values["articles"] for values in found),
        "images": sum(values["images"] for values in found),
        "seconds": seconds,
        "stages": stages,
    }


def _kernels(source: str, out: str, model: str, parts: list[list[str]], barrier: Any) -> dict[str, Any]:
    from biomedica.embedding import load_encoder

    bench = Kernels(source, out, load_encoder(model, device="cpu", threads=1))
    barrier.wait()
    for part in parts:
        bench.run(part)
    return {"articles": bench.articles, "images": bench.images, "stages": dict(bench.stages)}


class Kernels:
    """The functions that do the work, called bare: no threads, checks, rejects, Ray or commits."""

    def __init__(self, source: str, out: str, encoder: Any) -> None:
        from biomedica.sources import open_source
        from biomedica.store import open_storage

        self.source = open_source(source)
        self.storage = open_storage(out)
        self.encoder = encoder
        self.stages: Counter[str] = Counter()
        self.articles = self.images = 0

    def timed(self, stage: str, function: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*arguments)
        finally:
            self.stages[stage] += time.perf_counter() - start

    def run(self, part: list[str]) -> None:
        articles: list[Any] = []
        pairs: list[Any] = []
        pixels: list[Any] = []
        for name in part:
            self.articles += 1
            self.article(name, articles, pairs, pixels)
        self.timed("encode", self.encode, pixels)
        self.timed("write", self.write, part[0], articles, pairs)

    def article(self, name: str, articles: list[Any], pairs: list[Any], pixels: list[Any]) -> None:
        from biomedica.config import ImageConfig
        from biomedica.errors import Rejected
        from biomedica.ids import parse_article_id
        from biomedica.imaging import decode
        from biomedica.jats import parse_article
        from biomedica.licenses import resolve
        from biomedica.pipeline.rows import Origin, article_row, pair_row
        from biomedica.sources import MediaIndex, resolve_media

        found = self.timed("read", self.source.read_article, parse_article_id(name))
        if found.metadata.license_code == "TDM":
            return
        article = self.timed("parse", parse_article, self.timed("read", found.read_xml, LIMIT))
        row = article_row(
            article, found, resolve(found.metadata.license_code, article.license),
            Origin(name, found.input_digest, "", "", found.xml_uri), "",
        )  # fmt: skip
        articles.append(row)
        index = MediaIndex(found.metadata.media)
        for figure in article.figures:
            for graphic in figure.graphics:
                try:
                    media = resolve_media(graphic.href, index)
                except Rejected:
                    continue
                data = self.timed("read", found.read_media, media, LIMIT)
                image = self.timed("image", decode, data, ImageConfig(), [self.encoder.info.pixel_spec])
                pairs.append(pair_row(row, figure, graphic, media, image))
                pixels.append(image.pixels[0])
                self.images += 1

    def encode(self, pixels: list[Any]) -> None:
        import numpy as np

        step = self.encoder.batch_size
        for first in range(0, len(pixels), step):
            self.encoder.encode_pixels(np.stack(pixels[first : first + step]))

    def write(self, name: str, articles: list[Any], pairs: list[Any]) -> None:
        from biomedica.store import table_of, write_file

        shard = hashlib.sha256(name.encode()).hexdigest()[:16]
        for table, rows in (("articles", articles), ("pairs", pairs)):
            write_file(self.storage, table, shard, table_of(table, rows))


def show(values: dict[str, Any]) -> None:
    """The table a person reads."""
    print(f"{values['articles']:,} articles, {values['images']:,} images")
    print(f"{'':10}{'seconds':>10}{'articles/s':>12}{'images/s':>10}")
    for name in ("job", "kernel"):
        print(
            f"{name:10}{values[f'{name}_seconds']:>10.1f}{values[f'{name}_articles_per_s']:>12.1f}"
            f"{values[f'{name}_images_per_s']:>10.1f}"
        )
    for name in ("job", "kernel"):
        stages = [
            f"{stage} {spent:.1f}" for stage, spent in sorted(values[f"{name}_stage_seconds"].items())
        ]
        print(f"{name} seconds of all cores: {', '.join(stages)}")
    print(f"ratio to kernels: {values['ratio_to_kernels']:.3f}")
    print(
        f"peak memory of driver and workers: {values['peak_gib']:.2f} GiB, with a quarter of the articles "
        f"{values['peak_gib_quarter']:.2f} GiB; the driver alone {values['peak_gib_driver']:.2f} GiB"
    )


if __name__ == "__main__":
    main()
