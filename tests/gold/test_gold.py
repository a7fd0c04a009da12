"""The parser against figures that were read from the raw XML by hand. Skips without the articles.

How often the parser was wrong when the labels were first compared, and what was decided where two
readers differed, stands in README.md beside this file.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from biomedica.jats import Figure, parse_article
from biomedica.kinds import FIGURE_KINDS

HERE = Path(__file__).parent
GOLD: list[dict[str, Any]] = json.loads((HERE / "figures.json").read_text())["figures"]
READER = etree.XMLParser(resolve_entities=False, no_network=True)
SECOND: dict[str, Any] = json.loads((HERE / "second.json").read_text())


def place(record: dict[str, Any]) -> tuple[str, str]:
    return record["file"], record["figure"]


def test_there_is_enough_gold() -> None:
    assert len({place(record) for record in GOLD}) == len(GOLD) >= 60
    assert len({record["file"] for record in GOLD}) >= 25


def test_the_gold_is_of_many_publishers(corpus: Path) -> None:
    publishers = set()
    for file in {record["file"] for record in GOLD}:
        root = etree.fromstring((corpus / file).read_bytes(), READER)
        name = root.find(".//{*}front/{*}journal-meta/{*}publisher/{*}publisher-name")
        if name is not None:
            publishers.add(" ".join("".join(name.itertext()).casefold().split()))
    assert len(publishers) >= 10


def test_the_stated_agreement_of_two_readers() -> None:
    first = {place(record): record for record in GOLD}
    again, agreement = SECOND["figures"], SECOND["agreement"]
    assert len({place(record) for record in again}) == len(again) >= 20
    for name, stated in agreement.items():
        assert sum(one[name] == first[place(one)][name] for one in again) == stated, name
    assert set(agreement) == set(again[0]) - {"file", "figure", "caption_characters", "caption_words"}
    values, same = len(again) * len(agreement), sum(agreement.values())
    readme = " ".join((HERE / "README.md").read_text().split())
    assert f"labelled {len(again)} of them" in readme
    assert f"of {values} values" in readme
    assert f"{same} agree" in readme


def element_of(root: Any, place: str) -> Any:
    """`fig[7]` → the seventh fig of the document."""
    name, _, number = place.rstrip("]").partition("[")
    return list(root.iter("{*}" + name))[int(number) - 1]


@pytest.mark.parametrize("record", GOLD, ids=lambda record: f"{record['file']} {record['figure']}")
def test_gold(record: dict[str, Any], corpus: Path) -> None:
    data = (corpus / record["file"]).read_bytes()
    article = parse_article(data, kinds=FIGURE_KINDS, keep_uncaptioned=True)
    root = etree.fromstring(data, READER)
    element = element_of(root, record["figure"])
    own = [
        index
        for index, graphic in enumerate(root.iter("{*}graphic"), start=1)
        if element in (graphic, *graphic.iterancestors())
    ]
    if "reject" in record:
        items = {element.get("id"), *record["graphics"]}
        rejects = [r for r in article.rejects if r.graphic_index in own or r.item in items]
        assert {r.reason for r in rejects} == {record["reject"]}
        return
    figures = [f for f in article.figures if any(g.index in own for g in f.graphics)]
    figure = next((f for f in figures if f.figure_id == element.get("id")), figures[0])
    found = said_of(figure)
    assert found == {name: record[name] for name in found}


def said_of(figure: Figure) -> dict[str, Any]:
    caption = figure.caption
    if len(figure.graphics) == 1 and figure.graphics[0].caption:
        caption = f"{caption} {figure.graphics[0].caption}".strip()
    direct = [m for m in figure.mentions if not m.is_text_only and not m.via_parent]
    return {
        "label": figure.label,
        "kind": figure.kind,
        "graphics": [graphic.href for graphic in figure.graphics],
        "caption_characters": len(caption),
        "caption_words": len(caption.split()),
        "caption_sha256": sha256(caption.encode()).hexdigest(),
        "mentions": len(direct),
        "text_mentions": sum(mention.is_text_only for mention in figure.mentions),
        "third_party": figure.third_party_text is not None,
    }
