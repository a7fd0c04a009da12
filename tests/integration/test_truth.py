"""The build of the sample compared with what the sample knows of itself, field by field."""

from __future__ import annotations

import datetime
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import rows

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

Rows = dict[str, list[dict[str, Any]]]

TRUTH_ONLY = {"class", "graphic_index"}
"""what the truth says of a pair beside the columns of `pairs`"""


@pytest.fixture(scope="module")
def truth(sample: Path) -> dict[str, dict[str, Any]]:
    articles = json.loads((sample / "truth.json").read_text())["articles"]
    return {article["article_id"]: article for article in articles}


@pytest.fixture(scope="module")
def tables(built: Path) -> Rows:
    return {table: rows(built, table) for table in ("articles", "pairs", "rejects")}


def plain(value: Any) -> Any:
    """A value as JSON would hold it."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def agree(found: Any, expected: Any, where: str) -> None:
    """Equal; a structure may hold more fields than the truth knows."""
    if isinstance(expected, dict):
        for name, value in expected.items():
            agree(found[name], value, f"{where}.{name}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            agree(one, other, f"{where}[{number}]")
    else:
        assert found == expected, where


def test_articles(truth: dict[str, dict[str, Any]], tables: Rows) -> None:
    expected = {name: one["article"] for name, one in truth.items() if one["outcome"] == "article"}
    found = {row["article_id"]: plain(row) for row in tables["articles"]}
    assert set(found) == set(expected)
    for name, article in expected.items():
        agree(found[name], article, name)


def test_pairs(truth: dict[str, dict[str, Any]], tables: Rows) -> None:
    expected = {pair["pair_id"]: pair for one in truth.values() for pair in one["pairs"]}
    found = {row["pair_id"]: plain(row) for row in tables["pairs"]}
    assert set(found) == set(expected)
    for name, pair in expected.items():
        known = {column: value for column, value in pair.items() if column not in TRUTH_ONLY}
        agree(found[name], known | {"image": {"path": pair["image"]}}, name)


def test_rejects(truth: dict[str, dict[str, Any]], tables: Rows) -> None:
    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        return (row["article_id"], row["graphic_index"], row["stage"], row["reason"], row["item"])

    expected = Counter(
        key({"article_id": name, **row}) for name, one in truth.items() for row in one["rejects"]
    )
    assert Counter(map(key, tables["rejects"])) == expected
