"""E-utilities on loopback, with everything that NCBI is known to answer."""

from __future__ import annotations

import datetime
import gzip
import random
import socket
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from biomedica.errors import ConfigError, Deferred, SourceError
from biomedica.pubmed import PubmedConfig
from biomedica.sources import entrez as module
from biomedica.sources.entrez import Answer, Entrez, Pace
from tests.pubmed import (
    BACKEND,
    HTML,
    NO_IDS,
    RATE_LIMIT,
    TOO_MANY,
    Eutils,
    Reply,
    document,
    eutils,
    record,
)

KEY = "0123456789abcdef-not-a-key"
EMAIL = "someone@example.org"


@pytest.fixture
def server() -> Iterator[Eutils]:
    with eutils() as state:
        state.records = {pmid: record(pmid) for pmid in range(1, 31)}
        yield state


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_WAIT", 0.0)
    monkeypatch.delenv("NCBI_API_KEY", raising=False)


def client(server: Eutils, **changes: object) -> Entrez:
    settings = {"url": server.url, "email": EMAIL, "requests_per_second": 1000, "retries": 3}
    return Entrez(PubmedConfig(**(settings | changes)))  # type: ignore[arg-type]


def answer(status: int = 200, *replies: Reply, then: Reply | None = None) -> object:
    """Answers one after the other, then as `then` says, or well."""

    def of(_pmids: list[int], number: int) -> Reply | None:
        return replies[number] if number < len(replies) else then

    return of


def pmids(found: Answer) -> list[int]:
    return sorted(found.harvest.kept)


def test_what_is_sent(server: Eutils) -> None:
    found = client(server).fetch([3, 1, 2])
    assert pmids(found) == [1, 2, 3]
    assert server.paths == ["/entrez/eutils/efetch.fcgi"]
    assert server.forms == [
        {
            "db": "pubmed",
            "id": "3,1,2",
            "rettype": "xml",
            "retmode": "xml",
            "tool": "biomedica",
            "email": EMAIL,
        }
    ]
    assert server.agents[0].startswith("biomedica/")


def test_the_key_is_sent_and_never_shown(
    server: Eutils, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """An error of NCBI repeats the key; no text of ours may."""
    monkeypatch.setenv("NCBI_API_KEY", KEY)
    bad = Reply(b'{"error":"API key invalid","api-key":"' + KEY.encode() + b'"}', 400)
    other = Reply(b'{"error":"oops ' + KEY.encode() + b'"}', 500)
    for reply in (bad, other):
        server.answer = answer(200, then=reply)  # type: ignore[assignment]
        asking = client(server, retries=1)
        with pytest.raises((SourceError, Deferred)) as fault:
            asking.fetch([1])
        told = "".join(traceback.format_exception(fault.value)) + repr(vars(asking.config))
        assert KEY not in told
    assert all(form["api_key"] == KEY for form in server.forms)
    assert not any(KEY in path for path in server.paths)
    assert KEY not in "".join(capfd.readouterr())


def test_a_key_that_ncbi_does_not_know_stops_at_once(
    server: Eutils, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NCBI_API_KEY", KEY)
    server.answer = answer(200, then=Reply(b'{"error":"API key invalid","status":"unknown"}', 400))  # type: ignore[assignment]
    with pytest.raises(SourceError, match="NCBI_API_KEY: correct it, or unset it"):
        client(server).fetch([1])
    assert len(server.forms) == 1


def test_a_redirect_is_not_followed(server: Eutils, monkeypatch: pytest.MonkeyPatch) -> None:
    """The form would go with it, and the key in it."""
    monkeypatch.setenv("NCBI_API_KEY", KEY)
    with eutils() as elsewhere:
        server.answer = answer(200, then=Reply(b"", 307, {"Location": elsewhere.url}))  # type: ignore[assignment]
        with pytest.raises(SourceError, match=r"correct pubmed\.url"):
            client(server).fetch([1])
        assert elsewhere.forms == []


def test_records_are_joined_by_their_pmid(server: Eutils) -> None:
    """Reordered, dropped, repeated, and one that nobody asked for."""

    def wild(asked: list[int], _number: int) -> Reply:
        kept = [pmid for pmid in asked if pmid != 5] + [asked[0], 29]
        random.Random(1).shuffle(kept)
        return Reply(document(record(pmid, revised=f"2020-01-{pmid:02}") for pmid in kept))

    server.answer = wild
    found = client(server).fetch(list(range(1, 11)))
    assert pmids(found) == [1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert found.harvest.unasked == 1
    for pmid, one in found.harvest.kept.items():
        assert one.date_revised == datetime.date(2020, 1, pmid)


@pytest.mark.parametrize(
    "reply",
    [
        RATE_LIMIT,
        TOO_MANY,
        HTML,
        BACKEND,
        Reply(b"", 502),
        Reply(b"<html>Bad gateway</html>", 503),
        Reply(b""),
        Reply(document([record(1)])[:-30]),
        Reply(b"{}", 200),
        Reply(b"id: 1 Error occurred: cannot get document summary"),
    ],
)
def test_what_passes_is_asked_again(server: Eutils, reply: Reply) -> None:
    server.answer = answer(200, reply, reply)  # type: ignore[assignment]
    asking = client(server)
    assert pmids(asking.fetch([1])) == [1]
    assert asking.requests == len(server.forms) == 3


def test_what_does_not_pass_is_deferred_once_something_came(server: Eutils) -> None:
    server.answer = answer(200, Reply(document([record(1)])), then=RATE_LIMIT)  # type: ignore[assignment]
    asking = client(server)
    asking.fetch([1])
    with pytest.raises(Deferred, match=r"gave no answer \(an error object\)"):
        asking.fetch([2])
    assert len(server.forms) == 1 + 4


def test_silence_from_the_start_is_told_soon(server: Eutils) -> None:
    server.answer = answer(200, then=HTML)  # type: ignore[assignment]
    with pytest.raises(SourceError, match="give no answer \\(a page of HTML\\): check the network"):
        client(server, retries=50).fetch([1])
    assert len(server.forms) == module.PROBE_TRIES


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/eutils"
    asking = Entrez(PubmedConfig(url=url, email=EMAIL, requests_per_second=1000))
    with pytest.raises(SourceError, match="ConnectionError"):
        asking.fetch([1])


@contextmanager
def trickle(head: bytes, part: bytes) -> Iterator[str]:
    """The URL of a server that answers with `head`, and `part` again and again."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client, suppress(OSError):
                    client.recv(1 << 16)
                    client.sendall(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n")
                    while True:
                        client.sendall(part)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/eutils"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("head", "part"),
    [(b"", b"<x/>" * 1000), (CHUNKED, b"4\r\n<x/>\r\n"), (b"Content-Length: 999999999\r\n", b" ")],
)
def test_a_body_without_end(head: bytes, part: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    with trickle(head, part) as url:
        asking = Entrez(PubmedConfig(url=url, email=EMAIL, requests_per_second=1000, retries=1))
        monkeypatch.setattr(module, "MAX_BYTES", 100_000)
        with pytest.raises(SourceError, match="too long an answer"):
            asking.fetch([1])
        monkeypatch.setattr(module, "MAX_SECONDS", 0.0)
        with pytest.raises(SourceError, match="an answer without end"):
            asking.fetch([1])


def test_a_body_that_unpacks_without_end(server: Eutils, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1 << 20)
    bomb = Reply(gzip.compress(b" " * (64 << 20)), headers={"Content-Encoding": "gzip"})
    whole = Reply(gzip.compress(document([record(1)])), headers={"Content-Encoding": "gzip"})
    broken = Reply(b"no gzip", headers={"Content-Encoding": "gzip"})
    server.answer = answer(200, bomb, broken, whole)  # type: ignore[assignment]
    assert pmids(client(server).fetch([1])) == [1]
    assert len(server.forms) == 3


@pytest.mark.parametrize(
    "wait", [None, "", "-5", "1e9", "999999999", "9" * 400, "Wed, 21 Oct 2099 07:28:00 GMT", "soon"]
)
def test_no_wait_that_a_server_asks_for_is_longer_than_minutes(
    server: Eutils, monkeypatch: pytest.MonkeyPatch, wait: str | None
) -> None:
    headers = {} if wait is None else {"Retry-After": wait}
    server.answer = answer(200, Reply(b"", 429, headers))  # type: ignore[assignment]
    asking = client(server)
    held: list[float] = []
    monkeypatch.setattr(asking.pace, "hold", held.append)
    assert pmids(asking.fetch([1])) == [1]
    assert all(0 <= seconds <= module.LONGEST_ASKED for seconds in held)
    assert len(held) == 1


@pytest.mark.parametrize("day", ["", "yesterday", "Mon, 32 Foo 99999 99:99:99 GMT", "1"])
def test_a_clock_that_tells_nonsense(server: Eutils, day: str) -> None:
    found = module.read_answer(200, {"Date": day}, document([record(1)]), frozenset({1}), server.url)
    assert sorted(found.kept) == [1]
    assert module._day({"Date": day}) >= datetime.date(2024, 1, 1)


def test_none_of_them_exists(server: Eutils) -> None:
    server.answer = answer(200, then=NO_IDS)  # type: ignore[assignment]
    found = client(server).fetch([98, 99])
    assert (pmids(found), found.harvest.records) == ([], 0)
    server.answer = None
    assert pmids(client(server).fetch([98])) == []


@pytest.mark.parametrize(
    ("status", "words"), [(403, "refuse to answer"), (404, "correct pubmed.url"), (401, "refuse")]
)
def test_what_stays_wrong_stops(server: Eutils, status: int, words: str) -> None:
    server.answer = answer(200, then=Reply(b"no", status))  # type: ignore[assignment]
    with pytest.raises(SourceError, match=words):
        client(server).fetch([1])
    assert len(server.forms) == 1


def test_the_day_is_the_servers(server: Eutils) -> None:
    today = datetime.datetime.now(datetime.UTC).date()
    assert abs((client(server).fetch([1]).day - today).days) <= 1


def test_a_record_that_cannot_be_read_is_named(server: Eutils) -> None:
    server.records[2] = record(2).replace("</QualifierName>", "")
    found = client(server).fetch([1, 2])
    assert pmids(found) == [1]
    assert [pmid for pmid, _ in found.harvest.unreadable] == [2]


def test_no_address_no_request() -> None:
    with pytest.raises(ConfigError, match="--email"):
        Entrez(PubmedConfig())


# -- the pace


class Time:
    """A clock that only moves when someone sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_requests_keep_their_distance() -> None:
    time = Time()
    pace = Pace(3, lambda: time.now, time.sleep)
    starts = []
    for _ in range(31):
        pace.wait()
        starts.append(time.now)
    assert starts[-1] - starts[0] == pytest.approx(10 * module.MARGIN)
    assert len([start for start in starts if start < starts[0] + 1]) == 3


def test_all_wait_when_the_server_says_so() -> None:
    time = Time()
    pace = Pace(3, lambda: time.now, time.sleep)
    pace.wait()
    pace.hold(20)
    pace.wait()
    assert time.now == pytest.approx(120)


def test_whoever_waits_gives_up_when_it_is_stopped() -> None:
    pace = Pace(0.001)
    pace.wait()
    pace.stop()
    with pytest.raises(Deferred):
        pace.wait()


@pytest.mark.parametrize(
    ("url", "asked", "key", "rate"),
    [
        ("https://eutils.ncbi.nlm.nih.gov/entrez/eutils", None, False, 3),
        ("https://eutils.ncbi.nlm.nih.gov/entrez/eutils", None, True, 10),
        ("https://eutils.ncbi.nlm.nih.gov/entrez/eutils", 100, True, 10),
        ("https://eutils.ncbi.nlm.nih.gov/entrez/eutils", 1, False, 1),
        ("http://127.0.0.1:1/eutils", 100, False, 100),
        ("http://127.0.0.1:1/eutils", None, False, 3),
    ],
)
def test_ncbis_limits_may_not_be_passed_there(
    monkeypatch: pytest.MonkeyPatch, url: str, asked: float | None, key: bool, rate: float
) -> None:
    if key:
        monkeypatch.setenv("NCBI_API_KEY", KEY)
    asking = Entrez(PubmedConfig(url=url, email=EMAIL, requests_per_second=asked))
    assert module.MARGIN / asking.pace.seconds == pytest.approx(rate)


def test_retry_after_is_heard(server: Eutils, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answer = answer(200, Reply(b"", 429, {"Retry-After": "7"}))  # type: ignore[assignment]
    asking = client(server)
    held: list[float] = []
    monkeypatch.setattr(asking.pace, "hold", held.append)
    asking.fetch([1])
    assert held == [7.0]
