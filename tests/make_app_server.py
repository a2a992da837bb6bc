"""An app as real ones are: a server of its own on another site, that signs pupils in with us and remembers what came.

It lives at 127.0.0.1 while we are at localhost: to a browser that is another site, so cookies behave as in real life.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import requests

VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PATIENCE = 120


class AppServer:
    """`issuer`, `client_id` and `secret` are set before anybody comes."""

    def __init__(self) -> None:
        self.issuer = self.client_id = self.secret = self.address = ""
        self.wishes: dict[str, str] = {}
        """What its requests say beside the everyday."""
        self.pushes = False
        self.arrivals: list[tuple[str, dict[str, str]]] = []
        """Method and parameters of everything that came back from us."""
        self.refused: list[str] = []
        """What it was refused: in an answer, or for its code."""
        self.open = threading.Event()
        self.open.set()
        """Cleared: whoever comes back waits at the door."""
        self.came = threading.Event()
        self.pupils: dict[str, dict[str, Any]] = {}

    @property
    def redirect_uri(self) -> str:
        return f"{self.address}/cb"

    def asked(self) -> str:
        """Where a new sign-in begins."""
        words = {"client_id": self.client_id, "redirect_uri": self.redirect_uri, "response_type": "code"}
        words |= {"scope": "openid profile", "state": "s", "nonce": "n", "code_challenge": CHALLENGE}
        words |= {"code_challenge_method": "S256"} | self.wishes
        if self.pushes:
            answer = requests.post(
                f"{self.issuer}/par", words, auth=(self.client_id, self.secret), timeout=60
            )
            words = {"client_id": self.client_id, "request_uri": answer.json()["request_uri"]}
        return f"{self.issuer}/authorize?{urlencode(words)}"

    def back(self, method: str, given: dict[str, str]) -> tuple[int, str]:
        """Somebody comes back from us: the pupil's name, or what went wrong."""
        self.arrivals.append((method, given))
        self.came.set()
        assert self.open.wait(PATIENCE)
        error = given.get("error")
        if error is None:
            form = {"grant_type": "authorization_code", "code": given.get("code", "")}
            form |= {"redirect_uri": self.redirect_uri, "code_verifier": VERIFIER}
            auth = (self.client_id, self.secret)
            told = requests.post(f"{self.issuer}/token", form, auth=auth, timeout=60).json()
            error = told.get("error")
        if error is not None:
            self.refused.append(error)
            return 200, f'<h1>Niet gelukt: {escape(error)}</h1><a href="/start">Probeer opnieuw</a>'
        bearer = {"Authorization": f"Bearer {told['access_token']}"}
        info = requests.get(f"{self.issuer}/userinfo", headers=bearer, timeout=60).json()
        key = f"p{len(self.pupils)}"
        self.pupils[key] = info
        return 303, f"/ik?{key}"


@contextmanager
def app_server() -> Iterator[AppServer]:
    """A running app that knows nobody yet."""
    app = AppServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            match path:
                case "/":
                    self.say(200, '<h1>Rekenbuur</h1><a href="/start">Meld je aan</a>')
                case "/start":
                    self.say(303, app.asked())
                case "/cb":
                    self.say(*app.back("GET", dict(parse_qsl(query))))
                case "/ik":
                    name = escape(app.pupils[query]["given_name"])
                    self.say(
                        200, f'<h1>Dag {name}!</h1><a href="/weg">Afmelden</a> <a href="/start">Nog eens</a>'
                    )
                case "/weg":
                    words = {"client_id": app.client_id, "post_logout_redirect_uri": f"{app.address}/"}
                    self.say(303, f"{app.issuer}/end_session?{urlencode(words)}")
                case _:
                    self.say(404, "")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            self.say(*app.back("POST", dict(parse_qsl(body))))

        def say(self, status: int, what: str) -> None:
            body = b"" if status == 303 else f"<!doctype html><title>app</title>{what}".encode()
            self.send_response(status)
            if status == 303:
                self.send_header("Location", what)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A browser that left while it waited is no mistake of ours."""

    server = Quiet(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    app.address = f"http://127.0.0.1:{server.server_port}"
    assert urlsplit(app.address).hostname == "127.0.0.1"
    try:
        yield app
    finally:
        app.open.set()
        server.shutdown()
        server.server_close()
        thread.join()
