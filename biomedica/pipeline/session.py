"""A quiet Ray: connected to a cluster, or started here and ended with the run."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from biomedica.config import RuntimeConfig
from biomedica.errors import ConfigError

__all__ = ["Cluster", "ray_session"]

MIN_OBJECT_STORE = 1_000_000_000
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 20.0
GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000")
SETTINGS = b"\x04"
"""the fourth byte of the frame that answers it"""

DATA_SETTINGS: dict[str, Any] = {
    "target_max_block_size": None,
    "max_errored_blocks": -1,
    "enable_progress_bars": False,
    "print_on_execution_start": False,
    "max_consecutive_actor_init_deaths": 1,
}
"""Ray Data as the spine needs it: a shard is one block; no bars but ours (ray.md §1, §6)."""


class Cluster:
    """What a run may use: CPUs, GPUs, and the number of actors that follows from them."""

    def __init__(
        self, runtime: RuntimeConfig, cpus: float, gpus: float, node_cpus: float | None = None
    ) -> None:
        """node_cpus: of the largest machine; None: there is one."""
        self.workers = runtime.workers or max(1, int(cpus))
        self.gpus = int(gpus) if runtime.gpus is None else runtime.gpus
        if self.workers > cpus:
            raise ConfigError(
                f"runtime.workers is {self.workers} but the cluster has {int(cpus)} CPUs; lower it"
            )
        if self.gpus > gpus:
            raise ConfigError(
                f"runtime.gpus is {self.gpus} but the cluster has {int(gpus)} GPUs; lower it"
            )
        on_a_node = self.workers if node_cpus is None else max(1, int(node_cpus))
        self.busiest = min(self.workers, on_a_node)
        """workers on one machine, the most: each takes a CPU"""


@contextlib.contextmanager
def ray_session(runtime: RuntimeConfig, *, debug: bool = False) -> Iterator[Cluster]:
    """Connect to `runtime.address`, to the session that exists, or to a new local Ray.

    Only a Ray that was started here is ended here, and one's own settings of Ray Data are as
    before afterwards. Raises ConfigError where no Ray answers.
    """
    address = runtime.address or os.environ.get("RAY_ADDRESS") or "local"
    _quiet_environment(address, debug)
    import ray

    started = not ray.is_initialized()
    with _data_settings(debug), contextlib.nullcontext() if debug else _silent_raylet():
        if started:
            with _own_sigterm():
                _init(runtime, address, debug)
        try:
            resources = ray.cluster_resources()
            nodes = [node["Resources"].get("CPU", 0) for node in ray.nodes() if node["Alive"]]
            yield Cluster(runtime, resources.get("CPU", 0), resources.get("GPU", 0), max(nodes))
        finally:
            if started:
                ray.shutdown()


def _quiet_environment(address: str, debug: bool) -> None:
    """Set before Ray is imported: its C++ layer reads the environment once."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not debug:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    named = "RAY_AUTH_TOKEN_PATH" in os.environ or (Path.home() / ".ray" / "auth_token").exists()
    if address == "local" and not named:
        # a local cluster without a token would write one into the home directory
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def _init(runtime: RuntimeConfig, address: str, debug: bool) -> None:
    import ray
    from ray.exceptions import RayError

    options: dict[str, Any] = {
        "address": address,
        "logging_level": "INFO" if debug else "ERROR",
        "log_to_driver": debug,
    }
    if address == "local":
        memory = runtime.object_store_bytes or max(MIN_OBJECT_STORE, 10 * runtime.shard_bytes)
        options |= {"include_dashboard": False, "object_store_memory": memory}
    where = "on this machine" if address == "local" else f"at {address}"
    try:
        _knock(address)
        with warnings.catch_warnings(), contextlib.nullcontext() if debug else _deaf_stderr():
            warnings.simplefilter("default" if debug else "ignore")
            ray.init(**options)
    except (OSError, ValueError, RuntimeError, RayError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"Ray cannot be reached {where}: {reason}; {_remedy(address)}") from error


def _remedy(address: str) -> str:
    if address == "local":
        return "see that runtime.object_store_bytes and the machine's memory allow it"
    return (
        "start one with `ray start --head`, give its token in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, "
        "or leave the address out for a local Ray"
    )


@contextlib.contextmanager
def _own_sigterm() -> Iterator[None]:
    """Ray puts a handler of its own in place that ends the process on the spot: ours comes back."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


def _knock(address: str) -> None:
    """Raise OSError where nothing listens, or something else: Ray would wait for minutes or for ever.

    Ray is a gRPC server, which sends its HTTP/2 settings as soon as it is greeted (RFC 9113 §3.4),
    before it asks for a token. With TLS it would have to be greeted by Ray's own certificates.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if not (colon and port.isdecimal()):
        return
    with socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS) as line:
        if os.environ.get("RAY_USE_TLS", "").lower() in ("1", "true"):
            return
        line.settimeout(ANSWER_SECONDS)
        answer = b""
        with contextlib.suppress(OSError):  # silence, or a connection that is cut
            line.sendall(GREETING)
            answer = line.makefile("rb").read(4)
    if answer[3:] != SETTINGS:
        raise ConnectionError("something listens there that does not speak as Ray does")


@contextlib.contextmanager
def _deaf_stderr() -> Iterator[None]:
    """Drop what Ray's C++ layer writes to file descriptor 2: one line on its own log level."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextlib.contextmanager
def _silent_raylet() -> Iterator[None]:
    """No `(raylet) A worker died …` on stdout, where results go: we tell it in our own words.

    Ray 2.60 prints these whatever `log_to_driver` says, and this flag is the only door.
    """
    from ray._private import worker

    before = getattr(worker, "_worker_logs_enabled", True)
    worker._worker_logs_enabled = False
    try:
        yield
    finally:
        worker._worker_logs_enabled = before


@contextlib.contextmanager
def _data_settings(debug: bool) -> Iterator[None]:
    """DATA_SETTINGS and a quiet logger, while a run lasts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray warns of settings of its own
        from ray.data import DataContext

        context = DataContext.get_current()
    logger = logging.getLogger("ray.data")
    before = {name: getattr(context, name) for name in DATA_SETTINGS}
    level = logger.level
    try:
        for name, value in DATA_SETTINGS.items():
            setattr(context, name, value)
        if not debug:
            # a lost shard is told in our own words, with its remedy
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        logger.setLevel(level)
