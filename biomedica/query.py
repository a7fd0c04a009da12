"""DuckDB SQL over Arrow data: one language for every `where=`, without files, network or extensions.

A condition speaks of one row. It is parsed, typed and tried on a row of nulls before any data is
read, so that a mistake costs nothing and names the columns that exist.
"""

from __future__ import annotations

import difflib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, wait
from concurrent.futures import TimeoutError as NotInTime
from contextlib import contextmanager
from typing import Any, TypeVar

import pyarrow as pa

from biomedica.errors import ConfigError, StoreError

__all__ = [
    "ask",
    "check_query",
    "column_names",
    "connect",
    "nearest",
    "running",
    "select_statement",
]

MAX_CHARACTERS = 1_000_000
"""of a condition or a query; a list of ids this long belongs into a join"""
CHECK_SECONDS = 5.0

_REFUSED_FUNCTIONS = frozenset(
    {"array_resize", "bitstring", "format", "generate_series", "list_resize", "lpad", "printf"}
    | {"range", "repeat", "rpad", "sleep_ms", "pg_sleep"}
    | {"nextval", "setseed", "setval", "write_log"}
)
"""Functions that make much, or nothing for long, out of little, or that change a state: no condition
on a row needs them."""

_EXPRESSIONS = frozenset(
    {"BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT"}
    | {"FUNCTION", "LAMBDA", "OPERATOR", "TYPE"}
)
"""The kinds of expression, in DuckDB's words, that speak of one row alone."""

_NO_CONDITION = {
    "SUBQUERY": "it holds a query, which only Archive.sql takes; `x IN list` looks into a list",
    "PARAMETER": "it holds a placeholder: write the value itself",
    "STAR": "it speaks of every column at once: name those that you mean",
    "POSITIONAL_REFERENCE": "it counts columns by position: write their names",
    "WINDOW": "it holds a window function, which only Archive.sql takes",
}

_UNKNOWN_COLUMN = re.compile(r'Referenced (?:column|table) "(.*?)" (?:was )?not found', re.DOTALL)
_READ_FAULT = re.compile(r"reading the stream registered|get_next failed|arrow_scan", re.IGNORECASE)

Result = TypeVar("Result")


def connect(tables: Mapping[str, Any], *, threads: int | None = None) -> Any:
    """A DuckDB connection in which Arrow tables and datasets are views by their names.

    threads: DuckDB's own; with one, rows keep their order through joins too.
    """
    import duckdb

    connection = duckdb.connect(
        config={
            "enable_external_access": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "temp_directory": "",
            **({} if threads is None else {"threads": threads}),
        }
    )
    for name, table in tables.items():
        connection.register(name, table)
    connection.execute("SET lock_configuration = true")
    return connection


def ask(connection: Any, act: Callable[[], Result], seconds: float | None = None) -> Result:
    """Run a query so that Ctrl-C, or the end of `seconds`, stops it (DuckDB hears no signals).

    Raises TimeoutError after `seconds`.
    """
    answer: Future[Result] = Future()
    stopped = threading.Event()

    def work() -> None:
        if stopped.is_set():
            return
        try:
            answer.set_result(act())
        except BaseException as error:  # noqa: BLE001 - it is raised where the answer is waited for
            answer.set_exception(error)

    thread = threading.Thread(target=work, daemon=True)
    try:
        thread.start()  # inside: Ctrl-C may come while it starts
        return answer.result(seconds)
    except (KeyboardInterrupt, NotInTime):
        stopped.set()
        while thread.is_alive() and not answer.done():
            connection.interrupt()  # what has not begun yet does not hear the first one
            wait([answer], 0.1)
        raise


@contextmanager
def running() -> Iterator[None]:
    """Turns what DuckDB says while a query runs into a ConfigError or StoreError of one sentence."""
    import duckdb

    try:
        yield
    except (duckdb.Error, OSError) as error:
        text = _first_line(error)
        if _READ_FAULT.search(str(error)):
            raise StoreError(
                f"a file of the dataset cannot be read ({text}): run `biomedica verify` on it"
            ) from None
        if isinstance(error, OSError):
            raise
        raise ConfigError(f"the query failed ({text}): correct it, or use TRY_CAST") from None


def check_query(query: str) -> str:
    """The query, if it is one that only reads. Raises ConfigError."""
    import duckdb

    _check_text(query, "query")
    try:
        statements = duckdb.extract_statements(query)
    except duckdb.Error as error:
        raise ConfigError(f"the query is wrong ({_first_line(error)}): correct it") from None
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise ConfigError(f"the query {_clipped(query)} is not one SELECT: write one that only reads")
    return query


def select_statement(
    view: str, schema: pa.Schema, columns: Sequence[str] | None, where: str | None
) -> str:
    """`SELECT columns FROM view WHERE …`, checked against the schema before any data is read.

    Raises ConfigError for an unknown column or a clause that DuckDB does not accept; the text names
    the columns that exist. A clause may not speak of `image`, whose bytes it would read one and all.
    """
    names = column_names(schema, columns)
    statement = f"SELECT {', '.join(_quoted(name) for name in names)} FROM {_quoted(view)}"
    if where is None:
        return statement
    _check_condition(view, pa.schema([field for field in schema if field.name != "image"]), where)
    # the line breaks end a comment; alone it is one expression, so that no ) can leave the brackets
    return f"{statement} WHERE (\n{where}\n)"


def column_names(schema: pa.Schema, columns: Sequence[str] | str | None) -> list[str]:
    """The columns that are asked for: one name, some, or None for all. Raises ConfigError."""
    there = f"there are {', '.join(schema.names)}"
    if columns is None:
        return list(schema.names)
    try:
        names = [columns] if isinstance(columns, str) else [str(name) for name in columns]
    except TypeError:
        raise ConfigError(
            f"columns must be a list of names, not {type(columns).__name__}; {there}"
        ) from None
    if not names:
        raise ConfigError(f"no columns are asked for; {there}")
    unknown = sorted(set(names) - set(schema.names))
    if unknown:
        raise ConfigError(
            f"no column {_printable(', '.join(unknown))}{nearest(unknown[0], schema.names)}; {there}"
        )
    return names


def nearest(name: str, known: Sequence[str]) -> str:
    """`, the nearest is license_code`, or nothing where none is near."""
    wanted = name.lower()
    found = [item for item in known if wanted and wanted in item.lower()]
    found = found or difflib.get_close_matches(wanted, known, 1)
    return f", the nearest is {found[0]}" if found else ""


def _check_condition(view: str, schema: pa.Schema, where: str) -> None:
    import duckdb

    def wrong(why: str) -> ConfigError:
        return ConfigError(
            f"the condition {_clipped(where)} is wrong ({why}); the columns are "
            f"{', '.join(schema.names)}"
        )

    _check_text(where, "condition")
    row_of_nulls = pa.table({field.name: pa.nulls(1, field.type) for field in schema}, schema=schema)
    connection = connect({view: row_of_nulls})

    def check() -> str | None:
        parsed = _parsed(connection, where)
        fault = parsed if isinstance(parsed, str) else _expression_fault(parsed, view, schema.names)
        return fault or _type_fault(connection, _quoted(view), where)

    try:
        fault = ask(connection, check, CHECK_SECONDS)
    except duckdb.Error as error:
        raise wrong(_explained(error, schema.names)) from None
    except NotInTime:
        raise wrong(f"it takes over {CHECK_SECONDS:.0f} s on a single row") from None
    if fault is not None:
        raise wrong(fault)


def _parsed(connection: Any, where: str) -> dict[str, Any] | str:
    """A clause as DuckDB reads it; a text says why it is not one expression."""
    import duckdb

    (text,) = connection.execute("SELECT json_serialize_sql(?)", [f"SELECT\n{where}"]).fetchone()
    try:
        parsed = json.loads(text)
    except RecursionError:
        return "it is nested too deeply"
    if parsed["error"]:
        duckdb.extract_statements(f"SELECT\n{where}")  # raises what is wrong with the syntax
        return "it must be one expression"
    if len(parsed["statements"]) != 1:
        return "it must be one expression"
    node = parsed["statements"][0]["node"]
    if (
        node["type"] != "SELECT_NODE"
        or len(node["select_list"]) != 1
        or node["select_list"][0].get("alias")
        or not _is_plain(node)
    ):
        return "it must be one expression"
    found: dict[str, Any] = node["select_list"][0]
    return found


def _expression_fault(expression: dict[str, Any], view: str, columns: Sequence[str]) -> str | None:
    """What no condition on a row may hold: a query, a whole row, a function that inflates…

    A whole row and every column are refused because they would read the images too.
    """
    left: list[Any] = [expression]
    while left:
        item = left.pop()
        if isinstance(item, list):
            left += item
            continue
        if not isinstance(item, dict):
            continue
        kind = item.get("class")
        if kind == "SUBQUERY" and (parts := _any_of_list(item)) is not None:
            left += parts
            continue
        if kind is not None and kind not in _EXPRESSIONS:
            return _NO_CONDITION.get(kind, "it must be one expression")
        name = str(item.get("function_name", "")).lower()
        if name in _REFUSED_FUNCTIONS:
            return f"the function {name} is not for conditions"
        if kind == "COLUMN_REF" and _is_whole_row(item["column_names"], view, columns):
            return f"{view} is a whole row: name the columns of it that you mean"
        left += item.values()
    return None


def _any_of_list(subquery: dict[str, Any]) -> list[Any] | None:
    """The two sides of `x = ANY([…])`, which DuckDB reads as a query over a list; else None.

    A list that names columns is left out: as a query it would read every column of the table.
    """
    node = subquery.get("subquery", {}).get("node", {})
    selected = node.get("select_list", [])
    if (
        subquery.get("subquery_type") != "ANY"
        or node.get("type") != "SELECT_NODE"
        or len(selected) != 1
        or selected[0].get("function_name") != "unnest"
        or not _is_plain(node)
        or '"COLUMN_REF"' in json.dumps(selected)
    ):
        return None
    return [subquery["child"], selected[0]["arguments"]]


def _is_plain(node: dict[str, Any]) -> bool:
    """Whether a SELECT has a list of expressions and nothing else."""
    extra = ("where_clause", "group_expressions", "having", "qualify", "sample", "modifiers")
    return node["from_table"]["type"] == "EMPTY" and not any(node.get(name) for name in extra)


def _is_whole_row(names: Sequence[str], view: str, columns: Sequence[str]) -> bool:
    """Whether a name, `pairs` or `main.pairs`, means the row itself."""
    known = {column.lower() for column in columns}
    return names[-1].lower() == view.lower() and names[0].lower() not in known


def _type_fault(connection: Any, view: str, where: str) -> str | None:
    """Columns, functions and types; constants are evaluated on the row of nulls."""
    kinds = connection.sql(f"SELECT (\n{where}\n) FROM {view}").types
    for kind in map(str, kinds):
        if kind.strip('"') not in ("BOOLEAN", "NULL"):
            return f"it gives {kind[:40]}, not true or false"
    connection.execute(f"SELECT 1 FROM {view} WHERE (\n{where}\n)").fetchall()
    return None


def _explained(error: Exception, names: Sequence[str]) -> str:
    missing = _UNKNOWN_COLUMN.search(str(error))
    if missing is None:
        return _first_line(error)
    name = missing[1]
    if name.lower() == "image":
        return "it would read every image; ask for width, byte_size, sha256 and the like"
    hint = nearest(name, names) or ", and text stands in 'single' quotes"
    return f"there is no column {name[:80]}{hint}"


def _check_text(text: object, what: str) -> None:
    if not isinstance(text, str):
        raise ConfigError(f"the {what} must be text, not {type(text).__name__}")
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(
            f"the {what} has {len(text):,} characters, over the limit of {MAX_CHARACTERS:,}: "
            "select less, and join the rest to the result"
        )
    if any("\ud800" <= character <= "\udfff" for character in text) or "\0" in text:
        raise ConfigError(f"the {what} holds characters that are no text: write it again")


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _clipped(text: str) -> str:
    return repr(text if len(text) <= 200 else f"{text[:200]}…")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:200])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
