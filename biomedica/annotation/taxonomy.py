"""The taxonomy: panel types, and concepts on levels of which the top one is global.

BIOMEDICA's is in `taxonomy.yaml`; a laboratory brings its own in the same shape.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from biomedica.config import digest_of, is_uri
from biomedica.errors import BiomedicaError, ConfigError
from biomedica.labels import TAXONOMY_VERSION_PATTERN

__all__ = [
    "Concept",
    "Level",
    "PanelSubtype",
    "PanelType",
    "Replacement",
    "Taxonomy",
    "load_taxonomy",
    "parse_yaml",
    "read_yaml_place",
    "successors",
    "taxonomy_from_yaml",
]

BUILT_IN = Path(__file__).with_name("taxonomy.yaml")
MAX_BYTES = 8 << 20

Level = Literal["global", "local"]
Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_]{0,79}$")]
Version = Annotated[str, Field(pattern=f"^{TAXONOMY_VERSION_PATTERN}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Name = Annotated[str, Field(pattern=r"^\S(.{0,118}\S)?$")]
Successors = Annotated[dict[Id, Id | tuple[Id, ...] | None], Field(default_factory=dict)]


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Named(_Entry):
    id: Id
    name: Name
    definition: Text
    synonyms: tuple[Name, ...] = ()


class PanelType(_Named):
    """Whether images are one panel or several."""


class PanelSubtype(_Named):
    """Which kinds of panel an image is made of. panel_types: those it goes with; empty: any."""

    panel_types: tuple[Id, ...] = ()


class Concept(_Named):
    """Something that an image shows. Without a parent it is global, else local."""

    parent: Id | None = None


class Replacement(_Entry):
    """What became of the ids of an older version that are not the same in this one.

    id: the new id (two that become one are merged), several ids (split: its votes need a review),
    or null (removed). Ids that are not named stay what they are.
    """

    version: Version
    panel_types: Successors
    panel_subtypes: Successors
    concepts: Successors


class Taxonomy(_Entry):
    """A checked taxonomy. `digest` changes with every word of it."""

    version: Version
    title: Text
    panel_types: tuple[PanelType, ...] = Field(min_length=1)
    panel_subtypes: tuple[PanelSubtype, ...] = ()
    concepts: tuple[Concept, ...] = Field(min_length=1)
    replaces: tuple[Replacement, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Taxonomy:
        _check_unique("panel_types", self.panel_types)
        _check_unique("panel_subtypes", self.panel_subtypes)
        _check_unique("concepts", self.concepts)
        self._check_parents()
        for level in ("global", "local"):
            _check_names(level, (one for one in self.concepts if self.level(one.id) == level))
        types = {one.id for one in self.panel_types}
        for subtype in self.panel_subtypes:
            for lost in sorted(set(subtype.panel_types) - types):
                raise ValueError(f"panel_subtypes: {subtype.id} goes with {lost}, which is not there")
        self._check_replacements()
        return self

    def _check_parents(self) -> None:
        parents = {one.id: one.parent for one in self.concepts}
        for start, above in parents.items():
            seen, parent = {start}, above
            while parent is not None:
                if parent not in parents:
                    raise ValueError(f"concepts: {start} has the parent {parent}, which is not there")
                if parent in seen:
                    raise ValueError(f"concepts: {start} is among its own parents")
                seen.add(parent)
                parent = parents[parent]

    def _check_replacements(self) -> None:
        known: dict[str, set[str]] = {
            "panel_types": {one.id for one in self.panel_types},
            "panel_subtypes": {one.id for one in self.panel_subtypes},
            "concepts": {one.id for one in self.concepts},
        }
        versions = [one.version for one in self.replaces]
        for version in versions:
            if versions.count(version) > 1 or version == self.version:
                raise ValueError(f"replaces: {version} is there twice, or is this version")
        for one in self.replaces:
            for kind, ids in known.items():
                for old, new in getattr(one, kind).items():
                    for lost in sorted(set(successors(new)) - ids):
                        raise ValueError(
                            f"replaces {one.version}: {old} becomes {lost}, which is not there"
                        )

    @cached_property
    def digest(self) -> str:
        """16 hex digits of its content."""
        return digest_of(self.model_dump(mode="json"))

    @cached_property
    def _by_id(self) -> dict[str, Concept]:
        return {one.id: one for one in self.concepts}

    def concept(self, concept_id: str) -> Concept:
        """The concept of an id. Raises ConfigError."""
        if concept_id not in self._by_id:
            raise ConfigError(f"taxonomy {self.version} has no concept {concept_id[:80]!r}")
        return self._by_id[concept_id]

    def __contains__(self, concept_id: str) -> bool:
        return concept_id in self._by_id

    def level(self, concept_id: str) -> Level:
        """`global` for a concept without a parent, else `local`."""
        return "global" if self.concept(concept_id).parent is None else "local"

    def ids(self, level: Level) -> tuple[str, ...]:
        """The ids of a level, in the file's order."""
        return tuple(one.id for one in self.concepts if (one.parent is None) == (level == "global"))

    def global_of(self, concept_id: str) -> str:
        """The global concept above a concept; a global one's own id."""
        concept = self.concept(concept_id)
        while concept.parent is not None:
            concept = self.concept(concept.parent)
        return concept.id

    def locals_of(self, global_id: str) -> tuple[str, ...]:
        """The local concepts below a global one, at any depth, in the file's order."""
        return tuple(one for one in self.ids("local") if self.global_of(one) == global_id)

    def implied(self, concepts: Iterable[str]) -> frozenset[str]:
        """The global concepts of these concepts."""
        return frozenset(self.global_of(one) for one in concepts)

    def name(self, concept_id: str) -> str:
        """The name of a concept as people read it."""
        return self.concept(concept_id).name

    def find(self, text: str, level: Level) -> str | None:
        """The id of a concept by its id, name or synonym, whatever the case; None where there is none."""
        return self._known[level].get(_folded(text))

    def find_panel_type(self, text: str) -> str | None:
        """The id of a panel type by its id, name or synonym."""
        return _lookup(self.panel_types).get(_folded(text))

    def find_panel_subtype(self, text: str) -> str | None:
        """The id of a panel subtype by its id, name or synonym."""
        return _lookup(self.panel_subtypes).get(_folded(text))

    def panel_type(self, panel_type_id: str) -> PanelType:
        """The panel type of an id. Raises ConfigError."""
        return _one_of(self.panel_types, panel_type_id, self.version, "panel type")

    def panel_subtype(self, panel_subtype_id: str) -> PanelSubtype:
        """The panel subtype of an id. Raises ConfigError."""
        return _one_of(self.panel_subtypes, panel_subtype_id, self.version, "panel subtype")

    @cached_property
    def _known(self) -> dict[str, dict[str, str]]:
        return {
            level: _lookup(one for one in self.concepts if self.level(one.id) == level)
            for level in ("global", "local")
        }


def load_taxonomy(place: str | None = None) -> Taxonomy:
    """BIOMEDICA's taxonomy, or a user's own from a path or URI.

    Raises ConfigError in one sentence that names the place and the entry, StoreError or Deferred.
    """
    if place is None:
        return taxonomy_from_yaml(BUILT_IN.read_bytes(), BUILT_IN.name)
    return taxonomy_from_yaml(read_yaml_place(place), place)


def taxonomy_from_yaml(data: bytes, where: str) -> Taxonomy:
    """A taxonomy from YAML text. Raises ConfigError; `where` names the file in it."""
    return parse_yaml(Taxonomy, data, where, "taxonomy")


def read_yaml_place(place: str) -> bytes:
    """The bytes of a small file at a path or URI. Raises ConfigError, StoreError or Deferred."""
    from biomedica.store import open_storage

    is_remote = is_uri(place)
    folder, _, name = (place if is_remote else str(Path(place).expanduser().absolute())).rpartition("/")
    try:
        data = open_storage(folder or "/").get(name)
    except FileNotFoundError:
        raise ConfigError(f"there is no file {place}") from None
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{place} has over {MAX_BYTES >> 20} MiB: it is no list of concepts")
    return data


Model = TypeVar("Model", bound=BaseModel)


def parse_yaml(kind: type[Model], data: bytes, where: str, what: str) -> Model:
    """A model from YAML. Raises ConfigError naming the file, the entry and what is wrong with it."""
    import yaml

    try:
        values = yaml.load(data, Loader=_loader())  # noqa: S506 - a SafeLoader
    except BiomedicaError as error:
        raise ConfigError(f"the {what} {where} is wrong: {error}") from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark is not None else ""
        detail = getattr(error, "problem", None) or "it is not YAML in UTF-8"
        raise ConfigError(f"the {what} {where} cannot be read{line}: {detail}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"the {what} {where} is wrong: it must be a mapping of names to values")
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first, *more = error.errors()
        rest = f" (and {len(more)} more)" if more else ""
        raise ConfigError(f"the {what} {where} is wrong: {_sentence(values, first)}{rest}") from None


def _loader() -> type[Any]:
    """A safe loader that refuses a key given twice, of which YAML would silently keep the last."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
            keys = [self.construct_object(key, deep=True) for key, _ in node.value]
            for key in keys:
                if not isinstance(key, str):
                    raise ConfigError(f"the name {key!r} at line {node.start_mark.line + 1} is no text")
                if keys.count(key) > 1:
                    raise ConfigError(f"{key} is given twice at line {node.start_mark.line + 1}")
            return super().construct_mapping(node, deep)

    return Loader


def _sentence(values: dict[str, Any], error: Any) -> str:
    """`concepts: bar_plot: name: Field required`: the entry by its id where it has one."""
    steps, value = [], values
    for step in error["loc"]:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None  # type: ignore[assignment]
        named = isinstance(step, int) and isinstance(value, dict) and isinstance(value.get("id"), str)
        steps.append(
            str(value["id"])[:80] if named else f"{step + 1}." if isinstance(step, int) else step
        )
    message = error["msg"].removeprefix("Value error, ")
    return ": ".join([*map(str, steps), message])


Found = TypeVar("Found", bound=_Named)


def _one_of(entries: tuple[Found, ...], wanted: str, version: str, what: str) -> Found:
    for one in entries:
        if one.id == wanted:
            return one
    raise ConfigError(f"taxonomy {version} has no {what} {wanted[:80]!r}")


def successors(new: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The ids that a Replacement gives for one: none, one or several."""
    return (new,) if isinstance(new, str) else new or ()


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()


def _lookup(entries: Iterable[_Named]) -> dict[str, str]:
    """Folded synonyms, names and ids → id; an id wins over a name over a synonym."""
    listed = list(entries)
    found: dict[str, str] = {}
    for one in listed:
        found |= {_folded(synonym): one.id for synonym in one.synonyms}
    found |= {_folded(one.name): one.id for one in listed}
    return found | {one.id: one.id for one in listed}


def _check_unique(section: str, entries: Iterable[_Named]) -> None:
    seen: set[str] = set()
    for one in entries:
        if one.id in seen:
            raise ValueError(f"{section}: the id {one.id} is there twice")
        seen.add(one.id)
    if section != "concepts":  # whose names are unique by level
        _check_names(section, entries)


def _check_names(section: str, entries: Iterable[_Named]) -> None:
    """No name or synonym means two entries."""
    owners: dict[str, str] = {}
    for one in entries:
        for text in {_folded(name) for name in (one.id, one.name, *one.synonyms)}:
            other = owners.setdefault(text, one.id)
            if other != one.id:
                raise ValueError(f"{section}: {other} and {one.id} are both called {text!r}")
