"""Buckets in PMC's layout, on an S3 server within the process."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import FetchConfig
from biomedica.ids import ArticleId
from biomedica.sources import LISTING, PmcCloudSource, Source, bucket
from biomedica.sources.sample import write_sample
from tests.sources.layout import write_article

SECRET = "not-a-real-secret"
ACCESS = "AKIANOTAREALKEY"


@dataclass(frozen=True)
class Cloud:
    """One bucket of the server, world readable as PMC's is."""

    endpoint: str
    name: str
    client: Any
    folder: Path

    @property
    def uri(self) -> str:
        return f"s3://{self.name}"

    def source(self, prefix: str = "", **fetch: Any) -> PmcCloudSource:
        """The bucket as a source, by default with no tries after the first."""
        settings = {"endpoint_url": self.endpoint, "retries": 0, "timeout_seconds": 10} | fetch
        return PmcCloudSource(f"{self.uri}/{prefix}".rstrip("/"), FetchConfig(**settings))

    def put(self, key: str, data: bytes) -> None:
        self.client.put_object(Bucket=self.name, Key=key, Body=data)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=self.name, Key=key)

    def write_article(self, article_id: ArticleId, *args: Any, **changes: Any) -> bytes:
        """The article in `folder`, then all of `folder` in the bucket."""
        data = write_article(self.folder, article_id, *args, **changes)
        self.upload(self.folder)
        return data

    def upload(self, folder: Path, prefix: str = "") -> None:
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        with ThreadPoolExecutor(8) as pool:
            list(
                pool.map(
                    lambda path: self.put(
                        prefix + path.relative_to(folder).as_posix(), path.read_bytes()
                    ),
                    files,
                )
            )


@pytest.fixture(scope="session")
def with_defects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample of one article and every defect; not to be changed."""
    directory = tmp_path_factory.mktemp("defects")
    write_sample(directory, articles=1, defects=True)
    return directory


@pytest.fixture(scope="session")
def moto_endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "REFUSED_PAUSE", 0.0)


@pytest.fixture(autouse=True)
def no_aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the person's own settings, and endpoints that would lead elsewhere."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


_NUMBERS = itertools.count(1)

_POLICY = """{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*",
"Action": ["s3:GetObject", "s3:HeadObject", "s3:ListBucket"], "Resource": ["arn:aws:s3:::{0}", "arn:aws:s3:::{0}/*"]}}]}}"""


@pytest.fixture
def new_cloud(moto_endpoint: str, tmp_path: Path) -> Callable[..., Cloud]:
    """Makes an empty bucket; public=False: readable with keys alone."""

    def make(*, public: bool = True) -> Cloud:
        import boto3

        client = boto3.client(
            "s3",
            endpoint_url=moto_endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET,
        )
        name = f"articles-{next(_NUMBERS)}"
        client.create_bucket(Bucket=name)
        if public:
            client.put_bucket_policy(Bucket=name, Policy=_POLICY.format(name))
        return Cloud(moto_endpoint, name, client, tmp_path / name)

    return make


@pytest.fixture
def cloud(new_cloud: Callable[..., Cloud]) -> Cloud:
    return new_cloud()


def listed(source: Source, ids: list[ArticleId] | None = None) -> list[ArticleId]:
    """The ids of a listing, its schema checked."""
    table = source.list_articles(ids)
    assert table.schema == LISTING
    columns = table.to_pydict()
    return [ArticleId(*pair) for pair in zip(columns["pmcid"], columns["version"], strict=True)]
