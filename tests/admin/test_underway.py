"""Work that takes long says how far it is, goes on without its page, and is never done half or twice."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
import zipfile
from datetime import timedelta
from io import BytesIO

import pytest
from sqlalchemy import event, func, select, update

from idp import models
from idp.admin.accounts import papers, underway
from idp.models import PaperworkKind, SecretKind
from tests import make, make_staff

KEY = "k" * 43


@pytest.fixture
def school(house):
    """Sixty pupils without a LeerID."""
    with house.database.transaction() as db:
        made = make.school(db)
        for number in range(60):
            make.enrolment(db, make.pupil(db), made, voornaam="Noor", naam=f"Peeters {number:02}")
    return made


@pytest.fixture
def desk(house, school):
    person = make_staff.staff(house, school=school)
    return papers.Desk(person_id=person.person_id, instellingsnummer=school, key=KEY)


def begun(house, desk):
    with house.database.reading() as db:
        uuids = [*db.execute(select(models.Enrolment.account_uuid)).scalars()]
        proposals = papers.propose(db, house, desk, PaperworkKind.CREATE, uuids)
    return found(house, desk, papers.begin(house, desk, PaperworkKind.CREATE, proposals))


def found(house, desk, work_id):
    with house.database.reading() as db:
        return papers.find(db, desk, work_id, house.clock.now())


def state(house, work):
    with house.database.reading() as db:
        return underway.look(db, work.id, house.clock.now())


def count(house, model=models.Account):
    with house.database.reading() as db:
        return db.scalar(select(func.count()).select_from(model))


def until(condition, seconds=120):
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it did not happen"
        time.sleep(0.005)


class Looking:
    """Somebody who looks how far it is: before each note the work waits for a look that began after the note before.

    So every note is seen, however busy the machine is.
    """

    def __init__(self, house):
        self.house, self._turn, self._notes, self._seen = house, threading.Condition(), 0, 0
        event.listen(house.database.engine, "before_cursor_execute", self._before)

    def _before(self, _db, _cursor, statement, *_rest):
        if threading.current_thread().name == "papers" and statement.startswith("UPDATE paperwork"):
            with self._turn:
                self._notes += 1
                self._turn.wait_for(lambda mine=self._notes: self._seen >= mine, 60)

    def state(self, work):
        notes = self._notes
        found = state(self.house, work)
        with self._turn:
            self._seen = notes
            self._turn.notify_all()
        return found


def test_how_far_it_is_is_seen_while_it_goes_on_and_nothing_is_written_before_the_end(house, desk):
    work = begun(house, desk)
    assert state(house, work) is None
    looking = Looking(house)
    underway.start(house, desk, work, patience=0)
    seen = []
    while (now := looking.state(work)) is not None:
        assert now.works
        assert now.count == (120 if now.made else 60)
        assert now.made or count(house) == 0 or (later := state(house, work)) is None or later.made
        if not now.made:
            seen.append(now.ready)
    assert seen == sorted(seen)
    assert len({*seen} - {60}) > 1, "it was seen on the way"
    assert len(found(house, desk, work.id).handouts) == count(house) == 60


def test_FAULT_11_a_second_click_while_it_works_starts_nothing(house, desk):
    work = begun(house, desk)
    before = threading.active_count()
    for _ in range(5):
        underway.start(house, desk, work, patience=0)
    assert threading.active_count() <= before + 1 + (house.settings.hash_slots or os.cpu_count())
    until(lambda: state(house, work) is None)
    underway.start(house, desk, work)
    assert count(house) == count(house, models.Card) == 60


def test_cancelling_on_the_way_makes_nothing(house, desk):
    work = begun(house, desk)
    underway.start(house, desk, work, patience=0)
    with house.database.transaction() as db:
        papers.drop(db, desk, work.id)
    until(lambda: not any(one.name == "papers" for one in threading.enumerate()))
    assert count(house) == count(house, models.Card) == 0


def test_what_cannot_be_done_says_why_and_can_be_mended(house, desk):
    work = begun(house, desk)
    with house.database.transaction() as db:
        db.execute(update(models.Enrolment).values(einddatum=make.TODAY - timedelta(days=1)))
    underway.start(house, desk, work)
    until(lambda: not state(house, work).works)
    assert state(house, work) == underway.State(ready=0, count=60, works=False, problem="papers_for_nobody")
    with house.database.transaction() as db:
        db.execute(update(models.Enrolment).values(einddatum=make.YEAR_ENDS))
    underway.start(house, desk, work)
    until(lambda: count(house) == 60)


def test_the_zip_is_drawn_ahead_says_how_far_and_lies_encrypted(house, desk):
    work = begun(house, desk)
    looking = Looking(house)
    underway.start(house, desk, work, patience=0)
    seen = set()
    while (now := looking.state(work)) is not None:
        seen |= {now.ready} if now.made else set()
    assert len(seen) > 1, "it was seen on the way"
    with house.database.reading() as db:
        kept = db.execute(select(models.Paperwork)).one().file
    assert not kept.startswith(b"PK"), "nobody opens it without the key of that browser"
    name, content = papers.zipped(house, desk, found(house, desk, work.id))
    assert name.endswith(f"{make.TODAY}.zip")
    assert "Kaarten A4.pdf" in zipfile.ZipFile(BytesIO(content)).namelist()
    assert papers._safe(desk, work.id).decrypt(kept) == content, "what was drawn is what is handed out"


def test_a_zip_that_was_drawn_with_classes_is_not_handed_out_after_the_school_stopped(house, school, desk):
    with house.database.transaction() as db:
        pupil = db.scalars(select(models.Enrolment.account_uuid)).first()
        make.membership(db, make.klas(db, school, "3Geheim"), pupil)
        make.agreement(db, school)
    work = begun(house, desk)
    underway.start(house, desk, work, patience=60)

    def names():
        _, content = papers.zipped(house, desk, found(house, desk, work.id))
        return zipfile.ZipFile(BytesIO(content)).namelist()

    assert "Lijst 3Geheim.pdf" in names()
    with house.database.transaction() as db:
        db.execute(update(models.Agreement).values(stopped_at=house.clock.now()))
    assert "Lijst 3Geheim.pdf" not in names()


def test_a_zip_that_nobody_finished_is_drawn_when_it_is_asked_for(house, desk):
    work = begun(house, desk)
    papers.carry_out(house, desk, work)
    assert state(house, work) is None
    assert papers.zipped(house, desk, found(house, desk, work.id))[1].startswith(b"PK")


DIES = """
import sys
from pathlib import Path
from idp import audit, clock, config, context
from datetime import datetime
from idp.admin.accounts import papers, underway
data, url, keys, person, school, key, work_id, moment = sys.argv[1:]
settings = config.read({}, data=Path(data), database_url=url, keys=Path(keys),
    argon2_memory_kib=8192, argon2_time=60)
house = context.open_house(settings, clock=clock.Stopped(datetime.fromisoformat(moment)))
desk = papers.Desk(person_id=person, instellingsnummer=school, key=key)
with house.database.reading() as db:
    work = papers.find(db, desk, work_id, house.clock.now())
with audit.circumstances(audit.Circumstances(now=house.clock.now())):
    underway.start(house, desk, work, patience=300)
"""


def test_FAULT_11_RACE_a_process_that_is_killed_leaves_nothing_half_and_the_person_goes_on(
    house, client, desk, stopped, tmp_path, key_folder, database_url
):
    work = begun(house, desk)
    words = [tmp_path, database_url, key_folder, desk.person_id, desk.instellingsnummer, KEY, work.id]
    words.append(stopped.now().isoformat())
    process = subprocess.Popen([sys.executable, "-c", DIES, *map(str, words)])
    try:
        until(lambda: (now := state(house, work)) is not None and now.ready > 0)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert count(house) == count(house, models.Card) == 0
    make_staff.begin(client, house, make_staff.Staff(person_id=desk.person_id, school=desk.instellingsnummer))
    client.set_cookie(make_staff.cookie_name(house).replace("staff", "papers"), KEY)
    where = f"/schoolloket/leerid-beheer/werk/{work.id}"
    page = client.get(where).text
    assert re.search(r"[1-9]\d* van 60", page)
    assert "data-progress" in page
    stopped.move(seconds=120)
    page = client.get(where).text
    assert "Het werk werd onderbroken. Er is niets half gedaan." in page
    word = re.search(r'name="csrf_token" value="([^"]+)"', page)[1]
    client.post(where, data={"csrf_token": word, "doe": "klaar"})
    until(lambda: state(house, work) is None)
    assert "60 LeerID" in client.get(where).text
    assert count(house) == count(house, models.Card) == 60
    assert {one.kind for one in found(house, desk, work.id).handouts} == {SecretKind.PICTURE}
