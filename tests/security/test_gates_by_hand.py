"""CONS-16: all sixteen combinations of the gates, closed only by forms of the Schoolloket and by deliveries of a package.

Two schools (one stops sharing) of twelve pupils (one leaves the class in a later delivery), four apps (with and without klasinformatie,
visible and made invisible again): everybody signs in while all is open, then the gates close, then every channel is asked.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from idp.feeds import feed_clients
from idp.models import RightKind
from idp.oidc import clients
from tests import make, make_feeds, make_signing, make_staff
from tests.make_browser import sign_in
from tests.make_reading import read
from tests.make_tokens import CHALLENGE, SECRET, VERIFIER, basic

SHARES, STOPPED = "999001", "999002"
STAYS, LEAVES = "1", "2"
APPS = {"klas-in": "klas-in", "klas-out": "klas-out", "plain-in": "plain-in", "plain-out": "plain-out"}
CLASSES, GROUP = "ov_klassen", "ov_administratieve_groep"
DESK = "/schoolloket"


@dataclass
class World:
    house: Any
    app: Any
    package: dict[str, str] = field(default_factory=dict)
    staff: dict[tuple[str, str], Any] = field(default_factory=dict)
    pupils: dict[tuple[str, str], Any] = field(default_factory=dict)
    uuids: dict[tuple[str, str], str] = field(default_factory=dict)
    tokens: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)

    # ------------------------------------------------------------ what people and programs do

    def form(self, school: str, kind: str, page: str, where: str = "", **fields: Any) -> Any:
        """A member of staff opens a page and sends the form on it, with the word that stands there."""
        browser = self.staff[school, kind]
        shown = browser.get(page)
        assert shown.status_code == 200, shown.text
        token = re.search(r'name="csrf_token" value="([^"]+)"', shown.text)[1]
        answer = browser.post(where or page, data={"csrf_token": token, "school": school} | fields)
        assert answer.status_code == 303, answer.text
        return answer

    def deliver(self, school: str, *, without: str = "") -> None:
        """The package sends a full snapshot: everyone in 3A, but for one whose seat ended yesterday."""
        rows = [
            {"stamnummer": f"{n}", "klas_id": "k3a", "klascode": "3A", "klasnaam": "Klas 3A", "soort": "klas"}
            | {"begindatum": "2026-09-01", "einddatum": "2026-11-22" if f"{n}" == without else None}
            for n in range(1, 13)
        ]
        path = f"/api/pakket/v1/scholen/{school}/klasinformatie?formaat=leersleutel"
        answer = self.app.test_client().put(path, data=json.dumps(rows), headers=self.package)
        assert (answer.status_code, answer.json.get("state")) == (200, "applied"), answer.text

    def authorize(self, school: str, pupil: str, app: str) -> dict[str, str]:
        """What the app hears of a silent request: a code, or an error."""
        scope = "openid profile ov_leerling offline_access" + (" ov_klas" if "klas" in app else "")
        query = {"client_id": app, "redirect_uri": f"https://{app}.example/cb", "response_type": "code"}
        query |= {"scope": scope, "state": "s", "prompt": "none", "nonce": "n"}
        query |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256"}
        answer = self.pupils[school, pupil].get("/authorize", query_string=query)
        told = re.findall(r"[?&](code|error)=([^&]+)", answer.headers["Location"])
        return dict(told)

    def exchange(self, app: str, code: str) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "code": code, "code_verifier": VERIFIER}
        answer = self.post(app, "/token", form | {"redirect_uri": f"https://{app}.example/cb"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json)

    def post(self, app: str, path: str, form: dict[str, str]) -> Any:
        headers = {"Authorization": basic(app, SECRET)}
        return self.app.test_client(use_cookies=False).post(path, data=form, headers=headers)

    # ------------------------------------------------------------ what comes out

    def heard(self, channel: str, school: str, pupil: str, app: str) -> dict[str, Any]:
        """Claims by name in this channel; nothing when it refuses."""
        mine = self.tokens[school, pupil, app]
        if channel == "id_token":
            told = self.authorize(school, pupil, app)
            return _claims(self.exchange(app, told["code"])["id_token"]) if "code" in told else {}
        if channel == "userinfo":
            bearer = {"Authorization": f"Bearer {mine['access_token']}"}
            answer = self.app.test_client(use_cookies=False).get("/userinfo", headers=bearer)
            return dict(answer.json) if answer.status_code == 200 else {}
        if channel == "introspection":
            return dict(self.post(app, "/introspect", {"token": mine["access_token"]}).json)
        if channel == "refresh":
            form = {"grant_type": "refresh_token", "refresh_token": mine["refresh_token"]}
            answer = self.post(app, "/token", form)
            if answer.status_code != 200:
                return {}
            mine |= answer.json
            return _claims(answer.json["id_token"])
        page = self.pupils[school, pupil].get(f"/mijn-apps/{app}").text
        gets = read(page.partition('id="niet"')[0]).words
        return {CLASSES: ["3A"]} | {GROUP: "x"} if "3A" in gets else {}


def _claims(token: str) -> dict[str, Any]:
    return dict(orjson.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")))


@pytest.fixture
def world(house, app):
    made = World(house, app)
    make_feeds.schools(house, SHARES, STOPPED)
    rows = [
        make_feeds.row(f"{n}", instellingsnummer=school, voornaam=f"Noor{n}", administratieve_groep_code="L3")
        for school in (SHARES, STOPPED)
        for n in range(1, 13)
    ]
    make_feeds.bring(house, make_feeds.file(*rows))
    make_signing.keys(house)
    with house.database.transaction() as db:
        make.protocol(db)
        for name in APPS:
            scope = make.ALL_SCOPES if "klas" in name else make.ALL_SCOPES.replace("ov_klas ", "")
            make.app(
                db,
                name,
                scope=scope,
                claims_in_id_token=True,
                client_name=name,
                secrets=(clients.digest(SECRET),),
            )
        program = feed_clients.add(db, naam="Maker", pakket="leersleutel", now=house.clock.now())
    return _people(made, program)


def _people(made: World, program: tuple[str, str]) -> World:
    from sqlalchemy import select, update

    from idp.models import Enrolment, School

    house = made.house
    with house.database.transaction() as db:
        db.execute(update(School).values(pakket="leersleutel"))
        found = db.execute(select(Enrolment.instellingsnummer, Enrolment.stamnummer, Enrolment.account_uuid))
        made.uuids = {(school, number): uuid for school, number, uuid in found}
        for key in made.uuids:
            if key[1] in {STAYS, LEAVES}:
                make.account(db, made.uuids[key])
    for school in (SHARES, STOPPED):
        for kind in (RightKind.DATABEHEERDER, RightKind.BEHEERDER):
            browser = made.app.test_client()
            make_staff.begin(browser, house, make_staff.staff(house, kind, school=school))
            made.staff[school, kind] = browser
        for number in (STAYS, LEAVES):
            browser = made.app.test_client()
            sign_in(browser, house, made.uuids[school, number])
            made.pupils[school, number] = browser
    grant = made.app.test_client().post(
        "/api/pakket/v1/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": basic(*program)},
    )
    made.package = {"Authorization": f"Bearer {grant.json['access_token']}"}
    return made


def test_CONS_16_the_gates_by_screens_and_deliveries_give_classes_in_the_one_row_where_all_are_open(world):
    director, beheerder = RightKind.DATABEHEERDER, RightKind.BEHEERDER
    beheer = f"{DESK}/applicatiebeheer"
    for school in (SHARES, STOPPED):
        page = world.staff[school, director].get(f"{DESK}/klasinformatie/akkoord").text
        text = re.search(r'name="tekst" value="([0-9a-f]{64})"', page)[1]
        world.form(school, director, f"{DESK}/klasinformatie/akkoord", tekst=text)
        world.deliver(school)
        for name in APPS:
            words = {"groep": "L3", "van": make.TODAY.isoformat()}
            world.form(school, beheerder, f"{beheer}/app/{name}", **words)
    rows = list(itertools.product((SHARES, STOPPED), (STAYS, LEAVES), APPS))
    for key in rows:
        world.tokens[key] = world.exchange(key[2], world.authorize(*key)["code"])
        assert (CLASSES in _claims(world.tokens[key]["id_token"])) is ("klas" in key[2]), "everything is open"

    for school in (SHARES, STOPPED):
        world.deliver(school, without=LEAVES)
        for name in ("klas-out", "plain-out"):
            page = world.staff[school, beheerder].get(f"{beheer}/app/{name}").text
            rule = re.search(r'name="regel" value="([^"]+)"', page)[1]
            world.form(school, beheerder, f"{beheer}/app/{name}", f"{beheer}/regel", regel=rule, stop="1")
    world.form(STOPPED, director, f"{DESK}/klasinformatie/stop")

    seen = set()
    for channel in ("id_token", "userinfo", "introspection", "refresh", "preview"):
        for school, pupil, app in rows:
            shares, visible, integrates = school == SHARES, app.endswith("-in"), app.startswith("klas")
            told = world.heard(channel, school, pupil, app)
            expected = shares and visible and integrates and pupil == STAYS
            assert (CLASSES in told) is expected, (channel, school, pupil, app, told)
            if channel != "preview":
                assert (GROUP in told) is (shares and visible and integrates), (channel, school, pupil, app)
                assert ("given_name" in told) is visible, "nobody loses an app by a stop"
            if expected:
                seen.add(channel)
    assert len(seen) == 5
    assert len(rows) == 16
