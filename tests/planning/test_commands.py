"""`biomedica plan` on the sample, in this process."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from biomedica.archive import Archive
from biomedica.cli import app
from biomedica.config import StoreConfig
from biomedica.errors import BiomedicaError, ConfigError
from biomedica.ids import parse_article_id
from biomedica.planning import count_in_dataset, count_in_source, write_rates
from biomedica.reporting import metadata_row
from biomedica.sources import is_image_name, open_source
from biomedica.sources.sample import write_sample
from biomedica.store import DatasetWriter, open_storage, table_of, write_file
from tests.planning.worked import CLUSTER, round_rates


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sample, rates that are said to be of it, a cluster file."""
    root = tmp_path_factory.mktemp("plan")
    write_sample(root / "sample", articles=12)
    write_rates(round_rates(source=(root / "sample").as_uri()), root / "rates.json")
    (root / "cluster.yaml").write_text(CLUSTER)
    return root


def ask(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["plan", "--rates", str(folder / "rates.json"), *arguments])


def values(folder: Path, *arguments: str) -> dict[str, Any]:
    done = ask(folder, *arguments, "--json")
    assert done.exit_code == 0, (done.output, done.exception)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1], parse_constant=pytest.fail)
    return found


def refused(folder: Path, *arguments: str) -> str:
    done = ask(folder, *arguments)
    assert isinstance(done.exception, BiomedicaError), (done.output, done.exception)
    assert "\n" not in str(done.exception)
    return str(done.exception)


def test_a_plan_of_the_sample(folder: Path) -> None:
    found = values(folder, "--source", str(folder / "sample"), "--model", "ViT-T")
    assert found["articles"] == 12
    assert found["images"] == round(12 * 0.8 * 2.5)
    assert found["fleet"]["cores"] == 4
    assert found["dollars"]["total"] == 0
    assert found["requests"] == 0
    by_name = {one["name"]: one for one in found["assumptions"]}
    assert by_name["articles"]["basis"] == "listed"
    assert by_name["images_per_article"]["basis"] == "measured"
    assert by_name["efficiency"]["basis"] == "assumed"


def test_a_condition_is_put_to_the_source(folder: Path) -> None:
    where = "license_group = 'commercial' and not is_retracted"
    found = values(folder, "--source", str(folder / "sample"), "--where", where)
    source = open_source(str(folder / "sample"))
    everything = count_in_source(source.uri, None, "all").articles
    assert 0 < found["articles"] < everything == 12
    assert "nothing" not in found["counted_in"]
    assert "no article is selected" in refused(
        folder, "--source", str(folder / "sample"), "--where", "pmid < 0"
    )


def test_tables_and_markdown(folder: Path) -> None:
    some = ["--source", "s3://pmc-oa-opendata", "--articles", "8200000", "--model", "ViT-T"]
    some += ["--cluster", str(folder / "cluster.yaml"), "--nodes", "gpu=1"]
    done = ask(folder, *some)
    assert done.exit_code == 0, done.output
    for part in (
        "8,200,000",
        "waits for",
        "cores × 2",
        "GPUs × 4",
        "network × 0.5",
        "efficiency",
        "price_cpu",
    ):
        assert part in done.stdout
    done = ask(folder, *some, "--markdown")
    lines = done.stdout.splitlines()
    tables = [line for line in lines if set(line) <= set("|- ") and "---" in line]
    assert len(tables) == 4
    for before, line in pairwise(lines):
        if before.startswith("|") and line.startswith("|"):
            assert before.count("|") == line.count("|")


def test_what_is_given_counts(folder: Path) -> None:
    some = [
        "--source",
        "s3://pmc-oa-opendata",
        "--articles",
        "100000",
        "--cluster",
        str(folder / "cluster.yaml"),
    ]
    plain = values(folder, *some)
    slow = values(folder, *some, "--assume", "requests_per_second=10")
    assert slow["bottleneck"] == "requests"
    assert slow["seconds"] > plain["seconds"]
    dear = values(folder, *some, "--price", "m7i.4xlarge=100")
    assert dear["dollars"]["total"] > plain["dollars"]["total"]
    few = values(folder, *some, "--assume", "images_per_article=0")
    assert few["images"] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "nothing is asked"),
        (("--articles", "5", "--where", "pmid > 1"), "leave out --where"),
        (("--articles", "5", "--nodes", "cpu=1"), "give its file by --cluster"),
        (("--articles", "5", "--model", "ViT-X"), "`biomedica calibrate --model ViT-X` measures it"),
        (("--articles", "5", "--rates", "nowhere.json"), "there are no rates at nowhere.json"),
        (("--articles", "5", "--cluster", "nowhere.yaml"), "there is no cluster file at nowhere.yaml"),
        (("--articles", "5", "--assume", "efficency=1"), "there are efficiency"),
        (("--source", "nowhere"), "there is no folder"),
    ],
)
def test_mistakes_are_told_in_one_sentence(
    arguments: tuple[str, ...], message: str, folder: Path
) -> None:
    assert message in refused(folder, *arguments)


# -- counts from a dataset


@pytest.fixture(scope="module")
def dataset(folder: Path) -> str:
    """The sample's metadata as `snapshot` keeps it."""
    root = str(folder / "dataset")
    source = open_source(str(folder / "sample"))
    known = {
        "source_uri": source.uri, "reject_reason": None, "reject_detail": None,
        "snapshot": "2026-01-08T01-00-00Z", "shard": "a" * 16,
    }  # fmt: skip
    rows = []
    for path in sorted((folder / "sample").glob("PMC*")):
        article = source.read_article(parse_article_id(path.name))
        digests = dict.fromkeys(("input_digest", "listed_digest"), article.input_digest)
        rows.append(metadata_row(article) | known | digests)
    with DatasetWriter.begin(root, StoreConfig(), {"metadata": {}}) as writer:
        file = write_file(open_storage(root), "metadata", "a" * 16, table_of("metadata", rows))
        assert file is not None
        writer.commit([file], {"command": "snapshot"})
    return root


def test_the_metadata_table_is_counted(dataset: str, folder: Path) -> None:
    source = open_source(str(folder / "sample"))
    found = count_in_dataset(dataset, None, "all")
    names = [n for path in (folder / "sample" / "metadata").glob("*.json") for n in media_of(path)]
    assert found.articles == Archive(dataset).metadata().count() == 12
    truth = json.loads((folder / "sample" / "truth.json").read_text())["articles"]
    assert found.taken == sum(one["outcome"] == "article" for one in truth) == 11
    assert found.images_listed == sum(map(is_image_name, names))
    assert (found.basis, found.source) == ("metadata", source.uri)
    where = "n_media > 8"
    some = count_in_dataset(dataset, where, "all")
    assert some.articles == Archive(dataset).metadata(where=where).count()
    assert some.images_listed is not None
    assert some.images_listed < found.images_listed
    with pytest.raises(ConfigError, match="no article is selected"):
        count_in_dataset(dataset, "n_media > 1000", "all")


def media_of(path: Path) -> list[str]:
    metadata = json.loads(path.read_text())
    if not metadata["is_pmc_openaccess"] or metadata["license_code"] == "TDM":
        return []
    return [url.rpartition("/")[2].partition("?")[0] for url in metadata.get("media_urls") or []]


def test_a_plan_from_the_metadata(dataset: str, folder: Path) -> None:
    found = values(folder, "--dataset", dataset, "--where", "n_media > 0")
    by_name = {one["name"]: one for one in found["assumptions"]}
    assert by_name["image_files"]["basis"] == "metadata"
    assert found["images"] == round(
        by_name["image_files"]["value"] * 20 / 40
    )  # as in the rates' sample
