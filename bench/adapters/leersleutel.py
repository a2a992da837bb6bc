"""Our own provider as `idp serve` runs it, one worker. `prepare.py` makes the sandbox and the app with our own code.

Variants: sqlite, sqlite-es256, pg, pg-es256; with -klas behind it the app also asks klasinformatie, of which peers know
nothing. Those with pg start a PostgreSQL of their own, on the server's core, and its CPU is counted too.
"""

import contextlib
import json
import sys
from pathlib import Path

from opbench import postgres
from opbench.provider import BENCH, SCRATCH, Provider

KLASINFORMATIE = "ov_leerling ov_inschrijving ov_klas "
IDP = str(Path(sys.executable).parent / "idp")


class Leersleutel(Provider):
    ready_timeout = 60
    cc_scope = None

    def __init__(self, port, alg, *, pg=False, klas=False):
        self.name = (
            f"leersleutel ({'PostgreSQL' if pg else 'SQLite'}, {alg}{', klasinformatie' if klas else ''})"
        )
        self.scope = f"openid profile {KLASINFORMATIE if klas else ''}offline_access"
        self.port, self.alg, self.pg = port, alg, pg
        self.issuer = f"http://localhost:{self.port}"
        self.data = SCRATCH / f"ours-{self.port}"
        self.reset = [sys.executable, str(BENCH / "prepare.py"), str(self.data), str(self.port), self.alg]
        self.start = [IDP, "serve", "--data", str(self.data), "--workers", "1"]
        self.env = {"IDP_LOG_LEVEL": "WARNING"}

    @contextlib.contextmanager
    def beside(self, core):
        if not self.pg:
            yield
            return
        with postgres.running(SCRATCH / f"postgres-{self.port}", core) as (url, pid_file):
            self.env = self.env | {"IDP_DATABASE_URL": url}
            self.extra_pidfiles = (pid_file,)
            yield

    @property
    def users(self):
        return [tuple(user) for user in json.loads((self.data / "bench.json").read_text())]


PROVIDERS = {
    "sqlite": Leersleutel(9100, "RS256"),
    "sqlite-es256": Leersleutel(9102, "ES256"),
    "sqlite-klas": Leersleutel(9104, "RS256", klas=True),
    "pg": Leersleutel(9110, "RS256", pg=True),
    "pg-es256": Leersleutel(9112, "ES256", pg=True),
    "pg-klas": Leersleutel(9114, "RS256", pg=True, klas=True),
}
PROVIDER = PROVIDERS["sqlite"]
