"""Image files that are broken or unusual, and references that reach no file or a surprising one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PIL import Image

from biomedica.sources.sample.canvas import Rng
from biomedica.sources.sample.oddities import small_pdf

from .case import Defect, Plant, Prefix, deferred, pair, refuse, written
from .document import article_xml, body_xml, fig
from .raster import encoded, jpeg, picture, png_of, wide_grey, with_wrong_checksum

__all__ = ["BROKEN_MEDIA"]

Make = Callable[[Rng], bytes]


def _image(make: Make, name: str = "fig1.jpg") -> Plant:
    """The bytes of the figure's file."""

    def plant(prefix: Prefix) -> None:
        del prefix.media["fig1.jpg"]
        prefix.media[name] = make(prefix.rng)
        prefix.xml = article_xml(prefix, body_xml(fig(href=name)))

    return plant


def _still(data: bytes) -> Make:
    """The same bytes for every seed."""
    return lambda _: data


def _cut(make: Make) -> Make:
    return lambda rng: (data := make(rng))[: len(data) * 2 // 3]


def _png(rng: Rng) -> bytes:
    return encoded(picture(rng), "png")


def _jpeg(rng: Rng) -> bytes:
    return jpeg(picture(rng))


def _frames(name: str, **options: Any) -> Make:
    def make(rng: Rng) -> bytes:
        frames = [picture(rng) for _ in range(3)]
        if name == "gif":
            frames = [frame.quantize(32) for frame in frames]
        return encoded(frames[0], name, frames[1:], **options)

    return make


def _palette_with_alpha(rng: Rng) -> bytes:
    return encoded(picture(rng).quantize(16), "png", transparency=bytes([0, 128] + [255] * 14))


def _grey_with_alpha(rng: Rng) -> bytes:
    grey = picture(rng).convert("LA")
    grey.putalpha(Image.linear_gradient("L").resize(grey.size))
    return encoded(grey, "png")


def _turned(rng: Rng) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter to the right
    return jpeg(picture(rng), exif=exif)


def _changed_in_transit(prefix: Prefix) -> None:
    prefix.md5_of["fig1.jpg"] = prefix.media["fig1.jpg"]
    prefix.media["fig1.jpg"] = jpeg(picture(prefix.rng))


def _without_md5(prefix: Prefix) -> None:
    prefix.md5_of["fig1.jpg"] = None


def _broken_beside_sound(prefix: Prefix) -> None:
    prefix.media |= {"fig2.jpg": prefix.media["fig1.jpg"], "fig1.jpg": b"GIF? no"}
    prefix.xml = article_xml(prefix, body_xml(fig(), fig("f2", "fig2.jpg", label="Figure 2")))


BROKEN = (
    Defect(
        "truncated_jpeg",
        "A JPEG ends early.",
        written(refuse("image", "truncated")),
        _image(_cut(_jpeg)),
    ),
    Defect(
        "truncated_png",
        "A PNG ends early.",
        written(refuse("image", "truncated")),
        _image(_cut(_png), "fig1.png"),
    ),
    Defect(
        "corrupt_png",
        "A PNG's pixels disagree with their checksum.",
        written(refuse("image", "corrupt")),
        _image(lambda rng: with_wrong_checksum(_png(rng)), "fig1.png"),
    ),
    Defect(
        "image_without_pixels",
        "The header says 0 x 0 pixels.",
        written(refuse("image", "corrupt")),
        _image(_still(png_of(0, 0)), "fig1.png"),
    ),
    Defect(
        "image_bomb",
        "A header promises 60,000 x 60,000 pixels.",
        written(refuse("image", "too_many_pixels")),
        _image(_still(png_of(60_000, 60_000)), "fig1.png"),
    ),
    Defect(
        "text_named_jpg",
        "A text file is named as an image.",
        written(refuse("image", "not_an_image")),
        _image(_still(b"See the printed version.\n")),
    ),
    Defect(
        "html_named_jpg",
        "An HTML page is named as an image.",
        written(refuse("image", "not_an_image")),
        _image(_still(b"<!DOCTYPE html><html><body>404</body></html>")),
    ),
    Defect(
        "empty_image",
        "An image file has no bytes.",
        written(refuse("image", "not_an_image")),
        _image(_still(b"")),
    ),
    Defect(
        "pdf_named_jpg",
        "A PDF is named as an image.",
        written(refuse("image", "unsupported_format")),
        _image(_still(small_pdf("a figure"))),
    ),
    Defect(
        "pdf_figure",
        "A figure is a PDF.",
        written(refuse("image", "unsupported_format")),
        _image(_still(small_pdf("a figure")), "fig1.pdf"),
    ),
    Defect(
        "svg_figure",
        "A figure is an SVG drawing.",
        written(refuse("image", "unsupported_format")),
        _image(_still(b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'), "fig1.svg"),
    ),
    Defect(
        "broken_beside_sound",
        "Of two figures one is broken; the other is a pair all the same.",
        written(refuse("image", "not_an_image"), pair("fig2.jpg")),
        _broken_beside_sound,
    ),
    Defect(
        "image_with_wrong_md5",
        "An image is another one than the metadata means.",
        deferred(),
        _changed_in_transit,
    ),
    Defect(
        "image_without_md5", "The metadata states no MD5 of an image.", written(pair()), _without_md5
    ),
)


def _kept(image_format: str, mode: str, **columns: Any) -> dict[str, Any]:
    return {"image_format": image_format, "original_format": image_format, "mode": mode} | columns


def _converted(original_format: str, mode: str, **columns: Any) -> dict[str, Any]:
    return {"image_format": "png", "original_format": original_format, "mode": mode} | columns


UNUSUAL = (
    Defect(
        "png_named_jpg",
        "A PNG is named .jpg: what the bytes are counts.",
        written(pair(**_kept("png", "RGB"))),
        _image(_png),
    ),
    Defect(
        "animated_gif",
        "A GIF has three frames; the first is stored, as PNG.",
        written(pair("fig1.gif", **_converted("gif", "P", page_count=3))),
        _image(_frames("gif"), "fig1.gif"),
    ),
    Defect(
        "animated_webp",
        "A WebP has three frames; it is stored as it is.",
        written(pair("fig1.webp", **_kept("webp", "RGB", page_count=3))),
        _image(_frames("webp", quality=60), "fig1.webp"),
    ),
    Defect(
        "multipage_tiff",
        "A TIFF has three pages; the first is stored, as PNG.",
        written(pair("fig1.tif", **_converted("tiff", "RGB", page_count=3))),
        _image(_frames("tiff", compression="tiff_lzw"), "fig1.tif"),
    ),
    Defect(
        "webp",
        "A figure is a WebP.",
        written(pair("fig1.webp", **_kept("webp", "RGB", page_count=1))),
        _image(lambda rng: encoded(picture(rng), "webp", quality=70), "fig1.webp"),
    ),
    Defect(
        "cmyk_jpeg",
        "A JPEG is in printing colours; it is stored as it is.",
        written(pair(**_kept("jpeg", "CMYK"))),
        _image(lambda rng: jpeg(picture(rng).convert("CMYK"))),
    ),
    Defect(
        "sixteen_bit_png",
        "A PNG has 16 bits a pixel.",
        written(pair("fig1.png", **_kept("png", "I;16"))),
        _image(lambda rng: encoded(wide_grey(rng), "png"), "fig1.png"),
    ),
    Defect(
        "sixteen_bit_tiff",
        "A TIFF has 16 bits a pixel.",
        written(pair("fig1.tif", **_converted("tiff", "I;16"))),
        _image(lambda rng: encoded(wide_grey(rng), "tiff", compression="tiff_lzw"), "fig1.tif"),
    ),
    Defect(
        "fax_tiff",
        "A TIFF has one bit a pixel, packed as a fax.",
        written(pair("fig1.tif", **_converted("tiff", "1"))),
        _image(
            lambda rng: encoded(picture(rng).convert("1"), "tiff", compression="group4"), "fig1.tif"
        ),
    ),
    Defect(
        "palette_with_alpha",
        "A PNG has a palette with transparent colours.",
        written(pair("fig1.png", **_kept("png", "P"))),
        _image(_palette_with_alpha, "fig1.png"),
    ),
    Defect(
        "grey_with_alpha",
        "A grey PNG is partly transparent.",
        written(pair("fig1.png", **_kept("png", "LA"))),
        _image(_grey_with_alpha, "fig1.png"),
    ),
    Defect(
        "turned_jpeg",
        "A JPEG lies on its side; width and height are those of the upright image.",
        written(pair(**_kept("jpeg", "RGB", width=180, height=240))),
        _image(_turned),
    ),
    Defect(
        "one_pixel",
        "An image is one pixel large.",
        written(pair("fig1.png", **_kept("png", "RGB", width=1, height=1))),
        _image(lambda rng: encoded(picture(rng, (1, 1)), "png"), "fig1.png"),
    ),
)

BROKEN_MEDIA = (*BROKEN, *UNUSUAL)
