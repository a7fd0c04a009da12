"""No way to write to a person is left in anything that the parser yields."""

from __future__ import annotations

import pytest

from tests.jats.documents import META, fig, parse, xref

META_WITH = (
    META + "<contrib-group><contrib contrib-type='author'><name><surname>Doe</surname></name>"
    "<xref ref-type='aff' rid='a'/>{0}</contrib><contrib contrib-type='author'><collab>Mice group {0}"
    "<institution>Lab {0}</institution></collab></contrib></contrib-group><aff id='a'>Dept {0}, "
    "<institution>Lab <named-content>{0}</named-content></institution><addr-line>Town {0}"
    "<named-content>x {0}</named-content></addr-line></aff><author-notes><corresp>{0}</corresp></author-notes>"
    "<permissions><copyright-statement>(c) {0}</copyright-statement></permissions>"
    "<abstract><p>Ask {0}.</p></abstract><kwd-group><kwd>mice {0}</kwd></kwd-group>"
    "<funding-group><award-group><funding-source>Fund <bold>of {0}</bold></funding-source></award-group>"
    "</funding-group>"
)
BODY = "<sec><title>On {0}</title><p>From {0}, see " + xref("f", "Fig. 1 {0}") + ".</p></sec>"
FIG = (
    "<fig id='f'><label>Figure 1</label><caption><title>Of {0}</title><p>By {0}, <bold>not {0}</bold></p>"
    "</caption><alt-text>A mouse of {0}</alt-text><attrib>Photo: {0}</attrib><graphic xlink:href='a.jpg'>"
    "<caption><p>Panel of {0}</p></caption></graphic></fig>"
)
REFS = (
    "<ref-list><ref id='r'><mixed-citation>Doe <person-group>J {0}</person-group> <source>{0}</source>"
    "</mixed-citation></ref><ref><note><p>From {0}</p></note></ref><ref>Bare {0}</ref></ref-list>"
)


@pytest.mark.parametrize(
    "printed",
    [
        "<email>SECRET</email>",
        "<email>SECRET<italic>@x.org</italic></email>",
        "SECRET@uni-x.org",
        "<ext-link ext-link-type='uri' xlink:href='mailto:SECRET@x.org'>SECRET@x.org</ext-link>",
        "<ext-link ext-link-type='email' xlink:href='SECRET@x.org'>mail</ext-link>",
        "<uri xlink:href='mailto:SECRET@x.org'>mailto:SECRET@x.org</uri>",
        "jo.SE<italic>CRET</italic>@x.org",
        "SECRET@&#x200B;x.org",
        "(SECRET@x.org;SECRET.b@y.org)",
        "{{SECRET, SECRET.b}}@x.org",
    ],
)
def test_addresses_are_nowhere(printed: str) -> None:
    printed = printed.format()
    article = parse(
        BODY.format(printed) + FIG.format(printed),
        meta=META_WITH.format(printed),
        back=REFS.format(printed),
    )
    assert [figure.mentions != () for figure in article.figures] == [True]
    assert "SECRET" not in repr(article)


def test_words_around_an_address_stay() -> None:
    article = parse(fig("f", "Figure 1", "By <email>jo@x.org</email> and friends."))
    assert article.figures[0].caption == "By and friends."
