"""The publication date: which `pub-date` counts, and how much of it is known."""

from __future__ import annotations

import datetime

import pytest

from biomedica.jats.article import PublicationDate
from tests.jats.documents import META, date, parse

STRING_DATE = "<string-date>{}</string-date>"
YEAR = "<year>2020</year>"


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        (date("ppub", "2019") + date("epub", "2020", "3", "01"), (2020, 3, 1, "epub")),
        (date("pmc-release", "2015") + date("collection", "2021"), (2021, None, None, "collection")),
        (date("pub", "2020", "Mar", "2", "date-type"), (2020, 3, 2, "pub")),
        (date("ppub", "2020", "Sept"), (2020, 9, None, "ppub")),
        (date("ppub", "2020", "", "5"), (2020, None, None, "ppub")),
        (date("epub", "2020", "2", "30") + date("ppub", "2020", "2"), (2020, 2, None, "ppub")),
        (date("epub", "2020", "00", "00"), (2020, None, None, "epub")),
        ('<pub-date pub-type="epub" iso-8601-date="2020-05-06"/>', (2020, 5, 6, "epub")),
        (
            '<pub-date pub-type="epub"><string-date>6 May 2020</string-date></pub-date>',
            (2020, 5, 6, "epub"),
        ),
        (
            '<pub-date pub-type="ppub"><season>Spring</season><year>2020</year></pub-date>',
            (2020, None, None, "ppub", "Spring"),
        ),
        (date("pmc-release"), None),
        ("", None),
    ],
)
def test_dates(meta: str, expected: tuple[int, int | None, int | None, str] | None) -> None:
    article = parse(meta=META + meta)
    assert article.publication == (PublicationDate(*expected) if expected else None)
    impossible = "30</day>" in meta
    assert any(w.startswith("impossible_date") for w in article.warnings) is impossible
    assert any(w.startswith("no_publication_date") for w in article.warnings) is (
        "pmc-release" in meta and expected is None
    )


def test_a_whole_date() -> None:
    assert PublicationDate(2020, 2, 3, "epub").date == datetime.date(2020, 2, 3)
    assert PublicationDate(2020, 2, None, "epub").date is None


@pytest.mark.parametrize(
    ("meta", "precision", "season"),
    [
        (date("epub", "2020", "3", "1"), "day", None),
        (date("epub", "2020", "3"), "month", None),
        (date("epub", "2020"), "year", None),
        (date("ppub", "2020").replace("<year>", "<season>Spring</season><year>"), "season", "Spring"),
        (
            date("ppub", "2020", "4").replace("<year>", "<season>Spring</season><year>"),
            "month",
            None,
        ),
        (date("ppub", "2020", "Jan-Feb"), "season", "Jan-Feb"),
        (date("ppub", "2020", "1-2"), "season", "1-2"),
        (
            f"<pub-date pub-type='epub'>{STRING_DATE.format('Spring 2020')}</pub-date>",
            "season",
            "Spring",
        ),
        (
            f"<pub-date pub-type='epub'>{STRING_DATE.format('Jan–Mar 2020')}</pub-date>",
            "season",
            "Jan–Mar",
        ),
        (f"<pub-date pub-type='epub' iso-8601-date='2020-03-04'>{YEAR}</pub-date>", "day", None),
        (f"<pub-date pub-type='epub' iso-8601-date='2021-03-04'>{YEAR}</pub-date>", "year", None),
    ],
)
def test_how_much_of_a_date_is_known(meta: str, precision: str, season: str | None) -> None:
    published = parse(meta=META + meta).publication
    assert published is not None
    assert (published.precision, published.season) == (precision, season)
