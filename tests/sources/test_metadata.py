from __future__ import annotations

import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.errors import Rejected
from biomedica.ids import ArticleId
from biomedica.sources import Metadata, parse_metadata
from biomedica.sources.metadata import is_safe_name
from tests.sources.layout import BUCKET, document

ID = ArticleId(7759461, 1)
HEX = "0123456789abcdef" * 2


def parse(**changes: Any) -> Metadata:
    return parse_metadata(json.dumps(document(ID, **changes)).encode(), ID)


def refused(data: bytes | dict[str, Any]) -> Rejected:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    with pytest.raises(Rejected) as caught:
        parse_metadata(raw, ID)
    assert "\n" not in caught.value.detail
    assert caught.value.detail.isascii()
    return caught.value


def test_every_field_is_read() -> None:
    metadata = parse(
        xml_url=f"{BUCKET}/{ID}/{ID}.xml?md5={HEX.upper()}",
        media_urls=[f"{BUCKET}/{ID}/g1.jpg?md5={HEX}", f"s3://other/{ID}/s1.xlsx"],
        is_retracted=True,
        text_url="t",
        novel={"a": [1]},
    )
    assert metadata == Metadata(
        article_id=ID,
        pmid=17205137,
        doi="10.1371/x",
        title="A title",
        citation="J. 2020;1:1",
        is_pmc_openaccess=True,
        is_manuscript=False,
        is_historical_ocr=False,
        is_retracted=True,
        license_code="CC BY",
        xml_name=f"{ID}.xml",
        xml_md5=HEX,
        media={"g1.jpg": HEX, "s1.xlsx": None},
        extra={"mid": None, "text_url": "t", "novel": {"a": [1]}},
    )
    assert pickle.loads(pickle.dumps(metadata)) == metadata  # noqa: S301


@pytest.mark.parametrize("field", ["pmid", "doi", "title", "citation", "license_code", "media_urls"])
def test_absent_null_and_empty_list_are_alike(field: str) -> None:
    without = document(ID)
    del without[field]
    absent = parse_metadata(json.dumps(without).encode(), ID)
    assert parse(**{field: None}) == parse(**{field: []}) == absent
    assert (absent.media if field == "media_urls" else getattr(absent, field)) in (None, {})


def test_a_blank_text_is_none() -> None:
    assert parse(doi="  ").doi is None


@pytest.mark.parametrize(
    ("given_value", "expected"),
    [(True, True), (False, False), ("yes", True), ("no", False), (None, False), ([], False)],
)
def test_flags(given_value: object, expected: bool) -> None:
    assert parse(is_pmc_openaccess=given_value).is_pmc_openaccess is expected


@pytest.mark.parametrize("flag", ["is_pmc_openaccess", "is_retracted"])
@pytest.mark.parametrize("value", [1, 0, "true", "Yes", "", {}, [True], 1.0])
def test_other_flags_are_invalid(flag: str, value: object) -> None:
    fault = refused(document(ID, **{flag: value}))
    assert fault.reason == "metadata_invalid"
    assert flag in fault.detail


@pytest.mark.parametrize(
    "data",
    [
        b"", b"   ", b"<html>not here</html>", b"{", b"[]", b"null", b'"text"', b"7", b"\xff\xfe{}",
        b'{"a": NaN}', b"[" * 100_000, b'{"a": ' + b"9" * 5000 + b"}", b'{"title": "\xed\xa0\x80"}',
        '{"pmcid": "PMC7759461"}'.encode("utf-16"),
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_invalid(data: bytes) -> None:
    assert refused(data).reason == "metadata_invalid"


@pytest.mark.parametrize("constant", [float("nan"), float("inf")])
def test_constants_that_json_does_not_have_are_invalid(constant: float) -> None:
    assert refused(document(ID, novel=constant)).reason == "metadata_invalid"


def test_a_byte_order_mark_is_allowed() -> None:
    data = b"\xef\xbb\xbf" + json.dumps(document(ID)).encode()
    assert parse_metadata(data, ID).article_id == ID


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pmcid", None), ("pmcid", 7759461), ("version", None), ("version", "1"), ("version", True),
        ("version", 1.0), ("pmid", "17205137"), ("pmid", True), ("pmid", 0), ("pmid", -1),
        ("pmid", 1 << 63), ("doi", 10), ("title", {"a": 1}), ("title", ["x"]), ("citation", 1),
        ("license_code", 4), ("media_urls", "x"), ("media_urls", {"a": 1}), ("media_urls", [1]),
        ("media_urls", [None]), ("xml_url", None), ("xml_url", []), ("xml_url", ["x"]),
        ("xml_url", ""), ("xml_url", "https://x/PMC7759461.1/PMC7759461.1.xml"),
        ("xml_url", "s3://b/PMC7759461.2/PMC7759461.1.xml"), ("xml_url", "s3://b/PMC7759461.1/"),
        ("xml_url", "s3://b/PMC7759461.1/../PMC1.1/x.xml"), ("xml_url", "s3://b/PMC7759461.1/.."),
        ("title", "half \ud800 a character"), ("\udfff", 1),
    ],
)  # fmt: skip
def test_wrong_fields_are_named(field: str, value: object) -> None:
    fault = refused(document(ID, **{field: value}))
    assert fault.reason == "metadata_invalid"
    assert field in fault.detail or ascii(field) in fault.detail


def test_no_xml_url_is_invalid() -> None:
    without = document(ID)
    del without["xml_url"]
    assert refused(without).reason == "metadata_invalid"


@pytest.mark.parametrize(
    "changes",
    [{"pmcid": "PMC7759462"}, {"pmcid": "pmc7759461"}, {"version": 10}, {"version": 10**400}],
)
def test_another_articles_metadata_is_a_mismatch(changes: dict[str, Any]) -> None:
    assert refused(document(ID, **changes)).reason == "metadata_mismatch"


@pytest.mark.parametrize(
    "key",
    [
        f"{ID}/sub/g1.jpg", f"{ID}/../g1.jpg", f"{ID}/..", f"{ID}/.", f"{ID}/", f"{ID}//etc/passwd",
        f"/{ID}/g1.jpg", "/etc/passwd", f"{ID}/a\\b.jpg", f"{ID}/C:g1.jpg", f"{ID}/g\x001.jpg",
        f"{ID}/g\n1.jpg", "PMC7759461.10/g1.jpg", "PMC1.1/g1.jpg", "g1.jpg", "",
    ],
)  # fmt: skip
def test_unsafe_media_keys_are_never_read(key: str) -> None:
    urls = [f"{BUCKET}/{key}", f"{BUCKET}/{ID}/good.jpg"]
    metadata = parse(media_urls=urls)
    assert metadata.media == {"good.jpg": None}
    assert metadata.invalid_media == (urls[0],)


@pytest.mark.parametrize(
    "bad_url", ["", "g1.jpg", f"https://h/{ID}/g1.jpg", f"file:///{ID}/g1.jpg", f"s3:///{ID}/g1.jpg"]
)
def test_media_urls_that_are_not_s3_are_invalid_media(bad_url: str) -> None:
    assert parse(media_urls=[bad_url, bad_url]).invalid_media == (bad_url,)


@pytest.mark.parametrize(
    ("text", "name", "md5"),
    [
        ("a%20b.jpg", "a%20b.jpg", None),
        ("a b#1.jpg?md5=" + HEX, "a b#1.jpg", HEX),
        ("a?b.jpg?md5=" + HEX, "a?b.jpg", HEX),
        ("a.jpg?versionId=3&md5=" + HEX, "a.jpg", HEX),
        ("a.jpg?md5=" + HEX[:-1], "a.jpg", None),
        ("a.jpg?md5=" + HEX + "-3", "a.jpg", None),
        ("a..b.jpg", "a..b.jpg", None),
        ("übersicht.png", "übersicht.png", None),
    ],
)
def test_media_urls(text: str, name: str, md5: str | None) -> None:
    assert parse(media_urls=[f"{BUCKET}/{ID}/{text}"]).media == {name: md5}


def test_a_medium_named_twice_keeps_its_checksum() -> None:
    urls = [
        f"{BUCKET}/{ID}/a.jpg",
        f"{BUCKET}/{ID}/a.jpg?md5={HEX}",
        f"{BUCKET}/{ID}/a.jpg?md5={'0' * 32}",
    ]
    assert parse(media_urls=urls).media == {"a.jpg": HEX}


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(document(ID))) | st.text(), JSON_VALUES, max_size=6))
def test_wild_fields_give_metadata_or_a_reject(changes: dict[str, Any]) -> None:
    data = json.dumps(document(ID) | changes).encode()
    reason = None
    try:
        metadata = parse_metadata(data, ID)
    except Rejected as fault:
        reason = fault.reason
    if reason is not None:
        assert reason in ("metadata_invalid", "metadata_mismatch")
        return
    assert metadata.article_id == ID
    assert all(is_safe_name(name) for name in (metadata.xml_name, *metadata.media))


@given(st.binary(max_size=200))
def test_wild_bytes_give_a_reject(data: bytes) -> None:
    assert refused(data).reason == "metadata_invalid"


@given(st.text(max_size=30))
def test_a_safe_name_is_one_path_segment(name: str) -> None:
    if is_safe_name(name):
        assert name not in ("", ".", "..")
        assert not set(name) & {"/", "\\", "\0"}
        assert parse(media_urls=[f"{BUCKET}/{ID}/{name}?md5={HEX}"]).media == {name: HEX}
