"""Which media file a graphic's href means.

The chain: exact name, name without regard to case, stem among image files. Only a known extension
counts as one: `pone.0046493.g001` is a stem, not a file of type g001.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple
from urllib.parse import unquote

from biomedica.errors import Rejected

__all__ = [
    "IMAGE_EXTENSIONS",
    "UNSUPPORTED_EXTENSIONS",
    "Match",
    "MediaIndex",
    "is_image_name",
    "normalise_href",
    "resolve",
    "unreferenced_media",
]

IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp", "gif")
"""The image formats that we read, in the order in which files of one stem are preferred."""

UNSUPPORTED_EXTENSIONS = frozenset(
    {
        "ai", "avi", "avif", "cdr", "cgm", "doc", "docx", "dxf", "emf", "eps", "heic", "heif", "jp2",
        "jpx", "jxl", "mov", "mp4", "mpeg", "mpg", "pdf", "ppt", "pptx", "ps", "psd", "svg", "svgz",
        "webm", "wmf", "wmv", "xls", "xlsx",
    }
)  # fmt: skip
"""Extensions that graphics are known to carry and that we do not read."""

_KNOWN = UNSUPPORTED_EXTENSIONS.union(IMAGE_EXTENSIONS)
_SIZE = re.compile(r"(?<=.)(?:(?P<large>_lrg)|_sml|[._-]thumb(?:nail)?)\Z", re.IGNORECASE | re.DOTALL)
_ABSOLUTE = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9+.-]*:)?//")
_QUERY = re.compile(r"[?#]")
_SEPARATOR = re.compile(r"[/\\]")


class Match(NamedTuple):
    """The media file that a href means, and by which rule; (None, None) when there is none."""

    name: str | None
    how: Literal["exact", "case", "stem"] | None


_NO_MATCH = Match(None, None)


def is_image_name(name: str) -> bool:
    """Whether a file name carries the extension of an image format that we read."""
    return _split_extension(name)[1] in IMAGE_EXTENSIONS


def normalise_href(href: str) -> str:
    """The file name that a href speaks of: last path segment, no query or fragment, unquoted."""
    path = _QUERY.split(href.strip(), maxsplit=1)[0]
    return unquote(_SEPARATOR.split(path)[-1]).strip()


class MediaIndex:
    """The media files of one article, ready to be matched.

    names: file names, percent-encoded or not; either spelling is found.
    invalid: URLs of `Metadata.invalid_media`; what only they would match is never read.
    """

    __slots__ = ("_exact", "_folded", "_images", "_invalid", "_stems", "_unsupported")

    def __init__(self, names: Iterable[str], invalid: Iterable[str] = ()) -> None:
        ordered = sorted(set(names))
        self._exact = {name: name for name in ordered}
        for name in ordered:
            self._exact.setdefault(unquote(name), name)
        self._images = tuple(filter(is_image_name, ordered))
        self._folded: dict[str, set[str]] = {}
        self._stems: dict[str, dict[str, set[str]]] = {}
        self._unsupported: dict[str, str] = {}
        for spelling, name in self._exact.items():
            self._folded.setdefault(_fold(spelling), set()).add(name)
            stem, extension = _split_extension(spelling)
            if extension in IMAGE_EXTENSIONS:
                for key in {stem, _SIZE.sub("", stem)}:
                    self._stems.setdefault(_fold(key), {}).setdefault(key, set()).add(name)
            elif extension:
                self._unsupported.setdefault(_fold(stem), name)
        refused = [_SEPARATOR.split(_QUERY.split(url, maxsplit=1)[0])[-1] for url in invalid]
        self._invalid = MediaIndex(filter(None, refused)) if refused else None

    @property
    def images(self) -> tuple[str, ...]:
        """The names with an image extension, sorted."""
        return self._images

    def match(self, href: str) -> Match:
        """The media file that `href` means.

        Names that differ only in case are different files: where none is exact, none is taken.
        Files of one stem are ranked: `_lrg` before plain before thumbnail, then by
        IMAGE_EXTENSIONS.
        """
        spellings = _spellings(href)
        for spelling in spellings:
            if spelling in self._exact:
                return Match(self._exact[spelling], "exact")
        for spelling in spellings:
            names = self._folded.get(_fold(spelling), ())
            if len(names) == 1:
                return Match(next(iter(names)), "case")
        for spelling in spellings:
            best = self._best_image(spelling)
            if best is not None:
                return Match(best, "stem")
        return _NO_MATCH

    def image_twin(self, name: str) -> str | None:
        """The best image file of the same stem as a file that is no image."""
        return self._best_image(unquote(name))

    def unsupported_twin(self, href: str) -> str | None:
        """A file of the href's stem in a known format that we do not read."""
        for spelling in _spellings(href):
            for stem in _stems_of(spelling):
                if _fold(stem) in self._unsupported:
                    return self._unsupported[_fold(stem)]
        return None

    def is_invalid(self, href: str) -> bool:
        """Whether `href` means one of the files whose key is invalid."""
        return self._invalid is not None and self._invalid.match(href).name is not None

    def reached(self, href: str) -> frozenset[str]:
        """Every image file that `href` reaches: the file it names, or all files of the stem."""
        name, how = self.match(href)
        if name is None:
            return frozenset()
        if how != "stem" and is_image_name(name):
            return frozenset({name})
        spellings = (unquote(name),) if how != "stem" else _spellings(href)
        return frozenset(next(filter(None, map(self._twins, spellings)), ()))

    def _best_image(self, spelling: str) -> str | None:
        return min(self._twins(spelling), key=_rank, default=None)

    def _twins(self, spelling: str) -> set[str]:
        """The image files whose stem is `spelling`, with or without its own extension."""
        return next(filter(None, map(self._of_stem, _stems_of(spelling))), set())

    def _of_stem(self, stem: str) -> set[str]:
        by_case = self._stems.get(_fold(stem), {})
        if stem in by_case:
            return by_case[stem]
        return next(iter(by_case.values())) if len(by_case) == 1 else set()


def resolve(href: str, index: MediaIndex) -> str:
    """The name of the media file that is a graphic's image.

    A reference to a file that we do not read (`fig1.eps`) takes the image of the same stem.

    Raises Rejected (stage `image`): unsupported_format, invalid_key, external, media_missing.
    """
    name = index.match(href).name
    shown = ascii(href[:200])
    if name is not None:
        image = name if is_image_name(name) else index.image_twin(name)
        if image is None:
            raise Rejected("unsupported_format", f"{shown} is the file {name!a}")
        return image
    if index.is_invalid(href):
        raise Rejected("invalid_key", f"{shown} is a file outside the article's prefix")
    if _ABSOLUTE.match(href):
        raise Rejected("external", f"{shown} is no file of the article")
    other = index.unsupported_twin(href)
    if other is not None:
        raise Rejected("unsupported_format", f"{shown} matches only the file {other!a}")
    raise Rejected("media_missing", f"{shown} matches no file of the article")


def unreferenced_media(hrefs: Iterable[str], index: MediaIndex) -> tuple[str, ...]:
    """The image files that none of `hrefs` reaches, sorted.

    A stem reaches all its files (jpg + gif twin); a whole file name reaches that file alone.
    """
    reached = frozenset().union(*(index.reached(href) for href in set(hrefs)))
    return tuple(name for name in index.images if name not in reached)


def _spellings(href: str) -> tuple[str, ...]:
    """The file names that a href may mean, most literal first."""
    bare = href.strip()
    path = _QUERY.split(bare, maxsplit=1)[0]
    segment = _SEPARATOR.split(path)[-1]
    whole = bare[len(path) - len(segment) :]  # a name may hold # or ? itself
    spelled = (href, bare, whole, segment, unquote(segment), normalise_href(href))
    return tuple(filter(None, dict.fromkeys(spelled)))


def _split_extension(name: str) -> tuple[str, str]:
    """(stem, known extension in lower case), or (name, "")."""
    stem, dot, extension = name.rpartition(".")
    extension = extension.lower()
    return (stem, extension) if dot and stem and extension in _KNOWN else (name, "")


def _stems_of(spelling: str) -> Iterator[str]:
    yield spelling
    stem, extension = _split_extension(spelling)
    if extension:
        yield stem


def _rank(name: str) -> tuple[int, int, str]:
    stem, extension = _split_extension(unquote(name))
    size = _SIZE.search(stem)
    step = 1 if size is None else 0 if size["large"] else 2
    return step, IMAGE_EXTENSIONS.index(extension), name


def _fold(text: str) -> str:
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text.casefold())
