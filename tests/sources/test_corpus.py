"""The real articles: every count of expected_counts.csv, by a walk over all graphics."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest
from lxml import etree

from biomedica.errors import Rejected, SourceError
from biomedica.ids import ArticleId, parse_article_id
from biomedica.sources import (
    DirectorySource,
    MediaIndex,
    SourceArticle,
    open_source,
    resolve_media,
    unreferenced_media,
)

HREF = "{http://www.w3.org/1999/xlink}href"
LIMIT = 64 << 20


@pytest.fixture(scope="module")
def source(corpus: Path) -> DirectorySource:
    return DirectorySource(str(corpus / "cloud"))


@pytest.fixture(scope="module")
def expected(corpus: Path) -> dict[ArticleId, dict[str, str]]:
    with (corpus / "expected_counts.csv").open(newline="") as file:
        return {parse_article_id(row["article_id"]): row for row in csv.DictReader(file)}


def hrefs_of(article: SourceArticle) -> list[str]:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True)
    root = etree.fromstring(article.read_xml(LIMIT), parser)
    return [element.get(HREF, "") for element in root.iter("{*}graphic", "{*}inline-graphic")]


def test_matching_gives_the_counts_of_the_corpus(
    source: DirectorySource, expected: dict[ArticleId, dict[str, str]]
) -> None:
    for article_id, row in expected.items():
        article = source.read_article(article_id)
        hrefs = hrefs_of(article)
        index = MediaIndex(article.metadata.media, article.metadata.invalid_media)
        hows = Counter(index.match(href).how for href in hrefs)
        found = {
            "n_graphic_anywhere": len(hrefs),
            "n_media": len(index.images),
            "n_matched": len(hrefs) - hows[None],
            "n_exact": hows["exact"],
            "n_case": hows["case"],
            "n_stem": hows["stem"],
            "n_unmatched": hows[None],
            "n_media_unreferenced": len(unreferenced_media(hrefs, index)),
        }
        assert found == {name: int(row[name]) for name in found}, article_id


def test_resolving_agrees_with_matching(
    source: DirectorySource, expected: dict[ArticleId, dict[str, str]]
) -> None:
    for article_id, row in expected.items():
        article = source.read_article(article_id)
        index = MediaIndex(article.metadata.media)
        resolved = 0
        for href in hrefs_of(article):
            try:
                assert resolve_media(href, index) in article.metadata.media
                resolved += 1
            except Rejected as fault:
                assert fault.reason in ("media_missing", "external")  # noqa: PT017
        assert resolved == int(row["n_matched"])


def test_the_listing_is_the_corpus(
    source: DirectorySource, expected: dict[ArticleId, dict[str, str]]
) -> None:
    table = source.list_articles()
    ids = [
        ArticleId(*pair)
        for pair in zip(table["pmcid"].to_pylist(), table["version"].to_pylist(), strict=True)
    ]
    assert ids == sorted(expected)
    for article_id, digest in zip(ids[:5], table["input_digest"].to_pylist(), strict=False):
        assert source.read_article(article_id).input_digest == digest.hex()


def test_the_latest_of_two_versions_is_the_highest_number(source: DirectorySource) -> None:
    table = source.list_articles(
        [ArticleId(99000019, 0), ArticleId(99000018, 0), ArticleId(99000019, 1)]
    )
    assert table.to_pydict()["version"] == [2, 1, 10]


def test_a_legacy_package_takes_the_jpeg_before_its_thumbnail(source: DirectorySource) -> None:
    for article_id in (ArticleId(1762412, 1), ArticleId(12419688, 1), ArticleId(3231133, 1)):
        article = source.read_article(article_id)
        index = MediaIndex(article.metadata.media)
        figures = [href for href in hrefs_of(article) if index.match(href).how == "stem"]
        assert figures
        assert {Path(resolve_media(href, index)).suffix for href in figures} == {".jpg"}


def test_media_bytes_agree_with_their_checksums(source: DirectorySource) -> None:
    article = source.read_article(ArticleId(1762412, 1))
    for name in article.metadata.media:
        assert article.read_media(name, LIMIT)
    assert article.media_read == len(article.metadata.media) == 20


def test_another_folder_of_the_corpus_is_no_source(corpus: Path) -> None:
    with pytest.raises(SourceError, match="not in PMC's layout"):
        open_source(str(corpus / "xml"))
