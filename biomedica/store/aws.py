"""How S3 is reached by the three clients that we use: obstore, deltalake and pyarrow.

Keys come from the standard AWS chain, or from one of its profiles. They live in clients alone:
nothing here is pickled or shown.
"""

from __future__ import annotations

import functools
import os
import socket
from typing import Any
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from biomedica.config import StoreConfig, plain_endpoint
from biomedica.errors import Deferred, StoreError
from biomedica.s3 import (
    LONGEST_WAIT,
    REQUEST_SECONDS,
    Patience,
    credential_provider,
    obstore_options,
    open_session,
)

__all__ = ["AwsAccess"]

KNOCK_SECONDS = 5.0
PATIENCE = Patience(retries=10, first_wait=0.2, growth=3, retry_seconds=180, stall_seconds=60)
"""Some twenty seconds between tries in all, what a restart or a `SlowDown` takes; obstore's own
settings give up after two. No settings as in `sources/access.py`: a commit that is given up ends a
run, and the same numbers go to deltalake, which must not be less patient than obstore."""


class AwsAccess:
    """The options of each client for one dataset. Methods raise StoreError: no usable credentials.

    root: the dataset's root, for messages.
    """

    def __init__(self, root: str, config: StoreConfig) -> None:
        self.root = root
        self.config = config

    @property
    def hands_out_keys(self) -> bool:
        """Whether `delta_options` holds keys, which may expire: open a table anew for each use."""
        return self.config.profile is not None

    def knock(self) -> None:
        """Raise Deferred where nobody listens: clients would try for long and name no cause.

        Behind a proxy it is the proxy that must answer.
        """
        host = self.endpoint or f"https://s3.{self.region}.amazonaws.com"
        url = urlsplit(host)
        proxy = _proxy(url)
        cause = _silence(*(proxy or (url.hostname or "", url.port or _port(url.scheme))))
        if cause is None:
            return
        if proxy is not None:
            raise Deferred(
                f"the proxy {proxy[0]}:{proxy[1]} of the environment, on the way to {self.root}, does "
                f"not answer ({cause}): correct HTTPS_PROXY, or name {url.hostname} in NO_PROXY"
            )
        if self.endpoint is None:
            raise Deferred(
                f"AWS S3 does not answer for {self.root} at {url.hostname} ({cause}): check the "
                "network and store.region, or name another store by store.endpoint_url"
            )
        raise Deferred(
            f"the object store of {self.root} does not answer at {self.endpoint} ({cause}): "
            "start it, or correct store.endpoint_url"
        )

    def obstore_options(self) -> dict[str, Any]:
        """Options of `obstore.store.S3Store`; it asks for fresh keys by itself."""
        _refuse_unsafe_rename()
        options = obstore_options(self.region, self.endpoint, PATIENCE)
        if self.config.anonymous:
            options["skip_signature"] = True
        else:
            options["credential_provider"] = self._provider()
        return options

    def delta_options(self) -> dict[str, str]:
        """Options of `deltalake`, which has an AWS chain of its own but knows no profiles by name."""
        _refuse_unsafe_rename()
        options = {
            "aws_conditional_put": "etag",
            "aws_region": self.region,
            "max_retries": str(PATIENCE.retries),
            "retry_timeout": f"{PATIENCE.retry_seconds:.0f}s",
            "backoff_config.init_backoff": f"{PATIENCE.first_wait}s",
            "backoff_config.max_backoff": f"{LONGEST_WAIT}s",
            "backoff_config.base": str(PATIENCE.growth),
            "timeout": f"{REQUEST_SECONDS:.0f}s",
        }
        endpoint = self.endpoint
        if endpoint:
            options["aws_endpoint"] = options["aws_endpoint_url_s3"] = endpoint
            options["aws_virtual_hosted_style_request"] = "false"
            options["aws_allow_http"] = str(endpoint.startswith("http://")).lower()
        if self.config.anonymous:
            options["aws_skip_signature"] = "true"
        elif self.config.profile is not None:
            names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
            options |= {name: key for name, key in zip(names, self._keys(), strict=True) if key}
        elif endpoint and not os.environ.get("AWS_ACCESS_KEY_ID"):
            # beside an endpoint it looks at the environment alone unless told so
            options["aws_force_credential_load"] = "true"
        return options

    def arrow_options(self) -> dict[str, Any]:
        """Options of `pyarrow.fs.S3FileSystem`, which has an AWS chain of its own and no profiles."""
        from pyarrow.fs import AwsStandardS3RetryStrategy

        endpoint = self.endpoint
        options: dict[str, Any] = {
            "region": self.region,
            "anonymous": self.config.anonymous,
            "retry_strategy": AwsStandardS3RetryStrategy(max_attempts=PATIENCE.retries),
        }
        if endpoint:
            scheme, _, host = endpoint.partition("://")
            options |= {"endpoint_override": host, "scheme": scheme}
        if self.config.profile is not None:
            names = ("access_key", "secret_key", "session_token")
            options |= {name: key for name, key in zip(names, self._keys(), strict=True) if key}
        return options

    @property
    def endpoint(self) -> str | None:
        """The endpoint other than AWS, without a slash at its end."""
        named = self.config.endpoint_url or os.environ.get("AWS_ENDPOINT_URL_S3")
        found = named or os.environ.get("AWS_ENDPOINT_URL")
        if not found:
            return None
        try:
            return plain_endpoint(found).rstrip("/")
        except ValueError as error:
            raise StoreError(f"the S3 endpoint of the environment is no endpoint: {error}") from None

    @functools.cached_property
    def region(self) -> str:
        """The configured region, the environment's, the profile's, or us-east-1."""
        named = self.config.region or os.environ.get("AWS_REGION")
        return named or os.environ.get("AWS_DEFAULT_REGION") or self._own_region() or "us-east-1"

    def _own_region(self) -> str | None:
        if self.config.anonymous:
            return None
        region: str | None = self._session.region_name
        return region

    @functools.cached_property
    def _session(self) -> Any:
        return open_session(
            self.config.profile,
            # its text names files and profiles, never keys
            lambda error: StoreError(f"the AWS configuration for {self.root} cannot be used: {error}"),
        )

    def _provider(self) -> Any:
        return credential_provider(self._session, self._unusable)

    def _keys(self) -> tuple[str, str, str | None]:
        """Key id, secret and session token of the profile, as of now."""
        from botocore.exceptions import BotoCoreError

        try:
            keys = self._provider().credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise self._unusable(error) from None
        return keys.access_key, keys.secret_key, keys.token

    def _unusable(self, error: Exception) -> StoreError:
        if isinstance(error, ValueError):
            return StoreError(
                f"no AWS credentials for {self.root}: set AWS_PROFILE or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or read without any by store.anonymous"
            )
        return StoreError(
            f"the AWS credentials for {self.root} cannot be had ({type(error).__name__}): "
            "log in again, or name another profile"
        )


def _proxy(url: SplitResult) -> tuple[str, int] | None:
    """Host and port of the proxy that the environment names for an address; user and password of it
    are shown nowhere."""
    proxies = getproxies()
    named = proxies.get(url.scheme) or proxies.get("all")
    if not named or proxy_bypass(url.netloc):
        return None
    found = urlsplit(named if "://" in named else f"http://{named}")
    try:
        return found.hostname or "", found.port or _port(found.scheme)
    except ValueError:
        return None  # no port: what the clients make of it is theirs


def _port(scheme: str) -> int:
    return {"https": 443, "http": 80}.get(scheme, 1080)


def _silence(host: str, port: int) -> str | None:
    """Why nobody answers there; None where somebody does."""
    try:
        socket.create_connection((host, port), KNOCK_SECONDS).close()
    except (socket.gaierror, UnicodeError):
        return "its name is not resolved"
    except ConnectionRefusedError:
        return "connection refused"
    except TimeoutError:
        return "timed out"
    except OSError as error:
        return error.strerror or type(error).__name__
    return None


def _refuse_unsafe_rename() -> None:
    if os.environ.get("AWS_S3_ALLOW_UNSAFE_RENAME", "").lower() in ("1", "true", "yes", "on"):
        raise StoreError(
            "AWS_S3_ALLOW_UNSAFE_RENAME lets two runs overwrite each other's commits: unset it"
        )
