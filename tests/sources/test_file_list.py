"""NCBI's lists of packages, of every kind that there was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.errors import Rejected, SourceError
from biomedica.ids import ArticleId
from biomedica.sources import PackageSource
from biomedica.sources.file_list import FileList, ListedPackage, is_file_list
from tests.sources.packages import HEADER, write_package

BULK = "Article File,Article Citation,AccessionID,LastUpdated (YYYY-MM-DD HH:MM:SS),PMID,License,Retracted\n"
CLOUD = "Key,ETag,Article Citation,AccessionID,Last Updated UTC (YYYY-MM-DD HH:MM:SS),PMID,License,Retracted\n"


ALL = np.array(sorted({1, 7, 8, 13900, 6908519, *range(1, 100)}))


def lists(root: Path, **texts: str) -> FileList:
    """name=text: the list `name.filelist.csv`."""
    for name, text in texts.items():
        (root / f"{name}.filelist.csv").write_text(text, encoding="utf-8")
    return FileList(str(root), [f"{name}.filelist.csv" for name in texts], ALL)


def test_which_files_are_lists() -> None:
    names = [
        "oa_file_list.csv",
        "filelist.csv",
        "oa_comm_xml.PMC000xxxxxx.baseline.2022-09-03.filelist.csv",
    ]
    assert all(map(is_file_list, names))
    assert not any(map(is_file_list, ["oa_file_list.txt", "PMC-ids.csv", "filelist.csv.gz"]))


def test_rows_of_three_kinds_of_list(tmp_path: Path) -> None:
    found = lists(
        tmp_path,
        package=HEADER + "oa_package/08/e0/PMC13900.tar.gz,Breast Cancer Res. 2001; 3(1):55,PMC13900,"
        "2019-11-05 11:56:12,11250746,NO-CC CODE\n",
        bulk=BULK + 'PMC006xxxxxx/PMC6908519.xml,"Front Oncol. 2019 Dec 6; 9:1306",PMC6908519,'
        '"2024-02-07 23:35:31",31867269,"CC BY",no\n',
        cloud=CLOUD + "oa_comm/xml/all/PMC1.xml,abc,,PMC1,2020-01-01 00:00:00,PMID:5,,yes\r\n",
    )
    assert len(found) == 3
    assert found.get(13900) == ListedPackage(
        13900, "2019-11-05 11:56:12", 11250746, "NO-CC CODE", False
    )
    assert found.get(6908519) == ListedPackage(6908519, "2024-02-07 23:35:31", 31867269, "CC BY", False)
    assert found.get(1) == ListedPackage(1, "2020-01-01 00:00:00", 5, None, True)
    assert [found.get(pmcid) for pmcid in (2, 13899, 10**11)] == [None] * 3


def test_the_row_that_was_updated_last_counts(tmp_path: Path) -> None:
    rows = [f"f,c,PMC7,{day} 00:00:00,,{code}\n" for day, code in
            (("2020-01-02", "CC BY"), ("2021-01-01", "CC0"), ("2020-12-31", "CC BY-NC"))]  # fmt: skip
    assert getattr(lists(tmp_path, a=HEADER + "".join(rows)).get(7), "license_code", None) == "CC0"
    assert (
        getattr(lists(tmp_path, a=HEADER + rows[0], b=HEADER + rows[2]).get(7), "license_code", None)
        == "CC BY-NC"
    )
    assert len(lists(tmp_path, a=HEADER + "".join(rows * 3))) == 1


def test_articles_that_do_not_lie_here_are_not_kept(tmp_path: Path) -> None:
    text = HEADER + "".join(f"f,c,PMC{pmcid},,,CC BY\n" for pmcid in range(1, 5000))
    found = lists(tmp_path, a=text)
    assert len(found) == 99
    assert found.get(200) is None
    assert len(FileList(str(tmp_path), ["a.filelist.csv"], ALL[:0])) == 0


def test_no_list_and_lists_of_nothing(tmp_path: Path) -> None:
    assert lists(tmp_path).get(7) is None
    assert lists(tmp_path, a="", b=HEADER, c=HEADER + "x,y,NIHMS7,,,\n\n").get(7) is None


def test_quotes_line_ends_and_signs_in_citations(tmp_path: Path) -> None:
    text = "\ufeff" + HEADER + 'f,"é, ""q""\nsecond",PMC7,,,CC BY\nf,c,PMC8,,0,\n'
    found = lists(tmp_path, a=text)
    assert found.get(7) == ListedPackage(7, "", None, "CC BY", False)
    assert found.get(8) == ListedPackage(8, "", None, None, False)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n", "names no column Accession ID"),
        ("\x00\n", "names no column Accession ID"),
        (HEADER + "f,c,PMC7,,,CC BY\nf,c,PM", "Expected 6 columns, got 3"),
        (HEADER + 'f,"c,PMC7,,,CC BY\n', "is no list of packages"),
        (BULK + "f,c,PMC7,,,CC BY,perhaps\n", "Retracted is 'perhaps'"),
    ],
)
def test_lists_that_are_none(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(SourceError, match=words) as caught:
        lists(tmp_path, a=text)
    assert str(tmp_path / "a.filelist.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_list_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "filelist.csv").write_bytes(HEADER.encode() + b"f,c,PMC7,,,caf\xe9\n")
    with pytest.raises(SourceError, match="no list of packages"):
        FileList(str(tmp_path), ["filelist.csv"], ALL)


_TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=20)


@given(st.dictionaries(st.sampled_from(ALL.tolist()), st.tuples(_TEXT, _TEXT), max_size=20))
def test_any_texts_come_back(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[int, tuple[str, str]]
) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    text = HEADER + "".join(
        f"f,{quoted(citation)},PMC{pmcid},,,{quoted(code)}\n"
        for pmcid, (citation, code) in rows.items()
    )
    found = lists(tmp_path_factory.mktemp("list"), a=text)
    assert len(found) == len(rows)
    for pmcid, (_, code) in rows.items():
        listed = found.get(pmcid)
        assert listed is not None
        assert listed.license_code == (code.strip() or None)


# --- beside packages -------------------------------------------------------------------------


def test_what_a_list_says_is_in_the_metadata_and_in_the_digest(tmp_path: Path) -> None:
    write_package(tmp_path, place="oa_package/08/e0")
    source = PackageSource(str(tmp_path))
    seen = []
    for row in ("", "f,J. 2020;1,PMC7,2020-01-01 00:00:00,5,CC BY,no\n", "f,J. 2020;1,PMC7,2020-01-01 00:00:00,5,CC BY,yes\n",
                "f,J. 2020;1,PMC7,2020-01-01 00:00:00,5,CC BY,yes\nf,another,PMC8,,,CC0,no\n"):  # fmt: skip
        (tmp_path / "oa_file_list.csv").write_text(BULK + row)
        (digest,) = source.list_articles()["input_digest"].to_pylist()
        article = source.read_article(ArticleId(7, 1))
        assert article.input_digest == digest.hex()
        seen.append(digest)
    assert len(set(seen)) == 3  # the row of another article is nothing to this one
    known = article.metadata
    assert (known.pmid, known.citation, known.license_code) == (5, None, "CC BY")
    assert known.is_retracted
    assert known.extra == {"last_updated": "2020-01-01 00:00:00"}


def test_a_broken_list_stops_the_listing_before_anything_is_read(tmp_path: Path) -> None:
    write_package(tmp_path)
    (tmp_path / "filelist.csv").write_text("nothing\n")
    source = PackageSource(str(tmp_path))
    with pytest.raises(SourceError, match="remove it"):
        source.list_articles()
    (tmp_path / "filelist.csv").unlink()
    assert source.list_articles().num_rows == 1
    with pytest.raises(Rejected, match="unknown_id"):
        source.read_article(ArticleId(8, 1))
