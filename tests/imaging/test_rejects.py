"""Bad bytes: each kind has its reason, and nothing but a DecodedImage or a reject comes out."""

from __future__ import annotations

import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from biomedica.errors import Deferred, Rejected
from biomedica.imaging import DecodedImage, decode, loading, model_pixels
from biomedica.schema import REJECT_REASONS, PixelSpec


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not_an_image"),
        (b"see figure one", "not_an_image"),
        (b"  <!DOCTYPE html><html><body>404</body></html>", "not_an_image"),
        (b"\0" * 500, "not_an_image"),
        (b"BM is how this note begins, and it is no bitmap", "not_an_image"),
        (b"%PDF-1.7\n", "unsupported_format"),
        (b"junk\n%PDF-1.7\n", "unsupported_format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "unsupported_format"),
        (b"\xc5\xd0\xd3\xc6" + b"\0" * 40, "unsupported_format"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        (b"\0\0\0\x1cftypheic" + b"\0" * 40, "unsupported_format"),
        (b"PK\x03\x04" + b"\0" * 40, "unsupported_format"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "unsupported_format"),
        (b"\xff\xd8", "truncated"),
        (b"\xff\xd8\xff\xd9", "corrupt"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"\x89PNG\n\x1a\n" + b"\0" * 40, "corrupt"),
        (b"GIF89a", "truncated"),
        (b"II*\0", "truncated"),
        (b"RIFF\x40\0\0\0WEBPVP8 ", "truncated"),
    ],
)
def test_reason(data, reason, rejected):
    assert rejected(data) == reason


def test_postscript_never_reaches_a_plugin(monkeypatch, rejected):
    from PIL import EpsImagePlugin

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *_: pytest.fail("Ghostscript ran"))
    assert rejected(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n") == (
        "unsupported_format"
    )


VARIANTS = [
    ("jpeg", {}),
    ("jpeg", {"progressive": True}),
    ("png", {}),
    ("webp", {}),
    ("webp", {"lossless": True}),
    ("gif", {}),
    ("bmp", {}),
    ("tiff", {}),
    ("tiff", {"compression": "tiff_lzw"}),
]


@pytest.mark.parametrize(("image_format", "options"), VARIANTS)
@pytest.mark.parametrize("size", [(300, 200), (1400, 1000)])
def test_every_cut_is_seen(image_format, options, size, photograph, encoded, rejected):
    """1400 x 1000 takes the JPEG path that decodes at half the size."""
    image = photograph(*size)
    image = image.convert("P") if image_format == "gif" else image
    data = encoded(image, image_format, **options)
    # without their closing markers the pixels of a JPEG and a GIF are still whole
    ends = {"jpeg": 6, "gif": 16}.get(image_format, 1)
    cuts = [len(data) * i // 8 for i in range(1, 8)] + [len(data) - ends]
    assert {cut: rejected(data[:cut]) for cut in cuts} == dict.fromkeys(cuts, "truncated")


def test_cut_inside_a_header(photograph, encoded, rejected):
    for image_format in ("jpeg", "png", "webp", "bmp", "gif"):
        data = encoded(photograph(), image_format)
        assert rejected(data[:25]) == "truncated", image_format


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, pixels: bytes, *more: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + b"".join(more) + _chunk(b"IDAT", zlib.compress(pixels))
    return b"\x89PNG\r\n\x1a\n" + chunks + _chunk(b"IEND", b"")


def test_bomb_is_refused_from_its_header(monkeypatch, rejected, encoded):
    monkeypatch.setattr(loading, "_PLUGINS", {})  # nothing may be opened, much less decoded
    assert rejected(png(60_000, 60_000, b"")) == "too_many_pixels"
    small = Image.new("L", (30, 20))
    for image_format in ("jpeg", "png", "webp", "gif", "bmp", "tiff"):
        assert rejected(encoded(small, image_format), max_pixels=599) == "too_many_pixels"


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp", "gif", "bmp", "tiff"])
def test_pillows_own_limit_has_no_say(image_format, monkeypatch, encoded, limits):
    data = encoded(Image.new("L", (60, 40)), image_format)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2000)  # Pillow would warn; warnings are errors
    assert decode(data, limits, (PixelSpec(16),)).width == 60


def test_bomb_of_text_chunks_does_not_matter(limits):
    text = _chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * (8 << 20)))
    assert decode(png(2, 1, b"\0\7\7", text), limits).width == 2


def test_wrong_checksum_and_wrong_pixels_are_corrupt(rejected):
    good = png(3, 1, b"\0\1\2\3")
    at = good.index(b"IDAT") + 6
    assert rejected(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]) == "corrupt"
    assert rejected(png(3, 0, b"")) == "corrupt"


def test_no_memory_is_a_passing_fault(monkeypatch, limits):
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(loading.PngImageFile, "load", full)
    with pytest.raises(Deferred):
        decode(png(3, 1, b"\0\1\2\3"), limits)


def _seeds() -> list[bytes]:
    from tests.imaging.conftest import _encoded, _photograph

    image = _photograph(40, 30)
    exif = Image.Exif()
    exif[0x0112] = 6
    return [
        *(_encoded(image, name, **options) for name, options in VARIANTS if name != "gif"),
        _encoded(image.convert("P"), "gif", save_all=True, append_images=[image.convert("P")]),
        _encoded(image, "jpeg", exif=exif),
        _encoded(image, "png", exif=exif),
        _encoded(image, "tiff", big_tiff=True, compression="jpeg"),
        _encoded(image, "tiff", save_all=True, append_images=[image], compression="packbits"),
        _encoded(image.convert("RGBA"), "webp", save_all=True, append_images=[image]),
        _encoded(image, "png", save_all=True, append_images=[image]),
        _encoded(Image.fromarray(np.ones((9, 9), np.float32)), "tiff"),
        _encoded(image.convert("CMYK"), "jpeg"),
        _encoded(image.convert("1"), "tiff", compression="group4"),
    ]


SEEDS = _seeds()
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(("flip", "cut", "insert", "word")),
        st.integers(0, 1 << 16),
        st.one_of(st.sampled_from((0, 1, 0x7F, 0x80, 0xFF)), st.integers(0, 255)),
    ),
    min_size=1,
    max_size=6,
)


def mutated(data: bytes, changes: list[tuple[str, int, int]]) -> bytes:
    out = bytearray(data)
    for kind, where, value in changes:
        at = where % max(1, len(out) if where & 1 else min(len(out), 200))
        if kind == "flip":
            out[at : at + 1] = bytes([value])
        elif kind == "cut":
            del out[at : at + value]
        elif kind == "insert":
            out[at:at] = bytes([value]) * 3
        else:
            out[at : at + 4] = bytes([value]) * 4
    return bytes(out)


def outcome(data: bytes, limits: object) -> object:
    try:
        return decode(data, limits, (PixelSpec(16),))
    except Rejected as reject:
        reason = reject.reason
    assert reason in REJECT_REASONS["image"]
    return reason


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(SEEDS), MUTATIONS)
def test_mutated_images_decode_or_are_rejected(limits, seed, changes):
    found = outcome(mutated(seed, changes), limits.model_copy(update={"max_pixels": 1 << 20}))
    assert isinstance(found, str | DecodedImage)
    if isinstance(found, DecodedImage):
        assert found.pixels[0].shape == (16, 16, 3)
        assert np.array_equal(model_pixels(found.data, limits, (PixelSpec(16),))[0], found.pixels[0])


HEADS = st.sampled_from([seed[:n] for seed in SEEDS for n in (0, 4, 12, 40)])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HEADS, st.binary(max_size=300))
def test_any_bytes_decode_or_are_rejected(limits, head, tail):
    outcome(head + tail, limits)


def test_threads_get_what_one_thread_gets(limits):
    def summary(data: bytes) -> object:
        found = outcome(data, limits)
        return found if isinstance(found, str) else (found.phash, found.sha256, found.edge_density)

    alone = [summary(seed) for seed in SEEDS]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(summary, SEEDS * 4)) == alone * 4


def test_corpus(corpus, limits):
    """Every real image decodes; the corpus counts 13 files that are no images."""
    names = (".jpg", ".jpeg", ".png", ".gif", ".tif", ".tiff")
    files = [p for p in sorted(corpus.rglob("cloud/**/*")) if p.suffix.lower() in names]
    small = [p for p in files if p.stat().st_size < 200_000]
    found = [outcome(p.read_bytes(), limits) for p in small]
    refused = [f for f in found if isinstance(f, str)]
    assert len(small) > 200
    assert refused == ["not_an_image"] * 13
