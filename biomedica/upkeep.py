"""Settings of the jobs that keep a dataset: `update` and `compact`. See `biomedica.config`."""

from __future__ import annotations

from pydantic import Field, model_validator

from biomedica.config import BuildConfig, JobConfig

__all__ = ["CompactConfig", "UpdateConfig"]


class UpdateConfig(BuildConfig):
    """Everything `biomedica update` knows. What the dataset has recorded of its selection, its settings
    and its models counts where nothing else is given."""

    everything: bool = Field(
        False, description="from now on, follow all of the source, whatever was selected before"
    )
    inventory: bool | None = Field(
        None,
        description="take the newest inventory, or list the source; absent: a bucket's inventory where it "
        "has one, the listing of a folder",
    )

    @model_validator(mode="after")
    def _not_two(self) -> UpdateConfig:
        if self.everything and (self.ids is not None or self.where is not None):
            raise ValueError("everything excludes ids and where")
        return self


class CompactConfig(JobConfig):
    """Everything `biomedica compact` knows. `runtime.shard_bytes` is the size that is aimed at."""

    dead_share: float = Field(
        0.5, gt=0, le=1, description="rewrite a shard of whose rows so many no longer count"
    )
    small_share: float = Field(
        0.25,
        ge=0,
        le=0.5,
        description="merge shards whose files have less than this share of runtime.shard_bytes",
    )
