"""The planted defects: deterministic, small, listed with outcomes, and what they say they are."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from biomedica.errors import ConfigError, Rejected
from biomedica.jats import parse_article
from biomedica.schema import ARTICLES, PAIRS, REJECT_REASONS
from biomedica.sources import DirectorySource
from biomedica.sources.sample import write_sample
from biomedica.sources.sample.defects import DEFECTS, planted
from tests.sources.test_sample import tree_of

NOT_FROM_A_SAMPLE = {
    ("source", "xml_ambiguous"),  # of packages: tests/pipeline/test_packages.py
    ("source", "package_corrupt"),
    ("source", "package_unsafe"),
    ("source", "unknown_id"),  # needs an id that is asked for and not listed
    ("source", "kills_worker"),  # needs a worker that dies
    ("parse", "parser_error"),  # a defect of ours
    ("image", "too_large"),  # files over 64 MiB
    ("image", "article_too_large"),  # 256 MiB of images
    ("embed", "undecodable"),  # stored images were decoded
    ("embed", "not_finite"),  # needs a broken model
}


@pytest.fixture(scope="module")
def truth(with_defects: Path) -> list[dict[str, Any]]:
    return list(json.loads((with_defects / "truth.json").read_bytes())["defects"])


def test_names_are_unique_words_and_sentences_are_sentences() -> None:
    names = [defect.name for defect in DEFECTS]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    for defect in DEFECTS:
        assert re.fullmatch(r"[a-z][a-z0-9_]+", defect.name)
        assert re.fullmatch(r"[A-Z].+\.", defect.says), defect.name


def test_same_seed_same_bytes(with_defects: Path, tmp_path: Path) -> None:
    summary = write_sample(tmp_path, articles=1, defects=True)
    assert tree_of(tmp_path) == tree_of(with_defects)
    assert summary.defects == len(DEFECTS)
    first = {prefix.article_id: prefix.media for _, prefix in planted(0)}
    assert first != {prefix.article_id: prefix.media for _, prefix in planted(1)}


def test_the_ordinary_articles_are_those_of_a_sample_without(
    with_defects: Path, tmp_path: Path
) -> None:
    write_sample(tmp_path, articles=1)
    ordinary = {k: v for k, v in tree_of(tmp_path).items() if k.startswith(("PMC", "metadata"))}
    assert ordinary.items() <= tree_of(with_defects).items()
    own, other = (json.loads((place / "truth.json").read_bytes()) for place in (with_defects, tmp_path))
    assert own["articles"] == other["articles"]
    assert "defects" not in other


def test_a_sample_may_gain_defects_and_not_lose_them(with_defects: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, articles=1)
    write_sample(tmp_path, articles=1, defects=True)
    assert tree_of(tmp_path) == tree_of(with_defects)
    with pytest.raises(ConfigError, match="--defects"):
        write_sample(tmp_path, articles=1)
    assert tree_of(tmp_path) == tree_of(with_defects)


def test_the_defects_are_small(with_defects: Path) -> None:
    size = sum(path.stat().st_size for path in with_defects.rglob("*") if path.is_file())
    assert size < 4_000_000


def test_every_defect_is_listed_with_columns_that_exist(truth: list[dict[str, Any]]) -> None:
    assert [one["name"] for one in truth] == [defect.name for defect in DEFECTS]
    for one in truth:
        if one["outcome"] == "rejected":
            assert one["reason"] in REJECT_REASONS[one["stage"]]
        if one["outcome"] != "written":
            assert not one["graphics"]
        assert [g["graphic_index"] for g in one["graphics"]] == [*range(1, len(one["graphics"]) + 1)]
        for graphic in one["graphics"]:
            assert set(graphic.get("columns", {})) <= set(PAIRS.names)
            if graphic["outcome"] == "reject":
                assert graphic["reason"] in REJECT_REASONS[graphic["stage"]]
        assert set(one["article"]) <= set(ARTICLES.names)


def test_every_reason_that_input_can_cause_is_planted(truth: list[dict[str, Any]]) -> None:
    found = {(one["stage"], one["reason"]) for one in truth}
    found |= {(g["stage"], g["reason"]) for one in truth for g in one["graphics"] if "stage" in g}
    found |= {("figure", reason) for one in truth for reason in one["figures"]}
    every = {(stage, reason) for stage, reasons in REJECT_REASONS.items() for reason in reasons}
    assert every - found == NOT_FROM_A_SAMPLE


def test_the_folder_source_lists_every_defect(with_defects: Path, truth: list[dict[str, Any]]) -> None:
    listing = DirectorySource(str(with_defects)).list_articles()
    assert listing.num_rows == 1 + len(truth)


def test_only_deferred_articles_disagree_with_their_md5() -> None:
    """Or they hold an answer of the store, and no MD5 is stated."""
    disagree = set()
    for defect, prefix in planted(0):
        for name, data in {prefix.xml_name: prefix.xml, **prefix.media}.items():
            stated = prefix.md5_of.get(name, data)
            if data is not None and stated not in (None, data):
                disagree.add(defect.name)
    waiting = {defect.name for defect in DEFECTS if defect.outcome.kind == "deferred"}
    assert disagree == waiting - {"slow_down"}


def test_the_parser_gives_each_xml_its_outcome() -> None:
    """Without metadata and images: a reject at stage parse, or an article with these figures."""
    for defect, prefix in planted(0):
        outcome, name = defect.outcome, defect.name
        is_read = outcome.stage != "source" and "xml_url" not in prefix.fields
        if outcome.kind == "deferred" or outcome.reason == "license_not_taken" or not is_read:
            continue
        assert prefix.xml is not None, name
        if outcome.kind == "rejected":
            with pytest.raises(Rejected) as caught:
                parse_article(prefix.xml, pmcid=prefix.article_id)
            assert caught.value.reason == outcome.reason, name
            continue
        article = parse_article(prefix.xml, pmcid=prefix.article_id)
        assert article.graphic_count == len(outcome.graphics), name
        refused = {no.graphic_index: no.reason for no in article.rejects if no.graphic_index}
        at_figures = enumerate((graphic.reject for graphic in outcome.graphics), start=1)
        expected = {index: no[1] for index, no in at_figures if no and no[0] == "figure"}
        assert refused == expected, name
        assert tuple(no.reason for no in article.rejects if not no.graphic_index) == outcome.figures
