"""`enrich` from PubMed's files on a real Ray: later files win, deletions count, only what is new is read."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from pathlib import Path

import pytest

from biomedica.pipeline import EnrichReport, run_enrich
from biomedica.pubmed import EnrichConfig
from biomedica.sources import entrez
from biomedica.store import Dataset, verify
from tests.conftest import ROOT
from tests.pipeline.enriched import add_articles, table
from tests.pubmed import document, eutils, record, write_pubmed_file

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """A dataset of the PMIDs 1 to 9 and 404, and a folder of PubMed files of 1 to 40."""
    root, folder = tmp_path / "dataset", tmp_path / "pubmed"
    add_articles(root, [*range(1, 10), 404, None])
    write_pubmed_file(folder, "pubmed26n0001", document(record(n) for n in range(1, 21)))
    write_pubmed_file(folder, "pubmed26n0002", document(record(n) for n in range(21, 41)))
    late = [record(3, revised="2025-05-05"), record(30), record(4, version=2)]
    write_pubmed_file(folder, "pubmed26n0003", document(late, deleted=[5, 31]))
    # in a later file an older date: the file wins
    write_pubmed_file(folder, "pubmed26n1001", document([record(3, revised="2020-05-05")]))
    return root, folder


def run(root: Path, folder: Path, commit_seconds: float = 0, **pubmed: object) -> EnrichReport:
    config = EnrichConfig(
        dataset=str(root),
        pubmed={"files": [str(folder)], **pubmed},  # type: ignore[arg-type]
        runtime={"commit_seconds": commit_seconds},  # type: ignore[arg-type]
    )
    return run_enrich(config, quiet=True)


def test_later_files_win_and_what_is_new_is_read(places: tuple[Path, Path]) -> None:
    root, folder = places
    report = run(root, folder)
    assert (report.pmids, report.found, report.deleted, report.not_in_files) == (10, 8, 1, 1)
    assert (report.files, report.files_read, report.records) == (4, 4, 44)
    assert report.not_in_files_pmids == [404]
    assert report.complete
    rows = table(root)
    assert sorted(rows) == list(range(1, 10))
    assert rows[3]["date_revised"] == datetime.date(2020, 5, 5)
    assert (rows[3]["source"], rows[3]["retrieved"]) == ("pubmed26n1001", None)
    assert (rows[4]["pmid_version"], rows[4]["source"]) == (2, "pubmed26n0003")
    assert (rows[5]["status"], rows[5]["mesh"]) == ("deleted", None)
    read = table(root, "pubmed_files")
    assert {name: (row["records"], row["kept"], row["deleted"]) for name, row in read.items()} == {
        "pubmed26n0001": (20, 9, 0),
        "pubmed26n0002": (20, 0, 0),
        "pubmed26n0003": (3, 2, 2),
        "pubmed26n1001": (1, 1, 0),
    }
    assert verify(root).ok
    again(root, folder, report)
    a_file_that_is_new(root, folder)
    articles_that_are_new(root, folder)


def again(root: Path, folder: Path, first: EnrichReport) -> None:
    """Nothing is read, and Ray is not even started."""
    report = run(root, folder)
    assert (report.files_skipped, report.files_read, report.version) == (4, 0, first.version)
    assert (report.skipped, report.not_in_files) == (9, 1)


def a_file_that_is_new(root: Path, folder: Path) -> None:
    """It alone is read, and one whose bytes have changed."""
    write_pubmed_file(folder, "pubmed26n1002", document([record(404), record(1, revised="2026-06-06")]))
    write_pubmed_file(folder, "pubmed26n1001", document([record(3, revised="2020-05-06")]))
    report = run(root, folder)
    assert (report.files_skipped, report.files_read, report.found) == (3, 2, 1)
    assert (report.rows_added, report.rows_replaced) == (1, 2)
    rows = table(root)
    assert rows[3]["date_revised"] == datetime.date(2020, 5, 6)
    assert rows[1]["source"] == "pubmed26n1002"
    assert verify(root).ok


def articles_that_are_new(root: Path, folder: Path) -> None:
    """Their PMIDs may be in any file: all are read again, and what is there stays as it is."""
    add_articles(root, [30, 31, 40], "2" * 16)
    before = table(root)
    report = run(root, folder, commit_seconds=3600)
    assert (report.files_read, report.found, report.deleted) == (5, 2, 1)
    assert (report.rows_added, report.rows_replaced) == (3, 0)
    rows = table(root)
    assert rows[30]["source"] == "pubmed26n0003"
    assert rows[31]["status"] == "deleted"
    assert {pmid: rows[pmid] for pmid in before} == before
    assert verify(root).ok


def test_every_record_where_all_are_wanted(places: tuple[Path, Path]) -> None:
    root, folder = places
    report = run(root, folder, keep_all=True)
    assert (report.pmids, report.found, report.deleted) == (10, 8, 1)
    assert report.rows_added == 40
    assert sorted(table(root)) == list(range(1, 41))
    add_articles(root, [12, 13], "2" * 16)
    report = run(root, folder)  # all were kept: there is nothing to look for
    assert (report.files_read, report.skipped) == (0, 11)


def test_files_that_are_bad_spoil_no_others(places: tuple[Path, Path]) -> None:
    root, folder = places
    write_pubmed_file(folder, "pubmed26n0002", document([record(7)]), md5="0" * 32)
    write_pubmed_file(folder, "pubmed26n0004", document([record(8)])[:-30])
    write_pubmed_file(folder, "pubmed26n0005", document([record(9)]), md5=False)
    broken = record(2).replace("</QualifierName>", "")
    write_pubmed_file(folder, "pubmed26n0006", document([broken, record(1, revised="2026-01-01")]))
    done = subprocess.run(
        [
            sys.executable, "-m", "biomedica", "enrich", str(root), "--json", "--pubmed", str(folder),
            "--set=runtime.object_store_bytes=500000000", "--set=runtime.workers=1",
        ],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    report = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == report["exit_status"] == 1, done.stderr
    failed = dict(report["failed_files"])
    assert sorted(failed) == ["pubmed26n0002", "pubmed26n0004"]
    assert "has the MD5" in failed["pubmed26n0002"]
    assert "ends before" in failed["pubmed26n0004"]
    assert (report["files_read"], report["files_unchecked"], report["unreadable"]) == (5, 1, 1)
    assert report["unreadable_records"][0][0] == "pubmed26n0006"
    rows = table(root)
    assert rows[1]["source"] == "pubmed26n0006"
    assert rows[2]["source"] == "pubmed26n0001"
    assert "pubmed26n0002 failed" in done.stderr
    write_pubmed_file(folder, "pubmed26n0002", document([record(404)]))
    report = run(root, folder)
    assert (report.files_failed, report.found, report.not_in_files) == (1, 1, 0)


def test_files_and_e_utilities_together(
    places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """E-utilities are asked for what no file has; a later file renews their answers."""
    root, folder = places
    run(root, folder)
    monkeypatch.setattr(entrez, "FIRST_WAIT", 0.0)
    with eutils() as server:
        server.records = {404: record(404, revised="2026-01-01")}
        pubmed = {"url": server.url, "email": "a@example.org", "requests_per_second": 1000}
        config = EnrichConfig(dataset=str(root), pubmed=pubmed)  # type: ignore[arg-type]
        report = run_enrich(config, quiet=True)
        assert server.asked == [[404]]
    assert (report.skipped, report.found) == (9, 1)
    old, new = record(404, revised="2025-01-01"), record(404, revised="2026-01-02")
    write_pubmed_file(folder, "pubmed26n1003", document([old]))
    run(root, folder)
    assert table(root)[404]["source"] == "efetch"
    write_pubmed_file(folder, "pubmed26n1004", document([new]))
    run(root, folder)
    assert table(root)[404]["source"] == "pubmed26n1004"
    assert Dataset.open(root).versions()[0].note["command"] == "enrich"
    assert verify(root).ok
