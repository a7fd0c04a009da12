"""Every kind of bad input ends as a reject, a deferral or a one-sentence error, beside healthy neighbours."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from biomedica.errors import ConfigError, SourceError, StoreError
from biomedica.ids import pair_id
from biomedica.pipeline import RunReport
from biomedica.store import Dataset, verify
from tests.integration.conftest import build, rows

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]


@dataclass
class Victim:
    """One article of a source that a test spoils."""

    source: Path
    article: str

    @property
    def folder(self) -> Path:
        return self.source / self.article

    @property
    def metadata(self) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(self._metadata_path.read_text())
        return values

    @property
    def _metadata_path(self) -> Path:
        return self.source / "metadata" / f"{self.article}.json"

    def write_metadata(self, **changed: Any) -> None:
        self._metadata_path.write_text(json.dumps({**self.metadata, **changed}))

    def write_raw_metadata(self, text: str) -> None:
        self._metadata_path.write_text(text)

    def media(self) -> str:
        """The name of a file that is a pair of the healthy article."""
        return MEDIA[self.article]

    def write_xml(self, data: bytes, *, honest: bool = True) -> None:
        """honest: the metadata's MD5 is that of the bytes, so that they are what the source means."""
        name = f"{self.article}.xml"
        (self.folder / name).write_bytes(data)
        if honest:
            self.write_metadata(xml_url=_url(self.metadata["xml_url"], data))

    def xml(self) -> bytes:
        return (self.folder / f"{self.article}.xml").read_bytes()

    def write_media(self, data: bytes, *, honest: bool = True) -> None:
        (self.folder / self.media()).write_bytes(data)
        if honest:
            urls = [
                _url(url, data) if url.partition("?")[0].endswith(f"/{self.media()}") else url
                for url in self.metadata["media_urls"]
            ]
            self.write_metadata(media_urls=urls)


def _url(url: str, data: bytes) -> str:
    digest = hashlib.md5(data, usedforsecurity=False).hexdigest()
    return f"{url.partition('?')[0]}?md5={digest}"


MEDIA: dict[str, str] = {}


@pytest.fixture(scope="module")
def victims(built: Path) -> list[str]:
    """Articles with pairs, and one file of each, from a healthy build."""
    for row in rows(built, "pairs"):
        if row["graphic_position"] == 1:
            MEDIA.setdefault(row["article_id"], row["image"]["path"])
    return sorted(MEDIA)


@pytest.fixture
def source(sample: Path, victims: list[str], tmp_path: Path) -> Path:
    """A copy of a few healthy articles that may be spoilt."""
    root = tmp_path / "source"
    (root / "metadata").mkdir(parents=True)
    for article in victims[:4]:
        shutil.copytree(sample / article, root / article)
        shutil.copy(sample / "metadata" / f"{article}.json", root / "metadata")
    return root


def built_beside(source: Path, healthy: set[str]) -> RunReport:
    """A build after something was spoilt; its neighbours must come out whole."""
    out = source.parent / "out"
    report = build(source, out)
    assert report.balanced
    assert {row["article_id"] for row in rows(out, "articles")} >= healthy
    assert verify(str(out)).ok
    return report


def png(width: int, height: int) -> bytes:
    """A PNG header that promises much and holds nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def jpeg(width: int = 300, height: int = 200) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "JPEG")
    return out.getvalue()


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE article [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(f'<!ENTITY {chr(98 + n)} "{("&" + chr(97 + n) + ";") * 20}">'.encode() for n in range(8))
    + b"]><article><front/><body><p>&i;</p></body></article>"
)
HTML = b"<!DOCTYPE html><html><head><title>Checking your browser</title></head><body><p>x</p></body></html>"

ARTICLE_FAULTS: dict[str, tuple[Callable[[Victim], None], str, str]] = {
    "no XML": (lambda v: (v.folder / f"{v.article}.xml").unlink(), "source", "xml_missing"),
    "metadata is not JSON": (lambda v: v.write_raw_metadata("{oops"), "source", "metadata_invalid"),
    "metadata is a list": (lambda v: v.write_raw_metadata("[1]"), "source", "metadata_invalid"),
    "metadata of another": (lambda v: v.write_metadata(pmcid="PMC1"), "source", "metadata_mismatch"),
    "XML outside the prefix": (
        lambda v: v.write_metadata(xml_url="s3://pmc-oa-opendata/PMC1.1/PMC1.1.xml"),
        "source",
        "metadata_invalid",
    ),
    "HTML in place of XML": (lambda v: v.write_xml(HTML), "parse", "not_jats"),
    "empty XML": (lambda v: v.write_xml(b""), "parse", "empty"),
    "truncated XML": (lambda v: v.write_xml(v.xml()[:-400]), "parse", "malformed_xml"),
    "gzip in place of XML": (lambda v: v.write_xml(b"\x1f\x8b\x08\0abc"), "parse", "not_xml"),
    "entity bomb": (lambda v: v.write_xml(BOMB), "parse", "malformed_xml"),
    "not open access": (
        lambda v: v.write_metadata(is_pmc_openaccess=False),
        "parse",
        "license_not_taken",
    ),
    "text mining only": (lambda v: v.write_metadata(license_code="TDM"), "parse", "license_not_taken"),
}


IMAGE_FAULTS: dict[str, tuple[Callable[[Victim], None], str]] = {
    "no file": (lambda v: (v.folder / v.media()).unlink(), "media_missing"),
    "a truncated image": (lambda v: v.write_media(jpeg()[:-800]), "truncated"),
    "text named as an image": (lambda v: v.write_media(b"see the printed version\n"), "not_an_image"),
    "an empty file": (lambda v: v.write_media(b""), "not_an_image"),
    "a decompression bomb": (lambda v: v.write_media(png(60_000, 60_000)), "too_many_pixels"),
    "not in the metadata": (
        lambda v: v.write_metadata(
            media_urls=[u for u in v.metadata["media_urls"] if f"/{v.media()}" not in u]
        ),
        "media_missing",
    ),
    "a key outside the prefix": (
        lambda v: v.write_metadata(
            media_urls=[
                u.replace(f"{v.article}/{v.media()}", f"PMC1.1/{v.media()}")
                for u in v.metadata["media_urls"]
            ]
        ),
        "invalid_key",
    ),
}


SECRET = "do not read me"


def names_a_secret(victim: Victim) -> None:
    """An external entity in the XML."""
    secret = victim.source.parent / "secret.txt"
    secret.write_text(SECRET)
    doctype = f'<!DOCTYPE article [<!ENTITY leak SYSTEM "file://{secret}">]>'.encode()
    declaration = b'<?xml version="1.0" encoding="UTF-8"?>'
    body = victim.xml()[victim.xml().index(b"<article") :]
    start = body.index(b"<body>") + len(b"<body>")
    victim.write_xml(declaration + doctype + body[:start] + b"<p>&leak;</p>" + body[start:])


FAULTS = {
    **{name: spoil for name, (spoil, _) in IMAGE_FAULTS.items()},
    **{name: spoil for name, (spoil, *_) in ARTICLE_FAULTS.items()},
    "an external entity": names_a_secret,
}


@dataclass
class Spoilt:
    """A build with every fault, each in an article of its own, and healthy ones between them."""

    out: Path
    report: RunReport
    victims: dict[str, Victim]

    def rejects(self, name: str) -> list[dict[str, Any]]:
        article = self.victims[name].article
        return [row for row in rows(self.out, "rejects") if row["article_id"] == article]


@pytest.fixture(scope="module")
def spoilt(sample: Path, victims: list[str], tmp_path_factory: pytest.TempPathFactory) -> Spoilt:
    source = tmp_path_factory.mktemp("spoilt") / "source"
    shutil.copytree(sample, source)
    healthy = set(victims[::6])
    others = [Victim(source, article) for article in victims if article not in healthy]
    chosen = dict(zip(FAULTS, others, strict=False))
    assert len(chosen) == len(FAULTS)
    for name, victim in chosen.items():
        FAULTS[name](victim)
    return Spoilt(source.parent / "out", built_beside(source, healthy), chosen)


@pytest.mark.parametrize("name", ARTICLE_FAULTS)
def test_an_article_is_rejected(name: str, spoilt: Spoilt) -> None:
    _, stage, reason = ARTICLE_FAULTS[name]
    (mine,) = spoilt.rejects(name)
    assert (mine["stage"], mine["reason"], mine["item"]) == (stage, reason, mine["article_id"])
    assert mine["detail"] or reason in ("empty", "xml_missing")


def test_rejects_are_for_good(spoilt: Spoilt, sample: Path) -> None:
    ordinary = json.loads((sample / "truth.json").read_text())["articles"]
    before = sum(one["outcome"] == "reject" for one in ordinary)
    assert spoilt.report.articles_rejected == len(ARTICLE_FAULTS) + before
    assert spoilt.report.articles_deferred == 0
    assert spoilt.report.complete
    again = build(spoilt.out.parent / "source", spoilt.out)
    assert again.articles_skipped == again.articles_requested


@pytest.mark.parametrize("name", IMAGE_FAULTS)
def test_an_image_is_rejected(name: str, spoilt: Spoilt) -> None:
    _, reason = IMAGE_FAULTS[name]
    victim = spoilt.victims[name]
    assert reason in {row["reason"] for row in spoilt.rejects(name) if row["stage"] == "image"}
    pairs = {row["pair_id"] for row in rows(spoilt.out, "pairs")}
    assert pair_id(victim.article, victim.media()) not in pairs


def test_an_external_entity_is_dropped_and_never_read(spoilt: Spoilt) -> None:
    victim = spoilt.victims["an external entity"]
    found = rows(spoilt.out, "articles") + rows(spoilt.out, "rejects")
    assert SECRET not in json.dumps(found, default=str)
    (article,) = [row for row in rows(spoilt.out, "articles") if row["article_id"] == victim.article]
    assert any("leak" in warning for warning in article["warnings"])


def test_bytes_that_belie_their_md5_wait_for_the_next_run(source: Path, victims: list[str]) -> None:
    """XML of one article, an image of another."""
    out, xml, image = source.parent / "out", Victim(source, victims[1]), Victim(source, victims[2])
    good_xml, good_image = xml.xml(), (image.folder / image.media()).read_bytes()
    xml.write_xml(good_xml.replace(b"</article>", b"<!-- x --></article>"), honest=False)
    image.write_media(jpeg(), honest=False)
    report = built_beside(source, {victims[0], victims[3]})
    assert report.articles_deferred == 2
    assert not report.complete
    assert {article for article, _ in report.deferred} == {xml.article, image.article}
    assert all("MD5" in why for _, why in report.deferred)
    written = {row["article_id"] for row in rows(out, "articles") + rows(out, "rejects")}
    assert not written & {xml.article, image.article}
    xml.write_xml(good_xml, honest=False)
    image.write_media(good_image, honest=False)
    again = build(source, out)
    assert (again.articles, again.articles_skipped) == (2, again.articles_requested - 2)
    assert verify(str(out)).ok


def test_an_article_of_many_large_images_is_cut_at_its_limit(source: Path, victims: list[str]) -> None:
    """400 images of 5 MB: what is over the article's limit is refused, image by image."""
    count, size = 400, 5_000_000

    victim = Victim(source, victims[1])
    figures, urls = [], []
    image = jpeg() + b"\0" * (size - len(jpeg()))
    first = victim.folder / "large0.jpg"
    first.write_bytes(image)
    digest = hashlib.md5(image, usedforsecurity=False).hexdigest()
    for number in range(count):
        name = f"large{number}.jpg"
        if number:
            (victim.folder / name).hardlink_to(first)
        urls.append(f"s3://pmc-oa-opendata/{victim.article}/{name}?md5={digest}")
        figures.append(
            f'<fig id="L{number}"><caption><p>Large.</p></caption>'
            f'<graphic xmlns:xlink="http://www.w3.org/1999/xlink" xlink:href="{name}"/></fig>'
        )
    victim.write_metadata(media_urls=[*victim.metadata["media_urls"], *urls])
    victim.write_xml(victim.xml().replace(b"</body>", "".join(figures).encode() + b"</body>"))
    report = built_beside(source, {victims[0], victims[2], victims[3]})
    assert report.complete
    out = source.parent / "out"
    large = [r for r in rows(out, "pairs") if r["pair_id"].startswith(f"{victim.article}/large")]
    refused = [
        row
        for row in rows(out, "rejects")
        if row["reason"] == "article_too_large" and row["item"].startswith("large")
    ]
    assert len(large) + len(refused) == count
    assert 45 <= len(large) <= 53  # 256 MiB of 5 MB each, less what the article held before


def test_one_object_over_its_limit_is_refused(source: Path, victims: list[str]) -> None:
    victim = Victim(source, victims[1])
    victim.write_media(jpeg() + b"\0" * 3_000_000)
    out = source.parent / "out"
    build(source, out, image__max_object_bytes=2_000_000)
    mine = [row for row in rows(out, "rejects") if row["article_id"] == victim.article]
    assert "too_large" in {row["reason"] for row in mine}


def test_an_unknown_id_is_rejected_until_the_source_lists_it(
    source: Path, victims: list[str], tmp_path: Path
) -> None:
    out, kept = tmp_path / "out", victims[0]
    number = kept.removeprefix("PMC").partition(".")[0]
    shutil.move(source / "metadata" / f"{kept}.json", tmp_path / "kept.json")
    ids = [f"PMC{number}", "PMC4242.7", victims[1]]
    report = build(source, out, ids)
    assert (report.articles, report.articles_rejected) == (1, 2)
    assert {(r["article_id"], r["reason"]) for r in rows(out, "rejects") if r["stage"] == "source"} == {
        (f"PMC{number}", "unknown_id"),
        ("PMC4242.7", "unknown_id"),
    }
    assert build(source, out, ids).articles_skipped == 3
    shutil.move(tmp_path / "kept.json", source / "metadata" / f"{kept}.json")
    report = build(source, out, ids)
    assert (report.articles, report.articles_skipped) == (1, 2)
    assert [r["article_id"] for r in rows(out, "rejects") if r["stage"] == "source"] == ["PMC4242.7"]
    assert verify(str(out)).ok


def test_mistakes_of_the_user_are_one_sentence_with_the_remedy(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="PMC123"):
        build(source, tmp_path / "out", ["12345"])
    (tmp_path / "none.txt").write_text("# nothing\n")
    with pytest.raises(ConfigError, match="no article is requested"):
        build(source, tmp_path / "out", [str(tmp_path / "none.txt")])
    with pytest.raises(SourceError):
        build(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ConfigError, match=r"runtime\.workers"):
        build(source, tmp_path / "out", runtime__workers=64)
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out" / "pairs").glob("*.parquet"))


def test_a_root_that_is_not_ours_is_left_alone(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "thesis"
    out.mkdir()
    (out / "chapter1.tex").write_text("precious")
    with pytest.raises(StoreError, match="thesis"):
        build(source, out)
    assert [path.name for path in out.iterdir()] == ["chapter1.tex"]


def test_a_dataset_of_a_newer_format_is_refused(
    source: Path, victims: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    build(source, out, victims[:1])
    marker = out / "biomedica.json"
    marker.write_text(json.dumps({**json.loads(marker.read_text()), "format": 99}))
    for attempt in (
        lambda: build(source, out),
        lambda: Dataset.open(str(out)),
        lambda: verify(str(out)),
    ):
        with pytest.raises(StoreError, match=r"newer|99"):
            attempt()
