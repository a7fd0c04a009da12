"""How many articles and images a plan is about: from the metadata table, a snapshot or a listing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from biomedica.config import FetchConfig, StoreConfig
from biomedica.errors import ConfigError
from biomedica.planning.assumptions import Basis
from biomedica.reporting.choice import VersionPolicy, chosen_versions

__all__ = ["Counts", "count_in_dataset", "count_in_source", "stated_counts"]

ROWS = 1 << 14


@dataclass(frozen=True, slots=True)
class Counts:
    """Article versions asked for.

    taken: those that pass the licence gate by their metadata; images_listed: image files that the
    metadata of those names; None: not known. source: where the articles lie, as a URI; "" unknown.
    what: where the counts come from.
    """

    articles: int
    taken: int | None
    images_listed: int | None
    basis: Basis
    what: str
    source: str = ""


def stated_counts(articles: int, source: str | None) -> Counts:
    """As the user says: nothing is asked."""
    if articles < 1:
        raise ConfigError("--articles: a plan is about one article at least")
    return Counts(articles, None, None, "given", "the command line", _uri(source))


def count_in_source(
    source: str, where: str | None, versions: VersionPolicy, fetch: FetchConfig | None = None
) -> Counts:
    """What a source lists; with a condition, by the metadata of each article, one by one.

    Raises ConfigError for the condition, SourceError.
    """
    from biomedica.reporting import select_ids
    from biomedica.sources import open_source
    from biomedica.store import listing_keys

    opened = open_source(source, fetch)
    if where is None and versions != "published_first":
        keys = listing_keys(opened.list_articles())
        count = int(chosen_versions(keys, None, versions).sum())
        what = f"the listing of {opened.uri}"
    else:
        selection = select_ids(opened, where, versions=versions)
        count = sum(map(len, selection))
        what = f"the metadata of {opened.uri}, read one by one"
    return _some(Counts(count, None, None, "listed", what, opened.uri))


def count_in_dataset(
    dataset: str,
    where: str | None,
    versions: VersionPolicy,
    source: str | None = None,
    store: StoreConfig | None = None,
) -> Counts:
    """What the table `metadata` of a dataset says; without one, its newest snapshot, unless there is a
    condition. source: where the articles lie, where it is not in the table.

    Raises ConfigError or StoreError.
    """
    from biomedica.archive import Archive
    from biomedica.store import Dataset, listing_keys
    from biomedica.store.snapshots import newest_snapshot

    archive = Archive(dataset, store=store)
    opened = Dataset.open(dataset, store or StoreConfig(), version=archive.version)
    snapshot = newest_snapshot(opened.storage)
    if "metadata" in opened.tables:
        return _some(_from_metadata(archive, opened, where, versions, source))
    if snapshot is None or where is not None or versions == "published_first":
        archive.metadata()  # says what is missing, and what makes it
    if snapshot is None:
        raise ConfigError(f"{dataset} has no snapshot: `biomedica snapshot` takes one")
    keys = listing_keys(snapshot.listing())
    place = source or str(snapshot.info.get("source", ""))
    what = f"the snapshot {snapshot.name} in {opened.storage.root}"
    count = int(chosen_versions(keys, None, versions).sum())
    return _some(Counts(count, None, None, "listed", what, _uri(place)))


def _from_metadata(
    archive: Any, opened: Any, where: str | None, versions: VersionPolicy, source: str | None
) -> Counts:
    import numpy as np
    import pyarrow.compute as pc

    from biomedica.reporting import select_stored_ids
    from biomedica.store.done import keys_of_ids

    keys = select_stored_ids(archive, opened, where, versions=versions).keys
    articles = taken = images = 0
    columns = ["article_id", "is_pmc_openaccess", "license_code", "media", "source_uri"]
    for batch in archive.metadata(columns, where).to_batches(ROWS):
        mine = np.isin(keys_of_ids(batch.column("article_id")), keys)
        rows = batch.filter(mine)
        articles += rows.num_rows
        passes = pc.and_(
            pc.fill_null(rows.column("is_pmc_openaccess"), False),
            pc.not_equal(pc.fill_null(rows.column("license_code"), ""), "TDM"),
        )
        rows = rows.filter(passes)
        taken += rows.num_rows
        images += _image_files(rows.column("media"))
        if source is None and rows.num_rows:
            source = rows.column("source_uri")[0].as_py()
    what = f"the metadata in {opened.storage.root} at version {archive.version}"
    return Counts(articles, taken, images, "metadata", what, _uri(source))


def _image_files(media: Any) -> int:
    """Names of image formats in a column of media lists."""
    import pyarrow.compute as pc

    from biomedica.sources import IMAGE_EXTENSIONS

    names = pc.utf8_lower(pc.struct_field(pc.list_flatten(media), "name"))
    pattern = rf"\.(?:{'|'.join(sorted(one.lstrip('.') for one in IMAGE_EXTENSIONS))})$"
    found = pc.sum(pc.match_substring_regex(names, pattern)).as_py()
    return int(found or 0)


def _uri(source: str | None) -> str:
    """A source as its URI, so that it can be compared with that of the rates."""
    from pathlib import Path

    from biomedica.config import absolute_place, is_uri

    if not source:
        return ""
    return source.rstrip("/") if is_uri(source) else Path(absolute_place(source)).as_uri()


def _some(counts: Counts) -> Counts:
    if not counts.articles:
        raise ConfigError(f"no article is selected by {counts.what}: widen --where")
    return counts
