"""Where a dataset lies: a folder or a prefix of an S3 bucket, behind one small set of methods.

Files are only ever created, never overwritten (promise 2). On S3 that is a conditional put;
credentials come from the standard AWS chain and are never held, shown or pickled here.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from biomedica.config import StoreConfig, is_uri
from biomedica.errors import BiomedicaError, Deferred, StoreError
from biomedica.store.aws import AwsAccess

__all__ = ["Storage", "fault", "is_passing", "no_conditional_put", "open_storage", "unwritable"]

PATIENCE_SECONDS = 20.0
"""How long writes are tried again that object_store does not: it takes a connection that was cut
in a write for a write that may have happened. Ours may happen twice."""

Result = TypeVar("Result")

_UNCONDITIONAL = (
    "the object store of {where} ignores conditional puts (If-None-Match), so two runs could "
    "overwrite each other's commits: take a store that keeps them, such as AWS S3, or a folder"
)
_LASTING = (
    # (pattern, only in writes, what a person must do)
    (
        r"os error (28|122)\b|StorageFull|No space left|Disk quota",
        False,
        "no space left for {where}: free some, or take another place, and run the same command again",
    ),
    (
        r"os error (1|13|30)\b|PermissionDenied|Permission denied|AccessDenied|403 Forbidden|"
        r"InvalidAccessKeyId|SignatureDoesNotMatch|Unauthenticated|401 Unauthorized|Missing credentials|"
        r"ExpiredToken|InvalidToken|ACCESS_DENIED",
        False,
        "not allowed to {doing} {where}: check its permissions and the credentials",
    ),
    (
        r"os error (2|17|20)\b",
        True,
        "{where} cannot be made: its folder is none, or not there; take another place",
    ),
    (
        r"PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraint|301 Moved|"
        r"redirect without LOCATION|HTTP status 301|status code: 301",
        False,
        "the bucket of {where} is in another region: name it by store.region",
    ),
    (
        r"NotImplemented|501 Not Implemented",
        True,
        _UNCONDITIONAL,
    ),
    (
        r"NoSuchBucket",
        False,
        "there is no bucket for {where}: create it first, or correct its name",
    ),
)
_NO_BUCKET = re.compile(r"NoSuchBucket")
_NETWORK = (
    # (pattern, what happened): obstore, deltalake and curl under pyarrow each have their own words
    (r"dns error|failed to lookup address|could not resolve", "its name is not resolved"),
    (r"connection ?refused|could not connect to server", "connection refused"),
    (r"invalid peer certificate|corrupt message of type|InvalidMessage|SSL connect error",
     "no TLS that can be trusted"),
    (r"timed ?out|timeout was reached|kind: Timeout", "timed out"),
    (r"connection (?:reset|closed|error|aborted)|connection(?:reset|closed|aborted)|IncompleteMessage|"
     r"receiving data from the peer", "connection cut"),
)  # fmt: skip
_PASSING = re.compile(r"os error \d+|\b(?:408|429|5\d\d)(?= [A-Z])", re.IGNORECASE)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,62}")


def fault(error: BaseException, doing: str, where: str) -> BiomedicaError | Deferred:
    """What a fault of the store means: StoreError where a person must act, else Deferred.

    The text of `error` is not repeated, because answers of S3 name keys and signatures.
    """
    text = f"{type(error).__name__} {error}"
    if isinstance(error, OSError) and error.errno is not None:
        text += f" (os error {error.errno})"
    for pattern, only_write, remedy in _LASTING:
        if (doing == "write" or not only_write) and re.search(pattern, text, re.IGNORECASE):
            return StoreError(remedy.format(doing=doing, where=where))
    cause = _network_cause(text)
    if cause is not None:
        remedy = "check the network, store.endpoint_url and store.region"
        return Deferred(f"cannot {doing} {where} now ({cause}): {remedy}")
    status = _PASSING.search(text)
    detail = f" ({status[0]})" if status else ""
    return Deferred(f"cannot {doing} {where} now: {type(error).__name__}{detail}")


def _network_cause(text: str) -> str | None:
    """What happened between us and the store, where it is the network's doing."""
    found = (cause for pattern, cause in _NETWORK if re.search(pattern, text, re.IGNORECASE))
    return next(found, None)


def no_conditional_put(where: str) -> StoreError:
    """The error for a store on which two runs could overwrite each other's commits."""
    return StoreError(_UNCONDITIONAL.format(where=where))


def is_passing(error: BaseException) -> bool:
    """Whether an error speaks of the network or the server, and not of what they hold."""
    text = str(error)
    return _network_cause(text) is not None or _PASSING.search(text) is not None


class Storage:
    """The files under one root. Paths are relative to it, with `/`.

    Every method raises StoreError (space, permissions, a missing bucket) or Deferred (a passing
    fault). Safe to use from several threads; a pickle holds the root and the StoreConfig alone.
    """

    def __init__(self, root: str, config: StoreConfig) -> None:
        self.config = config
        self._opened: Any = None
        self.bucket, self._root = _parse_root(root)
        self._aws = AwsAccess(self.root, config)

    @property
    def root(self) -> str:
        """The root as people write it: `s3://bucket/prefix`, or an absolute path."""
        if self.bucket:
            return f"s3://{self.bucket}/{self._root}".rstrip("/")
        return self._root

    @property
    def is_local(self) -> bool:
        return not self.bucket

    def __repr__(self) -> str:
        return f"Storage({self.root!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return (Storage, (self.root, self.config))

    def uri(self, path: str = "") -> str:
        """The full name of a file: an absolute path, or an s3:// URI."""
        return f"{self.root}/{path}" if path else self.root

    def put_new(self, path: str, data: Any) -> bool:
        """Create a file from bytes (or any buffer); False where it is there already.

        Raises StoreError where the file there has another size.
        """
        return self.patiently(lambda: self._put_new(path, data))

    def patiently(self, write: Callable[[], Result]) -> Result:
        """Do a write that may happen twice, again after a passing fault of an object store."""
        deadline, wait = time.monotonic() + PATIENCE_SECONDS, 0.25
        while True:
            try:
                return write()
            except Deferred:
                if self.is_local or time.monotonic() + wait > deadline:
                    raise
            time.sleep(wait)
            wait *= 2

    def _put_new(self, path: str, data: Any) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError

        try:
            if self.is_local:
                Path(self._root).mkdir(parents=True, exist_ok=True)
            body = obstore.Bytes(memoryview(data).cast("B"))
            obstore.put(self._store(), path, body, mode="create", use_multipart=False)
        except (AlreadyExistsError, FileExistsError):
            found, wanted = self.size(path), memoryview(data).nbytes
            if found != wanted:
                raise StoreError(
                    f"{self.uri(path)} has {found} bytes instead of {wanted}: "
                    "run `biomedica verify --repair` on this dataset"
                ) from None
            return False
        except (BaseError, OSError) as error:
            raise fault(error, "write", self.uri(path)) from None
        return True

    def check_writable(self) -> None:
        """Raise StoreError where files can never be made here; nothing is written.

        On S3 only a write can tell.
        """
        if not self.is_local:
            return
        place = unwritable(Path(self._root))
        if place is not None:
            raise StoreError(
                f"cannot write below {place}: it is no folder, or it is read-only or another "
                "user's; take another place for the dataset"
            )

    def get(self, path: str) -> bytes:
        """All bytes of a file. Raises FileNotFoundError where there is none."""
        import obstore

        return bytes(self._read(path, lambda store: obstore.get(store, path).bytes()))

    def get_range(self, path: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`. Raises FileNotFoundError where there is no such file."""
        import obstore

        return bytes(
            self._read(path, lambda store: obstore.get_range(store, path, start=start, length=length))
        )

    def size(self, path: str) -> int | None:
        """The size of a file in bytes; None where there is none."""
        import obstore

        try:
            return int(self._read(path, lambda store: obstore.head(store, path))["size"])
        except FileNotFoundError:
            return None

    def list(self, prefix: str = "", after: str | None = None) -> Iterator[tuple[str, int]]:
        """(path, size) of every file under a folder, temporary names left out.

        after: only paths that sort behind this one (S3 skips the others on its side).
        """
        import obstore
        from obstore.exceptions import BaseError

        if self._is_missing():
            return
        try:
            for batch in obstore.list(self._store(), prefix or None, offset=after):
                for item in batch:
                    yield item["path"], int(item["size"])
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise fault(error, "list", self.uri(prefix)) from None

    def list_temporary(self) -> Iterator[tuple[str, int]]:
        """(path, size) of what interrupted writes left in a folder; S3 leaves nothing."""
        if self._is_missing() or not self.is_local:
            return
        for folder, subfolders, names in os.walk(self._root):
            subfolders.sort()
            for name in sorted(names):
                if re.search(r"#\d+$", name) or re.fullmatch(r"_commit_.*\.json\.tmp", name):
                    path = Path(folder, name)
                    yield path.relative_to(self._root).as_posix(), path.stat().st_size

    def delete(self, path: str) -> None:
        """Remove a file; no error where there is none."""
        self.patiently(lambda: self._delete(path))

    def _delete(self, path: str) -> None:
        import obstore
        from obstore.exceptions import BaseError

        if self._is_missing():
            return
        try:
            if self.is_local:
                # obstore would escape the # of a temporary name
                Path(self._root, path).unlink(missing_ok=True)
            else:
                obstore.delete(self._store(), path)
        except FileNotFoundError:
            return
        except (BaseError, OSError) as error:
            raise fault(error, "delete", self.uri(path)) from None

    def delta_options(self) -> dict[str, str]:
        """Options for `deltalake`."""
        return {} if self.is_local else self._aws.delta_options()

    @property
    def hands_out_keys(self) -> bool:
        """Whether `delta_options` holds keys, which may expire."""
        return not self.is_local and self._aws.hands_out_keys

    def arrow_filesystem(self) -> tuple[Any, str]:
        """A pyarrow filesystem and the folder in it that is our root."""
        from pyarrow import fs

        if self.is_local:
            return fs.LocalFileSystem(), self._root
        options = self._aws.arrow_options()
        return fs.S3FileSystem(**options), f"{self.bucket}/{self._root}".rstrip("/")

    def _read(self, path: str, take: Any) -> Any:
        from obstore.exceptions import BaseError, NotFoundError

        if self._is_missing():
            raise FileNotFoundError(self.uri(path))
        try:
            return take(self._store())
        except (FileNotFoundError, NotFoundError) as error:
            if _NO_BUCKET.search(str(error)):
                raise fault(error, "read", self.uri(path)) from None
            raise FileNotFoundError(self.uri(path)) from None
        except (BaseError, OSError) as error:
            raise fault(error, "read", self.uri(path)) from None

    def _is_missing(self) -> bool:
        return self.is_local and not Path(self._root).is_dir()

    def _store(self) -> Any:
        if self._opened is None:
            from obstore.store import LocalStore, S3Store

            if self.is_local:
                self._opened = LocalStore(self._root)
            else:
                options = self._aws.obstore_options()
                self._aws.knock()
                self._opened = S3Store(self.bucket, prefix=self._root or None, **options)
        return self._opened


def open_storage(uri: str | os.PathLike[str], config: StoreConfig | None = None) -> Storage:
    """The storage at a root: `s3://bucket/prefix`, `file:///folder`, or a path.

    Nothing is read or made. Raises StoreError for any other kind of URI.
    """
    return Storage(os.fspath(uri), config or StoreConfig())


def unwritable(folder: Path) -> Path | None:
    """What stands where nothing can be made: of a folder, made or not, the part that is there.

    None where files can be made; nothing is written. Raises OSError for what is no path.
    """
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    is_open = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    return None if is_open else place


def _parse_root(root: str) -> tuple[str, str]:
    """(bucket or "", prefix or absolute path)."""
    if not root:
        raise StoreError("the dataset's place is empty: name a folder or s3://bucket/prefix")
    if not is_uri(root):
        return "", _folder(root)
    parts = urlsplit(root)
    if parts.username is not None or parts.query or parts.fragment:
        raise StoreError(
            "the dataset's URI holds more than a bucket and a prefix: write s3://bucket/prefix, "
            "and give credentials through the AWS environment or profile"
        )
    if parts.scheme == "file" and parts.netloc in ("", "localhost") and parts.path:
        return "", _folder(unquote(parts.path))
    if parts.scheme == "s3" and _BUCKET.fullmatch(parts.netloc):
        prefix = _plain(parts.path.strip("/"))
        if prefix and {"", ".", ".."} & set(prefix.split("/")):
            raise StoreError(f"{prefix[:80]!r} holds an empty part, . or ..: write it without them")
        return parts.netloc, prefix
    raise StoreError(f"{root[:80]!r} is no place for a dataset: write a folder or s3://bucket/prefix")


def _folder(path: str) -> str:
    try:
        path.encode()
        folder = Path(path).expanduser().resolve()
        folder.exists()  # too long a name, or no access to what leads there
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no path"
        raise StoreError(f"{path[:80]!a} is no place for a dataset ({reason}): name a folder") from None
    return _plain(str(folder))


def _plain(path: str) -> str:
    """Refuse what `deltalake` would take for an escape and look for elsewhere."""
    if "%" in path:
        raise StoreError(f"{path[:80]!r} holds a %: take a place for the dataset without one")
    return path
