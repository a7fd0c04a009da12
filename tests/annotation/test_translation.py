"""Old votes under a new taxonomy."""

from __future__ import annotations

import pytest

from biomedica.annotation import (
    Change,
    Taxonomy,
    load_mapping,
    mapping_from_yaml,
    taxonomy_from_yaml,
    translate,
)
from biomedica.errors import ConfigError
from tests.annotation.casting import TAXONOMY, cast


def taxonomy(version: str, concepts: str, replaces: str = "") -> Taxonomy:
    lines = [f"version: {version}", "title: t", "panel_types: [{id: single, name: s, definition: d}]"]
    lines += ["concepts:"]
    for pair in concepts.split():
        name, _, parent = pair.partition("<")
        lines.append(
            f"  - {{id: {name}, name: {name}, definition: d"
            + (f", parent: {parent}}}" if parent else "}")
        )
    return taxonomy_from_yaml(("\n".join(lines) + "\n" + replaces).encode(), version)


NEW = taxonomy(
    "two",
    "maps assays other blot<assays gel<assays image<other plan<maps map<maps",
    "replaces:\n  - version: biomedica-1\n    concepts: {immuno_assays: assays, immunoblot: blot, "
    "gel_electrophoresis: gel, karyotype: gel, assay: [blot, gel], table: [image, plan], tool: null, "
    "qpcr: maps}\n    panel_types: {multiple: null}\n",
)


def test_ids_that_are_the_same_stay() -> None:
    vote = cast("ann", 1, "maps", "map", panel_type="single", comment="c", is_mixed=True)
    found = translate(vote, NEW)
    assert found.changes == ()
    assert found.vote is not None
    assert found.vote.taxonomy_version == "two"
    assert (found.vote.global_concepts, found.vote.local_concepts) == (("maps",), ("map",))
    assert (found.vote.panel_type, found.vote.comment, found.vote.is_mixed) == ("single", "c", True)
    assert found.of is vote
    assert translate(vote, TAXONOMY).vote is vote


@pytest.mark.parametrize(
    ("old", "kind", "new", "globals_", "locals_", "review"),
    [
        ("immunoblot", "renamed", ("blot",), (), ("blot",), False),
        ("karyotype", "merged", ("gel",), (), ("gel",), False),
        ("assay", "split", ("blot", "gel"), ("assays",), (), True),  # both are assays
        ("table", "split", ("image", "plan"), None, None, True),  # nothing in common
        ("tool", "removed", (), None, None, True),
        ("face", "unknown", (), None, None, True),
        ("qpcr", "renamed", ("maps",), ("maps",), (), False),  # local before, global now
    ],
)
def test_what_became_of_an_id(
    old: str,
    kind: str,
    new: tuple[str, ...],
    globals_: tuple[str, ...] | None,
    locals_: tuple[str, ...] | None,
    review: bool,
) -> None:
    found = translate(cast("ann", 1, old), NEW)
    assert found.changes == (Change("concept", old, kind, new),)  # type: ignore[arg-type]
    assert found.needs_review == review
    if globals_ is None:
        assert found.vote is None
    else:
        assert found.vote is not None
        assert (found.vote.global_concepts, found.vote.local_concepts) == (globals_, locals_)


def test_what_is_left_of_a_vote_counts() -> None:
    found = translate(cast("ann", 1, "tool", "map", panel_type="multiple"), NEW)
    assert found.vote is not None
    assert found.vote.local_concepts == ("map",)
    assert found.vote.panel_type is None
    assert [(one.field, one.kind) for one in found.changes] == [
        ("panel_type", "removed"),
        ("concept", "removed"),
    ]


def test_translation_goes_over_several_versions() -> None:
    three = taxonomy(
        "three",
        "maps strip<maps map<maps",
        "replaces:\n  - {version: two, concepts: {blot: strip, gel: null}}\n",
    )
    between = [(NEW.version, one) for one in NEW.replaces]
    found = translate(cast("ann", 1, "immunoblot", "karyotype", "map"), three, between)
    assert found.vote is not None
    assert found.vote.local_concepts == ("map", "strip")
    assert [(one.old, one.kind) for one in found.changes] == [
        ("immunoblot", "renamed"),
        ("karyotype", "removed"),
    ]
    halved = translate(cast("ann", 1, "assay"), three, between)  # blot or gel, and gel is gone since
    assert [(one.kind, one.new) for one in halved.changes] == [("split", ("strip",))]
    with pytest.raises(
        ConfigError, match="votes were cast under taxonomy biomedica-1, and taxonomy three"
    ):
        translate(cast("ann", 1, "map"), three)


def test_a_mapping_file_does_the_same(tmp_path) -> None:  # type: ignore[no-untyped-def]
    bare = taxonomy("two", "maps map<maps")
    text = b"version: biomedica-1\nto: two\nconcepts: {tables: maps}\n"
    (tmp_path / "m.yaml").write_bytes(text)
    to, replacement = load_mapping(str(tmp_path / "m.yaml"))
    assert (to, replacement) == mapping_from_yaml(text, "m")
    found = translate(cast("ann", 1, "tables"), bare, [(to, replacement)])
    assert found.vote is not None
    assert found.vote.global_concepts == ("maps",)
    with pytest.raises(ConfigError, match=r"mapping m\.yaml is wrong: to: Field required"):
        mapping_from_yaml(b"version: biomedica-1\n", "m.yaml")
