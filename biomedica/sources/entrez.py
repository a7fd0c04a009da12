"""NCBI's E-utilities: records of PubMed by PMID, within NCBI's limits and whatever it answers.

Biopython's Entrez is not used: its addresses are fixed in the code, it waits for a silent server
without end, tries a 429 again at once and outside its own limit, takes an error in an answer of
status 200 for a result, may put the key into the address that its errors show, and its parser
fetches DTDs over the network. What is left of it, a POST and a pace, is here.
"""

from __future__ import annotations

import datetime
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from biomedica._version import __version__
from biomedica.errors import ConfigError, Deferred, Rejected, SourceError
from biomedica.pubmed import PubmedConfig
from biomedica.sources.pubmed_set import Harvest, read_set

__all__ = ["KEY", "Again", "Answer", "Entrez", "Pace", "read_answer"]

KEY = "NCBI_API_KEY"
"""the environment variable that may hold a key"""

WITHOUT_KEY, WITH_KEY = 3.0, 10.0
"""requests a second that NCBI allows (E-utilities, Usage Guidelines)"""
MARGIN = 1.1
"""requests that leave at exactly the allowed rate do not arrive at it (Biopython found the same)"""
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
"""seconds before a request is tried again; doubled each time"""
LONGEST_ASKED = 600.0
"""of what Retry-After asks for, in seconds"""
CONNECT_SECONDS = 10.0
PROBE_TRIES = 4
"""of the first request: a wrong address shall be told soon"""
MAX_BYTES = 256 << 20
"""of one answer; two hundred records have some 2 MB, the longest author lists 1 MB each"""
MAX_SECONDS = 900.0
"""for one answer, however steadily it trickles"""
_BLOCK = 1 << 18

_HTML = re.compile(rb"\s*(?:<!doctype\s+html|<html[\s>])", re.IGNORECASE)
_ERROR = re.compile(rb"<ERROR>(.*?)</ERROR>|<eFetchResult|<eSummaryResult", re.DOTALL)
_NO_IDS = re.compile(rb"ID list is empty|no correct IDs|Empty id list", re.IGNORECASE)
_BAD_KEY = re.compile(
    rb"api[ _-]?key[^a-z]{0,4}(?:is )?(?:invalid|not valid|wrong|unknown)", re.IGNORECASE
)


class Again(Exception):
    """The answer is none, for now. after: seconds that the server asks to wait, or None."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request gave."""

    harvest: Harvest
    day: datetime.date
    """when, by the server's clock"""
    bytes: int


class Pace:
    """Lets callers through at a rate, from whatever thread; all wait where the server says so."""

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.seconds = MARGIN / rate
        self._stopped = threading.Event()
        self._clock, self._sleep = clock, sleep or self._stopped.wait
        self._next = clock()
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Return when the caller may send a request. Raises Deferred once it is stopped."""
        while not self._stopped.is_set():
            with self._lock:
                now = self._clock()
                left = self._next - now
                if left <= 0:
                    self._next = now + self.seconds
                    return
            self._sleep(left)
        raise Deferred("the run was stopped")

    def stop(self) -> None:
        """Let nobody through any more; those who wait give up."""
        self._stopped.set()

    def hold(self, seconds: float) -> None:
        """Let nobody through for so long."""
        with self._lock:
            self._next = max(self._next, self._clock() + seconds)


class Entrez:
    """Asks E-utilities for records. Safe in threads, which share one pace.

    Raises ConfigError without an e-mail address. The key of the environment goes into the body of
    requests alone.
    """

    def __init__(self, config: PubmedConfig) -> None:
        if config.email is None:
            raise ConfigError(
                "NCBI asks for an e-mail address with every request: give yours by --email, or "
                "pubmed.email"
            )
        self.config = config
        self.requests = 0
        """sent so far, repeated ones too"""
        self._key = os.environ.get(KEY, "").strip() or None
        self.pace = Pace(_rate(config, self._key is not None))
        self._answered = False
        self._lock = threading.Lock()
        self._local = threading.local()

    def fetch(self, pmids: Sequence[int]) -> Answer:
        """The records of some PMIDs; those that are not there are missing in the answer.

        Raises Deferred where no whole answer came, and SourceError where none will: wrong address,
        refused, a key that NCBI does not know, or silence from the first request on.
        """
        tries = self.config.retries + 1
        why = ""
        for attempt in range(tries):
            if not self._answered and attempt >= PROBE_TRIES:
                break
            try:
                answer = self._ask(pmids)
            except Again as fault:
                why = str(fault)
                wait = min(FIRST_WAIT * 2**attempt, LONGEST_WAIT)
                self.pace.hold(min(max(wait, fault.after or 0.0), LONGEST_ASKED))
            else:
                self._answered = True
                return answer
        if not self._answered:
            raise SourceError(
                f"E-utilities at {self.config.url} give no answer ({why}): check the network and "
                "pubmed.url, and run the same command again"
            )
        raise Deferred(f"E-utilities gave no answer ({why})")

    def _ask(self, pmids: Sequence[int]) -> Answer:
        import requests
        from urllib3.exceptions import HTTPError

        wanted = frozenset(pmids)
        form = {
            "db": "pubmed",
            "id": ",".join(map(str, pmids)),
            "rettype": "xml",
            "retmode": "xml",
            "tool": self.config.tool,
            "email": self.config.email,
        }
        if self._key is not None:
            form["api_key"] = self._key
        self.pace.wait()
        with self._lock:
            self.requests += 1
        try:
            with self._session.post(
                f"{self.config.url.rstrip('/')}/efetch.fcgi",
                data=form,
                stream=True,
                allow_redirects=False,  # the form may hold a key
                timeout=(CONNECT_SECONDS, self.config.timeout_seconds),
            ) as response:
                body = _body(response)
                status, headers = response.status_code, response.headers
        except (requests.RequestException, HTTPError, OSError) as error:
            # the text of an error may repeat what was sent
            raise Again(type(error).__name__) from None
        harvest = read_answer(status, headers, body, wanted, self.config.url)
        return Answer(harvest, _day(headers), len(body))

    @property
    def _session(self) -> Any:
        session = getattr(self._local, "session", None)
        if session is None:
            import requests

            session = self._local.session = requests.Session()
            contact = f" (+{self.config.email})"
            session.headers["User-Agent"] = f"biomedica/{__version__}{contact}"
        return session


def read_answer(
    status: int, headers: Mapping[str, str], body: bytes, wanted: frozenset[int], url: str
) -> Harvest:
    """What an answer of efetch holds of the wanted PMIDs. No text of the answer is repeated.

    Raises Again for an error that may pass, whatever status it comes with: 429 and 5xx, an error
    object or a page of HTML in a 200, a document that is cut off. Raises SourceError for what stays.
    """
    if _BAD_KEY.search(body[:4096]):
        raise SourceError(f"NCBI does not know the key in {KEY}: correct it, or unset it")
    if status in (301, 302, 303, 307, 308, 404, 405):
        raise SourceError(f"there is no efetch.fcgi at {url} (status {status}): correct pubmed.url")
    if status in (401, 403):
        raise SourceError(
            f"E-utilities at {url} refuse to answer (status {status}): NCBI blocks whoever asked too "
            "much; wait, or write to it"
        )
    start = body[:4096].lstrip()
    if status in (200, 400) and _ERROR.search(start) and _NO_IDS.search(start):
        return Harvest()  # none of them exists
    if status != 200:
        raise Again(f"status {status}", _asked_wait(headers))
    if start.startswith(b"{"):
        raise Again("an error object", _asked_wait(headers))
    if _HTML.match(start):
        raise Again("a page of HTML", _asked_wait(headers))
    if _ERROR.search(start):
        raise Again("an error in XML", _asked_wait(headers))
    try:
        return read_set([body], wanted)
    except Rejected as fault:
        raise Again(f"no whole document: {fault.reason}") from None


def _rate(config: PubmedConfig, has_key: bool) -> float:
    """NCBI's own limit may not be passed there; another server may have another."""
    limit = WITH_KEY if has_key else WITHOUT_KEY
    rate = config.requests_per_second or limit
    host = urlsplit(config.url).hostname or ""
    at_ncbi = host == "nih.gov" or host.endswith(".nih.gov")
    return min(rate, limit) if at_ncbi else rate


def _body(response: Any) -> bytes:
    parts, size = [], 0
    end = time.monotonic() + MAX_SECONDS
    # what has come, not whole blocks: who sends a byte a second would never fill one
    for part in _as_they_come(response):
        size += len(part)
        if time.monotonic() > end:
            raise Again("an answer without end")
        if size > MAX_BYTES:
            raise Again("too long an answer")
        parts.append(part)
    return b"".join(parts)


def _as_they_come(response: Any) -> Iterator[bytes]:
    while part := response.raw.read1(_BLOCK, decode_content=True):
        yield part


def _asked_wait(headers: Mapping[str, str]) -> float | None:
    """Retry-After in seconds; a date in it is not waited for."""
    text = headers.get("Retry-After", "").strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < 9 else None


def _day(headers: Mapping[str, str]) -> datetime.date:
    try:
        return parsedate_to_datetime(headers["Date"]).astimezone(datetime.UTC).date()
    except (KeyError, ValueError, TypeError, OverflowError):
        return datetime.datetime.now(datetime.UTC).date()
