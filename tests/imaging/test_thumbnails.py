"""Thumbnails: small, upright, and never an error."""

from __future__ import annotations

import base64
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from biomedica.imaging import data_uri
from biomedica.imaging.thumbnails import GREY


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def opened(uri: str) -> Image.Image:
    head, _, body = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(body)))


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("RGB", "JPEG"), ("L", "JPEG"), ("CMYK", "JPEG"), ("RGBA", "PNG"), ("I;16", "PNG"), ("1", "PNG"),
     ("P", "PNG"), ("LA", "PNG"), ("RGBA", "WEBP"), ("RGB", "TIFF"), ("P", "GIF")],
)  # fmt: skip
def test_any_image_becomes_a_small_jpeg(mode: str, kind: str) -> None:
    shown = opened(data_uri(encoded(Image.new(mode, (900, 300)), kind), 320))
    assert shown.size == (320, 107)
    assert shown.mode in ("L", "RGB")


@pytest.mark.parametrize("size", [(5000, 40), (40, 5000), (3000, 1), (1, 1)])
def test_odd_shapes_keep_a_pixel(size: tuple[int, int]) -> None:
    shown = opened(data_uri(encoded(Image.new("RGB", size), "PNG"), 160))
    assert max(shown.size) == min(160, max(size))
    assert min(shown.size) >= 1


def test_transparency_lies_on_white_and_small_images_stay() -> None:
    shown = opened(data_uri(encoded(Image.new("RGBA", (30, 20), (0, 0, 0, 0)), "PNG"), 320))
    assert shown.size == (30, 20)
    assert shown.convert("L").getextrema() == (255, 255)


def test_orientation_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    shown = opened(data_uri(encoded(Image.new("RGB", (400, 200)), "JPEG", exif=exif), 100))
    assert shown.size == (50, 100)


def test_too_many_pixels_are_not_decoded() -> None:
    shown = opened(data_uri(encoded(Image.new("1", (20_000, 6_000), 1), "PNG"), 64))
    assert shown.size == (64, 64)
    assert abs(shown.convert("RGB").getpixel((5, 5))[0] - GREY[0]) < 3  # type: ignore[index,operator]


@given(
    st.binary(max_size=300), st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a"])
)
@settings(max_examples=60, deadline=None)
def test_wild_bytes_become_a_grey_box(body: bytes, head: bytes) -> None:
    assert max(opened(data_uri(head + body, 48)).size) <= 48


@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_truncated_image_becomes_a_grey_box(kept: float) -> None:
    data = encoded(Image.effect_noise((300, 200), 50), "JPEG")
    assert opened(data_uri(data[: int(len(data) * kept)], 48)).size == (48, 48)


def test_nothing_of_the_file_but_its_pixels_comes_along() -> None:
    data = encoded(Image.new("RGB", (60, 60)), "JPEG", comment=b"secret" * 5000)
    assert b"secret" not in base64.b64decode(data_uri(data, 48).partition(",")[2])
