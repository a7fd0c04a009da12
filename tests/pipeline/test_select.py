"""Which versions of articles a policy takes out of a listing, and which an id without version is."""

from __future__ import annotations

import pyarrow as pa
import pytest

from biomedica.ids import ArticleId, article_key, split_key
from biomedica.pipeline.select import Keys, named, narrowed
from biomedica.sources import read_id_table
from biomedica.sources.protocol import LISTING
from tests.pipeline.test_plan import Listing

LISTED = [(1, 1), (2, 1), (2, 2), (2, 10), (3, 1), (3, 2), (4, 5)]
MANUSCRIPTS = {(2, 10), (4, 5)}
WRONG = {(3, 1), (3, 2)}


def published(keys: Keys) -> Keys:
    """What reading the metadata of articles with several versions would find."""
    found: dict[int, int] = {}
    for key in keys.tolist():
        pmcid, version = split_key(key)
        assert len([one for one, _ in LISTED if one == pmcid]) > 1
        if (pmcid, version) not in WRONG | MANUSCRIPTS:
            found[pmcid] = key
    return keys[[key in found.values() for key in keys.tolist()]]


def listing(rows: list[tuple[int, int]]) -> pa.Table:
    pmcids, versions = zip(*rows, strict=True)
    return pa.table([pmcids, pa.array(versions, pa.int32()), [b"\1" * 16] * len(rows)], schema=LISTING)


def told(table: pa.Table) -> list[tuple[int, int]]:
    return list(zip(table["pmcid"].to_pylist(), table["version"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("policy", "taken"),
    [
        ("all", LISTED),
        ("latest", [(1, 1), (2, 10), (3, 2), (4, 5)]),
        ("published_first", [(1, 1), (2, 2), (3, 2), (4, 5)]),
    ],
)
def test_versions_of_a_listing(policy: str, taken: list[tuple[int, int]]) -> None:
    """Where no metadata is sound it is the latest, which becomes a reject that can be seen."""
    assert told(narrowed(listing(LISTED), policy, published)) == taken  # type: ignore[arg-type]
    keys = [article_key(*key) for key in taken]
    assert keys == sorted(keys)


@pytest.mark.parametrize("known", [False, True])
def test_ids_without_version(known: bool) -> None:
    """The source is asked for the versions of those alone, where its listing is not known."""
    source = Listing(LISTED)
    wanted = read_id_table(["PMC2", "PMC2.10", "PMC3", "PMC4", "PMC9", "PMC1.7"])
    whole = source.list_articles() if known else None
    found = named(source, wanted, whole, "published_first", published)
    assert told(found) == [(1, 7), (2, 2), (2, 10), (3, 2), (4, 5), (9, 0)]
    latest = named(source, read_id_table(["PMC2", "PMC9"]), whole, "latest", published)
    assert told(latest) == [(2, 10), (9, 0)]
    assert str(ArticleId(2, 10)) == "PMC2.10"
