"""Which ids meet a condition: in order, in bounded memory, with what cannot be had just now told."""

from __future__ import annotations

import gc
import json
import threading
import tracemalloc
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from biomedica.config import FetchConfig
from biomedica.errors import ConfigError, Deferred, Rejected, RunStopped, SourceError
from biomedica.ids import ArticleId
from biomedica.reporting import IdSelection, print_ids, select_ids
from biomedica.reporting import selection as module
from biomedica.sources import Metadata, SourceArticle, open_source
from biomedica.sources.protocol import LISTING
from tests.sources.layout import write_article


@dataclass
class Known:
    """An article of which the metadata alone is asked for."""

    article_id: ArticleId
    metadata: Metadata
    xml_uri: str = "memory:xml"


@dataclass
class Generated:
    """Articles PMC1.1 to PMC<count>.1, their metadata made when it is read; each tenth is CC BY."""

    count: int
    faults: dict[int, Exception] = field(default_factory=dict)
    uri: str = "memory:"
    requests: int = 0
    readers: int = 4
    read: int = 0
    lock: Any = field(default_factory=threading.Lock)

    def list_articles(self, ids: Iterable[ArticleId] | None = None) -> pa.Table:
        digests = pa.array([bytes(16)] * self.count, pa.binary(16))
        numbers = np.arange(1, self.count + 1)
        return pa.table([numbers, np.ones(self.count, np.int32), digests], schema=LISTING)

    def read_article(self, article_id: ArticleId) -> SourceArticle:
        with self.lock:
            self.read += 1
        if article_id.pmcid in self.faults:
            raise self.faults[article_id.pmcid]
        return Known(article_id, metadata(article_id))  # type: ignore[return-value]


def metadata(article_id: ArticleId) -> Metadata:
    return Metadata(
        article_id=article_id,
        pmid=article_id.pmcid,
        doi=None,
        title=f"On the matter of {article_id}, at some length " * 4,
        citation="J. 2020;1:1",
        is_pmc_openaccess=True,
        is_manuscript=False,
        is_historical_ocr=False,
        is_retracted=False,
        license_code="CC BY" if article_id.pmcid % 10 == 0 else None,
        xml_name=f"{article_id}.xml",
        xml_md5=None,
        media={"f1.jpg": None},
    )


def found(selection: IdSelection) -> list[str]:
    return [one for ids in selection for one in ids]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 7)


COMMERCIAL = "license_group = 'commercial' AND n_media = 1"


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("count", [0, 1, 7, 50, 99])
def test_ids_come_in_numeric_order(count: int) -> None:
    source = Generated(count)
    everything = [f"PMC{number}.1" for number in range(1, count + 1)]
    assert found(select_ids(source)) == found(select_ids(source, versions="latest")) == everything
    assert source.read == 0
    assert found(select_ids(source, COMMERCIAL)) == everything[9::10]
    assert source.read == count


def test_latest_is_one_version_each() -> None:
    class Versions(Generated):
        def list_articles(self, ids: Iterable[ArticleId] | None = None) -> pa.Table:
            rows = [(1, 1), (1, 2), (1, 10), (3, 4)]
            pmcids, versions = zip(*rows, strict=True)
            digests = pa.array([bytes(16)] * 4, pa.binary(16))
            return pa.table([pmcids, pa.array(versions, pa.int32()), digests], schema=LISTING)

    assert found(select_ids(Versions(0), versions="latest")) == ["PMC1.10", "PMC3.4"]
    assert found(select_ids(Versions(0), "version > 4", versions="latest")) == ["PMC1.10"]


@pytest.mark.usefixtures("small_batches")
def test_a_passing_fault_is_counted_and_told_and_ends_nothing() -> None:
    faults: dict[int, Exception] = {number: Deferred(f"fault {number}") for number in (3, 10, 50)}
    faults[20] = Rejected("metadata_invalid", "no JSON")
    selection = select_ids(Generated(99, faults), COMMERCIAL)
    assert found(selection) == [f"PMC{number}.1" for number in (30, 40, 60, 70, 80, 90)]
    assert selection.to_dict() == {
        "versions": "all",
        "articles_listed": 99,
        "articles_found": 6,
        "articles_rejected": 1,
        "articles_deferred": 3,
        "deferred": [[f"PMC{number}.1", f"fault {number}"] for number in (3, 10, 50)],
    }
    faults.clear()
    assert len(found(selection)) == 9
    assert selection.deferred == selection.rejected == 0


def test_an_outage_is_remembered_in_part(capsys: pytest.CaptureFixture[str]) -> None:
    selection = select_ids(Generated(3000, {n: Deferred("down") for n in range(1, 3001)}), "true")
    print_ids(selection, as_json=False)
    assert (selection.deferred, len(selection.waiting)) == (3000, 100)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "3,000 articles deferred" in shown.err
    assert "PMC20.1  down\n  and 2,980 more\n" in shown.err


def test_a_source_that_cannot_be_read_ends_it() -> None:
    selection = select_ids(Generated(50, {30: SourceError("nothing of it")}), COMMERCIAL)
    with pytest.raises(SourceError):
        found(selection)


def test_a_wrong_condition_reads_nothing() -> None:
    source = Generated(50)
    with pytest.raises(ConfigError, match="license_code"):
        select_ids(source, "licence = 1")
    assert source.read == 0


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("as_json", [False, True])
def test_what_is_printed(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    faults: dict[int, Exception] = {3: Deferred("it is down"), 4: Rejected("metadata_invalid")}
    print_ids(select_ids(Generated(30, faults), COMMERCIAL), as_json)
    shown = capsys.readouterr()
    ids = ["PMC10.1", "PMC20.1", "PMC30.1"]
    if as_json:
        values = json.loads(shown.out)
        assert (values["ids"], values["deferred"]) == (ids, [["PMC3.1", "it is down"]])
        assert (values["articles_rejected"], values["exit_status"]) == (1, 1)
    else:
        assert shown.out.split() == ids
    assert "1 articles deferred" in shown.err
    assert "  PMC3.1  it is down\n" in shown.err


@pytest.mark.parametrize("as_json", [False, True])
def test_nothing_is_found(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    print_ids(select_ids(Generated(30), "pmid < 0"), as_json)
    shown = capsys.readouterr()
    assert shown.err == "no article meets the condition\n"
    if as_json:
        values = json.loads(shown.out)
        assert (values["ids"], values["exit_status"]) == ([], 0)
    else:
        assert shown.out == ""


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize("as_json", [False, True])
def test_a_condition_that_fails_on_a_value(capsys: pytest.CaptureFixture[str], as_json: bool) -> None:
    """Before anything was printed it is the user's mistake; later the list is told to be short."""
    with pytest.raises(ConfigError, match="TRY_CAST"):
        print_ids(select_ids(Generated(30), "title::INT = 1"), as_json)
    lines = capsys.readouterr().out.splitlines()
    late = "CASE WHEN pmid < 20 THEN pmid = 10 ELSE title::INT = 1 END"
    with pytest.raises(RunStopped, match="1 ids printed are not the whole list"):
        print_ids(select_ids(Generated(30), late), as_json)
    printed = capsys.readouterr().out
    assert printed.endswith("\n")
    assert "PMC10.1" in printed
    assert all(line.startswith('{"ids": [') for line in lines)


def test_memory_does_not_grow_with_the_articles() -> None:
    """A few batches and 8 bytes an article, however many there are."""
    few, many = peak(Generated(6_000), COMMERCIAL), peak(Generated(30_000), COMMERCIAL)
    assert many - few < 8 * 24_000 + 500_000 < few


def peak(source: Generated, where: str) -> int:
    """Bytes that are held at the most while the ids are found: Python's and Arrow's."""
    selection = select_ids(source, where)
    gc.collect()
    pool = pa.default_memory_pool()
    arrow = highest = pool.bytes_allocated()
    tracemalloc.start()
    try:
        count = 0
        for ids in selection:
            count += len(ids)
            highest = max(highest, pool.bytes_allocated())
        assert count == source.count // 10
        return tracemalloc.get_traced_memory()[1] + highest - arrow
    finally:
        tracemalloc.stop()


def test_a_folder_in_place_of_metadata_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_article(tmp_path, ArticleId(7, 1), {})
    (tmp_path / "metadata" / "PMC8.1.json").mkdir()
    (tmp_path / "metadata" / "PMC9.1.json").symlink_to("nowhere")
    print_ids(select_ids(open_source(str(tmp_path), FetchConfig()), "true"), as_json=False)
    shown = capsys.readouterr()
    assert shown.out == "PMC7.1\n"
    assert "2 articles deferred" in shown.err
    assert "PMC9.1.json is a folder, or a link that leads nowhere" in shown.err
