"""Weights by chance for an architecture that is named without any: a rate does not depend on them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from biomedica.errors import ModelError

__all__ = ["with_weights"]


@contextlib.contextmanager
def with_weights(model: str, folder: Path) -> Iterator[str]:
    """The model as it can be loaded: as it is named, or with weights made for the block, in a file
    of hundreds of megabytes. Raises ModelError."""
    if not _is_architecture(model):
        yield model
        return
    import open_clip
    import torch

    if model not in open_clip.list_models():
        raise ModelError(
            f"open_clip knows no architecture {model!r}, and there is no such folder: give a name of "
            "open_clip.list_models(), or a model as `biomedica build --model` takes it"
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model}.pt"
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # that the weights are by chance is said where it counts
    try:
        torch.manual_seed(0)
        made = open_clip.create_model(model, load_weights=False, pretrained_text=False)
        torch.save(made.state_dict(), path)
        del made
    except OSError as error:
        raise ModelError(
            f"no weights can be made for {model}: {error.strerror or error}; free some space in {folder}"
        ) from None
    finally:
        logging.disable(level)
    try:
        yield f"{model}={path}"
    finally:
        path.unlink(missing_ok=True)


def _is_architecture(model: str) -> bool:
    """Whether it is a bare name: no folder, file, hub, tag or checkpoint."""
    return not (any(mark in model for mark in "/=:.~") or Path(model).exists())
