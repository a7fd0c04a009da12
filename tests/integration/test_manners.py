"""Manners towards a source in a bucket, on a real Ray with two workers, counted in front of the server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from biomedica.cli import app, main
from biomedica.config import BuildConfig, load_config
from biomedica.errors import ConfigError, RunStopped
from biomedica.pipeline import RunReport, run_build, run_snapshot
from biomedica.store import Dataset, verify
from tests.faulty import FaultyProxy
from tests.integration.conftest import assert_same, rows, upload
from tests.seaweed import Endpoint

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("ray_cluster")]

BUCKET = "manners"
QUIET = {"seed": 1, "unavailable": 0.0, "resets": 0.0, "truncated": 0.0, "corrupted": 0.0}
LATENCY = 0.02


@pytest.fixture(scope="module")
def server(s3_server: Endpoint, sample: Path) -> Iterator[Endpoint]:
    s3_server.client().create_bucket(Bucket=BUCKET)
    upload(s3_server, BUCKET, sample, "sample")
    return s3_server


def settings(proxy: FaultyProxy, out: Path, **options: Any) -> BuildConfig:
    values = {name.replace("__", "."): value for name, value in options.items()}
    fixed = {"source": f"s3://{BUCKET}/sample", "dataset": str(out), "runtime.gpus": 0}
    fixed |= {"runtime.articles_per_shard": 5, "fetch.endpoint_url": proxy.endpoint}
    return load_config(BuildConfig, None, fixed | values)


def build(proxy: FaultyProxy, out: Path, **options: Any) -> RunReport:
    return run_build(settings(proxy, out, **options), quiet=True)


def test_two_workers_together_stay_within_the_bound(
    server: Endpoint, built: Path, tmp_path: Path
) -> None:
    with FaultyProxy(server.url, **QUIET, latency=LATENCY) as proxy:
        report = build(proxy, tmp_path / "bounded", fetch__in_flight_per_node=4)
        assert 3 <= proxy.most_in_flight <= 4
        assert (report.requests, report.retries, report.slow_downs) == (proxy.requests, 0, 0)
        build(proxy, tmp_path / "free")
        assert proxy.most_in_flight > 8
    assert_same(tmp_path / "bounded", built, same_source=False)
    with (
        FaultyProxy(server.url, **QUIET) as proxy,
        pytest.raises(ConfigError, match=r"in_flight_cluster is 1 .* lower runtime\.workers"),
    ):
        build(proxy, tmp_path / "none", fetch__in_flight_cluster=1)
    assert not (tmp_path / "none").exists()


def test_a_server_that_says_slow_down_is_read_to_its_end(
    server: Endpoint, built: Path, tmp_path: Path
) -> None:
    with FaultyProxy(server.url, **QUIET, latency=LATENCY, capacity=5) as proxy:
        report = build(proxy, tmp_path / "out", fetch__retries=30)
        assert report.complete
        assert report.slow_downs == proxy.injected["unavailable"] > 0
        assert report.retries == report.slow_downs
        assert report.requests == proxy.requests
        assert report.slow_downs < proxy.requests / 2
    assert_same(tmp_path / "out", built, same_source=False)


@pytest.mark.parametrize(("kind", "limit"), [("requests", 130), ("bytes", 9_000_000)])
def test_runs_with_a_budget_come_to_the_same_dataset(
    kind: str, limit: int, server: Endpoint, built: Path, tmp_path: Path
) -> None:
    """Never a request too many, whatever fails; each run goes on where the one before was ended."""
    ended, done = 0, -1
    largest = max(len(row["image"]["bytes"]) for row in rows(built, "pairs"))
    for _ in range(30):
        with FaultyProxy(server.url, **(QUIET | {"unavailable": 0.05})) as proxy:
            report = build(
                proxy, tmp_path / "out", fetch__in_flight_per_node=4, **{f"budget__max_{kind}": limit}
            )
            assert report.requests == proxy.requests
        if kind == "requests":
            assert proxy.requests <= limit
        else:
            assert report.bytes_received < limit + 5 * largest
        assert report.balanced
        verified = verify(str(tmp_path / "out"))
        assert verified.ok, verified.findings
        assert report.articles_skipped > done or report.complete
        done, ended = report.articles_skipped, ended + 1
        if report.complete:
            break
        assert report.budget == kind
        assert report.articles_deferred == report.articles_over_budget + len(report.deferred)
        assert report.to_dict()["budget"] == kind
    assert report.complete
    assert report.budget is None
    assert ended > 1
    assert_same(tmp_path / "out", built, same_source=False)


def test_a_budget_ends_an_update_and_a_snapshot(server: Endpoint, built: Path, tmp_path: Path) -> None:
    out, runner = tmp_path / "out", CliRunner()
    with FaultyProxy(server.url, **QUIET) as proxy:
        words = ["--source", f"s3://{BUCKET}/sample", "--dataset", str(out), "--json", "-q", "--list"]
        words += ["--source-endpoint-url", proxy.endpoint, "--set", "runtime.articles_per_shard=5"]
        build(proxy, out, ids=["PMC98000001"])

        def run(command: str, *more: str) -> tuple[int, dict[str, Any], int]:
            before = proxy.requests
            done = runner.invoke(app, [command, *words, *more])
            if not done.stdout:
                raise AssertionError(command) from done.exception
            values = json.loads(done.stdout.splitlines()[-1])
            return done.exit_code, values, proxy.requests - before

        code, values, asked = run("update", "--all", "--max-requests", "40")
        assert (code, values["budget"], values["exit_status"]) == (1, "requests", 1)
        assert asked == values["requests"] <= 40
        assert values["changes"]["new"] == values["articles"] + values["articles_rejected"] > 0
        code, values, asked = run("update")
        assert (code, values["budget"]) == (0, None)
        code, values, asked = run("snapshot", "--max-requests", "20")
        assert (code, values["budget"]) == (1, "requests")
        assert values["metadata_over_budget"] == values["metadata_deferred"] > 0
        assert values["metadata_read"] > 0
        assert asked == values["requests"] <= 20
        code, values, asked = run("snapshot", "--max-bytes", "10MB")
        assert (code, values["budget"]) == (0, None)
    assert_same(out, built, same_source=False)


def test_a_budget_that_is_spent_before_anything_is_known(
    server: Endpoint,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    with FaultyProxy(server.url, **QUIET) as proxy:
        words = ["biomedica", "build", "--source", f"s3://{BUCKET}/sample", "--out", str(out), "--json"]
        words += ["--source-endpoint-url", proxy.endpoint, "--max-requests", "1"]
        monkeypatch.setattr("sys.argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code, proxy.requests) == (2, 1)
    (line,) = capsys.readouterr().out.splitlines()
    text = json.loads(line)["error"]
    assert text.startswith("the budget of requests (budget.max_requests) is spent before it was known")
    assert not out.exists()


def test_a_folder_has_no_budget(sample: Path, tmp_path: Path) -> None:
    values = {"source": str(sample), "dataset": str(tmp_path / "out"), "budget.max_requests": 5}
    with pytest.raises(ConfigError, match=r"leave budget\.max_requests and"):
        run_build(load_config(BuildConfig, None, values), quiet=True)


def test_403_on_every_object_stops_the_run_and_rejects_nothing(
    server: Endpoint, tmp_path: Path
) -> None:
    """The listing may be read, and no object."""
    out = tmp_path / "out"
    refused = {"forbidden": 1.0, "where": lambda _, path: "list-type" not in path}
    with (
        FaultyProxy(server.url, **(QUIET | refused)) as proxy,
        pytest.raises(
            RunStopped, match=r"all of the first 20 objects were refused.*what was committed"
        ),
    ):
        build(proxy, out, runtime__articles_per_shard=40)
    assert rows(out, "rejects") == rows(out, "articles") == []
    with FaultyProxy(server.url, **QUIET, always={"PMC98000001.1.xml": "forbidden"}) as proxy:
        report = build(proxy, out)
        assert proxy.injected["forbidden"] == 2
    assert [article for article, _ in report.deferred] == ["PMC98000001.1"]
    assert "refused (403)" in report.deferred[0][1]
    assert Dataset.open(str(out)).count("articles") > 20


def test_a_snapshot_of_a_bucket_counts_what_it_asks(server: Endpoint, tmp_path: Path) -> None:
    with FaultyProxy(server.url, **(QUIET | {"unavailable": 0.4})) as proxy:
        report = run_snapshot(settings(proxy, tmp_path / "out"), quiet=True)
        values = report.to_dict()
        assert values["requests"] == proxy.requests
        assert values["slow_downs"] == values["retries"] == proxy.injected["unavailable"] > 0
        assert values["bytes_received"] > 0
