"""Factories for signing in: a pupil with a secret that is known, and tries from browsers."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Connection, insert, select

from idp import entropy
from idp.context import House
from idp.login import accounts, browsers, sign_in
from idp.models import Account, AccountType, SecretKind
from tests import make

KAT = "kat appel trein kasteel"
BROWSER = browsers.Browser(id="a-browser", fresh=True)


def pupil(
    house: House,
    username: str = "noor.peeters",
    secret: str = KAT,
    kind: SecretKind = SecretKind.PICTURE,
    *,
    db: Connection | None = None,
    **columns: Any,
) -> str:
    """A pupil who is enrolled today and can sign in with this secret; returns the account_uuid."""
    stored = house.hasher.hash(secret)
    if db is not None:
        return _pupil(db, username, kind, stored.hash, stored.pepper_id, columns)
    with house.database.transaction() as own:
        return _pupil(own, username, kind, stored.hash, stored.pepper_id, columns)


def _pupil(
    db: Connection, username: str, kind: SecretKind, hash_: str, pepper_id: str, columns: dict[str, Any]
) -> str:
    who = make.pupil(db)
    if columns.pop("enrolled", True):
        make.enrolment(db, who, make.school(db), voornaam="Noor", naam="Peeters")
    basic = kind in {SecretKind.PICTURE, SecretKind.BASIC}
    row = {
        "account_uuid": who,
        "username": username,
        "type": AccountType.BASIC if basic else AccountType.ADVANCED,
        "secret_kind": kind,
        "secret_hash": hash_,
        "pepper_id": pepper_id,
        "secret_set_at": make.NOW,
        "created_at": make.NOW,
    }
    db.execute(insert(Account), row | columns)
    return who


def named(db: Connection, username: str, today: date) -> accounts.Account:
    """Whose user name this is."""
    return accounts.find(
        db, db.execute(select(Account.account_uuid).where(Account.username == username)).scalar_one(), today
    )


def attempt(username: str = "noor.peeters", secret: str = KAT, **given: Any) -> sign_in.Attempt:
    """A try from a browser we never met, in a school."""
    words = {"browser": BROWSER, "address": "192.0.2.7"} | given
    return sign_in.Attempt(username=username, secret=secret, **words)


def known_browser(account_uuid: str, house: House) -> browsers.Browser:
    """A browser on which this pupil signed in before (C2)."""
    fresh = browsers.Browser(id=entropy.url_safe(8))
    return browsers.after_meeting(fresh, account_uuid, house.clock.now())
