"""Options that commands share, and the settings that they become. Loads typer alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from biomedica.errors import ConfigError

if TYPE_CHECKING:
    from biomedica.config import BuildConfig, StoreConfig

__all__ = [
    "Address",
    "AsJson",
    "AsOf",
    "Config",
    "Debug",
    "Endpoint",
    "Inventory",
    "MaxBytes",
    "MaxRequests",
    "Models",
    "Quiet",
    "ReportPath",
    "Root",
    "RootArgument",
    "RootOption",
    "Settings",
    "Source",
    "SourceEndpoint",
    "Version",
    "chosen_root",
    "open_root",
    "read_access",
    "read_overrides",
]

Config = Annotated[Path | None, typer.Option("--config", help="YAML file of settings.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="One setting by its dotted name; repeatable."),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on the last line of stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and Ray's own output.")]
Address = Annotated[str | None, typer.Option("--address", help="Ray cluster; default: a local Ray.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Source = Annotated[
    str | None,
    typer.Option("--source", help="Folder, of packages too, or s3://bucket/prefix in PMC's layout."),
]
Inventory = Annotated[
    bool | None,
    typer.Option(
        "--inventory/--list",
        help="Take the newest inventory, or list the source. Default: a bucket's inventory where it has "
        "one, the listing of a folder.",
    ),
]
MaxRequests = Annotated[
    int | None,
    typer.Option(
        "--max-requests",
        min=1,
        help="End the run when so many requests were sent to the source's bucket; the next run goes on.",
    ),
]
MaxBytes = Annotated[
    str | None,
    typer.Option(
        "--max-bytes",
        metavar="SIZE",
        help="End the run when so many bytes came from the source's bucket: 10GB, 500MiB.",
    ),
]
Endpoint = Annotated[str | None, typer.Option("--endpoint-url", help="S3 endpoint other than AWS.")]
SourceEndpoint = Annotated[
    str | None,
    typer.Option("--source-endpoint-url", help="S3 endpoint of the source other than AWS."),
]
Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        metavar="NAME|PATH",
        help="Embed images with this open_clip model; repeatable. A folder, NAME=CHECKPOINT, "
        "hf-hub:ID or NAME/TAG.",
    ),
]
ReportPath = Annotated[
    Path | None,
    typer.Option(
        "--report",
        help="Local HTML file for the run's report; default: below _reports/ in the dataset, where "
        "something was new.",
    ),
]
Root = Annotated[str, typer.Option("--dataset", help="Root URI of the dataset.")]
RootArgument = Annotated[
    str | None, typer.Argument(metavar="[DATASET]", help="Root URI of the dataset.")
]
RootOption = Annotated[str | None, typer.Option("--dataset", help="Root URI of the dataset.")]
Version = Annotated[int | None, typer.Option("--version", help="Dataset version; default: the newest.")]

AsOf = Annotated[
    str | None,
    typer.Option(
        "--as-of",
        metavar="TIME",
        help="The newest version up to this ISO 8601 time, UTC without a zone.",
    ),
]


def read_overrides(settings: list[str] | None, **named: Any) -> dict[str, Any]:
    """`--set a.b=1` as {"a.b": 1}, values read as YAML, beside what other options say.

    Raises ConfigError.
    """
    import yaml

    overrides: dict[str, Any] = {}
    for text in settings or []:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError("--set: write NAME=VALUE, such as image.max_pixels=50000000")
        try:
            overrides[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise ConfigError(f"--set {name}: the value is not YAML") from None
    given = {name: value for name, value in named.items() if value is not None}
    return overrides | {name.replace("__", "."): value for name, value in given.items()}


def read_access(
    config: Path | None, settings: list[str] | None, source: str, dataset: str, **endpoints: str | None
) -> BuildConfig:
    """Settings of which `store` and `fetch` count: how the dataset and the source are reached."""
    from biomedica.config import BuildConfig, load_config

    overrides = read_overrides(settings, source=source, dataset=dataset, **endpoints)
    return load_config(BuildConfig, config, overrides)


def chosen_root(argument: str | None, option: str | None) -> str:
    """The dataset's root, given as the argument or as --dataset. Raises ConfigError without any."""
    root = option or argument
    if root is None:
        raise ConfigError("no dataset is given: write its root URI, or --dataset URI")
    return root


def open_root(
    argument: str | None,
    option: str | None,
    config: Path | None,
    settings: list[str] | None,
    endpoint_url: str | None,
) -> tuple[str, StoreConfig]:
    """The dataset's root, and how its store is reached. Raises ConfigError."""
    root = chosen_root(argument, option)
    return root, read_access(config, settings, root, root, store__endpoint_url=endpoint_url).store
