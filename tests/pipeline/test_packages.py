"""Builds of packages, without Ray: the rows of the same articles in PMC's layout, hostile ones beside."""

from __future__ import annotations

import json
import os
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, load_config
from biomedica.ids import ArticleId
from biomedica.pipeline import RunReport, recount, run_build
from biomedica.pipeline import build as pipeline_build
from biomedica.pipeline.graph import Graph
from biomedica.reporting import select_ids
from biomedica.sources import PackageSource, open_source
from biomedica.sources.sample import write_sample
from biomedica.store import verify
from tests.faults.driver import build_in_process, no_session
from tests.integration.conftest import rows
from tests.sources.packages import entry, files, package, write_folder, write_package

DIFFER = {
    "shard": "a shard is named by what it holds, the input digests of its articles",
    "source_uri": "where the XML was read",
    "input_digest": "of the package, not of a metadata JSON",
    "license_source": "the article itself, where no metadata JSON says the licence",
}
"""columns that cannot be the same, and why"""

PNG = (
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0:~\x9bU\0\0\0\nIDATx\x9cc`\0\0\0\2\0\1"
    b"H\xaf\xa4q\0\0\0\0IEND\xaeB`\x82"
)


@pytest.fixture(autouse=True)
def without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards are built in this process, one after the other."""
    monkeypatch.setattr(pipeline_build, "ray_session", no_session)
    monkeypatch.setattr(Graph, "build", build_in_process)


def run(source: Path, out: Path, **more: Any) -> RunReport:
    values = {"source": str(source), "dataset": str(out), **more}
    return run_build(load_config(BuildConfig, None, values), quiet=True)


def unpack(packages: Path, root: Path) -> Path:
    """As people do: each package unpacked where it lies."""
    for path in packages.glob("PMC*.tar.gz"):
        with tarfile.open(path) as archive:
            archive.extractall(root, filter="data")
    return root


def article_xml(
    license_url: str = "https://creativecommons.org/licenses/by/4.0/", custom: str = ""
) -> bytes:
    return f"""<article xmlns:xlink="http://www.w3.org/1999/xlink"><front><article-meta>
<article-id pub-id-type="pmc">7</article-id><article-id pub-id-type="pmid">70</article-id>
<title-group><article-title>A title</article-title></title-group>
<permissions><license xlink:href="{license_url}"><license-p>free</license-p></license></permissions>
{custom}</article-meta></front><body><fig id="f1"><label>Figure 1</label><caption><p>A caption.</p></caption>
<graphic xlink:href="f1"/></fig></body></article>""".encode()


def custom_meta(name: str, value: str) -> str:
    return (
        f"<custom-meta-group><custom-meta><meta-name>{name}</meta-name><meta-value>{value}</meta-value>"
        "</custom-meta></custom-meta-group>"
    )


# --- real articles ---------------------------------------------------------------------------


def test_real_packages_give_the_rows_of_the_same_articles_in_pmcs_layout(
    corpus: Path, tmp_path: Path
) -> None:
    packages = corpus / "oa_package"
    ids = sorted(f"{path.name.removesuffix('.tar.gz')}.1" for path in packages.iterdir())
    unpacked = unpack(packages, tmp_path / "unpacked")
    run(corpus / "cloud", tmp_path / "cloud", ids=ids)
    for source, name in ((packages, "packed"), (unpacked, "folders")):
        report = run(source, tmp_path / name)
        assert report.articles == len(ids) == 5
        for table in ("articles", "pairs", "rejects"):
            expected = rows(tmp_path / "cloud", table, drop=list(DIFFER))
            assert rows(tmp_path / name, table, drop=list(DIFFER)) == expected
            assert expected or table == "rejects"
        checked = verify(str(tmp_path / name))
        recount(str(tmp_path / name), str(source), checked)
        assert checked.ok
        assert not checked.findings


def test_columns_that_differ_do_so_for_a_reason(corpus: Path, tmp_path: Path) -> None:
    report = run(corpus / "oa_package", tmp_path / "packed")
    assert report.pairs == 15
    articles = {row["article_id"]: row for row in rows(tmp_path / "packed", "articles")}
    assert {row["license_source"] for row in articles.values()} <= {"license_href", "license_link", "license_ref", "license_text", "license_words"}  # fmt: skip
    for name, row in articles.items():
        bare = name.partition(".")[0]
        assert f"/oa_package/{bare}.tar.gz#" in row["source_uri"]
        assert (
            row["input_digest"]
            == PackageSource(str(corpus / "oa_package"))
            .read_article(ArticleId(int(bare[3:]), 1))
            .input_digest
        )
    assert all(
        pair["image"]["path"].endswith((".jpg", ".tif")) for pair in rows(tmp_path / "packed", "pairs")
    )


def test_the_sample_in_packages_is_what_its_truth_says(tmp_path: Path) -> None:
    write_sample(tmp_path / "sample", articles=24, packages=True)
    run(tmp_path / "sample", tmp_path / "out")
    truth = json.loads((tmp_path / "sample" / "truth.json").read_text())["articles"]
    assert {one["outcome"] for one in truth} == {"article"}
    found = {row["article_id"]: row for row in rows(tmp_path / "out", "articles")}
    assert found.keys() == {one["article_id"] for one in truth}
    for one in truth:
        row = found[one["article_id"]]
        for name in (
            "title",
            "doi",
            "pmid",
            "license_code",
            "license_group",
            "is_retracted",
            "graphic_count",
        ):
            assert row[name] == one["article"][name], (one["article_id"], name)
    pairs = {row["pair_id"]: row for row in rows(tmp_path / "out", "pairs")}
    expected = {pair["pair_id"]: pair for one in truth for pair in one["pairs"]}
    assert pairs.keys() == expected.keys()
    for name, pair in expected.items():
        for column in ("caption", "figure_kind", "original_sha256", "license_code"):
            if column in pair:
                assert pairs[name][column] == pair[column], (name, column)
    reasons = Counter((row["stage"], row["reason"]) for row in rows(tmp_path / "out", "rejects"))
    assert reasons == Counter((row["stage"], row["reason"]) for one in truth for row in one["rejects"])


# --- resume ----------------------------------------------------------------------------------


def test_the_same_command_does_nothing_the_second_time(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    write_package(source, 7, {"f1.png": PNG}, xml=article_xml(), place="08/e0")
    write_folder(source, 8, {"f1.png": PNG}, xml=article_xml())
    (source / "PMC9.tar.gz").write_bytes(b"no package")
    first = run(source, out)
    assert (first.articles, first.articles_rejected, first.pairs) == (2, 1, 2)
    again = run(source, out)
    assert (again.articles_skipped, again.media_read, again.version) == (3, 0, first.version)
    os.rename(source / "08", source / "a1")  # elsewhere, and of another time: the same package
    os.utime(source / "a1" / "e0" / "PMC7.tar.gz", (1, 1))
    assert run(source, out).articles_skipped == 3
    write_package(source, 9, {"f1.png": PNG}, xml=article_xml())
    mended = run(source, out)
    assert (mended.articles_skipped, mended.articles) == (2, 1)
    assert [row["reason"] for row in rows(out, "rejects")] == []
    (source / "filelist.csv").write_text("Accession ID,License,Retracted\nPMC7,CC BY-NC,yes\n")
    listed = run(source, out)
    assert (listed.articles_skipped, listed.articles) == (2, 1)
    (row,) = (row for row in rows(out, "articles") if row["pmcid"] == "PMC7")
    assert (row["license_code"], row["license_group"]) == ("CC BY-NC", "noncommercial")
    assert row["is_retracted"]
    assert row["license_source"] == "metadata"
    assert any(text.startswith("license_mismatch") for text in row["warnings"])


# --- what is refused -------------------------------------------------------------------------


def test_bad_packages_are_rejects_and_their_neighbours_are_built(tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    write_package(source, 1, {"f1.png": PNG}, xml=article_xml())
    evil = entry("PMC2/f1.png", kind=tarfile.SYMTYPE, target="/etc/passwd")
    named = {"f1.png": PNG}
    broken = {
        2: package([*files(2, xml=article_xml()), evil]),
        3: package(files(3, named, article_xml()))[:-20],
        4: package([*files(4, named, article_xml()), entry("PMC4/b.nxml", b"<article/>")]),
        5: package([entry("PMC5/f1.png", PNG)]),
        6: package(files(60, named, article_xml())),
    }
    for pmcid, data in broken.items():
        (source / f"PMC{pmcid}.tar.gz").write_bytes(data)
    sub = entry("PMC7/sub/f1.png", PNG)
    (source / "PMC7.tar.gz").write_bytes(package([*files(7, xml=article_xml()), sub]))
    write_package(
        source, 8, {"f1.png": PNG}, xml=article_xml(custom=custom_meta("pmc-prop-open-access", "no"))
    )
    report = run(source, out)
    assert (report.articles, report.articles_rejected, report.articles_deferred) == (2, 6, 0)
    found = {row["article_id"]: (row["stage"], row["reason"]) for row in rows(out, "rejects")}
    assert found == {
        "PMC2.1": ("source", "package_unsafe"),
        "PMC3.1": ("source", "package_corrupt"),
        "PMC4.1": ("source", "xml_ambiguous"),
        "PMC5.1": ("source", "xml_missing"),
        "PMC6.1": ("source", "metadata_mismatch"),
        "PMC7.1": ("image", "invalid_key"),
        "PMC8.1": ("parse", "license_not_taken"),
    }
    assert verify(str(out)).ok
    assert run(source, out).articles_skipped == 8


def test_limits_of_the_configuration_hold_for_members(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write_package(source, 1, {"f1.png": PNG}, xml=article_xml())
    run(source, tmp_path / "a", **{"image.max_object_bytes": len(PNG) - 1})
    assert [row["reason"] for row in rows(tmp_path / "a", "rejects")] == ["too_large"]
    run(source, tmp_path / "b", **{"image.max_article_bytes": len(PNG) - 1})
    assert [row["reason"] for row in rows(tmp_path / "b", "rejects")] == ["article_too_large"]
    run(source, tmp_path / "c", **{"parse.max_xml_bytes": 100})
    assert [(row["stage"], row["reason"]) for row in rows(tmp_path / "c", "rejects")] == [
        ("parse", "too_large")
    ]


# --- conditions on metadata that stands in the XML -------------------------------------------


def test_ids_are_chosen_by_what_the_xml_says(tmp_path: Path) -> None:
    write_package(tmp_path, 7, xml=article_xml())
    write_folder(tmp_path, 8, xml=article_xml("https://creativecommons.org/licenses/by-nc/4.0/"))
    write_package(tmp_path, 9, xml=article_xml(custom=custom_meta("pmc-prop-open-access", "no")))
    source = open_source(str(tmp_path))
    for where, expected in {
        "license_group = 'commercial' and is_pmc_openaccess": ["PMC7.1"],
        "license_code = 'CC BY-NC'": ["PMC8.1"],
        "not is_pmc_openaccess": ["PMC9.1"],
        "pmid = 70 and title = 'A title'": ["PMC7.1", "PMC8.1", "PMC9.1"],
    }.items():
        assert [one for ids in select_ids(source, where) for one in ids] == expected
