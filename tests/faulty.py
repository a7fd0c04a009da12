"""A proxy on the loopback that spoils a share of the answers of the server behind it.

    with FaultyProxy("http://127.0.0.1:8333", seed=1, unavailable=0.05) as proxy:
        client(endpoint=proxy.endpoint)
    proxy.injected["unavailable"]

Requests go through unchanged, `Host` and signature included. Whether the n-th request for a path is
spoilt, and how, depends on the seed, the path and n alone: threads in another order change nothing.
"""

from __future__ import annotations

import contextlib
import http.client
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

__all__ = ["FAULTS", "FaultyProxy"]

FAULTS = ("unavailable", "resets", "truncated", "corrupted", "forbidden", "html")

_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "expect"})
_ERRORS = {
    "unavailable": (503, "SlowDown", "Please reduce your request rate."),
    "forbidden": (403, "AccessDenied", "Access Denied"),
}
_HTML = b"<!DOCTYPE html><html><body>Checking your browser</body></html>"

Chosen = Callable[[str, str], bool]


def objects(method: str, path: str) -> bool:
    """What is spoilt by default: reads of objects and listings, and no writes."""
    return method == "GET"


class FaultyProxy:
    """Forwards to `upstream` (http://host:port) and spoils what it is told to.

    Each share is of the requests chosen: `unavailable` answers 503 SlowDown, `resets` cuts the
    connection before the answer, `truncated` after half of the body, `corrupted` turns one bit of
    it, `forbidden` answers 403, `html` a page with status 200. Listings are never corrupted: they
    carry no checksum, and no client could tell.

    where(method, path): which requests may be spoilt; `path` holds the query; by default every GET.
    always: path → fault, for keys that fail every time (the path is matched by its ending, before
    the query); `hide` answers 404 NoSuchKey. down: when set, every connection is cut.
    capacity: what comes while so many requests are in flight gets 503 SlowDown. latency: seconds that
    an answer takes, so that requests are in flight together.
    """

    def __init__(
        self,
        upstream: str,
        *,
        seed: int,
        unavailable: float = 0.05,
        resets: float = 0.02,
        truncated: float = 0.01,
        corrupted: float = 0.01,
        forbidden: float = 0.0,
        html: float = 0.0,
        where: Chosen = objects,
        always: dict[str, str] | None = None,
        capacity: int | None = None,
        latency: float = 0.0,
    ) -> None:
        host = urlsplit(upstream)
        if host.hostname is None or host.port is None:
            raise ValueError(f"{upstream} is not http://host:port")
        self._upstream = (host.hostname, host.port)
        self._seed = seed
        self._shares = (unavailable, resets, truncated, corrupted, forbidden, html)
        self._where = where
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._connections: set[socket.socket] = set()
        self.always = dict(always or {})
        self.down = False
        self.latency = latency
        self._capacity = capacity
        self._flying = 0
        self.most_in_flight = 0
        """requests that were in flight together"""
        self.injected: Counter[str] = Counter()
        """how often each fault was injected"""
        self.log: list[tuple[str, str]] = []
        """(method, path with query) of every request, in order of arrival"""
        self.agents: set[str] = set()
        """the User-Agent of every request"""

    @property
    def endpoint(self) -> str:
        """Where clients connect: http://127.0.0.1:port."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def requests(self) -> int:
        """How many requests have arrived."""
        return len(self.log)

    def __enter__(self) -> Self:
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        with self._lock:
            held = list(self._connections)
        for one in held:  # a client's pool would keep its thread waiting
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        self._server.server_close()

    def fault(self, method: str, path: str) -> str | None:
        """What is to be done to this request, and count it."""
        with self._lock:
            self.log.append((method, path))
            self._seen[path] += 1
            number = self._seen[path]
        name = "resets" if self.down else self._always(path) or self._chance(method, path, number)
        if name == "corrupted" and "list-type=" in path:
            name = None
        if name:
            with self._lock:
                self.injected[name] += 1
        return name

    @contextlib.contextmanager
    def flight(self, method: str, path: str) -> Iterator[bool]:
        """One request in flight; whether there are too many, so that it gets nothing else."""
        with self._lock:
            self._flying += 1
            self.most_in_flight = max(self.most_in_flight, self._flying)
            full = self._capacity is not None and self._flying > self._capacity
            if full:
                self.log.append((method, path))
                self.injected["unavailable"] += 1
        try:
            yield full
        finally:
            with self._lock:
                self._flying -= 1

    def _always(self, path: str) -> str | None:
        key = path.partition("?")[0]
        return next((fault for end, fault in self.always.items() if key.endswith(end)), None)

    def _chance(self, method: str, path: str, number: int) -> str | None:
        if not self._where(method, path):
            return None
        drawn = random.Random(f"{self._seed} {path} {number}").random()
        for name, share in zip(FAULTS, self._shares, strict=True):
            if drawn < share:
                return name
            drawn -= share
        return None

    def bit(self, path: str, length: int) -> int:
        """Which bit of a body is turned."""
        return random.Random(f"{self._seed} {path} bit").randrange(8 * length)

    @contextlib.contextmanager
    def holding(self, connection: socket.socket) -> Iterator[None]:
        """Know an open connection, so that leaving the block can end it."""
        with self._lock:
            self._connections.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._connections.discard(connection)

    def forward(
        self, method: str, path: str, headers: list[tuple[str, str]], body: bytes
    ) -> tuple[int, str, list[tuple[str, str]], bytes]:
        """The upstream's answer: status, reason, headers without those of the connection, body."""
        try:
            return _exchange(_upstream(self._upstream), method, path, headers, body)
        except ConnectionError:  # kept open and closed by the other side meanwhile
            return _exchange(_upstream(self._upstream), method, path, headers, body)


def _exchange(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    headers: list[tuple[str, str]],
    body: bytes,
) -> tuple[int, str, list[tuple[str, str]], bytes]:
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            if name.lower() not in _HOP:
                connection.putheader(name, value)
        if body or method in ("PUT", "POST"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        kept = [item for item in answer.getheaders() if item[0].lower() not in _HOP]
        length = answer.getheader("Content-Length")
        data = answer.read()
    except BaseException:
        connection.close()
        raise
    if method == "HEAD" and length is not None:
        kept.append(("Content-Length", length))
    return answer.status, answer.reason, kept, data


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, proxy: FaultyProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no news."""


_LOCAL = threading.local()


def _upstream(address: tuple[str, int]) -> http.client.HTTPConnection:
    """This thread's connection to the server behind; a thread serves one client connection."""
    held: http.client.HTTPConnection | None = getattr(_LOCAL, "connection", None)
    if held is None or (held.host, held.port) != address:
        held = _LOCAL.connection = http.client.HTTPConnection(*address, timeout=60)
    return held


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True

    def handle(self) -> None:
        try:
            with self.server.proxy.holding(self.connection):
                super().handle()
        except ConnectionError:
            self.close_connection = True
        finally:
            held = getattr(_LOCAL, "connection", None)
            if held is not None:
                held.close()

    def serve(self) -> None:
        body, proxy = self._body(), self.server.proxy
        with contextlib.ExitStack() as self._flight:
            if self._flight.enter_context(proxy.flight(self.command, self.path)):
                return self._error(*_ERRORS["unavailable"])
            if proxy.latency:
                threading.Event().wait(proxy.latency)
            return self._serve(body)

    def _serve(self, body: bytes) -> None:
        self.server.proxy.agents.add(self.headers.get("User-Agent", ""))
        fault = self.server.proxy.fault(self.command, self.path)
        if fault == "resets":
            return self._reset()
        if fault == "hide":
            return self._error(404, "NoSuchKey", "The specified key does not exist.")
        if fault in _ERRORS:
            return self._error(*_ERRORS[fault])
        if fault == "html":
            return self._answer(200, "OK", [("Content-Type", "text/html")], _HTML)
        answer = self.server.proxy.forward(self.command, self.path, self.headers.items(), body)
        return self._answer(*self._spoilt(fault, *answer), cut=fault == "truncated")

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = serve  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            continue
        return b"".join(parts)

    def _spoilt(
        self, fault: str | None, status: int, reason: str, headers: Any, body: bytes
    ) -> tuple[int, str, Any, bytes]:
        if fault == "corrupted" and body and status < 300:
            bit = self.server.proxy.bit(self.path, len(body))
            changed = bytearray(body)
            changed[bit // 8] ^= 1 << bit % 8
            body = bytes(changed)
        return status, reason, headers, body

    def _error(self, status: int, code: str, message: str) -> None:
        text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        self._answer(status, code, [("Content-Type", "application/xml")], text.encode())

    def _answer(self, status: int, reason: str, headers: Any, body: bytes, cut: bool = False) -> None:
        self._flight.close()  # before the client can know, and send the next one
        self.send_response_only(status, reason)
        for name, value in headers:
            self.send_header(name, value)
        if self.command != "HEAD" and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        if cut:
            self.close_connection = True

    def _reset(self) -> None:
        """RST instead of an answer."""
        self._flight.close()
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.connection.close()
        self.close_connection = True
        raise ConnectionAbortedError

    def log_message(self, format: str, *args: Any) -> None:
        return
