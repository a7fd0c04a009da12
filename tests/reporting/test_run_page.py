"""The page of a run: right, bounded, and deaf to hostile text."""

from __future__ import annotations

import datetime
import shlex
from typing import Any

import pytest
import typer

from biomedica.cli import app
from biomedica.config import StoreConfig
from biomedica.imaging import data_uri
from biomedica.options import read_access
from biomedica.pipeline import RunReport
from biomedica.reporting import (
    ModelNote,
    RejectExample,
    RunPage,
    SampledPair,
    Series,
    SlowShard,
    print_run,
    run_page,
)
from biomedica.reporting.run_page import show_command
from biomedica.schema import REJECT_REASONS
from tests.reporting.pages import HOSTILE, checked, jpeg, words

STARTED = datetime.datetime(2026, 11, 24, 7, 5, tzinfo=datetime.UTC)


def counts(**values: Any) -> dict[str, Any]:
    report = RunReport(dataset="s3://bucket/slice", version=3)
    for name, value in values.items():
        setattr(report, name, value)
    return report.to_dict()


def page(**values: Any) -> RunPage:
    named = {"command": "build", "started": STARTED, "counts": counts()}
    return RunPage(**(named | values))


def test_a_run_with_nothing_to_do_is_short_and_right() -> None:
    made = counts(
        articles_requested=1200, articles_skipped=1200, shards=6, shards_skipped=6, seconds=0.8
    )
    text = run_page(page(counts=made, source="/data", asked="all of the source"))
    tree = checked(text)
    assert len(text) < 20_000
    assert "Nothing was left to do: all 1,200 requested articles were done before" in words(tree)
    assert "not reached" not in words(tree)
    assert not tree.xpath("//img")
    made = counts(seconds=0.4)
    assert "every pair has its embeddings" in words(
        checked(run_page(page(command="embed", counts=made)))
    )
    made = counts(seconds=0.4, shards_failed=3)
    failed = run_page(page(command="embed", counts=made, failed=[("a" * 16, "no answer")]))
    assert "every pair has its embeddings" not in words(checked(failed))


def test_a_stopped_run_says_so_and_what_it_did_not_reach() -> None:
    made = counts(
        articles_requested=100, articles_skipped=10, articles=50, articles_rejected=1, shards=9
    )
    lost = {"articles": 7, "pairs": 30, "pairs_embedded": 0}
    shown = words(checked(run_page(page(counts=made, stopped="no space left for /d", lost=lost))))
    assert "stopped in the middle" in shown
    assert "no space left for /d" in shown
    assert "not reached 39" in shown
    assert "7 articles and 30 pairs that were made after the last commit do not count" in shown


def test_a_budget_that_ended_a_run_is_told_and_its_articles_are_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = counts(
        articles_requested=100, articles=10, articles_deferred=90, articles_over_budget=89,
        deferred=[("PMC1.1", "timed out")], budget="bytes", requests=70, retries=3, slow_downs=2,
    )  # fmt: skip
    shown = words(checked(run_page(page(counts=made))))
    assert "Ended by its budget of bytes, 90 articles deferred" in shown
    assert "of these over the budget 89" in shown
    assert "89 articles not started, or not read to the end. The same command goes on" in shown
    assert "requests to the source 70 retries 3 that met SlowDown 2" in shown
    print_run(made)
    told = " ".join(capsys.readouterr().out.split())
    assert "over the budget 89" in told
    assert "the budget of bytes (budget.max_bytes) is spent: 89 articles were not started" in told
    assert "70 (3 retries, 2 met SlowDown)" in told
    assert "PMC1.1 timed out" in told
    assert "a larger one" not in told
    print_run(counts(articles_deferred=4, articles_over_budget=4, budget="requests"))
    assert "not one article was read to its end: give the next run a larger one" in " ".join(
        capsys.readouterr().out.split()
    )


def test_deferred_articles_and_failed_shards_are_named_with_reasons() -> None:
    deferred = [(f"PMC{n}.1", f"cannot read {n}") for n in range(100)]
    made = counts(
        articles_requested=500, articles_deferred=400, deferred=deferred, shards_failed=1, articles=100
    )
    shown = words(checked(run_page(page(counts=made, failed=[("abc", "no memory")]))))
    assert "PMC3.1 cannot read 3" in shown
    assert "… and 360 more" in shown
    assert "abc no memory" in shown
    assert "Finished, 400 articles deferred, 1 shard failed" in shown


def test_an_untrained_model_is_warned_of_wherever_it_is_named() -> None:
    made = counts(articles_requested=1, articles=1, embeddings={"tiny": 5}, untrained_models=["tiny"])
    note = ModelNote("tiny", "/models/tiny", 64, untrained=True)
    shown = words(checked(run_page(page(counts=made, models=[note]))))
    assert shown.count("mean nothing") == 2


def hostile_page(text: str, many: int = 1) -> RunPage:
    """Every text is `text`, every list as long as it can be."""
    long = text * many
    example = RejectExample(long[:160], long[:160], long[:240], long[:2000])
    pair = SampledPair(
        f"PMC1.1/{long[:160]}", text[:40], long[:300], text[:40], text[:80], 2020, 10, 10,
        data_uri(jpeg(1), 320),
    )  # fmt: skip
    reasons = {f"{stage}/{reason}": 7 for stage, known in REJECT_REASONS.items() for reason in known}
    made = counts(
        articles_requested=10**7, articles=10**7, pairs=10**8, articles_deferred=100, dataset=f"s3://{text}",
        deferred=[(text, long)] * 100, embeddings={text: 3}, untrained_models=[text],
        models_not_run=[text], stage_seconds={text[:40]: 2.0, "parse": 4.0}, seconds=4e4,
    )  # fmt: skip
    return page(
        counts=made, stopped=long, source=text, asked=text,
        models=[ModelNote(text, text, 3, untrained=True)], cluster=text,
        settings=dict.fromkeys((f"{text}{n}" for n in range(60)), long) | {text: None},
        versions={text: text}, failed=[(text, long)] * 40,
        slowest=[SlowShard(text, 1, 2, 3, {text: 2.0})] * 10,
        series={"pairs/s": Series([float(n) for n in range(600)], [float(n * n) for n in range(600)])},
        rejects=reasons, examples=dict.fromkeys(reasons, [example] * 5), sample=[pair] * 12,
        unread=long, store=StoreConfig(region=text, profile=text),
    )  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    tree = checked(run_page(hostile_page(text)))
    assert "49" not in words(tree).replace("{{ 7 * 7 }}", "").split()
    if "<script>" in text:
        assert "<script>alert(1)</script>" in words(tree)


def test_the_fullest_page_is_bounded() -> None:
    text = run_page(hostile_page("<wörter> ", many=3000))
    checked(text)
    assert len(text.encode()) < 3_000_000


def test_rejects_can_be_looked_at_again() -> None:
    examples = {
        "embed/not_finite": [RejectExample("PMC1.1", "PMC1.1/a b.jpg", "why", "")],
        "parse/not_xml": [RejectExample("PMC2.1", "PMC2.1", "why", "file:///s/PMC2.1/PMC2.1.xml")],
    }
    rejects = {"embed/not_finite": 1, "parse/not_xml": 1234}
    store = StoreConfig(endpoint_url="http://h:1", profile="lab")
    made = counts(articles_requested=9, articles=9)
    tree = checked(run_page(page(counts=made, rejects=rejects, examples=examples, store=store)))
    shown = words(tree)
    assert (
        "biomedica show 'PMC1.1/a b.jpg' --dataset s3://bucket/slice --endpoint-url http://h:1 "
        "--set store.profile=lab" in shown
    )
    assert "PMC2.1 the article why file:///s/PMC2.1/PMC2.1.xml" in shown
    assert "1 of 1,234" in shown


@pytest.mark.parametrize(
    "store",
    [
        StoreConfig(),
        StoreConfig(anonymous=True, region="eu-west-3"),
        StoreConfig(profile="lab", endpoint_url="https://[::1]:9000"),
        *(
            StoreConfig(profile=name, region=name)
            for name in ("12", "yes", "a b", "it's", "x: y", "#1")
        ),
    ],
)
def test_the_shown_command_reaches_the_store_again(store: StoreConfig) -> None:
    line = " ".join(show_command("PMC1.1/a.jpg", "s3://bucket/x", store))
    command: Any = typer.main.get_command(app)
    _, name, *rest = shlex.split(line)
    given = command.commands[name].make_context(name, rest).params
    reach = read_access(
        None, given["settings"], "s", given["dataset"], store__endpoint_url=given["endpoint_url"]
    )
    assert reach.store == store
    assert (given["pair_id"], given["dataset"]) == ("PMC1.1/a.jpg", "s3://bucket/x")


def test_a_folder_needs_no_store() -> None:
    command = show_command("PMC1.1/a.jpg", "/data", StoreConfig(profile="lab"))
    assert command == ["biomedica", "show", "PMC1.1/a.jpg", "--dataset", "/data"]
