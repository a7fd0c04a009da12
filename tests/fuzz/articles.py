"""Mutates JATS documents and judges what the parser makes of them.

    python -m tests.fuzz.articles --count 20000 [--corpus DIR] [--seed 0] [--first 0] [--keep DIR]

Mutant N of a seed is the same on every run. Work is done in a process of bounded memory that is
ended when one mutant takes longer than the limit. Each finding is kept as a file; status 1.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

from biomedica.sources.sample import write_sample
from tests.fuzz.bounded import Result, run
from tests.fuzz.mutants import mutant
from tests.fuzz.oracle import judge

SECONDS = 10.0
"""One mutant may take so long: a hundred times what the slowest takes here."""
HEADROOM = 2 << 30
"""Bytes of memory beyond what the process has."""


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


def fuzz(
    documents: Sequence[tuple[str, bytes]], seed: int, numbers: range, *, verbose: bool = False
) -> Result:
    """Judges mutants by their numbers."""

    def trial(number: int) -> str:
        return judge(make(documents, seed, number)[1])

    return run(trial, numbers, seconds=SECONDS, headroom=HEADROOM, verbose=verbose)


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
    result = fuzz(documents, options.seed, numbers, verbose=True)
    for outcome, count in result.outcomes.most_common():
        print(f"{count:8,}  {outcome}")
    print(f"{len(result.findings):8,}  findings; at most {result.memory:,} MiB")
    for number, finding in result.findings.items():
        name, data = make(documents, options.seed, number)
        options.keep.mkdir(parents=True, exist_ok=True)
        path = options.keep / f"{options.seed}-{number}.xml"
        path.write_bytes(data)
        print(f"\n{path} (mutant {number} of {name}):\n{finding}")
    return 1 if result.findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
