"""The house in order: what is exported, what loads late, how long things are, what is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from pydantic import BaseModel

import biomedica
from biomedica import config, schema
from tests.conftest import ROOT

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(biomedica.__path__, "biomedica.")
    if "__main__" not in module.name
)
FILES = sorted((ROOT / "biomedica").rglob("*.py"))
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef

MAX_FILE, MAX_FUNCTION = 400, 60
LONG_FUNCTIONS: dict[str, str] = {}
"""module.function → why it may be longer than MAX_FUNCTION lines"""

LIGHT = {
    "typer", "click", "shellingham", "rich", "pygments", "markdown_it", "mdurl", "pydantic",
    "pydantic_core", "annotated_doc", "annotated_types", "attr", "typing_extensions", "typing_inspection", "yaml",
}  # fmt: skip
"""What `--help` may load besides the standard library: typer, rich, pydantic and theirs."""

FORBIDDEN = re.compile(
    r"(?<![\w.])/(?:work|tmp|home|root)/|pypi\.org|pythonhosted\.org|conda\.anaconda\.org|npmjs\."
)
"""Paths of one machine, hosts of package registries."""


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, node: Definition) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno} {node.name}"


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def strings(*roots: Path) -> set[str]:
    """Every string constant in the Python files below `roots`."""
    return {
        node.value
        for root in roots
        for path in ([root] if root.is_file() else root.rglob("*.py"))
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


# -- exports


@pytest.mark.parametrize("name", MODULES)
def test_every_exported_name_exists(name: str) -> None:
    module = importlib.import_module(name)
    exported = getattr(module, "__all__", [])
    assert [item for item in exported if not hasattr(module, item)] == []
    assert len(exported) == len(set(exported))


def test_exports_name_every_public_definition() -> None:
    """Commands of the command line are reached through `app`."""
    missing = []
    for path in FILES:
        if path.name in ("__main__.py", "_version.py"):
            continue
        exported = exports(path)
        for node in parsed(path).body:
            if not isinstance(node, Definition) or node.name.startswith("_"):
                continue
            is_command = any("app." in ast.unparse(one) for one in node.decorator_list)
            if node.name not in exported and not is_command:
                missing.append(place(path, node))
    assert missing == []


def test_a_room_exports_what_it_imports_from_its_own_modules() -> None:
    hidden = []
    for path in FILES:
        if path.name != "__init__.py":
            continue
        room = ".".join(path.parent.relative_to(ROOT).parts)
        for node in parsed(path).body:
            if isinstance(node, ast.ImportFrom) and (
                node.level or (node.module or "").startswith(f"{room}.")
            ):
                names = {one.asname or one.name for one in node.names}
                hidden += [f"{room}: {name}" for name in sorted(names - exports(path))]
    assert hidden == []


def exports(path: Path) -> set[str]:
    """The names in `__all__`, which every module has."""
    for node in parsed(path).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError(f"{path.relative_to(ROOT)} has no __all__")


def test_every_exported_function_and_class_says_what_it_is() -> None:
    silent = []
    for path in FILES:
        if path.name in ("__main__.py", "_version.py"):
            continue
        exported = exports(path)
        for node in parsed(path).body:
            if isinstance(node, Definition) and node.name in exported:
                is_overload = any("overload" in ast.unparse(one) for one in node.decorator_list)
                if not is_overload and not ast.get_docstring(node):
                    silent.append(place(path, node))
    assert silent == []


# -- imports


@pytest.mark.parametrize("statement", ["import biomedica", "import biomedica.cli"])
def test_heavy_libraries_load_late(statement: str) -> None:
    heavy = {
        "torch", "ray", "pyarrow", "duckdb", "deltalake", "boto3", "obstore", "PIL", "open_clip",
        "lxml", "numpy", "pandas", "matplotlib", "jinja2",
    }  # fmt: skip
    assert heavy & loaded_by(statement) == set()


def loaded_by(code: str) -> set[str]:
    """The packages that a fresh interpreter has loaded after the code."""
    code = f"import sys\n{code}\nprint(*sys.modules, sep='\\n', file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_help_loads_little() -> None:
    """Of every command, one after the other in one interpreter."""
    shown = "[], *([name] for name in typer.main.get_command(app).commands)"
    code = f"""
import typer
from biomedica.cli import app
for words in ({shown}):
    try:
        app([*words, "--help"])
    except SystemExit as ended:
        assert not ended.code, words
"""
    before = loaded_by("")
    others = loaded_by(code) - before - set(sys.stdlib_module_names) - LIGHT - {"biomedica"}
    assert {name for name in others if not name.startswith("_")} == set()


# -- commands


def test_every_command_says_what_it_does_with_an_example() -> None:
    from biomedica.cli import app

    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert set(commands) >= {"sample", "ids", "build", "embed", "verify", "stats", "show", "inspect"}
    for name, command in commands.items():
        assert f"Example: biomedica {name} " in command.help
        for parameter in command.params:
            if parameter.name != "help" and hasattr(parameter, "help"):
                assert parameter.help, f"{name} {parameter.name}"


# -- length and completeness


def test_files_and_functions_fit_on_a_screen() -> None:
    long_files = {
        str(path.relative_to(ROOT)): lines
        for path in FILES
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_FILE
    }
    assert long_files == {}
    long_functions = set()
    for path in FILES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for node in functions(path):
            if (node.end_lineno or 0) - node.lineno >= MAX_FUNCTION:
                long_functions.add(f"{module}.{node.name}")
    assert long_functions == set(LONG_FUNCTIONS)
    assert all(LONG_FUNCTIONS.values())


def test_nothing_is_left_to_be_done() -> None:
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"\b(?:TODO|FIXME|XXX|HACK)\b|raise NotImplemented", text) == [], path
        assert [node.lineno for node in ast.walk(parsed(path)) if isinstance(node, ast.Pass)] == []


def test_no_path_of_a_machine_and_no_registry() -> None:
    """In what is shipped or shown: the package, jobs, examples, benchmarks, documents."""
    shown = [*FILES, *ROOT.glob("*.md"), *ROOT.glob("Makefile"), *ROOT.glob("*.toml")]
    for folder in ("jobs", "examples", "benchmarks", "docker"):
        shown += [
            path
            for path in (ROOT / folder).rglob("*")
            if path.suffix in (".py", ".ipynb", ".md", ".yaml", ".yml", ".toml")
        ]
    found = {
        f"{path.relative_to(ROOT)}:{number}": line.strip()[:120]
        for path in shown
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if FORBIDDEN.search(line)
    }
    assert found == {}


# -- closed lists and docs of fields


@pytest.mark.parametrize("stage", schema.REJECT_REASONS)
def test_every_reason_of_a_reject_is_given_somewhere_and_tested(stage: str) -> None:
    package = ROOT / "biomedica"
    sample = package / "sources" / "sample"
    given = strings(*(p for p in FILES if p != package / "schema.py" and sample not in p.parents))
    here = Path(__file__)
    tested = strings(*(path for path in (ROOT / "tests").rglob("*.py") if path != here))
    for reason, meaning in schema.REJECT_REASONS[stage].items():
        assert re.fullmatch(r"[a-z_]+", reason)
        assert meaning
        assert reason in given, f"nothing gives the reason {stage}/{reason}"
        assert reason in tested, f"no test names the reason {stage}/{reason}"


def test_every_setting_says_what_it_does() -> None:
    """A section of settings says it in its docstring."""
    for _, model in inspect.getmembers(config, inspect.isclass):
        if not issubclass(model, BaseModel) or model is BaseModel or model.__name__.startswith("_"):
            continue
        assert model.__doc__, model
        for name, field in model.model_fields.items():
            is_section = inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel)
            assert is_section or field.description, f"{model.__name__}.{name}"


def test_every_field_of_every_table_has_a_doc() -> None:
    tables = (
        "articles",
        "pairs",
        "rejects",
        "superseded",
        "embeddings/any",
        "enrichment",
        "pubmed_files",
    )
    for table in tables:
        for field in schema.table_schema(table):
            assert schema.field_doc(field), f"{table}.{field.name}"
