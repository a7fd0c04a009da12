"""Mutates images and judges what becomes of them.

    python -m tests.fuzz.images --count 5000 [--corpus DIR] [--seed 0] [--first 0] [--keep DIR]

Mutant N of a seed is the same on every run. Each one is decoded in a process of bounded memory that is
ended when one takes longer than the limit. Each finding is kept as a file; status 1.
"""

from __future__ import annotations

import hashlib
import io
import math
import random
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from biomedica.config import ImageConfig
from biomedica.errors import Rejected
from biomedica.imaging import DecodedImage, data_uri, decode, model_pixels
from biomedica.schema import REJECT_REASONS, PixelSpec
from tests.fuzz.bounded import Originals, Result, command, run
from tests.fuzz.image_mutants import mutant
from tests.fuzz.image_seeds import drawn

LIMITS = ImageConfig(max_pixels=1 << 22)
SPECS = (PixelSpec(32), PixelSpec(300, crop="pad", interpolation="bilinear"))
SECONDS = 10.0
"""One mutant may take so long: fifty times what the slowest takes here."""
HEADROOM = 512 << 20
"""Of memory, bytes: 4 megapixels of float64 with copies are 100 MB."""
SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".tif", ".tiff", ".webp", ".bmp"}
LARGEST = 400_000
"""Real images beyond this many bytes are left out: they are slow and hold nothing new."""


def originals(corpus: Path | None) -> Originals:
    """Name and bytes of the images of a folder, or of those drawn here."""
    if corpus is None:
        return list(drawn().items())
    paths = [p for p in sorted(corpus.rglob("*")) if p.suffix.lower() in SUFFIXES]
    found = [(p.relative_to(corpus).as_posix(), p) for p in paths if p.stat().st_size <= LARGEST]
    if not found:
        raise SystemExit(f"{corpus} holds no images: give another --corpus")
    return [(name, path.read_bytes()) for name, path in found]


def make(images: Originals, seed: int, number: int) -> tuple[str, bytes]:
    """The name of the original and the bytes of mutant `number`."""
    chance = random.Random(f"{seed}-{number}")
    name, original = chance.choice(images)
    return name, mutant(original, chance.choice(images)[1], chance)


def judge(data: bytes) -> str:
    """What becomes of bytes. Raises whatever is neither an image nor a listed reject."""
    assert data_uri(data, 64).startswith("data:image/jpeg;base64,")
    try:
        found: DecodedImage | Rejected = decode(data, LIMITS, SPECS)
    except Rejected as reject:
        found = reject
    if isinstance(found, Rejected):
        assert found.reason in REJECT_REASONS["image"], found
        assert found.detail, found.reason
        assert "\n" not in found.detail, found
        return f"rejected {found.reason}"
    check(data, found)
    return f"{found.original_format} {found.color_profile or 'no profile'}"


def check(data: bytes, found: DecodedImage) -> None:
    """What must hold of every image."""
    kept = found.original_format == found.image_format
    assert found.original_sha256 == hashlib.sha256(data).hexdigest()
    assert found.sha256 == hashlib.sha256(found.data).hexdigest()
    assert (found.data == data) or not kept or found.original_format not in ("jpeg", "png", "webp")
    assert 0 < found.width * found.height <= LIMITS.max_pixels
    assert found.page_count >= 1
    assert len(found.phash) == 16
    for name, most in (
        ("luminance_mean", 1), ("luminance_std", 0.5), ("white_fraction", 1), ("colorfulness", 1.5),
        ("edge_density", 1), ("aspect_ratio", LIMITS.max_pixels),
    ):  # fmt: skip
        value = getattr(found, name)
        assert math.isfinite(value), name
        assert 0 <= value <= most, name
    for pixels, spec in zip(found.pixels, SPECS, strict=True):
        assert (pixels.shape, pixels.dtype) == ((spec.size, spec.size, 3), np.uint8)
    if found.width * found.height < 1 << 20:
        for again, first in zip(model_pixels(found.data, LIMITS, SPECS), found.pixels, strict=True):
            assert np.array_equal(again, first)
        assert decode(data, LIMITS).phash == found.phash
    if not kept:
        with Image.open(io.BytesIO(found.data)) as stored:
            stored.load()
            assert stored.size == (found.width, found.height)


def fuzz(images: Originals, seed: int, numbers: range, *, verbose: bool = False) -> Result:
    """Judges mutants by their numbers."""
    torch.set_num_threads(1)  # its threads would not come along into a forked process
    judge(images[0][1])  # loads what it needs, before memory is bounded

    def trial(number: int) -> str:
        return judge(make(images, seed, number)[1])

    return run(trial, numbers, seconds=SECONDS, headroom=HEADROOM, verbose=verbose)


def main() -> int:
    """Status 1 where something was found."""
    return command(__doc__, originals, make, fuzz, count=1000, suffix=".image")


if __name__ == "__main__":
    raise SystemExit(main())
