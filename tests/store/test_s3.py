"""The same doors over S3, against a server on the loopback."""

from __future__ import annotations

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from biomedica.config import StoreConfig
from biomedica.errors import Deferred, StaleWriterError, StoreError
from biomedica.ids import split_key
from biomedica.store import (
    Dataset,
    DatasetWriter,
    current_shards,
    done_articles,
    open_storage,
    verify,
)

from .synthetic import BUILD, EMBEDDINGS_TABLE, MODEL, shard_files

S1, S2 = "1" * 16, "2" * 16
SECRET = "not-a-real-secret"


@pytest.fixture(scope="module")
def config() -> Iterator[StoreConfig]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIAFAKE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("NO_PROXY", "127.0.0.1")
        import boto3

        client = boto3.client("s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1")
        client.create_bucket(Bucket="bucket")
        yield StoreConfig(endpoint_url=f"http://{host}:{port}", region="us-east-1")
    server.stop()


def test_a_named_endpoint_outdoes_the_environment(
    config: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    storage = open_storage("s3://bucket/endpoints", config)
    with DatasetWriter.begin(storage.root, config) as writer:
        writer.commit(shard_files(storage, S1, [1]))
    assert Dataset.open(storage.root, config).count("articles") == 1
    assert sum(batch.num_rows for batch in Dataset.open(storage.root, config).batches("pairs")) == 2


def test_storage(config: StoreConfig) -> None:
    storage = open_storage("s3://bucket/storage", config)
    assert list(storage.list()) == []
    assert storage.size("t/a") is None
    with pytest.raises(FileNotFoundError):
        storage.get("t/a")
    assert storage.put_new("t/a", b"abc") is True
    assert storage.put_new("t/a", b"xyz") is False
    assert storage.get("t/a") == b"abc"
    assert storage.get_range("t/a", 1, 1) == b"b"
    with pytest.raises(StoreError, match="3 bytes instead of 1"):
        storage.put_new("t/a", b"x")
    storage.put_new("t/b", b"b" * 7_000_000)
    assert list(storage.list("t")) == [("t/a", 3), ("t/b", 7_000_000)]
    assert list(storage.list("t", after="t/a")) == [("t/b", 7_000_000)]
    assert list(storage.list_temporary()) == []
    storage.delete("t/a")
    storage.delete("t/a")
    assert storage.size("t/a") is None
    assert storage.uri("t/b") == "s3://bucket/storage/t/b"


def test_a_dataset(config: StoreConfig) -> None:
    root = "s3://bucket/deep/root"
    storage = open_storage(root, config)
    assert Dataset.open_if_exists(root, config) is None
    old = DatasetWriter.begin(root, config, {EMBEDDINGS_TABLE: MODEL})
    old.commit(shard_files(storage, S1, [1, 2], embed=True), {"run": 1})
    with DatasetWriter.begin(root, config) as writer:
        with pytest.raises(StaleWriterError):
            old.commit([])
        writer.commit(shard_files(storage, S2, [2], state="B", replaces=S1, embed=True))
    dataset = Dataset.open(root, config)
    assert {table: dataset.count(table) for table in dataset.tables} == {
        "articles": 2,
        "pairs": 4,
        "rejects": 2,
        "superseded": 1,
        EMBEDDINGS_TABLE: 4,
    }
    images = [row for batch in dataset.batches("pairs") for row in batch.column("image").to_pylist()]
    assert all(image["bytes"] for image in images)
    assert dataset.images(["PMC1.1/f2.jpg", "PMC9.1/f1.jpg"]) == {"PMC1.1/f2.jpg": bytes([1, 2]) * 40}
    done = done_articles(dataset, BUILD)
    assert [split_key(int(key))[0] for key in done.keys] == [1, 2]
    assert list(current_shards(dataset, done.keys).values()) == [(S1,), (S2,)]
    assert Dataset.open(root, config, version=3).count("pairs") == 4
    for deep in (True, False):
        assert verify(root, config, deep=deep).findings == []
    storage.put_new(f"pairs/{S1}-{'0' * 16}.parquet", b"orphan")
    assert verify(root, config).problems == {"leftover": 1}
    assert verify(root, config, repair=True).findings == []


def test_credentials_of_a_profile(
    config: StoreConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three clients follow the AWS chain, not the environment's keys alone."""
    keys = tmp_path / "credentials"
    keys.write_text(f"[lab]\naws_access_key_id = AKIAFAKE\naws_secret_access_key = {SECRET}\n")
    (tmp_path / "config").write_text("[profile lab]\nregion = us-east-1\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "lab")
    root = "s3://bucket/profile"
    with DatasetWriter.begin(root, config) as writer:
        writer.commit(shard_files(writer.storage, S1, [1]))
    dataset = Dataset.open(root, config)
    assert sum(batch.num_rows for batch in dataset.batches("pairs")) == 2
    monkeypatch.delenv("AWS_PROFILE")
    with pytest.raises(StoreError, match="no AWS credentials"):
        open_storage(root, config).get("biomedica.json")


def test_a_profile_by_its_name(
    config: StoreConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`store.profile` beats the keys of the environment in all three clients, and is shown nowhere."""
    keys = tmp_path / "credentials"
    keys.write_text(
        f"[lab]\naws_access_key_id = AKIALAB\naws_secret_access_key = {SECRET}-of-the-lab\n"
    )
    (tmp_path / "config").write_text("[profile lab]\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    lab = StoreConfig(endpoint_url=config.endpoint_url, profile="lab")
    root = "s3://bucket/by-name"
    with DatasetWriter.begin(root, lab, {EMBEDDINGS_TABLE: MODEL}) as writer:
        writer.commit(shard_files(writer.storage, S1, [1, 2], embed=True))
        writer.commit(shard_files(writer.storage, S2, [3], embed=True))
    dataset = Dataset.open(root, lab)
    assert sum(batch.num_rows for batch in dataset.batches("pairs")) == 6
    assert verify(root, lab).findings == []
    storage = dataset.storage
    for options in (storage._aws.delta_options(), storage._aws.arrow_options()):
        assert {"AKIALAB", f"{SECRET}-of-the-lab"} <= set(options.values())
        assert "eu-west-3" in options.values()
    assert storage._aws.obstore_options()["credential_provider"]()["access_key_id"] == "AKIALAB"
    for text in (repr(dataset), repr(storage), str(pickle.dumps(dataset))):
        assert "AKIALAB" not in text
        assert SECRET not in text


def test_another_bucket(config: StoreConfig) -> None:
    for door in (Dataset.open, DatasetWriter.begin):
        with pytest.raises(StoreError, match="there is no bucket"):
            door("s3://nobucket/root", config)
    with pytest.raises(StoreError, match="there is no bucket"):
        open_storage("s3://nobucket/root", config).put_new("a", b"1")


def test_no_server() -> None:
    storage = open_storage(
        "s3://bucket/x", StoreConfig(endpoint_url="http://127.0.0.1:9", anonymous=True)
    )
    with pytest.raises(Deferred) as caught:
        storage.get("a")
    assert "\n" not in str(caught.value)


def test_nothing_that_is_kept_or_shown_holds_credentials(config: StoreConfig) -> None:
    storage = open_storage("s3://bucket/deep/root", config)
    for path, _ in storage.list():
        data = storage.get(path)
        assert SECRET.encode() not in data
        assert b"AKIAFAKE" not in data
    assert SECRET not in repr(storage) + repr(storage.delta_options()) + repr(vars(storage))
