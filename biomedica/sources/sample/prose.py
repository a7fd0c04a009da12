"""Sentences for an article: a small grammar over the topic's words, tied to what pictures show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import prose_english as english
from .canvas import Rng, pick, some
from .images import Panel
from .prose_latin import PORTUGUESE, SPANISH
from .vocabulary import COMPOUNDS, GENES, Topic

__all__ = ["Voice", "claim", "detail", "fillers", "lead", "panel", "shows", "tails", "title", "voice"]

_LATIN: Mapping[str, Mapping[str, Any]] = {"pt": PORTUGUESE, "es": SPANISH}
_FINDINGS = ("dense lymphocytic infiltration", "focal necrosis", "mild fibrosis", "loss of glands")
_SHOWS = (
    "{Claim} (§).",
    "As § shows, {claim}.",
    "In §, {claim}.",
    "{Claim}, as seen in §.",
    "{Claim} (§, {k} replicates).",
)


@dataclass(frozen=True, slots=True)
class Voice:
    """The words of one article: the value of every slot that stays the same in it."""

    language: str
    context: Mapping[str, str]


def voice(rng: Rng, topic: Topic, language: str) -> Voice:
    """Choose the article's disease, organ, agent, genes and so on."""
    gene, gene2 = some(rng, GENES, 2)
    words = {
        "organ": pick(rng, topic.organs),
        "disease": pick(rng, topic.diseases),
        "agent": pick(rng, topic.agents),
        "cells": pick(rng, topic.cells),
        "process": pick(rng, topic.processes),
        "finding": pick(rng, _FINDINGS),
        "finding3": pick(rng, ("fracture", "effusion", "calcification")),
        "design": pick(rng, ("cohort study", "retrospective analysis", "randomised trial")),
        "gene": gene,
        "gene2": gene2,
    }
    if language != "en":
        words |= {name: pick(rng, items) for name, items in _LATIN[language]["context"].items()}
    capitals = {name.capitalize(): value[:1].upper() + value[1:] for name, value in words.items()}
    return Voice(language, words | capitals)


class _Slots(dict[str, str]):
    """Slots of a template; those that the article does not fix get a fresh number."""

    def __init__(self, rng: Rng, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self._rng = rng

    def __missing__(self, name: str) -> str:
        low, high = {"n": (24, 480), "k": (3, 9), "pct": (12, 89), "age": (19, 84)}.get(name, (2, 45))
        if name == "p":
            return pick(self._rng, ("0.05", "0.01", "0.001"))
        if name == "r":
            return f"0.{self._rng.integers(41, 94)}"
        if name == "sex":
            return pick(self._rng, ("woman", "man"))
        if name == "finding2":
            return pick(self._rng, ("normal", "slightly increased", "reduced"))
        return str(self._rng.integers(low, high))


def _fill(rng: Rng, template: str, values: Mapping[str, str]) -> str:
    return template.format_map(_Slots(rng, values))


def title(rng: Rng, speaker: Voice) -> str:
    """A title, in the markup of `description.rich`."""
    titles = english.TITLES if speaker.language == "en" else _LATIN[speaker.language]["titles"]
    return _fill(rng, pick(rng, titles), speaker.context)


def lead(rng: Rng, speaker: Voice, shown: Panel) -> str:
    """The first sentence of a caption whose first panel is `shown`."""
    latin = _LATIN.get(speaker.language)
    leads: Mapping[str, tuple[str, ...]] = latin["leads"] if latin else english.LEADS
    templates = leads.get(f"{shown.kind}/{shown.variant}") or leads[shown.kind]
    return _fill(rng, pick(rng, templates), speaker.context)


def detail(rng: Rng, speaker: Voice, shown: Panel) -> str:
    """What one panel shows, with the words that are drawn in it."""
    details: Mapping[str, tuple[str, ...]] = english.DETAILS
    if speaker.language != "en":
        details = _LATIN[speaker.language]["details"]
    templates = details.get(f"{shown.kind}/{shown.variant}") or details[shown.kind]
    words = shown.words
    joint = {"en": " and ", "pt": " e ", "es": " y "}[speaker.language]
    series = words[2:] or ("all participants",)
    values = {
        "w0": words[0],
        "w1": words[1] if len(words) > 1 else words[0],
        "x": words[0].split(" (")[0].lower(),
        "wlast": words[-1],
        "wlist": _listed(words, joint),
        "series": _listed(series, joint),
    }
    return _fill(rng, pick(rng, templates), {**speaker.context, **values})


def _listed(words: tuple[str, ...], joint: str) -> str:
    return joint.join(filter(None, (", ".join(words[:-1]), words[-1])))


def tails(rng: Rng, speaker: Voice, count: int) -> list[str]:
    """`count` closing sentences of a caption: numbers, tests, abbreviations."""
    latin = _LATIN.get(speaker.language)
    chosen = some(rng, latin["tails"] if latin else english.TAILS, count)
    return [_fill(rng, template, speaker.context) for template in chosen]


def claim(rng: Rng, speaker: Voice, kind: str) -> str:
    """What a picture of this kind is said to show, as a clause."""
    latin = _LATIN.get(speaker.language)
    claims = latin["claims"] if latin else english.CLAIMS[kind]
    return _fill(rng, pick(rng, claims), speaker.context)


def shows(rng: Rng, speaker: Voice, kind: str) -> str:
    """A sentence with `§` where the figure is named."""
    said = claim(rng, speaker, kind)
    values = {**speaker.context, "claim": said, "Claim": said[:1].upper() + said[1:]}
    latin = _LATIN.get(speaker.language)
    return _fill(rng, latin["shows"] if latin else pick(rng, _SHOWS), values)


def fillers(rng: Rng, speaker: Voice, part: str, count: int) -> list[str]:
    """`count` different sentences (or all there are) of a part of the article."""
    latin = _LATIN.get(speaker.language)
    templates = latin["fillers"] if latin else english.FILLERS[part]
    return [_fill(rng, template, speaker.context) for template in some(rng, templates, count)]


_VARIANTS = {
    "fluorescence": ("merge", "merge", "nuclei", "cytoplasm", "spots"),
    "radiograph": ("chest", "chest", "knee"),
    "ct": ("abdomen", "thorax"),
    "gel": ("blot", "blot", "agarose"),
    "line_plot": ("", "", "survival"),
    "scatter_plot": ("correlation", "clusters"),
}
_SERIES = (("Control", "Treated"), ("Vehicle", "Low dose", "High dose"), ("Wild type", "Knockout"))
_SERIES_LATIN = (("Controle", "Tratado"), ("Grupo A", "Grupo B", "Grupo C"))
_MEASURES = ("Viability (%)", "Tumour volume (mm³)", "Relative expression", "Serum CRP (mg/L)", "Score")


def panel(rng: Rng, speaker: Voice, kind: str, seed: tuple[int, ...]) -> Panel:
    """A panel of this kind: its variant and the words drawn in it."""
    variant = pick(rng, _VARIANTS.get(kind, ("",)))
    return Panel(kind, variant, _words(rng, speaker, kind, variant), seed)


_FIXED: dict[str, tuple[tuple[str, ...], ...]] = {
    "histology": (("50 µm",), ("100 µm",), ("200 µm",)),
    "immunohistochemistry": (("50 µm",), ("100 µm",)),
    "fluorescence": (("10 µm",), ("20 µm",)),
    "electron_micrograph": (("500 nm",), ("1 µm",)),
    "radiograph": (("R",), ("L",)),
    "ct": (("Ax 5 mm",), ("Ax 3 mm",)),
    "flow_diagram": (
        ("Assessed for eligibility", "Enrolled", "Randomised", "Analysed"),
        ("Records identified", "Records screened", "Full texts assessed", "Included", "Analysed"),
    ),
    "map": (("Cases per 1000",), ("Incidence",), ("Prevalence (%)",)),
    "table": (
        ("Age (years)", "Male sex (%)", "Smokers (%)", "Body mass index"),
        ("Haemoglobin (g/L)", "Leukocytes", "Platelets", "Albumin (g/L)", "Creatinine"),
    ),
    "chemical_structure": tuple((name,) for name in COMPOUNDS),
    "formula": (("y = a + bx",), ("S = kt",)),
    "portrait": (("",),),
}
"""Words that do not depend on the article."""


def _words(rng: Rng, speaker: Voice, kind: str, variant: str) -> tuple[str, ...]:
    if kind in _FIXED:
        return pick(rng, _FIXED[kind])
    gene, gene2 = speaker.context["gene"], speaker.context["gene2"]
    series = pick(rng, _SERIES if speaker.language == "en" else _SERIES_LATIN)
    if kind == "gel":
        return (gene, gene2, "GAPDH") if variant == "blot" else (gene,)
    if variant == "survival":
        return ("Time (months)", "Overall survival (%)", *series)
    if kind == "line_plot":
        return (pick(rng, ("Time (h)", "Time (days)", "Dose (µM)")), pick(rng, _MEASURES), *series)
    if kind == "heatmap":
        return (gene, gene2, *some(rng, [name for name in GENES if name not in (gene, gene2)], 4))
    across = "Group" if kind == "bar_plot" else pick(rng, ("Age (years)", "Body mass index", "PC1"))
    return (across, pick(rng, _MEASURES), *(() if variant == "correlation" else series))
