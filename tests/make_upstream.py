"""An upstream provider on this machine that says whatever a test wants it to say, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "leersleutel", "a-secret-of-the-provider"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "two", "use": "sig", "alg": "RS256"})


@dataclass
class Provider:
    """What it says; a test may change all of it."""

    issuer: str = ""
    discovery: dict[str, Any] = field(default_factory=dict)
    """Over what it would say of itself."""
    keys: list[Any] = field(default_factory=lambda: [KEY])
    claims: dict[str, Any] = field(default_factory=dict)
    """Over the claims of a good ID token; None leaves one out."""
    sign_with: Any = field(default_factory=lambda: KEY)
    alg: str = "RS256"
    token: Any = None
    """Instead of an ID token of ours."""
    status: int = 200
    asked: dict[str, str] = field(default_factory=dict)
    """The authorization request that it saw last."""
    forms: list[dict[str, str]] = field(default_factory=list)
    basic: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    now: Any = None

    def ask(self, url: str) -> str:
        """The browser arrives with this address; the code that it would be given."""
        self.asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        return "code-1"

    def document(self) -> dict[str, Any]:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
        }
        return said | self.discovery

    def id_token(self) -> Any:
        if self.token is not None:
            return self.token
        at = int(self.now().timestamp())
        said = {"iss": self.issuer, "aud": CLIENT, "sub": "ann", "iat": at, "exp": at + 300}
        said |= {"nonce": self.asked.get("nonce"), "auth_time": at} | self.claims
        said = {name: value for name, value in said.items() if value is not None}
        header = {"alg": self.alg, "kid": self.sign_with.get("kid")}
        return jwt.encode(header, said, self.sign_with, algorithms=[self.alg])

    def answer(self, form: dict[str, str], authorization: str) -> tuple[int, Any]:
        self.forms.append(form)
        self.basic.append(base64.b64decode(authorization.removeprefix("Basic ")).decode("latin1"))
        hashed = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(hashed).decode().rstrip("=") != self.asked.get("code_challenge"):
            return 400, {"error": "invalid_grant"}
        if self.status != 200:
            return self.status, {"error": "invalid_client"}
        return 200, {"access_token": "x", "token_type": "Bearer", "id_token": self.id_token()}


@contextmanager
def provider(now: Any) -> Iterator[Provider]:
    """Running until the block ends; `now()` says what time it is there."""
    said = Provider(now=now)

    class Site(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

        def do_GET(self) -> None:
            said.reads.append(self.path)
            if self.path.endswith("/.well-known/openid-configuration"):
                self._say(200, said.document())
            else:
                self._say(200, {"keys": [key.as_dict(private=False) for key in said.keys]})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._say(*said.answer(form, self.headers.get("Authorization", "")))

        def _say(self, status: int, value: Any) -> None:
            body = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    said.issuer = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield said
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
