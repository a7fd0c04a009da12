"""Readers of JATS side by side: ours, bare lxml, and packages that a user might pick instead.

A peer is measured where it is installed. Of each the calls are made that together give the same
fields as ours: ids, title, authors, abstract, dates; figures with captions and graphics; paragraphs
with the figures they cite; references. Left out: packages that turn an article into Markdown or text
and keep no figures as data (litdown, nxml2txt), that have no figures (pmc-xml), or that do not install
beside a current lxml (jsuite, pyjats, packtools).
"""

from __future__ import annotations

import contextlib
import importlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxml import etree

from biomedica.jats import parse_article

OURS, BARE = "biomedica", "bare lxml"


@dataclass(frozen=True)
class Record:
    """A figure as a reader gives it."""

    id: str
    caption: str
    hrefs: list[str]


@dataclass
class Found:
    """What a reader gives of a file. faults: the calls that raised."""

    figures: list[Record] = field(default_factory=list)
    citing: set[tuple[Any, str]] = field(default_factory=set)
    """(paragraph, id of a figure that it cites)"""
    faults: list[str] = field(default_factory=list)


Call = Callable[[Path], Any]


@dataclass(frozen=True)
class Reader:
    """A package. calls: by name, each reads a file and gives its own data; look: that as Found."""

    name: str
    install: str
    calls: dict[str, Call]
    look: Callable[[dict[str, Any]], Found]

    def read(self, path: Path) -> dict[str, Any]:
        """All calls; one that raises gives its exception."""
        results: dict[str, Any] = {}
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            for name, call in self.calls.items():
                try:
                    results[name] = call(path)
                except Exception as error:  # noqa: BLE001 - a peer's failure is what is counted
                    results[name] = error
        return results

    def found(self, results: dict[str, Any]) -> Found:
        """The results as figures and citations; what raised is left out and named."""
        faults = [name for name, result in results.items() if isinstance(result, Exception)]
        found = self.look({n: None if n in faults else result for n, result in results.items()})
        found.faults = faults
        return found


def parse_ours(path: Path) -> Any:
    return parse_article(path.read_bytes())


def parse_bare(path: Path) -> Any:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(path.read_bytes(), parser)


def peers() -> Iterator[Reader | tuple[str, str]]:
    """Each peer, or its name and how it is installed where it is absent."""
    for name, install, make in (
        ("pubmed_parser", "pubmed_parser==0.5.1", pubmed_parser),
        ("jats", "jats==0.2.2", jats),
        ("pmc_toolkit", "pmc-toolkit==0.5.0", pmc_toolkit),
        ("pmcgrab", "pmcgrab==3.0.1", pmcgrab),
    ):
        try:
            importlib.import_module(name)
        except ImportError:
            yield name, install
        else:
            calls, look = make()
            yield Reader(name, install, calls, look)


Parts = tuple[dict[str, Call], Callable[[dict[str, Any]], Found]]


def pubmed_parser() -> Parts:
    """Its four functions for articles. Paragraphs without a citation too: ours gives all text."""
    import pubmed_parser as package

    calls: dict[str, Call] = {
        "xml": lambda path: package.parse_pubmed_xml(str(path)),
        "caption": lambda path: package.parse_pubmed_caption(str(path)),
        "paragraph": lambda path: package.parse_pubmed_paragraph(str(path), all_paragraph=True),
        "references": lambda path: package.parse_pubmed_references(str(path)),
    }

    def look(results: dict[str, Any]) -> Found:
        figures = [
            Record(one["fig_id"], one["fig_caption"] or "", [one["graphic_ref"] or ""])
            for one in results["caption"] or ()
        ]
        paragraphs = enumerate(results["paragraph"] or ())
        return Found(figures, {(i, rid) for i, one in paragraphs for rid in one["reference_ids"]})

    return calls, look


def jats() -> Parts:
    """Its one function; `parse_figures` beside it gives the figures outside of sections too."""
    from jats.parser import parse_figures, parse_jats_xml

    calls: dict[str, Call] = {
        "article": parse_jats_xml,
        "figures": lambda path: parse_figures(etree.parse(path).getroot()),
    }

    def look(results: dict[str, Any]) -> Found:
        figures = (results["figures"] or {}).values()
        return Found([Record(f.figure_id, f.caption or "", [f.graphic_href or ""]) for f in figures])

    return calls, look


def pmc_toolkit() -> Parts:
    """Its extraction of a whole article."""
    from pmc_toolkit.xml_parse_utils import extract_article_data, load_xml

    def look(results: dict[str, Any]) -> Found:
        data = results["article"] or {}
        figures = [
            Record(f.get("source_id", ""), f.get("caption", ""), [h or "" for h in f["graphics"]])
            for f in data.get("figures", ())
        ]
        paragraphs = enumerate(_holding(data.get("content"), "figure_ids"))
        return Found(figures, {(i, rid) for i, one in paragraphs for rid in one["figure_ids"]})

    return {"article": lambda path: extract_article_data(load_xml(path))}, look


def _holding(value: Any, key: str) -> Iterator[dict[str, Any]]:
    """The mappings with this key, at any depth."""
    if isinstance(value, dict):
        if key in value:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _holding(one, key)


def pmcgrab() -> Parts:
    """Its reading of a local file, with the records of its current schema."""
    from pmcgrab.parser import paper_dict_from_local_xml

    def look(results: dict[str, Any]) -> Found:
        data = results["article"]
        if not data:
            return Found()
        figures = [
            Record(
                f["id"],
                re.sub(r"\^([^^\s]+)\^|~([^~\s]+)~", r"\1\2", f["caption"] or ""),  # 10^5^, H~2~O
                [g["href"] or "" for g in f["graphics"]],
            )
            for f in data["Parse Result"].figure_records
        ]
        links = [one for one in data["Reference Links"] if one["jats_ref_type"] == "fig"]
        paths = [(one["source"]["path"].rpartition("/")[0], one["target_ids"]) for one in links]
        return Found(figures, {(path, rid) for path, rids in paths for rid in rids})

    return {"article": lambda path: paper_dict_from_local_xml(str(path))}, look
