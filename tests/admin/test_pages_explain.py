"""An operator asks why; the answer is in words, without values, and the look at a pupil is remembered."""

from __future__ import annotations

import pytest
from sqlalchemy import select

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
    assert "Zichtbaar voor 1 van 1 leerlingen." in page.text
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
