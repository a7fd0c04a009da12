"""Lists of article ids as users write them: on the command line, in text and CSV files."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.errors import ConfigError
from biomedica.ids import ARTICLE_PATTERN, ArticleId, article_key, parse_article_id, split_key

__all__ = ["ID_TABLE", "read_id_table", "read_ids"]

Keys = npt.NDArray[np.int64]

ID_TABLE = pa.schema([pa.field("pmcid", pa.int64()), pa.field("version", pa.int32())])
"""Ids as integers; version 0 stands for the latest one."""

_BLOCK = 8 << 20
_LONGEST_LINE = 1 << 20
_REST = r"[ \t\r\n]*(?:[,;\t#](?s:.*))?$"
_PLAIN_LINE = rf"^[ \t]*{ARTICLE_PATTERN}{_REST}"
_QUOTED_LINE = rf'^[ \t]*"{ARTICLE_PATTERN}"{_REST}'
_EMPTY_LINE = r"^[ \t\r\n]*(?:#(?s:.*))?$"
_HEADERS = frozenset({b"article_id", b"pmcid", b"pmc_id", b"accession id", b"accessionid", b"id"})
_FILE_ENDINGS = (".txt", ".csv", ".tsv", ".gz")


def read_ids(values: Sequence[str]) -> list[ArticleId]:
    """`read_id_table` as a list, for short lists."""
    pmcids, versions = (column.to_pylist() for column in read_id_table(values).columns)
    return [ArticleId(pmcid, version) for pmcid, version in zip(pmcids, versions, strict=True)]


def read_id_table(values: Sequence[str]) -> pa.Table:
    """The ids that `values` name, as ID_TABLE, sorted and each once.

    A value is an id (PMC123.1, or PMC123 for its latest version), a comma-separated list of ids,
    `@file`, or the path of a file. A file holds an id in the first column of each line (columns
    end at , ; or tab; quotes allowed), blank lines, `#` comments, a header such as article_id;
    it may be gzipped. Millions of lines are fine.

    Raises ConfigError naming the value, or the file and line.
    """
    parts: list[Keys] = []
    inline: list[int] = []
    for value in values:
        path = _file_of(value)
        if path is None:
            inline.extend(article_key(*parse_article_id(text)) for text in _items(value))
        else:
            parts.extend(_file_keys(path))
    keys = np.concatenate([np.array(inline, np.int64), *parts])
    parts.clear()
    keys.sort()
    first = np.ones(len(keys), bool)
    np.not_equal(keys[1:], keys[:-1], out=first[1:])
    pmcids, versions = split_key(keys[first])
    columns = [pa.array(pmcids, pa.int64()), pa.array(versions.astype(np.int32), pa.int32())]
    return pa.Table.from_arrays(columns, schema=ID_TABLE)


def _items(value: str) -> list[str]:
    return [text for part in value.split(",") if (text := part.strip())]


def _file_of(value: str) -> str | None:
    """The path when the value speaks of a file; None when it is a list of ids."""
    if value.startswith(("@", "~")):
        return os.path.expanduser(value.removeprefix("@"))
    items = _items(value)
    try:
        for text in items:
            parse_article_id(text)
    except ConfigError:
        if os.path.exists(value) or os.sep in value or value.lower().endswith(_FILE_ENDINGS):
            return value
        raise
    if not items:
        raise ConfigError(f"{value!r} names no article id: write PMC123 or PMC123.1, or @file")
    return None


def _file_keys(path: str) -> Iterator[Keys]:
    if "://" in path:  # not repeated: it may hold a key
        raise ConfigError("a file of ids is a local file: copy it here, and give its path")
    shown = ascii(path)[1:-1]
    try:
        with open(path, "rb") as file:
            peeked = file.peek(2)[:2]
            stream = gzip.GzipFile(fileobj=file) if peeked == b"\x1f\x8b" else file
            yield from _stream_keys(cast(IO[bytes], stream), shown)
    except FileNotFoundError:
        raise ConfigError(f"there is no file of ids at {shown}: check the path") from None
    except IsADirectoryError:
        raise ConfigError(f"{shown} is a folder: give a file with an id on each line") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise ConfigError(f"{shown} is a damaged gzip file: write it again") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"cannot read the ids in {shown}: {error}") from None


def _stream_keys(stream: IO[bytes], shown: str) -> Iterator[Keys]:
    """The keys of a file, block by block of whole lines."""
    lines_before, seen_data, rest = 0, False, b""
    while block := stream.read(_BLOCK):
        data = rest + block
        end = data.rfind(b"\n") + 1
        data, rest = data[:end], data[end:]
        if len(rest) > _LONGEST_LINE:
            break
        if data:
            lines = _lines(data, is_first=lines_before == 0)
            keys, seen_data = _line_keys(lines, shown, lines_before, seen_data)
            lines_before += len(lines)
            yield keys
    if len(rest) > _LONGEST_LINE:
        number = lines_before + rest.count(b"\n") + 1
        raise ConfigError(f"{shown} line {number} has no end: give a text file with an id on each line")
    if rest:
        yield _line_keys(
            _lines(rest + b"\n", is_first=lines_before == 0), shown, lines_before, seen_data
        )[0]


def _lines(data: bytes, is_first: bool) -> pa.BinaryArray:
    """The lines of a text, line ends included, without a copy."""
    starts = np.flatnonzero(np.frombuffer(data, np.uint8) == ord("\n")).astype(np.int32) + 1
    offsets = np.concatenate([np.zeros(1, np.int32), starts])
    if is_first and data.startswith(b"\xef\xbb\xbf"):  # byte order mark
        offsets[0] = 3
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.BinaryArray.from_buffers(pa.binary(), len(starts), buffers)


def _line_keys(
    lines: pa.BinaryArray, shown: str, lines_before: int, seen_data: bool
) -> tuple[Keys, bool]:
    """The keys of these lines, and whether a line with data has been seen by now."""
    import pyarrow.compute as pc

    plain = pc.extract_regex(lines, _PLAIN_LINE)
    if not plain.null_count:
        return _pack_matches(plain), True
    others = np.flatnonzero(plain.is_null().to_numpy(zero_copy_only=False))
    other_lines = lines.take(pa.array(others))
    quoted = pc.extract_regex(other_lines, _QUOTED_LINE)
    is_empty = pc.match_substring_regex(other_lines, _EMPTY_LINE)
    is_wrong = pc.and_(quoted.is_null(), pc.invert(is_empty)).to_numpy(zero_copy_only=False)
    is_data = np.ones(len(lines), bool)
    is_data[others] = pc.invert(is_empty).to_numpy(zero_copy_only=False)
    first_data = None if seen_data or not is_data.any() else int(is_data.argmax())
    for number in others[is_wrong].tolist():
        text = lines[number].as_py()
        if number != first_data or not _is_header(text):
            said = ascii(text[:60].decode("utf-8", "replace").strip())
            raise ConfigError(
                f"{shown} line {lines_before + number + 1}: {said} is not an article id: "
                "write PMC123 (its latest version) or PMC123.1"
            )
    keys = np.concatenate([_pack_matches(plain.drop_null()), _pack_matches(quoted.drop_null())])
    return keys, seen_data or bool(is_data.any())


def _is_header(line: bytes) -> bool:
    column = line.replace(b";", b",").replace(b"\t", b",").split(b",", 1)[0]
    return column.strip().strip(b'"').lower() in _HEADERS


def _pack_matches(matches: pa.StructArray) -> Keys:
    import pyarrow.compute as pc

    pmcid, version = (part.cast(pa.string()) for part in matches.flatten())
    version = pc.if_else(pc.equal(version, ""), "0", version)
    numbers: list[Keys] = [
        part.cast(pa.int64()).to_numpy(zero_copy_only=False) for part in (pmcid, version)
    ]
    return article_key(*numbers)
