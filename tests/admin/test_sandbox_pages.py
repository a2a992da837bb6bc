"""An operator makes the sandbox in the console or by REST; whoever reads a published secret can do no harm with it."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from idp import entropy, errors, models
from idp.admin.api.api_tokens import Scope
from idp.admin.apps import app_planning, apps
from idp.admin.sandbox import sandbox_making, sandbox_school
from idp.admin.sandbox.sandbox_people import PUPILS, SCHOOLS
from idp.claims import visibility
from idp.login import accounts, own_password, recovery, sessions
from tests import make, make_staff
from tests.admin.test_apps import document
from tests.make_browser import path
from tests.security.test_operators_api import call, issued

OPERATOR, SUPPLIER = "/beheer/zandbak", "/zandbak"


@pytest.fixture
def dina(client, house):
    made = make_staff.staff(house, models.RightKind.OPERATOR)
    make_staff.begin(client, house, made)
    return made


def post(client, where, **fields):
    return make_staff.send(client, client.get(where), **fields)


def schools(house):
    with house.database.reading() as db:
        kind = models.School.kind == models.SchoolKind.SANDBOX
        return db.execute(select(func.count()).select_from(models.School).where(kind)).scalar_one()


def test_an_operator_makes_it_and_takes_it_away_only_when_sure(house, client, dina):
    assert path(post(client, OPERATOR, wat="maak")) == OPERATOR
    page = client.get(OPERATOR).text
    assert all(naam in page for naam in SCHOOLS.values())
    assert "geldt nog geen protocol" in page
    assert post(client, OPERATOR, wat="verwijder").status_code == 400
    assert schools(house) == len(SCHOOLS)
    assert path(post(client, OPERATOR, zeker="ja", wat="verwijder")) == OPERATOR
    assert schools(house) == 0


def test_whoever_proved_to_be_there_long_ago_proves_it_again_first(house, client, dina, stopped):
    page = client.get(OPERATOR)
    stopped.move(minutes=house.settings.staff_fresh_minutes + 1)
    assert path(make_staff.send(client, page, wat="maak")) == "/personeel/bevestigen"
    assert schools(house) == 0


def test_a_program_of_an_operator_does_the_same(house, client):
    token = issued(house, Scope.SCHOOLS_READ, Scope.SCHOOLS_WRITE)
    assert call(client, token, "GET", "/sandbox").json == {"items": []}
    made = call(client, token, "PUT", "/sandbox").json["items"]
    assert {one["instellingsnummer"] for one in made} == {*SCHOOLS}
    assert sum(one["pupils"] for one in made) == len(PUPILS) + 1, "one goes to two schools"
    assert call(client, token, "PUT", "/sandbox").json["items"] == made
    assert call(client, issued(house, Scope.SCHOOLS_READ), "DELETE", "/sandbox").status_code == 403
    assert call(client, token, "DELETE", "/sandbox").status_code == 204
    assert schools(house) == 0


def test_INJ_04_whether_an_app_is_for_the_sandbox_is_a_yes_or_a_no(house, client):
    token = issued(house, Scope.APPS_WRITE)
    for said in ("true", 1, None, ["true"]):
        answer = call(client, token, "POST", "/apps", json=document() | {"sandbox": said})
        assert answer.status_code == 400, said
    assert call(client, token, "POST", "/apps", json=document() | {"sandbox": True}).status_code == 201


# ---------------------------------------------------------------- an app for it


def stored(house, **words):
    (done,) = apps.import_apps(house, [document(**words)], now=house.clock.now())
    return done


def shown(house, client_id):
    with house.database.reading() as db:
        return {rule.instellingsnummer for rule in visibility.listing(db, client_id=client_id)}


def test_an_app_that_is_registered_for_the_sandbox_is_visible_there_at_once(house):
    sandbox_making.make(house)
    app = stored(house, client_id="proef", sandbox=True, scope="openid ov_klas")
    assert app.sandbox
    assert shown(house, "proef") == {*SCHOOLS}
    assert shown(house, stored(house, client_id="echt").client_id) == set()
    with house.database.reading() as db:
        assert app_planning.document_of(db, "proef")[0]["sandbox"] is True
    again = stored(house, client_id="proef", scope="openid ov_klas", purpose="Iets anders")
    assert again.sandbox, "what a document does not say stays"


def test_who_goes_on_to_real_pupils_needs_a_protocol_then(house):
    stored(house, client_id="proef", sandbox=True, scope="openid ov_klas")
    with pytest.raises(app_planning.Refused, match="needs a protocol"):
        stored(house, client_id="proef", sandbox=False, scope="openid ov_klas")
    with pytest.raises(app_planning.Refused, match="must be true or false"):
        stored(house, client_id="proef", sandbox="nee")


def test_going_on_to_real_pupils_widens_an_app_so_two_operators_agree(house):
    stored(house, client_id="proef", sandbox=True)
    with house.database.reading() as db:
        (planned,) = app_planning.plan(
            db,
            [document(client_id="proef", sandbox=False)],
            loopback_ok=False,
            algorithms=house.settings.signing_algorithms,
            sandbox=None,
            now=house.clock.now(),
        )
    assert planned.widens == ("sandbox",)
    assert planned.waits(four_eyes=True)


def test_the_form_of_an_operator_has_it(house, client, dina):
    where = "/beheer/nieuwe-app"
    assert 'name="sandbox"' in client.get(where).text


# ---------------------------------------------------------------- the maker of an app


@pytest.fixture
def eva(client, house):
    made = make_staff.supplier(house, "sandbox")
    make_staff.begin(client, house, made)
    return made


def jean(house):
    with house.database.reading() as db:
        return sandbox_school.find(db, house, "jean.debranding", house.clock.today())


def test_a_maker_of_apps_gives_a_published_secret_back(house, client, eva):
    sandbox_making.make(house)
    before = jean(house)
    now, hashed = house.clock.now(), house.hasher.hash("een heel eigen wachtwoord")
    with house.database.transaction() as db:
        accounts.set_own_password(
            db, account_uuid=before.account_uuid, stored=hashed, now=now, settings=house.settings
        )
    page = client.get(SUPPLIER)
    assert before.secret not in page.text
    assert path(make_staff.send(client, page, leerling="sb-jean.debranding", wat="geheim-terug")) == SUPPLIER
    assert jean(house) == before


@pytest.mark.parametrize("who", ["sb-niemand", "", "s1"])
def test_IDOR_no_secret_of_anybody_else_is_given_back(house, client, eva, who):
    """A pupil of a real school may have any stamnummer, also one of these."""
    with house.database.transaction() as db:
        school = make.school(db, kind=models.SchoolKind.REAL)
        real = make.pupil(db)
        make.enrolment(db, real, school, stamnummer=who)
        make.account(db, real, "jan.peeters")
    sandbox_making.make(house)
    word = make_staff.cookie_name(house)
    assert word
    with pytest.raises(errors.NotFound, match="pupil_unknown"):
        sandbox_making.put_back(house, who)
    with house.database.reading() as db:
        assert accounts.find(db, real, house.clock.today()).stored.hash == "none"


# ---------------------------------------------------------------- who reads a published secret


def signed_in(client, house, username, *, must_change=False):
    """This browser is a pupil's, who typed the published secret."""
    with house.database.transaction() as db:
        account = sandbox_school.find(db, house, username, house.clock.today())
        started = sessions.start(
            db,
            house,
            account_uuid=account.account_uuid,
            amr=("pwd",),
            acr=f"{sessions.ACR}own",
            must_change=must_change,
            shared=False,
            now=house.clock.now(),
        )
    client.set_cookie(f"idp-{house.settings.issuer.rpartition(':')[2]}-{sessions.COOKIE}", started.cookie)
    return account.account_uuid


def test_ROLE_whoever_knows_a_published_password_cannot_take_the_pupil_for_themselves(house, client):
    sandbox_making.make(house)
    uuid = signed_in(client, house, "yasmine.elbahri")
    assert path(client.get("/nieuw-wachtwoord")) == "/mijn-apps"
    assert "nieuw-wachtwoord" not in client.get("/mijn-apps").text
    page = client.get("/mijn-gegevens").text
    assert 'name="email"' not in page
    with pytest.raises(errors.NotAllowed, match="sandbox_pupil"):
        recovery.ask_to_confirm(house, account_uuid=uuid, address="iemand@elders.example", language="nl")
    assert own_password.keeps_secret(house, uuid)
    assert not own_password.keeps_secret(house, entropy.identifier())


def test_a_temporary_one_is_changed_as_at_a_real_school(house, client):
    sandbox_making.make(house)
    signed_in(client, house, "jean.debranding", must_change=True)
    assert client.get("/nieuw-wachtwoord").status_code == 200
    answer = make_staff.form(client, "/nieuw-wachtwoord", password="drie groene fietsen 9")
    assert answer.status_code == 303
    assert jean(house).put_back
