"""What a rid points at: by id in the own sub-article, then in the main article, then anywhere."""

from __future__ import annotations

from functools import cached_property

from biomedica.jats.labels import Number
from biomedica.jats.owners import FigureIndex, Record
from biomedica.jats.tree import Tree
from biomedica.jats.xml import Element

__all__ = ["Targets"]

_PARTS = ("alternatives", "caption", "label", "graphic")
_ANCHORS = ("named-content", "p", "styled-content", "target", "title")
_GROUPS = ("fig-group", "table-wrap-group")
_FIGURE_TYPES = frozenset({"fig", "figure", "figs", "scheme", "chart", "plate"})


class Targets:
    """The figures that xrefs point at. What it points at decides, not the xref's type."""

    def __init__(self, tree: Tree, figures: FigureIndex) -> None:
        self._tree = tree
        self._figures = figures
        self._ids: dict[Element, dict[str, list[Record]]] = {}
        self._groups: set[tuple[Element, str]] = set()
        self._anywhere: dict[str, list[Record]] = {}
        self._known: dict[Element, list[Record]] = {}
        for record in figures.records:
            self._add(record.scope, record.element.get("id"), [record])
        for record in figures.records:
            self._add_parts(record)
        self._add_groups()
        self.candidates = self._candidates()
        """the xrefs, in order, that may point at figures: by a name in the rid, or by their type"""

    def _candidates(self) -> dict[Element, None]:
        found: dict[Element, None] = {}
        anywhere = self._anywhere
        for xref in self._tree.named["xref"]:
            rid, kind = xref.get("rid") or "", xref.get("ref-type")
            if (
                rid in anywhere
                or " " in rid
                or not kind
                or not rid.isprintable()
                or (kind != "bibr" and kind.casefold() in _FIGURE_TYPES)
            ):
                found[xref] = None
        return found

    @cached_property
    def _existing(self) -> frozenset[str]:
        return frozenset(name for node in self._tree.article.iter() if (name := node.get("id")))

    def _add(self, scope: Element, name: str | None, records: list[Record]) -> None:
        if name and records:
            name = name.strip()
            self._ids.setdefault(scope, {}).setdefault(name, records)
            self._anywhere.setdefault(name, records)

    def _add_parts(self, record: Record) -> None:
        for _, graphic in record.graphics:
            self._add(record.scope, graphic.get("id"), [record])
        for part in record.element.iterchildren(*_PARTS):
            self._add(record.scope, part.get("id"), [record])

    def _add_groups(self) -> None:
        members: dict[Element, list[Record]] = {}
        for record in self._figures.records:
            if record.group is not None:
                members.setdefault(record.group, []).append(record)
        for group, records in members.items():
            name = (group.get("id") or "").strip()
            scope = self._tree.place(group).scope
            if name and name not in self._ids.get(scope, {}):
                self._add(scope, name, records)
                self._groups.add((scope, name))

    def of(self, xref: Element) -> list[Record]:
        """The figures that the xref points at, each once, in the order of its rid."""
        if xref not in self.candidates:
            return []
        known = self._known.get(xref)
        if known is not None:
            return known
        names = [name for name in self._names(xref) if name in self._anywhere]
        if not names:
            return self._around(xref)
        known = self._known[xref] = []
        scope = self._tree.place(xref).scope
        for name in names:
            known += (r for r in self._in_scope(scope, name) if r not in known)
        return known

    def _around(self, xref: Element) -> list[Record]:
        """The figure whose caption holds the place that a figure's xref points at."""
        kind = (xref.get("ref-type") or "").casefold()
        if kind and kind not in _FIGURE_TYPES:
            return []
        return list(dict.fromkeys(self._anchors[n] for n in self._names(xref) if n in self._anchors))

    @cached_property
    def _anchors(self) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for node in self._tree.article.iter(*_ANCHORS):
            name, place = node.get("id"), self._tree.place(node)
            if name and place.caption is not None and place.figure in self._figures.by_element:
                found.setdefault(name, self._figures.by_element[place.figure])
        return found

    def _names(self, xref: Element) -> list[str]:
        """The names in the rid: several with white space between, or one that has white space."""
        rid: str = (xref.get("rid") or "").strip()
        names = [rid] if rid in self._anywhere else rid.split()
        return names if len(names) < 2 else list(dict.fromkeys(names))

    def _in_scope(self, scope: Element, name: str) -> list[Record]:
        for one in (scope, self._tree.article):
            found = self._ids.get(one, {}).get(name)
            if found is not None:
                return found
        return self._anywhere[name]

    def is_decided(self, xref: Element) -> bool:
        """Whether the xref points at anything that exists, or is said to be no figure's."""
        kind = (xref.get("ref-type") or "").casefold()
        if kind and kind not in _FIGURE_TYPES:
            return True
        names = self._names(xref)
        return any(name in self._anywhere or name in self._existing for name in names)

    def is_group(self, xref: Element) -> bool:
        """Whether every name of the rid is that of a group of figures."""
        if not self._groups:
            return False
        names = self._names(xref)
        scopes = (self._tree.place(xref).scope, self._tree.article)
        return bool(names) and all(any((s, n) in self._groups for s in scopes) for n in names)

    def by_number(self, scope: Element, number: Number) -> Record | None:
        """The figure of that number in the scope."""
        return self._figures.by_number.get((scope, number))

    def report_unresolved(self, warnings: list[str]) -> None:
        """A warning for every name that figure xrefs use and no element has."""
        missing: dict[str, None] = {}
        for xref in self.candidates:
            if (xref.get("ref-type") or "").casefold() in _FIGURE_TYPES:
                names = self._names(xref) or ["no rid"]
                missing.update((name, None) for name in names if name not in self._anywhere)
        warnings += (f"unresolved_rid: {name[:80]}" for name in missing if name not in self._existing)
