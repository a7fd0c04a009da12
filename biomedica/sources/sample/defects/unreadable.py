"""Bytes in the place of an XML: not XML, not JATS, not well-formed, or in a wrong encoding.

What would weigh more than a megabyte (text of 10 MB, 60 MB of small elements) is left to unit tests.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable

from .case import Defect, Plant, Prefix, deferred, pair, rejected, written
from .document import article_xml, body_xml, fig

__all__ = ["UNREADABLE", "replaced"]

_XHTML = (
    b'<html xmlns="http://www.w3.org/1999/xhtml"><head><title>Please wait</title></head>'
    b"<body><p>Checking your browser.</p></body></html>"
)
_HTML = b"<!DOCTYPE html><html><head><meta charset=utf-8></head><body>Please wait<br></body></html>"
_NO_SUCH_KEY = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code>'
    b"<Message>The specified key does not exist.</Message></Error>"
)
_SLOW_DOWN = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code>'
    b"<Message>Please reduce your request rate.</Message></Error>"
)
_LAUGHS = "".join(f'<!ENTITY laugh{level} "{f"&laugh{level - 1};" * 10}">' for level in range(1, 10))
_BOMB = f'<!DOCTYPE article [<!ENTITY laugh0 "ha">{_LAUGHS}]>'


def _these(data: bytes) -> Plant:
    """The bytes stand for the XML, and the metadata states their MD5."""

    def plant(prefix: Prefix) -> None:
        prefix.xml = data

    return plant


def _changed(change: Callable[[bytes], bytes]) -> Plant:
    """The sound XML, changed; the metadata states the MD5 of what is there."""

    def plant(prefix: Prefix) -> None:
        prefix.xml = change(prefix.xml or b"")

    return plant


def replaced(old: str, new: str) -> Plant:
    """The sound XML with one place changed."""
    return _changed(lambda xml: _replace(xml, old.encode(), new.encode("utf-8", "surrogatepass")))


def _replace(xml: bytes, old: bytes, new: bytes) -> bytes:
    if old not in xml:
        raise ValueError(f"the sound article holds no {old!r}")
    return xml.replace(old, new, 1)


def _without_md5(plant: Plant) -> Plant:
    """The metadata states no MD5 of the XML."""

    def both(prefix: Prefix) -> None:
        plant(prefix)
        prefix.md5_of[prefix.xml_name] = None

    return both


def _in_transit(plant: Plant) -> Plant:
    """The bytes changed on their way: the metadata states the MD5 of the sound XML."""

    def both(prefix: Prefix) -> None:
        prefix.md5_of[prefix.xml_name] = prefix.xml
        plant(prefix)

    return both


def _cut(xml: bytes) -> bytes:
    return xml[: len(xml) * 2 // 3]


def _latin1(prefix: Prefix) -> None:
    said = body_xml(fig(caption="Café cells in the first hour."))
    prefix.xml = article_xml(prefix, said).replace("é".encode(), b"\xe9")


def _mojibake(prefix: Prefix) -> None:
    said = body_xml("<p>Café, naïve, Zoë: the señor of the façade.</p>", fig())
    head = '<?xml version="1.0" encoding="ISO-8859-1"?>\n'
    prefix.xml = article_xml(prefix, said, head=head)


def _utf16(xml: bytes) -> bytes:
    return xml.decode().replace("UTF-8", "UTF-16").encode("utf-16")  # with its byte order mark


_NOT_WELL_FORMED = rejected("parse", "malformed_xml")

UNREADABLE = (
    Defect("empty_xml", "The XML has no bytes.", rejected("parse", "empty"), _these(b"")),
    Defect("blank_xml", "The XML is white space.", rejected("parse", "empty"), _these(b" \n\t\n")),
    Defect("nul_xml", "The XML is NUL bytes.", rejected("parse", "not_xml"), _these(b"\0" * 512)),
    Defect(
        "gzip_xml",
        "The XML is packed by gzip.",
        rejected("parse", "not_xml"),
        _changed(lambda xml: gzip.compress(xml, mtime=0)),
    ),
    Defect(
        "json_in_place_of_xml",
        "The XML is the JSON of an error.",
        rejected("parse", "not_xml"),
        _these(b'{"error": "API rate limit exceeded"}'),
    ),
    Defect("html_page", "The XML is an HTML page.", rejected("parse", "not_jats"), _these(_HTML)),
    Defect(
        "xhtml_page",
        "The XML is an HTML page that parses as XML.",
        rejected("parse", "not_jats"),
        _these(_XHTML),
    ),
    Defect(
        "html_without_md5",
        "The XML is an HTML page, and the metadata states no MD5.",
        rejected("parse", "not_jats"),
        _without_md5(_these(_HTML)),
    ),
    Defect(
        "html_with_wrong_md5",
        "An HTML page came instead of the XML whose MD5 is stated.",
        deferred(),
        _in_transit(_these(_HTML)),
    ),
    Defect(
        "no_such_key",
        "The XML is the answer of an object store that it has no such key.",
        rejected("parse", "not_jats"),
        _these(_NO_SUCH_KEY),
    ),
    Defect(
        "slow_down",
        "The XML is the answer of an object store that asks for fewer requests; no MD5 is stated.",
        deferred(),
        _without_md5(_these(_SLOW_DOWN)),
    ),
    Defect("truncated_xml", "The XML ends early.", _NOT_WELL_FORMED, _changed(_cut)),
    Defect(
        "truncated_xml_with_wrong_md5",
        "The XML ends early, and its MD5 is that of the whole.",
        deferred(),
        _in_transit(_changed(_cut)),
    ),
    Defect(
        "xml_with_wrong_md5",
        "The XML is well-formed and another one than the metadata means.",
        deferred(),
        _in_transit(replaced("divided twice", "divided once")),
    ),
    Defect(
        "undeclared_prefix",
        "A namespace prefix is not declared.",
        _NOT_WELL_FORMED,
        replaced('xmlns:xlink="http://www.w3.org/1999/xlink" ', ""),
    ),
    Defect(
        "bare_ampersand",
        "An ampersand stands for itself.",
        _NOT_WELL_FORMED,
        replaced("divided twice", "grew & divided"),
    ),
    Defect(
        "mismatched_tag",
        "A tag is closed by another one.",
        _NOT_WELL_FORMED,
        replaced("</title><p>", "</caption><p>"),
    ),
    Defect(
        "attribute_without_value",
        "An attribute has no value.",
        _NOT_WELL_FORMED,
        replaced("<sec>", "<sec open>"),
    ),
    Defect(
        "text_before_declaration",
        "Words stand before the XML declaration.",
        _NOT_WELL_FORMED,
        _changed(lambda xml: b"Content follows\n" + xml),
    ),
    Defect(
        "bad_doctype",
        "The document type declaration is broken.",
        _NOT_WELL_FORMED,
        replaced("<article ", '<!DOCTYPE article PUBLIC "-//NLM//DTD JATS" >\n<article '),
    ),
    Defect(
        "two_root_elements",
        "Two articles stand side by side without a root around them.",
        _NOT_WELL_FORMED,
        _changed(lambda xml: xml + xml.partition(b"?>\n")[2]),
    ),
    Defect(
        "latin1_declared_as_utf8",
        "The bytes are Latin-1 and the declaration says UTF-8.",
        rejected("parse", "bad_encoding"),
        _latin1,
    ),
    Defect(
        "utf8_declared_as_latin1",
        "The bytes are UTF-8 and the declaration says Latin-1.",
        written(pair(), warnings=("mojibake",)),
        _mojibake,
    ),
    Defect("utf16_xml", "The XML is UTF-16 with a byte order mark.", written(pair()), _changed(_utf16)),
    Defect(
        "utf8_byte_order_mark",
        "The XML begins with a byte order mark.",
        written(pair()),
        _changed(lambda xml: b"\xef\xbb\xbf" + xml),
    ),
    Defect(
        "control_character",
        "The text holds a control character.",
        _NOT_WELL_FORMED,
        replaced("divided twice", "divided\x01 twice"),
    ),
    Defect(
        "vertical_tab_reference",
        "A reference names a character that XML does not allow.",
        _NOT_WELL_FORMED,
        replaced("divided twice", "divided&#11;twice"),
    ),
    Defect(
        "surrogate_bytes",
        "The text holds half a character, a lone surrogate.",
        _NOT_WELL_FORMED,
        replaced("divided twice", "divided \ud800 twice"),
    ),
    Defect(
        "surrogate_reference",
        "A reference names half a character.",
        _NOT_WELL_FORMED,
        replaced("divided twice", "divided &#xD800; twice"),
    ),
    Defect(
        "unknown_encoding",
        "The declaration names an encoding that does not exist.",
        _NOT_WELL_FORMED,
        replaced('encoding="UTF-8"', 'encoding="X-UNHEARD"'),
    ),
    Defect(
        "entity_bomb",
        "Nine levels of entities would be written out as 2 GB.",
        _NOT_WELL_FORMED,
        _changed(
            lambda xml: _replace(
                _replace(xml, b"<article ", f"{_BOMB}\n<article ".encode()), b"twice", b"&laugh9;"
            )
        ),
    ),
    Defect(
        "entity_bomb_in_attribute",
        "The same, in an attribute.",
        _NOT_WELL_FORMED,
        _changed(
            lambda xml: _replace(
                _replace(xml, b"<article ", f"{_BOMB}\n<article ".encode()),
                b"<sec>",
                b'<sec sec-type="&laugh9;">',
            )
        ),
    ),
    Defect(
        "undeclared_entity",
        "An entity is used, and no document type could declare it.",
        _NOT_WELL_FORMED,
        replaced("divided twice", "divided&nbsp;twice"),
    ),
    Defect(
        "bottomless_nesting",
        "Elements are nested deeper than any parser goes.",
        rejected("parse", "too_large"),
        replaced("twice", "<italic>" * 3000 + "twice" + "</italic>" * 3000),
    ),
    Defect(
        "docbook_article",
        "The root is an article of another vocabulary.",
        rejected("parse", "not_jats"),
        _these(b"<article><title>A manual</title><section><para>Words.</para></section></article>"),
    ),
)
