"""Which model a string means, and one plain sentence for each way to get it wrong."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from biomedica.embedding import ModelInfo, load_encoder, model_info, write_untrained_checkpoint
from biomedica.errors import ModelError
from biomedica.schema import PixelSpec

WEIGHTS = "open_clip_model.safetensors"


def refusal(model: str) -> str:
    with pytest.raises(ModelError) as caught:
        load_encoder(model, device="cpu")
    text = str(caught.value)
    assert "\n" not in text
    assert text.endswith(".")
    return text


def test_info_of_the_untrained_model(folder):
    info = model_info(str(folder))
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    assert (info.model, info.weights_digest, info.dimension) == (str(folder), digest, 64)
    assert info.slug == f"untrained-vit-tiny-{digest[:8]}"
    assert re.fullmatch(r"[a-z0-9._-]+-[0-9a-f]{8}", info.slug)
    assert info.pixel_spec == PixelSpec(224, crop="center", interpolation="bicubic")
    assert info.untrained
    assert ModelInfo.from_json(info.to_json()) == info
    assert pickle.loads(pickle.dumps(info)) == info  # noqa: S301
    assert model_info(f"local-dir:{folder}").slug == info.slug


def test_from_json_of_something_else():
    for text in ("", "{}", "[1]", '{"model": "x"}'):
        with pytest.raises(ModelError):
            ModelInfo.from_json(text)


def test_untrained_checkpoint_repeats_byte_for_byte(folder, tmp_path):
    again = write_untrained_checkpoint(tmp_path / "again")
    other = write_untrained_checkpoint(tmp_path / "other", seed=1)
    names = sorted(p.name for p in folder.iterdir())
    assert [(again / n).read_bytes() for n in names] == [(folder / n).read_bytes() for n in names]
    assert (other / WEIGHTS).read_bytes() != (folder / WEIGHTS).read_bytes()
    assert (folder / WEIGHTS).stat().st_size < 8 << 20


def test_neither_import_nor_info_brings_torch(folder):
    code = (
        "import sys, biomedica.embedding as e; e.model_info(sys.argv[1]); "
        "sys.exit('torch' in sys.modules or 'open_clip' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def changed(folder: Path, to: Path, **preprocess: object) -> str:
    shutil.copytree(folder, to)
    path = to / "open_clip_config.json"
    config = json.loads(path.read_text())
    config["preprocess_cfg"] = preprocess
    path.write_text(json.dumps(config))
    return str(to)


def test_preprocessing_is_the_models_own(folder, tmp_path):
    import open_clip

    for number, preprocess in enumerate(
        (
            {"mean": 0.5, "std": [0.4, 0.5, 0.6], "interpolation": "bilinear", "resize_mode": "squash"},
            {"resize_mode": "longest", "fill_color": 3, "interpolation": "random", "size": 99},
            {},
        )
    ):
        model = changed(folder, tmp_path / str(number), **preprocess)
        info = model_info(model)
        built = open_clip.create_model(f"local-dir:{model}").visual.preprocess_cfg
        means = built["mean"] if not isinstance(built["mean"], float) else (built["mean"],) * 3
        assert info.preprocessing.mean == tuple(means)
        assert info.preprocessing.std == tuple(built["std"])
        assert info.preprocessing.resize_mode == built["resize_mode"]
        assert (info.preprocessing.size,) * 2 == tuple(built["size"])
        assert info.preprocessing.fill_color == info.pixel_spec.fill == built["fill_color"]
    assert info.pixel_spec.crop == "center"


def test_unusable_preprocessing(folder, tmp_path):
    assert "resize_mode 'spiral'" in refusal(changed(folder, tmp_path / "a", resize_mode="spiral"))
    assert "preprocessing" in refusal(changed(folder, tmp_path / "b", mean=[0.1, 0.2]))


def test_architecture_with_a_checkpoint_file(tmp_path, no_network):
    """A real architecture of open_clip, with random weights, through a file of each kind."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    model = open_clip.create_model("ViT-S-32-alt")
    safe, plain = tmp_path / "w.safetensors", tmp_path / "epoch_3.pt"
    save_file(model.state_dict(), safe)
    state = {f"module.{k}": v for k, v in model.state_dict().items()}
    torch.save({"epoch": 3, "name": "run", "state_dict": state}, plain)
    info = model_info(f"ViT-S-32-alt={safe}")
    assert (info.dimension, info.untrained) == (256, False)
    assert info.slug == f"vit-s-32-alt-{info.weights_digest[:8]}"
    pixels = torch.arange(224 * 224 * 3).remainder(251).to(torch.uint8).reshape(1, 224, 224, 3).numpy()
    vectors = [
        load_encoder(f"ViT-S-32-alt={path}", device="cpu", batch_size=2).encode_pixels(pixels)
        for path in (safe, plain)
    ]
    assert vectors[0].tobytes() == vectors[1].tobytes()
    assert no_network == []
    assert "do not fit ViT-S-32" in refusal(f"ViT-S-32={safe}")


def test_wrong_names(tmp_path, folder):
    assert "no model folder or file" in refusal(str(tmp_path / "absent"))
    assert "no folder" in refusal(f"local-dir:{tmp_path}/absent")
    assert "open_clip_config.json" in refusal(str(tmp_path))
    assert "no checkpoint file" in refusal(f"ViT-B-32={tmp_path}/absent.pt")
    assert "ViT-B-32" in refusal(f"ViT-B-33={folder / WEIGHTS}")
    assert "is a file: write NAME=" in refusal(str(folder / WEIGHTS))
    assert "laion2b_s34b_b79k" in refusal("ViT-B-32")
    assert "laion2b_s34b_b79k" in refusal("ViT-B-32/nothing")
    assert "ViT-B-32" in refusal("ViT-B-3")
    assert "neither a folder" in refusal("my/model")
    text = tmp_path / "notes.txt"
    text.write_text("hello")
    assert "no checkpoint that we read" in refusal(f"ViT-B-32={text}")


def test_folder_without_weights_or_with_a_bad_configuration(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "m")
    model = str(tmp_path / "m")
    (tmp_path / "m" / WEIGHTS).unlink()
    assert "holds no weights" in refusal(model)
    (tmp_path / "m" / WEIGHTS).write_bytes(b"not weights at all")
    assert "cannot read the weights" in refusal(model)
    config = tmp_path / "m" / "open_clip_config.json"
    for text, words in (
        ("{", "cannot read the model configuration"),
        ("[]", "has no model_cfg"),
        ('{"model_cfg": {}}', "preprocessing"),
        ('{"model_cfg": {"vision_cfg": {}}}', "embed_dim"),
        ('{"model_cfg": {"embed_dim": 8, "vision_cfg": {}, "text_cfg": {"x": 1}}}', "cannot build"),
    ):
        config.write_text(text)
        assert words in refusal(model)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_a_pickle_that_runs_code_is_refused(writer, folder, tmp_path):
    import torch

    mark, path = tmp_path / "mark", tmp_path / "evil.pt"
    if writer == "pickle":
        path.write_bytes(pickle.dumps({"state_dict": Evil(mark)}))
    else:
        torch.save({"state_dict": Evil(mark)}, path)
    assert "refused" in refusal(f"ViT-S-32-alt={path}")
    shutil.copytree(folder, tmp_path / "m")
    (tmp_path / "m" / WEIGHTS).unlink()
    shutil.copy(path, tmp_path / "m" / "open_clip_pytorch_model.bin")
    assert "refused" in refusal(str(tmp_path / "m"))
    assert not mark.exists()


@pytest.mark.parametrize("model", ["hf-hub:nobody/nothing", "ViT-B-32/laion2b_s34b_b79k"])
def test_hub_out_of_reach(model, no_network, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the client waits between its tries
    text = refusal(model)
    assert "from the hub" in text
    assert "network" in text
    assert "NAME=PATH" in text or "ViT-B-32=PATH" in text


def test_hub_model_from_the_cache(folder, tmp_path, monkeypatch, no_network):
    """A cache laid out as the hub's client does it is enough; the network is not asked."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cached = tmp_path / "models--some-lab--CLIP_x"
    shutil.copytree(folder, cached / "snapshots" / ("0" * 40))
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("0" * 40)
    info = model_info("hf-hub:some-lab/CLIP_x")
    assert info.name == "some-lab-CLIP_x" if not info.untrained else "untrained-some-lab-CLIP_x"
    assert info.weights_digest == model_info(str(folder)).weights_digest
    assert load_encoder("hf-hub:some-lab/CLIP_x", device="cpu").info == info
    assert no_network == []
