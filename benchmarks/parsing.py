"""Parsing of JATS: how fast, and what is found, beside the packages that a user might pick instead.

    python benchmarks/parsing.py [--corpus DIR] [--rounds N] [--json]

Without `--corpus` the built-in sample is written into a temporary folder. Every reader takes every
file in turn, so that a slow spell of the machine hits all; the best round of each file counts. Times
are CPU times of one process, from the path of a file to the data.

Counted against the census, which reads the XML by itself (`biomedica.jats.census`):

figures    `fig` elements of which the reader says something
graphics   `graphic` elements, in figures or not, whose file name the reader gives
captions   lost: of the figs with an image, where a word of the caption is missing, split, glued to its
           neighbour or out of order; formulas apart. More words than the caption's are no loss
mentions   (paragraph, figure) couples by xref that the reader gives
failures   files where our parser and the census disagree in anything; what both refuse is agreement

Where ours is not ahead of a peer, or not whole, and why:

ms         `jats` is faster than ours and reads less: no mentions, of a reference its DOI alone, of a
           figure one graphic that is a direct child and no figure without an id, and no licence,
           dates, keywords, funding or ids; it does give the cells of tables. White space, entities
           and Unicode stay as they are, and titles of captions are dropped (its lost captions)
captions   those that ours does not show are of figs whose file another figure has already
           (`duplicate_reference`): rejects with a reason, not losses
mentions   those that ours does not show are of such figs and of figs without words (`no_caption`)
faults     bytes that are no XML: ours refuses them by name, which is no fault, and so does the census
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jats_readers import BARE, OURS, Found, Reader, parse_bare, parse_ours, peers

from biomedica.config import BuildConfig
from biomedica.errors import Rejected
from biomedica.jats import Article
from biomedica.jats.agreement import caption_texts, is_caption
from biomedica.jats.census import HOLE, Census, CensusFig, take_census
from biomedica.reporting import inspect_xml

ARTICLES = 60
ROUNDS = 3
PATIENCE = 60.0
"""Seconds of a round after which a reader is not asked for another one."""


@dataclass
class Tally:
    """What a reader found in all files."""

    figures: int = 0
    graphics: int = 0
    captions: int = 0
    """looked at"""
    losses: int = 0
    mentions: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    """files by the call that raised"""
    faulty_files: int = 0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--corpus", type=Path, help="a folder with *.xml and *.nxml at any depth")
    arguments.add_argument("--rounds", type=int, default=ROUNDS, help="the best of so many counts")
    arguments.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="biomedica-bench-") as folder:
        paths = find(options.corpus or write_sample(Path(folder)))
        if not paths:
            arguments.error(f"{options.corpus} holds no XML files: give another --corpus")
        values = measure(paths, max(1, options.rounds))
    show(values)
    if options.json:
        print(json.dumps(values))


def write_sample(folder: Path) -> Path:
    from biomedica.sources.sample import write_sample

    write_sample(folder, articles=ARTICLES)
    return folder


def find(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*ml") if path.suffix in (".xml", ".nxml"))


def measure(paths: Sequence[Path], rounds: int) -> dict[str, Any]:
    found = list(peers())
    readers = [
        Reader(OURS, "", {"article": parse_ours}, lambda _: Found()),
        Reader(BARE, "", {"tree": parse_bare}, lambda _: Found()),
        *(one for one in found if isinstance(one, Reader)),
    ]
    seconds = best_times(readers, paths, rounds)
    sizes = {path: path.stat().st_size for path in paths}
    counted = count(readers, paths)
    values: dict[str, Any] = {
        "files": len(paths),
        "megabytes": sum(sizes.values()) / 1e6,
        "not_installed": {one[0]: one[1] for one in found if not isinstance(one, Reader)},
        **{name: value for name, value in counted.items() if name != "tallies"},
    }
    values |= speeds(seconds, sizes)
    for name, tally in counted["tallies"].items():
        values |= columns(tally, "" if name == OURS else f"_{name}")
    for name in values["not_installed"]:
        values |= dict.fromkeys(f"{key}_{name}" for key in ("speed_ratio", *columns(Tally(), "")))
    return values


# -- speed


def best_times(
    readers: Sequence[Reader], paths: Sequence[Path], rounds: int
) -> dict[str, dict[Path, float]]:
    """The best CPU seconds of each file that a reader takes without a fault."""
    best: dict[str, dict[Path, float]] = {reader.name: {} for reader in readers}
    spent: defaultdict[str, float] = defaultdict(float)
    for turn in range(rounds):
        asked = [one for one in readers if spent[one.name] < PATIENCE]
        for path in paths:
            for reader in asked if turn % 2 == 0 else reversed(asked):
                start = time.process_time()
                results = reader.read(path)
                took = time.process_time() - start
                spent[reader.name] += took
                if not any(isinstance(result, Exception) for result in results.values()):
                    best[reader.name][path] = min(took, best[reader.name].get(path, took))
                del results
    return best


def speeds(seconds: dict[str, dict[Path, float]], sizes: dict[Path, int]) -> dict[str, Any]:
    """Milliseconds per 100 kB, and each peer's time over ours on the files that both parse."""
    ours, bare = seconds[OURS], seconds[BARE]
    values: dict[str, Any] = {
        "ms_per_100kb": per_100_kb(ours, sizes),
        "ms_per_100kb_mean_of_files": mean_per_100_kb(ours, sizes),
        "ms_per_100kb_lxml": per_100_kb(bare, sizes),
        "ratio_to_lxml": ratio(ours, bare),
        "files_per_s": len(ours) / (sum(ours.values()) or 1e-9),
    }
    for name, times in seconds.items():
        if name not in (OURS, BARE):
            values[f"ms_per_100kb_{name}"] = per_100_kb(times, sizes)
            values[f"speed_ratio_{name}"] = ratio(times, ours)
    return values


def per_100_kb(times: dict[Path, float], sizes: dict[Path, int]) -> float | None:
    size = sum(sizes[path] for path in times)
    return 1000 * sum(times.values()) / (size / 100_000) if size else None


def mean_per_100_kb(times: dict[Path, float], sizes: dict[Path, int]) -> float | None:
    """The mean of the files' own values, in which a small file weighs as much as a large one."""
    return sum(per_100_kb({p: times[p]}, sizes) or 0.0 for p in times) / len(times) if times else None


def ratio(times: dict[Path, float], others: dict[Path, float]) -> float | None:
    both = times.keys() & others.keys()
    return sum(times[p] for p in both) / sum(others[p] for p in both) if both else None


# -- what is found


def count(readers: Sequence[Reader], paths: Sequence[Path]) -> dict[str, Any]:
    """Every reader against the census; our parser against it in everything."""
    tallies = {reader.name: Tally() for reader in readers if reader.name != BARE}
    totals: Counter[str] = Counter()
    failures: dict[str, list[str]] = {}
    config = BuildConfig(source=".", dataset=".")
    for path in paths:
        xml = path.read_bytes()
        inspected = inspect_xml(xml, path.name, config)
        if inspected.disagreements:
            failures[str(path)] = list(inspected.disagreements)
        try:
            census = take_census(xml)
        except Rejected:
            totals["refused"] += 1
            continue
        totals.update(census.counts())
        totals["captions"] += len(list(captioned(census)))
        totals["hrefs"] += sum(bool(graphic.href) for graphic in census.graphics)
        totals["mentions"] += sum(fig.paragraphs for fig in census.figs)
        if inspected.article is not None:
            add_ours(tallies[OURS], inspected.article, census, totals)
        for reader in readers:
            if reader.name not in (OURS, BARE):
                add(tallies[reader.name], reader.found(reader.read(path)), census)
    return {
        "failures": len(failures),
        "failed": failures,
        "refused": totals["refused"],
        "in_xml": {name: totals[name] for name in ("figs", "hrefs", "captions", "mentions")},
        "captions_of_rejects": totals["captions of rejects"],
        "mentions_of_rejects": totals["mentions of rejects"],
        "mentions_in_all": totals["mentions in all"],
        "tallies": tallies,
    }


def captioned(census: Census) -> Iterator[tuple[int, CensusFig]]:
    """The figs with an image and words."""
    for place, fig in enumerate(census.figs):
        if fig.graphics and any(fig.captions):
            yield place, fig


def add_ours(tally: Tally, article: Article, census: Census, totals: Counter[str]) -> None:
    held = {
        graphic.index: (figure, graphic) for figure in article.figures for graphic in figure.graphics
    }
    refused = {no.graphic_index: no.item for no in article.rejects}
    named = {no.item for no in article.rejects if no.graphic_index is None}
    for fig in census.figs:
        tally.figures += (
            any(i in held or i in refused for i in fig.graphics)
            or fig.id in named
            or (not fig.graphics and not fig.id and bool(named))
        )
        is_taken = any(index in held for index in fig.graphics)
        totals["mentions of rejects"] += 0 if is_taken else fig.paragraphs
    for index, graphic in enumerate(census.graphics, start=1):
        name = held[index][1].href if index in held else refused.get(index, "")
        tally.graphics += bool(graphic.href) and name == graphic.href
    for _, fig in captioned(census):
        figure = next((held[index][0] for index in fig.graphics if index in held), None)
        if figure is None:
            totals["captions of rejects"] += 1
            continue
        tally.captions += 1
        if not any(is_caption(text, fig, figure) for text in caption_texts(fig)):
            tally.losses += all(loses(text, figure.caption) for text in caption_texts(fig))
    for figure in article.figures:
        plain = [m for m in figure.mentions if not (m.is_range or m.via_parent or m.is_text_only)]
        in_fig = any(census.graphics[graphic.index - 1].fig is not None for graphic in figure.graphics)
        tally.mentions += len(plain) if in_fig else 0
        totals["mentions in all"] += len(figure.mentions)


def add(tally: Tally, found: Found, census: Census) -> None:
    """A peer's figures, matched with the figs by id, those of one id in order."""
    tally.faults.update(found.faults)
    tally.faulty_files += bool(found.faults)
    waiting: defaultdict[str, list[int]] = defaultdict(list)
    for place, fig in enumerate(census.figs):
        waiting[fig.id].append(place)
    records = {}
    for record in found.figures:
        places = waiting[" ".join((record.id or "").split())]
        if places:
            records[places.pop(0)] = record
    tally.figures += len(records)
    for graphic in census.graphics:
        record = records.get(-1 if graphic.fig is None else graphic.fig)
        tally.graphics += bool(graphic.href) and record is not None and graphic.href in record.hrefs
    for place, fig in captioned(census):
        tally.captions += 1
        caption = records[place].caption if place in records else ""
        tally.losses += all(loses(text, caption) for text in fig.captions)
    figs = {fig.id for fig in census.figs}
    tally.mentions += sum(rid in figs for _, rid in found.citing)


def loses(expected: str, caption: str) -> bool:
    """Whether a word of the census text is not found whole, and in order, in the caption."""
    words = iter(caption.split())
    return not all(word in words for word in expected.split() if HOLE not in word)


def columns(tally: Tally, suffix: str) -> dict[str, Any]:
    return {
        f"figures{suffix}": tally.figures,
        f"graphics{suffix}": tally.graphics,
        f"captions{suffix}": tally.captions,
        f"caption_losses{suffix}": tally.losses,
        f"mentions{suffix}": tally.mentions,
        f"files_with_a_fault{suffix}": tally.faulty_files,
        f"faults{suffix}": dict(sorted(tally.faults.items())),
    }


# -- the table


def show(values: dict[str, Any]) -> None:
    """The table a person reads."""
    print(
        f"{values['files']:,} files, {values['megabytes']:.2f} MB, {values['refused']} refused by the"
        f" census; failures: {values['failures']}"
    )
    for path, lines in values["failed"].items():
        print(f"  {path}: {lines[0]}")
    in_xml = values["in_xml"]
    heads = ("ms/100 kB", "ratio", "figures", "graphics", "captions", "lost", "mentions", "faults")
    print("".join([f"{'':16}", *(f"{head:>11}" for head in heads)]))
    wanted = (in_xml["figs"], in_xml["hrefs"], in_xml["captions"], "", in_xml["mentions"], "")
    line("in the XML", "", "", *wanted)
    line("bare lxml", values["ms_per_100kb_lxml"], "")
    line(OURS, values["ms_per_100kb"], "", *row(values, ""))
    for name in (key.removeprefix("speed_ratio_") for key in values if key.startswith("speed_ratio_")):
        if name in values["not_installed"]:
            print(f"{name:16}  not installed: pip install {values['not_installed'][name]}")
        else:
            speed = values[f"ms_per_100kb_{name}"], values[f"speed_ratio_{name}"]
            line(name, *speed, *row(values, f"_{name}"))
            for call, files in values[f"faults_{name}"].items():
                print(f"{'':18}{call} raises on {files} files")
    print(
        f"ours, ms per 100 kB: {values['ms_per_100kb']:.2f} of all time over all bytes,"
        f" {values['ms_per_100kb_mean_of_files']:.2f} as the mean of each file's own value"
    )
    print(
        f"ours to lxml: {values['ratio_to_lxml']:.1f}; {values['files_per_s']:.0f} files/s on one core"
    )
    print(
        f"of figs that are rejects with a reason: {values['captions_of_rejects']:,} captions,"
        f" {values['mentions_of_rejects']:,} mentions; ours with ranges, words and parents:"
        f" {values['mentions_in_all']:,} mentions"
    )


def row(values: dict[str, Any], suffix: str) -> Iterator[Any]:
    for key in ("figures", "graphics", "captions", "caption_losses", "mentions", "files_with_a_fault"):
        yield values[key + suffix]


def line(name: str, *cells: Any) -> None:
    print("".join([f"{name:16}", *(f"{shown(cell):>11}" for cell in cells)]))


def shown(cell: Any) -> str:
    if cell is None:
        return "–"
    return f"{cell:.2f}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) else cell


if __name__ == "__main__":
    main()
