"""The plan of a slice against a real run on this machine: what was predicted, what came, their ratio.

    python benchmarks/plan.py [--articles 2000] [--keep FOLDER] [--json]

The corpus is the built-in sample, repeated under new ids from `--unique` articles on; with --keep it
stays in that folder, and an interrupted generation goes on. The machine should have nothing else to do:
beside other work only the processors' time can be compared, which is shown too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import psutil

ARTICLES, UNIQUE = 2_000, 500
FIRST = 97_000_000
DATASET_BYTES_PER_ARTICLE = 500_000
CORPUS_BYTES_PER_ARTICLE = 20_000
"""folders and metadata: XML and media are links"""
CORPUS_BYTES_PER_UNIQUE = 700_000
LIMIT = 0.25


def main() -> None:
    arguments = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    arguments.add_argument("--articles", type=int, default=ARTICLES)
    arguments.add_argument("--unique", type=int, default=UNIQUE, help="articles that differ")
    arguments.add_argument("--keep", type=Path, help="folder for the corpus, which stays")
    arguments.add_argument("--seconds", type=float, default=5.0, help="of calibration for each kernel")
    arguments.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = arguments.parse_args()
    with contextlib.ExitStack() as stack:
        scratch = options.keep
        if scratch is None:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="biomedica-bench-")))
        check_space(scratch, options.articles, options.unique)
        values = measure(scratch, options.articles, options.unique, options.seconds)
    show(values)
    if options.json:
        print(json.dumps(values))
    off = [row["what"] for row in values["rows"] if row["limit"] and abs(row["ratio"] - 1) > LIMIT]
    if off:
        sys.exit(f"off by more than {LIMIT:.0%}: {', '.join(off)}")


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def check_space(folder: Path, articles: int, unique: int) -> None:
    """Refuse to begin what cannot end."""
    need = articles * (DATASET_BYTES_PER_ARTICLE + CORPUS_BYTES_PER_ARTICLE)
    need += min(unique, articles) * CORPUS_BYTES_PER_UNIQUE
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    tell(f"needs about {need / 1e9:.1f} GB below {folder}, {free / 1e9:.1f} GB are free")
    if need > 0.9 * free:
        sys.exit("too little space: give another --keep, or fewer --articles")


def measure(folder: Path, articles: int, unique: int, seconds: float) -> dict[str, Any]:
    from biomedica.embedding import write_untrained_checkpoint
    from biomedica.planning import (
        calibrate,
        chosen_models,
        count_in_source,
        load_assumptions,
        local_fleet,
        make_plan,
    )

    source = repeated_sample(folder, articles, unique)
    model = str(write_untrained_checkpoint(folder / "model"))
    rates = calibrate(
        str(source), [model], seconds=seconds, tell=lambda what: tell(f"measuring: {what}")
    )
    plan = make_plan(
        count_in_source(str(source), None, "all"),
        rates,
        local_fleet(rates.machine),
        load_assumptions(),
        chosen_models([model], rates),
    )
    tell(f"the plan: {plan.estimate.seconds:.0f} s; building")
    out = folder / "dataset"
    shutil.rmtree(out, ignore_errors=True)
    try:
        done = job(source, out, model)
        files = [path for path in out.rglob("*") if path.is_file()]
        done |= {"objects": len(files), "bytes_written": sum(path.stat().st_size for path in files)}
    finally:
        shutil.rmtree(out, ignore_errors=True)
    return {"articles": articles, "plan": plan.to_dict(), "run": done, "rows": compared(plan, done)}


def compared(plan: Any, done: dict[str, Any]) -> list[dict[str, Any]]:
    """limit: whether the ratio must be within LIMIT."""
    work, found = plan.work, plan.estimate
    cores = (work.core_seconds + (work.encode_seconds or 0.0)) / plan.all_cores / plan.efficiency
    metadata = work.articles * plan.demand.metadata_bytes  # of which a run's report does not tell
    pairs = [
        ("seconds", found.seconds, done["seconds"], True),
        ("seconds of the workers' processors", cores, done["cpu_seconds"], False),
        ("images", work.images, done["pairs"], True),
        ("objects read", work.reads, 2 * done["articles"] + done["media_read"], True),
        ("bytes read", work.bytes_read - metadata, done["bytes_read"], True),
        ("objects written", found.objects, done["objects"], True),
        ("bytes written", work.bytes_written, done["bytes_written"], True),
    ]
    return [
        {"what": what, "predicted": said, "measured": came, "ratio": said / came, "limit": limit}
        for what, said, came, limit in pairs
    ]


def repeated_sample(folder: Path, count: int, unique: int) -> Path:
    """The sample, its articles repeated under new PMCIDs until there are `count`; media are links.

    What is there already is left.
    """
    from biomedica.sources.sample import write_sample

    once, source = folder / "once", folder / "source"
    unique = min(unique, count)
    names = sorted(path.stem for path in (once / "metadata").glob("*.json"))
    if len(names) != unique or not (once / "truth.json").is_file():
        tell(f"generating {unique:,} articles")
        write_sample(once, articles=unique)
        names = sorted(path.stem for path in (once / "metadata").glob("*.json"))
    (source / "metadata").mkdir(parents=True, exist_ok=True)
    for number in range(count):
        if number % 5_000 == 0:
            tell(f"linking article {number:,} of {count:,}")
        old = names[number % len(names)]
        new = f"PMC{FIRST + number}.{old.rpartition('.')[2]}"
        # the metadata is written last: an article that has it is whole
        if not (source / "metadata" / f"{new}.json").is_file():
            link(once, source, old, new)
    for path in (source / "metadata").iterdir():  # of an earlier, larger corpus
        if int(path.name[3:].partition(".")[0]) >= FIRST + count:
            path.unlink()
    return source


def link(once: Path, source: Path, old: str, new: str) -> None:
    """One article under another id."""
    shutil.rmtree(source / new, ignore_errors=True)
    (source / new).mkdir()
    for file in (once / old).iterdir():
        if file.suffix != ".json":
            os.link(file, source / new / file.name.replace(old, new))
    metadata = json.loads((once / "metadata" / f"{old}.json").read_text())
    metadata["pmcid"] = new.partition(".")[0]
    for name in ("xml_url", "text_url", "pdf_url"):
        metadata[name] = (metadata.get(name) or "").replace(old, new) or None
    metadata["media_urls"] = [url.replace(old, new) for url in metadata.get("media_urls") or []]
    part = source / f".{new}.part"
    part.write_text(json.dumps(metadata))
    part.replace(source / "metadata" / f"{new}.json")


def job(source: Path, out: Path, model: str) -> dict[str, Any]:
    """One build in a process of its own, as `biomedica build` runs it."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        done: dict[str, Any] = pool.submit(_job, str(source), str(out), model).result()
    return done


def _job(source: str, out: str, model: str) -> dict[str, Any]:
    from biomedica.config import BuildConfig, load_config
    from biomedica.pipeline import run_build

    overrides = {"source": source, "dataset": out, "embed.models": [model]}
    config = load_config(BuildConfig, None, overrides)
    with watched_processors() as seconds:
        start = time.monotonic()
        report = run_build(config)
        spent = time.monotonic() - start
    if not report.complete:
        raise RuntimeError(f"the job did not finish: {report.to_dict()}")
    return {
        "seconds": spent,
        "cpu_seconds": sum(seconds.values()),
        "articles": report.articles + report.articles_rejected,
        "pairs": report.pairs,
        "media_read": report.media_read,
        "bytes_read": report.bytes_read,
        "stage_seconds": report.stage_seconds,
    }


@contextlib.contextmanager
def watched_processors() -> Iterator[dict[int, float]]:
    """Seconds of the processor by each Ray worker below this process, as last seen."""
    seconds: dict[int, float] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.5):
            for child in psutil.Process().children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    if child.name().startswith("ray::MapWorker"):
                        times = child.cpu_times()
                        seconds[child.pid] = times.user + times.system

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seconds
    finally:
        ended.set()
        thread.join()


def show(values: dict[str, Any]) -> None:
    """The table a person reads."""
    print(f"{values['articles']:,} articles")
    print(f"{'':36}{'predicted':>16}{'measured':>16}{'ratio':>8}")
    for row in values["rows"]:
        print(
            f"{row['what']:36}{row['predicted']:>16,.0f}{row['measured']:>16,.0f}{row['ratio']:>8.2f}"
        )
    stages = ", ".join(f"{name} {spent:.1f}" for name, spent in values["run"]["stage_seconds"].items())
    planned = {name: round(spent, 1) for name, spent in values["plan"]["core_seconds"].items() if spent}
    print(f"stages, s of all cores: planned {planned}; in the run {stages}")


if __name__ == "__main__":
    main()
