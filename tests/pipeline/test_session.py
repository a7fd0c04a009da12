"""The environment of a Ray session: tokens, addresses, settings that are put back."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from biomedica.config import RuntimeConfig
from biomedica.errors import ConfigError
from biomedica.pipeline import session
from biomedica.pipeline.session import (
    DATA_SETTINGS,
    _data_settings,
    _knock,
    _quiet_environment,
    ray_session,
)


@pytest.fixture(autouse=True)
def own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    for name in ("RAY_USAGE_STATS_ENABLED", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"):
        monkeypatch.setenv(name, "0")
    monkeypatch.setenv("RAY_BACKEND_LOG_LEVEL", "fatal")


@pytest.fixture
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set and unset, so that what the code sets is taken back."""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    monkeypatch.delenv("RAY_AUTH_TOKEN")


@pytest.mark.usefixtures("no_token")
def test_a_local_ray_gets_a_token_of_its_own() -> None:
    _quiet_environment("local", debug=False)
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64


@pytest.mark.usefixtures("no_token")
@pytest.mark.parametrize("address", ["auto", "127.0.0.1:6379"])
def test_a_cluster_is_entered_with_the_users_token(address: str) -> None:
    _quiet_environment(address, debug=False)
    assert "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.usefixtures("no_token")
def test_a_token_that_the_user_keeps_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("mine")
    _quiet_environment("local", debug=False)
    assert "RAY_AUTH_TOKEN" not in os.environ
    (tmp_path / ".ray" / "auth_token").unlink()
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "token"))
    _quiet_environment("local", debug=False)
    assert "RAY_AUTH_TOKEN" not in os.environ


def test_settings_of_ray_data_are_put_back() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray warns of settings of its own
        from ray.data import DataContext

        context = DataContext.get_current()
    before = {name: getattr(context, name) for name in DATA_SETTINGS}
    context.max_errored_blocks = 7
    try:
        with _data_settings(debug=False):
            assert {name: getattr(context, name) for name in DATA_SETTINGS} == DATA_SETTINGS
        assert context.max_errored_blocks == 7
    finally:
        context.max_errored_blocks = before["max_errored_blocks"]
    assert {name: getattr(context, name) for name in DATA_SETTINGS} == before


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "localhost:{}", "ray://127.0.0.1:{}"])
def test_an_address_where_nothing_listens(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with (
        pytest.raises(ConfigError, match="ray start --head"),
        ray_session(RuntimeConfig(address=form.format(port))),
    ):
        pass


@contextlib.contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """A server that takes one connection and answers whatever it hears; None: nothing at all."""

    def serve(server: socket.socket) -> None:
        line, _ = server.accept()
        with line:
            heard = line.recv(24)
            if answer is not None:
                line.sendall(answer)
            while heard and answer != b"":
                heard = line.recv(24)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        thread.join()


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "ray://127.0.0.1:{}"])
@pytest.mark.parametrize("answer", [None, b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_an_address_where_something_else_listens(
    form: str, answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(session, "ANSWER_SECONDS", 0.2)
    with (
        listening(answer) as port,
        pytest.raises(ConfigError, match="does not speak as Ray does; start one"),
        ray_session(RuntimeConfig(address=form.format(port))),
    ):
        pass


def test_what_a_grpc_server_answers_is_heard() -> None:
    with listening(bytes.fromhex("000018040000000000") + bytes(24)) as port:
        _knock(f"127.0.0.1:{port}")
