"""Image bytes → DecodedImage: what is stored, measured and shown to models."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from biomedica.config import ImageConfig
from biomedica.errors import Deferred, Rejected
from biomedica.imaging.colour import Colours
from biomedica.imaging.containers import KEPT_FORMATS, Container, read_container
from biomedica.imaging.loading import load, storable, turned
from biomedica.imaging.measures import Measures, measure
from biomedica.imaging.pixels import BASE, dct_scale, eight_bit, model_array, on_white, reduction
from biomedica.schema import PixelSpec

__all__ = ["DecodedImage", "decode", "model_pixels"]

_HASH_SIDE = 128
_SMALL_PIXELS = 1 << 18


@dataclass(frozen=True, slots=True, eq=False)
class DecodedImage:
    """An image that was decoded. Names, units and ranges are those of `schema.PAIRS`.

    data: the bytes to store. pixels: one uint8 array [size, size, 3] for each PixelSpec asked for.
    """

    data: bytes
    image_format: str
    width: int
    height: int
    aspect_ratio: float
    mode: str
    color_profile: str | None
    page_count: int
    byte_size: int
    sha256: str
    original_format: str
    original_sha256: str
    phash: str
    luminance_mean: float
    luminance_std: float
    white_fraction: float
    colorfulness: float
    is_greyscale: bool
    edge_density: float
    is_blank: bool
    pixels: tuple[npt.NDArray[np.uint8], ...]


def decode(data: bytes, limits: ImageConfig, specs: Sequence[PixelSpec] = ()) -> DecodedImage:
    """Decodes an image once: for storage, hash, measures and the pixels of models.

    JPEG, PNG and WebP are stored as they are; TIFF, GIF and BMP become PNG without loss (what PNG
    cannot hold: `loading.storable`). Of several frames or pages the first counts.

    phash and the measures are taken from a small image, made so, whatever `specs` are:
    1. the first frame; of a JPEG, decoded at 1/s of its size by DCT scaling (libjpeg), s being the
       greatest of 1, 2, 4, 8 that leaves the short side 448 pixels or more (halves cut off);
    2. 8 bits, L for grey images and else RGB, alpha composited on white (`pixels.eight_bit`); CMYK
       with a profile of its own stays CMYK until step 4;
    3. means over m x m pixels, m = max(1, short side // 128, isqrt(pixels // 2**18)), the last for
       very long images alone; then turned upright (EXIF);
    4. to sRGB by the embedded ICC profile (`colour.colours`), unless that is sRGB or of no use.
    phash is imagehash.phash of that image's L (Pillow, ITU-R BT.601): Lanczos to 32 x 32, DCT, the
    64 lowest frequencies against their median; lower-case hex. The reduction is part of the
    definition: on 200 real images it moves 0.9 of the 64 bits on average and 6 at most, and finds
    as many duplicates within 8 bits (`benchmarks/imaging_quality.py`).

    Pixels for a model come from the image of step 2, for larger models than 224 read with their
    size in the place of 224, by means over k x k pixels that leave the short side 3 times the
    model's size, then by the model's own filter; at last to sRGB as in step 4. Stored bytes are
    never changed by a profile.

    Safe in threads: no global is read or changed, but for PIL.ImageFile.LOAD_TRUNCATED_IMAGES,
    which must stay False.
    Raises Rejected (image: not_an_image, unsupported_format, truncated, corrupt, too_many_pixels),
    and Deferred when memory runs out.
    """
    container = _checked(read_container(data), limits)
    try:
        return _decode(data, container, specs)
    except MemoryError:
        raise Deferred(f"no memory for {container.width} x {container.height} pixels") from None


def model_pixels(
    data: bytes, limits: ImageConfig, specs: Sequence[PixelSpec]
) -> tuple[npt.NDArray[np.uint8], ...]:
    """The pixels of stored bytes for models: those that `decode` gave for the original.

    Raises what `decode` raises.
    """
    container = _checked(read_container(data), limits)
    try:
        if container.image_format in KEPT_FORMATS:
            picture = _Picture(container)
        else:
            upright, _, found = storable(load(container), container)
            picture = _Picture(container, upright, found)
        return tuple(picture.pixels(spec) for spec in specs)
    except MemoryError:
        raise Deferred(f"no memory for {container.width} x {container.height} pixels") from None


def _checked(container: Container, limits: ImageConfig) -> Container:
    if container.width * container.height > limits.max_pixels:
        raise Rejected(
            "too_many_pixels",
            f"{container.width} x {container.height} pixels, over the limit of {limits.max_pixels}",
        )
    return container


def _decode(data: bytes, container: Container, specs: Sequence[PixelSpec]) -> DecodedImage:
    original_sha256 = hashlib.sha256(data).hexdigest()
    if container.image_format in KEPT_FORMATS:
        picture = _Picture(container)
        small = picture.small()
        mode, stored, image_format, sha256 = picture.mode, data, container.image_format, original_sha256
    else:
        image = load(container)
        mode, image_format = image.mode, "png"
        upright, stored, found = storable(image, container)
        sha256 = hashlib.sha256(stored).hexdigest()
        picture = _Picture(container, upright, found)
        small = picture.small()
    measures = measure(small)
    return DecodedImage(
        data=stored,
        image_format=image_format,
        width=picture.size[0],
        height=picture.size[1],
        aspect_ratio=picture.size[0] / picture.size[1],
        mode=mode,
        color_profile=picture.colours.verdict,
        page_count=container.page_count,
        byte_size=len(stored),
        sha256=sha256,
        original_format=container.image_format,
        original_sha256=original_sha256,
        **{name: getattr(measures, name) for name in Measures.__slots__},
        pixels=tuple(picture.pixels(spec) for spec in specs),
    )


class _Picture:
    """One image at the scales that are asked for, each made once.

    upright: the whole image where it is at hand, as it will be stored, and what its profile asks
    for; else it is loaded.
    """

    def __init__(
        self, container: Container, upright: Image.Image | None = None, found: Colours | None = None
    ) -> None:
        self._container = container
        self._orientation = container.orientation if upright is None else 1
        self._loaded = {} if upright is None else {1: eight_bit(upright)}
        self._reduced_images: dict[tuple[int, int], Image.Image] = {}
        self._short = min(container.width, container.height)
        self.colours = found or Colours(None)
        self.mode = "" if upright is None else upright.mode
        sides = (container.width, container.height)
        self.size = sides if container.orientation < 5 else sides[::-1]

    def small(self) -> Image.Image:
        """What is hashed and measured: upright, L or RGB in sRGB."""
        image = self._whole(BASE)
        factor = max(
            min(image.size) // _HASH_SIDE, math.isqrt(image.width * image.height // _SMALL_PIXELS)
        )
        image = turned(image.reduce(factor) if factor > 1 else image, self._orientation)
        return self.colours.applied(image) if self.colours.applies else image

    def pixels(self, spec: PixelSpec) -> npt.NDArray[np.uint8]:
        image = self._reduced(max(BASE, spec.size))
        return model_array(image, self.size, spec, self.colours)

    def _whole(self, size: int) -> Image.Image:
        """The image of step 2 for a model's size."""
        scale = dct_scale(self._short, size) if self._container.image_format == "jpeg" else 1
        if scale not in self._loaded:
            image = load(self._container, scale)
            self.mode = image.mode
            self._loaded[scale], self.colours = on_white(image, self._container.profile)
        return self._loaded[scale]

    def _reduced(self, size: int) -> Image.Image:
        """Upright, its short side at least 3 x size where the image has so much."""
        image = self._whole(size)
        box = reduction(min(image.size), size)
        key = (image.width, box)
        if key not in self._reduced_images:
            image = image.reduce(box) if box > 1 else image
            self._reduced_images[key] = turned(image, self._orientation)
        return self._reduced_images[key]
