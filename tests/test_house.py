"""The house in order: what is exported, what loads late, which commands there are."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest
import typer

import biomedica

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(biomedica.__path__, "biomedica.")
    if "__main__" not in module.name
)


@pytest.mark.parametrize("name", MODULES)
def test_every_exported_name_exists(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert [item for item in exported if not hasattr(module, item)] == []
    assert len(exported) == len(set(exported))


@pytest.mark.parametrize("statement", ["import biomedica", "import biomedica.cli"])
def test_heavy_libraries_load_late(statement: str) -> None:
    heavy = {
        "torch",
        "ray",
        "pyarrow",
        "duckdb",
        "deltalake",
        "boto3",
        "PIL",
        "open_clip",
        "lxml",
        "numpy",
    }
    code = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert heavy & set(done.stdout.split()) == set()


def test_every_command_says_what_it_does_with_an_example() -> None:
    from biomedica.cli import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(commands) == {"sample", "ids", "build", "embed", "verify", "stats", "show"}
    for name, command in commands.items():
        assert f"Example: biomedica {name} " in command.help
        for parameter in command.params:
            if parameter.name != "help" and hasattr(parameter, "help"):
                assert parameter.help, f"{name} {parameter.name}"
