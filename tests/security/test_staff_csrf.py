"""A page of somebody else cannot make staff change anything, although their browser is signed in."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from idp.models import Account, Agreement, AuditEvent, RightKind
from tests import make, make_staff

FOREIGN = (
    {},
    {"csrf_token": "foreign"},
    {"csrf_token": "IjEi.a.b"},
)


def tables(house):
    """Whatever such a form could change."""
    with house.database.reading() as db:
        return [db.execute(select(table.__table__)).all() for table in (Account, Agreement, AuditEvent)]


def refused(client, house, path, **fields):
    before = tables(house)
    for word in FOREIGN:
        assert client.post(path, data=word | fields).status_code == 400
    assert tables(house) == before
    mine = re.search(
        r'name="csrf_token" value="([^"]+)"', client.get("/schoolloket", follow_redirects=True).text
    )[1]
    before = tables(house)  # looking at a list of pupils leaves a line in the trail
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = client.post(path, data={"csrf_token": mine} | fields, headers=headers)
        assert answer.status_code == 400, "the right word, from a foreign page"
    assert tables(house) == before


@pytest.fixture
def pupil(house):
    with house.database.transaction() as db:
        made, school = make.pupil(db), make.school(db)
        make.enrolment(db, made, school)
        make.account(db, made, "noor.peeters")
    return school, made


def test_CSRF_04_no_account_is_made_renewed_or_blocked_from_a_foreign_page(client, house, pupil):
    school, one = pupil
    make_staff.begin(client, house, make_staff.staff(house, RightKind.BEHEERDER, school=school))
    base = f"/schoolloket/leerid-beheer/leerling/{one}"
    refused(client, house, f"{base}/blokkeer", doe="blokkeer")
    refused(client, house, f"{base}/naam", naam="iemand.anders")
    refused(client, house, f"{base}/kaart", kaart="x")


def test_CSRF_06_sharing_is_not_begun_or_stopped_from_a_foreign_page(client, house, pupil):
    school, _ = pupil
    with house.database.transaction() as db:
        text = make.protocol(db, "2026-1")
    make_staff.begin(client, house, make_staff.staff(house, RightKind.DATABEHEERDER, school=school))
    refused(client, house, "/schoolloket/klasinformatie/akkoord", tekst=text, school=school)
    with house.database.transaction() as db:
        make.agreement(db, school, text)
    refused(client, house, "/schoolloket/klasinformatie/stop", school=school)


def test_CSRF_07_no_right_is_given_from_a_foreign_page(client, house, pupil):
    """Operators work on the command line; what reaches furthest in a browser is giving rights."""
    school, _ = pupil
    make_staff.begin(client, house, make_staff.staff(house, RightKind.BEHEERDER, school=school))
    refused(client, house, "/schoolloket/personen", person_id="x", kind="leerid-beheerder")
