"""One PubMed record: every field, odd forms of XML, and the cuts against a reader of the whole tree."""

from __future__ import annotations

import datetime
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from biomedica.errors import Rejected
from biomedica.sources.pubmed_record import Record, parse_record, pmid_of
from tests.pubmed import MESH, date, record

REFERENCES = (
    "<ReferenceList><Title>Refs</Title>"
    '<Reference><Citation>A. 2001</Citation><ArticleIdList><ArticleId IdType="pubmed">11</ArticleId>'
    '<ArticleId IdType="doi">10.1/ABC</ArticleId></ArticleIdList></Reference>'
    "<Reference><Citation>Without ids &lt;2002&gt;</Citation></Reference>"
    '<ReferenceList><Reference><ArticleIdList><ArticleId IdType="doi">https://doi.org/10.2/x</ArticleId>'
    '<ArticleId IdType="pmc">PMC77</ArticleId></ArticleIdList></Reference></ReferenceList>'
    "</ReferenceList>"
)
LINKS = (
    "<CommentsCorrectionsList>"
    '<CommentsCorrections RefType="RetractionIn"><RefSource>J. 2025;1:2</RefSource><PMID Version="1">99'
    "</PMID></CommentsCorrections>"
    '<CommentsCorrections RefType="ErratumIn"><RefSource>J. 2024</RefSource></CommentsCorrections>'
    "</CommentsCorrectionsList>"
)


def parse(text: str) -> Record:
    return parse_record(text.strip().encode())


def test_what_a_record_says() -> None:
    found = parse(
        record(
            7,
            version=2,
            citation='<SupplMeshList><SupplMeshName Type="Disease" UI="C538003">A disease</SupplMeshName>'
            '</SupplMeshList><KeywordList Owner="NOTNLM"><Keyword MajorTopicYN="N">deep <i>learning</i>'
            '</Keyword></KeywordList><KeywordList Owner="NLM"><Keyword MajorTopicYN="Y">x</Keyword>'
            "</KeywordList><ChemicalList><Chemical><RegistryNumber>0</RegistryNumber><NameOfSubstance "
            'UI="D000001">Calcimycin</NameOfSubstance></Chemical></ChemicalList>' + LINKS,
            data=f'<History><PubMedPubDate PubStatus="received">{date("d", "2023-02-03")[3:-4]}'
            '</PubMedPubDate><PubMedPubDate PubStatus="revised"><Year>2023</Year><Month>13</Month>'
            "<Day>1</Day></PubMedPubDate></History>" + REFERENCES,
        )
    )
    assert (found.pmid, found.pmid_version, found.indexing_status) == (7, 2, "MEDLINE")
    assert found.mesh == [
        ("D009369", "Neoplasms", False, [("Q000000981", "diagnostic imaging", True)]),
        ("D006801", "Humans", False, []),
    ]
    assert found.supplementary_concepts == [("C538003", "A disease", "Disease")]
    assert found.publication_types == [("D016428", "Journal Article")]
    assert found.keywords == [("deep learning", False, "NOTNLM"), ("x", True, "NLM")]
    assert found.chemicals == [("D000001", "Calcimycin", "0")]
    assert found.references == [(11, "10.1/abc", None), (None, "10.2/x", "PMC77")]
    assert found.reference_count == 3
    assert found.corrections == [("RetractionIn", 99, "J. 2025;1:2"), ("ErratumIn", None, "J. 2024")]
    assert found.is_retracted
    assert (found.publication_year, found.publication_month, found.publication_day) == (2023, 11, None)
    assert found.date_completed == datetime.date(2024, 1, 9)
    assert found.date_revised == datetime.date(2024, 5, 17)
    assert found.history == [("received", datetime.date(2023, 2, 3))]  # a month 13 is none
    assert found.doi == "10.1000/test.7"


def test_the_ids_of_its_references_are_not_its_own() -> None:
    text = record(7, data=REFERENCES).replace('<ArticleId IdType="doi">10.1000/Test.7</ArticleId>', "")
    assert parse(text).doi is None
    located = text.replace(
        "<ArticleTitle>", '<ELocationID EIdType="doi" ValidYN="Y">10.9/Z</ELocationID><ArticleTitle>'
    )
    assert parse(located).doi == "10.9/z"


def test_a_retracted_publication_by_its_type() -> None:
    types = '<PublicationTypeList><PublicationType UI="D016441">Retracted Publication</PublicationType>'
    assert parse(record(1, types=types + "</PublicationTypeList>")).is_retracted
    assert not parse(record(1)).is_retracted


@pytest.mark.parametrize(
    ("printed", "found"),
    [
        ("<Year>2001</Year><Month>Feb</Month><Day>3</Day>", (2001, 2, 3, None)),
        ("<Year>2001</Year><Month>02</Month>", (2001, 2, None, None)),
        ("<Year>2001</Year><Season>Spring</Season>", (2001, None, None, "Spring")),
        ("<MedlineDate>1998 Dec-1999 Jan</MedlineDate>", (1998, None, None, "1998 Dec-1999 Jan")),
        ("<Year>2001</Year><Day>3</Day>", (2001, None, None, None)),
        ("<Year>next</Year>", (None, None, None, None)),
    ],
)
def test_dates_of_issues(printed: str, found: tuple[Any, ...]) -> None:
    text = record(1).replace("<Year>2023</Year><Month>Nov</Month>", printed)
    got = parse(text)
    assert got[got._fields.index("publication_year") :][:4] == found


def test_a_chapter_of_a_book() -> None:
    text = (
        '<PubmedBookArticle><BookDocument><PMID Version="1">20301295</PMID><ArticleIdList><ArticleId '
        'IdType="bookaccession">NBK1116</ArticleId></ArticleIdList><PublicationType UI="D016454">Review'
        '</PublicationType><KeywordList Owner="BOOKS"><Keyword MajorTopicYN="N">k</Keyword></KeywordList>'
        '<ReferenceList><Reference><ArticleIdList><ArticleId IdType="pubmed">5</ArticleId>'
        "</ArticleIdList></Reference></ReferenceList></BookDocument></PubmedBookArticle>"
    )
    found = parse(text)
    assert (found.pmid, found.indexing_status, found.reference_count) == (20301295, None, 1)
    assert found.publication_types == [("D016454", "Review")]
    assert found.keywords == [("k", False, "BOOKS")]
    assert found.references == [(5, None, None)]


@pytest.mark.parametrize(
    ("odd", "plain"),
    [
        (MESH.replace("Neoplasms", "<![CDATA[Neoplasms]]>"), MESH),
        (MESH.replace("Neoplasms", "Neo<!-- </MeshHeading><MeshHeading> -->plasms"), MESH),
        (MESH.replace("Neoplasms", "Neo<?x </MeshHeading>?>plasms"), MESH),
        (MESH.replace('UI="D009369"', "UI='D009369'"), MESH),
        (MESH.replace('UI="D009369"', ' UI = "D009369" '), MESH),
        (MESH.replace("Neoplasms", "\n  Neoplasms\n"), MESH),
        (MESH.replace("Neoplasms", "N&#101;oplasms"), MESH),
        (MESH.replace("<MeshHeading>", "<MeshHeading >"), MESH),
        (MESH.replace("</DescriptorName>", "</DescriptorName >"), MESH),
        (MESH.replace("</MeshHeading>", "</MeshHeading >", 1), MESH),
        (MESH.replace("</MeshHeading>", "</MeshHeading\n>", 1), MESH),
        (MESH + '<KeywordList Owner="NLM"><Keyword MajorTopicYN="N"/></KeywordList>', MESH),
    ],
)
def test_other_ways_to_write_the_same(odd: str, plain: str) -> None:
    assert parse(record(1, mesh=odd)) == parse(record(1, mesh=plain))


def test_an_abstract_is_never_read() -> None:
    wild = "<Abstract><AbstractText>x <sup>2</sup> <mml:math xmlns:mml='m'><mml:mi/></mml:math></AbstractText></Abstract>"
    assert parse(record(1, abstract=wild)) == parse(record(1))


@pytest.mark.parametrize(
    "text",
    [
        record(1).replace("</MeshHeading>", "", 1),
        record(1).replace("Neoplasms", "&undeclared;"),
        record(1).replace("Neoplasms", "a < b"),
        record(1).replace('<PMID Version="1">1</PMID>', ""),
        record(1).replace(">1</PMID>", ">one</PMID>"),
        record(1)[: len(record(1)) // 2],
        "<PubmedArticle></PubmedArticle>",
        "",
    ],
)
def test_a_broken_record_is_rejected(text: str) -> None:
    with pytest.raises(Rejected, match="malformed_xml"):
        parse(text)


@pytest.mark.parametrize(
    "odd",
    [
        REFERENCES.replace("10.1/ABC", "10.1/A&lt;B&gt;C"),
        REFERENCES.replace('<ArticleId IdType="pubmed">', '<ArticleId\nIdType="pubmed">'),
        REFERENCES.replace("11</ArticleId>", "11</ArticleId >"),
        REFERENCES.replace("</Reference>", "</Reference >"),
        REFERENCES.replace("<Reference>", "<Reference >"),
        REFERENCES.replace(
            '<ArticleId IdType="pubmed">11', '<ArticleId/><ArticleId IdType="pubmed">11'
        ),
        REFERENCES.replace("11</ArticleId>", "<b>1</b>1</ArticleId>"),
    ],
)
def test_references_written_otherwise(odd: str) -> None:
    found, plain = parse(record(1, data=odd)), parse(record(1, data=REFERENCES))
    expected = [(11, "10.1/a<b>c" if "&lt;B" in odd else "10.1/abc", None), (None, "10.2/x", "PMC77")]
    assert found.references == expected
    assert found.reference_count == plain.reference_count == 3


@pytest.mark.parametrize("digits", ["9" * 5000, "9" * 19, "0", "-1", "1.5", "١"])
def test_numbers_that_are_none(digits: str) -> None:
    """Python itself refuses to read more than 4300 digits."""
    links = LINKS.replace(">99<", f">{digits}<")
    cited = REFERENCES.replace(">11<", f">{digits}<")
    text = record(1, citation=links, data=cited).replace("<Year>2023</Year>", f"<Year>{digits}</Year>")
    found = parse(text)
    assert found.references[0] == (None, "10.1/abc", None)
    assert found.publication_year is None
    assert found.corrections[0][1] in (None, 0)


@pytest.mark.parametrize("where", ["10.1/ABC", "Neoplasms", "MEDLINE", "deep"])
def test_bytes_that_are_no_utf_8(where: str) -> None:
    words = '<KeywordList Owner="NLM"><Keyword MajorTopicYN="N">deep</Keyword></KeywordList>'
    data = record(1, citation=words, data=REFERENCES).strip().encode()
    assert where.encode() in data
    for wild in (b"\xff", b"\xc3(", b"\xed\xa0\x80"):
        with pytest.raises(Rejected, match="malformed_xml"):
            parse_record(data.replace(where.encode(), wild))


def test_prose_in_prose_hides_nothing() -> None:
    """A tag in CDATA or a comment is text."""
    plain = parse(record(1))
    for wild in ("<![CDATA[<Abstract>]]>", "<!-- <AuthorList -->", "<?x <Abstract> ?>"):
        text = record(1).replace("<LastName>Doe", f"<LastName>{wild}")
        again = text.replace(MESH, MESH + "<AuthorList><Author/></AuthorList>")
        assert parse(text) == parse(again) == plain


def test_the_pmid_without_parsing() -> None:
    assert pmid_of(record(31).encode()) == 31
    assert pmid_of(b"<PubmedArticle><!-- x --><MedlineCitation>") is None


# -- against the tree

words = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"),
    max_size=12,
)
flags = st.sampled_from(["Y", "N"])
uis = st.from_regex(r"[DQC][0-9]{1,6}", fullmatch=True)


@st.composite
def elements(draw: st.DrawFn, tag: str, body: st.SearchStrategy[str], **attributes: Any) -> str:
    """<tag …>body</tag>, its attributes in any order, quotes and spaces of any kind."""
    given = [f"{name}={quoteattr(draw(values))}" for name, values in attributes.items()]
    space = draw(st.sampled_from(["", " ", "\n"]))
    opening = " ".join([tag, *draw(st.permutations(given))])
    return f"<{opening}>{space}{draw(body)}{space}</{tag}>{space}"


def texts() -> st.SearchStrategy[str]:
    """Text as it may be written: escaped, in CDATA, with a comment or markup in it."""
    return words.flatmap(
        lambda word: st.sampled_from(
            [
                escape(word),
                f"<![CDATA[{word.replace(']]>', '')}]]>",
                f"{escape(word)}<!-- </MeshHeading> -->",
                f"<i>{escape(word)}</i>",
                "".join(f"&#{ord(c)};" for c in word),
            ]
        )
    )


def many(strategy: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(strategy, max_size=3).map("".join)


def named(tag: str) -> st.SearchStrategy[str]:
    return elements(tag, texts(), UI=uis, MajorTopicYN=flags)


headings = elements(
    "MeshHeading", st.tuples(named("DescriptorName"), many(named("QualifierName"))).map("".join)
)
ids = elements("ArticleId", texts(), IdType=st.sampled_from(["pubmed", "doi", "pmc", "pii"]))
references = elements(
    "Reference",
    st.tuples(elements("Citation", texts()), elements("ArticleIdList", many(ids))).map("".join),
)
links = elements(
    "CommentsCorrections",
    st.tuples(elements("RefSource", texts()), elements("PMID", st.from_regex(r"[0-9]{1,9}", fullmatch=True))).map("".join),
    RefType=st.sampled_from(["RetractionIn", "ErratumIn"]),
)  # fmt: skip


@st.composite
def records(draw: st.DrawFn) -> str:
    keywords = elements("Keyword", texts(), MajorTopicYN=flags)
    return record(
        draw(st.integers(1, 10**8)),
        mesh=draw(elements("MeshHeadingList", many(headings))),
        citation=draw(elements("KeywordList", many(keywords), Owner=words))
        + draw(elements("CommentsCorrectionsList", many(links))),
        data=draw(elements("ReferenceList", many(references))),
        abstract=draw(elements("Abstract", elements("AbstractText", texts()))),
    )


def said(element: Any) -> str | None:
    return None if element is None else " ".join("".join(element.itertext()).split()) or None


def by_the_tree(text: str) -> dict[str, Any]:
    """The same by XPath over the whole record."""
    root = etree.fromstring(
        text.encode(), etree.XMLParser(remove_comments=True, resolve_entities=False)
    )

    def flag(element: Any) -> bool:
        return element.get("MajorTopicYN") == "Y"

    return {
        "pmid": int(root.findtext("MedlineCitation/PMID")),
        "mesh": [
            (
                (d := heading.find("DescriptorName")).get("UI"),
                said(d),
                flag(d),
                [(q.get("UI"), said(q), flag(q)) for q in heading.findall("QualifierName")],
            )
            for heading in root.iter("MeshHeading")
        ],
        "keywords": [
            (said(word), flag(word), word.getparent().get("Owner"))
            for word in root.iter("Keyword")
            if said(word)
        ],
        "corrections": [
            (link.get("RefType"), int(link.findtext("PMID")), said(link.find("RefSource")))
            for link in root.iter("CommentsCorrections")
        ],
        "reference_count": len(root.findall(".//Reference")),
    }


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(records())
def test_the_cuts_find_what_the_tree_holds(text: str) -> None:
    found = parse(text)._asdict()
    expected = by_the_tree(text)
    assert {name: found[name] for name in expected} == expected


def outcome(data: bytes) -> str:
    """What becomes of a record; anything but a record and a reject is raised."""
    try:
        parse_record(data)
    except Rejected as fault:
        return fault.reason
    return "a record"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_record_or_rejected(data: bytes) -> None:
    found = outcome(b"<PubmedArticle>" + data + b"</PubmedArticle>")
    assert found in ("a record", "malformed_xml")


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(records(), st.data())
def test_a_record_with_bytes_changed_is_a_record_or_rejected(text: str, data: st.DataObject) -> None:
    raw = bytearray(text.encode())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    assert outcome(bytes(raw)) in ("a record", "malformed_xml")
