"""JATS XML bytes → Article. Pure: no files, no network, no state."""

from __future__ import annotations

from biomedica.jats.article import Article, Figure, FigureReject, Graphic, License, Mention
from biomedica.jats.composed import complete_metadata
from biomedica.jats.parser import PARSER_VERSION, parse_article

__all__ = [
    "PARSER_VERSION",
    "Article",
    "Figure",
    "FigureReject",
    "Graphic",
    "License",
    "Mention",
    "complete_metadata",
    "parse_article",
]
