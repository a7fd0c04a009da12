"""Every defect has the same outcome from a bucket as from a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import BuildConfig, FetchConfig, load_config
from biomedica.pipeline.articles import ArticleBuilder
from biomedica.pipeline.specs import Holding
from biomedica.sources import Source, open_source
from biomedica.sources.sample.defects import DEFECTS, planted

BUCKET = "defects"


@pytest.fixture(scope="module")
def bucket(with_defects: Path) -> Iterator[FetchConfig]:
    """The sample in a bucket on loopback that anybody may read."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="sample",
        aws_secret_access_key="sample",
    )  # fmt: skip
    client.create_bucket(Bucket=BUCKET)
    resources = [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"]
    everybody = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": resources}
    policy = {"Version": "2012-10-17", "Statement": [everybody]}
    client.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(policy))
    for path in [*with_defects.glob("PMC*/*"), *with_defects.glob("metadata/*")]:
        client.put_object(
            Bucket=BUCKET, Key=str(path.relative_to(with_defects)), Body=path.read_bytes()
        )
    client.close()
    yield FetchConfig(endpoint_url=endpoint)
    server.stop()


def outcomes(source: Source, root: Path) -> dict[str, Any]:
    """By the defect's name: whether it is deferred, and its rows without where they come from."""
    config = load_config(BuildConfig, None, {"source": str(root), "dataset": str(root / "none")})
    ids = [prefix.article_id for _, prefix in planted(0)]
    found: dict[str, Any] = {}
    with ThreadPoolExecutor(8) as pool:
        builder = ArticleBuilder(config, source, pool, "0" * 16, ())
        holdings = [Holding(article_id=one, input_digest="", replaces=()) for one in ids]
        for defect, outcome in zip(DEFECTS, builder.build("shard", holdings), strict=True):
            rows = outcome.rows
            if outcome.deferred is not None or rows is None:
                found[defect.name] = "deferred"
                continue
            every = [*([rows.article] if rows.article else []), *rows.pairs, *rows.rejects]
            found[defect.name] = [
                {name: value for name, value in row.items() if name not in ("source_uri", "detail")}
                for row in every
            ]
    return found


def test_from_a_bucket_as_from_a_folder(with_defects: Path, bucket: FetchConfig) -> None:
    folder = outcomes(open_source(str(with_defects)), with_defects)
    remote = outcomes(open_source(f"s3://{BUCKET}", bucket), with_defects)
    assert {name for name, one in folder.items() if one == "deferred"} == {
        defect.name for defect in DEFECTS if defect.outcome.kind == "deferred"
    }
    for name, expected in folder.items():
        assert remote[name] == expected, name
