"""Rows of the tables out of what the parser, the source and the image room yield. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from biomedica.errors import Rejected
from biomedica.ids import pair_id
from biomedica.imaging import DecodedImage
from biomedica.jats import PARSER_VERSION
from biomedica.jats.article import Article, Figure, Graphic
from biomedica.licenses import Resolved, license_group
from biomedica.sources.protocol import Metadata, SourceArticle

__all__ = ["ArticleRows", "Origin", "Row", "article_row", "article_warnings", "pair_row", "reject_row"]

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an article's rows come from: the provenance columns of every table."""

    article_id: str
    input_digest: str
    build_digest: str
    shard: str
    source_uri: str


@dataclass(slots=True)
class ArticleRows:
    """Everything that one article becomes; `article` is None for a rejected one."""

    article: Row | None = None
    pairs: list[Row] = field(default_factory=list)
    rejects: list[Row] = field(default_factory=list)
    pixels: list[tuple[Any, ...]] = field(default_factory=list)
    """per pair, one uint8 array per pixel spec"""

    @property
    def image_bytes(self) -> int:
        return sum(row["byte_size"] for row in self.pairs)

    def unbalanced(self) -> str | None:
        """Promise 1 for this article: a sentence when graphics and rows do not add up."""
        if self.article is None:
            return None if len(self.rejects) == 1 else f"{len(self.rejects)} rejects for no article"
        rejected = sum(row["graphic_index"] is not None for row in self.rejects)
        expected = self.article["graphic_count"]
        if expected == len(self.pairs) + rejected:
            return None
        return f"{expected} graphics are not {len(self.pairs)} pairs and {rejected} rejects"


def reject_row(
    origin: Origin,
    stage: str,
    fault: Rejected,
    item: str | None = None,
    graphic_index: int | None = None,
) -> Row:
    """One row of `rejects`; `item` defaults to the article itself."""
    return {
        "article_id": origin.article_id,
        "item": item if item is not None else origin.article_id,
        "graphic_index": graphic_index,
        "stage": stage,
        "reason": fault.reason,
        "detail": fault.detail,
        "source_uri": origin.source_uri,
        "input_digest": origin.input_digest,
        "build_digest": origin.build_digest,
        "shard": origin.shard,
    }


def article_warnings(article: Article, source: SourceArticle) -> list[str]:
    """The parser's warnings and those that only the metadata beside the document can raise."""
    metadata, warnings = source.metadata, list(article.warnings)
    if article.is_open_access is False and metadata.is_pmc_openaccess:
        warnings.append("open_access_differs: the document says it is not open access")
    if article.is_retracted and not metadata.is_retracted:
        warnings.append("retraction_differs: only the document says that it is retracted")
    warnings += [f"invalid_media: {url}" for url in metadata.invalid_media]
    return warnings


def article_row(
    article: Article, source: SourceArticle, resolved: Resolved, origin: Origin, source_md5: str
) -> Row:
    """A row of `articles`; counts of pairs and rejects are filled in when the images are done."""
    metadata, key, published = source.metadata, source.article_id, article.publication
    return {
        "article_id": origin.article_id,
        "pmcid": f"PMC{key.pmcid}",
        "version": key.version,
        **_shared_fields(article, metadata),
        "other_titles": [_plain(t) for t in article.other_titles],
        "abstract": article.abstract,
        "abstract_sections": [_plain(s) for s in article.abstract_sections],
        "other_abstracts": [_plain(a) for a in article.other_abstracts],
        "issn": list(article.issn),
        "publisher": article.publisher,
        "publication_date": published.date if published else None,
        "publication_month": published.month if published else None,
        "publication_day": published.day if published else None,
        "publication_season": published.season if published else None,
        "publication_date_type": published.type if published else None,
        "publication_date_precision": published.precision if published else None,
        "article_type": article.article_type,
        "subjects": list(article.subjects),
        "keywords": list(article.keywords),
        "language": article.language,
        "authors": [_plain(a) for a in article.authors],
        "funding": [_plain(a) for a in article.funding],
        "related_articles": [_plain(a) for a in article.related_articles],
        "copyright_statement": article.copyright_statement,
        "license_code": resolved.code,
        "license_spdx": resolved.spdx,
        "license_url": resolved.url,
        "license_source": resolved.source,
        "license_group": resolved.group,
        "is_retracted": metadata.is_retracted or article.is_retracted,
        "is_manuscript": metadata.is_manuscript,
        "is_historical_ocr": metadata.is_historical_ocr,
        "references": [_plain(r) for r in article.references],
        "reference_count": article.reference_count,
        "text": [_plain(s) for s in article.text],
        "warnings": [*article_warnings(article, source), *resolved.warnings],
        "figure_count": article.figure_count,
        "graphic_count": article.graphic_count,
        "inline_graphic_count": article.inline_graphic_count,
        "pair_count": 0,
        "graphic_reject_count": 0,
        "unreferenced_media": [],
        "source_uri": origin.source_uri,
        "source_md5": source_md5,
        "input_digest": origin.input_digest,
        "build_digest": origin.build_digest,
        "parser_version": PARSER_VERSION,
        "shard": origin.shard,
    }


def _shared_fields(article: Article, metadata: Metadata) -> Row:
    """The article fields that its pairs repeat, so that a pair is usable and attributable alone."""
    published = article.publication
    return {
        "pmid": metadata.pmid if metadata.pmid is not None else article.pmid,
        "doi": (metadata.doi or article.doi or "").lower() or None,
        "title": article.title or metadata.title,
        "journal": article.journal,
        "publication_year": published.year if published else None,
        "citation": metadata.citation or article.citation,
    }


_REPEATED = ("article_id", "pmcid", "pmid", "doi", "title", "journal", "publication_year", "citation")


def pair_row(article: Row, figure: Figure, graphic: Graphic, name: str, image: DecodedImage) -> Row:
    """A row of `pairs`: one image with its caption and context. `article` is its articles row."""
    own = figure.license.code if figure.license else None
    code = own or article["license_code"]
    caption, markup = figure.caption, figure.caption_markup
    if graphic.caption:
        caption = f"{caption} {graphic.caption}".strip()
        markup = f"{markup} {_escape(graphic.caption)}".strip()
    return {
        "pair_id": pair_id(article["article_id"], name),
        **{column: article[column] for column in _REPEATED},
        "figure_id": figure.figure_id,
        "figure_kind": figure.kind,
        "figure_label": figure.label,
        "figure_position": figure.position,
        "graphic_position": graphic.position,
        "graphics_in_figure": len(figure.graphics),
        "group_label": figure.group_label,
        "group_caption": figure.group_caption,
        "parent_figure_id": figure.parent_figure_id,
        **{column: getattr(image, column) for column in _MEASURED},
        "caption": caption,
        "caption_title": figure.caption_title,
        "caption_markup": markup,
        "alt_text": figure.alt_text,
        "attribution": figure.attribution,
        "mentions": [_plain(m) for m in figure.mentions],
        "is_third_party": figure.third_party_text is not None,
        "third_party_text": figure.third_party_text,
        "license_code": code,
        "license_group": license_group(own) if own else article["license_group"],
        "build_digest": article["build_digest"],
        "shard": article["shard"],
        "image": {"bytes": image.data, "path": name},
    }


_MEASURED = (
    "image_format",
    "width",
    "height",
    "aspect_ratio",
    "mode",
    "color_profile",
    "page_count",
    "byte_size",
    "sha256",
    "original_format",
    "original_sha256",
    "phash",
    "luminance_mean",
    "luminance_std",
    "white_fraction",
    "colorfulness",
    "is_greyscale",
    "edge_density",
    "is_blank",
)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _plain(value: Any) -> Row:
    """A slotted dataclass of plain values as a dict (dataclasses.asdict copies deeply: 10 x slower)."""
    return {name: getattr(value, name) for name in value.__slots__}
