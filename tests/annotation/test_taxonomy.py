"""The built-in taxonomy, users' own files, and what is said of wrong ones."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from biomedica.annotation import load_taxonomy, taxonomy_from_yaml
from biomedica.annotation.taxonomy import BUILT_IN
from biomedica.errors import ConfigError

SMALL = """
version: lab-1
title: A small one
panel_types:
  - {id: single, name: single, definition: one panel}
  - {id: multiple, name: multiple, definition: several panels}
panel_subtypes:
  - {id: images, name: images, definition: images only, panel_types: [multiple]}
concepts:
  - {id: microscopy, name: Microscopy, definition: taken through a microscope}
  - {id: electron, parent: microscopy, name: electron microscopy, definition: by electrons, synonyms: [EM]}
  - {id: sem, parent: electron, name: scanning, definition: a scanned beam}
  - {id: plots, name: Plots, definition: data on axes}
"""


def test_the_built_in_taxonomy_has_the_facts_of_biomedica() -> None:
    taxonomy = load_taxonomy()
    assert len(taxonomy.ids("global")) == 16
    assert len(taxonomy.ids("local")) == 119
    assert [one.name for one in taxonomy.panel_types] == ["single", "multiple"]
    assert {one.name for one in taxonomy.panel_subtypes} == {
        "single panel", "multiple panels: images", "multiple panels: images & plots",
        "multiple panels: images & assays",
    }  # fmt: skip
    sizes = {taxonomy.name(one): len(taxonomy.locals_of(one)) for one in taxonomy.ids("global")}
    assert sizes["Plots and Charts"] == 34
    assert sizes["Clinical Imaging"] == 23
    assert sizes["Microscopy"] == 10
    assert min(sizes.values()) == 1
    assert taxonomy.global_of("immunohistochemistry") == "immuno_assays"


def test_every_concept_has_a_definition_of_its_own() -> None:
    definitions = [one.definition for one in load_taxonomy().concepts]
    assert len(set(definitions)) == len(definitions)
    assert min(len(one.split()) for one in definitions) >= 3


def test_concepts_are_found_by_id_name_and_synonym() -> None:
    taxonomy = load_taxonomy()
    assert taxonomy.find("Western  BLOT", "local") == "immunoblot"
    assert taxonomy.find("microscopy", "local") == "microscopy_unspecified"
    assert taxonomy.find("microscopy", "global") == "microscopy"
    assert taxonomy.find("qpcr", "local") == "qpcr"
    assert taxonomy.find("no such thing", "local") is None
    assert taxonomy.find_panel_type("Single") == "single"
    assert taxonomy.find_panel_subtype("multiple panels: images & plots") == "images_and_plots"


def test_the_digest_changes_with_every_word() -> None:
    text = BUILT_IN.read_bytes()
    same = taxonomy_from_yaml(text, "a").digest
    assert taxonomy_from_yaml(b"# comment\n" + text, "b").digest == same
    assert taxonomy_from_yaml(text.replace(b"bar chart", b"bar diagram"), "c").digest != same


def test_ones_own_file_by_path_and_uri(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(SMALL)
    taxonomy = load_taxonomy(str(tmp_path / "own.yaml"))
    assert taxonomy == load_taxonomy(f"file://{tmp_path}/own.yaml")
    assert taxonomy.global_of("sem") == "microscopy"
    assert taxonomy.locals_of("microscopy") == ("electron", "sem")
    assert taxonomy.implied(["sem", "plots"]) == {"microscopy", "plots"}
    assert taxonomy.level("sem") == "local"
    with pytest.raises(ConfigError, match=r"there is no file .*nowhere\.yaml"):
        load_taxonomy(str(tmp_path / "nowhere.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("id: plots,", "id: sem,", "concepts: the id sem is there twice"),
        ("parent: electron", "parent: nowhere", "concepts: sem has the parent nowhere, which is not there"),
        ("{id: microscopy,", "{id: microscopy, parent: sem,", "is among its own parents"),
        ("{id: plots,", "{id: plots, parent: plots,", "plots is among its own parents"),
        (", definition: data on axes", "", "concepts: plots: definition: Field required"),
        ("id: sem", "id: S E M", "concepts: S E M: id: String should match"),
        ("name: scanning", "name: em", "local: electron and sem are both called 'em'"),
        ("name: Plots", "name: microscopy", "global: microscopy and plots are both called 'microscopy'"),
        ("panel_types: [multiple]", "panel_types: [many]", "images goes with many, which is not there"),
        ("title: A small one", "titel: A small one", "title: Field required"),
        ("version: lab-1", "version: ../1", "version: String should match"),
        ("title: A small one", "title: a\ntitle: b", "title is given twice at line"),
        ("version: lab-1", "version: [", "cannot be read at line"),
        ("concepts:", "concepts: 3\nother:", "concepts: Input should be a valid tuple"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_in_one_sentence(old: str, new: str, said: str) -> None:
    assert old in SMALL
    with pytest.raises(ConfigError) as raised:
        taxonomy_from_yaml(SMALL.replace(old, new, 1).encode(), "own.yaml")
    message = str(raised.value)
    assert "own.yaml" in message
    assert said in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"\xff\xfe\x00", b"- 1", b"{" * 5000, b"a: !!python/name:os.system"]
)
def test_what_is_no_taxonomy_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"own\.yaml"):
        taxonomy_from_yaml(data, "own.yaml")


def test_replacements_lead_to_what_is_there() -> None:
    good = (
        SMALL
        + "replaces:\n  - {version: lab-0, concepts: {old: sem, gone: null, both: [sem, plots]}}\n"
    )
    taxonomy = taxonomy_from_yaml(good.encode(), "own.yaml")
    assert taxonomy.replaces[0].concepts == {"old": "sem", "gone": None, "both": ("sem", "plots")}
    for wrong, said in (
        (("sem, gone", "lost, gone"), "becomes lost"),
        (("lab-0", "lab-1"), "this version"),
    ):
        with pytest.raises(ConfigError, match=said):
            taxonomy_from_yaml(good.replace(*wrong).encode(), "own.yaml")


def test_the_file_is_yaml_that_others_can_read() -> None:
    plain = yaml.safe_load(BUILT_IN.read_text(encoding="utf-8"))
    assert len(plain["concepts"]) == 135
