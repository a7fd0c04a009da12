"""An inspected article on a terminal, and the words for it that its page uses too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from rich import markup
from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from biomedica.excerpts import cleaned, cut
from biomedica.jats import Article, Figure, Mention
from biomedica.reporting.inspection import GraphicFile, Inspection
from biomedica.reporting.page import counted
from biomedica.schema import REJECT_REASONS

__all__ = ["article_facts", "mention_words", "print_inspection", "rejected_words", "verdict"]

CAPTION = 160
"""Characters of a caption on a terminal."""

HOW = {"is_range": "in a range", "via_parent": "through the parent", "is_text_only": "in words alone"}


def print_inspection(found: Inspection) -> None:
    """What the parser made of it, the counts beside those of the XML, and where they differ."""
    console = Console()
    console.print(f"[bold]{_shown(found.name)}[/bold]")
    if found.rejected is not None:
        console.print(_shown(rejected_words(found)))
    if found.article is not None:
        _print_facts(console, article_facts(found.article, found))
        files = found.files()
        for figure in found.article.figures:
            _print_figure(console, figure, files)
        _print_rejects(console, found.article)
        for warning in found.article.warnings:
            console.print(f"warning: {_shown(warning)}")
    _print_counts(console, found)
    for line in found.disagreements:
        console.print(f"[red]differs[/red]  {_shown(line)}")
    console.print(_shown(verdict(found)))


def rejected_words(found: Inspection) -> str:
    """The reject as one sentence."""
    stage, reason, detail = found.rejected or ("", "", "")
    meaning = REJECT_REASONS.get(stage, {}).get(reason, "")
    means = f", {meaning}" if meaning else ""
    return f"rejected at stage {stage}: {reason}{means}" + (f" ({detail})" if detail else "")


def verdict(found: Inspection) -> str:
    """Whether the parser and the XML agree, in one sentence."""
    if found.disagreements:
        return counted(len(found.disagreements), "disagreement") + " between the parser and the XML"
    if found.article is not None:
        return "the parser accounts for everything that the XML has"
    if found.census is not None:
        return "it can be read and is not taken"
    return "no reader takes it" if (found.rejected or ("",))[0] == "parse" else "nothing was parsed"


def article_facts(article: Article, found: Inspection) -> Iterator[tuple[str, str]]:
    """Name and value of what describes the article; what is absent is a dash."""
    ids = {"PMCID": article.pmcid, "version": article.version, "PMID": article.pmid, "DOI": article.doi}
    yield "title", article.title or "–"
    yield "ids", ", ".join(f"{name} {value}" for name, value in ids.items() if value) or "–"
    yield "journal", ", ".join(filter(None, (article.journal, article.publisher))) or "–"
    kinds = filter(None, (article.article_type, article.language))
    yield "type", ", ".join(kinds) or "–"
    yield "published", _published(article)
    yield "licence", _license(found)
    yield "source", found.source_uri or "–"
    if found.media is not None:
        yield "files", _file_words(found)


def _file_words(found: Inspection) -> str:
    """How many graphics of figures have a file, why the others have none, which images are left."""
    files, left = found.files().values(), len(found.unreferenced_media())
    reasons = sorted(Counter(one.reason for one in files if one.reason).items())
    words = [f"{count} {reason}" for reason, count in reasons]
    had = sum(one.file is not None for one in files)
    parts = [f"of {counted(len(files), 'graphic')} {had:,} {'has' if had == 1 else 'have'} one"]
    parts += [", ".join(words)] if words else []
    parts += [f"{counted(left, 'image')} that none names"] if left else []
    return "; ".join(parts)


def _published(article: Article) -> str:
    date = article.publication
    if date is None:
        return "–"
    parts = [f"{date.year:04}", *(f"{part:02}" for part in (date.month, date.day) if part is not None)]
    season = f" {date.season}" if date.season else ""
    return f"{'-'.join(parts)}{season} ({date.type}, known to the {date.precision})"


def _license(found: Inspection) -> str:
    resolved = found.license
    if resolved is None:
        return "–"
    code = resolved.code or "none stated"
    spdx = f" ({resolved.spdx})" if resolved.spdx else ""
    source = f", from {resolved.source}" if resolved.source else ""
    return f"{code}{spdx}{source}; group {resolved.group}"


def _shown(text: str) -> str:
    """A text that neither marks up nor steers the terminal."""
    return markup.escape(cleaned(text))


def _print_facts(console: Console, rows: Iterable[tuple[str, str]]) -> None:
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, _shown(value))
    console.print(table)


def _print_figure(console: Console, figure: Figure, files: Mapping[int, GraphicFile]) -> None:
    console.print(
        f"\n[bold]{_shown(figure.label or figure.figure_id)}[/bold]  "
        + _shown(f"{figure.kind}, {figure.figure_id}, {mention_words(figure.mentions)}")
    )
    lines = [_shown(cut(figure.caption, CAPTION) or "(no caption)")]
    lines += [
        f"[dim]graphic {one.index}[/dim]  {_shown(one.href)}{_file(files.get(one.index))}"
        for one in figure.graphics
    ]
    console.print(Padding("\n".join(lines), (0, 0, 0, 2)))


def _file(one: GraphicFile | None) -> str:
    if one is None or one.file == one.href:
        return ""
    if one.file is None:
        return f"  [red]no file[/red]: {one.reason}"
    return f"  [dim]the file[/dim] {_shown(one.file)}"


def mention_words(mentions: Iterable[Mention]) -> str:
    """How often a figure is spoken of, in which ways, and which of its panels."""
    held = list(mentions)
    ways = Counter(word for one in held for name, word in HOW.items() if getattr(one, name))
    panels = sorted({panel for one in held for panel in one.panels})
    words = [f"{count} {way}" for way, count in ways.items()]
    words += ["panels " + " ".join(panels)] if panels else []
    return counted(len(held), "mention") + (f" ({', '.join(words)})" if words else "")


def _print_rejects(console: Console, article: Article) -> None:
    if not article.rejects:
        return
    table = Table(box=None, pad_edge=False, title="rejects", title_justify="left")
    for name in ("graphic", "item", "reason", "detail"):
        table.add_column(name, overflow="fold")
    for no in article.rejects:
        index = "–" if no.graphic_index is None else str(no.graphic_index)
        table.add_row(index, _shown(no.item), no.reason, _shown(no.detail))
    console.print()
    console.print(table)


def _print_counts(console: Console, found: Inspection) -> None:
    table = Table("counted", box=None, pad_edge=False)
    table.add_column("parser", justify="right")
    table.add_column("XML", justify="right")
    for name, (parser, xml) in found.counts().items():
        table.add_row(name, "" if parser is None else f"{parser:,}", f"{xml:,}")
    if table.row_count:
        console.print()
        console.print(table)
