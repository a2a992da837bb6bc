"""Canaille (Flask, Authlib, SQLAlchemy) on SQLite, under granian. Variants: rs256, es256."""

from opbench.provider import BENCH, PEERS, SCRATCH, Provider

DIR = BENCH / "peers" / "canaille"
BIN = PEERS / "canaille" / "bin"


class Canaille(Provider):
    issuer = "http://127.0.0.1:9104"
    username_field = "login"  # two pages: login name, then password
    cwd = str(DIR)
    ready = str(BIN / "granian")
    start = [str(BIN / "granian"), "--interface", "wsgi", "--host", "127.0.0.1", "--port", "9104"]
    start += ["--workers", "1", "--blocking-threads", "1", "--log-level", "error", "wsgi:app"]

    def __init__(self, alg):
        self.name = f"Canaille (SQLite, {alg})"
        data = SCRATCH / f"canaille-{alg}"
        self.env = {"CANAILLE_CONFIG": f"{data}/canaille.toml"}
        if alg == "RS256":
            self.env["BENCH_JTI"] = "1"  # see peers/canaille/wsgi.py
        self.reset = [str(BIN / "python"), str(DIR / "bootstrap.py"), str(data), "9104", alg]


PROVIDERS = {"rs256": Canaille("RS256"), "es256": Canaille("ES256")}
PROVIDER = PROVIDERS["rs256"]
