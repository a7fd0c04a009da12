from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.errors import ConfigError
from biomedica.ids import ArticleId, parse_article_id
from biomedica.sources import ids_file, read_id_table, read_ids
from biomedica.sources.ids_file import ID_TABLE

ONE, TWO, TEN = ArticleId(1, 1), ArticleId(1, 2), ArticleId(1, 10)


def write(tmp_path: Path, data: str | bytes, name: str = "ids.txt") -> str:
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(path)


def test_values_on_the_command_line() -> None:
    assert read_ids(["PMC1.10", "PMC1.2, PMC7,", "PMC1.2"]) == [TWO, TEN, ArticleId(7, 0)]
    table = read_id_table(["PMC1.10", "PMC1"])
    assert table.schema == ID_TABLE
    assert table.to_pydict() == {"pmcid": [1, 1], "version": [0, 10]}


def test_no_values_are_no_ids() -> None:
    assert read_id_table([]).num_rows == 0
    assert read_id_table([]).schema == ID_TABLE


@pytest.mark.parametrize(
    "value", ["", " ", ",", "7759461", "pmc1.1", "PMC1.0", "PMC0", "PMC1.1.1", "PMC1.1;PMC2", "nothing"]
)
def test_malformed_values(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_id_table([value])
    assert "write PMC123" in str(caught.value)


TEXTS = {
    "plain": "PMC1.1\nPMC1.10\nPMC1.2\n",
    "no line end": "PMC1.10\nPMC1.2\nPMC1.1",
    "windows": "PMC1.1\r\nPMC1.10\r\n\r\nPMC1.2\r\n",
    "byte order mark": "\ufeffPMC1.1\nPMC1.10\nPMC1.2\n",
    "comments": "# mine\n\n  \t\nPMC1.1 # first\n#PMC9\n PMC1.10\t\nPMC1.2\n\n",
    "csv": 'article_id,title\nPMC1.1,"a, b"\n"PMC1.10",x\nPMC1.2,\n',
    "quoted csv": '# from the bucket\n\n"PMCID","License"\n"PMC1.1","CC BY"\n"PMC1.10" ,"x"\n"PMC1.2"\n',
    "tabs": "pmcid\tx\nPMC1.1\tx\nPMC1.10\ty\nPMC1.2\tz",
    "semicolons": "PMC1.1;x\nPMC1.10;y\nPMC1.2;\xff",
    "twice": "PMC1.2\nPMC1.1\nPMC1.10\nPMC1.2\nPMC1.2\n",
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("block", [5, 16, 8 << 20])
def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, block: int) -> None:
    monkeypatch.setattr(ids_file, "_BLOCK", block)
    path = write(tmp_path, text)
    assert read_ids([path]) == read_ids([f"@{path}"]) == [ONE, TWO, TEN]
    packed = write(tmp_path, gzip.compress(text.encode()), "ids.gz")
    assert read_ids([packed, "PMC1.1"]) == [ONE, TWO, TEN]


def test_bytes_that_are_no_text_may_stand_in_other_columns(tmp_path: Path) -> None:
    assert read_ids([write(tmp_path, b"PMC1.1,\xff\xfe\nPMC1.2\n")]) == [ONE, TWO]


@pytest.mark.parametrize("text", ["", "\n\n", "# nothing\n", "article_id\n"])
def test_a_file_without_ids_is_an_empty_list(tmp_path: Path, text: str) -> None:
    assert read_ids([write(tmp_path, text)]) == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("PMC1.1\nnonsense\nPMC2\n", 2),
        ("PMC1.1\n\n# x\nPMC1.0", 4),
        ("article_id\narticle_id\nPMC1\n", 2),
        ("PMC1\narticle_id\n", 2),
        ("title,article_id\nx,PMC1\n", 1),
        ('"PMC1\n', 1),
        ('PMC1"\n', 1),
        ("PMC1 PMC2\n", 1),
        ("PMC1.1\nPMC1234567890123\n", 2),
        ("PMC1.123456\n", 1),
        ("\x00\x01\x02", 1),
        ("PMC1\rPMC2\n", 1),
        ("PMC١\n", 1),
    ],
)
@pytest.mark.parametrize("block", [4, 8 << 20])
def test_malformed_lines_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, line: int, block: int
) -> None:
    monkeypatch.setattr(ids_file, "_BLOCK", block)
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_id_table([path])
    assert f"ids.txt line {line}: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 1"):
        read_id_table([write(tmp_path, "PMC1.1\n".encode("utf-16"))])


def test_a_line_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids_file, "_BLOCK", 100)
    monkeypatch.setattr(ids_file, "_LONGEST_LINE", 1000)
    with pytest.raises(ConfigError, match="line 2 has no end"):
        read_id_table([write(tmp_path, "PMC1\n" + "x" * 5000)])


@pytest.mark.parametrize("name", ["@none", "none.txt", "dir/none", "none.csv.gz"])
def test_a_file_that_is_not_there(name: str) -> None:
    with pytest.raises(ConfigError, match="there is no file of ids at"):
        read_id_table([name])


def test_a_file_elsewhere_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="local file") as caught:
        read_id_table(["s3://AKIA:hunter2@bucket/list.txt"])
    assert "hunter2" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        read_id_table([str(tmp_path)])
    with pytest.raises(ConfigError, match="cannot read the ids"):
        read_id_table(["@a\0b"])
    whole = gzip.compress(b"PMC1.1\n" * 1000)
    for damaged in (whole[:-20], whole[:12] + b"\xff" * 9 + whole[21:], b"\x1f\x8bnothing"):
        with pytest.raises(ConfigError, match="damaged gzip"):
            read_id_table([write(tmp_path, damaged, "x.gz")])


def test_a_pipe_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"PMC1.2\nPMC1.1\n",))
    writer.start()
    assert read_ids([f"@{path}"]) == [ONE, TWO]
    writer.join()


def test_an_id_wins_over_a_file_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "PMC5.5\n", "PMC1.1")
    assert read_ids(["PMC1.1"]) == [ONE]
    assert read_ids(["@PMC1.1"]) == [ArticleId(5, 5)]


IDS = st.builds(ArticleId, st.integers(1, 10**12 - 1), st.integers(0, 99_999))


@given(st.lists(IDS, max_size=20))
def test_ids_come_back_sorted_and_once(
    tmp_path_factory: pytest.TempPathFactory, ids: list[ArticleId]
) -> None:
    path = write(tmp_path_factory.mktemp("ids"), "".join(f"{i}\n" for i in ids))
    assert read_ids([path]) == read_ids([str(i) for i in ids]) == sorted(set(ids))


@given(st.text(alphabet='PMC0123459. "a#\u0661', max_size=18))
def test_a_line_is_read_as_the_parser_of_ids_reads_it(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = write(tmp_path_factory.mktemp("ids"), text)
    bare = text.partition("#")[0].strip()
    if len(bare) > 1 and bare[0] == bare[-1] == '"':
        bare = bare[1:-1]
    try:
        expected: list[ArticleId] | None = [parse_article_id(bare)]
    except ConfigError:
        expected = [] if not text.partition("#")[0].strip() else None
    if expected is None:
        with pytest.raises(ConfigError):
            read_ids([path])
    else:
        assert read_ids([path]) == expected
