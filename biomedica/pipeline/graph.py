"""The Ray Data graphs. A shard is one block from end to end (ray.md §1), a summary comes out.

A shard whose worker dies more often than Ray retries is dropped by Ray without a row: the caller
compares what it sent with what it received.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from biomedica.config import JobConfig
from biomedica.embedding import ModelInfo
from biomedica.errors import RunStopped
from biomedica.pipeline.actors import (
    BuildActor,
    DecodeActor,
    EmbedActor,
    MetadataActor,
    ParseActor,
    StoredActor,
    WriteActor,
)
from biomedica.pipeline.session import Cluster
from biomedica.pipeline.specs import EmbedSpec, ShardSpec, Summary
from biomedica.sources import Lend

__all__ = ["WORKER_ENVIRONMENT", "Graph"]

ROW: dict[str, Any] = {
    "batch_size": 1,
    "batch_format": "pyarrow",
    "zero_copy_batch": True,
    "num_cpus": 0,
}
"""Later operators take one row, which is one shard (see `blocks`), and ask for no CPU: on a small
machine the parse actors hold them all, and a pool that cannot start never ends."""


WORKER_ENVIRONMENT = {
    "TOKIO_WORKER_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_TOP_PAD_": str(16 << 20),
}
"""Images and activations of megabytes come and go. With glibc's own settings a worker gives each
back to the system and takes it again page by page: 20,000 page faults a second, a fifth of encoding.
obstore would start a thread a core in every worker; one moves the bytes of all its requests with an
eighth less CPU time, because they need not wake each other."""


@dataclass(frozen=True, slots=True)
class Graph:
    """How shards run on this cluster: one CPU operator, or three around the GPUs."""

    config: JobConfig
    cluster: Cluster
    infos: tuple[ModelInfo, ...] = ()
    lend: Lend | None = None
    """where requests of the source are paid from"""

    def with_model(self, info: ModelInfo) -> Graph:
        """The same graph with one model alone."""
        embed = self.config.embed.model_copy(update={"models": (info.model,)})
        return replace(self, config=self.config.model_copy(update={"embed": embed}), infos=(info,))

    @property
    def on_gpu(self) -> bool:
        return bool(self.cluster.gpus and self.infos)

    def build(
        self, specs: Sequence[ShardSpec], *, alone: bool = False
    ) -> Generator[Summary, None, None]:
        """Build shards from the source.

        alone: nothing else is in flight on a worker and a dead worker's shard is not tried again
        by Ray, so that the shard that is lost is the one that killed it.
        """
        rows = [{"shard": spec.shard, "packed": spec.packed} for spec in specs]
        return self._run(rows, BuildActor, ParseActor, alone, (self.lend,))

    def embed(
        self, specs: Sequence[EmbedSpec], *, alone: bool = False
    ) -> Generator[Summary, None, None]:
        """Embed images of shards that are in the store; alone: as for `build`."""
        return self._run([{"spec": spec.to_json()} for spec in specs], StoredActor, DecodeActor, alone)

    def metadata(self, specs: Sequence[ShardSpec], snapshot: str) -> Generator[Summary, None, None]:
        """Read the metadata of articles; snapshot: the name of the one that they stand in."""
        rows = [{"shard": spec.shard, "packed": spec.packed} for spec in specs]
        return self._run(rows, MetadataActor, MetadataActor, False, (snapshot, self.lend))

    def _run(
        self,
        rows: list[dict[str, str]],
        whole: type,
        first: type,
        alone: bool,
        more: tuple[Any, ...] = (),
    ) -> Generator[Summary, None, None]:
        with warnings.catch_warnings():
            # max_restarts and max_task_retries have no other door in 2.60 (ray.md §3)
            warnings.filterwarnings("ignore", message=".*ray_remote_args.*")
            data = self._dataset(rows, whole, first, alone, more)
        with _told(), contextlib.closing(iter(data.iter_rows())) as rows_out:
            for row in rows_out:
                yield Summary.from_json(row["summary"])

    def _dataset(
        self,
        rows: list[dict[str, str]],
        whole: type,
        first: type,
        alone: bool,
        more: tuple[Any, ...],
    ) -> Any:
        import ray

        pool = _pool(len(rows), 1 if alone else None)
        faults: dict[str, Any] = {
            # after these Ray Data takes another actor; without an end, a worker that dies while it
            # starts would be started for ever
            "max_restarts": 3,
            "max_task_retries": 0 if alone else 2,
            "runtime_env": {"env_vars": WORKER_ENVIRONMENT},
        }
        shards = ray.data.from_items(rows, override_num_blocks=len(rows))
        one: dict[str, Any] = {
            "batch_size": 1,
            "num_cpus": 1,
            "compute": pool(self.cluster.workers),
            **faults,
        }
        if not self.on_gpu:
            return shards.map_batches(whole, fn_constructor_args=(self.config, *more), **one)
        specs = list(dict.fromkeys(info.pixel_spec for info in self.infos))
        pixels = shards.map_batches(first, fn_constructor_args=(self.config, specs, *more), **one)
        vectors = pixels.map_batches(
            EmbedActor,
            fn_constructor_args=(self.config,),
            compute=pool(self.cluster.gpus),
            num_gpus=1,
            **ROW,
            **faults,
        )
        return vectors.map_batches(
            WriteActor,
            fn_constructor_args=(self.config, self.infos),
            compute=pool(1),
            **ROW,
            **faults,
        )


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What ends an execution of Ray Data as one sentence: a model that a node lacks, a lost head."""
    from ray.exceptions import ActorDiedError, RayError

    try:
        yield
    except RayError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        cause = lines[-1].removeprefix("biomedica.errors.") if lines else type(error).__name__
        if isinstance(error, ActorDiedError) and "creation task" not in str(error):
            cause = "they died again and again while they started, perhaps for want of memory"
        cause = cause.rstrip(".")
        raise RunStopped(f"the workers cannot go on: {cause}; what was committed stays") from error


def _pool(shards: int, in_flight: int | None) -> Callable[[int], Any]:
    from ray.data import ActorPoolStrategy

    def of(size: int) -> Any:
        return ActorPoolStrategy(
            size=max(1, min(size, shards)), max_tasks_in_flight_per_actor=in_flight
        )

    return of
