"""From an article's bytes to its rows: parse, gate, match, decode. No Ray, no writing."""

from __future__ import annotations

import hashlib
import os
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import TypeVar

from biomedica.config import BuildConfig
from biomedica.errors import Deferred, OverBudget, Rejected
from biomedica.ids import parse_article_id
from biomedica.imaging import DecodedImage, decode
from biomedica.jats import complete_metadata, parse_article
from biomedica.jats.article import Article, Figure, Graphic
from biomedica.licenses import Resolved, admit, resolve
from biomedica.pipeline.prefetch import read_ahead
from biomedica.pipeline.rows import ArticleRows, Origin, Row, article_row, pair_row, reject_row
from biomedica.pipeline.specs import Holding
from biomedica.schema import PixelSpec
from biomedica.sources import MediaIndex, Source, SourceArticle, resolve_media, unreferenced_media

__all__ = ["ABORT_VARIABLE", "ArticleBuilder", "ArticleOutcome"]

ABORT_VARIABLE = "BIOMEDICA_TEST_ABORT"
"""Names an article id whose build ends the process, or `start` for every worker that begins, to test
what a dying worker does to a run."""

ARTICLES_AHEAD = 4


@dataclass(slots=True)
class ArticleOutcome:
    """One article of a shard: rows, or the reason why it waits for the next run."""

    holding: Holding
    rows: ArticleRows | None = None
    deferred: str | None = None
    over_budget: str | None = None
    """what of the budget was spent, if that is why it waits"""
    media_read: int = 0
    bytes_read: int = 0


@dataclass(slots=True)
class _Wanted:
    """A graphic whose file is to be read."""

    figure: Figure
    graphic: Graphic
    name: str


@dataclass(slots=True)
class _Open:
    """An article whose images are being read."""

    holding: Holding
    origin: Origin
    rows: ArticleRows = field(default_factory=ArticleRows)
    source: SourceArticle | None = None
    wanted: list[_Wanted] = field(default_factory=list)
    deferred: str | None = None
    over_budget: str | None = None
    xml_bytes: int = 0
    media_bytes: int = 0
    """of files that were read"""
    held_bytes: int = 0
    """kept in memory: an image that was converted may be larger than its file"""
    taken: set[str] = field(default_factory=set)
    """media file names that are pairs already"""
    full: bool = False
    """the byte limit of one article is reached: the rest is not read"""

    def defer(self, fault: Deferred | OverBudget) -> None:
        """It waits for the next run."""
        self.deferred = str(fault)
        self.over_budget = fault.limit if isinstance(fault, OverBudget) else None


Bytes = bytes | Rejected | Deferred | OverBudget | None
Item = TypeVar("Item")


class ArticleBuilder:
    """Builds articles one after the other, reading ahead in threads.

    Outcomes come in the order asked for and depend on nothing but the source's bytes and the
    configuration. `seconds` adds up the time of each stage in this thread.
    """

    def __init__(
        self,
        config: BuildConfig,
        source: Source,
        pool: Executor,
        digest: str,
        specs: Sequence[PixelSpec],
    ) -> None:
        self.config = config
        self.source = source
        self.pool = pool
        self.digest = digest
        self.specs = tuple(specs)
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def build(self, shard: str, holdings: Iterable[Holding]) -> Iterator[ArticleOutcome]:
        """Every holding's outcome, in order."""
        window = self.config.runtime.io_threads
        current: _Open | None = None
        wants = self._wants(shard, holdings)
        reading = read_ahead(self._fetch, wants, self.pool, window)
        for (article, wanted), data in self._timed("wait", reading):
            if article is not current:
                if current is not None:
                    yield self._close(current)
                current = article
            if wanted is not None:
                self._take(article, wanted, data)
        if current is not None:
            yield self._close(current)

    def _timed(self, stage: str, items: Iterator[Item]) -> Iterator[Item]:
        while True:
            start = time.perf_counter()
            item = next(items, None)
            self.seconds[stage] += time.perf_counter() - start
            if item is None:
                return
            yield item

    # --- reading and parsing -------------------------------------------------------------------

    def _wants(self, shard: str, holdings: Iterable[Holding]) -> Iterator[tuple[_Open, _Wanted | None]]:
        """Each article once with None, then once for each file that it wants, in order."""
        for holding, found in read_ahead(self._read, holdings, self.pool, ARTICLES_AHEAD):
            start = time.perf_counter()
            article = self._open(shard, holding, found)
            spent = time.perf_counter() - start
            self.seconds["parse"] += spent
            self.seconds["wait"] -= spent  # parsing happens inside the wait for the next file
            yield article, None
            for wanted in article.wanted:
                yield article, wanted

    def _read(self, holding: Holding) -> tuple[SourceArticle | None, Bytes]:
        """Metadata and XML, in a thread."""
        source = None
        try:
            source = self.source.read_article(parse_article_id(holding.article_id))
            return source, source.read_xml(self.config.parse.max_xml_bytes)
        except Rejected as fault:
            if fault.reason == "unknown_id" and holding.input_digest:
                # an unmounted folder looks like this: what was listed is not unknown for good
                return source, Deferred(f"the source listed {holding.article_id} and has it no more")
            return source, fault
        except (Deferred, OverBudget) as fault:
            return source, fault

    def _open(self, shard: str, holding: Holding, found: tuple[SourceArticle | None, Bytes]) -> _Open:
        source, data = found
        if os.environ.get(ABORT_VARIABLE) == holding.article_id:
            os.abort()
        origin = Origin(
            article_id=holding.article_id,
            input_digest=source.input_digest if source else holding.input_digest,
            build_digest=self.digest,
            shard=shard,
            source_uri=source.xml_uri if source else self.source.uri,
        )
        opened = _Open(holding, origin, source=source)
        if isinstance(data, (Deferred, OverBudget)):
            opened.defer(data)
        elif isinstance(data, Rejected):
            stage = "parse" if data.reason == "too_large" else "source"
            opened.rows.rejects.append(reject_row(origin, stage, data))
        elif source is not None and data is not None:
            opened.xml_bytes = len(data)
            self._parse(opened, source, data)
        return opened

    def _parse(self, opened: _Open, source: SourceArticle, xml: bytes) -> None:
        try:
            article = self._parsed(source, xml)
            resolved = self._admitted(article, source)
        except Deferred as fault:
            opened.defer(fault)
            return
        except Rejected as fault:
            opened.rows.rejects.append(reject_row(opened.origin, "parse", fault))
            return
        md5 = hashlib.md5(xml, usedforsecurity=False).hexdigest()
        opened.rows.article = article_row(article, source, resolved, opened.origin, md5)
        opened.rows.rejects += [
            reject_row(
                opened.origin, "figure", Rejected(no.reason, no.detail), no.item, no.graphic_index
            )
            for no in article.rejects
        ]
        self._match(opened, source, article)

    def _parsed(self, source: SourceArticle, xml: bytes) -> Article:
        parse = self.config.parse
        try:
            return parse_article(
                xml,
                pmcid=str(source.article_id),
                kinds=parse.figure_kinds,
                keep_uncaptioned=parse.keep_uncaptioned,
            )
        except Rejected:
            raise
        except MemoryError:
            raise Deferred("out of memory while parsing") from None
        except Exception as error:
            raise Rejected("parser_error", f"{type(error).__name__}: {error}"[:500]) from error

    def _admitted(self, article: Article, source: SourceArticle) -> Resolved:
        """The licence, or Rejected("license_not_taken"): before any media is read."""
        resolved = resolve(source.metadata.license_code, article.license)
        admit(
            code=resolved.code,
            group=resolved.group,
            is_open_access=complete_metadata(source.metadata, article).is_pmc_openaccess,
            config=self.config.license,
        )
        return resolved

    def _match(self, opened: _Open, source: SourceArticle, article: Article) -> None:
        """Which file each graphic means; those that mean none are rejects."""
        index = MediaIndex(source.metadata.media, invalid=source.metadata.invalid_media)
        for figure in article.figures:
            for graphic in figure.graphics:
                try:
                    opened.wanted.append(_Wanted(figure, graphic, resolve_media(graphic.href, index)))
                except Rejected as fault:
                    opened.rows.rejects.append(
                        reject_row(opened.origin, "image", fault, graphic.href, graphic.index)
                    )
        if opened.rows.article is not None:
            hrefs = [graphic.href for figure in article.figures for graphic in figure.graphics]
            hrefs += [no.item for no in article.rejects]
            opened.rows.article["unreferenced_media"] = unreferenced_media(hrefs, index)

    # --- images --------------------------------------------------------------------------------

    def _fetch(self, want: tuple[_Open, _Wanted | None]) -> Bytes:
        """One file, in a thread. Nothing is read for an article that waits or is full."""
        article, wanted = want
        if wanted is None or article.source is None or article.deferred or article.full:
            return None
        try:
            return article.source.read_media(wanted.name, self.config.image.max_object_bytes)
        except (Rejected, Deferred, OverBudget) as fault:
            return fault

    def _take(self, article: _Open, wanted: _Wanted, data: Bytes) -> None:
        """One graphic becomes a pair or a reject."""
        if article.deferred is not None:
            return
        start = time.perf_counter()
        try:
            self._pair(article, wanted, data)
        except (Deferred, OverBudget) as fault:
            article.defer(fault)
        except Rejected as fault:
            article.rows.rejects.append(
                reject_row(article.origin, "image", fault, wanted.graphic.href, wanted.graphic.index)
            )
        self.seconds["image"] += time.perf_counter() - start

    def _pair(self, article: _Open, wanted: _Wanted, data: Bytes) -> None:
        limit = self.config.image.max_article_bytes
        over = Rejected("article_too_large", f"the article's files exceed {limit} bytes")
        if article.full:  # first: whether a thread has read the file already is chance
            raise over
        if isinstance(data, (Rejected, Deferred, OverBudget)):
            raise data
        size = len(data or b"")
        article.media_bytes += size
        article.full = article.held_bytes + size > limit
        if article.full:
            raise over
        row, name = article.rows.article, wanted.name
        if row is None or data is None:
            raise RuntimeError(f"{name} was not read although its article is open")
        if name in article.taken:
            raise Rejected("duplicate_reference", f"{name} is already a pair")
        image = self._decoded(data)
        article.held_bytes += max(len(image.data), len(data))
        article.taken.add(name)
        article.rows.pairs.append(pair_row(row, wanted.figure, wanted.graphic, name, image))
        if self.specs:
            article.rows.pixels.append(image.pixels)

    def _decoded(self, data: bytes) -> DecodedImage:
        try:
            return decode(data, self.config.image, self.specs)
        except Rejected:
            raise
        except MemoryError:
            raise Deferred("out of memory while decoding") from None
        except Exception as error:
            raise Rejected("corrupt", f"{type(error).__name__}: {error}"[:500]) from error

    def _close(self, opened: _Open) -> ArticleOutcome:
        """The counts are filled in and checked (promise 1)."""
        rows = opened.rows
        outcome = ArticleOutcome(
            opened.holding, deferred=opened.deferred, over_budget=opened.over_budget
        )
        outcome.bytes_read = opened.xml_bytes + opened.media_bytes
        if opened.source is not None:
            outcome.media_read = opened.source.media_read
        if opened.deferred is not None:
            return outcome
        wrong = rows.unbalanced()
        if wrong is not None:
            fault = Rejected("parser_error", wrong)
            rows = ArticleRows(rejects=[reject_row(opened.origin, "parse", fault)])
        if rows.article is not None:
            _fill_counts(rows.article, rows)
        outcome.rows = rows
        return outcome


def _fill_counts(article: Row, rows: ArticleRows) -> None:
    article["pair_count"] = len(rows.pairs)
    article["graphic_reject_count"] = sum(r["graphic_index"] is not None for r in rows.rejects)
    rows.rejects.sort(key=lambda r: (r["graphic_index"] is None, r["graphic_index"] or 0, r["item"]))
