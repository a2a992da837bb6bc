"""The pages of the school about its devices: a code, the list, the end of one, and everyone done in two taps."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from idp.login import devices, sessions
from idp.models import ClassDevice, RightKind
from tests import make, make_devices, make_login, make_staff
from tests.make_reading import read

DEVICES, DONE = "/schoolloket/toestellen", "/schoolloket/iedereen-klaar"


@pytest.fixture
def noor(house) -> str:
    return make_login.pupil(house)


@pytest.fixture
def school(house, noor) -> str:
    return make_devices.school_of(house, noor)


def _desk(client, house, school, kind=RightKind.BEHEERDER):
    one = make_staff.staff(house, kind, school=school)
    make_staff.sign_in(client, house, one)
    return one


def _post(client, path, **fields):
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(DEVICES).text)[1]
    return client.post(path, data={"csrf_token": token} | fields)


@pytest.mark.parametrize("kind", [RightKind.BEHEERDER, RightKind.TEACHER])
def test_staff_make_a_code_and_a_tablet_becomes_the_schools(client, app, house, school, kind):
    _desk(client, house, school, kind)
    page = _post(client, DEVICES, label="Tablet 3", school=school)
    assert page.status_code == 200
    assert "no-store" in page.headers["Cache-Control"]
    code = re.search(r"<code>([0-9A-Z]{4} [0-9A-Z]{4})</code>", page.text)[1]
    with house.database.transaction() as db:
        made = devices.enrol(db, house.keys, house.settings, typed=code, now=house.clock.now())
    assert made.device.label == "Tablet 3"
    later = client.get(DEVICES).text
    assert "Tablet 3" in later
    assert code not in later, "shown once"


def test_a_device_without_a_name_is_asked_again(client, house, school):
    _desk(client, house, school)
    page = _post(client, DEVICES, label="  ", school=school)
    assert page.status_code == 400
    assert "Geef het toestel een naam." in page.text


def test_a_device_is_renamed_and_taken_back(client, house, school):
    _desk(client, house, school)
    made = make_devices.enrolled(house, school)
    path = f"{DEVICES}/{made.device.id}"
    assert _post(client, path, label="Hal <b>", school=school).status_code == 303
    assert "Hal &lt;b&gt;" in client.get(DEVICES).text
    assert _post(client, path, weg="1", school=school).status_code == 303
    assert "Hal" not in read(client.get(DEVICES)).seen
    with house.database.reading() as db:
        assert devices.find(db, made.cookie, house.clock.now()) is None


def test_a_device_of_another_school_is_not_there(client, house, school):
    _desk(client, house, school)
    with house.database.transaction() as db:
        other = make.school(db)
    theirs = make_devices.device(house, other)
    for name in (theirs.id, "x", "00000000-0000-0000-0000-000000000000"):
        assert _post(client, f"{DEVICES}/{name}", weg="1", school=school).status_code == 404
    with house.database.reading() as db:
        assert db.scalar(select(ClassDevice.revoked_at)) is None


def test_everyone_is_done_with_one_tap_on_the_page(client, house, noor, school):
    _desk(client, house, school)
    device = make_devices.device(house, school)
    with house.database.transaction() as db:
        started = sessions.start(
            db,
            house,
            account_uuid=noor,
            amr=("pwd",),
            acr="x",
            must_change=False,
            shared=True,
            class_device=device.id,
            now=house.clock.now(),
        )
    page = client.get(DONE)
    assert "De hele school" in page.text
    assert "derde leerjaar" in page.text
    assert "Noor" not in read(page).seen, "nobody sees who was signed in"
    answer = _post(client, DONE, groep="L3", school=school)
    assert "1 aanmelding is beëindigd." in answer.text
    with house.database.reading() as db:
        assert sessions.seen(db, house.settings, started.cookie, house.clock.now()) is None


def test_a_databeheerder_has_no_business_here(client, house, school):
    _desk(client, house, school, RightKind.DATABEHEERDER)
    assert client.get(DEVICES).status_code == 403
    assert client.get(DONE).status_code == 403
