"""PubMed's baseline and update files (`pubmed26n0001.xml.gz`), in a folder, a bucket, or on the web.

A file is checked against the MD5 beside it before anything of it is parsed, and unpacked in steps:
memory holds the packed file and one step.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from biomedica._version import __version__
from biomedica.config import FetchConfig, is_uri
from biomedica.errors import Deferred, Rejected, SourceError
from biomedica.sources.bucket import Bucket

__all__ = ["PubmedFile", "list_pubmed_files", "md5_beside", "read_pubmed_file", "unpack"]

MAX_BYTES = 1 << 30
"""one file, packed; NLM's have some 20 to 60 MB"""
MAX_UNPACKED = 64 << 30
_NAME = re.compile(r"(pubmed\d{2}n\d{4})\.xml\.gz")
_LINK = re.compile(
    r"""href\s*=\s*["']?[^"'>]{0,500}?(pubmed\d{2}n\d{4}\.xml\.gz)(?=["'\s>])""", re.IGNORECASE
)
_MD5 = re.compile(rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{32}(?![0-9A-Fa-f])")
_STEP = 1 << 20
_PACKED_STEP = 1 << 16
_SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class PubmedFile:
    """One file and where it lies. The name is that of the file without .xml.gz; files are applied in
    the order of their names (NLM: a later file wins)."""

    name: str
    place: str

    @property
    def file_name(self) -> str:
        return f"{self.name}.xml.gz"


def list_pubmed_files(places: Sequence[str], fetch: FetchConfig) -> list[PubmedFile]:
    """The files of some folders or URIs (s3://, https://, http://, file://), in the order of their
    names; a name that two places have is taken from the later place.

    Raises SourceError where a place cannot be listed or holds no such file.
    """
    found: dict[str, PubmedFile] = {}
    for place in places:
        names = _names(place, fetch)
        if not names:
            raise SourceError(
                f"there is no PubMed file in {place}: give the place of files such as "
                "pubmed26n0001.xml.gz"
            )
        found |= {name: PubmedFile(name, place) for name in names}
    return [found[name] for name in sorted(found)]


def read_pubmed_file(file: PubmedFile, fetch: FetchConfig) -> tuple[bytes, str, bool]:
    """The packed bytes of a file, their MD5 in hex, and whether an MD5 beside it was compared.

    Raises Deferred: it disagrees with that MD5, after a second look at both too, or cannot be read
    now; Rejected: it is gone, or is too large.
    """
    place = _Place(file.place, fetch)
    wanted = md5 = None
    for _ in range(2):
        wanted = _stated_md5(place, file)
        data = place.get(file.file_name, MAX_BYTES)
        if data is None:
            raise Rejected("xml_missing", f"{file.file_name} is not there any more")
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        if wanted in (None, md5):
            return data, md5, wanted is not None
    raise Deferred(f"{file.file_name} has the MD5 {md5}, and the file beside it says {wanted}")


def md5_beside(file: PubmedFile, fetch: FetchConfig) -> str | None:
    """The MD5 in hex that the file beside it states; None where there is none.

    Raises Deferred where it cannot be read now.
    """
    return _stated_md5(_Place(file.place, fetch), file)


def unpack(data: bytes) -> Iterator[bytes]:
    """The bytes of a gzip file in steps. Raises Rejected: malformed_xml (cut off or broken),
    too_large."""
    view, at, size = memoryview(data), 0, 0
    while at < len(view):
        inflate = zlib.decompressobj(wbits=31)  # of each member; its checksum is compared
        while not inflate.eof:
            block = inflate.unconsumed_tail
            if not block:
                block = bytes(view[at : at + _PACKED_STEP])
                at += len(block)
            try:
                step = inflate.decompress(block, _STEP)
            except zlib.error:
                raise Rejected("malformed_xml", "broken gzip: damaged, or something else") from None
            if not (block or step or inflate.eof):
                raise Rejected("malformed_xml", "broken gzip: it is cut off")
            size += len(step)
            if size > MAX_UNPACKED:
                raise Rejected("too_large", f"it unpacks to more than {MAX_UNPACKED} bytes")
            if step:
                yield step
        at -= len(inflate.unused_data)
        while at < len(view) and not view[at]:  # a tape's padding
            at += 1


def _stated_md5(place: _Place, file: PubmedFile) -> str | None:
    text = place.get(f"{file.file_name}.md5", _SMALL)
    found = _MD5.search(text) if text is not None else None
    return found[0].decode().lower() if found is not None else None


def _names(place: str, fetch: FetchConfig) -> list[str]:
    matches = (_NAME.fullmatch(name) for name in _Place(place, fetch).names())
    return [found[1] for found in matches if found is not None]


class _Place:
    """A folder, a prefix of a bucket, or a folder on a web server: list it, read one file."""

    def __init__(self, uri: str, fetch: FetchConfig) -> None:
        self.uri = uri.rstrip("/")
        parts = urlsplit(uri) if is_uri(uri) else None
        self.scheme = parts.scheme.lower() if parts is not None else ""
        if self.scheme not in ("", "file", "s3", "http", "https"):
            raise SourceError(
                "cannot read PubMed files there: give a folder, s3://bucket/prefix or an https:// URL"
            )
        if (
            parts is not None
            and self.scheme in ("http", "https")
            and (parts.query or "@" in parts.netloc)
        ):
            raise SourceError("a URL of PubMed files has no user, password or query: write it without")
        self._fetch = fetch
        self._folder = unquote(parts.path) if parts is not None else uri
        if parts is not None and self.scheme == "s3":
            self._bucket = Bucket(parts.netloc, fetch)
            self._prefix = f"{parts.path.strip('/')}/".lstrip("/")

    def names(self) -> list[str]:
        """Raises SourceError."""
        if self.scheme in ("", "file"):
            try:
                return sorted(os.listdir(self._folder))
            except OSError as error:
                reason = error.strerror or type(error).__name__
                raise SourceError(f"cannot list {self._folder}: {reason}; name a folder") from None
        if self.scheme == "s3":
            pages = self._bucket.pages(f"{self._prefix}pubmed", delimiter="/")
            return sorted(key.removeprefix(self._prefix) for page in pages for key, *_ in page.objects)
        try:
            data = self._download("", 64 * _SMALL)
        except Deferred as fault:
            raise SourceError(f"{fault}: check the network, and run the same command again") from None
        return sorted(set(_LINK.findall((data or b"").decode("utf-8", "replace"))))

    def get(self, name: str, limit: int) -> bytes | None:
        """Raises Deferred, or Rejected("too_large")."""
        if self.scheme in ("", "file"):
            return _read_local(Path(self._folder, name), limit)
        if self.scheme == "s3":
            found = self._bucket.get(self._prefix + name, limit)
            return None if found is None else found[0]
        return self._download(name, limit)

    def _download(self, name: str, limit: int) -> bytes | None:
        import requests
        from requests.adapters import HTTPAdapter
        from urllib3.exceptions import HTTPError
        from urllib3.util import Retry

        contact = f" (+{self._fetch.contact})" if self._fetch.contact else ""
        retry = Retry(
            self._fetch.retries,
            status_forcelist=(429, 500, 502, 503, 504),
            backoff_factor=0.5,
            backoff_max=30,
            redirect=5,
            raise_on_status=False,
        )
        url = f"{self.uri}/{name}"
        with requests.Session() as session:
            session.mount(f"{self.scheme}://", HTTPAdapter(max_retries=retry))
            session.headers["User-Agent"] = f"biomedica/{__version__}{contact}"
            session.headers["Accept-Encoding"] = "identity"
            try:
                with session.get(url, stream=True, timeout=(10, self._fetch.timeout_seconds)) as answer:
                    if answer.status_code == 404:
                        return None
                    if answer.status_code != 200:
                        raise Deferred(f"cannot read {url} now (status {answer.status_code})")
                    return _whole(answer, url, limit)
            except (requests.RequestException, HTTPError) as error:
                raise Deferred(f"cannot read {url} now ({type(error).__name__})") from None


def _read_local(path: Path, limit: int) -> bytes | None:
    """The folder is the user's own: links in it are followed."""
    try:
        size = path.stat().st_size
        if size > limit:
            raise Rejected("too_large", f"{path} has {size} bytes, over the limit of {limit}")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Deferred(f"cannot read {path}: {error.strerror or type(error).__name__}") from None


def _whole(answer: Any, url: str, limit: int) -> bytes:
    """The bytes as they lie on the server: a .gz is not to be unpacked on the way."""
    data = io.BytesIO()
    answer.raw.decode_content = False
    while part := answer.raw.read(_STEP):
        data.write(part)
        if data.tell() > limit:
            raise Rejected("too_large", f"{url} has more than {limit} bytes")
    stated = answer.headers.get("Content-Length", "")
    if stated.isdecimal() and int(stated) != data.tell():
        raise Deferred(f"{url} was cut off")
    return data.getvalue()
