"""A quiet Ray: connected to a cluster, or started here and ended with the run."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import warnings
from collections.abc import Iterator
from typing import Any

from biomedica.config import RuntimeConfig
from biomedica.errors import ConfigError

__all__ = ["Cluster", "ray_session"]

MIN_OBJECT_STORE = 1_000_000_000


class Cluster:
    """What a run may use: CPUs, GPUs, and the number of actors that follows from them."""

    def __init__(self, runtime: RuntimeConfig, cpus: float, gpus: float) -> None:
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


@contextlib.contextmanager
def ray_session(runtime: RuntimeConfig, *, debug: bool = False) -> Iterator[Cluster]:
    """Connect to `runtime.address`, to the session that exists, or to a new local Ray.

    Only a Ray that was started here is ended here.
    """
    _quiet_environment(debug)
    import ray

    _quiet_data(debug)
    started = not ray.is_initialized()
    if started:
        _init(runtime, debug)
    try:
        resources = ray.cluster_resources()
        yield Cluster(runtime, resources.get("CPU", 0), resources.get("GPU", 0))
    finally:
        if started:
            ray.shutdown()


def _quiet_environment(debug: bool) -> None:
    """Set before Ray is imported: its C++ layer reads the environment once."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # a local cluster without a token writes one into the home directory
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    if not debug:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")


def _init(runtime: RuntimeConfig, debug: bool) -> None:
    import ray

    address = runtime.address or os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {
        "logging_level": "INFO" if debug else "ERROR",
        "log_to_driver": debug,
    }
    if address is None:
        memory = runtime.object_store_bytes or max(MIN_OBJECT_STORE, 10 * runtime.shard_bytes)
        options |= {"include_dashboard": False, "object_store_memory": memory}
    else:
        options["address"] = address
    try:
        with warnings.catch_warnings(), contextlib.nullcontext() if debug else _deaf_stderr():
            warnings.simplefilter("default" if debug else "ignore")
            ray.init(**options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        where = f"at {address}" if address else "on this machine"
        raise ConfigError(f"Ray cannot be reached {where}: {str(error).splitlines()[0]}") from error


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


def _quiet_data(debug: bool) -> None:
    """Ray Data as the spine needs it: a shard is one block; no bars but ours (ray.md §1, §6)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray warns of settings of its own
        from ray.data import DataContext

        context = DataContext.get_current()
    context.target_max_block_size = None
    context.max_errored_blocks = -1
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.max_consecutive_actor_init_deaths = 3
    if not debug:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
