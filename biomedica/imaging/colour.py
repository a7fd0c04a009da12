"""Embedded ICC profiles: an image in its own colours → sRGB.

Transforms are Little CMS's, relative colorimetric with black point compensation: what is white in
the profile stays white. Source: ICC.1:2022 (profile version 4.4); IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageCms

__all__ = [
    "BROKEN",
    "MAX_PROFILE_BYTES",
    "TOO_LARGE",
    "Colours",
    "colours",
    "inflated_profile",
    "lab_to_srgb",
]

MAX_PROFILE_BYTES = 4 << 20
"""Profiles of presses, the largest in use, have 0.5 to 3 MB."""

BROKEN, TOO_LARGE = b"broken", b"too large"
"""What stands for the profile of a file whose profile cannot be put together."""

SAME = 2
"""A profile that moves no tested colour by more than this, of 255, is sRGB."""

_SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}


@dataclass(frozen=True, slots=True)
class Colours:
    """What is made of a profile: verdict, a value of `schema.PAIRS`' color_profile, and how.

    curve: 256 levels for grey images. transform: Little CMS's, for RGB and CMYK.
    """

    verdict: str | None
    curve: tuple[int, ...] | None = None
    transform: Any = None

    @property
    def applies(self) -> bool:
        return self.curve is not None or self.transform is not None

    def applied(self, image: Image.Image) -> Image.Image:
        """An image of the mode that the profile was read for, L or RGB afterwards."""
        if self.curve is not None:
            return image.point(self.curve)
        out = Image.new("RGB", image.size)
        if self.transform is not None:
            self.transform.apply(image, out)
        return out


@lru_cache(maxsize=16)
def colours(profile: bytes, mode: str) -> Colours:
    """How pixels of `mode` (L, RGB, CMYK) under an ICC profile become sRGB. Never raises.

    A grey image under an RGB profile is taken as R = G = B. A profile that cannot be used is
    ignored, and the verdict says why.
    """
    if not profile:
        return Colours(None)
    if profile == TOO_LARGE or len(profile) > MAX_PROFILE_BYTES:
        return Colours("too_large")
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = _SPACES.get(source.profile.xcolor_space, "")
        if mode != space and (mode, space) != ("L", "RGB"):
            return Colours("mismatched")
        return _usable(_to_srgb(source, space), mode, space)
    # Little CMS refuses a profile with one of many types: each means that it cannot be used
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError, ArithmeticError, AttributeError):
        return Colours("broken")


def _to_srgb(source: Any, mode: str) -> Any:
    intent, flags = ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Flags.BLACKPOINTCOMPENSATION
    return ImageCms.buildTransform(source, _srgb(), mode, "RGB", intent, flags)


@lru_cache(maxsize=1)
def _srgb() -> Any:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def lab_to_srgb(image: Image.Image) -> Image.Image:
    """An image of mode LAB (CIE 1976, D50) as sRGB."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    return Colours("applied", transform=_to_srgb(lab, "LAB")).applied(image)


def _usable(transform: Any, mode: str, space: str) -> Colours:
    if mode == "L":
        ramp = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
        grey = Image.new("RGB", ramp.size)
        transform.apply(ramp.convert(space), grey)
        curve = np.asarray(grey.convert("L"))[0]
        is_same = np.abs(curve.astype(int) - np.arange(256)).max() <= SAME
        return Colours("srgb") if is_same else Colours("applied", curve=tuple(curve.tolist()))
    if mode == "RGB":
        steps = np.stack(np.meshgrid(*[np.arange(0, 256, 15)] * 3), -1).astype(np.uint8)
        lattice = steps.reshape(1, -1, 3)
        out = Image.new("RGB", (lattice.shape[1], 1))
        transform.apply(Image.fromarray(lattice), out)
        if np.abs(np.asarray(out).astype(int) - lattice).max() <= SAME:
            return Colours("srgb")
    return Colours("applied", transform=transform)


def inflated_profile(body: bytes) -> bytes:
    """The profile in a PNG's iCCP chunk: a name, 0, the method, a zlib stream."""
    _, end, packed = body.partition(b"\0")
    if not end or packed[:1] != b"\0":
        return BROKEN
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(packed[1:], MAX_PROFILE_BYTES + 1)
    except zlib.error:
        return BROKEN
    if len(profile) > MAX_PROFILE_BYTES:
        return TOO_LARGE
    return profile if profile and stream.eof else BROKEN
