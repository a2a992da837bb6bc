"""What becomes of a request that a proxy took in over plain http? Nothing is done with it: it goes to https, or is refused.

Only a proxy of ours can know (X-Forwarded-Proto, once ProxyFix has read it); when it says nothing, nothing is assumed.
What came in clear may have been read by others, so a request that changes something or carries credentials is not
led on as if nothing had happened: whoever sent it must see that it is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import quote

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]

REFUSAL = b'{"error":"invalid_request","error_description":"Use https."}'


def kept_out(inner: Wsgi, issuer: str) -> Wsgi:
    """A WSGI application that hands `inner` only what came over https, when our own address is https."""
    if not issuer.startswith("https://"):
        return inner

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ.get("wsgi.url_scheme") != "http" or "HTTP_X_FORWARDED_PROTO" not in environ:
            return inner(environ, start_response)
        if environ.get("REQUEST_METHOD") in {"GET", "HEAD"} and "HTTP_AUTHORIZATION" not in environ:
            start_response("308 Permanent Redirect", [*_PLAIN, ("Location", f"{issuer}{_target(environ)}")])
            return [b""]
        start_response("403 Forbidden", [*_PLAIN, ("Content-Type", "application/json")])
        return [REFUSAL]

    return answer


_PLAIN = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
_OF_A_PATH = "/:@!$&'()*+,;=-._~"


def _target(environ: dict[str, Any]) -> str:
    """Path and query as they came, in characters of an address only."""
    path = quote(environ.get("PATH_INFO", "").encode("latin-1"), safe=_OF_A_PATH)
    query = quote(environ.get("QUERY_STRING", "").encode("latin-1"), safe=f"{_OF_A_PATH}%?")
    return f"/{path.lstrip('/')}" + (f"?{query}" if query else "")
