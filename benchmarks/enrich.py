"""How fast PubMed files are read, and how far that is from the bare steps.

Makes PubMed XML of the size and shape of NLM's records (some 8 kB with abstract, authors, MeSH, and for
a third of them references), packs it, and measures CPU time of one core, a process a measurement:

- what is done for every record: read the file and check it, unpack, find, read the PMID;
- what is done for wanted ones too, at several shares of wanted records (a dataset of a tenth of
  PMC's articles wants 2 of 100, one of all of them some 20);
- beside it the whole tree of every record by lxml's `iterparse`, nothing taken from it;
- the merge of rows into the table, which is written and committed.

    python benchmarks/enrich.py [--records 30000] [--json]
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from biomedica.config import FetchConfig
from biomedica.pipeline.enrich_files import always, harvest_file
from biomedica.sources.pubmed_files import PubmedFile, unpack
from biomedica.sources.pubmed_set import read_set, record_table
from biomedica.store import KEYED_TABLES, Dataset, DatasetWriter, KeyedTable

SHARES = (0.0, 0.02, 0.2, 1.0)
GOAL = 20_000
WORDS = (
    "the", "of", "and", "in", "patients", "with", "results", "were", "significantly", "clinical",
    "treatment", "analysis", "expression", "cells", "associated", "disease", "protein", "increased",
    "between", "model", "risk", "response", "levels", "gene", "population", "tissue", "imaging",
)  # fmt: skip


def words(rng: random.Random, count: int) -> str:
    return " ".join(rng.choices(WORDS, k=count))


def date(rng: random.Random, tag: str) -> str:
    year, month, day = rng.randint(2000, 2025), rng.randint(1, 12), rng.randint(1, 28)
    return f"<{tag}><Year>{year}</Year><Month>{month:02}</Month><Day>{day:02}</Day></{tag}>"


def term(rng: random.Random, most: int) -> int:
    """A few headings are everywhere, most are rare."""
    return int(rng.paretovariate(0.7)) % most


def mesh(rng: random.Random) -> str:
    headings = []
    for _ in range(rng.randint(4, 16)):
        number, major = term(rng, 30_000), rng.choice("NNNY")
        qualifiers = "".join(
            f'<QualifierName UI="Q{term(rng, 80):06}" MajorTopicYN="{rng.choice("YN")}">of &amp; by'
            "</QualifierName>"
            for _ in range(rng.choice((0, 0, 1, 1, 2)))
        )
        headings.append(
            f'<MeshHeading>\n<DescriptorName UI="D{number:06}" MajorTopicYN="{major}">Term {number}'
            f"</DescriptorName>\n{qualifiers}</MeshHeading>\n"
        )
    return f"<MeshHeadingList>{''.join(headings)}</MeshHeadingList>"


def references(rng: random.Random) -> str:
    count = rng.choice((0, 0, 10, 35))
    cited = "".join(
        f"<Reference>\n<Citation>{words(rng, 14)}. 2010;12:1-9.</Citation>\n<ArticleIdList>\n"
        f'<ArticleId IdType="doi">10.1000/j.{rng.randint(1, 10**7)}</ArticleId>\n'
        f'<ArticleId IdType="pubmed">{rng.randint(1, 39_999_999)}</ArticleId>\n</ArticleIdList></Reference>\n'
        for _ in range(count)
    )
    return f"<ReferenceList>\n{cited}</ReferenceList>\n" if cited else ""


def record(rng: random.Random, pmid: int) -> str:
    """One record, in NLM's order of elements."""
    authors = "".join(
        f'<Author ValidYN="Y"><LastName>{words(rng, 1)}</LastName><ForeName>{words(rng, 1)}</ForeName>'
        f"<AffiliationInfo><Affiliation>{words(rng, 16)}.</Affiliation></AffiliationInfo></Author>\n"
        for _ in range(rng.randint(1, 6))
    )
    chemicals = "".join(
        "<Chemical><RegistryNumber>0</RegistryNumber>"
        f'<NameOfSubstance UI="D{term(rng, 9000):06}">Substance</NameOfSubstance></Chemical>\n'
        for _ in range(rng.randint(0, 5))
    )
    history = "".join(
        f'<PubMedPubDate PubStatus="{status}">{date(rng, "D")[3:-4]}</PubMedPubDate>\n'
        for status in ("received", "accepted", "pubmed", "medline", "entrez")
    )
    keywords = "".join(
        f'<Keyword MajorTopicYN="N">{words(rng, 2)}</Keyword>' for _ in range(rng.randint(0, 5))
    )
    return (
        f'<PubmedArticle>\n<MedlineCitation Status="MEDLINE" Owner="NLM">\n<PMID Version="1">{pmid}</PMID>\n'
        f"{date(rng, 'DateCompleted')}\n{date(rng, 'DateRevised')}\n"
        '<Article PubModel="Print"><Journal><ISSN IssnType="Print">0006-2944</ISSN><JournalIssue '
        'CitedMedium="Print"><Volume>13</Volume><PubDate><Year>2019</Year><Month>Jun</Month></PubDate>'
        f"</JournalIssue><Title>{words(rng, 4)}</Title></Journal>\n"
        f"<ArticleTitle>{words(rng, 12)}</ArticleTitle>\n"
        f'<ELocationID EIdType="doi" ValidYN="Y">10.1000/x.{pmid}</ELocationID>\n'
        f"<Abstract><AbstractText>{words(rng, rng.randint(60, 240))}.</AbstractText></Abstract>\n"
        f'<AuthorList CompleteYN="Y">{authors}</AuthorList>\n<Language>eng</Language>\n'
        '<PublicationTypeList><PublicationType UI="D016428">Journal Article</PublicationType>'
        "</PublicationTypeList></Article>\n"
        f"<ChemicalList>{chemicals}</ChemicalList>\n{mesh(rng)}\n"
        f'<KeywordList Owner="NOTNLM">{keywords}</KeywordList>\n</MedlineCitation>\n'
        f"<PubmedData><History>\n{history}</History><PublicationStatus>ppublish</PublicationStatus>\n"
        f'<ArticleIdList><ArticleId IdType="pubmed">{pmid}</ArticleId><ArticleId IdType="doi">10.1000/x.{pmid}'
        f'</ArticleId><ArticleId IdType="pmc">PMC{pmid}</ArticleId></ArticleIdList>\n'
        f"{references(rng)}</PubmedData>\n</PubmedArticle>\n"
    )


def write_file(path: Path, records: int, seed: int = 0) -> int:
    """A packed file of so many records; its bytes unpacked."""
    rng = random.Random(seed)  # noqa: S311
    head = '<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE PubmedArticleSet SYSTEM "x.dtd">\n<PubmedArticleSet>\n'
    text = head + "".join(record(rng, 1000 + n) for n in range(records)) + "</PubmedArticleSet>\n"
    data = text.encode()
    path.write_bytes(gzip.compress(data, 6, mtime=0))
    return len(data)


# -- what is measured, each in a process of its own


def timed(work: Callable[[], int]) -> tuple[float, int]:
    """(seconds of CPU, records): the faster of two passes, as the fragments that recur are then known."""
    best = float("inf")
    for _ in range(2):
        started = time.process_time()
        count = work()
        best = min(best, time.process_time() - started)
    return best, count


def only_unpack(path: Path, records: int) -> tuple[float, int]:
    data = path.read_bytes()

    def work() -> int:
        return records if sum(map(len, unpack(data))) else 0

    return timed(work)


def read(path: Path, records: int, share: float) -> tuple[float, int]:
    """All that a worker does of a file: read and check it, unpack it, make rows."""
    rng = random.Random(1)  # noqa: S311
    wanted = np.array([1000 + n for n in range(records) if rng.random() < share], np.int64)
    file = PubmedFile(path.name.partition(".")[0], str(path.parent))

    def work() -> int:
        found = harvest_file(file, FetchConfig(), wanted)
        assert found.rows is not None, found.fault
        assert found.rows.num_rows == len(wanted)
        return found.records

    return timed(work)


def by_iterparse(path: Path, _records: int) -> tuple[float, int]:
    from lxml import etree

    data = path.read_bytes()

    def work() -> int:
        count = 0
        with gzip.GzipFile(fileobj=BytesIO(data)) as file:
            for _, element in etree.iterparse(file, tag="PubmedArticle", no_network=True):
                element.clear()
                count += 1
        return count

    return timed(work)


def merge(path: Path, _records: int) -> tuple[float, int]:
    """Rows of one file into an empty table, committed."""
    found = read_set(unpack(path.read_bytes()))
    rows = record_table(list(found.kept.values()), "pubmed26n0001", None)
    with (
        tempfile.TemporaryDirectory() as folder,
        DatasetWriter.begin(folder, also=tuple(KEYED_TABLES)) as writer,
    ):
        started = time.process_time()
        merged = KeyedTable.of(Dataset.open(folder), "enrichment").merge(rows, always)
        writer.commit(merged.files, None, {"enrichment": merged.removed})
        return time.process_time() - started, rows.num_rows


def measure(path: Path, records: int) -> Iterator[tuple[str, float]]:
    """(what, records a second of one core)."""
    kernels: dict[str, Callable[..., tuple[float, int]]] = {"unpack only": only_unpack}
    kernels |= {f"{share:.0%} wanted": partial(read, share=share) for share in SHARES}
    kernels |= {"lxml iterparse, nothing taken": by_iterparse, "merge into the table": merge}
    for name, kernel in kernels.items():
        with ProcessPoolExecutor(1, get_context("spawn")) as pool:
            seconds, count = pool.submit(kernel, path, records).result()
        yield name, count / seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--records", type=int, default=30_000, help="in one file; NLM's have 30,000")
    parser.add_argument("--json", action="store_true", help="one object on the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "pubmed26n0001.xml.gz")
        size = write_file(path, options.records)
        values: dict[str, Any] = {
            "records": options.records,
            "bytes_a_record": round(size / options.records),
            "packed_bytes_a_record": round(path.stat().st_size / options.records),
            "goal": GOAL,
        }
        print(
            f"{options.records:,} records of {values['bytes_a_record']:,} bytes; records/s of one core:"
        )
        rates: dict[str, int] = {}
        for name, rate in measure(path, options.records):
            rates[name] = round(rate)
            print(f"  {name:30} {rate:10,.0f}")
    values["records_per_second"] = rates
    if options.json:
        print(json.dumps(values))
    return 0


if __name__ == "__main__":
    sys.exit(main())
