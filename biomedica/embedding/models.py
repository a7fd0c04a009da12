"""Which model is meant: its files, its preprocessing and its name. No torch at import.

A model is named by a string:
  FOLDER                  a folder with open_clip_config.json and weights (`local-dir:FOLDER` too)
  NAME=PATH               an open_clip architecture and a checkpoint (.safetensors, .pt, .pth, .bin)
  hf-hub:ORG/NAME         a model of the Hugging Face hub, from its cache when it is there
  NAME/TAG                an open_clip architecture and one of its pretrained tags
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import logging
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from biomedica.errors import ModelError
from biomedica.schema import PixelSpec

__all__ = ["Checkpoint", "ModelInfo", "Preprocessing", "describe", "find_checkpoint", "model_info"]

CONFIG_NAME = "open_clip_config.json"

_HUB, _LOCAL = "hf-hub:", "local-dir:"
_WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pth", ".pt")
_PREFERRED = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "model.safetensors",
    "pytorch_model.bin",
    "pytorch_model.pth",
    "model.pth",
)
"""The order in which open_clip 3.3 looks for weights in a folder."""

_HUB_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")

_CROPS: dict[str, Literal["center", "squash", "pad"]] = {
    "shortest": "center",
    "squash": "squash",
    "longest": "pad",
}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """open_clip's PreprocessCfg of one model. mean, std: of RGB scaled to 0-1."""

    size: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: Literal["bicubic", "bilinear"]
    resize_mode: str
    fill_color: int

    @property
    def pixel_spec(self) -> PixelSpec:
        return PixelSpec(
            self.size,
            crop=_CROPS[self.resize_mode],
            interpolation=self.interpolation,
            fill=self.fill_color,
        )


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the rest of the package knows of a model. Plain data: picklable, no torch.

    model: as it was named. slug: name and 8 hex digits of the weights digest; the name of the
    embeddings table. weights_digest: SHA-256 of the weights file. dimension: of the embeddings.
    untrained: random weights, for trials only.
    """

    model: str
    name: str
    slug: str
    weights_digest: str
    dimension: int
    pixel_spec: PixelSpec
    preprocessing: Preprocessing
    untrained: bool

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> ModelInfo:
        """The inverse of to_json. Raises ModelError."""
        try:
            values = json.loads(text)
            prepared = dict(values["preprocessing"])
            prepared.update({key: tuple(prepared[key]) for key in ("mean", "std")})
            values["preprocessing"] = Preprocessing(**prepared)
            values["pixel_spec"] = PixelSpec(**values["pixel_spec"])
            return cls(**values)
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(f"this is not the description of a model: {error}") from None


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where a model lies. architecture, tokenizer: names as open_clip's functions take them."""

    model: str
    name: str
    architecture: str
    tokenizer: str
    weights: Path
    model_cfg: Mapping[str, Any]
    preprocess_cfg: Mapping[str, Any]
    force_quick_gelu: bool = False
    untrained: bool = False


def model_info(model: str) -> ModelInfo:
    """What is known of a model without building it: reads its configuration, hashes its weights.

    Raises ModelError.
    """
    return describe(find_checkpoint(model))


def describe(checkpoint: Checkpoint) -> ModelInfo:
    """The ModelInfo of a checkpoint. Raises ModelError."""
    digest = _sha256(checkpoint.weights)
    prepared = _preprocessing(checkpoint)
    dimension = checkpoint.model_cfg.get("embed_dim")
    if not isinstance(dimension, int) or dimension < 1:
        raise ModelError(f"the configuration of {checkpoint.model!r} gives no embed_dim.")
    name = checkpoint.name
    if checkpoint.untrained and "untrained" not in name.lower():
        name = f"untrained-{name}"
    stem = re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._")[:80] or "model"
    return ModelInfo(
        model=checkpoint.model,
        name=name,
        slug=f"{stem}-{digest[:8]}",
        weights_digest=digest,
        dimension=dimension,
        pixel_spec=prepared.pixel_spec,
        preprocessing=prepared,
        untrained=checkpoint.untrained,
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read the weights {path}: {error.strerror or error}.") from None


def _preprocessing(checkpoint: Checkpoint) -> Preprocessing:
    """open_clip's defaults, the model's own preprocess_cfg over them, the vision tower's size."""
    values = {k: v for k, v in checkpoint.preprocess_cfg.items() if v is not None}
    if not {"mean", "std", "interpolation", "resize_mode"} <= values.keys():
        from open_clip.transform import PreprocessCfg

        values = dataclasses.asdict(PreprocessCfg()) | values
    vision = checkpoint.model_cfg.get("vision_cfg")
    size = vision.get("image_size", 224) if isinstance(vision, Mapping) else None
    sides = tuple(size) if isinstance(size, Sequence) else (size, size)
    try:
        if len(set(sides)) != 1 or not isinstance(sides[0], int):
            raise ValueError(f"image size {size!r} is not a square")
        if values["resize_mode"] not in _CROPS:
            raise ValueError(f"resize_mode {values['resize_mode']!r} is unknown")
        return Preprocessing(
            size=sides[0],
            mean=_triple(values["mean"]),
            std=_triple(values["std"]),
            # open_clip's inference takes bicubic for "random" too
            interpolation="bilinear" if values["interpolation"] == "bilinear" else "bicubic",
            resize_mode=values["resize_mode"],
            fill_color=int(values.get("fill_color", 0)),
        )
    except (TypeError, ValueError) as error:
        raise ModelError(f"the preprocessing of {checkpoint.model!r} is not usable: {error}.") from None


def _triple(value: Any) -> tuple[float, float, float]:
    if isinstance(value, int | float):
        return (float(value),) * 3
    red, green, blue = (float(v) for v in value)
    return (red, green, blue)


def find_checkpoint(model: str) -> Checkpoint:
    """The files that a model string names; downloads what is not local. Raises ModelError."""
    if model.startswith(_HUB):
        return _on_hub(model)
    folder = Path(model.removeprefix(_LOCAL)).expanduser()
    if model.startswith(_LOCAL) or folder.is_dir():
        return _in_folder(model, folder)
    name, equals, path = model.partition("=")
    if equals:
        return _with_file(model, name, Path(path).expanduser())
    if folder.is_file():
        raise ModelError(f"{model} is a file: write NAME={model} with the open_clip architecture NAME.")
    if folder.suffix in _WEIGHT_SUFFIXES or model.startswith((".", "/", "~")):
        raise ModelError(f"there is no model folder or file at {model}.")
    return _with_tag(model)


def _in_folder(model: str, folder: Path, *, name: str | None = None) -> Checkpoint:
    config = _read_config(folder)
    found = sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin", ".pth", ".pt"))
    found.sort(key=lambda p: (_rank(p.name), p.suffix != ".safetensors"))
    if not found:
        raise ModelError(
            f"the model folder {folder} holds no weights (.safetensors, .bin, .pth or .pt)."
        )
    notes = config.get("biomedica")
    notes = notes if isinstance(notes, Mapping) else {}
    return Checkpoint(
        model=model,
        name=name or str(notes.get("name") or folder.resolve().name),
        architecture=f"{_LOCAL}{folder}",
        tokenizer=model if name else f"{_LOCAL}{folder}",
        weights=found[0],
        model_cfg=config["model_cfg"],
        preprocess_cfg=config.get("preprocess_cfg") or {},
        untrained=bool(notes.get("untrained", False)),
    )


def _rank(name: str) -> int:
    return _PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED)


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG_NAME
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        what = "the model folder" if folder.is_dir() else "there is no folder"
        tail = f"has no {CONFIG_NAME}." if folder.is_dir() else "to load a model from."
        raise ModelError(f"{what} {folder} {tail}") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot read the model configuration {path}: {error}.") from None
    if not isinstance(config, dict) or not isinstance(config.get("model_cfg"), dict):
        raise ModelError(f"the model configuration {path} has no model_cfg.")
    return config


def _with_file(model: str, name: str, path: Path) -> Checkpoint:
    config = _architecture(name)
    if not path.is_file():
        raise ModelError(f"there is no checkpoint file at {path}.")
    if path.suffix not in _WEIGHT_SUFFIXES:
        raise ModelError(f"{path} is no checkpoint that we read: use {', '.join(_WEIGHT_SUFFIXES)}.")
    return Checkpoint(model, name, name, name, path, config, {})


def _architecture(name: str) -> dict[str, Any]:
    import open_clip

    config: dict[str, Any] | None = None
    if name in open_clip.list_models():
        config = open_clip.get_model_config(name)
    if config is None:
        near = difflib.get_close_matches(name, open_clip.list_models(), n=4, cutoff=0.4)
        hint = f"near it are {', '.join(near)}" if near else "see open_clip.list_models()"
        raise ModelError(f"open_clip knows no architecture {name!r}: {hint}.")
    return config


def _with_tag(model: str) -> Checkpoint:
    import open_clip

    name, _, tag = model.partition("/")
    if name not in open_clip.list_models() and Path(model).parent != Path("."):
        near = difflib.get_close_matches(name, open_clip.list_models(), n=3, cutoff=0.6)
        hint = f"; near architectures are {', '.join(near)}" if near else ""
        raise ModelError(f"{model!r} is neither a folder nor an open_clip NAME/TAG{hint}.")
    config = _architecture(name)
    tags = open_clip.list_pretrained_tags_by_model(name)
    pretrained = open_clip.get_pretrained_cfg(name, tag) if tag else {}
    if not pretrained:
        known = ", ".join(tags) if tags else "none"
        asked = f"tag {tag!r}" if tag else "weights named"
        raise ModelError(
            f"{name} has no {asked}: write {name}/TAG with one of its tags ({known}), "
            f"or {name}=PATH with a local checkpoint."
        )
    try:
        path = _download_tag(pretrained)
    # whatever the hub's client raises (many types, changing with its version) means the same here
    except Exception as error:  # noqa: BLE001
        raise ModelError(_unreachable(model, f"{name}=PATH", error)) from None
    quick = bool(pretrained.get("quick_gelu")) and not config.get("quick_gelu", False)
    label = f"{name}-{tag}"
    return Checkpoint(model, label, name, name, path, config, pretrained, force_quick_gelu=quick)


def _download_tag(pretrained: Mapping[str, Any]) -> Path:
    import open_clip

    repository, _, name = str(pretrained.get("hf_hub") or "").rpartition("/")
    if not repository:
        return Path(open_clip.download_pretrained(pretrained))
    names = (f"{name.rpartition('.')[0]}.safetensors", name) if name else _HUB_WEIGHTS
    return _fetch(repository, names, local=True) or _need(_fetch(repository, names), repository)


def _on_hub(model: str) -> Checkpoint:
    repository = model.removeprefix(_HUB)
    try:
        config = _fetch(repository, (CONFIG_NAME,), local=True)
        weights = _fetch(repository, _HUB_WEIGHTS, local=True)
        if config is None or weights is None or config.parent != weights.parent:
            config = _need(_fetch(repository, (CONFIG_NAME,)), repository)
            _need(_fetch(repository, _HUB_WEIGHTS), repository)
    # whatever the hub's client raises (many types, changing with its version) means the same here
    except Exception as error:  # noqa: BLE001
        raise ModelError(_unreachable(model, "a folder or NAME=PATH", error)) from None
    return _in_folder(model, config.parent, name=repository.replace("/", "-"))


def _fetch(repository: str, names: Sequence[str], *, local: bool = False) -> Path | None:
    """The first of these files that the repository has; local: that its cache here has."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError

    # it tells of each try on the terminal; what counts is in our sentence
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, local_files_only=local))
        except RemoteEntryNotFoundError:
            continue
        except LocalEntryNotFoundError:
            if not local:  # the network, not the file
                raise
    return None


def _need(path: Path | None, repository: str) -> Path:
    if path is None:
        raise FileNotFoundError(f"{repository} holds no open_clip configuration and weights")
    return path


def _unreachable(model: str, instead: str, error: Exception) -> str:
    reason = textwrap.shorten(str(error), 160, placeholder=" …") or type(error).__name__
    return (
        f"cannot get {model} from the hub ({type(error).__name__}: {reason}): "
        f"check the name and the network, or pass a local checkpoint as {instead}."
    )
