"""Rates are measured, kept whole, and refused when they are damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from biomedica.cli import app
from biomedica.embedding import load_encoder, write_untrained_checkpoint
from biomedica.errors import ConfigError, ModelError, SourceError
from biomedica.planning import Rates, calibrate, read_rates, write_rates
from biomedica.planning.drawn import DRAWN_FORMATS, drawn_image
from biomedica.planning.kernels import timed
from biomedica.planning.rates import size_class
from biomedica.planning.weights import with_weights
from biomedica.sources.sample import write_sample


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, articles=8)
    return folder


@pytest.fixture(scope="module")
def measured(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By the command line, with a model."""
    folder = tmp_path_factory.mktemp("rates")
    model = write_untrained_checkpoint(folder / "model")
    out = folder / "deeper" / "rates.json"
    arguments = ["--source", str(source), "--model", str(model), "--seconds", "0.02"]
    done = CliRunner().invoke(app, ["calibrate", *arguments, "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout.splitlines()[-1])
    assert said.pop("path") == str(out)
    assert Rates.model_validate(said) == read_rates(out)
    assert list(out.parent.iterdir()) == [out]
    return out


def test_every_kernel_has_a_rate(measured: Path, source: Path) -> None:
    rates = read_rates(measured)
    assert rates.source == source.as_uri()
    assert rates.read is not None
    assert rates.read.place == "folder"
    assert rates.parse.articles > 0
    known = {(one.image_format, one.size) for one in rates.images}
    for name in DRAWN_FORMATS:
        assert {(name, "under_0.5"), (name, "0.5_to_2"), (name, "2_to_12")} <= known
    (model,) = rates.encode
    assert (model.device, model.image_size, model.dimension, model.untrained) == ("cpu", 224, 64, True)
    assert model.flops_per_image > 1e6
    assert 0 < rates.all_cores <= 1


def test_the_content_is_the_samples(measured: Path, source: Path) -> None:
    """Counted from truth.json, not by the parser."""
    content = read_rates(measured).content
    truth = json.loads((source / "truth.json").read_text())["articles"]
    assert content.articles == len(truth) == 8
    assert content.articles_taken == sum(one["outcome"] == "article" for one in truth)
    assert content.image_count == sum(len(one["pairs"]) for one in truth)
    assert content.xml_bytes == sum(path.stat().st_size for path in source.glob("PMC*/*.xml"))


def test_the_table_names_source_and_machine(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from biomedica.planning import print_rates

    rates = read_rates(measured)
    print_rates(rates, "here.json")
    text = capsys.readouterr().out
    for part in (rates.machine.cpu, "ms per 100 kB", "(drawn)", "images/s on a core", "here.json"):
        assert part in text
    print_rates(rates.model_copy(update={"read": None, "source": None}), "here.json")
    assert "not measured: no source was given" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (lambda values: values.pop("parse"), "parse: Field required"),
        (lambda values: values["write"].update(seconds_per_pair=-1), "write.seconds_per_pair"),
        (lambda values: values["machine"].update(cores="many"), "machine.cores"),
        (lambda values: values.update(format=2), "format"),
        (lambda values: values.update(more=1), "more"),
        (lambda values: values.update(images=[]), "images"),
    ],
)
def test_a_damaged_file_is_told_in_one_sentence(change, where, measured: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    values = json.loads(measured.read_text())
    change(values)
    path = tmp_path / "rates.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ConfigError) as caught:
        read_rates(path)
    text = str(caught.value)
    assert where in text
    assert str(path) in text
    assert "`biomedica calibrate` measures them" in text
    assert "\n" not in text


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_what_is_no_rates_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "rates.json"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="holds no rates"):
        read_rates(path)


def test_missing_rates_and_places_that_cannot_be_written(measured: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there are no rates"):
        read_rates(tmp_path / "none.json")
    with pytest.raises(ConfigError, match="cannot read the rates"):
        read_rates(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="give another --out"):
        write_rates(read_rates(measured), tmp_path / "file" / "rates.json")


def test_a_source_without_images_is_refused(tmp_path: Path) -> None:
    write_sample(tmp_path, articles=2)
    for path in tmp_path.glob("PMC*/*.xml"):
        path.unlink()
    with pytest.raises(SourceError, match="no article with an image"):
        calibrate(str(tmp_path), seconds=0.01)


def test_an_unknown_model_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(ModelError, match="knows no architecture 'ViT-Z-1'"),
        with_weights("ViT-Z-1", tmp_path),
    ):
        pytest.fail("it was made")


def test_an_architecture_gets_weights_and_loses_them(tmp_path: Path) -> None:
    with with_weights("ViT-S-32-alt", tmp_path) as model:
        encoder = load_encoder(model, device="cpu")
        # 12 layers of width 384 over 50 tokens: 24 x 384² x 50 x 12 of matrices and some more
        assert 2.1e9 < encoder.flops_per_image() < 2.6e9
    assert list(tmp_path.iterdir()) == []
    with with_weights("ViT-B-32=weights.pt", tmp_path) as same:
        assert same == "ViT-B-32=weights.pt"


def test_sizes_have_classes() -> None:
    found = [size_class(pixels) for pixels in (1, 499_999, 500_000, 1_999_999, 2_000_000, 12_000_000)]
    assert found == ["under_0.5", "under_0.5", "0.5_to_2", "0.5_to_2", "2_to_12", "over_12"]


@pytest.mark.parametrize("name", DRAWN_FORMATS)
def test_a_drawn_image_is_what_it_says(name: str) -> None:
    import io

    from PIL import Image

    data = drawn_image(name, 60_000)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == name.upper()
        assert image.width * image.height == pytest.approx(60_000, rel=0.02)
    assert drawn_image(name, 60_000) == data


def test_timed_counts_all_but_the_first_call() -> None:
    ticks = iter(range(100))
    called: list[str] = []
    done = timed(called.append, ["a", "b"], 3.0, lambda: float(next(ticks)))
    assert called == ["a", "a", "b", "a"]
    assert [(number, spent) for number, spent, _ in done] == [(0, 1.0), (1, 1.0), (0, 1.0)]
