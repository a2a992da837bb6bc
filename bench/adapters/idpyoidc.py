"""idpyoidc (the library of SURF and others) in a small Flask application, in-memory sessions. Variants: rs256, es256."""

from opbench.provider import BENCH, PEERS, Provider

DIR = BENCH / "peers" / "idpyoidc"
BIN = PEERS / "idpyoidc" / "bin"


class Idpy(Provider):
    issuer = "http://127.0.0.1:9105"
    skip = ("W3",)  # client_credentials fails from the second request on (5.0.0)
    cwd = str(DIR)
    authorize_extra = {"prompt": "consent"}  # the library demands it for offline_access
    ready = str(BIN / "granian")
    start = [str(BIN / "granian"), "--interface", "wsgi", "--host", "127.0.0.1", "--port", "9105"]
    start += ["--workers", "1", "--blocking-threads", "1", "--log-level", "error", "op:app"]

    def __init__(self, alg):
        self.name, self.env = f"idpyoidc (memory, {alg})", {"PORT": "9105", "ALG": alg}


PROVIDERS = {"rs256": Idpy("RS256"), "es256": Idpy("ES256")}
PROVIDER = PROVIDERS["rs256"]
