"""The regular files of a tar archive that nobody vouches for. Nothing is ever written to disk.

The blocks are walked here and their headers read by `tarfile`: its own walk holds an extended header
of any length in memory, and follows sizes that lead backwards.
"""

from __future__ import annotations

import re
import tarfile
from typing import NamedTuple

from biomedica.errors import Rejected
from biomedica.sources.inflate import GzipReader, Mark

__all__ = ["MOST_MEMBERS", "Member", "read_members"]

MOST_MEMBERS = 20_000
"""members of one archive: the largest articles have some hundred files"""
MOST_HEADER_BYTES = 1 << 16
"""of an extended header: a path, not a file"""
LONGEST_PATH = 1024

_BLOCK = tarfile.BLOCKSIZE
_LONG_NAME, _LONG_LINK = tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK
_EXTENDED, _GLOBAL = tarfile.XHDTYPE, tarfile.XGLTYPE
_HEADERS = frozenset({_LONG_NAME, _LONG_LINK, _EXTENDED, _GLOBAL, tarfile.SOLARIS_XHDTYPE})
_FILES = frozenset({tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE})
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}
_RECORD = re.compile(rb"([1-9][0-9]{0,6}) ([^=\n]+)=")


class Member(NamedTuple):
    """A regular file of an archive."""

    path: str
    """as the archive spells it, without `./`; bytes that are no UTF-8 as lone surrogates"""
    size: int
    crc: int
    """CRC-32 of its bytes"""
    position: int
    """of its first byte among the unpacked ones"""
    mark: Mark
    """where to begin reading in order to reach it"""


class _Extension(NamedTuple):
    """What extended headers say of the member that follows."""

    path: str | None = None
    size: int | None = None


def read_members(reader: GzipReader) -> list[Member]:
    """The regular files of the archive, in its order; directories are passed over.

    All of it is unpacked once, and its checksum found right. Raises Rejected: package_corrupt, or
    package_unsafe for what an article's package must not hold: links, devices, pipes, sparse files,
    absolute paths and `..`, two files of one path, too many of them.
    """
    members: dict[str, Member] = {}
    extension = _Extension()
    for _ in range(MOST_MEMBERS):
        block = reader.read(_BLOCK)
        if not block:  # without the two blocks of zeros, but the gzip stream is whole
            return list(members.values())
        if not any(block):
            _pass_zeros(reader)
            return list(members.values())
        info = _header(block)
        if info.type in _HEADERS:
            extension = _extended(reader, info, extension)
            continue
        path = _checked_path(extension.path if extension.path is not None else info.name)
        size = info.size if extension.size is None else extension.size
        extension = _Extension()
        if info.isdir():
            continue
        if info.type not in _FILES:
            kind = _KINDS.get(info.type, f"a member of type {info.type!a}")
            raise Rejected("package_unsafe", f"{path[:200]!a} is {kind}")
        if path in members or not path:
            raise Rejected(
                "package_unsafe", f"two files, or one without a name, are called {path[:200]!a}"
            )
        members[path] = _pass_file(reader, path, size)
    raise Rejected("package_unsafe", f"it has more than {MOST_MEMBERS} members")


def _header(block: bytes) -> tarfile.TarInfo:
    try:
        info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError) as error:
        raise Rejected("package_corrupt", f"no tar archive, or damaged: {error}"[:300]) from None
    if info.size < 0:
        raise Rejected("package_corrupt", "a member has a negative size")
    return info


def _pass_file(reader: GzipReader, path: str, size: int) -> Member:
    position, mark = reader.position, reader.mark
    passed, crc = reader.skip(size)
    if passed < size:
        raise Rejected("package_corrupt", f"the archive ends within {path[:200]!a}")
    reader.skip(-size % _BLOCK)
    return Member(path, size, crc, position, mark)


def _pass_zeros(reader: GzipReader) -> None:
    while block := reader.read(1 << 16):
        if any(block):
            raise Rejected("package_corrupt", "there are bytes behind the end of the archive")


def _extended(reader: GzipReader, info: tarfile.TarInfo, before: _Extension) -> _Extension:
    if info.size > MOST_HEADER_BYTES:
        raise Rejected("package_unsafe", f"an extended header has {info.size} bytes")
    data = reader.read(info.size)
    if len(data) < info.size:
        raise Rejected("package_corrupt", "the archive ends within a header")
    reader.skip(-info.size % _BLOCK)
    if info.type == _LONG_NAME:
        return before._replace(path=data.partition(b"\0")[0].decode("utf-8", "surrogateescape"))
    if info.type == _LONG_LINK:  # of a link, which is refused when it comes
        return before
    return _with_records(data, before, is_global=info.type == _GLOBAL)


def _with_records(data: bytes, before: _Extension, *, is_global: bool) -> _Extension:
    """The records of a pax header: `length key=value` and a line end, POSIX.1-2001."""
    start, found = 0, before
    while start < len(data) and data[start]:
        record = _RECORD.match(data, start)
        end = start + int(record[1]) if record else 0
        if record is None or end > len(data) or end <= record.end() or data[end - 1 : end] != b"\n":
            raise Rejected("package_corrupt", "an extended header is damaged")
        key, value = record[2], data[record.end() : end - 1]
        start = end
        if key.startswith(b"GNU.sparse"):
            raise Rejected("package_unsafe", "it holds a sparse file")
        if key not in (b"path", b"size"):
            continue
        if is_global:
            raise Rejected("package_unsafe", "one header names all of its members")
        if key == b"path":
            found = found._replace(path=value.decode("utf-8", "surrogateescape"))
        elif value.isdigit() and len(value) < 19:
            found = found._replace(size=int(value))
        else:
            raise Rejected("package_corrupt", "a member has no size")
    return found


def _checked_path(path: str) -> str:
    """A path without `./` and empty parts. Raises Rejected where it leads elsewhere."""
    parts = path.split("/")
    if path.startswith("/") or ".." in parts:
        raise Rejected("package_unsafe", f"the path {path[:200]!a} leads out of it")
    plain = "/".join(part for part in parts if part not in ("", "."))
    if "\0" in plain or len(plain) > LONGEST_PATH:
        raise Rejected(
            "package_unsafe", f"the path {path[:200]!a} is too long, or holds a NUL character"
        )
    return plain
