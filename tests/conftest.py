"""Fixtures shared by all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real articles; skips where it is absent."""
    path = Path(os.environ.get("BIOMEDICA_CORPUS", ROOT / ".." / "shared" / "corpus")).resolve()
    if not (path / "cloud" / "metadata").is_dir():
        pytest.skip(f"no real articles at {path}; set BIOMEDICA_CORPUS to their folder")
    return path
