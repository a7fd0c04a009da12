"""Vectors: shape, length, repeatability; and what they are not allowed to depend on."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from biomedica.embedding import load_encoder
from biomedica.errors import ModelError


@pytest.fixture(scope="module")
def pixels():
    return np.random.default_rng(0).integers(0, 256, (70, 224, 224, 3), dtype=np.uint8)


def test_vectors_are_normalised(encoder, pixels):
    vectors = encoder.encode_pixels(pixels)
    assert (vectors.shape, vectors.dtype) == ((70, 64), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert len(np.unique(vectors, axis=0)) == 70


def test_texts_have_the_same_dimension(encoder):
    texts = ["a photograph of skin", "", "histology " * 200, "naïve β-actin ≥ 5 µm 漢字"]
    vectors = encoder.encode_text(texts)
    assert (vectors.shape, vectors.dtype) == ((4, encoder.info.dimension), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert len(np.unique(vectors, axis=0)) == 4


def test_nothing_in_nothing_out(encoder):
    assert encoder.encode_pixels(np.empty((0, 224, 224, 3), np.uint8)).shape == (0, 64)
    assert encoder.encode_text([]).shape == (0, 64)


def test_a_vector_does_not_depend_on_its_batch(encoder, pixels):
    """Bit for bit: a resumed run cuts other batches and must make the same bytes."""
    together = encoder.encode_pixels(pixels)
    assert encoder.encode_pixels(pixels).tobytes() == together.tobytes()
    alone = np.concatenate([encoder.encode_pixels(pixels[i : i + 1]) for i in range(5)])
    assert alone.tobytes() == together[:5].tobytes()
    assert encoder.encode_pixels(pixels[::-1]).tobytes() == together[::-1].tobytes()


def test_two_loads_agree(folder, encoder, pixels):
    other = load_encoder(str(folder), device="cpu")
    assert other.info == encoder.info
    assert other.encode_pixels(pixels[:3]).tobytes() == encoder.encode_pixels(pixels[:3]).tobytes()


def test_batch_size_and_threads_change_nothing_that_matters(folder, encoder, pixels):
    import torch

    try:
        other = load_encoder(str(folder), device="cpu", threads=2, batch_size=5)
        assert torch.get_num_threads() == 2
        assert other.batch_size == 5
        cosine = (other.encode_pixels(pixels[:12]) * encoder.encode_pixels(pixels[:12])).sum(1)
        assert cosine.min() > 0.9999
    finally:
        torch.set_num_threads(1)


def test_equals_open_clips_own_preprocessing(folder, encoder, pixels):
    import open_clip
    import torch
    from PIL import Image

    model, _, transform = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    batch = torch.stack([transform(Image.fromarray(p)) for p in pixels[:4]])
    with torch.inference_mode():
        wanted = model.eval().encode_image(batch, normalize=True).numpy()
    assert np.allclose(encoder.encode_pixels(pixels[:4]), wanted, atol=1e-5)


def test_read_only_and_strided_pixels(encoder, pixels):
    strided = pixels[:6:2]
    fixed = strided.copy()
    fixed.flags.writeable = False
    assert np.array_equal(encoder.encode_pixels(strided), encoder.encode_pixels(fixed))


@pytest.mark.parametrize("wrong", [np.zeros((1, 3, 224, 224), np.uint8), np.zeros((1, 224, 224, 3))])
def test_wrong_pixels(encoder, wrong):
    with pytest.raises(ValueError, match="expected"):
        encoder.encode_pixels(wrong)


def test_rows_that_are_not_finite_are_nan_and_leave_the_others_alone(encoder, pixels, monkeypatch):
    good = encoder.encode_pixels(pixels[:4])
    encode = encoder._model.encode_image

    def broken(batch):
        features = encode(batch).clone()
        features[0, 3], features[1, 0], features[2] = float("nan"), float("inf"), 0.0
        return features

    monkeypatch.setattr(encoder._model, "encode_image", broken)
    vectors = encoder.encode_pixels(pixels[:4])
    assert np.isnan(vectors[:3]).all()
    assert np.array_equal(vectors[3], good[3])


def test_no_host_is_asked_for_a_local_model(folder, no_network, pixels):
    encoder = load_encoder(str(folder), device="cpu", batch_size=2)
    encoder.encode_pixels(pixels[:1])
    encoder.encode_text(["a chart"])
    assert no_network == []


def test_loading_leaves_logging_alone(folder, caplog):
    before = (list(logging.getLogger().handlers), logging.root.manager.disable)
    load_encoder(str(folder), device="cpu")
    assert (list(logging.getLogger().handlers), logging.root.manager.disable) == before
    assert caplog.records == []


def test_devices(folder):
    import torch

    with pytest.raises(ModelError, match="auto, cpu or cuda"):
        load_encoder(str(folder), device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="no CUDA device"):
            load_encoder(str(folder), device="cuda")


def test_batch_is_halved_until_it_fits(folder, pixels, monkeypatch):
    """As on a GPU, with a model that has room for 20 images."""
    import torch

    from biomedica.embedding import encoder as module

    small = load_encoder(str(folder), device="cpu", batch_size=64)
    encode = small._model.encode_image

    def cramped(batch):
        if len(batch) > room:
            raise torch.cuda.OutOfMemoryError("no room")
        return encode(batch)

    room = 20
    monkeypatch.setattr(small._model, "encode_image", cramped)
    module._fit_batch(small)
    assert small.batch_size == 16
    room = 0
    with pytest.raises(ModelError, match="no memory for one image"):
        module._fit_batch(small)
