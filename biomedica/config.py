"""One validated model per stage; a YAML file and command-line overrides; digests.

A stage's digest covers what changes its rows and nothing else: locations, credentials,
parallelism and shard size are left out, so that they never cause a rebuild.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from biomedica.errors import ConfigError
from biomedica.fetch import BudgetConfig, FetchConfig, Section, plain_endpoint
from biomedica.kinds import DEFAULT_FIGURE_KINDS, FIGURE_KINDS
from biomedica.schema import FORMAT_VERSION

__all__ = [
    "BudgetConfig",
    "BuildConfig",
    "EmbedConfig",
    "FetchConfig",
    "ImageConfig",
    "JobConfig",
    "LicenseConfig",
    "ParseConfig",
    "RuntimeConfig",
    "Section",
    "SelectConfig",
    "SnapshotConfig",
    "StoreConfig",
    "absolute_place",
    "as_place",
    "build_digest",
    "digest_of",
    "is_uri",
    "load_config",
    "plain_endpoint",
]

MIB = 1 << 20
_JOB_FOLDER = f"{os.sep}runtime_resources{os.sep}working_dir_files{os.sep}"
"""Ray unpacks a job's working directory below such a folder of each node."""


class ParseConfig(Section):
    """What the parser takes."""

    figure_kinds: tuple[str, ...] = Field(
        DEFAULT_FIGURE_KINDS,
        description="kinds of figure that become pairs (docs/dataset.md); the others are rejects",
    )
    keep_uncaptioned: bool = Field(False, description="keep images without words, with caption ''")
    max_xml_bytes: int = Field(64 * MIB, gt=0, description="XML over this is rejected as too_large")

    @field_validator("figure_kinds", mode="before")
    @classmethod
    def _known_kinds(cls, kinds: object) -> object:
        known = ", ".join(FIGURE_KINDS)
        if not isinstance(kinds, list | tuple):
            raise ValueError(
                f"{kinds!r} is no list: write it as [figure, map]; known kinds are {known}"
            )
        unknown = [str(kind) for kind in kinds if kind not in FIGURE_KINDS]
        if unknown:
            raise ValueError(f"there is no kind {', '.join(unknown)[:200]!r}; known kinds are {known}")
        return kinds


class LicenseConfig(Section):
    """Which articles the run takes (design: gate after parsing, before any media is read)."""

    groups: tuple[Literal["commercial", "noncommercial", "other"], ...] = Field(
        ("commercial", "noncommercial", "other"), description="licence groups that are taken"
    )
    require_open_access: bool = Field(True, description="take only is_pmc_openaccess articles")


class ImageConfig(Section):
    """Limits on images. Bytes are of the source's files, or of what they are converted to."""

    max_pixels: int = Field(100_000_000, gt=0, description="width x height over this is rejected")
    max_object_bytes: int = Field(64 * MIB, gt=0, description="one media file over this is rejected")
    max_article_bytes: int = Field(
        256 * MIB, gt=0, description="images of one article beyond this sum are rejected"
    )


class EmbedConfig(Section):
    """Image embeddings by open_clip models."""

    models: tuple[str, ...] = Field(
        (),
        description="each: an open_clip architecture with a checkpoint (NAME=PATH), a checkpoint "
        "folder or file written by `biomedica sample`, hf-hub:ID, or NAME/PRETRAINED_TAG",
    )
    batch_size: int | None = Field(
        None, gt=0, description="images a batch; probed on a GPU when absent"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        "auto", description="where models run; auto: a GPU where there is one"
    )
    threads: int = Field(1, gt=0, le=1024, description="torch threads of one CPU actor")

    @field_validator("models")
    @classmethod
    def _absolute_models(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(_absolute_model, models)))


class StoreConfig(Section):
    """How object storage is reached. Credentials come from the AWS chain, never from here."""

    endpoint_url: str | None = Field(None, description="S3 endpoint other than AWS, http://host:port")
    region: str | None = Field(None, description="AWS region")
    anonymous: bool = Field(False, description="unsigned requests")
    profile: str | None = Field(
        None, min_length=1, description="AWS profile whose credentials are used; absent: the AWS chain"
    )

    @field_validator("endpoint_url")
    @classmethod
    def _plain_endpoint(cls, url: str | None) -> str | None:
        return None if url is None else plain_endpoint(url)

    def model_post_init(self, _context: object) -> None:
        if self.anonymous and self.profile is not None:
            raise ValueError("anonymous requests use no profile: leave one of the two out")


class RuntimeConfig(Section):
    """Where and how wide a run goes. Nothing here changes a row."""

    address: str | None = Field(None, description="Ray cluster address; absent: a local Ray")
    workers: int | None = Field(None, gt=0, description="CPU actors; absent: one a CPU")
    gpus: int | None = Field(
        None, ge=0, description="GPU actors for embedding; 0: embed on the CPU; absent: all there are"
    )
    articles_per_shard: int | None = Field(
        None, gt=0, description="ids a chunk; absent: 10 to 200, by the number requested"
    )
    shard_bytes: int = Field(80 * MIB, gt=0, description="image bytes after which a new file begins")
    io_threads: int = Field(16, gt=0, le=1024, description="reads in flight in one actor")
    commit_seconds: float = Field(5.0, ge=0, description="time between commits")
    object_store_bytes: int | None = Field(None, gt=0, description="Ray object store of a local run")


class JobConfig(Section):
    """What every job over a dataset knows; all of it for `biomedica embed`."""

    dataset: str = Field(min_length=1, description="root URI of the dataset")
    image: ImageConfig = ImageConfig()
    embed: EmbedConfig = EmbedConfig()
    store: StoreConfig = StoreConfig()
    runtime: RuntimeConfig = RuntimeConfig()
    report: str | None = Field(
        None,
        description="local file for the run's report; absent: below _reports/ in the dataset, if "
        "anything was new",
    )

    @field_validator("dataset")
    @classmethod
    def _absolute_dataset(cls, dataset: str) -> str:
        return absolute_place(dataset)

    @field_validator("report")
    @classmethod
    def _absolute_report(cls, report: str | None) -> str | None:
        if report and is_uri(report):
            raise ValueError("a report is a local file: write a path, or none for one in the dataset")
        return absolute_place(report) if report else None


class SelectConfig(Section):
    """Which version of an article is meant where there are several. Changes no row, but which there
    are; a selection says which policy made it."""

    versions: Literal["all", "latest", "published_first"] = Field(
        "all",
        description="of each article: all its versions; the highest number; the highest one that is "
        "no author manuscript, or the highest where all are",
    )


class SnapshotConfig(Section):
    """When an inventory of the source is believed."""

    max_gone_share: float = Field(
        0.01,
        ge=0,
        le=1,
        description="refuse a snapshot that lacks more than this share of the one before, and more "
        "than 100 article versions: it is taken for incomplete",
    )


class BuildConfig(JobConfig):
    """Everything `biomedica build` knows."""

    source: str = Field(min_length=1, description="URI or folder in PMC's layout, or of packages")
    ids: tuple[str, ...] | None = Field(
        None, description="article ids, or files of them; absent: all of the source"
    )
    where: str | None = Field(
        None,
        min_length=1,
        description="articles whose metadata meets this DuckDB condition; not with ids",
    )
    parse: ParseConfig = ParseConfig()
    license: LicenseConfig = LicenseConfig()
    fetch: FetchConfig = FetchConfig()
    budget: BudgetConfig = BudgetConfig()
    select: SelectConfig = SelectConfig()
    snapshot: SnapshotConfig = SnapshotConfig()

    @model_validator(mode="after")
    def _one_selection(self) -> BuildConfig:
        if self.ids is not None and self.where is not None:
            raise ValueError("ids and where exclude each other: `biomedica ids` makes a list of both")
        return self

    @field_validator("source")
    @classmethod
    def _absolute_source(cls, source: str) -> str:
        return absolute_place(source)


def is_uri(place: str) -> bool:
    """Whether a place begins with a scheme, `s3://` or `file:/`; a drive letter is none."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", place) is not None


def as_place(value: object, what: str) -> str:
    """A folder, file or URI that was given as text or as a path. Raises ConfigError."""
    text = os.fspath(value) if isinstance(value, str | os.PathLike) else None
    if not isinstance(text, str):
        raise ConfigError(f"{what} must be given as text or a path, not {type(value).__name__}")
    folded = isinstance(value, os.PathLike) and re.match(r"([A-Za-z][A-Za-z0-9+.-]+):/", text)
    if folded:
        raise ConfigError(
            f"{what} is {text[:200]!r}: a path folds the slashes of a URI, give {folded[1]}://… as text"
        )
    return text


def absolute_place(place: str) -> str:
    """A local path made absolute: workers run in another folder. URIs stay as they are.

    Raises ValueError for a relative path in a Ray job, whose folder is a copy that Ray throws away.
    """
    if is_uri(place):
        return place
    path = os.path.expanduser(place)
    if not os.path.isabs(path) and _JOB_FOLDER in os.getcwd():
        raise ValueError("a job runs in a copy of its folder: write an absolute path or an s3:// URI")
    return os.path.abspath(path)


def _absolute_model(model: str) -> str:
    """The local paths in the ways to name a model: FOLDER, local-dir:FOLDER, NAME=PATH."""
    if os.path.exists(os.path.expanduser(model)):
        return absolute_place(model)
    for mark in ("local-dir:", "="):
        name, found, path = model.partition(mark)
        if found:
            return f"{name}{mark}{absolute_place(path)}"
    return model


def digest_of(value: object) -> str:
    """16 hex digits of the SHA-256 of a value's canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def build_digest(config: BuildConfig, parser_version: str) -> str:
    """The digest of the stages that make articles, pairs and their rejects."""
    return digest_of(
        {
            "format": FORMAT_VERSION,
            "parser": parser_version,
            "parse": config.parse.model_dump(mode="json"),
            "license": config.license.model_dump(mode="json"),
            "image": config.image.model_dump(mode="json"),
        }
    )


Config = TypeVar("Config", bound=JobConfig)


def load_config(kind: type[Config], path: str | Path | None, overrides: Mapping[str, Any]) -> Config:
    """A configuration from a YAML file and overrides with dotted names, `image.max_pixels`.

    Overrides that are None are left out. Raises ConfigError with every wrong field named.
    """
    values: dict[str, Any] = _read_yaml(Path(path)) if path is not None else {}
    for name, value in overrides.items():
        if value is None:
            continue
        *sections, leaf = name.split(".")
        target = values
        for section in sections:
            target = target.setdefault(section, {})
            if not isinstance(target, dict):
                raise ConfigError(f"--set {name}: {section} is not a section of the configuration")
        target[leaf] = value
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}"
            for e in error.errors()
        )
        where = f" in {path}" if path is not None else ""
        raise ConfigError(f"configuration{where} is wrong: {wrong}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration file at {path}") from None
    except yaml.YAMLError as error:
        # without the line itself, which may hold what nobody should see
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark is not None else ""
        what = getattr(error, "problem", None) or "it is not YAML"
        raise ConfigError(f"cannot read the configuration {path}{where}: {what}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration {path}: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"the configuration {path} must be a mapping of names to values")
    return {name: value for name, value in values.items() if value is not None}
