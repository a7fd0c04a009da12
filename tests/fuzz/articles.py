"""Mutates JATS documents and judges what the parser makes of them.

    python -m tests.fuzz.articles --count 20000 [--corpus DIR] [--seed 0] [--first 0] [--keep DIR]

Mutant N of a seed is the same on every run. Work is done in a process of bounded memory that is
ended when one mutant takes longer than the limit. Each finding is kept as a file; status 1.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from biomedica.sources.sample import write_sample
from tests.fuzz.bounded import Originals, Result, command, run
from tests.fuzz.mutants import mutant
from tests.fuzz.oracle import judge

SECONDS = 10.0
"""One mutant may take so long: a hundred times what the slowest takes here."""
HEADROOM = 2 << 30
"""Bytes of memory beyond what the process has."""


def originals(corpus: Path | None) -> Originals:
    """Name and bytes of every XML of a folder; of the built-in sample for None."""
    if corpus is None:
        with tempfile.TemporaryDirectory(prefix="biomedica-fuzz-") as folder:
            write_sample(folder, articles=12)
            return originals(Path(folder))
    paths = sorted(path for path in corpus.rglob("*ml") if path.suffix in (".xml", ".nxml"))
    if not paths:
        raise SystemExit(f"{corpus} holds no XML files: give another --corpus")
    return [(path.relative_to(corpus).as_posix(), path.read_bytes()) for path in paths]


def make(documents: Originals, seed: int, number: int) -> tuple[str, bytes]:
    """The name of the original and the bytes of mutant `number`."""
    chance = random.Random(f"{seed}-{number}")
    name, original = chance.choice(documents)
    return name, mutant(original, chance)


def fuzz(documents: Originals, seed: int, numbers: range, *, verbose: bool = False) -> Result:
    """Judges mutants by their numbers."""

    def trial(number: int) -> str:
        return judge(make(documents, seed, number)[1])

    return run(trial, numbers, seconds=SECONDS, headroom=HEADROOM, verbose=verbose)


def main() -> int:
    """Status 1 where something was found."""
    return command(__doc__, originals, make, fuzz, count=2000, suffix=".xml")


if __name__ == "__main__":
    raise SystemExit(main())
