"""Drawn images: nothing here comes from a publication."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from biomedica.config import ImageConfig
from biomedica.errors import Rejected
from biomedica.imaging import decode
from biomedica.schema import REJECT_REASONS, PixelSpec


def _photograph(width: int = 300, height: int = 200, seed: int = 0) -> Image.Image:
    """A smooth picture with edges, a little noise, and no symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).normal(0, 4, (height, width))
    red = 128 + 100 * np.sin(x / width * 7 + y / height * 3) + noise
    green = 255 * x / width + noise
    blue = np.where((x - width / 3) ** 2 + (y - height / 4) ** 2 < (height / 5) ** 2, 230, 60) + noise
    return Image.fromarray(np.clip(np.stack([red, green, blue], -1), 0, 255).astype(np.uint8))


def _encoded(image: Image.Image, image_format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


@pytest.fixture(scope="session")
def photograph() -> Any:
    return _photograph


@pytest.fixture(scope="session")
def encoded() -> Any:
    return _encoded


@pytest.fixture(scope="session")
def limits() -> ImageConfig:
    return ImageConfig()


@pytest.fixture(scope="session")
def rejected(limits: ImageConfig) -> Any:
    """The reason for which bytes are rejected."""

    def reason(data: bytes, **changed: Any) -> str:
        with pytest.raises(Rejected) as caught:
            decode(data, limits.model_copy(update=changed), (PixelSpec(32),))
        assert caught.value.detail
        assert caught.value.reason in REJECT_REASONS["image"]
        return caught.value.reason

    return reason
