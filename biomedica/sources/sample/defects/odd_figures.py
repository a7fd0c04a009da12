"""Figures, captions, dates and licences that break a rule of JATS or of good sense."""

from __future__ import annotations

from collections.abc import Callable

from .case import Defect, Plant, Prefix, pair, refuse, written
from .document import CAPTION, DATE, LICENSE, article_xml, body_xml, fig, xref

__all__ = ["ODD_FIGURES", "document", "fields"]

_TEX = (
    r"<inline-formula><tex-math>\documentclass[12pt]{minimal}\usepackage{amsmath}"
    r"\begin{document}$$x^2$$\end{document}</tex-math></inline-formula>"
)
_IMAGE_FORMULA = '<inline-formula><inline-graphic xlink:href="eq1.gif"/></inline-formula>'
_ZERO = (
    '<license-p>The <ext-link xlink:href="http://creativecommons.org/publicdomain/zero/1.0/">waiver'
    "</ext-link> applies to the data.</license-p></license>"
)
_BARE = '<graphic xlink:href="fig1.jpg"/>'
_RELEASE = DATE.replace("epub", "pmc-release")


def _body(*parts: str) -> Plant:
    """The body's figures, instead of the sound one."""

    def plant(prefix: Prefix) -> None:
        prefix.xml = article_xml(prefix, body_xml(*parts))

    return plant


def document(**parts: str) -> Plant:
    """The sound article with other parts (`document.article_xml`)."""

    def plant(prefix: Prefix) -> None:
        prefix.xml = article_xml(prefix, **parts)

    return plant


def fields(plant: Plant, **changed: object) -> Plant:
    """Other fields of the metadata besides."""

    def both(prefix: Prefix) -> None:
        plant(prefix)
        prefix.fields |= changed

    return both


def _two(make: Callable[[], str]) -> Plant:
    """A second image file, for a body that shows both."""

    def plant(prefix: Prefix) -> None:
        prefix.media["fig2.jpg"] = prefix.media["fig1.jpg"]
        prefix.xml = article_xml(prefix, body_xml(make()))

    return plant


def _renditions() -> str:
    print_, web = (
        f'<graphic specific-use="{use}" xlink:href="{href}"/>'
        for use, href in (("print-only", "fig1.jpg"), ("web-only", "fig2.jpg"))
    )
    return fig().replace(_BARE, f"<alternatives>{print_}{web}</alternatives>")


def _nested() -> str:
    child = fig("f1s1", "fig2.jpg", "Cells in the second hour.", "Figure 1—figure supplement 1.")
    return fig().replace("</fig>", f"<p>{child}</p></fig>")


FIGURES = (
    Defect(
        "duplicate_reference",
        "Two figures name one file; the first is the pair.",
        written(pair(figure_id="f1"), refuse("figure", "duplicate_reference")),
        _body(fig("f1"), fig("f2", label="Figure 2")),
    ),
    Defect(
        "graphic_without_href",
        "A graphic names no file.",
        written(refuse("figure", "no_href")),
        _body(fig(href=None)),
    ),
    Defect(
        "graphic_with_empty_href",
        "A graphic's reference is empty.",
        written(refuse("figure", "no_href")),
        _body(fig(href="")),
    ),
    Defect(
        "figure_without_caption",
        "A figure has a graphic and no words.",
        written(refuse("figure", "no_caption")),
        _body(fig(caption="")),
    ),
    Defect(
        "figure_without_graphic",
        "A figure holds code in place of a graphic.",
        written(figures=("no_graphic",)),
        _body(fig().replace(_BARE, "<code>print(1)</code>")),
    ),
    Defect(
        "video_in_figure",
        "A figure holds a film in place of a graphic.",
        written(figures=("video",)),
        _body(fig().replace(_BARE, '<media mimetype="video" xlink:href="film.mp4"/>')),
    ),
    Defect(
        "figure_without_id",
        "A figure has no id; it gets one by its position.",
        written(pair(figure_id="fig-1")),
        _body(fig().replace(' id="f1"', "")),
    ),
    Defect(
        "floating_graphic",
        "A graphic stands in a paragraph, outside any figure.",
        written(refuse("figure", "no_caption")),
        _body(f"<p>{_BARE}</p>"),
    ),
    Defect(
        "graphic_in_thanks",
        "A graphic stands in the acknowledgements.",
        written(refuse("figure", "not_a_figure")),
        document(body=body_xml(), back=f"<ack><p>{_BARE}</p></ack>"),
    ),
    Defect(
        "supplementary_graphic",
        "An image is supplementary material.",
        written(refuse("figure", "supplementary")),
        _body(
            f"<supplementary-material><caption><p>Raw image.</p></caption>{_BARE}</supplementary-material>"
        ),
    ),
    Defect(
        "author_portrait",
        "The portrait of an author is not taken.",
        written(refuse("figure", "kind_not_taken")),
        document(body=body_xml(), back=f"<bio><p>{_BARE}</p></bio>"),
    ),
    Defect(
        "formula_graphic",
        "A formula is drawn as an image.",
        written(refuse("figure", "formula")),
        _body(f"<disp-formula>{_BARE}</disp-formula>"),
    ),
    Defect(
        "drawn_and_written_table",
        "An image repeats the table beside it.",
        written(refuse("figure", "table_alternative")),
        _body(
            f"<table-wrap id='t1'><caption><p>Counts.</p></caption><alternatives>{_BARE}"
            "<table><tr><td>1</td></tr></table></alternatives></table-wrap>"
        ),
    ),
    Defect(
        "renditions",
        "A graphic for print and one for the web stand for one; the web's is taken.",
        written(refuse("figure", "alternate_of"), pair("fig2.jpg", graphics_in_figure=1)),
        _two(_renditions),
    ),
    Defect(
        "nested_figures",
        "A figure stands inside another; each has its own caption.",
        written(
            pair(caption=CAPTION),
            pair("fig2.jpg", caption="Cells in the second hour.", parent_figure_id="f1"),
        ),
        _two(_nested),
    ),
    Defect(
        "unresolved_reference",
        "The text refers to a figure that does not exist.",
        written(pair(), warnings=("unresolved_rid",)),
        _body(f"<p>As {xref('f9', 'Figure 9')} shows.</p>", fig()),
    ),
)

CAPTIONS = (
    Defect(
        "latex_document_in_caption",
        "A formula of a caption is a whole LaTeX document.",
        written(pair(caption="Cells x^2 in the first hour.")),
        _body(fig(caption=f"Cells {_TEX} in the first hour.")),
    ),
    Defect(
        "formula_as_image_in_caption",
        "A formula of a caption is an image alone: it leaves no words.",
        written(pair(caption="Cells in the first hour."), warnings=("formula_as_image",)),
        _body(fig(caption=f"Cells {_IMAGE_FORMULA} in the first hour.")),
    ),
    Defect(
        "private_use_in_caption",
        "A caption holds a character of the private use area; it is kept.",
        written(pair(caption="Cells \ue001 in the first hour."), warnings=("private_use_character",)),
        _body(fig(caption="Cells \ue001 in the first hour.")),
    ),
    Defect(
        "invisible_characters",
        "A caption holds soft hyphens, zero-width and narrow spaces, and a letter in two parts.",
        written(pair(caption="Café cells in the first hour.")),
        _body(fig(caption="Cafe\u0301 cel\u00adls\u202fin\u2009the\u00a0fi\u200brst\ufeff hour.")),
    ),
    Defect(
        "touching_blocks",
        "Title and paragraph of a caption touch without white space.",
        written(pair(caption="Cells. In the first hour.", caption_title="Cells.")),
        _body(
            fig(caption="").replace(
                _BARE,
                f"<caption><title>Cells.</title><p>In the first hour.</p></caption>{_BARE}",
            )
        ),
    ),
    Defect(
        "email_in_caption",
        "A caption holds an e-mail address, which is left out.",
        written(pair(caption="Cells in the first hour; ask .")),
        _body(fig(caption="Cells in the first hour; ask <email>someone@example.org</email>.")),
    ),
)

FRONTS = (
    Defect(
        "impossible_date",
        "The first date does not exist; the next one counts.",
        written(
            pair(),
            warnings=("impossible_date",),
            publication_date="2024-03-12",
            publication_date_type="ppub",
        ),
        document(date=DATE.replace("<month>3", "<month>13") + DATE.replace("epub", "ppub")),
    ),
    Defect(
        "release_date_only",
        "The only date is that of the release in PMC, which is no publication.",
        written(
            pair(), warnings=("no_publication_date",), publication_date=None, publication_year=None
        ),
        document(date=_RELEASE),
    ),
    Defect(
        "licence_of_the_data",
        "A second licence is that of the data; the metadata names none.",
        written(pair(license_code="CC BY"), license_code="CC BY", license_group="commercial"),
        fields(document(license_=LICENSE.replace("</license>", _ZERO)), license_code=None),
    ),
    Defect(
        "two_licences",
        "Two licences contradict each other; the first counts.",
        written(pair(), warnings=("several_licenses",), license_code="CC BY"),
        document(license_=LICENSE + LICENSE.replace("/by/", "/by-nc/")),
    ),
    Defect(
        "licences_disagree",
        "The metadata says CC BY and the XML CC BY-NC: the code is the metadata's, the group the "
        "stricter one.",
        written(
            pair(license_group="noncommercial"),
            warnings=("license_mismatch",),
            license_code="CC BY",
            license_group="noncommercial",
        ),
        document(license_=LICENSE.replace("/by/", "/by-nc/")),
    ),
    Defect(
        "retracted_in_xml_only",
        "The XML says that the article is retracted, and the metadata does not.",
        written(pair(), warnings=("retraction_differs",), is_retracted=True),
        document(meta='<related-article related-article-type="retraction-forward"/>'),
    ),
    Defect(
        "closed_in_xml_only",
        "The XML says that the article is not open access, and the metadata counts.",
        written(pair(), warnings=("open_access_differs",)),
        document(
            meta="<custom-meta-group><custom-meta><meta-name>pmc-prop-open-access</meta-name>"
            "<meta-value>no</meta-value></custom-meta></custom-meta-group>"
        ),
    ),
)

ODD_FIGURES = (*FIGURES, *CAPTIONS, *FRONTS)
