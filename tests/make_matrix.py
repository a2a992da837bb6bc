"""Who stands before every door? Ten kinds of visitors, two schools, and something of school A behind each address.

`cast = Cast(house, app)` makes them; `cast.ask("staff_b", row)` sends the request of a row of tests/security/routes.csv as
that visitor would: with the session, the form's word and the key that a browser of theirs has. After a form the database is
put back, so that no row lives on what another did.
"""

from __future__ import annotations

import csv
import itertools
import re
import sqlite3
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from flask import Flask
from sqlalchemy import update
from werkzeug.test import TestResponse

from idp import entropy
from idp.admin.accounts import papers
from idp.context import House
from idp.feeds import feed_clients
from idp.login import cards
from idp.models import PaperworkKind, Right, RightKind, SecretKind
from idp.oidc import clients, discovery
from tests import make, make_browser, make_devices, make_login, make_staff
from tests.make_tokens import SECRET, Bench, basic

TABLE = Path(__file__).parent / "security" / "routes.csv"
ROLES = (
    "anonymous",
    "pupil",
    "staff_a",
    "staff_b",
    "expired",
    "databeheerder",
    "teacher",
    "operator",
    "package",
    "app",
)
"""Nobody; a classmate; LeerID-beheerder of A, and of B; one of A whose right ended; databeheerder and teacher (without pupils)
of A; an operator; a package that A has not named; an app with its secret, or with a token about the classmate where tokens count."""
OUTSIDE = frozenset({"anonymous", "staff_b", "expired", "package", "app"})
"""They have no business at school A: not even its name."""
BY_TOKEN = frozenset({"/userinfo"})
LISTS = "/ims/oneroster/"
"""Where a token of the app itself is wanted: one of a pupil's sign-in opens nothing."""
READS_WHO = frozenset({("operator", "/beheer/audit")})
"""Where who did something is what is asked: the person_id of a member of staff stands there, of a pupil nothing."""
RIGHTS = {
    "staff_a": {RightKind.BEHEERDER},
    "staff_b": {RightKind.BEHEERDER},
    "databeheerder": {RightKind.DATABEHEERDER},
    "teacher": {RightKind.TEACHER},
    "operator": {RightKind.OPERATOR},
}
VOORNAAM, NAAM, STAMNUMMER, USERNAME = "Zephyrine", "Vandenplanted", "7654321", "zephyrine.vandenplanted"
SCHOOL_A = "Basisschool Het Geplante Merk"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A route, what is sent there, and what each visitor is answered."""

    method: str
    path: str
    send: str
    """A form (or a query for GET), with <names> of things of school A in it."""
    expected: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


def rows(table: Path = TABLE) -> list[Row]:
    lines = [line for line in table.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [
        Row(
            method=row["method"],
            path=row["path"],
            send=row["send"] or "",
            expected={role: row[role] for role in ROLES},
        )
        for row in csv.DictReader(lines)
    ]


class Cast:
    """Everybody, and what school A has."""

    def __init__(self, house: House, app: Flask) -> None:
        self.house, self.app = house, app
        app.wsgi_app = discovery.in_front_of(app.wsgi_app, house)
        bench = Bench(house)
        with house.database.transaction() as db:
            self.a = make.school(db, naam=SCHOOL_A)
            self.b = make.school(db, naam="Basisschool Elders")
            named = {"voornaam": VOORNAAM, "naam": NAAM, "stamnummer": STAMNUMMER}
            target = make.pupil(db, leerid_uuid=entropy.identifier(), voornaam=VOORNAAM, naam=NAAM)
            make.enrolment(db, target, self.a, **named)
            make.account(db, target, USERNAME)
            secret = clients.digest(SECRET)
            story = make.story(db, school=self.a, username="klas.genoot", secrets=(secret,))
            make.membership(db, story.klas, target)
            rule = make.rule(db, story.app.client_id, self.a, kind="pupil", target=target)
            text = make.protocol(db)
        elsewhere = make_login.pupil(house, "leerling.elders", "4mam38", SecretKind.BASIC)
        people = {
            "staff_a": make_staff.staff(house, school=self.a),
            "staff_b": make_staff.staff(house, school=self.b),
            "expired": make_staff.staff(house, school=self.a),
            "databeheerder": make_staff.staff(house, RightKind.DATABEHEERDER, school=self.a),
            "teacher": make_staff.staff(house, RightKind.TEACHER, school=self.a),
            "operator": make_staff.staff(house, RightKind.OPERATOR, school=self.a),
        }
        self._key = "k" * 43
        hands = papers.Desk(person_id=people["staff_a"].person_id, instellingsnummer=self.a, key=self._key)
        with house.database.reading() as db:
            proposals = papers.propose(db, house, hands, PaperworkKind.RENEW, [target])
        work = papers.begin(house, hands, PaperworkKind.RENEW, proposals)
        done = papers.begin(house, hands, PaperworkKind.CARD, proposals)
        with house.database.reading() as db:
            found = papers.find(db, hands, done, house.clock.now())
        papers.carry_out(house, hands, found)
        yesterday = house.clock.today() - timedelta(days=1)
        with house.database.transaction() as db:
            of_expired = Right.person_id == people["expired"].person_id
            db.execute(update(Right).where(of_expired).values(einddatum=yesterday))
            invited = make.person(db)
            right = make.right(db, invited, self.a, kind=RightKind.TEACHER)
            card = cards.issue(
                db,
                account_uuid=target,
                label="school",
                now=house.clock.now(),
                days=300,
                instellingsnummer=self.a,
            )
        device = make_devices.device(house, self.a)
        token = bench.tokens(story)["access_token"]
        self.things = {
            "account_uuid": target,
            "client_id": story.app.client_id,
            "code": "L3",
            "klas_id": story.klas,
            "sha256": text,
            "work_id": work,
            "done_id": done,
            "device_id": device.id,
            "card_id": card.id,
            "rule_id": rule,
            "secret_id": entropy.row_id(),
            "request_id": entropy.row_id(),
            "trouble": "0123456789ab",
            "supplier_id": "rekenhuis",
            "token_id": entropy.row_id(),
            "right_id": right,
            "person_id": invited,
            "school": self.a,
            "collection": "students",
            "around": "schools",
            "sourced_id": self.a,
            "instellingsnummer": self.a,
            "username": USERNAME,
            "elsewhere": elsewhere,
            "token": "nothing",
            "delivery": entropy.row_id(),
            "digest": "0" * 64,
            "filename": "nothing.css",
            "form": "nothing",
            "today": str(house.clock.today()),
        }
        """What a <name> in a path or a form stands for: add yours here."""
        self._package = _package(house)
        self.staff_id = people["staff_a"].person_id
        self.marks = (VOORNAAM, NAAM, STAMNUMMER, USERNAME, self.staff_id)
        self._bearer, self._basic = f"Bearer {token}", basic(story.app.client_id, SECRET)
        self._jars = {role: self._jar(role, people.get(role), story.pupil) for role in ROLES}
        self._sqlite = house.database.url.removeprefix("sqlite:///") if house.database.sqlite else ""
        self._before = sqlite3.connect(":memory:")
        if self._sqlite:
            _copy(self._sqlite, self._before)
        self._asked = itertools.count(256)

    def close(self) -> None:
        self._before.close()

    def ask(self, role: str, row: Row) -> TestResponse:
        """The answer to this visitor."""
        path = self._filled(row.path, quoted=True)
        sent = self._filled(row.send, quoted=True)
        headers = {"Authorization": self._authorization(role, row.path)} if role in {"app", "package"} else {}
        browser = self.app.test_client()
        jar, word = self._jars[role]
        for name, value in jar.items():
            browser.set_cookie(name, value)
        if row.method in {"GET", "DELETE"}:
            given: dict[str, Any] = {"query_string": sent}
        elif sent.startswith("{"):
            given = {"data": self._filled(row.send, quoted=False), "content_type": "application/json"}
        else:
            given = {
                "data": urlencode([("csrf_token", word), *parse_qsl(sent, keep_blank_values=True)]),
                "content_type": "application/x-www-form-urlencoded",
            }
        number = next(self._asked)
        given["environ_overrides"] = {"REMOTE_ADDR": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"}
        answer = browser.open(path, method=row.method, headers=headers, **given)
        if row.method != "GET" and self._sqlite:
            target = sqlite3.connect(self._sqlite)
            self._before.backup(target)
            target.close()
        return answer

    def leaks(self, role: str, row: Row, answer: TestResponse) -> set[str]:
        """What of school A stands in this answer that the visitor did not say, and may not know."""
        asked = self._filled(row.path + row.send, quoted=False)
        knows_the_school = role not in OUTSIDE or (role == "app" and row.path in BY_TOKEN)
        marks = {*self.marks} | (set() if knows_the_school else {SCHOOL_A})
        if (role, row.path) in READS_WHO:
            marks -= {self.staff_id}
        said = f"{answer.headers}\n{answer.get_data().decode(errors='replace')}"
        return {mark for mark in marks if mark in said and mark not in asked}

    def _filled(self, text: str, *, quoted: bool) -> str:
        def thing(match: re.Match[str]) -> str:
            name = match[1].rpartition(":")[2]
            assert name in self.things, (
                f"<{name}>: say in tests/make_matrix.py, in Cast.things, what it stands for"
            )
            return quote(self.things[name], safe="") if quoted else self.things[name]

        return re.sub(r"<([^>]+)>", thing, text)

    def _authorization(self, role: str, path: str) -> str:
        if role == "package":
            return self._package
        return self._bearer if path in BY_TOKEN or path.startswith(LISTS) else self._basic

    def _jar(self, role: str, staff: make_staff.Staff | None, pupil: str) -> tuple[dict[str, str], str]:
        """The cookies of this visitor's browser, and the word of its forms."""
        browser = self.app.test_client()
        if role == "pupil":
            make_browser.sign_in(browser, self.house, pupil)
        elif staff:
            make_staff.begin(browser, self.house, staff)
        page = browser.get("/aanmelden", query_string={"wissel": "1"}, follow_redirects=True)
        if 'name="csrf_token"' not in page.text:
            page = browser.get("/personeel/aanmelden", follow_redirects=True)
        found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
        assert found, f"{role}: no form at {page.request.path}"
        jar = {one.key: one.value for one in browser._cookies.values()}
        jar[make_staff.cookie_name(self.house).replace("staff", "papers")] = self._key
        return jar, found[1]


def outcome(answer: TestResponse) -> str:
    """As a cell of the table says it: a status, or `in` for the way to a sign-in page."""
    where = urlsplit(answer.headers.get("Location", "")).path
    signs_in = answer.status_code in {302, 303} and where in {"/aanmelden", "/personeel/aanmelden"}
    return "in" if signs_in else str(answer.status_code)


def _package(house: House) -> str:
    """The token of a package that school A has not named."""
    now = house.clock.now()
    with house.database.transaction() as db:
        client_id, secret = feed_clients.add(db, naam="Elders", pakket="informat", now=now)
    proof = clients.Proof(form={}, authorization=basic(client_id, secret or ""), source="192.0.2.9")
    return f"Bearer {feed_clients.token(house, proof, now=now)['access_token']}"


def _copy(path: str, into: sqlite3.Connection) -> None:
    source = sqlite3.connect(path)
    source.backup(into)
    source.close()
