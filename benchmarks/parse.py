"""Parsing of JATS beside bare lxml over the same bytes.

    python benchmarks/parse.py [--corpus DIR] [--rounds N] [--json]

Without `--corpus` the built-in sample is written into a temporary folder. Both parsers take every file
in turn in each round, so that a slow spell of the machine hits both; the best round counts. Times are
CPU times of one process.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lxml import etree

from biomedica.errors import Rejected
from biomedica.jats import parse_article

ARTICLES = 60
ROUNDS = 5


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--corpus", type=Path, help="a folder with *.xml and *.nxml at any depth")
    arguments.add_argument("--rounds", type=int, default=ROUNDS, help="the best of so many counts")
    arguments.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = arguments.parse_args()
    documents = read_sample() if options.corpus is None else read_folder(options.corpus)
    if not documents:
        arguments.error(f"{options.corpus} holds no XML files: give another --corpus")
    values = measure(documents, max(1, options.rounds))
    show(values)
    if options.json:
        print(json.dumps(values))


def read_sample() -> list[bytes]:
    from biomedica.sources.sample import write_sample

    with tempfile.TemporaryDirectory(prefix="biomedica-bench-") as folder:
        write_sample(folder, articles=ARTICLES)
        return read_folder(Path(folder))


def read_folder(folder: Path) -> list[bytes]:
    paths = sorted(path for path in folder.rglob("*ml") if path.suffix in (".xml", ".nxml"))
    return [path.read_bytes() for path in paths]


def measure(documents: list[bytes], rounds: int) -> dict[str, Any]:
    size = sum(map(len, documents))
    rejected = sum(not parse_ours(document) for document in documents)
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(rounds):
        ours.append(seconds(parse_ours, documents))
        bare.append(seconds(parse_bare, documents))
    per_100_kb = 1000 / (size / 100_000)
    return {
        "files": len(documents),
        "megabytes": size / 1e6,
        "rejected": rejected,
        "parse_ms_per_100_kb": min(ours) * per_100_kb,
        "lxml_ms_per_100_kb": min(bare) * per_100_kb,
        "ratio_to_lxml": min(ours) / min(bare),
        "files_per_s": len(documents) / min(ours),
    }


def seconds(parse: Callable[[bytes], bool], documents: list[bytes]) -> float:
    start = time.process_time()
    for document in documents:
        parse(document)
    return time.process_time() - start


def parse_ours(document: bytes) -> bool:
    """Whether it is an article."""
    try:
        parse_article(document)
    except Rejected:
        return False
    return True


def parse_bare(document: bytes) -> bool:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        etree.fromstring(document, parser)
    except etree.XMLSyntaxError:
        return False
    return True


def show(values: dict[str, Any]) -> None:
    """The table a person reads."""
    print(f"{values['files']:,} files, {values['megabytes']:.2f} MB, {values['rejected']} rejected")
    print(f"{'':14}{'ms per 100 kB':>14}")
    print(f"{'parse_article':14}{values['parse_ms_per_100_kb']:>14.2f}")
    print(f"{'bare lxml':14}{values['lxml_ms_per_100_kb']:>14.2f}")
    print(f"ratio: {values['ratio_to_lxml']:.1f}; {values['files_per_s']:.0f} files/s on one core")


if __name__ == "__main__":
    main()
