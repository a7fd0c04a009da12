"""Small synthetic documents."""

from __future__ import annotations

from biomedica.jats import Article, parse_article

NAMESPACES = (
    'xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:mml="http://www.w3.org/1998/Math/MathML" '
    'xmlns:ali="http://www.niso.org/schemas/ali/1.0/"'
)
META = (
    '<article-id pub-id-type="pmcid">PMC123</article-id>'
    "<title-group><article-title>On mice</article-title></title-group>"
)


def document(
    body: str = "", *, meta: str = META, back: str = "", attributes: str = "", more: str = ""
) -> bytes:
    """An article. `more` stands after `back`: sub-articles and floats-group."""
    text = (
        f'<article {NAMESPACES} article-type="research-article" {attributes}>'
        "<front><journal-meta><journal-title-group><journal-title>Journal of Mice</journal-title>"
        f"</journal-title-group></journal-meta><article-meta>{meta}</article-meta></front>"
        f"<body>{body}</body><back>{back}</back>{more}</article>"
    )
    return text.encode()


def parse(body: str = "", **parts: str) -> Article:
    """The article of such a document."""
    return parse_article(document(body, **parts))


def fig(name: str, label: str = "", caption: str = "A mouse.", href: str | None = None) -> str:
    """A plain figure."""
    label = f"<label>{label}</label>" if label else ""
    words = f"<caption><p>{caption}</p></caption>" if caption else ""
    return f'<fig id="{name}">{label}{words}<graphic xlink:href="{href or name + ".jpg"}"/></fig>'


def xref(name: str, text: str) -> str:
    """A citation of a figure."""
    return f'<xref ref-type="fig" rid="{name}">{text}</xref>'


def date(
    kind: str, year: str = "2020", month: str = "", day: str = "", attribute: str = "pub-type"
) -> str:
    """A pub-date."""
    parts = [("day", day), ("month", month), ("year", year)]
    inside = "".join(f"<{n}>{v}</{n}>" for n, v in parts if v)
    return f'<pub-date {attribute}="{kind}">{inside}</pub-date>'
