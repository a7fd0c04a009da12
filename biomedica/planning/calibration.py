"""Measuring the rates of this machine: each kernel for a few seconds, on one core or one GPU."""

from __future__ import annotations

import contextlib
import datetime
import multiprocessing
import os
import platform
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from biomedica.config import FetchConfig, ImageConfig
from biomedica.errors import Rejected
from biomedica.ids import ArticleId, split_key
from biomedica.imaging import DecodedImage, decode
from biomedica.imaging.containers import read_container
from biomedica.planning.drawn import DRAWN_FORMATS, DRAWN_PIXELS, drawn_image
from biomedica.planning.kernels import (
    decode_all,
    encode_rate,
    hash_rate,
    mixed_work,
    parse_rate,
    write_rate,
)
from biomedica.planning.material import Material, Medium, gather
from biomedica.planning.rates import (
    CellContent,
    Content,
    EncodeRate,
    ImageRate,
    Machine,
    Rates,
    ReadRate,
    SizeClass,
    size_class,
)
from biomedica.planning.weights import with_weights
from biomedica.reporting.choice import in_sample_order
from biomedica.schema import PixelSpec
from biomedica.sources import Source, open_source, read_id_table
from biomedica.store import listing_keys

__all__ = ["calibrate", "this_machine"]

SAMPLE_ARTICLES = 60
MB = 1e6
MIXED = (12, 24)
"""XML files and images of one round on all cores"""

Cell = tuple[str, SizeClass]


def calibrate(
    source: str | None = None,
    models: Sequence[str] = (),
    *,
    ids: Sequence[str] | None = None,
    seconds: float = 5.0,
    seed: int = 0,
    fetch: FetchConfig | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Rates:
    """The rates of this machine.

    source: where articles are read; None: the built-in sample, and the network is not measured.
    models: as for `build`, or the bare name of an open_clip architecture, whose weights are then made
    by chance: they cost the same. ids: articles to take; None: a sample of all that the source lists,
    by `seed`. seconds: for each kernel. tell: hears what is measured.
    Raises ConfigError, SourceError or ModelError.
    """
    with tempfile.TemporaryDirectory(prefix="biomedica-calibrate-") as scratch:
        folder = Path(scratch)
        encoders = [_encode(model, folder, seconds, tell) for model in models]
        tell("read")
        opened = _opened(source, folder, fetch)
        material = gather(opened, _chosen(opened, ids, seed), seconds)
        tell("parse")
        parse = parse_rate(material.taken, seconds)
        tell("images")
        pixels = [PixelSpec(encoders[0].image_size if encoders else 224)]
        images, decoded = _images(material, pixels, seconds)
        tell("write")
        write = write_rate(material, decoded, folder / "written", seconds)
        tell("hash")
        hashes = hash_rate(min(seconds, 1.0))
        tell("all cores at once")
        return Rates(
            measured=datetime.datetime.now(datetime.UTC).date().isoformat(),
            seconds=seconds,
            machine=this_machine(),
            source=None if source is None else opened.uri,
            read=None if source is None else _read_rate(material, opened, hashes.md5_mb_per_second),
            parse=parse,
            images=tuple(images),
            encode=tuple(encoders),
            write=write,
            hash=hashes,
            all_cores=_all_cores(material, seconds),
            content=_content(material, decoded),
        )


def this_machine() -> Machine:
    """The facts beside the rates. The GPU and torch are named where torch is loaded already."""
    import sys

    import psutil

    torch: Any = sys.modules.get("torch")
    has_gpu = torch is not None and torch.cuda.is_available()
    return Machine(
        cpu=_cpu_name(),
        cores=_cores(),
        memory_gib=round(psutil.virtual_memory().total / 2**30, 1),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        torch=None if torch is None else str(torch.__version__),
        gpu=torch.cuda.get_device_name(0) if has_gpu else None,
    )


def _cpu_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return " ".join(value.split())
    return platform.processor() or platform.machine() or "unknown"


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _encode(model: str, folder: Path, seconds: float, tell: Callable[[str], None]) -> EncodeRate:
    tell(f"encode by {model}")
    with with_weights(model, folder) as loadable:
        rate = encode_rate(loadable, model, seconds)
    return rate if loadable == model else rate.model_copy(update={"untrained": True})


def _opened(source: str | None, folder: Path, fetch: FetchConfig | None) -> Source:
    if source is not None:
        return open_source(source, fetch)
    from biomedica.sources.sample import write_sample

    write_sample(folder / "sample", articles=SAMPLE_ARTICLES)
    return open_source(str(folder / "sample"))


def _chosen(source: Source, ids: Sequence[str] | None, seed: int) -> Iterator[ArticleId]:
    """Articles in an order that is by chance, and the same for the same seed."""
    if ids is None:
        listed = source.list_articles()
    else:
        table = read_id_table(ids)
        pairs = zip(table["pmcid"].to_pylist(), table["version"].to_pylist(), strict=True)
        listed = source.list_articles([ArticleId(*pair) for pair in pairs])
    for key in in_sample_order(listing_keys(listed), seed).tolist():
        yield ArticleId(*split_key(key))


def _read_rate(material: Material, source: Source, md5_mb_per_second: float) -> ReadRate:
    """The cost of a GET, its bytes aside: they cost MD5 and a copy of about the same speed."""
    per_mb = 1.5 / md5_mb_per_second
    gets = max(1, material.gets)
    bare = max(0.0, material.cpu_seconds - material.bytes / MB * per_mb) / gets
    return ReadRate(
        place="bucket" if source.uri.startswith("s3:") else "folder",
        gets=gets,
        bytes=max(1, material.bytes),
        wall_seconds_per_get=material.wall_seconds / gets,
        cpu_seconds_per_get=bare,
        cpu_seconds_per_mb=per_mb,
    )


Decoded = list[tuple[Medium, DecodedImage]]


def _images(
    material: Material, specs: Sequence[PixelSpec], seconds: float
) -> tuple[list[ImageRate], Decoded]:
    """The rate of every cell, and the images that were decoded, each once."""
    media = material.media
    spent: defaultdict[Cell, list[float]] = defaultdict(list)
    pixels: defaultdict[Cell, int] = defaultdict(int)
    kept: dict[int, DecodedImage] = {}
    order = [media[number] for number in _shuffled(len(media))]
    for number, one, image in decode_all([medium.data for medium in order], specs, seconds):
        if image is None:
            continue
        cell = _cell(image)
        spent[cell].append(one)
        pixels[cell] += image.width * image.height
        kept.setdefault(number, image)
    rates = [_rate(cell, times, pixels[cell], generated=False) for cell, times in sorted(spent.items())]
    rates += _drawn(set(spent), specs, seconds / 20)
    return rates, [(order[number], image) for number, image in kept.items()]


def _drawn(known: set[Cell], specs: Sequence[PixelSpec], seconds: float) -> Iterator[ImageRate]:
    for image_format in DRAWN_FORMATS:
        for size, count in DRAWN_PIXELS.items():
            if (image_format, size) in known:
                continue
            done = decode_all([drawn_image(image_format, count)], specs, seconds)
            yield _rate(
                (image_format, size), [one for _, one, _ in done], count * len(done), generated=True
            )


def _rate(cell: Cell, times: list[float], pixels: int, *, generated: bool) -> ImageRate:
    return ImageRate(
        image_format=cell[0],
        size=cell[1],
        images=len(times),
        megapixels=pixels / len(times) / 1e6,
        seconds_per_image=max(sum(times) / len(times), 1e-6),
        generated=generated,
    )


def _cell(image: DecodedImage) -> Cell:
    return image.original_format, size_class(image.width * image.height)


def _shuffled(count: int) -> list[int]:
    import numpy as np

    order: list[int] = np.random.Generator(np.random.PCG64(0)).permutation(count).tolist()
    return order


def _content(material: Material, decoded: Decoded) -> Content:
    """What the sample holds. Formats that are converted grow or shrink as those did that were decoded."""
    tally: defaultdict[Cell, list[int]] = defaultdict(lambda: [0, 0])
    for medium in material.media:
        with contextlib.suppress(Rejected):
            container = read_container(medium.data)
            cell = tally[container.image_format, size_class(container.width * container.height)]
            cell[0] += 1
            cell[1] += len(medium.data)
    growth = _growth(decoded)
    cells = (
        CellContent(
            image_format=image_format,
            size=size,
            images=count,
            bytes=size_bytes,
            stored_bytes=max(1, round(size_bytes * growth.get(image_format, 1.0))),
        )
        for (image_format, size), (count, size_bytes) in sorted(tally.items())
    )
    return Content(
        articles=len(material.papers),
        articles_taken=len(material.taken),
        xml_bytes=sum(len(paper.xml) for paper in material.papers),
        images_listed=sum(paper.images_listed for paper in material.papers),
        images=tuple(cells),
    )


def _growth(decoded: Decoded) -> dict[str, float]:
    """By format, bytes that are stored for each that was read."""
    read: defaultdict[str, int] = defaultdict(int)
    stored: defaultdict[str, int] = defaultdict(int)
    for medium, image in decoded:
        read[image.original_format] += len(medium.data)
        stored[image.original_format] += image.byte_size
    return {name: stored[name] / size for name, size in read.items()}


def _all_cores(material: Material, seconds: float) -> float:
    """What a core does while all of them work, relative to one alone: they share caches and memory,
    and often two are one core's threads."""
    cores = _cores()
    xml = [paper.xml for paper in material.taken[: MIXED[0]]]
    images = [medium.data for medium in material.media if _decodes(medium.data)][: MIXED[1]]
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(cores, mp_context=context) as pool:
        alone = pool.submit(mixed_work, xml, images, seconds).result()
        barrier = manager.Barrier(cores)
        together = [pool.submit(mixed_work, xml, images, seconds, barrier) for _ in range(cores)]
        rates = [one.result() for one in together]
    return min(1.0, sum(rates) / len(rates) / alone)


def _decodes(data: bytes) -> bool:
    try:
        decode(data, ImageConfig())
    except Rejected:
        return False
    return True
