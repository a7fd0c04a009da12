"""The Arrow schema of every table, with a doc for each field, and the closed lists of values.

The dataset card, the README's tables and the readers' checks are made from what stands here.
Types are those that Delta Lake knows: no unsigned, float16 or fixed-size list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

__all__ = [
    "ARTICLES",
    "EMBEDDINGS",
    "FORMAT_VERSION",
    "LICENSE_GROUPS",
    "PAIRS",
    "REJECTS",
    "REJECT_REASONS",
    "REJECT_STAGES",
    "SUPERSEDED",
    "PixelSpec",
    "embeddings_table",
    "field_doc",
    "table_schema",
]

FORMAT_VERSION = 1
"""The version of the dataset layout; a reader refuses a newer one."""

LICENSE_GROUPS = ("commercial", "noncommercial", "other")
REJECT_STAGES = ("source", "parse", "figure", "image", "embed")

REJECT_REASONS: dict[str, dict[str, str]] = {
    "source": {
        "unknown_id": "the source does not have this article",
        "metadata_invalid": "the metadata is not the JSON object that PMC describes",
        "metadata_mismatch": "the metadata speaks of another article than its key",
        "xml_missing": "the source does not have the article's XML",
        "xml_ambiguous": "the package or folder holds several XML files that may be the article",
        "package_corrupt": "the package is truncated or damaged, or no tar archive packed by gzip",
        "package_unsafe": "the package holds links, devices, paths that lead out, two files of one name,"
        " or unpacks without end",
        "kills_worker": "the article ended its worker process twice, alone",
    },
    "parse": {
        "empty": "the XML is empty",
        "not_xml": "the bytes are not XML",
        "not_jats": "the XML holds no JATS article",
        "malformed_xml": "the XML is not well-formed",
        "bad_encoding": "the bytes are not in the encoding that the XML declares",
        "ambiguous_root": "the XML holds several articles and none with the wanted id",
        "too_large": "the XML is over a limit: of bytes, tags, depth or the length of a name",
        "legally_suppressed": "PMC marks the article as legally suppressed",
        "license_not_taken": "the run's configuration does not take this licence",
        "parser_error": "the parser failed on this article: a defect of ours",
    },
    "figure": {
        "no_href": "the graphic names no file",
        "alternate_of": "another rendition of the same graphic was taken",
        "duplicate_reference": "the file is already the image of another pair of the article",
        "formula": "the graphic draws a formula",
        "no_caption": "the graphic has no caption",
        "not_a_figure": "the graphic stands where no figure stands",
        "kind_not_taken": "the run's configuration does not take this kind of figure",
        "table_alternative": "the graphic repeats a table that the XML holds as text",
        "supplementary": "the graphic is supplementary material",
        "no_graphic": "the figure holds no graphic",
        "video": "the figure holds a video or sound instead of a graphic",
    },
    "image": {
        "media_missing": "no file of the article matches the reference",
        "external": "the reference is a URL outside the article",
        "unsupported_format": "the file is in a format that is not an image we read",
        "not_an_image": "the bytes are not an image",
        "truncated": "the image ends too early",
        "corrupt": "the image cannot be decoded",
        "too_large": "the file is over the byte limit of one object",
        "too_many_pixels": "the image is over the pixel limit",
        "article_too_large": "the article's images are over the byte limit of one article",
        "duplicate_reference": "two references match one file of the article",
        "invalid_key": "the metadata gives this file a key outside the article's prefix",
    },
    "embed": {
        "undecodable": "the stored image could not be decoded for the model",
        "not_finite": "the model's output is not a finite vector",
    },
}
"""The closed list of reasons by stage. All are permanent: the input is wrong."""


@dataclass(frozen=True, slots=True)
class PixelSpec:
    """Which pixels a model wants from an image, as uint8.

    size: side in pixels of the square output. crop: `center` scales the short side to `size` and
    cuts the middle; `squash` scales both sides; `pad` scales the long side and fills with `fill`.
    interpolation: Pillow's name in lower case. Alpha is composited on white before.
    """

    size: int
    crop: Literal["center", "squash", "pad"] = "center"
    interpolation: Literal["bicubic", "bilinear"] = "bicubic"
    mode: Literal["RGB"] = "RGB"
    fill: int = 0


def _field(name: str, kind: pa.DataType, doc: str, source: str = "") -> pa.Field:
    metadata = {"doc": doc} | ({"source": source} if source else {})
    return pa.field(name, kind, metadata=metadata)


_S, _B, _I32, _I64, _F32 = pa.string(), pa.bool_(), pa.int32(), pa.int64(), pa.float32()
_STRINGS = pa.list_(_S)


def _struct(**kinds: pa.DataType) -> pa.DataType:
    return pa.struct([pa.field(name, kind) for name, kind in kinds.items()])


_PROVENANCE = (
    _field(
        "input_digest",
        _S,
        "32 hex digits that change with the article's metadata JSON in the source",
        "source",
    ),
    _field("build_digest", _S, "digest of the configuration and parser version that made this row"),
    _field("shard", _S, "the shard that made this row; no meaning of its own"),
)

ARTICLES = pa.schema(
    [
        _field("article_id", _S, "PMCID and version, PMC7759461.1", "metadata key"),
        _field("pmcid", _S, "PMC accession number", "metadata key"),
        _field("version", _I32, "PMC version of the article, from 1", "metadata key"),
        _field("pmid", _I64, "PubMed id", "metadata JSON, else JATS article-id"),
        _field("doi", _S, "DOI, lower case, without a resolver", "metadata JSON, else JATS"),
        _field("title", _S, "article title with its subtitle, plain text", "JATS article-title"),
        _field(
            "other_titles",
            pa.list_(_struct(language=_S, title=_S)),
            "the title in other languages",
            "JATS trans-title",
        ),
        _field("abstract", _S, "main abstract; sections as 'Title: text' lines", "JATS abstract"),
        _field(
            "abstract_sections",
            pa.list_(_struct(section=_S, text=_S)),
            "the main abstract by section where it is structured, else empty",
            "JATS abstract/sec",
        ),
        _field(
            "other_abstracts",
            pa.list_(_struct(type=_S, language=_S, title=_S, text=_S)),
            "abstracts of other types and languages",
            "JATS abstract, trans-abstract",
        ),
        _field("journal", _S, "journal title", "JATS journal-title, else journal-id"),
        _field("issn", _STRINGS, "ISSNs of the journal", "JATS issn"),
        _field("publisher", _S, "publisher name", "JATS publisher-name"),
        _field(
            "publication_date", pa.date32(), "null when the day or month is unknown", "JATS pub-date"
        ),
        _field("publication_year", _I32, "year", "JATS pub-date"),
        _field("publication_month", _I32, "month 1-12", "JATS pub-date"),
        _field("publication_day", _I32, "day 1-31", "JATS pub-date"),
        _field("publication_season", _S, "as printed, where there is no month", "JATS season"),
        _field(
            "publication_date_type", _S, "which pub-date was taken (epub, ppub, collection…)", "JATS"
        ),
        _field("publication_date_precision", _S, "day, month, season or year: what is known"),
        _field("article_type", _S, "as JATS writes it, lower case", "JATS @article-type"),
        _field("subjects", _STRINGS, "subject leaves with their path, 'A > B'", "JATS subj-group"),
        _field("keywords", _STRINGS, "keywords in the article's language", "JATS kwd-group"),
        _field("language", _S, "language tag as given; null when absent", "JATS @xml:lang"),
        _field(
            "authors",
            pa.list_(_struct(name=_S, orcid=_S, affiliations=_STRINGS)),
            "authors in order; no e-mail addresses",
            "JATS contrib",
        ),
        _field(
            "funding",
            pa.list_(_struct(source=_S, award_id=_S)),
            "funders and awards",
            "JATS funding-group",
        ),
        _field(
            "related_articles",
            pa.list_(_struct(type=_S, id_type=_S, id=_S)),
            "related articles (retraction, erratum…)",
            "JATS related-article",
        ),
        _field("citation", _S, "citation in one line", "metadata JSON, else composed from JATS"),
        _field(
            "copyright_statement", _S, "copyright statement, else '© year holder'", "JATS permissions"
        ),
        _field(
            "license_code", _S, "licence as PMC spells it: CC BY, CC BY-NC…", "metadata JSON, else JATS"
        ),
        _field("license_spdx", _S, "SPDX id with version, CC-BY-4.0", "JATS licence URL"),
        _field("license_url", _S, "licence URL, normalised", "JATS licence"),
        _field(
            "license_source",
            _S,
            "where license_code comes from: metadata (it wins), else the first of the article's"
            " license_ref, license_href, license_link, license_text, license_words, content_type",
        ),
        _field("license_group", _S, "commercial, noncommercial or other; the more restrictive reading"),
        _field(
            "is_retracted",
            _B,
            "the metadata or the article says that it has been retracted",
            "metadata JSON, JATS",
        ),
        _field("is_manuscript", _B, "this version is an author manuscript", "metadata JSON"),
        _field("is_historical_ocr", _B, "the XML comes from OCR of scanned pages", "metadata JSON"),
        _field(
            "references",
            pa.list_(
                _struct(id=_S, pmid=_S, doi=_S, pmcid=_S, title=_S, source=_S, year=_I32, text=_S)
            ),
            "one entry per citation; text is the raw string of a mixed citation",
            "JATS ref-list",
        ),
        _field("reference_count", _I32, "number of ref elements", "JATS ref"),
        _field(
            "text",
            pa.list_(_struct(path=_S, section=_S, type=_S, text=_S)),
            "body as a tree of sections: path is '2.1' for the first section of the second; section"
            " the titles on the way joined by ' > '; text the section's own, without those inside it",
            "JATS body",
        ),
        _field("warnings", _STRINGS, "what the parser noticed, 'code: detail'"),
        _field("figure_count", _I32, "figures of any kind, rejected ones included", "JATS"),
        _field(
            "graphic_count", _I32, "graphic elements, by a walk apart from the figure logic", "JATS"
        ),
        _field("inline_graphic_count", _I32, "inline-graphic elements; never pairs", "JATS"),
        _field("pair_count", _I32, "rows of pairs of this article"),
        _field("graphic_reject_count", _I32, "rejects of this article that stand for a graphic"),
        _field("unreferenced_media", _STRINGS, "image files of the article that no graphic names"),
        _field("source_uri", _S, "URI of the XML that was read"),
        _field("source_md5", _S, "MD5 of the XML that was read"),
        _PROVENANCE[0],
        _PROVENANCE[1],
        _field("parser_version", _S, "version of the parser"),
        _PROVENANCE[2],
    ]
)

MENTION = _struct(
    section=_S, paragraph=_S, sentence=_S, panels=_STRINGS, is_range=_B, via_parent=_B, is_text_only=_B
)
"""One in-text mention of a figure: where, what is said, which panels are named, and how it was
found: inside a range ("Figs. 2-4"), through the parent figure, or by plain text without xref."""

PAIRS = pa.schema(
    [
        _field("pair_id", _S, "<article_id>/<media file name>"),
        _field("article_id", _S, "PMCID and version"),
        _field("figure_id", _S, "id of the figure element, else fig-<figure_position>", "JATS fig/@id"),
        _field("figure_kind", _S, "closed list, see docs/dataset.md", "JATS element, label, place"),
        _field("figure_label", _S, "label as written, without a final . : |", "JATS label"),
        _field("figure_position", _I32, "1…n over every figure of the article, in document order"),
        _field("graphic_position", _I32, "1…m inside the figure"),
        _field("graphics_in_figure", _I32, "graphics of the figure that could be pairs"),
        _field("group_label", _S, "label of the enclosing fig-group", "JATS fig-group"),
        _field("group_caption", _S, "caption of the enclosing fig-group", "JATS fig-group"),
        _field("parent_figure_id", _S, "the figure that this one is a child of", "JATS nested fig"),
        _field("image_format", _S, "format of the stored bytes: jpeg, png, webp"),
        _field("width", _I32, "pixels of the first frame, after EXIF orientation, from 1", "the file"),
        _field("height", _I32, "pixels of the first frame, after EXIF orientation, from 1", "the file"),
        _field("aspect_ratio", _F32, "width over height, above 0"),
        _field(
            "mode", _S, "mode of the file as read: 1, L, LA, P, RGB, RGBA, CMYK, I;16, F…", "Pillow"
        ),
        _field(
            "color_profile",
            _S,
            "embedded ICC profile: srgb (it is sRGB, or nearly), applied (hash, measures and embeddings"
            " see it in sRGB), or why it is ignored: broken, mismatched (of other colours than the"
            " pixels), too_large (over 4 MiB); null where there is none. Bytes are stored untouched",
            "ICC.1:2022",
        ),
        _field("page_count", _I32, "frames or pages in the original, from 1; the first is stored"),
        _field("byte_size", _I64, "size of the stored bytes"),
        _field("sha256", _S, "SHA-256 of the stored bytes"),
        _field("original_format", _S, "format of the source's file: jpeg, png, webp, tiff, gif, bmp"),
        _field("original_sha256", _S, "SHA-256 of the source's file"),
        _field(
            "phash",
            _S,
            "64-bit perceptual hash of the small image, 16 hex digits: near-duplicates differ in few bits;"
            " the small image, of which the measures are taken too, has at most 255 pixels at its short"
            " side, upright, in sRGB, on white (imaging.decode has every step)",
            "imagehash.phash",
        ),
        _field("luminance_mean", _F32, "mean luminance, 0 (black) to 1 (white)", "ITU-R BT.601"),
        _field("luminance_std", _F32, "standard deviation of luminance, 0-0.5", "ITU-R BT.601"),
        _field(
            "white_fraction", _F32, "share of near-white pixels (luminance of 240/255 or more), 0-1"
        ),
        _field("colorfulness", _F32, "0 (all grey) to 1.4: theirs over 255", "Hasler, Süsstrunk 2003"),
        _field("is_greyscale", _B, "R, G and B lie over 16/255 apart in at most 0.1 % of pixels"),
        _field("edge_density", _F32, "share of pixels whose gradient of luminance is over 0.1, 0-1"),
        _field("is_blank", _B, "luminance and opponent colours have standard deviations below 0.01"),
        _field("caption", _S, "caption, plain text, one line", "JATS caption"),
        _field(
            "caption_title", _S, "the caption's title, which caption begins with", "JATS caption/title"
        ),
        _field("caption_markup", _S, "caption with <b> <i> <sup> <sub> and $TeX$", "JATS caption"),
        _field("alt_text", _S, "alternative text", "JATS alt-text"),
        _field("attribution", _S, "credit line", "JATS attrib"),
        _field(
            "mentions", pa.list_(MENTION), "paragraphs and sentences that cite the figure", "JATS xref"
        ),
        _field("is_third_party", _B, "wording, attribution or permissions point to another owner"),
        _field("third_party_text", _S, "the words that triggered is_third_party"),
        _field("license_code", _S, "licence of the figure where it has its own, else of the article"),
        _field("license_group", _S, "commercial, noncommercial or other"),
        _field("pmcid", _S, "PMC accession number"),
        _field("pmid", _I64, "PubMed id"),
        _field("doi", _S, "DOI of the article"),
        _field("title", _S, "title of the article"),
        _field("journal", _S, "journal title"),
        _field("publication_year", _I32, "year"),
        _field("citation", _S, "citation of the article"),
        _PROVENANCE[1],
        _PROVENANCE[2],
        _field("image", _struct(bytes=pa.binary(), path=_S), "encoded image and its file name"),
    ]
)

REJECTS = pa.schema(
    [
        _field("article_id", _S, "PMCID and version"),
        _field(
            "item", _S, "what was refused: article id, href or figure id; at stage embed the pair id"
        ),
        _field("graphic_index", _I32, "1…n in document order of graphic elements; null: no graphic"),
        _field("stage", _S, "source, parse, figure, image or embed"),
        _field("reason", _S, "closed list: schema.REJECT_REASONS"),
        _field("detail", _S, "one line for people"),
        _field("source_uri", _S, "where the input was read"),
        *_PROVENANCE,
    ]
)

SUPERSEDED = pa.schema(
    [
        _field("article_id", _S, "an article that was built again or withdrawn"),
        _field("shard", _S, "the shard whose rows of this article no longer count"),
    ]
)

EMBEDDINGS = pa.schema(
    [
        _field("pair_id", _S, "the pair that was embedded"),
        _field("embedding", pa.list_(_F32), "L2-normalised image embedding"),
        _field("build_digest", _S, "digest of the model and its preprocessing"),
        _field("shard", _S, "the shard of the pair"),
    ]
)


def embeddings_table(slug: str) -> str:
    """The table that holds one model's embeddings."""
    return f"embeddings/{slug}"


def table_schema(table: str) -> pa.Schema:
    """The Arrow schema of a table by its name; `pairs` opens as images in Hugging Face tools."""
    if table.startswith("embeddings/"):
        return EMBEDDINGS
    from biomedica.catalogue import METADATA
    from biomedica.enrichment import ENRICHMENT, PUBMED_FILES
    from biomedica.labels import LABEL_TABLES

    if table.startswith("labels/"):
        return LABEL_TABLES[table.rpartition("/")[2]]
    schemas = {"articles": ARTICLES, "pairs": PAIRS, "rejects": REJECTS, "superseded": SUPERSEDED}
    schemas |= {"metadata": METADATA, "enrichment": ENRICHMENT, "pubmed_files": PUBMED_FILES}
    schema = schemas[table]
    if table == "pairs":
        features = {"info": {"features": {"image": {"_type": "Image"}}}}
        schema = schema.with_metadata({"huggingface": json.dumps(features)})
    return schema


def field_doc(field: pa.Field) -> str:
    """The doc of a field, with its source."""
    metadata = field.metadata or {}
    doc = metadata.get(b"doc", b"").decode()
    source = metadata.get(b"source", b"").decode()
    return f"{doc} ({source})" if source else doc
