"""What a plan takes for granted, each with its unit and its source."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from biomedica.errors import ConfigError

__all__ = ["Assumption", "Basis", "given", "load_assumptions", "read_data"]

Basis = Literal["assumed", "given", "measured", "metadata", "listed", "price"]
"""assumed: of assumptions.yaml. given: said on the command line. measured: by `calibrate`. metadata,
listed: counted in the metadata or the listing of the source. price: of prices.yaml."""

AT_MOST_1 = {"taken_share", "images_used_share", "efficiency", "gpu_utilisation"}
DIVISORS = {"efficiency", "gpu_utilisation", "core_speed", "requests_per_second", "xml_bytes"}


@dataclass(frozen=True, slots=True)
class Assumption:
    """One number that a plan reckons with."""

    name: str
    value: float
    unit: str
    basis: Basis
    source: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@cache
def read_data(name: str) -> Any:
    """A YAML file of this room."""
    import yaml

    return yaml.safe_load((files("biomedica.planning") / name).read_text(encoding="utf-8"))


def load_assumptions(overrides: Sequence[str] = ()) -> dict[str, Assumption]:
    """All of them by name; overrides: NAME=VALUE. Raises ConfigError."""
    found = {
        name: Assumption(name, float(entry["value"]), entry["unit"], "assumed", entry["source"])
        for name, entry in read_data("assumptions.yaml").items()
    }
    for text in overrides:
        name, value = _split(text, found)
        found[name] = given(found[name], value)
    return found


def given(assumption: Assumption, value: float) -> Assumption:
    """The same with a value of the user's."""
    return replace(assumption, value=value, basis="given", source="the command line")


def _split(text: str, known: Mapping[str, Assumption]) -> tuple[str, float]:
    name, _, number = text.partition("=")
    if name not in known:
        near = get_close_matches(name, known, n=3, cutoff=0.4)
        hint = ", ".join(near or sorted(known))
        raise ConfigError(f"--assume {name[:80]!r}: there is no such assumption; there are {hint}")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    least, most = (0.0, 1.0 if name in AT_MOST_1 else 1e12)
    if not least <= value <= most or (not value and name in DIVISORS):
        wanted = "above 0" if name in DIVISORS else "from 0"
        upward = ", and at most 1" if name in AT_MOST_1 else ""
        raise ConfigError(
            f"--assume {name}: {number[:40]!r} cannot be: write a number {wanted}{upward}"
        )
    return name, value
