"""Images drawn for a measurement, where a source has none of a format and size."""

from __future__ import annotations

import io
import math

from biomedica.planning.rates import SizeClass

__all__ = ["DRAWN_FORMATS", "DRAWN_PIXELS", "drawn_image"]

DRAWN_FORMATS = ("jpeg", "png", "tiff", "gif", "webp")
DRAWN_PIXELS: dict[SizeClass, int] = {"under_0.5": 250_000, "0.5_to_2": 1_000_000, "2_to_12": 4_000_000}
"""Larger ones are not drawn: their time goes with their pixels."""

_OPTIONS: dict[str, dict[str, object]] = {"jpeg": {"quality": 88}, "tiff": {"compression": "tiff_lzw"}}


def drawn_image(image_format: str, pixels: int) -> bytes:
    """A picture 4:3 of about so many pixels: soft shapes with grain, as photographs and plots have.

    The same arguments give the same picture.
    """
    import numpy as np
    from PIL import Image

    height = max(1, math.isqrt(pixels * 3 // 4))
    size = (height * 4 // 3, height)
    random = np.random.Generator(np.random.PCG64(pixels))
    small = Image.fromarray(random.integers(0, 256, (24, 32, 3), dtype=np.uint8))
    shapes = np.asarray(small.resize(size, Image.Resampling.BICUBIC), np.int16)
    grain = random.integers(-6, 7, shapes.shape[:2], dtype=np.int16)[..., None]
    image = Image.fromarray(np.clip(shapes + grain, 0, 255).astype(np.uint8))
    if image_format == "gif":
        image = image.quantize(64)
    sink = io.BytesIO()
    image.save(sink, image_format.upper(), **_OPTIONS.get(image_format, {}))
    return sink.getvalue()
