"""S3 stores that cannot be used: each is one sentence, and nothing is written."""

from __future__ import annotations

import contextlib
import os
import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from biomedica.config import StoreConfig
from biomedica.errors import Deferred, StoreError
from biomedica.store import Dataset, DatasetWriter, open_storage, verify
from tests.faulty import FaultyProxy
from tests.seaweed import free_ports

from .synthetic import shard_files

App = Callable[[dict[str, Any], Any], Any]
SECRET = "not-a-real-secret"


@contextlib.contextmanager
def serving(app: App) -> Iterator[str]:
    """A WSGI application on the loopback; its URL."""
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_: object) -> None:
            return

    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Forgetful:
    """moto's S3, which honours `If-None-Match`, behind a gateway that may drop the header."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        self.app = DomainDispatcherApplication(create_backend_app)
        self.forgets = True
        self.written: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "PUT":
            self.written.append(environ["PATH_INFO"])
            if self.forgets:
                environ.pop("HTTP_IF_NONE_MATCH", None)
        return self.app(environ, start_response)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAFAKE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def forgetful() -> Iterator[tuple[Forgetful, StoreConfig]]:
    gateway = Forgetful()
    with serving(gateway) as url:
        import boto3

        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1")
        client.create_bucket(Bucket="forgetful")
        gateway.written.clear()
        yield gateway, StoreConfig(endpoint_url=url, region="us-east-1")
        for item in client.list_objects_v2(Bucket="forgetful").get("Contents", []):
            client.delete_object(Bucket="forgetful", Key=item["Key"])
        client.delete_bucket(Bucket="forgetful")


def test_a_store_without_conditional_put_gets_no_dataset(
    forgetful: tuple[Forgetful, StoreConfig],
) -> None:
    gateway, config = forgetful
    with pytest.raises(StoreError, match=r"ignores conditional puts.*take a store that keeps them"):
        DatasetWriter.begin("s3://forgetful/root", config)
    assert set(gateway.written) == {"/forgetful/root/biomedica.json"}  # and it is gone again
    assert list(open_storage("s3://forgetful/root", config).list()) == []


def test_a_dataset_that_came_to_a_store_without_conditional_put_is_read_only(
    forgetful: tuple[Forgetful, StoreConfig],
) -> None:
    gateway, config = forgetful
    gateway.forgets = False
    with DatasetWriter.begin("s3://forgetful/root", config) as writer:
        writer.commit(shard_files(writer.storage, "1" * 16, [1]))
    storage = open_storage("s3://forgetful/root", config)
    before = {path: storage.get(path) for path, _ in storage.list()}
    gateway.forgets = True
    with pytest.raises(StoreError, match="ignores conditional puts"):
        DatasetWriter.begin("s3://forgetful/root", config)
    assert {path: storage.get(path) for path, _ in storage.list()} == before
    assert Dataset.open("s3://forgetful/root", config).count("pairs") == 2


ANSWERS = {
    "another region by redirect": (
        "301 Moved Permanently",
        "PermanentRedirect",
        "Please send all future requests to eu-west-1.",
    ),
    "another region in the signature": (
        "400 Bad Request",
        "AuthorizationHeaderMalformed",
        "the region 'us-east-1' is wrong; expecting 'eu-west-1'",
    ),
    "expired keys": ("400 Bad Request", "ExpiredToken", "The provided token has expired."),
    "wrong keys": (
        "403 Forbidden",
        "SignatureDoesNotMatch",
        f"Check your key AKIAFAKE and {SECRET}.",
    ),
}
SAYS = {
    "another region by redirect": "another region.*store.region",
    "another region in the signature": "another region.*store.region",
    "expired keys": "not allowed.*credentials",
    "wrong keys": "not allowed.*credentials",
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_a_person_must_mend(name: str) -> None:
    status, code, message = ANSWERS[name]

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        start_response(
            status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
        )
        return [body]

    with serving(app) as url:
        config = StoreConfig(endpoint_url=url)
        for door in (Dataset.open, DatasetWriter.begin):
            with pytest.raises(StoreError, match=SAYS[name]) as caught:
                door("s3://bucket/root", config)
            text = str(caught.value)
            assert "\n" not in text
            assert SECRET not in text
            assert "AKIAFAKE" not in text


def test_nobody_listens() -> None:
    (port,) = free_ports(1)
    config = StoreConfig(endpoint_url=f"http://127.0.0.1:{port}")
    for door in (Dataset.open, DatasetWriter.begin):
        with pytest.raises(Deferred, match=f"does not answer at http://127.0.0.1:{port}.*start it"):
            door("s3://bucket/root", config)


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


def told(config: StoreConfig) -> str:
    """What both doors are told of a store that cannot be reached, at once and in one sentence."""
    said = set()
    for door in (Dataset.open, DatasetWriter.begin):
        with pytest.raises(Deferred) as caught:
            door("s3://bucket/root", config)
        said.add(str(caught.value))
    (text,) = said
    assert "\n" not in text
    return text


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("region", ["nowhere-7", "no where", "a..b", "x" * 80])
def test_without_an_endpoint_a_region_that_does_not_exist(region: str) -> None:
    text = told(StoreConfig(region=region))
    assert "AWS S3 does not answer for s3://bucket/root at s3." in text
    assert "(its name is not resolved): check the network and store.region" in text


@pytest.mark.usefixtures("no_proxy")
def test_an_endpoint_whose_name_is_not_resolved() -> None:
    text = told(StoreConfig(endpoint_url="http://store.invalid:9000"))
    assert "does not answer at http://store.invalid:9000 (its name is not resolved): start it" in text


@pytest.mark.usefixtures("no_proxy")
@pytest.mark.parametrize("form", ["http://user:hunter2@127.0.0.1:{}", "127.0.0.1:{}"])
def test_without_an_endpoint_a_proxy_that_refuses(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = free_ports(1)
    monkeypatch.setenv("HTTPS_PROXY", form.format(port))
    text = told(StoreConfig())
    assert f"the proxy 127.0.0.1:{port} of the environment" in text
    assert "(connection refused): correct HTTPS_PROXY" in text
    assert "hunter2" not in text


@pytest.mark.usefixtures("no_proxy")
def test_without_an_endpoint_a_network_that_swallows(monkeypatch: pytest.MonkeyPatch) -> None:
    def swallow(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", swallow)
    assert "at s3.eu-west-1.amazonaws.com (timed out)" in told(StoreConfig(region="eu-west-1"))


def test_a_profile_that_does_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    config = StoreConfig(endpoint_url="http://127.0.0.1:9", profile="lab")
    with pytest.raises(StoreError, match="lab"):
        Dataset.open("s3://bucket/root", config)


class LossyProxy(FaultyProxy):
    """Lets writes through and cuts the connection in place of some of the answers."""

    def forward(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, str, list[tuple[str, str]], bytes]:
        answer = super().forward(method, path, headers, body)
        lost = random.Random(f"{path} {self._seen[path]}").random() < 0.4
        if method in ("PUT", "DELETE") and answer[0] < 300 and lost:
            self.injected["lost"] += 1
            raise ConnectionAbortedError
        return answer


def test_writes_whose_answer_is_lost(forgetful: tuple[Forgetful, StoreConfig]) -> None:
    """They happen twice, and the dataset is as if they had happened once."""
    gateway, config = forgetful
    gateway.forgets = False
    assert config.endpoint_url
    root = "s3://forgetful/lossy"
    nothing = dict.fromkeys(("unavailable", "resets", "truncated", "corrupted"), 0.0)
    with LossyProxy(config.endpoint_url, seed=0, **nothing) as proxy:
        through = StoreConfig(endpoint_url=proxy.endpoint, region="us-east-1")
        with DatasetWriter.begin(root, through) as writer:
            for number in range(3):
                files = shard_files(writer.storage, str(number) * 16, [number + 1])
                version = writer.commit(files)
        with DatasetWriter.begin(root, through) as writer:
            files = shard_files(writer.storage, "4" * 16, [4])
            version = writer.commit(files)
        assert proxy.injected["lost"] > 5
    dataset = Dataset.open(root, config)
    assert dataset.version == version
    assert (dataset.count("articles"), dataset.count("pairs")) == (4, 8)
    assert verify(root, config, repair=True).ok
