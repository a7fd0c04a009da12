"""Metadata, licence, references and body."""

from __future__ import annotations

import pytest

from biomedica.jats import Article, parse_article
from biomedica.jats.article import (
    AbstractSection,
    Award,
    License,
    RelatedArticle,
    Section,
    TranslatedTitle,
)
from tests.jats.documents import META, date, document, fig, parse

TITLE = "<title-group><article-title>On mice</article-title></title-group>"


def front(meta: str, **parts: str) -> Article:
    return parse(meta=TITLE + meta, **parts)


def ids(*pairs: tuple[str, str]) -> str:
    return "".join(f'<article-id pub-id-type="{kind}">{text}</article-id>' for kind, text in pairs)


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        (ids(("pmc", "123"), ("pmid", "77")), ("PMC123", None, 77, None)),
        (
            ids(("pmcid", "PMC123"), ("pmcid-ver", "PMC123.2"), ("pmcaid", "9")),
            ("PMC123", 2, None, None),
        ),
        (ids(("pmcid-ver", "PMC123.3")), ("PMC123", 3, None, None)),
        (
            ids(("pmcid", "123"))
            + '<article-version article-version-type="pmc-version">4</article-version>',
            ("PMC123", 4, None, None),
        ),
        (ids(("doi", "https://doi.org/10.1234/ABC.d(1)")), (None, None, None, "10.1234/abc.d(1)")),
        (ids(("doi", "doi: 10.1234/x"), ("doi", "10.1234/y")), (None, None, None, "10.1234/x")),
        (ids(("doi", "n/a"), ("doi", "https://doi.org/10.1234%2FZ")), (None, None, None, "10.1234/z")),
        (ids(("pmid", "none"), ("doi", "n/a")), (None, None, None, None)),
    ],
)
def test_ids(meta: str, expected: tuple[object, ...]) -> None:
    article = front(meta)
    assert (article.pmcid, article.version, article.pmid, article.doi) == expected


def test_a_key_that_differs_is_a_warning() -> None:
    xml = document(meta=TITLE + ids(("pmcid-ver", "PMC123.2")))
    assert parse_article(xml, pmcid="PMC123.2").warnings == ()
    assert parse_article(xml, pmcid="PMC123").warnings == ()
    assert parse_article(xml, pmcid="PMC123.1").warnings[0].startswith("version_mismatch")
    assert parse_article(xml, pmcid="PMC9").warnings[0].startswith("pmcid_mismatch")


def test_titles() -> None:
    meta = (
        "<title-group><article-title>On <italic>Mus</italic> mice<xref>1</xref><fn><p>x</p></fn>"
        "</article-title><subtitle>A tale</subtitle></title-group>"
    )
    assert parse(meta=meta).title == "On Mus mice: A tale"
    assert parse(meta="").title is None


BY = "https://creativecommons.org/licenses/by/4.0/"
ZERO = "http://creativecommons.org/publicdomain/zero/1.0/"


def licensed(inside: str, attributes: str = "") -> License | None:
    return front(f"<permissions><license {attributes}>{inside}</license></permissions>").license


def test_licences() -> None:
    by = ("CC BY", "CC-BY-4.0", BY)
    link = f'<license-p>under <ext-link xlink:href="{BY}">CC BY</ext-link></license-p>'
    zero = f'<license-p>data <ext-link xlink:href="{ZERO}">CC0</ext-link></license-p>'
    assert licensed(f"<ali:license_ref>{BY}</ali:license_ref>") == License(*by, "license_ref")
    assert licensed("", f'xlink:href="{BY}legalcode"') == License(*by, "license_href")
    assert licensed(zero + link) == License(*by, "license_link")
    assert licensed(f"<p>see {BY}.</p>") == License(*by, "license_text")
    words = "<p>the Creative Commons Attribution License; the CC0 waiver for data</p>"
    assert licensed(words + zero) == License("CC BY", None, None, "license_words")
    assert licensed(zero) == License("CC0", "CC0-1.0", ZERO.replace("http:", "https:"), "license_link")
    ref = '<ali:license_ref content-type="ccbyncndlicense"/>'
    assert licensed(ref) == License("CC BY-NC-ND", None, None, "content_type")
    assert licensed("<p>Open.</p>", 'license-type="open-access"') is None
    assert licensed("", 'xlink:href="https://x.org/tdm"') == License(
        None, None, "https://x.org/tdm", "license_href"
    )


def test_where_a_licence_may_stand() -> None:
    old = "<copyright-statement>A. This is under the Creative Commons Attribution License.</copyright-statement>"
    article = front(old)
    assert article.license == License("CC BY", None, None, "license_words")
    assert article.copyright_statement is not None
    two = f'<permissions><license xlink:href="{BY}"/><license xlink:href="{BY.replace("by", "by-nc")}"/></permissions>'
    assert front(two).warnings == ("several_licenses: CC BY, CC BY-NC",)
    assert front("").license is None
    holder = "<permissions><copyright-year>2020</copyright-year><copyright-holder>X</copyright-holder></permissions>"
    assert front(holder).copyright_statement == "© 2020 X"


def test_a_licence_that_contradicts_itself_is_told() -> None:
    link = f'<ext-link xlink:href="{BY.replace("by", "by-nc")}"/>'
    article = front(
        f'<permissions><license xlink:href="{BY}"><license-p>{link}</license-p></license></permissions>'
    )
    assert article.license is not None
    assert article.license.code == "CC BY"
    assert article.warnings == ("license_contradiction: license_href CC BY, license_link CC BY-NC",)
    words = "<license-p>Creative Commons Attribution-NonCommercial License</license-p>"
    article = front(f'<permissions><license xlink:href="{BY}">{words}</license></permissions>')
    assert article.warnings == ("license_contradiction: license_href CC BY, license_words CC BY-NC",)
    zero = '<ext-link xlink:href="https://creativecommons.org/publicdomain/zero/1.0/"/>'
    plain = (
        "<license-p>The Creative Commons Attribution License, and a waiver for the data.</license-p>"
    )
    for text in (zero, plain, "<license-p>Open.</license-p>"):
        xml = f'<permissions><license xlink:href="{BY}">{text}</license></permissions>'
        assert front(xml).warnings == ()


def test_a_waiver_of_the_data_never_wins() -> None:
    zero = '<license xlink:href="https://creativecommons.org/publicdomain/zero/1.0/"/>'
    article = front(f'<permissions>{zero}<license xlink:href="{BY}"/></permissions>')
    assert article.license is not None
    assert article.license.code == "CC BY"
    assert article.warnings == ("several_licenses: CC BY, CC0",)


def test_a_reference_to_a_licence_may_stand_beside_it() -> None:
    text = "<license><license-p>Open access.</license-p></license>"
    article = front(f"<permissions><ali:license_ref>{BY}</ali:license_ref>{text}</permissions>")
    assert article.license == License("CC BY", "CC-BY-4.0", BY, "license_ref")


def custom(name: str, value: str) -> str:
    meta = f"<custom-meta><meta-name>{name}</meta-name><meta-value>{value}</meta-value></custom-meta>"
    return f"<custom-meta-group>{meta}</custom-meta-group>"


def test_what_pmc_says() -> None:
    assert front(custom("pmc-prop-open-access", "yes")).is_open_access is True
    assert front(custom("pmc-prop-open-access", "no")).is_open_access is False
    assert front("").is_open_access is None
    own = f'<permissions><license xlink:href="{BY}"/></permissions>'
    assert front(own + custom("pmc-license-ref", "CC BY-NC")).warnings == (
        "license_contradiction: pmc-license-ref CC BY-NC, licence CC BY",
    )
    assert front(custom("pmc-prop-is-scanned-article", "yes")).warnings[0].startswith("scanned_article")


def test_abstracts() -> None:
    meta = (
        '<abstract abstract-type="teaser"><p>Tease.</p></abstract>'
        "<abstract><title>Abstract</title><sec><title>Aim:</title><p>To see.</p><p>More.</p></sec>"
        "<sec><title>End</title><p>Seen.</p></sec></abstract>"
        '<trans-abstract xml:lang="pt"><title>Resumo</title><p>Visto.</p></trans-abstract>'
    )
    article = front(meta)
    assert article.abstract == "Aim: To see. More.\nEnd: Seen."
    assert [(a.type, a.language, a.title, a.text) for a in article.other_abstracts] == [
        ("teaser", None, None, "Tease."),
        (None, "pt", "Resumo", "Visto."),
    ]
    assert article.abstract_sections == (
        AbstractSection("Aim", "To see. More."),
        AbstractSection("End", "Seen."),
    )
    only = front('<abstract abstract-type="teaser"><p>Tease.</p></abstract>')
    assert (only.abstract, only.abstract_sections, only.other_abstracts) == ("Tease.", (), ())


def test_translated_titles() -> None:
    group = (
        '<trans-title-group xml:lang="pt"><trans-title>Os <italic>ratos</italic><xref>*</xref>'
        "</trans-title><trans-subtitle>um estudo</trans-subtitle></trans-title-group>"
        '<trans-title xml:lang="es">Los ratones</trans-title>'
        "<trans-title-group><trans-title/></trans-title-group>"
    )
    titles = TITLE.replace("</title-group>", f"{group}</title-group>")
    assert parse(meta=titles).other_titles == (
        TranslatedTitle("pt", "Os ratos: um estudo"),
        TranslatedTitle("es", "Los ratones"),
    )


def test_people() -> None:
    meta = (
        '<contrib-group><contrib contrib-type="author"><contrib-id contrib-id-type="orcid">'
        "https://orcid.org/0000-0002-1825-009x</contrib-id><name><surname>Doe</surname>"
        '<given-names>Jo</given-names></name><xref ref-type="aff" rid="a1 a2"/><email>a@b.org</email>'
        '</contrib><contrib contrib-type="author"><collab>The Group<contrib-group><contrib><name>'
        "<surname>Member</surname></name></contrib></contrib-group></collab></contrib>"
        '<contrib contrib-type="editor"><name><surname>Ed</surname></name></contrib>'
        "<contrib><string-name>Ann Lee</string-name></contrib><contrib><anonymous/></contrib>"
        '<aff id="a1"><label>1</label><institution>Uni A</institution>, Town</aff>'
        '<aff id="a2"><institution>Uni B</institution><country>Chile</country></aff></contrib-group>'
    )
    authors = front(meta).authors
    assert [a.name for a in authors] == ["Jo Doe", "The Group", "Ann Lee", "Anonymous"]
    assert authors[0].orcid == "0000-0002-1825-009X"
    assert authors[0].affiliations == ("Uni A, Town", "Uni B, Chile")
    name = '<name name-style="eastern"><surname>Yamada</surname><given-names>Taro</given-names></name>'
    (one,) = front(f"<contrib-group><contrib>{name}</contrib></contrib-group>").authors
    assert one.name == "Yamada Taro"


def test_an_affiliation_that_somebody_is_linked_to_is_not_everybodys() -> None:
    people = "".join(
        f"<contrib><name><surname>{name}</surname></name>{link}</contrib>"
        for name, link in (("A", '<xref ref-type="aff" rid="a1"/>'), ("B", ""))
    )
    affs = '<aff id="a1">Uni A</aff><aff id="a2">Uni B</aff>'
    for meta in (
        f"<contrib-group>{people}{affs}</contrib-group>",
        f"<contrib-group>{people}</contrib-group>{affs}",
    ):
        assert [one.affiliations for one in front(meta).authors] == [("Uni A",), ("Uni B",)]


def test_funding_keywords_subjects() -> None:
    meta = (
        '<article-categories><subj-group subj-group-type="heading"><subject>Research</subject></subj-group>'
        "<subj-group><subject>Biology</subject><subj-group><subject>Cells</subject></subj-group></subj-group>"
        '<subj-group subj-group-type="hwp-journal-coll"><subject>x</subject></subj-group></article-categories>'
        '<kwd-group xml:lang="en"><kwd>mouse</kwd><kwd>mouse</kwd></kwd-group>'
        '<kwd-group xml:lang="pt"><kwd>rato</kwd></kwd-group>'
        '<kwd-group kwd-group-type="abbr"><kwd>MRI</kwd></kwd-group>'
        "<funding-group><award-group><funding-source><institution-wrap><institution-id>9</institution-id>"
        "<institution>NIH</institution></institution-wrap></funding-source><award-id>R01</award-id>"
        "<award-id>R02</award-id></award-group><award-group><funding-source>NSF <named-content "
        'content-type="fundref-id">10.13039/1</named-content></funding-source></award-group></funding-group>'
    )
    article = front(meta, attributes='xml:lang="pt"')
    assert article.subjects == ("Research", "Biology > Cells")
    assert article.keywords == ("rato",)
    assert front(meta).keywords == ("mouse",)
    assert article.funding == (Award("NIH", "R01"), Award("NIH", "R02"), Award("NSF", None))
    assert front(meta, attributes='xml:lang="en-US"').keywords == ("mouse",)
    assert (article.language, front(meta).language) == ("pt", None)


def related(kind: str) -> str:
    return f'<related-article related-article-type="{kind}" ext-link-type="doi" xlink:href="10.1/x"/>'


def test_retractions() -> None:
    article = front(related("retraction-forward"))
    assert article.is_retracted
    assert article.related_articles == (RelatedArticle("retraction-forward", "doi", "10.1/x"),)
    notice = document(meta=TITLE + related("retraction-forward")).replace(
        b"research-article", b"Retraction"
    )
    assert not parse_article(notice).is_retracted
    assert parse_article(notice).article_type == "retraction"
    titled = TITLE.replace("On", "RETRACTED: On")
    assert parse(meta=titled).is_retracted
    assert not parse(meta=TITLE.replace("On", "Retraction: On")).is_retracted
    assert not front(related("retracted-article")).is_retracted


def test_metadata_come_from_the_front_alone() -> None:
    sub = (
        f"<sub-article><front-stub>{ids(('doi', '10.9999/sub'))}{TITLE.replace('On mice', 'Other')}"
        '<contrib-group><contrib contrib-type="author"><name><surname>No</surname></name></contrib>'
        "</contrib-group></front-stub><body><p>Sub.</p></body></sub-article>"
    )
    with_sub, without = front(ids(("doi", "10.1/x")), more=sub), front(ids(("doi", "10.1/x")))
    assert with_sub == without


@pytest.mark.parametrize(
    ("printed", "text"),
    [
        (
            "Uni A, Town; E-Mails: <email>a@b.org</email> (A.B.); <email>c@d.org</email> (C.-D.E.)",
            "Uni A, Town",
        ),
        ("Uni A , Town . Email: <email>a@b.org</email> ; [<uri>http://a.org/</uri>]", "Uni A, Town"),
        ("Uni A, Town. E-mail: a@b.org. ORCID: https://orcid.org/0000-0002-1825-0097", "Uni A, Town"),
        ("<sup>1</sup>. Uni A, Town.", "Uni A, Town."),
        (
            "<institution>Uni A</institution><addr-line>Town 7;</addr-line><country>Chile</country>",
            "Uni A, Town 7; Chile",
        ),
    ],
)
def test_affiliations_hold_no_way_to_write(printed: str, text: str) -> None:
    contrib = '<contrib><name><surname>Doe</surname></name><xref ref-type="aff" rid="a"/></contrib>'
    meta = f"<contrib-group>{contrib}</contrib-group><aff id='a'>{printed}</aff>"
    assert front(meta).authors[0].affiliations == (text,)
    twice = front(f"{meta}<aff id='a'>Uni B</aff>")
    assert twice.authors[0].affiliations == (text, "Uni B")


def test_a_citation_is_composed() -> None:
    meta = (
        ids(("doi", "10.1234/x"))
        + date("epub", "2024", "9", "18")
        + ("<volume>24</volume><issue>18</issue><fpage>1</fpage><lpage>7</lpage>")
    )
    assert front(meta).citation == "Journal of Mice. 2024 Sep 18;24(18):1-7. doi: 10.1234/x"
    assert front(date("ppub", "2024")).citation == "Journal of Mice. 2024."
    preprint = date("epub", "2024") + "<elocation-id>2024.01</elocation-id>"
    assert front(preprint).citation == "Journal of Mice. 2024:2024.01."
    online = date("epub", "2024") + "<issue>7</issue><elocation-id>e5</elocation-id>"
    assert front(online).citation == "Journal of Mice. 2024;(7):e5."


def test_references() -> None:
    back = (
        '<ref-list><ref id="r1"><element-citation><article-title>On <italic>rats</italic></article-title>'
        '<source>J Rats</source><year>1999a</year><pub-id pub-id-type="doi">10.1234/AB</pub-id>'
        '<pub-id pub-id-type="pmid">42</pub-id></element-citation></ref>'
        '<ref id="r2"><mixed-citation>Doe J. <source>J Cats</source> 2001. <ext-link ext-link-type="doi" '
        'xlink:href="https://doi.org/10.5555/cd">link</ext-link></mixed-citation><mixed-citation>Lee A.'
        "</mixed-citation></ref><ref><citation-alternatives><mixed-citation>x</mixed-citation>"
        "<element-citation><year>2002</year></element-citation></citation-alternatives></ref>"
        "<ref><note><p>See the web.</p></note></ref></ref-list>"
    )
    article = parse(back=back)
    rows = [(r.id, r.pmid, r.doi, r.title, r.source, r.year, r.text) for r in article.references]
    assert rows == [
        ("r1", "42", "10.1234/ab", "On rats", "J Rats", 1999, None),
        ("r2", None, "10.5555/cd", None, "J Cats", None, "Doe J. J Cats 2001. link"),
        ("r2", None, None, None, None, None, "Lee A."),
        (None, None, None, None, None, 2002, "x"),
        (None, None, None, None, None, None, "See the web."),
    ]
    assert article.reference_count == 4
    both = "<ref><mixed-citation>Doe 2003.</mixed-citation><element-citation><year>2003</year></element-citation></ref>"
    turned = "<ref><element-citation><year>2003</year></element-citation><mixed-citation>Doe 2003.</mixed-citation></ref>"
    for ref in (both, turned):
        (one,) = parse(back=f"<ref-list>{ref}</ref-list>").references
        assert (one.year, one.text) == (2003, "Doe 2003.")


def test_a_reference_without_title_and_source_keeps_its_words() -> None:
    name = (
        "<person-group><name><surname>Doe</surname><given-names>J</given-names></name></person-group>"
    )
    ref = f"<ref><element-citation>{name}<year>2006</year><comment>A program.</comment></element-citation></ref>"
    (one,) = parse(back=f"<ref-list>{ref}</ref-list>").references
    assert (one.year, one.text) == (2006, "Doe J 2006 A program.")
    titled = ref.replace("<comment>", "<source>J Mice</source><comment>")
    assert parse(back=f"<ref-list>{titled}</ref-list>").references[0].text is None


def test_an_id_without_a_type_may_be_a_doi() -> None:
    ref = "<ref><element-citation><pub-id>{}</pub-id></element-citation></ref>"
    back = f"<ref-list>{ref.format('10.1234/A')}{ref.format('1234')}</ref-list>"
    assert [one.doi for one in parse(back=back).references] == ["10.1234/a", None]


def test_a_reference_reads_as_printed() -> None:
    name = "<string-name><surname>{}</surname> <given-names>{}</given-names></string-name>".format
    ref = (
        f"<ref><mixed-citation>{name('Doe', 'J.')}, {name('Lee', 'A')}. <source>J Cats</source>, "
        '<fpage>1</fpage>–<lpage>7</lpage>.<pub-id pub-id-type="pmid">42</pub-id>'
        '<pub-id pub-id-type="doi">10.1/x</pub-id></mixed-citation></ref>'
    )
    (one,) = parse(back=f"<ref-list>{ref}</ref-list>").references
    assert one.text == "Doe J., Lee A. J Cats, 1–7. 42 10.1/x"


def test_body() -> None:
    body = (
        "<p>Lead.</p><sec sec-type='Results'><title>A</title><p>One <xref>[1]</xref>.</p><sec><title>B</title><p>Two.</p>"
        f"{fig('f')}<table-wrap><table><tr><td>cell</td></tr></table></table-wrap></sec>"
        "<boxed-text><caption><title>Box</title></caption><p>Inside.</p></boxed-text></sec>"
        "<sec><p>Mail a@b.org <list><list-item><p>x</p></list-item><list-item><p>y</p></list-item></list>"
        "<boxed-text><p>Boxed.</p></boxed-text></p></sec>"
        "<sec><title>C</title><sec><title>D</title><p>Three.</p></sec></sec>"
    )
    assert parse(body).text == (
        Section("", "", None, "Lead."),
        Section("1", "A", "results", "One [1].\nBox\nInside."),
        Section("1.1", "A > B", None, "Two."),
        Section("2", "", None, "Mail x y\nBoxed."),
        Section("3", "C", None, ""),
        Section("3.1", "C > D", None, "Three."),
    )


def test_front_matter_only() -> None:
    xml = f"<article><front><article-meta>{META}</article-meta></front></article>".encode()
    article = parse_article(xml)
    assert (article.text, article.figures, article.title) == ((), (), "On mice")
    assert article.warnings == ("no_body: the document holds front matter only",)
