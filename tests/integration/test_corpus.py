"""Real articles: everything accounted for, against a walk of the XML that knows no parser of ours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from biomedica.pipeline import RunReport, recount
from biomedica.store import verify
from tests.integration.conftest import build, rows

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


def hrefs(path: Path) -> Iterator[str | None]:
    """The href of every graphic in document order, by local name."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    for element in etree.parse(str(path), parser).iter():
        if isinstance(element.tag, str) and element.tag.rpartition("}")[2] == "graphic":
            yield next((v for k, v in element.attrib.items() if k.rpartition("}")[2] == "href"), None)


def test_every_article_is_accounted_for(corpus: Path, built_corpus: tuple[Path, RunReport]) -> None:
    out, report = built_corpus
    listed = {path.stem for path in (corpus / "cloud" / "metadata").glob("*.json")}
    whole = {r["article_id"] for r in rows(out, "rejects") if r["stage"] in ("source", "parse")}
    assert {row["article_id"] for row in rows(out, "articles")} | whole == listed
    assert report.articles + report.articles_rejected == len(listed) == report.articles_requested
    assert report.complete


def test_every_graphic_is_a_pair_or_a_reject(
    corpus: Path, built_corpus: tuple[Path, RunReport]
) -> None:
    out, _ = built_corpus
    pairs = Counter(row["article_id"] for row in rows(out, "pairs"))
    rejects = [row for row in rows(out, "rejects") if row["graphic_index"] is not None]
    for article in rows(out, "articles"):
        name = article["article_id"]
        named = list(hrefs(corpus / "cloud" / name / f"{name}.xml"))
        mine = [row for row in rejects if row["article_id"] == name]
        assert len(named) == article["graphic_count"] == pairs[name] + len(mine), name
        indexes = [row["graphic_index"] for row in mine]
        assert len(indexes) == len(set(indexes))
        assert all(1 <= index <= len(named) for index in indexes)
        for row in mine:
            if row["reason"] == "no_href":
                assert named[row["graphic_index"] - 1] is None


def test_every_image_file_is_used_named_or_listed(
    corpus: Path, built_corpus: tuple[Path, RunReport]
) -> None:
    """jats.md §8, 10b: a pair, the file of a rejected graphic, or `unreferenced_media`."""
    out, _ = built_corpus
    used: dict[str, set[str]] = {}
    for row in rows(out, "pairs"):
        used.setdefault(row["article_id"], set()).add(row["image"]["path"])
    named: dict[str, set[str]] = {}
    for row in rows(out, "rejects"):
        stem = row["item"].rpartition("/")[2]
        named.setdefault(row["article_id"], set()).update({stem, stem.rpartition(".")[0]})
    for article in rows(out, "articles"):
        name = article["article_id"]
        left = {
            path.name
            for path in (corpus / "cloud" / name).iterdir()
            if path.suffix.lower()
            in (".jpg", ".jpeg", ".png", ".gif", ".tif", ".tiff", ".webp", ".bmp")
        }
        left -= used.get(name, set()) | set(article["unreferenced_media"])
        stems = {file.rpartition(".")[0] for file in used.get(name, set())} | named.get(name, set())
        assert not {file for file in left if file not in stems and file.rpartition(".")[0] not in stems}


def test_all_promises_hold(corpus: Path, built_corpus: tuple[Path, RunReport]) -> None:
    out, _ = built_corpus
    report = verify(str(out))
    recount(str(out), str(corpus / "cloud"), report)
    assert report.ok
    assert not report.findings


def test_a_second_build_reads_no_article(corpus: Path, built_corpus: tuple[Path, RunReport]) -> None:
    out, first = built_corpus
    again = build(corpus / "cloud", out)
    assert again.articles_skipped == again.articles_requested == first.articles_requested
    assert (again.media_read, again.bytes_read, again.version) == (0, 0, first.version)
