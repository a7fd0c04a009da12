"""A source that moves on: a sample in state A, and what turns it into state B."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Evolution", "edit", "multiplied"]

FIRST = 97_000_001
"""the first PMCID of `multiplied`: the sample's begin at 98,000,001"""
MODELS = 6


@dataclass(frozen=True)
class Evolution:
    """Article versions by what happens to them from A to B. `second`: those that get a version more."""

    sample: Path
    changed: tuple[str, ...]
    added: tuple[str, ...]
    withdrawn: tuple[str, ...]
    retracted: tuple[str, ...]
    second: tuple[str, ...]

    @classmethod
    def of(cls, sample: Path, seed: int, **counts: int) -> Evolution:
        """counts: of each kind, no article in two. Only articles with one version are taken."""
        chosen = iter(random.Random(seed).sample(_single(sample), sum(counts.values())))
        kinds = ("changed", "added", "withdrawn", "retracted", "second")
        parts = {
            kind: tuple(sorted(next(chosen) for _ in range(counts.get(kind, 0)))) for kind in kinds
        }
        return cls(sample, **parts)

    @property
    def seconds(self) -> tuple[str, ...]:
        """The names of the second versions."""
        return tuple(f"{name.partition('.')[0]}.2" for name in self.second)

    @property
    def built(self) -> set[str]:
        """What an update has to build."""
        return {*self.changed, *self.added, *self.retracted, *self.seconds}

    def begin(self, root: Path) -> Path:
        """State A, in a new folder."""
        shutil.copytree(self.sample, root)
        for name in self.added:
            _drop(root, name)
        return root

    def move_on(self, root: Path) -> None:
        """From A to B, in place. Of three changed articles one has other metadata, one another XML,
        one another picture."""
        for name in self.added:
            shutil.copy(self.sample / "metadata" / f"{name}.json", root / "metadata")
            shutil.copytree(self.sample / name, root / name)
        for name in self.withdrawn:
            _drop(root, name)
        for name in self.retracted:
            edit(root, name, is_retracted=True)
        for number, name in enumerate(self.changed):
            (_other_citation, _other_title, _other_picture)[number % 3](root, name)
        for name, second in zip(self.second, self.seconds, strict=True):
            _add_version(root, name, second)


def multiplied(sample: Path, root: Path, count: int) -> Path:
    """A source of `count` small articles: the lightest of a sample that have a picture, over and over
    under other ids."""
    single = _single(sample)
    pictured = [name for name in single if any((sample / name).glob("*.jpg"))]
    weight = {name: sum(path.stat().st_size for path in (sample / name).iterdir()) for name in pictured}
    models = sorted(pictured, key=lambda name: (weight[name], name))[:MODELS]
    (root / "metadata").mkdir(parents=True)
    for number in range(count):
        model = models[number % len(models)]
        if not (root / model).exists():
            shutil.copytree(sample / model, root / model)
            shutil.copy(sample / "metadata" / f"{model}.json", root / "metadata")
        pmcid = model.removeprefix("PMC").partition(".")[0]
        _add(root, model, model.replace(pmcid, str(FIRST + number)), pmcid, str(FIRST + number))
    for model in models:
        _drop(root, model)
    return root


def edit(root: Path, name: str, **values: Any) -> None:
    """Change fields of an article's metadata, which the source has in two places."""
    path = root / "metadata" / f"{name}.json"
    _write(root, name, json.loads(path.read_text()) | values)


def _single(source: Path) -> list[str]:
    """The articles of which there is one version, the first."""
    names = [path.stem for path in sorted((source / "metadata").glob("*.json"))]
    bare = Counter(name.partition(".")[0] for name in names)
    return [name for name in names if name.endswith(".1") and bare[name[:-2]] == 1]


def _write(root: Path, name: str, metadata: dict[str, Any]) -> None:
    for folder in ("metadata", name):
        (root / folder / f"{name}.json").write_text(json.dumps(metadata))


def _drop(root: Path, name: str) -> None:
    (root / "metadata" / f"{name}.json").unlink()
    shutil.rmtree(root / name)


def _other_citation(root: Path, name: str) -> None:
    edit(root, name, citation=f"A corrected citation of {name}.")


def _other_title(root: Path, name: str) -> None:
    """Without a title that can be found, another citation."""
    path = root / name / f"{name}.xml"
    text = path.read_bytes()
    changed = re.sub(rb"<article-title[^>]*>", rb"\g<0>Revised: ", text, count=1)
    if changed == text:
        _other_citation(root, name)
        return
    path.write_bytes(changed)
    _seal(root, name, [path])


def _other_picture(root: Path, name: str) -> None:
    """The first picture of the article becomes that of another; without one, another citation."""
    paths = sorted((root / name).glob("*.jpg"))
    if not paths:
        _other_citation(root, name)
        return
    own = paths[0].read_bytes()
    others = (path for path in sorted(root.glob("PMC*/*.jpg")) if path.parent.name != name)
    paths[0].write_bytes(next(data for path in others if (data := path.read_bytes()) != own))
    _seal(root, name, paths[:1])


def _seal(root: Path, name: str, paths: Sequence[Path]) -> None:
    """Write the MD5 of changed files into the metadata."""
    text = (root / "metadata" / f"{name}.json").read_text()
    for path in paths:
        digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
        found = re.escape(f"{name}/{path.name}?md5=")
        text = re.sub(rf"({found})[0-9a-f]{{32}}", rf"\g<1>{digest}", text)
    _write(root, name, json.loads(text))


def _add_version(root: Path, name: str, second: str) -> None:
    _add(root, name, second, name, second, version=2)


def _add(root: Path, name: str, other: str, text: str, instead: str, **values: Any) -> None:
    """A copy of an article under another id; in its XML and its metadata `text` becomes `instead`."""
    shutil.copytree(root / name, root / other)
    for path in sorted((root / other).glob(f"{name}.*")):
        path.rename(path.with_name(path.name.replace(name, other)))
    metadata = (root / "metadata" / f"{name}.json").read_text().replace(text, instead)
    _write(root, other, json.loads(metadata) | values)
    path = root / other / f"{other}.xml"
    path.write_text(path.read_text(encoding="utf-8").replace(text, instead), encoding="utf-8")
    _seal(root, other, [path])
