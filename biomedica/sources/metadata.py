"""The metadata JSON of one article version: bytes in, a checked `Metadata` out.

Rules: PMC Article Datasets README, section 4. Strict about what we rest on (identity, flags, URLs
that we follow), tolerant about the rest.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

from biomedica.errors import Rejected
from biomedica.ids import ArticleId
from biomedica.sources.protocol import Metadata

__all__ = ["is_safe_name", "parse_metadata"]

_OWN_FIELDS = frozenset(
    {
        "pmcid", "version", "pmid", "doi", "title", "citation", "is_pmc_openaccess", "is_manuscript",
        "is_historical_ocr", "is_retracted", "license_code", "xml_url", "media_urls",
    }
)  # fmt: skip
_FLAG_VALUES = {"yes": True, "no": False}
_BUCKET = re.compile(r"s3://[^/?#]+/")
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]|^[A-Za-z]:|^\.{0,2}\Z")
_INT64_MAX = (1 << 63) - 1


def parse_metadata(data: bytes, article_id: ArticleId) -> Metadata:
    """The metadata of `article_id`, checked against its key.

    A key that is absent, null or [] is the same thing. Keys without a field of their own are kept
    in `extra`. Media keys outside `<article_id>/`, in a sub-folder or unsafe as a file name go to
    `invalid_media`. Names stay percent-encoded where the JSON encodes them.

    Raises Rejected("metadata_invalid") naming the field, or Rejected("metadata_mismatch").
    """
    document = _load(data)
    _check_identity(document, article_id)
    xml_name, xml_md5 = _xml(document, article_id)
    media, invalid = _media(document, article_id)
    extra = {key: value for key, value in document.items() if key not in _OWN_FIELDS}
    return Metadata(
        article_id=article_id,
        pmid=_pmid(document),
        doi=_text(document, "doi"),
        title=_text(document, "title"),
        citation=_text(document, "citation"),
        is_pmc_openaccess=_flag(document, "is_pmc_openaccess"),
        is_manuscript=_flag(document, "is_manuscript"),
        is_historical_ocr=_flag(document, "is_historical_ocr"),
        is_retracted=_flag(document, "is_retracted"),
        license_code=_text(document, "license_code"),
        xml_name=xml_name,
        xml_md5=xml_md5,
        media=media,
        invalid_media=invalid,
        extra=extra or None,
    )


def is_safe_name(name: str) -> bool:
    """Whether a name is one plain path segment on every system: no separator, `..`, drive, control."""
    return _UNSAFE.search(name) is None


def _load(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text, parse_constant=_not_json)
    except UnicodeDecodeError as error:
        raise _invalid(f"not UTF-8 at byte {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise _invalid(f"not JSON: {_one_line(error)}") from None
    if not isinstance(document, dict):
        raise _invalid(f"not a JSON object but {_kind(document)}")
    if "\\ud" in text.lower():  # an escape may spell half a character, which no table can hold
        _check_unicode(document)
    return document


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _check_unicode(document: dict[str, Any]) -> None:
    for key, value in document.items():
        try:
            json.dumps([key, value], ensure_ascii=False).encode()
        except (UnicodeEncodeError, RecursionError):
            raise _invalid(f"{key[:60]!a}: not Unicode text") from None


def _check_identity(document: dict[str, Any], article_id: ArticleId) -> None:
    pmcid, version = _value(document, "pmcid"), _value(document, "version")
    if not isinstance(pmcid, str):
        raise _wrong_type("pmcid", "a string", pmcid)
    if not isinstance(version, int) or isinstance(version, bool):
        raise _wrong_type("version", "an integer", version)
    if (pmcid, version) != (f"PMC{article_id.pmcid}", article_id.version):
        said = _one_line(f"{pmcid}.{version}" if abs(version) < _INT64_MAX else pmcid)
        raise Rejected("metadata_mismatch", f"the metadata of {article_id} says it is {said}")


def _xml(document: dict[str, Any], article_id: ArticleId) -> tuple[str, str | None]:
    url = _value(document, "xml_url")
    if not isinstance(url, str):
        raise _wrong_type("xml_url", "a string", url)
    found = _split_url(url, article_id)
    if found is None:
        raise _invalid(f"xml_url: {_one_line(url)} is not a file of {article_id}/")
    return found


def _media(
    document: dict[str, Any], article_id: ArticleId
) -> tuple[dict[str, str | None], tuple[str, ...]]:
    urls = _value(document, "media_urls")
    if urls is None:
        return {}, ()
    if not isinstance(urls, list):
        raise _wrong_type("media_urls", "a list", urls)
    media: dict[str, str | None] = {}
    invalid: dict[str, None] = {}
    for index, url in enumerate(urls):
        if not isinstance(url, str):
            raise _wrong_type(f"media_urls[{index}]", "a string", url)
        found = _split_url(url, article_id)
        if found is None:
            invalid[url] = None
        else:  # named twice: the first checksum stands
            name, md5 = found
            media[name] = media.get(name) or md5
    return media, tuple(invalid)


def _split_url(url: str, article_id: ArticleId) -> tuple[str, str | None] | None:
    """`s3://bucket/PMC1.1/name?md5=hex` → (name, hex); None when it is no file of the article.

    The checksum is a hint: absent, or not 32 hex digits, it is None.
    """
    address, mark, query = url.rpartition("?")
    if not mark:
        address, query = url, ""
    bucket = _BUCKET.match(address)
    prefix = f"{article_id}/"
    if bucket is None or not address.startswith(prefix, bucket.end()):
        return None
    name = address[bucket.end() + len(prefix) :]
    if not is_safe_name(name):
        return None
    md5 = next((part[4:] for part in query.split("&") if part.startswith("md5=")), "")
    return name, md5.lower() if _MD5.fullmatch(md5) else None


def _value(document: dict[str, Any], field: str) -> Any:
    value = document.get(field)
    return None if value == [] else value


def _text(document: dict[str, Any], field: str) -> str | None:
    value = _value(document, field)
    if value is None:
        return None
    if not isinstance(value, str):
        raise _wrong_type(field, "a string", value)
    return value.strip() or None


def _pmid(document: dict[str, Any]) -> int | None:
    value = _value(document, "pmid")
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong_type("pmid", "an integer", value)
    if not 0 < value <= _INT64_MAX:
        raise _invalid("pmid: not a positive number of 64 bits")
    return value


def _flag(document: dict[str, Any], field: str) -> bool:
    value = _value(document, field)
    if value is None:
        return False
    if isinstance(value, str) and value in _FLAG_VALUES:
        return _FLAG_VALUES[value]
    if not isinstance(value, bool):
        raise _wrong_type(field, "true, false, 'yes' or 'no'", value)
    return value


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return f"the string {_one_line(value)}"
    names = {dict: "an object", list: "a list", bool: "a boolean", type(None): "nothing"}
    return names.get(type(value), "a number")


def _one_line(value: object) -> str:
    return ascii(str(value)[:120]).strip("'\"")


def _wrong_type(field: str, wanted: str, value: Any) -> Rejected:
    return _invalid(f"{field}: expected {wanted}, found {_kind(value)}")


def _invalid(detail: str) -> Rejected:
    return Rejected("metadata_invalid", detail)
