"""An article version as one int64 that sorts like (pmcid, version): for joins of millions of ids."""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt

__all__ = ["Keys", "pack", "unpack"]

Keys = npt.NDArray[np.int64]

_VERSIONS = 100_000  # ids.ARTICLE_PATTERN: at most 12 digits of PMCID and 5 of version


@overload
def pack(pmcid: int, version: int) -> int: ...
@overload
def pack(pmcid: Keys, version: Keys) -> Keys: ...
def pack(pmcid: int | Keys, version: int | Keys) -> int | Keys:
    """The key of an article version; of arrays, elementwise."""
    return pmcid * _VERSIONS + version


@overload
def unpack(key: int) -> tuple[int, int]: ...
@overload
def unpack(key: Keys) -> tuple[Keys, Keys]: ...
def unpack(key: int | Keys) -> tuple[int, int] | tuple[Keys, Keys]:
    """(pmcid, version) of a key; of an array, two arrays."""
    return key // _VERSIONS, key % _VERSIONS  # type: ignore[return-value]
