"""What does granian hand to our WSGI application when somebody calls it? The same environ, without a socket."""

import base64
import hashlib
import io
import sys
from urllib.parse import quote, urlencode

from opbench.provider import Provider

PORT = 9100
VERIFIER = "v" * 64
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
"""Of PKCE."""
_PAIR = f"{quote(Provider.client_id)}:{quote(Provider.client_secret)}"
BASIC = f"Basic {base64.b64encode(_PAIR.encode()).decode()}"
"""How the app of the benches proves itself (client_secret_basic)."""


def environ(method, target, *, accept, form=None, authorization=None, **more):
    """A request as a WSGI environ. `form`: pairs, sent as urlencoded body; `more`: further keys, as they are."""
    path, _, query = target.partition("?")
    body = urlencode(form).encode() if form else b""
    made = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": str(PORT),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": f"localhost:{PORT}",
        "HTTP_ACCEPT": accept,
        "HTTP_USER_AGENT": "opbench",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
    }
    if form:
        made |= {"CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body))}
    if authorization:
        made["HTTP_AUTHORIZATION"] = authorization
    return made | more
