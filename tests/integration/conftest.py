"""A real Ray for the session, the sample corpus, and helpers to build and to compare datasets."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, load_config
from biomedica.pipeline import RunReport, run_build
from biomedica.store import Dataset
from tests.seaweed import Endpoint

ARTICLES = 30


@pytest.fixture(scope="session")
def ray_cluster() -> Iterator[None]:
    """Two logical CPUs and one logical GPU, so that both topologies run anywhere."""
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ.pop("RAY_ADDRESS", None)
    import ray

    ray.init(
        num_cpus=2,
        num_gpus=1,
        include_dashboard=False,
        object_store_memory=500_000_000,
        logging_level="ERROR",
        log_to_driver=False,
    )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built-in sample corpus with its truth.json."""
    from biomedica.sources.sample import write_sample

    root = tmp_path_factory.mktemp("sample") / "sample"
    write_sample(root, articles=ARTICLES)
    return root


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small untrained model."""
    from biomedica.embedding import write_untrained_checkpoint

    return str(write_untrained_checkpoint(tmp_path_factory.mktemp("models")))


def build(
    source: Path, out: Path, ids: Sequence[str] | None = None, *, quiet: bool = True, **options: Any
) -> RunReport:
    """`run_build` with settings by their names, dots written as two underscores.

    One worker where a model is loaded: the start of torch costs more than to embed the sample.
    """
    overrides = {name.replace("__", "."): value for name, value in options.items()}
    values = {
        "source": str(source),
        "dataset": str(out),
        "ids": list(ids) if ids is not None else None,
        "runtime.gpus": 0,
        "runtime.articles_per_shard": 7,
        "runtime.workers": 1 if overrides.get("embed.models") else None,
        **overrides,
    }
    return run_build(load_config(BuildConfig, None, values), quiet=quiet)


@pytest.fixture(scope="session")
def built(
    sample: Path, checkpoint: str, ray_cluster: None, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The sample built in one go into a folder, with embeddings. Tests leave it as it is."""
    out = tmp_path_factory.mktemp("built") / "dataset"
    assert build(sample, out, embed__models=[checkpoint]).complete
    return out


@pytest.fixture(scope="session")
def built_corpus(
    corpus: Path, ray_cluster: None, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RunReport]:
    """The real articles built into a folder."""
    out = tmp_path_factory.mktemp("corpus") / "out"
    return out, build(corpus / "cloud", out)


KEYS = {
    "articles": ["article_id"],
    "pairs": ["pair_id"],
    "rejects": ["article_id", "stage", "graphic_index", "item", "build_digest"],
}
ROUTE = ("shard",)
"""columns that may differ between two routes to the same dataset"""


def opened(root: Path | Dataset) -> Dataset:
    """A dataset by its folder; one that lies elsewhere is given open."""
    return root if isinstance(root, Dataset) else Dataset.open(str(root))


def rows(root: Path | Dataset, table: str, *, drop: Sequence[str] = ROUTE) -> list[dict[str, Any]]:
    """The live rows of a table sorted by key, without what depends on the route."""
    found: list[dict[str, Any]] = []
    for batch in opened(root).batches(table):
        found += batch.to_pylist()
    key = KEYS.get(table, ["pair_id"])
    found.sort(key=lambda row: [(row[name] is None, row[name] or 0) for name in key])
    return [{name: value for name, value in row.items() if name not in drop} for row in found]


def assert_same(one: Path | Dataset, other: Path | Dataset, *, same_source: bool = True) -> None:
    """The same rows in every core table, none twice."""
    drop = ROUTE if same_source else (*ROUTE, "source_uri")
    for table, key in KEYS.items():
        first, second = rows(one, table, drop=drop), rows(other, table, drop=drop)
        keys = [tuple(row[name] for name in key) for row in first]
        assert len(keys) == len(set(keys))
        assert keys == [tuple(row[name] for name in key) for row in second]
        assert first == second


def upload(server: Endpoint, bucket: str, folder: Path, prefix: str) -> None:
    """The files of a folder as objects below a prefix."""
    client = server.client()
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(
            lambda path: client.put_object(
                Bucket=bucket,
                Key=f"{prefix}/{path.relative_to(folder).as_posix()}",
                Body=path.read_bytes(),
            ),
            paths,
        ):
            continue


def data_files(root: Path | Dataset) -> dict[str, bytes]:
    """The Parquet files of a dataset's newest version."""
    dataset = opened(root)
    return {
        f"{table}/{path}": dataset.storage.get(f"{table}/{path}")
        for table in dataset.tables
        for path, _, _ in dataset.files(table)
    }
