"""Calibrated rates, and the plan of a run: hours, requests, bytes, objects, dollars. No Ray."""

from __future__ import annotations

from biomedica.planning.calibration import calibrate
from biomedica.planning.rates import Rates, read_rates, write_rates
from biomedica.planning.rates_text import print_rates

__all__ = ["Rates", "calibrate", "print_rates", "read_rates", "write_rates"]
