"""The page of a dataset: its numbers are those of the rows, and it is the same each time."""

from __future__ import annotations

import itertools
import statistics as numbers
from pathlib import Path

import pytest

from biomedica.archive import Archive
from biomedica.reporting import statistics, statistics_page
from biomedica.reporting.histograms import histograms
from biomedica.store import Dataset, DatasetWriter
from tests.reporting.pages import HOSTILE, checked, words, write_dataset


def made(root: Path) -> str:
    archive = Archive(str(root))
    return statistics_page(statistics(archive), archive, Dataset.open(root))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("stats") / "d", shards=4, articles=9, texts=HOSTILE)


def test_the_same_dataset_gives_the_same_page(root: Path) -> None:
    text = made(root)
    assert text == made(root)
    tree = checked(text)
    shown = words(tree)
    assert "72 pairs" in shown or "pairs 72" in shown
    assert len(tree.xpath("//ul[@class='sheet']//img")) == 48
    titles = tree.xpath("//ul[@class='sheet']//img/@title")
    assert len(set(titles)) == 48
    assert any("<script>alert(1)</script>" in title for title in titles)
    assert len(tree.xpath("//figure//svg")) == 6


def test_histograms_are_those_of_the_rows(root: Path) -> None:
    archive = Archive(str(root))
    found = histograms(archive)
    rows = (
        archive.pairs(columns=["width", "height", "byte_size", "caption", "mentions"])
        .to_arrow()
        .to_pylist()
    )
    values = {
        "shorter_side": [min(row["width"], row["height"]) for row in rows],
        "kilobytes": [-(-row["byte_size"] // 1000) for row in rows],
        "caption_words": [len(row["caption"].split(" ")) for row in rows],
        "mentions": [len(row["mentions"]) for row in rows],
        "mention_words": [len(m["sentence"].split(" ")) for row in rows for m in row["mentions"]],
    }
    assert set(found) == set(values)
    for name, histogram in found.items():
        assert histogram.rows == len(values[name]), name
        assert histogram.median == numbers.median_low(values[name]), name
        edges = list(histogram.edges)
        expected = [
            sum(low <= v < high for v in values[name]) for low, high in itertools.pairwise(edges)
        ]
        assert list(histogram.counts) == expected, name


def test_an_empty_dataset_has_a_page(tmp_path: Path) -> None:
    with DatasetWriter.begin(tmp_path / "d"):
        pass
    tree = checked(made(tmp_path / "d"))
    assert not tree.xpath("//img | //figure")
