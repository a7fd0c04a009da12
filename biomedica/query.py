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

__all__ = ["ask", "check_query", "connect", "nearest", "running", "select_statement"]

MAX_CHARACTERS = 1_000_000
"""of a condition or a query; a list of ids this long belongs into a join"""
CHECK_SECONDS = 5.0

_INFLATING = frozenset(
    {"array_resize", "format", "generate_series", "list_resize", "lpad", "printf"}
    | {"range", "repeat", "rpad", "sleep_ms", "pg_sleep"}
)
"""Functions that make much, or nothing for long, out of little: no condition on a row needs them."""

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
    names = list(schema.names if columns is None else columns)
    if not names:
        raise ConfigError(f"no columns are asked for; there are {', '.join(schema.names)}")
    unknown = sorted(set(map(str, names)) - set(schema.names))
    if unknown:
        raise ConfigError(
            f"no column {', '.join(unknown)}{nearest(unknown[0], schema.names)}; "
            f"there are {', '.join(schema.names)}"
        )
    statement = f"SELECT {', '.join(_quoted(name) for name in names)} FROM {_quoted(view)}"
    if where is None:
        return statement
    _check_condition(view, pa.schema([field for field in schema if field.name != "image"]), where)
    # the line breaks end a comment; alone it is one expression, so that no ) can leave the brackets
    return f"{statement} WHERE (\n{where}\n)"


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
        return _shape_fault(connection, where) or _type_fault(connection, _quoted(view), where)

    try:
        fault = ask(connection, check, CHECK_SECONDS)
    except duckdb.Error as error:
        raise wrong(_explained(error, schema.names)) from None
    except NotInTime:
        raise wrong(f"it takes over {CHECK_SECONDS:.0f} s on a single row") from None
    if fault is not None:
        raise wrong(fault)


def _shape_fault(connection: Any, where: str) -> str | None:
    """What is wrong with a clause as it is written: it must be one expression over one row."""
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
    extra = ("where_clause", "group_expressions", "having", "qualify", "sample", "modifiers")
    if (
        node["type"] != "SELECT_NODE"
        or len(node["select_list"]) != 1
        or node["select_list"][0].get("alias")
        or node["from_table"]["type"] != "EMPTY"
        or any(node.get(name) for name in extra)
    ):
        return "it must be one expression"
    return _expression_fault(node["select_list"][0])


def _expression_fault(expression: dict[str, Any]) -> str | None:
    """What no condition on a row may hold: a query, a placeholder, a function that inflates."""
    left: list[Any] = [expression]
    while left:
        item = left.pop()
        if isinstance(item, list):
            left += item
        elif isinstance(item, dict):
            if item.get("class") == "SUBQUERY":
                return "it holds a query, which only Archive.sql takes"
            if item.get("class") == "PARAMETER":
                return "it holds a placeholder: write the value itself"
            name = str(item.get("function_name", "")).lower()
            if name in _INFLATING:
                return f"the function {name} is not for conditions"
            left += item.values()
    return None


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


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
