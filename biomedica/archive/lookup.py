"""Some pairs by their ids: rows and images, read from the files that can hold them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from biomedica.archive.views import connect_tables, literal
from biomedica.errors import ConfigError
from biomedica.ids import article_id_of_pair, split_pair_id
from biomedica.query import ask, running
from biomedica.store import Dataset

__all__ = ["article_rows", "pair_rows"]


def pair_rows(
    dataset: Dataset, pair_ids: Sequence[str], columns: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows of `pairs` in the order of the ids. Raises ConfigError for an id that is not there."""
    for pair in pair_ids:
        split_pair_id(pair)
    names = list(dict.fromkeys(["pair_id", *columns]))
    small = [name for name in names if name != "image"]
    found = {row["pair_id"]: row for row in _rows(dataset, "pairs", small, pair_ids)}
    for pair in pair_ids:
        if pair not in found:
            raise ConfigError(_why_missing(dataset, pair))
    if "image" in names:
        for pair, image in dataset.images(pair_ids).items():
            found[pair]["image"] = {"bytes": image, "path": split_pair_id(pair)[1]}
    return [found[pair] for pair in pair_ids]


def article_rows(
    dataset: Dataset, pair_ids: Sequence[str], columns: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Rows of `articles` of some pairs, by article id."""
    names = list(dict.fromkeys(["article_id", *columns]))
    return {row["article_id"]: row for row in _rows(dataset, "articles", names, pair_ids)}


def _rows(
    dataset: Dataset, table: str, columns: Sequence[str], pair_ids: Sequence[str]
) -> list[dict[str, Any]]:
    """The articles are named too, because the log knows their range in each file."""
    if not pair_ids:
        return []
    articles = sorted({article_id_of_pair(pair) for pair in pair_ids})
    query = f"SELECT {', '.join(columns)} FROM {table} WHERE article_id IN ({_list(articles)})"
    if table == "pairs":
        query += f" AND pair_id IN ({_list(pair_ids)})"
    connection = connect_tables(dataset, [table])
    with running():
        rows: list[dict[str, Any]] = ask(
            connection, lambda: connection.sql(query).to_arrow_table()
        ).to_pylist()
    return rows


def _why_missing(dataset: Dataset, pair: str) -> str:
    article = article_id_of_pair(pair)
    connection = connect_tables(dataset, ["pairs"])
    query = f"SELECT pair_id FROM pairs WHERE article_id = {literal(article)}"
    with running():
        rows = ask(connection, lambda: connection.execute(query).fetchall())
    names = [row[0] for row in rows]
    if not names:
        return (
            f"{article} has no pairs in {dataset.storage.root} at version {dataset.version}: "
            f'archive.rejects(where="article_id = {literal(article)}") says why, if it was built'
        )
    near = difflib.get_close_matches(pair, names, 5, 0.0)
    return f"{pair[:200]} is no pair here; of its article there are {', '.join(near)}"


def _list(texts: Sequence[str]) -> str:
    return ", ".join(map(literal, texts))
