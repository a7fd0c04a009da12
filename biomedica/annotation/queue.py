"""In which order clusters are asked: first those where an answer helps most.

What an answer helps is the cluster's images times what is not known of it: the votes that it lacks, and
how far those it has disagree. Clusters within a factor of √2 come in an order of each annotator's own,
so that several do not walk in step.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from biomedica.annotation.agreement import item_agreement, masi_distances
from biomedica.annotation.ballots import Ballots
from biomedica.labelling import QueueConfig

__all__ = ["Standing", "cluster_standings", "next_clusters"]


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a cluster. agreement: of its votes, 0 to 1; None below two answers."""

    votes: int = 0
    agreement: float | None = None
    is_adjudicated: bool = False


def cluster_standings(ballots: Ballots) -> dict[int, Standing]:
    """The standing of each cluster with votes, of ballots of one run.

    agreement is the least of those upon panel type, global and local concepts. After one vote, the
    ballots of that cluster's events alone are enough.
    """
    upon = np.stack(
        [
            item_agreement(ballots.panel_type),
            item_agreement(ballots.global_sets, masi_distances(ballots.global_values)),
            item_agreement(ballots.local_sets, masi_distances(ballots.local_values)),
        ]
    )
    least = np.where(np.isnan(upon), np.inf, upon).min(axis=0, initial=np.inf)
    return {
        item.cluster_id: Standing(
            len(ballots.votes[place]),
            None if np.isinf(least[place]) else float(least[place]),
            item in ballots.adjudications,
        )
        for place, item in enumerate(ballots.items)
    }


def next_clusters(
    sizes: Mapping[int, int],
    standings: Mapping[int, Standing],
    annotator: str,
    *,
    answered: Collection[int] = (),
    skipped: Iterable[int] = (),
    in_progress: Mapping[int, int] | None = None,
    config: QueueConfig | None = None,
) -> list[int]:
    """The clusters to ask an annotator, in order; empty when there is nothing left for him.

    sizes: images by cluster_id, of all clusters of the run. answered: clusters with a vote of his that
    counts; they are never asked. skipped: asked last, in this order. in_progress: how many others have
    each cluster before them now; they count as votes. A cluster that has its votes and agrees, that has
    votes_most, or that was adjudicated is not asked.
    """
    config = config or QueueConfig()
    last = {cluster: place for place, cluster in enumerate(dict.fromkeys(skipped))}
    keys = {}
    for cluster, size in sizes.items():
        if cluster in answered:
            continue
        standing = standings.get(cluster, Standing())
        help_ = size * _unknown(standing, (in_progress or {}).get(cluster, 0), config)
        if help_ > 0:
            band = -math.floor(2 * math.log2(help_))
            keys[cluster] = (last.get(cluster, -1), band, _own(annotator, cluster), cluster)
    return sorted(keys, key=keys.__getitem__)


def _unknown(standing: Standing, others: int, config: QueueConfig) -> float:
    """What is not known of a cluster, from 0, when it is done, to 2."""
    votes = standing.votes + others
    if standing.is_adjudicated or votes >= max(config.votes_most, config.votes_wanted):
        return 0.0
    doubt = 0.0 if standing.agreement is None else 1 - standing.agreement
    if votes >= config.votes_wanted:
        is_settled = standing.agreement is None or standing.agreement >= config.agreement_wanted
        return 0.0 if is_settled else doubt
    return (config.votes_wanted - votes) / config.votes_wanted + doubt


def _own(annotator: str, cluster: int) -> bytes:
    """A random place of a cluster, another one for each annotator."""
    return hashlib.blake2b(f"{cluster} {annotator}".encode(), digest_size=8).digest()
