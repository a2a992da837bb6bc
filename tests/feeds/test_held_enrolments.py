"""Enrolments that wait: kept sealed without national numbers, shown, applied or declined by an operator, gone in a week."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from idp import audit, entropy, models
from idp.admin.privacy import retention
from idp.errors import NotFound
from idp.feeds import deliveries, enrolments, held, held_enrolments
from idp.models import DeliveryState, HeldPart, RightKind
from tests import make_feeds as make
from tests import make_staff
from tests.feeds.test_enrolments import many, periods, pupils

SCHOOL = "999001"


def by_operator(house):
    return audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="operator:cli", source="cli"))


def waiting(house):
    with house.database.reading() as db:
        return held.waiting(db, kind=None)


def parts(house):
    with house.database.reading() as db:
        return db.execute(select(func.count()).select_from(HeldPart)).scalar()


def truncating():
    """Ninety of a hundred, with another name, and a new one."""
    return [
        *many(90, naam="Peeters-Van Hool"),
        make.row("900", number=900, administratieve_groep="2e lj B"),
    ]


@pytest.fixture
def truncated(house):
    """A hundred pupils are there; a file without the last ten, and with a new one, waits."""
    make.schools(house)
    make.bring(house, make.file(*many(100)))
    assert make.bring(house, make.file(*truncating())).state is DeliveryState.HELD
    (one,) = waiting(house)
    return one


def test_they_wait_sealed_and_no_national_number_is_kept(house, truncated):
    assert (truncated.kind, truncated.records) == (deliveries.ENROLMENTS, 91)
    assert truncated.codes == ("many_enrolments_end",)
    with house.database.reading() as db:
        stored = b"".join(db.execute(select(HeldPart.sealed)).scalars())
        opened = str(list(held.unpack(db, house.keys, truncated.id)))
        assert b"Peeters" not in stored
        assert "Peeters" in opened
        assert make.national_number(900) not in opened
        plan = held_enrolments.load(house, db, truncated.id)
    again = make.look(house, make.file(*truncating()))
    assert plan.school.counts == again.planned[0].counts


def test_every_field_of_a_row_comes_back(house):
    make.schools(house)
    source = make.DATA / "enrolments.csv"
    found = enrolments.read(source)
    part = found.school(found.numbers[0])
    file = held_enrolments.File(form=found.format, sha256=found.sha256, delta=False)
    assert held_enrolments.sealed(house.keys, file, part).records == len(part.rows)
    rows = json.loads(json.dumps(list(held_enrolments._lines(house.keys, file, part))))
    again, back = held_enrolments._read(rows, part.instellingsnummer)
    assert again == file
    for row, kept in zip(part.rows, back.rows, strict=True):
        assert len(kept.digests) == len(row.numbers)
        assert dataclasses.replace(kept, digests=(), numbers=row.numbers) == row


def test_what_was_refused_in_its_file_is_sealed_with_it(house):
    """A row that may be about anybody, and one about a pupil who is in no usable row, still end nobody."""
    lines = make.file(*truncating(), make.row("95", naam="")) + b"999001;96;Bo\r\n"
    found = enrolments.read(lines)
    file = held_enrolments.File(form=found.format, sha256=found.sha256, delta=False)
    part = found.school(SCHOOL)
    rows = json.loads(json.dumps(list(held_enrolments._lines(house.keys, file, part))))
    _file, back = held_enrolments._read(rows, SCHOOL)
    assert [(one.line, one.stamnummer) for one in back.refused_rows] == [(93, "95")]
    assert [(one.code, one.line) for one in back.of_no_school] == [("field_count", 94)]
    assert back.problems == part.problems


def test_the_difference_says_who_leaves_and_who_comes(house, truncated):
    with house.database.reading() as db:
        plan = held_enrolments.load(house, db, truncated.id)
        found = held_enrolments.difference(db, plan.school, plan.today)
    first, second = found.groups
    assert (first.name, first.before, first.after, len(first.leave), first.come) == (
        "1e lj A",
        100,
        90,
        10,
        (),
    )
    assert set(first.leave) == {str(n) for n in range(90, 100)}
    assert (second.name, second.before, second.after, second.come) == ("2e lj B", 0, 1, ("900",))


def test_an_operator_applies_it_once_and_pupils_are_found_by_their_number(house, truncated):
    make.bring(house, make.file(make.row("77", instellingsnummer="999002", number=900)))
    before = len(pupils(house))
    with by_operator(house):
        done = enrolments.decide(house, truncated.id, by="operator:cli")
    assert (done.counts["end"], done.counts["add"], done.counts["change"]) == (10, 1, 90)
    there = periods(house)
    assert there["900"][0] == periods(house, "999002")["77"][0]
    assert len(pupils(house)) == before
    assert (waiting(house), parts(house)) == ((), 0)
    with by_operator(house), pytest.raises(NotFound):
        enrolments.decide(house, truncated.id, by="operator:cli")
    with house.database.reading() as db:
        row = db.execute(select(models.Delivery.__table__).where(models.Delivery.id == truncated.id)).one()
        events = db.execute(select(models.AuditEvent.event)).scalars().all()
    assert (row.state, row.decided_by) == (DeliveryState.APPLIED, "operator:cli")
    assert "hold_decided" in events


def test_declined_or_replaced_it_changes_nothing_and_is_gone(house, truncated):
    before = periods(house)
    with by_operator(house):
        held.decline(house, truncated.id, instellingsnummer=SCHOOL, by="operator:cli", kind=truncated.kind)
    assert (periods(house), parts(house)) == (before, 0)
    make.bring(house, make.file(*many(80)))
    make.bring(house, make.file(*many(70)))
    assert [one.records for one in waiting(house)] == [70]
    make.bring(house, make.file(*many(100)))
    assert (waiting(house), parts(house)) == ((), 0)


def test_rows_are_gone_after_a_week_but_not_because_a_school_does_not_share(house, truncated):
    now = house.clock.now()
    retention.tidy(house, now + timedelta(days=6, hours=23))
    assert parts(house)
    retention.tidy(house, now + timedelta(days=7, minutes=1))
    assert parts(house) == 0
    with by_operator(house), pytest.raises(NotFound):
        enrolments.decide(house, truncated.id, by="operator:cli")


def test_ROLE_a_school_cannot_decide_about_enrolments(house, app, truncated):
    browser = app.test_client()
    make_staff.begin(browser, house, make_staff.staff(house, RightKind.BEHEERDER, school=SCHOOL))
    assert browser.get(f"/schoolloket/klasinformatie/leveringen/{truncated.id}").status_code == 404
    with house.database.reading() as db:
        assert held.records(db, SCHOOL) == 0
        assert held.waiting(db, SCHOOL) == ()


def test_a_newer_delivery_of_classes_leaves_enrolments_waiting(house, truncated):
    with house.database.transaction() as db:
        assert held.replace_older(db, instellingsnummer=SCHOOL, delivery=entropy.row_id()) == 0
    assert len(waiting(house)) == 1
