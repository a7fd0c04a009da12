"""A bounded run of the fuzzer, and that it would find what it looks for. More: `make fuzz`."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from biomedica.errors import Rejected
from biomedica.jats import Article, parse_article
from tests.fuzz import articles, oracle
from tests.fuzz.articles import fuzz, make, originals


@pytest.fixture(scope="module")
def documents() -> list[tuple[str, bytes]]:
    return originals(None)


def test_mutants_of_the_sample(documents: list[tuple[str, bytes]]) -> None:
    result = fuzz(documents, 0, range(400))
    assert result.findings == {}
    assert sum(result.outcomes.values()) == 400
    assert result.outcomes["article"] > 200
    assert len(result.outcomes) >= 4


def test_mutants_of_real_articles(corpus: Path) -> None:
    result = fuzz(originals(corpus), 0, range(400))
    assert result.findings == {}
    assert result.outcomes["article"] > 200


def test_mutants_come_again(documents: list[tuple[str, bytes]]) -> None:
    made = [make(documents, 3, number)[1] for number in range(40)]
    assert made == [make(documents, 3, number)[1] for number in range(40)]
    assert len(set(made)) == 40


def _loses_a_graphic(data: bytes) -> Article:
    article = parse_article(data)
    return replace(article, figures=article.figures[1:])


def _fails(data: bytes) -> Article:
    raise KeyError("id")


def _refuses_oddly(data: bytes) -> Article:
    raise Rejected("bored", "")


@pytest.mark.parametrize(
    ("parser", "words"),
    [(_loses_a_graphic, "graphics add up"), (_fails, "KeyError"), (_refuses_oddly, "bored")],
)
def test_a_parser_that_fails_is_found(
    parser: object, words: str, documents: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oracle, "parse_article", parser)
    findings = fuzz(documents, 0, range(20)).findings
    assert findings
    assert any(words in finding for finding in findings.values())


def test_a_parser_that_dies_or_hangs_is_found(
    documents: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    third, sixth = (make(documents, 0, number)[1] for number in (3, 6))

    def judge(data: bytes) -> str:
        if data == third:
            os._exit(9)
        if data == sixth:
            time.sleep(60)
        return "article"

    monkeypatch.setattr(articles, "judge", judge)
    monkeypatch.setattr(articles, "SECONDS", 1.0)
    result = fuzz(documents, 0, range(10))
    assert result.outcomes == {"article": 8}
    assert result.findings == dict.fromkeys((3, 6), "no answer in 1 s, or the process died")
