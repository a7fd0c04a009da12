"""Jinja for pages that are one file: escaped, cleaned of what could not be shown, offline.

Text of articles is hostile input: every value is escaped by the engine, control characters and
marks that turn the direction of text are replaced, and the page's own policy forbids scripts and
every request.
"""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Any

from markupsafe import Markup

from biomedica.config import is_uri
from biomedica.errors import ConfigError
from biomedica.excerpts import cleaned, cut
from biomedica.store.storage import unwritable

__all__ = [
    "breakable",
    "check_place",
    "counted",
    "duration",
    "megabytes",
    "number",
    "rate",
    "render",
    "share",
    "write_page",
]

MAX_PAGE_BYTES = 3_000_000
"""What a page should not exceed; its parts are bounded so that it never does."""


def render(template: str, **values: Any) -> str:
    """A page from a file in `templates/`. Raises jinja2.TemplateError for a name that is not given."""
    return str(_environment().get_template(template).render(**values))


@functools.cache
def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("biomedica.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    filters = {
        f.__name__: f for f in (breakable, counted, cut, duration, megabytes, number, rate, share)
    }
    environment.filters.update(filters)
    return environment


def _shown(value: Any) -> Any:
    if isinstance(value, Markup) or not isinstance(value, str):
        return "–" if value is None else value
    return cleaned(value)


def check_place(path: Path, option: str = "--html") -> None:
    """Raise ConfigError where no page can be written; nothing is written. option: it was given as."""
    try:
        if "\0" in str(path) or is_uri(str(path)):
            raise ConfigError(f"{str(path)!a} is no local file: give a path to {option}")
        if path.is_dir():
            raise ConfigError(f"{path} is a folder: give a file to {option}, {path / 'page.html'}")
        is_closed = not os.access(path, os.W_OK) if path.exists() else False
        place = path if is_closed else unwritable(path.parent)
    except OSError as error:
        raise _no_page(path, error, option) from None
    if place is not None:
        why = f"{place} is read-only, another user's, or no folder"
        raise ConfigError(f"cannot write {path}: {why}; give another {option}")


def write_page(text: str, path: Path, option: str = "--html") -> None:
    """Write a page, also over an older one. Raises ConfigError."""
    check_place(path, option)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _no_page(path, error, option) from None


def _no_page(path: Path, error: OSError, option: str) -> ConfigError:
    reason = error.strerror or type(error).__name__
    return ConfigError(f"cannot write {str(path)[:200]}: {reason}; give another {option}")


def number(value: float) -> str:
    """`1234567` → `1,234,567`; fractions with three digits that count."""
    if isinstance(value, int) or value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def rate(amount: float, seconds: float) -> str:
    """Amount a second; a dash where no time passed."""
    return number(amount / seconds) if seconds > 0 else "–"


def share(part: float, whole: float) -> str:
    """A part in per cent; small parts with the first digit that counts."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.0f} %" if percent >= 1 or not percent else f"{percent:.1g} %"


def breakable(name: str) -> Markup:
    """A long name that may be broken behind its dots, underscores and slashes."""
    return Markup("<wbr>").join(re.split(r"(?<=[._]|/(?!/))", _shown(name)))


def counted(count: int, word: str) -> str:
    """`1 article`, `2,000 articles`."""
    return f"{count:,} {word}" + ("" if count == 1 else "s")


def megabytes(size: float) -> str:
    """Bytes in kB, MB or GB (powers of ten)."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:,.1f} {unit}"
    return f"{size:,.0f} bytes"


def duration(seconds: float) -> str:
    """`0.42` → `0.42 s`, `75` → `1 min 15 s`, `7325` → `2 h 02 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
