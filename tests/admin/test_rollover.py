"""The year turns: who is new, moved, left or still without a LeerID, and cards in August that open nothing before September."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from idp import audit, models
from idp.admin.accounts import bulk, papers, rollover
from idp.admin.accounts.rollover import Part
from idp.errors import Invalid
from idp.login import accounts, cards, sign_in
from idp.models import AccountType, PaperworkKind, SecretKind
from tests import make, make_login, make_staff
from tests.conftest import papers_made
from tests.make_browser import path
from tests.make_reading import read

YEAR = "/schoolloket/nieuw-schooljaar"
JULY = datetime(2027, 7, 5, 8, 0, tzinfo=UTC)
AUGUST = datetime(2027, 8, 20, 8, 0, tzinfo=UTC)
SEPTEMBER = datetime(2027, 9, 6, 8, 0, tzinfo=UTC)
FIRST, LAST = date(2027, 9, 1), date(2028, 8, 31)
NEXT = {"begindatum": FIRST, "einddatum": LAST}


def pupil(db, school, naam, *, this=None, coming=None, account=False, **columns):
    """A pupil of the school this year, next year or both; each a dict of columns."""
    who = make.pupil(db)
    for words in (this, None if coming is None else NEXT | coming):
        if words is not None:
            make.enrolment(db, who, school, **({"naam": naam, "voornaam": "An"} | words))
    if account:
        make.account(db, who, **columns)
    return who


@pytest.fixture
def school(house):
    """A school where everything happens when the year turns."""
    secondary = {"hoofdstructuur": "311", "administratieve_groep": "1A", "administratieve_groep_code": "S1"}
    fourth = {"administratieve_groep": "vierde leerjaar", "administratieve_groep_code": "L4"}
    with house.database.transaction() as db:
        here, elsewhere = make.school(db), make.school(db)
        pupil(db, here, "Nieuw", coming=secondary)
        came = pupil(db, here, "Komt", coming=secondary | {"hoofdstructuur": "211"}, account=True)
        make.enrolment(db, came, elsewhere)
        pupil(db, here, "Groot", this={"hoofdstructuur": "211"}, coming=secondary, account=True)
        pupil(db, here, "Hoger", this={}, coming=fourth, account=True)
        pupil(db, here, "Zelfde", this={}, coming={}, account=True)
        pupil(db, here, "Zonder", this={}, coming=fourth)
        gone = pupil(db, here, "Weg", this={}, account=True)
        make.enrolment(db, gone, elsewhere, **NEXT)
        pupil(db, here, "Thuis", this={"einddatum": date(2027, 6, 30)}, account=True)
        pupil(db, here, "Eerder", this={"einddatum": date(2027, 3, 31)}, account=True)
    return here


def look(house, school, now):
    house.clock.moment = now
    with house.database.reading() as db:
        return rollover.report(db, school, now)


def names(found):
    return {part.value: [one.naam for one in lines] for part, lines in found.parts.items()}


WHOLE = {
    "zonder": ["Nieuw", "Zonder"],
    "nieuw": ["Komt"],
    "secundair": ["Groot"],
    "groep": ["Hoger"],
    "vertrokken": ["Thuis", "Weg"],
}


@pytest.mark.parametrize("now", [JULY, AUGUST, SEPTEMBER])
def test_the_report_says_the_same_before_and_after_the_turn(house, school, now):
    found = look(house, school, now)
    assert names(found) == WHOLE
    assert (found.new, found.stayed, found.ahead) == (2, 4, now < SEPTEMBER)
    gone = {one.naam: (one.day, one.goes_on) for one in found.parts[Part.LEFT]}
    assert gone == {"Weg": (make.YEAR_ENDS, True), "Thuis": (date(2027, 6, 30), False)}
    assert found.parts[Part.MOVED][0].before == "derde leerjaar"
    everyone = rollover.chosen(found, Part.WITHOUT, ["S1", "L4"])
    assert len(everyone) == (0 if now == JULY else 2), "papers are made from 15 August on"
    assert len(rollover.chosen(found, Part.WITHOUT, ["S1"])) == (0 if now == JULY else 1)


def test_before_anybody_comes_there_is_nothing_to_report(house):
    with house.database.transaction() as db:
        here = make.school(db)
        pupil(db, here, "Weg", this={})
    assert not look(house, here, JULY).known
    assert look(house, here, make.NOW).known, "in November it looks back"
    assert rollover.turn(date(2027, 6, 30)) == date(2026, 9, 1)
    assert rollover.turn(date(2027, 7, 1)) == FIRST


def word(client):
    return re.search(r'name="csrf_token" value="([^"]+)"', client.get("/schoolloket/personen").text)[1]


@pytest.fixture
def desk(client, house, school):
    one = make_staff.staff(house, school=school)
    with house.database.transaction() as db:
        make.right(db, one.person_id, school, kind=models.RightKind.BEHEERDER, einddatum=LAST)
    house.clock.moment = AUGUST
    make_staff.begin(client, house, one)
    return one


def test_a_part_of_the_report_goes_straight_to_a_proposal_and_to_cards(house, client, school, desk):
    page = client.get(YEAR)
    assert "Naar schooljaar 2027-2028" in page.text
    assert "Werkt" not in read(page).words
    begun = client.post(YEAR, data={"csrf_token": word(client), "deel": "zonder", "groep": ["S1", "L4"]})
    work = path(begun)
    assert "LeerID" in client.get(work).text
    client.post(work, data={"csrf_token": word(client), "doe": "klaar"})
    papers_made()
    with house.database.reading() as db:
        made = db.execute(select(models.Account.type).where(models.Account.created_at == AUGUST)).scalars()
        assert sorted(made) == [AccountType.BASIC, AccountType.ADVANCED]
    left = look(house, school, AUGUST)
    assert names(left)["zonder"] == []
    assert "Iedereen die ingeschreven is, heeft een LeerID." in client.get(YEAR).text


def test_a_part_that_does_not_exist_and_a_group_that_is_empty_make_nothing(house, client, school, desk):
    assert client.post(YEAR, data={"csrf_token": word(client), "deel": "vertrokken"}).status_code == 400
    back = client.post(YEAR, data={"csrf_token": word(client), "deel": "zonder", "groep": "Z9"})
    assert path(back).startswith(YEAR)
    assert "bericht=papers_for_nobody" in back.headers["Location"]
    assert client.get(back.headers["Location"]).status_code == 200


def test_LIFE_a_card_and_an_account_made_in_august_open_nothing_before_the_first_day(house, school):
    found = look(house, school, AUGUST)
    new = next(one.account_uuid for one in found.parts[Part.WITHOUT] if one.naam == "Nieuw")
    with house.database.reading() as db:
        desk = papers.Desk(person_id="p", instellingsnummer=school, key="k")
        proposals = papers.propose(db, house, desk, PaperworkKind.CREATE, [new])
    (made,) = bulk.create(house, proposals)
    assert made.note == "Werkt vanaf 1 september 2027."
    assert made.begins == "2027-09-01"
    token = made.card_url.rpartition("/")[2]

    def opens():
        with house.database.reading() as db:
            held = cards.find(db, token, house.clock.now())
        tried = sign_in.prove(house, make_login.attempt(made.username, made.secret))
        return held is not None, isinstance(tried, sign_in.SignedIn)

    house.clock.moment = datetime(2027, 8, 31, 21, 59, 59, tzinfo=UTC)
    assert opens() == (False, False)
    house.clock.move(seconds=1)
    assert opens() == (True, True)


def test_the_days_of_a_temporary_password_count_from_the_first_day_that_it_can_be_used(house, school):
    found = look(house, school, AUGUST)
    (new,) = [one.account_uuid for one in found.parts[Part.WITHOUT] if one.naam == "Nieuw"]
    with house.database.reading() as db:
        desk = papers.Desk(person_id="p", instellingsnummer=school, key="k")
        proposals = papers.propose(db, house, desk, PaperworkKind.CREATE, [new])
    bulk.create(house, proposals)

    def ends():
        with house.database.reading() as db:
            return accounts.find(db, new, house.clock.today()).secret_expires_at

    midnight = datetime(2027, 8, 31, 22, 0, tzinfo=UTC)
    assert ends() == midnight + timedelta(days=90)
    house.clock.move(days=2)
    bulk.renew(house, instellingsnummer=school, account_uuids=[new])
    assert ends() == midnight + timedelta(days=90)
    house.clock.moment = SEPTEMBER
    bulk.renew(house, instellingsnummer=school, account_uuids=[new])
    assert ends() == SEPTEMBER + timedelta(days=90)


def test_QR_03_the_card_of_the_school_before_stops_and_the_one_of_the_new_school_begins(house, school):
    found = look(house, school, AUGUST)
    (came,) = found.parts[Part.ARRIVED]
    with house.database.transaction() as db:
        elsewhere = db.execute(
            select(models.Enrolment.instellingsnummer).where(
                models.Enrolment.account_uuid == came.account_uuid,
                models.Enrolment.instellingsnummer != school,
            )
        ).scalar_one()
        old = cards.issue(
            db,
            account_uuid=came.account_uuid,
            label="school",
            now=AUGUST,
            days=395,
            instellingsnummer=elsewhere,
        )
    (new,) = bulk.new_cards(house, instellingsnummer=school, account_uuids=[came.account_uuid])
    assert (new.note, new.secret) == ("Werkt vanaf 1 september 2027.", None)

    def opening():
        with house.database.reading() as db:
            tokens = (old.token, new.card_url.rpartition("/")[2])
            return [cards.find(db, token, house.clock.now()) is not None for token in tokens]

    assert opening() == [True, False]
    house.clock.moment = datetime(2027, 8, 31, 21, 59, 59, tzinfo=UTC)
    assert opening() == [True, False]
    house.clock.move(seconds=1)
    assert opening() == [False, True]
    assert names(look(house, school, SEPTEMBER))["nieuw"] == [], "it has a card of this school now"


def test_LIFE_11_a_school_that_waits_for_a_pupil_gives_no_new_secret_while_the_pupil_is_elsewhere(
    house, school
):
    (came,) = look(house, school, AUGUST).parts[Part.ARRIVED]
    words = {"instellingsnummer": school, "account_uuids": [came.account_uuid]}
    with pytest.raises(Invalid, match="account_not_here"):
        bulk.renew(house, **words)
    with house.database.reading() as db:
        assert bulk.existing(db, today=house.clock.today(), **words) == ()
    house.clock.moment = SEPTEMBER
    (made,) = bulk.renew(house, **words)
    assert made.secret


def test_from_primary_to_secondary_a_renewal_makes_the_account_advanced_and_keeps_who_it_is(house, school):
    (grown,) = look(house, school, SEPTEMBER).parts[Part.GROWN]

    def account():
        with house.database.reading() as db:
            return db.execute(
                select(
                    models.Account.username,
                    models.Account.type,
                    models.Account.secret_kind,
                    models.Pupil.leerid_uuid,
                )
                .join(models.Pupil, models.Pupil.account_uuid == models.Account.account_uuid)
                .where(models.Account.account_uuid == grown.account_uuid)
            ).one()

    before = account()
    assert before.type is AccountType.BASIC
    words = {"instellingsnummer": school, "account_uuids": [grown.account_uuid]}
    (made,) = bulk.renew(house, **words)
    after = account()
    assert (after.type, after.secret_kind) == (AccountType.ADVANCED, SecretKind.TEMPORARY)
    assert (after.username, after.leerid_uuid) == (before.username, before.leerid_uuid)
    assert made.username == before.username
    bulk.renew(house, kinds={grown.account_uuid: SecretKind.BASIC}, **words)
    house.clock.move(days=30)
    bulk.renew(house, **words)
    assert account().type is AccountType.BASIC, "what the secondary school chose itself stays chosen"


def test_LIFE_05_who_comes_back_after_a_year_has_the_same_account_and_a_namesake_has_not(house):
    with house.database.transaction() as db:
        here = make.school(db)
        who = pupil(db, here, "Weg", this={"einddatum": date(2026, 10, 30)}, account=True, username="an.weg")
        make.enrolment(db, who, here, naam="Weg", voornaam="An", begindatum=FIRST, einddatum=LAST)
        namesake = pupil(db, here, "Weg", coming={})
    found = look(house, here, AUGUST)
    assert [one.account_uuid for one in found.parts[Part.WITHOUT]] == [namesake]
    assert [one.account_uuid for one in found.parts[Part.ARRIVED]] == [who]
    with audit.acting("test"), house.database.reading() as db:
        desk = papers.Desk(person_id="p", instellingsnummer=here, key="k")
        (proposed,) = papers.propose(db, house, desk, PaperworkKind.CREATE, [who, namesake])
    assert (proposed.account_uuid, proposed.username) == (namesake, "an.weg2")
