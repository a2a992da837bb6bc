"""Make the folder that adapters/leersleutel.py serves: what a demo has, the bench's app, and pupils with passwords of their own.

It is served as an installation is: without the clock of a demo, which looks at a file for every request.

prepare.py FOLDER PORT ALG
"""

import json
import shutil
import sys
from pathlib import Path

from opbench.provider import Provider

from idp import apps as registered
from idp import audit, config, context
from idp.admin.apps import apps
from idp.admin.sandbox import sandbox_making
from idp.demo import demo, published, sandbox

USERS = 8


def main(folder: Path, port: int, alg: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    settings = demo.prepare(folder, port)
    house = context.open_house(settings)
    with audit.circumstances(
        audit.Circumstances(now=house.clock.now(), actor="operator:bench", source="cli")
    ):
        sandbox.load(house, apps_at=f"http://localhost:{port + 1}")
        apps.import_apps(house, [app(alg)], now=house.clock.now())
        users = [
            p for p in published.describe(house)["pupils"] if p["kind"] != "temporary" and not p["also_at"]
        ]
        now, today = house.clock.now(), house.clock.today()
        with house.database.transaction() as db:
            sandbox_making.show(db, registered.load(db, Provider.client_id), now, today)
    house.database.close()
    names = [[pupil["username"], pupil["secret"]] for pupil in users if pupil["school"] == users[0]["school"]]
    (folder / config.FILE).write_text(f'issuer = "{settings.issuer}"\nport = {port}\n')
    (folder / "bench.json").write_text(json.dumps((names * USERS)[:USERS]))


def app(alg: str) -> dict[str, object]:
    return {
        "client_id": Provider.client_id,
        "client_secret": Provider.client_secret,
        "client_name": "Bench",
        "redirect_uris": [Provider.redirect_uri],
        "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        "scope": "openid profile ov_leerling ov_inschrijving ov_klas offline_access",
        "token_endpoint_auth_method": "client_secret_basic",
        "id_token_signed_response_alg": alg,
        "purpose": "measuring",
        "legal_ground": "none: invented pupils",
        "supplier_protocol": "none: invented pupils",
        "supplier_protocol_signed": "2024-09-01",
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
