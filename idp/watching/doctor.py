"""What is wrong with this installation, and what to do about it? Looks at everything, changes nothing.

`idp check-config` asks whether it can start; this asks whether it is well: the machine under it, the services beside it,
and what should have happened by now. Each finding says what is seen and what to do, in words for whoever was woken up.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError

from idp import config, steps
from idp.config import LOOPBACK
from idp.context import House
from idp.errands import job_book, patrol_book
from idp.errors import Refusal
from idp.feeds import deliveries, held, overdue
from idp.hashing import Stored
from idp.login import postman
from idp.models import AccessToken, Account, AuditEvent
from idp.oidc import signing
from idp.watching import health

LEAST_FREE = 200 * 2**20
LITTLE_FREE = 2**30
SLOW = 0.25
"""Seconds for an answer of the database that holds nothing."""
OLDEST_POSTGRESQL = 15
NIGHTLY = timedelta(days=2)
"""A backup may be so old."""
GRACE = timedelta(days=3)
"""A purge may be so late before the doctor says so."""


TOUCHED = "`idp audit night` says where; docs/proof.md, *When something was touched*, says what to do"


class Weight(StrEnum):
    WELL = "well"
    NOTE = "look"
    """Nothing is broken, but somebody should know."""
    BAD = "wrong"


@dataclass(frozen=True, kw_only=True)
class Finding:
    about: str
    weight: Weight
    seen: str
    do: str = ""


Finds = Iterator[Finding]


def examine(house: House) -> list[Finding]:
    """Everything. What needs the database is left out when that is not there."""
    found = [*_settings(house), *_keys(house), *_folders(house), *_disk(house)]
    first = [*_database(house)]
    found += first
    if all(one.weight is not Weight.BAD for one in first):
        looks: tuple[Callable[[House], Finds], ...] = (
            _signing,
            _peppers,
            _clock,
            _jobs,
            _trail,
            _arrivals,
            _old,
            _backups,
        )
        for look in looks:
            found += look(house)
    return [*found, *_mail(house), *_redis(house)]


def _well(about: str, seen: str) -> Finding:
    return Finding(about=about, weight=Weight.WELL, seen=seen)


def _note(about: str, seen: str, do: str) -> Finding:
    return Finding(about=about, weight=Weight.NOTE, seen=seen, do=do)


def _bad(about: str, seen: str, do: str) -> Finding:
    return Finding(about=about, weight=Weight.BAD, seen=seen, do=do)


def _settings(house: House) -> Finds:
    known = house.settings
    file = known.data / config.FILE
    if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o007:
        yield _note(
            "idp.toml",
            "everybody on this machine may read or change it, and it may hold the password of the database",
            f"chmod 600 {file}, as the user who runs it",
        )
    if house.database.sqlite:
        yield from _embedded(Path(house.database.url.removeprefix("sqlite:///")))
    yield _well("settings", f"issuer {known.issuer}, {known.workers or config.cores()} workers")
    if known.loopback:
        yield _note("settings", "the issuer is this machine only", "for real use: an issuer on https")
        return
    if known.trusted_proxies == 0:
        yield _note(
            "proxy",
            "no proxy is trusted, so everybody seems to come from the address of the proxy",
            "set trusted_proxies to how many proxies of yours stand in front (docs/network.md)",
        )
    elif known.host not in LOOPBACK:
        yield _note(
            "proxy",
            f"port {known.port} is open on {known.host}: whoever reaches it without the proxy chooses an address to seem from",
            "let a firewall admit the proxy only",
        )
    else:
        yield _well(
            "proxy", f"{known.trusted_proxies} trusted, and only this machine reaches port {known.port}"
        )
    if not known.metrics_port:
        yield _note(
            "watching", "nobody counts what happens here", "set metrics_port, and let Prometheus read it"
        )


def _embedded(file: Path) -> Finds:
    """The file that an embedded database is: ours alone, and ours to write."""
    if not file.exists():
        return
    if not (os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)):
        yield _bad(
            "database",
            f"{file}, or the folder that it is in, is not for this user to write: nobody can sign in",
            "run this as the user who serves; is that its owner?",
        )
    if stat.S_IMODE(file.stat().st_mode) & 0o004 and stat.S_IMODE(file.parent.stat().st_mode) & 0o001:
        yield _note(
            "database",
            f"everybody on this machine may read {file}: names of pupils, and what is kept of their secrets",
            f"chmod 600 {file}*, as its owner",
        )


def _keys(house: House) -> Finds:
    folder = house.keys.folder
    loose = [path for path in (folder, *folder.rglob("*")) if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if loose:
        names = ", ".join(sorted(str(path.relative_to(folder.parent)) for path in loose)[:5])
        yield _bad("keys", f"others on this machine may read {names}", f"chmod -R go-rwx {folder}")
    probe = house.keys.seal("doctor", {"probe": 1}, house.clock.now())
    opened = house.keys.unseal("doctor", probe, house.clock.now(), seconds=60) == {"probe": 1}
    kept = house.keys.kept("doctor", house.keys.keep("doctor", "probe")) == "probe"
    try:
        hashed = house.hasher.hash("probe")
        right = house.hasher.verify(Stored(hash=hashed.hash, pepper_id=hashed.pepper_id), "probe").right
    except Refusal:
        right = True  # too busy to hash is no fault of a key
    if not (opened and kept and right):
        yield _bad(
            "keys", "what a key closes it does not open again", "put the folder with keys back from a backup"
        )
    elif not loose:
        peppers = ", ".join(sorted(house.keys.peppers))
        yield _well("keys", f"in {folder}, ours alone; cookies, peppers ({peppers}) and hashing work")


def _folders(house: House) -> Finds:
    """Folders that may be elsewhere: a disk that is not mounted, or that the service may not write on."""
    journal, drop = house.settings.journal_folder, house.settings.drop_folder
    if not _a_folder_to_write(_nearest(journal)):
        yield _bad(
            "journal",
            f"{journal} is not for this user to write: a restored backup would give back what was withdrawn",
            "give it to the user who serves, and let the service write there (ReadWritePaths)",
        )
    if drop is not None and not _a_folder_to_write(drop):
        yield _bad(
            "drop_folder",
            f"{drop} is not a folder that this user may write in: no package's file is taken in",
            "make or mount it, for the user who serves (docs/packages.md)",
        )


def _nearest(folder: Path) -> Path:
    """Itself, or what is there of its parents. (Path.exists raises where this user may not look.)"""
    return next(path for path in (folder, *folder.resolve().parents) if os.access(path, os.F_OK))


def _a_folder_to_write(path: Path) -> bool:
    return os.access(f"{path}/.", os.W_OK)


def _disk(house: House) -> Finds:
    folder = house.settings.data
    usage = shutil.disk_usage(_nearest(folder))
    free = f"{usage.free / 2**30:.1f} GB free of {usage.total / 2**30:.0f} at {folder}"
    if usage.free < LEAST_FREE:
        yield _bad("disk", free, "make room now: soon nothing can be written, and nobody can sign in")
    elif usage.free < LITTLE_FREE:
        yield _note("disk", free, "make room")
    else:
        yield _well("disk", free)


def _database(house: House) -> Finds:
    began = house.clock.monotonic()
    try:
        with house.database.reading() as db:
            step = db.execute(text("SELECT version_num FROM alembic_version")).scalar()
            took = house.clock.monotonic() - began
            version = ".".join(str(part) for part in db.dialect.server_version_info or ())
            room = None
            reads_only = not house.database.sqlite and health.only_reads(db)
            if not house.database.sqlite:
                room = int(db.execute(text("SELECT current_setting('max_connections')")).scalar_one())
    except SQLAlchemyError as failure:
        kind = type(getattr(failure, "orig", failure)).__name__
        yield _bad(
            "database",
            f"it does not answer, or has no tables ({kind})",
            "is it running, is database_url right, did `idp init` or `idp upgrade` run?",
        )
        return
    name = f"{house.database.engine.dialect.name} {version}"
    if steps.behind(step):
        yield _bad(
            "database", f"{name} is at step {step}, this program needs {steps.newest()}", "run `idp upgrade`"
        )
        return
    if step != steps.newest():
        yield _note(
            "database", f"{name} is at step {step}, newer than this program", "bring this machine up to date"
        )
    else:
        yield _well("database", f"{name}, step {step}, answered in {took * 1000:.1f} ms")
    if reads_only:
        yield _bad(
            "database",
            "it takes no writes: it is a standby, or was told so (default_transaction_read_only)",
            "let database_url find the one that does (target_session_attrs=read-write, docs/high-availability.md)",
        )
    if took > SLOW:
        yield _note(
            "database", f"it took {took:.2f} s to answer", "look at its load, and at the network in between"
        )
    if room is not None:
        yield from _of_postgresql(house, version, room)


def _of_postgresql(house: House, version: str, room: int) -> Finds:
    if int(version.partition(".")[0] or 0) < OLDEST_POSTGRESQL:
        yield _bad("database", f"PostgreSQL {version} is too old", f"use {OLDEST_POSTGRESQL} or newer")
    most = (house.settings.workers or config.cores()) * (house.settings.threads + 7)
    if most > room - 3:
        yield _note(
            "database",
            f"this machine alone may ask for {most} connections, and it gives {room}",
            "raise max_connections, or lower workers or threads",
        )


def _signing(house: House) -> Finds:
    problems = signing.check(house)
    for problem in problems:
        yield _bad(
            "signing keys",
            problem,
            "copy keys/signing from the machine where the key began, or `idp keys list`",
        )
    if not problems:
        yield _well("signing keys", "every key that signs, or will, is here and fits what is published")


def _peppers(house: House) -> Finds:
    """Hashes that name a pepper which is not here can never be right again."""
    with house.database.reading() as db:
        used = db.execute(select(Account.pepper_id, func.count()).group_by(Account.pepper_id)).all()
    for pepper, count in used:
        if pepper not in house.keys.peppers:
            yield _bad(
                "keys",
                f"{count} accounts need {pepper}, which is not here: nobody can sign in with those",
                f"put {pepper} back from the backup of the keys",
            )


def _clock(house: House) -> Finds:
    apart = health.skew(house)
    if apart > health.SKEW:
        yield _bad(
            "clock",
            f"this clock is {apart.total_seconds():.0f} s from the database's, or behind another machine's",
            "let all machines follow the same time servers (timedatectl, chronyc tracking)",
        )
    else:
        yield _well("clock", f"{house.clock.now():%Y-%m-%d %H:%M:%S} UTC, within a minute of the others")


def _jobs(house: House) -> Finds:
    now = house.clock.now()
    with house.database.reading() as db:
        book = job_book.overview(db, now)
    if not book:
        yield _note("jobs", "none ever ran", "start `idp serve`, or run `idp jobs due` from a timer")
        return
    unwell = [line for line in book if line.failures or line.late(now)]
    for line in unwell:
        if line.failures:
            seen = f"{line.name} failed {line.failures} times in a row: {line.failure}"
            yield _bad("jobs", seen, f"mend what it says, then `idp jobs run {line.name}`")
        else:
            seen = f"{line.name} should have run at {line.expected_at:%Y-%m-%d %H:%M} UTC"
            yield _bad("jobs", seen, "does `idp serve` run, or the timer for `idp jobs due`?")
    if not unwell:
        yield _well("jobs", f"{len(book)} jobs, none failed or late")


def _trail(house: House) -> Finds:
    """What the nightly look at the audit trail and the ledger found, and whether it comes round."""
    now, due = house.clock.now(), timedelta(days=2 * house.settings.verify_nights)
    with house.database.reading() as db:
        book = patrol_book.read(db, house.keys.marks)
        known = [line.known_since for line in job_book.overview(db, now) if line.name == "verify"]
    for trouble in book.alarms:
        yield _bad("trail", f"{trouble}, since {trouble.since}", TOUCHED)
    for trouble, said in book.known:
        seen = f"{trouble}, known since {trouble.since}, acknowledged by {said.by} on {said.at[:10]}: {said.reason}"
        yield _note("trail", seen, "it goes when it is as it was, or is purged: docs/proof.md")
    for trail in book.strange:
        yield _bad("trail", f"how far the nightly look at {trail} is was written by somebody else", TOUCHED)
    walked = [one for name, one in book.standings.items() if name != patrol_book.ANCHORS]
    ages = [now - (one.whole_at or one.begun_at) for one in walked]
    if not walked and known and now - known[0] > due:
        ages = [now - known[0]]
    if ages and max(ages) > due:
        yield _note(
            "trail",
            f"it is {max(ages).days} days ago that all of the audit trail and the ledger was looked at",
            "raise verify_rows, and see in `idp jobs list` whether `verify` runs",
        )
    elif walked and not book.troubles and not book.strange:
        whole = [one.whole_at for one in walked if one.whole_at is not None]
        last = f"all of it by {min(whole):%Y-%m-%d}" if len(whole) == len(walked) else "not all of it yet"
        yield _well("trail", f"the audit trail and the ledger are as they were written; looked at: {last}")


def _arrivals(house: House) -> Finds:
    """What others send, and what of it waits for an operator."""
    with house.database.reading() as db:
        late = overdue.directors(db, house.clock.now())
        waiting = held.waiting(db, kind=deliveries.ENROLMENTS)
    if late is not None:
        since = f"since {late.last:%Y-%m-%d}" if late.last else "ever"
        yield _note(
            "directors",
            f"no list of directors came {since}, and one is due each Monday",
            "ask who sends it, or `idp import-directors FILE`; rights that the last list gave stay until they end",
        )
    if waiting:
        schools = ", ".join(sorted({one.instellingsnummer for one in waiting})[:5])
        yield _note(
            "enrolments",
            f"{len(waiting)} {'list waits' if len(waiting) == 1 else 'lists wait'} for you, deleted after 7 days: {schools}",
            "*Leveringen* in the console, or `idp holds list`",
        )


def _old(house: House) -> Finds:
    kept = timedelta(days=house.settings.keep_expired_days)
    with house.database.reading() as db:
        oldest = db.execute(select(func.min(AccessToken.expires_at))).scalar()
    if oldest is not None and oldest < house.clock.now() - kept - GRACE:
        yield _bad(
            "retention",
            f"a token that ended on {oldest:%Y-%m-%d} is still kept",
            "`idp jobs run purge`, and see in `idp jobs list` why it does not run by itself",
        )


def _backups(house: House) -> Finds:
    """Where backups have somebody who can open them, one is made every night."""
    if not house.settings.backup_recipients:
        return
    with house.database.reading() as db:
        made = select(func.max(AuditEvent.at)).where(AuditEvent.event == "backup_made")
        last = db.execute(made).scalar()
    if last is None or last < house.clock.now() - NIGHTLY:
        yield _note(
            "backup",
            f"the last was made on {last:%Y-%m-%d}" if last else "none was ever made",
            "`idp backup FOLDER`, and see why its timer does not (docs/backups.md)",
        )
    else:
        yield _well("backup", f"the last was made at {last:%Y-%m-%d %H:%M} UTC")


def _mail(house: House) -> Finds:
    known = house.settings
    if not known.smtp_host:
        if not known.demo:
            yield _well("mail", "none: pupils get a new password from their school")
        return
    try:
        postman.knock(known)
    except postman.NotSentError as no:
        yield _bad(
            "mail",
            f"{known.smtp_host}:{known.smtp_port}: {no.because}",
            "look at the smtp_… settings and that server",
        )
    else:
        yield _well("mail", f"{known.smtp_host}:{known.smtp_port} takes mail from us")


def _redis(house: House) -> Finds:
    if house.redis is None:
        return
    if not house.redis.answers():
        yield _bad(
            "redis",
            "it does not answer, so the database counts wrong tries meanwhile",
            "start it, or see redis_url",
        )
        return
    policy = house.redis.policy()
    if policy not in {None, "noeviction"}:
        yield _note(
            "redis", f"maxmemory-policy is {policy}: closed counters may be forgotten", "set noeviction"
        )
    else:
        yield _well("redis", "it answers")


def unreadable(folder: Path, problems: list[str]) -> list[Finding]:
    """When not even the settings or keys can be read, that is all there is to say."""
    return [
        _bad("settings", problem, f"see {folder / config.FILE} and docs/settings.md") for problem in problems
    ]
