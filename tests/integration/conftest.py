"""A real Ray for the session, the sample corpus, and helpers to build and to compare datasets."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, load_config
from biomedica.pipeline import RunReport, run_build
from tests.comparing import assert_same, data_files, rows
from tests.seaweed import Endpoint

__all__ = ["assert_same", "build", "data_files", "on_this_ray", "part_of", "rows", "upload"]

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


def on_this_ray() -> dict[str, str]:
    """The environment of a command that is to run on the session's Ray, where it need not start one."""
    import ray

    return dict(os.environ) | {"RAY_ADDRESS": ray.get_runtime_context().gcs_address}


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


def part_of(sample: Path, root: Path, count: int) -> Path:
    """The first articles of the sample as a source of their own, which a test may change."""
    (root / "metadata").mkdir(parents=True)
    for path in sorted((sample / "metadata").glob("*.json"))[:count]:
        shutil.copy(path, root / "metadata")
        shutil.copytree(sample / path.stem, root / path.stem)
    return root


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
