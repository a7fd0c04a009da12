"""`build`: articles of a source become rows of a dataset, resumable and exactly once."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from biomedica.config import BuildConfig, build_digest
from biomedica.embedding import ModelInfo, model_info
from biomedica.errors import ConfigError, Rejected
from biomedica.jats import PARSER_VERSION
from biomedica.pipeline.budget import RunBudget, worker_config
from biomedica.pipeline.embed import embed_missing, missing_embeddings
from biomedica.pipeline.embedder import table_metadata
from biomedica.pipeline.graph import Graph
from biomedica.pipeline.page import reported
from biomedica.pipeline.plan import Plan, make_plan
from biomedica.pipeline.progress import Progress
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.rows import Origin, reject_row
from biomedica.pipeline.run import RETRYING, Committer, begun
from biomedica.pipeline.select import scope_of, selected
from biomedica.pipeline.session import ray_session
from biomedica.pipeline.shard import settle, superseded_rows
from biomedica.pipeline.specs import ShardSpec, Summary
from biomedica.schema import embeddings_table
from biomedica.sources import Source, open_source
from biomedica.sources.inventory import snapshot_name
from biomedica.store import Dataset, DatasetWriter, Storage, open_storage, table_of
from biomedica.store.scope import Scope, read_scope, write_scope
from biomedica.store.terms import origin_note, write_terms
from biomedica.terms import day_of

__all__ = ["Build", "run_build"]


def run_build(config: BuildConfig, *, quiet: bool = False, debug: bool = False) -> RunReport:
    """Build what is requested and not yet done.

    Raises ConfigError, SourceError, StoreError or ModelError before anything is written, and
    RunStopped or StaleWriterError when a run that had begun cannot go on.
    """
    return Build(config, quiet, debug).run()


class Build:
    """One run; `update` differs in what it takes, and in when readers see it.

    Raises as `run_build`.
    """

    command = "build"
    staged = False
    """Whether readers see nothing of it before it is whole"""

    def __init__(self, config: BuildConfig, quiet: bool, debug: bool) -> None:
        self.config = config
        self.quiet = quiet
        self.debug = debug
        self.digest = build_digest(config, PARSER_VERSION)
        self.report = RunReport(dataset=config.dataset)
        self.budget = RunBudget(config)

    def run(self) -> RunReport:
        with reported(self.command, self.config, self.report, quiet=self.quiet) as models:
            self._run(models)
        return self.report

    def _run(self, models: list[ModelInfo]) -> None:
        dataset = self._opened()
        self.before = dataset.note if dataset is not None else {}
        source = open_source(self.config.source, self.config.fetch, self.budget.account)
        self.source_uri = source.uri
        self.listed = snapshot_name(datetime.datetime.now(datetime.UTC))
        self.scope = self._scope(dataset)
        with self.budget.planning():
            self.requested = self._requested(source, dataset)
        self.report.count(source.traffic)
        # workers have no use for what may be a million ids
        self.config = self.config.model_copy(update={"ids": None})
        if not self.requested.num_rows:
            raise ConfigError("no article is requested: the list of ids is empty")
        self.infos = tuple(model_info(model) for model in self.config.embed.models)
        models += self.infos
        self.report.untrained_models = [info.slug for info in self.infos if info.untrained]
        plan = self._plan(dataset)
        if self._has_work(plan, dataset):
            open_storage(self.config.dataset, self.config.store).check_writable()
            self._work(plan, dataset)
        elif dataset is not None:
            self.report.version = dataset.version
        self.report.seconds = self.report.record.seconds
        if not self.report.balanced:
            raise RuntimeError(f"the run's counts do not add up: {self.report.to_dict()}")

    def _opened(self) -> Dataset | None:
        """What the run goes on from."""
        return Dataset.open_if_exists(self.config.dataset, self.config.store)

    def _scope(self, dataset: Dataset | None) -> Scope | None:
        """What the dataset takes of its source from now on; None where nobody knows."""
        before = read_scope(dataset) if dataset is not None else None
        mine = scope_of(self.config, before)
        if before is not None:
            return before.widened(mine)
        is_new = dataset is None or not (dataset.count("articles") or dataset.count("rejects"))
        return mine if is_new or mine.everything else None

    def _requested(self, source: Source, _dataset: Dataset | None) -> pa.Table:
        policy = self.scope.versions if self.scope is not None else self.config.select.versions
        return selected(source, self.config, policy)

    def _has_work(self, plan: Plan, dataset: Dataset | None) -> bool:
        return bool(plan.shards) or dataset is None or self._missing(dataset)

    def _plan(self, dataset: Dataset | None) -> Plan:
        size = self.config.runtime.articles_per_shard
        plan = make_plan(self.requested, dataset, self.digest, size)
        self.report.articles_requested = plan.requested
        self.report.articles_skipped = plan.skipped
        self.report.shards = plan.chunks
        self.report.shards_skipped = plan.chunks_skipped
        return plan

    def _missing(self, dataset: Dataset) -> bool:
        """Whether requested articles that are built lack embeddings of a configured model."""
        return any(missing_embeddings(dataset, info, self.requested) for info in self.infos)

    def _work(self, plan: Plan, dataset: Dataset | None) -> None:
        tables = {embeddings_table(info.slug): table_metadata(info) for info in self.infos}
        with contextlib.ExitStack() as stack:
            cluster = stack.enter_context(ray_session(self.config.runtime, debug=self.debug))
            config = worker_config(self.config, cluster)  # raises before anything is written
            writer = stack.enter_context(
                DatasetWriter.begin(self.config.dataset, self.config.store, tables, resume=self.staged)
            )
            self.report.record.begin(cluster.workers, cluster.gpus, self.config.runtime.address)
            published = Dataset.open(self.config.dataset, self.config.store)
            self.report.version = published.version
            opened = self._opened()
            if dataset is None or opened is None or opened.version != dataset.version:
                plan = self._plan(opened)  # another run may have begun and ended since the plan
            committer = self._committer(writer, plan, cluster.workers)
            with begun(), self.budget.lent(cluster.workers) as lend:
                graph = Graph(config, cluster, self.infos, lend)
                self._build(graph, plan.shards, committer)
                self._finish(graph, committer)
        if self.report.pairs:
            others = {*published.tables} - {*tables}
            slugs = [name.removeprefix("embeddings/") for name in others if "/" in name]
            self.report.models_not_run = sorted(slugs)

    def _committer(self, writer: DatasetWriter, plan: Plan, workers: int) -> Committer:
        progress = Progress(plan.requested - plan.skipped, "articles", quiet=self.quiet)
        if plan.chunks_skipped:
            progress.note(f"{plan.chunks_skipped:,} of {plan.chunks:,} shards done before")
        note: dict[str, Any] = {"command": self.command, "build_digest": self.digest}
        note |= self._origin(writer.storage)
        if self.scope is not None:
            scope = replace(self.scope, source=self.source_uri)
            note["selection"] = write_scope(writer.storage, scope)
        seconds = self.config.runtime.commit_seconds
        return Committer(writer, self.report, progress, seconds, note, workers, staged=self.staged)

    def _origin(self, storage: Storage, *, whole: bool = False) -> dict[str, Any]:
        """What a version says of where its rows come from, with its terms beside the tables.

        whole: every row is as the source listed it this time.
        """
        note = origin_note({} if whole else self.before, self.source_uri, self.listed)
        note["sources"] = sorted({*note["sources"], *self.before.get("sources", ())})
        today = datetime.datetime.now(datetime.UTC)
        return note | {"terms": write_terms(storage, note, day_of(today) or "")}

    def _build(self, graph: Graph, shards: Sequence[ShardSpec], committer: Committer) -> None:
        """Three passes: all shards; those that failed article by article; once more.

        What kills its worker twice alone is a reject (design §5.5).
        """
        affordable = self.budget.affordable(shards)
        left = self._pass(graph, affordable, committer, alone=False)
        if left:
            committer.progress.note(RETRYING.format(len(left)))
        single = [one for spec in left for one in spec.alone(self.digest)]
        killers = self._pass(
            graph, self._pass(graph, single, committer, alone=True), committer, alone=True
        )
        for spec in killers:
            committer.accept(self._reject_killer(spec))
        self.report.pass_over(sum(map(len, shards[len(affordable) :])), None)
        committer.commit()
        if shards:
            committer.show(last=True)

    def _pass(
        self, graph: Graph, shards: Sequence[ShardSpec], committer: Committer, *, alone: bool
    ) -> list[ShardSpec]:
        """Run shards; those that are to be tried again article by article: no summary came, or
        one that says that a shard of several articles failed."""
        if not shards:
            return []
        sent = {spec.shard: spec for spec in shards}
        slugs = [info.slug for info in self.infos]

        def is_final(summary: Summary) -> bool:
            spec = sent[summary.shard]
            settle(summary, slugs, spec)
            return summary.fault is None or summary.fatal or len(spec) == 1

        accepted = committer.take(graph.build(shards, alone=alone), is_final)
        return [spec for spec in shards if spec.shard not in accepted]

    def _reject_killer(self, spec: ShardSpec) -> Summary:
        """The reject row of an article that ended its worker, written by the driver."""
        summary = Summary(spec.shard, articles_rejected=1)
        (holding,) = spec.holdings()
        origin = Origin(
            holding.article_id, holding.input_digest, self.digest, spec.shard, self.source_uri
        )
        fault = Rejected("kills_worker", "its worker process died twice while building it alone")
        rows = {
            "rejects": [reject_row(origin, "source", fault)],
            "superseded": superseded_rows(holding.article_id, holding.replaces),
        }
        summary.reject(rows["rejects"])
        storage = open_storage(self.config.dataset, self.config.store)
        for table, values in rows.items():
            if values:
                summary.write(storage, table, table_of(table, values))
        return summary

    def _finish(self, graph: Graph, committer: Committer) -> None:
        """Embeddings of requested articles that an earlier run built without this model."""
        for info in self.infos:
            dataset = Dataset.open(self.config.dataset, self.config.store)
            embed_missing(graph, dataset, info, committer, self.requested)
