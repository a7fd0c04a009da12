"""Images small enough to stand in a page: JPEG bytes as a data URI."""

from __future__ import annotations

import base64
import io

from PIL import Image

from biomedica.errors import Deferred, Rejected
from biomedica.imaging.containers import read_container
from biomedica.imaging.loading import load, turned
from biomedica.imaging.pixels import dct_scale, on_white

__all__ = ["data_uri"]

MAX_PIXELS = 100_000_000
"""What is larger is shown as a grey box and not decoded."""

JPEG_QUALITY = 78
GREY = (225, 225, 225)


def data_uri(data: bytes, side: int) -> str:
    """`data:image/jpeg;base64,…` of an encoded image, its longer side at most `side` pixels.

    The first frame, upright, in sRGB, transparency on white; small images are not enlarged. What cannot be
    decoded, or is over MAX_PIXELS, becomes a grey square. Never raises for what `data` holds.
    """
    try:
        image = _small(data, side)
    except (Rejected, Deferred, MemoryError):
        image = Image.new("RGB", (side, side), GREY)
    image.info.clear()  # a JPEG's comment would come along
    out = io.BytesIO()
    image.save(out, "JPEG", quality=JPEG_QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _small(data: bytes, side: int) -> Image.Image:
    container = read_container(data)
    if container.width * container.height > MAX_PIXELS:
        raise Rejected("too_many_pixels")
    longest = max(container.width, container.height)
    is_jpeg = container.image_format == "jpeg"
    loaded = load(container, dct_scale(longest, side) if is_jpeg else 1)
    shown, found = on_white(loaded, container.profile)
    image = turned(shown, container.orientation)
    image.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    return found.applied(image) if found.applies else image
