"""Votes out to files and in again: nothing lost, nothing run by a spreadsheet, faults named."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.annotation import (
    Vote,
    votes_from_biomedica,
    votes_from_csv,
    votes_from_parquet,
    votes_table,
    votes_to_csv,
    votes_to_parquet,
)
from biomedica.errors import ConfigError
from tests.annotation.casting import START, TAXONOMY, cast, retract, votes


def same(one: list[Vote], other: list[Vote]) -> bool:
    return bool(votes_table(one) == votes_table(other))


@given(st.lists(votes(), max_size=6))
@settings(deadline=None, max_examples=150)
def test_csv_gives_the_same_events_back(events: list[Vote]) -> None:
    data = votes_to_csv(events)
    assert same(votes_from_csv(data, TAXONOMY, "v.csv"), events)
    assert votes_to_csv(reversed(events)) == data


@given(st.lists(votes(), max_size=6))
@settings(deadline=None, max_examples=50)
def test_no_cell_is_a_formula(events: list[Vote]) -> None:
    rows = csv.reader(io.StringIO(votes_to_csv(events).decode(), newline=""))
    cells = [cell for row in rows for cell in row]
    assert [cell for cell in cells if cell[:1] in [*"=+-@\t\r\n＝＋－＠"] and cell] == []


@given(st.lists(votes(), max_size=6))
@settings(deadline=None, max_examples=50)
def test_parquet_gives_the_same_events_back(events: list[Vote]) -> None:
    data = votes_to_parquet(events)
    assert same(votes_from_parquet(data, "v.parquet"), events)
    assert votes_to_parquet(reversed(events)) == data


def test_a_retraction_keeps_its_meaning_through_csv() -> None:
    vote = cast("ann", 1, "maps", comment="=1+1")
    events = votes_from_csv(votes_to_csv([vote, retract(vote)]), TAXONOMY, "v.csv")
    assert events == [vote, retract(vote)]


def test_a_file_written_by_hand_is_understood() -> None:
    text = (
        "Cluster_ID;annotator;global_concepts;local_concepts;panel_type;is_mixed\r\n"
        '7;Eva;"Microscopy; Plots and Charts";"SEM;bar chart";Multiple;yes\r\n\r\n'
        "8;;Maps;;;\r\n"
    )
    found = votes_from_csv(
        b"\xef\xbb\xbf" + text.encode(), TAXONOMY, "v.csv", run="r1", time=START, annotator="ann"
    )
    assert found == [
        cast("Eva", 7, "microscopy", "plots_and_charts", "scanning_electron_microscopy", "bar_plot",
             panel_type="multiple", is_mixed=True),
        cast("ann", 8, "maps"),
    ]  # fmt: skip


def test_votes_on_images_need_no_run() -> None:
    found = votes_from_csv(b"pair_id,global_concepts\nPMC1.1/a.jpg,maps\n", TAXONOMY, "v.csv", run="r1",
                           time=START, annotator="ann")  # fmt: skip
    assert found[0].run is None
    assert found[0].pair_id == "PMC1.1/a.jpg"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no column cluster_id or pair_id"),
        ("cluster_id,global\n1,maps\n", "column 'global' that is unknown or there twice"),
        ("cluster_id,cluster_id\n1,1\n", "unknown or there twice"),
        ("cluster_id,global_concepts\n1,maps\n2,Mapps\n", "line 3: the taxonomy has no global concept 'Mapps'"),
        ("cluster_id,local_concepts\n1,maps\n", "line 2: the taxonomy has no local concept 'maps'"),
        ("cluster_id,global_concepts\nx,maps\n", "line 2: cluster_id: Input should be a valid integer"),
        ("cluster_id,is_mixed\n1,perhaps\n", "line 2: is_mixed: 'perhaps' is neither"),
        ("cluster_id,comment\n1,nice\n", "line 2: a vote answers a question"),
        ("cluster_id,comment\n1,nice,more\n", "line 2: it has more cells than columns"),
        ('cluster_id,comment\n1,"nice\n', "line 2: unexpected end of data"),
        ("cluster_id,time,global_concepts\n1,yesterday,maps\n", "line 2: time: Input should be a valid datetime"),
        ("cluster_id,panel_type\n1,triple\n", "no panel type 'triple'"),
        ("cluster_id,panel_subtype\n1,triple\n", "no panel subtype 'triple'"),
        (f"cluster_id,vote_id,global_concepts\n1,{'0' * 32},maps\n", "line 2: it was changed after it was cast"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_with_its_line(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        votes_from_csv(text.encode(), TAXONOMY, "v.csv", run="r1", time=START, annotator="ann")
    assert str(raised.value).startswith("v.csv")
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_what_is_no_file_of_votes_is_refused() -> None:
    with pytest.raises(ConfigError, match="not in UTF-8"):
        votes_from_csv("é".encode("latin-1"), TAXONOMY, "v.csv")
    with pytest.raises(ConfigError, match="annotator: Field required"):
        votes_from_csv(b"cluster_id,global_concepts\n1,maps\n", TAXONOMY, "v.csv", run="r1", time=START)
    with pytest.raises(ConfigError, match="is no Parquet file of votes"):
        votes_from_parquet(b"PAR1nothing", "v.parquet")


def test_ids_of_an_older_taxonomy_are_kept() -> None:
    old = cast("ann", 1, taxonomy_version="biomedica-0", local_concepts=("western",))
    assert votes_from_csv(votes_to_csv([old]), TAXONOMY, "v.csv") == [old]


BIOMEDICA = {
    "0": {"panel_type": "multiple", "panel_subtype": "single panel",
          "global_class": ["Immuno Assays"], "local_class": ["immunoblot"]},
    "12": {"panel_type": "single", "panel_subtype": "multiple panels: images & plots",
           "global_class": ["Microscopy", "Plots and Charts"], "local_class": ["microscopy", "plot"]},
}  # fmt: skip


def test_labels_of_biomedica_become_votes() -> None:
    found = votes_from_biomedica(
        json.dumps(BIOMEDICA).encode(), TAXONOMY, "l.json", run="r1", time=START
    )
    assert [one.cluster_id for one in found] == [0, 12]
    assert found[0] == cast("biomedica", 0, "immuno_assays", "immunoblot", panel_type="multiple",
                            panel_subtype="single_panel")  # fmt: skip
    assert found[1].local_concepts == ("microscopy_unspecified", "plot")


def test_every_name_of_biomedica_is_understood() -> None:
    every = {
        str(number): {
            "global_class": [TAXONOMY.name(TAXONOMY.global_of(one))],
            "local_class": [TAXONOMY.name(one)],
        }
        for number, one in enumerate(TAXONOMY.ids("local"))
    }
    found = votes_from_biomedica(json.dumps(every).encode(), TAXONOMY, "l.json", run="r1", time=START)
    assert [one.local_concepts[0] for one in found] == list(TAXONOMY.ids("local"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "no JSON object of clusters"),
        ("{", "no JSON object of clusters"),
        ('{"1": 3}', "no JSON object of clusters"),
        ('{"x": {"panel_type": "single"}}', "cluster x: cluster_id: Input should be a valid integer"),
        (
            '{"1": {"global_class": ["Nonsense"]}}',
            "cluster 1: the taxonomy has no global concept 'Nonsense'",
        ),
        ('{"1": {"global_class": {"a": 1}}}', "cluster 1: global_concepts is no list"),
        ('{"1": {}}', "cluster 1: a vote answers a question"),
    ],
)
def test_wrong_labels_of_biomedica_are_told(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        votes_from_biomedica(text.encode(), TAXONOMY, "l.json", run="r1", time=START)
