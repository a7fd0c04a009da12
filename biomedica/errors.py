"""The exceptions of the package.

BiomedicaError            something a user can mend; its text is one sentence with the remedy
├── ConfigError           a setting, an id or a command-line value is wrong
├── SourceError           the source as a whole cannot be read
├── StoreError            the dataset cannot be read or written
│   └── StaleWriterError  another run has taken over this dataset
├── ModelError            a model cannot be loaded
├── OverBudget            what a run may ask of its source is spent
└── RunStopped            a run had begun and cannot go on
Rejected                  the input is wrong, for good: becomes a row of `rejects`
Deferred                  a passing fault: the article is left out and taken by the next run
"""

from __future__ import annotations

__all__ = [
    "BiomedicaError",
    "ConfigError",
    "Deferred",
    "ModelError",
    "OverBudget",
    "Rejected",
    "RunStopped",
    "SourceError",
    "StaleWriterError",
    "StoreError",
]


class BiomedicaError(Exception):
    """Something a user can mend. The command line prints its text alone and exits with 2 or 1."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback; `%debug` still reaches the frames."""
        return [f"{type(self).__name__}: {self}"]


class ConfigError(BiomedicaError):
    """A setting, an id or a command-line value is wrong."""


class SourceError(BiomedicaError):
    """The source as a whole cannot be read."""


class StoreError(BiomedicaError):
    """The dataset cannot be read or written."""


class StaleWriterError(StoreError):
    """Another run has raised the writer epoch of this dataset; this one must stop."""


class ModelError(BiomedicaError):
    """A model cannot be loaded."""


class OverBudget(BiomedicaError):
    """What a run may ask of its source is spent. An article that meets this waits for the next run.

    `limit` is `requests` or `bytes`.
    """

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"the budget of {self.limit} (budget.max_{self.limit}) is spent"


class RunStopped(BiomedicaError):
    """A run had begun and cannot go on. What it committed stays; the same command continues it."""


class Rejected(Exception):
    """The input is wrong and will stay wrong.

    `reason` is a member of `schema.REJECT_REASONS`; `detail` is one line for people.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class Deferred(Exception):
    """A passing fault (network, store, machine): nothing is recorded, the next run tries again."""

    _render_traceback_ = BiomedicaError._render_traceback_
