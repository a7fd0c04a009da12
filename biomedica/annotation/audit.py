"""How often labels are right: a random sample of labelled images for each label, and what it proves.

Every image has a random place, the digest of the seed and its pair_id. Of each label the images with the
first places are drawn: a simple random sample without replacement, the same in whatever order and in
however many parts the labels are read. Who stops early has still asked a random sample, because images
are asked in that order. A label is a stratum; a stratum's size is the number of images that carry it.

Wilson, E. B. (1927). Probable inference, the law of succession, and statistical inference. JASA 22.
Yan, X., Su, X. G. (2010). Stratified Wilson and Newcombe confidence intervals for multiple binomial
    proportions. Statistics in Biopharmaceutical Research 2, 329-335.
Cochran, W. G. (1977). Sampling Techniques, 3rd edition: the finite population correction.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.annotation.resolve import Answer
from biomedica.annotation.taxonomy import Taxonomy
from biomedica.labelling import AuditConfig

__all__ = [
    "AUDIT_SAMPLE",
    "AuditDraw",
    "Precision",
    "draw_sample",
    "label_precision",
    "merge_draws",
    "stratified_wilson_interval",
    "wilson_interval",
]

AUDIT_SAMPLE = pa.schema(
    [
        pa.field("question", pa.string()),
        pa.field("label", pa.string()),
        pa.field("place", pa.int64()),
        pa.field("pair_id", pa.string()),
        pa.field("cluster_id", pa.int32()),
        pa.field("confidence", pa.float32()),
    ]
)
"""An image that was drawn for a label; sorted by question, label and place. An image may stand for
several labels and is asked once."""

_QUESTIONS = ("panel_type", "panel_subtype", "global", "local")


@dataclass(frozen=True)
class AuditDraw:
    """sample: of schema AUDIT_SAMPLE. sizes: images by (question, label)."""

    sample: pa.Table
    sizes: dict[tuple[str, str], int]

    def pairs(self) -> list[str]:
        """The images to ask, each once, in the order in which to ask them."""
        places = dict(
            zip(self.sample["pair_id"].to_pylist(), self.sample["place"].to_pylist(), strict=True)
        )
        return sorted(places, key=lambda pair: (places[pair], pair))


def draw_sample(
    batches: Iterable[pa.RecordBatch | pa.Table], config: AuditConfig | None = None
) -> AuditDraw:
    """The sample of batches in schema PAIR_LABELS. Holds one batch and the sample.

    The draws of parts are put together by `merge_draws`; seed and per_label must be the same.
    """
    config = config or AuditConfig()
    drawn = AuditDraw(AUDIT_SAMPLE.empty_table(), {})
    for batch in batches:
        drawn = merge_draws([drawn, _draw(batch, config)], config)
    return drawn


def merge_draws(draws: Iterable[AuditDraw], config: AuditConfig | None = None) -> AuditDraw:
    """The draw of all images together, of draws of parts that have none in common."""
    config = config or AuditConfig()
    every = list(draws)
    sizes: Counter[tuple[str, str]] = Counter()
    for one in every:
        sizes.update(one.sizes)
    samples = [AUDIT_SAMPLE.empty_table(), *(one.sample for one in every)]
    return AuditDraw(_first(pa.concat_tables(samples), config.per_label), dict(sorted(sizes.items())))


def _draw(batch: pa.RecordBatch | pa.Table, config: AuditConfig) -> AuditDraw:
    import pyarrow.compute as pc

    table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
    table = table.filter(pc.equal(table["label_status"], "labelled")).combine_chunks()
    places = pa.array(_places(table["pair_id"].to_pylist(), config.seed), pa.int64())
    parts, sizes = [], Counter[tuple[str, str]]()
    for question, all_rows, all_labels, all_confidences in _labels(table):
        counted = pc.value_counts(all_labels).to_pylist()
        sizes.update({(question, one["values"]): one["counts"] for one in counted})
        near = pa.array(_nearest(all_labels, places.take(all_rows), config.per_label))
        rows, labels, confidences = (one.take(near) for one in (all_rows, all_labels, all_confidences))
        columns = [
            pa.array([question] * len(labels), pa.string()),
            labels,
            places.take(rows),
            table["pair_id"].take(rows).combine_chunks(),
            table["cluster_id"].take(rows).combine_chunks(),
            confidences,
        ]
        arrays = [one.combine_chunks() if isinstance(one, pa.ChunkedArray) else one for one in columns]
        parts.append(_first(pa.Table.from_arrays(arrays, schema=AUDIT_SAMPLE), config.per_label))
    return AuditDraw(pa.concat_tables([AUDIT_SAMPLE.empty_table(), *parts]), dict(sizes))


def _labels(table: pa.Table) -> Iterator[tuple[str, pa.Array, pa.Array, pa.Array]]:
    """(question, row of each label, label, confidence)."""
    import pyarrow.compute as pc

    for question in ("panel_type", "panel_subtype"):
        rows = pa.array(np.flatnonzero(table[question].is_valid().to_numpy()))
        yield question, rows, table[question].take(rows), table[f"{question}_confidence"].take(rows)
    for level in ("global", "local"):
        concepts = table[f"{level}_concepts"]
        yield (
            level,
            pc.list_parent_indices(concepts),
            pc.list_flatten(concepts),
            pc.list_flatten(table[f"{level}_confidences"]),
        )


def _places(pair_ids: list[str], seed: int) -> npt.NDArray[np.int64]:
    """63 random bits of each pair id."""
    key = seed.to_bytes(16, "big")
    digests = b"".join(
        hashlib.blake2b(one.encode(), digest_size=8, key=key).digest() for one in pair_ids
    )
    return (np.frombuffer(digests, ">u8") >> np.uint64(1)).astype(np.int64)


def _nearest(labels: pa.Array, places: pa.Array, per_label: int) -> npt.NDArray[np.int64]:
    """Rows whose place is among the first of their label; those of equal place are all among them."""
    if isinstance(labels, pa.ChunkedArray):
        labels = labels.combine_chunks()
    codes, own = np.asarray(labels.dictionary_encode().indices), np.asarray(places)
    order = np.lexsort((own, codes))
    starts = np.searchsorted(codes[order], np.arange(codes.max(initial=-1) + 1))
    stops = np.append(starts, len(codes))[1:]
    furthest = own[order][np.minimum(starts + per_label, stops) - 1]
    return np.flatnonzero(own <= furthest[codes])


def _first(sample: pa.Table, per_label: int) -> pa.Table:
    """The rows with the first places of each label, sorted."""
    keys = [
        ("question", "ascending"),
        ("label", "ascending"),
        ("place", "ascending"),
        ("pair_id", "ascending"),
    ]
    ordered = sample.sort_by(keys).combine_chunks()
    if not ordered.num_rows:
        return ordered
    names = [
        ordered[name].combine_chunks().dictionary_encode().indices for name in ("question", "label")
    ]
    codes = np.stack([np.asarray(one) for one in names])
    is_new = np.append(True, (codes[:, 1:] != codes[:, :-1]).any(axis=0))
    starts = np.flatnonzero(is_new)
    nth = np.arange(ordered.num_rows) - starts[np.cumsum(is_new) - 1]
    return ordered.filter(pa.array(nth < per_label)).combine_chunks()


@dataclass(frozen=True, slots=True)
class Precision:
    """How often a label is right.

    label: None for all labels of the question together, each image counted once a label. images: that
    carry it. drawn, asked, right: of the sample; asked are those with an answer to this question, and
    the others are left out of the figure. covered: share of `images` whose label has an asked image.
    precision, low, high: estimate and Wilson interval; None where nothing was asked.
    """

    question: str
    label: str | None
    images: int
    drawn: int
    asked: int
    right: int
    covered: float
    precision: float | None
    low: float | None
    high: float | None


def label_precision(
    draw: AuditDraw, truth: Mapping[str, Answer], taxonomy: Taxonomy, config: AuditConfig | None = None
) -> list[Precision]:
    """The precision of each label and of each question, in the taxonomy's order, question first.

    truth: of each image that was asked what holds, by pair_id: of `resolved_answers` of the votes about
    pairs. The whole of a question weighs each label by its images; its interval is Yan and Su's.
    """
    config = config or AuditConfig()
    counts = {stratum: [0, 0, 0] for stratum in draw.sizes}  # drawn, asked, right
    columns = (draw.sample[name].to_pylist() for name in ("question", "label", "pair_id"))
    for question, label, pair in zip(*columns, strict=True):
        count = counts[question, label]
        verdict = _verdict(question, label, truth.get(pair), taxonomy)
        count[0] += 1
        count[1] += verdict is not None
        count[2] += verdict is True
    found = []
    for question in _QUESTIONS:
        known = [
            _of_label(question, label, draw.sizes[question, label], counts[question, label], config)
            for label in _ordered(question, taxonomy)
            if (question, label) in counts
        ]
        if known:
            found += [_of_question(question, known, config), *known]
    return found


def _ordered(question: str, taxonomy: Taxonomy) -> tuple[str, ...]:
    if question == "panel_type":
        return tuple(one.id for one in taxonomy.panel_types)
    if question == "panel_subtype":
        return tuple(one.id for one in taxonomy.panel_subtypes)
    level: Literal["global", "local"] = "global" if question == "global" else "local"
    return taxonomy.ids(level)


def _verdict(question: str, label: str, truth: Answer | None, taxonomy: Taxonomy) -> bool | None:
    """Whether a label is right; None where the answer does not say."""
    if truth is None:
        return None
    if question in ("panel_type", "panel_subtype"):
        said = truth.panel_type if question == "panel_type" else truth.panel_subtype
        return None if said is None else said == label
    concepts = truth.global_concepts if question == "global" else truth.local_concepts
    if concepts:
        return label in concepts
    is_elsewhere = (
        bool(truth.global_concepts) and taxonomy.global_of(label) not in truth.global_concepts
    )
    return False if is_elsewhere else None


def _of_label(
    question: str, label: str, images: int, counts: list[int], config: AuditConfig
) -> Precision:
    drawn, asked, right = counts
    if not asked:
        return Precision(question, label, images, drawn, 0, 0, 0.0, None, None, None)
    low, high = wilson_interval(right, asked, config.confidence, population=images)
    return Precision(question, label, images, drawn, asked, right, 1.0, right / asked, low, high)


def _of_question(question: str, labels: list[Precision], config: AuditConfig) -> Precision:
    images = sum(one.images for one in labels)
    asked = [one for one in labels if one.asked]
    drawn = sum(one.drawn for one in labels)
    count, right = sum(one.asked for one in labels), sum(one.right for one in labels)
    if not asked:
        return Precision(question, None, images, drawn, 0, 0, 0.0, None, None, None)
    strata = [(one.right, one.asked, one.images) for one in asked]
    covered = sum(one.images for one in asked)
    precision = sum(one.images / covered * one.right / one.asked for one in asked)
    low, high = stratified_wilson_interval(strata, config.confidence)
    return Precision(
        question, None, images, drawn, count, right, covered / images, precision, low, high
    )


def wilson_interval(
    right: int, asked: int, confidence: float = 0.95, *, population: int | None = None
) -> tuple[float, float]:
    """Wilson's score interval of a proportion, asked > 0.

    population: of how many the asked are a sample without replacement; None: of any number. Of a whole
    population the proportion is known.
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    return _wilson(right / asked, _effective(asked, population), z)


def stratified_wilson_interval(
    strata: Iterable[tuple[int, int, int]], confidence: float = 0.95
) -> tuple[float, float]:
    """The interval of a proportion over strata of (right, asked, population), asked > 0.

    Each stratum has its Wilson interval for a smaller z, so that their weighted sum has the confidence.
    The weights are the populations' shares; variances are taken at the middle of Wilson's interval.
    """
    every = list(strata)
    total = sum(population for *_, population in every)
    weights = [population / total for *_, population in every]
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    samples = [(right / asked, _effective(asked, population)) for right, asked, population in every]
    errors = [_error(share, size, z) for share, size in samples]
    below = sum(weight * error for weight, error in zip(weights, errors, strict=True))
    above = sum((weight * error) ** 2 for weight, error in zip(weights, errors, strict=True)) ** 0.5
    smaller = z * above / below if below > 0 else 0.0
    bounds = [_wilson(share, size, smaller) for share, size in samples]
    low, high = (
        sum(weight * bound[side] for weight, bound in zip(weights, bounds, strict=True))
        for side in (0, 1)
    )
    return low, high


def _effective(asked: int, population: int | None) -> float:
    """The number of independent draws that say as much as a sample without replacement."""
    if population is None:
        return asked
    return float("inf") if asked >= population else asked * (population - 1) / (population - asked)


def _error(share: float, size: float, z: float) -> float:
    """The standard error at the middle of Wilson's interval."""
    if size == float("inf"):
        return 0.0
    middle = (share + z * z / (2 * size)) / (1 + z * z / size)
    return float((middle * (1 - middle) / (size + z * z)) ** 0.5)


def _wilson(share: float, size: float, z: float) -> tuple[float, float]:
    if size == float("inf"):
        return share, share
    grown = 1 + z * z / size
    middle = (share + z * z / (2 * size)) / grown
    half = z * (share * (1 - share) / size + z * z / (4 * size * size)) ** 0.5 / grown
    return max(0.0, min(share, middle - half)), min(1.0, max(share, middle + half))
