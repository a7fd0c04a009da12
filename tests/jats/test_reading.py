"""Malformed input: a named reject or a right parse, and never another exception."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from biomedica.errors import Rejected
from biomedica.jats import Article, parse_article
from biomedica.schema import REJECT_REASONS
from tests.jats.documents import META, document, fig, parse

GOOD = document(f"<sec><title>Results</title><p>Café.</p>{fig('f1', 'Figure 1')}</sec>")


def reason(xml: bytes, pmcid: str | None = None) -> str:
    with pytest.raises(Rejected) as caught:
        parse_article(xml, pmcid=pmcid)
    assert caught.value.reason in REJECT_REASONS["parse"]
    assert "\n" not in caught.value.detail
    return caught.value.reason


LAUGHS = (
    b'<!DOCTYPE article [<!ENTITY a "lol">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + i, (b"&%c;" % (97 + i)) * 10) for i in range(9))
    + b']><article><body a="&j;"><p>&j;</p></body></article>'
)


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        (b"", "empty"),
        (b" \n\t", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"\x00\x00\x00", "not_xml"),
        (gzip.compress(b"<article/>", mtime=0), "not_xml"),
        (b'{"error": "not found"}', "not_xml"),
        (b"<html><body><article><front/></article></body></html>", "not_jats"),
        (b"<!DOCTYPE html><html><body><br></body></html>", "not_jats"),
        (b"<Error><Code>NoSuchKey</Code></Error>", "not_jats"),
        (b"<article/>", "not_jats"),
        (b"<article><title>DocBook</title><section/></article>", "not_jats"),
        (b"<pmc-articleset/>", "not_jats"),
        (b"words <?xml version='1.0'?><article><body/></article>", "malformed_xml"),
        (b"<article><body><p>a & b</p></body></article>", "malformed_xml"),
        (b"<article><body><p>a</body></article>", "malformed_xml"),
        (b"<article><body><g xlink:href='a'/></body></article>", "malformed_xml"),
        (b"<article><body a><p/></body></article>", "malformed_xml"),
        (b"<article><body>&#11;</body></article>", "malformed_xml"),
        (b"<article><body>&#xD800;</body></article>", "malformed_xml"),
        (b"<article><body>\xed\xa0\x80</body></article>", "malformed_xml"),
        (b"<article><body>\x01</body></article>", "malformed_xml"),
        (b"<?xml version='1.0' encoding='x-none'?><article><body/></article>", "malformed_xml"),
        (
            b"<?xml version='1.0' encoding='UTF-8'?><article><body>caf\xe9</body></article>",
            "bad_encoding",
        ),
        (b"<article><body>" + b"<p>" * 3000 + b"</p>" * 3000 + b"</body></article>", "too_large"),
        (LAUGHS, "malformed_xml"),
    ],
)
def test_rejects(xml: bytes, expected: str) -> None:
    assert reason(xml) == expected


def test_the_line_of_the_fault_is_named() -> None:
    with pytest.raises(Rejected, match="line 3: ") as caught:
        parse_article(b"<article>\n<body>\n<p></body></article>")
    assert caught.value.reason == "malformed_xml"


def test_suppressed_articles() -> None:
    meta = META + (
        "<custom-meta-group><custom-meta><meta-name>pmc-prop-legally-suppressed</meta-name>"
        "<meta-value>yes</meta-value></custom-meta></custom-meta-group>"
    )
    assert reason(document(meta=meta)) == "legally_suppressed"
    assert parse(meta=meta.replace("yes", "no")).pmcid == "PMC123"


@given(st.integers(0, len(GOOD) - 1))
@settings(max_examples=150, deadline=None)
def test_a_cut_document_is_never_an_article(size: int) -> None:
    reason(GOOD[:size])


@given(st.integers(0, len(GOOD) - 1), st.binary(max_size=4), st.integers(0, 6))
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_give_an_article_or_a_reject(start: int, put: bytes, cut: int) -> None:
    outcome: Article | Rejected
    try:
        outcome = parse_article(GOOD[:start] + put + GOOD[start + cut :])
    except Rejected as rejected:
        outcome = rejected
    if isinstance(outcome, Rejected):
        assert outcome.reason in REJECT_REASONS["parse"]
    else:
        assert outcome.figure_count <= 1


def test_several_articles_need_an_id() -> None:
    two = (
        b"<pmc-articleset>"
        + document()
        + document(meta=META.replace("123", "77"))
        + b"</pmc-articleset>"
    )
    assert reason(two) == "ambiguous_root"
    assert reason(two, "PMC9") == "ambiguous_root"
    assert parse_article(two, pmcid="PMC77").pmcid == "PMC77"
    assert parse_article(two, pmcid="PMC123.1").pmcid == "PMC123"


def test_versions_in_one_file() -> None:
    metas = [f'<article-id pub-id-type="pmcid-ver">PMC5.{v}</article-id>' for v in (1, 2)]
    two = (
        b"<articles>"
        + b"".join(document(meta=META.replace("123", "5") + m) for m in metas)
        + b"</articles>"
    )
    assert reason(two, "PMC5") == "ambiguous_root"
    assert parse_article(two, pmcid="PMC5.2").version == 2


def test_entities_become_characters_or_warnings() -> None:
    head = (
        b'<!DOCTYPE article SYSTEM "http://127.0.0.1:9/x.dtd" [<!ENTITY own "mine"><!ENTITY deep "&own;">'
        b'<!ENTITY far SYSTEM "file:///etc/hostname">]>'
    )
    body = "<p>&alpha;&own;<b>x</b>y&beta;&nothing;&deep; a&far;b</p>"
    article = parse_article(head + document(body))
    assert article.text[0].text == "αminexyβ\ufffd\ufffd ab"
    assert set(article.warnings) == {
        "unknown_entity: nothing",
        "unknown_entity: deep",
        "external_entity: far",
    }


def test_long_text_and_deep_nesting_are_read_at_the_second_try() -> None:
    assert len(parse("<p>" + "word " * 2_200_000 + "</p>").text[0].text) == 10_999_999
    deep = parse("<p>a" + "<italic>" * 600 + "b" + "</italic>" * 600 + "</p>")
    assert deep.text[0].text == "ab"
    assert parse("<sec><title>S</title>" * 300 + fig("f1") + "</sec>" * 300).figure_count == 1


def test_the_limit_that_is_passed_is_named() -> None:
    for xml, said in (
        (b"<a>\n" + b"<p>" * 3000 + b"</p>" * 3000 + b"</a>", "line 2: more than 2048 elements inside"),
        (b"<" + b"a" * 10_000_001 + b"/>", "line 1: a name of more than 10000000 bytes"),
        (b"<article>" + b"<p/>" * 4_000_000 + b"</article>", "4000002 tags, over the limit of 4000000"),
    ):
        with pytest.raises(Rejected) as caught:
            parse_article(xml)
        assert caught.value.reason == "too_large"
        assert caught.value.detail.startswith(said)
    assert "depth" in REJECT_REASONS["parse"]["too_large"]


def test_more_tags_than_fit_memory() -> None:
    assert len(parse("<p>" + "word " * 2_000_000 + "</p>").text) == 1


def test_mojibake_is_a_warning() -> None:
    wrong = "café naïve ".encode().decode("latin-1")
    assert any(w.startswith("mojibake") for w in parse(f"<p>{wrong * 5}</p>").warnings)
    assert not parse("<p>café naïve</p>").warnings
