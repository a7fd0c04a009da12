"""The XML of a defect: a short sound article in PMC's current form, piece by piece."""

from __future__ import annotations

from .case import Prefix

__all__ = ["CAPTION", "DATE", "LICENSE", "article_xml", "body_xml", "fig", "xref"]

_NAMES = (
    'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:mml="http://www.w3.org/1998/Math/MathML" '
    'xmlns:ali="http://www.niso.org/schemas/ali/1.0/"'
)
_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

CAPTION = "Cells in the first hour."

DATE = '<pub-date pub-type="epub"><day>12</day><month>3</month><year>2024</year></pub-date>'
LICENSE = (
    "<license><ali:license_ref>https://creativecommons.org/licenses/by/4.0/</ali:license_ref>"
    "<license-p>This is an open access article.</license-p></license>"
)


def fig(
    name: str = "f1", href: str | None = "fig1.jpg", caption: str = CAPTION, label: str = "Figure 1"
) -> str:
    """A `fig` with label, caption and graphic; an empty part is left out, href None too."""
    said = f"<label>{label}</label>" if label else ""
    said += f"<caption><p>{caption}</p></caption>" if caption else ""
    graphic = "<graphic/>" if href is None else f'<graphic xlink:href="{href}"/>'
    return f'<fig id="{name}">{said}{graphic}</fig>'


def xref(name: str, text: str) -> str:
    """A reference to a figure."""
    return f'<xref ref-type="fig" rid="{name}">{text}</xref>'


def body_xml(*figures: str) -> str:
    """A body of one section: a paragraph that names Figure 1 where there is one, and the figures."""
    shown = "".join(figures)
    where = f" ({xref('f1', 'Figure 1')})" if 'id="f1"' in shown else ""
    return f"<sec><title>Results</title><p>The cells divided twice{where}.</p>{shown}</sec>"


def article_xml(
    prefix: Prefix,
    body: str | None = None,
    *,
    date: str = DATE,
    license_: str = LICENSE,
    meta: str = "",
    back: str = "",
    more: str = "",
    head: str = _DECLARATION,
) -> bytes:
    """The article as UTF-8.

    body: inside `body`, by default one figure; "" for no body at all. meta: more of
    `article-meta`. more: after `back`. head: before the root.
    """
    if body is None:
        body = body_xml(fig())
    inner = f"<body>{body}</body>" if body else ""
    title = f"A report with a defect, number {prefix.number}"
    text = (
        f'{head}<article {_NAMES} article-type="research-article" dtd-version="1.4" xml:lang="en">'
        "<front><journal-meta><journal-title-group><journal-title>Journal of Defects</journal-title>"
        "</journal-title-group><issn>2999-0001</issn></journal-meta><article-meta>"
        f'<article-id pub-id-type="pmcid">PMC{prefix.pmcid}</article-id>'
        f'<article-id pub-id-type="doi">10.97500/defect.{prefix.number}</article-id>'
        f"<title-group><article-title>{title}</article-title></title-group>{date}"
        "<permissions><copyright-statement>© 2024 The Authors</copyright-statement>"
        f"{license_}</permissions><abstract><p>Cells were counted.</p></abstract>{meta}"
        f"</article-meta></front>{inner}<back>{back}</back>{more}</article>"
    )
    return text.encode()
