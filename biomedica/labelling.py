"""Settings of labelling: from votes to labels of clusters, pairs and audits. See `biomedica.config`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from biomedica.config import Section

__all__ = ["AgreementConfig", "AuditConfig", "PropagateConfig", "QueueConfig", "ResolveConfig"]


class QueueConfig(Section):
    """Which clusters are asked, and when they have been asked enough."""

    votes_wanted: int = Field(3, ge=1, le=100, description="votes that every cluster gets")
    votes_most: int = Field(
        5, ge=1, le=100, description="votes after which a cluster is left to an adjudicator"
    )
    agreement_wanted: float = Field(
        0.8, ge=0, le=1, description="a cluster with this agreement and votes_wanted is done"
    )


class AgreementConfig(Section):
    """Intervals of agreement by the bootstrap over items."""

    resamples: int = Field(1000, ge=0, le=100_000, description="resamples of the items; 0: no interval")
    confidence: float = Field(0.95, gt=0, lt=1, description="of the interval")
    seed: int = Field(0, ge=0, description="seed of the resamples")


class ResolveConfig(Section):
    """How votes become labels of clusters."""

    rule: Literal["majority", "dawid_skene"] = Field(
        "majority", description="whose answer is the label where no adjudicator decided"
    )
    least_votes: int = Field(
        1, ge=1, description="answers below which a question stays open, whatever they say"
    )
    least_probability: float = Field(
        0.5, ge=0.5, lt=1, description="the model's answer needs a probability over this"
    )


class PropagateConfig(Section):
    """How labels of clusters become labels of pairs."""

    outlier_score: float = Field(
        3.5, gt=0, description="leave pairs over this modified z-score of the distance unlabelled"
    )
    least_confidence: float = Field(
        0.0, ge=0, le=1, description="leave out labels of a pair with less confidence"
    )
    label_mixed: bool = Field(False, description="label pairs of clusters that are marked mixed, too")


class AuditConfig(Section):
    """The random sample of labelled images by which labels are judged."""

    per_label: int = Field(30, ge=1, description="images drawn for each label; all where it has fewer")
    confidence: float = Field(0.95, gt=0, lt=1, description="of the interval of a precision")
    seed: int = Field(0, ge=0, description="seed of the draw")
