#!/usr/bin/env python3
"""Create DATA/canaille.toml and DATA/canaille.db (SQLite). Run with the peer's Python.

usage: bootstrap.py DATA PORT RS256|ES256
"""

import os
import sqlite3
import sys
from pathlib import Path

from joserfc.jwk import ECKey, RSAKey

DATA, PORT, ALG = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
DATA.mkdir(parents=True, exist_ok=True)
for f in DATA.glob("*.db*"):
    f.unlink()
rsa = RSAKey.generate_key(2048, auto_kid=True).as_dict(private=True)
ec = ECKey.generate_key("P-256", auto_kid=True).as_dict(private=True)


def toml(d):
    return "{ " + ", ".join(f'{k} = "{v}"' for k, v in d.items()) + " }"


cfg = DATA / "canaille.toml"
cfg.write_text(f"""
SECRET_KEY = "only-for-the-benchmark-0123456789abcdef0123456789abcdef"
SERVER_NAME = "127.0.0.1:{PORT}"
PREFERRED_URL_SCHEME = "http"

[CANAILLE]
DATABASE = "sql"
JAVASCRIPT = false
HTMX = false
SMTP = {{ }}

[CANAILLE.LOGGING]
version = 1
disable_existing_loggers = false
[CANAILLE.LOGGING.handlers.null]
class = "logging.NullHandler"
[CANAILLE.LOGGING.root]
level = "WARNING"
handlers = ["null"]

[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{DATA}/canaille.db"

[CANAILLE_OIDC]
ACTIVE_JWKS = [{toml(rsa)}, {toml(ec)}]
""")
os.environ["CANAILLE_CONFIG"] = str(cfg)
import canaille  # noqa: E402
from canaille.app import models  # noqa: E402
from canaille.backends import Backend  # noqa: E402

app = canaille.create_app(init_backend=True)
with app.app_context(), Backend.instance.session():
    for u in os.environ.get("USERS", "alice:Correct-Horse-42").split(","):
        name, password = u.split(":")
        Backend.instance.save(
            models.User(
                user_name=name,
                password=password,
                formatted_name="Alice Example",
                given_name="Alice",
                family_name="Example",
                display_name=name,
                emails=[f"{name}@example.org"],
            )
        )
    client = models.Client(
        client_id="bench",
        client_name="Bench",
        client_uri="http://127.0.0.1:8999",  # trusted: no consent page
        client_secret="bench-secret-0123456789abcdef0123456789",
        redirect_uris=["http://127.0.0.1:8999/cb"],
        response_types=["code"],
        grant_types=["authorization_code", "refresh_token", "client_credentials"],
        token_endpoint_auth_method="client_secret_basic",
        scope=["openid", "profile", "email", "offline_access"],
        id_token_signed_response_alg=ALG,
    )
    Backend.instance.save(client)
    client.audience = [client]
    Backend.instance.save(client)
con = sqlite3.connect(DATA / "canaille.db")
con.execute("PRAGMA journal_mode=WAL")
con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
con.close()
print("built", DATA / "canaille.db")
