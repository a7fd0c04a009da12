"""The example notebook: short, stored without outputs, and right when it runs as it is."""

from __future__ import annotations

import json
import os
import re
import warnings
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "examples" / "slice.ipynb"

CHECK = """
import json, shutil
from IPython.display import JSON
found = {
    "ids": ids,
    "models": list(archive.models),
    "report": dict(archive.report),
    "pairs": archive.pairs().count(),
    "groups": archive.pairs(["license_group"]).to_pandas()["license_group"].value_counts().to_dict(),
    "table": table.to_dict("records"),
    "chosen": chosen,
    "nearest": nearest,
    "norms": [float(vectors[i] @ vectors[i]) for i in range(len(vectors))],
    "closeness": {pair: float(value) for pair, value in zip(pair_ids, closeness)},
    "heavy": [name for name in ("ipywidgets",) if name in __import__("sys").modules],
}
shutil.rmtree(work)
print("FOUND" + json.dumps(found, default=str))
"""
"""run as a last cell: what the notebook's variables hold; then its folder is removed"""


def stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return found


def test_it_is_stored_without_outputs() -> None:
    notebook = stored()
    for number, cell in enumerate(notebook["cells"], 1):
        assert cell["id"] == f"cell-{number:02}"
        assert cell["metadata"] == {}
        if cell["cell_type"] == "code":
            assert (cell["execution_count"], cell["outputs"]) == (None, [])
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}
    assert notebook["metadata"]["language_info"] == {"name": "python"}
    text = json.dumps(notebook, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    assert NOTEBOOK.read_text(encoding="utf-8") == text


def test_it_is_short_and_says_how_to_take_real_articles() -> None:
    cells = stored()["cells"]
    assert len(cells) <= 15
    words = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    assert sum("s3://pmc-oa-opendata" in text for text in words) == 1
    assert any("means nothing" in text for text in words)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Any]]:
    """The notebook with its outputs, and what its variables held at the end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Jupyter's own
        import nbformat
        from nbclient import NotebookClient

        notebook = nbformat.read(NOTEBOOK, as_version=4)
        notebook.cells.append(nbformat.v4.new_code_cell(CHECK))
        place = tmp_path_factory.mktemp("notebook")
        root = str(NOTEBOOK.parents[1])
        environment = {**os.environ, "PYTHONPATH": root, "TMPDIR": str(place)}
        environment.pop("RAY_ADDRESS", None)
        client = NotebookClient(
            notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(place)}}
        )
        client.execute(env=environment)
    (said,) = notebook.cells.pop().outputs
    return notebook, json.loads(said["text"].partition("FOUND")[2])


@pytest.mark.ray
def test_what_it_finds(executed: tuple[Any, dict[str, Any]]) -> None:
    _, found = executed
    report = found["report"]
    assert report["articles_requested"] == len(found["ids"]) == 12
    done = report["articles"] + report["articles_rejected"] + report["articles_deferred"]
    assert done == 12
    assert report["articles_deferred"] == report["shards_failed"] == 0
    assert found["pairs"] == report["pairs"] == sum(found["groups"].values()) > 30
    assert found["table"]
    for row in found["table"]:
        assert row["width"] >= 400
        assert row["caption"]
        assert row["license_code"] in ("CC BY", "CC0", "CC BY-SA", "CC BY-ND")
    assert len(found["table"]) <= found["groups"]["commercial"]
    closeness = found["closeness"]
    assert len(closeness) == found["pairs"]
    assert found["norms"] == pytest.approx([1.0] * found["pairs"], abs=1e-5)
    assert closeness[found["chosen"]] == pytest.approx(1.0, abs=1e-5)
    others = sorted(
        (pair for pair in closeness if pair != found["chosen"]), key=lambda p: -closeness[p]
    )
    assert len(found["nearest"]) == 6
    assert [closeness[p] for p in found["nearest"]] == [closeness[p] for p in others[:6]]


@pytest.mark.ray
def test_what_it_shows(executed: tuple[Any, dict[str, Any]]) -> None:
    """Progress in one place, the run's counts, pictures; nothing of Ray's and nothing in red."""
    notebook, found = executed
    outputs = {cell.id: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}
    assert not any(one.output_type in ("stream", "error") for many in outputs.values() for one in many)
    (built,) = (many for many in outputs.values() if any(o.output_type == "display_data" for o in many))
    lines = [one["data"]["text/plain"] for one in built if one.output_type == "display_data"]
    progress = [line for line in lines if re.match(r"\d+/12 articles · ", line)]
    assert progress == [lines[0]]
    assert lines[0].startswith(f"12/12 articles · {found['pairs']} pairs · ")
    assert lines[1].startswith("12 articles requested: 0 done before, ")
    assert f"{found['models'][0]} is untrained: its embeddings mean nothing" in lines
    pages = [
        one["data"]["text/html"]
        for many in outputs.values()
        for one in many
        if "biomedica" in one["data"].get("text/html", "")
    ]
    assert [page.count("data:image/jpeg") > 0 for page in pages] == [True] * 4
    assert "this run: 12 articles requested" in pages[0]
    assert pages[-1].count("data:image/jpeg") == 6
    for pair in found["nearest"]:
        assert pair in pages[-1]
