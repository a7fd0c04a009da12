"""Every defect with the prefix that shows it, and the truth of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .broken_media import BROKEN_MEDIA
from .case import FIRST_DEFECT, Defect, GraphicOutcome, Prefix
from .document import article_xml
from .matching import MATCHING
from .odd_figures import ODD_FIGURES
from .odd_metadata import ODD_METADATA
from .odd_xml import ODD_XML
from .raster import jpeg, picture
from .unreadable import UNREADABLE

__all__ = ["DEFECTS", "planted", "truth_of_defect"]

DEFECTS: tuple[Defect, ...] = (
    *UNREADABLE,
    *ODD_XML,
    *ODD_FIGURES,
    *ODD_METADATA,
    *BROKEN_MEDIA,
    *MATCHING,
)


def planted(seed: int) -> Iterator[tuple[Defect, Prefix]]:
    """Each defect in its own article, in the order of DEFECTS."""
    for number, defect in enumerate(DEFECTS, start=1):
        prefix = _sound(number, seed)
        defect.plant(prefix)
        yield defect, prefix


def _sound(number: int, seed: int) -> Prefix:
    """The prefix of a defect before it is spoilt: one figure, one image."""
    rng = np.random.default_rng([seed, 7, number])
    prefix = Prefix(FIRST_DEFECT + number - 1, rng)
    prefix.media["fig1.jpg"] = jpeg(picture(rng))
    prefix.xml = article_xml(prefix)
    return prefix


def truth_of_defect(defect: Defect, article_id: str) -> dict[str, Any]:
    """What a build must make of the article: its entry under `defects` in truth.json."""
    outcome = defect.outcome
    return {
        "name": defect.name,
        "article_id": article_id,
        "says": defect.says,
        "outcome": outcome.kind,
        "stage": outcome.stage,
        "reason": outcome.reason,
        "graphics": [_graphic(article_id, at, one) for at, one in enumerate(outcome.graphics, start=1)],
        "figures": list(outcome.figures),
        "warnings": sorted(outcome.warnings),
        "article": dict(outcome.article),
    }


def _graphic(article_id: str, index: int, outcome: GraphicOutcome) -> dict[str, Any]:
    if outcome.reject is not None:
        stage, reason = outcome.reject
        return {"graphic_index": index, "outcome": "reject", "stage": stage, "reason": reason}
    pair_id = f"{article_id}/{outcome.file}" if outcome.file else None
    return {
        "graphic_index": index,
        "outcome": "pair",
        "pair_id": pair_id,
        "columns": dict(outcome.columns),
    }
