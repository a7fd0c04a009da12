"""What reading images at less than their size does to hashes, duplicates and embeddings.

    python benchmarks/imaging_quality.py [--corpus DIR] [--model NAME] [--images N] [--json]

Whole: decoded at full size, upright, in sRGB on white; `imagehash.phash` of it, and open_clip's resize and
crop by Pillow. Ours: `decode`. Compared over the images of a folder, or over images drawn here:

- bits of 64 in which ours differs from the whole, for the file as it is and for JPEG copies;
- duplicates: each image again as JPEG of quality 60, 75, 85 and 95, at 50, 75 and 150 % of its size, and as
  PNG; how many of these lie within 4 and 8 bits of the image itself (recall), and how many pairs of different
  files do: more with ours than with the whole would be false matches;
- embeddings: cosine of ours with the whole, and PSNR of the model's pixels. Without --model the sample's
  untrained model, whose weights are random: it sees layout, edges and colour alone.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import imagehash
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.imaging import SUFFIXES, drawing, photo
from biomedica.config import ImageConfig
from biomedica.embedding import Encoder, load_encoder, write_untrained_checkpoint
from biomedica.errors import Rejected
from biomedica.imaging import decode
from biomedica.imaging.containers import read_container
from biomedica.imaging.loading import load, turned
from biomedica.imaging.pixels import BASE, on_white

LIMITS = ImageConfig()
LARGEST = 12_000_000
"""pixels; larger images cost minutes and say the same"""
LEAST = 100
"""pixels at the short side: what is smaller is a formula or an icon"""
Hashes = dict[str, list[int]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--corpus", type=Path, help="a folder of real images")
    arguments.add_argument("--model", help="as `biomedica build --model`; default: untrained")
    arguments.add_argument("--images", type=int, default=150, help="at most so many")
    arguments.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = arguments.parse_args()
    originals = list(spread(list(read(options.corpus)), options.images))
    with tempfile.TemporaryDirectory(prefix="biomedica-quality-") as folder:
        model = options.model or str(write_untrained_checkpoint(Path(folder)))
        encoder = load_encoder(model, device="cpu")
    values = {"images": len(originals)} | hashing(originals) | embedding(originals, encoder)
    for key, value in values.items():
        print(f"{key:44}{value}")
    if options.json:
        print(json.dumps(values))


def spread(items: list[bytes], count: int) -> Iterator[bytes]:
    """So many items, from all over the list."""
    return (items[i * len(items) // count] for i in range(count)) if len(items) > count else iter(items)


def read(folder: Path | None) -> Iterator[bytes]:
    """Files that are images of a usual size; or drawn ones."""
    if folder is None:
        for megapixels in (0.3, 0.8, 1, 2, 4):
            for draw in (photo, drawing):
                yield encoded(draw(megapixels), "jpeg", quality=90)
                yield encoded(draw(megapixels).rotate(180), "png")
        return
    seen = set()
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES):
        data = path.read_bytes()
        try:
            container = read_container(data)
        except Rejected:
            continue
        sides = (container.width, container.height)
        if data not in seen and min(sides) >= LEAST and sides[0] * sides[1] <= LARGEST:
            seen.add(data)
            yield data


def encoded(image: Image.Image, name: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


def whole(data: bytes) -> Image.Image:
    """The image at full size, upright, L or RGB in sRGB, on white."""
    container = read_container(data)
    image, found = on_white(load(container), container.profile)
    image = turned(image, container.orientation)
    return found.applied(image) if found.applies else image


def resized(image: Image.Image, share: float) -> Image.Image:
    size = (max(1, round(image.width * share)), max(1, round(image.height * share)))
    return image.resize(size, Image.Resampling.LANCZOS)


COPIES: dict[str, Callable[[Image.Image], bytes]] = {
    **{f"JPEG q{q}": lambda image, q=q: encoded(image, "jpeg", quality=q) for q in (60, 75, 85, 95)},  # type: ignore[misc]
    "PNG": lambda image: encoded(image, "png", compress_level=1),
    "50 %": lambda image: encoded(resized(image, 0.5), "jpeg", quality=85),
    "75 %": lambda image: encoded(resized(image, 0.75), "jpeg", quality=85),
    "150 %": lambda image: encoded(resized(image, 1.5), "jpeg", quality=85),
}
WAYS: dict[str, Callable[[bytes], int]] = {
    "ours": lambda data: int(decode(data, LIMITS).phash, 16),
    "whole": lambda data: int(str(imagehash.phash(whole(data))), 16),
}


def hashing(originals: list[bytes]) -> dict[str, Any]:
    """Bits between ours and the whole, and duplicates found by either."""
    hashes: dict[str, Hashes] = {
        way: {"itself": [take(d) for d in originals]} for way, take in WAYS.items()
    }
    for way in WAYS:
        hashes[way] |= {name: [] for name in COPIES}
    for data in originals:
        image = whole(data)
        for name, copy in COPIES.items():
            copied = copy(image)
            for way, take in WAYS.items():
                hashes[way][name].append(take(copied))
    values: dict[str, Any] = {}
    for name in ("itself", *COPIES):
        pairs = zip(hashes["ours"][name], hashes["whole"][name], strict=True)
        bits = [apart(*pair) for pair in pairs]
        values[f"bits, ours against whole, {name}"] = (
            f"mean {statistics.mean(bits):.2f}, most {max(bits)}"
        )
    for limit in (4, 8):
        for way in WAYS:
            for name in COPIES:
                found = zip(hashes[way]["itself"], hashes[way][name], strict=True)
                share = statistics.mean(apart(*pair) <= limit for pair in found)
                values[f"recall within {limit} bits, {name}, {way}"] = round(share, 4)
            values[f"pairs of files within {limit} bits, {way}"] = near_pairs(
                hashes[way]["itself"], limit
            )
    return values


def near_pairs(hashes: list[int], limit: int) -> str:
    """Of all pairs of files. Some are one picture in two files: nobody has said which."""
    found = [apart(*pair) <= limit for pair in combinations(hashes, 2)]
    return f"{sum(found)} of {len(found)}"


def apart(first: int, second: int) -> int:
    return (first ^ second).bit_count()


def embedding(originals: list[bytes], encoder: Encoder) -> dict[str, Any]:
    """Cosine and PSNR by what was left out in reading: nothing, or pixels of a JPEG or another."""
    spec = encoder.info.pixel_spec
    groups: dict[str, list[tuple[float, float]]] = {}
    for data in originals:
        image = whole(data)
        container = read_container(data)
        ours = decode(data, LIMITS, (spec,)).pixels[0]
        full = open_clip_pixels(image, encoder)
        first, second = encoder.encode_pixels(np.stack([ours, full]))
        error = float(((ours.astype(float) - full) ** 2).mean())
        psnr = 10 * np.log10(255**2 / max(error, 1e-3))
        is_jpeg, short = container.image_format == "jpeg", min(image.size)
        drafted = is_jpeg and short >= 4 * BASE
        group = "read by DCT scaling" if drafted else "by means first" if short >= 6 * BASE else "whole"
        groups.setdefault(group, []).append((float(first @ second), float(psnr)))
        groups.setdefault("all", []).append(groups[group][-1])
    values: dict[str, Any] = {"model": encoder.info.slug}
    for group, found in groups.items():
        cosines, decibels = zip(*found, strict=True)
        values[f"cosine, {group} ({len(found)})"] = (
            f"mean {statistics.mean(cosines):.5f}, least {min(cosines):.5f}"
        )
        values[f"PSNR, {group} ({len(found)})"] = (
            f"mean {statistics.mean(decibels):.1f} dB, least {min(decibels):.1f} dB"
        )
    return values


def open_clip_pixels(image: Image.Image, encoder: Encoder) -> np.ndarray[Any, Any]:
    """What open_clip's own preprocessing gives for the whole image, uint8."""
    from open_clip import image_transform

    spec = encoder.info.pixel_spec
    transform = image_transform(
        spec.size,
        is_train=False,
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
        resize_mode={"center": "shortest", "squash": "squash", "pad": "longest"}[spec.crop],
        interpolation=spec.interpolation,
        fill_color=spec.fill,
    )
    pixels = transform(image).permute(1, 2, 0).numpy()
    return np.asarray(np.rint(pixels * 255).astype(np.uint8))


if __name__ == "__main__":
    main()
