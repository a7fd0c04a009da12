"""Settings: files, overrides, errors, and which of them a digest covers."""

from __future__ import annotations

from pathlib import Path

import pytest

from biomedica.config import BuildConfig, ImageConfig, JobConfig, build_digest, load_config
from biomedica.errors import ConfigError
from biomedica.kinds import FIGURE_KINDS

PLACE = {"source": "./articles", "dataset": "./out"}


def config(**settings: object) -> BuildConfig:
    return load_config(
        BuildConfig, None, PLACE | {k.replace("__", "."): v for k, v in settings.items()}
    )


def test_overrides_go_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("source: ./a\ndataset: ./b\nimage:\n  max_pixels: 5\nruntime: {workers: 3}\n")
    found = load_config(BuildConfig, path, {"image.max_pixels": 7, "source": None})
    assert (found.source, found.image.max_pixels, found.runtime.workers) == (
        str(Path("a").resolve()),
        7,
        3,
    )


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"image.max_pixels": 0}, "image.max_pixels"),
        ({"imagee.max_pixels": 1}, "imagee"),
        ({"parse.figure_kinds": ["figur"]}, "figur"),
        ({"license.groups": ["free"]}, "license.groups"),
        ({"source.x": 1}, "source"),
        ({"dataset": ""}, "dataset"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_config(BuildConfig, None, PLACE | settings)


@pytest.mark.parametrize("text", ["a: [", "just words", "- a\n", "\xff\xfe"])
def test_a_file_that_is_no_configuration(text: str, tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"my\.yaml"):
        load_config(JobConfig, path, {"dataset": "x"} if text == "- a\n" else {})


def test_a_broken_line_is_named_and_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text('source: a\nkey: "hunter2\n')
    with pytest.raises(ConfigError, match="line") as caught:
        load_config(BuildConfig, path, {})
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_figure_kind_is_told_the_known_ones() -> None:
    known = f"known kinds are {', '.join(FIGURE_KINDS)}$"
    for kinds, words in (
        ("x", r"'x' is no list: write it as \[figure, map\]"),
        ({"figure": 1}, "is no list"),
        (["figure", "x", 3], "there is no kind 'x, 3'"),
        ([["figure"]], "there is no kind"),
    ):
        with pytest.raises(ConfigError, match=f"is wrong: parse.figure_kinds: .*{words}.*; {known}"):
            config(parse__figure_kinds=kinds)


def test_a_report_is_a_local_file() -> None:
    with pytest.raises(ConfigError, match="local file"):
        config(report="s3://bucket/run.html")


def test_an_empty_section_is_its_defaults(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text("source: a\ndataset: b\nruntime:\nimage:\n")
    found = load_config(BuildConfig, path, {"runtime.workers": 3})
    assert (found.runtime.workers, found.image) == (3, ImageConfig())


def test_a_missing_file_and_missing_values_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no configuration file"):
        load_config(BuildConfig, tmp_path / "none.yaml", {})
    with pytest.raises(ConfigError, match="source: Field required"):
        load_config(BuildConfig, None, {"dataset": "x"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("endpoint_url", "http://user:secret@host"),
        ("contact", "two\nlines"),
        ("region", "us-east-1\n"),
        ("timeout_seconds", 0),
        ("retries", -1),
    ],
)
def test_how_a_source_is_reached_is_checked(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"fetch.{name}") as caught:
        config(**{f"fetch__{name}": value})
    assert "secret" not in str(caught.value)


def test_a_profile_signs() -> None:
    assert config().fetch.anonymous
    assert not config(fetch__profile="lab").fetch.anonymous
    with pytest.raises(ConfigError, match="exclude each other"):
        config(fetch__profile="lab", fetch__anonymous=True)


def test_a_digest_covers_what_changes_rows_and_nothing_else() -> None:
    digest = build_digest(config(), "1")
    elsewhere = config(
        source="./other",
        dataset="s3://bucket/x",
        ids=["PMC1"],
        runtime__workers=8,
        runtime__articles_per_shard=5,
        runtime__shard_bytes=5,
        store__endpoint_url="http://127.0.0.1:9000",
        fetch__endpoint_url="http://127.0.0.1:9001",
        fetch__profile="lab",
        fetch__retries=1,
        embed__models=["a"],
    )
    assert build_digest(elsewhere, "1") == digest
    for other in (
        config(image__max_pixels=5),
        config(parse__keep_uncaptioned=True),
        config(parse__figure_kinds=["figure"]),
        config(license__groups=["commercial"]),
    ):
        assert build_digest(other, "1") != digest
    assert build_digest(config(), "2") != digest


def test_local_paths_become_absolute_for_workers_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    (tmp_path / "lr=3").mkdir()
    found = config(embed__models=["model", "./model", "ViT-B-32=w.pt", "ViT-B-32/openai", "hf-hub:a/b"])
    assert (found.source, found.dataset) == (f"{tmp_path}/articles", f"{tmp_path}/out")
    assert found.embed.models == (
        f"{tmp_path}/model",
        f"ViT-B-32={tmp_path}/w.pt",
        "ViT-B-32/openai",
        "hf-hub:a/b",
    )
    assert config(dataset="s3://bucket/x", source="file:///a b").dataset == "s3://bucket/x"
    assert config(dataset="s3:/bucket/x").dataset == "s3:/bucket/x"  # for the store to refuse
    assert config(embed__models=["lr=3"]).embed.models == (f"{tmp_path}/lr=3",)


def test_a_relative_place_in_a_ray_job_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder is a copy of the submitted one, which Ray throws away."""
    folder = tmp_path / "runtime_resources" / "working_dir_files" / "_ray_pkg_1"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    with pytest.raises(ConfigError, match=r"dataset: .*copy of its folder: write an absolute path"):
        load_config(BuildConfig, None, {"source": "s3://a-bucket/x", "dataset": "./out"})
    load_config(BuildConfig, None, {"source": str(tmp_path), "dataset": "s3://a-bucket/out"})


@pytest.mark.parametrize(
    "url", ["http://AKIAKEY:hunter2@host:1", "https://host/?X-Amz-Signature=hunter2", "hunter2", ""]
)
@pytest.mark.parametrize("section", ["store", "fetch"])
def test_an_endpoint_with_more_than_host_and_port_is_not_repeated(section: str, url: str) -> None:
    with pytest.raises(ConfigError, match=f"{section}.endpoint_url") as caught:
        load_config(BuildConfig, None, PLACE | {f"{section}.endpoint_url": url})
    assert "hunter2" not in str(caught.value)


def test_keys_have_no_place_in_a_configuration() -> None:
    with pytest.raises(ConfigError, match=r"store\.secret_access_key") as caught:
        load_config(BuildConfig, None, PLACE | {"store.secret_access_key": "hunter2"})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError, match="leave one of the two out"):
        load_config(BuildConfig, None, PLACE | {"store.profile": "lab", "store.anonymous": True})
