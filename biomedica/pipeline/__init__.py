"""The Ray graphs that join the rooms, a file per job."""

from __future__ import annotations

from biomedica.pipeline.build import run_build
from biomedica.pipeline.embed import run_embed
from biomedica.pipeline.enrich import run_enrich
from biomedica.pipeline.enrich_report import EnrichReport
from biomedica.pipeline.recount import recount
from biomedica.pipeline.report import RunReport

__all__ = ["EnrichReport", "RunReport", "recount", "run_build", "run_embed", "run_enrich"]
