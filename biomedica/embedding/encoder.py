"""An open_clip model that turns pixels and texts into vectors. torch is imported on loading."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from biomedica.embedding.models import Checkpoint, ModelInfo, describe, find_checkpoint
from biomedica.errors import ModelError

if TYPE_CHECKING:
    import torch

__all__ = ["Encoder", "load_encoder"]

CPU_BATCH = 32
GPU_BATCH = 256

Vectors = npt.NDArray[np.float32]


class Encoder:
    """A model in memory. Not for use by several threads at once.

    Every image goes through the model in a batch of exactly `batch_size`, filled up with blanks:
    its vector does not depend on which images came with it, so that a resumed run makes the same
    bytes (for the same device, thread count and batch size).
    """

    def __init__(
        self, checkpoint: Checkpoint, info: ModelInfo, model: Any, device: torch.device, batch_size: int
    ) -> None:
        self.info = info
        self.batch_size = batch_size
        self._checkpoint, self._model, self._device = checkpoint, model, device
        self._tokenizer: Callable[[list[str]], torch.Tensor] | None = None

    @property
    def device(self) -> str:
        """Where the model lies: `cpu` or `cuda`."""
        return str(self._device.type)

    def flops_per_image(self) -> float:
        """Floating-point operations of one image, a multiplication and an addition being two, as
        torch counts them: those of matrices and convolutions."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode

        size = self.info.preprocessing.size
        image = torch.zeros((1, 3, size, size), device=self._device)
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # it hides its matrices from the counter
        try:
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                self._model.encode_image(image)
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
        return float(counter.get_total_flops())

    def encode_pixels(self, pixels: npt.NDArray[np.uint8]) -> Vectors:
        """uint8 [n, size, size, 3] of info.pixel_spec → float32 [n, dimension], L2-normalised.

        A row that the model cannot give finite values for (or gives zeros) is all NaN: callers
        reject it as `not_finite`. Raises ValueError for another shape or type.
        """
        import torch

        size = self.info.preprocessing.size
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise ValueError(
                f"uint8 [n, {size}, {size}, 3] expected, {pixels.dtype} {pixels.shape} given"
            )
        rows = [np.empty((0, self.info.dimension), np.float32)]
        for start in range(0, len(pixels), self.batch_size):
            part = pixels[start : start + self.batch_size]
            batch = torch.zeros((self.batch_size, size, size, 3), dtype=torch.uint8)
            batch.numpy()[: len(part)] = part
            rows.append(self._forward(self._model.encode_image, self._normalised(batch))[: len(part)])
        return np.concatenate(rows)

    def encode_text(self, texts: Sequence[str]) -> Vectors:
        """n texts → float32 [n, dimension], L2-normalised; cut at the model's context length.

        Raises ModelError when the tokenizer cannot be had.
        """
        rows = [np.empty((0, self.info.dimension), np.float32)]
        for start in range(0, len(texts), self.batch_size):
            tokens = self._tokens(list(texts[start : start + self.batch_size]))
            rows.append(self._forward(self._model.encode_text, tokens.to(self._device)))
        return np.concatenate(rows)

    def _normalised(self, batch: torch.Tensor) -> torch.Tensor:
        import torch

        prepared = self.info.preprocessing
        mean, std = (
            torch.tensor(values, device=self._device).mul(255).view(1, 3, 1, 1)
            for values in (prepared.mean, prepared.std)
        )
        return (batch.to(self._device).permute(0, 3, 1, 2).float() - mean) / std

    def _forward(self, encode: Callable[[torch.Tensor], torch.Tensor], batch: torch.Tensor) -> Vectors:
        import torch

        with torch.inference_mode(), self._autocast():
            features = encode(batch).double()
        features = features / torch.linalg.vector_norm(features, dim=-1, keepdim=True)
        features[~features.isfinite().all(dim=-1)] = float("nan")
        vectors: Vectors = features.float().cpu().numpy()
        return vectors

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        import torch

        if self._device.type != "cuda":
            return contextlib.nullcontext()
        kind = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
        autocast: contextlib.AbstractContextManager[Any] = torch.autocast("cuda", dtype=kind)
        return autocast

    def _tokens(self, texts: list[str]) -> torch.Tensor:
        if self._tokenizer is None:
            import open_clip

            try:
                with _quiet():
                    self._tokenizer = open_clip.get_tokenizer(self._checkpoint.tokenizer)
            # a tokenizer of another library, which may be absent or want the network: any type
            except Exception as error:  # noqa: BLE001
                raise ModelError(
                    f"cannot load the tokenizer of {self.info.model!r} ({_one_line(error)}): put its "
                    "tokenizer files into the model's folder, or use images only."
                ) from None
        return self._tokenizer(texts)


def load_encoder(
    model: str, *, device: str = "auto", threads: int = 1, batch_size: int | None = None
) -> Encoder:
    """Loads a model (the strings of `models`), its weights never as code.

    device: auto, cpu or cuda. threads: of torch, in this process, on the CPU. batch_size: 32 on a
    CPU when absent; on a GPU 256, halved until a batch fits.
    Raises ModelError.
    """
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise ModelError(f"{device!r} is not a device: write auto, cpu or cuda.")
    if device == "cuda" and not torch.cuda.is_available():
        raise ModelError("this machine has no CUDA device for the model: write device cpu or auto.")
    torch.set_num_threads(threads)
    place = torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")
    checkpoint = find_checkpoint(model)
    info = describe(checkpoint)
    loaded = _build(checkpoint).eval().requires_grad_(requires_grad=False).to(place)
    on_gpu = place.type == "cuda"
    encoder = Encoder(
        checkpoint, info, loaded, place, batch_size or (GPU_BATCH if on_gpu else CPU_BATCH)
    )
    if on_gpu and batch_size is None:
        _fit_batch(encoder)
    return encoder


def _fit_batch(encoder: Encoder) -> None:
    """Halves the batch until one fits in the GPU's memory."""
    import torch

    size = encoder.info.preprocessing.size
    while True:
        try:
            encoder.encode_pixels(np.zeros((1, size, size, 3), np.uint8))
        except torch.cuda.OutOfMemoryError:
            if encoder.batch_size == 1:
                raise ModelError(
                    f"the GPU has no memory for one image with {encoder.info.name}: use a smaller model."
                ) from None
            encoder.batch_size //= 2
            torch.cuda.empty_cache()
        else:
            return


def _build(checkpoint: Checkpoint) -> Any:
    import open_clip

    try:
        with _quiet():
            model = open_clip.create_model(
                checkpoint.architecture,
                load_weights=False,
                pretrained_text=False,
                force_quick_gelu=checkpoint.force_quick_gelu,
            )
    # open_clip builds whatever the configuration says, and fails by any type of exception
    except Exception as error:  # noqa: BLE001
        raise ModelError(
            f"open_clip cannot build the model {checkpoint.model!r}: {_one_line(error)}."
        ) from None
    try:
        with _quiet():
            open_clip.load_checkpoint(model, str(checkpoint.weights), strict=True, weights_only=True)
    # torch, pickle, zipfile and safetensors raise of many types; each means a file that is not ours
    except Exception as error:  # noqa: BLE001
        raise ModelError(_refusal(checkpoint, error)) from None
    return model


def _refusal(checkpoint: Checkpoint, error: Exception) -> str:
    text = str(error)
    if "weights_only" in text or "Weights only load" in text or "TorchScript" in text:
        return (
            f"{checkpoint.weights} holds more than weights (it would run code on loading) and was "
            "refused: save its state_dict as .safetensors."
        )
    if isinstance(error, AssertionError) or "state_dict" in text or "size mismatch" in text:
        missing, unexpected, other = (
            text.count(w) for w in ("Missing key", "Unexpected key", "size mismatch")
        )
        what = " and ".join(
            word
            for word, count in (
                ("lacks weights", missing),
                ("has others", unexpected),
                ("has other sizes", other),
            )
            if count
        )
        name = checkpoint.architecture.removeprefix("local-dir:")
        return f"the weights {checkpoint.weights} do not fit {name}: the file {what or 'differs'}."
    return f"cannot read the weights {checkpoint.weights}: {_one_line(error)}."


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split())[:200] or type(error).__name__).rstrip(".!")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without open_clip's log lines: it warns that weights are random before we load them.

    It writes to the root logger, and so would also set up logging for the whole process.
    """
    root, level = logging.getLogger(), logging.root.manager.disable
    silent = logging.NullHandler()
    root.addHandler(silent)
    logging.disable(max(level, logging.WARNING))
    try:
        yield
    finally:
        logging.disable(level)
        root.removeHandler(silent)
