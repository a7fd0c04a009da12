"""Calibrated rates, and the plan of a run: hours, requests, bytes, objects, dollars. No Ray."""

from __future__ import annotations

from biomedica.planning.assumptions import Assumption, load_assumptions
from biomedica.planning.calibration import calibrate
from biomedica.planning.counts import Counts, count_in_dataset, count_in_source, stated_counts
from biomedica.planning.fleet import Fleet, local_fleet, read_cluster
from biomedica.planning.plan import Plan, chosen_models, make_plan
from biomedica.planning.plan_text import plan_markdown, print_plan
from biomedica.planning.rates import Rates, read_rates, write_rates
from biomedica.planning.rates_text import print_rates

__all__ = [
    "Assumption",
    "Counts",
    "Fleet",
    "Plan",
    "Rates",
    "calibrate",
    "chosen_models",
    "count_in_dataset",
    "count_in_source",
    "load_assumptions",
    "local_fleet",
    "make_plan",
    "plan_markdown",
    "print_plan",
    "print_rates",
    "read_cluster",
    "read_rates",
    "stated_counts",
    "write_rates",
]
