"""The drop folder: whole files are taken in and put away with a report, and a bad one harms nobody."""

from __future__ import annotations

import gzip
import json
import os
import shutil

import pytest
from sqlalchemy import select, update

from idp import audit, models
from idp.feeds import drop, intake
from idp.feeds.problems import Problem
from idp.models import Delivery
from tests import make as plain
from tests import make_feeds as make
from tests.feeds.test_classes import seats
from tests.feeds.test_oneroster import files, zipped

WISA = make.DATA / "wisa" / "999001-leerlingen.csv"
INFORMAT = make.DATA / "informat" / "999002-registrations.json"


@pytest.fixture
def place(house, tmp_path):
    """A drop folder with a place for each school of the data; 999004 does not share."""
    make.schools(house)
    make.bring(house, make.DATA / "enrolments.csv")
    with house.database.transaction() as db:
        for number in ("999001", "999002", "999003"):
            plain.agreement(db, number)
    folder = tmp_path / "drop"
    for name in ("wisa/999001", "informat/999002", "informat/999004", "oneroster/999003", "directeurs"):
        (folder / name).mkdir(parents=True)
    return folder


def put(path, content):
    """As a package does: write, then rename."""
    hidden = path.with_name(f".{path.name}")
    hidden.write_bytes(content)
    stamp = path.parent.stat().st_mtime
    os.utime(hidden, (stamp, 1_700_000_000))
    hidden.rename(path)


def reports(folder):
    return [json.loads(path.read_text()) for path in sorted((folder / "klaar").glob("*.report.json"))]


def test_all_of_the_data_arrives_by_the_drop_folder(house, place):
    put(place / "wisa/999001/leerlingen.csv", WISA.read_bytes())
    put(place / "informat/999002/registraties.json.gz", gzip.compress(INFORMAT.read_bytes()))
    put(place / "oneroster/999003/export.zip", zipped(files()))
    put(place / "directeurs/week.csv", (make.DATA / "directors.csv").read_bytes())
    assert drop.take_in(house, place) == {"applied": 4, "purged": 0}
    for number in ("999001", "999002", "999003"):
        assert seats(house, number)
    (report,) = reports(place / "wisa/999001")
    assert (report["state"], report["format"], report["counts"]["add"]) == (
        "applied",
        "wisa",
        len(seats(house, "999001")),
    )
    assert [one.name for one in (place / "wisa/999001").iterdir()] == ["klaar"]
    assert drop.take_in(house, place) == {"purged": 0}


def test_what_is_not_whole_is_left_alone(house, place):
    folder = place / "informat/999002"
    for name in (".x.json", "x.json.part", "x.tmp", "x.filepart"):
        (folder / name).write_bytes(b"[")
    assert drop.take_in(house, place) == {"purged": 0}
    assert len([*folder.iterdir()]) == 4


def test_a_bad_file_harms_nobody(house, place, tmp_path):
    folder = place / "informat/999002"
    secret = tmp_path / "secret.json"
    secret.write_bytes(INFORMAT.read_bytes())
    put(folder / "a.json", b"\x00\x01 no json")
    put(folder / "b.json.gz", b"no gzip")
    put(folder / "c.json", gzip.compress(b"[" + b" " * 3_000_000))
    (folder / "link.json").symlink_to(secret)
    os.mkfifo(folder / "pipe.json")
    put(place / "wisa/999001/x.csv", WISA.read_bytes())
    counts = drop.take_in(house, place)
    assert counts == {"refused": 3, "applied": 1, "purged": 0}
    assert seats(house, "999002") == []
    assert {one["state"] for one in reports(folder)} == {"refused"}
    with house.database.reading() as db:
        mine = (Delivery.instellingsnummer == "999002", Delivery.kind == "classes")
        told = db.execute(select(Delivery.id, Delivery.state, Delivery.report).where(*mine)).all()
    assert {one.id for one in told} == {one["delivery"] for one in reports(folder)}, (
        "the school reads it, too"
    )
    assert {one.state for one in told} == {"refused"}
    found = {code for one in told for code in one.report["problem_counts"]}
    assert found == {"utf_16", "packed", "broken_archive"}
    assert (folder / "link.json").is_symlink()
    assert secret.exists()


def test_IMP_10_of_a_school_that_does_not_share_nothing_stays_but_the_report(house, place):
    folder = place / "informat/999004"
    put(folder / "x.json", (make.DATA / "informat" / "999004-registrations.json").read_bytes())
    assert drop.take_in(house, place) == {"refused": 1, "purged": 0}
    assert [path.name.partition("-")[2] for path in (folder / "klaar").iterdir()] == ["x.json.report.json"]
    assert reports(folder)[0]["reasons"] == ["does_not_share"]
    with house.database.reading() as db:
        states = select(Delivery.state).where(
            Delivery.instellingsnummer == "999004", Delivery.kind == "classes"
        )
        assert db.execute(states).scalars().all() == ["refused"]


@pytest.mark.parametrize(
    ("folder", "because", "whose"),
    [("informat/999004", "does_not_share", "999004"), ("wisa/999002", "wrong_package", None)],
)
def test_a_file_that_cannot_be_opened_is_refused_first_for_what_the_school_would_not_take(
    house, place, folder, because, whose
):
    """A job that somebody forgot must not hide, night after night, that the school's own package sends nothing."""
    (place / folder).mkdir(parents=True, exist_ok=True)
    put(place / folder / "x.json.gz", b"no gzip")
    assert drop.take_in(house, place) == {"refused": 1, "purged": 0}
    kept = [path.name.partition("-")[2] for path in (place / folder / "klaar").iterdir()]
    assert kept == ["x.json.gz.report.json"]
    (report,) = reports(place / folder)
    with house.database.reading() as db:
        columns = select(Delivery.instellingsnummer, Delivery.report)
        told = db.execute(columns.where(Delivery.id == report["delivery"])).one()
    assert (told.instellingsnummer, [*told.report["problem_counts"]]) == (whose, [because])


def test_what_was_decided_stays_so_whatever_breaks_afterwards(house, place):
    put(place / "informat/999002/x.json", INFORMAT.read_bytes())
    assert drop.take_in(house, place) == {"applied": 1, "purged": 0}
    (report,) = reports(place / "informat/999002")
    words = {"form": "informat", "instellingsnummer": "999002", "delivery": report["delivery"]}
    with audit.circumstances(audit.Circumstances(now=house.clock.now(), actor="system", source="job")):
        assert intake.turn_away(house, Problem(code="processing_failed"), **words) == report["delivery"]
    with house.database.reading() as db:
        state = db.scalar(select(Delivery.state).where(Delivery.id == report["delivery"]))
    assert state == "applied"


def test_files_are_gone_after_a_week_and_at_once_when_a_school_stops(house, place):
    for name, source in (("wisa/999001/x.csv", WISA), ("informat/999002/x.json", INFORMAT)):
        put(place / name, source.read_bytes())
    drop.take_in(house, place)
    with house.database.transaction() as db:
        mine = models.Agreement.instellingsnummer == "999001"
        db.execute(update(models.Agreement).where(mine).values(stopped_at=house.clock.now()))
    assert drop.take_in(house, place) == {"purged": 1}
    assert [one.name[-12:] for one in (place / "wisa/999001/klaar").iterdir()] == [".report.json"]
    house.clock.move(days=7, minutes=1)
    assert drop.take_in(house, place) == {"purged": 3}
    assert [*(place / "informat/999002/klaar").iterdir()] == []


def test_a_file_that_a_dead_process_left_is_taken_in_again(house, place):
    path = place / "informat/999002/x.json"
    put(path, INFORMAT.read_bytes())
    kept = place / "kept"
    shutil.copy2(path, kept)
    drop.take_in(house, place)
    there = seats(house)
    shutil.copy2(kept, path)
    assert drop.take_in(house, place)["applied"] == 1
    assert seats(house) == there


def test_enrolments_come_in_by_the_folder_too_and_a_file_that_would_end_many_is_held(house, place):
    (place / "inschrijvingen").mkdir()
    rows = (make.DATA / "enrolments.csv").read_bytes().splitlines(keepends=True)
    put(place / "inschrijvingen/a.csv", b"".join(rows))
    assert drop.take_in(house, place)["applied"] == 1
    put(place / "inschrijvingen/b.csv", b"".join(rows[:400]))
    assert drop.take_in(house, place)["held"] == 1
    told = reports(place / "inschrijvingen")[-1]
    assert "held" in told["schools"].values()
    assert {one["code"] for one in told["holds"]} == {"many_enrolments_end"}
