"""Which words, journals and MeSH descriptors a cluster has more often than the rest of the corpus.

The measure is the log-odds ratio with an informative Dirichlet prior, in standard deviations:
Monroe, Colaresi, Quinn, "Fightin' Words" (Political Analysis 16, 2008), equations 15, 19 and 22; the
prior is the corpus itself, PRIOR terms strong. Each caption counts a word once. Of large clusters a
random sample of captions is counted, and stands for the whole cluster in what the corpus has.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.annotation.sheet import Typical

__all__ = ["PRIOR", "TERM_COUNTS", "caption_words", "count_terms", "log_odds", "merge_terms", "typical"]

PRIOR = 1000.0
LEAST_SCORE = 1.96
"""standard deviations: a term below is not told from chance at 95 %"""

WORD = re.compile(r"[^\W\d_][\w’'-]*")
LENGTHS = range(2, 31)
"""Characters of a word; what is longer is a sequence, an address, or text without spaces."""
CAPTION = 5000
"""Characters of a caption that are looked at."""

TERM_COUNTS = pa.schema([("cluster_id", pa.int32()), ("term", pa.string()), ("count", pa.int64())])

Numbers = npt.NDArray[np.float64]


def caption_words(caption: str | None) -> frozenset[str]:
    """The words of a caption in lower case, each once: a letter first, no numbers."""
    text = unicodedata.normalize("NFKC", (caption or "")[:CAPTION]).casefold().replace("’", "'")
    words = (word.rstrip("'-").removesuffix("'s") for word in WORD.findall(text))
    return frozenset(word for word in words if len(word) in LENGTHS)


def count_terms(pairs: Iterable[tuple[int, str]]) -> pa.Table:
    """(cluster_id, term) as TERM_COUNTS: how often each is there."""
    counts = sorted(Counter(pairs).items())
    rows = [{"cluster_id": c, "term": term, "count": n} for (c, term), n in counts]
    return pa.Table.from_pylist(rows, TERM_COUNTS)


def merge_terms(parts: Iterable[pa.Table]) -> pa.Table:
    """TERM_COUNTS of several parts as one, sorted by cluster_id and term."""
    both = pa.concat_tables([TERM_COUNTS.empty_table(), *parts])
    summed = both.group_by(["cluster_id", "term"]).aggregate([("count", "sum")])
    by = [("cluster_id", "ascending"), ("term", "ascending")]
    return (
        summed.rename_columns(TERM_COUNTS.names).select(TERM_COUNTS.names).sort_by(by).cast(TERM_COUNTS)
    )


def log_odds(here: Numbers, here_all: float, rest: Numbers, rest_all: float, prior: Numbers) -> Numbers:
    """The z-score of each term: above 0 where it is more frequent here than in the rest.

    here, rest: counts of the terms. here_all, rest_all: counts of all terms. prior: α of each term;
    their sum is PRIOR.
    """
    a, b = here + prior, rest + prior
    ratio = np.log(a / (here_all + PRIOR - a)) - np.log(b / (rest_all + PRIOR - b))
    scores: Numbers = ratio / np.sqrt(1 / a + 1 / b)
    return scores


def typical(
    counts: pa.Table, sampled: Mapping[int, int], sizes: Mapping[int, int], most: int
) -> dict[int, tuple[Typical, ...]]:
    """The terms most typical of each cluster, at most `most`, the highest score first.

    counts: TERM_COUNTS, merged. sampled: captions (or images) by cluster that were counted. sizes:
    images by cluster. A term of a single caption is typical of nothing but a cluster of one.
    """
    if not counts.num_rows:
        return {}
    terms = counts["term"].combine_chunks().dictionary_encode()
    codes, names = terms.indices.to_numpy(), terms.dictionary
    clusters, seen = counts["cluster_id"].to_numpy(), counts["count"].to_numpy().astype(np.float64)
    weights = {c: sizes[c] / max(sampled.get(c, 0), 1) for c in np.unique(clusters).tolist()}
    stands_for = seen * np.array([weights[c] for c in clusters.tolist()])
    corpus: Numbers = np.bincount(codes, stands_for, len(names)).astype(np.float64)
    total = float(corpus.sum())
    found = {}
    for cluster, weight in weights.items():
        start, stop = np.searchsorted(clusters, [cluster, cluster + 1])
        own, here = codes[start:stop], seen[start:stop]
        rest = np.maximum(corpus[own] - stands_for[start:stop], 0.0)
        rest_all = max(total - weight * here.sum(), 0.0)
        if len(weights) == 1:
            continue  # nothing to compare with
        scores = log_odds(here, here.sum(), rest, rest_all, PRIOR * corpus[own] / total)
        is_told = (scores >= LEAST_SCORE) & (here >= 2)
        texts = names.take(pa.array(own)).to_pylist()
        order = sorted(
            np.flatnonzero(is_told).tolist(), key=lambda n: (-round(float(scores[n]), 9), texts[n])
        )
        found[cluster] = tuple(
            Typical(texts[n], round(float(scores[n]), 2), round(float(here[n]) / sampled[cluster], 4))
            for n in order[:most]
        )
    return found
