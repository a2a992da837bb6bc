"""We call what apps registered, and never anything inside a network."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from idp import fetching


class Site(BaseHTTPRequestHandler):
    """/redirect, /large, /slow, /drip, and an echo for the rest."""

    def do_GET(self) -> None:
        match self.path:
            case "/redirect":
                self.send_response(302)
                self.send_header("Location", "http://169.254.169.254/latest")
                self.end_headers()
            case "/large":
                self.answer(b"x" * 200_000)
            case "/drip":
                for byte in b"HTTP/1.1 200 OK\r\nX-Long: " + b"y" * 100:
                    try:
                        self.wfile.write(bytes([byte]))
                    except OSError:
                        return
                    time.sleep(0.2)
            case "/slow":
                self.server.over.wait(30)
                self.answer(b"late")
            case _:
                self.answer(self.path.encode())

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, body: bytes) -> None:
        try:
            self.send_response(200)
            self.send_header("X-Host", self.headers["Host"])
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads, server.over = False, threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.over.set()
    server.shutdown()
    server.server_close()
    thread.join()


def because(uri, **words):
    with pytest.raises(fetching.NotFetched) as refused:
        fetching.get(uri, **({"loopback": False} | words))
    return refused.value.because


def test_a_document_is_read_and_a_form_is_sent(site):
    got = fetching.get(f"{site}/keys?a=%20b", loopback=True)
    assert (got.status, got.body) == (200, b"/keys?a=%20b")
    assert got.headers["x-host"] == site.removeprefix("http://")
    assert fetching.post(f"{site}/", {"logout_token": "a b"}, loopback=True).body == b"logout_token=a+b"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fc00::1]",
        "[fec0::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[::7f00:1]",
        "localhost",
    ],
)
@pytest.mark.parametrize("loopback", [False, True])
def test_SSRF_01_an_address_inside_a_network_is_never_called(host, loopback):
    if loopback and host in {"127.0.0.1", "[::1]", "localhost"}:
        return
    assert "inside a network" in because(f"https://{host}/jwks", loopback=loopback)


def test_SSRF_01_a_name_with_one_private_number_is_not_called(monkeypatch):
    def two(*_args, **_words):
        return [(socket.AF_INET, 1, 6, "", (number, 443)) for number in ("8.8.8.8", "10.0.0.1")]

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert "inside a network" in because("https://app.example/jwks")


def test_SSRF_01_a_name_of_this_machine_that_is_not_its_own_is_not_called_in_a_demo_either(monkeypatch):
    def here(*_args, **_words):
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", here)
    assert "inside a network" in because("https://app.example/jwks", loopback=True)


def test_a_name_is_looked_up_once_and_the_connection_goes_to_that_number(monkeypatch, site):
    looked, called = [], []

    def public(host, *_args, **_words):
        looked.append(host)
        return [(socket.AF_INET, 1, 6, "", ("8.8.8.8", 443))]

    def refuse(address, **_words):
        called.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", public)
    monkeypatch.setattr(socket, "create_connection", refuse)
    assert because("https://app.example/jwks") == "no answer (ConnectionRefusedError)"
    assert (looked, called) == (["app.example"], [("8.8.8.8", 443)])


def test_a_number_that_does_not_answer_leads_to_the_next_one_of_the_name(monkeypatch, site):
    """A machine without IPv6 and an app that has both."""

    real = socket.getaddrinfo

    def both(host, port, *args, **words):
        numbers = ("::1", "127.0.0.1") if host == "localhost" else (host,)
        return [line for number in numbers for line in real(number, port, *args, **words)]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    here = site.replace("127.0.0.1", "localhost")
    assert fetching.get(f"{here}/good", loopback=True).status == 200


def test_SSRF_03_a_redirect_is_an_answer_and_not_followed(site):
    got = fetching.get(f"{site}/redirect", loopback=True)
    assert (got.status, got.headers["location"]) == (302, "http://169.254.169.254/latest")


@pytest.mark.parametrize(
    "uri", ["http://app.example/", "ftp://app.example/", "file:///etc/passwd", "//x", ""]
)
def test_only_https_is_called(uri):
    assert because(uri).startswith("the address ")


def test_a_large_answer_is_refused(site):
    assert "larger" in because(f"{site}/large", loopback=True)


@pytest.mark.parametrize("path", ["slow", "drip"])
def test_a_slow_answer_is_not_waited_for(site, path):
    began = time.monotonic()
    assert because(f"{site}/{path}", loopback=True, seconds=0.5) == "no answer in time"
    assert time.monotonic() - began < 15, "long before it would have come"


def test_nobody_there_is_no_answer():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert because(f"http://127.0.0.1:{port}/", loopback=True) == "no answer (ConnectionRefusedError)"


def test_TLS_must_prove_the_name(site):
    assert because(site.replace("http", "https"), loopback=True).startswith("no good TLS")
