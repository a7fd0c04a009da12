"""`enrich` by E-utilities: what is asked, what is kept, what waits; stopped and killed runs go on."""

from __future__ import annotations

import datetime
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from biomedica.errors import ConfigError, RunStopped, SourceError, StaleWriterError, StoreError
from biomedica.pipeline import EnrichReport, enrich_asked, run_enrich
from biomedica.pubmed import EnrichConfig
from biomedica.sources import entrez
from biomedica.store import Dataset, DatasetWriter, verify
from tests.conftest import ROOT
from tests.pubmed import HTML, RATE_LIMIT, Eutils, Reply, document, eutils, record

from .enriched import add_articles, table

EMAIL = "someone@example.org"
DAY = 86_400


@pytest.fixture
def server() -> Iterator[Eutils]:
    with eutils() as state:
        state.records = {pmid: record(pmid) for pmid in range(100, 140)}
        yield state


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrez, "FIRST_WAIT", 0.0)
    monkeypatch.delenv("NCBI_API_KEY", raising=False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Articles of the PMIDs 100 to 111, one of them twice, one article without."""
    add_articles(tmp_path / "d", [*range(100, 112), 100, None])
    return tmp_path / "d"


def run(root: Path, server: Eutils, commit_seconds: float = 0, **pubmed: Any) -> EnrichReport:
    settings = {
        "url": server.url,
        "email": EMAIL,
        "requests_per_second": 1000,
        "batch": 4,
        "retries": 2,
    }
    config = EnrichConfig(
        dataset=str(root),
        pubmed=settings | pubmed,  # type: ignore[arg-type]
        runtime={"commit_seconds": commit_seconds},  # type: ignore[arg-type]
    )
    return run_enrich(config, quiet=True)


def asked(server: Eutils) -> list[int]:
    return sorted(pmid for batch in server.asked for pmid in batch)


def test_every_pmid_becomes_a_row(root: Path, server: Eutils) -> None:
    del server.records[103]
    report = run(root, server)
    assert (report.pmids, report.articles_without_pmid) == (12, 1)
    assert (report.found, report.missing, report.missing_pmids) == (11, 1, [103])
    assert report.complete
    assert report.balanced
    rows = table(root)
    assert sorted(rows) == list(range(100, 112))
    assert rows[100]["status"] == "found"
    assert rows[100]["mesh"][0]["ui"] == "D009369"
    assert (rows[103]["status"], rows[103]["mesh"], rows[103]["source"]) == ("missing", None, "efetch")
    assert all(row["retrieved"] is not None for row in rows.values())
    assert max(map(len, server.asked)) == 4
    assert asked(server) == sorted([*range(100, 112), 103])  # what is missing is asked for once more
    assert verify(root).ok
    assert Dataset.open(root).version == report.version


def test_what_is_there_is_not_asked_again(root: Path, server: Eutils) -> None:
    del server.records[103]
    first = run(root, server)
    server.forms.clear()
    again = run(root, server)
    assert server.forms == []
    assert (again.skipped, again.found, again.missing, again.version) == (12, 0, 0, first.version)
    add_articles(root, [120, 121], "2" * 16)
    more = run(root, server)
    assert asked(server) == [120, 121]
    assert (more.pmids, more.skipped, more.found) == (14, 12, 2)
    assert sorted(table(root)) == [*range(100, 112), 120, 121]


def test_answers_that_are_too_old_are_asked_for_again(root: Path, server: Eutils) -> None:
    """The missing ones too: PubMed may have them by now."""
    del server.records[103]
    server.clock = time.time() - 31 * DAY
    first = run(root, server)
    assert run(root, server, max_age_days=33).skipped == 12
    server.records[103] = record(103)
    server.records[104] = record(104, revised="2026-02-03")
    server.clock = None
    report = run(root, server)
    assert (report.found, report.rows_replaced, report.skipped) == (12, 12, 0)
    assert table(root)[104]["date_revised"] == datetime.date(2026, 2, 3)
    assert table(root)[103]["status"] == "found"
    assert table(root, version=first.version)[103]["status"] == "missing"  # versions are kept
    assert run(root, server).skipped == 12
    assert run(root, server, max_age_days=0).found == 12


def test_ids_that_are_dropped_once_are_found_the_second_time(root: Path, server: Eutils) -> None:
    def forgetful(pmids: list[int], number: int) -> Reply | None:
        if number > 2:
            return None
        kept = [pmid for pmid in reversed(pmids) if pmid % 2]
        return Reply(document(record(pmid) for pmid in [*kept, *kept, 139]))

    server.answer = forgetful
    report = run(root, server)
    assert (report.found, report.missing, report.unasked) == (12, 0, 3)
    assert all(row["status"] == "found" for row in table(root).values())


def test_a_batch_without_an_answer_is_deferred_and_taken_by_the_next_run(
    root: Path, server: Eutils
) -> None:
    server.answer = lambda pmids, _: RATE_LIMIT if 105 in pmids else None
    report = run(root, server)
    assert (report.found, report.deferred, report.missing) == (8, 4, 0)
    assert report.deferred_pmids[0] == (104, "E-utilities gave no answer (an error object)")
    assert not report.complete
    assert report.balanced
    server.answer = None
    server.forms.clear()
    report = run(root, server)
    assert asked(server) == [104, 105, 106, 107]
    assert (report.skipped, report.found, report.complete) == (8, 4, True)
    assert verify(root).ok


def test_when_nothing_answers_any_more_the_rest_waits(
    root: Path, server: Eutils, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrich_asked, "IN_FLIGHT", 1)
    add_articles(root, range(112, 140), "2" * 16)
    server.answer = lambda _, number: HTML if number else None
    report = run(root, server)
    assert (report.pmids, report.found, report.deferred) == (40, 4, 36)
    assert len(server.forms) == 1 + enrich_asked.HOPELESS * 3
    assert report.deferred_pmids[-1][1] == enrich_asked.AWAY


def test_a_record_that_cannot_be_read_is_not_missing(root: Path, server: Eutils) -> None:
    server.records[105] = record(105).replace("</QualifierName>", "")
    report = run(root, server)
    assert (report.found, report.missing, report.deferred, report.unreadable) == (11, 0, 1, 1)
    assert report.deferred_pmids == [(105, "its record could not be read")]
    assert 105 not in table(root)


@pytest.mark.parametrize("reply", [HTML, Reply(b"no", 403), Reply(b'{"error":"API key invalid"}', 400)])
def test_what_cannot_start_changes_nothing(root: Path, server: Eutils, reply: Reply) -> None:
    before = Dataset.open(root)
    server.answer = lambda *_: reply
    with pytest.raises(SourceError):
        run(root, server)
    assert Dataset.open(root).version == before.version
    assert not (root / "enrichment").exists()


def test_without_an_address_or_a_dataset(root: Path, server: Eutils, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--email"):
        run(root, server, email=None)
    with pytest.raises(StoreError, match="there is no dataset"):
        run(tmp_path / "other", server)
    assert server.forms == []


def test_what_an_update_has_staged_is_not_thrown_away(root: Path, server: Eutils) -> None:
    with DatasetWriter.begin(root) as writer:
        writer.commit([], staged=True)
    with pytest.raises(StoreError, match="biomedica update"):
        run(root, server)
    assert server.forms == []


def test_nobody_is_asked_for_nothing(tmp_path: Path, server: Eutils) -> None:
    add_articles(tmp_path, [None])
    report = run(tmp_path, server)
    assert (report.pmids, report.articles_without_pmid, report.requests) == (0, 1, 0)


def test_a_run_that_is_refused_in_the_middle_keeps_what_came(
    root: Path, server: Eutils, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(enrich_asked, "IN_FLIGHT", 1)
    server.answer = lambda _, number: Reply(b"no", 403) if number == 2 else None
    with pytest.raises(RunStopped, match="refuse to answer"):
        run(root, server, commit_seconds=3600)
    assert sorted(table(root)) == list(range(100, 108))
    server.forms.clear()
    server.answer = None
    assert run(root, server).found == 4
    assert asked(server) == [108, 109, 110, 111]


@pytest.mark.parametrize("other", ["build", "enrich"])
def test_a_run_that_another_one_overtakes_stops_and_loses_nothing(
    root: Path, server: Eutils, monkeypatch: pytest.MonkeyPatch, other: str
) -> None:
    """Another run begins, and commits, while E-utilities are asked: the first one's rows of before stay,
    its later ones are in no version."""
    monkeypatch.setattr(enrich_asked, "IN_FLIGHT", 1)
    seen: list[int] = []

    def overtake(_pmids: list[int], number: int) -> None:
        if number == 2:
            seen.extend(table(root))
            if other == "build":
                add_articles(root, [120, 121], "2" * 16)
            else:
                assert run(root, server).complete

    server.answer = overtake  # type: ignore[assignment]
    with pytest.raises(StaleWriterError, match="another run has begun"):
        run(root, server)
    assert seen
    assert verify(root).ok
    had = set(table(root))
    assert had == (set(seen) if other == "build" else set(range(100, 112)))
    server.answer = None
    server.forms.clear()
    wanted = set(range(100, 112)) | ({120, 121} if other == "build" else set())
    report = run(root, server)
    assert (report.skipped, report.complete) == (len(had), True)
    assert asked(server) == sorted(wanted - had)
    assert sorted(table(root)) == sorted(wanted)
    assert verify(root).ok


# -- the command


def command(root: Path, server: Eutils, *more: str) -> list[str]:
    settings = {
        "pubmed.url": server.url,
        "pubmed.batch": "4",
        "pubmed.requests_per_second": "1000",
        "runtime.commit_seconds": "0",
    }
    given = [f"--set={name}={value}" for name, value in settings.items()]
    base = [sys.executable, "-m", "biomedica", "enrich", "--dataset", str(root), "--json"]
    return [*base, "--email", EMAIL, *given, *more]


def test_killed_again_and_again_it_goes_on_where_it_stopped(root: Path, server: Eutils) -> None:
    """kill -9 whenever some more requests have come; an answer is in the table, or is asked for again."""
    add_articles(root, range(112, 140), "2" * 16)
    process: subprocess.Popen[bytes] | None = None
    fatal = 0

    def kill(_pmids: list[int], number: int) -> None:
        if number == fatal and process is not None:
            os.kill(process.pid, signal.SIGKILL)

    server.answer = kill  # type: ignore[assignment]
    for _ in range(3):
        fatal = len(server.forms) + 10  # eight are under way at once, the first of them alone
        process = subprocess.Popen(
            command(root, server, "--set=pubmed.batch=1"),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert process.wait(timeout=60) == -signal.SIGKILL
        assert verify(root, deep=False).ok
    had = set(table(root))
    with eutils() as other:  # the first may still be reading what a killed run has sent
        other.records = server.records
        report = run(root, other)
        assert report.skipped == len(had) > 0
        assert asked(other) == sorted(set(range(100, 140)) - had)
    assert sorted(table(root)) == list(range(100, 140))
    assert verify(root).ok


def test_the_command(root: Path, server: Eutils) -> None:
    server.answer = lambda pmids, _: RATE_LIMIT if 111 in pmids else None
    told = command(root, server, "--set=pubmed.retries=0")
    done = subprocess.run(told, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    last = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == last["exit_status"] == 1, done.stderr
    assert (last["found"], last["deferred"], last["requests"]) == (8, 4, 3)
    assert "PMIDs" in done.stderr
    server.answer = None
    told.remove("--json")
    done = subprocess.run(told, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "there before" in done.stdout


def test_a_page_that_would_not_be_made_is_refused(root: Path, server: Eutils) -> None:
    told = [*command(root, server), "--set=report=page.html"]
    done = subprocess.run(told, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "leave it out, --json says all" in line
    assert server.forms == []


def test_the_command_that_cannot_start(root: Path, server: Eutils) -> None:
    told = [word for word in command(root, server) if word not in ("--email", EMAIL)]
    done = subprocess.run(told, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "give yours by --email" in line
    assert json.loads(done.stdout)["exit_status"] == 2
