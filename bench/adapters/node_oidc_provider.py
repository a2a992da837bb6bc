"""npm oidc-provider (panva), the fast peer to stand beside. Variants: memory, sqlite, sqlite-es256."""

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


PROVIDERS = {"memory": NodeOP(), "sqlite": Sqlite(), "sqlite-es256": SqliteES()}
PROVIDER = PROVIDERS["sqlite"]
