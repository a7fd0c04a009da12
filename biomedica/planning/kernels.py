"""The kernels of a build, each timed by itself on one core.

Times are of the processor, not of the clock, so that other work on the machine disturbs them less;
a GPU's, and waiting for a source, are of the clock.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any, TypeVar

from biomedica.config import ImageConfig, StoreConfig
from biomedica.embedding import load_encoder
from biomedica.errors import Rejected
from biomedica.imaging import DecodedImage, decode
from biomedica.jats import parse_article
from biomedica.pipeline.rows import Origin, Row, article_row, pair_row
from biomedica.planning.material import Material, Medium, Paper
from biomedica.planning.rates import EncodeRate, HashRate, ParseRate, WriteRate
from biomedica.schema import PixelSpec
from biomedica.store import open_storage, table_of, write_file

__all__ = ["decode_all", "encode_rate", "hash_rate", "mixed_work", "parse_rate", "timed", "write_rate"]

MB = 1e6
PAYLOAD = 256 << 10
"""bytes of an image when the writing of images is measured"""
DECODED = 40
"""images at least: those that are written"""
ROWS = 100
"""of a row group of pairs"""

Item = TypeVar("Item")
Result = TypeVar("Result")


def timed(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    seconds: float,
    clock: Callable[[], float] = time.process_time,
    at_least: int = 1,
) -> list[tuple[int, float, Result]]:
    """Call a function with the items in turn, round and round, until `seconds` are over and it was
    called so often at least: (which item, its seconds, what came of it). The first call of all, which
    loads libraries, is not counted.
    """
    function(items[0])
    done: list[tuple[int, float, Result]] = []
    total = 0.0
    for number in cycle(range(len(items))):
        start = clock()
        result = function(items[number])
        spent = clock() - start
        done.append((number, spent, result))
        total += spent
        if total >= seconds and len(done) >= at_least:
            return done
    raise ValueError("nothing to be timed")


def parse_rate(papers: Sequence[Paper], seconds: float) -> ParseRate:
    """XML to rows of `articles`, of articles that pass the gate."""
    done = timed(_parsed_row, papers, seconds)
    size = sum(len(papers[number].xml) for number, _, _ in done)
    spent = sum(spent for _, spent, _ in done)
    return ParseRate(articles=len(done), seconds_per_100kb=max(spent, 1e-9) / size * 1e5)


def _parsed_row(paper: Paper) -> Row:
    parse_article(paper.xml, pmcid=str(paper.source.article_id))
    return _article_row(paper)


def _article_row(paper: Paper) -> Row:
    if paper.article is None or paper.licence is None:
        raise ValueError("an article that does not pass the gate has no row")
    name = str(paper.source.article_id)
    origin = Origin(name, paper.source.input_digest, "0" * 16, "0" * 16, paper.source.xml_uri)
    md5 = hashlib.md5(paper.xml, usedforsecurity=False).hexdigest()
    row = article_row(paper.article, paper.source, paper.licence, origin, md5)
    row |= {"unreferenced_media": (), "pair_count": 0, "graphic_reject_count": 0}
    return row


def decode_all(
    data: Sequence[bytes], specs: Sequence[PixelSpec], seconds: float
) -> list[tuple[int, float, DecodedImage | None]]:
    """Decode, hash, measure and scale images, like `timed`; None for one that cannot be decoded."""

    def work(item: bytes) -> DecodedImage | None:
        try:
            return decode(item, ImageConfig(), specs)
        except Rejected:
            return None

    return timed(work, data, seconds, at_least=min(len(data), DECODED))


def write_rate(
    material: Material, images: Sequence[tuple[Medium, DecodedImage]], folder: Path, seconds: float
) -> WriteRate:
    """Rows to Parquet files in a local folder; images beside.

    images: media with what came of them, of the first hundred.
    """
    articles = [_article_row(paper) for paper in material.taken[:ROWS]]
    owners = {
        id(medium): row
        for paper, row in zip(material.taken, articles, strict=False)
        for medium in paper.media
    }
    kept = [(owners[id(medium)], medium, image) for medium, image in images if id(medium) in owners][
        :ROWS
    ]
    pairs = [
        pair_row(row, medium.figure, medium.graphic, medium.name, image) for row, medium, image in kept
    ]
    bare = [pair | {"image": {"bytes": b"", "path": pair["image"]["path"]}} for pair in pairs]
    payload = os.urandom(PAYLOAD)
    heavy = [pair | {"image": {"bytes": payload, "path": pair["image"]["path"]}} for pair in pairs]
    writer = _Writer(folder)
    article, article_bytes = writer.measure("articles", articles, seconds / 4)
    pair, pair_bytes = writer.measure("pairs", bare, seconds / 4)
    full, _ = writer.measure("pairs", heavy, seconds / 2)
    return WriteRate(
        seconds_per_article=article,
        seconds_per_pair=pair,
        # a file system that swallows megabytes at once is faster than can be told apart
        seconds_per_image_mb=max(full - pair, 1e-6) / (PAYLOAD / MB),
        bytes_per_article=article_bytes,
        bytes_per_pair=pair_bytes,
    )


class _Writer:
    """Writes the same rows again and again, each time as a new file that is removed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.storage = open_storage(str(folder), StoreConfig())
        self.count = 0

    def measure(self, table: str, rows: list[Row], seconds: float) -> tuple[float, float]:
        """(seconds, bytes) a row."""

        def write(_: int) -> int:
            self.count += 1
            file = write_file(self.storage, table, f"rate{self.count}", table_of(table, rows))
            if file is None:
                raise ValueError("there were no rows to write")
            (self.folder / table / file.path).unlink()
            return file.bytes

        done = timed(write, range(1, 1 << 30), seconds, at_least=3)
        spent = sum(one for _, one, _ in done) / len(done)
        return max(spent, 1e-6) / len(rows), done[-1][2] / len(rows)


def hash_rate(seconds: float) -> HashRate:
    """MD5 and SHA-256 of 4 MB at a time."""
    data = os.urandom(4 << 20)

    def rate(function: Callable[[bytes], Any]) -> float:
        done = timed(function, [data], seconds / 2)
        return len(done) * len(data) / MB / max(sum(spent for _, spent, _ in done), 1e-9)

    return HashRate(
        md5_mb_per_second=rate(lambda item: hashlib.md5(item, usedforsecurity=False).digest()),
        sha256_mb_per_second=rate(lambda item: hashlib.sha256(item).digest()),
    )


def encode_rate(model: str, name: str, seconds: float) -> EncodeRate:
    """A model on the GPU where there is one, else on one core.

    model: as `load_encoder` takes it. name: as it was asked for. Raises ModelError.
    """
    import numpy as np

    start = time.perf_counter()
    encoder = load_encoder(model, threads=1)
    load = time.perf_counter() - start
    size = encoder.info.preprocessing.size
    random = np.random.Generator(np.random.PCG64(0))
    batch = random.integers(0, 256, (encoder.batch_size, size, size, 3), dtype=np.uint8)
    encoder.encode_pixels(batch)
    on_gpu = encoder.device == "cuda"
    done = timed(
        encoder.encode_pixels, [batch], seconds, time.perf_counter if on_gpu else time.process_time
    )
    spent = max(sum(one for _, one, _ in done), 1e-9)
    return EncodeRate(
        model=name,
        name=encoder.info.name,
        slug=encoder.info.slug,
        device="cuda" if on_gpu else "cpu",
        image_size=size,
        dimension=encoder.info.dimension,
        batch_size=encoder.batch_size,
        images_per_second=len(done) * encoder.batch_size / spent,
        flops_per_image=encoder.flops_per_image(),
        load_seconds=load,
        untrained=encoder.info.untrained,
    )


def mixed_work(
    xml: Iterable[bytes], images: Iterable[bytes], seconds: float, barrier: Any = None
) -> float:
    """Rounds of parsing and decoding a second of the processor; one process of several.

    barrier: where they wait for each other before they begin.
    """
    papers, pictures = list(xml), list(images)
    specs = [PixelSpec(224)]

    def work(_: None) -> None:
        for data in papers:
            parse_article(data)
        for data in pictures:
            decode(data, ImageConfig(), specs)

    work(None)
    if barrier is not None:
        barrier.wait(timeout=120)
    deadline = time.perf_counter() + seconds
    cpu, rounds = time.process_time(), 0
    while not rounds or time.perf_counter() < deadline:
        work(None)
        rounds += 1
    return rounds / max(time.process_time() - cpu, 1e-9)
