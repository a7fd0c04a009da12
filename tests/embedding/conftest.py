"""An untrained model, written once; and a world without a network."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from biomedica.embedding import Encoder, load_encoder, write_untrained_checkpoint


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained_checkpoint(tmp_path_factory.mktemp("models") / "any-name")


@pytest.fixture(scope="session")
def encoder(folder: Path) -> Encoder:
    return load_encoder(str(folder), device="cpu")


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every attempt to reach a host fails; the attempts are listed."""
    attempts: list[Any] = []

    def refuse(*arguments: Any, **_: Any) -> Any:
        attempts.append(arguments)
        raise OSError("the network is blocked")

    for name in ("getaddrinfo", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    return attempts
