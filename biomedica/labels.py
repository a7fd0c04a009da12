"""The Arrow schemas of what experts say of the images: votes as cast, labels of clusters and of pairs.

Beside `biomedica.schema`, in the same way: each field carries its doc and source. A concept is named by
its id in the taxonomy whose version stands in the table's name; the ids of global and local concepts
never meet.
"""

from __future__ import annotations

import re

import pyarrow as pa

from biomedica.errors import ConfigError

__all__ = [
    "CLUSTER_LABELS",
    "CLUSTER_STATUSES",
    "LABEL_TABLES",
    "PAIR_LABELS",
    "PAIR_STATUSES",
    "QUESTIONS",
    "SUGGESTION",
    "TAXONOMY_VERSION_PATTERN",
    "VOTES",
    "labels_table",
]

TAXONOMY_VERSION_PATTERN = r"[a-z0-9][a-z0-9._-]{0,62}"
"""A taxonomy's version is a folder's name: labels/<version>/votes."""

QUESTIONS = ("panel_type", "panel_subtype", "global", "local", "mixed")
"""What a vote answers, in the order of the page."""

CLUSTER_STATUSES = {
    "resolved": "every question that was answered has an answer",
    "adjudicated": "an adjudicator decided, and nothing is left in dispute",
    "disputed": "a question was answered and no answer holds by the rule: it waits for an adjudicator",
    "open": "there are votes, and no concept holds: who voted is not sure, or too few have",
}

PAIR_STATUSES = {
    "labelled": "the cluster's labels hold for this image",
    "no_vote": "nobody has voted on its cluster, or votes name no concept",
    "disputed": "votes on its cluster disagree and nobody has decided",
    "mixed": "its cluster holds images of several kinds",
    "outlier": "it lies too far from the centroid for its cluster",
    "low_confidence": "no concept of its cluster reaches the least confidence",
}
"""Why a pair has labels or none: label_status."""


def _field(name: str, kind: pa.DataType, doc: str, source: str = "") -> pa.Field:
    metadata = {"doc": doc} | ({"source": source} if source else {})
    return pa.field(name, kind, metadata=metadata)


_S, _B, _I32, _F32 = pa.string(), pa.bool_(), pa.int32(), pa.float32()
_STRINGS, _SHARES = pa.list_(_S), pa.list_(_F32)

SUGGESTION = pa.struct([pa.field("concept", _S), pa.field("source", _S)])
"""A concept that the page had shown, and where it came from: clip, caption…"""

VOTES = pa.schema(
    [
        _field("vote_id", _S, "32 hex digits of the SHA-256 of all other fields"),
        _field("time", pa.timestamp("us", tz="UTC"), "when it was cast"),
        _field("action", _S, "vote, or retract: it takes back the vote that supersedes names"),
        _field("annotator", _S, "name of the person, or of the file that it was imported from"),
        _field("is_adjudication", _B, "it decides where others disagree"),
        _field("taxonomy_version", _S, "version of the taxonomy whose ids it uses"),
        _field("run", _S, "run of the clustering; null for a pair outside any"),
        _field("cluster_id", _I32, "the cluster that was shown; null for a vote on one image"),
        _field("pair_id", _S, "the image that was shown; null for a vote on a cluster"),
        _field("panel_type", _S, "id of the panel type; null: not answered"),
        _field("panel_subtype", _S, "id of the kinds of panel; null: not answered"),
        _field("global_concepts", _STRINGS, "global concepts as cast; empty: not answered"),
        _field("local_concepts", _STRINGS, "local concepts as cast; empty: not answered"),
        _field("is_mixed", _B, "the cluster holds images of several kinds"),
        _field("is_not_sure", _B, "the annotator abstains from naming concepts"),
        _field("comment", _S, "the annotator's words, or empty"),
        _field("suggestions", pa.list_(SUGGESTION), "what the page suggested before this answer"),
        _field("supersedes", _S, "vote_id of the annotator's vote that this event replaces; else null"),
    ]
)
"""One row an event, sorted by time and vote_id; events are only ever added."""

_ANSWER = [
    ("panel_type", _S),
    ("panel_type_confidence", _F32),
    ("panel_subtype", _S),
    ("panel_subtype_confidence", _F32),
    ("global_concepts", _STRINGS),
    ("global_confidences", _SHARES),
    ("local_concepts", _STRINGS),
    ("local_confidences", _SHARES),
    ("is_mixed", _B),
    ("mixed_confidence", _F32),
]
_ANSWER_TYPE = pa.struct([pa.field(name, kind) for name, kind in _ANSWER])
_CONTRADICTION = pa.struct(
    [pa.field("kind", _S), pa.field("value", _S), pa.field("expected", _S), pa.field("votes", _I32)]
)

CLUSTER_LABELS = pa.schema(
    [
        _field("run", _S, "run of the clustering"),
        _field("cluster_id", _I32, "the cluster"),
        _field("status", _S, ", ".join(CLUSTER_STATUSES)),
        _field("panel_type", _S, "id of the panel type; null: no answer, or none with a majority"),
        _field("panel_type_confidence", _F32, "share of the votes for it, or its probability; 0-1"),
        _field("panel_subtype", _S, "id of the kinds of panel; null as above"),
        _field("panel_subtype_confidence", _F32, "as above"),
        _field("global_concepts", _STRINGS, "global concepts, those implied by local ones included"),
        _field("global_confidences", _SHARES, "one a global concept, in the same order; as above"),
        _field("local_concepts", _STRINGS, "local concepts"),
        _field("local_confidences", _SHARES, "one a local concept, in the same order; as above"),
        _field("is_mixed", _B, "it holds images of several kinds; null: no votes"),
        _field("mixed_confidence", _F32, "share of the votes, or probability, of what is_mixed says"),
        _field("decided_by", _S, "majority, dawid_skene or adjudicator: whose answer the above is"),
        _field("adjudicator", _S, "who adjudicated; else null"),
        _field(
            "disputed", _STRINGS, f"questions that wait for an adjudicator, of {', '.join(QUESTIONS)}"
        ),
        _field("vote_count", _I32, "annotators whose vote counts, those who are not sure included"),
        _field("not_sure_count", _I32, "those of them who are not sure"),
        _field(
            "agreement", _F32, "mean over the questions of the agreements below; null where all are"
        ),
        _field("panel_type_agreement", _F32, "share of pairs of annotators that agree; null below two"),
        _field("panel_subtype_agreement", _F32, "as above"),
        _field(
            "global_agreement",
            _F32,
            "mean over pairs of annotators of 1 - MASI distance",
            "Passonneau 2006",
        ),
        _field("local_agreement", _F32, "as above", "Passonneau 2006"),
        _field(
            "contradictions",
            pa.list_(_CONTRADICTION),
            "votes that contradict the taxonomy: kind local_without_global (value: the local concept, "
            "expected: its global one) or panel (value: the subtype, expected: the panel types)",
        ),
        _field("majority", _ANSWER_TYPE, "the answer of more than half; confidences are vote shares"),
        _field(
            "dawid_skene",
            _ANSWER_TYPE,
            "the answer of the model of annotators' reliability; confidences are probabilities",
            "Dawid, Skene 1979",
        ),
        _field("vote_ids", _STRINGS, "the votes that count here, the adjudicator's included"),
        _field("taxonomy_digest", _S, "digest of the taxonomy that was used"),
    ]
)
"""One row a cluster with a vote, sorted by run and cluster_id."""

PAIR_LABELS = pa.schema(
    [
        _field("pair_id", _S, "the image"),
        _field("run", _S, "run of the clustering"),
        _field("cluster_id", _I32, "its cluster"),
        _field("distance", _F32, "to the cluster's centroid, in the space of the clustering"),
        _field(
            "outlier_score",
            _F32,
            "0.6745 (distance - median) / MAD of the cluster's distances, at least 0",
            "Iglewicz, Hoaglin 1993",
        ),
        _field("label_status", _S, ", ".join(PAIR_STATUSES)),
        _field("panel_type", _S, "id of the panel type; null: unlabelled"),
        _field("panel_type_confidence", _F32, "confidence of the cluster x typicality of the image"),
        _field("panel_subtype", _S, "id of the kinds of panel; null: unlabelled"),
        _field("panel_subtype_confidence", _F32, "as above"),
        _field("global_concepts", _STRINGS, "global concepts; empty: unlabelled"),
        _field("global_confidences", _SHARES, "one a global concept, in the same order; as above"),
        _field("local_concepts", _STRINGS, "local concepts; empty: unlabelled"),
        _field("local_confidences", _SHARES, "one a local concept, in the same order; as above"),
    ]
)
"""One row a pair of the clustering."""

LABEL_TABLES = {"votes": VOTES, "clusters": CLUSTER_LABELS, "pairs": PAIR_LABELS}


def labels_table(taxonomy_version: str, kind: str) -> str:
    """The name of a table: `labels/biomedica-1/votes`. Raises ConfigError for a wrong version."""
    if re.fullmatch(TAXONOMY_VERSION_PATTERN, taxonomy_version) is None:
        raise ConfigError(
            f"{taxonomy_version[:80]!r} is not the version of a taxonomy: use a-z, 0-9, '.', '_' and '-'"
        )
    return f"labels/{taxonomy_version}/{kind}"
