"""IMP-14: an import that is broken off leaves whole schools, and can simply be started again."""

from __future__ import annotations

import os
import select as io_select
import signal
import subprocess
import sys
import threading
import time

import pytest
from sqlalchemy import event, func, select

from idp import audit, models
from idp.feeds import enrolments
from idp.models import Enrolment
from tests import make_feeds as make

SIZE = 300
SCHOOLS = [f"8000{n:02}" for n in range(12)]

CHILD = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from idp import audit, clock, config, context
from idp.feeds import enrolments

data, url, keys, source = sys.argv[1:]
stopped = clock.Stopped(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
settings = config.read({}, data=Path(data), database_url=url, keys=Path(keys))
house = context.open_house(settings, clock=stopped)
found = enrolments.read(Path(source))
print("read", flush=True)
with audit.circumstances(audit.Circumstances(now=stopped.now(), actor="operator:cli", source="cli")):
    enrolments.apply(house, found)
print("done", flush=True)
"""


def source():
    rows = [
        make.row(str(n), number=1 + n, instellingsnummer=school) for school in SCHOOLS for n in range(SIZE)
    ]
    return make.file(*rows)


def by_school(house):
    query = select(Enrolment.instellingsnummer, func.count()).group_by(Enrolment.instellingsnummer)
    events = select(models.AuditEvent.instellingsnummer).where(
        models.AuditEvent.event == "enrolments_imported"
    )
    applied = select(models.Delivery.instellingsnummer)
    with house.database.reading() as db:
        counts = dict(tuple(row) for row in db.execute(query))
        return counts, db.execute(events).scalars().all(), db.execute(applied).scalars().all()


@pytest.mark.parametrize("delay", [0.0, 0.05, 0.25])
def test_IMP_14_kill_minus_nine_leaves_whole_schools(house, tmp_path, key_folder, database_url, delay):
    make.schools(house, *SCHOOLS)
    path = tmp_path / "enrolments.csv"
    path.write_bytes(source())
    words = [str(tmp_path), database_url, str(key_folder), str(path)]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *words], stdout=subprocess.PIPE)
    with child:
        io_select.select([child.stdout], [], [], 60)
        time.sleep(delay)
        os.kill(child.pid, signal.SIGKILL)
    make.settled(house)
    counts, events, applied = by_school(house)
    assert set(counts.values()) <= {SIZE}
    assert sorted(events) == sorted(applied) == sorted(counts)
    outcome = make.bring(house, path)
    assert outcome.counts["add"] == SIZE * (len(SCHOOLS) - len(counts))
    assert outcome.counts["keep"] == SIZE * len(counts)
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.Pupil)).scalar() == SIZE


def test_a_failure_between_two_statements_leaves_the_school_as_it_was(house):
    make.schools(house, *SCHOOLS)
    seen = []

    def fail(_db, _cursor, statement, *_rest):
        seen.extend(["x"] * ("INSERT INTO enrolment" in statement))
        if len(seen) == 3:
            raise RuntimeError("power is out")

    event.listen(house.database.engine, "before_cursor_execute", fail)
    with pytest.raises(RuntimeError):
        make.bring(house, source())
    event.remove(house.database.engine, "before_cursor_execute", fail)
    counts, events, applied = by_school(house)
    assert counts == dict.fromkeys(SCHOOLS[:2], SIZE)
    assert sorted(events) == sorted(applied) == SCHOOLS[:2]
    make.bring(house, source())
    assert by_school(house)[0] == dict.fromkeys(SCHOOLS, SIZE)


def test_two_imports_at_once_make_no_pupil_twice(house):
    make.schools(house, *SCHOOLS)
    found = enrolments.read(source())
    failed = []

    def work():
        with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="operator:cli")):
            try:
                enrolments.apply(house, found)
            except Exception as failure:  # noqa: BLE001
                failed.append(failure)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert by_school(house)[0] == dict.fromkeys(SCHOOLS, SIZE)
    with house.database.reading() as db:
        assert db.execute(select(func.count()).select_from(models.Pupil)).scalar() == SIZE
