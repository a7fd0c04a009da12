"""A source that moves on: a sample in state A, and what turns it into state B."""

from __future__ import annotations

import hashlib
import json
import random
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Evolution", "edit"]


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
        names = [path.stem for path in sorted((sample / "metadata").glob("*.json"))]
        bare = [name.partition(".")[0] for name in names]
        single = [
            name
            for name, pmcid in zip(names, bare, strict=True)
            if bare.count(pmcid) == 1 and name.endswith(".1")
        ]
        chosen = iter(random.Random(seed).sample(single, sum(counts.values())))
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


def edit(root: Path, name: str, **values: Any) -> None:
    """Change fields of an article's metadata, which the source has in two places."""
    path = root / "metadata" / f"{name}.json"
    _write(root, name, json.loads(path.read_text()) | values)


def _write(root: Path, name: str, metadata: dict[str, Any]) -> None:
    for folder in ("metadata", name):
        (root / folder / f"{name}.json").write_text(json.dumps(metadata))


def _drop(root: Path, name: str) -> None:
    (root / "metadata" / f"{name}.json").unlink()
    shutil.rmtree(root / name)


def _other_citation(root: Path, name: str) -> None:
    edit(root, name, citation=f"A corrected citation of {name}.")


def _other_title(root: Path, name: str) -> None:
    path = root / name / f"{name}.xml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("<article-title>", "<article-title>Revised: ", 1), encoding="utf-8")
    _seal(root, name, [path])


def _other_picture(root: Path, name: str) -> None:
    """The first picture of the article becomes that of another; without one, another citation."""
    paths = sorted((root / name).glob("*.jpg"))
    if not paths:
        _other_citation(root, name)
        return
    others = sorted(path for path in root.glob("PMC*/*.jpg") if path.parent.name != name)
    others = [path for path in others if path.read_bytes() != paths[0].read_bytes()]
    shutil.copy(others[0], paths[0])
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
    shutil.copytree(root / name, root / second)
    for path in sorted((root / second).glob(f"{name}.*")):
        path.rename(path.with_name(path.name.replace(name, second)))
    text = (root / "metadata" / f"{name}.json").read_text().replace(name, second)
    _write(root, second, json.loads(text) | {"version": 2})
    path = root / second / f"{second}.xml"
    path.write_text(path.read_text(encoding="utf-8").replace(name, second), encoding="utf-8")
    _seal(root, second, [path])
