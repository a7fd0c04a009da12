"""Identifiers: PMCID, article version, pair id, shard id. Parsed and printed here only."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, overload

from biomedica.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Keys = npt.NDArray[np.int64]

__all__ = [
    "ARTICLE_PATTERN",
    "ArticleId",
    "article_id_of_pair",
    "article_key",
    "pair_id",
    "parse_article_id",
    "shard_id",
    "split_key",
    "split_pair_id",
]

ARTICLE_PATTERN = r"PMC(?P<pmcid>[1-9][0-9]{0,11})(?:\.(?P<version>[1-9][0-9]{0,4}))?"
"""An article id, in the syntax that Python and RE2 share."""

_ARTICLE = re.compile(ARTICLE_PATTERN, re.ASCII)


class ArticleId(NamedTuple):
    """An article version. `version` 0 stands for "the latest", or for none that exists."""

    pmcid: int
    version: int

    def __str__(self) -> str:
        return f"PMC{self.pmcid}.{self.version}" if self.version else f"PMC{self.pmcid}"


def parse_article_id(text: str) -> ArticleId:
    """`PMC7759461.1` → (7759461, 1); `PMC7759461` → (7759461, 0).

    Raises ConfigError for anything else.
    """
    found = _ARTICLE.fullmatch(text)
    if found is None:
        raise ConfigError(
            f"{text[:60]!r} is not an article id: write PMC123 (its latest version) or PMC123.1"
        )
    return ArticleId(int(found["pmcid"]), int(found["version"] or 0))


_VERSION_BITS = 17  # ARTICLE_PATTERN: at most five digits of version, twelve of PMCID


@overload
def article_key(pmcid: int, version: int) -> int: ...
@overload
def article_key(pmcid: Keys, version: Keys) -> Keys: ...
def article_key(pmcid: int | Keys, version: int | Keys) -> int | Keys:
    """An article version as one 64-bit integer that sorts like (pmcid, version).

    Of int64 arrays, elementwise: for joins of millions of ids.
    """
    return (pmcid << _VERSION_BITS) | version


@overload
def split_key(key: int) -> tuple[int, int]: ...
@overload
def split_key(key: Keys) -> tuple[Keys, Keys]: ...
def split_key(key: int | Keys) -> tuple[int, int] | tuple[Keys, Keys]:
    """(pmcid, version) of a key; of an array, two arrays."""
    pmcid = key >> _VERSION_BITS
    return pmcid, key - (pmcid << _VERSION_BITS)  # type: ignore[return-value]


def pair_id(article_id: ArticleId | str, media_name: str) -> str:
    """`PMC7759461.1` and `fig1.jpg` → `PMC7759461.1/fig1.jpg`."""
    return f"{article_id}/{media_name}"


def split_pair_id(text: str) -> tuple[ArticleId, str]:
    """The article version and the media file name of a pair id. Raises ConfigError."""
    head, slash, name = text.partition("/")
    if not slash or not name:
        raise ConfigError(f"{text[:80]!r} is not a pair id: write PMC123.1/file-name.jpg")
    article = parse_article_id(head)
    if not article.version:
        raise ConfigError(f"{text[:80]!r} names no version: write {head}.1/{name}")
    return article, name


def article_id_of_pair(text: str) -> str:
    """The article id in front of a pair id that we made ourselves."""
    return text.partition("/")[0]


def shard_id(build_digest: str, holdings: Iterable[tuple[str, str, str]]) -> str:
    """The name of a shard: 16 hex digits of the SHA-256 of what it holds.

    holdings: (article id, input digest, shard whose rows this build replaces or "") in order.
    The replaced shard is part of the name because an article may return to an earlier state:
    without it the new rows would carry the name of rows that `superseded` hides.
    """
    digest = hashlib.sha256(build_digest.encode())
    for article, input_digest, replaces in holdings:
        digest.update(f"\n{article}\t{input_digest}\t{replaces}".encode())
    return digest.hexdigest()[:16]
