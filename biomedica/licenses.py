"""Licence codes as PMC spells them, their groups, which of two readings wins, and the gate."""

from __future__ import annotations
