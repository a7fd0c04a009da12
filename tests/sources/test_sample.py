"""The sample corpus: deterministic, well-formed, and its truth agrees with a dumb walk."""

from __future__ import annotations

import csv
import gzip
import io
import json
import platform
import re
from collections import Counter
from hashlib import md5, sha256
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from lxml import etree
from PIL import Image

from biomedica.errors import ConfigError, Rejected
from biomedica.ids import ArticleId
from biomedica.kinds import FIGURE_KINDS
from biomedica.schema import ARTICLES, PAIRS, REJECT_REASONS
from biomedica.sources import (
    DirectorySource,
    MediaIndex,
    PackageSource,
    open_source,
    resolve_media,
    unreferenced_media,
)
from biomedica.sources.metadata import parse_metadata
from biomedica.sources.sample import SampleSummary, write_sample
from biomedica.sources.sample.articles import PERIOD, describe
from biomedica.sources.sample.images import KINDS
from tests.conftest import ROOT

SMALL = 6
HREF = "{http://www.w3.org/1999/xlink}href"
NOT_IN_SCHEMA = {"graphic_index", "class"}
DIGEST = "72f365c54639a1b818817217c9b12bcad388d9c7f61939c787e8ffeade83d628"
"""of the default sample, by the encoders that constraints.txt pins, on x86-64"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole period of the sample: every oddity once."""
    directory = tmp_path_factory.mktemp("sample")
    write_sample(directory, articles=PERIOD)
    return directory


@pytest.fixture(scope="module")
def truth(root: Path) -> list[dict[str, Any]]:
    document = json.loads((root / "truth.json").read_text(encoding="utf-8"))
    return list(document["articles"])


def tree_of(directory: Path) -> dict[str, str]:
    return {
        str(path.relative_to(directory)): sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def xml_of(root: Path, article_id: str) -> Any:
    parser = etree.XMLParser(load_dtd=False, no_network=True, resolve_entities=False)
    return etree.parse(root / article_id / f"{article_id}.xml", parser).getroot()


def count(tree: Any, name: str) -> int:
    return int(tree.xpath(f"count(//*[local-name()='{name}'])"))


# -- writing


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    write_sample(tmp_path / "a", articles=SMALL)
    write_sample(tmp_path / "b", articles=SMALL)
    assert tree_of(tmp_path / "a") == tree_of(tmp_path / "b")


def test_a_larger_sample_holds_the_smaller(tmp_path: Path) -> None:
    write_sample(tmp_path / "grown", articles=3)
    before = {k: v for k, v in tree_of(tmp_path / "grown").items() if k.startswith(("PMC", "metadata"))}
    write_sample(tmp_path / "grown", articles=SMALL)
    write_sample(tmp_path / "fresh", articles=SMALL)
    after = tree_of(tmp_path / "grown")
    assert before.items() <= after.items()
    assert after == tree_of(tmp_path / "fresh")


def test_the_default_sample_stays_what_it_is(root: Path) -> None:
    """40 articles of seed 0. What it grows by (`--defects`) must not change it."""
    pinned = dict(re.findall(r"^(\w+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    if (PIL.__version__, np.__version__) != (pinned["pillow"], pinned["numpy"]):
        pytest.skip("other versions of Pillow or numpy than constraints.txt pins")
    if platform.machine() != "x86_64":
        pytest.skip("JPEG encoders may differ between processors")
    listing = json.dumps(tree_of(root), sort_keys=True)
    assert sha256(listing.encode()).hexdigest() == DIGEST


def test_another_seed_gives_other_articles() -> None:
    assert describe(0, 0).sections != describe(0, 1).sections
    assert describe(0, 0) != describe(PERIOD, 0)


def test_a_repeated_call_leaves_the_same_tree(tmp_path: Path) -> None:
    first = write_sample(tmp_path, articles=2)
    tree = tree_of(tmp_path)
    (tmp_path / ".truth.json.part").write_bytes(b"half")  # as an interrupted call leaves it
    assert write_sample(tmp_path, articles=2) == first
    assert tree_of(tmp_path) == tree


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        write_sample(tmp_path, articles=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(ConfigError, match="is a file"):
        write_sample(tmp_path / "thesis.txt", articles=1)


def test_a_folder_with_a_broken_mark_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sample.json").write_text("[1]")
    with pytest.raises(ConfigError, match="not the mark"):
        write_sample(tmp_path, articles=1)


@pytest.mark.parametrize(("articles", "seed"), [(2, 1), (1, 0)])
def test_another_sample_is_refused(tmp_path: Path, articles: int, seed: int) -> None:
    write_sample(tmp_path, articles=2)
    with pytest.raises(ConfigError, match="seed"):
        write_sample(tmp_path, articles=articles, seed=seed)


@pytest.mark.parametrize(("articles", "seed"), [(0, 0), (10**7, 0), (1, -1)])
def test_arguments_out_of_range(tmp_path: Path, articles: int, seed: int) -> None:
    with pytest.raises(ConfigError):
        write_sample(tmp_path / "new", articles=articles, seed=seed)
    assert not (tmp_path / "new").exists()


def test_the_summary_counts(root: Path, truth: list[dict[str, Any]]) -> None:
    summary = write_sample(root, articles=PERIOD)
    assert isinstance(summary, SampleSummary)
    assert summary.articles == PERIOD
    assert summary.pairs == sum(len(one["pairs"]) for one in truth)
    assert json.loads(json.dumps(summary.to_dict()))["pairs"] == summary.pairs


# -- layout


def test_metadata_is_true_and_readable(root: Path) -> None:
    for path in sorted((root / "metadata").iterdir()):
        name = path.stem
        assert path.read_bytes() == (root / name / path.name).read_bytes()
        document = json.loads(path.read_bytes())
        urls = [document["xml_url"], document["text_url"], *document.get("media_urls", [])]
        urls += [document["pdf_url"]] if "pdf_url" in document else []
        named = {f"{name}.json"}
        for url in urls:
            key, _, digest = url.removeprefix("s3://pmc-oa-opendata/").partition("?md5=")
            named.add(key.partition("/")[2])
            assert md5((root / key).read_bytes(), usedforsecurity=False).hexdigest() == digest
        assert named == {file.name for file in (root / name).iterdir()}


def test_the_inventory_lists_every_metadata_file(root: Path) -> None:
    base = root / "inventory-reports" / "pmc-oa-opendata" / "metadata"
    (dated,) = [path for path in base.iterdir() if path.name != "data"]
    manifest = json.loads((dated / "manifest.json").read_bytes())
    rows = []
    for file in manifest["files"]:
        packed = (root / file["key"]).read_bytes()
        assert md5(packed, usedforsecurity=False).hexdigest() == file["MD5checksum"]
        assert packed[4:8] == bytes(4)  # no time in the gzip header
        rows += list(csv.reader(io.StringIO(gzip.decompress(packed).decode())))
    found = {key: etag for _, key, _, etag in rows}
    assert found == {
        f"metadata/{path.name}": md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        for path in (root / "metadata").iterdir()
    }


def test_many_rows_make_several_inventory_files(tmp_path: Path) -> None:
    from biomedica.sources.sample import layout

    layout._write_inventory(tmp_path, [(f"PMC{at}.1", f"{at:032x}") for at in range(1, 1101)])
    assert len(list(tmp_path.rglob("*.csv.gz"))) == 3


def test_the_folder_source_reads_it(root: Path) -> None:
    listing = DirectorySource(str(root)).list_articles()
    assert listing.num_rows == PERIOD


# -- truth against a dumb walk


def test_counts_agree_with_the_xml(root: Path, truth: list[dict[str, Any]]) -> None:
    for one in truth:
        if one["outcome"] == "reject":
            continue
        tree, row = xml_of(root, one["article_id"]), one["article"]
        figs = {f["figure_position"] for f in one["pairs"] if f["figure_kind"] == "figure"}
        assert row["graphic_count"] == count(tree, "graphic")
        assert row["inline_graphic_count"] == count(tree, "inline-graphic")
        assert row["reference_count"] == count(tree, "ref")
        assert len(figs) <= count(tree, "fig") <= row["figure_count"]
        assert row["graphic_count"] == row["pair_count"] + row["graphic_reject_count"]
        indices = [p["graphic_index"] for p in one["pairs"]]
        indices += [r["graphic_index"] for r in one["rejects"] if r["graphic_index"] is not None]
        assert sorted(indices) == list(range(1, row["graphic_count"] + 1))


def test_graphics_stand_where_the_truth_says(root: Path, truth: list[dict[str, Any]]) -> None:
    for one in truth:
        graphics = xml_of(root, one["article_id"]).xpath("//*[local-name()='graphic']")
        for pair in one["pairs"]:
            graphic = graphics[pair["graphic_index"] - 1]
            assert pair["image"].startswith(graphic.get(HREF))
            owner = next(graphic.iterancestors("fig", "table-wrap", "boxed-text"))
            assert owner.get("id", pair["figure_id"]) == pair["figure_id"]
            label = owner.findtext("label")
            assert label is None or label.rstrip(".") == pair["figure_label"]
        for reject in one["rejects"]:
            if reject["graphic_index"] is not None:
                href = graphics[reject["graphic_index"] - 1].get(HREF)
                assert href in (reject["item"], None)


def test_every_reference_to_a_figure_has_its_mention(root: Path, truth: list[dict[str, Any]]) -> None:
    for one in truth:
        if one["outcome"] == "reject":
            continue
        tree = xml_of(root, one["article_id"])
        cited: Counter[str] = Counter()
        for xref in tree.iter("xref"):
            if xref.get("ref-type") in ("fig", "table"):
                cited.update(xref.get("rid").split())
        for pair in one["pairs"]:
            direct = [
                m
                for m in pair["mentions"]
                if not (m["is_range"] or m["via_parent"] or m["is_text_only"])
            ]
            assert len(direct) == cited[pair["figure_id"]]


def test_captions_hold_the_words_of_the_xml(root: Path, truth: list[dict[str, Any]]) -> None:
    for one in truth:
        tree = xml_of(root, one["article_id"])
        graphics = tree.xpath("//*[local-name()='graphic']")
        for pair in one["pairs"]:
            assert pair["caption"]
            assert "  " not in pair["caption"]
            assert not pair["caption_title"] or pair["caption"].startswith(pair["caption_title"])
            owner = next(
                graphics[pair["graphic_index"] - 1].iterancestors("fig", "table-wrap", "boxed-text")
            )
            caption = owner.find("caption")
            if caption is None or caption.find(".//inline-formula") is not None:
                continue
            for left_out in caption.findall(".//supplementary-material"):
                left_out.getparent().remove(left_out)
            words = "".join("".join(caption.itertext()).split())
            assert words.removesuffix("".join(pair["caption"].split())) in ("", _label(pair))


def _label(pair: dict[str, Any]) -> str:
    return "".join(f"{pair['figure_label']}.".split())


def test_the_matching_rules_find_the_files(root: Path, truth: list[dict[str, Any]]) -> None:
    for one in truth:
        index = MediaIndex(path.name for path in (root / one["article_id"]).iterdir())
        graphics = xml_of(root, one["article_id"]).xpath("//*[local-name()='graphic']")
        for pair in one["pairs"]:
            assert resolve_media(graphics[pair["graphic_index"] - 1].get(HREF), index) == pair["image"]
        for reject in one["rejects"]:
            if reject["stage"] == "image":
                with pytest.raises(Rejected) as caught:
                    resolve_media(graphics[reject["graphic_index"] - 1].get(HREF), index)
                assert caught.value.reason == reject["reason"]
        if one["article"]:
            hrefs = [href for g in graphics if (href := g.get(HREF)) is not None]
            assert list(unreferenced_media(hrefs, index)) == one["article"]["unreferenced_media"]


def test_images_are_what_the_truth_says(root: Path, truth: list[dict[str, Any]]) -> None:
    for one in truth:
        for pair in one["pairs"]:
            path = root / one["article_id"] / pair["image"]
            assert sha256(path.read_bytes()).hexdigest() == pair["original_sha256"]
            with Image.open(path) as image:
                image.load()
                assert image.size == (pair["width"], pair["height"])
                assert (image.format or "").lower() == pair["original_format"]
                assert image.mode == pair["mode"]
        digests = Counter(pair["original_sha256"] for pair in one["pairs"])
        assert set(digests.values()) <= {1}


# -- variety


def test_names_are_those_of_the_schema(truth: list[dict[str, Any]]) -> None:
    for one in truth:
        assert set(one["article"] or {}) <= set(ARTICLES.names)
        for pair in one["pairs"]:
            assert set(pair) - NOT_IN_SCHEMA <= set(PAIRS.names)
            assert pair["figure_kind"] in FIGURE_KINDS
            assert pair["class"] in {*KINDS, "compound"}
        for reject in one["rejects"]:
            assert reject["reason"] in REJECT_REASONS[reject["stage"]]


def test_a_period_holds_everything(root: Path, truth: list[dict[str, Any]]) -> None:
    built = [one["article"] for one in truth if one["article"]]
    pairs = [pair for one in truth for pair in one["pairs"]]
    mentions = [mention for pair in pairs for mention in pair["mentions"]]
    codes = {row["license_code"] for row in built}
    assert codes == {
        "CC0",
        "CC BY",
        "CC BY-SA",
        "CC BY-ND",
        "CC BY-NC",
        "CC BY-NC-SA",
        "CC BY-NC-ND",
        None,
    }
    assert {row["language"] for row in built} >= {"en", "pt", "es", None}
    assert {row["license_group"] for row in built} == {"commercial", "noncommercial", "other"}
    assert {pair["original_format"] for pair in pairs} == {"jpeg", "png", "webp", "tiff", "gif"}
    assert {pair["mode"] for pair in pairs} >= {"RGB", "L", "P", "RGBA"}
    reasons = {one["reason"] for article in truth for one in article["rejects"]}
    assert reasons == {
        "alternate_of", "duplicate_reference", "external", "formula", "kind_not_taken", "license_not_taken",
        "media_missing", "no_caption", "no_href", "table_alternative", "video",
    }  # fmt: skip
    for flag in ("is_range", "via_parent", "is_text_only"):
        assert any(mention[flag] for mention in mentions)
    assert any(mention["panels"] for mention in mentions)
    assert {pair["figure_kind"] for pair in pairs} >= {
        "figure", "scheme", "table", "boxed_text", "graphical_abstract",
    }  # fmt: skip
    assert any(pair["is_third_party"] for pair in pairs)
    assert any(pair["graphics_in_figure"] > 1 for pair in pairs)
    assert sum(row["is_retracted"] for row in built) == 1
    assert any(row["unreferenced_media"] for row in built)
    ids = {row["article_id"] for row in built}
    versions = {row["pmcid"]: row["version"] for row in built}
    assert any({f"{name}.1", f"{name}.2"} <= ids for name in versions)
    assert any(row["version"] == 2 and f"{row['pmcid']}.1" not in ids for row in built)
    assert 3 <= len(pairs) / PERIOD <= 7
    assert {json.loads(path.read_bytes())["license_code"] for path in (root / "metadata").iterdir()} == {
        *codes, "TDM",
    }  # fmt: skip


def test_a_retraction_and_its_notice_name_each_other(truth: list[dict[str, Any]]) -> None:
    built = [one["article"] for one in truth if one["article"]]
    (retracted,) = [row for row in built if row["is_retracted"]]
    (notice,) = [row for row in built if row["article_type"] == "retraction"]
    assert notice["related_articles"] == [
        {"type": "retracted-article", "id_type": "doi", "id": retracted["doi"]}
    ]
    assert retracted["related_articles"][0]["id"] == notice["doi"]


def test_metadata_passes_the_checks_of_the_source(root: Path) -> None:
    from biomedica.ids import parse_article_id

    for path in (root / "metadata").iterdir():
        metadata = parse_metadata(path.read_bytes(), parse_article_id(path.stem))
        assert not metadata.invalid_media


# --- as packages -----------------------------------------------------------------------------


def test_packages_hold_the_same_articles_and_the_same_bytes(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    whole = write_sample(plain, articles=24)
    summary = write_sample(packed, articles=24, packages=True)
    source, folder = open_source(str(packed)), DirectorySource(str(plain))
    assert isinstance(source, PackageSource)
    ids = [ArticleId(*row.values()) for row in source.list_articles().select([0, 1]).to_pylist()]
    listed = [ArticleId(*row.values()) for row in folder.list_articles().select([0, 1]).to_pylist()]
    closed = [one for one in listed if not folder.read_article(one).metadata.is_pmc_openaccess]
    assert ids == [one for one in listed if one not in closed]
    assert (len(closed), summary.articles, whole.articles) == (1, 23, 24)
    truth = json.loads((packed / "truth.json").read_text(encoding="utf-8"))["articles"]
    assert sorted(one["article_id"] for one in truth) == sorted(map(str, ids))
    for article_id in ids:
        one, other = source.read_article(article_id), folder.read_article(article_id)
        assert one.read_xml(1 << 26) == other.read_xml(1 << 26)
        assert one.metadata.license_code == (other.metadata.license_code or "NO-CC CODE")
        assert one.metadata.pmid == other.metadata.pmid
        for name in other.metadata.media:
            assert one.read_media(name, 1 << 26) == other.read_media(name, 1 << 26)
    assert write_sample(packed, articles=24, packages=True) == summary


def test_a_sample_of_packages_is_not_grown_into_another_layout(tmp_path: Path) -> None:
    write_sample(tmp_path / "a", articles=1, packages=True)
    write_sample(tmp_path / "b", articles=1)
    with pytest.raises(ConfigError, match="another layout"):
        write_sample(tmp_path / "a", articles=2)
    with pytest.raises(ConfigError, match="another layout"):
        write_sample(tmp_path / "b", articles=2, packages=True)
    with pytest.raises(ConfigError, match="leave out --packages"):
        write_sample(tmp_path / "c", packages=True, defects=True)
    before = tree_of(tmp_path / "a")
    write_sample(tmp_path / "a", articles=2, packages=True)
    after = tree_of(tmp_path / "a")
    assert {name for name in before if after.get(name) != before[name]} == {"sample.json", "truth.json", "oa_file_list.csv"}  # fmt: skip
