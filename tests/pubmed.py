"""PubMed documents made for tests, and a server that speaks as E-utilities do, badly where told to."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs

HEAD = (
    '<?xml version="1.0" ?>\n<!DOCTYPE PubmedArticleSet PUBLIC "-//NLM//DTD PubMedArticle, 1st January '
    '2025//EN" "https://dtd.nlm.nih.gov/ncbi/pubmed/out/pubmed_250101.dtd">\n<PubmedArticleSet>\n'
)
TAIL = "</PubmedArticleSet>\n"
MESH = (
    "<MeshHeadingList>"
    '<MeshHeading><DescriptorName UI="D009369" MajorTopicYN="N">Neoplasms</DescriptorName>'
    '<QualifierName UI="Q000000981" MajorTopicYN="Y">diagnostic imaging</QualifierName></MeshHeading>'
    '<MeshHeading><DescriptorName UI="D006801" MajorTopicYN="N">Humans</DescriptorName></MeshHeading>'
    "</MeshHeadingList>"
)
TYPES = (
    '<PublicationTypeList><PublicationType UI="D016428">Journal Article</PublicationType>'
    "</PublicationTypeList>"
)


def date(tag: str, text: str) -> str:
    year, month, day = text.split("-")
    return f"<{tag}><Year>{year}</Year><Month>{month}</Month><Day>{day}</Day></{tag}>"


def record(
    pmid: int,
    *,
    version: int = 1,
    revised: str = "2024-05-17",
    mesh: str = MESH,
    types: str = TYPES,
    citation: str = "",
    data: str = "",
    abstract: str = "<Abstract><AbstractText>Of little use.</AbstractText></Abstract>",
) -> str:
    """A `PubmedArticle` as PubMed writes it. citation: more of MedlineCitation, data: of PubmedData."""
    return (
        f'<PubmedArticle><MedlineCitation Status="MEDLINE" Owner="NLM"><PMID Version="{version}">{pmid}'
        f"</PMID>{date('DateCompleted', '2024-01-09')}{date('DateRevised', revised)}"
        '<Article PubModel="Print"><Journal><JournalIssue CitedMedium="Print"><PubDate><Year>2023</Year>'
        f"<Month>Nov</Month></PubDate></JournalIssue></Journal><ArticleTitle>T</ArticleTitle>{abstract}"
        '<AuthorList CompleteYN="Y"><Author><LastName>Doe</LastName></Author></AuthorList>'
        f"{types}</Article>{mesh}{citation}</MedlineCitation>"
        f'<PubmedData><ArticleIdList><ArticleId IdType="pubmed">{pmid}</ArticleId><ArticleId '
        f'IdType="doi">10.1000/Test.{pmid}</ArticleId></ArticleIdList>{data}</PubmedData></PubmedArticle>\n'
    )


def document(records: Iterable[str], deleted: Iterable[int] = ()) -> bytes:
    """A whole PubmedArticleSet."""
    ids = "".join(f'<PMID Version="1">{pmid}</PMID>\n' for pmid in deleted)
    tail = f"<DeleteCitation>\n{ids}</DeleteCitation>\n" if ids else ""
    return f"{HEAD}{''.join(records)}{tail}{TAIL}".encode()


def write_pubmed_file(folder: Path, name: str, data: bytes, *, md5: bool | str = True) -> Path:
    """`<name>.xml.gz` and, as NLM writes it, `<name>.xml.gz.md5`. md5: another one, or none."""
    folder.mkdir(parents=True, exist_ok=True)
    packed = gzip.compress(data, 1, mtime=0)
    path = folder / f"{name}.xml.gz"
    path.write_bytes(packed)
    stated = hashlib.md5(packed, usedforsecurity=False).hexdigest() if md5 is True else md5
    beside = folder / f"{path.name}.md5"
    if stated:
        beside.write_text(f"MD5({path.name})= {stated}\n")
    else:
        beside.unlink(missing_ok=True)
    return path


@dataclass(frozen=True)
class Reply:
    """An answer of the server."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


RATE_LIMIT = Reply(
    json.dumps({"error": "API rate limit exceeded", "api-key": "192.0.2.1", "count": "4"}).encode(),
    headers={"Content-Type": "application/json"},
)
TOO_MANY = Reply(RATE_LIMIT.body, 429, {"Retry-After": "0"})
HTML = Reply(b"<!DOCTYPE html>\n<html><body>Down for maintenance</body></html>")
NO_IDS = Reply(
    b"<?xml version='1.0'?><eFetchResult><ERROR>ID list is empty! Possibly it has no correct IDs."
    b"</ERROR></eFetchResult>",
    400,
)
BACKEND = Reply(
    b'<?xml version="1.0"?><eFetchResult><ERROR>Search Backend failed</ERROR></eFetchResult>'
)
Answerer = Callable[[list[int], int], "Reply | None"]
"""(asked PMIDs, number of the request from 0) → an answer, or None for that of `records`."""


@dataclass
class Eutils:
    """E-utilities on loopback: `records` are what PubMed has; `answer` may say something else."""

    url: str = ""
    records: dict[int, str] = field(default_factory=dict)
    answer: Answerer | None = None
    clock: float | None = None
    """seconds since 1970 by the server's clock; None: the real one"""
    forms: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def asked(self) -> list[list[int]]:
        """The PMIDs of each request."""
        return [[int(pmid) for pmid in form["id"].split(",")] for form in self.forms]

    def reply(self, path: str, form: dict[str, str], agent: str) -> Reply:
        with self.lock:
            number = len(self.forms)
            self.forms.append(form)
            self.paths.append(path)
            self.agents.append(agent)
        pmids = [int(pmid) for pmid in form["id"].split(",")]
        said = self.answer(pmids, number) if self.answer is not None else None
        if said is not None:
            return said
        return Reply(document(self.records[pmid] for pmid in pmids if pmid in self.records))


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that went away is what some tests are about."""


@contextmanager
def eutils() -> Iterator[Eutils]:
    """A running server."""
    state = Eutils()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            form = {
                name: values[0] for name, values in parse_qs(self.rfile.read(size).decode()).items()
            }
            reply = state.reply(self.path, form, self.headers["User-Agent"])
            self.send_response_only(reply.status)
            self.send_header("Date", formatdate(state.clock or time.time(), usegmt=True))
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Nothing on stderr."""

    server = _Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_port}/entrez/eutils"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
