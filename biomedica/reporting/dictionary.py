"""The data dictionary: every table with its fields, and the closed lists of values, as Markdown.

python -m biomedica.reporting.dictionary > docs/dataset.md
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from biomedica.catalogue import SNAPSHOT
from biomedica.enrichment import ENRICHMENT_STATUSES
from biomedica.kinds import FIGURE_KIND_TABLE
from biomedica.labels import CLUSTER_STATUSES, PAIR_STATUSES
from biomedica.schema import FORMAT_VERSION, REJECT_REASONS, embeddings_table, table_schema

__all__ = ["data_dictionary"]

_TABLES = {
    "articles": "One row an article version.",
    "pairs": "One row an image, with its caption and context.",
    "rejects": "One row for each article, figure or image that could not become a row of the others.",
    embeddings_table("<model>"): "One row an image and model.",
    "enrichment": "One row a PMID, made by `biomedica enrich`: what PubMed says of the article.",
    "pubmed_files": "One row a PubMed file that was read for `enrichment`.",
    "metadata": "One row an article version of the source, made by `biomedica snapshot`: what its metadata "
    "JSON says. conditions of `biomedica ids` are put to it.",
    "labels/<taxonomy>/votes": "One row an event of annotation: a vote as cast, or one taken back; rows are only "
    "ever added.",
    "labels/<taxonomy>/clusters": "One row a cluster that has votes: its labels and how well votes agree.",
    "labels/<taxonomy>/pairs": "One row an image of the clustering: its cluster's labels, or why it has none.",
    "superseded": "Rows of these articles in these shards no longer count; the readers hide them.",
}

_STATUSES = {
    "`status` of a row of `labels/<taxonomy>/clusters`": CLUSTER_STATUSES,
    "`label_status` of a row of `labels/<taxonomy>/pairs`": PAIR_STATUSES,
}

_SNAPSHOTS = (
    "What the source had at a time (UTC): one file each, beside the tables, never changed. Rows are "
    "sorted by `pmcid` and `version`; where they come from, with the manifest's SHA-256, stands in the "
    "file's metadata under `biomedica.snapshot`."
)


def data_dictionary() -> str:
    """The whole dictionary; the same text for the same `biomedica.schema`."""
    parts = [
        "# What stands in a dataset",
        f"Layout version {FORMAT_VERSION}. Made from `biomedica/schema.py` by `make docs`.",
    ]
    for name, doc in _TABLES.items():
        fields = [(f"`{f.name}`", _type(f.type), *_docs(f)) for f in table_schema(name)]
        parts += [f"## `{name}`", doc, _table(("field", "type", "what it holds", "from"), fields)]
    fields = [(f"`{f.name}`", _type(f.type), *_docs(f)) for f in SNAPSHOT]
    parts += ["## `snapshots/<time>.parquet`", _SNAPSHOTS]
    parts += [_table(("field", "type", "what it holds", "from"), fields)]
    kinds = [
        (f"`{k.name}`", k.doc, "yes" if k.is_default else "no", k.reason) for k in FIGURE_KIND_TABLE
    ]
    parts += [
        "## `status` of a row of `enrichment`",
        _table(("status", "what it means"), [(f"`{k}`", v) for k, v in ENRICHMENT_STATUSES.items()]),
        "## `figure_kind`",
        'A run takes other kinds with `--set parse.figure_kinds=\'["figure", "formula"]\'`; an image of'
        " a kind that is not taken is a reject, as is one without words unless"
        " `parse.keep_uncaptioned` is set.",
        _table(("kind", "what it is", "taken by default", "why"), kinds),
    ]
    for heading, statuses in _STATUSES.items():
        table = _table(("status", "what it means"), [(f"`{k}`", v) for k, v in statuses.items()])
        parts += [f"## {heading}", table]
    reasons = [
        (stage, f"`{reason}`", doc)
        for stage, found in REJECT_REASONS.items()
        for reason, doc in found.items()
    ]
    parts += ["## `reason` of a reject", _table(("stage", "reason", "what it means"), reasons)]
    return "\n\n".join(parts) + "\n"


def _docs(field: pa.Field) -> tuple[str, str]:
    metadata = field.metadata or {}
    return metadata.get(b"doc", b"").decode(), metadata.get(b"source", b"").decode()


def _type(kind: pa.DataType) -> str:
    if pa.types.is_list(kind):
        return f"list of {_type(kind.value_type)}"
    if pa.types.is_struct(kind):
        return "{" + ", ".join(f"{field.name}: {_type(field.type)}" for field in kind) + "}"
    return {"double": "float64", "float": "float32", "date32[day]": "date"}.get(str(kind), str(kind))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *map(list, rows)]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(text: str) -> str:
    plain = text if text.startswith("`") else text.replace("<", "&lt;")
    return plain.replace("|", "\\|")


if __name__ == "__main__":
    print(data_dictionary(), end="")
