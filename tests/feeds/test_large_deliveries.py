"""IMP-05, IMP-14: many rows in flat memory, and a process that is killed in the middle of them. (bench/deliveries.py: 200,000.)"""

from __future__ import annotations

import os
import select as io_select
import signal
import subprocess
import sys
import time

import pytest
from sqlalchemy import func, insert, select

from idp import entropy, models
from idp.models import ClassMembership, Delivery
from tests import make, make_feeds

CHILD = """
import resource, sys
from datetime import UTC, datetime
from pathlib import Path
from idp import audit, clock, config, context
from idp.feeds import classes, intake

data, url, keys, source = sys.argv[1:]
stopped = clock.Stopped(datetime(2026, 11, 23, 9, 0, tzinfo=UTC))
settings = config.read({}, data=Path(data), database_url=url, keys=Path(keys))
house = context.open_house(settings, clock=stopped)
words = {"form": "leersleutel", "instellingsnummer": "800001", "snapshot_at": stopped.now()}
with house.database.reading() as db:
    pass
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with audit.circumstances(audit.Circumstances(now=stopped.now(), actor="feed:x", source="test")):
    delivery = intake.begin(house, **words)
    print("begun", flush=True)
    outcome = intake.take(house, Path(source), delivery=delivery, **words)
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(outcome.state.value, outcome.plan.counts["add"], outcome.plan.counts["keep"], grown, flush=True)
"""
PUPILS, CLASSES = 1_000, 20


def school(house):
    """A school with so many pupils."""
    with house.database.transaction() as db:
        make.school(db, "800001", pakket="leersleutel")
        make.agreement(db, "800001")
        uuids = [entropy.identifier() for _ in range(PUPILS)]
        empty = dict.fromkeys(
            ("leerid_uuid", "national_number_digest", "voornaam", "naam", "geslacht", "geboortedatum")
        )
        always = empty | {"merged_into": None, "created_at": make.NOW}
        db.execute(insert(models.Pupil), [{"account_uuid": uuid} | always for uuid in uuids])
        row = {"instellingsnummer": "800001", "voornaam": "Bo", "naam": "P", "hoofdstructuur": "311"}
        row |= {"administratieve_groep": "1A", "administratieve_groep_code": "1", "leerjaar": None}
        row |= {"vestigingsplaats": None, "begindatum": make.YEAR_BEGINS, "einddatum": make.YEAR_ENDS}
        row |= {"changed_at": make.NOW}
        db.execute(
            insert(models.Enrolment),
            [
                row | {"id": entropy.row_id(), "account_uuid": uuid, "stamnummer": str(number)}
                for number, uuid in enumerate(uuids)
            ],
        )


def file(path, classes):
    with path.open("w") as out:
        out.write("stamnummer;klas_id;klascode;klasnaam;soort;begindatum;einddatum\n")
        for pupil in range(PUPILS):
            for klas in range(classes):
                out.write(f"{pupil};k{klas};K{klas};Klas {klas};subklas;2026-09-01;\n")
    return path


def run(tmp_path, database_url, key_folder, source):
    words = [str(tmp_path), database_url, str(key_folder), str(source)]
    return subprocess.Popen([sys.executable, "-c", CHILD, *words], stdout=subprocess.PIPE, text=True)


def answer(process):
    out, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return out.splitlines()[-1].split()


def stored(house):
    with house.database.reading() as db:
        return db.execute(select(func.count()).select_from(ClassMembership)).scalar()


def test_IMP_05_twenty_thousand_rows_take_a_few_megabytes_more_than_one_thousand(
    house, tmp_path, key_folder, database_url
):
    school(house)
    few = answer(run(tmp_path, database_url, key_folder, file(tmp_path / "few.csv", 1)))
    many = answer(run(tmp_path, database_url, key_folder, file(tmp_path / "many.csv", CLASSES)))
    assert few[:2] == ["applied", str(PUPILS)]
    assert many[:3] == ["applied", str(PUPILS * (CLASSES - 1)), str(PUPILS)]
    grown = (int(many[3]) - int(few[3])) / 1024
    assert grown < 8, f"{grown:.1f} MiB more for {PUPILS * (CLASSES - 1)} rows more"


@pytest.mark.parametrize("delay", [0.0, 0.6])
def test_IMP_14_a_delivery_that_is_killed_leaves_nothing_and_comes_again(
    house, tmp_path, key_folder, database_url, delay
):
    school(house)
    source = file(tmp_path / "many.csv", CLASSES)
    child = run(tmp_path, database_url, key_folder, source)
    io_select.select([child.stdout], [], [], 60)
    time.sleep(delay)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    make_feeds.settled(house)
    assert stored(house) in {0, PUPILS * CLASSES}
    again = answer(run(tmp_path, database_url, key_folder, source))
    assert again[0] == "applied"
    assert int(again[1]) + int(again[2]) == stored(house) == PUPILS * CLASSES
    with house.database.reading() as db:
        states = (
            db.execute(select(Delivery.state).order_by(Delivery.received_at, Delivery.id)).scalars().all()
        )
        events = db.execute(select(models.AuditEvent.event)).scalars().all()
    assert len(states) == 2
    assert states.count("applied") == events.count("classes_imported")
