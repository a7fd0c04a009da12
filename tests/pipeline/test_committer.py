"""The driver stops when the store is away, and not for one fault."""

from __future__ import annotations

import io
from collections.abc import Generator
from pathlib import Path
from typing import Any, cast

import pytest

from biomedica.errors import Deferred, RunStopped, StoreError
from biomedica.pipeline.progress import Progress
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.run import Committer, begun
from biomedica.pipeline.shard import fail
from biomedica.pipeline.specs import Summary
from biomedica.store import DatasetWriter, open_storage, table_of
from tests.store.synthetic import reject_row

WORKERS = 2


def committer() -> Committer:
    writer: Any = None  # nothing is ever committed here
    progress = Progress(0, "articles", quiet=True, stream=io.StringIO())
    return Committer(writer, RunReport(), progress, 60.0, {}, WORKERS)


def summaries(pattern: str) -> Generator[Summary, None, None]:
    """s: the store was silent; f: another fault; .: a shard that is well."""
    errors = {"s": Deferred("cannot write x now"), "f": RuntimeError("a bug")}
    for number, mark in enumerate(pattern):
        summary = Summary(f"shard{number}")
        yield fail(summary, errors[mark]) if mark in errors else summary


@pytest.mark.parametrize("pattern", ["....", "sss.sss.", "ffffffff", "sssfsss"])
def test_a_run_goes_on(pattern: str) -> None:
    assert len(committer().take(summaries(pattern))) == len(pattern)


@pytest.mark.parametrize("pattern", ["ssss.", "..ssss", "sss.ssssssss"])
def test_a_store_that_is_away_stops_the_run(pattern: str) -> None:
    with pytest.raises(RunStopped, match=r"cannot write x now.*run the same command again"):
        committer().take(summaries(pattern))


def test_shards_that_are_put_off_count_too() -> None:
    one = committer()
    *first, last = summaries("s" * 2 * WORKERS)
    for summary in first:
        one.put_off(summary)
    with pytest.raises(RunStopped):
        one.put_off(last)


@pytest.mark.parametrize("error", [StoreError("no space"), Deferred("503")])
def test_faults_of_the_store_in_mid_run(error: Exception) -> None:
    with pytest.raises(RunStopped, match="run the same command again"), begun():
        raise error


@pytest.mark.parametrize(
    "error", [StoreError("no space: free some and run the same command again"), Deferred("503")]
)
def test_a_commit_that_fails_is_such_a_fault(error: Exception, tmp_path: Path) -> None:
    class Refusing:
        def commit(self, *_: object, **__: object) -> int:
            raise error

    one = committer()
    one.writer = cast("DatasetWriter", Refusing())
    rows = table_of("rejects", [reject_row(1, "a" * 16)])
    summary = Summary("a" * 16)
    summary.write(open_storage(tmp_path), "rejects", rows)
    one.accept(summary)
    with pytest.raises(RunStopped) as caught, begun():
        one.commit()
    assert caught.value.__cause__ is error
    assert str(caught.value).count("run the same command again") == 1
    assert one.report.record.pending  # nothing of it counts as committed


def test_a_shard_that_is_put_off_is_not_among_the_accepted() -> None:
    one = committer()
    accepted = one.take(summaries(".f.f"), lambda summary: summary.fault is None)
    assert accepted == {"shard0", "shard2"}
    assert (one.report.shards_failed, one.report.articles_deferred) == (0, 0)
