"""`snapshot` and `ids`: the metadata of what changed, once, by what a server is really asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from biomedica.archive import Archive
from biomedica.catalogue import CONDITION_COLUMNS
from biomedica.cli import app
from biomedica.config import BuildConfig, load_config
from biomedica.errors import ConfigError, StoreError
from biomedica.ids import ArticleId
from biomedica.pipeline import SnapshotReport, run_snapshot
from biomedica.reporting import metadata_row, select_stored_ids
from biomedica.sources import DirectorySource
from biomedica.store import Dataset, DatasetWriter, open_storage, verify
from biomedica.store.snapshots import snapshot_names
from tests.faulty import FaultyProxy
from tests.integration.conftest import build, upload
from tests.seaweed import Endpoint
from tests.sources.inventories import write_inventory
from tests.sources.layout import md5, write_article

NO_FAULTS = dict.fromkeys(("unavailable", "resets", "truncated", "corrupted"), 0.0)

pytestmark = pytest.mark.ray


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """PMC1.1 to PMC20.1, each third of them CC BY-NC, with a media file each."""
    root = tmp_path / "source"
    for number in range(1, 21):
        write(root, number)
    return root


def write(root: Path, number: int, version: int = 1, **changes: Any) -> None:
    code = "CC BY-NC" if number % 3 == 0 else "CC BY"
    article = ArticleId(number, version)
    for path in (root / "metadata" / f"{article}.json", root / str(article) / f"{article}.xml"):
        path.unlink(missing_ok=True)
    for path in sorted((root / str(article)).glob("*")):
        path.unlink()
    if (root / str(article)).exists():
        (root / str(article)).rmdir()
    write_article(root, article, {"f1.jpg": b"1"}, **({"license_code": code} | changes))


def take(source: Path | str, dataset: Path, **options: Any) -> SnapshotReport:
    settings = {"source": str(source), "dataset": str(dataset), "runtime.workers": 1}
    metadata = options.pop("metadata", True)
    settings |= {name.replace("__", "."): value for name, value in options.items()}
    return run_snapshot(load_config(BuildConfig, None, settings), metadata=metadata, quiet=True)


def read(report: SnapshotReport) -> tuple[int, int, int, int, int]:
    """(skipped, read, rejected, deferred, gone) of the metadata."""
    found = report.metadata
    assert found is not None
    assert found.balanced
    return (found.articles_skipped, found.articles, found.articles_rejected,
            found.articles_deferred, report.metadata_gone)  # fmt: skip


def stored(dataset: Path, version: int | None = None) -> dict[str, Any]:
    rows = Archive(dataset, version).metadata().to_arrow().to_pylist()
    found = {row["article_id"]: row for row in rows}
    assert len(found) == len(rows)
    return found


def same_as_source(dataset: Path, source: Path) -> None:
    """Every row is what the source says, and nothing else is there."""
    opened = DirectorySource(str(source))
    listing = opened.list_articles().to_pylist()
    rows = stored(dataset)
    assert sorted(rows) == sorted(f"PMC{one['pmcid']}.{one['version']}" for one in listing)
    for one in listing:
        article = ArticleId(one["pmcid"], one["version"])
        row = rows[str(article)]
        wanted = metadata_row(opened.read_article(article))
        assert {name: row[name] for name in CONDITION_COLUMNS.names} == wanted
        assert row["input_digest"] == row["listed_digest"] == one["input_digest"].hex()


@pytest.mark.usefixtures("ray_cluster")
def test_only_what_changed_is_read_and_versions_are_kept(source: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    assert read(take(source, dataset)) == (0, 20, 0, 0, 0)
    first = Dataset.open(dataset).version
    same_as_source(dataset, source)
    again = take(source, dataset)
    assert (read(again), again.kept.is_new) == ((20, 0, 0, 0, 0), False)
    assert Dataset.open(dataset).version == first  # nothing to do makes no version
    write(source, 4, is_retracted=True)
    write(source, 5, 2, is_manuscript=True)
    (source / "metadata" / "PMC6.1.json").unlink()
    changed = take(source, dataset)
    assert (changed.kept.new, changed.kept.changed, changed.kept.gone) == (1, 1, 1)
    assert read(changed) == (18, 2, 0, 0, 1)
    same_as_source(dataset, source)
    assert not stored(dataset, first)["PMC4.1"]["is_retracted"]
    assert "PMC6.1" in stored(dataset, first)
    write(source, 6)  # it comes back as it was: its old rows stay hidden, the new ones do not
    assert read(take(source, dataset)) == (20, 1, 0, 0, 0)
    same_as_source(dataset, source)
    assert verify(dataset).ok
    assert build(source, dataset).articles_requested == 21  # tables of articles stand beside
    same_as_source(dataset, source)
    assert verify(dataset).ok


@pytest.mark.usefixtures("ray_cluster")
def test_wrong_metadata_is_a_row_that_meets_no_condition(source: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    (source / "metadata" / "PMC7.1.json").write_text("{")
    write(source, 8, is_retracted="perhaps")
    assert read(take(source, dataset)) == (0, 18, 2, 0, 0)
    assert read(take(source, dataset)) == (20, 0, 0, 0, 0)
    rows = stored(dataset)
    reasons = {name: row["reject_reason"] for name, row in rows.items() if row["reject_reason"]}
    assert reasons == {"PMC7.1": "metadata_invalid", "PMC8.1": "metadata_invalid"}
    archive = Archive(dataset)
    found = select_stored_ids(archive, Dataset.open(dataset), "pmid IS NULL OR true")
    assert (found.rejected, found.listed, len(found.keys)) == (2, 18, 18)
    write(source, 7)
    assert read(take(source, dataset)) == (19, 1, 0, 0, 0)
    assert stored(dataset)["PMC7.1"]["reject_reason"] is None


@pytest.mark.usefixtures("ray_cluster")
def test_what_a_bucket_is_asked_for(source: Path, tmp_path: Path, s3_server: Endpoint) -> None:
    """By the log of a server: the inventory, then the metadata of what changed and nothing else. What
    cannot be read now is deferred, its neighbours are not, and the next run takes it."""
    dataset = tmp_path / "dataset"
    client, bucket = s3_server.client(), "snapshots"
    client.create_bucket(Bucket=bucket)

    def publish(*articles: int, day: int) -> None:
        """These articles, and the inventory of a day."""
        for number in articles:
            client.put_object(Bucket=bucket, Key=f"metadata/PMC{number}.1.json", Body=json_of(number))
        rows = [
            ("pmc", f"metadata/{path.name}", "2026-01-08T11:47:59.000Z", md5(path.read_bytes()))
            for path in (source / "metadata").glob("*.json")
        ]
        write_inventory(source, f"2026-07-0{day}T01-00Z", [rows[:7], rows[7:]])
        upload(s3_server, bucket, source / "inventory-reports", "inventory-reports")

    def json_of(number: int) -> bytes:
        return (source / "metadata" / f"PMC{number}.1.json").read_bytes()

    publish(*range(1, 21), day=1)
    with FaultyProxy(s3_server.url, seed=0, **NO_FAULTS) as proxy:
        options = {"fetch__endpoint_url": proxy.endpoint, "fetch__retries": 0}
        proxy.always = {"/PMC13.1.json": "unavailable"}
        first = take(f"s3://{bucket}", dataset, **options)
        assert (read(first), first.complete) == ((0, 19, 0, 1, 0), False)
        assert first.kept.snapshot.info["kind"] == "inventory"
        assert asked(proxy) == {f"PMC{number}.1" for number in range(1, 21)}
        proxy.always = {}
        assert read(take(f"s3://{bucket}", dataset, **options)) == (19, 1, 0, 0, 0)
        assert asked(proxy) == {"PMC13.1"}
        write(source, 4, is_retracted=True)
        write(source, 30)
        publish(4, 30, day=2)
        client.delete_object(Bucket=bucket, Key="metadata/PMC9.1.json")  # the inventory has it still
        changed = take(f"s3://{bucket}", dataset, **options)
        assert (changed.kept.new, changed.kept.changed, read(changed)) == (1, 1, (19, 2, 0, 0, 0))
        assert asked(proxy) == {"PMC4.1", "PMC30.1"}
        write(source, 9, title="changed, and withdrawn before it was read")
        publish(day=3)
        assert read(take(f"s3://{bucket}", dataset, **options)) == (20, 0, 1, 0, 0)
        assert asked(proxy) == {"PMC9.1"}
        assert not [path for _, path in proxy.log if "list-type" in path and "metadata%2FPMC" in path][
            8:
        ]
    assert stored(dataset)["PMC4.1"]["is_retracted"]
    assert stored(dataset)["PMC9.1"]["title"] == "A title"
    assert verify(dataset).ok


def asked(proxy: FaultyProxy) -> set[str]:
    """The articles whose metadata was asked for since the last call."""
    found = {path.partition("?")[0] for method, path in proxy.log if method == "GET"}
    proxy.log.clear()
    names = {path.rpartition("/")[2] for path in found}
    return {name.removesuffix(".json") for name in names if name.startswith("PMC")}


@pytest.mark.usefixtures("ray_cluster")
def test_a_run_that_ended_half_way_goes_on(source: Path, tmp_path: Path) -> None:
    """Rows of files that no commit names do not count; those of an earlier commit are not read again."""
    dataset = tmp_path / "dataset"
    for number in range(11, 21):
        (source / "metadata" / f"PMC{number}.1.json").rename(tmp_path / f"{number}.json")
    take(source, dataset)
    for number in range(11, 21):
        (tmp_path / f"{number}.json").rename(source / "metadata" / f"PMC{number}.1.json")
    kept = take(source, dataset, metadata=False)
    assert (kept.metadata, kept.kept.new) == (None, 10)
    with DatasetWriter.begin(str(dataset), None, {"metadata": {}}) as writer:
        left = writer.storage  # a driver that was killed here has raised the epoch, and no more
    assert left.root == str(dataset)
    found = select_stored_ids(Archive(dataset), Dataset.open(dataset))
    assert (found.unread, found.listed) == (10, 10)
    assert read(take(source, dataset)) == (10, 10, 0, 0, 0)
    same_as_source(dataset, source)
    assert verify(dataset).ok


def test_a_snapshot_alone_needs_no_ray(source: Path, tmp_path: Path) -> None:
    report = take(source, tmp_path / "dataset", metadata=False)
    assert (report.kept.new, report.metadata, report.complete) == (20, None, True)
    assert Dataset.open_if_exists(tmp_path / "dataset") is None
    with pytest.raises(StoreError, match="no committed version"):
        Archive(tmp_path / "dataset")


# -- ids


def ids(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        app(["ids", *words])
    assert ended.value.code == 0
    return capsys.readouterr().out.split()


@pytest.mark.usefixtures("ray_cluster")
def test_ids_of_a_dataset_are_those_of_its_source(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in (2, 4):
        write(source, number, 2, is_manuscript=True)
        write(source, number, 3, is_manuscript=number == 4)
    write(source, 3, 7)
    dataset = tmp_path / "dataset"
    take(source, dataset)
    names = snapshot_names(open_storage(dataset))
    where = "license_group = 'commercial' and not is_retracted and n_media > 0"
    for words in (
        [], ["--where", where], ["--where", where, "--sample", "5", "--seed", "7"],
        ["--sample", "5", "--seed", "7", "--versions", "published_first"],
        ["--versions", "latest", "--where", "version > 1"],
        ["--versions", "published_first", "--where", where],
        ["--set", "select.versions=published_first"],
        ["--where", where, "--sample", "9", "--versions", "published_first"],
        ["--where", "len(list_filter(media, lambda m: m.name = 'f1.jpg')) = 1 and extra like '%mid%'"],
    ):  # fmt: skip
        one = ids(capsys, "--dataset", str(dataset), *words)
        assert one == ids(capsys, "--source", str(source), *words), words
        assert one == sorted(one, key=lambda name: [int(n) for n in name[3:].split(".")])
    published = ids(capsys, "--dataset", str(dataset), "--versions", "published_first")
    assert {"PMC2.3", "PMC3.7", "PMC4.1"} <= set(published)
    assert len(published) == 20
    write(source, 5, is_retracted=True)
    write(source, 21)
    take(source, dataset)
    since = ["--dataset", str(dataset), "--since", names[0]]
    assert ids(capsys, *since) == ["PMC5.1", "PMC21.1"]
    assert ids(capsys, *since, "--where", "is_retracted") == ["PMC5.1"]
    printed = json.loads(" ".join(ids(capsys, *since, "--json")))
    assert (printed["since"], printed["versions"], printed["articles_unread"]) == (names[0], "all", 0)


@pytest.mark.usefixtures("ray_cluster")
def test_what_is_wrong_with_a_question_is_told(source: Path, tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    build(source, dataset)
    with pytest.raises(ConfigError, match="biomedica snapshot"):
        app(["ids", "--dataset", str(dataset)], standalone_mode=False)
    take(source, dataset)
    for words, why in (
        (["--where", "n_medai > 1"], "the nearest is n_media.*n_media, media"),
        (["--where", "title"], "not true or false"),
        (["--since", "1999"], "no snapshot '1999'"),
        (["--set", "select.versions=newest"], "select.versions"),
    ):
        with pytest.raises(ConfigError, match=why):
            app(["ids", "--dataset", str(dataset), *words], standalone_mode=False)
    with pytest.raises(ConfigError, match="--dataset URI"):
        app(["ids", "--source", str(source), "--since", "2026"], standalone_mode=False)
    with pytest.raises(ConfigError, match="nothing is asked"):
        app(["ids"], standalone_mode=False)
