"""An operator looks after apps in a browser: searches, sees the difference before it is stored, closes, approves."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from idp import audit, models
from idp.admin.api import api_tokens
from idp.admin.apps import app_form, app_list, app_secrets, apps
from idp.admin.makers import suppliers
from idp.app import create_app
from idp.models import RightKind
from idp.oidc import registration
from tests import make, make_feeds, make_staff
from tests.admin.test_apps import document
from tests.make_browser import path

APP = "/beheer/apps/rekenbuur"


@pytest.fixture
def mira(mira, house):
    """There is an app, too."""
    apps.import_apps(house, [document()], now=house.clock.now())
    return mira


def exported(house, client_id="rekenbuur"):
    with house.database.reading() as db:
        return app_list.export(db, [client_id])[0]


def test_every_field_of_a_registration_has_a_place_in_the_form():
    placed = [name for _title, names in app_form.SECTIONS for name in names]
    assert len(placed) == len({*placed})
    assert {*placed} | app_form.FIXED == {*registration.FIELDS}


def test_a_form_that_is_sent_back_as_it_was_changes_nothing(house, client, mira):
    before = exported(house)
    given = make_staff.filled(client, f"{APP}/wijzig")
    assert "Er is geen verschil" in make_staff.post(client, f"{APP}/wijzig", **given).text
    assert exported(house) == before


def test_an_app_keeps_a_supplier_that_ended_until_somebody_chooses_another(house, client, mira):
    now = house.clock.now()
    with house.database.transaction() as db:
        suppliers.keep(db, "rekenhuis", naam="Rekenhuis", now=now)
        suppliers.keep(db, "weg", naam="Weg", now=now)
    apps.import_apps(house, [document() | {"supplier": "rekenhuis"}], now=now)
    with house.database.transaction() as db:
        suppliers.end(db, "rekenhuis", now=now)
        suppliers.end(db, "weg", now=now)
    page = client.get(f"{APP}/wijzig").text
    assert '<option value="rekenhuis" selected>' in page
    assert 'value="weg"' not in page


def test_the_difference_is_shown_before_it_is_stored(house, client, mira):
    given = make_staff.filled(client, f"{APP}/wijzig") | {"purpose": "Rekenen & <b>tellen</b>"}
    given["redirect_uris"] += "\nhttps://rekenbuur.example/tweede"
    check = make_staff.post(client, f"{APP}/wijzig", **given)
    assert "Rekenen &amp; &lt;b&gt;tellen&lt;/b&gt;" in check.text
    assert "geeft de app meer" in check.text
    assert "purpose" not in exported(house)
    stored = make_staff.post(client, f"{APP}/wijzig", **given, bevestig="1")
    assert path(stored) == APP
    assert exported(house)["redirect_uris"][1] == "https://rekenbuur.example/tweede"
    stale = make_staff.post(client, f"{APP}/wijzig", **given | {"purpose": "Anders"}, bevestig="1")
    assert stale.status_code == 409
    assert exported(house)["purpose"].startswith("Rekenen")
    assert "https://rekenbuur.example/tweede" in client.get(f"{APP}/geschiedenis").text


def test_what_is_wrong_stands_beside_its_field(house, client, mira):
    given = make_staff.filled(client, f"{APP}/wijzig") | {
        "redirect_uris": "http://evil.example/cb",
        "jwks": "{",
    }
    page = make_staff.post(client, f"{APP}/wijzig", **given)
    assert page.status_code == 400
    assert 'class="field-problem"' in page.text
    assert "http://evil.example/cb" in page.text


def test_a_new_app_shows_its_secret_once(house, client, mira):
    given = make_staff.filled(client, "/beheer/nieuwe-app") | {
        "client_id": "ander",
        "client_name": "Ander",
        "redirect_uris": "https://ander.example/cb",
    }
    page = make_staff.post(client, "/beheer/nieuwe-app", **given, bevestig="1")
    assert re.search(r"lsk_[\w-]{20,}", page.text)
    assert not re.search(r"lsk_[\w-]{43}", client.get("/beheer/apps/ander").text)
    again = make_staff.post(client, "/beheer/nieuwe-app", **given, bevestig="1")
    assert again.status_code == 400


def test_OPER_04_a_secret_is_renewed_ended_and_never_shown_again(house, client, mira):
    page = make_staff.post(client, f"{APP}/doe", at=APP, wat="geheim", dagen="5")
    secret = re.search(r"lsk_[\w-]{20,}", page.text)[0]
    shown = client.get(APP).text
    assert secret not in shown
    old = re.findall(r'name="id" value="([^"]+)"', shown)[1]
    assert path(make_staff.post(client, f"{APP}/doe", at=APP, wat="eindig", id=old)).startswith(APP)
    assert make_staff.post(client, f"{APP}/doe", at=APP, wat="eindig", id=old).status_code == 404


def test_FAULT_11_a_secret_asked_for_twice_leaves_the_one_that_the_app_runs_on(house, client, mira):
    make_staff.post(client, f"{APP}/doe", at=APP, wat="geheim", dagen="5")
    with house.database.reading() as db:
        before = app_secrets.listing(db, "rekenbuur")
    again = make_staff.post(client, f"{APP}/doe", at=APP, wat="geheim", dagen="5")
    assert again.status_code == 400
    assert "Er zijn al twee geheimen die werken." in again.text
    assert "Nieuw geheim:" not in again.text
    with house.database.reading() as db:
        assert app_secrets.listing(db, "rekenbuur") == before


def test_an_app_is_closed_opened_and_removed_only_by_name(house, client, mira):
    make_staff.post(client, f"{APP}/doe", at=APP, wat="sluit")
    assert "Open deze app weer" in client.get(APP).text
    make_staff.post(client, f"{APP}/doe", at=APP, wat="open")
    assert make_staff.post(client, f"{APP}/doe", at=APP, wat="verwijder", naam="nee").status_code == 400
    assert exported(house)["client_id"] == "rekenbuur"
    make_staff.post(client, f"{APP}/doe", at=APP, wat="verwijder", naam="rekenbuur")
    assert "verwijderd" in client.get(APP).text
    assert "rekenbuur" not in client.get("/beheer/apps").text


def test_FAULT_11_a_second_tap_on_closing_or_opening_finds_it_done(house, client, mira):
    for what, state in (("sluit", "disabled"), ("open", "works")):
        for _ in range(2):
            done = make_staff.post(client, f"{APP}/doe", at=APP, wat=what)
            assert (done.status_code, done.headers["Location"]) == (303, f"{APP}?bericht={what}")
        with house.database.reading() as db:
            assert app_list.show(db, "rekenbuur")["state"] == state


def test_OPER_02_a_second_operator_approves_in_the_console(house):
    strict = replace(house, settings=house.settings.model_copy(update={"four_eyes": True}))
    application = create_app(strict)
    application.testing = True
    apps.import_apps(house, [document()], now=house.clock.now())
    browsers = []
    for _ in range(2):
        browser = application.test_client()
        make_staff.begin(browser, house, make_staff.staff(house, RightKind.OPERATOR))
        browsers.append(browser)
    one, two = browsers
    given = make_staff.filled(one, f"{APP}/wijzig") | {"scope": "openid profile ov_leerling"}
    assert (
        path(make_staff.post(one, f"{APP}/wijzig", **given, bevestig="1", reden="school"))
        == "/beheer/wijzigingen"
    )
    assert exported(house)["scope"] == "openid ov_leerling"
    request = re.search(r'name="aanvraag" value="([^"]+)"', one.get("/beheer/wijzigingen").text)[1]
    where = "/beheer/wijzigingen"
    assert make_staff.post(one, where, aanvraag=request, besluit="goed").status_code == 403
    page = two.get(where).text
    asked = page[page.index(f'value="{request}"') :].partition("</form>")[0]
    assert re.findall(r"<(input|textarea|button)", asked) == ["textarea", "button", "button"], (
        "nothing in which Enter would approve"
    )
    for word in ({}, {"besluit": ""}, {"besluit": "misschien"}):
        assert make_staff.post(two, where, aanvraag=request, **word).status_code == 303
    assert f'value="{request}"' in two.get(where).text, "it waits still"
    assert path(make_staff.post(two, where, aanvraag=request, besluit="goed")) == where
    assert exported(house)["scope"] == "openid profile ov_leerling"


@pytest.mark.parametrize(
    "words", ["{{7654*9871}}", "${7654*9871}", "%s%n", "<script>x</script>", "' OR 1=1--"]
)
def test_INJ_07_what_is_typed_stays_text(house, client, mira, words):
    given = document("tekst", client_name=words, purpose=words, contacts=[words])
    apps.import_apps(house, [given], now=house.clock.now())
    for where in (
        "/beheer/apps/tekst",
        "/beheer/apps",
        "/beheer/apps/tekst/geschiedenis",
        "/beheer/apps/tekst/wijzig",
    ):
        page = client.get(where)
        assert page.status_code == 200
        assert str(7654 * 9871) not in page.text, "nobody computes what was typed"
        assert "<script>x" not in page.text
    assert client.get("/beheer/apps", query_string={"zoek": words}).status_code == 200


def test_what_it_means_is_read_before_a_token_is_taken_back(house, client, mira):
    for kind, scope, means in (
        ("api", "apps.read", "met dit token krijgen dan meteen niets meer."),
        ("app", "openid", "Apps die dat al deden, blijven werken."),
    ):
        make_staff.post(
            client, "/beheer/tokens", wat=kind, label=f"voor {kind}", scope=scope, keer="2", tot="2027-01-31"
        )
        page = client.get("/beheer/tokens").text
        (ask,) = [part for part in page.split("<details")[1:] if f'value="stop-{kind}"' in part]
        assert ask.startswith(' class="quiet-more"><summary>Trek in'), "one press asks, and does nothing"
        assert means in ask
        assert f"Trek het token voor {kind} in</button>" in ask
        name = re.search(r'name="id" value="([^"]+)"', ask)[1]
        make_staff.post(client, "/beheer/tokens", wat=f"stop-{kind}", id=name)
        assert f'value="stop-{kind}"' not in client.get("/beheer/tokens").text


def test_the_other_pages_of_an_operator(house, client, mira):
    for where in (
        "/beheer",
        "/beheer/wijzigingen",
        "/beheer/systeem",
        "/beheer/tokens",
        "/beheer/wachten",
        "/beheer/audit",
        f"{APP}/geweigerd",
    ):
        assert client.get(where).status_code == 200, where
    made = make_staff.post(
        client, "/beheer/tokens", wat="api", label="git", scope="apps.read", tot="2027-01-31"
    )
    token = re.search(r"lso_[\w-]{20,}", made.text)[0]
    assert token not in client.get("/beheer/tokens").text
    with house.database.reading() as db:
        assert api_tokens.find(db, token).created_by == f"person:{mira.person_id}"
    assert (
        make_staff.post(client, "/beheer/tokens", wat="api", label="", scope="apps.read", tot="x").status_code
        == 400
    )
    made = make_staff.post(
        client, "/beheer/tokens", wat="app", label="x", scope="openid", keer="2", tot="2027-01-31"
    )
    assert "lsi_" in made.text
    looked = make_staff.post(client, "/beheer/audit", over="app:rekenbuur", van="2026-11-01")
    found = client.get(looked.headers["Location"])
    assert "app_registered" in found.text
    assert make_staff.post(client, "/beheer/wachten", leerling="niemand").status_code == 404


def test_the_schools_of_the_sandbox_are_counted_apart(house, client, mira):
    def shown(language="nl"):
        page = client.get("/beheer", headers={"Accept-Language": language}).text
        card = page.partition('<dl class="numbers">')[2].partition('href="/beheer/scholen">')[2]
        return " ".join(re.sub(r"<[^>]*>", " ", card.partition("</div>")[0]).split())

    with house.database.transaction() as db:
        for number in range(1_001):
            make.school(db, f"{900_000 + number}")
    assert shown() == "Scholen 1.002"
    with house.database.transaction() as db:
        make.school(db, kind=models.SchoolKind.SANDBOX)
    assert shown() == "Scholen , 1 zandbakschool 1.002"
    with house.database.transaction() as db:
        make.school(db, kind=models.SchoolKind.SANDBOX)
    told = {"fr": "écoles du bac à sable", "de": "Sandbox-Schulen", "en": "sandbox schools"}
    for language, words in told.items():
        assert f", 2 {words} " in shown(language)


def test_operators_see_which_enrolments_wait_and_that_no_list_of_directors_came(house, client, mira):
    assert "Er kwam nog geen lijst" not in client.get("/beheer").text
    make_feeds.schools(house, "800001", kind=models.SchoolKind.REAL)
    rows = [make_feeds.row(str(n), instellingsnummer="800001") for n in range(12)]
    make_feeds.bring(house, make_feeds.file(*rows))
    assert "inschrijvingen van" not in client.get("/beheer").text
    make_feeds.bring(house, make_feeds.file(*rows[:3]))
    page = client.get("/beheer").text
    assert "De inschrijvingen van 800001 wachten" in page
    assert "/beheer/leveringen/" in page.partition("<main")[2]
    assert "Er kwam nog geen lijst van directeurs" in page


def test_who_waits_is_opened_again(house, client, mira):
    with house.database.transaction() as db:
        story = make.story(db)
    page = make_staff.post(client, "/beheer/wachten", leerling=story.pupil)
    assert page.status_code == 200
    assert "Er was niets" in make_staff.post(client, "/beheer/wachten", leerling=story.pupil, open="1").text


def test_a_page_of_operators_is_for_operators(house, client):
    make_staff.begin(client, house, make_staff.staff(house))
    for where in ("/beheer", "/beheer/apps", APP, f"{APP}/wijzig", "/beheer/tokens", "/beheer/audit"):
        assert client.get(where).status_code == 403


def test_a_secret_needs_proof_of_a_moment_ago(house, client, mira):
    house.clock.move(minutes=house.settings.staff_fresh_minutes + 1)
    page = make_staff.post(client, f"{APP}/doe", at=APP, wat="geheim", dagen="5")
    assert page.status_code == 403
    assert 'href="/personeel/bevestigen' in page.text
    assert not re.search(r"lsk_[\w-]{43}", page.text)
    page = make_staff.post(client, f"{APP}/doe", at=APP, wat="sluit")
    assert path(page).startswith("/personeel/bevestigen")
    with audit.acting("x"), house.database.reading() as db:
        assert len(app_list.show(db, "rekenbuur")["secrets"]) == 1
