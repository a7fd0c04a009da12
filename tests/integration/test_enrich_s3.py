"""`enrich` of a dataset in a bucket, from PubMed files in a bucket: the rows of a folder, and no keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import StoreConfig
from biomedica.pipeline import EnrichReport, run_enrich
from biomedica.pubmed import EnrichConfig
from biomedica.store import verify
from tests.conftest import ROOT
from tests.integration.conftest import upload
from tests.pipeline.enriched import add_articles, table
from tests.pubmed import Reply, document, eutils, record, write_pubmed_file
from tests.seaweed import Endpoint

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

BUCKET = "enriched"
DATASET = f"s3://{BUCKET}/deep/dataset"
PMIDS = [*range(1, 10), 404, None]
KEY = "0123456789abcdef-not-a-key"


@pytest.fixture(scope="module")
def server(s3_server: Endpoint) -> Iterator[Endpoint]:
    s3_server.client().create_bucket(Bucket=BUCKET)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in s3_server.environment().items():
            patch.setenv(name, value)
        yield s3_server


@pytest.fixture(scope="module")
def store(server: Endpoint) -> StoreConfig:
    """How the dataset is reached, with some articles in it."""
    config = StoreConfig(endpoint_url=server.url)
    add_articles(DATASET, PMIDS, config=config)
    return config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = tmp_path / "pubmed files"
    write_pubmed_file(files, "pubmed26n0001", document(record(n) for n in range(1, 21)))
    late = [record(3, revised="2025-05-05"), record(4, version=2)]
    write_pubmed_file(files, "pubmed26n0002", document(late, deleted=[5]))
    write_pubmed_file(files, "pubmed26n0003", document([record(6)])[:-30])
    return files


def run(dataset: str, place: str, server: Endpoint, store: StoreConfig | None = None) -> EnrichReport:
    settings: dict[str, Any] = {
        "pubmed": {"files": [place]},
        "fetch": {"endpoint_url": server.url, "retries": 1},
        "runtime": {"commit_seconds": 0},
    }
    config = EnrichConfig(dataset=dataset, store=store or StoreConfig(), **settings)
    return run_enrich(config, quiet=True)


def test_from_bucket_to_bucket_as_from_folder_to_folder(
    server: Endpoint, store: StoreConfig, folder: Path, tmp_path: Path
) -> None:
    upload(server, BUCKET, folder, "pubmed/files")
    place = f"s3://{BUCKET}/pubmed/files"
    report = run(DATASET, place, server, store)
    assert (report.found, report.deleted, report.not_in_files_pmids) == (8, 1, [404])
    assert (report.files, report.files_read, report.files_failed) == (3, 2, 1)
    again = run(DATASET, place, server, store)
    assert (again.files_skipped, again.files_failed, again.version) == (2, 1, report.version)

    local = tmp_path / "dataset"
    add_articles(local, PMIDS)
    from_uri = run(str(local), folder.as_uri(), server)  # file://, a blank in it
    assert (from_uri.found, from_uri.deleted, from_uri.files_failed) == (8, 1, 1)
    for name in ("enrichment", "pubmed_files"):
        assert table(DATASET, name, config=store) == table(local, name)
    assert verify(DATASET, store).ok

    write_pubmed_file(folder, "pubmed26n0003", document([record(404)]))
    upload(server, BUCKET, folder, "pubmed/files")
    mended = run(DATASET, place, server, store)
    assert (mended.files_read, mended.found, mended.complete) == (1, 1, True)
    assert verify(DATASET, store).ok


def test_the_command_leaves_no_trace_of_a_key(server: Endpoint, store: StoreConfig) -> None:
    """Neither that of NCBI, which its errors repeat, nor those of the bucket: not in what is said, nor
    in any object."""
    root = f"s3://{BUCKET}/keys"
    add_articles(root, range(1, 9), config=store)
    said = []

    def enrich(url: str, code: int, *more: str) -> dict[str, Any]:
        words = ["enrich", root, "--endpoint-url", server.url, "--email", "a@example.org", "--json"]
        words += ["--debug", f"--set=pubmed.url={url}", "--set=pubmed.requests_per_second=1000"]
        done = subprocess.run(
            [sys.executable, "-m", "biomedica", *words, "--set=pubmed.batch=4", *more],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
            env=dict(os.environ) | server.environment() | {"NCBI_API_KEY": KEY},
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        said.extend([done.stdout, done.stderr])
        values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return values

    with eutils() as ncbi:
        told = f'{{"error":"API rate limit exceeded","api-key":"{KEY}"}}'.encode()
        ncbi.answer = lambda pmids, _: Reply(told, 429) if 8 in pmids else None
        ncbi.records = {pmid: record(pmid) for pmid in range(1, 9)}
        waiting = enrich(ncbi.url, 1, "--set=pubmed.retries=0")
        assert (waiting["found"], waiting["deferred"]) == (4, 4)
        ncbi.answer = lambda *_: Reply(told.replace(b"rate limit exceeded", b"key invalid"), 400)
        assert "NCBI_API_KEY" in enrich(ncbi.url, 2)["error"]
        ncbi.answer = None
        assert enrich(ncbi.url, 0)["found"] == 4
        assert {form["api_key"] for form in ncbi.forms} == {KEY}
    assert sorted(table(root, config=store)) == list(range(1, 9))
    client = server.client()
    for key in server.keys(BUCKET, "keys/"):
        body = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        said += [key, body.decode("latin-1")]
    for secret in (KEY, server.access_key, server.secret_key):
        assert [text[:200] for text in said if secret in text] == []
