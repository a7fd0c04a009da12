"""Small images of every format and mode, drawn here, to be mutated."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image, ImageCms

from tests.imaging.profiles import cmyk_profile, grey_profile, rgb_profile
from tests.imaging.test_formats import tiff_16_bit_colour


def _picture(width: int, height: int) -> Image.Image:
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(1).integers(0, 20, (height, width))
    return Image.fromarray(
        np.stack([x * 200 // width + noise, y * 200 // height + noise, (x ^ y) & 255], -1).astype(
            np.uint8
        )
    )


def _saved(image: Image.Image, image_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def drawn() -> dict[str, bytes]:
    """Name, ending in the format's suffix, → bytes."""
    image = _picture(48, 36)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "words"
    return {**_jpeg(image, exif), **_png(image, exif), **_tiff(image), **_other(image, exif)}


def _jpeg(image: Image.Image, exif: Image.Exif) -> dict[str, bytes]:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return {
        "plain.jpg": _saved(image, "jpeg"),
        "progressive.jpg": _saved(image, "jpeg", progressive=True, icc_profile=rgb_profile()),
        "grey.jpg": _saved(image.convert("L"), "jpeg", icc_profile=grey_profile(1.8)),
        "cmyk.jpg": _saved(image.convert("CMYK"), "jpeg", icc_profile=cmyk_profile()),
        "exif.jpg": _saved(image, "jpeg", exif=exif, icc_profile=srgb, comment=b"words"),
        "restart.jpg": _saved(image, "jpeg", restart_marker_rows=1, subsampling=0),
        "pages.jpg": _saved(image, "mpo", save_all=True, append_images=[image]),
        "half.jpg": _saved(_picture(960, 900), "jpeg", quality=40),
        "quarter.jpg": _saved(_picture(1800, 1792).convert("L"), "jpeg", quality=20, progressive=True),
    }


def _png(image: Image.Image, exif: Image.Exif) -> dict[str, bytes]:
    deep = Image.fromarray(np.arange(36 * 48, dtype=np.uint16).reshape(36, 48) * 30)
    return {
        "plain.png": _saved(image, "png"),
        "profile.png": _saved(image.convert("RGBA"), "png", exif=exif, icc_profile=rgb_profile()),
        "palette.png": _saved(image.convert("P"), "png", transparency=bytes(range(0, 250, 5))),
        "bits.png": _saved(image.convert("1"), "png"),
        "deep.png": _saved(deep, "png", icc_profile=grey_profile(1.0)),
        "grey_alpha.png": _saved(image.convert("LA"), "png"),
        "key.png": _saved(image, "png", transparency=(3, 4, 5)),
        "frames.png": _saved(image, "png", save_all=True, append_images=[image.rotate(9)]),
    }


def _tiff(image: Image.Image) -> dict[str, bytes]:
    floats = Image.fromarray(np.linspace(-1, 3, 36 * 48, dtype=np.float32).reshape(36, 48))
    pages = {"save_all": True, "append_images": [image, image]}
    colours = np.random.default_rng(1).integers(0, 1 << 16, (36, 48, 3), dtype=np.uint16)
    return {
        "plain.tif": _saved(image, "tiff", icc_profile=rgb_profile()),
        "lzw.tif": _saved(image, "tiff", compression="tiff_lzw", **pages),
        "deflate.tif": _saved(image.convert("RGBA"), "tiff", compression="tiff_adobe_deflate"),
        "jpeg.tif": _saved(image, "tiff", compression="jpeg"),
        "fax.tif": _saved(image.convert("1"), "tiff", compression="group4"),
        "packbits.tif": _saved(image.convert("P"), "tiff", compression="packbits"),
        "big.tif": _saved(image, "tiff", big_tiff=True, compression="tiff_lzw"),
        "float.tif": _saved(floats, "tiff"),
        "integer.tif": _saved(
            Image.fromarray(np.arange(-9, 99).reshape(9, 12).astype(np.int32)), "tiff"
        ),
        "deep.tif": _saved(Image.fromarray(colours[..., 0]), "tiff", icc_profile=grey_profile(2.2)),
        "wide.tif": tiff_16_bit_colour(colours, ">", orientation=6),
        "cmyk.tif": _saved(image.convert("CMYK"), "tiff", icc_profile=cmyk_profile()),
        "lab.tif": _saved(Image.frombytes("LAB", (9, 9), bytes(range(243))), "tiff"),
        "tiles.tif": _saved(image.resize((64, 64)), "tiff", tiffinfo={322: 16, 323: 16}),
    }


def _other(image: Image.Image, exif: Image.Exif) -> dict[str, bytes]:
    frames = {"save_all": True, "append_images": [image.rotate(40), image.rotate(80)], "duration": 40}
    return {
        "plain.gif": _saved(image.convert("P"), "gif", transparency=3),
        "frames.gif": _saved(image, "gif", **frames),
        "plain.webp": _saved(image, "webp", icc_profile=rgb_profile()),
        "lossless.webp": _saved(image.convert("RGBA"), "webp", lossless=True, exif=exif),
        "frames.webp": _saved(image, "webp", **frames),
        "plain.bmp": _saved(image, "bmp"),
        "palette.bmp": _saved(image.convert("P"), "bmp"),
        "bits.bmp": _saved(image.convert("1"), "bmp"),
        "alpha.bmp": _saved(image.convert("RGBA"), "bmp"),
    }
