"""NCBI's lists of the packages, `oa_file_list.csv` and `*filelist.csv`: licence, retraction, date.

The columns are those of the lists of the former FTP service, found by their names: `File`, `Article
File` or `Key`, `Article Citation`, `Accession ID` or `AccessionID`, `Last Updated (…)` or
`LastUpdated (…)`, `PMID`, `License`, `Retracted`. The lists name millions of packages: of each only a
place in the file is kept in memory.
"""

from __future__ import annotations

import csv
import os
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from biomedica.errors import Deferred, SourceError
from biomedica.sources.files import open_file

__all__ = ["FileList", "ListedPackage", "is_file_list"]

_LONGEST_LINE = 1 << 20
_ACCESSION = re.compile(r"PMC([1-9][0-9]{0,11})", re.ASCII)
_PMID = re.compile(r"(?:PMID:)?\s*([0-9]{1,18})", re.ASCII)
_RETRACTED = {"yes": True, "no": False, "": False}
_NAMES = {
    "file": "file",
    "articlefile": "file",
    "key": "file",
    "articlecitation": "citation",
    "accessionid": "accession",
    "lastupdated": "updated",
    "lastupdatedutc": "updated",
    "pmid": "pmid",
    "license": "license",
    "retracted": "retracted",
}
Columns = dict[str, int]


@dataclass(frozen=True, slots=True)
class ListedPackage:
    """What a list says of an article."""

    pmcid: int
    updated: str
    pmid: int | None
    license_code: str | None
    is_retracted: bool
    citation: str | None

    @property
    def text(self) -> str:
        """What the article's digest covers."""
        return repr(astuple(self))


def is_file_list(name: str) -> bool:
    """Whether a file beside the packages is a list of them."""
    return name == "oa_file_list.csv" or name.endswith("filelist.csv")


class FileList:
    """The lists in one folder as a mapping PMCID → what they say. Safe to use from several threads.

    names: of the lists; of two rows of one article the one that was updated later counts. Raises
    SourceError where a list is not what NCBI writes.
    """

    def __init__(self, root: str, names: Sequence[str]) -> None:
        self._root = root
        self._lists: list[tuple[str, Columns]] = []
        keys, places = array("q"), array("q")
        dates = array("q")
        for name in sorted(names):
            for listed, start, size in self._rows(name):
                keys.append(listed.pmcid)
                places.extend((len(self._lists) - 1, start, size))
                dates.append(int(re.sub("[^0-9]", "", listed.updated)[:14] or 0))
        numbers = np.frombuffer(keys, np.int64) if keys else np.zeros(0, np.int64)
        order = np.lexsort((np.frombuffer(dates, np.int64) if dates else numbers, numbers))
        last = np.append(numbers[order][1:] != numbers[order][:-1], True)[: len(order)]
        self._keys: npt.NDArray[np.int64] = numbers[order[last]]
        self._places = np.array(places, np.int64).reshape(-1, 3)[order[last]]

    def __len__(self) -> int:
        return len(self._keys)

    def get(self, pmcid: int) -> ListedPackage | None:
        """What is said of one article; None where it is not listed. Raises Deferred."""
        at = int(np.searchsorted(self._keys, pmcid))
        if at == len(self._keys) or self._keys[at] != pmcid:
            return None
        number, start, size = self._places[at].tolist()
        name, columns = self._lists[number]
        with open_file(self._root, os.path.join(self._root, name)) as file:
            line = os.pread(file.fileno(), size, start) if file is not None else b""
        try:
            listed = _listed(_cells(line), columns)
        except (ValueError, csv.Error):
            listed = None
        if listed is None or listed.pmcid != pmcid:
            raise Deferred(f"{name} changed while it was read")
        return listed

    def _rows(self, name: str) -> Iterator[tuple[ListedPackage, int, int]]:
        """Each row of an article, its first byte and its length. The list is known from now on."""
        try:
            with open_file(self._root, os.path.join(self._root, name)) as file:
                if file is None:
                    return
                columns: Columns | None = None
                for number, start, line in _lines(file):
                    where = f"{os.path.join(self._root, name)} line {number}"
                    if columns is None:
                        columns = _columns(line, where)
                        self._lists.append((name, columns))
                        continue
                    listed = _checked(line, columns, where)
                    if listed is not None:
                        yield listed, start, len(line)
        except Deferred as fault:
            raise SourceError(f"{fault}; check the list of packages, or remove it") from None


def _lines(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """(line number, first byte, bytes) of each row: a quoted field may hold line ends."""
    start = number = 0
    while row := file.readline(_LONGEST_LINE):
        first = number = number + 1
        while (
            row.count(b'"') % 2 and len(row) < _LONGEST_LINE and (more := file.readline(_LONGEST_LINE))
        ):
            row += more
            number += 1
        if row.strip():
            yield first, start, row
        start += len(row)


def _cells(line: bytes) -> list[str]:
    """Raises ValueError where it is no text."""
    return next(csv.reader([line.decode("utf-8-sig")], strict=True), [])


def _columns(line: bytes, where: str) -> Columns:
    try:
        cells = _cells(line)
    except (ValueError, csv.Error):
        cells = []
    found: Columns = {}
    for position, cell in enumerate(cells):
        name = _NAMES.get(re.sub("[^a-z]", "", cell.partition("(")[0].casefold()))
        if name is not None:
            found.setdefault(name, position)
    if "accession" not in found:
        raise SourceError(
            f"{where} names no column Accession ID: give a list as NCBI writes it, or remove it"
        )
    return found | {"": len(cells)}


def _checked(line: bytes, columns: Columns, where: str) -> ListedPackage | None:
    try:
        return _listed(_cells(line), columns)
    except (ValueError, csv.Error) as error:
        raise SourceError(
            f"{where} is no row of the list ({str(error)[:80]}): get the list again, or remove it"
        ) from None


def _listed(cells: list[str], columns: Columns) -> ListedPackage | None:
    """A row; None where it is that of no article. Raises ValueError where it is broken."""
    if len(cells) != columns[""]:
        raise ValueError(f"{len(cells)} columns, not {columns['']}")
    values = {name: cells[position].strip() for name, position in columns.items() if name}
    accession = _ACCESSION.fullmatch(values["accession"])
    if accession is None:
        return None
    pmid = _PMID.fullmatch(values.get("pmid", ""))
    retracted = values.get("retracted", "").casefold()
    if retracted not in _RETRACTED:
        raise ValueError(f"retracted is {retracted[:20]!a}")
    return ListedPackage(
        pmcid=int(accession[1]),
        updated=values.get("updated", ""),
        pmid=(int(pmid[1]) or None) if pmid else None,
        license_code=values.get("license") or None,
        is_retracted=_RETRACTED[retracted],
        citation=values.get("citation") or None,
    )
