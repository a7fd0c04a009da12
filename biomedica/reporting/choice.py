"""Which versions of articles, and which sample of them: by numbers alone, in any order of the input."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from biomedica.ids import split_key

__all__ = ["VersionPolicy", "chosen_versions", "has_siblings", "in_sample_order", "sampled"]

VersionPolicy = Literal["all", "latest", "published_first"]

Keys = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def chosen_versions(keys: Keys, is_manuscript: Mask | None, versions: VersionPolicy) -> Mask:
    """Which article versions the policy takes (`config.SelectConfig`).

    keys: sorted, each once. is_manuscript: of each; only `published_first` asks for it. Author
    manuscripts may bear a higher number than the published article (pmc_cloud.md §1).
    """
    if versions == "all":
        return np.ones(len(keys), bool)
    pmcids, numbers = split_key(keys)
    order = np.arange(len(keys))
    if versions == "published_first":
        manuscript = np.zeros(len(keys), bool) if is_manuscript is None else is_manuscript
        order = np.lexsort((numbers, ~manuscript, pmcids))
    taken = np.zeros(len(keys), bool)
    taken[order] = np.append(pmcids[1:] != pmcids[:-1], True)[: len(keys)]
    return taken


def has_siblings(keys: Keys) -> Mask:
    """Which of the sorted keys share their article with another version."""
    pmcids, _ = split_key(keys)
    same = pmcids[1:] == pmcids[:-1]
    several = np.zeros(len(keys), bool)
    several[1:] |= same
    several[:-1] |= same
    return several


def in_sample_order(keys: Keys, seed: int) -> Keys:
    """The keys by a hash of seed and id: the first n are a sample of n, and one of more holds it."""
    hashes = _mixed(keys.astype(np.uint64) ^ _mixed(np.array([seed % (1 << 64)], np.uint64)))
    return keys[np.lexsort((keys, hashes))]


def sampled(keys: Keys, size: int | None, seed: int) -> Keys:
    """A sample of that size, sorted; all of them where there are no more, or none is asked for."""
    if size is None or size >= len(keys):
        return np.sort(keys)
    return np.sort(in_sample_order(keys, seed)[:size])


def _mixed(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea & Flood 2014), wrapping as 64-bit numbers do."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
