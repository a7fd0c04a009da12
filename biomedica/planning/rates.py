"""Rates of one machine: what `biomedica calibrate` measures and `biomedica plan` reckons with.

A file of JSON with the facts of the machine beside, because a rate without its machine says nothing.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from biomedica.config import Section
from biomedica.errors import ConfigError

__all__ = [
    "SIZE_CLASSES",
    "CellContent",
    "Content",
    "EncodeRate",
    "HashRate",
    "ImageRate",
    "Machine",
    "ParseRate",
    "Rates",
    "ReadRate",
    "SizeClass",
    "WriteRate",
    "read_rates",
    "size_class",
    "write_rates",
]

SizeClass = Literal["under_0.5", "0.5_to_2", "2_to_12", "over_12"]
SIZE_CLASSES: tuple[SizeClass, ...] = ("under_0.5", "0.5_to_2", "2_to_12", "over_12")
"""Megapixels of an image. JPEGs of the third and fourth are decoded at a fraction of their size."""
_UP_TO = (0.5, 2.0, 12.0)


def size_class(pixels: int) -> SizeClass:
    """The class of an image of so many pixels."""
    number = sum(pixels / 1e6 >= limit for limit in _UP_TO)
    return SIZE_CLASSES[number]


class Machine(Section):
    """Where the rates were measured."""

    cpu: str
    cores: int = Field(gt=0, description="that this process may use")
    memory_gib: float = Field(gt=0)
    system: str
    python: str
    torch: str | None = Field(None, description="None where no model was measured")
    gpu: str | None = None


class ReadRate(Section):
    """One object at a time, MD5 checked."""

    place: Literal["folder", "bucket"]
    gets: int = Field(gt=0)
    bytes: int = Field(gt=0)
    wall_seconds_per_get: float = Field(ge=0, description="waiting included")
    cpu_seconds_per_get: float = Field(ge=0, description="its bytes aside")
    cpu_seconds_per_mb: float = Field(ge=0)


class ParseRate(Section):
    """XML to the row of an article."""

    articles: int = Field(gt=0)
    seconds_per_100kb: float = Field(gt=0)


class ImageRate(Section):
    """Bytes to a row with hashes, measures and the pixels of one model."""

    image_format: str
    size: SizeClass
    images: int = Field(gt=0, description="that were decoded")
    megapixels: float = Field(gt=0, description="their mean")
    seconds_per_image: float = Field(gt=0)
    generated: bool = Field(description="drawn for the purpose: the source had none of the kind")


class EncodeRate(Section):
    """One model on one core, or on one GPU."""

    model: str = Field(description="as it was named")
    name: str
    slug: str
    device: Literal["cpu", "cuda"]
    image_size: int = Field(gt=0)
    dimension: int = Field(gt=0)
    batch_size: int = Field(gt=0)
    images_per_second: float = Field(gt=0)
    flops_per_image: float = Field(ge=0, description="0: not known")
    load_seconds: float = Field(ge=0)
    untrained: bool = Field(
        description="weights by chance: the rate is the same, the vectors mean nothing"
    )


class WriteRate(Section):
    """Rows to a Parquet file. Bytes are those of the file, of pairs without their images."""

    seconds_per_article: float = Field(gt=0)
    seconds_per_pair: float = Field(gt=0)
    seconds_per_image_mb: float = Field(gt=0)
    bytes_per_article: float = Field(gt=0)
    bytes_per_pair: float = Field(gt=0)


class HashRate(Section):
    """On one core."""

    md5_mb_per_second: float = Field(gt=0)
    sha256_mb_per_second: float = Field(gt=0)


class CellContent(Section):
    """Images of one format and size."""

    image_format: str
    size: SizeClass
    images: int = Field(gt=0)
    bytes: int = Field(gt=0)
    stored_bytes: int = Field(gt=0, description="after TIFF, GIF and BMP became PNG")


class Content(Section):
    """What a sample of the source's articles holds."""

    articles: int = Field(gt=0)
    articles_taken: int = Field(ge=0, description="that the licence gate lets pass")
    xml_bytes: int = Field(gt=0)
    images_listed: int = Field(ge=0, description="media files of image formats that the metadata names")
    images: tuple[CellContent, ...] = Field(description="those that figures show")

    @property
    def image_count(self) -> int:
        return sum(cell.images for cell in self.images)


class Rates(Section):
    """All rates of one machine, one core or one GPU each, and where they come from."""

    format: Literal[1] = 1
    measured: str = Field(description="the day, UTC", pattern=r"^\d{4}-\d\d-\d\d$")
    seconds: float = Field(gt=0, description="each kernel ran for so long")
    machine: Machine
    source: str | None = Field(description="the source's URI; None: the built-in sample")
    read: ReadRate | None = Field(description="None: no source was given")
    parse: ParseRate
    images: tuple[ImageRate, ...] = Field(min_length=1)
    encode: tuple[EncodeRate, ...] = ()
    write: WriteRate
    hash: HashRate
    all_cores: float = Field(
        gt=0, le=1.5, description="work of a core while all are busy, relative to one alone"
    )
    content: Content


def write_rates(rates: Rates, path: str | Path) -> Path:
    """Keep rates in a local file, whole or not at all. Raises ConfigError where it cannot be written."""
    place = Path(path).expanduser()
    text = json.dumps(rates.model_dump(mode="json"), indent=2) + "\n"
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", dir=place.parent, prefix=f".{place.name}.", delete=False, encoding="utf-8"
        ) as file:
            file.write(text)
        os.chmod(file.name, 0o644)
        os.replace(file.name, place)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ConfigError(f"cannot write the rates to {place}: {reason}; give another --out") from None
    return place


def read_rates(path: str | Path) -> Rates:
    """The rates in a file. Raises ConfigError: missing, or no rates of ours."""
    place = Path(path).expanduser()
    again = "`biomedica calibrate` measures them"
    try:
        return Rates.model_validate_json(place.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"there are no rates at {place}: {again}, or give another --rates") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the file"
        raise ConfigError(f"{place} holds no rates ({where}: {first['msg']}): {again} anew") from None
    except OSError as error:
        raise ConfigError(f"cannot read the rates at {place}: {error.strerror}; {again}") from None
