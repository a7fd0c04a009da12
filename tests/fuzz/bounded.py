"""Runs numbered trials in a process of bounded memory that is ended when one takes too long."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Protocol

__all__ = ["Originals", "Result", "command", "run"]

Trial = Callable[[int], str]
Originals = Sequence[tuple[str, bytes]]
"""Names and bytes of what mutants are made from."""


class Fuzz(Protocol):
    def __call__(
        self, originals: Originals, seed: int, numbers: range, /, *, verbose: bool
    ) -> Result: ...


@dataclass
class Result:
    """outcomes: how often each came. findings: what went wrong, by number. memory: MiB, the most."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[int, str] = field(default_factory=dict)
    memory: int = 0


def run(
    trial: Trial, numbers: range, *, seconds: float, headroom: int, verbose: bool = False
) -> Result:
    """Every number's outcome; what a trial raises, warns of or dies of is a finding.

    seconds: wall time of one trial. headroom: bytes of memory beyond what this process has. verbose:
    progress on stderr, where libraries in C that speak of what they decode are not heard then.
    """
    result, left, start = Result(), numbers, time.monotonic()
    while left:
        here, there = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=_work, args=(trial, left, headroom, there, verbose), daemon=True
        )
        process.start()
        there.close()
        number = left.start
        for number in left:
            answer = _answer(here, seconds)
            if answer is None:
                result.findings[number] = f"no answer in {seconds:g} s, or the process died"
                break
            outcome, finding, memory = answer
            result.memory = max(result.memory, memory)
            if finding:
                result.findings[number] = finding
            else:
                result.outcomes[outcome] += 1
            if verbose and (number + 1 - numbers.start) % 1000 == 0:
                rate = (number + 1 - numbers.start) / (time.monotonic() - start)
                print(f"{number + 1:,}: {rate:.0f}/s, {len(result.findings)} findings", file=sys.stderr)
        process.kill()
        process.join()
        here.close()
        left = range(number + 1, left.stop)
    return result


def _answer(here: Connection, seconds: float) -> tuple[str, str, int] | None:
    try:
        return here.recv() if here.poll(seconds) else None
    except EOFError:
        return None


def _work(trial: Trial, numbers: range, headroom: int, there: Connection, deaf: bool) -> None:
    if deaf:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + headroom
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    warnings.simplefilter("error")
    for number in numbers:
        outcome = finding = ""
        try:
            outcome = trial(number)
        except Exception:  # noqa: BLE001 - whatever it raises is a finding
            finding = traceback.format_exc()
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        there.send((outcome, finding, memory))


def command(
    doc: str | None,
    originals: Callable[[Path | None], Originals],
    make: Callable[[Originals, int, int], tuple[str, bytes]],
    fuzz: Fuzz,
    *,
    count: int,
    suffix: str,
) -> int:
    """A fuzzer's command line: prints outcomes, keeps each finding as a file; 1 where there is one.

    make: originals, seed and number → the original's name and the mutant's bytes. suffix: of the
    files of findings whose original has none.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--count", type=int, default=count, help="how many mutants")
    parser.add_argument("--first", type=int, default=0, help="the number of the first")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--corpus", type=Path, help="a folder of originals; default: made here")
    parser.add_argument("--keep", type=Path, default=Path("fuzz"), help="where findings are written")
    options = parser.parse_args()
    found = originals(options.corpus)
    numbers = range(options.first, options.first + options.count)
    result = fuzz(found, options.seed, numbers, verbose=True)
    for outcome, times in result.outcomes.most_common():
        print(f"{times:8,}  {outcome}")
    print(f"{len(result.findings):8,}  findings; at most {result.memory:,} MiB")
    for number, finding in result.findings.items():
        name, data = make(found, options.seed, number)
        options.keep.mkdir(parents=True, exist_ok=True)
        path = options.keep / f"{options.seed}-{number}{Path(name).suffix or suffix}"
        path.write_bytes(data)
        print(f"\n{path} (mutant {number} of {name}):\n{finding}")
    return 1 if result.findings else 0
