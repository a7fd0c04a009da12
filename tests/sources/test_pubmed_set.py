"""Documents of many records: the same however they are cut, and what is no such document."""

from __future__ import annotations

import datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.enrichment import ENRICHMENT
from biomedica.errors import Rejected
from biomedica.sources import pubmed_parts, pubmed_set
from biomedica.sources.pubmed_set import PmidSet, read_set, record_table, status_table
from tests.pubmed import HEAD, TAIL, document, record

BOOK = '<PubmedBookArticle><BookDocument><PMID Version="1">50</PMID></BookDocument></PubmedBookArticle>'
DATA = document([record(30), record(10), BOOK, record(20, revised="2020-01-01")], deleted=[99, 30])


@given(st.lists(st.integers(1, len(DATA) - 1), max_size=6))
def test_cuts_make_no_difference(cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), len(DATA)]
    found = read_set(DATA[a:b] for a, b in pairwise(borders))
    assert found == read_set([DATA])
    assert (found.records, sorted(found.kept), found.deleted) == (4, [10, 20, 50], [99, 30])
    assert not found.unreadable


@given(st.sets(st.sampled_from([10, 20, 30, 40, 50])))
def test_only_wanted_records_are_kept(wanted: set[int]) -> None:
    found = read_set([DATA], PmidSet(np.array(sorted(wanted), np.int64)))
    assert set(found.kept) == wanted & {10, 20, 50}
    assert found.records == 4
    assert found.unasked == 4 - len(wanted & {10, 20, 30, 50})


def test_of_two_records_the_higher_version_then_the_later_one() -> None:
    twice = [record(1, version=2, revised="2021-01-01"), record(1, revised="2022-01-01")]
    assert read_set([document(twice)]).kept[1].date_revised == datetime.date(2021, 1, 1)
    same = [record(1, revised="2021-01-01"), record(1, revised="2020-01-01")]
    assert read_set([document(same)]).kept[1].date_revised == datetime.date(2020, 1, 1)


def test_an_empty_set() -> None:
    assert read_set([document([])]).records == 0
    assert read_set([b'<?xml version="1.0"?><PubmedArticleSet/>']).records == 0


def test_a_record_that_is_broken_spoils_no_other() -> None:
    broken = record(2).replace("</QualifierName>", "")
    found = read_set([document([record(1), broken, record(3)])])
    assert sorted(found.kept) == [1, 3]
    ((pmid, why),) = found.unreadable
    assert pmid == 2
    assert why.startswith("record 2: ")


def test_an_opening_with_attributes_is_read_too() -> None:
    odd = record(2).replace("<PubmedArticle>", '<PubmedArticle lang="en">')
    found = read_set([document([record(1), odd, record(3)])])
    assert found.records == 3
    assert sorted(found.kept) == [1, 2, 3]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"<html></html>", "not_xml"),
        (b"x" * 100_000, "not_xml"),
        (DATA[:-20], "malformed_xml"),
        (DATA[: len(DATA) // 2], "malformed_xml"),
        (DATA.replace(TAIL.encode(), b"<PubmedArticle>"), "malformed_xml"),
        (DATA.replace(b'version="1.0"', b'version="1.0" encoding="latin-1"'), "bad_encoding"),
        (DATA.replace(b"<DeleteCitation>", b"<DeleteCitation><PMID>x</PMID>"), "malformed_xml"),
        (
            HEAD.replace(' "https', " [<!ENTITY a 'b'>] \"https").encode() + TAIL.encode(),
            "malformed_xml",
        ),
    ],
)
def test_what_is_no_such_document(data: bytes, reason: str) -> None:
    with pytest.raises(Rejected) as fault:
        read_set([data])
    assert fault.value.reason == reason


def test_entities_of_a_document_are_never_read() -> None:
    """Neither what would grow without end, nor a file of the machine."""
    for entity in ("<!ENTITY a 'aaaa'>", "<!ENTITY a SYSTEM 'file:///etc/hostname'>"):
        data = document([record(1).replace("Neoplasms", "&a;")])
        with pytest.raises(Rejected, match="entities"):
            read_set([data.replace(b"<!DOCTYPE PubmedArticleSet", b"<!DOCTYPE PubmedArticleSet [" + entity.encode() + b"]")])  # fmt: skip
        found = read_set([data])
        assert [pmid for pmid, _ in found.unreadable] == [1]


def test_a_record_without_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pubmed_set, "MAX_RECORD_BYTES", 10_000)
    chunks = [HEAD.encode(), *[b"<PubmedArticle>" + b"x" * 1000] * 100]
    with pytest.raises(Rejected, match="too_large"):
        read_set(chunks)


@pytest.mark.parametrize(
    "wild",
    [
        b"<DeleteCitation >" * 200_000,
        b"<PubmedArticle >" * 200_000,
        b"<PubmedArticle ><PubmedBookArticle >" * 100_000 + b"</PubmedBookArticle>",
        b"</PubmedArticleSet" + b" " * 2_000_000 + b"x",
        b"<PubmedArticle><MedlineCitation><PMID>" + b" " * 2_000_000,
    ],
)
def test_what_has_no_end_takes_no_time_without_end(wild: bytes) -> None:
    """Seconds, not hours: each byte is looked at a few times."""
    with pytest.raises(Rejected, match="malformed_xml"):
        read_set([HEAD.encode() + wild])
    found = read_set([HEAD.encode() + wild + TAIL.encode()])
    assert not found.kept


def test_a_prolog_without_end() -> None:
    for wild in (b"<!DOCTYPE" * 100_000, b"<?xml" * 100_000, b" " * 1_000_000):
        with pytest.raises(Rejected, match="not_xml"):
            read_set([wild + HEAD.encode() + TAIL.encode()])


def test_others_between_records_are_found_in_order() -> None:
    book = BOOK.replace("</PubmedBookArticle>", "</PubmedBookArticle >")
    inner = (
        record(1)
        + "<DeleteCitation >\n<PMID>8</PMID></DeleteCitation\n>"
        + "<PubmedArticle ><DeleteCitation><PMID>9</PMID></DeleteCitation>"
        + book
        + record(2)
    )
    found = read_set([(HEAD + inner + TAIL).encode()])
    assert (sorted(found.kept), found.deleted) == ([1, 2, 50], [8, 9])


def test_large_parts_are_not_remembered() -> None:
    """A file of large headings, each another one, would fill the memory."""
    large = record(1).replace("Neoplasms", "N" * 100_000)
    before = pubmed_parts.read_heading(b"<MeshHeading/>")
    assert read_set([document([large])]).kept[1].mesh[0][1] == "N" * 100_000
    assert pubmed_parts.read_heading(b"<MeshHeading/>") is before


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_rejected(data: bytes) -> None:
    for wild in (data, HEAD.encode() + data + TAIL.encode()):
        try:
            read_set([wild])
        except Rejected:
            continue


def test_rows() -> None:
    found = read_set([DATA])
    table = record_table(list(found.kept.values()), "pubmed26n0001", None)
    assert table.schema.equals(ENRICHMENT, check_metadata=True)
    assert table["pmid"].to_pylist() == [10, 20, 50]
    assert set(table["status"].to_pylist()) == {"found"}
    assert table["mesh"][0][0]["qualifiers"][0].as_py() == {
        "ui": "Q000000981",
        "name": "diagnostic imaging",
        "is_major": True,
    }
    day = datetime.date(2026, 1, 2)
    missing = status_table([5, 3, 5], "missing", "efetch", day)
    assert missing.schema.equals(ENRICHMENT, check_metadata=True)
    assert missing.select(["pmid", "status", "mesh", "retrieved"]).to_pylist() == [
        {"pmid": pmid, "status": "missing", "mesh": None, "retrieved": day} for pmid in (3, 5)
    ]
    assert record_table([], "efetch", None).num_rows == 0
