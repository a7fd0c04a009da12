"""A build in a process of its own, that can be told to die between two commits.

    python -m tests.faults.driver CONFIG.json [COMMITS]

COMMITS: after so many commits of a table the process kills itself with SIGKILL.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from biomedica.config import BuildConfig
from biomedica.pipeline import run_build
from biomedica.store import DatasetWriter


def die_after(commits: int) -> None:
    """Every commit of a table counts; the last one is the process's last act."""
    begin = DatasetWriter.begin.__func__  # type: ignore[attr-defined]
    left = commits

    def on_commit(_table: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def dying(cls: type[DatasetWriter], *args: Any, **named: Any) -> DatasetWriter:
        writer: DatasetWriter = begin(cls, *args, **named, on_commit=on_commit)
        return writer

    DatasetWriter.begin = classmethod(dying)  # type: ignore[method-assign,assignment]


def main() -> None:
    config = BuildConfig.model_validate_json(Path(sys.argv[1]).read_text())
    if len(sys.argv) > 2:
        die_after(int(sys.argv[2]))
    report = run_build(config, quiet=True)
    sys.exit(0 if report.complete else 1)


if __name__ == "__main__":
    main()
