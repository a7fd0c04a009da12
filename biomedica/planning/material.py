"""What the kernels are measured on: a sample of a source's articles, held in memory."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from biomedica.config import ImageConfig, LicenseConfig, ParseConfig
from biomedica.errors import Deferred, Rejected, SourceError
from biomedica.ids import ArticleId
from biomedica.jats import complete_metadata, parse_article
from biomedica.jats.article import Article, Figure, Graphic
from biomedica.licenses import Resolved, admit, resolve
from biomedica.sources import MediaIndex, Source, SourceArticle, is_image_name, resolve_media

__all__ = ["Material", "Medium", "Paper", "gather"]

MOST_BYTES = 256 << 20
"""of XML and images that are held"""
MOST_PAPERS = 1_000
ENOUGH, FEW = 300, 40
"""Bytes of an article vary by as much as their mean: that of 300 is known within some 6 %, of 40 within
16 %."""
PATIENCE = 6


@dataclass(frozen=True, slots=True)
class Medium:
    """An image that a figure shows."""

    figure: Figure
    graphic: Graphic
    name: str
    data: bytes


@dataclass(slots=True)
class Paper:
    """One article; `article` is None for one that does not pass the gate."""

    source: SourceArticle
    xml: bytes
    article: Article | None = None
    licence: Resolved | None = None
    media: list[Medium] = field(default_factory=list)
    images_listed: int = 0


@dataclass(slots=True)
class Material:
    """Articles that were read, and what reading them took."""

    papers: list[Paper] = field(default_factory=list)
    gets: int = 0
    bytes: int = 0
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def taken(self) -> list[Paper]:
        return [paper for paper in self.papers if paper.article is not None]

    @property
    def media(self) -> list[Medium]:
        return [medium for paper in self.papers for medium in paper.media]


def gather(source: Source, ids: Iterable[ArticleId], seconds: float) -> Material:
    """Read articles one object at a time, so many that their means can be relied on: ENOUGH with images
    and for `seconds` at least. A slow source is asked for PATIENCE times as long at most, unless it has
    given no more than FEW by then; memory is bounded.

    Wrong articles are left out, as a build rejects them. Raises SourceError where nothing is left.
    """
    found = Material()
    fault = "it lists none"
    for article_id in ids:
        with_images = sum(bool(paper.media) for paper in found.papers)
        is_enough = with_images >= ENOUGH and found.wall_seconds >= seconds
        is_slow = with_images >= FEW and found.wall_seconds >= PATIENCE * seconds
        if is_enough or is_slow or found.bytes > MOST_BYTES or len(found.papers) >= MOST_PAPERS:
            break
        try:
            _read(found, source, article_id)
        except (Rejected, Deferred) as error:
            fault = f"{article_id}: {error}"
    if not found.media:
        raise SourceError(
            f"{source.uri} has no article with an image among those tried ({fault}): name others by --ids"
        )
    return found


def _read(found: Material, source: Source, article_id: ArticleId) -> None:
    with _reading(found):
        article = source.read_article(article_id)
        found.gets += 1
        xml = article.read_xml(ParseConfig().max_xml_bytes)
        found.gets += 1
        found.bytes += len(xml)
    paper = Paper(article, xml, images_listed=sum(map(is_image_name, article.metadata.media)))
    found.papers.append(paper)
    if not _parse(paper) or paper.article is None:
        return
    index = MediaIndex(article.metadata.media, invalid=article.metadata.invalid_media)
    taken: set[str] = set()
    for figure, graphic in _graphics(paper.article.figures):
        try:
            name = resolve_media(graphic.href, index)
            if name in taken:
                continue
            with _reading(found):
                data = article.read_media(name, ImageConfig().max_object_bytes)
                found.gets += 1
                found.bytes += len(data)
        except Rejected:
            continue
        taken.add(name)
        paper.media.append(Medium(figure, graphic, name, data))


def _graphics(figures: Sequence[Figure]) -> Iterable[tuple[Figure, Graphic]]:
    return ((figure, graphic) for figure in figures for graphic in figure.graphics)


def _parse(paper: Paper) -> bool:
    """Parse it and ask the gate; whether it passes."""
    metadata = paper.source.metadata
    try:
        article = parse_article(paper.xml, pmcid=str(paper.source.article_id))
        licence = resolve(metadata.license_code, article.license)
        admit(
            code=licence.code,
            group=licence.group,
            is_open_access=complete_metadata(metadata, article).is_pmc_openaccess,
            config=LicenseConfig(),
        )
    except Rejected:
        return False
    paper.article, paper.licence = article, licence
    return True


@contextlib.contextmanager
def _reading(found: Material) -> Iterator[None]:
    """Adds the time of its block to the time of reading."""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        yield
    finally:
        found.wall_seconds += time.perf_counter() - wall
        found.cpu_seconds += time.process_time() - cpu
