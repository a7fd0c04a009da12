"""Licence codes, groups, the two readings and the gate."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.config import LicenseConfig
from biomedica.errors import Rejected
from biomedica.jats.article import License
from biomedica.licenses import (
    LICENSE_CODES,
    admit,
    license_group,
    normalise_code,
    read_url,
    read_words,
    resolve,
)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        ("CC BY", "CC BY"),
        ("CC-BY 4.0", "CC BY"),
        ("cc_by_nc_nd", "CC BY-NC-ND"),
        ("CC BY-NC-SA 3.0", "CC BY-NC-SA"),
        ("by-nd-nc", "CC BY-NC-ND"),
        ("ccbylicense", "CC BY"),
        ("ccbyncndlicense", "CC BY-NC-ND"),
        ("cc0license", "CC0"),
        ("CC0 1.0", "CC0"),
        ("creativeCommonsBy", "CC BY"),
        ("creative-commons-attribution", "CC BY"),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International", "CC BY-NC-ND"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC BY-SA"),
        ("TDM", "TDM"),
        ("NO-CC CODE", None),
        ("none", None),
        ("open-access", None),
        ("oup-standard", None),
        ("", None),
        (None, None),
    ],
)
def test_codes_of_any_spelling(raw: str | None, code: str | None) -> None:
    assert normalise_code(raw) == code


@pytest.mark.parametrize("code", LICENSE_CODES)
def test_a_code_is_its_own_spelling(code: str) -> None:
    assert normalise_code(code) == code


@given(st.text(max_size=40))
def test_any_text_gives_a_known_code_or_none(text: str) -> None:
    for code in (normalise_code(text), read_words(text)):
        assert code is None or code in LICENSE_CODES
    read_url(text)


@pytest.mark.parametrize(
    ("url", "code", "spdx", "plain"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "CC BY", "CC-BY-4.0", "by/4.0/"),
        ("http://www.CreativeCommons.org/licenses/BY/4.0", "CC BY", "CC-BY-4.0", "by/4.0/"),
        ("http://creativecommons.org/licenses/by-nc/2.0/uk/", "CC BY-NC", "CC-BY-NC-2.0", "by-nc/2.0/"),
        ("https://creativecommons.org/licenses/by/3.0/igo/", "CC BY", "CC-BY-3.0", "by/3.0/"),
        (
            "creativecommons.org/licences/by-ncnd/4.0/legalcode",
            "CC BY-NC-ND",
            "CC-BY-NC-ND-4.0",
            "by-nc-nd/4.0/",
        ),
        ("//creativecommons.org/licenses/cc-by/4.0/deed.pt", "CC BY", "CC-BY-4.0", "by/4.0/"),
        ("https://creativecommons.org/licenses/by-nc-sa/", "CC BY-NC-SA", None, "by-nc-sa/"),
        (
            "see http://creativecommons.org/licenses/by-sa/2.5.",
            "CC BY-SA",
            "CC-BY-SA-2.5",
            "by-sa/2.5/",
        ),
    ],
)
def test_urls(url: str, code: str, spdx: str | None, plain: str) -> None:
    assert read_url(url) == (code, spdx, "https://creativecommons.org/licenses/" + plain)


def test_zero_and_other_urls() -> None:
    assert read_url("http://creativecommons.org/publicdomain/zero/1.0/") == (
        "CC0",
        "CC0-1.0",
        "https://creativecommons.org/publicdomain/zero/1.0/",
    )
    for url in (
        None,
        "",
        "https://example.org/licenses/by/4.0/",
        "http://creativecommons.org/",
        "http://creativecommons.org/publicdomain/mark/1.0/",
        "https://creativecommons.org/licenses/bystander/4.0/",
    ):
        assert read_url(url) is None


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("distributed under the Creative Commons Attribution License, which permits", "CC BY"),
        ("the terms of the Creative Commons Attribution Non-Commercial License", "CC BY-NC"),
        ("Creative Commons Attribution–NonCommercial–NoDerivs licence", "CC BY-NC-ND"),
        ("Attribution-NonCommercial-ShareAlike License", "CC BY-NC-SA"),
        ("made available under the CC BY-NC 4.0 license", "CC BY-NC"),
        ("made available under the Creative Commons CC0 public domain dedication", "CC0"),
        (
            "Creative Commons Attribution License; the Public Domain Dedication waiver for the data",
            "CC BY",
        ),
        ("a work of the US government, in the public domain", None),
        ("under a Creative Commons licence", None),
        ("All rights reserved", None),
        ("", None),
    ],
)
def test_words(text: str, code: str | None) -> None:
    assert read_words(text) == code


def test_groups() -> None:
    assert [license_group(code) for code in ("CC0", "CC BY-ND", "CC BY-NC-SA")] == [
        "commercial",
        "commercial",
        "noncommercial",
    ]
    assert {license_group(code) for code in (None, "TDM", "custom")} == {"other"}


CC_BY = License("CC BY", "CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/", "license_ref")
CC_BY_NC = License("CC BY-NC", None, None, "license_words")


def test_metadata_is_the_authority_and_the_article_fills_in() -> None:
    both = resolve("CC BY", CC_BY)
    assert (both.code, both.spdx, both.source, both.group, both.warnings) == (
        "CC BY",
        "CC-BY-4.0",
        "metadata",
        "commercial",
        (),
    )
    assert resolve(None, CC_BY)[:5] == (
        *(CC_BY.code, CC_BY.spdx, CC_BY.url),
        "license_ref",
        "commercial",
    )
    assert resolve("none", None) == (None, None, None, None, "other", ())
    assert resolve("CC BY", None) == ("CC BY", None, None, "metadata", "commercial", ())
    assert resolve("CC BY", License(None, None, "https://x.org/l", "license_href")).url is None


@pytest.mark.parametrize(("named", "stated"), [("CC BY", CC_BY_NC), ("CC BY-NC", CC_BY)])
def test_the_stricter_group_wins_with_a_warning(named: str, stated: License) -> None:
    found = resolve(named, stated)
    assert (found.code, found.group, found.spdx) == (named, "noncommercial", None)
    assert found.warnings == (f"license_mismatch: metadata {named}, article {stated.code}",)


def test_an_unreadable_metadata_code_is_no_free_licence() -> None:
    found = resolve("publisher custom", CC_BY)
    assert (found.code, found.group) == ("CC BY", "other")
    assert found.warnings == ("unknown_license_code: publisher custom",)


def test_gate() -> None:
    config = LicenseConfig()
    admit(code="CC BY", group="commercial", is_open_access=True, config=config)
    admit(code=None, group="other", is_open_access=True, config=config)
    lenient = LicenseConfig(require_open_access=False)
    admit(code="CC BY", group="commercial", is_open_access=False, config=lenient)
    for code, group, is_open, settings, detail in (
        ("TDM", "other", True, config, "TDM"),
        ("TDM", "other", False, lenient, "TDM"),
        ("CC BY", "commercial", False, config, "not open access"),
        ("CC BY-NC", "noncommercial", True, LicenseConfig(groups=("commercial",)), "CC BY-NC (non"),
    ):
        with pytest.raises(Rejected, match="license_not_taken") as caught:
            admit(code=code, group=group, is_open_access=is_open, config=settings)
        assert caught.value.detail.startswith(detail)
