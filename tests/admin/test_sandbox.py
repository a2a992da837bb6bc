"""Makers of apps let things happen in the sandbox schools, and nowhere else."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from idp.admin.makers import suppliers
from idp.claims import agreements, klasinformatie
from idp.login import sandbox_secrets
from idp.models import AuditEvent, ClassMembership, School, SchoolKind, SecretKind
from tests import make, make_staff
from tests.make_browser import path
from tests.make_reading import stands
from tests.make_staff import post

HERE = "/zandbak"


@pytest.fixture
def eva(client, house):
    made = make_staff.supplier(house, "sandbox")
    make_staff.begin(client, house, made)
    return made


def furnish(house, kind):
    """A school of this kind that shares, where Zoë changes class tomorrow."""
    today = house.clock.today()
    with house.database.transaction() as db:
        school = make.school(db, kind=kind)
        make.agreement(db, school, person_id=make.director(db, school))
        pupil = make.pupil(db, invented=kind is SchoolKind.SANDBOX)
        make.enrolment(db, pupil, school, voornaam="Zoë", naam="Vloed", stamnummer="sb-zoe.vloed")
        name = make.account(db, pupil, f"zoe.vloed{school}")
        make.membership(db, make.klas(db, school, "2A"), pupil, einddatum=today)
        new = make.klas(db, school, "2B")
        make.membership(db, new, pupil, begindatum=today + timedelta(days=1))
    return school, name


def now_in(house, school):
    with house.database.reading() as db:
        return [one.code for one in klasinformatie.listing(db, school, house.clock.today())]


def everything(house, school):
    with house.database.reading() as db:
        shares = agreements.shares_today(db, school, house.clock.today())
        rows = select(ClassMembership.__table__).where(ClassMembership.instellingsnummer == school)
        return shares, sorted(db.execute(rows).all(), key=str)


def test_the_class_changes_now_and_goes_back(house, client, eva):
    school, name = furnish(house, SchoolKind.SANDBOX)
    page = client.get(HERE).text
    assert name in page
    assert "straks 2B" in page
    assert now_in(house, school) == ["2A"]
    for what, expected in (("klas-nu", ["2B"]), ("klas-nu", ["2B"]), ("klas-terug", ["2A"])):
        assert path(post(client, HERE, zandbakschool=school, wat=what)) == HERE
        assert now_in(house, school) == expected
    with house.database.reading() as db:
        changed = select(AuditEvent.actor).where(AuditEvent.event == "sandbox_changed")
        assert db.execute(changed).scalars().all() == [f"person:{eva.person_id}"] * 2


def test_a_school_stops_sharing_and_shares_again(house, client, eva):
    school, _name = furnish(house, SchoolKind.SANDBOX)
    for what, shares in (("stop", False), ("stop", False), ("deel", True), ("deel", True)):
        assert path(post(client, HERE, zandbakschool=school, wat=what)) == HERE
        assert everything(house, school)[0] is shares
    assert now_in(house, school) == ["2A"]
    post(client, HERE, zandbakschool=school, wat="stop")
    assert post(client, HERE, zandbakschool=school, wat="klas-nu").status_code == 403


@pytest.mark.parametrize("kind", [SchoolKind.REAL, SchoolKind.TEST])
def test_IDOR_14_no_real_or_test_school_is_seen_or_touched_by_the_controls_of_the_sandbox(
    house, client, eva, kind
):
    school, name = furnish(house, kind)
    furnish(house, SchoolKind.SANDBOX)
    before = everything(house, school)
    page = client.get(HERE).text
    assert name not in page
    assert not stands(school, page)
    for what in ("stop", "deel", "klas-nu", "klas-terug", "iets"):
        assert post(client, HERE, zandbakschool=school, wat=what).status_code == 404
    assert everything(house, school) == before
    house_has = update(School).where(School.instellingsnummer == school).values(kind=SchoolKind.SANDBOX)
    with house.database.transaction() as db:
        db.execute(house_has)
    assert path(post(client, HERE, zandbakschool=school, wat="klas-nu")) == HERE, (
        "only the kind kept it closed"
    )


def test_without_a_sandbox_school_the_page_says_where_there_is_one(house, client, eva):
    assert "idp demo" in client.get(HERE).text
    assert post(client, HERE, zandbakschool="999901", wat="stop").status_code == 404


def test_ROLE_whose_supplier_has_ended_finds_no_sandbox(house, client, eva):
    school, _name = furnish(house, SchoolKind.SANDBOX)
    client.get(HERE)
    with house.database.transaction() as db:
        suppliers.end(db, "sandbox", now=house.clock.now())
    assert client.get(HERE).status_code == 404
    answer = post(client, HERE, "/leverancier", zandbakschool=school, wat="stop")
    assert answer.status_code == 404
    assert everything(house, school)[0] is True


def test_a_secret_derives_from_the_seed_and_the_name(house):
    first, again = (
        [sandbox_secrets.secret(house.keys, name, SecretKind.BASIC) for name in "abc"] for _ in range(2)
    )
    assert first == again
    assert len({*first}) > 1
