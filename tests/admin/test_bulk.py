"""How does a whole school get accounts at once?"""

from __future__ import annotations

import json
from collections import Counter
from datetime import date
from io import BytesIO

import pytest
from sqlalchemy import func, select, update

from idp import models
from idp.admin.accounts import bulk
from idp.admin.printing import bundle
from idp.errors import Invalid, NotFound
from idp.login import accounts, cards, passwords, pictures, sessions
from idp.models import AccountType, SecretKind
from tests import make
from tests.make_reading import stands

TODAY = make.TODAY


def enrolled(db, school, voornaam="Gaston", naam="Logie", **columns):
    pupil = make.pupil(db)
    make.enrolment(db, pupil, school, voornaam=voornaam, naam=naam, **columns)
    return pupil


def proposed(house, school, **words):
    with house.database.reading() as db:
        return bulk.propose(db, instellingsnummer=school, today=house.clock.today(), **words)


@pytest.fixture
def school(house):
    """Two in primary, one in secondary."""
    with house.database.transaction() as db:
        made = make.school(db)
        enrolled(db, made, "Gastón", "Logie")
        enrolled(
            db,
            made,
            "Süheda",
            "Carabin",
            administratieve_groep="4de leerjaar",
            administratieve_groep_code="L4",
        )
        enrolled(
            db,
            made,
            "Azmi",
            "Dasdan",
            hoofdstructuur="311",
            administratieve_groep="1A",
            administratieve_groep_code="1001",
        )
    return made


def test_each_pupil_gets_what_fits_the_age(house, school):
    handouts = bulk.create(house, proposed(house, school))
    assert [(one.username, one.kind) for one in handouts] == [
        ("suheda.carabin", SecretKind.PICTURE),
        ("azmi.dasdan", SecretKind.TEMPORARY),
        ("gaston.logie", SecretKind.PICTURE),
    ]
    assert [one.label for one in handouts] == ["Wachtwoord", "Tijdelijk wachtwoord", "Wachtwoord"]
    assert handouts[2].name == "Gastón Logie"
    assert handouts[2].personal_url == "http://localhost:8080/mijn/gaston.logie"


def test_the_secret_on_the_card_is_the_one_that_signs_in(house, school):
    for one in bulk.create(house, proposed(house, school)):
        with house.database.reading() as db:
            account = accounts.find(db, one.account_uuid, TODAY)
        typed = pictures.typed(one.secret) if one.pictures else passwords.canonical(one.kind, one.secret)
        assert house.hasher.verify(account.stored, typed).right
        assert account.active
        if one.pictures:
            assert " ".join(picture.key for picture in one.pictures) == one.secret
            assert one.story.startswith(("De ", "Het "))
            assert one.story.endswith(".")


def test_the_card_names_the_pupil(house, school):
    for one in bulk.create(house, proposed(house, school)):
        assert one.card_url.startswith("HTTP://LOCALHOST:8080/K/K1")
        with house.database.reading() as db:
            held = cards.find(db, one.card_url.rpartition("/")[2], house.clock.now())
        assert held.account_uuid == one.account_uuid


def test_no_secret_and_no_token_is_kept(house, school):
    handouts = bulk.create(house, proposed(house, school))
    with house.database.reading() as db:
        kept = " ".join(
            repr(row) for table in models.Base.metadata.sorted_tables for row in db.execute(select(table))
        )
    for one in handouts:
        assert one.secret not in kept
        assert one.card_url.rpartition("/")[2] not in kept
        assert one.secret not in repr(one)


def test_basic_passwords_may_be_chosen_for_the_whole_selection(house, school):
    kinds = {one.type: one.secret_kind for one in proposed(house, school, basic=SecretKind.BASIC)}
    assert kinds == {AccountType.BASIC: SecretKind.BASIC, AccountType.ADVANCED: SecretKind.TEMPORARY}
    with pytest.raises(Invalid, match="secret_kind_not_basic"):
        proposed(house, school, basic=SecretKind.TEMPORARY)


@pytest.mark.parametrize("group", ["4de leerjaar", "L4"])
def test_a_group_is_found_by_label_or_code(house, school, group):
    assert [one.username for one in proposed(house, school, group=group)] == ["suheda.carabin"]


def test_unknown_schools_and_groups_are_refused(house, school):
    with pytest.raises(NotFound, match="school_unknown"):
        proposed(house, "000000")
    with pytest.raises(NotFound, match="group_unknown"):
        proposed(house, school, group="5de leerjaar")


def test_only_pupils_of_today_without_account(house):
    with house.database.transaction() as db:
        school, other = make.school(db), make.school(db)
        enrolled(db, school, "Wel", "Hier")
        enrolled(db, school, "Al", "Weg", einddatum=date(2026, 11, 22))
        enrolled(db, school, "Komt", "Nog", begindatum=date(2027, 9, 1), einddatum=date(2028, 8, 31))
        enrolled(db, other, "Andere", "School")
        make.account(db, enrolled(db, school, "Heeft", "Al"), "heeft.al")
    assert [one.username for one in proposed(house, school)] == ["wel.hier"]


def test_from_15_august_next_year_counts_too():
    assert bulk.latest_begin(date(2027, 8, 14)) == date(2027, 8, 14)
    assert bulk.latest_begin(date(2027, 8, 15)) == date(2027, 9, 1)
    assert bulk.latest_begin(date(2027, 8, 31)) == date(2027, 9, 1)
    assert bulk.latest_begin(date(2027, 9, 2)) == date(2027, 9, 2)


def test_doing_it_twice_makes_nobody_twice(house, school):
    proposals = proposed(house, school)
    assert len(bulk.create(house, proposals)) == 3
    assert bulk.create(house, proposals) == ()
    assert proposed(house, school) == ()
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.Card)).scalar_one() == 3


def test_namesakes_get_names_of_their_own(house):
    with house.database.transaction() as db:
        school = make.school(db)
        for _ in range(12):
            enrolled(db, school, "Elis", "Ademova")
    handouts = bulk.create(house, proposed(house, school))
    names = [one.username for one in handouts]
    assert len(set(names)) == 12
    assert set(names) == {"elis.ademova", *(f"elis.ademova{number}" for number in range(2, 13))}


def test_one_impossible_user_name_stops_everyone(house, school):
    from dataclasses import replace

    first, *rest = proposed(house, school)
    with pytest.raises(Invalid):
        bulk.create(house, [*rest, replace(first, username="a@b")])
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.Account)).scalar_one() == 0
        assert db.execute(select(func.count()).select_from(models.AuditEvent)).scalar_one() == 0


def test_classes_are_printed_only_where_the_school_shares(house, school):
    with house.database.transaction() as db:
        pupil = db.execute(
            select(models.Enrolment.account_uuid).where(models.Enrolment.naam == "Logie")
        ).scalar_one()
        main = make.klas(db, school, "3A")
        make.membership(db, make.klas(db, school, "1WI", soort=models.Soort.SUBKLAS), pupil)
        make.membership(db, main, pupil)
        make.membership(db, make.klas(db, school, "OUD"), pupil, replaced_at=make.NOW)
    (one,) = [one for one in bulk.create(house, proposed(house, school)) if one.account_uuid == pupil]
    assert one.klassen == ()
    with house.database.transaction() as db:
        make.agreement(db, school)
    (again,) = bulk.renew(house, instellingsnummer=school, account_uuids=[pupil])
    assert again.klassen == ("3A", "1WI")


def test_the_trail_says_how_many_cards_and_no_names(house, school):
    bulk.create(house, proposed(house, school))
    with house.database.reading() as db:
        rows = db.execute(select(models.AuditEvent.event, models.AuditEvent.details)).all()
    assert Counter(event for event, _ in rows) == {"account_created": 3, "card_issued": 3, "cards_printed": 1}
    assert [details for event, details in rows if event == "cards_printed"] == [{"count": 3}]
    assert not stands("Logie", rows)


def test_without_cards_none_are_made(house, school):
    assert {one.card_url for one in bulk.create(house, proposed(house, school), with_cards=False)} == {None}


def test_progress_counts_to_the_end(house, school):
    seen = []
    bulk.create(house, proposed(house, school), progress=lambda done, of: seen.append((done, of)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert bulk.create(house, ()) == ()


def test_renewing_replaces_secret_and_card_and_ends_what_was_open(house, school):
    before = bulk.create(house, proposed(house, school))
    house.clock.move(minutes=1)
    with house.database.transaction() as db:
        first = before[0].account_uuid
        sessions.start(
            db,
            house,
            account_uuid=first,
            amr=("pwd",),
            acr="x",
            must_change=False,
            shared=False,
            now=house.clock.now(),
        )
    after = bulk.renew(
        house,
        instellingsnummer=school,
        account_uuids=[one.account_uuid for one in before],
    )
    assert [one.username for one in after] == [one.username for one in before]
    assert [one.kind for one in after] == [one.kind for one in before]
    with house.database.reading() as db:
        assert db.execute(select(models.Session.ended_because)).scalars().all() == ["secret_renewed"]
    for old, new in zip(before, after, strict=True):
        with house.database.reading() as db:
            stored = accounts.find(db, new.account_uuid, TODAY).stored
            assert cards.find(db, old.card_url.rpartition("/")[2], house.clock.now()) is None
            assert cards.find(db, new.card_url.rpartition("/")[2], house.clock.now())
        typed = pictures.typed(new.secret) if new.pictures else new.secret
        assert house.hasher.verify(stored, typed).right


def test_an_own_password_becomes_a_temporary_one(house, school):
    one = next(one for one in bulk.create(house, proposed(house, school)) if one.kind is SecretKind.TEMPORARY)
    with house.database.transaction() as db:
        mine = models.Account.account_uuid == one.account_uuid
        db.execute(update(models.Account).where(mine).values(secret_kind=SecretKind.OWN))
    (again,) = bulk.renew(house, instellingsnummer=school, account_uuids=[one.account_uuid])
    assert again.kind is SecretKind.TEMPORARY


def test_a_school_renews_its_own_pupils_only(house, school):
    with house.database.transaction() as db:
        other = make.school(db)
        stranger = enrolled(db, other)
        make.account(db, stranger, "vreemde.eend")
    with pytest.raises(Invalid, match="account_not_here"):
        bulk.renew(house, instellingsnummer=school, account_uuids=[stranger])


def test_what_is_printed_says_brand_and_school(house, school):
    with house.database.reading() as db:
        seen = bulk.look(db, house, school)
        assert (seen.brand, seen.school, seen.made_on) == ("Leersleutel", "Basisschool De Wijzer", TODAY)
        with pytest.raises(NotFound, match="school_unknown"):
            bulk.look(db, house, "000000")


def test_a_whole_school_from_proposal_to_zip(house, school):
    handouts = bulk.create(house, proposed(house, school))
    with house.database.reading() as db:
        seen = bulk.look(db, house, school)
    target = BytesIO()
    names = bundle.write(target, handouts, seen)
    assert len(names) == 2 + 2 * 3
    assert json.loads(json.dumps([one.as_json() for one in handouts]))[0]["kind"] == "picture"
