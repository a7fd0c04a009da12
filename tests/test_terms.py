"""What a dataset says of its origin: NLM named, the address, the days, no endorsement, the licences."""

from __future__ import annotations

import datetime
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.licenses import LICENSE_CODES, license_group
from biomedica.schema import table_schema
from biomedica.store.terms import origin_note
from biomedica.terms import PMC_ADDRESS, PMC_BUCKET, Terms, day_of

DAYS = ("2026-09-01", "2026-11-24", "2026-11-25")


def test_pmcs_own_bucket() -> None:
    terms = Terms((PMC_BUCKET,), *DAYS)
    said = dict(terms.sections)
    assert said["To be cited as"] == (
        "PubMed Central (PMC) Article Datasets on AWS was accessed on 2026-11-24 from "
        "https://registry.opendata.aws/ncbi-pmc"
    )
    assert "U.S. National Library of Medicine" in said["Source"]
    assert PMC_ADDRESS in said["Source"]
    assert "no place of NLM's" not in said["Source"]
    assert "between 2026-09-01 and 2026-11-24" in said["How current it is"]
    assert "last changed on 2026-11-25" in said["How current it is"]
    assert "not the most current" in said["How current it is"]
    assert "does not endorse" in said["Statement"]
    assert "may not hold the most current" in said["Statement"]
    for code in LICENSE_CODES:
        if license_group(code) == "commercial":
            assert code in said["Licences"]


def test_a_copy_is_named_as_one() -> None:
    terms = Terms(("s3://mirror/pmc", PMC_BUCKET), *DAYS)
    assert "s3://mirror/pmc, s3://pmc-oa-opendata, which is no place of NLM's" in terms.sections[0][1]
    assert terms.citation.endswith("by way of s3://mirror/pmc, s3://pmc-oa-opendata")


def test_columns_that_are_named_exist() -> None:
    text = dict(Terms((PMC_BUCKET,), *DAYS).sections)["Licences"]
    named = set(text.split("`")[1::2]) - {"commercial", "noncommercial", "other"}
    assert named <= {*table_schema("articles").names, *table_schema("pairs").names}
    assert "license_code" in named


def test_a_dataset_that_recorded_nothing() -> None:
    terms = Terms((), None, None, None)
    assert "on a day that is not recorded" in dict(terms.sections)["How current it is"]
    assert json.loads(json.dumps(terms.to_dict()))["sources"] == []


@given(st.lists(st.text(min_size=1, max_size=20), max_size=3), st.sampled_from(DAYS))
def test_the_file_and_the_values_say_the_same(sources: list[str], day: str) -> None:
    terms = Terms(tuple(sources), day, day, day)
    text = terms.to_markdown()
    assert text.startswith("# Terms of this dataset\n")
    for heading, said in terms.to_dict()["sections"].items():
        assert f"## {heading}\n\n{said}\n" in text
    assert "between" not in dict(terms.sections)["How current it is"]
    assert terms == Terms(tuple(sources), day, day, day)


def test_days() -> None:
    assert day_of("2026-09-01T01-00-00Z") == "2026-09-01"
    late = datetime.datetime(2026, 9, 1, 1, tzinfo=datetime.timezone(datetime.timedelta(hours=3)))
    assert day_of(late) == "2026-08-31"
    assert day_of(None) is None


@pytest.mark.parametrize(
    ("before", "sources", "first"),
    [
        ({}, ["s3://b"], "2026-11-24T00-00-00Z"),
        ({"source": "s3://a", "listed": "2026-01-01T00-00-00Z"}, ["s3://a", "s3://b"], "2026-01-01T00-00-00Z"),
        (
            {"source": "s3://b", "sources": ["s3://0", "s3://b"], "listed": "2026-12-01T00-00-00Z",
             "listed_from": "2026-10-01T00-00-00Z"},
            ["s3://0", "s3://b"], "2026-10-01T00-00-00Z",
        ),
    ],
)  # fmt: skip
def test_what_a_run_adds_to_what_is_known(
    before: dict[str, object], sources: list[str], first: str
) -> None:
    note = origin_note(before, "s3://b", "2026-11-24T00-00-00Z")
    assert note == {
        "source": "s3://b",
        "sources": sources,
        "listed": "2026-11-24T00-00-00Z",
        "listed_from": first,
    }
