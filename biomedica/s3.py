"""What the source and the dataset share on S3: AWS sessions, and the options of obstore.

How long each is tried, where its endpoint comes from, and what its faults mean differ, and stand in
`sources/access.py` and `store/aws.py`.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["LONGEST_WAIT", "REQUEST_SECONDS", "Patience", "credential_provider", "obstore_options",
           "open_session"]  # fmt: skip

LONGEST_WAIT = 10.0
"""seconds between two tries"""
REQUEST_SECONDS = 900.0
"""for one request: 64 or 80 MB over a slow line, where obstore gives up after 30 unless told"""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long one object is tried for. Times in seconds."""

    retries: int
    first_wait: float
    growth: int
    retry_seconds: float
    """tries end with the first that begins later than this"""
    stall_seconds: float
    """without a byte, a connection is given up"""


def obstore_options(region: str, endpoint: str | None, patience: Patience) -> dict[str, Any]:
    """Options of `obstore.store.S3Store`, without those that say who asks.

    endpoint: None where AWS's own, and whatever obstore makes of the environment, is meant.
    """
    second = datetime.timedelta(seconds=1)
    client: dict[str, Any] = {
        "timeout": max(REQUEST_SECONDS, patience.stall_seconds) * second,
        "read_timeout": patience.stall_seconds * second,
    }
    retries = {
        "max_retries": patience.retries,
        "retry_timeout": patience.retry_seconds * second,
        "backoff": {
            "init_backoff": patience.first_wait * second,
            "max_backoff": LONGEST_WAIT * second,
            "base": patience.growth,
        },
    }
    options: dict[str, Any] = {"region": region, "client_options": client, "retry_config": retries}
    if endpoint is not None:
        # by this name: the environment's AWS_ENDPOINT_URL_S3 outdoes one given as `endpoint`
        options["aws_endpoint_url_s3"] = endpoint
        options["virtual_hosted_style_request"] = False
        client["allow_http"] = endpoint.startswith("http://")
    return options


def open_session(profile: str | None, meaning: Callable[[Exception], Exception]) -> Any:
    """A boto3 session of the AWS chain, or of one of its profiles.

    Raises what `meaning` makes of a BotoCoreError.
    """
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.Session(profile_name=profile)
    except BotoCoreError as error:
        raise meaning(error) from None


def credential_provider(session: Any, meaning: Callable[[Exception], Exception]) -> Any:
    """What obstore asks for keys, and asks again when they expire.

    Raises what `meaning` makes of a ValueError (there are none) or a BotoCoreError.
    """
    from botocore.exceptions import BotoCoreError
    from obstore.auth.boto3 import Boto3CredentialProvider

    try:
        return Boto3CredentialProvider(session)
    except (BotoCoreError, ValueError) as error:
        raise meaning(error) from None
