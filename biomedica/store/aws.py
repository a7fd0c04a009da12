"""How S3 is reached by the three clients that we use: obstore, deltalake and pyarrow.

Keys come from the standard AWS chain, or from one of its profiles. They live in clients alone:
nothing here is pickled or shown.
"""

from __future__ import annotations

import functools
import os
from typing import Any

from biomedica.config import StoreConfig
from biomedica.errors import StoreError

__all__ = ["AwsAccess"]


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

    def obstore_options(self) -> dict[str, Any]:
        """Options of `obstore.store.S3Store`; it asks for fresh keys by itself."""
        _refuse_unsafe_rename()
        endpoint = self.endpoint
        options: dict[str, Any] = {"region": self.region}
        if endpoint:
            options["endpoint"] = endpoint
            options["virtual_hosted_style_request"] = False
            options["client_options"] = {"allow_http": endpoint.startswith("http://")}
        if self.config.anonymous:
            options["skip_signature"] = True
        else:
            options["credential_provider"] = self._provider()
        return options

    def delta_options(self) -> dict[str, str]:
        """Options of `deltalake`, which has an AWS chain of its own but knows no profiles by name."""
        _refuse_unsafe_rename()
        options = {"aws_conditional_put": "etag", "aws_region": self.region}
        endpoint = self.endpoint
        if endpoint:
            options["aws_endpoint"] = endpoint
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
        endpoint = self.endpoint
        options: dict[str, Any] = {"region": self.region, "anonymous": self.config.anonymous}
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
        return found.rstrip("/") if found else None

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
        import boto3
        from botocore.exceptions import BotoCoreError

        try:
            return boto3.Session(profile_name=self.config.profile)
        except BotoCoreError as error:  # its text names files and profiles, never keys
            raise StoreError(f"the AWS configuration for {self.root} cannot be used: {error}") from None

    def _provider(self) -> Any:
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider

        try:
            return Boto3CredentialProvider(self._session)
        except ValueError:
            raise StoreError(
                f"no AWS credentials for {self.root}: set AWS_PROFILE or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or read without any by store.anonymous"
            ) from None
        except BotoCoreError as error:
            raise self._unusable(error) from None

    def _keys(self) -> tuple[str, str, str | None]:
        """Key id, secret and session token of the profile, as of now."""
        from botocore.exceptions import BotoCoreError

        try:
            keys = self._provider().credentials.get_frozen_credentials()
        except BotoCoreError as error:
            raise self._unusable(error) from None
        return keys.access_key, keys.secret_key, keys.token

    def _unusable(self, error: Exception) -> StoreError:
        return StoreError(
            f"the AWS credentials for {self.root} cannot be had ({type(error).__name__}): "
            "log in again, or name another profile"
        )


def _refuse_unsafe_rename() -> None:
    if os.environ.get("AWS_S3_ALLOW_UNSAFE_RENAME", "").lower() in ("1", "true", "yes", "on"):
        raise StoreError(
            "AWS_S3_ALLOW_UNSAFE_RENAME lets two runs overwrite each other's commits: unset it"
        )
