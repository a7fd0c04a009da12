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
from biomedica.imaging.containers import KEPT_FORMATS, Container, read_container
from biomedica.imaging.loading import load, storable, turned
from biomedica.imaging.measures import measure
from biomedica.imaging.pixels import BASE, dct_scale, eight_bit, model_array, reduction
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
    mode: str
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
    edge_density: float
    pixels: tuple[npt.NDArray[np.uint8], ...]


def decode(data: bytes, limits: ImageConfig, specs: Sequence[PixelSpec] = ()) -> DecodedImage:
    """Decodes an image once: for storage, hash, measures and the pixels of models.

    JPEG, PNG and WebP are stored as they are; TIFF, GIF and BMP become PNG without loss (what PNG
    cannot hold: `loading.storable`). Of several frames or pages the first counts.

    phash and the measures are taken from a small image, made so, whatever `specs` are:
    1. the first frame; of a JPEG, decoded at 1/s of its size by DCT scaling, s being the greatest
       of 1, 2, 4, 8 that leaves the short side 448 pixels or more (halves cut off);
    2. 8 bits, L for grey images and else RGB, alpha composited on white (`pixels.eight_bit`);
    3. means over k x k pixels, k = max(1, short side // 336), then turned upright (EXIF);
    4. means over m x m pixels, m = max(1, short side // 128, isqrt(pixels // 2**18)); the last for
       very long images alone.
    phash is imagehash.phash of that image's L (Pillow, ITU-R 601-2): Lanczos to 32 x 32, DCT, the
    64 lowest frequencies against their median; lower-case hex.

    Pixels for a model come from the image of step 3 where its short side is at least 1.5 times the
    model's size or the image was not reduced; for larger models steps 1 and 3 are repeated with
    their size in the place of 224. ICC profiles are kept but not applied.

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
            picture = _Picture(container, None)
        else:
            upright, _ = storable(load(container), container)
            picture = _Picture(container, upright)
        return tuple(picture.pixels(spec) for spec in specs)
    except MemoryError:
        raise Deferred(f"no memory for {container.width} x {container.height} pixels") from None


def _small(base: Image.Image) -> Image.Image:
    pixels = base.width * base.height
    factor = max(min(base.size) // _HASH_SIDE, math.isqrt(pixels // _SMALL_PIXELS))
    return base.reduce(factor) if factor > 1 else base


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
        picture = _Picture(container, None)
        base = picture.reduced(BASE)
        mode, stored, image_format, sha256 = picture.mode, data, container.image_format, original_sha256
    else:
        image = load(container)
        mode, image_format = image.mode, "png"
        upright, stored = storable(image, container)
        sha256 = hashlib.sha256(stored).hexdigest()
        picture = _Picture(container, upright)
        base = picture.reduced(BASE)
    measures = measure(_small(base))
    return DecodedImage(
        data=stored,
        image_format=image_format,
        width=picture.size[0],
        height=picture.size[1],
        mode=mode,
        page_count=container.page_count,
        byte_size=len(stored),
        sha256=sha256,
        original_format=container.image_format,
        original_sha256=original_sha256,
        phash=measures.phash,
        luminance_mean=measures.luminance_mean,
        luminance_std=measures.luminance_std,
        white_fraction=measures.white_fraction,
        colorfulness=measures.colorfulness,
        edge_density=measures.edge_density,
        pixels=tuple(picture.pixels(spec) for spec in specs),
    )


class _Picture:
    """One image at the scales that are asked for, each made once.

    upright: the whole image where it is at hand, as it will be stored; else it is loaded.
    """

    def __init__(self, container: Container, upright: Image.Image | None) -> None:
        self._container = container
        self._orientation = container.orientation if upright is None else 1
        self._loaded = {} if upright is None else {1: eight_bit(upright)}
        self._reduced: dict[tuple[int, int], Image.Image] = {}
        self._short = min(container.width, container.height)
        self.mode = "" if upright is None else upright.mode
        sides = (container.width, container.height)
        self.size = sides if container.orientation < 5 else sides[::-1]

    def reduced(self, size: int) -> Image.Image:
        """Upright, L or RGB, with a short side of at least 1.5 x size where the image has so much."""
        is_jpeg = self._container.image_format == "jpeg"
        scale = dct_scale(self._short, size) if is_jpeg else 1
        box = reduction(self._short // scale, size)
        if (scale, box) not in self._reduced:
            if scale not in self._loaded:
                image = load(self._container, scale)
                self.mode = image.mode
                self._loaded[scale] = eight_bit(image)
            image = self._loaded[scale]
            image = image.reduce(box) if box > 1 else image
            self._reduced[scale, box] = turned(image, self._orientation)
        return self._reduced[scale, box]

    def pixels(self, spec: PixelSpec) -> npt.NDArray[np.uint8]:
        return model_array(self.reduced(max(BASE, spec.size)), self.size, spec)
