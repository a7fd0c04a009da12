"""The Arrow schemas of what PubMed says of the articles, and the closed lists of their values.

Beside `biomedica.schema`, in the same way: each field carries its doc and source. A row has one key
and stands once in its table: what is newer replaces it, and earlier versions of the dataset keep it.
"""

from __future__ import annotations

import pyarrow as pa

__all__ = ["EFETCH", "ENRICHMENT", "ENRICHMENT_STATUSES", "PUBMED_FILES"]

EFETCH = "efetch"
"""`source` of a row that E-utilities gave"""

ENRICHMENT_STATUSES = {
    "found": "PubMed has the record: it is in this row",
    "missing": "E-utilities were asked twice and gave no record of this PMID",
    "deleted": "a PubMed file says that the citation was deleted",
}


def _field(name: str, kind: pa.DataType, doc: str, source: str = "") -> pa.Field:
    metadata = {"doc": doc} | ({"source": source} if source else {})
    return pa.field(name, kind, metadata=metadata)


def _list(**kinds: pa.DataType) -> pa.DataType:
    return pa.list_(pa.struct([pa.field(name, kind) for name, kind in kinds.items()]))


_S, _B, _I32, _I64, _DATE = pa.string(), pa.bool_(), pa.int32(), pa.int64(), pa.date32()

ENRICHMENT = pa.schema(
    [
        _field("pmid", _I64, "PubMed id", "MedlineCitation/PMID"),
        _field("status", _S, f"{', '.join(ENRICHMENT_STATUSES)}; all below is null unless found"),
        _field("pmid_version", _I32, "version of the record, mostly 1", "PMID/@Version"),
        _field(
            "indexing_status",
            _S,
            "MEDLINE (MeSH is complete), PubMed-not-MEDLINE (it never gets any), In-Process…",
            "MedlineCitation/@Status",
        ),
        _field(
            "mesh",
            _list(ui=_S, name=_S, is_major=_B, qualifiers=_list(ui=_S, name=_S, is_major=_B)),
            "MeSH descriptors in the record's order, each with its qualifiers; a heading is a major topic "
            "where the descriptor or one of its qualifiers is",
            "MeshHeadingList",
        ),
        _field(
            "supplementary_concepts",
            _list(ui=_S, name=_S, type=_S),
            "MeSH supplementary concepts (Disease, Protocol, Organism…)",
            "SupplMeshList",
        ),
        _field("publication_types", _list(ui=_S, name=_S), "Review, Case Reports…", "PublicationType"),
        _field(
            "keywords",
            _list(keyword=_S, is_major=_B, owner=_S),
            "keywords; owner NOTNLM: the authors'",
            "KeywordList",
        ),
        _field(
            "chemicals",
            _list(ui=_S, name=_S, registry_number=_S),
            "substances; registry number 0 where they have none",
            "ChemicalList",
        ),
        _field(
            "references",
            _list(pmid=_I64, doi=_S, pmcid=_S),
            "ids of the works cited, in order; what has no id is left out",
            "PubmedData/ReferenceList",
        ),
        _field("reference_count", _I32, "works cited, with and without an id", "Reference"),
        _field(
            "corrections",
            _list(type=_S, pmid=_I64, source=_S),
            "links to other records: RetractionIn, ErratumFor, CommentOn…; source: the citation in words",
            "CommentsCorrections",
        ),
        _field(
            "is_retracted",
            _B,
            "it has the publication type Retracted Publication, or a link RetractionIn",
        ),
        _field("publication_year", _I32, "year of the journal issue", "JournalIssue/PubDate"),
        _field("publication_month", _I32, "month 1-12", "JournalIssue/PubDate"),
        _field("publication_day", _I32, "day 1-31", "JournalIssue/PubDate"),
        _field(
            "publication_date_text",
            _S,
            "season, or what is printed where it is no date: '2001 Nov-Dec'",
            "PubDate/Season, PubDate/MedlineDate",
        ),
        _field("electronic_date", _DATE, "date of electronic publication", "ArticleDate"),
        _field("date_completed", _DATE, "when the record was completed", "DateCompleted"),
        _field("date_revised", _DATE, "when the record was last changed", "DateRevised"),
        _field(
            "history",
            _list(status=_S, date=_DATE),
            "received, accepted, pubmed, entrez…; dates that are none are left out",
            "PubMedPubDate",
        ),
        _field("doi", _S, "DOI, lower case", "PubmedData/ArticleIdList, else ELocationID"),
        _field("pmcid", _S, "PMC accession number", "PubmedData/ArticleIdList"),
        _field("source", _S, f"{EFETCH}, or the name of the PubMed file without .xml.gz"),
        _field(
            "retrieved",
            _DATE,
            "day of the answer by the server's clock; null for a PubMed file, whose name says it",
        ),
    ]
)
"""One row a PMID that was asked for, sorted by it within a file; no two files overlap."""

PUBMED_FILES = pa.schema(
    [
        _field("file", _S, "name of a PubMed file without .xml.gz"),
        _field("md5", _S, "MD5 of the file that was read, 32 hex digits"),
        _field(
            "selection",
            _S,
            "digest of the PMIDs that were looked for, or all: with others it is read again",
        ),
        _field("records", _I32, "records in the file"),
        _field("kept", _I32, "records of PMIDs that were looked for"),
        _field("deleted", _I32, "deleted citations in the file"),
        _field("unreadable", _I32, "records in the file that could not be read"),
    ]
)
"""One row a baseline or update file that was read to its end."""
