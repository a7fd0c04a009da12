"""Mutates JATS documents and judges what the parser makes of them.

    python -m tests.fuzz.articles --count 20000 [--corpus DIR] [--seed 0] [--first 0] [--keep DIR]

Mutant N of a seed is the same on every run. Work is done in a process of bounded memory that is
ended when one mutant takes longer than the limit. Each finding is kept as a file; status 1.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from biomedica.sources.sample import write_sample
from tests.fuzz.mutants import mutant
from tests.fuzz.oracle import judge

SECONDS = 10.0
"""One mutant may take so long: a hundred times what the slowest takes here."""
MEMORY = 3 << 30
"""Address space of the process, bytes."""


def originals(corpus: Path | None) -> list[tuple[str, bytes]]:
    """Name and bytes of every XML of a folder; of the built-in sample, defects and all, for None."""
    if corpus is None:
        with tempfile.TemporaryDirectory(prefix="biomedica-fuzz-") as folder:
            write_sample(folder, articles=12)
            return originals(Path(folder))
    paths = sorted(path for path in corpus.rglob("*ml") if path.suffix in (".xml", ".nxml"))
    if not paths:
        raise SystemExit(f"{corpus} holds no XML files: give another --corpus")
    return [(path.relative_to(corpus).as_posix(), path.read_bytes()) for path in paths]


def make(documents: Sequence[tuple[str, bytes]], seed: int, number: int) -> tuple[str, bytes]:
    """The name of the original and the bytes of mutant `number`."""
    chance = random.Random(f"{seed}-{number}")
    name, original = chance.choice(documents)
    return name, mutant(original, chance)


def _work(
    documents: Sequence[tuple[str, bytes]], seed: int, numbers: range, reports: Connection
) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    for number in numbers:
        _, data = make(documents, seed, number)
        reports.send((number, "", "begun"))
        try:
            outcome, finding = judge(data), ""
        except Exception:  # noqa: BLE001 - whatever the parser raises is a finding
            outcome, finding = "", traceback.format_exc()
        reports.send((number, outcome, finding))
    reports.send((-1, str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10), ""))


def fuzz(
    documents: Sequence[tuple[str, bytes]], seed: int, numbers: range, *, verbose: bool = False
) -> tuple[Counter[str], dict[int, str], int]:
    """Outcomes with their counts, findings by number, and the greatest memory in MiB."""
    outcomes: Counter[str] = Counter()
    findings: dict[int, str] = {}
    memory, start, left = 0, time.monotonic(), numbers
    while left:
        here, there = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=_work, args=(documents, seed, left, there), daemon=True
        )
        process.start()
        there.close()
        number, is_begun = left.start, False
        while True:
            try:
                if not here.poll(SECONDS * 3):
                    findings[number] = f"no answer for {SECONDS * 3:g} s"
                    break
                answered, outcome, finding = here.recv()
            except EOFError:
                findings[number] = "the process died"
                break
            if answered < 0:
                memory = max(memory, int(outcome))
                number = left.stop - 1
                break
            number, is_begun = answered, finding == "begun"
            if is_begun:
                began = time.monotonic()
                continue
            if finding:
                findings[number] = finding
            elif time.monotonic() - began > SECONDS:
                findings[number] = f"took {time.monotonic() - began:.1f} s"
            else:
                outcomes[outcome] += 1
            if verbose and (number + 1) % 1000 == 0:
                rate = (number + 1 - numbers.start) / (time.monotonic() - start)
                print(
                    f"{number + 1:,} mutants, {rate:.0f}/s, {len(findings)} findings", file=sys.stderr
                )
        process.kill()
        process.join()
        here.close()
        left = range(number + 1, left.stop)
    return outcomes, findings, memory


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=2000, help="how many mutants")
    parser.add_argument("--first", type=int, default=0, help="the number of the first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, help="a folder with XML; default: the built-in sample")
    parser.add_argument("--keep", type=Path, default=Path("fuzz"), help="where findings are written")
    options = parser.parse_args()
    documents = originals(options.corpus)
    numbers = range(options.first, options.first + options.count)
    outcomes, findings, memory = fuzz(documents, options.seed, numbers, verbose=True)
    for outcome, count in outcomes.most_common():
        print(f"{count:8,}  {outcome}")
    print(f"{len(findings):8,}  findings; at most {memory:,} MiB")
    for number, finding in findings.items():
        name, data = make(documents, options.seed, number)
        options.keep.mkdir(parents=True, exist_ok=True)
        path = options.keep / f"{options.seed}-{number}.xml"
        path.write_bytes(data)
        print(f"\n{path} (mutant {number} of {name}):\n{finding}")
    return 1 if findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
