"""How do the staff of the sandbox sign in? With secrets from the seed, put back at every start of the demo."""

from __future__ import annotations

from datetime import datetime

from idp.context import House
from idp.demo import published
from idp.demo.people import OPERATORS, STAFF, SUPPLIERS, Staff
from idp.login import staff_accounts
from idp.login.staff_sign_in import TOTP


def set_up(house: House, now: datetime) -> None:
    """Everyone of the staff, the operators and the maker of apps has the published password and code app."""
    for person in (*STAFF, *OPERATORS, *SUPPLIERS):
        _put_back(house, person, now)


def _put_back(house: House, person: Staff, now: datetime) -> None:
    password, secret = published.staff_password(house, person), published.totp_secret(house, person)
    with house.database.reading() as db:
        known = staff_accounts.find(db, person.person_id)
    same_password = bool(known and known.stored and house.hasher.verify(known.stored, password).right)
    same_app = bool(known and known.totp_secret and house.keys.kept(TOTP, known.totp_secret) == secret)
    stored = None if same_password else house.hasher.hash(password)
    with house.database.transaction() as db:
        staff_accounts.ensure(db, person.person_id, now)
        if stored is not None:
            staff_accounts.set_password(db, person.person_id, stored, now)
        if not same_app:
            sealed = house.keys.keep(TOTP, secret)
            staff_accounts.set_totp(db, person.person_id, sealed, step=0, now=now)
