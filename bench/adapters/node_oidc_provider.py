"""npm oidc-provider (panva), the fast peer to stand beside. Variants: memory, sqlite, sqlite-es256, pg, pg-es256.

The last two start a PostgreSQL of their own as ours do: the same settings, the server's core, its CPU counted.
"""

import contextlib

from opbench import postgres
from opbench.provider import BENCH, SCRATCH, Provider

DIR = BENCH / "peers" / "node-oidc-provider"


class NodeOP(Provider):
    name = "node oidc-provider (memory, RS256)"
    issuer = "http://127.0.0.1:9101"
    start = ["node", str(DIR / "server.mjs")]
    cwd = str(DIR)
    env = {"NODE_ENV": "production", "PORT": "9101", "STORE": "memory"}
    warmup = 3.0


class Sqlite(NodeOP):
    name = "node oidc-provider (SQLite, RS256)"
    env = {**NodeOP.env, "STORE": "sqlite", "DB": str(SCRATCH / "node-op.sqlite")}


class SqliteES(Sqlite):
    name = "node oidc-provider (SQLite, ES256)"
    env = {**Sqlite.env, "ALG": "ES256"}


class Postgres(NodeOP):
    name = "node oidc-provider (PostgreSQL, RS256)"
    env = {**NodeOP.env, "STORE": "postgres", "PGUSER": "idp", "PGDATABASE": "postgres"}

    @contextlib.contextmanager
    def beside(self, core):
        folder = SCRATCH / "postgres-node"
        with postgres.running(folder, core) as (_, pid_file):
            self.env = self.env | {"PGHOST": str(folder)}
            self.extra_pidfiles = (pid_file,)
            yield


class PostgresES(Postgres):
    name = "node oidc-provider (PostgreSQL, ES256)"
    env = {**Postgres.env, "ALG": "ES256"}


PROVIDERS = {
    "memory": NodeOP(),
    "sqlite": Sqlite(),
    "sqlite-es256": SqliteES(),
    "pg": Postgres(),
    "pg-es256": PostgresES(),
}
PROVIDER = PROVIDERS["sqlite"]
