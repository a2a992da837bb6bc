"""Held deliveries: every guard from a file made of the data; a person looks, applies or declines; rows end in time."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from idp import models
from idp.admin.agreements import sharing
from idp.admin.privacy import retention
from idp.errors import NotFound
from idp.feeds import class_difference, classes, held, missing
from idp.models import DeliveryState, HeldPart, RightKind
from tests import make as plain
from tests import make_feeds as make
from tests import make_staff
from tests.feeds.test_classes import bring, seats

SOURCE = make.DATA / "informat" / "999002-registrations.json"
PATH = "/schoolloket/klasinformatie"


def registrations():
    return json.loads(SOURCE.read_bytes())


def without(share, *, only=None):
    """The export without the classes of the first `share` of its pupils (of one class)."""
    found = registrations()
    sat = [one for one in found if only is None or only in {k["klasCode"] for k in one["inschrKlassen"]}]
    for one in sat[: round(len(sat) * share)]:
        one["inschrKlassen"] = [k for k in one["inschrKlassen"] if only and k["klasCode"] != only]
    return json.dumps(found).encode()


def renamed():
    return SOURCE.read_text().replace('"Klas ', '"Groep ').encode()


def sizes():
    count = {}
    for one in registrations():
        for klas in one["inschrKlassen"]:
            if one["status"] == 0 and klas["groepType"] in {0, 1}:
                count[klas["klasCode"]] = count.get(klas["klasCode"], 0) + 1
    return count


BIG = max(sizes(), key=sizes().get)


@pytest.fixture
def sharing_school(house):
    make.schools(house)
    make.bring(house, make.DATA / "enrolments.csv")
    with house.database.transaction() as db:
        plain.agreement(db, "999002")
    assert bring(house, SOURCE).state is DeliveryState.APPLIED
    return "999002"


def parts(house):
    with house.database.reading() as db:
        return db.execute(select(func.count()).select_from(HeldPart)).scalar()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (without(1, only=BIG), "class_emptied"),
        (without(0.3), "many_memberships_gone"),
        (without(0.6, only=BIG), "class_halved"),
        (renamed(), "many_names_changed"),
    ],
)
def test_every_guard_holds_a_file_made_from_the_data(house, sharing_school, source, code):
    before = seats(house)
    outcome = bring(house, source)
    assert outcome.state is DeliveryState.HELD
    assert code in [hold.code for hold in outcome.plan.holds]
    assert seats(house) == before
    with house.database.reading() as db:
        (waiting,) = held.waiting(db, sharing_school)
        assert waiting.id == outcome.delivery
        sealed = b"".join(db.execute(select(HeldPart.sealed)).scalars())
    assert b"K01A" not in sealed
    plan = classes.held_plan(house, waiting.id, sharing_school)
    assert [hold.code for hold in plan.holds] == [hold.code for hold in outcome.plan.holds]
    assert plan.counts == outcome.plan.counts


def test_the_difference_names_who_leaves_a_class(house, sharing_school):
    outcome = bring(house, without(1, only=BIG))
    with house.database.reading() as db:
        found = class_difference.difference(db, outcome.plan)
    klas = found.classes[0]
    assert (klas.code, klas.emptied, klas.after) == (BIG, True, 0)
    assert klas.leave.count == klas.before == len(klas.leave.names) + klas.leave.others
    assert all(" " in name for name in klas.leave.names)


def test_a_newer_delivery_ends_the_waiting_of_an_older_one(house, sharing_school):
    first = bring(house, without(0.3))
    second = bring(house, without(0.4))
    with house.database.reading() as db:
        assert [one.id for one in held.waiting(db)] == [second.delivery]
    with pytest.raises(NotFound):
        classes.held_plan(house, first.delivery, sharing_school)
    assert bring(house, SOURCE).state is DeliveryState.APPLIED
    assert parts(house) == 0
    with house.database.reading() as db:
        states = db.execute(select(models.Delivery.state).where(models.Delivery.kind == "classes")).scalars()
        assert sorted(states) == ["applied", "applied", "refused", "refused"]


def test_held_rows_are_gone_after_a_week_and_after_stopping(house, sharing_school):
    bring(house, without(0.3))
    with house.database.reading() as db:
        counted = sharing.standing(db, sharing_school, house.clock.today()).records
        assert counted > len(seats(house))
    now = house.clock.now()
    retention.tidy(house, now + timedelta(days=6, hours=23))
    assert parts(house)
    retention.tidy(house, now + timedelta(days=7, minutes=1))
    assert parts(house) == 0
    bring(house, without(0.3))
    assert parts(house)
    with house.database.transaction() as db:
        db.execute(update(models.Agreement).values(stopped_at=now))
    with house.database.reading() as db:
        standing = sharing.standing(db, sharing_school, house.clock.today())
        assert (standing.records > 0, standing.gone_by) == (True, now + timedelta(hours=24))
    retention.tidy(house, now + timedelta(hours=1))
    with house.database.reading() as db:
        standing = sharing.standing(db, sharing_school, house.clock.today())
        assert (standing.records, standing.gone_by) == (0, None)


# ---------------------------------------------------------------- the page


@pytest.fixture
def beheerder(house, app, sharing_school):
    browser = app.test_client()
    make_staff.begin(browser, house, make_staff.staff(house, RightKind.BEHEERDER, school=sharing_school))
    return browser


def press(browser, path, decision):
    page = browser.get(path)
    word = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    return browser.post(path, data={"csrf_token": word, "besluit": decision})


def test_a_beheerder_reads_the_difference_and_applies_it_once(house, beheerder):
    outcome = bring(house, without(0.6, only=BIG))
    path = f"{PATH}/leveringen/{outcome.delivery}"
    assert path in beheerder.get(PATH).text
    page = beheerder.get(path)
    assert page.status_code == 200
    assert f"<summary>{BIG}" in page.text
    done = press(beheerder, path, "toepassen")
    assert (done.status_code, done.location) == (303, f"{PATH}?bericht=toegepast#leveringen")
    assert len([seat for seat in seats(house) if seat[1]]) == outcome.plan.counts["keep"]
    assert beheerder.get(path).status_code == 404
    with house.database.reading() as db:
        row = db.execute(
            select(models.Delivery).where(models.Delivery.id == outcome.delivery)
        ).scalar_one_or_none()
        assert row is not None
        events = db.execute(select(models.AuditEvent.event)).scalars().all()
    assert "hold_decided" in events
    assert parts(house) == 0


def test_declining_leaves_everything_as_it_was_and_deletes_the_rows(house, beheerder):
    before = seats(house)
    outcome = bring(house, without(0.3))
    path = f"{PATH}/leveringen/{outcome.delivery}"
    page = beheerder.get(path)
    word = page.text.partition('name="csrf_token" value="')[2].partition('"')[0]
    sent = {"csrf_token": word, "besluit": "weigeren"}
    assert beheerder.post(path, data=sent).location.startswith(f"{PATH}?bericht=geweigerd")
    assert beheerder.post(path, data=sent).location.startswith(f"{PATH}?bericht=beslist")
    assert (seats(house), parts(house)) == (before, 0)


@pytest.mark.parametrize("because", ["another package", "shares no more"])
def test_what_cannot_be_applied_any_more_says_so_and_can_only_be_declined(
    house, beheerder, sharing_school, because
):
    outcome = bring(house, without(0.3))
    with house.database.transaction() as db:
        if because == "another package":
            sharing.name_package(db, instellingsnummer=sharing_school, pakket="wisa")
        else:
            db.execute(update(models.Agreement).values(stopped_at=house.clock.now()))
    page = beheerder.get(f"{PATH}/leveringen/{outcome.delivery}")
    assert page.status_code == 200
    assert "Ze kan niet meer worden toegepast" in page.text
    stays = because == "another package"  # of who stopped it is gone within a day, as the other page says
    assert ("dan wordt ze 7 dagen na aankomst vanzelf gewist" in page.text) is stays
    home = beheerder.get(PATH).text
    for sentence in ("wacht op een beslissing", "Tot iemand beslist", f"/leveringen/{outcome.delivery}"):
        assert (sentence in home) is stays
    assert "Niemand besliste op tijd" not in home
    assert "Wat er zou veranderen" not in page.text, "nothing would"
    assert 'value="weigeren"' in page.text
    assert 'value="toepassen"' not in page.text


def test_IDOR_a_held_delivery_of_another_school_is_not_there(house, app, sharing_school):
    outcome = bring(house, without(0.3))
    browser = app.test_client()
    make_staff.begin(browser, house, make_staff.staff(house, RightKind.BEHEERDER, school="999001"))
    assert browser.get(f"{PATH}/leveringen/{outcome.delivery}").status_code == 404


def test_a_school_without_a_delivery_this_night_is_told_after_nine(house, app, sharing_school):
    warning = "Vannacht kwam er niets aan"

    def page():
        browser = app.test_client()
        make_staff.begin(browser, house, make_staff.staff(house, RightKind.BEHEERDER, school=sharing_school))
        return browser.get(PATH).text

    with house.database.transaction() as db:
        db.execute(update(models.Agreement).values(given_at=house.clock.now() - timedelta(days=3)))
    assert warning not in page()
    house.clock.move(hours=22, minutes=59)  # Tuesday 8:59 in Brussels
    assert warning not in page()
    assert missing.note(house) == {"schools": 0}
    house.clock.move(minutes=2)
    assert warning in page()
    assert missing.note(house) == {"schools": 1}
    bring(house, SOURCE)
    assert warning not in page()
    assert missing.note(house) == {"schools": 0}


@pytest.mark.parametrize(
    ("ended", "waits"),
    [
        (timedelta(days=-1), False),  # last night nothing was taken in
        (timedelta(hours=8), True),  # a newer text took the place of the old one this morning
    ],
)
def test_a_school_that_began_again_this_morning_waited_for_nothing_last_night(
    house, sharing_school, ended, waits
):
    house.clock.move(days=1)  # Tuesday 10:00 in Brussels
    night = house.clock.now().replace(hour=23, minute=0) - timedelta(days=1)
    with house.database.transaction() as db:
        db.execute(
            update(models.Agreement).values(given_at=night - timedelta(days=9), stopped_at=night + ended)
        )
        plain.agreement(db, sharing_school, given_at=night + timedelta(hours=8))
    with house.database.reading() as db:
        found = missing.schools(db, house.clock.now())
    assert [one.instellingsnummer for one in found] == ([sharing_school] if waits else [])
