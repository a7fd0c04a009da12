"""Licence codes as PMC spells them, their groups, which of two readings wins, and the gate."""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

from biomedica.config import LicenseConfig
from biomedica.errors import Rejected
from biomedica.schema import LICENSE_GROUPS

__all__ = [
    "LICENSE_CODES",
    "LicenseReading",
    "LicenseUrl",
    "Resolved",
    "admit",
    "license_group",
    "normalise_code",
    "read_url",
    "read_words",
    "resolve",
]

_GROUP_OF_CODE = {
    "CC0": "commercial",
    "CC BY": "commercial",
    "CC BY-SA": "commercial",
    "CC BY-ND": "commercial",
    "CC BY-NC": "noncommercial",
    "CC BY-NC-SA": "noncommercial",
    "CC BY-NC-ND": "noncommercial",
    "TDM": "other",
}
LICENSE_CODES = tuple(_GROUP_OF_CODE)
"""Every value of `license_code`, in PMC's spelling."""

_VERSIONS = frozenset({"1.0", "2.0", "2.1", "2.5", "3.0", "4.0"})
_NO_CODE = frozenset({"", "none", "null", "nocccode", "na"})
_URL = re.compile(
    r"creativecommons\s*\.\s*org\s*/+\s*(licen[sc]es?|publicdomain)\s*/+\s*"
    r"(zero|mark|(?:cc[-_ ]?)?by(?:[-_ ]?(?:nc|nd|sa))*)(?![a-z])(?:\s*/+\s*v?([0-9](?:\.[0-9])?))?",
    re.IGNORECASE,
)
_WORDS_TO_LETTERS = (
    (re.compile(r"creative\W*commons"), "cc"),
    (re.compile(r"licen[sc]e|international|unported|deed"), ""),
    (re.compile(r"attribution"), "by"),
    (re.compile(r"non\W*commercial"), "nc"),
    (re.compile(r"no\W*deriv(?:ative)?s?(?:\W*works?)?"), "nd"),
    (re.compile(r"share\W*alike"), "sa"),
    (re.compile(r"[^a-z0-9.]+"), ""),
)
_LETTERS = re.compile(r"(?:cc)?by((?:nc|nd|sa)*)v?(?:[0-9](?:\.?[0-9])?)?")
_SHORT = re.compile(r"\bCC[\s-]{0,2}BY((?:[\s-]{0,2}(?:NC|ND|SA)\b)*)", re.IGNORECASE)
_ZERO = re.compile(r"\bcc\s?-?(?:0|zero)\b|creative commons zero|public domain dedication", re.I)
_ATTRIBUTION = re.compile(r"creative\s*commons.{0,80}?attribution|attribution.{0,60}?licen[sc]e", re.S)
_NC = re.compile(r"non[\s‐-―-]*commercial")
_ND = re.compile(r"no[\s‐-―-]*deriv")
_SA = re.compile(r"share[\s‐-―-]*alike")


class LicenseUrl(NamedTuple):
    """A Creative Commons URL read: PMC's code, SPDX id (null without a known version), plain URL."""

    code: str
    spdx: str | None
    url: str


class Resolved(NamedTuple):
    """The licence of an article version; the field names are those of `articles`."""

    code: str | None
    spdx: str | None
    url: str | None
    source: str | None
    group: str
    warnings: tuple[str, ...]


class LicenseReading(Protocol):
    """A licence as an article states it (`jats.article.License`)."""

    @property
    def code(self) -> str | None: ...
    @property
    def spdx(self) -> str | None: ...
    @property
    def url(self) -> str | None: ...
    @property
    def source(self) -> str | None: ...


def _code_of_letters(letters: str) -> str:
    """The letters after "by", in any order: `ncnd` → CC BY-NC-ND."""
    code = "CC BY-NC" if "nc" in letters else "CC BY"
    if "nd" in letters:
        return code + "-ND"
    return code + "-SA" if "sa" in letters else code


def normalise_code(raw: str | None) -> str | None:
    """PMC's spelling out of any: `CC-BY 4.0`, `ccbylicense`, a Creative Commons URL.

    Unknown and empty spellings (`NO-CC CODE`, `none`, `open-access`) give None; `TDM` stays.
    """
    if raw is None:
        return None
    text = raw.strip().casefold()
    if "creativecommons.org" in text:
        link = read_url(text)
        return link.code if link else None
    for pattern, letters in _WORDS_TO_LETTERS:
        text = pattern.sub(letters, text)
    if text == "tdm":
        return "TDM"
    if text in {"cc0", "cczero", "zero", "cc01.0", "cc01", "cczero1.0"}:
        return "CC0"
    found = _LETTERS.fullmatch(text)
    return _code_of_letters(found[1]) if found else None


def license_group(code: str | None) -> str:
    """commercial, noncommercial or other (null, unknown and TDM), the split of PMC's bulk lists."""
    return _GROUP_OF_CODE.get(code or "", "other")


def read_url(url: str | None) -> LicenseUrl | None:
    """A Creative Commons licence URL in any spelling; None for every other URL.

    Scheme, `www.`, case, ports (`/igo/`), `/legalcode`, `/deed.xx` and a missing slash do not
    matter, nor do the misspellings `by-ncnd`, `cc-by` and `licences/`.
    """
    found = _URL.search(url or "")
    if found is None:
        return None
    letters, version = found[2].lower(), found[3]
    if letters == "mark":
        return None
    if version is not None and "." not in version:
        version += ".0"
    if version not in _VERSIONS:
        version = None
    tail = f"{version}/" if version else ""
    if letters == "zero":
        return LicenseUrl(
            "CC0",
            "CC0-1.0" if version == "1.0" else None,
            f"https://creativecommons.org/publicdomain/zero/{tail}",
        )
    code = _code_of_letters(letters.partition("by")[2])
    name = code[3:]
    return LicenseUrl(
        code,
        f"CC-{name}-{version}" if version else None,
        f"https://creativecommons.org/licenses/{name.lower()}/{tail}",
    )


def read_words(text: str | None) -> str | None:
    """The code out of a licence statement in words; None when it names no Creative Commons licence.

    "Non-commercial" anywhere makes it NC: of two readings of loose wording the stricter is kept.
    CC0 is read only when no attribution licence is named beside it (it is often that of the data).
    """
    if not text:
        return None
    plain = text.casefold()
    short = _SHORT.search(plain)
    if short is None and _ATTRIBUTION.search(plain) is None:
        return "CC0" if _ZERO.search(plain) else None
    letters = short[1] if short else ""
    letters += "nc" if _NC.search(plain) else ""
    letters += "nd" if _ND.search(plain) else ""
    letters += "sa" if _SA.search(plain) else ""
    return _code_of_letters(letters)


def resolve(metadata_code: str | None, jats: LicenseReading | None) -> Resolved:
    """The licence of an article version out of the metadata JSON's code and the article's own.

    `code` is the JSON's, and the article's where the JSON has none. `group` is the stricter of
    the two readings, with a warning when they differ. URL and SPDX id are the article's, and
    null where they would contradict `code`.
    """
    warnings: list[str] = []
    stated = jats.code if jats is not None else None
    named = normalise_code(metadata_code)
    code = named or stated
    group = license_group(code)
    if named is None and not _means_none(metadata_code):
        warnings.append(f"unknown_license_code: {str(metadata_code)[:80]}")
        group = "other"
    if named and stated and named != stated:
        warnings.append(f"license_mismatch: metadata {named}, article {stated}")
        group = max(group, license_group(stated), key=LICENSE_GROUPS.index)
    agrees = jats is not None and stated == code
    return Resolved(
        code=code,
        spdx=jats.spdx if jats is not None and agrees else None,
        url=jats.url if jats is not None and agrees else None,
        source="metadata" if named else (jats.source if jats is not None else None),
        group=group,
        warnings=tuple(warnings),
    )


def _means_none(raw: str | None) -> bool:
    return re.sub(r"[^a-z0-9]+", "", (raw or "").casefold()) in _NO_CODE


def admit(*, code: str | None, group: str, is_open_access: bool, config: LicenseConfig) -> None:
    """The gate, after parsing and before any media is read.

    Raises Rejected("license_not_taken") for TDM always, for articles that are not open access
    unless the configuration lets them in, and for groups that the configuration leaves out.
    """
    if code == "TDM":
        raise Rejected("license_not_taken", "TDM")
    if config.require_open_access and not is_open_access:
        raise Rejected("license_not_taken", "not open access")
    if group not in config.groups:
        raise Rejected("license_not_taken", f"{code or 'no code'} ({group})")
