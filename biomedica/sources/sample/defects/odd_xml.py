"""XML that parses and that a reader may stumble over: entities, depth, wrappers, several articles."""

from __future__ import annotations

from .case import Defect, Prefix, pair, refuse, rejected, written
from .document import CAPTION, article_xml, body_xml, fig, xref
from .unreadable import replaced

__all__ = ["ODD_XML"]

_JATS = ' xmlns="https://jats.nlm.nih.gov/ns/archiving/1.4/"'
_BESIDE = "What stands in the text file beside the XML."


def _with_doctype(prefix: Prefix, doctype: str, words: str) -> None:
    head = f'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE article {doctype}>\n'
    prefix.xml = article_xml(prefix, body_xml(fig(caption=words)), head=head)


def _external_entity(prefix: Prefix) -> None:
    prefix.media["secret.txt"] = _BESIDE.encode()
    _with_doctype(prefix, '[<!ENTITY leak SYSTEM "secret.txt">]', "Cells&leak; in the first hour.")


def _external_subset(prefix: Prefix) -> None:
    """The port is one where nothing listens; a reader that loads a DTD would be refused there."""
    _with_doctype(prefix, 'SYSTEM "http://127.0.0.1:9/JATS.dtd"', CAPTION)


def _named_entities(prefix: Prefix) -> None:
    doctype = 'SYSTEM "JATS-archivearticle1-4.dtd" [<!ENTITY own "of ours">]'
    _with_doctype(prefix, doctype, "Cells&nbsp;&own; at 10&thinsp;&micro;m, &alpha; &lt; 1.")


def _unknown_entity(prefix: Prefix) -> None:
    subset = '[<!ENTITY known "x"><!ENTITY deep "&known;&known;">]'
    _with_doctype(prefix, subset, "Cells &deep; in the first hour.")


def _parameter_entity(prefix: Prefix) -> None:
    subset = '[<!ENTITY % far SYSTEM "http://127.0.0.1:9/far.ent"> %far;]'
    _with_doctype(prefix, subset, CAPTION)


def _entity_in_reference(prefix: Prefix) -> None:
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE article [<!ENTITY stem "fig1">]>\n'
    prefix.xml = article_xml(prefix, body_xml(fig(href="&stem;.jpg")), head=head)


def _character_data(prefix: Prefix) -> None:
    said = "<![CDATA[Cells & <more> cells]]> in the first hour."
    prefix.xml = article_xml(prefix, body_xml(fig(caption=said)))


def _inclusion(prefix: Prefix) -> None:
    prefix.media["secret.txt"] = _BESIDE.encode()
    include = (
        '<p><xi:include xmlns:xi="http://www.w3.org/2001/XInclude" parse="text" href="secret.txt"/>'
        "Cells were counted.</p>"
    )
    prefix.xml = article_xml(prefix, body_xml(include, fig()))


def _figure_around_body(prefix: Prefix) -> None:
    inner = f"<p>All stands in a figure ({xref('f1', 'Figure 1')}).</p>{fig('f1')}"
    prefix.xml = article_xml(prefix, f'<fig id="f0">{inner}</fig>')


def _many_attributes(prefix: Prefix) -> None:
    attributes = "".join(f' a{n}="{n}"' for n in range(20_000))
    prefix.xml = article_xml(prefix, body_xml(fig()).replace("<sec>", f"<sec{attributes}>"))


def _ids_with_spaces(prefix: Prefix) -> None:
    said = f"<p>As {xref('fig one', 'Figure 1')} shows.</p>"
    prefix.xml = article_xml(prefix, said + fig("fig one"))


def _duplicate_ids(prefix: Prefix) -> None:
    prefix.media["fig2.jpg"] = prefix.media["fig1.jpg"]
    reply = (
        '<sub-article article-type="reply"><front-stub><title-group><article-title>Author response'
        f"</article-title></title-group></front-stub><body><p>See {xref('f1', 'Image 1')}.</p>"
        f"{fig('f1', 'fig2.jpg', 'Cells for the reviewers.', 'Image 1')}</body></sub-article>"
    )
    prefix.xml = article_xml(prefix, more=reply)


def _sub_article_figures(prefix: Prefix) -> None:
    prefix.media["fig1-pt.jpg"] = prefix.media["fig1.jpg"]
    figures = fig("f1en", "fig1-pt.jpg", "Células na primeira hora.") + fig("f2en", "fig1.jpg")
    translation = (
        '<sub-article article-type="translation" xml:lang="pt"><front-stub><title-group><article-title>'
        f"Um relato</article-title></title-group></front-stub><body>{figures}</body></sub-article>"
    )
    prefix.xml = article_xml(prefix, more=translation)


def _wrapped(prefix: Prefix, *pmcids: str) -> bytes:
    """Articles that say these ids of themselves, in an articleset."""
    article = article_xml(prefix, head="").decode()
    articles = [article.replace(f"PMC{prefix.pmcid}", pmcid) for pmcid in pmcids]
    return f"<pmc-articleset>{''.join(articles)}</pmc-articleset>".encode()


def _one_wrapped(prefix: Prefix) -> None:
    prefix.xml = _wrapped(prefix, f"PMC{prefix.pmcid}")


def _wanted_among_two(prefix: Prefix) -> None:
    prefix.xml = _wrapped(prefix, "PMC97999999", f"PMC{prefix.pmcid}")


def _wanted_in_neither(prefix: Prefix) -> None:
    prefix.xml = _wrapped(prefix, "PMC97999998", "PMC97999999")


def _oai_envelope(prefix: Prefix) -> None:
    article = article_xml(prefix, head="").decode().replace("<article ", f"<article{_JATS} ", 1)
    prefix.xml = (
        '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><GetRecord><record><metadata>'
        f"{article}</metadata></record></GetRecord></OAI-PMH>"
    ).encode()


def _other_pmcid(prefix: Prefix) -> None:
    prefix.xml = article_xml(prefix).replace(f"PMC{prefix.pmcid}".encode(), b"PMC97999999")


def _other_version(prefix: Prefix) -> None:
    stated = f'<article-id pub-id-type="pmcid-ver">PMC{prefix.pmcid}.2</article-id>'
    prefix.xml = article_xml(prefix, meta=stated)


def _front_only(prefix: Prefix) -> None:
    del prefix.media["fig1.jpg"]
    refusal = "<!-- The publisher of this article does not allow downloading of the full text. -->"
    prefix.xml = article_xml(prefix, "", back=refusal)


def _suppressed(prefix: Prefix) -> None:
    flag = (
        "<custom-meta-group><custom-meta><meta-name>pmc-prop-legally-suppressed</meta-name>"
        "<meta-value>yes</meta-value></custom-meta></custom-meta-group>"
    )
    prefix.xml = article_xml(prefix, meta=flag)


ODD_XML = (
    Defect(
        "external_entity",
        "An entity names the text file beside the XML; it is dropped, and the file is not read.",
        written(pair(caption="Cells in the first hour."), warnings=("external_entity",)),
        _external_entity,
    ),
    Defect(
        "external_dtd",
        "The document type is to be fetched from a port where nothing listens.",
        written(pair(caption=CAPTION)),
        _external_subset,
    ),
    Defect(
        "named_entities",
        "A caption holds entities that the DTD declares, which is not read, and one of its own.",
        written(pair(caption="Cells of ours at 10 µm, α < 1.")),
        _named_entities,
    ),
    Defect(
        "unknown_entity",
        "An entity is made of entities; it becomes the replacement character.",
        written(pair(caption="Cells � in the first hour."), warnings=("unknown_entity",)),
        _unknown_entity,
    ),
    Defect(
        "external_parameter_entity",
        "Declarations are to be fetched from a port where nothing listens.",
        written(pair(caption=CAPTION)),
        _parameter_entity,
    ),
    Defect(
        "entity_in_reference",
        "A graphic spells its file by an entity of the document.",
        written(pair()),
        _entity_in_reference,
    ),
    Defect(
        "character_data",
        "A caption holds signs of markup as plain characters.",
        written(
            pair(
                caption="Cells & <more> cells in the first hour.",
                caption_markup="Cells &amp; &lt;more&gt; cells in the first hour.",
            )
        ),
        _character_data,
    ),
    Defect(
        "deep_nesting",
        "Elements are nested 600 deep, past the parser's first limit.",
        written(pair()),
        replaced("twice", "<italic>" * 600 + "twice" + "</italic>" * 600),
    ),
    Defect(
        "xinclude",
        "The text is to include the file beside the XML; nothing is included.",
        written(
            pair(),
            text=[
                {
                    "path": "1",
                    "section": "Results",
                    "type": None,
                    "text": "The cells divided twice (Figure 1).\nCells were counted.",
                },
            ],
        ),
        _inclusion,
    ),
    Defect(
        "xml_1_1",
        "The declaration says XML 1.1.",
        written(pair()),
        replaced('version="1.0"', 'version="1.1"'),
    ),
    Defect(
        "ids_with_spaces",
        "A figure's id holds a space, and so does the reference to it.",
        written(pair(figure_id="fig one")),
        _ids_with_spaces,
    ),
    Defect(
        "many_attributes",
        "An element has twenty thousand attributes.",
        written(pair()),
        _many_attributes,
    ),
    Defect(
        "figure_around_body",
        "A figure without a graphic of its own holds the whole body, with a figure in it.",
        written(pair(figure_id="f1", parent_figure_id="f0"), figures=("no_graphic",)),
        _figure_around_body,
    ),
    Defect(
        "duplicate_ids",
        "A reply uses the id of the article's figure again; each reference means its own.",
        written(
            pair(figure_id="f1", caption=CAPTION),
            pair("fig2.jpg", figure_id="f1", caption="Cells for the reviewers."),
        ),
        _duplicate_ids,
    ),
    Defect(
        "sub_article_figures",
        "A translation shows one file of its own and one of the article's.",
        written(
            pair(),
            pair("fig1-pt.jpg", caption="Células na primeira hora."),
            refuse("figure", "duplicate_reference"),
        ),
        _sub_article_figures,
    ),
    Defect(
        "articleset",
        "The article stands in the wrapper of an eFetch answer.",
        written(pair()),
        _one_wrapped,
    ),
    Defect(
        "oai_envelope",
        "The article stands in an OAI record, in a namespace.",
        written(pair()),
        _oai_envelope,
    ),
    Defect(
        "two_articles",
        "The file holds two articles, and one has the wanted id.",
        written(pair()),
        _wanted_among_two,
    ),
    Defect(
        "two_other_articles",
        "The file holds two articles, and none has the wanted id.",
        rejected("parse", "ambiguous_root"),
        _wanted_in_neither,
    ),
    Defect(
        "other_pmcid",
        "The XML says another id of itself; its key counts.",
        written(pair(), warnings=("pmcid_mismatch",)),
        _other_pmcid,
    ),
    Defect(
        "other_version",
        "The XML says another version of itself; its key counts.",
        written(pair(), warnings=("version_mismatch",), version=1),
        _other_version,
    ),
    Defect(
        "front_only",
        "There is no body, as the publisher does not allow it: an article without figures.",
        written(warnings=("no_body",), figure_count=0),
        _front_only,
    ),
    Defect(
        "legally_suppressed",
        "PMC marks the article as suppressed.",
        rejected("parse", "legally_suppressed"),
        _suppressed,
    ),
)
