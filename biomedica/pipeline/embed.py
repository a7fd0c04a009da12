"""`embed`: embeddings of another model for a dataset that exists. Parses nothing again."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from biomedica.config import JobConfig
from biomedica.embedding import ModelInfo, model_info
from biomedica.errors import ConfigError
from biomedica.pipeline.embedder import embedding_digest, table_metadata
from biomedica.pipeline.graph import Graph
from biomedica.pipeline.progress import Progress
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.run import Committer
from biomedica.pipeline.session import ray_session
from biomedica.pipeline.specs import EmbedSpec, Summary
from biomedica.schema import embeddings_table
from biomedica.store import Dataset, DatasetWriter

__all__ = ["embed_missing", "missing_embeddings", "run_embed"]


def run_embed(config: JobConfig, *, quiet: bool = False, debug: bool = False) -> RunReport:
    """Embed every pair of the dataset that lacks an embedding of a configured model.

    Articles are not touched. Raises like `run_build`.
    """
    start = time.monotonic()
    if not config.embed.models:
        raise ConfigError("no model is given: use --model NAME|PATH")
    report = RunReport(dataset=config.dataset)
    dataset = Dataset.open(config.dataset, config.store)
    infos = tuple(model_info(model) for model in config.embed.models)
    report.untrained_models = [info.slug for info in infos if info.untrained]
    report.version = dataset.version
    if any(missing_embeddings(dataset, info) for info in infos):
        tables = {embeddings_table(info.slug): table_metadata(info) for info in infos}
        note = {"command": "embed", "models": [info.slug for info in infos]}
        with (
            ray_session(config.runtime, debug=debug) as cluster,
            DatasetWriter.begin(config.dataset, config.store, tables) as writer,
        ):
            progress = Progress(0, "pairs", quiet=quiet)
            committer = Committer(writer, report, progress, config.runtime.commit_seconds, note)
            for info in infos:
                opened = Dataset.open(config.dataset, config.store)
                embed_missing(Graph(config, cluster), opened, info, committer)
    report.seconds = time.monotonic() - start
    return report


def embed_missing(
    graph: Graph,
    dataset: Dataset,
    info: ModelInfo,
    committer: Committer,
    requested: pa.Table | None = None,
) -> None:
    """Embed what `missing_embeddings` finds, with this one model."""
    specs = missing_embeddings(dataset, info, requested)
    if not specs:
        return
    committer.progress.note(f"{info.slug}: {len(specs):,} shards to embed")
    committer.count_embedded(_pair_count(dataset, specs))
    sent = {spec.shard for spec in specs}
    heard = committer.take(graph.with_model(info).embed(specs))
    for shard in sorted(sent - heard):  # its worker died more often than Ray tries: the next run's
        committer.accept(Summary(shard, fault="lost with its worker"))
    committer.commit()
    committer.show(last=True)


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
    for article, shard in zip(built["article_id"].to_pylist(), built["shard"].to_pylist(), strict=True):
        articles[shard].append(article)
    return [
        EmbedSpec(shard, tuple(sorted(files[shard])), tuple(sorted(articles[shard])))
        for shard in sorted(articles)
    ]


def _pair_count(dataset: Dataset, specs: Sequence[EmbedSpec]) -> int:
    """Pairs of the articles that are to be embedded."""
    wanted = pa.array([article for spec in specs for article in spec.articles], pa.string())
    total = 0
    for batch in dataset.batches("articles", columns=["article_id", "pair_count"]):
        mine = batch.filter(pc.is_in(batch["article_id"], value_set=wanted))
        total += pc.sum(mine["pair_count"]).as_py() or 0
    return total


def _built(dataset: Dataset, requested: pa.Table | None) -> pa.Table:
    """article_id and shard of the live articles that have pairs."""
    columns = ["article_id", "pmcid", "version", "shard", "pair_count"]
    schema = pa.schema([("article_id", pa.string()), ("shard", pa.string())])
    wanted = None
    if requested is not None:
        wanted = pa.array(_article_names(requested), pa.string())
    parts = []
    for batch in dataset.batches("articles", columns=columns):
        table = pa.Table.from_batches([batch])
        table = table.filter(pc.greater(table["pair_count"], 0))
        if wanted is not None:
            table = table.filter(pc.is_in(table["article_id"], value_set=wanted))
        parts.append(table.select(schema.names).cast(schema))
    return pa.concat_tables(parts) if parts else schema.empty_table()


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
