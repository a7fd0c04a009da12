"""The notebook's view of a dataset: what it shows, what it reads, and what it never lets through."""

from __future__ import annotations

import datetime
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import fs

import biomedica
import biomedica.pipeline
from biomedica.archive import html, preview
from biomedica.config import BuildConfig
from biomedica.errors import ConfigError, Deferred, StoreError
from biomedica.pipeline import RunReport
from biomedica.schema import PAIRS
from biomedica.store import DataFile, DatasetWriter, Storage, open_storage, table_of, write_file
from biomedica.upkeep import UpdateConfig

from .store.synthetic import (
    EMBEDDINGS_TABLE,
    MODEL,
    SLUG,
    article_row,
    embedding_table,
    pair_row,
    reject_row,
)

SHARDS = ("1" * 16, "2" * 16, "3" * 16)
SIDE = 300
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">\'"&$\\alpha$\u202e\x07'


def picture(seed: int) -> bytes:
    """A PNG of noise, some 270 kB, so that images weigh more than all the rest."""
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def files(
    storage: Storage, shard: str, numbers: list[int], replaces: str | None = None, **more: Any
) -> list[DataFile]:
    """A shard of articles with two pairs each, their embeddings and a reject."""
    pairs = []
    for number in numbers:
        for position in (1, 2):
            data = picture(10 * number + position)
            pairs.append(
                pair_row(
                    number, position, shard, width=SIDE, height=SIDE, byte_size=len(data),
                    image_format="png", original_format="png", license_code="CC BY",
                    pmcid=f"PMC{number}", citation=f"Citation {number}", **more,
                )
                | {"image": {"bytes": data, "path": f"f{position}.png"}}
            )  # fmt: skip
    rows: dict[str, list[Any]] = {
        "articles": [
            article_row(n, shard, license_code="CC BY", source_uri=f"s3://pmc/PMC{n}.1.xml")
            for n in numbers
        ],
        "pairs": pairs,
        "rejects": [reject_row(n, shard) for n in numbers],
        "superseded": [{"article_id": f"PMC{n}.1", "shard": replaces} for n in numbers if replaces],
    }
    made = [
        write_file(storage, table, shard, table_of(table, values)) for table, values in rows.items()
    ]
    ids = [row["pair_id"] for row in pairs]
    made.append(write_file(storage, EMBEDDINGS_TABLE, shard, embedding_table(ids, shard)))
    return [file for file in made if file is not None]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 3: articles 1 to 4; version 4: article 1 was built again, with a new caption."""
    root = tmp_path_factory.mktemp("archive") / "dataset"
    storage = open_storage(root)
    with DatasetWriter.begin(root, embeddings={EMBEDDINGS_TABLE: MODEL}) as writer:
        writer.commit(files(storage, SHARDS[0], [1, 2]) + files(storage, SHARDS[1], [3, 4]))
        writer.commit(files(storage, SHARDS[2], [1], SHARDS[0], caption="The new caption"))
    return root


@pytest.fixture
def archive(root: Path) -> biomedica.Archive:
    return biomedica.Archive(root)


class _Counted(io.RawIOBase):
    """A file that counts the bytes that are read from it."""

    def __init__(self, path: str, log: dict[str, int]) -> None:
        self.inner = open(path, "rb")  # noqa: SIM115 - Arrow closes it
        self.path, self.log = path, log

    def read(self, size: int = -1) -> bytes:
        data = self.inner.read(size)
        self.log[self.path] = self.log.get(self.path, 0) + len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self.inner.seek(offset, whence)

    def tell(self) -> int:
        return self.inner.tell()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def size(self) -> int:
        return os.fstat(self.inner.fileno()).st_size

    def close(self) -> None:
        self.inner.close()
        super().close()


class _Counting(fs.FileSystemHandler):  # type: ignore[misc]
    """The local file system, read only, with a count of bytes by file."""

    def __init__(self, log: dict[str, int]) -> None:
        self.inner, self.log = fs.LocalFileSystem(), log

    def get_type_name(self) -> str:
        return "counting"

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: list[str]) -> Any:
        return self.inner.get_file_info(paths)

    def get_file_info_selector(self, selector: Any) -> Any:
        return self.inner.get_file_info(selector)

    def open_input_file(self, path: str) -> Any:
        return pa.PythonFile(_Counted(path, self.log), mode="r")

    open_input_stream = open_input_file

    def _refused(self, *_: Any, **__: Any) -> Any:
        raise AssertionError("a view of a dataset writes nothing")

    create_dir = delete_dir = delete_dir_contents = delete_root_dir_contents = _refused
    delete_file = move = copy_file = open_output_stream = open_append_stream = _refused


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Bytes read of each data file, by path."""
    log: dict[str, int] = {}
    counting = fs.PyFileSystem(_Counting(log))
    usual = Storage.arrow_filesystem
    monkeypatch.setattr(Storage, "arrow_filesystem", lambda self: (counting, usual(self)[1]))
    return log


FOOTER = 100_000
"""bytes of a file without its images: Arrow reads 64 kB at the end in one go to find the footer"""


# -- selections


def test_rows_of_rebuilt_articles_are_hidden_at_every_version(root: Path) -> None:
    new, old = biomedica.Archive(root), biomedica.Archive(root, version=3)
    for archive in (new, old):
        ids = archive.pairs(["pair_id"]).to_arrow()["pair_id"].to_pylist()
        assert sorted(ids) == [f"PMC{n}.1/f{p}.jpg" for n in (1, 2, 3, 4) for p in (1, 2)]
        assert archive.pairs().count() == len(ids) == archive.embeddings().count()
        assert archive.articles().count() == archive.rejects().count() == 4
        assert archive.sql("SELECT count(*) AS n FROM pairs")["n"].to_pylist() == [8]
    condition = "caption = 'The new caption'"
    assert new.pairs(where=condition).count() == 2
    assert old.pairs(where=condition).count() == 0
    assert new.pairs(where="article_id = 'PMC1.1'").to_pandas()["shard"].unique() == [SHARDS[2]]


def test_rows_keep_their_order(archive: biomedica.Archive) -> None:
    found = [archive.pairs(["pair_id"]).to_arrow()["pair_id"].to_pylist() for _ in range(20)]
    assert found == [found[0]] * 20


@pytest.mark.usefixtures("root")
def test_a_bad_clause_reads_no_byte(archive: biomedica.Archive, reads: dict[str, int]) -> None:
    for where in ("licence = 1", "width = 'x'", "caption", "width > 1 OR", "image.path = 'x'"):
        with pytest.raises(ConfigError, match="the columns are pair_id"):
            archive.pairs(where=where)
    with pytest.raises(ConfigError, match="no column captions, the nearest is caption; there are"):
        archive.pairs(columns=["captions"])
    with pytest.raises(ConfigError, match="no columns"):
        archive.pairs(columns=[])
    archive.pairs(where="width > 3")
    assert reads == {}


def test_images_are_read_only_when_asked_for(archive: biomedica.Archive, reads: dict[str, int]) -> None:
    def read(act: Callable[[], object]) -> int:
        reads.clear()
        act()
        return sum(size for path, size in reads.items() if "/pairs/" in path)

    one = len(picture(11))
    assert read(lambda: archive.pairs(["image"]).to_arrow()) > 10 * one
    small = [name for name in PAIRS.names if name != "image"]
    for act in (
        lambda: archive.pairs(small).to_arrow(),
        lambda: archive.pairs(where="caption ILIKE '%caption%'").count(),
        lambda: archive.sql("SELECT license_code, count(*) FROM pairs GROUP BY 1"),
        lambda: archive.pairs(["pair_id", "width"])._repr_html_(),
        lambda: archive.pairs(["image"], where="width > 60000").to_arrow(),  # no row group can hold it
    ):
        assert read(act) < 3 * FOOTER


def test_only_the_files_that_can_hold_a_row_are_read(
    archive: biomedica.Archive, reads: dict[str, int]
) -> None:
    archive.pairs(["caption"], where="article_id = 'PMC4.1'").to_arrow()
    assert {Path(path).name[:16] for path in reads if "/pairs/" in path} == {SHARDS[1]}
    reads.clear()
    archive.image("PMC4.1/f2.jpg")
    assert {Path(path).name[:16] for path in reads if "/pairs/" in path} == {SHARDS[1]}


def test_counting_without_a_condition_reads_no_pairs(root: Path, reads: dict[str, int]) -> None:
    old = biomedica.Archive(root, version=3)
    assert old.pairs().count() == 8
    assert "8 rows of pairs" in repr(old.pairs())
    assert reads == {}


def test_batches_and_frames(archive: biomedica.Archive) -> None:
    batches = list(archive.pairs(["pair_id", "image"]).to_batches(batch_size=3))
    assert [batch.num_rows for batch in batches] == [3, 3, 2]
    assert archive.pairs("caption").to_pandas().columns.tolist() == ["caption"]
    assert list(archive.pairs(where="width < 0").to_batches()) == []


def test_embeddings_as_numbers(archive: biomedica.Archive) -> None:
    ids, vectors = archive.embeddings().to_numpy()
    assert vectors.dtype == np.float32
    assert vectors.shape == (8, 4)
    assert sorted(ids) == sorted(archive.pairs(["pair_id"]).to_pandas()["pair_id"])
    ids, vectors = archive.embeddings(SLUG, where="pair_id LIKE 'PMC1.%'").to_numpy()
    assert set(ids) == {"PMC1.1/f1.jpg", "PMC1.1/f2.jpg"}
    assert archive.embeddings(where="pair_id = ''").to_numpy()[1].shape == (0, 4)
    with pytest.raises(ConfigError, match="to_numpy gives pair ids and embeddings"):
        archive.pairs().to_numpy()


def test_the_model_must_be_clear(tmp_path: Path, archive: biomedica.Archive) -> None:
    with pytest.raises(ConfigError, match=f"no embeddings of tiny-vit, the nearest is {SLUG}"):
        archive.embeddings("tiny-vit")
    tables = {EMBEDDINGS_TABLE: MODEL, "embeddings/other-89abcdef": MODEL}
    with DatasetWriter.begin(tmp_path / "two", embeddings=tables):
        several = biomedica.Archive(tmp_path / "two")
    with pytest.raises(ConfigError, match=f"name one of other-89abcdef, {SLUG}"):
        several.embeddings()
    with DatasetWriter.begin(tmp_path / "none"):
        none = biomedica.Archive(tmp_path / "none")
    with pytest.raises(ConfigError, match="has no embeddings: `biomedica embed`"):
        none.embeddings()


def test_a_lost_file_is_no_fault_of_the_query(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    with DatasetWriter.begin(root, embeddings={EMBEDDINGS_TABLE: MODEL}) as writer:
        writer.commit(files(open_storage(root), SHARDS[0], [1]))
    (path,) = (root / "pairs").glob("*.parquet")
    path.unlink()
    archive = biomedica.Archive(root)
    for act in (
        archive.pairs().to_arrow,
        lambda: list(archive.pairs().to_batches()),
        archive.pairs(where="width > 3").count,
        lambda: archive.sql("SELECT caption FROM pairs"),
        lambda: archive.image("PMC1.1/f1.jpg"),
    ):
        with pytest.raises(StoreError, match="biomedica verify"):
            act()
    assert "1 files of pairs cannot be read" in archive._repr_html_()


# -- pictures


def test_an_image_is_a_picture(archive: biomedica.Archive) -> None:
    image = archive.image("PMC2.1/f1.jpg")
    assert image.size == (SIDE, SIDE)
    assert image.tobytes() == Image.open(io.BytesIO(picture(21))).tobytes()


def test_a_missing_pair_says_what_there_is(archive: biomedica.Archive) -> None:
    for act in (archive.image, archive.show):
        with pytest.raises(ConfigError, match=r"of its article there are PMC2\.1/f[12]\.jpg"):
            act("PMC2.1/f1.png")
        with pytest.raises(ConfigError, match=r"PMC77\.1 has no pairs in .* archive\.rejects"):
            act("PMC77.1/a.jpg")
        with pytest.raises(ConfigError, match="is not a pair id"):
            act("a' OR true --")
    with pytest.raises(ConfigError, match=r"PMC1\.1/' OR true --"):
        archive.image("PMC1.1/' OR true --")


def test_shown_pairs_carry_caption_and_provenance(archive: biomedica.Archive) -> None:
    page = archive.show("PMC1.1/f1.jpg")._repr_html_()
    for text in ("The new caption", "s3://pmc/PMC1.1.xml", "CC BY", "Citation 1", "data:image/jpeg"):
        assert text in page
    wanted = ["PMC3.1/f2.jpg", "PMC1.1/f1.jpg", "PMC2.1/f2.jpg"]
    cards = archive.show(np.array(wanted))
    assert [row["pair_id"] for row in cards.rows] == wanted
    page = cards._repr_html_()
    assert page.count("<img") == 3
    assert page.index(wanted[0]) < page.index(wanted[1]) < page.index(wanted[2])
    assert "The new caption" in repr(cards)


def test_an_overview_shows_what_there_is(root: Path, archive: biomedica.Archive) -> None:
    found = preview.overview(archive._dataset)
    assert found.counts == {"articles": 4, "pairs": 8, "rejects": 4}
    assert [(one.code, one.articles, one.pairs) for one in found.licenses] == [("CC BY", 4, 8)]
    assert [(model.slug, model.rows, model.dimension) for model in found.models] == [(SLUG, 8, 4)]
    assert len(found.pictures) == preview.PICTURES
    ids = [one.pair_id for one in found.pictures]
    assert len(set(ids)) == len(ids)
    live = {(row["pair_id"], row["caption"]) for row in archive.pairs().to_arrow().to_pylist()}
    assert {(one.pair_id, one.caption) for one in found.pictures} <= live
    page = archive._repr_html_()
    assert str(root) in page
    assert page.count("data:image/jpeg") == preview.PICTURES
    assert "CC BY" in page
    assert "untrained" not in page


def test_an_overview_of_nothing(tmp_path: Path) -> None:
    with DatasetWriter.begin(tmp_path / "empty"):
        archive = biomedica.Archive(tmp_path / "empty")
    assert "<img" not in archive._repr_html_()
    assert archive.pairs().to_arrow().num_rows == 0
    assert "0 rows" in archive.pairs()._repr_html_()


def test_what_an_overview_reads_is_bounded(
    root: Path, reads: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = biomedica.Archive(root, version=3)
    monkeypatch.setattr(preview, "PICTURES", 2)
    monkeypatch.setattr(preview, "LICENSE_FILES", 1)
    found = preview.overview(archive._dataset)
    assert (found.sampled, found.license_articles) == (True, 2)
    assert [one.pair_id for one in found.pictures] == ["PMC2.1/f1.jpg", "PMC4.1/f1.jpg"]
    assert sum("/pairs/" in path for path in reads) == 2
    assert sum("/articles/" in path for path in reads) == 1
    page = html.overview("x", 3, found, None)
    assert "sample of 2 articles" in page
    reads.clear()
    monkeypatch.setattr(preview, "PICTURE_FILES", 1)
    assert len(preview.overview(archive._dataset).pictures) == 2
    assert sum("/pairs/" in path for path in reads) == 1
    monkeypatch.setattr(preview, "MAX_TOUCHED_SHARDS", -1)
    bound = preview.overview(biomedica.Archive(root)._dataset)
    assert (bound.exact, bound.counts["pairs"]) == (False, 10)
    assert "at most 10" in html.overview("x", 4, bound, None)


def test_a_page_of_a_selection(archive: biomedica.Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    page = archive.pairs(["caption", "image"], where="article_id <> 'PMC1.1'")._repr_html_()
    assert page.count("<img") == 5
    assert "the first 5 rows; .count()" in page
    assert "2 rows" in archive.pairs(["caption"], where="article_id = 'PMC1.1'")._repr_html_()
    assert "the first 5 of 8 rows" in archive.pairs()._repr_html_()
    assert "parser" not in archive.pairs()._repr_html_()
    assert "4 numbers" in archive.embeddings()._repr_html_()
    monkeypatch.setattr("biomedica.archive.selection.PAGE_SECONDS", 0.0)
    assert "no row within" in archive.pairs(where="width > 1")._repr_html_()


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    root = tmp_path / "dataset"
    storage = open_storage(root)
    shard = SHARDS[0]
    names = ["caption", "figure_label", "citation", "title", "license_code", "pmcid", "doi"]
    names += ["third_party_text", "journal"]
    mention = dict.fromkeys(("section", "paragraph", "sentence"), HOSTILE)
    mention |= {"panels": [], "is_range": False, "via_parent": False, "is_text_only": False}
    pair = pair_row(
        1, 1, shard, **dict.fromkeys(names, HOSTILE), is_third_party=True, width=1, height=1,
        mentions=[mention], license_group="other",
    )  # fmt: skip
    pair |= {"image": {"bytes": b"no image", "path": "x"}}
    text = dict.fromkeys(("license_code", "source_uri", "source_md5", "parser_version"), HOSTILE)
    article = article_row(1, shard, license_url="javascript:alert(1)", is_retracted=True, **text)
    with DatasetWriter.begin(root, embeddings={EMBEDDINGS_TABLE: MODEL}) as writer:
        made = [
            write_file(storage, "articles", shard, table_of("articles", [article])),
            write_file(storage, "pairs", shard, table_of("pairs", [pair])),
        ]
        writer.commit([file for file in made if file])
    archive = biomedica.Archive(root)
    archive.report = {
        "articles_requested": 1, "articles_skipped": 0, "articles": 0, "articles_rejected": 0,
        "articles_deferred": 1, "pairs": 0, "rejects": 0, "seconds": 1.0, "shards_failed": 1,
        "deferred": [(HOSTILE, HOSTILE)],
    }  # fmt: skip
    pages = [
        archive._repr_html_(),
        archive.pairs(["caption", "title", "mentions", "image"])._repr_html_(),
        archive.show("PMC1.1/f1.jpg")._repr_html_(),
        archive.show(["PMC1.1/f1.jpg"] * 2)._repr_html_(),
    ]
    for page in pages:
        assert "<script" not in page
        assert 'onerror="' not in page
        assert "javascript:" not in page
        assert "\u202e" not in page
        assert "\x07" not in page
        assert "tex2jax_ignore" in page  # dollars are no formulas
        assert "&lt;script&gt;" in page
    assert "has been retracted" in pages[2]
    assert "1 articles wait for another run" in pages[0]


def test_words_for_untrained_models(archive: biomedica.Archive) -> None:
    found = preview.overview(archive._dataset)
    untrained = preview.Model("tiny-0", "tiny", 4, 8, True)
    models = preview.Overview(found.counts, True, [], 0, False, [untrained], [], 0)
    assert "tiny-0 is untrained: its embeddings mean nothing" in html.overview("x", 1, models, None)


# -- the door


def test_a_mistake_has_no_traceback_in_a_notebook(archive: biomedica.Archive) -> None:
    """IPython shows what this method gives, in place of every frame."""
    with pytest.raises(ConfigError) as caught:
        archive.pairs(where="licence = 1")
    (line,) = caught.value._render_traceback_()
    assert line == f"ConfigError: {caught.value}"
    assert Deferred("the store is busy")._render_traceback_() == ["Deferred: the store is busy"]
    assert not hasattr(RuntimeError, "_render_traceback_")


@pytest.fixture
def asked(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[BuildConfig, bool]]:
    """The settings that `build` hands to the run; the run itself is left out."""
    calls: list[tuple[BuildConfig, bool]] = []

    def run_build(config: BuildConfig, *, quiet: bool) -> RunReport:
        calls.append((config, quiet))
        return RunReport(
            articles_requested=7, articles_skipped=3, articles=2, articles_rejected=1,
            articles_deferred=1, pairs=9, rejects=4, version=4, dataset=str(root),
            deferred=[("PMC9.1", "timed out")], untrained_models=["tiny-0"], seconds=2.0,
        )  # fmt: skip

    def run_update(config: UpdateConfig, *, quiet: bool) -> RunReport:
        report = run_build(config, quiet=quiet)
        report.changes = {"new": 2, "changed": 1, "gone": 0, "rebuilt": 0, "retracted": 1}
        return report

    monkeypatch.setattr(biomedica.pipeline, "run_build", run_build)
    monkeypatch.setattr(biomedica.pipeline, "run_update", run_update)
    return calls


def test_a_budget_that_ended_a_run_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And that none of the articles it stopped has a reason of its own does no harm."""
    report = RunReport(
        articles_requested=9, articles=2, articles_deferred=7, articles_over_budget=7,
        budget="requests", version=4, dataset=str(root),
    )  # fmt: skip
    monkeypatch.setattr(biomedica.pipeline, "run_build", lambda *_, **__: report)
    archive = biomedica.build("s3://bucket", root, options={"budget.max_requests": 9})
    said = capsys.readouterr().err.splitlines()
    assert said[1:] == ["the budget of requests is spent, 7 articles wait: build again to go on"]
    shown = archive._repr_html_()
    assert "The budget of requests is spent: 7 articles wait" in shown
    assert "passing fault" not in shown


def test_update_takes_what_a_notebook_has(
    root: Path,
    asked: list[tuple[BuildConfig, bool]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    archive = biomedica.update(tmp_path, root)
    assert capsys.readouterr().err.splitlines()[:3] == [
        "articles: 2 new, 1 changed, 1 retracted",
        "7 articles requested: 3 done before, 2 written, 1 rejected, 1 deferred · 9 pairs · 4 rejects "
        "· version 4",
        "deferred for a passing fault, update again to take them: PMC9.1 (timed out)…",
    ]
    assert archive.report is not None
    assert (archive.report["changes"]["new"], archive.version) == (2, 4)
    config, _ = asked[-1]
    assert isinstance(config, UpdateConfig)
    assert (config.source, config.dataset) == (str(tmp_path), str(root))
    assert (config.ids, config.where, config.everything) == (None, None, False)
    biomedica.update(tmp_path, root, ids=pd.Series(["PMC1"]), models="m", quiet=True)
    assert (asked[-1][0].ids, asked[-1][0].embed.models) == (("PMC1",), ("m",))
    biomedica.update(
        tmp_path, root, where="n_media > 0", options={"select.versions": "latest"}, quiet=True
    )
    assert (asked[-1][0].where, asked[-1][0].select.versions) == ("n_media > 0", "latest")
    assert capsys.readouterr().err == ""
    with pytest.raises(ConfigError, match="everything excludes ids and where"):
        biomedica.update(tmp_path, root, ids="PMC1", options={"everything": True})
    with pytest.raises(ConfigError, match="dataset must be given as text or a path, not int"):
        biomedica.update(tmp_path, 5)  # type: ignore[arg-type]


def test_build_takes_what_a_notebook_has(
    root: Path, asked: list[tuple[BuildConfig, bool]], tmp_path: Path
) -> None:
    many = ["PMC1", "PMC2.1"]
    for ids in (many, tuple(many), (i for i in many), pd.Series(many), np.array(many), pa.array(many)):
        biomedica.build(tmp_path, root, ids, quiet=True)
    assert [config.ids for config, _ in asked] == [("PMC1", "PMC2.1")] * 6
    biomedica.build(tmp_path, root, tmp_path / "ids.txt", models=tmp_path / "model", quiet=True)
    config, quiet = asked[-1]
    assert config.ids == (str(tmp_path / "ids.txt"),)
    assert config.embed.models == (str(tmp_path / "model"),)
    assert (config.source, config.dataset, quiet) == (str(tmp_path), str(root), True)
    (tmp_path / "my.yaml").write_text(
        f"source: {tmp_path}\ndataset: {root}\nimage: {{max_pixels: 5}}\n"
    )
    biomedica.build(config=tmp_path / "my.yaml", options={"runtime.workers": 1}, quiet=True)
    config, _ = asked[-1]
    assert (config.ids, config.image.max_pixels, config.runtime.workers) == (None, 5, 1)


@pytest.mark.usefixtures("asked")
def test_build_is_never_silent_about_counts(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = biomedica.build(tmp_path, root)
    told = capsys.readouterr().err
    assert told.splitlines() == [
        "7 articles requested: 3 done before, 2 written, 1 rejected, 1 deferred · 9 pairs · 4 rejects "
        "· version 4",
        "deferred for a passing fault, build again to take them: PMC9.1 (timed out)…",
        "tiny-0 is untrained: its embeddings mean nothing",
    ]
    assert archive.report is not None
    assert (archive.report["articles_deferred"], archive.version) == (1, 4)
    assert "7 articles requested = 3 done before + 2 written" in archive._repr_html_()
    biomedica.build(tmp_path, root, quiet=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"source": "x"}, "dataset: Field required"),
        ({"out": "x"}, "source: Field required"),
        ({"source": "x", "out": "y", "options": {"image.max_pixel": 1}}, "image.max_pixel"),
        ({"source": "x", "out": "y", "config": "nowhere.yaml"}, "nowhere.yaml"),
        ({"source": "x", "out": "y", "ids": 5}, "ids must be text or a list of texts, not int"),
        ({"source": "x", "out": "y", "ids": np.array(5)}, "ids must be text"),
        ({"source": "x", "out": "y", "models": 5}, "models must be text"),
        ({"source": 5, "out": "y"}, "source must be given as text or a path, not int"),
        ({"source": "x", "out": b"y"}, "out must be given as text or a path, not bytes"),
        ({"source": "x", "out": "y", "config": 5}, "config must be given as text"),
        ({"source": "x", "out": Path("s3://bucket/y")}, "a path folds the slashes.*s3://… as text"),
        ({"source": "x", "out": "y", "options": "image"}, "options must be settings by name"),
        ({"source": "x", "out": "y", "options": {5: 1}}, "5: Extra inputs"),
    ],
)
def test_mistakes_in_a_call_of_build(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        biomedica.build(**arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"uri": 5}, "the dataset must be given as text or a path, not int"),
        ({"uri": Path("s3://bucket/x")}, "a path folds the slashes"),
        ({"uri": "a\0b"}, "is no place for a dataset"),
        ({"uri": "\ud800"}, "is no place for a dataset"),
        ({"uri": "x" * 5000}, "is no place for a dataset"),
        ({"version": "3"}, "a version is a whole number, not '3'"),
        ({"version": 3.5}, "a version is a whole number"),
        ({"version": True}, "a version is a whole number, not 'True'"),
        ({"as_of": "yesterday"}, "as_of is no time: 'yesterday'"),
        ({"as_of": 5}, "as_of is no time"),
        ({"as_of": datetime.date(2020, 1, 1)}, "as_of is no time"),
        ({"as_of": "2001-01-01"}, "had no version at 2001-01-01"),
        ({"version": 3, "as_of": "2001-01-01"}, "a version or a time, not both"),
        ({"store": {"region": "x"}}, "store must be a biomedica.config.StoreConfig, not dict"),
    ],
)
def test_mistakes_in_opening(root: Path, arguments: dict[str, Any], words: str) -> None:
    with pytest.raises((ConfigError, StoreError), match=words) as caught:
        biomedica.Archive(**{"uri": root, **arguments})
    assert "\n" not in str(caught.value)


def test_a_time_may_be_text(root: Path, archive: biomedica.Archive) -> None:
    assert biomedica.Archive(root, as_of="2100-01-01T00:00+00:00").version == archive.version
    assert biomedica.Archive(root, version=np.int64(3)).version == 3  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda a: a.pairs(5), "columns must be a list of names, not int"),
        (lambda a: a.pairs(b"caption"), "no column"),
        (lambda a: a.pairs(["\ud800"]), "no column \ufffd"),
        (lambda a: a.pairs(where=5), "the condition must be text, not int"),
        (lambda a: a.sql(5), "the query must be text, not int"),
        (lambda a: a.embeddings(5), "no embeddings of 5"),
        (lambda a: a.image(5), "'5' is not a pair id"),
        (lambda a: a.show(None), "pairs are named by their ids, not by NoneType"),
        (lambda a: list(a.pairs(["pair_id"]).to_batches("x")), "batch_size is 'x'"),
        (lambda a: list(a.pairs(["pair_id"]).to_batches(0)), "batch_size is '0'"),
    ],
)
def test_values_of_the_wrong_kind(
    archive: biomedica.Archive, act: Callable[[biomedica.Archive], object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        act(archive)


def test_importing_the_door_is_cheap() -> None:
    heavy = {"torch", "ray", "duckdb", "deltalake", "matplotlib", "IPython", "pyarrow", "PIL", "numpy"}
    code = "import biomedica, sys; biomedica.build, biomedica.update; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy & {name.partition(".")[0] for name in done.stdout.split()} == set()
