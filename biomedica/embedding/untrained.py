"""A small model with random weights, for trials without a network."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from biomedica.embedding.models import CONFIG_NAME

__all__ = ["write_untrained_checkpoint"]

NAME = "untrained-vit-tiny"
WEIGHTS_NAME = "open_clip_model.safetensors"

_CONFIG: dict[str, Any] = {
    "model_cfg": {
        "embed_dim": 64,
        "vision_cfg": {
            "image_size": 224,
            "layers": 2,
            "width": 128,
            "head_width": 32,
            "patch_size": 32,
            "pool_type": "avg",
        },
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    },
    "preprocess_cfg": {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    },
}


def write_untrained_checkpoint(directory: Path, *, seed: int = 0) -> Path:
    """Writes an open_clip model folder with random weights; returns it.

    Same seed, same bytes. Its vectors tell images apart by layout and colour and mean nothing
    else; its ModelInfo says `untrained`, and so does the name of its embeddings table.
    """
    from safetensors.numpy import save_file

    directory.mkdir(parents=True, exist_ok=True)
    notes = {"biomedica": {"name": NAME, "untrained": True, "seed": seed}}
    (directory / CONFIG_NAME).write_text(json.dumps(_CONFIG | notes, indent=2) + "\n", encoding="utf-8")
    random = np.random.Generator(np.random.PCG64(seed))
    weights = {name: _weights(name, shape, random) for name, shape in sorted(_shapes().items())}
    save_file(weights, directory / WEIGHTS_NAME)
    return directory


def _shapes() -> dict[str, tuple[int, ...]]:
    """The tensors of open_clip's CLIP class for _CONFIG."""
    vision, text = _CONFIG["model_cfg"]["vision_cfg"], _CONFIG["model_cfg"]["text_cfg"]
    dimension, width, patch = _CONFIG["model_cfg"]["embed_dim"], vision["width"], vision["patch_size"]
    tokens = (vision["image_size"] // patch) ** 2 + 1
    shapes: dict[str, tuple[int, ...]] = {
        "logit_scale": (),
        "positional_embedding": (text["context_length"], text["width"]),
        "text_projection": (text["width"], dimension),
        "token_embedding.weight": (text["vocab_size"], text["width"]),
        "visual.class_embedding": (width,),
        "visual.positional_embedding": (tokens, width),
        "visual.proj": (width, dimension),
        "visual.conv1.weight": (width, 3, patch, patch),
    }
    for norm, size in (
        ("ln_final", text["width"]),
        ("visual.ln_pre", width),
        ("visual.ln_post", width),
    ):
        shapes |= {f"{norm}.weight": (size,), f"{norm}.bias": (size,)}
    for tower, size, layers in (
        ("", text["width"], text["layers"]),
        ("visual.", width, vision["layers"]),
    ):
        for layer in range(layers):
            shapes |= _block(f"{tower}transformer.resblocks.{layer}", size)
    return shapes


def _block(prefix: str, width: int) -> dict[str, tuple[int, ...]]:
    parts: dict[str, tuple[int, ...]] = {
        "attn.in_proj_weight": (3 * width, width),
        "attn.in_proj_bias": (3 * width,),
        "attn.out_proj.weight": (width, width),
        "attn.out_proj.bias": (width,),
        "mlp.c_fc.weight": (4 * width, width),
        "mlp.c_fc.bias": (4 * width,),
        "mlp.c_proj.weight": (width, 4 * width),
        "mlp.c_proj.bias": (width,),
    }
    for norm in ("ln_1", "ln_2"):
        parts |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    return {f"{prefix}.{name}": shape for name, shape in parts.items()}


def _weights(name: str, shape: tuple[int, ...], random: np.random.Generator) -> npt.NDArray[Any]:
    """Norms at 1 and 0, biases at 0, CLIP's first temperature, and else normal by fan-in.

    Rounded to float16, which halves the file; open_clip loads it into float32.
    """
    if name == "logit_scale":
        return np.array(math.log(1 / 0.07), np.float16)
    if name.endswith("bias"):
        return np.zeros(shape, np.float16)
    if ".ln_" in f".{name}":
        return np.ones(shape, np.float16)
    if name.endswith(("embedding", "embedding.weight")):
        spread = 0.02
    else:
        spread = 1 / math.sqrt(
            math.prod(shape[1:]) if "proj" not in name.rsplit(".", 1)[-1] else shape[0]
        )
    values = random.standard_normal(shape) * spread
    if name == "visual.conv1.weight":  # else the brightness of the page alone would decide
        values -= 0.95 * values.mean(axis=(2, 3), keepdims=True)
    return values.astype(np.float16)
