"""NCBI's lists of the packages, `oa_file_list.csv` and `*filelist.csv`: licence, retraction, date, PMID.

The columns are those of the lists of the former FTP service, found by their names: `Accession ID` or
`AccessionID`, `Last Updated (…)` or `LastUpdated (…)`, `PMID`, `License`, `Retracted`. The citation is
composed from the XML, whose words are no fewer. A list names millions of packages, and each process
reads it: only those that lie here are kept, some 30 bytes each.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from biomedica.errors import Deferred, SourceError
from biomedica.sources.files import open_file

__all__ = ["FileList", "ListedPackage", "is_file_list"]

_BLOCK = 8 << 20
_LONGEST_HEADER = 1 << 16
_NAMES = {
    "accessionid": "accession",
    "lastupdated": "updated",
    "lastupdatedutc": "updated",
    "pmid": "pmid",
    "license": "license",
    "retracted": "retracted",
}
_ROW = np.dtype(
    [("pmcid", "i8"), ("updated", "i8"), ("pmid", "i8"), ("license", "i4"), ("retracted", "?")]
)
Rows = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class ListedPackage:
    """What a list says of an article. updated: `2024-02-07 23:35:31`, or "" without a date."""

    pmcid: int
    updated: str
    pmid: int | None
    license_code: str | None
    is_retracted: bool

    @property
    def text(self) -> str:
        """What the article's digest covers."""
        return repr(astuple(self))


def is_file_list(name: str) -> bool:
    """Whether a file beside the packages is a list of them."""
    return name == "oa_file_list.csv" or name.endswith("filelist.csv")


class FileList:
    """The lists in one folder as a mapping PMCID → what they say. Safe to use from several threads.

    names: of the lists; pmcids: of the articles that matter, sorted. Of two rows of one article the
    one that was updated later counts, else the later one. Raises SourceError where a list is not what
    NCBI writes.
    """

    def __init__(self, root: str, names: Sequence[str], pmcids: npt.NDArray[np.int64]) -> None:
        self._codes: dict[str, int] = {}
        parts = [np.zeros(0, _ROW)]
        for name in sorted(names):
            path = os.path.join(root, name)
            try:
                with open_file(root, path) as file:
                    parts += () if file is None else self._read(file, path, pmcids)
            except Deferred as fault:
                raise SourceError(f"{fault}; check the list of packages, or remove it") from None
        rows = np.concatenate(parts)
        rows = rows[np.lexsort((rows["updated"], rows["pmcid"]))]
        is_last = np.append(rows["pmcid"][1:] != rows["pmcid"][:-1], True)[: len(rows)]
        self._rows = rows[is_last]
        self._keys = np.ascontiguousarray(self._rows["pmcid"])
        self._spellings = list(self._codes)

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, pmcid: int) -> ListedPackage | None:
        """What is said of one article; None where it is not listed."""
        at = int(np.searchsorted(self._keys, pmcid))
        if at == len(self._keys) or self._keys[at] != pmcid:
            return None
        _, updated, pmid, code, retracted = self._rows[at].item()
        digits = f"{updated:014d}" if updated else ""
        date = re.sub(r"(....)(..)(..)(..)(..)(..)", r"\1-\2-\3 \4:\5:\6", digits)
        return ListedPackage(pmcid, date, pmid or None, self._spellings[code] or None, retracted)

    def _read(self, file: BinaryIO, path: str, pmcids: npt.NDArray[np.int64]) -> Iterator[Rows]:
        columns = _columns(file, path)
        for whole in _batches(file, path, columns) if columns else ():
            numbers, batch = _wanted(whole, pmcids)
            rows = np.zeros(len(numbers), _ROW)
            rows["pmcid"] = numbers
            texts = {name: batch[name].to_pylist() for name in columns.keys() & _PARSED.keys()}
            for name, values in texts.items():
                try:
                    rows[name] = [_PARSED[name](value) for value in values]
                except ValueError as error:
                    raise _broken(path, error) from None
            codes = self._codes
            named = batch["license"].to_pylist() if "license" in columns else [""] * len(numbers)
            rows["license"] = [codes.setdefault(code.strip(), len(codes)) for code in named]
            yield rows


def _updated(text: str) -> int:
    return int(re.sub("[^0-9]", "", text)[:14].ljust(14, "0")) if text.strip() else 0


def _pmid(text: str) -> int:
    found = re.fullmatch(r"(?:PMID:)?\s*([0-9]{1,18})", text.strip(), re.ASCII)
    return int(found[1]) if found else 0


def _retracted(text: str) -> bool:
    if text.strip().casefold() not in ("yes", "no", ""):
        raise ValueError(f"Retracted is {text[:20]!a}")
    return text.strip().casefold() == "yes"


_PARSED = {"updated": _updated, "pmid": _pmid, "retracted": _retracted}


def _columns(file: BinaryIO, path: str) -> Mapping[str, int]:
    """The positions of the columns, and their number under ""; empty for an empty file."""
    line = file.readline(_LONGEST_HEADER)
    if not line.strip():
        return {}
    try:
        cells = next(csv.reader([line.decode("utf-8-sig")], strict=True), [])
    except (ValueError, csv.Error):
        cells = []
    found: dict[str, int] = {}
    for position, cell in enumerate(cells):
        name = _NAMES.get(re.sub("[^a-z]", "", cell.partition("(")[0].casefold()))
        if name is not None:
            found.setdefault(name, position)
    if "accession" not in found:
        raise SourceError(
            f"{path} names no column Accession ID: give a list as NCBI writes it, or remove it"
        )
    return found | {"": len(cells)}


def _batches(file: BinaryIO, path: str, columns: Mapping[str, int]) -> Iterator[pa.RecordBatch]:
    """The columns that we read, as strings by our names."""
    from pyarrow import csv as arrow

    names = [f"column {position}" for position in range(columns[""])]
    for name, position in columns.items():
        if name:
            names[position] = name
    if not (first := file.read(1)):
        return
    file.seek(-len(first), os.SEEK_CUR)
    wanted = [name for name in columns if name]
    try:
        yield from arrow.open_csv(
            file,
            read_options=arrow.ReadOptions(block_size=_BLOCK, column_names=names, use_threads=False),
            parse_options=arrow.ParseOptions(newlines_in_values=True),
            convert_options=arrow.ConvertOptions(
                include_columns=wanted,
                column_types=dict.fromkeys(wanted, pa.string()),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowInvalid as error:
        raise _broken(path, error) from None


def _broken(path: str, error: Exception) -> SourceError:
    what = ascii(" ".join(str(error).split())[:120])[1:-1]
    return SourceError(f"{path} is no list of packages ({what}): get it again, or remove it")


def _wanted(
    batch: pa.RecordBatch, pmcids: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], pa.RecordBatch]:
    """The rows of articles that matter, and their PMCIDs."""
    import pyarrow.compute as pc

    texts = pc.utf8_trim_whitespace(batch["accession"])
    is_id = pc.match_substring_regex(texts, r"\APMC[1-9][0-9]{0,11}\z")
    batch, texts = batch.filter(is_id), texts.filter(is_id)
    numbers = pc.utf8_slice_codeunits(texts, 3).cast(pa.int64()).to_numpy(zero_copy_only=False)
    at = np.minimum(np.searchsorted(pmcids, numbers), max(len(pmcids) - 1, 0))
    matter = pmcids[at] == numbers if len(pmcids) else np.zeros(len(numbers), bool)
    return numbers[matter], batch.filter(pa.array(matter))
