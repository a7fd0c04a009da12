"""What the parser makes of one article, beside the census of its XML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from biomedica.config import BuildConfig
from biomedica.errors import ConfigError, Deferred, Rejected
from biomedica.ids import ArticleId, parse_article_id
from biomedica.jats import Article, Graphic, parse_article
from biomedica.jats.agreement import disagreements
from biomedica.jats.census import Census, take_census
from biomedica.licenses import Resolved, resolve
from biomedica.sources import MediaIndex, open_source, resolve_media, unreferenced_media
from biomedica.sources.files import read_file

__all__ = ["GraphicFile", "Inspection", "inspect_article", "inspect_xml"]

POLICY = frozenset({"legally_suppressed"})
"""Rejects of what can be read and must not be: no disagreement with a reader that does not judge."""


@dataclass(frozen=True, slots=True)
class GraphicFile:
    """The media file that a graphic of a figure means, or why it means none (stage `image`)."""

    graphic: int
    """its index"""
    href: str
    file: str | None
    reason: str | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Inspection:
    """One article inspected. Where the parser rejects it there is no `article`, where the census
    refuses it no `census`."""

    name: str
    """the file, or the article id"""
    source_uri: str
    article: Article | None = None
    license: Resolved | None = None
    census: Census | None = None
    rejected: tuple[str, str, str] | None = None
    """stage, reason, detail"""
    disagreements: tuple[str, ...] = ()
    media: MediaIndex | None = None
    read_media: Callable[[str], bytes] | None = field(default=None, repr=False)

    def files(self) -> dict[int, GraphicFile]:
        """For each graphic of the figures, by its index, the file it means; without a source of media
        nothing. Of those that mean one file the first has it, as in a build where it can be read."""
        found: dict[int, GraphicFile] = {}
        holders: dict[str, int] = {}
        for graphic in self._graphics():
            index, href = graphic.index, graphic.href
            try:
                name = resolve_media(href, self.media or MediaIndex(()))
                holder = holders.setdefault(name, index)
                if holder != index:
                    raise Rejected("duplicate_reference", f"{name!a} is the file of graphic {holder}")
                found[index] = GraphicFile(index, href, name)
            except Rejected as fault:
                found[index] = GraphicFile(index, href, None, fault.reason, fault.detail)
        return found

    def _graphics(self) -> list[Graphic]:
        if self.article is None or self.media is None:
            return []
        return [graphic for figure in self.article.figures for graphic in figure.graphics]

    def unreferenced_media(self) -> tuple[str, ...]:
        """The image files that no graphic names, taken or not; without a source of media nothing."""
        if self.article is None or self.media is None:
            return ()
        hrefs = [graphic.href for graphic in self._graphics()]
        return unreferenced_media([*hrefs, *(no.item for no in self.article.rejects)], self.media)

    def counts(self) -> dict[str, tuple[int | None, int]]:
        """What was counted in the XML → (the same by the parser where it has it, the XML's count)."""
        if self.census is None:
            return {}
        parsed: dict[str, int] = {}
        if self.article is not None:
            unresolved = [w for w in self.article.warnings if w.startswith("unresolved_rid: ")]
            parsed = {
                "figures of any element": self.article.figure_count,
                "graphics": self.article.graphic_count,
                "inline graphics": self.article.inline_graphic_count,
                "rids unresolved": len(unresolved),
                "references": self.article.reference_count,
            }
        return {name: (parsed.get(name), count) for name, count in self.census.counts().items()}

    def to_dict(self) -> dict[str, Any]:
        """All of it as JSON can say it, texts whole."""
        stage, reason, detail = self.rejected or (None, None, None)
        return {
            "name": self.name,
            "source_uri": self.source_uri,
            "rejected": {"stage": stage, "reason": reason, "detail": detail} if stage else None,
            "article": None if self.article is None else asdict(self.article),
            "license": None if self.license is None else self.license._asdict(),
            "files": None
            if self.article is None or self.media is None
            else [asdict(one) for one in self.files().values()],
            "unreferenced_media": list(self.unreferenced_media()),
            "counts": {
                name: {"parser": parser, "xml": xml} for name, (parser, xml) in self.counts().items()
            },
            "disagreements": list(self.disagreements),
        }


def inspect_article(what: str, source: str | None, config: BuildConfig) -> Inspection:
    """A JATS XML by its path, or an article of a source by its id.

    Raises ConfigError where there is no such file or article, SourceError, Deferred.
    """
    if source is not None:
        return _from_source(parse_article_id(what), source, config)
    remedy = "give the path of a JATS XML, or an article id and its --source"
    path = Path(what).expanduser()
    try:
        xml = read_file("/", str(path), config.parse.max_xml_bytes)
    except Rejected as fault:
        return Inspection(what, str(path), rejected=("parse", fault.reason, fault.detail))
    except (Deferred, ValueError) as error:
        raise ConfigError(f"cannot read {what!a}: {error}; {remedy}") from None
    if xml is None:
        raise ConfigError(f"there is no file {what!a}: {remedy}")
    names = sorted(beside.name for beside in path.parent.iterdir() if beside.is_file())
    return inspect_xml(
        xml,
        what,
        config,
        source_uri=str(path),
        pmcid=_id_in(path.stem),
        media=MediaIndex(names),
        read_media=lambda name: _beside(path, name, config.image.max_object_bytes),
    )


def _beside(path: Path, name: str, limit: int) -> bytes:
    data = read_file("/", str(path.parent / name), limit)
    if data is None:
        raise Rejected("media_missing", f"{name} is no file that can be read")
    return data


def _id_in(stem: str) -> str | None:
    """The article id that a file is named by, as in PMC's layout."""
    try:
        return str(parse_article_id(stem))
    except ConfigError:
        return None


def _from_source(wanted: ArticleId, uri: str, config: BuildConfig) -> Inspection:
    source = open_source(uri, config.fetch)
    listed = source.list_articles([wanted]).to_pylist()
    if not listed:
        raise ConfigError(f"{uri} has no {wanted}: `biomedica ids --source {uri}` lists what it has")
    article_id = ArticleId(listed[0]["pmcid"], listed[0]["version"])
    try:
        article = source.read_article(article_id)
        xml = article.read_xml(config.parse.max_xml_bytes)
    except Rejected as fault:
        return Inspection(str(article_id), uri, rejected=("source", fault.reason, fault.detail))
    return inspect_xml(
        xml,
        str(article_id),
        config,
        source_uri=article.xml_uri,
        pmcid=str(article_id),
        license_code=article.metadata.license_code,
        media=MediaIndex(article.metadata.media, invalid=article.metadata.invalid_media),
        read_media=lambda name: article.read_media(name, config.image.max_object_bytes),
    )


def inspect_xml(
    xml: bytes,
    name: str,
    config: BuildConfig,
    *,
    source_uri: str = "",
    pmcid: str | None = None,
    license_code: str | None = None,
    media: MediaIndex | None = None,
    read_media: Callable[[str], bytes] | None = None,
) -> Inspection:
    """The bytes of an article, parsed as a build would and counted by the census.

    license_code: the metadata JSON's. media, read_media: its files, and how one is read.
    """
    article, rejected = _parse(xml, pmcid, config)
    census, refused = _take(xml, pmcid)
    lines: list[str] = []
    if article is not None and census is not None:
        lines = disagreements(article, census)
    elif rejected is not None and census is not None and rejected.reason not in POLICY:
        lines = [f"the parser rejects it ({rejected}), the census reads it"]
    elif refused is not None and article is not None:
        lines = [f"the census refuses it ({refused}), the parser reads it"]
    return Inspection(
        name=name,
        source_uri=source_uri,
        article=article,
        license=None if article is None else resolve(license_code, article.license),
        census=census,
        rejected=None if rejected is None else ("parse", rejected.reason, rejected.detail),
        disagreements=tuple(lines),
        media=media,
        read_media=read_media,
    )


def _parse(
    xml: bytes, pmcid: str | None, config: BuildConfig
) -> tuple[Article | None, Rejected | None]:
    try:
        return _parsed(xml, pmcid, config), None
    except Rejected as fault:
        return None, fault


def _parsed(xml: bytes, pmcid: str | None, config: BuildConfig) -> Article:
    try:
        return parse_article(
            xml,
            pmcid=pmcid,
            kinds=config.parse.figure_kinds,
            keep_uncaptioned=config.parse.keep_uncaptioned,
        )
    except Rejected:
        raise
    except MemoryError:
        raise Deferred("out of memory while parsing") from None
    except Exception as error:  # what a build makes of a defect of the parser
        raise Rejected("parser_error", f"{type(error).__name__}: {error}"[:500]) from error


def _take(xml: bytes, pmcid: str | None) -> tuple[Census | None, Rejected | None]:
    try:
        return take_census(xml, pmcid), None
    except Rejected as fault:
        return None, fault
