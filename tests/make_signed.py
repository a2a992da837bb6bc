"""An app that signs: keys, request objects, and a real server of its own that gives out documents."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.apps import App
from idp.context import House
from tests import make_browser

RSA, RSA_2 = RSAKey.generate_key(2048, {"kid": "one"}), RSAKey.generate_key(2048, {"kid": "two"})
EC, ED = ECKey.generate_key("P-256", {"kid": "ec"}), OKPKey.generate_key("Ed25519", {"kid": "ed"})
ALL = ((RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA"))


class _Any(jws.JWSRegistry):
    def get_alg(self, name: str) -> Any:
        return self.algorithms[name]


def jwks(*keys: Any) -> dict[str, Any]:
    return {"keys": [key.as_dict(private=False) for key in keys or (RSA,)]}


def sign(claims: Any, key: Any = RSA, alg: str = "RS256", **header: Any) -> str:
    payload = claims if isinstance(claims, bytes) else orjson.dumps(claims)
    registry = _Any(strict_check_header=False)
    return jws.serialize_compact({"alg": alg, "kid": key.kid} | header, payload, key, registry=registry)


def wishes(house: House, app: App, **changes: Any) -> dict[str, Any]:
    """The claims of a good request object; None takes one away."""
    now = int(house.clock.now().timestamp())
    claims = {"iss": app.client_id, "aud": house.settings.issuer, "exp": now + 300, "nbf": now}
    claims |= {"client_id": app.client_id, "redirect_uri": app.redirect_uris[0], "response_type": "code"}
    claims |= {"scope": "openid", "state": "inside", "nonce": "n-1"}
    claims |= {"code_challenge": make_browser.CHALLENGE, "code_challenge_method": "S256"} | changes
    return {name: value for name, value in claims.items() if value is not None}


class Site:
    """What stands at each path of that server, and how often it was asked for."""

    def __init__(self) -> None:
        self.documents: dict[str, tuple[str, bytes]] = {}
        self.moved: dict[str, str] = {}
        """Where a path redirects to."""
        self.asked: list[str] = []
        self.posted: queue.SimpleQueue[tuple[str, dict[str, str], bytes]] = queue.SimpleQueue()
        """Path, headers by name in lower case, and body of everything that was sent here."""
        self.address = ""

    def put(self, path: str, body: Any, kind: str = "application/json") -> str:
        self.documents[path] = (kind, body if isinstance(body, bytes) else orjson.dumps(body))
        return self.address + path


@contextmanager
def site() -> Iterator[Site]:
    """A real server on this machine."""
    here = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.asked.append(self.path)
            kind, body = here.documents.get(self.path, ("text/plain", b""))
            if target := here.moved.get(self.path):
                self.send_response(302)
                self.send_header("Location", target)
            else:
                self.send_response(200 if self.path in here.documents else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            here.posted.put((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    here.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield here
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
