"""Reading one file of a folder that others may change, break or fill with links."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from biomedica.errors import Deferred, Rejected, SourceError

__all__ = ["digest_file", "lies_inside", "local_path", "open_file", "read_blocks", "read_file"]

_ABSENT = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EISDIR, errno.ENXIO}
)
"""Answers that mean "no such file". All others (EACCES, EIO, ESTALE, EMFILE…) may pass."""


_BLOCK = 1 << 16


def local_path(uri: str) -> str:
    """The path that a path or a `file://` URI means. Raises SourceError."""
    if "\x00" in uri:
        raise SourceError(f"the source {uri[:80]!a} is not a path: it holds a NUL character")
    if not uri.lower().startswith("file:"):
        if not uri:
            raise SourceError("the source is empty: give a folder in PMC's layout, or of packages")
        return os.path.expanduser(uri)
    parts = urlsplit(uri)
    path = unquote(parts.path)
    if parts.netloc not in ("", "localhost") or not path.startswith("/") or "\x00" in path:
        raise SourceError(f"the source {uri[:200]!a} is not a local file: write file:///folder")
    return path


def lies_inside(root: str, path: str) -> bool:
    """Whether `path`, its links followed, is at or below `root` (a real path)."""
    real = os.path.realpath(path)
    return real == root or real.startswith(root.rstrip(os.sep) + os.sep)


def read_file(root: str, path: str, limit: int) -> bytes | None:
    """The bytes of a regular file inside `root`; None where there is none.

    limit: in bytes, compared before reading. Raises Rejected("too_large"), or Deferred when the
    file cannot be read just now.
    """
    with open_file(root, path) as file:
        if file is None:
            return None
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            name = ascii(os.path.basename(path)[:200])
            raise Rejected("too_large", f"{name} has {size} bytes, over the limit of {limit}")
        data = file.read(size + 1)
        if len(data) != size:
            raise Deferred(f"{path} changed its size while it was read")
        return data


def digest_file(root: str, path: str) -> bytes | None:
    """The 16 bytes of the MD5 of a regular file inside `root`; None where there is none.

    Raises Deferred when the file cannot be read just now.
    """
    with open_file(root, path) as file:
        if file is None:
            return None
        digest = hashlib.md5(usedforsecurity=False)
        while block := file.read(_BLOCK):
            digest.update(block)
        return digest.digest()


def read_blocks(root: str, path: str, size: int) -> Iterator[bytes] | None:
    """The bytes of a regular file inside `root`, `size` at a time; None where there is none.

    Raises Deferred, then or while they are read, when the file cannot be read just now.
    """
    with open_file(root, path) as file:
        if file is None:
            return None

    def blocks() -> Iterator[bytes]:
        with open_file(root, path) as file:
            while file is not None and (block := file.read(size)):
                yield block

    return blocks()


@contextmanager
def open_file(root: str, path: str) -> Iterator[BinaryIO | None]:
    """A regular file inside `root`, open for reading; None where there is none.

    Raises Deferred when the file cannot be opened, or what is done with it fails.
    """
    try:
        file = open(path, "rb", opener=partial(_open_inside, root))  # noqa: SIM115
    except OSError as error:
        if error.errno in _ABSENT:
            yield None
            return
        raise Deferred(f"cannot open {path}: {error.strerror}") from None
    with file:
        try:
            regular = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            yield file if regular else None
        except OSError as error:
            raise Deferred(f"cannot read {path}: {error.strerror}") from None


def _open_inside(root: str, path: str, flags: int) -> int:
    """Open `root/folder/file`; where one of the two is a link, it must lead inside `root`."""
    flags |= os.O_NONBLOCK  # a named pipe would be waited for
    if not os.path.islink(os.path.dirname(path)):
        try:
            return os.open(path, flags | os.O_NOFOLLOW)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
    if not lies_inside(root, path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return os.open(path, flags)
