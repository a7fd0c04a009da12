"""One bucket: its objects by obstore, its listings by boto3. Faults become our own outcomes."""

from __future__ import annotations

import datetime
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from biomedica.config import FetchConfig
from biomedica.errors import Deferred, Rejected
from biomedica.s3 import LONGEST_WAIT
from biomedica.sources.access import Access
from biomedica.sources.keys import NO_TIME
from biomedica.sources.spending import Account
from biomedica.sources.window import Gate, Slot

__all__ = ["LISTERS", "Bucket", "Page"]

LISTERS = 32
"""threads that list or look up at once"""

REFUSED_PAUSE = 1.0
"""seconds before an object that was refused (403) is asked for once more"""
HOPELESS = 20
"""objects that were refused, with nothing allowed since the first request, after which nothing will be"""
SLOW = frozenset({429, 503})
"""statuses of SlowDown"""
PAGE = 1000
"""keys a page of a listing: the most that S3 gives"""

_STATUS = re.compile(r"status code: (\d{3})")
_S3_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
Found = TypeVar("Found")


@dataclass(slots=True)
class Page:
    """One page of a listing."""

    objects: list[tuple[str, str, int]] = field(default_factory=list)
    """(key, ETag as S3 writes it or "" where it gives none, last change in ms since 1970 or NO_TIME),
    sorted by key"""
    prefixes: list[str] = field(default_factory=list)
    truncated: bool = False
    """there is more behind it"""


class Bucket:
    """Reads one bucket. Safe to use from several threads; a pickle holds name and settings alone.

    Nothing is asked of the server before the first call of a method. No more than `config.in_flight`
    requests are in flight at once, fewer while the bucket says SlowDown. account: what pays for each
    request; every method raises OverBudget where it cannot.
    """

    def __init__(self, name: str, config: FetchConfig, account: Account | None = None) -> None:
        self.name = name
        self.config = config
        self.account = account or Account()
        self._access = Access(name, config)
        self._gate = Gate(config.in_flight)
        self._lock = threading.Lock()
        self._refused: set[str] = set()
        self._allowed = False
        self._listing = threading.local()
        """the slot of the listing that this thread asks for"""
        self._objects: Any = None
        self._control: Any = None

    def __repr__(self) -> str:
        return f"Bucket({self.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Bucket, (self.name, self.config))

    def get(self, key: str, limit: int) -> tuple[bytes, str] | None:
        """An object's bytes and ETag ("" without one); None where there is none.

        limit: in bytes; nothing of a larger object's body is waited for. Raises
        Rejected("too_large"), Deferred, or SourceError: nothing of the bucket may be read.
        """
        import obstore

        def read(store: Any) -> tuple[bytes, str]:
            found = obstore.get(store, key)
            meta = found.meta
            if meta["size"] > limit:
                name = ascii(key.rpartition("/")[2][:200])
                raise Rejected(
                    "too_large", f"{name} has {meta['size']} bytes, over the limit of {limit}"
                )
            data = bytes(found.bytes())
            self.account.receive(len(data))
            return data, meta["e_tag"] or ""

        return self._read(key, read, _no_such_key)

    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Bytes of an object from `start` on, fewer at its end; None where there is no such object.

        Raises Deferred or SourceError.
        """
        import obstore

        def read(store: Any) -> bytes:
            data = bytes(obstore.get_range(store, key, start=start, length=length))
            self.account.receive(len(data))
            return data

        return self._read(key, read, _no_such_key)

    def etag(self, key: str) -> str | None:
        """An object's ETag by HEAD ("" without one); None where there is no such object.

        Raises Deferred or SourceError.
        """
        import obstore

        # an answer to HEAD has no body that could say which thing is missing
        return self._read(
            key, lambda store: str(obstore.head(store, key)["e_tag"] or ""), lambda _: True
        )

    def probe(self, prefix: str) -> Page:
        """Up to one key or prefix below `prefix`. Raises SourceError: the bucket cannot be listed."""
        return next(self._pages(self._new_client(1, probing=True), prefix, "", "/", 1))

    def pages(self, prefix: str, *, after: str = "", delimiter: str = "") -> Iterator[Page]:
        """Every page of keys that begin with `prefix`; after: only keys that sort behind this one.

        Raises SourceError where a page cannot be had.
        """
        return self._pages(self._control_client(), prefix, after, delimiter, PAGE)

    def _pages(self, client: Any, prefix: str, after: str, delimiter: str, size: int) -> Iterator[Page]:
        from botocore.exceptions import BotoCoreError, ClientError
        from botocore.parsers import ResponseParserError

        if not prefix:
            raise ValueError("the root of a bucket of millions of prefixes is not to be listed")
        asked = {"Bucket": self.name, "Prefix": prefix, "MaxKeys": size}
        asked |= {"Delimiter": delimiter} if delimiter else {}
        asked |= {"StartAfter": after} if after else {}
        token: dict[str, str] = {}
        while True:
            try:
                with self._gate.slot() as self._listing.slot:
                    answer = client.list_objects_v2(**asked, **token)
                    self._listing.slot.succeeded()
            except (BotoCoreError, ClientError, ResponseParserError, OSError) as error:
                raise self._access.fault(error, "list") from None
            if "IsTruncated" not in answer or answer.get("Prefix", prefix) != prefix:
                # a page of some proxy with status 200 would pass for the end of the listing
                raise self._access.fault(ValueError("no listing"), "list")
            self._check_region(answer)
            page = Page(
                [
                    (item["Key"], item.get("ETag", ""), _milliseconds(item.get("LastModified")))
                    for item in answer.get("Contents", ())
                ],
                [item["Prefix"] for item in answer.get("CommonPrefixes", ())],
                bool(answer.get("IsTruncated")),
            )
            yield page
            if not page.truncated:
                return
            if not (following := answer.get("NextContinuationToken")):
                raise self._access.fault(KeyError("NextContinuationToken"), "list")
            token = {"ContinuationToken": following}

    def _check_region(self, answer: dict[str, Any]) -> None:
        """boto3 follows a bucket to its region by itself; obstore does not."""
        headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        region = headers.get("x-amz-bucket-region", self.config.region)
        if region != self.config.region and re.fullmatch("[a-z0-9-]{1,40}", region):
            raise self._access.elsewhere(region)

    def _read(
        self, key: str, take: Callable[[Any], Found], is_missing: Callable[[str], bool]
    ) -> Found | None:
        """One object, tried as long as `Access.patience` says; its faults sorted (design §5.5)."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        patience, began = self._access.patience, time.monotonic()
        tries, was_refused = 0, False
        while True:
            try:
                return self._once(take, is_missing, retry=tries > 0 or was_refused)
            except (PermissionDeniedError, UnauthenticatedError) as error:
                self._refuse(key, str(error))
                if was_refused:
                    raise Deferred(f"s3://{self.name}/{key} is refused (403)") from None
                was_refused = True
                time.sleep(REFUSED_PAUSE)
            except (BaseError, OSError) as error:
                late = time.monotonic() - began > patience.retry_seconds
                if tries >= patience.retries or late or not _may_pass(error):
                    raise self._passing(key, error) from None
                time.sleep(_wait(patience.first_wait * patience.growth**tries))
                tries += 1

    def _once(
        self, take: Callable[[Any], Found], is_missing: Callable[[str], bool], *, retry: bool
    ) -> Found | None:
        """One request; what it says of the bucket as a whole is remembered."""
        from obstore.exceptions import BaseError

        store = self._object_store()
        with self._gate.slot() as slot:
            self.account.send(retry=retry)
            try:
                found = take(store)
            except Rejected:
                self._allowed = True
                raise
            except FileNotFoundError as error:
                text = str(error)
                if "NoSuchBucket" in text:
                    raise self._access.no_bucket() from None
                if not is_missing(text):  # a proxy or a server that starts, not S3
                    raise
                self._allowed = True
                slot.succeeded()
                return None
            except BaseError as error:
                self._answered(slot, _status_of(error))
                raise
            self._allowed = True
            slot.succeeded()
            return found

    def _answered(self, slot: Slot, status: int) -> None:
        """SlowDown is counted, and halves what is in flight."""
        if status in SLOW:
            slot.slowed()
            self.account.slow_down()

    def _refuse(self, key: str, text: str) -> None:
        """Remember a 403. Raises SourceError where nothing else has ever come."""
        with self._lock:
            if len(self._refused) < HOPELESS:
                self._refused.add(key)
            hopeless = len(self._refused) >= HOPELESS and not self._allowed
        if hopeless:
            code = _S3_CODE.search(text)
            raise self._access.all_refused(HOPELESS, code[1] if code else "")

    def _passing(self, key: str, error: BaseException) -> Deferred:
        status = _status_of(error)
        why = f"status {status}" if status else type(error).__name__
        return Deferred(f"cannot read s3://{self.name}/{key} now ({why})")

    def _object_store(self) -> Any:
        if self._objects is None:
            with self._lock:
                self._objects = self._objects or self._access.object_store()
        return self._objects

    def _control_client(self) -> Any:
        if self._control is None:
            with self._lock:
                self._control = self._control or self._new_client(LISTERS)
        return self._control

    def _new_client(self, threads: int, *, probing: bool = False) -> Any:
        def answered(status: int, size: int) -> None:
            self.account.receive(size)
            self._answered(self._listing.slot, status)

        return self._access.control_client(
            threads, lambda number: self.account.send(retry=number > 1), answered, probing=probing
        )


def _status_of(error: BaseException) -> int:
    """The status of an answer; 0 where none came, or not all of it."""
    found = _STATUS.search(str(error))
    return int(found[1]) if found else 0


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may be answered another time."""
    if isinstance(error, FileNotFoundError):
        return False
    status = _status_of(error)
    return status in (0, 408, 429) or status >= 500


def _wait(seconds: float) -> float:
    """Seconds before the next try: half of them by chance, so that what failed together comes apart."""
    return min(seconds, LONGEST_WAIT) * random.uniform(0.5, 1)  # noqa: S311


def _no_such_key(text: str) -> bool:
    return "NoSuchKey" in text


def _milliseconds(time: datetime.datetime | None) -> int:
    return NO_TIME if time is None else round(time.timestamp() * 1000)
