"""DuckDB SQL over Arrow data: one language for every `where=`, without files, network or extensions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from biomedica.errors import ConfigError

__all__ = ["connect", "running", "select_statement"]


def connect(tables: Mapping[str, Any]) -> Any:
    """A DuckDB connection in which Arrow tables and datasets are views by their names."""
    import duckdb

    connection = duckdb.connect(
        config={
            "enable_external_access": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
        }
    )
    for name, table in tables.items():
        connection.register(name, table)
    return connection


@contextmanager
def running() -> Iterator[None]:
    """Turns what DuckDB says while a query runs into a ConfigError of one sentence."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        first = str(error).strip().splitlines()[0][:300]
        raise ConfigError(f"the query failed ({first}): correct it, or use TRY_CAST") from None


def select_statement(
    view: str, schema: pa.Schema, columns: Sequence[str] | None, where: str | None
) -> str:
    """`SELECT columns FROM view WHERE …`, checked against the schema before any data is read.

    Raises ConfigError for an unknown column or a clause that DuckDB does not accept; the text names
    the columns that exist.
    """
    import duckdb

    unknown = sorted(set(columns or ()) - set(schema.names))
    if unknown:
        raise ConfigError(f"no column {', '.join(unknown)}; there are {', '.join(schema.names)}")
    names = ", ".join(_quoted(name) for name in columns or schema.names)
    statement = f"SELECT {names} FROM {_quoted(view)}"
    if where is None:
        return statement
    statement += f" WHERE (\n{where}\n)"
    try:
        # alone as well: `1 = 1) OR (` is well-formed only between our parentheses
        alone = duckdb.extract_statements(f"SELECT\n{where}")
        connect({view: schema.empty_table()}).execute(f"EXPLAIN {statement}")
    except duckdb.Error as error:
        raise _wrong(where, schema, str(error).strip().splitlines()[0]) from None
    if len(alone) != 1:
        raise _wrong(where, schema, "it must be one expression")
    return statement


def _wrong(where: str, schema: pa.Schema, why: str) -> ConfigError:
    return ConfigError(
        f"the condition {where!r} is wrong ({why}); the columns are {', '.join(schema.names)}"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
