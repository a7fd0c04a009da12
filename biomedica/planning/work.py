"""What has to be done for so many articles: seconds of cores, requests, bytes, files. Arithmetic alone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from biomedica.config import RuntimeConfig
from biomedica.pipeline.plan import chunk_size
from biomedica.planning.assumptions import Assumption
from biomedica.planning.counts import Counts
from biomedica.planning.rates import SIZE_CLASSES, EncodeRate, ImageRate, Rates, SizeClass

__all__ = ["Demand", "ImageKind", "Work", "demand_of", "image_seconds", "work_of"]

MB = 1e6
KEYS_A_PAGE = 1000
TABLES = 4
"""articles, pairs, rejects, superseded; each model's embeddings besides"""
CHECKPOINT_EVERY = 10
"""commits, `delta.checkpointInterval`"""
OTHER_FILES = 9
"""the log of `superseded`, what says that this is a dataset, its selection, terms and report"""
EMBEDDING_ROW_BYTES = 4.0
"""beside the vector: ids and digests, compressed"""

Known = Mapping[str, Assumption]


@dataclass(frozen=True, slots=True)
class ImageKind:
    """Images of one format and size. bytes, stored_bytes: the mean of one."""

    image_format: str
    size: SizeClass
    share: float
    bytes: float
    stored_bytes: float


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked for, in means. images: those that are read and become pairs."""

    articles: float
    images: float
    xml_bytes: float
    metadata_bytes: float
    kinds: tuple[ImageKind, ...]
    basis: tuple[Assumption, ...] = field(default=(), compare=False)
    """the numbers that it was made from"""

    @property
    def image_bytes(self) -> float:
        return sum(kind.share * kind.bytes for kind in self.kinds)

    @property
    def stored_image_bytes(self) -> float:
        return sum(kind.share * kind.stored_bytes for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class Work:
    """Totals. cpu_seconds: by stage, of one core; encoding apart, which may be a GPU's.

    puts: new objects, the log's included; objects: those that stay.
    """

    articles: float
    images: float
    cpu_seconds: Mapping[str, float]
    encode_seconds: float | None
    """of one core; None: no model, or its rate on a core is not known"""
    reads: float
    """objects of the source: metadata, XML, images"""
    gets: float
    """requests for them and for the listing; none to a folder"""
    bytes_read: float
    bytes_written: float
    pixel_bytes: float
    """that go to nodes with GPUs, if encoding does"""
    shards: int
    data_files: float
    tables: int

    @property
    def core_seconds(self) -> float:
        return sum(self.cpu_seconds.values())

    def commits(self, seconds: float, every: float) -> float:
        """Commits of a run of so long: one with the first shard that ends when `every` seconds are over
        since the one before, and one for its end."""
        pause = every + seconds / self.shards / 2
        return min(self.shards, seconds / pause if pause else self.shards) + 1

    def objects(self, commits: float) -> float:
        """Files of the dataset: data, a log entry for each table and commit, checkpoints.

        Beside them each table's first entry, the one that raises its writer epoch, and its
        `_last_checkpoint`; `superseded` has no more than these where nothing was built before.
        """
        busy = self.tables - 1
        entries = busy * (commits + 2) * (1 + 1 / CHECKPOINT_EVERY) + busy
        return self.data_files + entries + OTHER_FILES


def demand_of(counts: Counts, rates: Rates, known: Known) -> Demand:
    """Counts and what an article holds: measured where the rates are of the same source, else assumed."""
    is_same = bool(rates.source) and counts.source == rates.source
    content = rates.content
    basis: list[Assumption] = []

    def use(name: str, measured: float | None, what: str = "") -> float:
        assumption = known[name]
        if measured is not None and assumption.basis == "assumed":
            source = f"{content.articles} articles of the source{what}"
            assumption = Assumption(name, measured, assumption.unit, "measured", source)
        basis.append(assumption)
        return assumption.value

    taken: float
    if counts.taken is None:
        share = content.articles_taken / content.articles if is_same else None
        taken = counts.articles * use("taken_share", share)
    else:
        taken = counts.taken
    per_article = content.image_count / max(1, content.articles_taken) if is_same else None
    asks = known["images_per_article"].basis == "given"
    if counts.images_listed is None or asks:
        images = taken * use("images_per_article", per_article)
    else:
        used = (
            content.image_count / content.images_listed if is_same and content.images_listed else None
        )
        images = counts.images_listed * use("images_used_share", used)
    return Demand(
        articles=counts.articles,
        images=images,
        xml_bytes=use("xml_bytes", content.xml_bytes / content.articles if is_same else None),
        metadata_bytes=use("metadata_bytes", None),
        kinds=_kinds(rates, is_same, known, basis),
        basis=tuple(basis),
    )


def _kinds(rates: Rates, is_same: bool, known: Known, basis: list[Assumption]) -> tuple[ImageKind, ...]:
    sizes = SIZE_CLASSES[:3]
    names = [f"image_{what}_{size}" for what in ("share", "bytes") for size in sizes]
    total = rates.content.image_count
    if is_same and total and not any(known[name].basis == "given" for name in names):
        mean = sum(cell.bytes for cell in rates.content.images) / total
        what = f"{total} images of the source, by format and size"
        basis.append(Assumption("image_bytes", mean, "bytes an image", "measured", what))
        return tuple(
            ImageKind(
                cell.image_format,
                cell.size,
                cell.images / total,
                cell.bytes / cell.images,
                cell.stored_bytes / cell.images,
            )
            for cell in rates.content.images
        )
    basis += [known[name] for name in names]
    shares = [known[f"image_share_{size}"].value for size in sizes]
    return tuple(
        ImageKind(
            "jpeg",
            size,
            share / max(sum(shares), 1e-9),
            known[f"image_bytes_{size}"].value,
            known[f"image_bytes_{size}"].value,
        )
        for size, share in zip(sizes, shares, strict=True)
    )


def work_of(
    demand: Demand, rates: Rates, models: Sequence[EncodeRate], known: Known, *, in_bucket: bool
) -> Work:
    """The totals of a build with these models. in_bucket: the source is one, which is asked by GETs."""
    articles, images = demand.articles, demand.images
    reads = 2 * articles + images
    per_get, per_mb = _read_cost(rates, known, in_bucket=in_bucket)
    read = articles * (demand.metadata_bytes + demand.xml_bytes) + images * demand.image_bytes
    stored = images * demand.stored_image_bytes
    scale = demand.xml_bytes / (rates.content.xml_bytes / rates.content.articles)
    cpu = {
        "read": reads * per_get + read / MB * per_mb,
        "parse": articles * demand.xml_bytes / 1e5 * rates.parse.seconds_per_100kb,
        "image": images * sum(k.share * image_seconds(rates.images, k) for k in demand.kinds),
        "write": articles * rates.write.seconds_per_article * scale
        + images * rates.write.seconds_per_pair
        + stored / MB * rates.write.seconds_per_image_mb,
    }
    speed = known["core_speed"].value
    on_cpu = [model for model in models if model.device == "cpu"]
    encode = images * sum(1 / model.images_per_second for model in on_cpu) / speed
    shards = max(1, math.ceil(articles / chunk_size(math.ceil(articles), None)))
    return Work(
        articles=articles,
        images=images,
        cpu_seconds={stage: seconds / speed for stage, seconds in cpu.items()},
        encode_seconds=encode if models and len(on_cpu) == len(models) else None,
        reads=reads,
        gets=reads + math.ceil(articles / KEYS_A_PAGE) if in_bucket else 0.0,
        bytes_read=read,
        bytes_written=stored
        + images * rates.write.bytes_per_pair
        + articles * rates.write.bytes_per_article * scale
        + images * sum(4 * model.dimension + EMBEDDING_ROW_BYTES for model in models),
        pixel_bytes=images * sum(3.0 * size**2 for size in {model.image_size for model in models}),
        shards=shards,
        data_files=_data_files(shards, stored, len(models)),
        tables=TABLES + len(models),
    )


def _read_cost(rates: Rates, known: Known, *, in_bucket: bool) -> tuple[float, float]:
    """Seconds of a core for a GET, and for each MB."""
    read = rates.read
    if read is not None and (read.place == "bucket") == in_bucket:
        return read.cpu_seconds_per_get, read.cpu_seconds_per_mb
    return known["get_cpu_seconds"].value, 1 / rates.hash.md5_mb_per_second


def image_seconds(rates: Sequence[ImageRate], kind: ImageKind) -> float:
    """Of one image: of its format and size, else of the nearest size, by pixels; of another format
    where there is none of its own."""
    order = SIZE_CLASSES.index(kind.size)
    same = [rate for rate in rates if rate.image_format == kind.image_format] or list(rates)
    best = min(same, key=lambda rate: (abs(SIZE_CLASSES.index(rate.size) - order), rate.size))
    factor = TYPICAL[kind.size] / best.megapixels if best.size != kind.size else 1.0
    return best.seconds_per_image * factor


TYPICAL: dict[SizeClass, float] = {"under_0.5": 0.27, "0.5_to_2": 0.95, "2_to_12": 4.0, "over_12": 20.0}
"""megapixels of an image of a class, where another class must stand for it"""


def _data_files(shards: int, image_bytes: float, models: int) -> float:
    """Parquet files: articles, pairs and rejects of each slice of a shard, embeddings of each shard."""
    slices = max(1.0, image_bytes / shards / RuntimeConfig().shard_bytes)
    return shards * (3 * slices + models)
