"""The work that an installation does by itself: when, once, again after a failure, and never silently."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, time, timedelta
from time import monotonic, sleep

import pytest
from click.testing import CliRunner

from idp import cli, clock, context
from idp.errands import job_book, job_worker, jobs, leases
from idp.errands.job_book import Rhythm, State
from idp.errors import Invalid

NIGHT = Rhythm(at=time(2, 30))


def brussels(year, month, day, hour, minute=0):
    return datetime(year, month, day, hour, minute, tzinfo=clock.BRUSSELS).astimezone(UTC)


@pytest.mark.parametrize(
    ("rhythm", "moment", "turn", "words"),
    [
        (NIGHT, brussels(2026, 11, 23, 2, 29), brussels(2026, 11, 23, 2, 30), "every day at 02:30"),
        (NIGHT, brussels(2026, 11, 23, 2, 30), brussels(2026, 11, 24, 2, 30), "every day at 02:30"),
        # the night of 28 March 2027 has no 02:30, that of 31 October 2027 has it twice
        (NIGHT, brussels(2027, 3, 27, 12), datetime(2027, 3, 28, 1, 30, tzinfo=UTC), "every day at 02:30"),
        (NIGHT, brussels(2027, 10, 30, 12), datetime(2027, 10, 31, 0, 30, tzinfo=UTC), "every day at 02:30"),
        (
            NIGHT,
            datetime(2027, 10, 31, 0, 30, tzinfo=UTC),
            datetime(2027, 11, 1, 1, 30, tzinfo=UTC),
            "every day at 02:30",
        ),
        (
            Rhythm(at=time(6), weekday=0),
            brussels(2026, 11, 23, 6),
            brussels(2026, 11, 30, 6),
            "Monday at 06:00",
        ),
        (
            Rhythm(at=time(6), weekday=0),
            brussels(2026, 11, 23, 5),
            brussels(2026, 11, 23, 6),
            "Monday at 06:00",
        ),
        (
            Rhythm(every=timedelta(minutes=5)),
            brussels(2026, 1, 1, 0),
            brussels(2026, 1, 1, 0, 5),
            "every 5 minutes",
        ),
        (Rhythm(every=timedelta(hours=1)), brussels(2026, 1, 1, 0), brussels(2026, 1, 1, 1), "every hour"),
    ],
)
def test_a_rhythm_says_its_next_turn_also_when_the_hour_changes(rhythm, moment, turn, words):
    assert (rhythm.after(moment), str(rhythm)) == (turn, words)


@pytest.mark.parametrize(
    "wrong", [{}, {"every": timedelta(1), "at": time(1)}, {"every": timedelta(1), "weekday": 1}]
)
def test_a_rhythm_is_one_thing_or_the_other(wrong):
    with pytest.raises(ValueError, match="rhythm"):
        Rhythm(**wrong)


class Work:
    """A job that notes when it ran, and does what the test says."""

    def __init__(self, rhythm=NIGHT, *, light=False):
        self.ran = []
        self.doing = lambda _house: {"rows": 3}
        self.job = jobs.Job(name="nightly", what="a test", rhythm=rhythm, work=self._work, light=light)
        self.table = (self.job,)

    def _work(self, house):
        self.ran.append(house.clock.now())
        return self.doing(house)


@pytest.fixture
def work(house):
    made = Work()
    jobs.announce(house, made.table)
    return made


def line(house, name="nightly"):
    with house.database.reading() as db:
        return next(line for line in jobs.overview(db, house.clock.now()) if line.name == name)


def test_a_nightly_job_waits_for_its_first_night_and_runs_once_a_night(house, work):
    assert jobs.run_due(house, "me", work.table) == []
    assert line(house).state is State.WAITING
    for night in range(1, 4):
        house.clock.move(days=1)
        assert [one.counts for one in jobs.run_due(house, "me", work.table)] == [{"rows": 3}]
        assert jobs.run_due(house, "other", work.table) == []
        assert len(work.ran) == night
    assert (line(house).state, line(house).result) == (State.WELL, {"rows": 3})
    assert line(house).reached == line(house).begun_at == house.clock.now()


def test_nights_that_were_missed_are_caught_up_once(house, work):
    house.clock.move(days=5)
    assert line(house).late(house.clock.now())
    assert len(jobs.run_due(house, "me", work.table)) == 1
    assert jobs.run_due(house, "me", work.table) == []
    assert not line(house).late(house.clock.now())


def test_a_job_that_fails_is_told_and_tried_again_after_ever_longer_rests(house, work, capfd):
    def refuse(_house):
        raise Invalid("broken", "the drop folder is not there")

    work.doing = refuse
    house.clock.move(days=1)
    rests = [10, 60, 300, 900, 3600, 3600]
    for count, rest in enumerate(rests, 1):
        (outcome,) = jobs.run_due(house, "me", work.table)
        assert outcome.counts is None
        assert (line(house).state, line(house).failures) == (State.FAILED, count)
        house.clock.move(seconds=rest - 1)
        assert jobs.run_due(house, "me", work.table) == []
        house.clock.move(seconds=1)
    assert line(house).failure == "Invalid: broken: the drop folder is not there"
    assert (line(house).wrong, line(house).mended) == (line(house).failure, False)
    assert "job_failed" in "".join(capfd.readouterr())
    work.doing = lambda _house: {}
    assert len(jobs.run_due(house, "me", work.table)) == 1
    after = line(house)
    assert (after.state, after.failures, after.result) == (State.WELL, 0, {})
    assert "drop folder" in after.failure, "what went wrong the last time stays to be read"
    assert (after.wrong, after.mended) == (None, True), "as history"


def test_LEAK_01_what_a_database_says_of_its_rows_is_not_in_the_book(house, work, capfd):
    def clash(house):
        with house.database.transaction() as db:
            db.exec_driver_sql(
                "INSERT INTO job (name, rhythm, known_since, expected_at, failures) "
                "SELECT name, 'canary-in-a-row', known_since, expected_at, 0 FROM job"
            )

    work.doing = clash
    house.clock.move(days=1)
    assert jobs.run_due(house, "me", work.table)[0].failure == line(house).failure
    assert line(house).failure.startswith("the database: ")
    assert "nightly" not in line(house).failure
    assert "canary" not in "".join(capfd.readouterr()) + line(house).failure


def test_eight_processes_at_once_run_a_job_once(house, work):
    house.clock.move(days=1)
    together, going = threading.Barrier(8), threading.Event()
    work.doing = lambda _house: going.wait(60) and {}

    def one(name):
        together.wait(60)
        jobs.run_due(house, name, work.table)
        going.set()

    threads = [threading.Thread(target=one, args=(f"p{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert len(work.ran) == 1


def test_a_job_whose_process_died_counts_as_failed_and_is_begun_again(house, work):
    house.clock.move(days=1)
    with house.database.transaction() as db:
        assert job_book.begin(db, "nightly", "dead", house.clock.now(), seconds=jobs.LEASE)
    assert line(house).state is State.RUNNING
    assert jobs.run(house, work.job, "me", whenever=True) is None
    house.clock.move(seconds=jobs.LEASE + 1)
    assert line(house).broken_off
    assert line(house).wrong == job_book.BROKEN_OFF
    assert jobs.run_due(house, "me", work.table) == []
    assert (line(house).failures, line(house).failure) == (1, job_book.BROKEN_OFF)
    house.clock.move(seconds=11)
    assert len(jobs.run_due(house, "me", work.table)) == 1


def test_OPS_03_a_clock_that_is_put_back_stops_no_light_job_and_repeats_no_night(house):
    often, nightly = Work(Rhythm(every=timedelta(minutes=5))), Work()
    table = (*often.table, jobs.Job(name="n", what="", rhythm=NIGHT, work=nightly.job.work))
    jobs.announce(house, table)
    house.clock.move(days=1)
    assert len(jobs.run_due(house, "me", table)) == 2
    house.clock.move(hours=-1)
    assert [one.name for one in jobs.run_due(house, "me", table)] == ["nightly"]
    house.clock.move(hours=1)
    assert len(nightly.ran) == 1


def test_a_light_job_that_has_nothing_to_do_writes_once_a_minute(house):
    work = Work(Rhythm(every=timedelta(seconds=1)), light=True)
    work.doing = lambda _house: {"tried": 0}
    jobs.announce(house, work.table)
    noted = set()
    for _ in range(130):
        jobs.run_due(house, "me", work.table)
        noted.add(line(house).reached)
        house.clock.move(seconds=1)
    assert (len(work.ran), len(noted)) == (130, 3)
    work.doing = lambda _house: {"tried": 1}
    jobs.run_due(house, "me", work.table)
    assert line(house).reached == house.clock.now()


def test_one_job_that_fails_keeps_no_other_from_running(house):
    bad, good = Work(Rhythm(every=timedelta(minutes=1))), Work(Rhythm(every=timedelta(minutes=1)))
    bad.doing = lambda _house: 1 / 0
    table = (bad.job, jobs.Job(name="other", what="", rhythm=good.job.rhythm, work=good.job.work))
    jobs.announce(house, table)
    jobs.run_due(house, "me", table)
    assert line(house).failure == "ZeroDivisionError (the log has more)"
    assert line(house, "other").state is State.WELL


def until(condition):
    ends = monotonic() + 60
    while not condition():
        assert monotonic() < ends, "it did not happen"
        sleep(0.01)


def test_the_worker_of_a_process_runs_long_work_beside_quick_work(house):
    slow, quick = (
        Work(Rhythm(every=timedelta(seconds=1))),
        Work(Rhythm(every=timedelta(seconds=1)), light=True),
    )
    going = threading.Event()
    slow.doing = lambda _house: going.wait(60) and {}
    table = (
        slow.job,
        jobs.Job(name="quick", what="", rhythm=quick.job.rhythm, work=quick.job.work, light=True),
    )
    worker = job_worker.Worker(house, table, every=0.02, patient_every=0.02, rest=0.02)
    worker.start()
    try:
        until(lambda: slow.ran and len(quick.ran) > 3)
    finally:
        going.set()
        worker.stop()


def test_with_jobs_in_serve_off_only_what_cannot_wait_runs_here(house):
    settings = house.settings.model_copy(update={"jobs_in_serve": False})
    beside = context.open_house(settings, clock=clock.Stopped(house.clock.now()))
    slow, quick = (
        Work(Rhythm(every=timedelta(seconds=1))),
        Work(Rhythm(every=timedelta(seconds=1)), light=True),
    )
    table = (
        slow.job,
        jobs.Job(name="quick", what="", rhythm=quick.job.rhythm, work=quick.job.work, light=True),
    )
    worker = job_worker.Worker(beside, table, every=0.02, patient_every=0.02)
    worker.start()
    until(lambda: len(quick.ran) > 5)
    worker.stop()
    beside.database.close()
    assert not slow.ran


def test_a_failure_around_the_jobs_does_not_end_the_worker(house, capfd):
    work = Work(Rhythm(every=timedelta(seconds=1)), light=True)
    with house.database.transaction() as db:
        db.exec_driver_sql("ALTER TABLE job RENAME TO elsewhere")
    worker = job_worker.Worker(house, work.table, every=0.01, rest=0.01, patient_every=0.01)
    worker.start()
    seen = []
    try:
        until(lambda: seen.extend(capfd.readouterr()) or "".join(seen).count("jobs_not_done") > 3)
        assert not work.ran
        with house.database.transaction() as db:
            db.exec_driver_sql("ALTER TABLE elsewhere RENAME TO job")
        until(lambda: work.ran)
    finally:
        worker.stop()


def test_the_table_of_jobs_is_in_order():
    names = [job.name for job in jobs.JOBS]
    assert len({*names}) == len(names)
    for job in jobs.JOBS:
        assert len(leases.JOBS) < 40 > len(job_book.lease(job.name))
        assert job.what
        assert not job.what.endswith(".")


def test_what_the_command_line_shows_and_runs(house, tmp_path):
    house.database.close()
    runner = CliRunner(env={"IDP_DATABASE_URL": house.settings.database_url, "IDP_DATA": str(tmp_path)})
    runner.env |= {"IDP_KEYS": str(house.settings.keys_folder), "COLUMNS": "200"}
    from idp import upgrading

    with house.database.transaction() as db:
        db.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        db.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{upgrading.newest()}')")

    def idp(*words, code=0):
        done = runner.invoke(cli.main, [*words])
        assert done.exit_code == code, done.output
        return done.output

    shown = {one["job"]: one for one in json.loads(idp("jobs", "list", "--json"))}
    assert {*shown} == {job.name for job in jobs.JOBS}
    assert shown["purge"]["state"] == "waiting"
    assert "purge: nothing to do" in idp("jobs", "run", "purge")
    assert json.loads(idp("jobs", "due", "--json"))[0] == {
        "job": "sign-outs",
        "failure": None,
        "seconds": pytest.approx(0, abs=60),
        "result": {"tried": 0},
    }
    listed = idp("jobs", "list")
    assert "every day at 02:30" in listed
    with house.database.transaction() as db:
        now = clock.Clock().now()
        job_book.failed(db, "keys", "OSError: no room", begun=now, now=now, seconds=1)
    assert "keys failed 1× in a row: OSError: no room" in idp("jobs", "list", code=1)
    with house.database.transaction() as db:
        job_book.went_well(db, "keys", {}, begun=now, now=now, seconds=1, rhythm=jobs.BY_NAME["keys"].rhythm)
    mended = idp("jobs", "list")
    assert "keys went well since it last failed, on " in mended
    assert "OSError: no room" in mended
    idp("jobs", "run", "nothing", code=2)
