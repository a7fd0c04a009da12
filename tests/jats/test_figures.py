"""Every shape in which a graphic comes, and what becomes of it."""

from __future__ import annotations

import pytest

from biomedica.jats import Article, parse_article
from tests.jats.documents import META, document, fig, parse

CAPTION = "<caption><p>Seen.</p></caption>"


def graphic(href: str = "a.jpg", more: str = "", inside: str = "") -> str:
    return f'<graphic xlink:href="{href}" {more}>{inside}</graphic>'


def outcome(article: Article) -> list[tuple[int, str]]:
    """What became of each graphic, in document order: its figure id or the reason."""
    pairs = [(g.index, f.figure_id) for f in article.figures for g in f.graphics]
    rejects = [(r.graphic_index, r.reason) for r in article.rejects if r.graphic_index is not None]
    assert len(pairs) + len(rejects) == article.graphic_count
    return sorted([*pairs, *rejects])


def reasons(article: Article) -> list[tuple[str, int | None, str, str]]:
    return [(r.item, r.graphic_index, r.reason, r.detail) for r in article.rejects]


def test_a_plain_figure() -> None:
    figure = parse(fig("f1", "Figure 1.", "A <italic>mouse</italic>.")).figures[0]
    assert (figure.figure_id, figure.kind, figure.label, figure.position) == (
        "f1",
        "figure",
        "Figure 1",
        1,
    )
    assert (figure.caption, figure.caption_markup) == ("A mouse.", "A <i>mouse</i>.")
    assert [(g.index, g.href, g.position, g.caption) for g in figure.graphics] == [
        (1, "f1.jpg", 1, None)
    ]


def test_ids_and_labels_that_are_not_there() -> None:
    article = parse(
        f"<fig>{CAPTION}{graphic('a')}</fig><fig>{graphic('b')}</fig><fig><label>|</label>{CAPTION}{graphic('c')}</fig>"
    )
    assert [(f.figure_id, f.label) for f in article.figures] == [("fig-1", None), ("fig-3", None)]
    assert reasons(article) == [("b", 2, "no_caption", "figure")]


def test_uncaptioned_graphics_are_kept_on_request() -> None:
    article = parse_article(
        document(f"<fig>{graphic('a')}</fig><p>{graphic('b')}</p>"), keep_uncaptioned=True
    )
    assert [(f.kind, f.caption) for f in article.figures] == [("figure", ""), ("floating", "")]


@pytest.mark.parametrize(
    ("uses", "taken"),
    [
        (("", ""), "0"),
        (('specific-use="print-only"', 'specific-use="web-only"'), "1"),
        (('specific-use="thumbnail"', ""), "1"),
        (('specific-use="scielo-web"', 'specific-use="other"'), "1"),
        (("", 'specific-use="color"'), "0"),
    ],
)
def test_alternatives(uses: tuple[str, str], taken: str) -> None:
    both = "".join(graphic(str(i), use) for i, use in enumerate(uses))
    article = parse(f'<fig id="f">{CAPTION}<alternatives>{both}<graphic/></alternatives></fig>')
    assert [g.href for g in article.figures[0].graphics] == [taken]
    other = str(1 - int(taken))
    assert reasons(article) == [
        (other, int(other) + 1, "alternate_of", taken),
        ("f", 3, "no_href", "<figure>"),
    ]


def test_several_graphics_and_captions_of_their_own() -> None:
    inner = "<label>B</label><caption><p>Right.</p></caption>"
    article = parse(f'<fig id="f">{CAPTION}<p>{graphic("a")}</p>{graphic("b", inside=inner)}</fig>')
    figure = article.figures[0]
    assert figure.caption == "Seen."
    assert [(g.href, g.position, g.caption) for g in figure.graphics] == [
        ("a", 1, None),
        ("b", 2, "Right."),
    ]


def test_nested_figures_and_children() -> None:
    child = (
        f'<p><fig id="c" specific-use="child-fig"><label>1S</label>{CAPTION}{graphic("c")}</fig></p>'
    )
    article = parse(
        f'<fig id="f"><label>1</label><caption><p>Top.</p></caption>{graphic("f")}{child}</fig>'
    )
    assert [(f.figure_id, f.parent_figure_id, f.caption) for f in article.figures] == [
        ("f", None, "Top."),
        ("c", "f", "Seen."),
    ]
    body = fig("g", "Figure 2") + fig("h", "Figure 2—figure supplement 1")
    assert parse(body).figures[1].parent_figure_id == "g"
    group = f"<fig-group>{fig('x')}{fig('y').replace('<fig ', '<fig specific-use=' + chr(34) + 'child-fig' + chr(34) + ' ')}</fig-group>"
    assert parse(group).figures[1].parent_figure_id == "x"


def test_groups() -> None:
    head = "<label>Figure 1</label><caption><title>All.</title></caption>"
    article = parse(
        f"<fig-group id='g'>{head}{fig('a', 'A', 'One.')}{fig('b', 'B', '')}{graphic('c')}{graphic('d')}</fig-group>"
    )
    assert [
        (f.label, f.caption, f.caption_title, f.group_label, f.group_caption) for f in article.figures
    ] == [
        ("A", "All. One.", None, "Figure 1", "All."),
        ("B", "All.", "All.", "Figure 1", "All."),
        ("Figure 1", "All.", "All.", "Figure 1", "All."),
        ("Figure 1", "All.", "All.", "Figure 1", "All."),
    ]


def test_tables() -> None:
    article = parse(
        f'<table-wrap id="t1"><label>Table 1</label>{CAPTION}{graphic("a")}</table-wrap>'
        f'<table-wrap id="t2">{CAPTION}<alternatives>{graphic("b")}<table><tr><td>1</td></tr></table></alternatives></table-wrap>'
        f'<table-wrap id="t3">{CAPTION}<table><tr><td>1</td></tr></table></table-wrap>'
    )
    assert outcome(article) == [(1, "t1"), (2, "table_alternative")]
    assert article.figures[0].kind == "table"
    assert article.figure_count == 2


def test_formulas_take_no_pair() -> None:
    inline = '<inline-graphic xlink:href="i"/>'
    article = parse(
        f"<p><disp-formula>{graphic('e1')}</disp-formula> <inline-formula><alternatives>{graphic('e2')}"
        f"</alternatives>{inline}</inline-formula></p>"
    )
    assert outcome(article) == [(1, "formula"), (2, "formula")]
    assert (article.graphic_count, article.inline_graphic_count) == (2, 1)
    taken = parse_article(
        document(f"<disp-formula>{graphic('e')}</disp-formula>"),
        kinds=["formula"],
        keep_uncaptioned=True,
    )
    assert taken.figures[0].kind == "formula"


@pytest.mark.parametrize(
    ("xml", "kind"),
    [
        (f'<fig fig-type="featured">{CAPTION}{graphic()}</fig>', "featured"),
        (f'<fig fig-type="scheme">{CAPTION}{graphic()}</fig>', "scheme"),
        (f"<fig><label>Scheme 1</label>{CAPTION}{graphic()}</fig>", "scheme"),
        (f"<fig><label>Table 2</label>{CAPTION}{graphic()}</fig>", "table"),
        (f"<fig><label>Plate II</label>{CAPTION}{graphic()}</fig>", "plate"),
        (f"<fig><label>Supplementary Figure 2</label>{CAPTION}{graphic()}</fig>", "figure"),
        (f"<chem-struct-wrap>{CAPTION}{graphic()}</chem-struct-wrap>", "chemical_structure"),
        (
            f"<boxed-text><caption><title>Box</title></caption><p>{graphic()}</p></boxed-text>",
            "boxed_text",
        ),
        (f"<boxed-text><title>Box</title><p>{graphic()}</p></boxed-text>", "boxed_text"),
        (
            f"<chem-struct-wrap>{CAPTION}<chem-struct>{graphic()}</chem-struct></chem-struct-wrap>",
            "chemical_structure",
        ),
        (f"<sec><title>Graphical Abstract</title>{fig('f')}</sec>", "graphical_abstract"),
        (f"<fig><label>Graphical abstract</label>{CAPTION}{graphic()}</fig>", "graphical_abstract"),
        (f"<sec><p>{graphic(inside=CAPTION)}</p></sec>", "floating"),
    ],
)
def test_kinds(xml: str, kind: str) -> None:
    figure = parse(xml).figures[0]
    assert figure.kind == kind
    assert figure.caption


@pytest.mark.parametrize(
    ("xml", "reason"),
    [
        (f"<p>{graphic()}</p>", "no_caption"),
        (f"<boxed-text><p>{graphic()}</p></boxed-text>", "no_caption"),
        (f"<chem-struct-wrap>{graphic()}</chem-struct-wrap>", "no_caption"),
        (f"<p><named-content>{graphic()}</named-content></p>", "not_a_figure"),
        (f"<bio><p>{graphic()}</p></bio>", "kind_not_taken"),
        (f"<bio><p><fig>{CAPTION}{graphic()}</fig></p></bio>", "kind_not_taken"),
        (f"<p><chem-struct>{graphic()}</chem-struct></p>", "no_caption"),
        (f"<supplementary-material>{CAPTION}{graphic()}</supplementary-material>", "supplementary"),
        ('<p><graphic xlink:href=" "/></p>', "no_href"),
    ],
)
def test_what_is_no_pair(xml: str, reason: str) -> None:
    article = parse(xml)
    assert outcome(article) == [(1, reason)]
    assert article.figure_count == 1


def test_kinds_are_the_runs_choice() -> None:
    article = parse_article(document(fig("a") + fig("s", "Scheme 1")), kinds=["scheme"])
    assert [f.figure_id for f in article.figures] == ["s"]
    assert reasons(article) == [("a.jpg", 1, "kind_not_taken", "figure")]


def test_figures_without_a_graphic() -> None:
    article = parse(
        f'<fig id="v">{CAPTION}<media mimetype="video" xlink:href="v.mp4"/></fig>'
        f'<fig id="p">{CAPTION}<preformat>code</preformat></fig>'
    )
    assert reasons(article) == [("v", None, "video", "media"), ("p", None, "no_graphic", "preformat")]
    assert (article.figures, article.figure_count, article.graphic_count) == ((), 2, 0)


@pytest.mark.parametrize(
    ("inside", "caption"),
    [
        (
            f"<abstract abstract-type='graphical'><title>GA</title><p>Words.{graphic()}</p></abstract>",
            "Words.",
        ),
        (f"<abstract><title>Graphical abstract</title><p>Words.{graphic()}</p></abstract>", "Words."),
        (
            f"<abstract abstract-type='graphical'><p>Else.<boxed-text>{graphic()}<p>Boxed.</p></boxed-text></p></abstract>",
            "Boxed.",
        ),
        (
            f"<abstract abstract-type='graphical'><p>Words.<boxed-text>{graphic()}</boxed-text></p></abstract>",
            "Words.",
        ),
        (f"<abstract><p>Words.</p><p>{graphic()}</p></abstract>", None),
        (f"<abstract><p><boxed-text><p>{graphic()}</p></boxed-text></p></abstract>", None),
        (f"<abstract><p>Words.{fig('f')}</p></abstract>", "A mouse."),
    ],
)
def test_graphical_abstracts(inside: str, caption: str | None) -> None:
    article = parse(meta=META + inside)
    if caption is None:
        assert [(r.reason, r.detail) for r in article.rejects] == [("no_caption", "graphical_abstract")]
    else:
        assert [(f.kind, f.caption) for f in article.figures] == [("graphical_abstract", caption)]


def test_one_file_named_twice() -> None:
    sub = f"<sub-article><body>{fig('s', href='x/a.jpg')}</body></sub-article>"
    article = parse(
        f"<p>{graphic('c.jpg')}</p>{fig('a', href='a.jpg')}{fig('b', href='./a.jpg?v=1')}{fig('c', href='c.jpg')}",
        more=sub,
    )
    assert outcome(article) == [
        (1, "no_caption"),
        (2, "a"),
        (3, "duplicate_reference"),
        (4, "c"),
        (5, "duplicate_reference"),
    ]


def test_the_main_article_has_a_file_before_a_sub_article() -> None:
    xml = document(fig("m", href="a")).replace(
        b"<body>", f"<sub-article><body>{fig('s', href='a')}</body></sub-article><body>".encode(), 1
    )
    assert outcome(parse_article(xml)) == [(1, "duplicate_reference"), (2, "m")]


def test_links_with_equal_last_segments_are_different_files() -> None:
    hrefs = [f"https://x.org/iiif/{n}/default.jpg" for n in (1, 2)]
    assert len(parse("".join(fig(f"f{i}", href=h) for i, h in enumerate(hrefs))).figures) == 2


def test_a_label_at_the_head_of_the_caption() -> None:
    figure = parse(fig("f", caption="<bold>Figure 1</bold>. A <italic>mouse</italic>.")).figures[0]
    assert (figure.label, figure.caption, figure.caption_markup) == (
        "Figure 1",
        "A mouse.",
        "A <i>mouse</i>.",
    )
    for label in ("FIGURE 1", "FIG. S2", "Figure 2.1"):
        figure = parse(fig("f", caption=f"{label}. A mouse.")).figures[0]
        assert (figure.label, figure.caption) == (label, "A mouse.")
    kept = parse(fig("f", "Fig. 2", caption="Figure 1. A mouse.")).figures[0]
    assert (kept.label, kept.caption) == ("Fig. 2", "Figure 1. A mouse.")


def test_alternative_text() -> None:
    written = f"<fig>{CAPTION}<alt-text>A grey mouse</alt-text>{graphic()}</fig>"
    made = f"<fig>{CAPTION}{graphic(inside='<alt-text>Graphic file with name a.jpg</alt-text>')}</fig>"
    assert parse(written).figures[0].alt_text == "A grey mouse"
    assert parse(made).figures[0].alt_text is None


def test_positions_count_every_figure() -> None:
    article = parse(
        fig("a")
        + f"<disp-formula>{graphic('e')}</disp-formula>"
        + f'<fig id="n">{CAPTION}</fig>'
        + fig("b", href="b")
        + fig("d", href="b")
    )
    assert [(f.figure_id, f.position) for f in article.figures] == [("a", 1), ("b", 4)]
    assert article.figure_count == 5


def test_the_link_has_many_spellings() -> None:
    bare = document().replace(
        b"<body></body>",
        b'<body><fig><caption><p>x</p></caption><graphic href=" a b.jpg "/></fig></body>',
    )
    assert parse_article(bare).figures[0].graphics[0].href == "a b.jpg"


VIDEO = '<label>Video 1.</label><caption><p>A film.</p></caption><graphic xlink:href="still.jpg"/>'


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (f'<media mimetype="video" xlink:href="v.mp4">{VIDEO}</media>', "video_still"),
        (f'<fig id="f">{VIDEO}<media xlink:href="v.mp4"/></fig>', "video_still"),
        (f'<fig id="f">{VIDEO.replace("Video", "Figure")}<media xlink:href="v.mp4"/></fig>', "figure"),
        (
            '<fig id="f"><label>Video 1</label><caption><p>A film.</p></caption>'
            '<media xlink:href="v.mp4"><graphic xlink:href="still.jpg"/></media></fig>',
            "video_still",
        ),
    ],
)
def test_the_still_of_a_film(body: str, kind: str) -> None:
    article = parse(body)
    (figure,) = article.figures
    assert (figure.kind, figure.caption) == (kind, "A film.")
    assert [graphic.href for graphic in figure.graphics] == ["still.jpg"]
    assert article.rejects == ()


def test_a_film_in_a_supplement_is_supplementary() -> None:
    inner = f'<media xlink:href="v.mp4">{VIDEO}</media>'
    article = parse(f'<supplementary-material id="s">{inner}</supplementary-material>')
    assert [reject.reason for reject in article.rejects] == ["supplementary"]


@pytest.mark.parametrize("before", ["Stray words. ", "<p>A paragraph first.</p>"])
def test_a_title_after_other_text_is_none(before: str) -> None:
    """Found by mutants: the caption must begin with its title."""
    (figure,) = parse(
        f'<fig id="f"><caption>{before}<title>A title</title></caption>'
        '<graphic xlink:href="a.jpg"/></fig>'
    ).figures
    assert figure.caption_title is None
    assert figure.caption.endswith("A title")


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        ("Box 2—figure 1", "figure"),
        ("Chemical structure 1", "chemical_structure"),
        ("Appendix 1—table 1", "table"),
        ("Box 2", "box"),
    ],
)
def test_the_last_word_of_a_label_makes_the_kind(label: str, kind: str) -> None:
    (figure,) = parse(fig("f", label)).figures
    assert figure.kind == kind


@pytest.mark.parametrize(
    ("media", "reason"),
    [
        ('<media mimetype="video" xlink:href="v"/>', "video"),
        ('<media xlink:href="v"/>', "video"),
        ('<media mimetype="application" mime-subtype="pdf" xlink:href="v"/>', "no_graphic"),
    ],
)
def test_a_figure_that_is_a_file(media: str, reason: str) -> None:
    article = parse(f'<fig id="f"><label>Figure 1</label><caption><p>A.</p></caption>{media}</fig>')
    assert [reject.reason for reject in article.rejects] == [reason]
