"""Settings of the way to a source's bucket, and of what a run may spend there. See `biomedica.config`."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

__all__ = ["BudgetConfig", "FetchConfig", "Section", "parse_bytes", "plain_endpoint"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class Section(BaseModel):
    """A part of a configuration: no unknown names, no changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FetchConfig(Section):
    """How the source's bucket is reached. It may lie elsewhere than the dataset, so the endpoint and
    credentials of `store` do not count here. Nothing here changes a row; no secret is kept here."""

    endpoint_url: str | None = Field(
        None, description="S3 endpoint other than AWS, http://host:port; the environment's is ignored"
    )
    region: str = Field("us-east-1", pattern=r"^[a-z0-9-]{1,40}$", description="AWS region")
    anonymous: bool = Field(True, description="unsigned requests; false: the standard AWS chain")
    profile: str | None = Field(
        None, min_length=1, description="AWS profile that signs; anonymous is false then"
    )
    contact: str | None = Field(
        None,
        pattern=r"^[\x21-\x7e]([\x20-\x7e]{0,198}[\x21-\x7e])?$",
        description="an address for the owner of the bucket, sent in the User-Agent",
    )
    timeout_seconds: float = Field(
        60.0, gt=0, le=3600, description="silence after which a request is tried again"
    )
    retries: int = Field(8, ge=0, le=50, description="tries after the first of one request")
    in_flight_per_node: int = Field(
        256,
        gt=0,
        description="requests in flight from one machine, the most; divided among its workers, each of "
        "which asks for less while the bucket says SlowDown",
    )
    in_flight_cluster: int = Field(
        1024, gt=0, description="requests in flight from all machines of a run, the most; divided alike"
    )

    @field_validator("endpoint_url")
    @classmethod
    def _plain(cls, url: str | None) -> str | None:
        return plain_endpoint(url).rstrip("/") if url is not None else None

    @model_validator(mode="before")
    @classmethod
    def _profile_signs(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("profile"):
            if values.get("anonymous"):
                raise ValueError("profile and anonymous: true exclude each other, leave one out")
            return values | {"anonymous": False}
        return values

    @property
    def in_flight(self) -> int:
        """Requests in flight from one process that is alone in its run."""
        return min(self.in_flight_per_node, self.in_flight_cluster)

    def shared(self, workers: int, on_a_node: int) -> FetchConfig | None:
        """The settings of one of `workers` processes, of which up to `on_a_node` run on one machine:
        together they stay within both limits. None where a limit has not one request for each."""
        share = min(self.in_flight_per_node // on_a_node, self.in_flight_cluster // workers)
        limits = {"in_flight_per_node": share, "in_flight_cluster": share}
        return self.model_copy(update=limits) if share else None


class BudgetConfig(Section):
    """What a run may ask of its source's bucket: it ends when this is spent, and the next run goes on.
    Nothing here changes a row."""

    max_requests: int | None = Field(
        None, gt=0, description="requests, never more: listings and retries are among them"
    )
    max_bytes: int | None = Field(
        None,
        gt=0,
        description="bytes of objects and listings, 10GB or 500MiB; exceeded at most by what is in "
        "flight when they are spent",
    )

    @field_validator("max_bytes", mode="before")
    @classmethod
    def _bytes(cls, value: Any) -> Any:
        return parse_bytes(value) if isinstance(value, str) else value

    @property
    def is_open(self) -> bool:
        """Whether there is no limit."""
        return self.max_requests is None and self.max_bytes is None


def parse_bytes(text: str) -> int:
    """10GB (powers of 1000), 500MiB (of 1024), or a plain number. Raises ValueError."""
    found = _SIZE.fullmatch(text.strip())
    if found is None:
        raise ValueError("write a number of bytes as 500MiB, 10GB or 1000000")
    base = 1024 if found[3] else 1000
    factor: int = base ** _POWERS[found[2].lower()]
    return round(float(found[1]) * factor)


def plain_endpoint(url: str) -> str:
    """An endpoint that is no more than scheme, host and port. Raises ValueError, never with the URL:
    what people paste may hold a key."""
    if re.fullmatch(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?/?", url) is None:
        raise ValueError("write http://host:port or https://host, without a user, path or query")
    return url
