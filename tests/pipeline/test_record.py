"""What the driver remembers of a run is bounded, and knows what was committed."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from biomedica.pipeline.record import FAILED, POINTS, SAMPLED_SHARDS, SLOWEST, RunRecord, Thinned
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.specs import Summary


@given(st.integers(0, 3000), st.integers(2, 40))
def test_thinned_items_are_few_in_order_and_even(count: int, limit: int) -> None:
    thinned: Thinned[int] = Thinned(limit)
    for item in range(count):
        thinned.add(item)
    assert min(count, limit // 2) <= len(thinned.items) <= limit
    steps = {after - before for before, after in zip(thinned.items, thinned.items[1:], strict=False)}
    assert len(steps) <= 1
    if count <= limit:
        assert thinned.items == list(range(count))


def summary(number: int, **more: object) -> Summary:
    made = Summary(f"shard{number:06}", articles=2, pairs=5, bytes_read=100)
    made.reject([{"stage": "image", "reason": "corrupt"}])
    made.stage_seconds = {"parse": number % 997, "image": 1.0}
    made.embeddings = {"tiny": 5}
    for name, value in more.items():
        setattr(made, name, value)
    return made


def test_a_long_run_is_remembered_in_little() -> None:
    report = RunReport()
    for number in range(5000):
        fault = "no memory" if number % 50 == 0 else None
        report.take(summary(number, fault=fault))
    record = report.record
    assert len(record.curve) <= POINTS + 1
    assert record.curve[-1].articles == report.articles
    assert len(record.shards.items) <= SAMPLED_SHARDS
    assert len(record.failed) == FAILED
    assert [len(shards) for shards in record.rejecting.values()] == [5]
    assert [round(shard.total) for shard in record.slowest] == sorted(
        (round(shard.total) for shard in record.slowest), reverse=True
    )
    assert len(record.slowest) == SLOWEST
    assert record.slowest[0].total == 997.0
    assert record.rejects == {"image/corrupt": 4900}
    assert sum(sys.getsizeof(point) for point in record.curve) < 1 << 17


def test_what_was_not_committed_is_known() -> None:
    report = RunReport()
    report.take(summary(1))
    report.record.committed()
    report.take(summary(2))
    pending = report.record.pending
    assert (pending["articles"], pending["pairs"], pending["rejects"]) == (2, 5, 1)
    assert (pending["embeddings:tiny"], pending["reason:image/corrupt"]) == (5, 1)


def test_the_record_is_no_part_of_the_result() -> None:
    assert "record" not in RunReport().to_dict()
    assert RunReport().to_dict()["report"] is None


@pytest.mark.parametrize(
    ("workers", "gpus", "address", "words"),
    [(1, 0, None, "1 worker, this machine"), (64, 1, "h:1", "64 workers, 1 GPU, cluster h:1")],
)
def test_where_a_run_went(workers: int, gpus: int, address: str | None, words: str) -> None:
    record = RunRecord()
    assert not record.begun
    record.begin(workers, gpus, address)
    assert (record.begun, record.cluster) == (True, words)
