"""A plan for people: on a terminal, and as Markdown for documents."""

from __future__ import annotations

from collections.abc import Sequence

from biomedica.planning.plan import Plan

__all__ = ["plan_markdown", "print_plan"]

Rows = list[tuple[str, ...]]
_UNITS = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_WORDS = {"price": "price", "given": "given", "listed": "counted"}


def print_plan(plan: Plan) -> None:
    """The plan as tables."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console(highlight=False)

    def show(title: str, header: Sequence[str], rows: Rows, *, right: Sequence[int] = ()) -> None:
        table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
        for number, name in enumerate(header):
            is_number = number in right
            table.add_column(
                name,
                justify="right" if is_number else "left",
                overflow="fold",
                no_wrap=is_number or not number,
            )
        for row in rows:
            table.add_row(*map(escape, row))
        console.print(table)
        console.print()

    show("plan", ("", ""), _totals(plan))
    show("what each resource would take alone", ("resource", "time"), _resources(plan), right=(1,))
    show("with other machines", _WHAT_IF, _what_if(plan), right=(1, 2, 3, 4))
    show("what it rests on", ("", "value", "unit", "source"), _assumptions(plan), right=(1,))


def plan_markdown(plan: Plan) -> str:
    """The plan as Markdown, three tables and a list."""
    parts = [
        _table(("plan", ""), _totals(plan)),
        _table(("resource", "alone it would take"), _resources(plan)),
        _table(_WHAT_IF, _what_if(plan)),
        _table(("assumption", "value", "unit", "source"), _assumptions(plan)),
    ]
    return "\n\n".join(parts) + "\n"


_WHAT_IF = ("if", "cores", "GPUs", "time", "dollars", "waits for")


def _table(header: Sequence[str], rows: Rows) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(
        "| " + " | ".join(one.replace("|", "\\|") for one in line) + " |" for line in lines
    )


def _totals(plan: Plan) -> Rows:
    found, work = plan.estimate, plan.work
    machines = ", ".join(
        f"{group.count:g} × {group.instance}" for group in plan.fleet.groups if group.count
    )
    names = ", ".join(model.name for model in plan.models) or "none"
    rows: Rows = [
        ("articles", f"{plan.counts.articles:,} ({plan.counts.what})"),
        ("images", f"{work.images:,.0f}"),
        ("models", names),
        ("machines", f"{machines}: {plan.fleet.cores:g} cores, {plan.fleet.gpus:g} GPUs"),
        ("time", f"{_time(found.seconds)}, of which start {_time(found.start_seconds)}"),
        ("waits for", found.bottleneck),
        ("core time", _core_time(plan)),
        ("read", f"{_bytes(work.bytes_read)}, {work.reads:,.0f} objects, {work.gets:,.0f} requests"),
        ("written", f"{_bytes(work.bytes_written)} in {found.objects:,.0f} objects"),
        ("shards, commits", f"{work.shards:,}, {found.commits:,.0f}"),
    ]
    if not plan.fleet.is_local:
        costs = plan.bill
        parts = (
            f"machines {costs.machines:,.2f}, disks {costs.disks:,.2f}, requests {costs.requests:,.2f}"
        )
        rows += [
            ("dollars", f"{costs.total:,.2f}: {parts}"),
            ("storage", f"{plan.storage_per_month:,.2f} dollars a month"),
        ]
    return rows


def _core_time(plan: Plan) -> str:
    stages = dict(plan.work.cpu_seconds)
    if plan.work.encode_seconds is not None and not plan.fleet.gpus:
        stages["encode"] = plan.work.encode_seconds
    parts = ", ".join(f"{name} {_time(seconds)}" for name, seconds in stages.items())
    return f"{_time(sum(stages.values()))}: {parts}"


def _resources(plan: Plan) -> Rows:
    found = sorted(plan.estimate.resources.items(), key=lambda item: -item[1])
    return [(name, _time(seconds)) for name, seconds in found]


def _what_if(plan: Plan) -> Rows:
    return [
        (
            one.what,
            f"{one.cores:g}",
            f"{one.gpus:g}",
            _time(one.seconds),
            f"{one.dollars:,.2f}" if not plan.fleet.is_local else "–",
            one.bottleneck,
        )
        for one in plan.what_if
    ]


def _assumptions(plan: Plan) -> Rows:
    return [
        (one.name, _number(one.value), one.unit, f"{_WORDS.get(one.basis, one.basis)}: {one.source}")
        for one in plan.assumptions
    ]


def _number(value: float) -> str:
    if value == round(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:,.1f} h"


def _bytes(count: float) -> str:
    for size, unit in _UNITS:
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count:.0f} bytes"
