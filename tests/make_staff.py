"""Factories for staff: a person with a password and a code app that are known, and a browser that signs in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pyotp
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from idp import entropy
from idp.admin.makers import suppliers
from idp.context import House
from idp.login import staff_accounts, staff_factors, staff_sessions
from idp.login.staff_sign_in import TOTP
from idp.models import Right, RightKind
from tests import make
from tests.make_browser import fill_in

PASSWORD = "vier lange woorden samen"
WRONG = ("000000", "123456")
"""Codes that no app of these people shows while a test runs."""


@dataclass(frozen=True, kw_only=True)
class Staff:
    person_id: str
    school: str
    password: str = PASSWORD
    secret: str = field(repr=False, default="")

    def code(self, house: House) -> str:
        """What the app shows at this moment."""
        return pyotp.TOTP(self.secret).at(house.clock.now())

    def around(self, house: House) -> set[str]:
        """What it shows now, showed just before and will show next."""
        return {pyotp.TOTP(self.secret).at(house.clock.now(), counter_offset=step) for step in (-1, 0, 1)}


def staff(
    house: House,
    *kinds: RightKind,
    school: str | None = None,
    person_id: str | None = None,
    app: bool = True,
    **columns: Any,
) -> Staff:
    """A person with these rights (LeerID-beheerder when none is named) who can sign in."""
    stored = house.hasher.hash(PASSWORD)
    now = house.clock.now()
    secret = _secret(now)
    with house.database.transaction() as db:
        here = school or make.school(db)
        person = make.person(db, person_id, **columns)
        for kind in kinds or (RightKind.BEHEERDER,):
            make.right(db, person, None if kind is RightKind.OPERATOR else here, kind=kind)
        staff_accounts.ensure(db, person, now)
        staff_accounts.set_password(db, person, stored, now)
        if app:
            staff_accounts.set_totp(db, person, house.keys.keep(TOTP, secret), step=0, now=now)
    return Staff(person_id=person, school=here, secret=secret)


def _secret(now: datetime) -> str:
    """Of a code app that shows nothing twice in these ten minutes, and none of the codes that tests type as wrong ones."""
    while True:
        secret = staff_factors.new_totp_secret(entropy.Chance())
        codes = [pyotp.TOTP(secret).at(now, counter_offset=step) for step in range(-4, 20)]
        if len({*codes, *WRONG}) == len(codes) + len(WRONG):
            return secret


def supplier(house: House, supplier_id: str) -> Staff:
    """A person who looks after the apps of this supplier, which is made known when it is not."""
    made = staff(house, RightKind.TEACHER)
    with house.database.transaction() as db:
        if not suppliers.exists(db, supplier_id):
            suppliers.keep(db, supplier_id, naam=supplier_id.capitalize(), now=house.clock.now())
        changed = {"kind": RightKind.SUPPLIER, "instellingsnummer": None, "supplier": supplier_id}
        db.execute(update(Right).where(Right.person_id == made.person_id).values(changed))
    return made


def sign_in(client: FlaskClient, house: House, one: Staff, **given: str) -> TestResponse:
    """By hand, as a person does; the answer to the second step (or to the first when that said no)."""
    words = {"name": one.person_id, "password": one.password} | given
    page = form(client, "/personeel/aanmelden", **words)
    if page.status_code != 303:
        return page
    return form(client, page.headers["Location"], code=one.code(house))


def form(client: FlaskClient, path: str, **fields: str) -> TestResponse:
    """Open this page, and send the form on it that has these fields."""
    return send(client, client.get(path), **fields)


def send(client: FlaskClient, page: TestResponse, **fields: str) -> TestResponse:
    """Send the form of this page that has these fields."""
    wanted = next(iter(fields), "")
    parts = [part for part in page.text.split("<form")[1:] if f'name="{wanted}"' in part]
    assert parts, f"no form with {wanted}: {page.status_code} {page.text[:500]}"
    cut = f"<form{parts[0].partition('</form>')[0]}</form>"
    return fill_in(client, _Page(cut), **fields)


class _Page:
    def __init__(self, text: str) -> None:
        self.text = text


def post(client: FlaskClient, where: str, at: str | None = None, **fields: str) -> TestResponse:
    """Send these fields to `where`, with the word of the page `at` (or of that page itself) against forged forms."""
    word = re.search(r'name="csrf_token" value="([^"]+)"', client.get(at or where).text)
    assert word, at or where
    return client.post(where, data={"csrf_token": word[1]} | fields)


def filled(client: FlaskClient, where: str) -> dict[str, str]:
    """What the form of a registration on this page would send, with the version that it shows."""
    page = client.get(where).text
    given = dict(re.findall(r'<input id="f-([a-z_]+)" name="[a-z_]+" type="\w+" value="([^"]*)"', page))
    given |= dict(re.findall(r'<textarea id="f-([a-z_]+)"[^>]*>([^<]*)</textarea>', page))
    for name, options in re.findall(r'<select id="f-([a-z_]+)"[^>]*>(.*?)</select>', page):
        chosen = re.search(r"<option selected>([^<]*)", options)
        given[name] = chosen[1] if chosen else ""
    version = re.search(r'name="versie" value="(\d+)"', page)
    return given | ({"versie": version[1]} if version else {})


def begin(client: FlaskClient, house: House, one: Staff) -> str:
    """This browser has a session of this person now, without the pages; returns the sid."""
    started = _start(house, one)
    client.set_cookie(cookie_name(house), started.cookie)
    return started.sid


def cookie(house: House, one: Staff) -> tuple[str, str]:
    """A new session of this person, as name and value of its cookie."""
    return cookie_name(house), _start(house, one).cookie


def _start(house: House, one: Staff) -> staff_sessions.Started:
    with house.database.transaction() as db:
        return staff_sessions.start(
            db, house, person_id=one.person_id, amr=("pwd", "otp"), device="test", now=house.clock.now()
        )


def cookie_name(house: House) -> str:
    return f"idp-{house.settings.issuer.rpartition(':')[2]}-{staff_sessions.COOKIE}"
