"""`update`: a dataset follows its source. New and changed articles are built, gone ones hidden.

The work is staged: readers see the version before until all of it is there, and then all at once.
A run that is killed leaves its work to the next one.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.archive import Archive
from biomedica.config import build_digest
from biomedica.errors import ConfigError, OverBudget, RunStopped, StoreError
from biomedica.ids import ArticleId, article_key, shard_id, split_key
from biomedica.jats import PARSER_VERSION
from biomedica.pipeline.build import Build
from biomedica.pipeline.graph import Graph
from biomedica.pipeline.plan import Plan, make_plan
from biomedica.pipeline.progress import tell
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.run import Committer, begun
from biomedica.pipeline.select import named, narrowed, scope_of, union
from biomedica.pipeline.snapshot import update_metadata
from biomedica.reporting.stored_selection import select_stored_ids
from biomedica.sources import Source
from biomedica.sources.inventory import take_snapshot
from biomedica.sources.protocol import LISTING
from biomedica.store import (
    DataFile,
    Dataset,
    DatasetWriter,
    current_shards,
    listing_keys,
    table_of,
    write_file,
)
from biomedica.store.changes import write_changes
from biomedica.store.held import difference, held_articles
from biomedica.store.keep_snapshot import KeptSnapshot, keep_snapshot
from biomedica.store.scope import Scope, read_scope
from biomedica.store.snapshots import GONE_AT_LEAST
from biomedica.upkeep import UpdateConfig

__all__ = ["run_update"]

Keys = npt.NDArray[np.int64]

UNSELECTED = (
    "{root} does not say which articles it takes: say it once by --ids, --where, or --all for all of "
    "the source"
)


def run_update(config: UpdateConfig, *, quiet: bool = False, debug: bool = False) -> RunReport:
    """Bring a dataset to what its source has now: one new version, or none where nothing changed.

    Raises like `run_build`; StoreError too where the source seems to have lost much at once or to
    be older than the dataset, ConfigError where it is not known what the dataset takes.
    """
    dataset = Dataset.open(config.dataset, config.store)
    scope = _scope(config, dataset)
    return _Update(_settled(config, scope), scope, quiet, debug).run()


def _scope(config: UpdateConfig, dataset: Dataset) -> Scope:
    """What the dataset takes: what is asked for now, else what it has recorded."""
    if config.everything or config.ids is not None or config.where is not None:
        recorded = None
        with contextlib.suppress(StoreError):  # lost: it is given anew, as that fault advises
            recorded = read_scope(dataset)
        return scope_of(config, recorded)
    recorded = read_scope(dataset)
    if recorded is None:
        raise ConfigError(UNSELECTED.format(root=dataset.storage.root))
    return replace(recorded, versions=scope_of(config, recorded).versions)


def _settled(config: UpdateConfig, scope: Scope) -> UpdateConfig:
    """The configuration with what the dataset has recorded where nothing was given."""
    values = config.model_dump()
    for name, recorded in scope.settings.items():
        section = getattr(config, name)
        given = section.model_dump(include=section.model_fields_set)
        values[name] = {**recorded, **given}
    if not config.embed.models:
        values["embed"]["models"] = scope.models
    values["select"]["versions"] = scope.versions
    return UpdateConfig.model_validate(values)


class _Update(Build):
    command = "update"
    staged = True

    def __init__(self, config: UpdateConfig, scope: Scope, quiet: bool, debug: bool) -> None:
        super().__init__(config, quiet, debug)
        self.digest = build_digest(config, PARSER_VERSION)
        self.taken = scope
        self.inventory = config.inventory

    def _opened(self) -> Dataset | None:
        return Dataset.open_staged(self.config.dataset, self.config.store)

    def _scope(self, _dataset: Dataset | None) -> Scope:
        fresh = scope_of(self.config.model_copy(update={"ids": None, "where": None}))
        return replace(self.taken, source="", settings=fresh.settings, models=fresh.models)

    def _requested(self, source: Source, _dataset: Dataset | None) -> pa.Table:
        """All that the dataset takes now, done or not."""
        published = Dataset.open(self.config.dataset, self.config.store)
        taken = take_snapshot(source, inventory=self.inventory)
        self.listed = taken.name
        _check_age(published, taken.name)
        kept = keep_snapshot(published.storage, taken, self.config.snapshot.max_gone_share)
        for warning in () if self.quiet else kept.warnings:
            tell(f"warning: {warning}")
        parts = [
            pa.Table.from_batches(
                [
                    batch.select(["pmcid", "version", "etag"])
                    .rename_columns(LISTING.names)
                    .cast(LISTING)
                ],
                LISTING,
            )
            for batch in taken.rows.batches()
        ]
        return self._within(source, pa.concat_tables(parts), kept)

    def _within(self, source: Source, listing: pa.Table, kept: KeptSnapshot) -> pa.Table:
        """The listed articles that the dataset takes, and those it names that are not listed."""
        taken = self.taken
        if taken.where or taken.versions == "published_first":
            self._read_metadata(kept)
        meant = narrowed(listing, taken.versions, self._published)
        if taken.everything:
            return meant
        parts = []
        if taken.ids is not None:
            parts.append(named(source, taken.ids, listing, taken.versions, self._published))
        if taken.where:
            parts.append(self._meeting(meant))
        return union(parts)

    def _read_metadata(self, kept: KeptSnapshot) -> None:
        """Bring the dataset's metadata to the snapshot: it decides what is selected."""
        found, _ = update_metadata(
            self.config, kept.snapshot, self.budget, quiet=self.quiet, debug=self.debug
        )
        if found.articles_over_budget:
            raise RunStopped(
                f"{OverBudget(found.budget or 'requests')}: the metadata of "
                f"{found.articles_over_budget:,} articles was not read, so that nobody knows whether "
                "they are selected; what was read stays, and the same command goes on from there"
            )
        if found.articles_deferred:
            article, why = found.deferred[0]
            raise RunStopped(
                f"the metadata of {found.articles_deferred:,} articles cannot be had now, so that "
                f"nobody knows whether they are selected ({article}: {why}); run the same command "
                "again"
            )
        self.report.count(found.traffic)

    def _published(self, keys: Keys) -> Keys:
        """Of articles with several versions, those that `published_first` takes."""
        archive, dataset = self._catalogue()
        taken = select_stored_ids(archive, dataset, versions="published_first").keys
        return np.intersect1d(keys, taken, assume_unique=True)

    def _catalogue(self) -> tuple[Archive, Dataset]:
        dataset = Dataset.open(self.config.dataset, self.config.store)
        archive = Archive(self.config.dataset, version=dataset.version, store=self.config.store)
        return archive, dataset

    def _meeting(self, listing: pa.Table) -> pa.Table:
        """The rows of a listing whose metadata, as the dataset has it, meets a condition."""
        archive, dataset = self._catalogue()
        keys = listing_keys(listing)
        met = np.zeros(len(keys), np.bool_)
        for condition in self.taken.where:
            met |= np.isin(keys, select_stored_ids(archive, dataset, condition).keys)
        return listing.filter(pa.array(met))

    def _plan(self, dataset: Dataset | None) -> Plan:
        """What differs from the version that readers see, less what an earlier run has staged."""
        self.published = Dataset.open(self.config.dataset, self.config.store)
        held = held_articles(self.published)
        self.difference = difference(held, self.requested, self.digest)
        self._check_models()
        self._check_lost(len(held))
        todo = self.requested.filter(pa.array(self.difference.to_build))
        plan = make_plan(todo, dataset, self.digest, self.config.runtime.articles_per_shard)
        whole = self.requested.num_rows
        plan.skipped += whole - plan.requested
        plan.requested = whole
        self.report.articles_requested, self.report.articles_skipped = whole, plan.skipped
        self.report.shards, self.report.shards_skipped = plan.chunks, plan.chunks_skipped
        return plan

    def _check_models(self) -> None:
        """Every model of the dataset embeds what is new."""
        slugs = {info.slug for info in self.infos}
        prefix = "embeddings/"
        tables = [name for name in self.published.tables if name.startswith(prefix)]
        lacking = [name for name in tables if name.removeprefix(prefix) not in slugs]
        if lacking:
            names = ", ".join(name.removeprefix(prefix) for name in lacking)
            raise ConfigError(f"the dataset has embeddings of {names}: name each model by --model")

    def _check_lost(self, held: int) -> None:
        """The rule of `snapshots.check_complete`, against the dataset itself."""
        lost, share = self.difference.lost, self.config.snapshot.max_gone_share
        if lost > max(GONE_AT_LEAST, share * held):
            raise StoreError(
                f"{lost:,} of the dataset's {held:,} articles are not selected in {self.source_uri} any "
                "more: is it the right source and selection? Nothing was changed; allow it by "
                f"--set snapshot.max_gone_share={min(1.0, 1.01 * lost / held):.3f}"
            )

    def _has_work(self, plan: Plan, dataset: Dataset | None) -> bool:
        staged = dataset is not None and dataset.version != self.published.version
        return bool(plan.shards) or staged or bool(len(self.difference.gone))

    def _work(self, plan: Plan, dataset: Dataset | None) -> None:
        if plan.shards:
            super()._work(plan, dataset)
        else:
            self._hide_only()

    def _hide_only(self) -> None:
        """Nothing is to be built: the driver alone does the rest, at once. A Ray takes its time."""
        with DatasetWriter.begin(self.config.dataset, self.config.store, resume=True) as writer:
            self.report.record.begin(0, 0, None)
            plan = self._plan(self._opened())
            self.report.version = self.published.version
            if plan.shards:
                raise RunStopped(
                    "another run has changed the dataset meanwhile: run the same command again"
                )
            with begun():
                self._finish(None, self._committer(writer, plan, workers=1))

    def _finish(self, _graph: Graph | None, committer: Committer) -> None:
        """Hide what is gone, and let readers see the whole."""
        committer.commit()
        staged = self._opened() or self.published
        held = held_articles(staged)
        gone = difference(held, self.requested, self.digest).gone
        files = _withdrawn(staged, gone)
        if not (files or staged.version != self.published.version):
            return  # all of it was deferred
        after = held.listing(without=gone)
        done = difference(held_articles(self.published), after, self.digest)
        retracted = _retracted(staged) & _ids(after, done.changed) - _retracted(self.published)
        self.report.changes = done.counts | {"retracted": len(retracted)}
        record = write_changes(staged.storage, after, done, retracted)
        origin = self._origin(staged.storage, whole=not self.report.articles_deferred)
        counts = self.report.changes | self._run_counts()
        committer.publish(files, counts, changes=record, **origin)

    def _run_counts(self) -> dict[str, int]:
        names = ("articles", "articles_rejected", "articles_deferred", "pairs", "rejects")
        return {name: getattr(self.report, name) for name in names}


def _check_age(published: Dataset, name: str) -> None:
    """Raise StoreError where the source would seem to go back in time: its inventory is a day old."""
    info = published.note
    listed = info.get("listed")
    if listed is not None and name < listed:
        raise StoreError(
            f"the source's newest state that can be had is of {name}, and the dataset was made of one "
            f"of {listed}: wait for the next inventory, list the source by --list, or set the clock right"
        )


def _withdrawn(dataset: Dataset, keys: Keys) -> list[DataFile]:
    """A file of `superseded` that hides the rows of these articles."""
    shards = current_shards(dataset, keys)
    pmcids, versions = split_key(keys)
    rows = [
        {"article_id": str(article), "shard": shard}
        for article in map(ArticleId, pmcids.tolist(), versions.tolist())
        for shard in shards.get(article_key(*article), ())
    ]
    if not rows:
        return []
    name = shard_id("withdrawn", [(row["article_id"], "", row["shard"]) for row in rows])
    file = write_file(dataset.storage, "superseded", name, table_of("superseded", rows))
    return [file] if file else []


def _ids(listing: pa.Table, rows: npt.NDArray[np.bool_]) -> set[str]:
    """The ids of some rows of a LISTING."""
    pmcids, versions = split_key(listing_keys(listing)[rows])
    return set(map(str, map(ArticleId, pmcids.tolist(), versions.tolist())))


def _retracted(dataset: Dataset) -> set[str]:
    """Live articles that are flagged. PMC flags one in two hundred."""
    import pyarrow.compute as pc

    batches = dataset.batches("articles", columns=["article_id"], filter=pc.field("is_retracted"))
    return {article for batch in batches for article in batch["article_id"].to_pylist()}
