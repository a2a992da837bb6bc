"""Accounts: proposed, made for many at once, renewed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select

from idp import audit, context
from idp.entropy import Chance
from idp.errors import Invalid, NotFound
from idp.login import accounts, pictures
from idp.models import Account, AccountType, AuditEvent, Pupil, RetiredUsername, SecretKind
from tests import make, make_login


def _propose(house, school, **which):
    with house.database.reading() as db:
        return accounts.propose(db, instellingsnummer=school, today=house.clock.today(), **which)


def _create(house, proposals):
    hashed = [house.hasher.hash("kat appel trein kasteel")] * len(proposals)

    def work(db):
        return accounts.create(
            db, proposals=proposals, hashed=hashed, now=house.clock.now(), settings=house.settings
        )

    return house.database.retrying(work)


def _school_with(house, names, **columns):
    with house.database.transaction() as db:
        school = make.school(db)
        for voornaam, naam in names:
            make.enrolment(db, make.pupil(db), school, voornaam=voornaam, naam=naam, **columns)
    return school


@pytest.mark.parametrize(
    ("hoofdstructuur", "type_"),
    [(code, AccountType.BASIC) for code in ("111", "121", "211", "221")]
    + [(code, AccountType.ADVANCED) for code in ("311", "312", "321")],
)
def test_primary_gets_a_basic_account_and_secondary_an_advanced_one(hoofdstructuur, type_):
    assert accounts.type_for(hoofdstructuur) is type_


def test_a_school_is_proposed_a_name_for_each_pupil_without_account_and_none_twice(house):
    school = _school_with(house, [("Jan", "Peeters"), ("Ján", "Peeters"), ("Süheda", "Carabin")])
    proposals = _propose(house, school)
    assert [one.username for one in proposals] == ["suheda.carabin", "jan.peeters", "jan.peeters2"]
    assert {one.secret_kind for one in proposals} == {SecretKind.PICTURE}
    created = _create(house, proposals)
    assert [one.username for one in created] == [one.username for one in proposals]
    assert _propose(house, school) == ()


def test_a_pupil_of_secondary_school_gets_a_temporary_password_for_ninety_days(house):
    school = _school_with(house, [("Jan", "Peeters")], hoofdstructuur="311")
    (proposal,) = _propose(house, school)
    assert (proposal.type, proposal.secret_kind) == (AccountType.ADVANCED, SecretKind.TEMPORARY)
    _create(house, [proposal])
    with house.database.reading() as db:
        made = make_login.named(db, "jan.peeters", house.clock.today())
    assert made.secret_expires_at == house.clock.now() + timedelta(days=90)
    assert made.active


def test_only_pupils_who_are_or_will_be_enrolled_are_proposed(house):
    today = house.clock.today()
    school = _school_with(house, [("Oud", "Leerling")], einddatum=today - timedelta(days=1))
    with house.database.transaction() as db:
        for day, name in ((today, "Laatste"), (today + timedelta(days=9), "Nieuwe")):
            make.enrolment(
                db, make.pupil(db), school, naam=name, begindatum=day, einddatum=day + timedelta(days=1)
            )
    assert [one.naam for one in _propose(house, school)] == ["Laatste", "Nieuwe"]


def test_the_first_account_gives_a_leerid_that_stays(house):
    school = _school_with(house, [("Jan", "Peeters"), ("An", "Maes")])
    before = _propose(house, school)
    with house.database.transaction() as db:
        kept = make.pupil(db, leerid_uuid="6a7a0a41-6c4f-4a4e-9a43-1d5ac7a1f2aa")
        make.enrolment(db, kept, school)
    _create(house, _propose(house, school))
    with house.database.reading() as db:
        leerids = dict(db.execute(select(Pupil.account_uuid, Pupil.leerid_uuid)).all())
    assert leerids[kept] == "6a7a0a41-6c4f-4a4e-9a43-1d5ac7a1f2aa"
    assert len({leerids[one.account_uuid] for one in before} - {None}) == 2


def test_a_name_that_was_somebodys_is_never_given_again(house):
    school = _school_with(house, [("Jan", "Peeters")])
    stale = _propose(house, school)
    with house.database.transaction() as db:
        for name in ("jan.peeters", "jan.peeters2"):
            row = {"username": name, "account_uuid": make.pupil(db), "retired_at": house.clock.now()}
            db.execute(insert(RetiredUsername), row)
    assert _propose(house, school)[0].username == "jan.peeters3"
    assert _create(house, stale)[0].username == "jan.peeters3"


def test_who_has_an_account_by_now_is_left_out(house):
    school = _school_with(house, [("Jan", "Peeters"), ("An", "Maes")])
    proposals = _propose(house, school)
    _create(house, proposals[:1])
    assert [one.account_uuid for one in _create(house, proposals)] == [proposals[1].account_uuid]
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(Account)).scalar() == 2
        assert db.execute(select(func.count()).where(AuditEvent.event == "account_created")).scalar() == 2


def test_NAME_02_a_name_that_cannot_be_kept_is_refused_and_nobody_is_made(house):
    from dataclasses import replace

    school = _school_with(house, [("Jan", "Peeters"), ("An", "Maes")])
    good, bad = _propose(house, school)
    with pytest.raises(Invalid, match="username_characters"):
        _create(house, [good, replace(bad, username="ján.peeters")])
    assert len(_propose(house, school)) == 2


def test_RACE_02_fifty_namesakes_from_five_schools_at_once_get_fifty_names(house):
    schools = [
        _school_with(house, [("Jan", "Peeters")] * 10 + [("An", "Maes"), ("Zoë", "Baert")]) for _ in "abcde"
    ]
    plans = [_propose(house, school) for school in schools]
    assert {plan[2].username for plan in plans} == {"jan.peeters"}
    begin, failures, names = threading.Barrier(5), [], []

    def work(plan):
        own = context.open_house(house.settings, clock=house.clock)
        try:
            with audit.circumstances(audit.Circumstances(now=house.clock.now())):
                begin.wait()
                names.extend(one.username for one in _create(own, plan))
        except Exception as failure:  # noqa: BLE001
            failures.append(failure)
        finally:
            own.database.close()

    threads = [threading.Thread(target=work, args=(plan,)) for plan in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    expected = {
        f"{base}{number}"
        for base, most in (("jan.peeters", 50), ("an.maes", 5), ("zoe.baert", 5))
        for number in ["", *range(2, most + 1)]
    }
    assert len(names) == 60
    assert set(names) == expected


def test_an_edited_name_that_somebody_took_counts_on_from_itself(house):
    from dataclasses import replace

    school = _school_with(house, [("Jan", "Peeters"), ("An", "Maes")])
    proposals = [replace(one, username="de.kapitein") for one in _propose(house, school)]
    assert {one.username for one in _create(house, proposals)} == {"de.kapitein", "de.kapitein2"}


def test_a_renewed_secret_changes_the_kind_and_leaves_name_and_identity(house):
    who = make_login.pupil(house)
    stored = house.hasher.hash("pgu9J7Zn")
    school = "123456"
    with house.database.transaction() as db:
        before = accounts.find(db, who, house.clock.today())
        accounts.renew(
            db,
            account_uuid=who,
            kind=SecretKind.TEMPORARY,
            stored=stored,
            now=house.clock.now(),
            settings=house.settings,
            instellingsnummer=school,
        )
        after = accounts.find(db, who, house.clock.today())
        assert (after.username, after.stored) == (before.username, stored)
        assert (after.type, after.secret_kind) == (AccountType.ADVANCED, SecretKind.TEMPORARY)
        own = house.hasher.hash("zonnebloem in 7")
        accounts.set_own_password(
            db, account_uuid=who, stored=own, now=house.clock.now(), settings=house.settings
        )
        chosen = accounts.find(db, who, house.clock.today())
        assert (chosen.secret_kind, chosen.secret_expires_at) == (SecretKind.OWN, None)


def test_an_own_password_is_not_for_basic_accounts_and_nobody_renews_a_stranger(house):
    who = make_login.pupil(house)
    stored = house.hasher.hash("zonnebloem in 7")
    words = {"stored": stored, "now": house.clock.now(), "settings": house.settings}
    with house.database.transaction() as db:
        with pytest.raises(Invalid, match="own_password_not_for_basic"):
            accounts.set_own_password(db, account_uuid=who, **words)
        with pytest.raises(NotFound):
            accounts.renew(
                db, account_uuid=make.pupil(db), kind=SecretKind.BASIC, instellingsnummer="123456", **words
            )


def test_an_account_is_active_only_while_enrolled_and_not_blocked(house):
    who = make_login.pupil(house)
    blocked = make_login.pupil(house, "an.maes", blocked_at=house.clock.now())
    gone = make_login.pupil(house, "jan.maes", enrolled=False)
    with house.database.reading() as db:
        found = [accounts.find(db, one, house.clock.today()) for one in (who, blocked, gone)]
    assert [(one.active, one.given_name) for one in found] == [(True, "Noor"), (False, "Noor"), (False, None)]


def test_new_secrets_are_of_their_kind_and_never_a_pupils_own():
    assert accounts.new_secret(SecretKind.PICTURE, Chance()) in {*pictures.every()}
    assert len(accounts.new_secret(SecretKind.BASIC, Chance())) == 6
    assert len(accounts.new_secret(SecretKind.TEMPORARY, Chance())) == 8
    with pytest.raises(Invalid):
        accounts.new_secret(SecretKind.OWN, Chance())
