"""The documents are true: commands run, examples parse, links lead somewhere, settings exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from biomedica.cli import app
from biomedica.config import BuildConfig
from tests.conftest import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "examples").rglob("*.md"), *ROOT.glob("docs/*.md")])
COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]

NOT_RUN = {
    r"^make ": "makes a .venv of 8 GB; its recipes are commands of this list",
    r"^(ray|python jobs/) ?": "needs a cluster; the section marked `commands: job` has its own test",
    r"^(pip|git|docker|aws) ": "fetches or installs",
    r"s3://|hf-hub:": "needs a bucket or a network",
    r"…|\.\.\.": "a pattern with a gap, not a command",
}
"""Commands of the README that are not run here, and why."""

SHORTER = {"biomedica sample ./sample": "biomedica sample ./sample --articles 6"}
"""The same on fewer articles."""

_FENCE = re.compile(r"^```(\w*)")
_SHELLS = ("", "sh", "bash", "shell", "console")
_INLINE = re.compile(r"`((?:biomedica|ray|make|python|aws|pip) [^`\s][^`]*)`")


@dataclass(frozen=True)
class Code:
    """A fenced block, or a span of code in a line (`language` None)."""

    line: int
    language: str | None
    text: str


def code_of(text: str) -> Iterator[Code]:
    """Code in order; sections marked `<!-- commands: … -->` are left to their own tests."""
    block: list[str] | None = None
    language, is_foreign, start = "", False, 0
    for number, line in enumerate(text.splitlines(), start=1):
        fence = _FENCE.match(line)
        if block is not None:
            if fence is None:
                block.append(line)
                continue
            if not is_foreign:
                yield Code(start, language, "\n".join(block))
            block = None
        elif fence is not None:
            block, language, start = [], fence[1], number
        elif line.startswith("<!-- commands:"):
            is_foreign = True
        elif line.startswith("#"):
            is_foreign = False
        elif not is_foreign:
            for found in _INLINE.finditer(line):
                yield Code(number, None, found[1].replace("\\|", "|"))


def commands_of(text: str) -> Iterator[tuple[int, str]]:
    """(line, command): lines after `$ `, or all lines of a block without any, and spans of code
    that name more than a command."""
    for code in code_of(text):
        if code.language is None:
            if len(code.text.split()) > 2 or not code.text.startswith("biomedica"):
                yield code.line, code.text
        elif code.language in _SHELLS:
            lines = code.text.replace("\\\n", " ").splitlines()
            prompted = [line[2:] for line in lines if line.startswith("$ ")]
            for line in prompted or lines:
                bare = line.partition("  #")[0].strip()
                if bare and not bare.startswith("#"):
                    yield code.line, " ".join(bare.split())


def why_not(command: str) -> str | None:
    """The reason why a command is not run here."""
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, command)), None)


README = (ROOT / "README.md").read_text(encoding="utf-8")
RUN = [(line, text) for line, text in commands_of(README) if why_not(text) is None]
PYTHON = [code for code in code_of(README) if code.language == "python" and "s3://" not in code.text]


# -- the README's commands, in order, in one folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readme")


def run(folder: Path, command: str | list[str]) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}
    environment.pop("RAY_ADDRESS", None)
    done = subprocess.run(
        command, cwd=folder, env=environment, shell=isinstance(command, str), capture_output=True,
        text=True, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"


@pytest.mark.ray
@pytest.mark.parametrize("command", [pytest.param(text, id=f"line {line}") for line, text in RUN])
def test_the_readmes_commands_run(command: str, folder: Path) -> None:
    run(folder, SHORTER.get(command, command))


@pytest.mark.ray
@pytest.mark.parametrize("code", [pytest.param(code, id=f"line {code.line}") for code in PYTHON])
def test_the_readmes_python_runs(code: Code, folder: Path) -> None:
    run(folder, [sys.executable, "-c", code.text])


def test_the_first_steps_are_among_the_commands_that_run() -> None:
    named = {text.split()[1] for _, text in RUN}
    assert named >= {"sample", "build", "ids", "verify", "stats", "show", "inspect"}
    assert PYTHON


def test_commands_are_found_where_they_stand() -> None:
    text = (
        "`biomedica stats ./d` and `biomedica embed` and `make demo`\n```\nmake a   # why\n```\n"
        "```console\n$ biomedica ids \\\n    --source s\noutput\n```\n<!-- commands: job -->\n"
        "```\nray job submit\n```\n## Next\n```python\nx = 1\n```\n"
    )
    assert [command for _, command in commands_of(text)] == [
        "biomedica stats ./d", "make demo", "make a", "biomedica ids --source s",
    ]  # fmt: skip


# -- what the documents say of commands, settings, files


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    texts = [(ROOT / file).read_text(encoding="utf-8") for file in ("README.md", "CONTRIBUTING.md")]
    assert any(re.search(rf"biomedica {name}\b", text) for text in texts)


def parse(words: list[str]) -> None:
    """Parses a command line without running it; raises what typer raises of a wrong one."""
    assert words[:1] == ["biomedica"]
    command = COMMANDS[words[1]]
    command.make_context(words[1], words[2:])


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_of_every_command_parses(name: str) -> None:
    examples = re.findall(r"Example: (.+)", COMMANDS[name].help)
    assert examples
    for example in examples:
        parse(shlex.split(example))


def written_commands() -> Iterator[str]:
    """Commands of ours, up to a pipe or `>`. The changelog speaks of what once was."""
    for path in DOCUMENTS:
        if path.name == "CHANGELOG.md":
            continue
        for _, command in commands_of(path.read_text(encoding="utf-8")):
            is_ours = command.startswith("biomedica ") and "…" not in command
            if is_ours:
                yield re.split(r" [>|&]", command)[0]


@pytest.mark.parametrize("command", sorted(set(written_commands())))
def test_every_command_in_the_documents_parses(command: str) -> None:
    parse(shlex.split(command))


def settings(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from settings(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_settings_that_are_named_exist(path: Path) -> None:
    named = re.findall(r"--set ([\w.]+)=", path.read_text(encoding="utf-8"))
    assert set(named) <= set(settings(BuildConfig))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_to_files_that_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    lost = [
        link
        for link in links
        if not re.match(r"[a-z]+:", link) and not (path.parent / link.partition("#")[0]).exists()
    ]
    anchors = {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    }
    lost += [link for link in links if link.startswith("#") and link[1:] not in anchors]
    assert lost == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_exist(path: Path) -> None:
    """Paths in code spans that begin with a folder of the repository."""
    text = path.read_text(encoding="utf-8")
    named = re.findall(r"`((?:biomedica|tests|benchmarks|jobs|examples|docker)/[\w./-]*)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_targets_of_make_that_are_named_exist(path: Path) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    written = [command for _, command in commands_of(path.read_text(encoding="utf-8"))]
    named = {command.split()[1] for command in written if command.startswith("make ")}
    assert named <= targets


def test_the_data_dictionary_is_that_of_the_schema() -> None:
    from biomedica.reporting.dictionary import data_dictionary

    written = (ROOT / "docs" / "dataset.md").read_text(encoding="utf-8")
    assert written == data_dictionary(), "run `make docs`"
