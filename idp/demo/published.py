"""What may a script know of the sandbox? Everything: secrets derive from a seed that lies beside the keys.

`idp sandbox --json` prints it. It works in a demo, on this machine, and nowhere else.
"""

from __future__ import annotations

from typing import Any

import pyotp
from sqlalchemy import select

from idp import apps as registered
from idp import entropy
from idp.admin.sandbox.sandbox_people import PUPILS, Invented
from idp.claims import disclose
from idp.config import ConfigurationError
from idp.context import House
from idp.demo.people import OPERATORS, STAFF, SUPPLIERS, Staff
from idp.login import accounts, cards, sandbox_secrets, staff_factors
from idp.login.staff_sessions import SIGN_IN
from idp.models import Account, AppPupil, Grant, SecretKind

CLIENT_IDS = ("demo-rekenrijk", "demo-leesland", "sandbox-native")


def describe(house: House) -> dict[str, Any]:
    """What scripts may know: `issuer`, `pupils`, `staff`, `operators`, `suppliers`, `apps`, all with their secrets."""
    if not house.settings.demo:
        raise ConfigurationError(["there is no sandbox here: it belongs to a demo (`idp demo`)"])
    with house.database.reading() as db:
        by_id = {app.client_id: app for app in registered.load_all(db)}
        own = set(db.execute(select(Account.username).where(Account.secret_kind == SecretKind.OWN)).scalars())
    return {
        "issuer": house.settings.issuer,
        "pupils": [_described(house, one, changed=one.username in own) for one in PUPILS],
        "staff": [_person(house, one) for one in STAFF],
        "operators": [_person(house, one) for one in OPERATORS],
        "suppliers": [_person(house, one) for one in SUPPLIERS],
        "staff_url": f"{house.settings.issuer}{SIGN_IN}",
        "apps": [
            {
                "client_id": app.client_id,
                "client_secret": None if app.public else app_secret(house, app.client_id),
                "client_name": app.client_name,
                "redirect_uris": list(app.redirect_uris),
                "post_logout_redirect_uris": list(app.post_logout_redirect_uris),
                "client_uri": app.client_uri,
                "scope": " ".join(sorted(app.scopes)),
            }
            for app in (by_id.get(name) for name in CLIENT_IDS)
            if app is not None
        ],
    }


def staff_now(house: House) -> list[dict[str, Any]]:
    """Everybody of the staff, with the code that their app would show at this moment."""
    now = house.clock.now()
    people = [_person(house, one) for one in (*STAFF, *OPERATORS, *SUPPLIERS)]
    return [one | {"code": pyotp.TOTP(one["totp_secret"]).at(now)} for one in people]


def why(house: House, client_id: str, sub: str) -> list[tuple[str, str]]:
    """For the demo apps' own page: every claim with `released` or the gate that is closed, for their last sign-in."""
    with house.database.reading() as db:
        found = db.execute(
            select(Grant.account_uuid, Grant.instellingsnummer)
            .join(AppPupil, AppPupil.account_uuid == Grant.account_uuid)
            .where(AppPupil.client_id == client_id, AppPupil.sub == sub, Grant.client_id == client_id)
            .order_by(Grant.created_at.desc())
            .limit(1)
        ).first()
        app = registered.load(db, client_id)
        if found is None or app is None:
            return []
        shown = disclose.preview(
            db,
            keys=house.keys,
            app=app,
            account_uuid=found.account_uuid,
            instellingsnummer=found.instellingsnummer,
            today=house.clock.today(),
        )
    return [(answer.claim, str(answer.word)) for answer in shown.answers]


# ---------------------------------------------------------------- secrets from the seed


def chance(house: House, *words: str) -> entropy.Chance:
    return sandbox_secrets.chance(house.keys, *words)


def secret(house: House, one: Invented) -> str:
    return sandbox_secrets.secret(house.keys, one.username, one.kind)


def staff_password(house: House, one: Staff) -> str:
    drawn = chance(house, "staff password", one.person_id)
    return "-".join(accounts.new_secret(SecretKind.TEMPORARY, drawn) for _ in range(2))


def totp_secret(house: House, one: Staff) -> str:
    """What an authenticator app needs; pyotp.TOTP(secret).now() is the code."""
    return staff_factors.new_totp_secret(chance(house, "staff app", one.person_id))


def card_token(house: House, one: Invented) -> str:
    return cards.new_token(chance(house, "card", one.username))


def app_secret(house: House, client_id: str) -> str:
    return f"sandbox-{chance(house, 'app', client_id).token_bytes(24).hex()}"


# ---------------------------------------------------------------- for scripts


def _described(house: House, one: Invented, *, changed: bool) -> dict[str, Any]:
    kind = {SecretKind.OWN: "advanced"}.get(one.kind, one.kind.value)
    note = one.note
    if one.kind is SecretKind.TEMPORARY and changed:
        note += " (done: start the demo again to put it back)"
    return {
        "username": one.username,
        "kind": kind,
        "secret": secret(house, one),
        "school": one.school,
        "also_at": one.also_at,
        "card_url": f"{house.settings.issuer}/k/{card_token(house, one)}",
        "personal_url": f"{house.settings.my_url}/{one.username}",
        "note": note,
    }


def _person(house: House, one: Staff) -> dict[str, Any]:
    rights = [{"right": word, "school": school or None} for word, school in one.rights]
    return {
        "person_id": one.person_id,
        "username": one.person_id,
        "password": staff_password(house, one),
        "totp_secret": totp_secret(house, one),
        "name": f"{one.voornaam} {one.naam}",
        "rights": rights,
        "school": one.rights[0][1] or None,
    }
