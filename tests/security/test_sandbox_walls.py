"""No real person ever gets into a sandbox school, and no invented one into a real school: every way in, one row each."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError

from idp import apart, models
from idp.admin.agreements import sharing
from idp.admin.operators import school_list
from idp.admin.sandbox import sandbox_making
from idp.admin.sandbox.sandbox_people import SCHOOLS
from idp.admin.staff import access
from idp.claims import visibility
from idp.errors import Invalid, NotAllowed
from idp.feeds import class_plan, classes, directors, intake, schools
from idp.models import RightKind, SchoolKind
from tests import make, make_feeds

HERE = "999901"
PEOPLE = (models.Enrolment, models.Pupil, models.Right, models.ClassMembership, models.Account, models.Person)


@pytest.fixture
def closed(house):
    """An installation with a sandbox, and a real school."""
    with house.database.transaction() as db:
        make.protocol(db)
        make.school(db, "100000", kind=SchoolKind.REAL)
    sandbox_making.make(house)
    return house


def everybody(house):
    """How many rows name somebody of the sandbox schools, and all schools as they are."""
    with house.database.reading() as db:
        counts = {}
        for model in PEOPLE:
            rows = select(func.count()).select_from(model)
            if "instellingsnummer" in model.__table__.c:
                rows = rows.where(model.instellingsnummer.in_(SCHOOLS))
            counts[model.__tablename__] = db.execute(rows).scalar_one()
        return counts, db.execute(select(models.School.__table__).order_by("instellingsnummer")).all()


def refused_row(problems):
    return {one.code for one in problems}


def of_enrolments(house):
    real = make_feeds.file(make_feeds.row("17", number=3, instellingsnummer=HERE))
    plan = make_feeds.look(house, real)
    make_feeds.bring(house, real, accept_holds=True)
    return refused_row(plan.problems)


def of_enrolments_without_a_number(house):
    file = make_feeds.file(make_feeds.row("sb-noor.zandman", instellingsnummer=HERE))
    plan = make_feeds.look(house, file)
    make_feeds.bring(house, file, accept_holds=True)
    return refused_row(plan.problems)


def of_added_enrolments(house):
    file = make_feeds.file(make_feeds.row("18", instellingsnummer=HERE))
    plan = make_feeds.look(house, file, delta=True)
    make_feeds.bring(house, file, delta=True, accept_holds=True)
    return refused_row(plan.problems)


def _classes(house, **words):
    row = {"stamnummer": "sb-noor.zandman", "klas_id": "k1", "klascode": "2Z", "klasnaam": "Tweede Z"}
    row |= {"soort": "klas", "begindatum": "2026-09-01", "einddatum": None}
    found = classes.read(class_plan.OURS, json.dumps([row]).encode(), settings=house.settings)
    with house.database.reading() as db:
        return class_plan.plan(
            db,
            found,
            instellingsnummer=HERE,
            today=house.clock.today(),
            settings=house.settings,
            **words,
        ).refused.code


def of_classes_by_an_operator(house):
    return {_classes(house, operator=True)}


def of_classes_by_a_package(house):
    return {_classes(house, package="informat")}


def of_directors(house):
    line = f"{HERE};mira.peeters;Mira;Peeters;mira@school.example;tijdelijk;2026-09-01;2027-08-31\n"
    header = "instellingsnummer;persoon_id;voornaam;naam;e_mail;aanstelling;begindatum;einddatum\n"
    return refused_row(directors.take_in(house, (header + line).encode()).problems)


def _right(house, kind, **words):
    with house.database.transaction() as db:
        person = "mira"
        access.meet(db, person_id=person, voornaam="Mira", naam="Peeters", now=house.clock.now())
        with pytest.raises(NotAllowed) as no:
            access.grant(
                db,
                person_id=person,
                kind=kind,
                instellingsnummer=HERE,
                now=house.clock.now(),
                **words,
            )
    with house.database.transaction() as db:
        db.execute(models.Person.__table__.delete().where(models.Person.person_id == "mira"))
    return {no.value.code}


def of_a_right_of_databeheerder(house):
    return _right(house, RightKind.DATABEHEERDER)


def of_a_right_of_beheerder(house):
    return _right(house, RightKind.BEHEERDER)


def of_a_right_of_teacher(house):
    return _right(house, RightKind.TEACHER)


def of_a_right_by_the_one_who_agrees(house):
    """Whoever would sign in as the person of the sandbox may still give no right there."""
    return _right(house, RightKind.TEACHER, by=sandbox_making.DIRECTOR, source="person:zandbak")


def of_a_package_named(house):
    with house.database.transaction() as db, pytest.raises(NotAllowed) as no:
        sharing.name_package(db, instellingsnummer=HERE, pakket="informat")
    return {no.value.code}


def _school(house, number, **words):
    with house.database.transaction() as db, pytest.raises(Invalid) as no:
        school_list.keep(db, number, naam="Basisschool", now=house.clock.now(), **words)
    return {no.value.code}


def of_a_package_by_an_operator(house):
    return _school(house, HERE, pakket="informat")


def of_a_real_school_with_such_a_number(house):
    return _school(house, "999950", kind=SchoolKind.REAL)


def of_a_sandbox_school_with_another_number(house):
    return _school(house, "123456", kind=SchoolKind.SANDBOX)


def of_a_real_school_made_a_sandbox(house):
    return _school(house, "100000", kind=SchoolKind.SANDBOX)


def of_a_list_of_schools(house):
    header = "instellingsnummer;naam;pakket\n"
    source = f"{header}{HERE};Basisschool De Wijzer;informat\n999950;Nog een;wisa\n".encode()
    with house.database.reading() as db:
        planned = schools.plan(db, schools.read(source))
    return refused_row(schools.apply(house, planned).problems)


def of_a_package_that_knocks(house):
    """Before anything is read; a stranger hears no more than that the school did not name it."""
    words = {"form": class_plan.OURS, "instellingsnummer": HERE, "snapshot_at": None}
    return {intake.shut(house, package="informat", **words).code}


WAYS = {
    of_enrolments: {"sandbox_school"},
    of_enrolments_without_a_number: {"sandbox_school"},
    of_added_enrolments: {"sandbox_school"},
    of_classes_by_an_operator: {"sandbox_closed"},
    of_classes_by_a_package: {"wrong_package"},
    of_directors: {"sandbox_school"},
    of_a_right_of_databeheerder: {"sandbox_school"},
    of_a_right_of_beheerder: {"sandbox_school"},
    of_a_right_of_teacher: {"sandbox_school"},
    of_a_right_by_the_one_who_agrees: {"sandbox_school"},
    of_a_package_named: {"sandbox_school"},
    of_a_package_by_an_operator: {"sandbox_made_apart"},
    of_a_real_school_with_such_a_number: {"sandbox_made_apart"},
    of_a_sandbox_school_with_another_number: {"sandbox_made_apart"},
    of_a_real_school_made_a_sandbox: {"kind_is_frozen"},
    of_a_list_of_schools: {"reserved_number"},
    of_a_package_that_knocks: {"wrong_package"},
}


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_IMP_no_way_of_bringing_somebody_leads_into_a_sandbox_school(closed, way):
    before = everybody(closed)
    assert way(closed) == WAYS[way]
    assert everybody(closed) == before


# ---------------------------------------------------------------- what the database itself refuses


def _enrolled(db, *, invented, at):
    make.enrolment(db, make.pupil(db, invented=invented), at)


def _moved(db, *, invented, at):
    pupil = make.pupil(db, invented=invented)
    make.enrolment(db, pupil, HERE if invented else "100000")
    mine = update(models.Enrolment).where(models.Enrolment.account_uuid == pupil)
    db.execute(mine.values(instellingsnummer=at))


def _given(db, *, invented, at):
    enrolment = make.enrolment(db, make.pupil(db, invented=not invented), at)
    other = make.pupil(db, invented=invented)
    mine = update(models.Enrolment).where(models.Enrolment.id == enrolment)
    db.execute(mine.values(account_uuid=other))


@pytest.mark.parametrize("how", [_enrolled, _moved, _given], ids=lambda how: how.__name__)
@pytest.mark.parametrize(("invented", "at"), [(False, HERE), (True, "100000")])
def test_the_database_lets_no_row_join_the_invented_to_the_real(closed, how, invented, at):
    before = everybody(closed)
    with pytest.raises(IntegrityError, match="sandbox_apart"), closed.database.transaction() as db:
        how(db, invented=invented, at=at)
    assert everybody(closed) == before


def _with_a_number(db):
    make.pupil(db, invented=True, national_number_digest="a" * 64)


def _gets_a_number(db):
    pupil = make.pupil(db, invented=True)
    db.execute(
        update(models.Pupil).where(models.Pupil.account_uuid == pupil).values(national_number_digest="a" * 64)
    )


def _merged(db):
    into = make.pupil(db)
    pupil = make.pupil(db, invented=True)
    db.execute(update(models.Pupil).where(models.Pupil.account_uuid == pupil).values(merged_into=into))


def _swallows(db):
    into = make.pupil(db, invented=True)
    pupil = make.pupil(db)
    db.execute(update(models.Pupil).where(models.Pupil.account_uuid == pupil).values(merged_into=into))


def _real_number(db):
    make.school(db, "999950", kind=SchoolKind.REAL)


def _sandbox_elsewhere(db):
    make.school(db, "123456", kind=SchoolKind.SANDBOX)


@pytest.mark.parametrize(
    "what",
    [_with_a_number, _gets_a_number, _merged, _swallows, _real_number, _sandbox_elsewhere],
    ids=lambda what: what.__name__,
)
def test_the_database_keeps_an_invented_pupil_unknown_and_numbers_apart(house, what):
    with pytest.raises(IntegrityError, match="sandbox_apart"), house.database.transaction() as db:
        what(db)


def test_what_belongs_together_is_let_in(closed):
    with closed.database.transaction() as db:
        _enrolled(db, invented=True, at=HERE)
        _enrolled(db, invented=False, at="100000")
        known = make.pupil(db, national_number_digest="b" * 64)
        other = make.pupil(db)
        merged = update(models.Pupil).where(models.Pupil.account_uuid == other)
        db.execute(merged.values(merged_into=known))


# ---------------------------------------------------------------- and the apps


@pytest.mark.parametrize("opened", [False, True])
def test_an_app_of_real_pupils_never_meets_a_sandbox_pupil(closed, opened):
    """Neither a rule that stands in the table already nor an app that is open to everybody changes it."""
    with closed.database.transaction() as db:
        app = make.app(db, open_to_every_pupil=opened)
        with pytest.raises(Invalid, match="app_not_for_school"):
            visibility.add(
                db,
                app=app,
                instellingsnummer=HERE,
                kind=models.RuleKind.SCHOOL,
                begindatum=closed.clock.today(),
                by="operator:test",
                now=closed.clock.now(),
            )
        make.rule(db, app.client_id, HERE)
        mine = select(models.Enrolment.account_uuid).where(models.Enrolment.instellingsnummer == HERE)
        for pupil in db.execute(mine).scalars().all():
            assert visibility.schools_for(db, app, pupil, closed.clock.today()) == ()


def test_an_identifier_says_by_itself_that_nobody_has_it():
    made = apart.identifier(bytes(16)), apart.identifier(b"\xff" * 16)
    assert made == ("00000000-0000-8000-8000-000000000000", "ffffffff-ffff-8fff-bfff-ffffffffffff")
    assert all(apart.is_invented(one) for one in made)
    assert not apart.is_invented("c0ffee00-0000-4000-8000-000000000000")
    assert [apart.is_reserved(one) for one in ("999900", "999999", "999899", "9999", "9999000")] == [
        True,
        True,
        False,
        False,
        False,
    ]
