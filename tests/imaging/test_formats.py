"""Every kind of file: what is stored, and what is said of it."""

from __future__ import annotations

import hashlib
import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from biomedica.imaging import decode, model_pixels
from biomedica.schema import PixelSpec

SPECS = (PixelSpec(64),)


def reopened(decoded: Any) -> Image.Image:
    image = Image.open(io.BytesIO(decoded.data))
    image.load()
    return image


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp"])
def test_common_formats_are_stored_byte_for_byte(image_format, photograph, encoded, limits):
    data = encoded(photograph(), image_format)
    found = decode(data, limits, SPECS)
    assert found.data == data
    assert (found.image_format, found.original_format) == (image_format, image_format)
    assert (found.width, found.height, found.mode) == (300, 200, "RGB")
    assert (found.page_count, found.byte_size) == (1, len(data))
    assert found.sha256 == found.original_sha256 == hashlib.sha256(data).hexdigest()
    assert len(found.phash) == 16
    assert int(found.phash, 16) >= 0
    assert found.pixels[0].shape == (64, 64, 3)
    assert found.pixels[0].dtype == np.uint8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
def test_tiff_is_converted_without_loss(mode, compression, photograph, encoded, limits):
    if mode == "I;16":
        image = Image.fromarray(np.arange(60 * 40, dtype=np.uint16).reshape(40, 60) * 25)
    elif mode in ("LA", "RGBA"):
        image = photograph(60, 40).convert(mode)
        image.putalpha(Image.linear_gradient("L").resize((60, 40)))
    else:
        image = photograph(60, 40).convert(mode)
    data = encoded(image, "tiff", compression=compression)
    found = decode(data, limits, SPECS)
    assert (found.image_format, found.original_format, found.mode) == ("png", "tiff", mode)
    assert found.original_sha256 == hashlib.sha256(data).hexdigest()
    assert found.sha256 == hashlib.sha256(found.data).hexdigest() != found.original_sha256
    assert found.byte_size == len(found.data)
    again = reopened(found)
    assert again.mode == mode
    assert np.array_equal(np.asarray(again.convert("RGB") if mode == "P" else again),
                          np.asarray(image.convert("RGB") if mode == "P" else image))  # fmt: skip
    assert decode(data, limits).data == found.data
    assert np.array_equal(model_pixels(found.data, limits, SPECS)[0], found.pixels[0])


def tiff_16_bit_colour(
    pixels: np.ndarray, order: str, *, photometric: int = 2, orientation: int = 1, planar: int = 1
) -> bytes:
    """A raw TIFF of 16 bits a colour, which Pillow cannot write."""
    height, width, samples = pixels.shape
    body = pixels.astype(order + "u2").tobytes()
    rows = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, samples, 0), (259, 3, 1, 1),
        (262, 3, 1, photometric), (273, 4, 1, 8), (274, 3, 1, orientation), (277, 3, 1, samples),
        (278, 3, 1, height), (279, 4, 1, len(body)), (284, 3, 1, planar),
    ]  # fmt: skip
    if samples == 4:
        rows.append((338, 3, 1, 2))
    bits_at = 8 + len(body)
    directory_at = bits_at + 2 * samples
    out = [b"II*\0" if order == "<" else b"MM\0*", struct.pack(order + "I", directory_at), body]
    out += [struct.pack(f"{order}{samples}H", *[16] * samples), struct.pack(order + "H", len(rows))]
    for tag, kind, count, value in rows:
        if tag == 258:
            bits = value if samples == 1 else bits_at
            packed = struct.pack(order + "I", bits) if samples > 1 else struct.pack(order + "HH", 16, 0)
        else:
            packed = struct.pack(
                order + ("HH" if kind == 3 else "I"), *([value, 0] if kind == 3 else [value])
            )
        out.append(struct.pack(order + "HHI", tag, kind, count) + packed)
    return b"".join([*out, b"\0\0\0\0"])


def png_16_bit(data: bytes) -> np.ndarray:
    """Samples of a 16-bit PNG of one IDAT and filters 0 and 1, apart from Pillow."""
    import zlib

    width, height, depth, colours = struct.unpack_from(">IIBB", data, 16)
    assert depth == 16
    at, body = 8, b""
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        body += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    channels = {0: 1, 2: 3, 6: 4}[colours]
    lines = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, -1)
    assert set(lines[:, 0]) <= {1}
    steps = lines[:, 1:].reshape(height, width, channels * 2)
    return np.cumsum(steps, axis=1, dtype=np.uint8).view(">u2").reshape(height, width, channels)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("samples", [3, 4])
def test_sixteen_bit_colour_tiff_keeps_sixteen_bits(order, samples, limits):
    pixels = np.random.default_rng(1).integers(0, 1 << 16, (7, 5, samples), dtype=np.uint16)
    found = decode(tiff_16_bit_colour(pixels, order), limits, SPECS)
    assert np.array_equal(png_16_bit(found.data), pixels)
    assert np.array_equal(np.asarray(reopened(found)), pixels >> 8)
    assert np.array_equal(model_pixels(found.data, limits, SPECS)[0], found.pixels[0])
    turned = decode(tiff_16_bit_colour(pixels, order, orientation=6), limits)
    assert (turned.width, turned.height) == (7, 5)
    assert np.array_equal(png_16_bit(turned.data), np.rot90(pixels, -1))


def test_sixteen_bit_planes_apart_are_refused(limits, rejected):
    pixels = np.zeros((4, 4, 3), np.uint16)
    assert rejected(tiff_16_bit_colour(pixels, "<", planar=2)) == "unsupported_format"


def test_white_is_zero_sixteen_bit_tiff_is_inverted(limits):
    pixels = np.array([[[0], [65535], [1000]]], np.uint16)
    found = decode(tiff_16_bit_colour(pixels, "<", photometric=0), limits)
    assert np.asarray(reopened(found)).tolist() == [[65535, 0, 64535]]


def test_twelve_bit_values_in_sixteen_are_not_black(encoded, limits):
    ramp = np.linspace(0, 4095, 100 * 100).astype(np.uint16).reshape(100, 100)
    for image_format in ("tiff", "png"):
        found = decode(encoded(Image.fromarray(ramp), image_format), limits, (PixelSpec(100),))
        assert np.array_equal(found.pixels[0][..., 0], ramp >> 4)


def test_float_tiff_is_scaled_to_sixteen_bits(encoded, limits):
    values = np.array([[-1.5, 0.0, np.nan], [0.5, 1.0, 2.5]], np.float32)
    found = decode(encoded(Image.fromarray(values), "tiff"), limits, SPECS)
    assert found.mode == "F"
    assert np.asarray(reopened(found)).tolist() == [[0, 24576, 0], [32768, 40959, 65535]]
    constant = decode(encoded(Image.fromarray(np.full((3, 3), 7, np.float32)), "tiff"), limits)
    assert np.asarray(reopened(constant)).max() == 0


def test_integer_tiff_is_kept_or_shifted_or_scaled(encoded, limits):
    for values, kept in (
        ([[0, 40000]], [[0, 40000]]),
        ([[-5, 0], [3, 100]], [[0, 5], [8, 105]]),
        ([[0, 1_000_000]], [[0, 65535]]),
    ):
        image = Image.fromarray(np.array(values, np.int32))
        found = decode(encoded(image, "tiff"), limits)
        assert np.asarray(reopened(found)).tolist() == kept


def test_cmyk_tiff_becomes_rgb(encoded, limits):
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    found = decode(encoded(image, "tiff"), limits, SPECS)
    assert (found.mode, found.image_format) == ("CMYK", "png")
    assert reopened(found).getpixel((0, 0)) == (255, 0, 0)
    assert found.pixels[0][0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_jpeg_is_not_inverted(adobe, encoded, limits):
    data = encoded(Image.new("CMYK", (64, 64), (255, 0, 0, 0)), "jpeg", quality=95)
    start = data.index(b"\xff\xee")
    if not adobe:  # without Adobe's segment the values still count as inverted, as viewers do
        data = data[:start] + data[start + 2 + struct.unpack_from(">H", data, start + 2)[0] :]
    found = decode(data, limits, SPECS)
    assert found.mode == "CMYK"
    assert found.data == data
    assert np.abs(found.pixels[0].astype(int) - [0, 255, 255]).max() <= 3


def test_gif_becomes_palette_png_of_its_first_frame(encoded, limits):
    frames = [Image.new("P", (20, 10), i) for i in range(3)]
    for frame in frames:
        frame.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255] + [0] * 759)
    data = encoded(frames[0], "gif", save_all=True, append_images=frames[1:], duration=50)
    found = decode(data, limits, SPECS)
    assert (found.page_count, found.original_format, found.image_format) == (3, "gif", "png")
    assert (found.width, found.height) == (20, 10)
    assert found.pixels[0][5, 5].tolist() == [255, 0, 0]
    assert getattr(reopened(found), "n_frames", 1) == 1


def test_gif_screen_grows_to_its_first_frame(encoded, limits):
    data = bytearray(encoded(Image.new("L", (20, 10), 200), "gif"))
    data[6:10] = struct.pack("<HH", 5, 5)
    found = decode(bytes(data), limits)
    assert (found.width, found.height) == (20, 10)


def test_animated_webp_and_apng_and_pages_of_tiff(encoded, limits):
    frames = [Image.new("RGB", (24, 16), colour) for colour in ("red", "lime", "blue")]
    more = {"save_all": True, "append_images": frames[1:]}
    for image_format, options in (
        ("webp", {"lossless": True, "duration": 90}),
        ("png", {"duration": 90}),
        ("tiff", {}),
        ("tiff", {"big_tiff": True}),
    ):
        found = decode(encoded(frames[0], image_format, **more, **options), limits, SPECS)
        assert found.page_count == 3, image_format
        assert found.pixels[0][0, 0].tolist() == [255, 0, 0]


def test_jpeg_with_several_pictures_counts_them(encoded, limits):
    frames = [Image.new("RGB", (24, 16), colour) for colour in ("red", "lime")]
    data = encoded(frames[0], "mpo", save_all=True, append_images=frames[1:])
    found = decode(data, limits)
    assert (found.page_count, found.image_format, found.data) == (2, "jpeg", data)


@pytest.mark.parametrize("kind", ["LA", "RGBA", "P", "P bytes", "RGB key", "L key"])
def test_transparency_is_composited_on_white(kind, encoded, limits):
    options: dict[str, Any] = {}
    if kind in ("LA", "RGBA"):
        image = Image.new(kind, (16, 16), (0,) * len(kind))
    elif kind.startswith("P"):
        image = Image.new("P", (16, 16), 1)
        image.putpalette([255, 0, 0, 0, 0, 0] + [9] * 762)
        options["transparency"] = 1 if kind == "P" else bytes([255, 0])
    elif kind == "RGB key":
        image, options["transparency"] = Image.new("RGB", (16, 16), (3, 4, 5)), (3, 4, 5)
    else:
        image, options["transparency"] = Image.new("L", (16, 16), 7), 7
    found = decode(encoded(image, "png", **options), limits, SPECS)
    assert found.pixels[0].min() == 255
    assert found.white_fraction == 1.0
    half = Image.new("RGBA", (16, 16), (0, 0, 0, 128))
    grey = decode(encoded(half, "png"), limits, SPECS).pixels[0]
    assert np.unique(grey).tolist() == [127]


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "tiff"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(image_format, orientation, photograph, encoded, limits):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if image_format == "webp" else {}
    data = encoded(photograph(90, 60), image_format, exif=exif, **options)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    found = decode(data, limits, (PixelSpec(60),))
    assert (found.width, found.height) == upright.size
    left, top = (upright.width - 60) // 2, (upright.height - 60) // 2
    expected = np.asarray(upright.crop((left, top, left + 60, top + 60)), int)
    assert np.abs(found.pixels[0] - expected).max() <= 1
    if image_format == "tiff":
        assert reopened(found).size == upright.size


def test_bmp_and_one_bit_png(photograph, encoded, limits):
    image = photograph(31, 17)
    found = decode(encoded(image, "bmp"), limits)
    assert found.original_format == "bmp"
    assert np.array_equal(np.asarray(reopened(found)), np.asarray(image))
    bits = decode(encoded(Image.new("1", (40, 40), 1), "png"), limits, SPECS)
    assert (bits.mode, bits.pixels[0].min()) == ("1", 255)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (5000, 1), (1, 5000), (3000, 3)])
@pytest.mark.parametrize("image_format", ["jpeg", "png", "tiff", "gif"])
def test_tiny_and_thin_images(size, image_format, encoded, limits):
    specs = (PixelSpec(224), PixelSpec(64, crop="squash"), PixelSpec(64, crop="pad"))
    found = decode(encoded(Image.new("L", size, 100), image_format), limits, specs)
    assert (found.width, found.height) == size
    assert [p.shape for p in found.pixels] == [(224, 224, 3), (64, 64, 3), (64, 64, 3)]
    assert (found.pixels[0] == 100).all()
    assert found.edge_density == found.luminance_std == found.colorfulness == 0.0


def test_icc_profile_of_a_tiff_is_kept(photograph, encoded, limits):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    found = decode(encoded(photograph(), "tiff", icc_profile=profile), limits)
    assert reopened(found).info["icc_profile"] == profile
