"""An operator asks why; the answer is in words, without values, and the look at a pupil is remembered."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select, update

from idp import models
from idp.models import RightKind
from tests import make, make_staff

PATH = "/beheer/uitleg"


@pytest.fixture
def desk(house, client):
    one = make_staff.staff(house, RightKind.OPERATOR)
    make_staff.begin(client, house, one)
    with house.database.transaction() as db:
        return make.story(db, client_name="Rekenbuur")


def test_an_operator_reads_every_claim_of_a_pupil_and_no_value(house, client, desk):
    page = make_staff.form(
        client, PATH, app=desk.app.client_id, leerling=desk.username, instelling="", voor=""
    )
    assert page.status_code == 200
    for claim in ("given_name", "ov_klassen"):
        assert f"<code>{claim}</code>" in page.text
    assert "Gaston" not in page.text
    with house.database.reading() as db:
        seen = db.execute(
            select(models.AuditEvent.object, models.AuditEvent.details).where(
                models.AuditEvent.event == "pupil_seen"
            )
        ).all()
    assert seen == [(f"pupil:{desk.pupil}", {})]


def test_the_same_for_a_school_and_in_the_words_of_who_built_the_app(house, client, desk):
    page = make_staff.form(
        client, PATH, app=desk.app.client_id, leerling="", instelling=desk.school, voor="leverancier"
    )
    assert "Zichtbaar voor 1 van 1 leerling." in page.text
    with house.database.transaction() as db:
        other = make.app(db, scope="openid")
    page = make_staff.form(
        client, PATH, app=other.client_id, leerling="", instelling=desk.school, voor="leverancier"
    )
    assert "Je registratie omvat deze claim niet" in page.text


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({"app": "nobody", "leerling": "x"}, 404),
        ({"leerling": "nobody.known"}, 404),
        ({"leerling": "", "instelling": "000000"}, 404),
        ({"leerling": "", "instelling": ""}, 400),
    ],
)
def test_what_cannot_be_found_is_said_and_what_was_typed_stays(client, desk, given, status):
    words = {"app": desk.app.client_id, "leerling": "", "instelling": "", "voor": ""} | given
    page = make_staff.form(client, PATH, **words)
    assert page.status_code == status
    assert 'role="alert"' in page.text
    assert f'value="{words["app"]}"' in page.text


@pytest.mark.parametrize("school", ["000000", "12345", "no school at all"])
def test_a_school_that_nobody_knows_does_not_read_as_one_where_the_app_is_not_visible(
    house, client, desk, school
):
    words = {"app": desk.app.client_id, "leerling": desk.username, "instelling": school, "voor": ""}
    page = make_staff.form(client, PATH, **words)
    assert page.status_code == 404
    assert "Deze school kennen we niet." in page.text
    with house.database.reading() as db:
        seen = select(models.AuditEvent.id).where(models.AuditEvent.event == "pupil_seen")
        assert db.execute(seen).all() == []


@pytest.fixture
def many(house, desk):
    """Apps that are called alike, one that is closed and one that is removed."""
    with house.database.transaction() as db:
        for number in range(1, 15):
            make.app(
                db, client_id=f"lees-{number:02}", client_name=f"Lees & Lach {number:02}", scope="openid"
            )
        make.app(db, client_id="kaart", client_name="Wéreldkaart", scope="openid")
        for client_id, paused in (("lees-dicht", house.clock.now()), ("lees-weg", None)):
            make.app(db, client_id=client_id, client_name="Lees dicht", scope="openid")
            shut = {"disabled_at": house.clock.now(), "paused_at": paused}
            db.execute(update(models.App).where(models.App.client_id == client_id).values(shut))


def offered(page) -> list[str]:
    return re.findall(r'name="kies" value="([^"]+)"', page.text)


def ask(client, app, **words):
    return make_staff.form(
        client, PATH, **({"app": app, "leerling": "", "instelling": "", "voor": ""} | words)
    )


def test_an_app_is_found_by_a_part_of_its_name_without_accents(client, desk, many):
    page = ask(client, "wereld", instelling=desk.school)
    assert page.status_code == 200
    assert offered(page) == []
    assert 'id="gevonden"' in page.text
    assert 'value="kaart"' in page.text, "the field holds what it is called by"


def test_of_several_that_are_called_alike_one_is_chosen_and_what_was_typed_stays(client, desk, many):
    page = ask(client, "lees 1", leerling=desk.username)
    assert page.status_code == 200
    assert offered(page) == ["lees-01", *(f"lees-{number}" for number in range(10, 15))]
    assert "Lees &amp; Lach 14" in page.text
    assert f'value="{desk.username}"' in page.text
    assert "Gaston" not in page.text, "nobody is looked up before it is known which app"
    chosen = ask(client, "lees 1", leerling=desk.username, kies="lees-12")
    assert 'id="gevonden"' in chosen.text
    assert 'value="lees-12"' in chosen.text
    assert ask(client, "lees-12", leerling=desk.username).text.count('id="gevonden"') == 1, "called just so"


def test_a_page_offers_twelve_and_says_how_many_there_are(client, desk, many):
    page = ask(client, "LEES", instelling=desk.school)
    assert len(offered(page)) == 12
    assert "12 van 15." in page.text
    assert "lees-weg" not in page.text, "what is removed is not offered"
    closed = ask(client, "lees dicht", instelling=desk.school)
    assert offered(closed) == []
    assert 'value="lees-dicht"' in closed.text, "a closed app may be asked about, as before"


def test_few_apps_are_offered_by_the_field_itself_and_thousands_never(house, client, desk, many):
    page = client.get(PATH).text
    assert page.count("<option value=") - page.count('<option value="">') >= 17
    assert '<option value="kaart">Wéreldkaart</option>' in page
    with house.database.transaction() as db:
        for number in range(60):
            make.app(db, client_id=f"more-{number}", client_name=f"More {number}", scope="openid")
    page = client.get(PATH).text
    assert "<datalist" not in page
    assert "more-59" not in page


def test_from_the_page_of_an_app_and_of_a_school_the_form_is_filled_in(client, desk):
    there = f"{PATH}?app={desk.app.client_id}"
    assert f'href="{there}"' in client.get(f"/beheer/apps/{desk.app.client_id}").text
    page = client.get(there).text
    assert f'value="{desk.app.client_id}"' in page
    assert "<strong>Rekenbuur</strong>" in page
    there = f"{PATH}?school={desk.school}"
    assert f'href="{there}"' in client.get(f"/beheer/scholen/{desk.school}").text
    assert f'value="{desk.school}"' in client.get(there).text
    assert client.get(f"{PATH}?app=nobody-knows").status_code == 200
