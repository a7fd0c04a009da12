"""What every page must be, and inputs that try to break it."""

from __future__ import annotations

import hashlib
import io
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lxml import etree, html
from PIL import Image

from biomedica.store import DatasetWriter, table_of, write_file
from tests.store.synthetic import EMBEDDINGS_TABLE, MODEL, article_row, pair_row, reject_row

HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><svg onload=alert(3)>",
    "{{ 7 * 7 }}{% raw %}\x00\x1b[31m\u202egnp.exe",
    "$\\frac{1}{2}$ &lt;b&gt; ]]> --> </style></title></svg>",
)

MAX_BYTES = 3_000_000


def checked(text: str) -> Any:
    """The page's tree, after checks that hold for every page."""
    assert len(text.encode()) <= MAX_BYTES
    text.encode("utf-8")
    assert re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e]", text) is None
    parser = etree.HTMLParser(encoding="utf-8")
    tree = html.document_fromstring(text.encode(), parser=html.HTMLParser(encoding="utf-8"))
    etree.fromstring(text.encode(), parser)
    wrong = [error for error in parser.error_log if "Tag " not in error.message]  # of new elements
    assert not wrong, wrong
    assert tree.get("lang") == "en"
    assert tree.xpath("//script | //iframe | //object | //embed | //base | //form") == []
    assert [name for e in tree.iter() for name in e.keys() if name.startswith("on")] == []  # noqa: SIM118
    for element in tree.xpath("//*[@src or @href]"):
        for name in ("src", "href"):
            assert element.get(name, "data:").startswith("data:")
    assert "url(" not in text.replace("url(#", "") or "url(http" not in text
    levels = [int(e.tag[1]) for e in tree.xpath("//h1 | //h2 | //h3 | //h4")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert all(image.get("alt") for image in tree.xpath("//img"))
    assert all(image.get("src").startswith("data:image/jpeg;base64,") for image in tree.xpath("//img"))
    assert all(cell.get("scope") in ("row", "col") for cell in tree.xpath("//th"))
    assert all(svg.get("aria-label") or svg.get("aria-hidden") for svg in tree.xpath("//svg"))
    ids = tree.xpath("//@id")
    assert len(ids) == len(set(ids))
    return tree


def words(tree: Any) -> str:
    """All text of a page, on one line."""
    for mark in tree.xpath("//wbr"):
        mark.drop_tag()
    return " ".join(" ".join(tree.xpath("//body//text()")).split())


def jpeg(number: int, side: int = 640) -> bytes:
    """Noise, which no codec makes small."""
    pixels = np.random.default_rng(number).integers(0, 256, (side, side, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=90)
    return out.getvalue()


def write_dataset(root: Path, shards: int = 2, articles: int = 6, texts: Sequence[str] = ()) -> Path:
    """A dataset of noise with two pairs and one reject an article, `texts` wherever text may stand."""
    said = [*texts] or ["A caption of some words"]
    with DatasetWriter.begin(root, None, {EMBEDDINGS_TABLE: MODEL}) as writer:
        for shard in range(shards):
            name, numbers = f"shard{shard}", range(1 + shard * articles, 1 + (shard + 1) * articles)
            pairs = [_pair(n, p, name, said[n % len(said)]) for n in numbers for p in (1, 2)]
            rows = {
                "articles": [_article(n, name, said[n % len(said)]) for n in numbers],
                "pairs": pairs,
                "rejects": [_reject(n, name, said[n % len(said)]) for n in numbers],
            }
            files = [write_file(writer.storage, t, name, table_of(t, r)) for t, r in rows.items()]
            writer.commit([file for file in files if file is not None])
    return root


def _article(number: int, shard: str, text: str) -> Any:
    more = {
        "journal": text,
        "publication_year": 2000 + number % 7,
        "license_code": "CC BY",
        "title": text,
    }
    return article_row(number, shard, **more, is_retracted=False)


def _pair(number: int, position: int, shard: str, text: str) -> Any:
    data = jpeg(number * 2 + position)
    name = f"{text.replace('/', '_')[:40]}{position}.jpg"
    mention = dict.fromkeys(
        ("section", "paragraph", "panels", "is_range", "via_parent", "is_text_only")
    )
    return pair_row(
        number, position, shard, pair_id=f"PMC{number}.1/{name}", caption=text, journal=text,
        figure_label=text, license_code=text, publication_year=2001, width=300 + number, height=200,
        mode="RGB", original_format="jpeg", is_third_party=False, byte_size=len(data),
        sha256=hashlib.sha256(data).hexdigest(), mentions=[mention | {"sentence": f"See {text}"}] * position,
        image={"bytes": data, "path": name},
    )  # fmt: skip


def _reject(number: int, shard: str, text: str) -> Any:
    return reject_row(number, shard, detail=text, item=f"{text}.jpg", source_uri=f"file:///{text}")
