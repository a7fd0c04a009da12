"""Conditions are checked before anything is read, and reach nothing but the tables."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from biomedica.errors import ConfigError
from biomedica.query import connect, select_statement

TABLE = pa.table({"width": [10, 300], "labels": [["a"], ["b", "c"]], "order": ["x", "y"]})


def ask(columns: list[str] | None, where: str | None) -> list[dict[str, object]]:
    statement = select_statement("t", TABLE.schema, columns, where)
    found: list[dict[str, object]] = connect({"t": TABLE}).sql(statement).to_arrow_table().to_pylist()
    return found


def test_columns_and_conditions() -> None:
    assert ask(["width"], None) == [{"width": 10}, {"width": 300}]
    assert ask(["order"], "width >= 224 and 'b' in labels") == [{"order": "y"}]
    assert ask(["width"], "width > 5 -- and no more") == [{"width": 10}, {"width": 300}]


@pytest.mark.parametrize(
    "where", ["nope = 1", "width = ", "width > 1); DROP TABLE t; --", "1 = 1) OR (", ""]
)
def test_a_bad_condition_names_the_columns(where: str) -> None:
    with pytest.raises(ConfigError, match="width, labels, order"):
        select_statement("t", TABLE.schema, None, where)


def test_an_unknown_column_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match="no column nope; there are width, labels, order"):
        select_statement("t", TABLE.schema, ["nope"], None)


def test_a_condition_reaches_no_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(ConfigError):
        select_statement("t", TABLE.schema, None, f"width IN (SELECT a FROM '{tmp_path}/a.csv')")
    with pytest.raises(duckdb.Error):
        connect({"t": TABLE}).execute(f"SELECT * FROM read_csv('{tmp_path}/a.csv')")


def test_a_condition_reaches_no_python_variable() -> None:
    secret = TABLE
    with pytest.raises(ConfigError):
        select_statement("t", TABLE.schema, None, "width IN (SELECT width FROM secret)")
    assert secret is TABLE
