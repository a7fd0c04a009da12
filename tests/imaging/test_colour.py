"""Embedded profiles: hash, measures and model pixels are in sRGB, the stored bytes as they were."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from biomedica.imaging import data_uri, decode, model_pixels
from biomedica.imaging.colour import MAX_PROFILE_BYTES, colours
from biomedica.imaging.containers import read_container
from biomedica.schema import PixelSpec
from tests.imaging.profiles import SRGB, cmyk_profile, grey_profile, rgb_profile

SPECS = (PixelSpec(64),)
OPTIONS: dict[str, dict[str, Any]] = {
    "jpeg": {"quality": 100, "subsampling": 0},
    "png": {},
    "webp": {"lossless": True},
    "tiff": {},
}


def adobe_to_srgb(colour: tuple[int, ...]) -> np.ndarray:
    """The two standards' formulas, apart from any library."""
    to_xyz = np.array([[0.5767309, 0.1855540, 0.1881852], [0.2973769, 0.6273491, 0.0752741],
                       [0.0270343, 0.0706872, 0.9911085]])  # fmt: skip
    to_rgb = np.array([[3.2404542, -1.5371385, -0.4985314], [-0.9692660, 1.8760108, 0.0415560],
                       [0.0556434, -0.2040259, 1.0572252]])  # fmt: skip
    linear = np.clip(to_rgb @ to_xyz @ (np.array(colour) / 255) ** (563 / 256), 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return curved * 255


@pytest.mark.parametrize("image_format", OPTIONS)
@pytest.mark.parametrize("colour", [(200, 100, 50), (90, 140, 100), (255, 255, 255), (0, 0, 0)])
def test_rgb_profile_is_applied(image_format, colour, encoded, limits):
    image = Image.new("RGB", (80, 70), colour)
    data = encoded(image, image_format, icc_profile=rgb_profile(), **OPTIONS[image_format])
    found = decode(data, limits, SPECS)
    assert found.color_profile == "applied"
    assert np.abs(found.pixels[0][9, 9] - adobe_to_srgb(colour)).max() <= 3
    assert (found.data == data) is (image_format != "tiff")
    assert np.array_equal(model_pixels(found.data, limits, SPECS)[0], found.pixels[0])
    plain = Image.fromarray(found.pixels[0])
    assert found.luminance_mean == pytest.approx(np.asarray(plain.convert("L")).mean() / 255, abs=0.01)
    assert np.asarray(Image.open(io.BytesIO(found.data)).convert("RGB"))[9, 9] == pytest.approx(
        np.array(colour), abs=2
    )


def test_a_jpeg_read_in_parts_of_its_size_is_converted_too(photograph, encoded, limits):
    image = photograph(1400, 1250)
    profile = rgb_profile()
    found = decode(encoded(image, "jpeg", quality=95, icc_profile=profile), limits, SPECS)
    shown = ImageCms.profileToProfile(
        image,
        io.BytesIO(profile),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    wanted = decode(encoded(shown, "png"), limits, SPECS)
    assert np.abs(found.pixels[0].astype(int) - wanted.pixels[0]).mean() < 2
    assert (int(found.phash, 16) ^ int(wanted.phash, 16)).bit_count() <= 4


def test_an_srgb_profile_changes_nothing(photograph, encoded, limits):
    plain = decode(encoded(photograph(), "png"), limits, SPECS)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = decode(encoded(photograph(), "png", icc_profile=profile), limits, SPECS)
    assert np.array_equal(found.pixels[0], plain.pixels[0])
    assert found.phash == plain.phash
    assert (found.color_profile, plain.color_profile) == ("srgb", None)


@pytest.mark.parametrize("image_format", ["jpeg", "png", "tiff"])
def test_grey_profile_is_applied(image_format, encoded, limits):
    data = encoded(Image.new("L", (80, 70), 128), image_format, icc_profile=grey_profile(1.0))
    found = decode(data, limits, SPECS)
    assert (found.color_profile, found.mode) == ("applied", "L")
    assert np.unique(found.pixels[0]).tolist() == [188]  # 128/255 of linear light
    assert found.colorfulness == 0.0
    assert np.array_equal(model_pixels(found.data, limits, SPECS)[0], found.pixels[0])
    under_rgb = decode(
        encoded(Image.new("L", (80, 70), 128), "jpeg", icc_profile=rgb_profile(SRGB, 1.0)), limits
    )
    assert (under_rgb.color_profile, round(under_rgb.luminance_mean * 255)) == ("applied", 188)


def test_sixteen_bit_grey_keeps_its_profile(encoded, limits):
    image = Image.fromarray(np.full((40, 40), 0x8080, np.uint16))
    found = decode(encoded(image, "tiff", icc_profile=grey_profile(1.0)), limits, SPECS)
    assert (found.color_profile, found.mode) == ("applied", "I;16")
    assert np.unique(found.pixels[0]).tolist() == [188]
    assert read_container(found.data).profile == grey_profile(1.0)
    assert np.array_equal(model_pixels(found.data, limits, SPECS)[0], found.pixels[0])


@pytest.mark.parametrize("image_format", ["jpeg", "tiff"])
def test_cmyk_goes_by_its_profile(image_format, encoded, limits):
    """Cyan of Lab 55, -37, -50 lies outside sRGB: its red is cut off at 0."""
    image = Image.new("CMYK", (64, 64), (255, 0, 0, 0))
    data = encoded(image, image_format, icc_profile=cmyk_profile())
    found = decode(data, limits, SPECS)
    assert (found.color_profile, found.mode) == ("applied", "CMYK")
    red, green, blue = found.pixels[0][30, 30].tolist()
    assert red <= 8
    assert abs(green - 147) <= 12
    assert abs(blue - 219) <= 12
    assert np.array_equal(model_pixels(found.data, limits, SPECS)[0], found.pixels[0])
    if image_format == "jpeg":
        assert found.data == data
    else:
        stored = Image.open(io.BytesIO(found.data))
        assert (stored.mode, stored.info.get("icc_profile")) == ("RGB", None)
    paper = encoded(Image.new("CMYK", (64, 64)), image_format, icc_profile=cmyk_profile())
    assert decode(paper, limits).white_fraction == 1.0


def test_ycck_jpeg_equals_cmyk_jpeg(photograph, encoded, limits):
    """Adobe's transform 2: the first three inks as YCbCr. Read as CMYK, it would be other inks."""
    image = photograph(96, 64).convert("CMYK")
    data = encoded(image, "jpeg", quality=98, subsampling=0)
    found = decode(data, limits, SPECS)
    at = data.index(b"Adobe") + 11
    assert data[at] in (0, 2)
    as_ycck = decode(data[:at] + bytes([2 - data[at]]) + data[at + 1 :], limits, SPECS)
    assert as_ycck.mode == found.mode == "CMYK"
    wanted = decode(encoded(image.convert("RGB"), "png"), limits, SPECS)
    distances = [
        float(np.abs(f.pixels[0].astype(int) - wanted.pixels[0]).mean()) for f in (found, as_ycck)
    ]
    assert min(distances) < 3 < max(distances)
    assert distances[0] < 3


def test_lab_tiff_becomes_srgb(encoded, limits):
    image = Image.frombytes("LAB", (16, 16), bytes((140, 256 - 37, 256 - 50)) * 256)
    found = decode(encoded(image, "tiff"), limits, SPECS)
    assert (found.mode, found.image_format) == ("LAB", "png")
    assert np.abs(found.pixels[0][5, 5].astype(int) - [0, 147, 219]).max() <= 12


BAD = {
    "noise": (b"no profile at all", "broken"),
    "cut": (rgb_profile()[:200], "broken"),
    "of inks": (cmyk_profile(), "mismatched"),
    "of grey": (grey_profile(2.2), "mismatched"),
    "large": (b"\0" * (MAX_PROFILE_BYTES + 1), "too_large"),
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("image_format", OPTIONS)
def test_profiles_that_cannot_be_used_are_ignored(image_format, name, photograph, encoded, limits):
    profile, verdict = BAD[name]
    options = OPTIONS[image_format]
    plain = decode(encoded(photograph(), image_format, **options), limits, SPECS)
    data = encoded(photograph(), image_format, icc_profile=profile, **options)
    found = decode(data, limits, SPECS)
    assert found.color_profile == verdict
    assert np.array_equal(found.pixels[0], plain.pixels[0])
    assert found.phash == plain.phash
    if image_format == "tiff":
        assert found.data == plain.data


def test_parts_of_a_jpegs_profile_are_joined_in_order(photograph, encoded, limits):
    profile = rgb_profile() + b"\0" * 70_000
    data = encoded(photograph(), "jpeg", icc_profile=profile)
    assert read_container(data).profile == profile
    first = data.index(b"\xff\xe2")
    length = 2 + struct.unpack_from(">H", data, first + 2)[0]
    second = data[first + length :]
    end = 2 + struct.unpack_from(">H", second, 2)[0]
    swapped = data[:first] + second[:end] + data[first : first + length] + second[end:]
    assert read_container(swapped).profile == profile
    for lost in (data[:first] + second, data[: first + length] + second[end:]):
        assert decode(lost, limits).color_profile == "broken"


def test_a_png_cannot_inflate_a_profile_without_bound(limits):
    from tests.imaging.test_rejects import _chunk, png

    bomb = _chunk(b"iCCP", b"x\0\0" + zlib.compress(b"\0" * (64 << 20)))
    assert decode(png(2, 1, b"\0\7\7", bomb), limits).color_profile == "too_large"
    for body in (b"", b"name", b"name\0\1", b"name\0\0junk", b"name\0\0" + zlib.compress(b"")):
        broken = _chunk(b"iCCP", body)
        assert decode(png(2, 1, b"\0\7\7", broken), limits).color_profile == "broken"


def test_thumbnails_are_in_srgb(encoded):
    import base64

    data = encoded(Image.new("RGB", (300, 300), (200, 100, 50)), "jpeg", icc_profile=rgb_profile())
    uri = data_uri(data, 100)
    shown = Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))
    assert np.abs(np.array(shown.getpixel((50, 50))) - adobe_to_srgb((200, 100, 50))).max() <= 4
    assert "icc_profile" not in shown.info


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from((rgb_profile(), grey_profile(1.8), cmyk_profile())),
    st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(0, 255)), max_size=8),
    st.sampled_from(("L", "RGB", "CMYK")),
)
def test_damaged_profiles_never_raise(profile, changes, mode):
    damaged = bytearray(profile)
    for where, value in changes:
        damaged[where % min(len(damaged), 600)] = value
    found = colours(bytes(damaged), mode)
    assert found.verdict in ("srgb", "applied", "broken", "mismatched")
    assert found.applied(Image.new(mode, (3, 2))).mode == ("L" if mode == "L" else "RGB") or (
        not found.applies
    )
