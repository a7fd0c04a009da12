"""The command line and the notebook door on a real dataset, as a user meets them."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import biomedica
from biomedica import __version__
from biomedica.cli import main
from biomedica.errors import ConfigError, StoreError
from tests.integration.conftest import on_this_ray, part_of, rows

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


Said = tuple[str, str]
"""what was written to stdout and stderr"""


def run(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "biomedica", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env=on_this_ray(),
    )
    assert done.returncode == code, done.stderr[-3000:]
    return done


@pytest.fixture
def run_here(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Said]]:
    """A command in this process, which knows all imports by now."""

    def call(*arguments: object, code: int = 0) -> Said:
        monkeypatch.setattr(sys, "argv", ["biomedica", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        assert ended.value.code == code, said.err[-3000:]
        return said.out, said.err

    before = signal.getsignal(signal.SIGTERM)
    yield call
    signal.signal(signal.SIGTERM, before)


def last_object(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return values


def test_sample_ids_build_verify_stats_show(tmp_path: Path) -> None:
    source, out = tmp_path / "sample", tmp_path / "dataset"
    made = last_object(run("sample", source, "--articles", 6, "--json"))
    listed = run("ids", "--source", source, "--where", "license_group = 'commercial'").stdout.split()
    assert listed
    assert set(listed) < set(run("ids", "--source", source).stdout.split())
    (tmp_path / "ids.txt").write_text("\n".join(listed))
    done = run(
        "build", "--source", source, "--out", out, "--ids", tmp_path / "ids.txt", "--model",
        made["checkpoint"], "--json", "--set", "runtime.gpus=0",
    )  # fmt: skip
    report = last_object(done)
    fields = [
        "articles_requested",
        "articles_skipped",
        "articles",
        "articles_rejected",
        "articles_deferred",
        "pairs",
        "rejects",
        "shards",
        "shards_skipped",
        "shards_failed",
        "media_read",
        "seconds",
        "version",
    ]
    assert set(fields) <= set(report)
    assert report["articles_requested"] == len(listed)
    assert "articles/s" in done.stderr
    again = last_object(
        run("build", "--source", source, "--out", out, "--ids", ",".join(listed), "--json")
    )
    assert (again["articles_skipped"], again["media_read"]) == (len(listed), 0)
    assert again["version"] == report["version"]
    assert last_object(run("verify", out, "--source", source, "--json"))["ok"]
    stats = last_object(run("stats", out, "--json"))
    assert (stats["pairs"], stats["articles"]) == (report["pairs"], report["articles"])
    assert "untrained" in run("stats", "--dataset", out).stdout
    pair = biomedica.Archive(str(out)).pairs(columns=["pair_id"]).to_arrow()["pair_id"][0].as_py()
    shown = run("show", pair, "--dataset", out, "--out", tmp_path).stdout
    assert pair in shown
    assert (tmp_path / pair.replace("/", "_")).exists() or list(
        tmp_path.glob(f"{pair.split('/')[0]}_*")
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["build", "--source", "SAMPLE", "--out", "OUT", "--ids", "12345"], "not an article id"),
        (["build", "--source", "/nowhere", "--out", "OUT"], "/nowhere"),
        (["build", "--out", "OUT"], "source"),
        (
            ["build", "--source", "SAMPLE", "--out", "OUT", "--set", "image.max_pixels=many"],
            "max_pixels",
        ),
        (["build", "--source", "SAMPLE", "--out", "OUT", "--model", "ViT-Z-99"], "ViT-Z-99"),
        (["embed", "--dataset", "BUILT"], "--model"),
        (["embed", "--dataset", "/nowhere", "--model", "x"], "/nowhere"),
        (["stats", "/nowhere"], "/nowhere"),
        (["stats", "BUILT", "--version", "9999"], "9999"),
        (["verify"], "--dataset"),
        (["show", "PMC1.1/a.jpg", "--dataset", "BUILT"], "PMC1.1"),
        (["show", "a.jpg", "--dataset", "BUILT"], "not a pair id"),
        (["ids", "--source", "SAMPLE", "--where", "licence = 1"], "license_code"),
        (["sample", "BUILT"], "not empty"),
        (["ids", "--source", "SAMPLE", "--where", "title::INT = 1"], "TRY_CAST"),
        (["build", "--source", "SAMPLE", "--out", "FILE"], "is a file"),
    ],
)
def test_a_mistake_is_one_sentence_and_status_2(
    arguments: list[str],
    words: str,
    run_here: Callable[..., Said],
    sample: Path,
    built: Path,
    tmp_path: Path,
) -> None:
    places = {"SAMPLE": str(sample), "BUILT": str(built), "OUT": str(tmp_path / "out")}
    places["FILE"] = str(sample / "truth.json")
    out, errors = run_here(*[places.get(argument, argument) for argument in arguments], code=2)
    assert words in errors
    assert "Traceback" not in errors
    assert out == ""
    assert len(errors.strip().splitlines()) == 1


@pytest.mark.parametrize("arguments", [["stats", "--nope"], ["show"], ["stats", "/nowhere"]])
def test_the_last_line_is_an_object_whatever_is_wrong(arguments: list[str]) -> None:
    found = last_object(run(*arguments, "--json", code=2))
    assert found["error"]
    assert found["exit_status"] == 2


def test_version() -> None:
    assert run("--version").stdout == f"{__version__}\n"


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    assert "Traceback" in run("stats", tmp_path / "none", "--debug", code=2).stderr


def test_deferred_articles_end_with_status_1(sample: Path, tmp_path: Path) -> None:
    source = part_of(sample, tmp_path / "source", 2)
    article = sorted(path.stem for path in (source / "metadata").iterdir())[0]
    xml = source / article / f"{article}.xml"
    xml.write_bytes(xml.read_bytes() + b"\n")
    done = run("build", "--source", source, "--out", tmp_path / "out", "--ids", article, code=1)
    assert article in done.stdout
    assert "MD5" in done.stdout


def test_an_archive_is_lazy_and_complete(built: Path) -> None:
    archive = biomedica.Archive(str(built))
    pairs = rows(built, "pairs")
    assert archive.pairs().count() == len(pairs) == len(archive.pairs())
    wide = archive.pairs(columns=["pair_id", "width"], where="width >= 600 AND len(mentions) > 0")
    expected = {row["pair_id"] for row in pairs if row["width"] >= 600 and row["mentions"]}
    assert set(wide.to_pandas()["pair_id"]) == expected
    assert expected
    batches = list(archive.pairs(columns=["pair_id", "image"]).to_batches(batch_size=10))
    assert sum(batch.num_rows for batch in batches) == len(pairs)
    image = Image.open(io.BytesIO(batches[0]["image"][0].as_py()["bytes"]))
    assert min(image.size) > 0
    (model,) = archive.models
    assert archive.embeddings(model).count() == len(pairs)
    assert archive.rejects(where="stage = 'figure'").count() > 0
    assert (
        archive.sql("SELECT count(*) AS n FROM articles")["n"][0].as_py() == archive.articles().count()
    )
    assert f"{len(pairs)} pairs" in repr(archive)


def test_versions_stay_readable(sample: Path, tmp_path: Path) -> None:
    out, ids = tmp_path / "out", sorted(p.stem for p in (sample / "metadata").iterdir())
    first = biomedica.build(str(sample), str(out), ids[:5], quiet=True)
    before = first.pairs().count()
    later = biomedica.build(str(sample), str(out), ids[:9], quiet=True)
    assert later.version > first.version
    assert first.pairs().count() == before
    assert biomedica.Archive(str(out), version=first.version).pairs().count() == before
    assert later.articles().count() > first.articles().count()


def test_mistakes_in_a_notebook(built: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        biomedica.Archive(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="pair_id"):
        biomedica.Archive(str(built)).pairs(where="licence = 1")
    with pytest.raises(ConfigError, match="no column captions"):
        biomedica.Archive(str(built)).pairs(columns=["captions"])
    with pytest.raises(ConfigError, match="TRY_CAST"):
        biomedica.Archive(str(built)).pairs(where="caption::INT = 1").count()
    with pytest.raises(ConfigError, match="nope"):
        biomedica.Archive(str(built)).sql("SELECT nope FROM pairs")
    assert biomedica.Archive(str(built)).pairs(columns="caption").to_arrow().column_names == ["caption"]
