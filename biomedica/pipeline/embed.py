"""`embed`: embeddings of another model for a dataset that exists. Parses nothing again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from biomedica.config import JobConfig
from biomedica.embedding import ModelInfo, model_info
from biomedica.errors import ConfigError
from biomedica.pipeline.embedder import embedding_digest, table_metadata
from biomedica.pipeline.graph import Graph
from biomedica.pipeline.page import reported
from biomedica.pipeline.progress import Progress
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.run import RETRYING, Committer, begun
from biomedica.pipeline.session import ray_session
from biomedica.pipeline.shard import settle
from biomedica.pipeline.specs import EmbedSpec, Summary
from biomedica.schema import embeddings_table, table_schema
from biomedica.store import Dataset, DatasetWriter
from biomedica.store.scope import read_scope, write_scope

__all__ = ["embed_missing", "missing_embeddings", "run_embed"]


def run_embed(config: JobConfig, *, quiet: bool = False, debug: bool = False) -> RunReport:
    """Embed every pair of the dataset that lacks an embedding of a configured model.

    Articles are not touched. Raises like `run_build`.
    """
    report = RunReport(dataset=config.dataset)
    with reported("embed", config, report, quiet=quiet) as models:
        _embed(config, report, models, quiet, debug)
        report.seconds = report.record.seconds
    return report


def _embed(
    config: JobConfig, report: RunReport, models: list[ModelInfo], quiet: bool, debug: bool
) -> None:
    if not config.embed.models:
        raise ConfigError("no model is given: use --model NAME|PATH")
    dataset = Dataset.open(config.dataset, config.store)
    infos = tuple(model_info(model) for model in config.embed.models)
    models += infos
    report.untrained_models = [info.slug for info in infos if info.untrained]
    report.version = dataset.version
    if any(missing_embeddings(dataset, info) for info in infos):
        dataset.storage.check_writable()
        tables = {embeddings_table(info.slug): table_metadata(info) for info in infos}
        note: dict[str, Any] = {"command": "embed", "models": [info.slug for info in infos]}
        with (
            ray_session(config.runtime, debug=debug) as cluster,
            DatasetWriter.begin(config.dataset, config.store, tables) as writer,
        ):
            report.record.begin(cluster.workers, cluster.gpus, config.runtime.address)
            note |= _remembered(dataset, config)
            progress = Progress(0, "pairs", quiet=quiet)
            seconds = config.runtime.commit_seconds
            committer = Committer(writer, report, progress, seconds, note, cluster.workers)
            with begun():
                for info in infos:
                    opened = Dataset.open(config.dataset, config.store)
                    embed_missing(Graph(config, cluster), opened, info, committer)


def _remembered(dataset: Dataset, config: JobConfig) -> dict[str, str]:
    """For the note of a version: a later update finds the models by what they were named."""
    scope = read_scope(dataset)
    if scope is None:
        return {}
    models = tuple(dict.fromkeys([*scope.models, *config.embed.models]))
    return {"selection": write_scope(dataset.storage, replace(scope, models=models))}


def embed_missing(
    graph: Graph,
    dataset: Dataset,
    info: ModelInfo,
    committer: Committer,
    requested: pa.Table | None = None,
) -> None:
    """Embed what `missing_embeddings` finds, with this one model; what failed article by article."""
    specs = missing_embeddings(dataset, info, requested)
    if not specs:
        return
    committer.progress.note(f"{info.slug}: {len(specs):,} shards to embed")
    committer.count_embedded(sum(spec.pairs for spec in specs))
    graph = graph.with_model(info)
    failed = _pass(graph, specs, committer, alone=False)
    left = [spec for spec in specs if spec.shard in failed]
    if left:
        committer.progress.note(RETRYING.format(len(left)))
        single = [replace(spec, articles=(one,)) for spec in left for one in spec.articles]
        for shard, times in sorted(_pass(graph, single, committer, alone=True).items()):
            for _ in range(times):  # the next run's
                committer.accept(Summary(shard, fault="lost with its worker"))
    committer.commit()
    committer.show(last=True)


def _pass(
    graph: Graph, specs: Sequence[EmbedSpec], committer: Committer, *, alone: bool
) -> Counter[str]:
    """Embed; of each shard, how many specs are to be tried again or were lost with their worker."""
    left = Counter(spec.shard for spec in specs)
    slugs = [info.slug for info in graph.infos]

    def is_final(summary: Summary) -> bool:
        settle(summary, slugs)
        final = summary.fault is None or summary.fatal or alone
        left[summary.shard] -= final
        return final

    committer.take(graph.embed(specs, alone=alone), is_final)
    return +left


def missing_embeddings(
    dataset: Dataset, info: ModelInfo, requested: pa.Table | None = None
) -> list[EmbedSpec]:
    """The shards with live pairs that have neither an embedding nor a reject of this model.

    requested: only these article versions (LISTING); None: all.
    """
    built = _built(dataset, requested)
    done = _embedded(dataset, info)
    if done.num_rows:
        built = built.join(done, keys="article_id", join_type="left anti")
    files: defaultdict[str, list[str]] = defaultdict(list)
    for path, _, _ in dataset.files("pairs"):
        files[path.partition("-")[0]].append(f"pairs/{path}")
    articles: defaultdict[str, list[str]] = defaultdict(list)
    pairs: Counter[str] = Counter()
    for article, shard, count in zip(*(column.to_pylist() for column in built.columns), strict=True):
        articles[shard].append(article)
        pairs[shard] += count
    return [
        EmbedSpec(shard, tuple(sorted(files[shard])), tuple(sorted(articles[shard])), pairs[shard])
        for shard in sorted(articles)
    ]


def _built(dataset: Dataset, requested: pa.Table | None) -> pa.Table:
    """article_id, shard and pair_count of the live articles that have pairs."""
    names = ["article_id", "shard", "pair_count"]
    schema = pa.schema([table_schema("articles").field(name) for name in names]).remove_metadata()
    parts = [batch.select(names) for batch in dataset.batches("articles", columns=names)]
    built = pa.Table.from_batches(parts).cast(schema) if parts else schema.empty_table()
    built = built.filter(pc.greater(built["pair_count"], 0))
    if requested is None:
        return built
    # once for all rows: `is_in` makes its set of the request anew at each call
    return built.filter(pc.is_in(built["article_id"], value_set=_article_names(requested)))


def _article_names(listing: pa.Table) -> pa.ChunkedArray:
    """PMC<pmcid>.<version> of each row of a LISTING."""
    pmcid = pc.binary_join_element_wise("PMC", listing["pmcid"].cast(pa.string()), "")
    return pc.binary_join_element_wise(pmcid, listing["version"].cast(pa.string()), ".")


def _embedded(dataset: Dataset, info: ModelInfo) -> pa.Table:
    """article_id of every article that this model has taken: embeddings, or rejects of its own."""
    table, schema = embeddings_table(info.slug), pa.schema([("article_id", pa.string())])
    parts = []
    if table in dataset.tables:
        for batch in dataset.batches(table, columns=["pair_id"]):
            names = pc.list_element(pc.split_pattern(batch["pair_id"], "/", max_splits=1), 0)
            parts.append(pa.table([names.unique()], schema=schema))
    own = (pc.field("stage") == "embed") & (pc.field("build_digest") == embedding_digest(info))
    for batch in dataset.batches("rejects", columns=["article_id"], filter=own):
        parts.append(pa.table([batch["article_id"].unique()], schema=schema))
    return pa.concat_tables(parts) if parts else schema.empty_table()
