"""Both pages in a real browser, from a file, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from biomedica.archive import Archive
from biomedica.config import BuildConfig, ImageConfig
from biomedica.reporting import inspect_xml, inspection_page, run_page, statistics, statistics_page
from biomedica.sources import MediaIndex
from biomedica.store import Dataset
from tests.browser.conftest import open_quietly
from tests.jats.documents import document
from tests.reporting.pages import HOSTILE, jpeg, write_dataset
from tests.reporting.test_inspection import BODY, hostile
from tests.reporting.test_run_page import hostile_page

WIDE, NARROW = 1280, 400


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    root = write_dataset(folder / "d", texts=[*HOSTILE, "a" * 3000, "Ein Wort\n und noch eines"])
    archive = Archive(str(root))
    texts = {
        "run": run_page(hostile_page(HOSTILE[0])),
        "run-long": run_page(hostile_page("a" * 300, many=10)),
        "statistics": statistics_page(statistics(archive), archive, Dataset.open(root)),
        "inspection": inspected(document(BODY)),
        "inspection-long": inspected(hostile(12)),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


def inspected(xml: bytes) -> str:
    """The page of an article, with an image for each graphic."""
    media = MediaIndex([f"{name}.jpg" for name in ("f1", "f2", *range(12))])
    config = BuildConfig(source=".", dataset=".")
    found = inspect_xml(xml, HOSTILE[0], config, media=media, read_media=lambda _: jpeg(1, 60))
    return inspection_page(found, ImageConfig())


@pytest.mark.parametrize("name", ["run", "run-long", "statistics", "inspection", "inspection-long"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_a_page_opens_from_a_file(chromium: Any, pages: dict[str, Path], name: str, width: int) -> None:
    page = open_quietly(chromium, pages[name], width)
    images = page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 0)")
    assert images
    assert all(images)
    assert page.evaluate("document.querySelectorAll('script').length") == 0
    assert page.evaluate("document.compatMode") == "CSS1Compat"
    page.close()


def test_a_page_prints_within_its_paper(chromium: Any, pages: dict[str, Path]) -> None:
    page = chromium.new_page()
    page.goto(pages["run"].as_uri())
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 720, "height": 1000})
    assert page.evaluate("document.documentElement.scrollWidth") <= 720
    page.close()
