"""The Ray graphs that join the rooms, a file per job."""

from __future__ import annotations

from biomedica.pipeline.build import run_build
from biomedica.pipeline.compact import CompactReport, run_compact
from biomedica.pipeline.embed import run_embed
from biomedica.pipeline.enrich import run_enrich
from biomedica.pipeline.enrich_report import EnrichReport
from biomedica.pipeline.recount import recount
from biomedica.pipeline.report import RunReport
from biomedica.pipeline.snapshot import SnapshotReport, run_snapshot, update_metadata
from biomedica.pipeline.update import run_update

__all__ = [
    "CompactReport",
    "EnrichReport",
    "RunReport",
    "SnapshotReport",
    "recount",
    "run_build",
    "run_compact",
    "run_embed",
    "run_enrich",
    "run_snapshot",
    "run_update",
    "update_metadata",
]
