from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.errors import Rejected
from biomedica.schema import REJECT_REASONS
from biomedica.sources import (
    IMAGE_EXTENSIONS,
    UNSUPPORTED_EXTENSIONS,
    Match,
    MediaIndex,
    is_image_name,
    normalise_href,
    resolve_media,
    unreferenced_media,
)

INVALID = ["s3://b/PMC1.1/sub/x.jpg?md5=0", "s3://b/PMC2.1/y.png"]


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("fig1.jpg", "fig1.jpg"),
        ("  fig1.jpg\n", "fig1.jpg"),
        ("images/sub/fig1.jpg", "fig1.jpg"),
        ("./fig1.jpg", "fig1.jpg"),
        ("C:\\figs\\fig1.jpg", "fig1.jpg"),
        ("fig1.jpg?x=1#top", "fig1.jpg"),
        ("fig%201.jpg", "fig 1.jpg"),
        ("https://example.org/a/fig1.jpg?download=/x", "fig1.jpg"),
        ("info:doi/10.1371/journal.pone.0046493.g001", "journal.pone.0046493.g001"),
        ("", ""),
        ("images/", ""),
        ("%ff", "\ufffd"),
    ],
)
def test_normalise_href(href: str, name: str) -> None:
    assert normalise_href(href) == name


@pytest.mark.parametrize(
    "name", ["a.jpg", "a.JPEG", "a.b.Png", "a.webp", "a.tif", "a.tiff", "a.gif", "a.bmp"]
)
def test_image_names(name: str) -> None:
    assert is_image_name(name)


@pytest.mark.parametrize("name", ["", "a", ".jpg", "a.pdf", "a.g001", "jpg", "a.jpg.zip", "a.jpg "])
def test_names_that_are_no_image(name: str) -> None:
    assert not is_image_name(name)


def test_read_and_unsupported_formats_are_apart() -> None:
    assert not UNSUPPORTED_EXTENSIONS.intersection(IMAGE_EXTENSIONS)
    assert {"pdf", "eps", "ai", "svg", "emf", "wmf"} <= UNSUPPORTED_EXTENSIONS


@pytest.mark.parametrize(
    ("href", "names", "name", "how"),
    [
        ("f1.jpg", ["f1.jpg", "F1.jpg"], "f1.jpg", "exact"),
        ("a/f1.jpg", ["f1.jpg"], "f1.jpg", "exact"),
        ("f1.JPG", ["f1.jpg"], "f1.jpg", "case"),
        ("F1", ["f1.jpg"], "f1.jpg", "stem"),
        ("f1.jpg", ["F1.jpg", "f1.JPG"], "f1.JPG", "stem"),
        ("f1.jpg", ["F1.jpg", "F1.JPG"], "F1.JPG", "stem"),
        ("pone.0046493.g001", ["pone.0046493.g001.jpg", "pone.0046493.jpg"], "pone.0046493.g001.jpg", "stem"),
        ("pone.0046493.g001", ["pone.0046493.jpg"], None, None),
        ("pone.0046493.g001.tif", ["pone.0046493.g001.png"], "pone.0046493.g001.png", "stem"),
        ("f1.eps", ["f1.jpg"], "f1.jpg", "stem"),
        ("f1.eps", ["f1.jpg", "f1.eps"], "f1.eps", "exact"),
        ("f1", ["f1.gif", "f1.tif", "f1.png"], "f1.png", "stem"),
        ("f1", ["f1.gif", "f1.webp"], "f1.webp", "stem"),
        ("f1", ["f1.gif", "f1.tif"], "f1.tif", "stem"),
        ("gr1", ["gr1.jpg", "gr1_lrg.jpg", "gr1_thumb.jpg"], "gr1_lrg.jpg", "stem"),
        ("gr1.jpg", ["gr1.jpg", "gr1_lrg.jpg"], "gr1.jpg", "exact"),
        ("gr1", ["gr1.gif", "gr1_sml.jpg"], "gr1.gif", "stem"),
        ("gr1_sml", ["gr1_sml.gif", "gr1.jpg"], "gr1_sml.gif", "stem"),
        ("gr1", ["gr1_lrg.gif", "gr1.jpg"], "gr1_lrg.gif", "stem"),
        ("f1", ["f1.pdf", "f1.xlsx"], None, None),
        ("f1", ["f10.jpg", "xf1.jpg"], None, None),
        ("f1", ["F1.jpg", "F1.gif"], "F1.jpg", "stem"),
        ("Ab", ["aB.jpg", "AB.gif"], None, None),
        ("a b.jpg", ["a%20b.jpg"], "a%20b.jpg", "exact"),
        ("a%20b.jpg", ["a b.jpg"], "a b.jpg", "exact"),
        ("a%20b", ["a%20b.jpg"], "a%20b.jpg", "stem"),
        ("a b", ["a%20b.png"], "a%20b.png", "stem"),
        ("a#1.jpg", ["a#1.jpg", "a.jpg"], "a#1.jpg", "exact"),
        ("e\u0301tude.jpg", ["\u00c9tude.jpg"], "\u00c9tude.jpg", "case"),
        ("https://h/x/f1.jpg", ["f1.jpg"], "f1.jpg", "exact"),
        ("https://h/x?file=/f1.jpg", ["f1.jpg"], None, None),
        ("", ["f1.jpg"], None, None),
        ("   ", [".jpg", "f1.jpg"], None, None),
        ("f1", [], None, None),
    ],
)  # fmt: skip
def test_match(href: str, names: list[str], name: str | None, how: str | None) -> None:
    assert MediaIndex(names).match(href) == (name, how)
    assert MediaIndex(reversed(names)).match(href) == (name, how)


@pytest.mark.parametrize(
    ("href", "name"),
    [("f1", "f1.jpg"), ("f1.eps", "f1.jpg"), ("f2.pdf", "f2.png"), ("http://h/f1.tif", "f1.jpg")],
)
def test_resolve(href: str, name: str) -> None:
    index = MediaIndex(["f1.jpg", "f1.eps", "f2.png", "f2.pdf"], INVALID)
    assert resolve_media(href, index) == name


@pytest.mark.parametrize(
    ("href", "reason"),
    [
        ("f9.jpg", "media_missing"),
        ("f9.eps", "media_missing"),
        ("", "media_missing"),
        ("data:image/png;base64,iVBO", "media_missing"),
        ("f1.pdf", "unsupported_format"),
        ("F1.PDF", "unsupported_format"),
        ("f1", "unsupported_format"),
        ("f1.jpg", "unsupported_format"),
        ("notes", "unsupported_format"),
        ("https://example.org/logo.png", "external"),
        (" //example.org/logo.png", "external"),
        ("ftp://example.org/", "external"),
        ("x.jpg", "invalid_key"),
        ("x", "invalid_key"),
        ("https://h/y.png", "invalid_key"),
    ],
)
def test_what_does_not_resolve_names_its_href(href: str, reason: str) -> None:
    with pytest.raises(Rejected) as caught:
        resolve_media(href, MediaIndex(["f1.pdf", "notes", "other.jpg"], INVALID))
    assert caught.value.reason == reason
    assert href in caught.value.detail


def test_a_valid_file_wins_over_an_invalid_key() -> None:
    assert resolve_media("x.jpg", MediaIndex(["x.jpg"], INVALID)) == "x.jpg"


def test_twins_of_a_stem_are_referenced_and_others_are_not() -> None:
    index = MediaIndex(
        ["f1.jpg", "f1.gif", "f1_thumb.gif", "f2.jpg", "f2.gif", "f3.jpg", "f4.png", "f4.eps", "s1.pdf"]
    )
    assert unreferenced_media(["f1", "f2.jpg", "f4.eps", "nothing"], index) == ("f2.gif", "f3.jpg")
    assert unreferenced_media([], index) == index.images


PIECES = [
    "f1",
    "F1",
    "g.001",
    "_lrg",
    "_sml",
    ".jpg",
    ".JPG",
    ".gif",
    ".tif",
    ".eps",
    ".pdf",
    "%20",
    " ",
    "#",
    "?",
    "é",
    ".",
]
NAMES = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join) | st.text(
    min_size=1, max_size=8
)
HREFS = NAMES | st.text(max_size=20) | NAMES.map("https://h/".__add__) | NAMES.map("a/".__add__)
NAME_LISTS = st.lists(NAMES, max_size=8)


@given(HREFS, NAME_LISTS, st.randoms(use_true_random=False))
def test_match_does_not_depend_on_the_order_of_names(
    href: str, names: list[str], rng: random.Random
) -> None:
    shuffled = names + names[:2]
    rng.shuffle(shuffled)
    assert MediaIndex(names).match(href) == MediaIndex(shuffled).match(href)


@given(HREFS, NAME_LISTS)
def test_a_matched_name_matches_itself(href: str, names: list[str]) -> None:
    index = MediaIndex(names)
    match = index.match(href)
    if match.name is None:
        assert match == Match(None, None)
        return
    assert match.name in names
    assert index.match(match.name) == Match(match.name, "exact")
    assert match.how != "stem" or is_image_name(match.name) or "%" in match.name


@given(NAME_LISTS.filter(bool), st.data())
def test_exact_wins(names: list[str], data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(names))
    assert MediaIndex(names).match(name) == Match(name, "exact")


@given(HREFS, NAME_LISTS, st.lists(st.text(max_size=10), max_size=3))
def test_resolve_gives_an_image_or_a_reason_of_its_stage(
    href: str, names: list[str], invalid: list[str]
) -> None:
    index = MediaIndex(names, invalid)
    name, reason = None, None
    try:
        name = resolve_media(href, index)
    except Rejected as fault:
        reason = fault.reason
    if name is None:
        assert reason in REJECT_REASONS["image"]
        assert not index.reached(href)
        return
    assert name in names
    assert name in index.reached(href)
    assert name not in unreferenced_media([href], index)


@given(st.lists(HREFS, max_size=4), NAME_LISTS)
def test_unreferenced_are_images_in_order(hrefs: list[str], names: list[str]) -> None:
    found = unreferenced_media(hrefs, MediaIndex(names))
    assert list(found) == sorted(set(found))
    assert all(is_image_name(name) and name in names for name in found)
