"""A LeerID-beheerder appoints others at the own school, and nobody gets more than was theirs to give."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from idp import models
from idp.admin.staff import access
from idp.login import staff_accounts
from idp.models import RightKind
from tests import make, make_staff
from tests.make_browser import path
from tests.make_rivals import Press, press_together

PATH = "/schoolloket/personen"
KINDS = {"e_mail": "email", "tot": "date"}
NEW = {"voornaam": "Cem", "naam": "Boei", "e_mail": "cem@school.example", "tot": "2027-06-30"}


@pytest.fixture
def one(client, house):
    made = make_staff.staff(house)
    make_staff.begin(client, house, made)
    return made


def word(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get(PATH).text)[1]


def post(client, where, **fields):
    return client.post(where, data={"csrf_token": word(client)} | fields)


def rights(house, school):
    with house.database.reading() as db:
        return {(held.e_mail, held.kind) for held in access.holders(db, make.TODAY, instellingsnummer=school)}


@pytest.mark.parametrize("kind", ["leerid-beheerder", "leerkracht"])
def test_a_beheerder_appoints_somebody_and_invites_them(client, house, one, kind):
    assert path(post(client, PATH, **NEW, recht=kind)) == PATH
    assert (NEW["e_mail"], RightKind(kind)) in rights(house, one.school)
    page = client.get(PATH)
    person = re.search(r'name="persoon" value="([^"]+)"', page.text)[1]
    page = post(client, f"{PATH}/uitnodigen", persoon=person)
    link = re.search(r"<code>(http[^<]+)</code>", page.text)[1]
    assert link.startswith(f"{house.settings.issuer}/personeel/uitnodiging/")
    with house.database.reading() as db:
        events = db.execute(select(models.AuditEvent.event, models.AuditEvent.actor)).all()
    mine = f"person:{one.person_id}"
    assert {("right_given", mine), ("staff_invited", mine)} <= {*events}


@pytest.mark.parametrize("kind", ["leerid-databeheerder", "operator", "leerid-beheerder' --", ""])
def test_ROLE_05_what_is_not_theirs_to_give_is_not_given(client, house, one, kind):
    before = rights(house, one.school)
    assert post(client, PATH, **NEW, recht=kind).status_code in {400, 403}
    assert rights(house, one.school) == before


def test_ROLE_05_nobody_gives_or_stops_an_own_right(client, house, one):
    with house.database.transaction() as db:
        db.execute(models.Person.__table__.update().values(e_mail=NEW["e_mail"]))
    assert post(client, PATH, **NEW, recht="leerkracht").status_code == 403
    with house.database.reading() as db:
        (mine,) = access.holders(db, make.TODAY, person_id=one.person_id)
    refused = post(client, f"{PATH}/stop", recht=mine.id)
    assert refused.status_code == 403
    assert "Je kunt je eigen rechten niet geven of stoppen." in refused.text
    assert (NEW["e_mail"], RightKind.BEHEERDER) in rights(house, one.school)


def test_a_right_that_is_stopped_counts_no_more(client, house, one):
    other = make_staff.staff(house, RightKind.BEHEERDER, RightKind.DATABEHEERDER, school=one.school)
    browser = client.application.test_client()
    make_staff.begin(browser, house, other)
    assert browser.get(PATH).status_code == 200
    with house.database.reading() as db:
        held = {right.kind: right.id for right in access.holders(db, make.TODAY, person_id=other.person_id)}
    assert path(post(client, f"{PATH}/stop", recht=held[RightKind.BEHEERDER])) == PATH
    assert browser.get(PATH).status_code == 403
    assert post(client, f"{PATH}/stop", recht=held[RightKind.DATABEHEERDER]).status_code == 403


@pytest.mark.parametrize(
    ("kind", "means"),
    [
        (RightKind.BEHEERDER, "Cem Boei beheert dan meteen geen accounts"),
        (RightKind.TEACHER, "Cem Boei kan dan als leerkracht meteen geen leerlingen meer helpen"),
    ],
)
def test_what_it_means_is_read_before_a_right_is_stopped(client, house, one, kind, means):
    with house.database.transaction() as db:
        person = make.person(db, voornaam="Cem", naam="Boei", e_mail=NEW["e_mail"])
        right = make.right(db, person, one.school, kind=kind)
        make.right(db, person, one.school, kind=RightKind.DATABEHEERDER)
    page = client.get(PATH).text
    folded = re.findall(r"<details.*?</details>", page, re.DOTALL)
    (ask,) = [part for part in folded if f'value="{right}"' in part]
    assert means in ask
    assert "Stop het recht van Cem Boei" in ask
    assert page.count(f'{PATH}/stop"') == 1, "not the own right, and not one that comes from an assignment"
    assert path(make_staff.send(client, client.get(PATH), recht=right)) == PATH
    assert (NEW["e_mail"], kind) not in rights(house, one.school)


def test_IDOR_02_a_right_at_another_school_is_nobodys_here(client, house, one):
    stranger = make_staff.staff(house)
    with house.database.reading() as db:
        (theirs,) = access.holders(db, make.TODAY, person_id=stranger.person_id)
    for right in (theirs.id, "x", "", "00000000-0000-0000-0000-000000000000"):
        assert post(client, f"{PATH}/stop", recht=right).status_code == 404
    assert stranger.person_id not in client.get(PATH).text
    assert post(client, f"{PATH}/uitnodigen", persoon=stranger.person_id).status_code == 403


@pytest.mark.parametrize("more", ["account", "elsewhere", "databeheerder", "operator"])
def test_a_beheerder_invites_nobody_who_is_more_than_theirs(client, house, one, more):
    """Whoever holds the link becomes that person."""
    with house.database.transaction() as db:
        person = make.person(db)
        make.right(db, person, one.school, kind=RightKind.TEACHER)
        if more == "elsewhere":
            make.right(db, person, make.school(db), kind=RightKind.TEACHER)
        elif more == "databeheerder":
            make.right(db, person, one.school)
        elif more == "operator":
            make.right(db, person, None, kind=RightKind.OPERATOR)
    if more == "account":
        person = make_staff.staff(house, RightKind.TEACHER, school=one.school).person_id
    assert f'value="{person}"' not in client.get(PATH).text
    assert post(client, f"{PATH}/uitnodigen", persoon=person).status_code == 403
    with house.database.reading() as db:
        assert db.execute(select(models.StaffLink.digest)).first() is None


@pytest.fixture
def link(client, house, one):
    """A beheerder's invitation to a teacher of the own school, and who that is."""
    with house.database.transaction() as db:
        person = make.person(db)
        make.right(db, person, one.school, kind=RightKind.TEACHER)
    page = post(client, f"{PATH}/uitnodigen", persoon=person)
    found = re.search(r"<code>(http[^<]+)</code>", page.text)[1]
    return found.removeprefix(house.settings.issuer), person


def opens(client, link) -> bool:
    return client.application.test_client().get(link).status_code == 303


@pytest.mark.parametrize("more", ["elsewhere", "databeheerder", "operator", "nothing", "maker", "account"])
def test_ROLE_05_a_link_that_a_beheerder_held_back_opens_no_more_than_is_theirs_now(
    client, house, one, link, more
):
    """Whoever kept the link would become a person who can do more than they may give."""
    where, person = link
    assert opens(client, where)
    with house.database.transaction() as db:
        if more == "elsewhere":
            make.right(db, person, make.school(db), kind=RightKind.TEACHER)
        elif more == "databeheerder":
            make.right(db, person, one.school, begindatum=make.TODAY + timedelta(days=3))
        elif more == "operator":
            make.right(db, person, None, kind=RightKind.OPERATOR)
        elif more == "account":
            staff_accounts.ensure(db, person, house.clock.now())
        else:
            whose = {"nothing": person, "maker": one.person_id}[more]
            for held in access.holders(db, make.TODAY, person_id=whose):
                access.stop(db, right_id=held.id, by=None, today=make.TODAY)
    assert not opens(client, where)


def test_ROLE_05_a_page_of_a_held_back_link_that_is_open_finishes_nothing(client, house, one, link):
    where, person = link
    browser = client.application.test_client()
    assert browser.get(where).status_code == 303
    page = browser.get("/personeel/instellen")
    with house.database.transaction() as db:
        make.right(db, person, one.school)
    assert make_staff.send(browser, page, password=make_staff.PASSWORD).status_code == 404


def test_a_link_of_a_beheerder_survives_more_of_what_a_beheerder_gives(client, house, one, link):
    where, person = link
    with house.database.transaction() as db:
        make.right(db, person, one.school, kind=RightKind.BEHEERDER)
    assert opens(client, where)


def test_a_known_address_keeps_its_names(client, house, one):
    with house.database.transaction() as db:
        known = make.person(db, voornaam="Cemal", e_mail="CEM@school.example")
    post(client, PATH, **NEW, recht="leerkracht")
    with house.database.reading() as db:
        held = access.holders(db, make.TODAY, person_id=known)
    assert [(right.voornaam, right.kind) for right in held] == [("Cemal", RightKind.TEACHER)]


@pytest.mark.parametrize(
    "wrong", [{"tot": "2026-01-01"}, {"tot": "soon"}, {"e_mail": "nobody"}, {"naam": " "}]
)
def test_what_is_incomplete_is_said_beside_its_field_and_nothing_is_given_or_lost(client, house, one, wrong):
    before = rights(house, one.school)
    answer = post(client, PATH, **(NEW | wrong), recht="leerkracht")
    assert answer.status_code == 400
    assert rights(house, one.school) == before
    (name,) = wrong
    assert re.findall(r'<input id="(\w+)"[^>]*aria-invalid="true" aria-describedby="p-\1"', answer.text) == [
        name
    ]
    assert answer.text.count(f'class="field-problem" id="p-{name}"') == 1
    assert re.search(r'value="leerkracht" checked', answer.text)
    for field, text in (NEW | wrong).items():
        assert f'name="{field}" type="{KINDS.get(field, "text")}" value="{text.strip()}"' in answer.text
    form = answer.text.index('action="/schoolloket/personen" data-once')
    assert 0 < form - answer.text.index('id="melding"') < 500, "where the form is, below everybody"


def test_a_right_that_nobody_chose_is_asked_beside_the_choice(client, one):
    page = post(client, PATH, **NEW, recht="koning").text
    assert 'aria-describedby="p-recht"' in page
    assert 'id="p-recht">Kies een recht.' in page


def test_XSS_names_of_people_are_text(client, house, one):
    post(client, PATH, **(NEW | {"naam": "<script>alert(1)</script>"}), recht="leerkracht")
    assert "<script>alert" not in client.get(PATH).text


def test_RACE_06_of_two_beheerders_who_stop_each_other_at_once_one_remains(house):
    rounds, schools = [], []
    for _ in range(6):
        one = make_staff.staff(house)
        two = make_staff.staff(house, school=one.school)
        with house.database.reading() as db:
            held = {
                right.person_id: right.id
                for right in access.holders(db, make.TODAY, instellingsnummer=one.school)
            }
        cookies = [make_staff.cookie(house, who) for who in (one, two)]
        others = (held[two.person_id], held[one.person_id])
        first, second = (Press(cookie=cookies[me], right_id=others[me]) for me in (0, 1))
        rounds.append((first, second))
        schools.append(one.school)
    for answers in press_together(house, rounds):
        assert sorted(answers) in ([303, 403], [303, 404]), answers
    for school in schools:
        with house.database.reading() as db:
            assert len(access.holders(db, make.TODAY, instellingsnummer=school)) == 1
