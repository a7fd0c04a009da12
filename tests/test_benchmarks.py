"""Benchmarks run, and what they count is true. How fast things are is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.jats.documents import document, fig, xref

PEERS = ("pubmed_parser", "jats", "pmc_toolkit", "pmcgrab")


def run(*arguments: str) -> tuple[str, dict[str, Any]]:
    """The table and the object of `benchmarks/parsing.py`."""
    command = [sys.executable, str(ROOT / "benchmarks" / "parsing.py"), *arguments, "--rounds", "1"]
    done = subprocess.run(
        [*command, "--json"], capture_output=True, text=True, check=True, cwd=ROOT, timeout=250
    )
    *lines, last = done.stdout.splitlines()
    return "\n".join(lines), json.loads(last)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """Two articles and a file that no reader takes."""
    folder = tmp_path_factory.mktemp("corpus")
    glued = "<caption><title>One</title><p>Two, H<sub>2</sub>O <bold>(A)</bold> three.</p></caption>"
    two = f'<fig id="f2"><label>Figure 2</label>{glued}<graphic id="x" xlink:href="f2.jpg"/></fig>'
    text = f"<p>See {xref('f1', 'Fig. 1')} and {xref('f2', 'Fig. 2')}.</p>"
    (folder / "one.xml").write_bytes(document(text + fig("f1", "Figure 1") + two))
    (folder / "two.nxml").write_bytes(document(fig("", "Figure 1", "", "f3.jpg")))
    (folder / "cut.xml").write_bytes(document(text)[:-20])
    return run("--corpus", str(folder))


def test_what_is_in_the_xml_is_found(measured: tuple[str, dict[str, Any]]) -> None:
    _, values = measured
    assert (values["files"], values["refused"], values["failures"]) == (3, 1, 0)
    assert values["in_xml"] == {"figs": 3, "hrefs": 3, "captions": 2, "mentions": 2}
    assert (values["figures"], values["graphics"], values["mentions"]) == (3, 3, 2)
    assert (values["captions"], values["caption_losses"], values["captions_of_rejects"]) == (2, 0, 0)
    assert values["ms_per_100kb"] > 0


def test_every_peer_has_its_columns(measured: tuple[str, dict[str, Any]]) -> None:
    table, values = measured
    for name in PEERS:
        assert f"speed_ratio_{name}" in values
        if name in values["not_installed"]:
            assert values[f"caption_losses_{name}"] is None
            assert f"not installed: pip install {values['not_installed'][name]}" in table
        else:
            assert values[f"figures_{name}"] >= 0
    assert {"figures_pubmed_parser", "graphics_pubmed_parser", "caption_losses_pubmed_parser"} <= set(
        values
    )


def test_pubmed_parser_is_counted_as_it_answers(measured: tuple[str, dict[str, Any]]) -> None:
    """It takes the id of a graphic for its name, and raises on a figure without a caption."""
    pytest.importorskip("pubmed_parser", reason="no pubmed_parser here")
    _, values = measured
    assert values["faults_pubmed_parser"]["caption"] == 1  # what both refuse is not counted
    assert values["figures_pubmed_parser"] == 2
    assert values["graphics_pubmed_parser"] == 1
    assert values["caption_losses_pubmed_parser"] == 0
    assert values["mentions_pubmed_parser"] == 2


def test_it_runs_on_the_sample() -> None:
    table, values = run()
    assert values["failures"] == 0
    assert values["caption_losses"] == 0
    assert values["figures"] == values["in_xml"]["figs"]
    assert "biomedica" in table


def test_snapshots_of_generated_inventories_differ_as_they_should() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "snapshot.py"), "--rows", "30000", "--json"]
    command += ["--articles", "--a-shard", "1000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=250)
    values = json.loads(done.stdout.splitlines()[-1])
    assert values["snapshot_1"]["rows"] == 30_000
    found = {name: values["difference"][name] for name in ("new", "changed", "gone")}
    assert found == {"new": 60, "changed": 30, "gone": 3}
    assert found == {name: values["snapshot_2"][name] for name in found}
    assert found == {name: values["against_dataset"][name] for name in found}
    assert values["against_dataset"]["held"] == 30_000
    assert values["difference"]["peak_mib"] > 0


def test_the_benchmark_of_enrichment_runs() -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "enrich.py"), "--records", "60", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, timeout=250)
    values = json.loads(done.stdout.splitlines()[-1])
    assert values["records"] == 60
    assert values["records_per_second"].keys() >= {"unpack only", "0% wanted", "100% wanted"}
    assert all(rate > 0 for rate in values["records_per_second"].values())
