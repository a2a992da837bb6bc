"""Does a pupil find the apps, and read what each of them knows?"""

from __future__ import annotations

import html
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import delete, update

from idp import apps, models
from idp.claims import pages, pseudonym
from idp.context import House
from idp.login import sessions
from tests import make

ISSUER = "https://id.example"


def tile(**given):
    return apps.App(client_id="x", client_name="Rekenbuur", sector="x", **given)


def test_a_tile_leads_to_the_apps_own_sign_in_with_our_name():
    app = tile(
        initiate_login_uri="https://app.example/go?kind=1&leeg=", client_uri="https://app.example/thuis"
    )
    start = urlsplit(pages.start_url(app, ISSUER))
    assert (start.netloc, start.path) == ("app.example", "/go")
    assert parse_qs(start.query, keep_blank_values=True) == {
        "kind": ["1"],
        "leeg": [""],
        "iss": [ISSUER],
        "target_link_uri": ["https://app.example/thuis"],
    }


def test_a_tile_without_that_leads_home_or_nowhere():
    assert pages.start_url(tile(client_uri="https://app.example/"), ISSUER) == "https://app.example/"
    assert pages.start_url(tile(), ISSUER) is None


@pytest.mark.parametrize(
    "uri", ["javascript:alert(1)", "http://app.example/", "data:text/html,x", "//app.example"]
)
def test_a_tile_never_leads_to_an_address_that_is_not_safe(uri):
    assert pages.start_url(tile(initiate_login_uri=uri, client_uri=uri), ISSUER) is None


def test_a_tile_may_lead_to_this_machine():
    assert pages.start_url(tile(client_uri="http://localhost:8081/"), ISSUER) == "http://localhost:8081/"


def sign_in(house: House, client, pupil: str) -> None:
    now = house.clock.now()
    with house.database.transaction() as db:
        started = sessions.start(
            db,
            house,
            account_uuid=pupil,
            amr=("pictures",),
            acr="x",
            must_change=False,
            shared=False,
            now=now,
        )
    client.set_cookie("idp-8080-session", started.cookie)


def begin(house: House, client, **given):
    with house.database.transaction() as db:
        story = make.story(db, **given)
    sign_in(house, client, story.pupil)
    return story


def text(response) -> str:
    assert response.status_code == 200, response.status
    return html.unescape(response.get_data(as_text=True))


@pytest.mark.parametrize("path", ["/mijn-apps", "/mijn-apps/x"])
def test_a_stranger_is_asked_to_sign_in_first(client, path):
    response = client.get(path)
    assert response.status_code == 303
    assert urlsplit(response.headers["Location"]).path == "/aanmelden"


def test_a_pupil_finds_the_apps_that_are_visible_and_no_others(house, client):
    begin(house, client, client_name="Rekenbuur", client_uri="https://reken.example/")
    with house.database.transaction() as db:
        make.story(db, client_name="Van een ander")
    shown = text(client.get("/mijn-apps"))
    assert "Dag Gaston" in shown
    assert "Rekenbuur" in shown
    assert 'href="https://reken.example/"' in shown
    assert "Van een ander" not in shown


def test_a_pupil_without_apps_reads_what_to_do(house, client):
    begin(house, client, visible=False)
    assert "nog geen apps" in text(client.get("/mijn-apps"))


def test_a_pupil_reads_what_an_app_knows_and_why_not_the_rest(house, client):
    story = begin(
        house, client, shares=False, reasons={"name": "om je te begroeten"}, purpose="Leren rekenen"
    )
    shown = text(client.get(f"/mijn-apps/{story.app.client_id}"))
    for words in ("Gaston Logie", "om je te begroeten", "Leren rekenen", "Basisschool De Wijzer"):
        assert words in shown
    assert "want je school deelt je klas niet." in shown
    assert "derde leerjaar" not in shown


def test_an_app_that_is_not_for_this_pupil_is_not_shown(house, client):
    story = begin(house, client, visible=False)
    assert client.get(f"/mijn-apps/{story.app.client_id}").status_code == 404
    assert client.get("/mijn-apps/bestaat-niet").status_code == 404


def test_an_app_that_knew_the_pupil_still_answers_when_it_is_taken_away(house, client):
    story = begin(house, client)
    with house.database.transaction() as db:
        pseudonym.remember(db, house.keys, story.app, story.pupil, house.clock.now())
        pseudonym.choose_school(db, story.app, story.pupil, story.school)
        db.execute(delete(models.VisibilityRule))
    shown = text(client.get(f"/mijn-apps/{story.app.client_id}"))
    assert "want je school zette deze app niet klaar." in shown
    assert "Gaston Logie" not in shown


def test_names_that_break_software_do_not_break_the_page(house, client):
    story = begin(house, client, client_name="<script>alert('ʼ')</script>")
    with house.database.transaction() as db:
        db.execute(update(models.Enrolment).values(voornaam="<b>Ł</b>", naam="D'ʼArc & Zn"))
    for path in ("/mijn-apps", f"/mijn-apps/{story.app.client_id}"):
        raw = client.get(path).get_data(as_text=True)
        assert "<script>alert" not in raw
        assert "<b>Ł" not in raw


def test_looking_leaves_nothing_in_the_ledger(house, client):
    story = begin(house, client)
    text(client.get(f"/mijn-apps/{story.app.client_id}"))
    with house.database.reading() as db:
        assert db.execute(models.Release.__table__.select()).all() == []
        assert pseudonym.met(db, story.app.client_id, story.pupil) is None
