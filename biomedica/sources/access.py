"""How a bucket is reached: clients, what their faults mean, in one sentence without their texts.

Answers of S3 name keys and signatures, so no text of an error is repeated.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from biomedica._version import __version__
from biomedica.config import FetchConfig
from biomedica.errors import SourceError
from biomedica.s3 import Patience, credential_provider, obstore_options, open_session

__all__ = ["Access"]

FIRST_WAIT, GROWTH = 0.1, 2
"""Seconds between the tries of one object. Eight of them take some 25 in all: longer than a burst of
SlowDown or a restart, and an outage defers its articles before the run looks stuck. They are settings
and begin sooner than the dataset's (`store/aws.py`), because an article may wait for the next run."""
CONNECT_SECONDS = 10.0
PROBE_TRIES = 4
"""Of the first request of a run: a wrong address shall be told soon."""

_REFUSED = frozenset(
    {"AccessDenied", "AllAccessDisabled", "AccountProblem", "Forbidden", "403", "401"}
)  # fmt: skip
_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
     "TokenRefreshRequired", "RequestTimeTooSkewed"}
)  # fmt: skip
_REGION = frozenset(
    {"PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed",
     "IllegalLocationConstraintException", "301", "307"}
)  # fmt: skip
_CODE = re.compile(r"[A-Za-z0-9]{1,60}")


class Access:
    """Clients for one bucket, and what their faults mean.

    bucket: its name. Credentials come from the AWS chain or a profile; they live in the clients
    alone. Client makers raise SourceError where there are none that can be used.
    """

    def __init__(self, bucket: str, config: FetchConfig) -> None:
        self.bucket = bucket
        self.config = config

    @property
    def endpoint(self) -> str:
        """Where requests go. What the environment says of endpoints is meant for the dataset, so
        that AWS's own is named too; `store/aws.py` leaves it to its clients."""
        region = self.config.region
        domain = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        return self.config.endpoint_url or f"https://s3.{region}.{domain}"

    @property
    def user_agent(self) -> str:
        """`biomedica/1.0 (+contact)`: etiquette of public buckets (pmc_cloud.md §10)."""
        contact = f" (+{self.config.contact})" if self.config.contact else ""
        return f"biomedica/{__version__}{contact}"

    @property
    def patience(self) -> Patience:
        """How long one object is tried for."""
        timeout = self.config.timeout_seconds
        return Patience(self.config.retries, FIRST_WAIT, GROWTH, 60 + 3 * timeout, timeout)

    def object_store(self) -> Any:
        """An obstore client: for objects, at an eighth of boto3's CPU time.

        It tries nothing again itself: a request that it does not tell of could be neither counted,
        nor paid, nor answered by asking for less. `Bucket` does, as `patience` says.
        """
        from obstore.store import S3Store

        options = obstore_options(
            self.config.region, self.endpoint, dataclasses.replace(self.patience, retries=0)
        )
        options["client_options"] |= {
            "user_agent": self.user_agent,
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
        }
        options["skip_signature"] = self.config.anonymous
        if not self.config.anonymous:
            options["credential_provider"] = self._provider()
        return S3Store(self.bucket, **options)

    def control_client(
        self,
        threads: int,
        on_send: Callable[[int], None],
        on_answer: Callable[[int, int], None],
        *,
        probing: bool = False,
    ) -> Any:
        """A boto3 client: for listings. threads: how many use it at once.

        Its `adaptive` mode slows all threads down together when the bucket says SlowDown.
        on_send: called before each request with the number of its try, from 1 on; what it raises is
        raised by the client. on_answer: called with the status and the bytes of each answer.
        probing: few tries.
        """
        from botocore import UNSIGNED
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        tries = self.config.retries + 1
        settings = Config(
            signature_version=UNSIGNED if self.config.anonymous else "s3v4",
            retries={
                "mode": "adaptive",
                "total_max_attempts": min(tries, PROBE_TRIES) if probing else tries,
            },
            connect_timeout=CONNECT_SECONDS,
            read_timeout=self.config.timeout_seconds,
            max_pool_connections=threads,
            user_agent=self.user_agent,
            s3={"addressing_style": "path"},
        )
        try:
            client = self._session.client(
                "s3", endpoint_url=self.endpoint, region_name=self.config.region, config=settings
            )
        except BotoCoreError as error:
            raise self.fault(error, "reach") from None

        def answered(response_dict: dict[str, Any], **_: Any) -> None:
            body = response_dict["body"]
            size = len(body) if isinstance(body, bytes) else 0
            on_answer(response_dict["status_code"], size)

        client.meta.events.register("before-send.s3", lambda request, **_: on_send(_try(request)))
        client.meta.events.register("before-parse.s3", answered)
        return client

    def fault(self, error: BaseException, doing: str) -> SourceError:
        """What a failed request of the control client means for the source as a whole."""
        from botocore import exceptions as boto

        if isinstance(error, boto.ClientError):
            answer = error.response
            status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            return self._answered(str(answer.get("Error", {}).get("Code", "")), status, doing)
        if isinstance(
            error,
            boto.NoCredentialsError
            | boto.PartialCredentialsError
            | boto.CredentialRetrievalError
            | boto.ProfileNotFound
            | boto.ConfigParseError
            | boto.TokenRetrievalError
            | boto.SSOError,
        ):
            return self.without_credentials()
        if isinstance(error, boto.ConnectionError | boto.HTTPClientError | OSError):
            return SourceError(
                f"cannot {doing} s3://{self.bucket}: {self.endpoint} does not answer "
                f"({type(error).__name__}); check the network and fetch.endpoint_url, and run the "
                "same command again"
            )
        return SourceError(
            f"cannot {doing} s3://{self.bucket}: {self.endpoint} does not answer as S3 does "
            f"({type(error).__name__}); check fetch.endpoint_url"
        )

    def _answered(self, code: str, status: int, doing: str) -> SourceError:
        if code == "NoSuchBucket" or (status == 404 and code in ("404", "NotFound")):
            return self.no_bucket()
        if code in _CREDENTIALS:
            return self.without_credentials()
        if code in _REFUSED or status in (401, 403):
            return self.refused(doing)
        if code in _REGION or status in (301, 307):
            return self.elsewhere(None)
        shown = code if _CODE.fullmatch(code) else f"status {status}"
        return SourceError(
            f"cannot {doing} s3://{self.bucket}: {self.endpoint} answers {shown}; check "
            "fetch.endpoint_url, or run the same command again later"
        )

    def no_bucket(self) -> SourceError:
        """The bucket does not exist."""
        return SourceError(
            f"there is no bucket {self.bucket} at {self.endpoint}: correct its name, or "
            "fetch.endpoint_url"
        )

    def refused(self, doing: str) -> SourceError:
        """Nothing of the bucket may be read."""
        if self.config.anonymous:
            remedy = "read without credentials; set fetch.anonymous=false, or fetch.profile, to sign"
        else:
            remedy = "read with these credentials; check the bucket's policy, or name another profile"
        return SourceError(
            f"not allowed to {doing} s3://{self.bucket} at {self.endpoint}: it cannot be {remedy}"
        )

    def elsewhere(self, region: str | None) -> SourceError:
        """The bucket lies in another region."""
        remedy = f"set fetch.region={region}" if region else "set fetch.region to that of the bucket"
        return SourceError(
            f"the bucket {self.bucket} does not lie in the region {self.config.region}: {remedy}"
        )

    def without_credentials(self) -> SourceError:
        """There are no credentials that can be used."""
        return SourceError(
            f"no usable AWS credentials for s3://{self.bucket} in {self._who}: log in, set AWS_PROFILE or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or read without any by fetch.anonymous=true"
        )

    @functools.cached_property
    def _session(self) -> Any:
        return open_session(self.config.profile, lambda error: self.fault(error, "reach"))

    def all_refused(self, keys: int, code: str) -> SourceError:
        """Every object that was asked for was refused (403). code: what S3 calls it, "" unknown."""
        if code == "RequestTimeTooSkewed":
            cause = "the clock of this machine is wrong: set it right"
        elif code in _CREDENTIALS:
            cause = (
                f"the credentials of {self._who} do not count there: log in, or name another profile"
            )
        elif self.config.anonymous:
            cause = (
                "the bucket's policy, or its requester who pays, wants requests that are signed: set "
                "fetch.anonymous=false, or fetch.profile"
            )
        else:
            cause = (
                f"the bucket's policy does not admit {self._who}, or its requester pays, which biomedica "
                "never does: name another profile, or read from a copy"
            )
        said = code if _CODE.fullmatch(code) else "Forbidden"
        return SourceError(
            f"not allowed to read s3://{self.bucket} at {self.endpoint}: all of the first {keys} objects "
            f"were refused (403 {said}); the likely cause: {cause}"
        )

    @property
    def _who(self) -> str:
        return f"the profile {self.config.profile!a}" if self.config.profile else "the AWS chain"

    def _provider(self) -> Any:
        return credential_provider(self._session, lambda _: self.without_credentials())


def _try(request: Any) -> int:
    """The number of the try that a request of boto3 is: its own header says `attempt=2; max=9`."""
    header = request.headers.get("amz-sdk-request", b"")
    text = header.decode("latin-1") if isinstance(header, bytes) else str(header)
    found = re.search(r"attempt=(\d+)", text)
    return int(found[1]) if found else 1
