"""The files of one article that has no metadata JSON: in a package PMC1.tar.gz, or in a folder PMC1/.

Both say what they hold before anything of it is read; nothing is unpacked to disk. What a package holds
is found by unpacking it once in passing, which checks its CRC-32; a file is then read from the nearest
mark before it (`inflate`), so that memory holds what is asked for and no more.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from biomedica.errors import ConfigError, Deferred, Rejected
from biomedica.ids import ArticleId, parse_article_id
from biomedica.sources.files import lies_inside, open_file
from biomedica.sources.inflate import GzipReader
from biomedica.sources.metadata import is_safe_name
from biomedica.sources.tar import MOST_MEMBERS, Member, read_members

__all__ = ["Holdings", "folder_state", "has_article", "open_folder", "open_package", "package_state"]

_TAIL = 1 << 12
_XML = (".nxml", ".xml")


@dataclass(frozen=True, slots=True)
class Holdings:
    """What the package or the folder of one article holds.

    state: digest of what is held, `package_state` or `folder_state`. media: every file but the XML.
    invalid: paths that are no plain file name in UTF-8 beside the XML, never read. read: a file's bytes by
    its name, None where there is none; raises Rejected("too_large") or Deferred.
    """

    state: bytes
    xml_name: str
    media: tuple[str, ...]
    invalid: tuple[str, ...]
    read: Callable[[str, int], bytes | None]


# --- a package -------------------------------------------------------------------------------


def package_state(root: str, path: str) -> bytes | None:
    """A digest of a package's content that reads 4 kB of it; None where there is no such file.

    It covers the size and the last bytes of the file: there gzip keeps the CRC-32 and the length of
    all that was packed. So a copy has the same digest, whatever its time, and a change of any byte
    another one, but for one in 2^32. Raises Deferred.
    """
    with open_file(root, path) as file:
        return None if file is None else _state_of(file)


def _state_of(file: BinaryIO) -> bytes:
    size = os.fstat(file.fileno()).st_size
    tail = os.pread(file.fileno(), _TAIL, max(0, size - _TAIL))
    return hashlib.md5(b"%d\n%b" % (size, tail), usedforsecurity=False).digest()


def open_package(root: str, path: str, article_id: ArticleId) -> Holdings | None:
    """The holdings of a package; None where there is no such file.

    Raises Rejected: package_corrupt, package_unsafe, xml_missing, xml_ambiguous,
    metadata_mismatch (its folder bears the id of another article); or Deferred.
    """
    with open_file(root, path) as file:
        if file is None:
            return None
        state, stamp = _state_of(file), _stamp(file)
        try:
            members = [one for one in read_members(GzipReader(file)) if not _is_hidden(one.path)]
        except Rejected:
            _check_unchanged(file, path, stamp)
            raise
        _check_unchanged(file, path, stamp)
    xml = _choose_xml([one.path for one in members if one.path.count("/") < 2], article_id)
    folder, _, xml_name = xml.rpartition("/")
    if _pmcid_of(folder) not in (None, article_id.pmcid):
        raise Rejected("metadata_mismatch", f"the package of {article_id} holds {folder[:60]}")
    prefix = f"{folder}/" if folder else ""
    held = {one.path.removeprefix(prefix): one for one in members if one.path.startswith(prefix)}
    names, invalid = _sorted_out(held)
    invalid += [one.path for one in members if not one.path.startswith(prefix)]

    def read(name: str, limit: int) -> bytes | None:
        return _read_member(root, path, stamp, held[name], limit) if name in names else None

    return Holdings(state, xml_name, _without(names, xml_name), _shown(invalid), read)


def _read_member(root: str, path: str, stamp: _Stamp, member: Member, limit: int) -> bytes:
    if member.size > limit:
        raise _too_large(member.path, member.size, limit)
    with open_file(root, path) as file:
        if file is None or _stamp(file) != stamp:
            raise Deferred(f"{path} changed while it was read")
        reader = GzipReader(file, member.mark)
        try:
            reader.skip(member.position - member.mark.position)
            data = reader.read(member.size)
        except Rejected:
            data = b""
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise Deferred(f"{path} gives other bytes than before")
    return data


# --- a folder --------------------------------------------------------------------------------


class _Stamp(NamedTuple):
    """What tells a file from another one of its name, as rsync and make do."""

    size: int
    time: int
    """of its last change, in ns"""


def folder_state(root: str, path: str) -> bytes | None:
    """A digest of the names, sizes and times of a folder's files; None where there is no folder.

    Raises Deferred.
    """
    stamps = _list_folder(root, path)
    return None if stamps is None else _state_of_folder(stamps)


def _state_of_folder(stamps: dict[str, _Stamp]) -> bytes:
    digest = hashlib.md5(usedforsecurity=False)
    for name, stamp in sorted(stamps.items()):
        digest.update(b"%b\0%d\0%d\n" % (os.fsencode(name), stamp.size, stamp.time))
    return digest.digest()


def has_article(path: str) -> bool:
    """Whether a folder holds an XML. Raises OSError."""
    with os.scandir(path) as entries:
        return any(entry.name.casefold().endswith(_XML) and entry.is_file() for entry in entries)


def open_folder(root: str, path: str, article_id: ArticleId) -> Holdings | None:
    """The holdings of a folder; None where there is no such folder. Its own folders are not read.

    Raises Rejected: package_unsafe, xml_missing, xml_ambiguous; or Deferred.
    """
    stamps = _list_folder(root, path)
    if stamps is None:
        return None
    if len(stamps) > MOST_MEMBERS:
        raise Rejected("package_unsafe", f"the folder holds more than {MOST_MEMBERS} files")
    names, invalid = _sorted_out(stamps)
    xml_name = _choose_xml(sorted(names), article_id)

    def read(name: str, limit: int) -> bytes | None:
        return _read_stamped(root, path, name, stamps[name], limit) if name in names else None

    state = _state_of_folder(stamps)
    return Holdings(state, xml_name, _without(names, xml_name), _shown(invalid), read)


def _list_folder(root: str, path: str) -> dict[str, _Stamp] | None:
    """Regular files by their names; links count where they lead to one inside `root`."""
    if not lies_inside(root, path):
        return None
    stamps: dict[str, _Stamp] = {}
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if _is_hidden(entry.name) or not entry.is_file():
                    continue
                if entry.is_symlink() and not lies_inside(root, entry.path):
                    continue
                found = entry.stat()
                stamps[entry.name] = _Stamp(found.st_size, found.st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise Deferred(f"cannot list {path}: {error.strerror}") from None
    return stamps


def _read_stamped(root: str, folder: str, name: str, stamp: _Stamp, limit: int) -> bytes:
    if stamp.size > limit:
        raise _too_large(name, stamp.size, limit)
    path = os.path.join(folder, name)
    with open_file(root, path) as file:
        data = file.read(stamp.size + 1) if file is not None and _stamp(file) == stamp else None
    if data is None or len(data) != stamp.size:
        raise Deferred(f"{path} changed while it was read")
    return data


# --- both ------------------------------------------------------------------------------------


def _stamp(file: BinaryIO) -> _Stamp:
    found = os.fstat(file.fileno())
    return _Stamp(found.st_size, found.st_mtime_ns)


def _check_unchanged(file: BinaryIO, path: str, stamp: _Stamp) -> None:
    """What is written while it is read looks damaged, and is not so for good."""
    if _stamp(file) != stamp:
        raise Deferred(f"{path} changed while it was read")


def _pmcid_of(folder: str) -> int | None:
    """The PMCID of `PMC1` or `PMC1.1`; None for other names."""
    try:
        return parse_article_id(folder).pmcid
    except ConfigError:
        return None


def _is_hidden(path: str) -> bool:
    """`.DS_Store`, `._name` and the like: what systems leave in folders and archives."""
    parts = path.split("/")
    return parts[0] == "__MACOSX" or any(part.startswith(".") for part in parts)


def _choose_xml(paths: Collection[str], article_id: ArticleId) -> str:
    """The article's XML: the one `.nxml`; without any, the one `.xml`, or that with the article's id.

    Supplementary files may be `.xml` too. Raises Rejected: xml_missing, xml_ambiguous.
    """
    for extension in _XML:
        found = [path for path in paths if path.casefold().endswith(extension)]
        if extension == ".xml" and len(found) > 1:
            ids = (f"{article_id}.xml", f"PMC{article_id.pmcid}.xml")
            found = [path for path in found if path.rpartition("/")[2] in ids] or found
        if len(found) > 1:
            shown = ", ".join(ascii(path[:60]) for path in sorted(found)[:3])
            raise Rejected("xml_ambiguous", f"{len(found)} files may be the article: {shown}")
        if found:
            return found[0]
    raise Rejected("xml_missing", f"no .nxml and no .xml among {len(paths)} files")


def _sorted_out(paths: Iterable[str]) -> tuple[frozenset[str], list[str]]:
    """(names that are plain, the others)."""
    plain = frozenset(path for path in paths if is_safe_name(path) and _is_text(path))
    return plain, [path for path in paths if path not in plain]


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _without(names: Iterable[str], xml_name: str) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if name != xml_name))


def _shown(paths: Iterable[str]) -> tuple[str, ...]:
    """Paths as a table can hold them: what is no UTF-8 in escapes."""

    def spelled() -> Iterator[str]:
        for path in paths:
            yield path if _is_text(path) and path.isprintable() else ascii(path)[1:-1]

    return tuple(sorted(set(spelled())))


def _too_large(path: str, size: int, limit: int) -> Rejected:
    name = ascii(path.rpartition("/")[2][:200])
    return Rejected("too_large", f"{name} has {size} bytes, over the limit of {limit}")
