"""Who helps whom: a beheerder the school, a teacher whom a beheerder chose, and nobody somebody of another school."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import func, select

from idp import models
from idp.admin.pupils import helping
from idp.admin.pupils.helping import Scope
from idp.claims import consent
from idp.errors import Invalid, NotAllowed, NotFound
from idp.login import help as login_help
from idp.login import let_in, sessions, sign_in
from idp.models import RightKind, RuleKind, SecretKind
from tests import make, make_login


@pytest.fixture
def place(house):
    """A school with a beheerder, a teacher, and a pupil who can sign in."""
    noor = make_login.pupil(house)
    with house.database.transaction() as db:
        school = db.execute(select(models.Enrolment.instellingsnummer)).scalar_one()
        beheerder = make.person(db)
        make.right(db, beheerder, school, kind=RightKind.BEHEERDER)
        teacher = make.person(db)
        make.right(db, teacher, school, kind=RightKind.TEACHER)
    return noor, school, beheerder, teacher


def may(house, person, pupil) -> bool:
    with house.database.reading() as db:
        return bool(helping.pupils(db, person, house.clock.today(), account_uuid=pupil))


def narrow(house, place, *scopes, **given) -> None:
    _noor, school, beheerder, teacher = place
    words = {"person_id": teacher, "instellingsnummer": school, "by": beheerder} | given
    with house.database.transaction() as db:
        helping.narrow(db, scopes=scopes, today=house.clock.today(), **words)


def test_a_beheerder_helps_every_pupil_of_the_school(house, place):
    noor, _school, beheerder, _teacher = place
    assert may(house, beheerder, noor)


def test_a_teacher_helps_nobody_until_a_beheerder_chose(house, place):
    noor, _school, _beheerder, teacher = place
    assert not may(house, teacher, noor)


@pytest.mark.parametrize("word", ["L3", "derde leerjaar"])
def test_a_teacher_helps_the_group_that_was_chosen(house, place, word):
    noor, _school, _beheerder, teacher = place
    narrow(house, place, Scope(kind=RuleKind.GROUP, target=word))
    assert may(house, teacher, noor)
    narrow(house, place)
    assert not may(house, teacher, noor), "choosing anew takes the place of before"


def test_a_teacher_helps_a_pupil_who_was_chosen(house, place):
    noor, _school, _beheerder, teacher = place
    other = make_login.pupil(house, "seppe.duinen")
    narrow(house, place, Scope(kind=RuleKind.PUPIL, target="noor.peeters"))
    assert may(house, teacher, noor)
    assert not may(house, teacher, other)
    with house.database.reading() as db:
        right = db.execute(select(models.Right.id).where(models.Right.kind == RightKind.TEACHER)).scalar_one()
        assert helping.scopes(db, right) == (Scope(kind=RuleKind.PUPIL, target=noor),)


def test_CONS_01_a_class_counts_only_while_the_school_shares_a_text_that_names_teachers(house, place):
    noor, school, _beheerder, teacher = place
    with house.database.transaction() as db:
        klas = make.klas(db, school)
        make.membership(db, klas, noor)
    narrow(house, place, Scope(kind=RuleKind.KLAS, target="3A"))
    assert not may(house, teacher, noor)
    with house.database.transaction() as db:
        director = make.director(db, school)
        make.agreement(db, school, make.protocol(db, names_teachers=True), given_by=director)
    assert may(house, teacher, noor)
    with house.database.transaction() as db:
        consent.stop(
            db,
            instellingsnummer=school,
            person_id=director,
            now=house.clock.now(),
            today=house.clock.today(),
        )
    assert not may(house, teacher, noor)


def test_IDOR_02_nobody_helps_a_pupil_of_another_school(house, place):
    stranger = make_login.pupil(house, "seppe.duinen")
    _noor, _school, beheerder, teacher = place
    narrow(house, place, Scope(kind=RuleKind.GROUP, target="L3"))
    for person in (beheerder, teacher):
        assert not may(house, person, stranger)
        with house.database.transaction() as db, pytest.raises(NotFound, match="help_not_allowed"):
            helping.give_code(
                db,
                house,
                by=person,
                account_uuid=stranger,
                now=house.clock.now(),
                today=house.clock.today(),
            )
        with pytest.raises(NotFound, match="help_not_allowed"):
            helping.renew(house, by=person, account_uuid=stranger)
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.HelpCode)).scalar() == 0
    with pytest.raises(NotFound, match="pupil_unknown"):
        narrow(house, place, Scope(kind=RuleKind.PUPIL, target="seppe.duinen"))


def test_ROLE_01_a_right_that_ended_helps_nobody(house, place):
    noor, school, _beheerder, _teacher = place
    with house.database.transaction() as db:
        old = make.person(db)
        make.right(db, old, school, kind=RightKind.BEHEERDER, einddatum=date(2026, 11, 22))
    assert not may(house, old, noor)


@pytest.mark.parametrize("kind", [RightKind.DATABEHEERDER, RightKind.OPERATOR])
def test_ROLE_05_other_rights_help_nobody_and_choose_nobody(house, place, kind):
    noor, school, _beheerder, _teacher = place
    with house.database.transaction() as db:
        other = make.person(db)
        make.right(db, other, None if kind is RightKind.OPERATOR else school, kind=kind)
    assert not may(house, other, noor)
    with pytest.raises(NotAllowed, match="right_missing"):
        narrow(house, place, Scope(kind=RuleKind.GROUP, target="L3"), by=other)


def test_a_teacher_does_not_choose_pupils(house, place):
    with pytest.raises(NotAllowed, match="right_missing"):
        narrow(house, place, Scope(kind=RuleKind.GROUP, target="L3"), by=place[3])
    with pytest.raises(Invalid, match="scope_too_wide"):
        narrow(house, place, Scope(kind=RuleKind.SCHOOL, target=""))
    with pytest.raises(NotFound, match="teacher_unknown"):
        narrow(house, place, person_id=place[2])


@pytest.mark.parametrize(
    ("words", "found"),
    [("", 1), ("NOOR", 1), ("peeters noor", 1), ("noör.p", 1), ("NoorPeeters", 1), ("%", 0), ("_", 0)],
)
def test_DOS_07_a_pupil_is_found_by_parts_of_the_name_and_signs_are_only_signs(house, place, words, found):
    with house.database.reading() as db:
        hits = helping.pupils(db, place[2], house.clock.today(), words=words)
    assert len(hits) == found


def test_SESS_04_new_pictures_end_what_the_old_ones_opened_and_name_who_gave_them(house, place):
    noor, _school, beheerder, _teacher = place
    with house.database.transaction() as db:
        given = login_help.give(
            db, house, account_uuid=noor, instellingsnummer="1", by=beheerder, now=house.clock.now()
        )
    signed_in = sign_in.prove(house, make_login.attempt())
    made = helping.renew(house, by=beheerder, account_uuid=noor)
    assert made.kind is SecretKind.PICTURE
    assert len(made.pictures) == 4
    assert made.card_url is None
    with house.database.reading() as db:
        assert sessions.seen(db, house.settings, signed_in.cookie, house.clock.now()) is None
        actors = db.execute(
            select(models.AuditEvent.actor).where(models.AuditEvent.event == "secret_renewed")
        ).scalars()
        assert list(actors) == [f"person:{beheerder}"]
    visit = let_in.Visit(browser=make_login.BROWSER, address="192.0.2.7")
    assert login_help.redeem_link(house, given.id, visit) is None
    assert isinstance(sign_in.prove(house, make_login.attempt(secret=str(made.secret))), sign_in.SignedIn)


def test_a_card_with_the_new_secret_is_made_when_it_is_printed(house, place):
    made = helping.renew(house, by=place[2], account_uuid=place[0], kind=SecretKind.BASIC, with_card=True)
    assert made.card_url
    assert made.kind is SecretKind.BASIC
