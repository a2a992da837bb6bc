"""Our own provider as `idp serve` runs it, one worker, on SQLite (default) or PostgreSQL (BENCH_DATABASE_URL).

Variants: sqlite, sqlite-es256. `prepare.py` makes the sandbox and the app with our own commands' code.
"""

import json
import os
import sys
from pathlib import Path

from opbench.provider import BENCH, SCRATCH, Provider

IDP = str(Path(sys.executable).parent / "idp")


class Leersleutel(Provider):
    name = "leersleutel (SQLite)"
    port, alg = 9100, "RS256"
    scope = "openid profile ov_leerling ov_inschrijving ov_klas offline_access"
    ready_timeout = 60
    cc_scope = None

    def __init__(self):
        self.issuer = f"http://localhost:{self.port}"
        self.data = SCRATCH / f"ours-{self.port}"
        self.reset = [sys.executable, str(BENCH / "prepare.py"), str(self.data), str(self.port), self.alg]
        self.start = [IDP, "serve", "--data", str(self.data), "--workers", "1"]
        self.env = {"IDP_LOG_LEVEL": "WARNING", "IDP_DATABASE_URL": os.environ.get("BENCH_DATABASE_URL", "")}
        self.env = {name: value for name, value in self.env.items() if value}

    @property
    def users(self):
        return [tuple(user) for user in json.loads((self.data / "bench.json").read_text())]


class ES256(Leersleutel):
    name = "leersleutel (SQLite, ES256)"
    port, alg = 9102, "ES256"


PROVIDERS = {"sqlite": Leersleutel(), "sqlite-es256": ES256()}
PROVIDER = PROVIDERS["sqlite"]
