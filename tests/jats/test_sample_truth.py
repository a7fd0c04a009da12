"""The parser finds in the sample's XML what the generator says it wrote."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from biomedica.jats import Article, Figure, parse_article
from biomedica.sources.sample.articles import PERIOD, describe
from biomedica.sources.sample.styles import print_article
from biomedica.sources.sample.truth import truth_of

ARTICLE_FIELDS = (
    "pmcid", "pmid", "doi", "title", "abstract", "journal", "publisher", "article_type", "language",
    "copyright_statement", "is_retracted", "reference_count", "figure_count", "graphic_count",
    "inline_graphic_count",
)  # fmt: skip
FIGURE_FIELDS = (
    "figure_id", "group_label", "group_caption", "parent_figure_id", "caption", "caption_title",
    "caption_markup", "alt_text", "attribution",
)  # fmt: skip


def parsed(index: int) -> tuple[dict[str, Any], Article]:
    article = describe(index, 0)
    printed = print_article(article)
    truth = truth_of(article, printed, defaultdict(str))
    return truth, parse_article(printed.xml, pmcid=truth["article_id"])


@pytest.mark.parametrize("index", range(PERIOD))
def test_articles(index: int) -> None:
    truth, article = parsed(index)
    if truth["outcome"] == "reject":
        return
    row = truth["article"]
    for name in ARTICLE_FIELDS:
        assert getattr(article, name) == row[name], name
    for name in ("issn", "subjects", "keywords"):
        assert list(getattr(article, name)) == row[name], name
    found = [(one.name, one.orcid, list(one.affiliations)) for one in article.authors]
    assert found == [tuple(one.values()) for one in row["authors"]]
    published = article.publication
    assert published is not None
    day = published.date.isoformat() if published.date else None
    assert (day, published.year, published.type, published.precision) == (
        row["publication_date"], row["publication_year"], row["publication_date_type"],
        row["publication_date_precision"],
    )  # fmt: skip
    sections = [{"section": one.section, "text": one.text} for one in article.abstract_sections]
    assert sections == row["abstract_sections"]
    code = (article.license.code, article.license.spdx) if article.license else (None, None)
    assert code == (row["license_code"], row["license_spdx"])
    fields = ("id", "pmid", "doi", "title", "source", "year")
    references = [{name: getattr(one, name) for name in fields} for one in article.references]
    assert references == row["references"]
    if "text" in row:
        names = ("path", "section", "type", "text")
        assert [{name: getattr(one, name) for name in names} for one in article.text] == row["text"]


@pytest.mark.parametrize("index", range(PERIOD))
def test_figures(index: int) -> None:
    truth, article = parsed(index)
    if truth["outcome"] == "reject":
        return
    graphics = {graphic.index: figure for figure in article.figures for graphic in figure.graphics}
    at_image_stage = {r["graphic_index"] for r in truth["rejects"] if r["stage"] == "image"}
    assert set(graphics) - at_image_stage == {pair["graphic_index"] for pair in truth["pairs"]}
    refused = {(r["graphic_index"], r["reason"]) for r in truth["rejects"] if r["stage"] == "figure"}
    assert {(one.graphic_index, one.reason) for one in article.rejects} == refused
    for pair in truth["pairs"]:
        figure = graphics[pair["graphic_index"]]
        for name in FIGURE_FIELDS:
            assert getattr(figure, name) == pair[name], name
        assert (figure.kind, figure.label) == (pair["figure_kind"], pair["figure_label"])
        assert figure.position == pair["figure_position"]
        assert len(figure.graphics) == pair["graphics_in_figure"]
        assert (figure.third_party_text is not None) == pair["is_third_party"]
        assert mentions(figure) == pair["mentions"]


def mentions(figure: Figure) -> list[dict[str, Any]]:
    names = ("section", "paragraph", "sentence", "panels", "is_range", "via_parent", "is_text_only")
    found = [{name: getattr(one, name) for name in names} for one in figure.mentions]
    return [one | {"panels": list(one["panels"])} for one in found]
