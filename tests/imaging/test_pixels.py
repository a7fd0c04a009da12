"""Model pixels against open_clip's own preprocessing; hash and measures against their definitions."""

from __future__ import annotations

import dataclasses
import io
import math

import imagehash
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter

from benchmarks.imaging import drawing, photo
from biomedica.imaging import decode, model_pixels
from biomedica.schema import PixelSpec

MODES = {"center": "shortest", "squash": "squash", "pad": "longest"}


def open_clip_pixels(data: bytes, spec: PixelSpec) -> np.ndarray:
    from open_clip import image_transform

    transform = image_transform(
        spec.size,
        is_train=False,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        resize_mode=MODES[spec.crop],
        interpolation=spec.interpolation,
        fill_color=spec.fill,
    )
    image = transform(Image.open(io.BytesIO(data)))
    return np.rint(image.permute(1, 2, 0).numpy() * 255).astype(int)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The sample's model: random weights, which see layout and colour."""
    from biomedica.embedding import load_encoder, write_untrained_checkpoint

    folder = write_untrained_checkpoint(tmp_path_factory.mktemp("model"))
    return load_encoder(str(folder), device="cpu")


def distance(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.abs(found.astype(int) - wanted).mean())


@pytest.mark.parametrize("crop", ["center", "squash", "pad"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(320, 240), (241, 317), (100, 150), (330, 329), (900, 60)])
def test_small_images_equal_open_clip(crop, interpolation, size, photograph, encoded, limits):
    spec = PixelSpec(224, crop=crop, interpolation=interpolation, fill=7)
    for image_format in ("jpeg", "png"):
        data = encoded(photograph(*size), image_format)
        found = decode(data, limits, (spec,)).pixels[0]
        wanted = open_clip_pixels(data, spec)
        assert distance(found, wanted) < 0.3
        assert np.abs(found - wanted).max() <= 3  # Pillow's two passes round in either order


@pytest.mark.parametrize("crop", ["center", "squash", "pad"])
@pytest.mark.parametrize("size", [(1000, 700), (1201, 903), (2011, 1803), (3000, 500), (701, 2500)])
@pytest.mark.parametrize("image_format", ["jpeg", "png"])
def test_reduced_images_are_close_to_open_clip(crop, size, image_format, photograph, encoded, limits):
    """Reduced first, by DCT scaling or boxes: within one level of 255 on average."""
    data = encoded(photograph(*size), image_format)
    spec = PixelSpec(224, crop=crop)
    found = decode(data, limits, (spec,)).pixels[0]
    assert distance(found, open_clip_pixels(data, spec)) < 1.0


@pytest.mark.parametrize("crop", ["center", "squash", "pad"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize(
    "size", [(320, 240), (241, 317), (2, 2), (1, 9), (5, 3), (150, 101), (801, 603), (1500, 1402)]
)
def test_grey_pixels_are_those_of_the_same_picture_in_rgb(
    crop, interpolation, size, photograph, encoded, limits
):
    """Grey has a way of its own to be scaled, which gives the same bits, sharp edges included."""
    spec = PixelSpec(224, crop=crop, interpolation=interpolation, fill=7)
    soft = photograph(*size).convert("L")
    for grey in (soft, soft.point(lambda level: 255 * (level % 16 > 3))):
        found, wanted = (
            decode(encoded(image, "png"), limits, (spec,)).pixels[0]
            for image in (grey, grey.convert("RGB"))
        )
        assert np.array_equal(found, wanted)


@pytest.mark.parametrize("spec_size", [336, 448])
def test_larger_models_get_finer_pixels(spec_size, photograph, encoded, limits):
    data = encoded(photograph(1300, 1000), "jpeg", quality=95)
    small, large = PixelSpec(224), PixelSpec(spec_size)
    both = decode(data, limits, (small, large))
    assert distance(both.pixels[1], open_clip_pixels(data, large)) < 1.0
    alone = decode(data, limits, (large,))
    assert np.array_equal(alone.pixels[0], both.pixels[1])


@pytest.mark.parametrize("image_format", ["jpeg", "png", "tiff"])
def test_hash_and_measures_do_not_depend_on_models(image_format, photograph, encoded, limits):
    data = encoded(photograph(1300, 1000), image_format)
    rows = [
        {k: v for k, v in dataclasses.asdict(decode(data, limits, specs)).items() if k != "pixels"}
        for specs in ((), (PixelSpec(512), PixelSpec(64)), (PixelSpec(224),))
    ]
    assert rows[0] == rows[1] == rows[2]


def test_stored_bytes_give_the_same_pixels(photograph, encoded, limits):
    specs = (PixelSpec(224), PixelSpec(336, crop="squash"), PixelSpec(96, crop="pad"))
    for image_format in ("jpeg", "png", "webp", "bmp", "tiff"):
        found = decode(encoded(photograph(700, 500), image_format), limits, specs)
        for again, first in zip(model_pixels(found.data, limits, specs), found.pixels, strict=True):
            assert np.array_equal(again, first)


def hamming(first: str, second: str) -> int:
    return (int(first, 16) ^ int(second, 16)).bit_count()


def test_phash_is_imagehash_of_the_reduced_image(photograph, encoded, limits):
    image = photograph(800, 700)
    found = decode(encoded(image, "png"), limits)
    assert found.phash == str(imagehash.phash(image.reduce(700 // 128)))
    small = photograph(120, 90)
    assert decode(encoded(small, "png"), limits).phash == str(imagehash.phash(small))
    jpeg = encoded(photograph(1800, 1790), "jpeg", quality=95)  # 1790 // 4 = 447: a half, not a quarter
    halved = Image.open(io.BytesIO(jpeg))
    halved.draft(None, (900, 895))
    assert decode(jpeg, limits).phash == str(imagehash.phash(halved.reduce(895 // 128)))


def test_phash_stays_near_over_sizes_and_formats(photograph, encoded, limits):
    image = photograph(1800, 1400)
    hashes = [
        decode(encoded(image.resize(size, Image.Resampling.LANCZOS), name), limits).phash
        for size in ((1800, 1400), (900, 700), (450, 350))
        for name in ("jpeg", "png")
    ]
    assert max(hamming(hashes[0], other) for other in hashes) <= 6
    other = decode(encoded(image.transpose(Image.Transpose.ROTATE_90), "png"), limits).phash
    assert hamming(hashes[0], other) > 16


def test_alpha_is_composited_before_hashing(photograph, encoded, limits):
    image = photograph(200, 200)
    veiled = image.copy()
    veiled.putalpha(Image.new("L", (200, 200), 255))
    hidden = Image.new("RGBA", (200, 200), (255, 0, 0, 0))
    hidden.paste(image.crop((0, 0, 100, 200)))
    shown = Image.new("RGB", (200, 200), "white")
    shown.paste(image.crop((0, 0, 100, 200)))
    for first, second in ((veiled, image), (hidden, shown)):
        found = [decode(encoded(i, "png"), limits) for i in (first, second)]
        assert found[0].phash == found[1].phash
        assert found[0].white_fraction == found[1].white_fraction


def naive_measures(rgb: np.ndarray) -> dict[str, float]:
    """The published formulas, in floating point."""
    grey = np.asarray(Image.fromarray(rgb).convert("L")).astype(float) / 255
    red, green, blue = (rgb[..., i].astype(float) for i in range(3))
    rg, yb = red - green, (red + green) / 2 - blue
    down, across = np.gradient(grey)
    return {
        "luminance_mean": grey.mean(),
        "luminance_std": grey.std(),
        "white_fraction": (grey > 0.94).mean(),
        "colorfulness": (math.hypot(rg.std(), yb.std()) + 0.3 * math.hypot(rg.mean(), yb.mean())) / 255,
        "edge_density": (np.hypot(down, across) > 0.1).mean(),
    }


@pytest.mark.parametrize("seed", range(4))
def test_measures_follow_the_published_formulas(seed, encoded, limits):
    noise = np.random.default_rng(seed).normal(128, 400, (120, 100, 3))
    rgb = np.clip(gaussian_filter(noise, (seed, seed, 0)), 0, 255).astype(np.uint8)
    found = decode(encoded(Image.fromarray(rgb), "png"), limits)
    for name, value in naive_measures(rgb).items():
        assert getattr(found, name) == pytest.approx(value, abs=2e-3), name


def test_measures_of_plain_images(encoded, limits):
    white = decode(encoded(Image.new("RGB", (50, 50), "white"), "png"), limits)
    assert (white.luminance_mean, white.white_fraction, white.colorfulness) == (1.0, 1.0, 0.0)
    grey = decode(encoded(Image.radial_gradient("L"), "png"), limits)
    assert grey.colorfulness == 0.0
    assert 0 < grey.luminance_std < 0.5
    board = Image.fromarray((np.indices((64, 64)).sum(0) // 4 % 2 * 255).astype(np.uint8))
    assert decode(encoded(board, "png"), limits).edge_density > 0.4


def test_blank_and_nearly_blank(encoded, limits):
    noise = np.random.default_rng(2).integers(-2, 3, (300, 400))
    page = np.full((300, 400), 250)
    dotted = page.copy()
    dotted[100:110, 100:110] = 0  # a letter on a page
    hues = np.where(np.arange(400)[:, None] < 200, (200, 60, 60), (60, 131, 60))  # of one luminance
    for values, is_blank in (
        (page, True),
        (page + noise, True),
        (np.zeros((5, 5)), True),
        (dotted, False),
        (np.broadcast_to(hues, (300, 400, 3)), False),
    ):
        image = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8))
        assert decode(encoded(image, "png"), limits).is_blank is is_blank


def test_grey_pictures_in_colour_files(photograph, encoded, limits):
    grey = photograph(400, 300).convert("L").convert("RGB")
    for image_format in ("png", "jpeg"):
        assert decode(encoded(grey, image_format), limits).is_greyscale
    assert decode(encoded(grey.convert("L"), "png"), limits).is_greyscale
    grey.paste((220, 30, 30), (100, 100, 120, 125))  # an arrow
    assert not decode(encoded(grey, "jpeg"), limits).is_greyscale
    assert not decode(encoded(photograph(), "png"), limits).is_greyscale


def test_aspect_ratio_is_of_the_upright_image(encoded, limits):
    exif = Image.Exif()
    exif[0x0112] = 6
    assert decode(encoded(Image.new("L", (200, 50)), "png"), limits).aspect_ratio == 4.0
    assert decode(encoded(Image.new("L", (200, 50)), "png", exif=exif), limits).aspect_ratio == 0.25


def test_reductions_hardly_move_embeddings(encoder, encoded, limits):
    """Mean cosine with open_clip's own preprocessing of the whole JPEG: at least 0.999."""
    spec = encoder.info.pixel_spec
    jpegs = [
        encoded(draw(megapixels), "jpeg", quality=quality)
        for draw in (photo, drawing)
        for megapixels in (0.8, 1, 2, 4)
        for quality in (75, 90)
    ]
    ours = encoder.encode_pixels(np.stack([decode(data, limits, (spec,)).pixels[0] for data in jpegs]))
    whole = encoder.encode_pixels(
        np.stack([open_clip_pixels(data, spec).astype(np.uint8) for data in jpegs])
    )
    cosines = (ours * whole).sum(1)
    assert cosines.mean() >= 0.999
    assert cosines.min() >= 0.995
