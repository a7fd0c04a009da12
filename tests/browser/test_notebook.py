"""What a notebook draws, in a real browser: readable on light and dark, offline, hostile text inert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from biomedica.archive import Archive
from tests.browser.conftest import open_quietly
from tests.reporting.pages import HOSTILE, write_dataset

THEMES = {"light": ("#ffffff", "#1f1f1f"), "dark": ("#111111", "#e0e0e0")}

CONTRAST = """
() => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const over = (top, under, alpha) => top.slice(0, 3).map((v, i) => v * alpha + under[i] * (1 - alpha));
  const page = numbers(getComputedStyle(document.body).backgroundColor);
  const found = [];
  for (const element of document.querySelectorAll('.biomedica *')) {
    const own = [...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own) continue;
    let ground = page, opacity = 1;
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at), back = numbers(style.backgroundColor);
      opacity *= Number(style.opacity);
      if (at !== document.body && at !== document.documentElement && back.length === 4 && back[3] > 0)
        ground = over(back, ground, back[3]);
      else if (at !== document.body && back.length === 3) ground = back;
    }
    const ink = over(numbers(getComputedStyle(element).color), ground, opacity);
    const [a, b] = [light(ink), light(ground)].sort((x, y) => y - x);
    found.push([(a + 0.05) / (b + 0.05), element.textContent.slice(0, 40)]);
  }
  return found;
}
"""


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Every output of a notebook, one below the other."""
    root = write_dataset(tmp_path_factory.mktemp("notebook") / "d", texts=[*HOSTILE, "word " * 200])
    archive = Archive(str(root))
    ids = archive.pairs(["pair_id"]).to_arrow()["pair_id"].to_pylist()
    shown = [
        archive,
        archive.pairs(["pair_id", "caption", "width", "image"]),
        archive.pairs(),
        archive.pairs(["caption"], where="width < 0"),
        archive.show(ids[0]),
        archive.show(ids[:6]),
    ]
    return "".join(f"<hr>{one._repr_html_()}" for one in shown)  # type: ignore[attr-defined]


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("width", [1280, 720])
def test_outputs_are_readable_and_inert(
    chromium: Any, outputs: str, tmp_path: Path, theme: str, width: int
) -> None:
    ground, ink = THEMES[theme]
    path = tmp_path / "page.html"
    path.write_text(
        "<!DOCTYPE html><meta charset=utf-8>"
        f'<body style="background:{ground};color:{ink};font-family:sans-serif">{outputs}</body>',
        encoding="utf-8",
    )
    page = open_quietly(chromium, path, width)
    assert all(page.evaluate("[...document.images].map(i => i.complete && i.naturalWidth > 0)"))
    assert page.evaluate("document.images.length") > 12
    assert page.evaluate("document.querySelectorAll('script, iframe, form, style, link').length") == 0
    contrasts = page.evaluate(CONTRAST)
    assert len(contrasts) > 50
    assert [found for found in contrasts if found[0] < 4.5] == []
    page.close()
