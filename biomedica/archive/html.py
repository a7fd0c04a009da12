"""HTML for notebooks: readable on light and dark themes, no scripts, no request to anywhere.

Text of articles is hostile input: every value goes through `_text`, links are made of ids and of
http addresses alone, and the root element tells MathJax to leave dollar signs as they are.
Colours are those of the theme, with transparent greys for lines and grounds.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from biomedica.archive.preview import Overview
from biomedica.excerpts import cleaned, cut
from biomedica.imaging import data_uri

__all__ = ["card", "gallery", "overview", "table"]

THUMBNAIL = 320
"""pixels of the longer side; shown at half of that, sharp on dense screens"""
PICTURE = 1200
LICENSES = 6

_MUTED = "opacity:.68"
_LINE = "1px solid rgba(128,128,128,.3)"
_CELL = "padding:3px 14px 3px 0;text-align:left;vertical-align:top;border:none;background:none"
_NUMBER = "padding:3px 14px 3px 0;text-align:right;vertical-align:top;border:none;background:none"
_PLATE = "background:#fff;border:1px solid rgba(128,128,128,.3);border-radius:6px"
_MONO = "font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:11.5px"
_GROUPS = {"commercial": "#2a9d8f", "noncommercial": "#e0a030", "other": "#9a8fb8"}


def overview(uri: str, version: int, found: Overview, report: Mapping[str, Any] | None) -> str:
    """A dataset: counts, the run that made it, licences, models, pictures."""
    about = "" if found.exact else "at most "
    numbers = "".join(
        f'<div style="margin:0 36px 0 0"><div style="font-size:22px;font-weight:600;line-height:1.2">'
        f'{about}{rows:,}</div><div style="{_MUTED}">{_text(name)}</div></div>'
        for name, rows in found.counts.items()
    )
    return _root(
        f'<div style="margin-bottom:10px"><span style="font-size:15px;font-weight:600">Dataset</span> '
        f'<span style="{_MONO}">{_text(uri)}</span> '
        f'<span style="{_MUTED}">· version {version}</span></div>'
        f'<div style="display:flex;flex-wrap:wrap;margin-bottom:8px">{numbers}</div>'
        + (_run(report) if report else "")
        + '<div style="display:flex;flex-wrap:wrap;gap:4px 56px;margin-top:10px">'
        + _licenses(found)
        + _models(found)
        + "</div>"
        + _pictures(found)
        + _hint(found)
    )


def _run(report: Mapping[str, Any]) -> str:
    parts = [
        ("done before", report["articles_skipped"]),
        ("written", report["articles"]),
        ("rejected", report["articles_rejected"]),
        ("deferred", report["articles_deferred"]),
    ]
    sums = " + ".join(f"{count:,} {name}" for name, count in parts)
    text = (
        f'<div style="{_MUTED}">this run: {report["articles_requested"]:,} articles requested = {sums}; '
        f"{report['pairs']:,} pairs and {report['rejects']:,} rejects written in "
        f"{report['seconds']:.0f} s</div>"
    )
    if report.get("budget"):
        text += _warning(
            f"The budget of {report['budget']} is spent: {report['articles_over_budget']:,} articles wait "
            "for another run with the same settings."
        )
    if report["deferred"]:
        whys = "".join(
            f'<li><span style="{_MONO}">{_text(article)}</span> {_text(cut(why, 200))}</li>'
            for article, why in report["deferred"][:5]
        )
        text += _warning(
            f"{report['articles_deferred'] - report.get('articles_over_budget', 0):,} articles wait for "
            "another run, after a passing fault: "
            f'build again with the same settings.<ul style="margin:2px 0 0 18px">{whys}</ul>'
        )
    if report["shards_failed"]:
        text += _warning(f"{report['shards_failed']:,} shards failed: build again.")
    return text


def _licenses(found: Overview) -> str:
    if not found.licenses:
        return ""
    share = 100 / max(1, found.license_articles)
    rows = "".join(
        f'<tr style="background:none"><td style="{_CELL}">{_dot(one.group)}{_text(one.code)}</td>'
        f'<td style="{_CELL};{_MUTED}">{_text(one.group)}</td>'
        f'<td style="{_NUMBER}">{one.articles:,}</td><td style="{_NUMBER}">{one.pairs:,}</td></tr>'
        for one in found.licenses[:LICENSES]
    )
    more = found.licenses[LICENSES:]
    if more:
        rows += (
            f'<tr style="background:none"><td style="{_CELL}" colspan="2">{len(more)} more</td>'
            f'<td style="{_NUMBER}">{sum(m.articles for m in more):,}</td>'
            f'<td style="{_NUMBER}">{sum(m.pairs for m in more):,}</td></tr>'
        )
    bar = "".join(
        f'<span style="display:inline-block;height:6px;width:{total * share:.2f}%;'
        f'background:{_GROUPS[group]}" title="{group}"></span>'
        for group in _GROUPS
        if (total := sum(one.articles for one in found.licenses if one.group == group))
    )
    what = f"sample of {found.license_articles:,} articles" if found.sampled else ""
    head = _head("licences", what, ["articles", "pairs"], 2)
    return (
        f'<div style="min-width:300px"><div style="line-height:0;margin:6px 0;border-radius:3px;'
        f'overflow:hidden">{bar}</div>{_table(head + rows)}</div>'
    )


def _models(found: Overview) -> str:
    if not found.models:
        return ""
    rows = "".join(
        f'<tr style="background:none"><td style="{_CELL};{_MONO}">{_text(model.slug)}</td>'
        f'<td style="{_NUMBER}">{model.rows:,}</td><td style="{_NUMBER}">{model.dimension}</td></tr>'
        for model in found.models
    )
    warnings = "".join(
        _warning(f"{_text(model.slug)} is untrained: its embeddings mean nothing.")
        for model in found.models
        if model.untrained
    )
    head = _head("embeddings", "", ["images", "dimension"], 1)
    return f'<div style="margin-top:18px">{_table(head + rows)}{warnings}</div>'


def _pictures(found: Overview) -> str:
    text = "".join(
        _thumbnail(one.pair_id, one.label, one.caption, one.license_code, one.data)
        for one in found.pictures
    )
    if found.unreadable:
        text += _warning(
            f"{found.unreadable} files of pairs cannot be read: run `biomedica verify` on this dataset."
        )
    return f'<div style="{_WALL}">{text}</div>' if text else ""


_WALL = "display:flex;flex-wrap:wrap;gap:16px;margin-top:16px;align-items:flex-start"


def _hint(found: Overview) -> str:
    if not found.pictures:
        return ""
    example = found.pictures[0].pair_id
    return (
        f'<div style="{_MUTED};{_MONO};margin-top:12px">'
        f".pairs(where=\"license_group = 'commercial'\").to_pandas() &nbsp; "
        f".show({_text(repr(example))})</div>"
    )


def gallery(rows: Iterable[Mapping[str, Any]]) -> str:
    """Pairs side by side, in their order."""
    text = "".join(
        _thumbnail(
            row["pair_id"], row["figure_label"], row["caption"], row["license_code"],
            row["image"]["bytes"],
        )
        for row in rows
    )  # fmt: skip
    return _root(f'<div style="{_WALL}">{text or "no pairs"}</div>')


def _thumbnail(
    pair_id: str, label: str | None, caption: str | None, license_code: str | None, data: bytes
) -> str:
    side = THUMBNAIL // 2
    return (
        f'<div style="width:{side}px"><div style="{_PLATE};height:{side}px;display:flex;'
        f'align-items:center;justify-content:center;overflow:hidden">'
        f'<img alt="" src="{data_uri(data, THUMBNAIL)}" '
        f'style="max-width:{side}px;max-height:{side}px;margin:0"></div>'
        f'<div style="margin-top:5px;font-size:12px;line-height:1.35" title="{_text(cut(caption, 600))}">'
        f"{_bold(label)}{_text(cut(caption, 110))}</div>"
        f'<div style="{_MUTED};{_MONO};font-size:10.5px;line-height:1.3;margin-top:3px;'
        f'overflow-wrap:anywhere">{_text(pair_id)} · {_text(license_code or "no licence stated")}'
        f"</div></div>"
    )


def card(row: Mapping[str, Any]) -> str:
    """One pair: picture, caption, mentions, and where it comes from."""
    article = row["article"]
    mentions = "".join(
        f'<li style="margin:2px 0">{_text(cut(mention["sentence"] or mention["paragraph"], 300))} '
        f'<span style="{_MUTED}">{_text(cut(mention["section"], 60))}</span></li>'
        for mention in (row["mentions"] or [])[:4]
    )
    warnings = _warning("The article has been retracted.") if article.get("is_retracted") else ""
    if row["is_third_party"]:
        words = _text(cut(row["third_party_text"], 200))
        warnings += _warning(f"The figure may belong to someone else: “{words}”")
    facts = "".join(
        f'<tr style="background:none"><td style="{_CELL};{_MUTED};white-space:nowrap">{name}</td>'
        f'<td style="{_CELL};overflow-wrap:anywhere">{value}</td></tr>'
        for name, value in _facts(row, article)
        if value
    )
    return _root(
        '<div style="display:flex;flex-wrap:wrap;gap:22px;align-items:flex-start">'
        f'<div style="flex:1 1 380px;max-width:600px"><img alt="" '
        f'src="{data_uri(row["image"]["bytes"], PICTURE)}" style="{_PLATE};max-width:100%;'
        f'max-height:600px;margin:0;box-sizing:border-box"></div>'
        f'<div style="flex:1 1 340px;max-width:560px">'
        f'<div style="margin-bottom:8px">{_bold(row["figure_label"])}{_text(cut(row["caption"], 3000))}'
        f"</div>{warnings}"
        + (f'<ul style="margin:6px 0 8px 18px;padding:0">{mentions}</ul>' if mentions else "")
        + f'<div style="border-top:{_LINE};padding-top:6px;font-size:12px">{_table(facts)}</div>'
        "</div></div>"
    )


def _facts(row: Mapping[str, Any], article: Mapping[str, Any]) -> list[tuple[str, str]]:
    size = f"{row['width']} × {row['height']} pixels, {row['image_format']}"
    if row["original_format"] != row["image_format"]:
        size += f" (was {row['original_format']})"
    pmc = f"https://pmc.ncbi.nlm.nih.gov/articles/{quote(row['pmcid'] or '')}/"
    doi = row["doi"]
    code = row["license_code"] or "none stated"
    return [
        ("pair", f'<span style="{_MONO}">{_text(row["pair_id"])}</span>'),
        ("article", _text(cut(row["title"], 300))),
        ("citation", _text(cut(row["citation"], 400))),
        ("at", f"{_link(pmc, row['pmcid'])} "
         + (_link(f"https://doi.org/{quote(doi, safe='/:;().')}", doi) if doi else "")),
        ("licence", f"{_dot(row['license_group'])}{_link(article.get('license_url'), code)} "
         f"({_text(row['license_group'])})"),
        ("image", _text(f"{size}, {row['byte_size']:,} bytes")),
        ("source", f'<span style="{_MONO}">{_text(article.get("source_uri"))}</span>'),
        ("source MD5", f'<span style="{_MONO}">{_text(article.get("source_md5"))}</span>'),
        ("image SHA-256", f'<span style="{_MONO}">{_text(row["original_sha256"])}</span>'),
        ("built by", f'<span style="{_MONO}">settings {_text(row["build_digest"])}, shard '
         f"{_text(row['shard'])}, parser {_text(article.get('parser_version'))}</span>"),
    ]  # fmt: skip


def table(
    name: str,
    columns: Sequence[str],
    rest: Sequence[str],
    rows: Sequence[Mapping[str, Any]] | None,
    total: int | None,
) -> str:
    """The first rows of a selection. rest: columns not shown. rows: None where they took too long.
    total: rows in all, None where that is not known."""
    if rows is None:
        said = "no row within ten seconds; .to_arrow() reads all there are"
    elif total is None:
        said = f"the first {len(rows)} rows; .count() counts those that meet the condition"
    elif len(rows) == total:
        said = f"{total:,} row{'' if total == 1 else 's'}"
    else:
        said = f"the first {len(rows)} of {total:,} rows"
    head = "".join(
        f'<th style="{_CELL};border-bottom:{_LINE};font-weight:600">{_text(column)}</th>'
        for column in columns
    )
    line = f"{_CELL};border-bottom:{_LINE};max-width:340px;overflow-wrap:break-word"
    body = "".join(
        '<tr style="background:none">'
        + "".join(f'<td style="{line}">{_value(row[column])}</td>' for column in columns)
        + "</tr>"
        for row in rows or ()
    )
    more = f" · also {_text(', '.join(rest))}" if rest else ""
    return _root(
        f'<div style="overflow-x:auto">{_table(f"<tr>{head}</tr>{body}")}</div>'
        f'<div style="{_MUTED};margin-top:5px">{_text(name)}: {said}{more}</div>'
    )


def _value(value: Any) -> str:
    if value is None:
        return f'<span style="{_MUTED}">–</span>'
    if isinstance(value, bytes):
        return (
            f'<img alt="" src="{data_uri(value, 2 * 96)}" style="{_PLATE};max-width:96px;'
            f'max-height:96px;margin:0">'
        )
    if isinstance(value, float):
        return _text(f"{value:.4g}")
    if isinstance(value, list):
        if value and isinstance(value[0], float):
            start = ", ".join(f"{number:.3f}" for number in value[:3])
            return _text(f"[{start}, …] {len(value)} numbers")
        if value and isinstance(value[0], dict):
            return _text(f"{len(value)} × {cut(str(value[0]), 90)}")
    return _text(cut(str(value), 140))


def _root(content: str) -> str:
    return (
        '<div class="biomedica tex2jax_ignore mathjax_ignore" '
        f'style="max-width:1120px;font-size:13px;line-height:1.45">{content}</div>'
    )


def _table(rows: str) -> str:
    return (
        '<table style="border-collapse:collapse;border:none;margin:0;font-size:inherit;'
        f'color:inherit;background:none">{rows}</table>'
    )


def _head(title: str, note: str, numbers: Sequence[str], span: int) -> str:
    cells = "".join(
        f'<th style="{_NUMBER};font-weight:400;{_MUTED};border-bottom:{_LINE}">{name}</th>'
        for name in numbers
    )
    aside = f' <span style="font-weight:400;{_MUTED}">({note})</span>' if note else ""
    return (
        f'<tr style="background:none"><th style="{_CELL};font-weight:600;border-bottom:{_LINE}" '
        f'colspan="{span}">{title}{aside}</th>{cells}</tr>'
    )


def _warning(content: str) -> str:
    return (
        '<div style="margin:6px 0;padding:4px 10px;border-left:3px solid #e0a030;'
        f'background:rgba(224,160,48,.14)">{content}</div>'
    )


def _dot(group: str | None) -> str:
    return (
        '<span style="display:inline-block;width:9px;height:9px;border-radius:50%;margin-right:7px;'
        f'background:{_GROUPS.get(group or "other", _GROUPS["other"])}"></span>'
    )


def _bold(label: str | None) -> str:
    return f"<b>{_text(cut(label, 60))}</b> " if label else ""


def _link(address: str | None, text: str | None) -> str:
    """A link where the address is one of the web; else the text alone."""
    if address is None or re.fullmatch(r"https?://[^\s\"'<>]+", address) is None:
        return _text(text)
    return f'<a href="{_text(address)}" target="_blank" rel="noopener noreferrer" style="color:inherit">{_text(text)}</a>'


def _text(value: object) -> str:
    """A value as HTML text: escaped, without what turns or hides the text around it."""
    return "" if value is None else html.escape(cleaned(str(value)), quote=True)
