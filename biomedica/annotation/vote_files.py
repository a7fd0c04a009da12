"""Votes as files: CSV that people open in a spreadsheet, Parquet, and BIOMEDICA's own labels.

Files go in and out as bytes; where they lie is the caller's affair.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from pydantic import ValidationError

from biomedica.annotation.taxonomy import Level, Taxonomy
from biomedica.annotation.votes import Vote, check_vote, first_fault, read_votes_table, votes_table
from biomedica.errors import ConfigError
from biomedica.labels import CLUSTER_LABELS, VOTES

__all__ = [
    "labels_to_biomedica",
    "votes_from_biomedica",
    "votes_from_csv",
    "votes_from_parquet",
    "votes_to_csv",
    "votes_to_parquet",
]

_BEGINS_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
"""A cell that a spreadsheet would run, or that we already guard (OWASP, CSV Injection)."""
_GUARDED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
_FLAGS = {"true": True, "yes": True, "1": True, "x": True, "false": False, "no": False, "0": False}
_LISTS = ("global_concepts", "local_concepts", "suggestions")
_BOOLEANS = ("is_adjudication", "is_mixed", "is_not_sure")


@dataclass(frozen=True, slots=True)
class _Defaults:
    """What a row has where the file does not say."""

    run: str | None
    time: datetime | None
    annotator: str | None


def votes_to_csv(votes: Iterable[Vote]) -> bytes:
    """All events as CSV in UTF-8, sorted by time; `votes_from_csv` gives the same events back.

    Lists are joined by "; ". A cell that a spreadsheet would take for a formula begins with '.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(VOTES.names)
    for row in votes_table(votes).to_pylist():
        row["suggestions"] = [f"{one['concept']}@{one['source']}" for one in row["suggestions"]]
        row["time"] = row["time"].astimezone(UTC).isoformat(timespec="microseconds")
        writer.writerow([_cell(row[name]) for name in VOTES.names])
    return text.getvalue().encode()


def votes_from_csv(
    data: bytes,
    taxonomy: Taxonomy,
    where: str,
    *,
    run: str | None = None,
    time: datetime | None = None,
    annotator: str | None = None,
) -> list[Vote]:
    """The events of a CSV file, ours or written by hand, in its order.

    Columns are those of VOTES in any order, and only cluster_id or pair_id must be there; run, time
    (with its zone) and annotator stand in for empty cells. Concepts and panel types are given by id,
    name or synonym of the taxonomy; ids of another taxonomy_version are left as they are.

    Raises ConfigError naming `where`, the line and what is wrong.
    """
    defaults = _Defaults(run, time, annotator)
    votes = []
    for line, row in _csv_rows(data, where):
        try:
            votes.append(_vote_of(row, taxonomy, defaults))
        except ValidationError as error:
            raise ConfigError(f"{where}, line {line}: {first_fault(error)}") from None
        except (ConfigError, ValueError) as error:
            raise ConfigError(f"{where}, line {line}: {error}") from None
    return votes


def votes_to_parquet(votes: Iterable[Vote]) -> bytes:
    """All events as a Parquet file; the same events give the same bytes."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(votes_table(votes), sink, compression="zstd")
    return sink.getvalue()


def votes_from_parquet(data: bytes, where: str) -> list[Vote]:
    """The events of a Parquet file. Raises ConfigError naming `where`."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(pa.BufferReader(data))
        missing = [name for name in VOTES.names if name not in table.column_names]
        if missing:
            raise ConfigError(f"{where} lacks the column {missing[0]} of votes")
        table = table.select(VOTES.names).replace_schema_metadata(None).cast(VOTES)
    except pa.ArrowException as error:
        raise ConfigError(f"{where} is no Parquet file of votes ({type(error).__name__})") from None
    return read_votes_table(table, where)


def votes_from_biomedica(
    data: bytes,
    taxonomy: Taxonomy,
    where: str,
    *,
    run: str,
    time: datetime,
    annotator: str = "biomedica",
) -> list[Vote]:
    """The labels of BIOMEDICA's `cluster_labels.json` as the votes of one annotator.

    The shape: cluster number → {panel_type, panel_subtype, global_class[], local_class[]}, by names.
    Raises ConfigError naming `where` and the cluster.
    """
    try:
        clusters = json.loads(data)
    except (ValueError, RecursionError):
        clusters = None
    if not isinstance(clusters, dict) or not all(isinstance(one, dict) for one in clusters.values()):
        raise ConfigError(f"{where} is no JSON object of clusters, such as cluster_labels.json")
    defaults = _Defaults(run, time, annotator)
    votes = []
    for cluster, said in clusters.items():
        names = {
            "cluster_id": str(cluster),
            "panel_type": said.get("panel_type"),
            "panel_subtype": said.get("panel_subtype"),
            "global_concepts": said.get("global_class"),
            "local_concepts": said.get("local_class"),
        }
        try:
            votes.append(_vote_of(names, taxonomy, defaults))
        except ValidationError as error:
            raise ConfigError(f"{where}, cluster {cluster[:40]}: {first_fault(error)}") from None
        except (ConfigError, ValueError) as error:
            raise ConfigError(f"{where}, cluster {cluster[:40]}: {error}") from None
    return votes


def labels_to_biomedica(labels: pa.Table, taxonomy: Taxonomy) -> bytes:
    """Labels of one run's clusters (schema CLUSTER_LABELS) in the shape of `cluster_labels.json`.

    A question without an answer is null or an empty list. Raises ConfigError for several runs.
    """
    names = CLUSTER_LABELS.names[: CLUSTER_LABELS.names.index("decided_by")]
    rows = labels.select(names).sort_by("cluster_id").to_pylist()
    if len({row["run"] for row in rows}) > 1:
        raise ConfigError("labels of several runs of the clustering cannot be in one file: choose one")
    found = {
        str(row["cluster_id"]): {
            "panel_type": row["panel_type"] and taxonomy.panel_type(row["panel_type"]).name,
            "panel_subtype": row["panel_subtype"] and taxonomy.panel_subtype(row["panel_subtype"]).name,
            "global_class": [taxonomy.name(one) for one in row["global_concepts"]],
            "local_class": [taxonomy.name(one) for one in row["local_concepts"]],
        }
        for row in rows
    }
    return json.dumps(found, ensure_ascii=False, indent=1).encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "; ".join(value) if isinstance(value, list) else str(value)
    return f"'{text}" if _BEGINS_FORMULA.match(text) else text


def _csv_rows(data: bytes, where: str) -> Iterator[tuple[int, dict[str, str]]]:
    """(line on which the row ends, its cells that are not empty)."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{where} is not in UTF-8: save it as CSV UTF-8") from None
    head = text[: text.find("\n") if "\n" in text else len(text)]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = [name.strip().lower() for name in next(reader, [])]
        _check_columns(names, where)
        for cells in reader:
            if not any(cells):
                continue
            if len(cells) > len(names):
                raise ConfigError(f"{where}, line {reader.line_num}: it has more cells than columns")
            row = {
                name: cell[1:] if _GUARDED.match(cell) else cell
                for name, cell in zip(names, cells, strict=False)
                if cell
            }
            yield reader.line_num, row
    except csv.Error as error:
        raise ConfigError(f"{where}, line {reader.line_num}: {error}") from None


def _check_columns(names: list[str], where: str) -> None:
    for name in names:
        if name not in VOTES.names or names.count(name) > 1:
            raise ConfigError(
                f"{where} has a column {name[:60]!r} that is unknown or there twice: columns of votes are "
                f"{', '.join(VOTES.names)}"
            )
    if "cluster_id" not in names and "pair_id" not in names:
        raise ConfigError(f"{where} has no column cluster_id or pair_id that says what was labelled")


def _vote_of(row: Mapping[str, Any], taxonomy: Taxonomy, defaults: _Defaults) -> Vote:
    """A vote of texts. Raises ConfigError, ValueError or ValidationError."""
    values: dict[str, Any] = {name: value for name, value in row.items() if value}
    vote_id = values.pop("vote_id", None)
    values.setdefault("taxonomy_version", taxonomy.version)
    for name in ("run", "time", "annotator"):
        default = getattr(defaults, name)
        if name == "run" and "pair_id" in values:
            continue
        if default is not None:
            values.setdefault(name, default)
    for name in _LISTS:
        if isinstance(values.get(name), str):
            values[name] = [one.strip() for one in values[name].split(";") if one.strip()]
    for name in _BOOLEANS:
        if name in values:
            values[name] = _flag(name, values[name])
    if "suggestions" in values:
        split = (one.partition("@") for one in values["suggestions"])
        values["suggestions"] = [{"concept": concept, "source": source} for concept, _, source in split]
    is_ours = values["taxonomy_version"] == taxonomy.version
    if is_ours:
        _find_all(values, taxonomy)
    vote = Vote.model_validate(values)
    if is_ours:
        check_vote(vote, taxonomy)
    if vote_id and vote_id != vote.vote_id:
        raise ConfigError(
            "it was changed after it was cast: empty its vote_id to take it as a new vote"
        )
    return vote


def _flag(name: str, text: str) -> bool:
    if text.strip().lower() not in _FLAGS:
        raise ConfigError(f"{name}: {text[:40]!r} is neither true nor false")
    return _FLAGS[text.strip().lower()]


def _find_all(values: dict[str, Any], taxonomy: Taxonomy) -> None:
    """Names and synonyms become ids."""
    levels: tuple[tuple[Level, str], ...] = (("global", "global_concepts"), ("local", "local_concepts"))
    for level, field in levels:
        named = values.get(field, ())
        if not isinstance(named, list | tuple):
            raise ConfigError(f"{field} is no list")
        found = [(one, taxonomy.find(one, level) if isinstance(one, str) else None) for one in named]
        values[field] = [_known(one, concept, f"{level} concept") for one, concept in found]
    finds = {"panel_type": taxonomy.find_panel_type, "panel_subtype": taxonomy.find_panel_subtype}
    for field, find in finds.items():
        if field in values:
            text = values[field]
            found_id = find(text) if isinstance(text, str) else None
            values[field] = _known(text, found_id, field.replace("_", " "))


def _known(text: object, found: str | None, what: str) -> str:
    if found is None:
        raise ConfigError(f"the taxonomy has no {what} {str(text)[:80]!r}")
    return found
