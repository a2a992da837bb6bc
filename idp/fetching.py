"""How do we call an address that an app registered or a setting names? Through one guard: never into our own network.

The name is looked up once, every address it stands for must be public, and the connection goes to that very
address: what is looked up again later cannot lead elsewhere. https only, no redirects, no proxy, a few seconds
for everything together, small answers. Only an installation that lives on this machine itself (http://localhost)
may call this machine.
"""

from __future__ import annotations

import http.client
import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import urlencode, urlsplit

from idp import addresses, places
from idp.clock import Clock

SECONDS = 3.0
"""For everything: the name, the connection, the answer."""
MOST_NUMBERS = 4
"""Of one name that are tried."""
NUMBER_SECONDS = 0.8
"""For each of them, but the last: then the next is tried."""
MOST = 65_536
"""Bytes of an answer."""
AT_ONCE = 3
"""Documents that one process reads at a time: an app whose server is slow cannot hold every thread."""
AGENT = "Leersleutel"
_seats = threading.BoundedSemaphore(AT_ONCE)
_LATE = "no answer in time"
_CLOCK = Clock()
"""Of the real world: sockets do not stand still with the house."""


class NotFetched(Exception):
    """There is no answer that we may use; `because` is a few words for the app's developer."""

    def __init__(self, because: str) -> None:
        super().__init__(because)
        self.because = because


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """An answer, whatever its status; a redirect is an answer like any other."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes = field(repr=False)


@places.away()
def get(
    uri: str,
    *,
    loopback: bool,
    accept: str = "application/json",
    most: int = MOST,
    seconds: float = SECONDS,
) -> Fetched:
    """Read a document. `loopback`: our issuer is on this machine, so apps on it may be called. Raises NotFetched."""
    if not _seats.acquire(timeout=seconds):
        raise NotFetched("too many others are read at this moment")
    try:
        return _ask("GET", uri, None, {"Accept": accept}, loopback=loopback, most=most, seconds=seconds)
    finally:
        _seats.release()


@places.away()
def post(
    uri: str,
    form: Mapping[str, str],
    *,
    loopback: bool,
    headers: Mapping[str, str] | None = None,
    most: int = MOST,
    seconds: float = SECONDS,
) -> Fetched:
    """Send a form. Raises NotFetched."""
    given = {**(headers or {}), "Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(form).encode()
    return _ask("POST", uri, body, given, loopback=loopback, most=most, seconds=seconds)


def _ask(
    method: str,
    uri: str,
    body: bytes | None,
    headers: dict[str, str],
    *,
    loopback: bool,
    most: int,
    seconds: float,
) -> Fetched:
    ends = _CLOCK.monotonic() + seconds
    try:
        asked = addresses.read(uri, loopback_http=loopback)
    except addresses.NotAnAddress as mistake:
        raise NotFetched(f"the address {mistake}") from None
    https = asked.scheme == "https"
    port = asked.port or (443 if https else 80)
    numbers = _public(asked.host, port, loopback=loopback and asked.loopback, ends=ends)
    connection = _Pinned(asked.host, port, numbers=numbers, tls=https, ends=ends)
    parts = urlsplit(uri)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    cutter = threading.Timer(_left(ends), connection.cut)
    cutter.daemon = True
    cutter.start()
    try:
        connection.request(method, target, body, headers | {"User-Agent": AGENT, "Connection": "close"})
        return _answer(connection, most)
    except ssl.SSLError as failure:
        raise NotFetched(f"no good TLS ({failure.reason or 'certificate'})") from None
    except (http.client.HTTPException, OSError, ValueError) as failure:
        late = connection.was_cut or isinstance(failure, TimeoutError)
        raise NotFetched(_LATE if late else f"no answer ({type(failure).__name__})") from None
    finally:
        cutter.cancel()
        connection.close()


def _answer(connection: _Pinned, most: int) -> Fetched:
    parts: list[bytes] = []
    size = 0
    with connection.getresponse() as answer:
        while part := answer.read1(8192):
            size += len(part)
            if size > most:
                raise NotFetched(f"the answer is larger than {most} bytes")
            parts.append(part)
    if connection.was_cut:
        raise NotFetched(_LATE)
    headers = {name.lower(): value for name, value in answer.getheaders()}
    return Fetched(status=answer.status, headers=headers, body=b"".join(parts))


class _Pinned(http.client.HTTPConnection):
    """A connection to the first of these numbers that answers, whatever the name stands for by now; TLS proves the name.

    Who has no IPv6 reaches the IPv4 of an app that has both, and the other way round.
    """

    def __init__(self, host: str, port: int, *, numbers: Sequence[str], tls: bool, ends: float) -> None:
        super().__init__(host, port)
        self._numbers, self._tls, self._ends = numbers, tls, ends
        self._line: socket.socket | None = None
        self.was_cut = False

    def connect(self) -> None:
        self._line = self._first()
        if self._tls:
            self._line = _trust().wrap_socket(self._line, server_hostname=self.host)
        self.sock = self._line

    def _first(self) -> socket.socket:
        *others, last = self._numbers[:MOST_NUMBERS]
        for number in others:
            if not self.was_cut:
                with suppress(OSError):
                    return self._reach(number, min(NUMBER_SECONDS, _left(self._ends)))
        return self._reach(last, _left(self._ends))

    def _reach(self, number: str, seconds: float) -> socket.socket:
        line = socket.create_connection((number, self.port), timeout=seconds)
        line.settimeout(_left(self._ends))
        return line

    def cut(self) -> None:
        """Time is up, also for who answers one byte at a time."""
        self.was_cut = True
        if self._line is not None:
            with suppress(OSError):
                self._line.shutdown(socket.SHUT_RDWR)


@cache
def _trust() -> ssl.SSLContext:
    """The certificates that this machine trusts, read once."""
    return ssl.create_default_context()


def _public(host: str, port: int, *, loopback: bool, ends: float) -> list[str]:
    """The numbers to connect to. Every number of the name must be public: one private one spoils it."""
    numbers = _look_up(host, port, ends)
    for number in numbers:
        if not may_call(number, loopback=loopback):
            raise NotFetched("the address leads inside a network: we call public addresses only")
    return numbers


def may_call(number: str, *, loopback: bool) -> bool:
    """Is this IP address one that we may call?"""
    read = ipaddress.ip_address(number.partition("%")[0])
    inner: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [read]
    if isinstance(read, ipaddress.IPv6Address):
        inner += [one for one in (read.ipv4_mapped, read.sixtofour) if one is not None]
        inner += [*(read.teredo or ())]
        if read in _NAT64:
            inner = [ipaddress.IPv4Address(int(read) & 0xFFFFFFFF)]
    if loopback and read.is_loopback:
        return True
    return all(
        one.is_global and not one.is_multicast and not one.is_reserved and one not in _SITE for one in inner
    )


_SITE = ipaddress.ip_network("fec0::/10")
"""Of one network alone (RFC 3879): old, still routed here and there, and global in the eyes of Python."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def _look_up(host: str, port: int, ends: float) -> list[str]:
    """The numbers of a name. The system's resolver knows no deadline: it is left alone when it is slow."""
    found: queue.SimpleQueue[list[str]] = queue.SimpleQueue()

    def ask() -> None:
        try:
            lines = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError:
            lines = []
        found.put([str(line[4][0]) for line in lines])

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    try:
        numbers = found.get(timeout=_left(ends))
    except queue.Empty:
        raise NotFetched("the name could not be looked up in time") from None
    if not numbers:
        raise NotFetched("the name is unknown")
    return numbers


def _left(ends: float) -> float:
    left = ends - _CLOCK.monotonic()
    if left <= 0:
        raise NotFetched(_LATE)
    return left
