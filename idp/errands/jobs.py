"""Which work does an installation do by itself, and when? One table: `JOBS`.

To add a job, write a function `(house) -> counts` in the floor that the work belongs to, and one line in the table: a
name, a sentence, a rhythm and the function. Everything else is done here:

- it runs once for all machines: whoever holds its lease does it, and renews the lease meanwhile;
- a run that fails is in the log, in the book (idp/errands/job_book.py) and in `idp jobs list`, and is tried again after ten
  seconds, a minute, five, fifteen, and then every hour;
- a night that was missed, because nothing ran, is caught up with one run;
- a process that dies in the middle leaves a job that another begins again. So a job must be safe to repeat: do the work
  in transactions that each leave things in order, and hash, send and render outside them.

The counts are what an operator reads: numbers by word, never names or secrets. Raise to say that it went wrong. `light`
jobs are short, safe in any number of processes, and looked at every second; they leave a line in the book when they did
something, and once a minute.

`idp serve` works off the table (idp/errands/job_worker.py); so do `idp jobs due` from a timer, and `idp jobs run NAME`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, time, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from idp import audit
from idp.admin.privacy import retention
from idp.admin.records import patrol, sealing
from idp.admin.sandbox import sandbox_making
from idp.claims import consent
from idp.clock import day_of_law
from idp.config import ConfigurationError
from idp.context import House
from idp.errands import job_book, leases
from idp.errands.job_book import Line, Rhythm
from idp.errors import Refusal
from idp.feeds import drop, missing, overdue
from idp.login import postman, sessions
from idp.oidc import backchannel, signing
from idp.rosters import stock

Counts = Mapping[str, int]
log = structlog.get_logger(__name__)
LEASE = 600.0
"""Seconds. Two machines whose clocks differ by five minutes still agree on who is at it."""
RENEWED_EVERY = 60.0
NOTED_EVERY = timedelta(minutes=1)
"""A light job that had nothing to do leaves a line in the book this often."""
LOOK_BACK = timedelta(days=1)
"""How far the first look for expired sessions goes back."""
BATCH = 500
ROUNDS = 50
"""Batches at most in one run of a light job: others wait too."""


@dataclass(frozen=True, kw_only=True)
class Job:
    name: str
    what: str
    """One sentence for operators."""
    rhythm: Rhythm
    work: Callable[[House], Counts]
    light: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one run."""

    name: str
    counts: Counts | None
    """None: it failed."""
    failure: str | None = None
    seconds: float = 0.0


# ---------------------------------------------------------------- the work of single jobs


def sign_outs(house: House) -> Counts:
    count = 0
    for _ in range(ROUNDS):
        taken = backchannel.deliver(house)
        count += taken
        if taken < backchannel.BATCH:
            break
    return {"tried": count}


def mails(house: House) -> Counts:
    return {"taken": postman.deliver(house)}


def end_expired(house: House) -> Counts:
    """End the sessions whose time is over, so that apps hear of it."""
    now = house.clock.now()
    with house.database.reading() as db:
        since = leases.reached(db, leases.EXPIRED_SESSIONS)
    count = 0
    for _ in range(ROUNDS):
        with house.database.transaction() as db:
            ended = sessions.end_expired(db, since or now - LOOK_BACK, now, most=BATCH)
            count += ended
            if ended < BATCH:
                leases.reach(db, leases.EXPIRED_SESSIONS, leases.JOBS, now)
                break
    return {"ended": count}


def announce_keys(house: House) -> Counts:
    """Announce the signing keys that are due."""
    with house.database.transaction() as db:
        made = signing.ensure(db, house, house.clock.now())
    for kid in made:
        log.info("signing_key_made", kid=kid)
    return {"made": len(made)}


def settle_agreements(house: House) -> Counts:
    """Of schools whose agreement ran out, rules on classes become rules on their pupils."""
    with house.database.transaction() as db:
        return {"rules": consent.settle_lapsed(db, today=day_of_law(house.clock.now()))}


def seal(house: House) -> Counts:
    """Seal the audit trail and the ledger; once a day anchor them."""
    now = house.clock.now()
    count = sealing.seal(house, now)
    sealing.anchor(house, now)
    return {"rows": count}


def verify(house: House) -> Counts:
    """Look at tonight's part of the audit trail and the ledger. Fails as long as something is not as it was."""
    return patrol.tonight(house)


def purge(house: House) -> Counts:
    return retention.tidy(house, house.clock.now())


SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)

JOBS = (
    Job(
        name="sign-outs",
        what="tell apps which sessions ended (back-channel logout)",
        rhythm=Rhythm(every=SECOND),
        work=sign_outs,
        light=True,
    ),
    Job(name="mail", what="send the mails that wait", rhythm=Rhythm(every=SECOND), work=mails, light=True),
    Job(
        name="sessions",
        what="end the sessions whose last hour came",
        rhythm=Rhythm(every=MINUTE),
        work=end_expired,
        light=True,
    ),
    Job(
        name="seals",
        what="seal the audit trail and the ledger, anchor both once a day (docs/proof.md)",
        rhythm=Rhythm(every=MINUTE),
        work=seal,
    ),
    Job(
        name="agreements",
        what="settle the agreements that ran out at midnight",
        rhythm=Rhythm(at=time(0, 5)),
        work=settle_agreements,
    ),
    Job(
        name="keys",
        what="announce the signing keys that are due",
        rhythm=Rhythm(at=time(1, 10)),
        work=announce_keys,
    ),
    Job(
        name="purge",
        what="delete what was kept long enough (docs/retention.md)",
        rhythm=Rhythm(at=time(2, 30)),
        work=purge,
    ),
    Job(
        name="verify",
        what="look whether the audit trail and the ledger are as they were written, a part each night (docs/proof.md)",
        rhythm=Rhythm(at=time(3, 40)),
        work=verify,
    ),
    Job(
        name="sandbox",
        what="put the sandbox schools back as published, for the day that begins",
        rhythm=Rhythm(at=time(0, 10)),
        work=sandbox_making.renew_nightly,
    ),
    Job(
        name="rosters",
        what="look what changed in the lists of apps, and forget what went long ago (docs/apps.md)",
        rhythm=Rhythm(at=time(1, 40)),
        work=stock.take_all,
    ),
    Job(
        name="drop",
        what="take in what lies in the drop folder (docs/packages.md)",
        rhythm=Rhythm(every=5 * MINUTE),
        work=drop.take_in,
    ),
    Job(
        name="missing-deliveries",
        what="look which schools had no klasinformatie this night",
        rhythm=Rhythm(at=time(9, 0)),
        work=missing.note,
    ),
    Job(
        name="missing-directors",
        what="look whether the weekly list of directors came (docs/operate.md)",
        rhythm=Rhythm(at=time(9, 0)),
        work=overdue.note,
    ),
)
BY_NAME = {job.name: job for job in JOBS}


# ---------------------------------------------------------------- running them


def announce(house: House, jobs: tuple[Job, ...] = JOBS) -> None:
    """Enter new jobs in the book: what is in it is expected to run."""
    with house.database.transaction() as db:
        job_book.announce(db, {job.name: job.rhythm for job in jobs}, house.clock.now())


def overview(db: Connection, now: datetime) -> tuple[Line, ...]:
    """What the book says, by name. Below the roof, read job_book.overview: it is the same."""
    return job_book.overview(db, now)


def due(house: House, jobs: tuple[Job, ...] = JOBS, *, light: bool | None = None) -> Iterator[Job]:
    """The jobs whose turn it is, and that nobody is at."""
    now = house.clock.now()
    with house.database.reading() as db:
        book = {line.name: line for line in job_book.overview(db, now)}
    for job in jobs:
        line = book.get(job.name)
        if light in {None, job.light} and line is not None and _is_due(job, line, now):
            yield job


def _is_due(job: Job, line: Line, now: datetime) -> bool:
    if job.light and not line.failures and (job.rhythm.every or MINUTE) < NOTED_EVERY:
        return True
    return not line.held and line.turn(job.rhythm, now) <= now


def run(house: House, job: Job, holder: str, *, whenever: bool = False) -> Outcome | None:
    """Do it now, if it is still due (or `whenever`). None: it is not, or another process is at it."""
    begun = house.clock.now()
    if job.light:
        outcome = _do(house, job)
        _enter(house, job, outcome, begun)
        return outcome
    with house.database.transaction() as db:
        if not _takes(db, job, holder, begun, whenever=whenever):
            return None
    with _kept_alive(house, job, holder):
        outcome = _do(house, job)
    _enter(house, job, outcome, begun)
    with house.database.transaction() as db:
        leases.leave(db, job_book.lease(job.name), holder, house.clock.now())
    return outcome


def run_due(
    house: House, holder: str, jobs: tuple[Job, ...] = JOBS, *, light: bool | None = None
) -> list[Outcome]:
    """Everything whose turn it is, one after another."""
    outcomes = (run(house, job, holder) for job in due(house, jobs, light=light))
    return [outcome for outcome in outcomes if outcome is not None]


def _takes(db: Connection, job: Job, holder: str, now: datetime, *, whenever: bool) -> bool:
    line = next(line for line in job_book.overview(db, now) if line.name == job.name)
    if line.broken_off:
        job_book.failed(db, job.name, job_book.BROKEN_OFF, begun=now, now=now, seconds=None)
        log.error("job_failed", job=job.name, because=job_book.BROKEN_OFF)
        if not whenever:
            return (
                False  # it rests like after any other failure: perhaps it was the job that ended the process
            )
    if line.held or not (whenever or _is_due(job, line, now)):
        return False
    return job_book.begin(db, job.name, holder, now, seconds=LEASE)


def _do(house: House, job: Job) -> Outcome:
    began = house.clock.monotonic()
    these = audit.Circumstances(now=house.clock.now(), actor="system", source="jobs")
    try:
        with audit.circumstances(these):
            counts = dict(job.work(house))
    except Exception as failure:
        where = None if isinstance(failure, DBAPIError) else failure
        said = str(failure.orig).partition("\n")[0] if isinstance(failure, OperationalError) else None
        log.error(  # noqa: TRY400
            "job_failed", job=job.name, kind=type(failure).__name__, said=said, exc_info=where
        )
        took = house.clock.monotonic() - began
        return Outcome(name=job.name, counts=None, failure=_in_words(failure), seconds=took)
    return Outcome(name=job.name, counts=counts, seconds=house.clock.monotonic() - began)


def _in_words(failure: Exception) -> str:
    """For the book. What a database says quotes its rows: only the kind is told."""
    if isinstance(failure, DBAPIError):
        return f"the database: {type(failure.orig).__name__}"
    if isinstance(failure, patrol.TouchedError):
        return str(failure)
    if isinstance(failure, Refusal | ConfigurationError | OSError):
        return f"{type(failure).__name__}: {failure}"
    return f"{type(failure).__name__} (the log has more)"


def _enter(house: House, job: Job, outcome: Outcome, begun: datetime) -> None:
    now, seconds = house.clock.now(), round(outcome.seconds, 3)
    if job.light and outcome.counts is not None and not any(outcome.counts.values()):
        with house.database.reading() as db:
            line = next((line for line in job_book.overview(db, now) if line.name == job.name), None)
        if line is None or (not line.failures and _noted_lately(line, now)):
            return
    with house.database.transaction() as db:
        if outcome.counts is None:
            because = outcome.failure or ""
            job_book.failed(db, job.name, because, begun=begun, now=now, seconds=seconds)
        else:
            counts = {word: count for word, count in outcome.counts.items() if count}
            job_book.went_well(db, job.name, counts, begun=begun, now=now, seconds=seconds, rhythm=job.rhythm)


def _noted_lately(line: Line, now: datetime) -> bool:
    return line.reached is not None and timedelta() <= now - line.reached < NOTED_EVERY


@contextmanager
def _kept_alive(house: House, job: Job, holder: str) -> Iterator[None]:
    """Renew the lease while the job runs: a long one is not taken for a dead one."""
    done = threading.Event()

    def renew() -> None:
        while not done.wait(RENEWED_EVERY):
            try:
                with house.database.transaction() as db:
                    leases.take(db, job_book.lease(job.name), holder, house.clock.now(), seconds=LEASE)
            except SQLAlchemyError as failure:
                log.warning("job_lease_not_renewed", job=job.name, kind=type(failure).__name__)

    renewing = threading.Thread(target=renew, name=f"job {job.name}", daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join(timeout=20)
