"""Who of a school may enrol devices, take them back, and say that everyone is done?"""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from idp.admin.pupils import class_devices
from idp.errors import Invalid, NotAllowed, NotFound, Refusal
from idp.login import devices, sessions
from idp.models import AuditEvent, Right, RightKind, RightScope, RuleKind
from tests import make, make_devices


@pytest.fixture
def school(house) -> str:
    with house.database.transaction() as db:
        number = make.school(db)
        for person, kind in (("ann", RightKind.BEHEERDER), ("bo", RightKind.TEACHER)):
            make.right(db, make.person(db, person), number, kind=kind)
        make.right(db, make.person(db, "cas"), number, kind=RightKind.DATABEHEERDER)
        make.right(db, make.person(db, "dirk"), make.school(db), kind=RightKind.BEHEERDER)
    return number


def _change(house, what, **words):
    with house.database.transaction() as db:
        return what(db, now=house.clock.now(), **words)


def _open(house, account_uuid, device=None):
    with house.database.transaction() as db:
        return sessions.start(
            db,
            house,
            account_uuid=account_uuid,
            amr=("pwd",),
            acr="x",
            must_change=False,
            shared=device is not None,
            class_device=device.id if device else None,
            now=house.clock.now(),
        )


def _alive(house, started) -> bool:
    with house.database.reading() as db:
        return sessions.seen(db, house.settings, started.cookie, house.clock.now()) is not None


def _pupil(house, school, **columns):
    with house.database.transaction() as db:
        uuid = make.pupil(db)
        make.enrolment(db, uuid, school, **columns)
        make.account(db, uuid)
    return uuid


@pytest.mark.parametrize("by", ["ann", "bo"])
def test_a_beheerder_and_a_teacher_give_codes(house, school, by):
    given = class_devices.give_code(house, instellingsnummer=school, label=" Tablet  3 ", by=by)
    assert given.link == f"{given.address}#{given.code.replace(' ', '')}"
    with house.database.transaction() as db:
        made = devices.enrol(db, house.keys, house.settings, typed=given.code, now=house.clock.now())
    assert (made.device.label, made.device.instellingsnummer) == ("Tablet 3", school)


@pytest.mark.parametrize("by", ["cas", "dirk", "nobody"])
def test_nobody_else_does_anything_with_devices(house, school, by):
    device = make_devices.device(house, school)
    words = {"instellingsnummer": school, "by": by}
    with pytest.raises(NotAllowed):
        class_devices.give_code(house, label="x", **words)
    for what, more in (
        (class_devices.rename, {"device_id": device.id, "label": "x"}),
        (class_devices.revoke, {"device_id": device.id}),
        (class_devices.everyone_done, {}),
    ):
        with pytest.raises(NotAllowed):
            _change(house, what, **words, **more)


@pytest.mark.parametrize("label", ["", "  ", "x" * 61, "a\x00b"])
def test_a_label_is_something_to_read(house, school, label):
    with pytest.raises(Invalid):
        class_devices.give_code(house, instellingsnummer=school, label=label, by="ann")


def test_a_device_of_another_school_is_out_of_reach(house, school):
    with house.database.transaction() as db:
        other = make.school(db)
    device = make_devices.device(house, other)
    for what, more in ((class_devices.rename, {"label": "x"}), (class_devices.revoke, {})):
        with pytest.raises(NotFound):
            _change(house, what, instellingsnummer=school, device_id=device.id, by="ann", **more)


def test_a_lost_device_is_a_stranger_at_once(house, school):
    made = make_devices.enrolled(house, school)
    open_there = _open(house, _pupil(house, school), made.device)
    words = {"instellingsnummer": school, "device_id": made.device.id, "by": "bo"}
    assert _change(house, class_devices.revoke, **words) == 1
    assert not _alive(house, open_there)
    with house.database.reading() as db:
        assert devices.find(db, made.cookie, house.clock.now()) is None
        (listed,) = class_devices.listing(db, school)
    assert not listed.counts(make.TODAY)
    with pytest.raises(Refusal):
        _change(house, class_devices.revoke, **words)


def test_everyone_done_ends_what_is_open_on_devices_of_the_school_only(house, school):
    ours = make_devices.device(house, school)
    with house.database.transaction() as db:
        other = make.school(db)
    theirs = make_devices.device(house, other)
    pupil = _pupil(house, school)
    here, at_home, elsewhere = (_open(house, pupil, one) for one in (ours, None, theirs))
    assert _change(house, class_devices.everyone_done, instellingsnummer=school, by="ann") == 1
    assert [_alive(house, one) for one in (here, at_home, elsewhere)] == [False, True, True]
    with house.database.reading() as db:
        event = (
            db.execute(select(AuditEvent.__table__).where(AuditEvent.event == "everyone_signed_out"))
            .mappings()
            .one()
        )
    assert (event["actor"], event["details"]) == ("person:ann", {"among": None, "count": 1})


def test_everyone_done_of_a_group_or_a_class_leaves_the_others(house, school):
    device = make_devices.device(house, school)
    third = _open(house, _pupil(house, school, administratieve_groep_code="L3"), device)
    fourth_pupil = _pupil(house, school, administratieve_groep_code="L4")
    fourth = _open(house, fourth_pupil, device)
    words = {"instellingsnummer": school, "by": "ann"}
    assert _change(house, class_devices.everyone_done, group_code="L3", **words) == 1
    assert [_alive(house, one) for one in (third, fourth)] == [False, True]
    with house.database.transaction() as db:
        klas = make.klas(db, school)
        make.membership(db, klas, fourth_pupil)
    assert _change(house, class_devices.everyone_done, klas=klas, **words) == 1
    assert not _alive(house, fourth)


def test_a_teacher_ends_what_the_own_pupils_left_open_and_no_more(house, school):
    device = make_devices.device(house, school)
    own = _open(house, _pupil(house, school, administratieve_groep_code="L3"), device)
    other = _open(house, _pupil(house, school, administratieve_groep_code="L4"), device)
    words = {"instellingsnummer": school, "by": "bo"}
    assert _change(house, class_devices.everyone_done, **words) == 0, "nobody gave bo pupils yet"
    with house.database.transaction() as db:
        right = db.scalar(select(Right.id).where(Right.person_id == "bo"))
        db.execute(insert(RightScope), {"right_id": right, "kind": RuleKind.GROUP, "target": "L3"})
    with house.database.reading() as db:
        assert class_devices.groups(db, "bo", school, make.TODAY) == [("L3", "derde leerjaar")]
    assert _change(house, class_devices.everyone_done, group_code="L4", **words) == 0
    assert _change(house, class_devices.everyone_done, **words) == 1
    assert [_alive(house, one) for one in (own, other)] == [False, True]
