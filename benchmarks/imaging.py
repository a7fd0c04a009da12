"""Everything that a build does with an image next to a bare decode of it.

    python benchmarks/imaging.py [--corpus DIR] [--json] [--quick]

Ours: `decode` with the pixels of one model of 224 pixels, from bytes to a DecodedImage: structure, SHA-256,
decode, hash, measures, model pixels, and for TIFF and GIF the conversion to PNG that is stored (its share
stands in a column of its own). Bare: Pillow's `Image.open(...).load()` of the whole image. The two take
turns in one process; CPU time, the best of the rounds, since what else runs here can only slow one down;
torch has one thread, as in a worker.

Images are drawn here: `photo` has gradients, soft and fine noise; `drawing` lines, dots and text-like
strokes on white. JPEG has quality 85. A ratio is the sum of ours over the sum of bare decodes of the JPEG
of one size (both contents; 4:2:0, 4:4:4 and grey): `ratio_to_decode_1mp` at 1 megapixel,
`ratio_to_decode_2mp` the worst size from 2 up. Those that end in `_rgb` and `_grey` are the same of one kind
alone. Grey, one real JPEG in ten, is dearer: its decode is cheap and mostly Huffman codes, of which reading
at half the size saves nothing, and what is done besides costs the same 1.3 ms. With --corpus the real images
of a folder instead.
"""

from __future__ import annotations

import argparse
import io
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from biomedica.config import ImageConfig
from biomedica.errors import Rejected
from biomedica.imaging import decode
from biomedica.imaging.containers import read_container
from biomedica.imaging.loading import load, storable
from biomedica.schema import PixelSpec

MEGAPIXELS = (0.3, 1, 2, 4, 12)
SPECS = (PixelSpec(224),)
SECONDS = 1.2
"""that one image is measured for, at least three rounds"""
LIMITS = ImageConfig()
BOUNDS = {"ratio_to_decode_2mp": 1.2, "ratio_to_decode_1mp": 2.2}
VARIANTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("JPEG", "RGB", {"quality": 85}),
    ("JPEG", "RGB 4:4:4", {"quality": 85, "subsampling": 0}),
    ("JPEG", "L", {"quality": 85}),
    ("PNG", "RGB", {}),
    ("PNG", "L", {}),
    ("PNG", "P", {}),
    ("PNG", "RGBA", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "L", {"compression": "raw"}),
    ("TIFF", "RGBA", {"compression": "tiff_adobe_deflate"}),
    ("GIF", "P", {}),
)


@dataclass(frozen=True)
class Cost:
    """CPU milliseconds of one image."""

    megapixels: float
    bare: float
    ours: float
    converting: float

    @property
    def ratio(self) -> float:
        return self.ours / self.bare


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--corpus", type=Path, help="a folder of real images, in any depth")
    arguments.add_argument("--quick", action="store_true", help="JPEG of 1 and 2 megapixels alone")
    arguments.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = arguments.parse_args()
    torch.set_num_threads(1)
    values = measure_folder(options.corpus) if options.corpus else measure_drawn(options.quick)
    if options.json:
        print(json.dumps(values))


def measure_drawn(quick: bool) -> dict[str, Any]:
    """The table, printed as it grows, and the ratios."""
    print(f"{'':24}{'MP':>6}{'kB':>8}{'decode ms':>11}{'ours ms':>9}{'ratio':>7}{'of it to PNG':>14}")
    jpeg: dict[tuple[str, float], list[Cost]] = defaultdict(list)
    rows = []
    for name, mode, options in VARIANTS:
        for content in ("photo", "drawing"):
            for megapixels in MEGAPIXELS:
                if quick and (name != "JPEG" or megapixels not in (1, 2)):
                    continue
                data = encoded(CONTENTS[content](megapixels), name, mode, options)
                cost = measure(data)
                label = f"{name} {mode} {content}"
                show(label, len(data), cost)
                rows.append([label, megapixels, round(cost.bare, 3), round(cost.ours, 3)])
                if name == "JPEG":
                    for kind in ("", "_grey" if mode == "L" else "_rgb"):
                        jpeg[kind, megapixels].append(cost)
    values = ratios(jpeg)
    for key, value in values.items():
        bound = f" (at most {BOUNDS[key]})" if key in BOUNDS else ""
        print(f"{key}: {value:.2f}{bound}")
    return values | {"rows": rows}


def ratios(jpeg: dict[tuple[str, float], list[Cost]]) -> dict[str, Any]:
    """The ratios of the sums: of all JPEG, of RGB and of grey alone."""
    sums = {
        place: sum(c.ours for c in costs) / sum(c.bare for c in costs) for place, costs in jpeg.items()
    }
    values = {}
    for colours in ("", "_rgb", "_grey"):
        large = max(ratio for (kind, size), ratio in sums.items() if kind == colours and size >= 2)
        values[f"ratio_to_decode_2mp{colours}"] = round(large, 3)
        values[f"ratio_to_decode_1mp{colours}"] = round(sums[colours, 1], 3)
    return values


def measure_folder(folder: Path) -> dict[str, Any]:
    """Sums over the images of a folder, by format and size."""
    sums: dict[tuple[str, str], list[Cost]] = defaultdict(list)
    refused = 0
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        data = path.read_bytes()
        try:
            container = read_container(data)
            cost = measure(data, seconds=0.15)
        except Rejected:
            refused += path.suffix.lower() in SUFFIXES
            continue
        sums[container.image_format, band(cost.megapixels)].append(cost)
    print(f"{'':24}{'images':>8}{'decode ms':>11}{'ours ms':>9}{'ratio':>7}{'of it to PNG':>14}")
    values: dict[str, Any] = {"refused": refused}
    for (name, size), costs in sorted(sums.items()):
        bare, ours, converting = (
            sum(getattr(c, k) for c in costs) for k in ("bare", "ours", "converting")
        )
        each = len(costs)
        label = f"{name} {size} MP"
        print(
            f"{label:24}{each:>8}{bare / each:>11.2f}{ours / each:>9.2f}{ours / bare:>7.2f}"
            f"{converting / each:>14.2f}"
        )
        values[label] = {"images": each, "ratio": round(ours / bare, 3), "ms": round(ours / each, 3)}
    print(f"{refused} files with an image's name are refused")
    return values


SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".tif", ".tiff", ".webp", ".bmp"}


def band(megapixels: float) -> str:
    """The band of sizes that an image belongs to."""
    edges = (0.5, 2, 12)
    low = [0, *edges][sum(megapixels >= edge for edge in edges)]
    return f"{low:g}+"


def measure(data: bytes, seconds: float = SECONDS) -> Cost:
    """The best of the rounds, ours and bare in turns."""
    container = read_container(data)
    kept = container.image_format not in ("tiff", "gif", "bmp")
    tasks: list[Callable[[], object]] = [
        lambda: Image.open(io.BytesIO(data)).load(),
        lambda: decode(data, LIMITS, SPECS),
    ]
    if not kept:
        whole = load(container)
        tasks.append(lambda: storable(whole, container))
    best = [float("inf")] * len(tasks)
    end, rounds = time.perf_counter() + seconds, 0
    while rounds < 3 or time.perf_counter() < end:
        rounds += 1
        for place, task in enumerate(tasks):
            start = time.process_time()
            task()
            best[place] = min(best[place], 1000 * (time.process_time() - start))
    pixels = container.width * container.height / 1e6
    return Cost(pixels, best[0], best[1], 0.0 if kept else best[2])


def show(label: str, size: int, cost: Cost) -> None:
    """One line of the table."""
    print(
        f"{label:24}{cost.megapixels:>6.1f}{size // 1000:>8}{cost.bare:>11.2f}{cost.ours:>9.2f}"
        f"{cost.ratio:>7.2f}{cost.converting:>14.2f}",
        flush=True,
    )


def encoded(image: Image.Image, name: str, mode: str, options: dict[str, Any]) -> bytes:
    """The image in a format and mode; RGBA fades to one side."""
    pixels = mode.partition(" ")[0]
    if pixels == "RGBA":
        image = image.copy()
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    elif pixels == "P":
        image = image.quantize(256, Image.Quantize.FASTOCTREE)
    elif pixels != "RGB":
        image = image.convert(pixels)
    out = io.BytesIO()
    image.save(out, name, **options)
    return out.getvalue()


def sides(megapixels: float) -> tuple[int, int]:
    """Width and height, 4 : 3."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    return round(megapixels * 1e6 / height), height


def photo(megapixels: float) -> Image.Image:
    """Gradients and a disc with soft and fine noise, as a camera on a microscope gives."""
    width, height = sides(megapixels)
    random = np.random.default_rng(5)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    coarse = random.normal(0, 12, (height // 4, width // 4)).astype(np.float32)
    soft = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    noise = soft + random.normal(0, 3, (height, width)).astype(np.float32)
    disc = (x - width / 3) ** 2 + (y - height / 4) ** 2 < (height / 5) ** 2
    bands = (
        128 + 100 * np.sin(x / width * 7 + y / height * 3),
        255 * x / width,
        np.where(disc, 230, 60),
    )
    return Image.fromarray(np.clip(np.stack([b + noise for b in bands], -1), 0, 255).astype(np.uint8))


def drawing(megapixels: float) -> Image.Image:
    """Axes, curves, dots and short strokes in a few colours on white, as plots have."""
    width, height = sides(megapixels)
    random = np.random.default_rng(6)
    image = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(image)
    thick = max(1, height // 400)
    for colour in ("black", "#1f77b4", "#d62728", "#2ca02c"):
        at = np.cumsum(random.normal(0, height / 40, 60)) + height / 2
        pen.line([(i * width / 59, y) for i, y in enumerate(at)], colour, 2 * thick)
        for x, y in random.random((150, 2)) * (width, height):
            pen.ellipse((x, y, x + 6 * thick, y + 6 * thick), colour)
    for x, y in strokes(random, width, height, thick):
        pen.line((x, y, x + 4 * thick, y + 6 * thick * (x % 3 - 1)), "black", thick)
    return image


def strokes(
    random: np.random.Generator, width: int, height: int, thick: int
) -> Iterator[tuple[int, int]]:
    """Where short strokes stand in lines, like letters."""
    for line in range(height // 12, height, height // 6):
        for x in range(width // 20, width * 19 // 20, 6 * thick):
            if random.random() < 0.8:
                yield x, line


CONTENTS: dict[str, Callable[[float], Image.Image]] = {"photo": photo, "drawing": drawing}


if __name__ == "__main__":
    main()
